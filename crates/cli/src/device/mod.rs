//! `device simulate`: a fleet in one process, each device with its own files, key and chain.
//!
//! ```text
//! dir/device-01/…   key.pem, journal, running       dir/disclosures/device-01.disclosures
//! ```
//!
//! In scope: devices that verify a release offline, install it or refuse, and report. Out of scope:
//! real flash and real boot; journal, update steps and outbox are the device's own.
//!
//! Invariants:
//! - A device believes only its bundle file and its trust root; the network is used to report.
//! - Serial numbers are enrolled as salted commitments, with their disclosures beside them.

mod report;
mod scenario;
mod unit;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, Subcommand};
use firmlog_agent::update::Image;
use firmlog_keys::{Algorithm, os_random};
use firmlog_statement::disclosure::FieldId;
use firmlog_statement::{Digest, Enrol, Role, Signer, Statement, TrustAction};
use firmlog_tlog::merkle::Hash;
use firmlog_verify::RustCrypto;
use firmlog_verify::TrustRoot;
use firmlog_verify::bundle::Bundle;
use firmlog_verify::install::{self, Known, Reason};
use firmlog_verify::report::{Question, Verdict, verify_file};
use firmlog_verify::verify_release;
use serde_json::{Value, json};

use crate::Context;
use crate::answer::{Answer, counted};
use crate::command::{key, trust};
use crate::error::{Error, Exit, Result};
use crate::http::Client;
use crate::image::image_digests;
use crate::said::exit;
use crate::submit::{LogArgs, Secret, SignArgs, disclosure_set, sign_entry, trust_root, with_set};
use report::Reporter;
use scenario::{Played, Scenario, assign};
use unit::{Offer, Unit};

/// `device`
#[derive(Subcommand)]
pub(crate) enum DeviceCommand {
    /// Let simulated devices install a release and report
    Simulate(SimulateArgs),
}

/// Arguments of `device simulate`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog device simulate --release pump-4.2.1.fwb --image pump-4.2.1.bin --model ip-200 \\
    --dir fleet --key admin.pem --as acme.example/admin --log https://log.example --trust log.trust")]
pub(crate) struct SimulateArgs {
    /// Bundle of the release the devices are offered
    #[arg(long, value_name = "BUNDLE")]
    release: PathBuf,
    /// The image itself
    #[arg(long, value_name = "FILE")]
    image: PathBuf,
    /// Where the devices keep their files; must not exist
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// How many
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    devices: u32,
    /// Their model
    #[arg(long, default_value = "ip-200")]
    model: String,
    /// Name under which the devices' keys are enrolled
    #[arg(long, default_value = "acme.example/devices")]
    issuer: String,
    /// Decides who plays what
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What happens to the devices
    #[arg(long, value_enum, default_value_t = Scenario::All)]
    scenario: Scenario,
    /// The administrator who enrols the devices
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// What all devices of a run share.
pub(crate) struct World<'a> {
    pub(crate) root: &'a TrustRoot,
    pub(crate) bundle: &'a [u8],
    pub(crate) image: &'a Path,
    pub(crate) offer: Offer,
    /// What the statements are about.
    pub(crate) subject: String,
    pub(crate) args: &'a SimulateArgs,
}

/// Runs the command.
pub(crate) fn run(command: &DeviceCommand, context: &Context) -> Result<Answer> {
    let DeviceCommand::Simulate(args) = command;
    let start = Instant::now();
    let root = trust_root(&args.log.trust)?;
    let bundle = std::fs::read(&args.release).map_err(|e| Error::io("read", &args.release, e))?;
    let image_sha256 = image_digests(&args.image, false)?.sha256.0;
    let offer = offer(&bundle, &root, &image_sha256)?;
    let image = args.image.as_path();
    let subject = format!("{}/app", args.model);
    let world = World { root: &root, bundle: &bundle, image, offer, subject, args };
    let client = Client::new(&args.log.log, context)?;
    let mut reporter = Reporter::new(client, trust_root(&args.log.trust)?);
    let parts = assign(args.scenario, args.devices, args.seed);
    provision(&world, &parts, &reporter)?;
    let enrolled = counted(parts.len() as u64, "device", "devices");
    context.talk.say(format_args!("enrolled {enrolled}"));
    let mut played = Vec::new();
    for (number, part) in (1..).zip(&parts) {
        let unit = world.boot(number)?;
        let (unit, done) = scenario::play(*part, unit, &world, number, &mut reporter)?;
        context.talk.say(done.line());
        played.push((unit, done));
    }
    for (unit, done) in &mut played {
        if done.scenario == Scenario::Offline {
            done.answers = reporter.report(unit)?;
            let told = counted(done.answers.len() as u64, "statement", "statements");
            context.talk.say(format_args!("{} is back and sends {told}", done.device));
        }
    }
    let done: Vec<Played> = played.into_iter().map(|(_, done)| done).collect();
    Ok(answer(&done, start))
}

