//! AGT-003: `firmlog agent run` killed at random moments, behind a link that drops, cuts and
//! repeats: in the end every acknowledged statement is in a real log, once, in order, and the
//! evidence holds.
//!
//! ```text
//! agent-kill: 200 rounds, seed 1: 612 acknowledged, 655 in the log, once and in order;
//!   200 kills (31 before it was ready), 1903 exchanges: 214 dropped, …
//! ```
//!
//! `cargo xtask agent-kill --rounds N [--seed S]`; a few rounds in `cargo test`.

#![expect(clippy::print_stdout, reason = "stdout is where the result goes")]

mod flaky;
#[path = "../world/mod.rs"]
mod world;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use firmlog_statement::event::EventType;
use firmlog_statement::{Parsed, Update};
use firmlog_verify::bundle::Bundle;
use flaky::{Flaky, Random};
use world::World;
use world::device::Device;

/// Rounds in `cargo test`.
const ROUNDS: u64 = 10;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, usual: u64| {
        let at = args.iter().position(|arg| arg == name);
        at.and_then(|at| args.get(at + 1)?.parse().ok()).unwrap_or(usual)
    };
    let (rounds, seed) = (number("--rounds", ROUNDS), number("--seed", 1));
    let mut random = Random::new(seed);
    let world = World::start();
    let proxy = Flaky::start(&world.url, random.number());
    let device = Device::enrolled(&world, "pump", &proxy.url, &[]);
    device.set("answer_s = 3");
    device.set("retry_ms = [20, 200]");
    let mut acknowledged = Vec::new();
    let mut early = 0;
    for round in 0..rounds {
        let (acks, ready) = one(&device, round, &mut random);
        acknowledged.extend(acks);
        early += u64::from(!ready);
    }
    proxy.mend();
    let agent = device.start();
    device.done(&["push"]);
    agent.stop();
    let (statements, codes) = check(&world, &device, &acknowledged);
    println!(
        "agent-kill: {rounds} rounds, seed {seed}: {} acknowledged, {codes} recorded in \
         {statements} statements in the log, once and in order;\n  {rounds} kills ({early} before it \
         was ready), {}",
        acknowledged.len(),
        proxy.tally(),
    );
    assert!(acknowledged.len() as u64 >= rounds, "hardly anything was recorded");
}

/// One life of the agent, while statements are recorded; which were acknowledged, and whether it
/// came as far as being ready. Every fourth is killed while it starts, the others at any time
/// after.
fn one(device: &Device, round: u64, random: &mut Random) -> (Vec<u32>, bool) {
    let mut agent = device.daemon().spawn().expect("starts");
    let mut out = BufReader::new(agent.stdout.take().expect("piped"));
    let mut line = String::new();
    if !round.is_multiple_of(4) {
        out.read_line(&mut line).expect("its first line");
    }
    let life = Duration::from_millis(random.below(if line.is_empty() { 200 } else { 700 }));
    let stop = AtomicBool::new(false);
    let acks = std::thread::scope(|scope| {
        let recorder = scope.spawn(|| record(device, round, &stop));
        std::thread::sleep(life);
        agent.kill().expect("not waited for yet");
        stop.store(true, Ordering::Relaxed);
        recorder.join().expect("records")
    });
    agent.wait().expect("ends");
    out.read_line(&mut line).expect("reads to the end");
    (acks, !line.is_empty())
}

/// Records until told to stop; the numbers that were acknowledged.
fn record(device: &Device, round: u64, stop: &AtomicBool) -> Vec<u32> {
    let mut acknowledged = Vec::new();
    for n in 0..100 {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let code = (round * 100 + n) as u32 + 1;
        let (number, dir) = (code.to_string(), device.dir.to_str().expect("a name"));
        let args = ["agent", "record", "service_mode", "--now", "--error", &number, "--dir", dir];
        let mut command = world::command(&device.dir, &args);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        if status.expect("starts").success() {
            acknowledged.push(code);
        }
    }
    acknowledged
}

/// Everything acknowledged is in the log once and in order, the log has what the device has, and
/// the bundle's evidence holds.
fn check(world: &World, device: &Device, acknowledged: &[u32]) -> (usize, usize) {
    world.done(&["bundle", "device", &device.id, "--out", "pump.fwb"]);
    let (code, verdict) = world.run(&["verify", "pump.fwb", "--trust", "log/log.trust"]);
    assert_eq!((code, verdict["verdict"].as_str()), (3, Some("verified so far")), "{verdict}");
    let bytes = std::fs::read(world.dir.path().join("pump.fwb")).expect("reads");
    let bundle = Bundle::parse(&bytes).expect("a bundle");
    let updates: BTreeMap<u64, Update> = bundle
        .entries
        .iter()
        .filter_map(|entry| Some((entry.index.0, Parsed::parse(&entry.bytes).ok()?.update().ok()?)))
        .collect();
    for (place, update) in updates.values().enumerate() {
        assert_eq!(update.seq.0, place as u64, "the log has the chain in order, without a hole");
    }
    let history = device.done(&["history"]);
    let last = history["items"].as_array().and_then(|items| items.last()).expect("items");
    assert_eq!(last["seq"], (updates.len() - 1).to_string(), "the log has all the device said");
    let codes: Vec<u32> = updates
        .values()
        .flat_map(|update| update.events.iter())
        .filter(|event| event.kind == EventType::ServiceMode)
        .map(|event| event.code.expect("numbered"))
        .collect();
    assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "once and in order: {codes:?}");
    for code in acknowledged {
        assert!(codes.binary_search(code).is_ok(), "{code} was acknowledged and is lost");
    }
    (updates.len(), codes.len())
}
