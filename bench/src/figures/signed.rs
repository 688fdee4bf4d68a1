//! Signed device statements: throughput, time to a receipt, and the full audit.
//!
//! All statements are signed before anything is timed, and each device's are
//! chained: every batch depends on the one before it on its connection.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::ensure;
use firmlog_keys::Algorithm;

use super::figure::{Figure, median};
use super::report::Report;
use super::stage::Stage;
use super::targets::{FSCK, RECEIPT_P99, SIGNED_ED25519, SIGNED_P256, SIGNED_P256_OF_BARE};
use crate::bare::{Scheme, append_and_sync, check_signatures};
use crate::fleet::{Device, enrol_all};
use crate::load::requests::RequestWriter;
use crate::load::work::SplitMix;
use crate::rig::log::{Kind, ServedLog};
use crate::rig::machine::cores;

/// Connections that send batches.
const CONNECTIONS: u32 = 8;
/// Devices that report over one connection.
const DEVICES: usize = 125;
/// Statements of one batch.
const BATCH: usize = 1000;
/// Connections of the receipt figure.
const RECEIPT_CONNECTIONS: usize = 64;

/// Measures what is asked of P-256, and on the same log the receipts and the audit.
///
/// # Errors
/// If a server cannot be started, or answers with failures.
pub(super) fn measure_p256(stage: &Stage, report: &mut Report) -> anyhow::Result<()> {
    let mut bench = Bench::start(stage, Algorithm::P256)?;
    let measured = bench.rounds(Scheme::P256, if stage.quick { 24 } else { 80 })?;
    let settings = |figure: Figure| measured.describe(figure, stage);
    let bare = median(&measured.bare);
    let rate = SIGNED_P256.measured(median(&measured.signed), BARE_P256, bare);
    let share = SIGNED_P256_OF_BARE.measured(median(&measured.shares), BARE_P256, bare);
    report.add(&SIGNED_P256, settings(rate));
    report.add(&SIGNED_P256_OF_BARE, settings(share));
    let receipts = bench.receipts()?;
    report.add(&RECEIPT_P99, receipts);
    bench.log.stop()?;
    report.add(&FSCK, bench.audit()?);
    Ok(())
}

/// Measures what is asked of Ed25519.
///
/// # Errors
/// As [`measure_p256`].
pub(super) fn measure_ed25519(stage: &Stage, report: &mut Report) -> anyhow::Result<()> {
    let mut bench = Bench::start(stage, Algorithm::Ed25519)?;
    let measured = bench.rounds(Scheme::Ed25519, if stage.quick { 64 } else { 200 })?;
    let rate = SIGNED_ED25519.measured(
        median(&measured.signed),
        "bare Ed25519 check one by one, all cores, /s",
        median(&measured.bare),
    );
    report.add(&SIGNED_ED25519, measured.describe(rate, stage));
    Ok(())
}

const BARE_P256: &str = "bare P-256 check, all cores, /s";

struct Bench<'a> {
    stage: &'a Stage,
    log: ServedLog,
    /// Devices of each connection.
    lanes: Vec<Vec<Device>>,
}

struct Measured {
    signed: Vec<f64>,
    bare: Vec<f64>,
    shares: Vec<f64>,
    statements: u64,
    bytes: u64,
}

impl Measured {
    fn describe(&self, figure: Figure, stage: &Stage) -> Figure {
        figure
            .with("connections", CONNECTIONS)
            .with("devices", CONNECTIONS as usize * DEVICES)
            .with("statements_of_a_batch", BATCH)
            .with("statement_bytes", self.bytes / self.statements.max(1))
            .with("statements", self.statements)
            .with("rounds", stage.rounds())
    }
}

impl<'a> Bench<'a> {
    fn start(stage: &'a Stage, algorithm: Algorithm) -> anyhow::Result<Self> {
        let log = ServedLog::start(&stage.firmlog, &stage.dir, Kind::Signed)?;
        let mut random = SplitMix(1);
        let lanes = (0..CONNECTIONS)
            .map(|_| (0..DEVICES).map(|_| Device::new(algorithm, &mut random)).collect())
            .collect::<anyhow::Result<Vec<Vec<_>>>>()?;
        for devices in &lanes {
            enrol_all(log.server.address, &log.place.admin()?, devices)?;
        }
        Ok(Self { stage, log, lanes })
    }

    /// Rounds of `batches` batches, each followed by the bare check.
    fn rounds(&mut self, scheme: Scheme, batches: usize) -> anyhow::Result<Measured> {
        let mut measured =
            Measured { signed: vec![], bare: vec![], shares: vec![], statements: 0, bytes: 0 };
        for _ in 0..self.stage.rounds() {
            let file = self.requests_path();
            measured.bytes += self.prepare_batches(&file, batches)?;
            let before = self.log.head()?.size.0;
            let rate = self.send("signed", &file, CONNECTIONS as usize, None)?.entries_per_s;
            let sent = (batches * BATCH) as u64;
            let grown = self.log.head()?.size.0 - before;
            ensure!(grown >= sent, "{sent} statements were accepted, but the log grew by {grown}");
            let bare = check_signatures(scheme, cores(), self.stage.duration())?.per_s();
            measured.statements += sent;
            measured.signed.push(rate);
            measured.bare.push(bare);
            measured.shares.push(rate / bare);
        }
        Ok(measured)
    }

