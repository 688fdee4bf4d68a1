//! `challenge`: a third party's spot check, and `challenge verify` for everybody else.
//!
//! ```text
//! 1  draw a nonce, commit to it (in the log itself, with --key)
//! 2  fetch and pin the newest witnessed checkpoint that covers the commitment
//! 3  draw entries from nonce and checkpoint, demand each with its inclusion proof
//! 4  demand consistency with the checkpoint known before
//! 5  keep everything as a transcript
//! ```
//!
//! In scope: the exchange and its transcript. Out of scope: what the entries say.
//!
//! Invariants:
//! - The checkpoint is pinned before any entry is asked for.
//! - Once the checkpoint is pinned a transcript is saved, whatever the log answers or does not.
//! - A log that does not hand over a drawn entry is told as such, and never as verified.

mod draw;
mod transcript;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use firmlog_keys::{AwsLc, os_random};
use firmlog_statement::{Audit, AuditAction, Digest, Extra, Statement};
use firmlog_tlog::merkle::{BuildError, LeafIndex, TreeSize, consistency_proof, inclusion_proof};
use firmlog_tlog::tile::NodesError;
use firmlog_verify::TrustRoot;
use firmlog_verify::checkpoint::verify_checkpoint;
use firmlog_verify::report::Verdict;
use serde_json::json;

use crate::Context;
use crate::answer::Answer;
use crate::command::key::{self, Lock};
use crate::error::{Error, Exit, Result};
use crate::http::Client;
use crate::scan::{head_error, newest_checkpoint};
use crate::submit::{self, LogArgs, sign_entry, trust_root};
use transcript::{Committed, Finding, Proof, Proven, Reply, State, Transcript};

/// Pauses before a drawn entry is asked for again.
const PAUSES_MS: [u64; 3] = [250, 500, 1000];

/// `challenge`
#[derive(Subcommand)]
pub(crate) enum ChallengeCommand {
    /// Ask a log for entries that neither side chose alone
    Run(RunArgs),
    /// Check somebody's challenge again, offline
    Verify(VerifyArgs),
}

/// Arguments of `challenge run`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog challenge run --log https://log.example --trust log.trust --out spot-check.json")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    log: LogArgs,
    /// Where the transcript goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How many entries
    #[arg(long, default_value_t = 16)]
    count: usize,
    /// A checkpoint or transcript known from before: the log must extend it
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    /// An auditor's enrolled key: commits in the log, so that others need not believe you
    #[arg(long, value_name = "KEY", requires = "issuer")]
    key: Option<OsString>,
    /// Name under which that key is enrolled
    #[arg(long = "as", value_name = "ISSUER")]
    issuer: Option<String>,
    #[command(flatten)]
    lock: Lock,
}

/// Arguments of `challenge verify`.
#[derive(Args)]
#[command(after_help = "Example:\n  firmlog challenge verify spot-check.json --trust log.trust")]
pub(crate) struct VerifyArgs {
    /// The transcript
    transcript: PathBuf,
    /// Trust root file that pins the log
    #[arg(long, env = "FIRMLOG_TRUST", value_name = "FILE")]
    trust: PathBuf,
}

/// Runs the command.
pub(crate) fn run(command: &ChallengeCommand, context: &Context) -> Result<Answer> {
    match command {
        ChallengeCommand::Run(args) => challenge(args, context),
        ChallengeCommand::Verify(args) => {
            let root = trust_root(&args.trust)?;
            let transcript = read(&args.transcript)?;
            let findings = transcript.check(&root, &AwsLc);
            Ok(answer("challenge-verify", &transcript, &findings))
        }
    }
}

