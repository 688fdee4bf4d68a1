//! The demo's last act: one bit flipped in a copy of each kind of stored object, and told.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{Story, http_get, say};

impl Story {
    pub(super) fn tamper(&mut self, firmware: &Path) -> Result<()> {
        self.head("one bit flipped in each kind of stored object, on copies");
        self.settled()?;
        let receipt = http_get(&self.url, &format!("/entries/{}", self.release))?;
        std::fs::write(self.dir.join("release.receipt"), receipt)?;
        std::fs::copy(firmware, self.dir.join("image.bin"))?;
        self.sound()?;
        let trust = ["--trust", "log/log.trust"];
        for (what, pattern) in [
            ("entry bundle", "data/tile/entries"),
            ("hash tile", "data/tile/0"),
            ("checkpoint", "data/checkpoint"),
            ("never-fork record", "never-fork"),
            ("write-ahead log", "data/wal/00000000000000000000.seg"),
        ] {
            self.tamper_log(what, pattern)?;
        }
        self.tamper_times()?;
        self.tamper_index()?;
        for (what, file, args) in [
            ("evidence bundle", "device.fwb", &["verify", "flipped"][..]),
            ("release image", "image.bin", &["verify", "flipped", "--bundle", "release.fwb"]),
            ("statement", "release.cose", &["verify", "flipped", "--receipt", "release.receipt"]),
            ("receipt", "release.receipt", &["verify", "release.cose", "--receipt", "flipped"]),
            ("challenge transcript", "challenge.json", &["challenge", "verify", "flipped"]),
        ] {
            self.flip(file, "flipped")?;
            let mut all = args.to_vec();
            all.extend(trust);
            self.caught(what, &all)?;
        }
        self.tamper_journal()?;
        self.tamper_disclosure()
    }