impl World<'_> {
    pub(crate) fn dir(&self, number: u32) -> PathBuf {
        self.args.dir.join(format!("device-{number:02}"))
    }

    /// Powers a device up.
    pub(crate) fn boot(&self, number: u32) -> Result<Unit<'_>> {
        Unit::boot(&self.dir(number), self)
    }

    fn serial(&self, number: u32) -> String {
        format!("7X-{:04}", self.args.seed % 100 * 100 + u64::from(number))
    }

    /// What a device asks before it installs: from the bundle file alone, with the pure-Rust
    /// cryptography that runs on the device.
    pub(crate) fn check_offline(
        &self,
        unit: &Unit<'_>,
        sha256: &[u8; 32],
    ) -> std::result::Result<Hash, Reason> {
        let bundle = Bundle::parse(self.bundle).map_err(|_| Reason::EvidenceAltered)?;
        let running = install::Running {
            device: unit.id,
            model: &self.args.model,
            hw_rev: None,
            component: "app",
            issuers: &[&self.offer.issuer],
            version: unit.running.version,
            counter: unit.running.counter,
        };
        let checked =
            verify_release(&bundle, self.root, &RustCrypto, sha256, &running, &Known::default())?;
        Ok(checked.release)
    }
}

/// The release in the bundle, with its place and checkpoint, and whose it is.
///
/// Checked before any device is enrolled: an entry of the log cannot be taken back.
fn offer(bundle: &[u8], root: &TrustRoot, image: &[u8; 32]) -> Result<Offer> {
    let report = verify_file(bundle, root, &RustCrypto, &Question::Image(*image));
    if matches!(report.verdict, Verdict::Altered | Verdict::CannotCheck) {
        let word = report.verdict.word().to_uppercase();
        let error = Error::new("E-BUNDLE", format!("{word}: the release bundle does not hold"))
            .exit(exit(report.verdict))
            .help("no device was enrolled; firmlog verify BUNDLE --trust FILE tells all of it");
        return Err(match report.mismatches.first() {
            Some(first) => error.expected(
                format!("{}: {}", first.object, first.expected),
                format!("{}: {}", first.object, first.got),
            ),
            None => error,
        });
    }
    let Some(release) = report.release() else {
        return Err(Error::new("E-RELEASE", "the bundle has no release of this image")
            .help("make it with: firmlog bundle release LEAF-HASH --out FILE"));
    };
    let body = &release.statement;
    let to = Image { sha256: body.image.0, version: body.version.0, counter: body.counter.0 };
    let checkpoint =
        report.head.as_ref().map_or((0, [0; 32]), |head| (head.head.size.0, head.head.root.0));
    Ok(Offer { release: release.leaf.0, issuer: release.issuer.clone(), to, checkpoint })
}

/// Makes keys and files of all devices and enrols them, serial numbers as commitments.
fn provision(world: &World<'_>, parts: &[Scenario], reporter: &Reporter) -> Result<()> {
    let admin = world.args.sign.open()?;
    std::fs::create_dir(&world.args.dir).map_err(|e| Error::io("make", &world.args.dir, e))?;
    let (mut items, mut disclosures) = (Vec::new(), Vec::new());
    for (number, part) in (1..).zip(parts) {
        let dir = world.dir(number);
        std::fs::create_dir(&dir).map_err(|e| Error::io("make", &dir, e))?;
        let key = key::create(&dir.join("key.pem"), Algorithm::P256, None)?;
        let mut seed = [0; 32];
        os_random(&mut seed);
        unit::make(&dir, &part.factory_state(&world.offer.to), seed)?;
        let enrol = Enrol {
            chain_seed: Some(Digest(seed)),
            model: Some(world.args.model.clone()),
            ..trust::plain(key.public_key(), &world.args.issuer, Role::Device)
        };
        let secrets = [Secret::new(FieldId::Serial, &world.serial(number))];
        let statement: Statement = trust::statement(TrustAction::Enrol(enrol), &secrets)?;
        let subject = format!("{}/device", world.args.model);
        let entry = sign_entry(&statement, &world.args.sign.issuer, &subject, &admin)?;
        let set = disclosure_set(&entry, &secrets)?;
        items.push(with_set(&entry, &set)?);
        disclosures.push((dir, set));
    }
    reporter.send_all(&items)?;
    write_disclosures(&world.args.dir, &disclosures)
}

/// Salts and values, for the bundles of those who may see them.
fn write_disclosures(dir: &Path, disclosures: &[(PathBuf, Vec<u8>)]) -> Result<()> {
    let dir = dir.join("disclosures");
    std::fs::create_dir_all(&dir).map_err(|e| Error::io("make", &dir, e))?;
    for (device, bytes) in disclosures {
        let name = device.file_name().unwrap_or_default();
        let path = dir.join(name).with_extension("disclosures");
        std::fs::write(&path, bytes).map_err(|e| Error::io("write", &path, e))?;
    }
    Ok(())
}

fn answer(done: &[Played], start: Instant) -> Answer {
    let mut text = format!(
        "{:<10} {:<12} {:>4}  {:<12} {:<20} {}\n",
        "device", "scenario", "said", "outcome", "the log's answer", "device id"
    );
    for played in done {
        text.push_str(&played.row());
    }
    let statements: usize = done.iter().map(|played| played.answers.len()).sum();
    let forks = done.iter().filter(|played| played.forked()).count();
    let refused = done.iter().any(Played::refused);
    text.push_str(&format!(
        "{}, {} in the log, {}, {:.1} s\n",
        counted(done.len() as u64, "device", "devices"),
        counted(statements as u64, "statement", "statements"),
        counted(forks as u64, "forked chain", "forked chains"),
        start.elapsed().as_secs_f64()
    ));
    let devices: Vec<Value> = done.iter().map(Played::json).collect();
    let json = json!({"devices": devices, "statements": statements, "forks": forks,
        "elapsed_ms": start.elapsed().as_millis() as u64});
    let exit = if refused { Exit::CannotRun } else { Exit::Proven };
    Answer::new("device-simulate", json, text).exit(exit)
}
