//! What a device goes through: an install, cuts in the middle of one, the way back, refusals.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::emulator::{Emulator, blank_flash};
use super::images::{Release, STRANGER, Signing};
use super::line::{self, Made};
use super::stage::{BUILD, ISSUER, MODEL, Stage, unhex};
use crate::sh;

/// Words of flash that an install writes before its statement, in it, and in the slot: where power
/// is cut. The last two lie far behind `install_started`: while the slot is erased, and in the
/// middle of the image.
const CUTS: [u32; 7] = [1, 7, 60, 130, 220, 1500, 18_000];
/// Where power is cut without the device's help, milliseconds after the command.
const KILLS_MS: [u64; 4] = [0, 30, 120, 400];

/// What must have happened in the end.
const WANTED: [&str; 12] = [
    "logger_started",
    "install_started",
    "installed",
    "boot_ok",
    "committed",
    "install_failed",
    "rollback_started",
    "rolled_back",
    "refused_unsigned",
    "refused_unknown_signer",
    "refused_bad_sig",
    "refused_downgrade",
];

/// The releases of the story, the same for every device, and what is no good of them.
pub(super) struct Releases {
    first: Release,
    pub(super) second: Release,
    pub(super) third: Release,
    image_key: [u8; 64],
    pub(super) refused: Vec<Refused>,
}

/// An image that no device may take, and the number it says why with.
pub(super) struct Refused {
    what: &'static str,
    pub(super) image: Vec<u8>,
    pub(super) reason: u16,
}

impl Releases {
    pub(super) fn publish(stage: &Stage) -> Result<Self> {
        let image_key = stage.image_keys()?;
        let first = stage.release("pump-1", "1.0.0+4", 1)?;
        let second = stage.release("pump-2", "2.0.0+3", 1)?;
        let third = stage.release("pump-3", "3.0.0+2", 2)?;
        // Newer than what runs, and with a counter that is lower.
        let lower = stage.release("pump-4", "4.0.0+1", 0)?;
        let mut refused = refused(stage, [&second, &third])?;
        refused.push(Refused { what: "older", image: first.image.clone(), reason: 11 });
        refused.push(Refused { what: "lower counter", image: lower.image, reason: 12 });
        let image = stage.sign(&third, third.signing())?;
        refused.push(Refused { what: "no evidence", image, reason: 1 });
        Ok(Self { first, second, third, image_key, refused })
    }
}

/// What is made of the third release, and is no good. Refusals of one image with one event after
/// another are counted into one, so that others stand between them.
fn refused(stage: &Stage, [second, third]: [&Release; 2]) -> Result<Vec<Refused>> {
    let flipped = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes.get_mut(at).map(|byte| *byte ^= 1).context("a short file")?;
        anyhow::Ok(bytes)
    };
    let value = |leaf: &str, bundle: &[u8]| anyhow::Ok([&unhex(leaf)?, bundle].concat());
    let good = value(&third.leaf, &third.bundle)?;
    let other = value(&second.leaf, &second.bundle)?;
    let renamed = value(&second.leaf, &third.bundle)?;
    let evidence = value(&third.leaf, &flipped(&third.bundle, 300)?)?;
    let (image, like) = (&third.image, third.signing());
    let last = image.len().saturating_sub(1);
    let signed = |signing: Signing<'_>| stage.sign(third, signing);
    let with = |value| signed(Signing { value: Some(value), ..like });
    let all = [
        ("altered body", flipped(image, 200)?, 272),
        ("altered evidence", flipped(image, 5600)?, 272),
        ("altered signature", flipped(image, last)?, 278),
        ("no signature", signed(Signing { key: None, value: Some(&good), ..like })?, 273),
        ("another counter", signed(Signing { counter: "1", value: Some(&good), ..like })?, 284),
        ("another release", with(&other)?, 3),
        ("another release's name", with(&renamed)?, 285),
        ("a stranger's signature", signed(Signing { key: Some(STRANGER), ..like })?, 277),
        ("altered evidence, signed", with(&evidence)?, 1),
    ];
    Ok(all.map(|(what, image, reason)| Refused { what, image, reason }).into())
}