    /// Waits until the files hold all that was appended, so that a copy of them is whole.
    fn settled(&self) -> Result<()> {
        let start = Instant::now();
        loop {
            let log: Value = serde_json::from_slice(&http_get(&self.url, "/api/v1/log")?)?;
            let file = std::fs::read_to_string(self.dir.join("log/data/checkpoint"));
            let size = file.as_deref().ok().and_then(|note| note.lines().nth(1)).unwrap_or("0");
            if log["size"] == size {
                break;
            }
            ensure!(
                start.elapsed() < Duration::from_secs(30),
                "tiles of {size} entries only: {log}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        // Partial tiles that the new ones replace go right after.
        std::thread::sleep(Duration::from_millis(500));
        Ok(())
    }

    /// The same commands say yes to what nobody touched: a check that always fails catches nothing.
    fn sound(&self) -> Result<()> {
        copy_dir(&self.dir.join("log"), &self.dir.join("copy"))?;
        self.firmlog(&[
            "log",
            "fsck",
            "--config",
            "copy/firmlog.toml",
            "--trust",
            "log/log.trust",
        ])?;
        let verify = ["verify", "image.bin", "--bundle", "release.fwb", "--trust", "log/log.trust"];
        self.told(&verify, 3, "VERIFIED SO FAR")?;
        say("  ✓ untouched         fsck and verify find nothing");
        Ok(())
    }

    fn tamper_log(&self, what: &str, part: &str) -> Result<()> {
        let copy = self.fresh_copy()?;
        let file = largest_file(&copy.join(part))?;
        let bytes = std::fs::read(&file)?;
        let at = match what {
            "never-fork record" => newest_slot(&bytes) + 40,
            // The last record ends with the last byte that is not zero.
            "write-ahead log" => bytes.iter().rposition(|b| *b != 0).context("an empty log")?,
            _ => bytes.len() / 2,
        };
        flip_bit(&file, &file, at)?;
        let args = ["log", "fsck", "--config", "copy/firmlog.toml", "--trust", "log/log.trust"];
        self.caught(what, &args)
    }

    /// Two files take turns; either may be the one that counts.
    fn tamper_times(&self) -> Result<()> {
        let copy = self.fresh_copy()?;
        for file in std::fs::read_dir(copy.join("data/state/received"))? {
            let file = file?.path();
            flip_bit(&file, &file, std::fs::metadata(&file)?.len() as usize / 2)?;
        }
        let args = ["log", "fsck", "--config", "copy/firmlog.toml", "--trust", "log/log.trust"];
        self.caught("received times", &args)
    }

    /// The index is no evidence, but people read it: a name in it changes, and is told.
    fn tamper_index(&self) -> Result<()> {
        let copy = self.fresh_copy()?;
        self.firmlog(&["log", "reindex", "--config", "copy/firmlog.toml"])?;
        let (file, name) = (copy.join("data/index.db"), b"demo.example/devices");
        let bytes = std::fs::read(&file)?;
        let at = bytes.windows(name.len()).rposition(|these| these == name);
        flip_bit(&file, &file, at.context("the index does not name the devices' issuer")?)?;
        let args = ["log", "fsck", "--config", "copy/firmlog.toml", "--trust", "log/log.trust"];
        self.caught("index", &[&args[..], &["--index"]].concat())
    }

    fn fresh_copy(&self) -> Result<PathBuf> {
        let copy = self.dir.join("copy");
        std::fs::remove_dir_all(&copy)?;
        copy_dir(&self.dir.join("log"), &copy)?;
        Ok(copy)
    }

    fn tamper_journal(&self) -> Result<()> {
        let journal = format!("fleet/{}/journal", self.device_name()?);
        std::fs::create_dir_all(self.dir.join("flipped-journal"))?;
        self.flip(&journal, "flipped-journal/journal")?;
        self.caught("device journal", &["inspect", "flipped-journal/journal"])
    }

    /// A wrong salt or value must not open the commitment.
    fn tamper_disclosure(&self) -> Result<()> {
        let disclosures = format!("fleet/disclosures/{}.disclosures", self.device_name()?);
        self.flip_last(&disclosures, "flipped.disclosures")?;
        self.at_log(&[
            "bundle",
            "device",
            &self.device,
            "--out",
            "flipped.fwb",
            "--disclosures",
            "flipped.disclosures",
        ])?;
        self.caught("disclosure", &["verify", "flipped.fwb", "--trust", "log/log.trust"])
    }

    fn flip(&self, from: &str, to: &str) -> Result<()> {
        let bytes = std::fs::read(self.dir.join(from))?;
        let middle = bytes.len() / 2;
        // In text, a digit of a long hexadecimal value: the file can still be read, and lies.
        let at = if bytes.starts_with(b"{") { hex_digit(&bytes, middle)? } else { middle };
        flip_bit(&self.dir.join(from), &self.dir.join(to), at)
    }

    fn flip_last(&self, from: &str, to: &str) -> Result<()> {
        let mut bytes = std::fs::read(self.dir.join(from))?;
        *bytes.last_mut().context("an empty file")? ^= 1;
        Ok(std::fs::write(self.dir.join(to), bytes)?)
    }

    /// The command must say, by exit 1 and in words, that something is wrong.
    fn caught(&self, what: &str, args: &[&str]) -> Result<()> {
        let output = self.command(args).output()?;
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        let named = |line: &&str| line.contains('✗') || line.contains("error[");
        let line = said.lines().rfind(named);
        match (output.status.code(), line) {
            (Some(1), Some(line)) => {
                say(&format!("  ✓ {what:<20} caught: {}", line.trim().trim_start_matches("✗ ")));
                Ok(())
            }
            (code, _) => bail!("NOT CAUGHT: a flipped bit in the {what} (exit {code:?})\n{said}"),
        }
    }
}

fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The file itself, or the largest one below a folder.
fn largest_file(path: &Path) -> Result<PathBuf> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let mut found: Option<(u64, PathBuf)> = None;
    for entry in std::fs::read_dir(path).with_context(|| path.display().to_string())? {
        let candidate = largest_file(&entry?.path());
        let Ok(candidate) = candidate else { continue };
        let size = std::fs::metadata(&candidate)?.len();
        if found.as_ref().is_none_or(|(largest, _)| size > *largest) {
            found = Some((size, candidate));
        }
    }
    Ok(found.with_context(|| format!("{} has no file", path.display()))?.1)
}

/// Flips the lowest bit of one byte.
fn flip_bit(from: &Path, to: &Path, at: usize) -> Result<()> {
    let mut bytes = std::fs::read(from).with_context(|| from.display().to_string())?;
    *bytes.get_mut(at).context("a file without that byte")? ^= 1;
    std::fs::write(to, bytes)?;
    Ok(())
}

/// The first decimal digit, from a byte on, inside 32 hexadecimal ones.
fn hex_digit(text: &[u8], from: usize) -> Result<usize> {
    let inside = |at: &usize| {
        text[*at].is_ascii_digit() && text[at - 16..at + 16].iter().all(u8::is_ascii_hexdigit)
    };
    (from.max(16)..text.len() - 16).find(inside).context("no hexadecimal value after the middle")
}

/// Where the newer of the never-fork record's two slots begins: the one with the higher number.
fn newest_slot(record: &[u8]) -> usize {
    let number = |slot: usize| {
        let bytes = record.get(slot + 8..slot + 16).and_then(|b| <[u8; 8]>::try_from(b).ok());
        bytes.map_or(0, u64::from_le_bytes)
    };
    if number(4096) > number(0) { 4096 } else { 0 }
}
