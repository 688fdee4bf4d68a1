//! The demo's question for the whole log, before and after a recall.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{Story, say};

impl Story {
    /// The image is asked about by reading every entry, recalled, and asked about again.
    pub(super) fn recall(&mut self, firmware: &Path) -> Result<()> {
        self.head("the whole log read: may this file be used? Recalled, it may not");
        let image = firmware.to_str().context("a path in UTF-8")?;
        let ask = ["identify", image, "--scan", "--log", &self.url, "--trust", "log/log.trust"];
        self.told(&ask, 0, "VERIFIED")?;
        let release = self.release.clone();
        let step = ["release", "step", &release, "recalled", "--regulatory", "fsca"];
        let as_admin = ["--key", "log/admin.pem", "--as", "demo.example/admin"];
        self.at_log(&[&step[..], &as_admin].concat())?;
        self.told(&ask, 1, "RECALLED by entry")
    }

    /// A command must end with this exit code and begin with these words.
    pub(super) fn told(&self, args: &[&str], exit: i32, words: &str) -> Result<()> {
        let output = self.command(args).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = said.lines().find(|line| line.contains(words));
        let (Some(line), true) = (line, output.status.code() == Some(exit)) else {
            bail!("`firmlog {}` ended with {}\n{said}", args.join(" "), output.status);
        };
        say(&format!("  {line} (exit {exit})"));
        Ok(())
    }
}
