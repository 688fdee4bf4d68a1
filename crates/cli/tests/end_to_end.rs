//! From keys to a verified bundle, through a real server on loopback.

mod proxy;
mod world;

use std::process::Command;

use serde_json::Value;
use world::{World, released};

/// Runs with no network at all where that is possible (root, or user namespaces).
fn without_network(world: &World, args: &[&str]) -> std::process::Output {
    let probe = Command::new("unshare").args(["-r", "-n", "true"]).output();
    let program = env!("CARGO_BIN_EXE_firmlog");
    let mut command = match probe {
        Ok(probe) if probe.status.success() => {
            let mut command = Command::new("unshare");
            command.args(["-r", "-n", program]);
            command
        }
        _ => Command::new(program),
    };
    command.args(args).current_dir(world.dir.path()).output().expect("starts")
}

#[test]
fn a_release_is_proven_offline_and_a_flipped_bit_is_told() {
    let (world, release) = released();
    let (code, shown) = world.at_log(&["release", "show", &release]);
    assert_eq!(
        (code, shown["releases"][0]["words"].as_array().map(Vec::len)),
        (3, Some(2)),
        "{shown}"
    );
    assert_eq!(shown["verdict"], "verified so far");
    let nobody = "00".repeat(32);
    let (code, shown) = world.at_log(&["release", "show", &nobody]);
    assert_eq!((code, &shown["verdict"]), (3, &"not found".into()));
    let args = ["--json", "verify", "image", "--bundle", "release.fwb", "--trust", "log/log.trust"];
    let output = without_network(&world, &args);
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(report["schema"], "firmlog/verify/v1");
    // Nobody witnesses this log, so nothing more than this can be said of it.
    assert_eq!((output.status.code(), &report["verdict"]), (Some(3), &"verified so far".into()));
    let path = |name: &str| world.dir.path().join(name);
    for (file, args, expected) in [
        ("release.fwb", &["verify", "flipped", "--trust", "log/log.trust"][..], (1, "altered")),
        (
            "image",
            &["verify", "flipped", "--bundle", "release.fwb", "--trust", "log/log.trust"],
            (1, "not found"),
        ),
    ] {
        let mut bytes = std::fs::read(path(file)).expect("reads");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path("flipped"), bytes).expect("writes");
        let (code, told) = world.run(args);
        assert_eq!((code, told["verdict"].as_str().expect("a word")), expected, "{file}: {told}");
        assert!(told["mismatches"][0]["got"].is_string(), "{told}");
    }
    let (code, known) = world.at_log(&["identify", "image"]);
    assert_eq!((code, &known["leaf_hash"]), (3, &release.as_str().into()));
    assert_eq!(known["verdict"], "verified so far");
    let left_out = |doc: &Value| doc["not_checked"].to_string().contains("image itself");
    assert!(!left_out(&known) && !left_out(&report), "{known}");
    let (code, unknown) = world.at_log(&["identify", "release.fwb"]);
    assert_eq!((code, &unknown["verdict"]), (3, &"not found".into()));
    assert_eq!(world.run(&["inspect", "release.fwb"]).1["kind"], "evidence bundle");
    let found = world.run(&["inspect", "release.cose"]).1;
    assert_eq!((&found["kind"], &found["statement"]), (&"statement".into(), &"Release".into()));
    let keys = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
    let keys = keys.get(format!("{}/.well-known/scitt-keys", world.url)).send().expect("answers");
    std::fs::write(path("keys"), keys.bytes().expect("a key set")).expect("writes");
    assert_eq!(world.run(&["inspect", "keys"]).1["kind"], "key set");
    assert_eq!(world.run(&["inspect", "log/data/index.db"]).1["kind"], "SQLite database");
}

