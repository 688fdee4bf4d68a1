//! Raw adds against a bare echo, at 1 to 4,096 connections.

use serde_json::json;

use super::figure::median;
use super::report::Report;
use super::stage::Stage;
use super::targets::{RAW_ADD, RAW_ADD_OF_ECHO};
use crate::rig::log::{Kind, ServedLog};

const CONNECTIONS: [usize; 4] = [1, 64, 512, 4096];
/// What is asked for holds from here up: one connection waits for each sync alone.
const ASKED_FROM: usize = 64;

/// Measures both figures.
///
/// # Errors
/// If a server cannot be started, or answers with failures.
pub(super) fn measure(stage: &Stage, report: &mut Report) -> anyhow::Result<()> {
    let log = ServedLog::start(&stage.firmlog, &stage.dir, Kind::Any)?;
    let echo = stage.start_echo()?;
    let (mut adds, mut echoes, mut shares, mut details) = (vec![], vec![], vec![], vec![]);
    for connections in CONNECTIONS {
        let (mut ours, mut bare, mut of_bare, mut p99_us) = (vec![], vec![], vec![], vec![]);
        let cpu_before = log.server.usage().cpu;
        let mut requests = 0;
        for _ in 0..stage.rounds() {
            let add = stage.loader.run("add", &stage.load(&log.server, connections), &[])?;
            let answer = stage.loader.run("add", &stage.load(&echo, connections), &[])?;
            ours.push(add.entries_per_s);
            bare.push(answer.entries_per_s);
            of_bare.push(add.entries_per_s / answer.entries_per_s);
            p99_us.push(add.latency_us.p99 as f64);
            requests += add.requests;
        }
        let cpu = log.server.usage().cpu.saturating_sub(cpu_before);
        details.push(json!({
            "connections": connections,
            "add_per_s": median(&ours),
            "echo_per_s": median(&bare),
            "of_echo": median(&of_bare),
            "p99_ms": median(&p99_us) / 1000.0,
            // The warm-up's processor time is in it, its requests are not: an upper bound.
            "server_cpu_us_per_add": cpu.as_secs_f64() * 1e6 / requests.max(1) as f64,
        }));
        if connections >= ASKED_FROM {
            adds.push(median(&ours));
            echoes.push(median(&bare));
            shares.push(median(&of_bare));
        }
    }
    let (slowest, smallest) = (least(&adds), least(&shares));
    let echo_at_slowest =
        adds.iter().position(|rate| *rate == slowest).map_or(0.0, |at| echoes[at]);
    let rounds = stage.rounds();
    let add = RAW_ADD
        .measured(slowest, "bare echo of the same HTTP stack, /s", echo_at_slowest)
        .with("by_connections", details.clone())
        .with("leaf", "counter in decimal, 10 % duplicates")
        .with("rounds", rounds)
        .with("seconds", stage.seconds());
    let share = RAW_ADD_OF_ECHO
        .measured(smallest, "bare echo of the same HTTP stack, /s", least(&echoes))
        .with("by_connections", details)
        .with("rounds", rounds)
        .with("seconds", stage.seconds());
    report.add(&RAW_ADD, add);
    report.add(&RAW_ADD_OF_ECHO, share);
    Ok(())
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}