/// A device: its flash and what the gateway brought into the log so far.
pub(super) struct Device<'a> {
    pub(super) image: &'a Path,
    pub(super) flash: PathBuf,
    stage: &'a Stage,
    id: String,
    pub(super) sent: u64,
    tree: u64,
    /// How many records the bench took away, each time.
    pub(super) lost: Vec<u64>,
}

/// Plays it all with one image.
pub(super) fn play(name: &str, image: &Path, stage: &Stage, releases: &Releases) -> Result<()> {
    let mut device = Device::make(name, image, stage, releases)?;
    device.install(releases)?;
    device.cut_in_the_middle(releases)?;
    device.kill_at_any_time(releases)?;
    device.give_way(releases)?;
    device.roll_back(releases)?;
    device.refuse(releases)?;
    device.survive(releases)?;
    device.judge(name, releases)
}

impl<'a> Device<'a> {
    fn make(name: &str, image: &'a Path, stage: &'a Stage, releases: &Releases) -> Result<Self> {
        let flash = stage.dir.join(format!("{name}.flash"));
        blank_flash(&flash)?;
        let seed = [0x5e; 32];
        let (secret, id) = stage.enrol_device(name, &seed)?;
        let genesis = unhex(&stage.genesis)?;
        let genesis = *genesis.first_chunk().context("a short genesis")?;
        let subject = format!("{MODEL}/app");
        let mut texts = vec![ISSUER, subject.as_str(), MODEL, BUILD, stage.log_key.as_str()];
        texts.extend(stage.witness_keys.iter().map(String::as_str));
        let image_key = releases.image_key;
        line::make(&flash, &Made { secret, seed, genesis, quorum: 2, image_key, texts })?;
        line::first_image(&flash, &releases.first.image)?;
        Ok(Self { image, flash, stage, id, sent: 0, tree: 0, lost: Vec::new() })
    }

    /// Switches it on; it must run this image and go on like this.
    pub(super) fn on(&self, resume: &str, runs: &Release) -> Result<Emulator> {
        let (device, findings) = self.start(resume, runs)?;
        ensure!(findings == 0, "{findings} findings in a journal that nothing happened to");
        Ok(device)
    }

    /// The same after a cut, which leaves findings and no loss.
    pub(super) fn start(&self, resume: &str, runs: &Release) -> Result<(Emulator, u32)> {
        let mut device = Emulator::start(self.image, &self.flash, false)?;
        let line = device.line()?;
        let words: Vec<&str> = line.split(' ').collect();
        let [word, how, sha256, findings, losses] = words[..] else {
            anyhow::bail!("the device said `{line}`");
        };
        ensure!(word == "ready" && how == resume, "expected `{resume}`, the device said `{line}`");
        ensure!(sha256 == runs.sha256, "expected {} to run, got {sha256}", runs.sha256);
        self.nothing_else_is_lost(losses).with_context(|| format!("`{line}`"))?;
        Ok((device, findings.parse()?))
    }

    /// What the bench took away is told as long as its pages are in use; more is not.
    fn nothing_else_is_lost(&self, losses: &str) -> Result<()> {
        let (losses, lost) = (losses.parse::<u64>()?, self.lost.iter().sum());
        ensure!(losses <= lost, "{losses} records are lost, the bench took {lost}");
        Ok(())
    }

    /// Brings what is new into the log, and the log's word back.
    pub(super) fn send(&mut self, device: &mut Emulator) -> Result<()> {
        device.tell(&format!("statements {}", self.sent))?;
        loop {
            let line = device.line()?;
            let Some(rest) = line.strip_prefix("statement ") else {
                ensure!(line == "ok", "the device said `{line}` among its statements");
                break;
            };
            let (seq, entry) = rest.split_once(' ').context("a statement without bytes")?;
            ensure!(seq == self.sent.to_string(), "expected statement {}, got {seq}", self.sent);
            let name = format!("{}-{seq}.cose", self.id);
            self.tree = self.stage.submit(&name, &unhex(entry)?)?.saturating_add(1);
            self.sent += 1;
        }
        let (size, root) = self.stage.head()?;
        device.must(&format!("receipt {} {size} {root}", self.sent), "ok")
    }

