//! Every kind of statement from JSON to a receipt, through a real server.

mod world;

use std::path::Path;

use firmlog_statement::json::to_json;
use firmlog_statement::{Kind, Parsed};
use serde_json::{Value, json};
use world::{World, command, released, run};

fn write(dir: &Path, name: &str, doc: &Value) {
    std::fs::write(dir.join(name), doc.to_string()).expect("writes");
}

/// Signs and submits a draft; the exit code and the document.
fn said(world: &World, name: &str, doc: &Value, who: (&str, &str), more: &[&str]) -> (i32, Value) {
    write(world.dir.path(), name, doc);
    let out = format!("{name}.cose");
    let sign = ["statement", "sign", name, "--key", who.0, "--as", who.1, "--out", &out];
    world.at_log(&[&sign[..], more].concat())
}

/// What a kind cannot do without, as the program tells it.
fn template(kind: &str) -> Value {
    let dir = tempfile::tempdir().expect("a directory");
    let (code, told) = run(dir.path(), &["statement", "template", kind]);
    assert_eq!(code, 0, "{told}");
    assert!(told["fields"].as_array().is_some_and(|fields| fields.len() > 3), "{kind}");
    told["template"].clone()
}

fn leaf(placed: &Value) -> Value {
    placed["leaf_hash"].clone()
}

#[test]
fn every_kind_goes_from_json_to_a_receipt() {
    let (world, release) = released();
    world.enrol("field", "authoriser", "acme.example/field");
    assert_eq!(world.run(&["key", "new", "pump.pem"]).0, 0);
    let seed = "5a".repeat(32);
    let enrol =
        ["trust", "enrol", "pump.pem.pub", "--role", "device", "--issuer", "acme.example/devices"];
    let admin = ["--chain-seed", &seed, "--key", "log/admin.pem", "--as", "log.example/admin"];
    world.done(&[&enrol[..], &admin].concat());
    let device = world.run(&["key", "show", "pump.pem.pub"]).1["thumbprint"].clone();
    let mut drafts = Kind::ALL.map(|kind| template(kind.name()));
    for draft in &mut drafts[2..4] {
        draft["payload"]["release"] = release.as_str().into();
    }
    drafts[4]["payload"]["device"] = device;
    drafts[4]["payload"]["prev"] = seed.as_str().into();
    drafts[5]["payload"]["subject"] = release.as_str().into();
    let people = [
        ("log/admin.pem", "log.example/admin"),
        ("build.pem", "acme.example/build"),
        ("quality.pem", "acme.example/quality"),
        ("field.pem", "acme.example/field"),
        ("pump.pem", "acme.example/devices"),
        ("auditor.pem", "audit.example"),
        ("auditor.pem", "audit.example"),
    ];
    for ((kind, draft), who) in Kind::ALL.iter().zip(&drafts).zip(people) {
        let kind = kind.name();
        let receipt = ["--receipt", "receipt", "--private", "note=seen on site"];
        let (code, placed) = said(&world, kind, draft, who, &receipt);
        assert_eq!((code, &placed["kind"]), (0, &kind.into()), "{placed}");
        let entry = std::fs::read(world.dir.path().join(format!("{kind}.cose"))).expect("reads");
        let parsed = Parsed::parse(&entry).expect("a statement");
        let (shown_code, shown) = world.run(&["statement", "show", &format!("{kind}.cose")]);
        let projection = to_json(&parsed).expect("a projection");
        assert_eq!(
            (shown_code, &shown["statement"], &shown["leaf_hash"]),
            (0, &projection, &leaf(&placed))
        );
        // What was written is in it, to the letter.
        for (name, value) in draft["payload"].as_object().expect("an object") {
            if name != "esig" {
                assert_eq!(&projection["payload"][name], value, "{kind}: {name}");
            }
        }
        let file = format!("{kind}.cose");
        let verify = ["verify", &file, "--receipt", "receipt", "--trust", "log/log.trust"];
        assert_eq!(world.run(&verify).1["verdict"], "verified so far", "{kind}");
        // The same bytes again, from the file with its disclosures beside it: the same place.
        let again = world.done(&["statement", "submit", &file]);
        assert_eq!(again["index"], placed["index"], "{kind}");
    }
    // Who may not say this is told so by the log.
    let (code, told) = said(&world, "stranger", &drafts[1], people[2], &[]);
    assert_eq!((code, &told["code"]), (4, &"E-AUTH".into()), "{told}");
    assert!(told["message"].to_string().contains("role may not sign"), "{told}");
    drafts[4]["payload"]["seq"] = 7.into();
    let (code, told) = said(&world, "gap", &drafts[4], people[4], &[]);
    assert_eq!((code, &told["code"]), (2, &"E-REFUSED".into()), "{told}");
    assert!(told["message"].to_string().contains("chain_gap"), "{told}");
}