    /// Time to a receipt at half of the highest rate, one statement a request.
    fn receipts(&mut self) -> anyhow::Result<Figure> {
        let file = self.requests_path();
        let (most, seconds) = if self.stage.quick { (20_000, 2.0) } else { (40_000, 5.0) };
        self.prepare_singles(&file, most)?;
        let highest = self.send("entries", &file, RECEIPT_CONNECTIONS, None)?.requests_per_s;
        let rate = highest / 2.0;
        let ms = |us: u64| us as f64 / 1000.0;
        let (mut p50, mut p99, mut p999) = (vec![], vec![], vec![]);
        let (mut rates, mut syncs) = (vec![], vec![]);
        for _ in 0..self.stage.rounds() {
            self.prepare_singles(&file, (rate * seconds) as usize)?;
            self.log.settle()?;
            let half = self.send("entries", &file, RECEIPT_CONNECTIONS, Some(rate))?;
            rates.push(half.requests_per_s);
            let half = half.latency_us;
            p50.push(ms(half.p50));
            p99.push(ms(half.p99));
            p999.push(ms(half.p999));
            syncs.push(ms(
                append_and_sync(&self.stage.dir, 4096, self.stage.duration() / 2)?.p99_us
            ));
        }
        Ok(RECEIPT_P99
            .measured(median(&p99), "bare fdatasync of 4 KiB, p99, ms", median(&syncs))
            .with("p99_ms_of_each_round", p99)
            .with("highest_per_s", highest)
            .with("rate_per_s", median(&rates))
            .with("p50_ms", median(&p50))
            .with("p99.9_ms", median(&p999))
            .with("connections", RECEIPT_CONNECTIONS)
            .with("rounds", self.stage.rounds())
            .with("seconds", seconds)
            .with(
                "before",
                "the index has caught up, and follows; the disk has written what came before",
            )
            .with("latency", "from when a request was due, not from when it was sent"))
    }

    /// The product's own full audit of the stopped log.
    fn audit(&self) -> anyhow::Result<Figure> {
        let entries = self.log.place.stored()?.entries;
        let (mut audits, mut bares, mut shares) = (vec![], vec![], vec![]);
        for _ in 0..self.stage.rounds() {
            let start = Instant::now();
            self.log.place.fsck()?;
            let rate = entries as f64 / start.elapsed().as_secs_f64();
            let bare = check_signatures(Scheme::P256, cores(), self.stage.duration())?.per_s();
            audits.push(rate);
            bares.push(bare);
            shares.push(rate / bare);
        }
        Ok(FSCK
            .measured(median(&shares), BARE_P256, median(&bares))
            .with("entries", entries)
            .with("entries_per_s", median(&audits))
            .with("rounds", self.stage.rounds()))
    }

    fn send(
        &self,
        mode: &str,
        requests: &Path,
        connections: usize,
        rate: Option<f64>,
    ) -> anyhow::Result<crate::load::tally::Summary> {
        let mut load = self.stage.load(&self.log.server, connections);
        // Prepared work ends by itself; a warm-up would use it up uncounted.
        (load.warmup, load.seconds, load.rate) = (0.0, 300.0, rate);
        self.stage.loader.run(mode, &load, &["--requests", &requests.to_string_lossy()])
    }

    fn prepare_batches(&mut self, path: &Path, batches: usize) -> anyhow::Result<u64> {
        let mut writer = RequestWriter::create(path)?;
        let per_lane = batches.div_ceil(self.lanes.len());
        let signed: Vec<anyhow::Result<Vec<Vec<u8>>>> = std::thread::scope(|scope| {
            let signers: Vec<_> = self
                .lanes
                .iter_mut()
                .map(|devices| scope.spawn(move || sign_batches(devices, per_lane)))
                .collect();
            signers.into_iter().map(|signer| signer.join().expect("a signer panicked")).collect()
        });
        let mut bytes = 0;
        for (lane, bodies) in (0..).zip(signed) {
            for body in bodies? {
                bytes += body.len() as u64;
                writer.push(lane, BATCH as u32, &body)?;
            }
        }
        writer.finish()?;
        Ok(bytes)
    }

    fn prepare_singles(&mut self, path: &Path, count: usize) -> anyhow::Result<()> {
        let mut writer = RequestWriter::create(path)?;
        // Devices take turns, so that a device's next statement is due long after its last.
        let mut devices: Vec<&mut Device> = self.lanes.iter_mut().flatten().collect();
        let lanes = devices.len();
        for n in 0..count {
            writer.push((n % lanes) as u32, 1, &devices[n % lanes].next_update()?)?;
        }
        writer.finish()
    }

    fn requests_path(&self) -> PathBuf {
        self.log.place.dir().with_file_name("requests")
    }
}

fn sign_batches(devices: &mut [Device], batches: usize) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut bodies = Vec::with_capacity(batches);
    for _ in 0..batches {
        let mut body = Vec::new();
        for n in 0..BATCH {
            let at = n % devices.len();
            body.extend_from_slice(&devices[at].next_update()?);
        }
        bodies.push(body);
    }
    Ok(bodies)
}
