//! Words, widths and lengths.

use std::collections::HashMap;

use super::Source;

const WIDTH_MAX: usize = 100;
/// For code, where rustfmt does not reach.
const MACRO_WIDTH_MAX: usize = 115;
const LINES_MAX: usize = 500;

/// Files that were longer than [`LINES_MAX`] when the limit came, and how long they may be: a
/// ratchet that only gets tighter.
const LONG_FILES: &str = "xtask/pins/long-files.txt";

/// What may not be in a file of this kind, and why. Written in two halves, so as not to find
/// itself.
const BANNED: &[(&str, &str, &str)] = &[
    ("rs", concat!("to", "do!("), "unfinished code"),
    ("rs", concat!("unimpl", "emented!("), "unfinished code"),
    ("rs", concat!("db", "g!("), "a debugging leftover"),
    ("", concat!("/wo", "rk/"), "a path of one machine"),
    ("", concat!("/ro", "ot/"), "a path of one machine"),
    ("", concat!("/ho", "me/"), "a path of one machine"),
    ("", concat!("<<<<", "<<< "), "a merge conflict"),
    ("md", concat!("compl", "iant"), "say what it is designed to support"),
];

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let allowed = allowed(sources);
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| is_written_by_hand(source)) {
        findings.extend(words(source));
        if source.has_extension("rs") || source.has_extension("sol") {
            findings.extend(widths(source));
            findings.extend(length(source, &allowed));
        }
    }
    findings
}

/// Vectors and locks are written by programs.
fn is_written_by_hand(source: &Source) -> bool {
    !source.is_under("vectors") && !source.path.ends_with(".lock")
}

fn words(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in source.lines() {
        for (extension, word, why) in BANNED {
            let applies = extension.is_empty() || source.has_extension(extension);
            // A word in quotation marks is spoken about, not said.
            let quoted = line.contains(&format!("\"{word}\""));
            if applies && line.contains(word) && !quoted {
                findings.push(format!("{}:{number}: `{word}` is {why}", source.path));
            }
        }
    }
    findings
}

/// rustfmt keeps code narrow, all but macros; this keeps prose so. What cannot be broken is let
/// through: strings, tables, and the example artefacts in fenced blocks.
fn widths(source: &Source) -> Vec<String> {
    let mut fenced = false;
    let mut findings = Vec::new();
    for (number, line) in source.lines() {
        let comment =
            line.trim_start().trim_start_matches('/').trim_start_matches('!').trim_start();
        fenced ^= comment.starts_with("```");
        let whole = fenced || line.contains('"') || comment.starts_with('|');
        let is_prose = line.trim_start().starts_with("//");
        let limit = if is_prose { WIDTH_MAX } else { MACRO_WIDTH_MAX };
        let width = line.chars().count();
        if width > limit && !whole {
            let place = format!("{}:{number}", source.path);
            findings.push(format!("{place}: {width} columns, {limit} at most"));
        }
    }
    findings
}

fn length(source: &Source, allowed: &HashMap<&str, usize>) -> Option<String> {
    let lines = source.lines().count();
    let path = &source.path;
    match allowed.get(path.as_str()) {
        Some(limit) if lines > *limit => {
            Some(format!("{path}: {lines} lines; it had {limit} and may only get shorter"))
        }
        Some(_) if lines <= LINES_MAX => {
            Some(format!("{path}: short enough now; take it off {LONG_FILES}"))
        }
        None if lines > LINES_MAX => {
            Some(format!("{path}: {lines} lines, {LINES_MAX} at most: split it by subject"))
        }
        _ => None,
    }
}

/// `PATH LINES` on each line of the ratchet's list.
fn allowed(sources: &[Source]) -> HashMap<&str, usize> {
    let list = sources.iter().find(|source| source.path == LONG_FILES);
    let lines = list.map_or("", |source| &source.text).lines();
    lines
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(path, limit)| Some((path, limit.parse().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::Source;

    fn source(path: &str, text: String) -> Source {
        Source { path: path.into(), text }
    }

    #[test]
    fn words_and_widths_are_found() {
        let text = format!("{}(\"x\")\n{}\n", concat!("db", "g!"), "x".repeat(116));
        let findings = check(&[source("a.rs", text)]);
        assert_eq!(findings.len(), 2, "{findings:?}");
    }

    #[test]
    fn long_files_only_get_shorter() {
        let list = source(super::LONG_FILES, "a.rs 600\n".into());
        let long = |lines: usize| source("a.rs", "x\n".repeat(lines));
        assert!(check(&[source("a.rs", "x\n".repeat(501))]).len() == 1);
        assert!(check(&[list, long(600)]).is_empty());
        let list = source(super::LONG_FILES, "a.rs 600\n".into());
        assert_eq!(check(&[list, long(601)]).len(), 1);
    }
}
