//! `agent verify-image`: may this image be installed here? Offline, from the bundle with it.
//!
//! ```text
//! offer ─▶ verify_release ─▶ installable │ one reason, and the event that tells it
//!                   what runs, from the journal · what other bundles showed, from `withdrawn`
//! ```
//!
//! Invariants:
//! - The process that holds the journal never reads the bundle: it is asked what runs, and told the
//!   outcome as any other step.
//! - What a bundle shows to be withdrawn, and how large the tree of one that is taken is, are
//!   durable before the answer.

use std::path::PathBuf;

use clap::Args;
use firmlog_agent::update::{Clock, Image};
use firmlog_keys::AwsLc;
use firmlog_statement::ReleaseHead;
use firmlog_statement::event::EventType;
use firmlog_statement::time::DeviceTime;
use firmlog_statement::time::Quality;
use firmlog_tlog::merkle::{Hash, TreeSize};
use firmlog_verify::bundle::Bundle;
use firmlog_verify::install::{Evidence, Installable, Known, Reason, Revocation, Root, Running};
use firmlog_verify::{TrustRoot, Verified, verify_release_as};
use serde_json::{Value, json};

use super::clock::DaemonClock;
use super::config::{Config, encode_image};
use super::heard::Heard;
use super::offer::{No, Offer};
use super::request::{Request, Step};
use super::{Place, ask};
use crate::Context;
use crate::answer::{Answer, hex, table};
use crate::error::{Error, Exit, Result};
use crate::image::FormArgs;
use crate::submit::trust_root;

/// Arguments of `agent verify-image`.
#[derive(Args)]
#[command(after_help = "\
Exit: 0 it may be installed · 1 it may not, and why

Example:
  firmlog agent verify-image pump-4.2.1.bin --release pump-4.2.1.fwb --record || exit 1
  firmlog agent record install_started || exit 1
  firmlog agent verify-image app.signed.bin --image-key boot.pub.pem --record || exit 1")]
pub(crate) struct VerifyImageArgs {
    /// The image
    pub(super) image: PathBuf,
    /// The evidence that travels with it; an image of MCUboot may carry it
    #[arg(long, value_name = "BUNDLE")]
    pub(super) release: Option<PathBuf>,
    /// Public key that may sign images for MCUboot, beside `image_keys` of agent.toml; P-256
    #[arg(long = "image-key", value_name = "KEY")]
    pub(super) image_keys: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) form: FormArgs,
    /// Record the outcome: signature_verified with the release, or the refusal
    #[arg(long)]
    record: bool,
    #[command(flatten)]
    place: Place,
}

/// Runs the command.
pub(crate) fn run(args: &VerifyImageArgs, context: &Context) -> Result<Answer> {
    let config = Config::load(&args.place.dir)?;
    let status = ask(&args.place, &Request::Status, "agent-status", context)?.json;
    let (sha256, decided) = match Offer::read(args, &config)? {
        Err((sha256, error)) => (sha256, Err(No::Image(error))),
        Ok(offer) => (offer.sha256, decide(&config, &offer, &status)?),
    };
    let step = step(&decided, &sha256);
    let recorded = match args.record {
        true => Some(ask(&args.place, &Request::Record(step.clone()), "agent-record", context)?),
        false => None,
    };
    Ok(answer(&decided, &sha256, &step, recorded))
}

type Decided = std::result::Result<Verified<Installable>, No>;

fn decide(config: &Config, offer: &Offer, status: &Value) -> Result<Decided> {
    let (bytes, sha256) = (&offer.bundle[..], &offer.sha256);
    let root = trust_root(&config.path(&config.trust))?;
    let mut heard = Heard::read(config.dir.join("withdrawn"))?;
    let (earliest_ms, latest_ms) = bounds(config)?;
    let (version, counter) = runs(status)?;
    let issuers: Vec<&str> = config.issuers.iter().map(String::as_str).collect();
    let running = Running {
        device: config.device()?,
        model: &config.model,
        hw_rev: config.hw_rev.as_deref(),
        component: &config.component,
        issuers: &issuers,
        version,
        counter,
    };
    // A bundle that travels with an image is older than the newest receipt as a rule: it must not
    // be older than one that was taken (INS-022).
    let (revocations, size) = (heard.revocations(), heard.tree_size());
    let known = Known { earliest_ms, latest_ms, size, revocations: &revocations };
    let Ok(bundle) = Bundle::parse(bytes) else {
        return Ok(Err(Reason::EvidenceAltered.into()));
    };
    let is_of = |leaf: &Hash, head: &ReleaseHead| offer.is_of(leaf, head);
    let decided = verify_release_as(&bundle, &root, &AwsLc, sha256, &running, &known, is_of);
    let believed = !matches!(
        decided,
        Err(Reason::EvidenceAltered | Reason::EvidenceIncomplete | Reason::NotWitnessed)
    );
    if believed {
        let (revocations, size) = shown(bytes, &root);
        heard.learn(&revocations)?;
        // What was refused is not taken from an older tree, where it may stand better, nor from
        // one of this size that leaves something out.
        if decided.as_ref().is_err_and(Reason::is_hidden) {
            heard.take(size)?;
            heard.learn(&[Revocation::Refused { tree: TreeSize(size), image: *sha256 }])?;
        }
    }
    let decided = match decided {
        Ok(found) => offer.check(&found).map(|()| found).map_err(No::Image),
        Err(reason) => Err(reason.into()),
    };
    if let Ok(found) = &decided {
        heard.take(found.head.size.0)?;
    }
    Ok(decided)
}

