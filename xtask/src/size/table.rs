//! The figures as tables, put into `docs/benchmarks.md` between two marks.

use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Build, limits};
use crate::sh;

const DOCUMENT: &str = "docs/benchmarks.md";
const BEGIN: &str = "<!-- from here on: cargo xtask size --baseline --docs -->\n";
const END: &str = "<!-- as far as here -->\n";

/// What the largest build told, in words.
const WORDS: [(&str, &str); 8] = [
    ("append.instructions", "instructions to sign (P-256) and append a statement"),
    ("release.instructions", "instructions of the check of a release"),
    ("release.signatures.p256", "P-256 signatures checked in it"),
    ("release.signatures.ed25519", "Ed25519 signatures checked in it"),
    ("release.bundle.bytes", "bytes of its evidence"),
    ("statement.bytes.longest", "bytes of the longest statement of the history"),
    ("append.with_erase", "appends of 123 that erased a page"),
    ("statements", "statements of the history"),
];

/// Replaces the tables in the document.
pub(super) fn write(builds: &[Build], baseline: &Value) -> Result<()> {
    let path = sh::root().join(DOCUMENT);
    let text = fs::read_to_string(&path)?;
    let (before, rest) = text.split_once(BEGIN).with_context(|| format!("no {BEGIN}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("no {END}"))?;
    let tables = format!("{}{}{}", budgets(builds)?, figures(builds), libraries(baseline)?);
    Ok(fs::write(path, format!("{before}{BEGIN}\n{tables}{END}{after}"))?)
}

fn budgets(builds: &[Build]) -> Result<String> {
    let mut out = String::from("| Build | What | Budget | Measured | |\n|---|---|---|---|---|\n");
    for build in builds {
        for (what, got, most) in limits(build)? {
            let what = what.trim_start_matches(build.name).trim();
            let verdict = if got > most { "missed" } else { "kept" };
            let (got, most) = (grouped(got), grouped(most));
            out += &format!("| {} | {what} | {most} | **{got}** | {verdict} |\n", build.name);
        }
    }
    Ok(out + "\n")
}

fn figures(builds: &[Build]) -> String {
    let mut out = String::from("| Told, without a budget | |\n|---|---|\n");
    let told = |build: &Build, key: &str| build.told.get(key).copied().map(grouped);
    if let Some(bare) = builds.first().and_then(|build| told(build, "append.instructions")) {
        out += &format!("| instructions to append a statement, its signature apart | {bare} |\n");
    }
    for (key, words) in WORDS {
        if let Some(number) = builds.last().and_then(|build| told(build, key)) {
            out += &format!("| {words} | {number} |\n");
        }
    }
    out + "\n"
}

fn libraries(baseline: &Value) -> Result<String> {
    let mut out = String::from(
        "| P-256 in C | Flash, bytes | Static RAM, bytes | Sign, instructions | stack | Verify, \
         instructions | stack |\n|---|---|---|---|---|---|---|\n",
    );
    for library in baseline.as_array().context("no baseline")? {
        let number = |value: &Value| value.as_u64().map_or("?".into(), grouped);
        let told = &library["told"];
        let cells = [
            library["name"].as_str().unwrap_or("?").to_string(),
            number(&library["flash_bytes"]),
            number(&library["static_ram_bytes"]),
            number(&told["sign.instructions"]),
            number(&told["sign.stack"]),
            number(&told["verify.instructions"]),
            number(&told["verify.stack"]),
        ];
        out += &format!("| {} |\n", cells.join(" | "));
    }
    Ok(out + "\n")
}

/// With a comma before each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn digits_are_grouped_by_three() {
        let wanted = ["0", "999", "1,000", "26,364,560"];
        assert_eq!([0, 999, 1000, 26_364_560].map(super::grouped), wanted);
    }
}