/// J19: a checkpoint of another log is no altered one, and what is no bundle is not called one.
#[test]
fn what_is_of_another_log_or_kind_is_called_that() {
    let (world, _) = released();
    let other = World::start();
    let at = |name: &str| world.dir.path().join(name);
    let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
    let note = client.get(format!("{}/checkpoint", other.url)).send().expect("answers");
    std::fs::write(at("checkpoint"), note.bytes().expect("a note")).expect("writes");
    let (code, told) = world.run(&["verify", "checkpoint", "--trust", "log/log.trust"]);
    assert_eq!((code, &told["verdict"]), (2, &"cannot check".into()), "{told}");
    std::fs::write(at("empty"), []).expect("writes");
    for file in ["image", "empty", "log/log.trust"] {
        let verify = ["verify", "image", "--bundle", file, "--trust", "log/log.trust"];
        let (code, told) = world.run(&verify);
        assert_eq!((code, &told["code"]), (2, &"E-KIND".into()), "{file}: {told}");
        assert!(told["message"].to_string().contains("is not an evidence bundle"), "{told}");
    }
}

/// A log that takes any bytes has releases by anybody; that they are there says nothing of them.
#[test]
fn a_release_by_a_key_nobody_enrolled_is_not_believed() {
    let world = World::start_with(&["--registration", "any"]);
    assert_eq!(world.run(&["key", "new", "stranger.pem"]).0, 0);
    std::fs::write(world.dir.path().join("image"), [43; 500]).expect("writes");
    let stranger = ["--key", "stranger.pem", "--as", "acme.example/build"];
    let publish = ["release", "publish", "image", "--version", "1.0.0", "--model", "ip-200"];
    let published = world.done(&[&publish[..], &stranger].concat());
    let release = published["leaf_hash"].as_str().expect("a hash").to_owned();
    world.at_log(&["bundle", "release", &release, "--out", "release.fwb"]);
    let verify = ["verify", "release.fwb", "--release", &release, "--trust", "log/log.trust"];
    let (expected, report) = world.run(&verify);
    assert_eq!((expected, &report["verdict"]), (2, &"cannot check".into()), "{report}");
    for args in [&["identify", "image"][..], &["release", "show", &release]] {
        let (code, told) = world.at_log(args);
        assert_eq!((code, &told["verdict"]), (2, &report["verdict"]), "{told}");
        assert_eq!(told["mismatches"], report["mismatches"]);
    }
    // Nor does it hide the release of somebody who is enrolled, before or after it.
    world.enrol("build", "manufacturer", "acme.example/build");
    let build = ["--key", "build.pem", "--as", "acme.example/build"];
    world.done(&[&publish[..], &build].concat());
    world.done(&[&publish[..], &["--counter", "2"], &stranger].concat());
    let (code, told) = world.at_log(&["identify", "image"]);
    assert_eq!((code, &told["verdict"]), (3, &"verified so far".into()), "{told}");
    assert_eq!(told["releases"].as_array().map(Vec::len), Some(1), "strangers release nothing");
}

/// A receipt proves a place in the log; who signed the entry takes the keys of a bundle.
#[test]
fn a_receipt_alone_is_never_the_whole_claim() {
    let mut world = World::start_with(&["--registration", "any"]);
    let path = |name: &str| world.dir.path().join(name);
    std::fs::write(path("garbage"), b"no statement at all").expect("writes");
    let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
    let added = client.post(format!("{}/add", world.url)).body("no statement at all").send();
    let index = added.expect("answers").text().expect("an index");
    let proof = format!("{}/api/v1/entries/{index}/proof", world.url);
    let proof = client.get(proof).header("Accept", "text/plain").send().expect("answers");
    std::fs::write(path("proof"), proof.bytes().expect("a proof")).expect("writes");
    let verify = ["verify", "garbage", "--receipt", "proof", "--trust", "log/log.trust"];
    let (code, report) = world.run(&verify);
    assert_eq!((code, &report["verdict"]), (3, &"verified so far".into()), "{report}");
    assert_eq!(report["rungs"][0]["state"], "not checked");
    assert!(report["not_checked"].to_string().contains("a bundle has the keys for it"));
    let (code, told) = world.run(&["verify", "proof", "--trust", "log/log.trust"]);
    assert_eq!((code, &told["code"]), (2, &"E-USAGE".into()), "{told}");
    assert!(told["help"].to_string().contains("--receipt proof"), "{told}");
    world.stop();
}