fn challenge(args: &RunArgs, context: &Context) -> Result<Answer> {
    let root = trust_root(&args.log.trust)?;
    let known = args.known.as_deref().map(known_checkpoint).transpose()?;
    let client = Client::new(&args.log.log, context)?;
    let mut nonce = [0; 32];
    os_random(&mut nonce);
    let commitment = draw::commitment(&nonce);
    let committed = match (&args.key, &args.issuer) {
        (Some(name), Some(issuer)) => {
            let key = key::open(&key::uri(name)?, &args.lock)?;
            let entry = sign_entry(&commit_statement(&commitment), issuer, "challenge", &key)?;
            Some((submit::submit(&client, &root, &entry, &[])?.index, entry))
        }
        _ => None,
    };
    let floor = committed.as_ref().map_or(0, |(index, _)| index + 1);
    let checkpoint = pin(&client, &root, floor, context)?;
    let signed = verify_checkpoint(checkpoint.as_bytes(), &root, &AwsLc).map_err(head_error)?;
    let size = signed.head.size;
    let text = transcript::note_text(&checkpoint).unwrap_or_default();
    let drawn = draw::draw(&draw::seed(&nonce, text), size.0, args.count);
    let mut patience = Patience { client: &client, pauses_ms: &PAUSES_MS };
    let answers = drawn.iter().map(|index| demand(&mut patience, *index, size)).collect();
    let committed_in = committed.map(|(index, entry)| {
        let path = patience.ask(|client| inclusion(client, index, size)).map_err(|e| e.message);
        Committed { index, entry, path }
    });
    let known = known
        .map(|note| {
            let older = verify_checkpoint(note.as_bytes(), &root, &AwsLc).map_err(head_error)?;
            Ok::<_, Error>((note, consistency(&mut patience, older.head.size, size)))
        })
        .transpose()?;
    let origin = root.origin().to_owned();
    let count = args.count;
    let transcript =
        Transcript { origin, nonce, commitment, committed_in, known, checkpoint, count, answers };
    save(&args.out, &transcript)?;
    let findings = transcript.check(&root, &AwsLc);
    let mut answer = answer("challenge-run", &transcript, &findings);
    answer.json["transcript"] = args.out.display().to_string().into();
    answer.text.push_str(&format!(
        "transcript  {}\nothers check it with: firmlog challenge verify {} --trust FILE\n",
        args.out.display(),
        args.out.display()
    ));
    Ok(answer)
}

/// An `Audit` statement whose digest is the commitment.
fn commit_statement(commitment: &[u8; 32]) -> Statement {
    Statement::Audit(Audit {
        time: submit::now(),
        initiator: None,
        commitments: Default::default(),
        action: AuditAction::TrailReviewed,
        subjects: Vec::new(),
        devices: Vec::new(),
        old: None,
        new: Some(Digest(*commitment)),
        window_from_ms: None,
        window_until_ms: None,
        count: None,
        severity: None,
        detail: Some("challenge: commitment to a nonce".to_owned()),
        esig: None,
        extra: Extra::default(),
    })
}

