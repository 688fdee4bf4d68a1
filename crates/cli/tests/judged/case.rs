//! A case: its log, the people in it, and what they say there.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use firmlog_keys::FileKey;
use firmlog_log::{Batch, Config, Log, Outcome, Registration};
use firmlog_statement::event::EventType;
use firmlog_statement::{Digest, Parsed, Role, Statement};
use firmlog_tlog::merkle::leaf_hash;
use firmlog_tlog::note::Algorithm;
use firmlog_verify::bundle::Bundle;
use firmlog_verify::crypto::RustCrypto;
use serde_json::Value;
use sha2::Digest as _;

use crate::people::{
    ADMIN, BUILD, FIELD, QUALITY, SAFETY, Who, ZETA, ZETA_QUALITY, enrolment, id, sign,
};
use crate::world::World;

const ORIGIN: &str = "log.example/pumps";

/// Why the rules refuse a judgement by somebody who is enrolled for another manufacturer.
pub(crate) const OUT_OF_SCOPE: &str =
    "the key was not enrolled to speak about releases of that issuer";

/// A log with two manufacturers and who judges their releases.
pub(crate) struct Case {
    pub(crate) world: World,
    client: reqwest::blocking::Client,
}

/// A release and the file that it is of.
#[derive(Clone)]
pub(crate) struct Release {
    pub(crate) file: String,
    pub(crate) leaf: String,
}

impl Release {
    pub(crate) fn digest(&self) -> Digest {
        digest(&self.leaf)
    }
}

pub(crate) fn text<'a>(doc: &'a Value, name: &str) -> &'a str {
    doc[name].as_str().unwrap_or_else(|| panic!("no {name} in {doc}"))
}

pub(crate) fn digest(hex: &str) -> Digest {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    Digest(std::array::from_fn(|n| byte(2 * n)))
}

pub(crate) fn hex_of(entry: &[u8]) -> String {
    leaf_hash(entry).to_string()
}

impl Case {
    /// A log that asks for so many approvals.
    pub(crate) fn new(approvals: u8) -> Self {
        Self::of(World::start_with(&["--approvals", &approvals.to_string()]))
    }

    pub(crate) fn of(world: World) -> Self {
        let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
        let case = Self { world, client };
        for (whom, role, speaks_for) in [
            (BUILD, Role::Manufacturer, None),
            (QUALITY, Role::Approver, Some(BUILD.1)),
            (SAFETY, Role::Approver, Some(BUILD.1)),
            (FIELD, Role::Authoriser, Some(BUILD.1)),
            (ZETA, Role::Manufacturer, None),
            (ZETA_QUALITY, Role::Approver, Some(ZETA.1)),
        ] {
            case.enrol(ADMIN, whom, role, speaks_for);
        }
        case
    }

    pub(crate) fn dir(&self) -> &Path {
        self.world.dir.path()
    }

    /// Has an administrator enrol a key; the leaf hash.
    pub(crate) fn enrol(&self, by: Who, whom: Who, role: Role, of: Option<&str>) -> String {
        let issuers: Vec<&str> = of.into_iter().collect();
        self.say(&self.sign(by, enrolment(self.dir(), whom, role, &issuers)))
    }

    pub(crate) fn sign(&self, who: Who, statement: impl Into<Statement>) -> Vec<u8> {
        sign(self.dir(), who, statement)
    }

    /// Publishes a file of 5000 bytes `n` as a version.
    pub(crate) fn publish(&self, n: u8, version: &str, who: Who, more: &[&str]) -> Release {
        self.begin("publish", n, version, who, more)
    }

    pub(crate) fn begin(
        &self,
        how: &str,
        n: u8,
        version: &str,
        who: Who,
        more: &[&str],
    ) -> Release {
        let file = self.file(n);
        let args = ["release", how, &file, "--version", version, "--model", "ip-200"];
        let done = self.world.done(&[&args[..], more, &by(who)].concat());
        Release { leaf: text(&done, "leaf_hash").to_owned(), file }
    }

    /// A file that is there.
    pub(crate) fn file(&self, n: u8) -> String {
        let file = format!("file-{n}");
        std::fs::write(self.dir().join(&file), [n; 5000]).expect("writes");
        file
    }

    /// A release that one person approved.
    pub(crate) fn approved(&self, n: u8, version: &str) -> Release {
        let release = self.publish(n, version, BUILD, &[]);
        self.judge(&release, "approval", QUALITY);
        release
    }

    pub(crate) fn judge(&self, release: &Release, meaning: &str, who: Who) -> String {
        let done = self.world.done(&judging(release, meaning, who));
        text(&done, "leaf_hash").to_owned()
    }

    pub(crate) fn step(&self, release: &Release, step: &str, who: Who) -> String {
        let done = self.world.done(&stepping(release, step, who));
        text(&done, "leaf_hash").to_owned()
    }

    /// A step of this release that names something else.
    pub(crate) fn step_naming(
        &self,
        release: &Release,
        named: Digest,
        event: EventType,
        who: Who,
    ) -> Vec<u8> {
        self.world.at_log(&["bundle", "release", &release.leaf, "--out", "begins.fwb"]);
        let bytes = std::fs::read(self.dir().join("begins.fwb")).expect("a bundle");
        let bundle = Bundle::parse(&bytes).expect("a bundle");
        let begins = bundle.entries.iter().find(|it| hex_of(&it.bytes) == release.leaf);
        let parsed = Parsed::parse(&begins.expect("the release").bytes).expect("a statement");
        let Ok(Statement::Release(begins)) = parsed.decode() else { panic!("a release") };
        let (supersedes, time) = (None, crate::people::now());
        let release = Some(named);
        let step = firmlog_statement::Release { release, event, time, supersedes, ..begins };
        self.sign(who, Statement::Release(step))
    }