#[test]
fn a_release_that_too_few_approved_is_told_as_verify_does() {
    let world = World::start();
    world.enrol("build", "manufacturer", "acme.example/build");
    std::fs::write(world.dir.path().join("image"), [44; 500]).expect("writes");
    let build = ["--key", "build.pem", "--as", "acme.example/build"];
    let publish = ["release", "publish", "image", "--version", "1.0.0", "--model", "ip-200"];
    world.done(&[&publish[..], &build].concat());
    let (code, told) = world.at_log(&["identify", "image"]);
    assert_eq!((code, &told["verdict"]), (3, &"verified so far".into()), "{told}");
    assert!(told["findings"].to_string().contains("has 0 of 2 approvals"), "{told}");
}

#[test]
fn nobody_unknown_may_speak_and_the_same_word_twice_is_one() {
    let (world, release) = released();
    assert_eq!(world.run(&["key", "new", "stranger.pem"]).0, 0);
    let args = [
        "release",
        "approve",
        &release,
        "--name",
        "X",
        "--key",
        "stranger.pem",
        "--as",
        "acme.example/quality",
    ];
    let (code, refused) = world.at_log(&args);
    assert_eq!(code, 4, "{refused}");
    assert_eq!(refused["schema"], "firmlog/error/v1");
    let missing = ["release", "approve", &"00".repeat(32), "--name", "X"];
    let quality = ["--key", "quality.pem", "--as", "acme.example/quality"];
    let (code, told) = world.at_log(&[&missing[..], &quality].concat());
    assert_eq!((code, &told["code"]), (3, &"E-NOT-FOUND".into()), "{told}");
    let revoke = |kid: &str| {
        world.at_log(&[
            "trust",
            "revoke",
            kid,
            "--reason",
            "lost",
            "--key",
            "log/admin.pem",
            "--as",
            "log.example/admin",
        ])
    };
    let quality = world.run(&["key", "show", "quality.pem.pub"]).1;
    assert_eq!(revoke(quality["thumbprint"].as_str().expect("a hash")).0, 0);
    let args = [
        "release",
        "approve",
        &release,
        "--name",
        "X",
        "--key",
        "quality.pem",
        "--as",
        "acme.example/quality",
    ];
    assert_ne!(world.at_log(&args).0, 0, "a revoked key still speaks");
}

/// What is recorded of an e-signature is what was used: a passphrase counts when it opened the key.
#[test]
fn the_components_of_a_signature_are_those_used() {
    let (world, release) = released();
    let path = |name: &str| world.dir.path().join(name);
    std::fs::write(path("secret"), "correct horse\n").expect("writes");
    let made = ["key", "new", "locked.pem", "--passphrase-file", "secret"];
    assert_eq!(world.run(&made).0, 0);
    let enrol =
        ["trust", "enrol", "locked.pem.pub", "--role", "approver", "--issuer", "acme.example/md"];
    world.done(&[&enrol[..], &["--key", "log/admin.pem", "--as", "log.example/admin"]].concat());
    for (key, issuer, factors, warned) in [
        ("locked.pem", "acme.example/md", 10, false),
        ("quality.pem", "acme.example/quality", 8, true),
    ] {
        let approve = ["release", "approve", &release, "--meaning", "review", "--name", "Somebody"];
        let sign = ["--key", key, "--as", issuer, "--passphrase-file", "secret"];
        let log = ["--log", &world.url, "--trust", "log/log.trust", "--out", "signed.cose"];
        let args = [&approve[..], &sign, &log].concat();
        let output = world::command(world.dir.path(), &args).output().expect("starts");
        assert_eq!(output.status.code(), Some(0), "{key}");
        let talk = String::from_utf8_lossy(&output.stderr);
        assert_eq!(talk.contains("21 CFR 11.200"), warned, "{key}: {talk}");
        let entry = std::fs::read(path("signed.cose")).expect("reads");
        let parsed = firmlog_statement::Parsed::parse(&entry).expect("a statement");
        let Ok(firmlog_statement::Statement::Approval(approval)) = parsed.decode() else {
            panic!("no approval")
        };
        assert_eq!(approval.esig.factors.0, factors, "{key}");
    }
}

