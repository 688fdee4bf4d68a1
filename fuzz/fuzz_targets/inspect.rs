//! `inspect`: any bytes under any name are explained or not known; no secret is shown, every byte
//! of CBOR has its line, and the explanation is not much longer than what is explained.
//! Also what a log says when it refuses, which is read by the same walker.

#![no_main]
#![expect(dead_code, reason = "the program's modules are borrowed whole")]

#[path = "../../crates/cli/src/answer.rs"]
mod answer;
#[path = "../../crates/cli/src/error.rs"]
mod error;
#[path = "../../crates/cli/src/inspect/mod.rs"]
mod inspect;
#[path = "../../crates/cli/src/problem.rs"]
mod problem;

use std::path::Path;

use firmlog_statement::codec;
use inspect::cbor::{self, Meaning};
use libfuzzer_sys::fuzz_target;

/// What `inspect` gets beside its arguments, and does not use.
struct Context;

const NAMES: [&str; 6] = [
    "x",
    "journal",
    "some.tile",
    "data/tile/0/000.p/3",
    "data/tile/entries/000.p/2",
    "data/tile/entries/x001/067",
];

fuzz_target!(|bytes: &[u8]| {
    for name in NAMES {
        let Some(found) = inspect::explain(bytes, Some(Path::new(name))) else { continue };
        let shown = format!("{}\n{}\n{}", found.summary, found.text, found.json);
        assert!(shown.len() <= 8192 + 2048 * bytes.len(), "{} bytes", shown.len());
        if matches!(found.kind, "key file" | "signing key") {
            hides_secrets(bytes, &shown);
        }
    }
    let open = |_: &[cbor::Step], _: &cbor::Head| Meaning::named("x").holds_cbor();
    if let Ok(lines) = cbor::walk(bytes, &open) {
        assert!(lines.iter().flat_map(|line| &line.bytes).eq(bytes));
        assert_eq!(cbor::render(&lines).lines().count(), lines.len());
    }
    refusals(bytes);
});

/// Lines of Base64 in a key file, and the seed in a signing key, are not in what is shown.
fn hides_secrets(bytes: &[u8], shown: &str) {
    let text = std::str::from_utf8(bytes).expect("keys are text");
    let labels: Vec<&str> = text.lines().filter(|line| line.contains("-----")).collect();
    let secrets = text.lines().filter(|line| !line.contains("-----"));
    let secrets = secrets.map(|line| match line.strip_prefix("PRIVATE+KEY+") {
        Some(key) => key.splitn(3, '+').nth(2).unwrap_or_default(),
        None => line,
    });
    for secret in secrets.filter(|line| line.len() >= 32) {
        let is_label = labels.iter().any(|label| label.contains(secret));
        let is_name = text.lines().next().is_some_and(|line| line.matches(secret).count() > 1);
        assert!(is_label || is_name || !shown.contains(secret), "{secret}");
    }
}

fn refusals(bytes: &[u8]) {
    let told = problem::problem(bytes);
    assert!(told.is_empty() || told.starts_with(": "));
    let _ = problem::is_pruned(bytes);
    let Some((title, detail)) = std::str::from_utf8(bytes).ok().and_then(|t| t.split_once('\n'))
    else {
        return;
    };
    if !title.is_empty() && !detail.is_empty() {
        let expected = format!(": {title}: {detail}");
        let mut concise = vec![0xa2, 0x20];
        codec::text(&mut concise, title).expect("a vector takes what it is given");
        concise.push(0x21);
        codec::text(&mut concise, detail).expect("a vector takes what it is given");
        assert_eq!(problem::problem(&concise), expected);
        let json = serde_json::json!({"title": title, "detail": detail});
        assert_eq!(problem::problem(json.to_string().as_bytes()), expected);
    }
}
