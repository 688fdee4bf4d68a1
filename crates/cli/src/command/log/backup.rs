//! `log backup|restore|prune|adopt-record`: copies of a log, and what is kept of it.
//!
//! Invariants:
//! - A backup holds no private key and no never-fork record: a restored older copy cannot sign.
//! - What was done is noted below the data folder before this says so, for the log to tell.

use std::path::{Path, PathBuf};

use clap::Args;
use firmlog_keys::AwsLc;
use firmlog_server::config::Config;
use firmlog_server::deeds::{Deeds, What};
use firmlog_tlog::merkle::LeafIndex;
use firmlog_tlog::note::NoteSigner;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::upkeep::{log_config, log_error, open, signer};
use super::{ConfigArgs, load};
use crate::answer::{Answer, counted};
use crate::error::{Error, Exit, Result};

/// Arguments of `log backup`.
#[derive(Args)]
#[command(after_help = "\
The server must be stopped. Not in the copy: private keys, configuration, the never-fork record (a \
restored older copy must not sign), and disclosures (index.disclosures.db, which no log can give \
back); copy all of these but the record by your own means. A directory that holds a backup already \
is refused. A signed log tells the backup in an Audit entry at its next start.

Example:
  firmlog log backup /mnt/backup/pumps --config pumps/firmlog.toml")]