    /// SHA-256 of the newest statement in the log, in hex.
    pub(super) fn newest_hash(&self) -> Result<String> {
        let newest = self.sent.checked_sub(1).context("nothing was sent")?;
        self.stage.sha256(&format!("{}-{newest}.cose", self.id))
    }

    pub(super) fn offer(device: &mut Emulator, release: &Release) -> Result<()> {
        device.must("check", "ok")?;
        device.send("image", &release.image)
    }

    /// From 1 to 2, without anything in the way.
    fn install(&mut self, releases: &Releases) -> Result<()> {
        let mut device = self.on("idle", &releases.first)?;
        Self::offer(&mut device, &releases.second)?;
        device.must("install", "installed")?;
        self.send(&mut device)?;
        device.cut()?;
        let mut device = self.on("decide", &releases.second)?;
        device.must("commit", "ok")?;
        self.send(&mut device)?;
        device.cut()?;
        self.on("idle", &releases.second)?.cut()
    }

    /// Towards 3, cut at each of [`CUTS`]: in the journal's record, or in the slot.
    fn cut_in_the_middle(&mut self, releases: &Releases) -> Result<()> {
        let (mut torn, mut again) = (0, 0);
        for words in CUTS {
            let mut device = self.any_start(&releases.second)?.0;
            Self::offer(&mut device, &releases.third)?;
            device.must(&format!("cut {words}"), "ok")?;
            device.must("install", "stopped")?;
            device.cut()?;
            let (mut device, findings, resume) = self.any_start(&releases.second)?;
            torn += findings;
            again += u32::from(resume == "install_again");
            self.send(&mut device)?;
            device.cut()?;
        }
        ensure!(torn > 0, "no cut was in the middle of a record");
        ensure!(again > 0, "no cut was in the middle of an install");
        Ok(())
    }

    /// The emulator is killed while it works, at a moment the device does not know of.
    fn kill_at_any_time(&mut self, releases: &Releases) -> Result<()> {
        for wait in KILLS_MS {
            let (mut device, ..) = self.any_start(&releases.second)?;
            Self::offer(&mut device, &releases.third)?;
            device.tell("install")?;
            thread::sleep(Duration::from_millis(wait));
            device.cut()?;
            self.settle(releases)?;
        }
        Ok(())
    }

    /// After a kill: wherever it was, the device comes to an end of its update.
    fn settle(&mut self, releases: &Releases) -> Result<()> {
        let mut device = Emulator::start(self.image, &self.flash, false)?;
        let line = device.line()?;
        ensure!(line.ends_with(" 0"), "statements were lost: `{line}`");
        if line.starts_with("ready decide ") {
            device.must("rollback", "ok")?;
        }
        self.send(&mut device)?;
        device.cut()?;
        let (mut device, ..) = self.any_start(&releases.second)?;
        self.send(&mut device)?;
        device.cut()
    }

    /// Image 3 is tried and power goes before it is committed: the boot chain returns to 2.
    fn give_way(&mut self, releases: &Releases) -> Result<()> {
        let (mut device, ..) = self.any_start(&releases.second)?;
        Self::offer(&mut device, &releases.third)?;
        device.must("install", "installed")?;
        device.cut()?;
        self.on("decide", &releases.third)?.cut()?;
        let mut device = self.on("idle", &releases.second)?;
        self.send(&mut device)?;
        device.cut()
    }

