//! `tpm quote|check-quote|counter`: what a TPM 2.0 says beside signing statements.
//!
//! ```text
//! quote.tpm   TPM2B_ATTEST ‖ TPMT_SIGNATURE, as TPM2_Quote answers: the evidence a statement names
//! ```
//!
//! Invariants:
//! - A quote is over a hash that the reader of the quote has too: an entry's leaf hash.
//! - With the public half in a file, `check-quote` needs no TPM.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use firmlog_keys::tpm::{TpmCounter, TpmError};
use firmlog_keys::uri::TpmUri;
use firmlog_keys::{AwsLc, Key};
use firmlog_statement::Digest;
use firmlog_tlog::merkle::leaf_hash;
use firmlog_verify::quote::{Quote, pcr_digest, verify_quote};
use serde_json::{Value, json};

use crate::answer::{Answer, hex, table};
use crate::command::key::{self, Lock};
use crate::error::{Error, Exit, Result};
use crate::submit::digest;

/// `tpm`
#[derive(Subcommand)]
pub(crate) enum TpmCommand {
    /// Have the TPM sign what its PCRs hold, over a statement's hash
    Quote(QuoteArgs),
    /// Check such a quote, anywhere and offline
    CheckQuote(CheckArgs),
    /// Counters that are never set back
    #[command(subcommand)]
    Counter(CounterCommand),
}

/// Arguments of `tpm quote`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog tpm quote --over last.cose --pcrs 0,2,7 --key tpm:handle=0x81010001 --out quote.tpm")]
pub(crate) struct QuoteArgs {
    #[command(flatten)]
    over: Over,
    /// PCRs of the SHA-256 bank
    #[arg(long, value_delimiter = ',', required = true, value_name = "N,…")]
    pcrs: Vec<u8>,
    /// The key: tpm:handle=…
    #[arg(long, value_name = "KEY")]
    key: OsString,
    #[command(flatten)]
    lock: Lock,
    /// Where the quote goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Arguments of `tpm check-quote`.
#[derive(Args)]
#[command(after_help = "\
Exit: 0 it holds · 1 it does not

Example:
  firmlog tpm check-quote quote.tpm --over last.cose --key pump.pub")]
pub(crate) struct CheckArgs {
    /// The quote
    quote: PathBuf,
    #[command(flatten)]
    over: Over,
    /// Public half of the key that quoted
    #[arg(long, value_name = "FILE")]
    key: OsString,
    /// N=SHA256 that the PCR is expected to hold; give all of the quote's, or none
    #[arg(long = "pcr", value_name = "N=HEX")]
    expected: Vec<String>,
}

/// What a quote is over.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Over {
    /// A signed entry, for its leaf hash
    #[arg(long, value_name = "ENTRY")]
    over: Option<PathBuf>,
    /// The leaf hash itself
    #[arg(long, value_name = "LEAF-HASH")]
    over_hash: Option<String>,
}

/// `tpm counter`
#[derive(Subcommand)]
pub(crate) enum CounterCommand {
    /// Make a counter
    New(CounterArgs),
    /// Its value
    Show(CounterArgs),
    /// Count up by one
    Next(CounterArgs),
}

/// Arguments of `tpm counter …`.
#[derive(Args)]
#[command(after_help = "Example:\n  firmlog tpm counter new tpm:nv=0x01500016")]
pub(crate) struct CounterArgs {
    /// The counter: tpm:nv=…
    counter: String,
}

/// Runs the command.
pub(crate) fn run(command: &TpmCommand) -> Result<Answer> {
    match command {
        TpmCommand::Quote(args) => quote(args),
        TpmCommand::CheckQuote(args) => check(args),
        TpmCommand::Counter(CounterCommand::New(args)) => {
            counter("tpm-counter-new", args, |uri| TpmCounter::create(uri)?.value())
        }
        TpmCommand::Counter(CounterCommand::Show(args)) => {
            counter("tpm-counter-show", args, |uri| TpmCounter::open(uri)?.value())
        }
        TpmCommand::Counter(CounterCommand::Next(args)) => {
            counter("tpm-counter-next", args, |uri| TpmCounter::open(uri)?.increment())
        }
    }
}

fn quote(args: &QuoteArgs) -> Result<Answer> {
    let over = args.over.hash()?;
    let mut pcrs = 0;
    for pcr in &args.pcrs {
        pcrs |= 1u32
            .checked_shl((*pcr).into())
            .filter(|_| *pcr < 24)
            .ok_or_else(|| Error::new("E-USAGE", "no such PCR").expected("0 to 23", pcr))?;
    }
    let uri = key::uri(&args.key)?;
    let Key::Tpm(tpm) = key::open(&uri, &args.lock)? else {
        return Err(
            Error::new("E-KEY-KIND", "only a TPM quotes").expected("tpm:handle=0x81010001", uri)
        );
    };
    let said = |e| key::key_error(&uri, &e);
    let (bytes, quote) = tpm.quote(&over.0, pcrs).map_err(said)?;
    let values = tpm.pcr_values(pcrs).map_err(said)?;
    std::fs::write(&args.out, &bytes).map_err(|e| Error::io("write", &args.out, e))?;
    let mut rows = rows(&quote, &over);
    let held: Vec<(String, String)> =
        values.iter().map(|(pcr, value)| (format!("PCR {pcr}"), hex(value))).collect();
    rows.extend(held.iter().map(|(name, value)| (name.as_str(), value.clone())));
    rows.push(("evidence", format!("{} (sha256:{})", args.out.display(), sha256(&bytes))));
    let mut json = document(&quote, &over);
    json["sha256"] = sha256(&bytes).into();
    json["values"] = values.iter().map(|(pcr, value)| (pcr.to_string(), hex(value))).collect();
    Ok(Answer::new("tpm-quote", json, table(rows)))
}

