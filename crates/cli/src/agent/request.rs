//! What one may ask of the process that holds the journal, over its socket or in its place.
//!
//! ```text
//! → {"do":"record","event":"install_started"}
//! ← {"exit":0,"json":{"logged":"recorded","seq":"4"},"text":"recorded as statement 4\n"}
//! ← {"error":{"code":"E-ORDER","exit":1,"message":"…"}}
//! ```
//!
//! One line each way. Invariant: the same code answers, whoever holds the journal.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::error::{Error, Exit, Result};

/// The longest request or answer, in bytes.
pub(crate) const LINE_MAX: u64 = 16 << 20;

/// A request.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Request {
    /// A step of the device.
    Record(Step),
    /// How things stand.
    Status,
    /// What it said and still has.
    History {
        /// From this statement on.
        from: u64,
    },
    /// Send now, and answer when all is proven or the log is in the way.
    Push,
}

/// A step.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Step {
    /// Its name, as docs/spec/statement.md lists them.
    pub(crate) event: String,
    /// The updater's error number.
    pub(crate) error: Option<u32>,
    /// Where power comes from.
    pub(crate) power: Option<String>,
    /// `SHA-256 VERSION COUNTER` of the image it is about.
    pub(crate) image: Option<String>,
    /// Leaf hash of its release.
    pub(crate) release: Option<String>,
    /// Make a statement of it at once.
    pub(crate) now: bool,
    /// Who began the update, and why.
    #[serde(default)]
    pub(crate) why: Box<WhyArgs>,
    /// `FIELD=VALUE` that the statement commits to.
    #[serde(default)]
    pub(crate) private: Vec<String>,
}

/// Who began the update under way, and why.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct WhyArgs {
    /// Who began it: person, system or device. Said from here on, while the agent runs
    #[arg(long, value_name = "KIND")]
    pub(crate) by: Option<String>,
    /// Pseudonymous id of who, such as the thumbprint of a key; never a name
    #[arg(long, value_name = "HASH", requires = "by")]
    pub(crate) by_id: Option<String>,
    /// In which role
    #[arg(long, requires = "by")]
    pub(crate) role: Option<String>,
    /// The name of a system, or an organisation's public name
    #[arg(long, requires = "by")]
    pub(crate) organisation: Option<String>,
    /// Why: security_fix, defect_fix, feature, recall, service, downgrade, …
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// What the device was doing: idle, standby, in_use or maintenance
    #[arg(long, value_name = "STATE", requires = "reason")]
    pub(crate) clinical: Option<String>,
}

/// An answer as a line.
pub(crate) fn encode(result: &Result<Answer>) -> String {
    let doc = match result {
        Ok(answer) => {
            json!({"exit": answer.exit as u8, "json": answer.json, "text": answer.text})
        }
        Err(error) => json!({"error": error.json()}),
    };
    doc.to_string() + "\n"
}

/// The answer in a line, as that of `command`.
pub(crate) fn decode(line: &str, command: &'static str) -> Result<Answer> {
    let other = || Error::form("the agent's answer", "not one");
    let doc: Value = serde_json::from_str(line).map_err(|_| other())?;
    if let Some(error) = doc.get("error") {
        return Err(error_of(error));
    }
    let exit = exit_of(&doc["exit"]).ok_or_else(other)?;
    let text = doc["text"].as_str().ok_or_else(other)?;
    Ok(Answer::new(command, doc["json"].clone(), text).exit(exit))
}

fn error_of(doc: &Value) -> Error {
    let text = |name: &str| doc[name].as_str().unwrap_or_default().to_owned();
    let error = Error::new(code_of(&text("code")), text("message"));
    let error = match exit_of(&doc["exit"]) {
        Some(exit) => error.exit(exit),
        None => error,
    };
    let error = match doc.get("expected") {
        Some(_) => error.expected(text("expected"), text("got")),
        None => error,
    };
    match doc.get("help") {
        Some(_) => error.help(text("help")),
        None => error,
    }
}

/// Codes are compared by scripts: they stay the same over the socket.
fn code_of(code: &str) -> &'static str {
    let known =
        ["E-ORDER", "E-NOT-LOGGED", "E-JOURNAL", "E-TOO-LONG", "E-USAGE", "E-TPM", "E-FORM"];
    known.into_iter().find(|known| *known == code).unwrap_or("E-AGENT")
}

fn exit_of(value: &Value) -> Option<Exit> {
    Some(match value.as_u64()? {
        0 => Exit::Proven,
        1 => Exit::Against,
        2 => Exit::CannotRun,
        3 => Exit::Incomplete,
        4 => Exit::Auth,
        5 => Exit::Network,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_errors_cross_the_socket() {
        let answer = Answer::new("agent-record", json!({"seq": "4"}), "t").exit(Exit::Incomplete);
        let crossed = decode(&encode(&Ok(answer)), "agent-record").expect("an answer");
        assert_eq!(
            (crossed.exit, crossed.json, crossed.text.as_str()),
            (Exit::Incomplete, json!({"seq": "4"}), "t")
        );
        let error = Error::new("E-ORDER", "no").exit(Exit::Against).expected("a", "b").help("c");
        let before = error.json();
        let Err(crossed) = decode(&encode(&Err(error)), "agent-record") else { panic!() };
        assert_eq!(crossed.json(), before);
    }

    #[test]
    fn a_request_is_one_spelling() {
        let record = Request::Record(Step { event: "check".into(), ..Step::default() });
        for request in [record, Request::Status, Request::History { from: 3 }, Request::Push] {
            let text = serde_json::to_string(&request).expect("encodes");
            let back: Request = serde_json::from_str(&text).expect("parses");
            assert_eq!(serde_json::to_string(&back).expect("encodes"), text);
        }
    }
}