pub(crate) struct BackupArgs {
    /// Where the copy goes
    dest: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Arguments of `log restore`.
#[derive(Args)]
#[command(after_help = "\
No log may be there. If the copy is older than the never-fork record, the log refuses to sign: what \
was acknowledged since is missing. A signed log tells it in an Audit entry at its next start. \
Values that were erased are back if your copy of index.disclosures.db is older: erase them again.

Example:
  firmlog log restore /mnt/backup/pumps --config pumps/firmlog.toml")]
pub(crate) struct RestoreArgs {
    /// The backup
    source: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Arguments of `log prune`.
#[derive(Args)]
#[command(after_help = "\
The server must be stopped, and nothing brings back what is removed: back the log up first. Kept in \
any case: who may speak, releases and what was said of them (evidence rests on these), and what the \
next start needs, which is told (exit 3): the oldest write-ahead log segment and the newest snapshot \
of the registration state. Entries go in whole bundles of 256. Bundles of devices whose first \
statements are gone show a gap in their chain. Disclosures of removed entries stay, until they are \
erased. A signed log tells it in an Audit entry at its next start.

Example:
  firmlog log prune 1000000 --config pumps/firmlog.toml")]
pub(crate) struct PruneArgs {
    /// First entry that is kept; full bundles before it are removed, proofs stay valid
    min_index: u64,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Arguments of `log adopt-record`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog log adopt-record --config pumps/firmlog.toml --i-have-checked-that-no-newer-copy-signed")]
pub(crate) struct AdoptArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Your word, which nothing here can check: compare with witnesses, mirrors and readers first
    #[arg(long)]
    i_have_checked_that_no_newer_copy_signed: bool,
}

/// Copies the log. The server must not run.
pub(crate) fn backup(args: &BackupArgs) -> Result<Answer> {
    let config = args.config.load()?.config;
    let (log, origin) = open(&config)?;
    std::fs::create_dir_all(&args.dest).map_err(|e| Error::io("make", &args.dest, e))?;
    let head = firmlog_log::backup(&log.reader(), &args.dest).map_err(|e| log_error(&e))?;
    let checkpoint = checkpoint_digest(&args.dest)?;
    note(&config, What::BackupMade { size: head.size.0, checkpoint })?;
    log.close().map_err(|e| Error::new("E-LOG", format!("failed to {e}")))?;
    let text = format!(
        "{origin}: {} copied to {}\n",
        counted(head.size.0, "entry", "entries"),
        args.dest.display()
    );
    let json = json!({"size": head.size.to_string(), "root": head.root.to_string(),
        "to": args.dest.display().to_string()});
    Ok(Answer::new("log-backup", json, text))
}

/// Puts a copy back where no log is.
pub(crate) fn restore(args: &RestoreArgs) -> Result<Answer> {
    let config = load(&args.config.config, &args.config.settings)?.config;
    let origin = config.log.origin.0.clone().ok_or_else(|| {
        Error::new("E-CONFIG", "log.origin is not set").help("firmlog log init writes it")
    })?;
    let head = firmlog_log::restore(&args.source, &log_config(&config, &origin))
        .map_err(|e| log_error(&e))?;
    let checkpoint = checkpoint_digest(&args.source)?;
    note(&config, What::Restored { size: head.size.0, checkpoint })?;
    let text = format!(
        "{origin}: {} restored; whether that is the newest shows when the log is opened\n",
        counted(head.size.0, "entry", "entries")
    );
    let json = json!({"size": head.size.to_string(), "root": head.root.to_string()});
    Ok(Answer::new("log-restore", json, text))
}

/// Makes the never-fork record again, from the data, on the operator's word.
pub(crate) fn adopt_record(args: &AdoptArgs) -> Result<Answer> {
    let config = args.config.load()?.config;
    let origin = firmlog_server::origin_of(&config)
        .map_err(|e| Error::new("E-CONFIG", format!("failed to {e}")))?;
    if !args.i_have_checked_that_no_newer_copy_signed {
        return Err(Error::new(
            "E-USAGE",
            "if a newer copy of this log ever signed, this makes a fork, and the log will not notice",
        )
        .expected("--i-have-checked-that-no-newer-copy-signed", "no such word of yours")
        .help("compare this data's checkpoint with every witness, mirror and reader first"));
    }
    let signer = signer(&config, &origin)?;
    let settings = log_config(&config, &origin);
    let head = firmlog_log::adopt_record(&settings, signer.verifier_key(), &AwsLc)
        .map_err(|e| log_error(&e))?;
    let record = settings.record_path.display();
    let text = format!(
        "{record} is made again\nyou vouch: {origin} never signed a tree beyond size {}, root {}\n",
        head.size, head.root
    );
    let json = json!({"record": record.to_string(), "origin": origin,
        "size": head.size.to_string(), "root": head.root.to_string()});
    Ok(Answer::new("log-adopt-record", json, text))
}

/// Gives up the oldest entries, as far as the next start can do without them.
pub(crate) fn prune(args: &PruneArgs) -> Result<Answer> {
    let config = args.config.load()?.config;
    let (log, origin) = open(&config)?;
    let (asked, size) = (args.min_index, log.reader().published().head.size.0);
    if asked > size {
        return Err(Error::new(
            "E-RANGE",
            format!("{origin} has no entry {asked}; nothing was removed"),
        )
        .expected(format!("an index of at most {size}, the size of the log"), asked));
    }
    let from = log.reader().min_index();
    // Noted before anything goes: what a kill leaves undone is told as far as it was done.
    let noted = note(&config, What::Pruned { from, until: asked })?;
    let LeafIndex(kept) = log.prune(LeafIndex(asked)).map_err(|e| log_error(&e))?;
    if let Some((deeds, path)) = noted {
        let done = match kept > from {
            true => deeds.correct(&path, What::Pruned { from, until: kept }),
            false => deeds.forget(&path),
        };
        done.map_err(|e| Error::io("write", &path, e))?;
    }
    log.close().map_err(|e| Error::new("E-LOG", format!("failed to {e}")))?;
    let mut text = format!("{origin}: entries from {kept} on are kept\n");
    let mut json = json!({"min_index": kept.to_string(), "asked": asked.to_string(),
        "size": size.to_string()});
    if kept >= asked {
        return Ok(Answer::new("log-prune", json, text));
    }
    // The log itself knows which of the two it is; both end the same way.
    let why = "the next start needs the oldest write-ahead log segment and, where statements are \
               signed, the newest snapshot of the registration state; both move on as the log grows";
    text.push_str(&format!(
        "  expected  entries from {asked} on\n  got       entries from {kept} on, the most that is \
         possible now\n  {why}\n"
    ));
    json["why"] = why.into();
    Ok(Answer::new("log-prune", json, text).exit(Exit::Incomplete))
}

/// Notes durably what the server tells in the log at its next start.
fn note(config: &Config, what: What) -> Result<Option<(Deeds, PathBuf)>> {
    let Some(deeds) = Deeds::of(config) else { return Ok(None) };
    let path = deeds.note(what).map_err(|e| Error::io("write in", &config.log.dir, e))?;
    Ok(Some((deeds, path)))
}

/// SHA-256 of a backup's checkpoint file: `sha256sum checkpoint` shows the same.
fn checkpoint_digest(backup: &Path) -> Result<[u8; 32]> {
    let path = backup.join("checkpoint");
    let bytes = std::fs::read(&path).map_err(|e| Error::io("read", &path, e))?;
    Ok(Sha256::digest(bytes).into())
}
