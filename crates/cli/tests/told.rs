//! What was done to a log is told in the log, once: backups, restores, pruning, other settings.

mod world;

use std::path::PathBuf;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use world::asked::{all_told, fetch, told};
use world::{World, released};

const ADMIN: [&str; 4] = ["--key", "log/admin.pem", "--as", "log.example/admin"];
const CONFIG: [&str; 2] = ["--config", "log/firmlog.toml"];

fn done(world: &World, args: &[&str]) -> Value {
    let (code, told) = world.run(&[args, &CONFIG].concat());
    assert_eq!(code, 0, "firmlog {}: {told}", args.join(" "));
    told
}

fn deeds(world: &World) -> Vec<PathBuf> {
    let dir = world.dir.path().join("log/data/state/deeds");
    let files = std::fs::read_dir(dir).into_iter().flatten();
    files.map(|file| file.expect("a file").path()).collect()
}

fn set(world: &World, line: &str) {
    let path = world.dir.path().join("log/firmlog.toml");
    let text = std::fs::read_to_string(&path).expect("reads");
    std::fs::write(path, format!("{text}{line}\n")).expect("writes");
}

fn digest(world: &World) -> Value {
    done(world, &["config", "show"])["digest"].clone()
}

#[test]
fn another_configuration_is_told_with_both_digests() {
    let mut world = World::start();
    all_told(&world);
    assert_eq!(told(&world, "config_changed"), Vec::<Value>::new(), "the first is no change");
    let first = digest(&world);
    world.stop();
    world.start_again();
    all_told(&world);
    assert_eq!(told(&world, "config_changed"), Vec::<Value>::new(), "nor is the same again");
    world.stop();
    set(&world, "\n[limits]\nrate_per_s = 50");
    let second = digest(&world);
    world.start_again();
    all_told(&world);
    world.kill();
    world.start_again();
    all_told(&world);
    let told = told(&world, "config_changed");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["old"], &told[0]["new"]), (&first, &second));
    assert_eq!(told[0]["detail"], Value::Null);
    // Not the file's bytes count, but what is in effect.
    let path = world.dir.path().join("log/firmlog.toml");
    let text = std::fs::read_to_string(&path).expect("reads");
    std::fs::write(path, format!("# a remark\n{text}rate_burst = 1000\n")).expect("writes");
    assert_eq!(digest(&world), second);
}

#[test]
fn backups_restores_and_pruning_are_told_once() {
    let (mut world, _) = released();
    let simulate = ["device", "simulate", "--release", "release.fwb", "--image", "image"];
    let fleet = ["--devices", "130", "--scenario", "tampered", "--dir", "fleet"];
    world.done(&[&simulate[..], &fleet, &ADMIN].concat());
    world.stop();
    let size = done(&world, &["log", "backup", "copy"])["size"].clone();
    assert_eq!(deeds(&world).len(), 1);
    let data = world.dir.path().join("log/data");
    let away = world.dir.path().join("away");
    std::fs::rename(&data, &away).expect("moves");
    done(&world, &["log", "restore", "copy"]);
    assert_eq!(deeds(&world).len(), 1, "a copy does not bring the deeds of another folder");
    // Nothing goes: nothing is told of it.
    done(&world, &["log", "prune", "0"]);
    assert_eq!(deeds(&world).len(), 1);
    let pruned = done(&world, &["log", "prune", "256"]);
    assert_eq!(pruned["min_index"], "256");
    // Another was begun and killed before anything more went.
    let begun =
        json!({"at_ms": 1_796_000_000_000_u64, "deed": "pruned", "from": 256, "until": 512});
    let path = data.join("state/deeds/01796000000000-pruned.json");
    std::fs::write(path, begun.to_string()).expect("writes");
    assert_eq!(deeds(&world).len(), 3);
    world.start_again();
    all_told(&world);
    let after = fetch(&world, "/api/v1/log")["size"].clone();
    world.kill();
    world.start_again();
    all_told(&world);
    assert_eq!(fetch(&world, "/api/v1/log")["size"], after, "once");
    let restored = told(&world, "restored");
    assert_eq!(restored.len(), 1);
    assert_eq!(restored[0]["count"].to_string(), size.as_str().expect("a number"));
    let pruned = told(&world, "pruned");
    assert_eq!((pruned.len(), &pruned[0]["count"]), (1, &256.into()), "{pruned:?}");

    world.stop();
    done(&world, &["log", "backup", "second"]);
    world.start_again();
    all_told(&world);
    let made = told(&world, "backup_made");
    let checkpoint = std::fs::read(world.dir.path().join("second/checkpoint")).expect("reads");
    let bytes = Sha256::digest(checkpoint);
    let checkpoint: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((made.len(), &made[0]["new"]), (1, &checkpoint.into()), "{made:?}");
}

/// A log of any bytes has no `Audit` entries, and notes nothing for them.
#[test]
fn a_log_of_any_bytes_notes_nothing() {
    let mut world = World::start_with(&["--registration", "any"]);
    world.stop();
    done(&world, &["log", "backup", "copy"]);
    set(&world, "\n[limits]\nrate_per_s = 50");
    world.start_again();
    assert_eq!(deeds(&world), Vec::<PathBuf>::new());
    assert!(!world.dir.path().join("log/data/state/config").exists());
}

/// A log whose key may not speak any more loses nothing: what was done waits.
#[test]
fn what_cannot_be_told_waits() {
    let mut world = World::start();
    let keys = fetch(&world, "/api/v1/log");
    let shown = world.run(&["key", "show", "log/log-key.pem"]).1;
    let kid = shown["thumbprint"].as_str().unwrap_or_else(|| panic!("{shown} {keys}"));
    world.done(&[&["trust", "revoke", kid, "--reason", "retired"], &ADMIN[..]].concat());
    world.stop();
    done(&world, &["log", "backup", "copy"]);
    world.start_again();
    std::thread::sleep(std::time::Duration::from_millis(500));
    world.stop();
    assert_eq!(deeds(&world).len(), 1, "it waits");
    world.start_again();
    assert_eq!(told(&world, "backup_made"), Vec::<Value>::new());
}
