//! `log fsck|reindex`: looking after what is stored.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use firmlog_index::{Audit, Index, Input};
use firmlog_keys::{AwsLc, Key, NoteKey};
use firmlog_log::{Config, Damage, FsckProgress, Log, LogError, Registration, Watch};
use firmlog_server::config::Config as ServerConfig;
use firmlog_tlog::note::Algorithm;
use firmlog_verify::Crypto;
use serde_json::json;
use tempfile::TempDir;

use super::{ConfigArgs, load};
use crate::Context;
use crate::answer::{Answer, counted};
use crate::command::key::{self, Lock};
use crate::error::{Error, Exit, Result};
use crate::submit::trust_root;

/// Arguments of `log fsck`.
#[derive(Args)]
#[command(after_help = "\
Exit: 0 whole · 1 damaged

Example:
  firmlog log fsck --config pumps/firmlog.toml --trust pumps/log.trust --index")]
pub(crate) struct FsckArgs {
    /// Configuration file made by `firmlog log init`
    #[arg(long, env = "FIRMLOG_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// Trust root file that pins the log
    #[arg(long, env = "FIRMLOG_TRUST", value_name = "FILE")]
    trust: PathBuf,
    /// Compare the index and the disclosures with the entries too: takes as long as `reindex`
    #[arg(long)]
    index: bool,
}

/// Audits everything stored.
pub(crate) fn fsck(args: &FsckArgs, context: &Context) -> Result<Answer> {
    let start = Instant::now();
    let root = trust_root(&args.trust)?;
    let server = load(&args.config, &[])?.config;
    let config = log_config(&server, root.origin());
    let crypto: Arc<dyn Crypto> = Arc::new(AwsLc);
    let mut watch = Watching { context, index: None, failed: None };
    if args.index {
        watch.index = Some(IndexAudit::start(&server, root.origin())?);
    }
    let mut report = firmlog_log::fsck(&config, root.log_key(), &crypto, &mut watch)
        .map_err(|e| log_error(&e))?;
    context.talk.progress_end();
    let mut not_checked = Vec::new();
    if report.online {
        not_checked.push("the write-ahead log and the never-fork record (a server runs)");
    }
    match watch.done()? {
        None => not_checked.push("the index and the disclosures (--index)"),
        // What is damaged was not shown, so its rows would be told as well.
        Some(_) if !report.damages.is_empty() => not_checked.push("the index (the log is damaged)"),
        Some(audit) => not_checked.extend(audit.finish(&mut report.damages)?),
    }
    let mut text = format!(
        "{}, {}, {} checked in {:.1} s\n",
        counted(report.entries, "entry", "entries"),
        counted(report.signatures, "signature", "signatures"),
        counted(report.tiles, "tile", "tiles"),
        start.elapsed().as_secs_f64()
    );
    for damage in &report.damages {
        text.push_str(&format!(
            "✗ {}\n  expected  {}\n  got       {}\n",
            damage.object, damage.expected, damage.got
        ));
    }
    for part in &not_checked {
        text.push_str(&format!("not checked: {part}\n"));
    }
    let whole = report.damages.is_empty();
    text.push_str(if whole { "✓ whole\n" } else { "DAMAGED\n" });
    let damages: Vec<_> = report
        .damages
        .iter()
        .map(|d| json!({"object": d.object, "expected": d.expected, "got": d.got}))
        .collect();
    let json = json!({"whole": whole, "entries": report.entries, "signatures": report.signatures,
        "tiles": report.tiles, "size": report.size.to_string(), "online": report.online,
        "not_checked": not_checked, "damages": damages});
    let exit = if whole { Exit::Proven } else { Exit::Against };
    Ok(Answer::new("log-fsck", json, text).exit(exit))
}

/// Looks on while the log is audited: tells how far it is, and audits the index.
struct Watching<'a> {
    context: &'a Context,
    index: Option<IndexAudit>,
    failed: Option<Error>,
}

impl Watch for Watching<'_> {
    fn progress(&mut self, done: FsckProgress) {
        let told = format_args!("checked {} of {}", done.entries, done.total);
        self.context.talk.progress(told);
    }

    fn entry(&mut self, index: u64, entry: &[u8], received_ms: Option<u64>) {
        let Some(audit) = self.index.as_mut().filter(|_| self.failed.is_none()) else { return };
        let seen_ms = received_ms.unwrap_or(0);
        self.failed = audit.entry(&Input { index, entry, seen_ms }).err();
    }
}

impl Watching<'_> {
    fn done(self) -> Result<Option<IndexAudit>> {
        self.failed.map_or(Ok(self.index), Err)
    }
}

/// The index built a second time, beside the first.
struct IndexAudit {
    path: PathBuf,
    audit: Audit,
    scratch: TempDir,
}