    /// Image 3 is tried and sent back, with a cut in the middle of saying so.
    fn roll_back(&mut self, releases: &Releases) -> Result<()> {
        let mut device = self.on("idle", &releases.second)?;
        Self::offer(&mut device, &releases.third)?;
        device.must("install", "installed")?;
        device.cut()?;
        let mut device = self.on("decide", &releases.third)?;
        device.must("cut 20", "ok")?;
        device.must("rollback", "stopped")?;
        device.cut()?;
        // The boot chain had given it one start: it is back at 2, and the torn record is named.
        let (mut device, findings) = self.start("idle", &releases.second)?;
        ensure!(findings > 0, "the torn record was not found");
        Self::offer(&mut device, &releases.third)?;
        device.must("install", "installed")?;
        device.cut()?;
        let mut device = self.on("decide", &releases.third)?;
        device.must("rollback", "ok")?;
        device.cut()?;
        let mut device = self.on("idle", &releases.second)?;
        self.send(&mut device)?;
        device.cut()
    }

    /// Everything that is no good, each by its reason; nothing of it is in a slot afterwards.
    fn refuse(&mut self, releases: &Releases) -> Result<()> {
        let mut device = self.on("idle", &releases.second)?;
        for Refused { what, image, reason } in &releases.refused {
            device.must("check", "ok")?;
            device.send("image", image)?;
            let wanted = format!("refused {reason}");
            device.must("install", &wanted).with_context(|| (*what).to_string())?;
            self.send(&mut device)?;
        }
        device.cut()?;
        self.on("idle", &releases.second)?.cut()
    }

    /// The log's bundle of all of it, verified by `firmlog verify`.
    fn judge(&self, name: &str, releases: &Releases) -> Result<()> {
        let said = self.stage.history(&self.id, self.tree)?;
        fs::write(self.stage.dir.join(format!("{name}.verdict.json")), format!("{said:#}"))?;
        let verdict = said["verdict"].as_str().unwrap_or_default().to_string();
        ensure!(verdict == "verified so far", "the history is `{verdict}`: {said:#}");
        let findings = said["findings"].as_array().context("no findings")?;
        let (gaps, others): (Vec<_>, Vec<_>) =
            findings.iter().partition(|it| it["kind"] == "journal_lost");
        let bad = others.iter().find(|it| it["severity"] != "info");
        ensure!(bad.is_none(), "a finding in the history: {bad:?}");
        ensure!(gaps.len() == self.lost.len(), "{} losses, found {gaps:?}", self.lost.len());
        let told = said["times"].as_array().map_or(0, Vec::len);
        ensure!(told as u64 == self.sent, "{told} statements verified, {} were sent", self.sent);
        let events = self.events()?;
        for wanted in WANTED {
            ensure!(events.iter().any(|(it, _)| it == wanted), "no `{wanted}` in the history");
        }
        for Refused { what, reason, .. } in &releases.refused {
            let is_told = events.iter().any(|(_, code)| *code == Some(u64::from(*reason)));
            ensure!(is_told, "no refusal of {what} ({reason}) in the history");
        }
        let (sent, events) = (self.sent, events.len());
        sh::say(format_args!("firmware {name}: {sent} statements, {events} events, {verdict}"));
        Ok(())
    }

    /// Every event of every statement, in order, with its error number.
    pub(super) fn events(&self) -> Result<Vec<(String, Option<u64>)>> {
        let mut events = Vec::new();
        for seq in 0..self.sent {
            let shown = self.stage.show(&format!("{}-{seq}.cose", self.id))?;
            let list = shown["statement"]["payload"]["events"].as_array();
            let list = list.with_context(|| format!("no events in {shown}"))?;
            let named = list.iter().filter_map(|it| Some((it["kind"].as_str()?, &it["code"])));
            events.extend(named.map(|(kind, code)| (kind.to_string(), code.as_u64())));
        }
        Ok(events)
    }

    pub(super) fn any_start(&self, runs: &Release) -> Result<(Emulator, u32, String)> {
        let mut device = Emulator::start(self.image, &self.flash, false)?;
        let line = device.line()?;
        let words: Vec<&str> = line.split(' ').collect();
        let [_, how, sha256, findings, losses] = words[..] else {
            anyhow::bail!("the device said `{line}`");
        };
        ensure!(sha256 == runs.sha256, "expected {} to run, got {sha256}", runs.sha256);
        self.nothing_else_is_lost(losses).with_context(|| format!("`{line}`"))?;
        Ok((device, findings.parse()?, how.to_string()))
    }
}