#[test]
fn a_recall_is_shown_wherever_the_release_is() {
    let (world, release) = released();
    let image = world.at_log(&["identify", "image"]).1["sha256"].clone();
    let mut recall = template("release");
    recall["payload"]["event"] = "release_recalled".into();
    recall["payload"]["image"] = image;
    recall["payload"]["release"] = release.as_str().into();
    recall["payload"]["regulatory"] = json!({"action": "806_reported", "reference": "Z-1234-2026"});
    let (code, told) = said(&world, "recall", &recall, ("build.pem", "acme.example/build"), &[]);
    assert_eq!(code, 0, "{told}");
    for how in [&[][..], &["--scan"]] {
        for ask in [&["release", "show", &release][..], &["identify", "image"]] {
            let (code, told) = world.at_log(&[ask, how].concat());
            assert_eq!((code, &told["standing"]), (1, &"recalled".into()), "J2: {told}");
            assert_eq!(
                (&told["usable"], &told["leaf_hash"]),
                (&false.into(), &release.as_str().into())
            );
            assert!(told["headline"].to_string().contains("RECALLED by entry"), "{told}");
        }
    }
    // Every page that names it says so: itself, the entry, its approval, the recall, the file.
    let get = |path: &str| {
        let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
        let reply = client.get(format!("{}{path}", world.url)).send().expect("answers");
        assert!(reply.status().is_success(), "{path}: {}", reply.status());
        reply.text().expect("text")
    };
    let released = world.at_log(&["release", "show", &release]).1["releases"][0].clone();
    let (index, image) = (text(&released, "index"), text(&released, "image"));
    let approval = text(&released["words"][0], "index");
    let found = get(&format!("/search?q={image}"));
    assert!(!found.contains(&format!("/release/{}", text(&told, "index"))), "a step is no release");
    for path in [
        format!("/release/{release}"),
        format!("/entry/{index}"),
        format!("/entry/{approval}"),
        format!("/entry/{}", text(&told, "index")),
        format!("/search?q={image}"),
    ] {
        let page = get(&path);
        assert!(page.contains("class=\"banner\"><strong>RECALLED by entry"), "{path}: {page}");
    }
    // What is not about it has none.
    assert!(!get("/entry/0").contains("banner"));
}

fn text<'a>(doc: &'a Value, name: &str) -> &'a str {
    doc[name].as_str().unwrap_or_else(|| panic!("no {name} in {doc}"))
}

#[test]
fn json_is_refused_with_the_place() {
    let dir = tempfile::tempdir().expect("a directory");
    assert_eq!(run(dir.path(), &["key", "new", "a.pem"]).0, 0);
    let sign = ["statement", "sign", "draft", "--key", "a.pem", "--as", "acme.example/x"];
    let release = template("release");
    let with = |pointer: &str, value: Value| {
        let mut draft = release.clone();
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        let parent = draft.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
        parent.insert(name.into(), value);
        draft
    };
    for (draft, place, expected, got) in [
        (with("/payload/models", json!(["a", 7])), "payload.models[1]", "text", "7"),
        (
            with("/payload/image", json!("ABC")),
            "payload.image",
            "64 lowercase hex digits",
            "\"ABC\"",
        ),
        (
            with("/payload/sbom", json!({"digest": "00".repeat(32), "format": "spdx"})),
            "payload.sbom.version",
            "text",
            "nothing",
        ),
        (
            with("/payload/event", json!("released")),
            "payload.event",
            "release_proposed | ",
            "\"released\"",
        ),
        (with("/payload/colour", json!(1)), "payload.colour", "one of image", "1"),
        (with("/kind", json!("rumour")), "kind", "trust | release", "\"rumour\""),
        (with("/sub", json!(null)), "sub", "text", "null"),
        (with("/signature", json!("00")), "signature", "nothing", "\"00\""),
        (with("/iss", json!("acme.example/y")), "iss", "acme.example/x", "\"acme.example/y\""),
    ] {
        write(dir.path(), "draft", &draft);
        let (code, told) = run(dir.path(), &sign);
        assert_eq!((code, &told["code"]), (2, &"E-JSON".into()), "{told}");
        let said = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        assert!(said("message").starts_with(&format!("{place}:")), "{place}: {told}");
        assert!(said("expected").contains(expected), "{place}: {told}");
        assert_eq!(said("got"), got, "{place}: {told}");
    }
    // Components of an e-signature are those used, not those claimed.
    let mut approval = template("approval");
    approval["payload"]["esig"]["factors"] = 26.into();
    write(dir.path(), "draft", &approval);
    let (code, told) = run(dir.path(), &sign);
    assert_eq!((code, &told["expected"]), (2, &"8, as used".into()), "{told}");
    std::fs::write(dir.path().join("draft"), r#"{"kind":"audit","kind":"audit"}"#).expect("writes");
    assert_eq!(run(dir.path(), &sign).1["message"], "name stands twice");
    // Without a log nothing leaves this machine.
    write(dir.path(), "draft", &template("annotation"));
    let (code, signed) = run(dir.path(), &sign);
    assert_eq!(code, 0, "{signed}");
    assert!(signed["entry"].as_str().is_some_and(|hex| hex.starts_with("d2845")), "{signed}");
    let output = command(dir.path(), &["statement", "template", "audit"]).output().expect("starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON")["kind"], "audit");
    assert!(String::from_utf8_lossy(&output.stderr).contains("payload.esig.meaning"));
}

/// STA-061: an altered bundle permits nothing, wherever the bit changed.
#[test]
fn nothing_may_be_used_by_evidence_that_is_not_sound() {
    let (world, release) = released();
    let sound = std::fs::read(world.dir.path().join("release.fwb")).expect("reads");
    let verify = |name: &str| {
        let args = ["verify", name, "--release", &release, "--trust", "log/log.trust"];
        let output = command(world.dir.path(), &args).output().expect("starts");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, said) = verify("release.fwb");
    assert!(code == Some(3) && said.contains(": may be used"), "{said}");
    for n in 0..60 {
        let mut spoilt = sound.clone();
        let at = n * spoilt.len() / 60;
        spoilt[at] ^= 1;
        std::fs::write(world.dir.path().join("spoilt.fwb"), &spoilt).expect("writes");
        let (code, said) = verify("spoilt.fwb");
        assert!(code != Some(0), "byte {at}: {said}");
        let sound = code == Some(3);
        assert!(sound || !said.contains("may be used"), "byte {at}: {said}");
    }
}