#[test]
fn a_challenge_holds_and_a_changed_transcript_does_not() {
    let (world, _) = released();
    let (code, answer) = world.at_log(&[
        "challenge",
        "run",
        "--out",
        "first.json",
        "--count",
        "4",
        "--key",
        "auditor.pem",
        "--as",
        "audit.example",
    ]);
    // Everything holds but the witnesses, of whom this log has none.
    assert_eq!((code, &answer["verdict"]), (3, &"verified so far".into()), "{answer}");
    let (code, answer) = world.at_log(&[
        "challenge",
        "run",
        "--out",
        "second.json",
        "--count",
        "4",
        "--known",
        "first.json",
    ]);
    assert_eq!(code, 3, "{answer}");
    let findings = answer["findings"].as_array().expect("a list");
    assert!(findings.iter().any(|f| f["name"] == "append-only" && f["state"] == "holds"));
    let verify =
        |file: &str| world.run(&["challenge", "verify", file, "--trust", "log/log.trust"]).0;
    assert_eq!(verify("second.json"), 3);
    let text = std::fs::read_to_string(world.dir.path().join("first.json")).expect("reads");
    let sound: Value = serde_json::from_str(&text).expect("JSON");
    let spoil = |change: &dyn Fn(&mut Value)| {
        let mut doc = sound.clone();
        change(&mut doc);
        std::fs::write(world.dir.path().join("spoilt.json"), doc.to_string()).expect("writes");
        verify("spoilt.json")
    };
    assert_eq!(spoil(&|doc| doc["nonce"] = "00".repeat(32).into()), 1, "another nonce");
    assert_eq!(spoil(&|doc| doc["answers"] = Value::Array(Vec::new())), 1, "no answers");
    assert_eq!(spoil(&|doc| doc["answers"][0]["entry"] = "d284".into()), 1, "another entry");
    assert_eq!(spoil(&|doc| doc["answers"][0]["path"] = Value::Array(Vec::new())), 1, "no path");
    assert_eq!(spoil(&|doc| doc["committed_in"]["index"] = "0".into()), 1, "committed elsewhere");
    assert_eq!(spoil(&|doc| doc["extra"] = 1.into()), 2, "a field nobody knows");
}

/// Not to answer is no contradiction, and no way out either: it is told, kept, and never verified.
#[test]
fn a_log_that_hands_nothing_over_is_told() {
    let (world, _) = released();
    let known = ["challenge", "run", "--out", "known.json", "--count", "2"];
    assert_eq!(world.at_log(&known).0, 3);
    let gone = br#"{"code":"pruned","title":"Pruned","detail":"entries before 256 are no more"}"#;
    for (name, status, body, verdict, state) in [
        ("busy", 503, &b"later"[..], "not found", "refused"),
        ("dead", 0, b"", "not found", "refused"),
        ("lost", 404, b"", "not found", "refused"),
        ("pruned", 404, gone, "verified so far", "pruned"),
    ] {
        let url = proxy::without(&world.url, "/tile/entries/", status, body);
        let out = format!("{name}.json");
        let run = ["challenge", "run", "--out", &out, "--count", "3", "--log", &url];
        let trust = ["--trust", "log/log.trust"];
        let (code, told) = world.run(&[&run[..], &trust].concat());
        assert_eq!(
            (code, &told["verdict"], &told[state]),
            (3, &verdict.into(), &3.into()),
            "{told}"
        );
        let (code, again) = world.run(&[&["challenge", "verify", &out][..], &trust].concat());
        assert_eq!((code, &again["findings"]), (3, &told["findings"]), "{name}");
    }
    let url = proxy::without(&world.url, "/tile/0/", 500, b"");
    let run = ["challenge", "run", "--out", "proofs.json", "--known", "known.json", "--log", &url];
    let (code, told) = world.run(&[&run[..], &["--trust", "log/log.trust"]].concat());
    assert_eq!((code, &told["verdict"]), (3, &"not found".into()), "{told}");
    let args = ["challenge", "verify", "proofs.json", "--trust", "log/log.trust"];
    assert_eq!(world.run(&args).0, 3);
}

