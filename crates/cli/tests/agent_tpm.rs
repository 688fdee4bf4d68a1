//! The agent with its key and its counter in a software TPM, and its systemd unit.
#![expect(clippy::duplicate_mod, reason = "both worlds bring the module of free ports")]

mod world;

#[path = "../../keys/tests/hardware/mod.rs"]
mod hardware;

use std::path::Path;
use std::process::Command;

use hardware::{SoftTpm, have};
use serde_json::Value;
use world::World;
use world::device::Device;

const HANDLE: u32 = 0x8101_0001;
const INDEX: u32 = 0x0150_0016;

/// A device whose key and counter are in a TPM.
fn device(world: &World, tpm: &SoftTpm) -> Device {
    let (key, counter) = (tpm.key(HANDLE), tpm.counter(INDEX));
    assert_eq!(world.run(&["key", "new", &key, "--public", "pump.pub"]).0, 0);
    assert_eq!(world.run(&["tpm", "counter", "new", &counter]).0, 0);
    let more = ["--tpm-counter", &counter];
    Device::of_key(world, "pump", (&key, "pump.pub"), &world.url, &more)
}

fn newest(device: &Device) -> u64 {
    let history = device.done(&["history"]);
    let last = history["items"].as_array().and_then(|items| items.last()).cloned();
    last.expect("one")["counter"].as_u64().expect("counted")
}

fn value(world: &World, tpm: &SoftTpm) -> u64 {
    let (code, shown) = world.run(&["tpm", "counter", "show", &tpm.counter(INDEX)]);
    assert_eq!(code, 0, "{shown}");
    shown["value"].as_str().and_then(|text| text.parse().ok()).expect("a number")
}

/// AGT-031: an older journal is found before anything is said or sent, by every command; told to go
/// on, the device says so, and the log keeps both histories.
#[test]
fn agt_031_an_older_journal_is_found_by_the_counter() {
    let Some(tpm) = SoftTpm::start_for("agt_031_an_older_journal_is_found_by_the_counter", &[])
    else {
        return;
    };
    let world = World::start();
    let device = device(&world, &tpm);
    device.done(&["record", "service_mode", "--now"]);
    let old = std::fs::read(device.dir.join("journal")).expect("reads");
    device.done(&["record", "debug_unlocked", "--now"]);
    assert_eq!(newest(&device), value(&world, &tpm), "the statement carries the count");
    device.done(&["push"]);
    std::fs::write(device.dir.join("journal"), old).expect("writes");
    let before = std::fs::read(device.dir.join("journal")).expect("reads");
    for args in [&["push"][..], &["record", "service_mode", "--now"], &["status"]] {
        let (code, found) = device.agent(args);
        assert_eq!((code, &found["code"]), (1, &"E-ROLLBACK".into()), "{found}");
    }
    let mut daemon = device.daemon().spawn().expect("starts");
    assert_eq!(daemon.wait().expect("ends").code(), Some(1), "the agent does not run");
    let after = std::fs::read(device.dir.join("journal")).expect("reads");
    assert!(before == after, "nothing was said");
    // Somebody decides to go on.
    let mut daemon = device.daemon();
    let child = daemon.arg("--after-rollback").spawn().expect("starts");
    let agent = world::device::Agent { child, ready: Value::Null };
    wait_for(&device, "push");
    agent.stop();
    let history = device.done(&["history"]).to_string();
    assert!(history.contains("tamper_detected"), "{history}");
    let kept = std::fs::read_to_string(device.dir.join("findings.jsonl")).expect("findings");
    assert!(kept.contains("\"fork\":{"), "{kept}");
    assert_eq!(newest(&device), value(&world, &tpm));
}

