//! What a server says on stderr while it runs, when a part of it does not answer.

mod world;

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use world::{command, run};

#[test]
fn a_dead_witness_is_told_once_on_stderr_as_a_document() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = |args: &[&str]| {
        let (code, doc) = run(dir.path(), args);
        assert_eq!(code, 0, "{doc}");
        doc
    };
    made(&["key", "new", "witness.pem", "--algorithm", "ed25519"]);
    let shown = made(&["key", "show", "witness.pem", "--name", "witness.example"]);
    let vkey = shown["vkey_witness"].as_str().expect("a key");
    let nobody = format!("127.0.0.1:{}", world::ports::free_port());
    let policy = format!("witness hospital {vkey} http://{nobody}\nquorum hospital\n");
    std::fs::write(dir.path().join("policy"), policy).expect("writes");
    let init = ["log", "init", "log", "--origin", "log.example/pumps", "--witnesses", "policy"];
    made(&[&init[..], &["--listen", "127.0.0.1:0"]].concat());
    let serve = ["--json", "log", "serve", "--config", "log/firmlog.toml"];
    let often = ["--set", "witnesses.interval_ms=20"];
    let mut server = command(dir.path(), &[&serve[..], &often].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut said = BufReader::new(server.stderr.take().expect("piped")).lines();
    let document =
        |line: String| -> Value { serde_json::from_str(&line).expect("each line is a document") };
    let is_about = |doc: &Value| doc["fields"]["message"] == "a witness did not cosign";
    let told = said.by_ref().map_while(Result::ok).map(document).find(is_about);
    // Some twenty rounds more, which find what the first one found.
    std::thread::sleep(Duration::from_millis(500));
    drop(server.kill());
    drop(server.wait());
    let again = said.map_while(Result::ok).map(document).filter(is_about).count();
    let told = told.expect("a line about the witness");
    assert_eq!((&told["level"], &told["fields"]["witness"]), (&"WARN".into(), &"hospital".into()));
    let problem = told["fields"]["problem"].as_str().expect("a reason");
    assert!(problem.contains("refused"), "{problem}");
    assert_eq!(again, 0);
}
