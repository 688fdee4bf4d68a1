//! Writes `vectors/statement/`: a sound entry of each kind, spoiled ones named for the
//! rule they break, and the registries of numbers.
//!
//! ```text
//! expect: HeaderMissing
//! rule: STM-010
//! entry:
//! d2845842…
//! ```
//!
//! `cargo run -p firmlog-statement --example statement_vectors`

#[path = "../tests/registries/mod.rs"]
mod registries;
#[path = "../tests/samples/mod.rs"]
mod samples;
#[path = "../tests/spoiled/mod.rs"]
mod spoiled;

use firmlog_statement::leaf_hash;
use std::fmt::Write as _;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/statement"));
    if dir.exists() {
        std::fs::remove_dir_all(dir)?;
    }
    std::fs::create_dir_all(dir)?;
    for (name, statement) in samples::all() {
        let entry = samples::entry(&statement);
        let key = hex(&samples::signer_of(&statement).public_key().to_cose_key());
        let leaf = hex(&leaf_hash(&entry));
        let head = format!("expect: ok\nkey: {key}\nleaf: {leaf}\n");
        std::fs::write(dir.join(name), head + &body(&entry))?;
    }
    for bad in spoiled::all() {
        let head = format!("expect: {}\nrule: {}\n", bad.expect.name(), bad.rule);
        std::fs::write(dir.join(bad.name), head + &body(&bad.entry))?;
    }
    std::fs::write(dir.join("registries"), registries::text())
}

/// Lines of 48 bytes; a long tail of zeros is told by its length.
fn body(entry: &[u8]) -> String {
    let told = entry.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    let (shown, zeros) =
        if entry.len() - told > 96 { (&entry[..told], entry.len() - told) } else { (entry, 0) };
    let mut out = String::new();
    if zeros > 0 {
        writeln!(out, "zeros: {zeros}").unwrap_or_default();
    }
    out.push_str("entry:\n");
    for line in shown.chunks(48) {
        out.push_str(&hex(line));
        out.push('\n');
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