/// Asks until the agent answers.
fn wait_for(device: &Device, what: &str) {
    for _ in 0..100 {
        if device.dir.join("agent.sock").exists() && device.agent(&[what]).0 == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("the agent does not answer");
}

/// AGT-032: power cut between the statement and its count.
#[test]
fn agt_032_a_statement_that_was_not_counted_yet_is_counted() {
    let Some(tpm) =
        SoftTpm::start_for("agt_032_a_statement_that_was_not_counted_yet_is_counted", &[])
    else {
        return;
    };
    let world = World::start();
    let device = device(&world, &tpm);
    for _ in 0..3 {
        device.done(&["record", "service_mode", "--now"]);
    }
    // Another counter, which stands one lower: as if the last count had not happened.
    let other = tpm.counter(INDEX + 1);
    assert_eq!(world.run(&["tpm", "counter", "new", &other]).0, 0);
    let counted = newest(&device);
    let next = || {
        let (_, shown) = world.run(&["tpm", "counter", "next", &other]);
        shown["value"].as_str().and_then(|text| text.parse::<u64>().ok()).expect("a number")
    };
    while next() < counted - 1 {}
    device.set(&format!("counter = \"{other}\""));
    assert_eq!(device.done(&["status"])["counter"], "uncounted");
    assert_eq!(device.done(&["status"])["counter"], "same", "it was counted");
    // One that stands lower by more is another TPM's.
    let third = tpm.counter(INDEX + 2);
    assert_eq!(world.run(&["tpm", "counter", "new", &third]).0, 0);
    device.done(&["record", "service_mode", "--now"]);
    device.done(&["record", "service_mode", "--now"]);
    device.set(&format!("counter = \"{third}\""));
    let (code, found) = device.agent(&["status"]);
    assert_eq!((code, &found["code"]), (1, &"E-ROLLBACK".into()), "{found}");
}

/// AGT-066: the newest statement was counted, is damaged, and never reached the log: the statement
/// after the gap shows that one is missing. Where all of them are in the log, that shows as well.
#[test]
fn agt_066_the_counter_shows_how_many_are_missing() {
    let Some(tpm) = SoftTpm::start_for("agt_066_the_counter_shows_how_many_are_missing", &[])
    else {
        return;
    };
    let world = World::start();
    let device = device(&world, &tpm);
    device.set("retry_ms = [20, 200]");
    for (sent, told, expected) in
        [(false, "by its counter 1 never", 1), (true, "counter 0 never", 2)]
    {
        device.done(&["record", "service_mode", "--now"]);
        device.done(&["push"]);
        device.done(&["record", "debug_unlocked", "--now"]);
        if sent {
            device.done(&["push"]);
        }
        device.damage_end();
        assert_eq!(device.agent(&["status"]).1["next_seq"], Value::Null);
        device.done(&["push"]);
        assert_eq!(newest(&device), value(&world, &tpm), "the gap statement is counted");
        world.done(&["bundle", "device", &device.id, "--out", "pump.fwb"]);
        let (_, verdict) = world.run(&["verify", "pump.fwb", "--trust", "log/log.trust"]);
        let found = verdict["findings"].to_string();
        assert!(found.contains(told), "{told}: {verdict}");
        assert_eq!(found.matches("lost its journal").count(), expected, "{verdict}");
    }
}

/// AGT-041: the unit as systemd reads it, with this build's program.
#[test]
fn agt_041_the_unit_verifies_and_is_tight() {
    if !have("agt_041_the_unit_verifies_and_is_tight", &["systemd-analyze"]) {
        return;
    }
    let unit =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd/firmlog-agent.service");
    let text = std::fs::read_to_string(&unit).expect("the unit");
    let dir = tempfile::tempdir().expect("a directory");
    let here = dir.path().join("firmlog-agent.service");
    let program = env!("CARGO_BIN_EXE_firmlog");
    std::fs::write(&here, text.replace("/usr/bin/firmlog", program)).expect("writes");
    let analyze = |args: &[&str]| {
        let output = Command::new("systemd-analyze").args(args).arg(&here).output();
        let output = output.expect("starts");
        let told = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&told).into_owned())
    };
    let (good, told) = analyze(&["verify", "--man=no"]);
    assert!(good && told.trim().is_empty(), "{told}");
    let (good, told) = analyze(&["security", "--offline=true", "--threshold=20"]);
    assert!(good, "{told}");
    // The test can fail: without its user and its sandbox it is exposed.
    let open = "[Service]\nExecStart=/bin/true\n";
    std::fs::write(&here, open).expect("writes");
    assert!(!analyze(&["security", "--offline=true", "--threshold=20"]).0);
}
