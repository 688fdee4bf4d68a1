//! Ten million entries beside a hundred thousand: does an entry cost the same?
//!
//! Cost is measured on raw batches, in processor time of the server, which a
//! noisy neighbour disturbs less than wall time. Memory is measured on a log of
//! signed statements, where it grows with the devices.

use std::time::Duration;

use firmlog_keys::Algorithm;

use super::figure::median;
use super::report::Report;
use super::stage::Stage;
use super::targets::{COST_GROWTH, RSS_LARGE};
use crate::crash::client::Client;
use crate::fleet::{Device, enrol_all};
use crate::load::work::{BATCH_TYPE, SplitMix};
use crate::rig::log::{Kind, ServedLog};

const SMALL: u64 = 100_000;
const LARGE: u64 = 10_000_000;
/// Devices enrolled on the log whose memory is measured.
const DEVICES: usize = 1_000_000;
/// Devices made at a time, so that their keys need not be held together.
const SLICE: usize = 20_000;
/// Updates of each device: with its enrolment, ten entries.
const UPDATES: usize = 9;
/// Samples of the cost at each size.
const SAMPLES: usize = 5;

/// Measures how the cost of an entry grows.
///
/// # Errors
/// If a server cannot be started, or answers with failures.
pub(super) fn measure_cost(stage: &Stage, report: &mut Report) -> anyhow::Result<()> {
    let log = ServedLog::start(&stage.firmlog, &stage.dir, Kind::Any)?;
    fill(stage, &log, SMALL)?;
    let small = sample(stage, &log)?;
    fill(stage, &log, LARGE)?;
    let large = sample(stage, &log)?;
    let usage = log.server.usage();
    let figure = COST_GROWTH
        .measured(
            large.cpu_us / small.cpu_us,
            "processor time an entry at 100 thousand, µs",
            small.cpu_us,
        )
        .with("cpu_us_at_10_million", large.cpu_us)
        .with("per_s_at_100_thousand", small.per_s)
        .with("per_s_at_10_million", large.per_s)
        .with("rss_mib_at_10_million_raw", usage.rss_kib as f64 / 1024.0)
        .with("entries", log.head()?.size.0)
        .with("samples", SAMPLES);
    report.add(&COST_GROWTH, figure);
    Ok(())
}

struct Cost {
    cpu_us: f64,
    per_s: f64,
}

/// Median cost of a few short bursts of batches.
fn sample(stage: &Stage, log: &ServedLog) -> anyhow::Result<Cost> {
    let (mut cpus, mut rates) = (vec![], vec![]);
    for _ in 0..SAMPLES {
        log.settle()?;
        let (cpu, size) = (log.server.usage().cpu, log.head()?.size.0);
        let summary = burst(stage, log, 0.5)?;
        // What follows behind (tiles, the index) is part of the cost; what others left is not.
        std::thread::sleep(Duration::from_secs(3));
        log.settle()?;
        let entries = log.head()?.size.0 - size;
        let used = log.server.usage().cpu.saturating_sub(cpu);
        cpus.push(used.as_secs_f64() * 1e6 / entries.max(1) as f64);
        rates.push(summary);
    }
    Ok(Cost { cpu_us: median(&cpus), per_s: median(&rates) })
}

fn fill(stage: &Stage, log: &ServedLog, size: u64) -> anyhow::Result<()> {
    while log.head()?.size.0 < size {
        let left = size - log.head()?.size.0;
        burst(stage, log, if left > 1_000_000 { 2.0 } else { 0.1 })?;
    }
    Ok(())
}

fn burst(stage: &Stage, log: &ServedLog, seconds: f64) -> anyhow::Result<f64> {
    let mut load = stage.load(&log.server, 8);
    (load.warmup, load.seconds) = (0.0, seconds);
    Ok(stage.loader.run("batch", &load, &["--dup-chance", "0"])?.entries_per_s)
}

/// Measures memory with a million devices.
///
/// # Errors
/// If a server cannot be started, or answers with failures.
pub(super) fn measure_memory(stage: &Stage, report: &mut Report) -> anyhow::Result<()> {
    let log = ServedLog::start(&stage.firmlog, &stage.dir, Kind::Signed)?;
    let admin = log.place.admin()?;
    let mut random = SplitMix(2);
    let at_start = log.server.usage().rss_kib;
    for made in (0..DEVICES).step_by(SLICE) {
        let mut devices = (0..SLICE)
            .map(|_| Device::new(Algorithm::Ed25519, &mut random))
            .collect::<anyhow::Result<Vec<_>>>()?;
        enrol_all(log.server.address, &admin, &devices)?;
        report_updates(&log, &mut devices)?;
        crate::say(&format!("{} of {DEVICES} devices", made + SLICE));
    }
    let usage = log.server.usage();
    let mib = |kib: u64| kib as f64 / 1024.0;
    let figure = RSS_LARGE
        .measured(mib(usage.rss_kib), "the same server before the first entry, MiB", mib(at_start))
        .with("highest_at_any_time_mib", mib(usage.rss_peak_kib))
        .with("entries", log.head()?.size.0)
        .with("devices", DEVICES);
    report.add(&RSS_LARGE, figure);
    Ok(())
}

fn report_updates(log: &ServedLog, devices: &mut [Device]) -> anyhow::Result<()> {
    let mut client = Client::connect(log.server.address)?;
    for some in devices.chunks_mut(1000) {
        for _ in 0..UPDATES {
            let mut body = Vec::new();
            for device in some.iter_mut() {
                body.extend_from_slice(&device.next_update()?);
            }
            let (head, _) = client.post("/batch", BATCH_TYPE, &body)?;
            anyhow::ensure!(head.is_success(), "a batch was answered {}", head.status);
        }
    }
    Ok(())
}