/// The newest checkpoint that covers `floor` entries and, if the log gets there in time, is
/// witnessed by a quorum.
fn pin(client: &Client, root: &TrustRoot, floor: u64, context: &Context) -> Result<String> {
    let start = Instant::now();
    loop {
        let note = newest_checkpoint(client)?;
        let signed = verify_checkpoint(note.as_bytes(), root, &AwsLc).map_err(head_error)?;
        let late = start.elapsed() > context.timeout.min(Duration::from_secs(15));
        if signed.head.size.0 >= floor && (signed.quorum || late) {
            return Ok(note);
        }
        if late {
            return Err(Error::network("the log published no checkpoint over the commitment"));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// How often a log that is busy or silent is asked again.
///
/// Once it stayed so, everything further is asked for once: a log that plays dead costs minutes and
/// not hours.
struct Patience<'a> {
    client: &'a Client,
    pauses_ms: &'static [u64],
}

impl Patience<'_> {
    fn ask<T>(&mut self, request: impl Fn(&Client) -> Result<T>) -> Result<T> {
        for pause in self.pauses_ms {
            match request(self.client) {
                Err(error) if error.exit == Exit::Network => {
                    std::thread::sleep(Duration::from_millis(*pause));
                }
                other => return other,
            }
        }
        let last = request(self.client);
        if last.as_ref().is_err_and(|error| error.exit == Exit::Network) {
            self.pauses_ms = &[];
        }
        last
    }
}

/// One entry with its proof; what the log does not hand over becomes part of the transcript.
fn demand(patience: &mut Patience<'_>, index: u64, size: TreeSize) -> Reply {
    let given = patience.ask(|client| {
        let entry = client.entry(index, size)?;
        let path = inclusion(client, index, size)?;
        Ok(Proven { index, entry, path })
    });
    match given {
        Ok(proven) => Reply::Given(proven),
        Err(error) if error.code == "E-PRUNED" => Reply::Pruned { index, why: error.message },
        Err(error) => Reply::Refused { index, why: error.message },
    }
}

fn inclusion(
    client: &Client,
    index: u64,
    size: TreeSize,
) -> Result<Vec<firmlog_tlog::merkle::Hash>> {
    inclusion_proof(client.nodes(size), LeafIndex(index), size)
        .map_err(|e| proof_error("inclusion proof from tiles", e))
}

fn consistency(patience: &mut Patience<'_>, older: TreeSize, size: TreeSize) -> Proof {
    let from_tiles = |client: &Client| {
        consistency_proof(client.nodes(size), older, size)
            .map_err(|e| proof_error("consistency proof from tiles", e))
    };
    patience.ask(from_tiles).map_err(|e| e.message)
}

/// What the log answered when a tile was asked for stays what it was.
fn proof_error(what: &str, error: BuildError<NodesError<Error>>) -> Error {
    match error {
        BuildError::Source(NodesError::Fetch(error)) => error,
        other => Error::form(what, other),
    }
}

/// A checkpoint file, or the pinned checkpoint of an earlier transcript.
fn known_checkpoint(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
    if text.starts_with('{') { Ok(read(path)?.checkpoint) } else { Ok(text) }
}

fn read(path: &Path) -> Result<Transcript> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    Transcript::parse(&bytes)
}

fn save(path: &Path, transcript: &Transcript) -> Result<()> {
    let text = serde_json::to_string_pretty(&transcript.to_json()).unwrap_or_default() + "\n";
    std::fs::write(path, text).map_err(|e| Error::io("write", path, e))
}

fn answer(command: &'static str, transcript: &Transcript, findings: &[Finding]) -> Answer {
    let mut text = format!("challenge of {}\n", transcript.origin);
    for finding in findings {
        let mark = match finding.state {
            State::Holds => '✓',
            State::Fails => '✗',
            State::Missing | State::Refused | State::Pruned => '◷',
        };
        text.push_str(&format!("  {mark} {:<16} {}\n", finding.name, finding.detail));
    }
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (refused, pruned) = (count(State::Refused), count(State::Pruned));
    let (verdict, exit) = match (count(State::Fails), refused, pruned + count(State::Missing)) {
        (0, 0, 0) => (Verdict::Verified, Exit::Proven),
        (0, 0, _) => (Verdict::VerifiedSoFar, Exit::Incomplete),
        (0, _, _) => (Verdict::NotFound, Exit::Incomplete),
        _ => (Verdict::Altered, Exit::Against),
    };
    let verdict = verdict.word();
    let mut not_checked = vec!["what the entries say", "who signed them"];
    if transcript.known.is_none() {
        not_checked.push("that the log only grew: no earlier checkpoint was known");
    }
    text.push_str(&format!("{}\n", verdict.to_uppercase()));
    if refused > 0 {
        text.push_str(&format!(
            "not handed over: {refused} of what was asked for; a log that goes on refusing hides it\n"
        ));
    }
    if pruned > 0 {
        text.push_str(&format!("not handed over: {pruned} of the drawn entries, pruned\n"));
    }
    text.push_str(&format!("not checked: {}\n", not_checked.join("; ")));
    let list: Vec<_> = findings
        .iter()
        .map(|f| json!({"name": f.name, "state": format!("{:?}", f.state).to_lowercase(), "detail": f.detail}))
        .collect();
    let json = json!({"verdict": verdict, "origin": transcript.origin, "findings": list,
        "refused": refused, "pruned": pruned, "not_checked": not_checked});
    Answer::new(command, json, text).exit(exit)
}