    pub(crate) fn revoke(&self, by_whom: Who, whose: Who, reason: &str, more: &[&str]) -> String {
        let kid = id(self.dir(), whose);
        let args = ["trust", "revoke", &kid, "--reason", reason];
        let done = self.world.done(&[&args[..], more, &by(by_whom)].concat());
        text(&done, "leaf_hash").to_owned()
    }

    /// Appends a signed entry, which the log must take; its leaf hash.
    pub(crate) fn say(&self, entry: &[u8]) -> String {
        let (status, body) = self.post(entry);
        assert_eq!(status, 201, "{body}");
        hex_of(entry)
    }

    /// The log's answer to an entry: status and what it says, whatever form it has.
    pub(crate) fn post(&self, entry: &[u8]) -> (u16, String) {
        let url = format!("{}/entries", self.world.url);
        let post = self.client.post(url).header("Content-Type", "application/cose");
        let reply = post.body(entry.to_vec()).send().expect("answers");
        let status = reply.status().as_u16();
        (status, String::from_utf8_lossy(&reply.bytes().expect("a body")).into_owned())
    }

    /// The honest log's rules refuse this entry, and say why.
    pub(crate) fn refuses(&self, entry: &[u8], why: &str) {
        let (status, body) = self.post(entry);
        assert!(status == 403 && body.contains(why), "{status}: {body}");
    }

    /// The same of what a command says: the program ends with 4 and tells the reason.
    pub(crate) fn refuses_command(&self, args: &[&str], why: &str) {
        let (code, told) = self.world.at_log(&[args, &["--out", "refused.cose"]].concat());
        assert_eq!((code, text(&told, "code")), (4, "E-AUTH"), "{told}");
        // What to do next is about the refusal, not about who asks.
        let help = match text(&told, "message") {
            said if said.contains("final") => "make a new release",
            said if said.contains("another issuer's") => "own issuer takes its steps",
            said if said.contains("not enrolled to speak") => "--for ISSUER",
            _ => "enrolled keys only",
        };
        assert!(text(&told, "help").contains(help), "{told}");
        assert!(text(&told, "message").contains(why), "{told}");
        let entry = std::fs::read(self.dir().join("refused.cose")).expect("signed");
        self.refuses(&entry, why);
    }

    /// From now on the operator appends, signs and serves whatever it is given.
    pub(crate) fn lie(&mut self) {
        self.world.stop();
        self.world.start_again_lying();
    }

    /// Entries that stand in the log are appended once more, as no rule of its own lets it.
    pub(crate) fn append_again(&mut self, entries: &[&[u8]]) {
        self.world.stop();
        append(self.dir(), entries);
        self.world.start_again_lying();
    }

    /// A document of the API.
    pub(crate) fn api(&self, path: &str) -> Value {
        let body = self.get(&format!("/api/v1/{path}"));
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"))
    }

    /// What the server answers with 200.
    pub(crate) fn get(&self, path: &str) -> String {
        let reply = self.client.get(format!("{}{path}", self.world.url)).send().expect("answers");
        let (status, body) = (reply.status().as_u16(), reply.text().expect("text"));
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// The status with which the server answers.
    pub(crate) fn status(&self, path: &str) -> u16 {
        let reply = self.client.get(format!("{}{path}", self.world.url)).send();
        reply.expect("answers").status().as_u16()
    }

    /// Entries in the newest tree.
    pub(crate) fn size(&self) -> u64 {
        let note = self.get("/checkpoint");
        note.lines().nth(1).and_then(|line| line.parse().ok()).expect("a size")
    }

    pub(crate) fn sha256(&self, file: &str) -> String {
        let bytes = std::fs::read(self.dir().join(file)).expect("reads");
        Digest(sha2::Sha256::digest(bytes).into()).to_string()
    }
}

/// Asks until it is so, and gives up with the last answer after half a minute.
pub(crate) fn eventually<T>(ask: impl Fn() -> Result<T, Value>) -> T {
    let started = Instant::now();
    loop {
        match ask() {
            Ok(it) => return it,
            Err(told) => assert!(started.elapsed() < Duration::from_secs(30), "{told}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The arguments with which somebody signs.
pub(crate) fn by(who: Who) -> [&'static str; 4] {
    ["--key", who.0, "--as", who.1]
}

pub(crate) fn stepping<'a>(release: &'a Release, step: &'a str, who: Who) -> Vec<&'a str> {
    [&["release", "step", &release.leaf, step][..], &by(who)].concat()
}

pub(crate) fn judging<'a>(release: &'a Release, meaning: &'a str, who: Who) -> Vec<&'a str> {
    let args = ["release", "approve", &release.leaf, "--meaning", meaning, "--name", "Somebody"];
    [&args[..], &by(who)].concat()
}

/// Appends to the log's folder whatever it is, without looking for duplicates.
fn append(dir: &Path, entries: &[&[u8]]) {
    let (data, record) = (dir.join("log/data"), dir.join("log/never-fork"));
    let any = Config::new(data, record, ORIGIN, Registration::Any);
    let config = Config { dedup_window: 1, ..any };
    let key = FileKey::open(&dir.join("log/log-key.pem"), None).expect("the log's key");
    let signer = key.note_signer(ORIGIN, Algorithm::Ed25519).expect("signs notes");
    let (log, _) = Log::open(config, Box::new(signer), Arc::new(RustCrypto)).expect("opens");
    for entry in entries {
        let mut batch = Batch::default();
        log.checker().push(&mut batch, entry).expect("fits");
        let outcome = log.appender().append(batch).expect("appends").outcomes[0];
        assert!(matches!(outcome, Outcome::Appended { .. }), "{outcome:?}");
    }
    log.close().expect("closes");
}
