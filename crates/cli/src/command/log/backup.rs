//! `log backup|restore|prune`: copies of a log, and what is kept of it.
//!
//! Invariants:
//! - A backup holds no private key and no never-fork record: a restored older copy cannot sign.

use std::path::PathBuf;

use clap::Args;
use firmlog_tlog::merkle::LeafIndex;
use serde_json::json;

use super::upkeep::{log_config, log_error, open};
use super::{ConfigArgs, load};
use crate::answer::Answer;
use crate::error::{Error, Result};

/// Arguments of `log backup`.
#[derive(Args)]
#[command(after_help = "\
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
#[command(after_help = "Example:\n  firmlog log prune 1000000 --config pumps/firmlog.toml")]
pub(crate) struct PruneArgs {
    /// First entry that is kept; full bundles before it are removed, proofs stay valid
    min_index: u64,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Copies the log. The server must not run.
pub(crate) fn backup(args: &BackupArgs) -> Result<Answer> {
    let (log, origin) = open(&args.config.load()?.config)?;
    std::fs::create_dir_all(&args.dest).map_err(|e| Error::io("make", &args.dest, e))?;
    let head = firmlog_log::backup(&log.reader(), &args.dest).map_err(|e| log_error(&e))?;
    log.close().map_err(|e| Error::new("E-LOG", format!("failed to {e}")))?;
    let text = format!("{origin}: {} entries copied to {}\n", head.size, args.dest.display());
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
    let text = format!(
        "{origin}: {} entries restored; whether they are the newest shows when the log is opened\n",
        head.size
    );
    let json = json!({"size": head.size.to_string(), "root": head.root.to_string()});
    Ok(Answer::new("log-restore", json, text))
}

/// Gives up the oldest entries.
pub(crate) fn prune(args: &PruneArgs) -> Result<Answer> {
    let (log, origin) = open(&args.config.load()?.config)?;
    let kept = log.prune(LeafIndex(args.min_index)).map_err(|e| log_error(&e))?;
    log.close().map_err(|e| Error::new("E-LOG", format!("failed to {e}")))?;
    let text = format!("{origin}: entries from {kept} on are kept\n");
    Ok(Answer::new("log-prune", json!({"min_index": kept.to_string()}), text))
}
