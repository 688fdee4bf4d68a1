//! Every MUST of `docs/spec/` has an id, and every id has a test that cites it.
//!
//! ```text
//! - **ST-7** An encoder MUST write the shortest form of every integer.
//! ```
//!
//! A rule is a paragraph, list item or table row of a spec page with the word MUST in it; its id
//! comes first. A test cites it by the id, or by a name that starts with it (`fn st_7_shortest`),
//! in code under `tests/` or `#[cfg(test)]`, in a test vector, or in an oracle.

use std::collections::HashSet;

use super::Source;
use super::links::prose;

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let cited = cited(sources);
    let mut seen = HashSet::new();
    let mut findings = Vec::new();
    for page in sources.iter().filter(|s| s.is_under("docs/spec") && s.has_extension("md")) {
        for (number, block) in blocks(&page.text) {
            let place = format!("{}:{number}", page.path);
            match (leading_id(&block), says_must(&block)) {
                (Some(id), true) => {
                    if !seen.insert(id.to_string()) {
                        findings.push(format!("{place}: {id} is used twice"));
                    }
                    if !cited.contains(id) {
                        findings.push(format!("{place}: no test cites {id}"));
                    }
                }
                (None, true) => findings.push(format!("{place}: a MUST without an id")),
                (_, false) => {}
            }
        }
    }
    findings
}

/// Paragraphs, list items and table rows, each with the number of its first line.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in prose(text) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            open = false;
            continue;
        }
        let starts = ["- ", "* ", "|", "> "].iter().any(|mark| line.starts_with(mark));
        match blocks.last_mut() {
            Some((_, block)) if open && !starts => {
                block.push(' ');
                block.push_str(line);
            }
            _ => blocks.push((number, line.to_string())),
        }
        open = true;
    }
    blocks
}

fn says_must(block: &str) -> bool {
    // The sentence that defines the key words is no rule.
    !block.contains("RFC 2119") && block.split(|c: char| !c.is_alphanumeric()).any(|w| w == "MUST")
}

fn leading_id(block: &str) -> Option<&str> {
    let start = block.trim_start_matches(['-', '*', '|', '`', '[', ' ', '>']);
    let end = start.find(|c: char| !is_id_char(c)).unwrap_or(start.len());
    start.get(..end).filter(|word| is_id(word))
}

fn cited(sources: &[Source]) -> HashSet<String> {
    let mut ids = HashSet::new();
    for source in sources {
        let words =
            test_text(source).split(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
        ids.extend(words.filter_map(id_at_start));
    }
    ids
}

/// `chn_001_next_extends_the_head` → `CHN-001`.
fn id_at_start(word: &str) -> Option<String> {
    let upper = word.to_ascii_uppercase().replace('_', "-");
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = upper.split('-').collect();
    let number = parts.iter().position(|part| is_number(part))?;
    let id = parts.get(..=number)?.join("-");
    is_id(&id).then_some(id)
}

/// The part of a file that is a test.
fn test_text(source: &Source) -> &str {
    let file = source.path.rsplit('/').next().unwrap_or_default();
    let whole = source.path.contains("/tests/")
        || file == "tests.rs"
        || ["vectors", "oracles", "fuzz"].iter().any(|folder| source.is_under(folder));
    if whole {
        return &source.text;
    }
    if !source.is_under("crates") || !source.has_extension("rs") {
        return "";
    }
    source.text.find("#[cfg(test)]").and_then(|at| source.text.get(at..)).unwrap_or_default()
}

fn is_id_char(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-'
}

/// Letters, a hyphen, a number: `ST-7`, `LOG-API-12`.
fn is_id(word: &str) -> bool {
    word.rsplit_once('-').is_some_and(|(name, number)| {
        name.starts_with(|c: char| c.is_ascii_uppercase())
            && !number.is_empty()
            && number.chars().all(|c| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::{blocks, check, id_at_start, leading_id, says_must};
    use crate::tidy::Source;

    #[test]
    fn blocks_join_wrapped_lines() {
        let text = "- **ST-1** It\n  MUST.\n- **ST-2** may\n\npara\n| ST-3 | MUST |\n";
        let found: Vec<String> = blocks(text).into_iter().map(|(_, block)| block).collect();
        assert_eq!(found, ["- **ST-1** It MUST.", "- **ST-2** may", "para", "| ST-3 | MUST |"]);
    }

    #[test]
    fn ids_lead() {
        assert_eq!(leading_id("- **ST-1** x"), Some("ST-1"));
        assert_eq!(leading_id("| LOG-API-12 | x"), Some("LOG-API-12"));
        assert_eq!(leading_id("The ST-1"), None);
        assert!(!says_must("MUSTARD"));
    }

    #[test]
    fn names_of_tests_cite() {
        assert_eq!(id_at_start("chn_001_next_extends").as_deref(), Some("CHN-001"));
        assert_eq!(id_at_start("LOG-API-12").as_deref(), Some("LOG-API-12"));
        assert_eq!(id_at_start("no_number_here"), None);
    }

    #[test]
    fn a_rule_needs_an_id_and_a_test() {
        let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
        let sources = [
            source("docs/spec/a.md", "- **A-1** x MUST y.\n- **A-2** x MUST y.\n- z MUST.\n"),
            source("crates/a/tests/a.rs", "// A-1: y\n"),
        ];
        let findings = check(&sources);
        assert_eq!(
            findings,
            ["docs/spec/a.md:2: no test cites A-2", "docs/spec/a.md:3: a MUST without an id"]
        );
    }
}
