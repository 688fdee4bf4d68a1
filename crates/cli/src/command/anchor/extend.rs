//! `anchor extend`: a bundle's anchors, led on to a block that the auditor pinned.
//!
//! In scope: which block, files. Out of scope: headers (`firmlog_anchor::extend`), what they prove
//! (`firmlog verify`).

use std::path::PathBuf;

use clap::Args;
use firmlog_anchor::config::Reading;
use firmlog_anchor::extend::extend;
use firmlog_anchor::provider::Providers;
use firmlog_verify::TrustRoot;
use firmlog_verify::bundle::Bundle;
use firmlog_verify::evm::{BlockPin, EvmEvidence, KIND, parse_header};
use serde_json::json;

use super::together::write;
use super::wait_for;
use crate::Context;
use crate::answer::{Answer, counted, table};
use crate::error::{Error, Exit, Result};
use crate::submit::trust_root;

/// Arguments of `anchor extend`.
#[derive(Args)]
#[command(after_help = "\
Adds headers of later blocks, each of which names the one before, up to the next block that the trust
root pins. Nobody is believed: firmlog verify checks them offline. Of the settings, [chain] is enough.

Example:
  firmlog anchor extend pump.fwb --config chain.toml --trust hospital.trust --out pump-pinned.fwb")]
pub(crate) struct ExtendArgs {
    /// The evidence bundle
    bundle: PathBuf,
    /// Chain and providers
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Trust root file that pins the block
    #[arg(long, env = "FIRMLOG_TRUST", value_name = "FILE")]
    trust: PathBuf,
    /// Where the bundle goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs the command.
pub(super) fn run(args: &ExtendArgs, context: &Context) -> Result<Answer> {
    let config = Reading::read(&args.config)?;
    let (root, providers) = (trust_root(&args.trust)?, config.providers()?);
    let bytes = std::fs::read(&args.bundle).map_err(|e| Error::io("read", &args.bundle, e))?;
    let mut bundle = Bundle::parse(&bytes).map_err(|e| Error::form("bundle", e))?;
    let (mut led, mut left, mut headers) = (0, 0, 0);
    for anchor in bundle.anchors.iter_mut().filter(|anchor| anchor.kind == KIND) {
        let mut evidence =
            EvmEvidence::parse(&anchor.evidence).map_err(|e| Error::form("anchor", e))?;
        if evidence.chain_id != config.chain.id {
            continue;
        }
        match next_pin(&root, &evidence)? {
            None => left += 1,
            Some(pin) => {
                headers += lead(&providers, &mut evidence, pin, context)?;
                anchor.evidence = evidence.encode();
                led += 1;
            }
        }
    }
    context.talk.progress_end();
    write(&args.out, &bundle.encode())?;
    Ok(answer(args, led, left, headers))
}

fn answer(args: &ExtendArgs, led: u64, left: u64, headers: usize) -> Answer {
    let rows = [
        ("written", args.out.display().to_string()),
        ("led on", counted(led, "anchor", "anchors")),
        ("headers", headers.to_string()),
        ("no later pin", counted(left, "anchor", "anchors")),
    ];
    let json = json!({"file": args.out.display().to_string(), "led_on": led,
        "headers": headers, "without_pin": left});
    let exit = if left > 0 || led == 0 { Exit::Incomplete } else { Exit::Proven };
    Answer::new("anchor-extend", json, table(rows)).exit(exit)
}

/// The first pinned block that is not before what the evidence has.
fn next_pin(root: &TrustRoot, evidence: &EvmEvidence) -> Result<Option<BlockPin>> {
    let last = evidence.descendants.last().unwrap_or(&evidence.header);
    let last = parse_header(last).map_err(|e| Error::form("header", e))?.number;
    let pins = root.evm().blocks.iter();
    let later = pins.filter(|pin| pin.chain_id == evidence.chain_id && pin.number >= last);
    Ok(later.min_by_key(|pin| pin.number).copied())
}

fn lead(
    providers: &Providers,
    evidence: &mut EvmEvidence,
    pin: BlockPin,
    context: &Context,
) -> Result<usize> {
    let tell = |what| context.talk.progress(what);
    let work = extend(providers, evidence, pin.number, pin.hash.into(), tell);
    Ok(wait_for(work)??)
}
