//! `log init|serve|fsck|reindex|…`: what an operator does.
//!
//! ```text
//! dir/firmlog.toml    configuration, every other path in it
//! dir/log-key.pem     signs checkpoints                     dir/log.trust   for everybody else
//! dir/admin.pem       enrols; keep it off the server        dir/never-fork  keep it out of backups
//! dir/data/           the log
//! ```

mod backup;
mod erase;
mod init;
mod serve;
pub(crate) mod upkeep;

pub(crate) use serve::stopped;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use firmlog_server::config::Loaded;
use serde_json::json;

use crate::Context;
use crate::answer::{Answer, hex, table};
use crate::error::{Error, Result};

/// `log`
#[derive(Subcommand)]
pub(crate) enum LogCommand {
    /// Make a log: keys, genesis, configuration, trust root
    Init(init::InitArgs),
    /// Run the server
    Serve(ConfigArgs),
    /// Check everything stored, and name what is damaged
    Fsck(upkeep::FsckArgs),
    /// Build the queryable view again from the log
    Reindex(ConfigArgs),
    /// Erase private values of an entry from all that the log keeps
    Erase(erase::EraseArgs),
    /// Copy the log, without keys and never-fork record
    Backup(backup::BackupArgs),
    /// Put a backup where no log is
    Restore(backup::RestoreArgs),
    /// Give up the oldest entries
    Prune(backup::PruneArgs),
    /// Make a lost never-fork record again, on your word
    AdoptRecord(backup::AdoptArgs),
}

/// `config`
#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Every setting, its value, and where that came from
    Show(ConfigArgs),
}

/// Where the configuration is.
#[derive(Args)]
#[command(after_help = "Example:\n  firmlog log serve --config pumps/firmlog.toml")]
pub(crate) struct ConfigArgs {
    /// Configuration file made by `firmlog log init`
    #[arg(long, env = "FIRMLOG_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// One setting, such as http.listen=0.0.0.0:8080; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(command: &LogCommand, context: &Context) -> Result<Answer> {
    match command {
        LogCommand::Init(args) => init::run(args),
        LogCommand::Serve(args) => serve::run(args, context),
        LogCommand::Fsck(args) => upkeep::fsck(args, context),
        LogCommand::Reindex(args) => upkeep::reindex(args, context),
        LogCommand::Erase(args) => erase::run(args, context),
        LogCommand::Backup(args) => backup::backup(args),
        LogCommand::Restore(args) => backup::restore(args),
        LogCommand::Prune(args) => backup::prune(args),
        LogCommand::AdoptRecord(args) => backup::adopt_record(args),
    }
}

/// Runs `config`.
pub(crate) fn config(command: &ConfigCommand) -> Result<Answer> {
    let ConfigCommand::Show(args) = command;
    let loaded = args.load()?;
    let (shown, digest) = (loaded.show(), hex(&loaded.config.digest()));
    let rows = shown
        .iter()
        .map(|line| (line.key.name, format!("{:<28} {}", empty(&line.value), line.source)));
    let json: Vec<_> = shown
        .iter()
        .map(|line| {
            json!({"key": line.key.name, "value": line.value, "source": line.source.to_string(),
                "default": line.key.default, "help": line.key.help})
        })
        .collect();
    let rows = rows.chain([("digest", format!("{digest:<28} as in Audit entries"))]);
    Ok(Answer::new("config-show", json!({"settings": json, "digest": digest}), table(rows)))
}

fn empty(value: &str) -> &str {
    if value.is_empty() { "-" } else { value }
}

impl ConfigArgs {
    /// File, then environment, then `--set`.
    pub(crate) fn load(&self) -> Result<Loaded> {
        load(&self.config, &self.settings)
    }
}

fn load(file: &Path, settings: &[String]) -> Result<Loaded> {
    let flags = settings
        .iter()
        .map(|setting| {
            let (key, value) = setting.split_once('=').ok_or_else(|| {
                Error::new("E-USAGE", "a setting is KEY=VALUE").expected("KEY=VALUE", setting)
            })?;
            Ok((key.to_owned(), value.to_owned()))
        })
        .collect::<Result<Vec<_>>>()?;
    // Named by the command line's own flags; no setting of the server.
    let environment = std::env::vars().filter(|(name, _)| name != "FIRMLOG_TRUST");
    Loaded::read(Some(file), environment, &flags).map_err(|e| {
        Error::new("E-CONFIG", format!("failed to {e}"))
            .help("firmlog config show --config FILE tells every setting")
    })
}
