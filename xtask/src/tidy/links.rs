//! Links in Markdown files: files and headings that must exist, and paths named in backticks.
//!
//! A path may name a test, `crates/log/tests/crash.rs::torn_tail`; then the function must be there.

use std::collections::HashMap;

use super::Source;
use crate::sh;

/// A path in backticks that starts with one of these must exist.
const FOLDERS: &[&str] = &[
    "crates/",
    "contracts/",
    "docs/",
    "xtask/",
    "fuzz/",
    "oracles/",
    "vectors/",
    "sim/",
    ".ci/",
    ".cargo/",
];

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let pages: HashMap<&str, &Source> =
        sources.iter().filter(|s| s.has_extension("md")).map(|s| (s.path.as_str(), s)).collect();
    let mut findings = Vec::new();
    for page in sources.iter().filter(|s| s.has_extension("md")) {
        for (number, line) in prose(&page.text) {
            let (prose, code) = split_code(line);
            for target in targets(&prose) {
                if let Some(problem) = link_problem(page, target, &pages) {
                    findings.push(format!("{}:{number}: {problem}", page.path));
                }
            }
            for path in code.iter().filter(|c| FOLDERS.iter().any(|f| c.starts_with(f))) {
                if let Some(problem) = path_problem(path) {
                    findings.push(format!("{}:{number}: {problem}", page.path));
                }
            }
        }
    }
    findings
}

fn link_problem(page: &Source, target: &str, pages: &HashMap<&str, &Source>) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() { page.path.clone() } else { resolve(&page.path, file) };
    if !sh::root().join(&path).exists() {
        return Some(format!("no file {path}"));
    }
    if anchor.is_empty() {
        return None;
    }
    let found =
        pages.get(path.as_str()).is_some_and(|page| anchors(&page.text).any(|a| a == anchor));
    (!found).then(|| format!("no heading `#{anchor}` in {path}"))
}

fn path_problem(code: &str) -> Option<String> {
    // Patterns and whole commands are not paths.
    if code.contains(['*', ' ', '<', '{', '…']) {
        return None;
    }
    let (path, test) = code.split_once("::").unwrap_or((code, ""));
    let file = sh::root().join(path);
    if !file.exists() {
        return Some(format!("no file {path}"));
    }
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let name = test.rsplit("::").next().unwrap_or_default();
    let found = name.is_empty() || text.contains(&format!("fn {name}("));
    (!found).then(|| format!("no test `{name}` in {path}"))
}

/// `docs/a.md` + `../README.md` → `README.md`.
fn resolve(page: &str, target: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The lines outside fenced code blocks, with their numbers.
pub(super) fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(number, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fence && !fenced).then_some((number + 1, line))
    })
}

/// A line's text without its code spans, and the code spans.
fn split_code(line: &str) -> (String, Vec<&str>) {
    let parts: Vec<&str> = line.split('`').collect();
    let prose = parts.iter().step_by(2).copied().collect();
    (prose, parts.into_iter().skip(1).step_by(2).collect())
}

/// The targets of `[text](target)` and `[text]: target`.
fn targets(line: &str) -> Vec<&str> {
    let mut targets: Vec<&str> = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next())
        .filter(|target| !target.is_empty())
        .collect();
    if line.starts_with('[') {
        let definition = line.split_once("]: ").map(|(_, target)| target.trim());
        targets.extend(definition.filter(|target| !target.contains(' ')));
    }
    targets
}

/// The anchors that headings get, numbered when they repeat.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let headings: Vec<String> = prose(text)
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| slug(line.trim_start_matches('#').trim()))
        .collect();
    headings.into_iter().map(move |slug| {
        let count = seen.entry(slug.clone()).or_default();
        *count += 1;
        if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) }
    })
}

fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::{anchors, resolve, split_code, targets};

    #[test]
    fn finds_links_outside_code() {
        let (prose, code) = split_code("see [a](b.md#c), `[x](y)` and [d](https://e.org)");
        assert_eq!(targets(&prose), ["b.md#c", "https://e.org"]);
        assert_eq!(code, ["[x](y)"]);
    }

    #[test]
    fn resolves_relative_paths() {
        assert_eq!(resolve("docs/spec/a.md", "../glossary.md"), "docs/glossary.md");
        assert_eq!(resolve("README.md", "docs/"), "docs");
    }

    #[test]
    fn headings_make_anchors() {
        let text = "# A log, at rest\n```\n# no\n```\n## Who?\n## Who?\n";
        assert_eq!(anchors(text).collect::<Vec<_>>(), ["a-log-at-rest", "who", "who-1"]);
    }
}