impl IndexAudit {
    fn start(config: &ServerConfig, origin: &str) -> Result<Self> {
        let path = firmlog_server::index_path(config);
        let beside = path.parent().unwrap_or(Path::new("."));
        let scratch = tempfile::tempdir_in(beside).map_err(|e| Error::io("write in", beside, e))?;
        let audit = Audit::start(&path, origin, scratch.path())
            .map_err(|e| Error::io("audit", &path, e))?;
        Ok(Self { path, audit, scratch })
    }

    fn entry(&mut self, entry: &Input<'_>) -> Result<()> {
        self.audit.entry(entry).map_err(|e| Error::io("audit", &self.path, e))
    }

    /// Adds what differs, and says what could not be compared.
    fn finish(self, damages: &mut Vec<Damage>) -> Result<Option<&'static str>> {
        let Self { path, audit, scratch } = self;
        let (found, compared) = audit.finish().map_err(|e| Error::io("audit", &path, e))?;
        damages.extend(found.into_iter().map(|it| Damage {
            object: it.object,
            expected: it.expected,
            got: it.got,
        }));
        scratch.close().map_err(|e| Error::io("tidy up beside", &path, e))?;
        Ok((!compared).then_some("the index (entries it starts with were pruned)"))
    }
}

/// Builds the view again. Disclosures are kept: no log can give them back.
pub(crate) fn reindex(args: &ConfigArgs, context: &Context) -> Result<Answer> {
    let config = args.load()?.config;
    let (log, origin) = open(&config)?;
    let path = firmlog_server::index_path(&config);
    let index = Index::open(&path, &origin).map_err(|e| Error::io("open", &path, e))?;
    let size = firmlog_server::reindex(&log.reader(), &index, |covered, size| {
        context.talk.progress(format_args!("indexed {covered} of {size}"));
    })
    .map_err(|e| Error::new("E-LOG", format!("failed to {e}")))?;
    context.talk.progress_end();
    log.close().map_err(|e| Error::new("E-LOG", format!("failed to {e}")))?;
    let text = format!("{}: {}\n", path.display(), counted(size, "entry", "entries"));
    let json = json!({"index": path.display().to_string(), "entries": size.to_string()});
    Ok(Answer::new("log-reindex", json, text))
}

/// Opens a log that no server runs.
pub(super) fn open(config: &ServerConfig) -> Result<(Log, String)> {
    let origin = firmlog_server::origin_of(config)
        .map_err(|e| Error::new("E-CONFIG", format!("failed to {e}")))?;
    let signer = signer(config, &origin)?;
    let (log, _) = Log::open(log_config(config, &origin), Box::new(signer), Arc::new(AwsLc))
        .map_err(|e| log_error(&e))?;
    Ok((log, origin))
}

/// The log's key, opened as `log serve` opens it.
pub(super) fn signer(config: &ServerConfig, origin: &str) -> Result<NoteKey<Key>> {
    let lock = Lock::from_file(config.log.key_passphrase_file.0.clone());
    key::open(&config.log.key, &lock)?
        .note_signer(origin, Algorithm::Ed25519)
        .map_err(|e| Error::new("E-KEY", format!("failed to {e}")))
}

/// The log crate's settings from the server's.
pub(crate) fn log_config(config: &ServerConfig, origin: &str) -> Config {
    let record = config.log.record.0.clone();
    let record = record.unwrap_or_else(|| config.log.dir.with_extension("record"));
    let registration = if config.log.any { Registration::Any } else { Registration::Signed };
    Config::new(&config.log.dir, record, origin, registration)
}

pub(crate) fn log_error(error: &LogError) -> Error {
    let message = format!("failed to {error}");
    match error {
        LogError::Locked(_) => {
            Error::new("E-LOCKED", message).help("stop the server first; only one may write")
        }
        LogError::RecordMissing(_) => Error::new("E-RECORD", message).help(
            "was it moved? set log.record; if it is lost, read about it in docs/operating.md: \
             firmlog log adopt-record --config FILE",
        ),
        LogError::WitnessStateMissing { .. } => Error::new("E-STATE", message).help(
            "was the folder moved? give it as --state; if this witness never cosigned for this \
             log: firmlog witness init --state DIR --log VKEY; if it did and the folder is lost, \
             go on under a new name and key, or what it cosigns may contradict what it cosigned",
        ),
        LogError::WouldFork { .. } => Error::new("E-FORK", message).exit(Exit::Against),
        LogError::Damaged { expected, got, .. } => Error::new("E-DAMAGED", &message)
            .exit(Exit::Against)
            .expected(expected, got)
            .help("firmlog log fsck names everything that is damaged"),
        _ => Error::new("E-LOG", message),
    }
}
