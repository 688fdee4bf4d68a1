//! `firmlog time`: real Roughtime servers, one an hour off; their evidence afterwards, offline; a
//! statement that names it.
#![expect(clippy::duplicate_mod, reason = "both worlds bring the module of free ports")]

mod world;

#[path = "../../clock/tests/world/mod.rs"]
mod servers;

use std::path::Path;

use serde_json::{Value, json};
use servers::chronyd::Chronyd;
use servers::roughtime::{Roughtime, program};
use world::run;

const PREV: &str = "d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1";

#[test]
fn the_liar_is_named_and_the_statement_is_tied_to_the_evidence() {
    let Some(program) = program("firmlog time") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let all = [("a", 0), ("b", 0), ("liar", 3600)].map(|(n, s)| Roughtime::start(&program, n, s));
    let tables: Vec<String> = all.iter().map(|one| Roughtime::toml(&one.server)).collect();
    write(dir, "time.toml", &tables.concat());
    write(dir, "two.toml", &tables[..2].concat());
    let ask = ["time", "query", "--over", PREV, "--out"];
    let with = |file: &str, config: &str, more: &[&str]| {
        run(dir, &[&ask[..], &[file, "--config", config], more].concat())
    };
    let (code, asked) = with("now.time", "time.toml", &["--report", "liar.json"]);
    assert_eq!(
        (code, &asked["outcome"], &asked["agree"]),
        (0, &json!("agreed"), &json!(["a", "b"]))
    );
    assert_eq!(asked["liars"][0]["server"], "liar");
    let report = std::fs::read_to_string(dir.join("liar.json")).expect("was written");
    assert!(report.starts_with("{\"responses\":["), "{report}");
    // Fewer than three servers: what there is is kept, and is no time.
    let (code, two) = with("two.time", "two.toml", &[]);
    assert_eq!((code, &two["outcome"]), (3, &json!("too few")));
    drop(all);
    let (code, none) = with("none.time", "two.toml", &[]);
    assert_eq!((code, &none["code"]), (5, &json!("E-NETWORK")));

    let check = |file: &str, more: &[&str]| {
        run(dir, &[&["time", "check", file, "--config", "time.toml"][..], more].concat())
    };
    let (code, checked) = check("now.time", &[]);
    assert_eq!((code, &checked["liars"]), (0, &asked["liars"]));
    assert_eq!(check("two.time", &[]).0, 3);
    let unknown = ["time", "check", "now.time", "--config", "two.toml"];
    assert_eq!(run(dir, &unknown).0, 2);
    let mut bytes = std::fs::read(dir.join("now.time")).expect("was written");
    bytes[400] ^= 1;
    std::fs::write(dir.join("altered.time"), bytes).expect("writes");
    let (code, altered) = check("altered.time", &[]);
    assert_eq!((code, &altered["code"]), (1, &json!("E-TIME")), "{altered}");

    let sha256 = asked["sha256"].as_str().expect("a hash");
    statement(dir, "update.cose", PREV, sha256);
    let (code, tied) = check("now.time", &["--statement", "update.cose"]);
    assert_eq!((code, &tied["statement"]["over_the_one_before"]), (0, &json!(true)), "{tied}");
    statement(dir, "later.cose", &"d2".repeat(32), sha256);
    let (code, tied) = check("now.time", &["--statement", "later.cose"]);
    assert_eq!((code, &tied["statement"]["over_the_one_before"]), (0, &json!(false)));
    statement(dir, "other.cose", PREV, PREV);
    let (code, other) = check("now.time", &["--statement", "other.cose"]);
    assert_eq!((code, &other["got"]), (1, &json!(PREV)), "{other}");
}

/// A device's statement over `prev` whose time names this evidence.
fn statement(dir: &Path, out: &str, prev: &str, sha256: &str) {
    if !dir.join("pump.pem").exists() {
        assert_eq!(run(dir, &["key", "new", "pump.pem"]).0, 0);
    }
    let mut draft = run(dir, &["statement", "template", "update"]).1["template"].clone();
    draft["payload"]["prev"] = prev.into();
    draft["payload"]["time"] = json!({
        "utc_ms": 1_781_870_400_000_u64, "source": "roughtime", "sync": "synchronised",
        "uncertainty_ms": 5000, "evidence": sha256,
    });
    write(dir, "draft.json", &draft.to_string());
    let sign =
        ["statement", "sign", "draft.json", "--key", "pump.pem", "--as", "acme.example/devices"];
    let (code, signed) = run(dir, &[&sign[..], &["--out", out]].concat());
    assert_eq!(code, 0, "{signed}");
}

#[test]
fn status_says_what_a_statement_would() {
    let Some(chronyd) = servers::have("firmlog time status", "chronyd") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let (port, _) = servers::chronyd::ports();
    let _server = Chronyd::server(&chronyd, port, None);
    let lines = format!("port 0\nserver 127.0.0.1 port {port} iburst minpoll 0 maxpoll 1");
    let client = Chronyd::start(&chronyd, &lines);
    let settings = client.synchronised();
    let program = settings.program.display();
    let socket = client.socket();
    let text = format!("[chrony]\nprogram = \"{program}\"\nsocket = {socket:?}\n");
    write(dir.path(), "time.toml", &text);
    let status = |config: &str| run(dir.path(), &["time", "status", "--config", config]);
    let (code, said) = status("time.toml");
    assert_eq!(
        (code, &said["source"], &said["quality"]),
        (0, &json!("ntp"), &json!("T2")),
        "{said}"
    );
    assert_eq!(said["chrony"]["follows"][0]["kind"], "ntp");
    assert_eq!(said["notes"], Value::Array(Vec::new()));

    write(dir.path(), "gone.toml", "[chrony]\nprogram = \"/nonexistent\"\n");
    let (code, said) = status("gone.toml");
    assert_eq!((code, &said["chrony"]["state"]), (0, &json!("absent")));
    assert!(said["notes"][0].as_str().is_some_and(|note| note.contains("/nonexistent")), "{said}");
    write(dir.path(), "wrong.toml", "[chrony]\nprogramme = \"/x\"\n");
    let (code, said) = status("wrong.toml");
    assert_eq!((code, &said["code"]), (2, &json!("E-TIME-SETTINGS")));
}

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).expect("writes");
}