#[test]
fn seven_devices_tell_their_stories() {
    let (mut world, _) = released();
    let mut bytes = std::fs::read(world.dir.path().join("release.fwb")).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(world.dir.path().join("altered.fwb"), bytes).expect("writes");
    let simulate = ["device", "simulate", "--release", "altered.fwb", "--image", "image"];
    let admin = ["--dir", "none", "--key", "log/admin.pem", "--as", "log.example/admin"];
    let (code, told) = world.at_log(&[&simulate[..], &admin].concat());
    assert_eq!((code, &told["code"]), (1, &"E-BUNDLE".into()), "{told}");
    assert!(!world.dir.path().join("none").exists(), "devices were made for it");
    // Without witnesses no device installs: the policy of this log asks for none, and says so.
    let (code, told) = world.at_log(&[
        "device",
        "simulate",
        "--release",
        "release.fwb",
        "--image",
        "image",
        "--devices",
        "7",
        "--dir",
        "fleet",
        "--key",
        "log/admin.pem",
        "--as",
        "log.example/admin",
    ]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(told["forks"], 1);
    let device = told["devices"][0]["device_id"].as_str().expect("an id").to_owned();
    let made = world.done(&["bundle", "device", &device, "--out", "device.fwb"]);
    assert!(made["entries"].as_u64().expect("a number") > 5);
    let (code, report) = world.run(&["verify", "device.fwb", "--trust", "log/log.trust"]);
    assert_eq!((code, &report["verdict"]), (3, &"verified so far".into()), "{report}");
    let times = report["times"].as_array().expect("a list");
    assert!(
        times.iter().all(|time| time["clock"]["at"].is_string() && time["not_after"].is_null())
    );
    assert!(times[1..].iter().all(|time| time["not_before"]["by"] == "previous_statement"));
    assert_eq!((times.is_empty(), &times[0]["seq"]), (false, &"0".into()));
    let verify = ["verify", "device.fwb", "--trust", "log/log.trust", "--device", &device];
    let shown = world::command(world.dir.path(), &verify).output().expect("starts");
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.contains("device clock: 20") && shown.contains("not before entry"), "{shown}");
    let found = world.run(&["inspect", "fleet/disclosures/device-01.disclosures"]).1;
    assert_eq!(found["kind"], "disclosures", "{found}");
    let found = world.run(&["inspect", "fleet/device-01/journal"]).1;
    assert_eq!(found["kind"], "device journal");
    let fsck = ["log", "fsck", "--config", "log/firmlog.toml", "--trust", "log/log.trust"];
    let (code, whole) = world.run(&fsck);
    assert_eq!((code, &whole["whole"], &whole["online"]), (0, &true.into(), &true.into()));
    assert_eq!(whole["not_checked"].as_array().expect("a list").len(), 2, "{whole}");
    world.stop();
    let (code, whole) = world.run(&[&fsck[..], &["--index"]].concat());
    assert_eq!((code, &whole["not_checked"]), (0, &Value::Array(vec![])), "{whole}");
    // The index is compared with the entries: a device in it under another name is told.
    let index = world.dir.path().join("log/data/index.db");
    let mut bytes = std::fs::read(&index).expect("reads");
    let name = b"log.example/admin";
    let at = bytes.windows(name.len()).rposition(|these| these == name).expect("is in there");
    bytes[at] ^= 1;
    std::fs::write(&index, bytes).expect("writes");
    let (code, told) = world.run(&[&fsck[..], &["--index"]].concat());
    assert_eq!((code, &told["whole"]), (1, &false.into()), "{told}");
    let object = told["damages"][0]["object"].as_str().expect("a name");
    assert!(object.starts_with("index.db"), "{told}");
    assert_eq!(world.run(&fsck).0, 0, "the log itself is whole");
}
