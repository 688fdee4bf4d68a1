//! What a command has to say: one text for people, one JSON document for programs.
//!
//! ```text
//! $ firmlog --json key show approver.pem
//! {"schema":"firmlog/key-show/v1","algorithm":"P-256","thumbprint":"9f2c…"}
//! ```
//!
//! In scope: marks, colour, alignment, where each goes. Out of scope: what is said.
//!
//! Invariants:
//! - stdout carries the result and nothing else; everything else is on stderr.
//! - No colour unless stdout is a terminal; colour never carries meaning alone.
//! - Text that came from a file or a log cannot steer the terminal: see [`printable`].

use std::io::{IsTerminal, Write};

use firmlog_statement::is_hidden;
use serde_json::Value;

use crate::error::Exit;

/// The result of a command.
pub(crate) struct Answer {
    /// Names the schema: `firmlog/<command>/v1`.
    pub(crate) command: &'static str,
    pub(crate) exit: Exit,
    /// A JSON object, without its `schema`.
    pub(crate) json: Value,
    /// Lines for people; marks are coloured when printed.
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn new(command: &'static str, json: Value, text: impl Into<String>) -> Self {
        Self { command, exit: Exit::Proven, json, text: text.into() }
    }

    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

/// How to talk, from the global flags.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Talk {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    pub(crate) colour: bool,
}

impl Talk {
    /// Colour only for a terminal that did not decline it.
    pub(crate) fn new(json: bool, quiet: bool, verbose: bool, no_colour: bool) -> Self {
        let declined = no_colour || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Self { json, quiet, verbose, colour: !declined && std::io::stdout().is_terminal() }
    }

    /// Prints the answer on stdout. `Err` when stdout is closed.
    pub(crate) fn print(&self, answer: &Answer) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            if !answer.json.is_null() {
                writeln!(out, "{}", document(answer))?;
            }
        } else if !answer.text.is_empty() && !self.quiet {
            let text = printable(&answer.text);
            let text = if self.colour { coloured(&text) } else { text };
            out.write_all(text.as_bytes())?;
            if !text.ends_with('\n') {
                out.write_all(b"\n")?;
            }
        }
        out.flush()
    }

    /// One line of talk on stderr.
    pub(crate) fn say(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            eprintln!("{}", printable(&text.to_string()));
        }
    }

    /// One line of talk on stderr, only with `--verbose`.
    pub(crate) fn detail(&self, text: impl std::fmt::Display) {
        if self.verbose && !self.quiet {
            eprintln!("{}", printable(&text.to_string()));
        }
    }

    /// A line that replaces itself while work goes on; only on a terminal.
    pub(crate) fn progress(&self, text: impl std::fmt::Display) {
        if !self.quiet && !self.json && std::io::stderr().is_terminal() {
            eprint!("\r\x1b[2K{text}");
        }
    }

    /// Ends what [`Talk::progress`] began.
    pub(crate) fn progress_end(&self) {
        self.progress("");
    }
}

/// The answer's JSON with its schema first.
fn document(answer: &Answer) -> Value {
    let mut doc = serde_json::Map::new();
    doc.insert("schema".into(), format!("firmlog/{}/v1", answer.command).into());
    doc.insert("exit".into(), (answer.exit as u8).into());
    if let Value::Object(fields) = &answer.json {
        doc.extend(fields.clone());
    }
    Value::Object(doc)
}

/// Control characters, and those that are not seen or turn the text, as Rust writes them, but for
/// the ends of lines and tabs.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control() || is_hidden(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// ✓ green, ✗ red, ◷ grey: beside the word, never instead of it.
fn coloured(text: &str) -> String {
    text.replace('✓', "\x1b[32m✓\x1b[0m")
        .replace('✗', "\x1b[31m✗\x1b[0m")
        .replace('◷', "\x1b[90m◷\x1b[0m")
}

/// `name    value` lines with the values in one column.
pub(crate) fn table<'a>(rows: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let rows: Vec<_> = rows.into_iter().collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{name:<width$}  {value}\n")).collect()
}

/// `1 entry`, `2 entries`.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Bytes of lower- or upper-case hex.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    text.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trip() {
        assert_eq!(unhex(&hex(&[0, 0xab, 0xff])), Some(vec![0, 0xab, 0xff]));
        assert_eq!(unhex("abc"), None);
        assert_eq!(unhex("zz"), None);
    }

    #[test]
    fn what_is_shown_cannot_steer_a_terminal() {
        let hostile = "name\u{1b}]0;title\u{7}\r\u{9b}2J\tend — ✓\n";
        let shown = "name\\u{1b}]0;title\\u{7}\\r\\u{9b}2J\tend — ✓\n";
        assert_eq!(printable(hostile), shown);
        let hidden = "acme\u{200b}.example/\u{202e}dliub";
        assert_eq!(printable(hidden), "acme\\u{200b}.example/\\u{202e}dliub");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(counted(1, "entry", "entries"), "1 entry");
        assert_eq!(counted(0, "entry", "entries"), "0 entries");
    }

    #[test]
    fn schema_comes_with_every_document() {
        let answer = Answer::new("verify", serde_json::json!({"verdict": "verified"}), "");
        let doc = document(&answer);
        assert_eq!(doc["schema"], "firmlog/verify/v1");
        assert_eq!(doc["verdict"], "verified");
    }
}
