//! `cargo xtask tidy`: the style that a machine can keep.
//!
//! ```text
//! crates/log/Cargo.toml: firmlog-log (floor 2) must not depend on firmlog-keys (floor 2)
//! docs/operating.md:12: no heading `#backups` in docs/operating.md
//! docs/spec/statement.md:40: no test cites ST-7
//! ```
//!
//! In scope: what rustc, clippy and rustfmt cannot know. Every finding is told, not only the first.

mod floors;
mod keys;
mod links;
mod rules;
mod text;

use std::fs;

use anyhow::{Result, bail};

use crate::sh;

/// A text file of the repository.
struct Source {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

impl Source {
    fn is_under(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }

    fn has_extension(&self, extension: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
    }

    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(number, line)| (number + 1, line))
    }
}

/// Runs the command.
pub(crate) fn run(args: &[String]) -> Result<()> {
    if !args.is_empty() {
        bail!("usage: cargo xtask tidy");
    }
    let sources = sources()?;
    let mut findings = floors::check(&sources)?;
    findings.extend(keys::check(&sources));
    findings.extend(links::check(&sources));
    findings.extend(rules::check(&sources));
    findings.extend(text::check(&sources));
    findings.extend(crate::nightly::check());
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        sh::say(format_args!("{} files are tidy", sources.len()));
        return Ok(());
    }
    bail!("{} findings", findings.len());
}

/// All files that git keeps or would keep, read as UTF-8; other bytes are left out.
fn sources() -> Result<Vec<Source>> {
    let mut git = sh::command("git");
    let list = sh::read(git.args(["ls-files", "-z", "-co", "--exclude-standard"]))?;
    let mut sources = Vec::new();
    for path in list.split('\0').filter(|path| !path.is_empty()) {
        // A listed file may be gone from disk, or not be text.
        if let Ok(text) = fs::read_to_string(sh::root().join(path)) {
            sources.push(Source { path: path.to_string(), text });
        }
    }
    Ok(sources)
}