/// Version and counter of what runs. Without them nobody can say what is a step back.
fn runs(status: &Value) -> Result<(u64, u32)> {
    let committed = &status["committed"];
    let version = committed["version"].as_u64();
    let counter = committed["counter"].as_u64().and_then(|it| u32::try_from(it).ok());
    version.zip(counter).ok_or_else(|| {
        Error::new("E-AGENT", "the agent does not say which version and counter run")
            .expected("`version` and `counter` in `committed`", committed)
            .help("another version of firmlog holds the journal: restart the agent, then ask again")
    })
}

/// What a bundle that is believed shows to be compromised or withdrawn, and the size of its tree.
fn shown(bundle: &[u8], root: &TrustRoot) -> (Vec<Revocation>, u64) {
    let pinned = Root { genesis: *root.genesis(), log: root.log_key(), witnesses: &[], quorum: 0 };
    let mut scratch = vec![0; firmlog_statement::MAX_ENTRY + 64];
    let (mut shown, mut size) = (Vec::new(), 0);
    if let Ok(evidence) = Evidence::verify(bundle, &pinned, &AwsLc, &mut scratch) {
        evidence.revocations(|revocation| shown.push(revocation));
        size = evidence.head().size.0;
    }
    (shown, size)
}

/// Between which times it is now, as far as the clock can be believed.
fn bounds(config: &Config) -> Result<(u64, Option<u64>)> {
    let mut clock = DaemonClock::new(config.time.clone(), config.dir.join("time"))?;
    let time: DeviceTime = clock.now();
    let believed = time.quality() >= Quality::T2;
    let bounds = time.utc_ms.zip(time.uncertainty_ms).filter(|_| believed);
    Ok(bounds.map_or((0, None), |(utc, half)| {
        let half = half.into();
        (utc.saturating_sub(half), Some(utc.saturating_add(half)))
    }))
}

/// The step that tells the outcome.
fn step(decided: &Decided, sha256: &[u8; 32]) -> Step {
    let (event, image, release) = match decided {
        Ok(found) => {
            let image =
                Image { sha256: found.image, version: found.version, counter: found.counter };
            (EventType::SignatureVerified, image, Some(found.release.to_string()))
        }
        Err(reason) => (reason.event(), Image { sha256: *sha256, version: 0, counter: 0 }, None),
    };
    let error = decided.as_ref().err().map(|reason| reason.code().into());
    let image = Some(encode_image(&image));
    Step { event: event.name().to_owned(), error, image, release, ..Step::default() }
}

fn answer(decided: &Decided, sha256: &[u8; 32], step: &Step, recorded: Option<Answer>) -> Answer {
    let mut json = json!({"installable": decided.is_ok(), "image": hex(sha256),
        "event": step.event, "recorded": recorded.map(|answer| answer.json)});
    match decided {
        Ok(found) => {
            json["release"] = found.release.to_string().into();
            json["version"] = found.version.into();
            json["version_code"] = found.version.to_string().into();
            json["counter"] = found.counter.into();
            json["approvers"] = found.approvers.into();
            json["tree_size"] = found.head.size.to_string().into();
            let rows = [
                ("✓", "may be installed".to_owned()),
                ("release", found.release.to_string()),
                ("version", found.version.to_string()),
                ("approved by", found.approvers.to_string()),
            ];
            Answer::new("agent-verify-image", json, table(rows))
        }
        Err(reason) => {
            json["reason"] = reason.to_string().into();
            json["code"] = reason.code().into();
            let text = format!("✗ REFUSED: {reason}\nevent  {}\n", step.event);
            Answer::new("agent-verify-image", json, text).exit(Exit::Against)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AGT-053: a version that nobody told is not version 0, which everything is newer than.
    #[test]
    fn agt_053_what_runs_is_never_guessed() {
        let of = |committed: Value| runs(&json!({"committed": committed}));
        let known = of(json!({"version": u64::MAX, "counter": u32::MAX})).expect("both");
        assert_eq!(known, (u64::MAX, u32::MAX));
        for bad in [
            Value::Null,
            json!({"version": 3}),
            json!({"counter": 3}),
            json!({"version": "3", "counter": 1}),
            json!({"version": -1, "counter": 1}),
            json!({"version": 3, "counter": 1_u64 << 32}),
        ] {
            let error = of(bad).expect_err("no number");
            assert_eq!((error.code, error.help.is_some()), ("E-AGENT", true));
        }
    }
}
