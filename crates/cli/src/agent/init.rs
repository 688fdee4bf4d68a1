//! `agent init`: a folder for the agent, with an empty journal.
//!
//! ```text
//! DIR/agent.toml · DIR/journal · DIR/running        and a chain seed, to be enrolled with the key
//! ```
//!
//! Invariant: nothing that is there is replaced; the settings are written last.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use firmlog_agent::Journal;
use firmlog_agent::update::Image;
use firmlog_keys::Key;
use firmlog_statement::Signer;
use firmlog_statement::chain::ChainHead;
use serde_json::json;

use super::config::{Config, Policy, component, encode_image};
use super::flash::{FileFlash, PAGE, WORD};
use super::{ImageArgs, Place, counter};
use crate::answer::{Answer, hex, table};
use crate::command::key::{self, Lock};
use crate::error::{Error, Result};
use crate::submit::{LogArgs, digest};

/// Arguments of `agent init`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog agent init --dir /var/lib/firmlog-agent --key tpm:handle=0x81010001 \\
    --as acme.example/devices --model ip-200 --takes-from acme.example \\
    --image /dev/mmcblk0p2 --version 4.2.0 --log https://log.example --trust log.trust")]
pub(crate) struct InitArgs {
    #[command(flatten)]
    place: Place,
    /// The device's key: a file, tpm:… or pkcs11:…
    #[arg(long, value_name = "KEY")]
    key: OsString,
    /// File with its passphrase or PIN
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Name under which that key is enrolled
    #[arg(long = "as", value_name = "ISSUER")]
    issuer: String,
    /// The model; statements are about MODEL/app
    #[arg(long)]
    model: String,
    /// Issuer whose releases the device installs, as its key is enrolled; may be given again
    #[arg(long, value_name = "ISSUER")]
    takes_from: Vec<String>,
    /// The hardware revision, where releases are limited to some
    #[arg(long, value_name = "REV")]
    hw_rev: Option<String>,
    /// What runs now
    #[command(flatten)]
    image: ImageArgs,
    /// The journal: a file, or a partition whose contents are erased
    #[arg(long, value_name = "PATH", default_value = "journal")]
    journal: PathBuf,
    /// Size of a journal in a file, in KiB
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(24..=2_000_000))]
    journal_kib: u64,
    /// 32 bytes in hex from which the device's chain starts; `drawn` has the key's TPM or token
    /// draw them
    #[arg(long, value_name = "HEX", default_value = "drawn")]
    chain_seed: String,
    /// A TPM's counter that shows when an older journal was put back: tpm:nv=…
    #[arg(long, value_name = "COUNTER")]
    tpm_counter: Option<String>,
    /// Whether an update may begin that cannot be recorded
    #[arg(long, value_enum, default_value_t = Policy::Required)]
    log_before_install: Policy,
    #[command(flatten)]
    log: LogArgs,
}

/// Runs the command.
pub(crate) fn run(args: &InitArgs) -> Result<Answer> {
    let dir = &args.place.dir;
    std::fs::create_dir_all(dir).map_err(|e| Error::io("make", dir, e))?;
    let lock = Lock::from_file(args.passphrase_file.clone());
    let key = key::open(&key::uri(&args.key)?, &lock)?;
    let seed = seed(&args.chain_seed, &key)?;
    let running = args.image.image()?.ok_or_else(|| {
        Error::new("E-USAGE", "what runs now is not named")
            .expected("--image, and --version unless it is one of MCUboot", "none")
    })?;
    if args.takes_from.is_empty() {
        return Err(Error::new("E-USAGE", "it is not said whose releases the device installs")
            .expected("--takes-from ISSUER, once or more", "none")
            .help(
                "name the issuer that the manufacturer's build key is enrolled under; releases of \
                 anybody else in the log are then refused",
            ));
    }
    let config = config(args, &key)?;
    if dir.join("agent.toml").exists() {
        return Err(Error::new("E-AGENT", format!("{} holds an agent already", dir.display()))
            .help("nothing was changed; name another folder"));
    }
    format(&config, args.journal_kib, seed)?;
    write_running(&config, &running)?;
    config.save()?;
    let cose = hex(&key.public_key().to_cose_key());
    let (device, seed) = (config.device.clone(), hex(&seed));
    let rows = [
        ("device", device.clone()),
        ("chain seed", seed.clone()),
        ("COSE_Key", cose.clone()),
        ("next", "firmlog trust enrol KEY --role device --chain-seed SEED …".to_owned()),
    ];
    let json = json!({"device": device, "chain_seed": seed, "cose_key": cose,
        "dir": dir.display().to_string()});
    Ok(Answer::new("agent-init", json, table(rows)))
}

fn config(args: &InitArgs, key: &Key) -> Result<Config> {
    let absolute =
        |path: &PathBuf| std::path::absolute(path).map_err(|e| Error::io("find", path, e));
    let uri = key::uri(&args.key)?;
    let counter_start = args.tpm_counter.as_deref().map(counter::start).transpose()?;
    Ok(Config {
        issuer: args.issuer.clone(),
        subject: format!("{}/app", args.model),
        model: args.model.clone(),
        component: component(),
        issuers: args.takes_from.clone(),
        hw_rev: args.hw_rev.clone(),
        device: key.public_key().thumbprint().to_string(),
        key: match uri.file() {
            Some(path) => absolute(&path.to_owned())?.display().to_string(),
            None => uri.to_string(),
        },
        passphrase_file: args.passphrase_file.as_ref().map(absolute).transpose()?,
        log: args.log.log.clone(),
        trust: absolute(&args.log.trust)?,
        journal: args.journal.clone(),
        image_keys: Vec::new(),
        running: "running".into(),
        log_before_install: args.log_before_install,
        counter: args.tpm_counter.clone(),
        counter_start,
        answer_s: 30,
        retry_ms: (1000, 1_800_000),
        time: firmlog_clock::Settings::default(),
        dir: args.place.dir.clone(),
    })
}

fn seed(text: &str, key: &Key) -> Result<[u8; 32]> {
    if text != "drawn" {
        return digest(text).map(|seed| seed.0);
    }
    let mut seed = [0; 32];
    key.random(&mut seed).map_err(|e| Error::new("E-KEY", format!("failed to {e}")))?;
    Ok(seed)
}

fn format(config: &Config, kib: u64, seed: [u8; 32]) -> Result<()> {
    let path = config.path(&config.journal);
    let flash = FileFlash::create(&path, kib * 1024).map_err(|e| Error::io("make", &path, e))?;
    Journal::<_, PAGE, WORD>::format(flash, ChainHead::enrolled(seed))
        .map(drop)
        .map_err(|e| super::unit::journal_error(config, e))
}

fn write_running(config: &Config, image: &Image) -> Result<()> {
    let path = config.path(&config.running);
    std::fs::write(&path, encode_image(image)).map_err(|e| Error::io("write", &path, e))
}