fn check(args: &CheckArgs) -> Result<Answer> {
    let over = args.over.hash()?;
    let bytes = std::fs::read(&args.quote).map_err(|e| Error::io("read", &args.quote, e))?;
    let public = key::public(&key::uri(&args.key)?, &Lock::default())?;
    let expected = expected(&args.expected)?;
    let against = |message: String| Error::new("E-QUOTE", message).exit(Exit::Against);
    let quote = verify_quote(&bytes, &public, &over.0, &AwsLc)
        .map_err(|e| against(format!("{}: {e}", args.quote.display())))?;
    if let Some((pcrs, digest)) = expected {
        if pcrs != quote.pcrs {
            return Err(against("the quote is of other PCRs".into())
                .expected(listed(pcrs), listed(quote.pcrs)));
        }
        if digest != quote.pcr_digest {
            return Err(against("the PCRs held something else".into())
                .expected(hex(&digest), hex(&quote.pcr_digest)));
        }
    }
    let text = format!("✓ quoted by {}\n{}", public.thumbprint(), table(rows(&quote, &over)));
    let mut json = document(&quote, &over);
    json["thumbprint"] = public.thumbprint().to_string().into();
    json["values_checked"] = (!args.expected.is_empty()).into();
    Ok(Answer::new("tpm-check-quote", json, text))
}

/// The PCRs named and the digest over their expected values; `None` if nothing is expected.
fn expected(given: &[String]) -> Result<Option<(u32, [u8; 32])>> {
    let mut values = Vec::new();
    for text in given {
        let (pcr, value) = text.split_once('=').unwrap_or((text, ""));
        let number = pcr.parse::<u8>().ok().filter(|pcr| *pcr < 24);
        let number = number.ok_or_else(|| {
            Error::new("E-USAGE", "--pcr names no PCR").expected("N=HEX, N of 0 to 23", text)
        })?;
        values.push((number, digest(value)?.0));
    }
    values.sort_by_key(|(pcr, _)| *pcr);
    let pcrs = values.iter().fold(0, |pcrs, (pcr, _)| pcrs | 1u32 << pcr);
    if pcrs.count_ones() as usize != values.len() {
        return Err(Error::new("E-USAGE", "--pcr names a PCR twice"));
    }
    let values: Vec<[u8; 32]> = values.into_iter().map(|(_, value)| value).collect();
    Ok((!values.is_empty()).then(|| (pcrs, pcr_digest(&values))))
}

impl Over {
    fn hash(&self) -> Result<Digest> {
        match (&self.over, &self.over_hash) {
            (Some(path), _) => {
                let entry = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
                Ok(Digest(leaf_hash(&entry).0))
            }
            (None, text) => digest(text.as_deref().unwrap_or_default()),
        }
    }
}

fn rows(quote: &Quote, over: &Digest) -> Vec<(&'static str, String)> {
    let clock = format!(
        "{} ms, start {}, resume {}{}",
        quote.clock_ms,
        quote.resets,
        quote.restarts,
        if quote.safe { "" } else { "; may have stood lower before power was cut" }
    );
    vec![
        ("over", hex(&over.0)),
        ("PCRs", listed(quote.pcrs)),
        ("digest", hex(&quote.pcr_digest)),
        ("TPM clock", clock),
    ]
}

fn document(quote: &Quote, over: &Digest) -> Value {
    json!({"over": hex(&over.0), "pcrs": numbers(quote.pcrs),
        "pcr_digest": hex(&quote.pcr_digest), "clock_ms": quote.clock_ms.to_string(),
        "resets": quote.resets, "restarts": quote.restarts, "safe": quote.safe,
        "firmware": format!("{:#018x}", quote.firmware)})
}

fn numbers(pcrs: u32) -> Vec<u32> {
    (0..24).filter(|pcr| pcrs & (1 << pcr) != 0).collect()
}

fn listed(pcrs: u32) -> String {
    numbers(pcrs).iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex(&sha2::Sha256::digest(bytes))
}

fn counter(
    kind: &'static str,
    args: &CounterArgs,
    use_it: impl FnOnce(&TpmUri) -> std::result::Result<u64, TpmError>,
) -> Result<Answer> {
    let uri: TpmUri = args.counter.parse().map_err(|e| Error::new("E-KEY-NAME", e))?;
    let value = use_it(&uri).map_err(|e| Error::new("E-TPM", format!("{uri}: failed to {e}")))?;
    let json = json!({"counter": uri.to_string(), "value": value.to_string()});
    Ok(Answer::new(kind, json, format!("{value}\n")))
}
