//! `docs/operating.md` tells every configuration key, and no other.

use std::collections::BTreeSet;

use super::Source;

const KEYS: &str = "crates/server/src/config/keys.rs";
const MANUAL: &str = "docs/operating.md";

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let text = |path| sources.iter().find(|s| s.path == path).map_or("", |s| s.text.as_str());
    let (code, manual) = (in_code(text(KEYS)), in_manual(text(MANUAL)));
    let missing = code.difference(&manual).map(|key| format!("{MANUAL}: does not tell `{key}`"));
    let stale = manual.difference(&code).map(|key| format!("{MANUAL}: `{key}` is no key"));
    missing.chain(stale).collect()
}

/// `section: Type {` opens a section, `name: type = "default",` is a key in it.
fn in_code(text: &str) -> BTreeSet<String> {
    let declarations = text.split_once("\nsettings! {").map_or("", |(_, rest)| rest);
    let mut keys = BTreeSet::new();
    let mut section = "";
    for line in declarations.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        let Some((name, rest)) = line.split_once(": ") else { continue };
        if rest.ends_with('{') {
            section = name;
        } else if rest.contains(" = \"") {
            keys.insert(format!("{section}.{name}"));
        }
    }
    keys
}

/// The first cell of each row: "| `section.name` |".
fn in_manual(text: &str) -> BTreeSet<String> {
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let is_key = |cell: &&str| cell.split_once('.').is_some_and(|(a, b)| is_word(a) && is_word(b));
    cells
        .map(|(cell, _)| cell)
        .filter(is_key)
        .filter(|c| !c.ends_with(".db"))
        .map(Into::into)
        .collect()
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::{in_code, in_manual};

    #[test]
    fn both_sides_are_read() {
        let code =
            "\nsettings! {\n /// A.\n log: Log {\n  dir: PathBuf = \"x\",\n   \"Help: a.\";\n }\n}";
        assert_eq!(in_code(code), ["log.dir".to_string()].into());
        assert_eq!(in_manual("| `log.dir` | x |\n| `wal/` |\n"), ["log.dir".to_string()].into());
    }
}
