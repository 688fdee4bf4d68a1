//! Bundles with anchors: `verify` and `inspect` in their exact words, over the vectors.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

/// A vector's bundle and trust root as files, and what its first lines say.
struct Scene {
    dir: tempfile::TempDir,
    expect: String,
    anchored: String,
}

fn scene(name: &str) -> Scene {
    let file = format!("{}/../../vectors/bundle/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(PathBuf::from(file)).expect("the vector is there");
    let (head, body) = text.split_once("bundle:\n").expect("a bundle");
    let lines = |name: &'static str| head.lines().filter_map(move |line| line.strip_prefix(name));
    let digits: Vec<u8> = body.bytes().filter(|digit| *digit != b'\n').collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let bytes: Vec<u8> = digits.chunks(2).map(pair).collect();
    let trust: String = lines("trust: ").map(|line| format!("{line}\n")).collect();
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("a.fwb"), bytes).expect("written");
    std::fs::write(dir.path().join("a.trust"), trust).expect("written");
    let one = |name| lines(name).next().expect("the line").to_owned();
    Scene { expect: one("expect: "), anchored: one("anchored: "), dir }
}

fn run(dir: &Path, args: &[&str], code: i32) -> String {
    let mut command = Command::cargo_bin("firmlog").expect("built");
    let output = command.current_dir(dir).args(args).assert().code(code).get_output().clone();
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// `BND-017`, `BND-018`, `BND-019`
#[test]
fn verify_tells_the_rung_in_its_words() {
    let args = ["verify", "a.fwb", "--trust", "a.trust"];
    let cases = [
        ("anchored", 3, '✓'),
        ("anchored_block_not_pinned", 3, '◷'),
        ("bad_anchor_of_another_checkpoint", 1, '✗'),
    ];
    for (name, code, mark) in cases {
        let scene = scene(name);
        let text = run(scene.dir.path(), &args, code);
        let line = format!("  {mark} anchored      {}\n", scene.anchored);
        assert!(text.contains(&line), "{text}");
        assert!(text.starts_with(&scene.expect.to_uppercase()), "{text}");
    }
}

/// A block bounds a device's time where the trust root vouches for it, and only there.
#[test]
fn an_anchor_bounds_the_times_of_devices() {
    let args = ["verify", "a.fwb", "--trust", "a.trust", "--json"];
    for (name, code, by_anchor) in [("anchored", 3, true), ("anchored_block_not_pinned", 3, false)]
    {
        let scene = scene(name);
        let told: Value = serde_json::from_str(&run(scene.dir.path(), &args, code)).expect("JSON");
        let times = told["times"].as_array().expect("a list");
        assert!(!times.is_empty(), "{told}");
        for time in times {
            let bounds = time["bounds"].as_array().expect("a list");
            assert_eq!(bounds.iter().any(|it| it["by"] == "anchor"), by_anchor, "{time}");
            assert_eq!(time["quality"] == "T6", by_anchor, "{time}");
        }
    }
}

#[test]
fn json_tells_what_was_proven_apart() {
    let scene = scene("anchored_block_not_pinned");
    let args = ["verify", "a.fwb", "--trust", "a.trust", "--json"];
    let told: Value = serde_json::from_str(&run(scene.dir.path(), &args, 3)).expect("JSON");
    let anchor = &told["anchors"][0];
    assert_eq!(anchor["state"], "self-consistent");
    assert_eq!((&anchor["event_proven"], &anchor["storage_proven"]), (&true.into(), &true.into()));
    assert_eq!((&anchor["block_pinned"], &anchor["code"]), (&Value::Null, &"matched".into()));
    assert_eq!((&anchor["chain_id"], &anchor["tree_size"]), (&"31337".into(), &"10".into()));
}

#[test]
fn inspect_names_the_parts_of_the_evidence() {
    let scene = scene("anchored");
    let text = run(scene.dir.path(), &["inspect", "a.fwb"], 0);
    assert!(text.contains("anchor       of checkpoint 1, chain 31337, contract 0xe7f1"), "{text}");
    for part in [
        "  block        5 at 2027-01-15T08:01:00Z, 0x",
        "  transaction  12 of the block, ",
        "  receipt      ",
        "  event        size 10, root ",
        "  account      ",
        "  root slot    0x",
        "  size slot    0x",
        "  accumulator  0x",
        "  headers      3 later ones, up to block 8 at ",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let trust = run(scene.dir.path(), &["inspect", "a.trust"], 0);
    assert!(trust.starts_with("trust root: ") && trust.contains("evm-block 31337 8 0x"), "{trust}");
}
