//! What a device outlives besides a cut in the middle of an install: its newest page lost, starts
//! without power enough, a build with another layout, a version that knows more, floods of offers.
//! After each of them the next good update goes in, and the log has it.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::emulator::Emulator;
use super::journal;
use super::story::{Device, Releases};

/// Starts in a row that power does not last through.
const BROWN_OUTS: u32 = 10;
/// Offers of two images in turn, none of which the device may take, and how many statements they
/// may make at most (UPD-042).
const OFFERS: usize = 60;
const MOST_STATEMENTS: u64 = 40;

impl Device<'_> {
    /// All of it, one after another, on a device that runs the second release.
    pub(super) fn survive(&mut self, releases: &Releases) -> Result<()> {
        for unsent in [false, true] {
            self.lose_newest_page(unsent, releases)?;
        }
        self.brown_out(releases)?;
        self.meet_another_build(releases)?;
        self.be_flooded(releases)
    }

    /// The newest page is blank: what was on it is told to be lost, and the device goes on from the
    /// log's head, with a cut while it does.
    fn lose_newest_page(&mut self, unsent: bool, releases: &Releases) -> Result<()> {
        let (mut device, ..) = self.any_start(&releases.second)?;
        self.send(&mut device)?;
        if unsent {
            device.must("beat", "ok")?;
        }
        device.cut()?;
        let lost = journal::lose_newest_page(&self.flash)?;
        ensure!(lost > 0, "nothing was on the newest page");
        let head = format!("head {} {}", self.sent, self.newest_hash()?);
        let hidden = format!("ready idle {}", releases.second.sha256);
        for cut in [Some(20), None] {
            let mut device = Emulator::start(self.image, &self.flash, false)?;
            let line = device.line()?;
            let told = line.rsplit(' ').next().and_then(|it| it.parse().ok());
            let is_told = line.starts_with(&hidden) && told >= Some(lost);
            ensure!(is_told, "{lost} records were lost, the device said `{line}`");
            // It says nothing while it does not know what it said last.
            device.must(&format!("statements {}", self.sent), "no")?;
            device.must("beat", "no")?;
            let Some(words) = cut else {
                device.must(&head, "ok")?;
                device.cut()?;
                break;
            };
            device.must(&format!("cut {words}"), "ok")?;
            device.must(&head, "stopped")?;
            device.cut()?;
        }
        self.lost.push(lost.into());
        self.update_and_return(releases)?;
        let gaps = self.events()?.into_iter().filter(|(event, _)| event == "log_gap");
        let told: u64 = gaps.filter_map(|(_, lost)| lost).sum();
        let lost: u64 = self.lost.iter().sum();
        ensure!(told == lost, "{lost} records were lost, {told} told");
        Ok(())
    }

    /// Power does not last through the statement of a start, time and again.
    fn brown_out(&mut self, releases: &Releases) -> Result<()> {
        let (mut device, ..) = self.any_start(&releases.second)?;
        Self::offer(&mut device, &releases.third)?;
        device.must("cut 1500", "ok")?;
        device.must("install", "stopped")?;
        device.cut()?;
        for n in 1..=BROWN_OUTS {
            journal::ask(&self.flash, Some(n.saturating_mul(5)), None)?;
            let mut device = Emulator::start(self.image, &self.flash, false)?;
            let line = device.line()?;
            ensure!(line == "stopped", "power was to go in start {n}, the device said `{line}`");
            device.cut()?;
        }
        journal::ask(&self.flash, None, None)?;
        self.start("install_again", &releases.second)?.0.cut()?;
        self.update_and_return(releases)
    }

    /// A build for fewer pages, and a version that cannot read the note or the format: none of them
    /// touches the journal, and the right one goes on.
    fn meet_another_build(&mut self, releases: &Releases) -> Result<()> {
        let journal = journal::read(&self.flash)?;
        journal::ask(&self.flash, None, Some(12))?;
        self.does_not_open("with other pages", &journal)?;
        journal::ask(&self.flash, None, None)?;
        let others = [
            ("of a newer note", journal::of_newer_note(&journal)?),
            ("of a newer format", journal::of_newer_format(&journal)?),
        ];
        for (what, other) in others {
            ensure!(other != journal, "nothing was altered {what}");
            journal::write(&self.flash, &other)?;
            self.does_not_open(what, &other)?;
        }
        journal::write(&self.flash, &journal)?;
        self.start("idle", &releases.second)?.0.cut()?;
        self.update_and_return(releases)
    }

    fn does_not_open(&self, what: &str, journal: &[u8]) -> Result<()> {
        for _ in 0..2 {
            let mut device = Emulator::start(self.image, &self.flash, false)?;
            let line = device.line()?;
            ensure!(line == "the journal does not open", "{what} the device said `{line}`");
            device.cut()?;
            ensure!(journal::read(&self.flash)? == journal, "{what} the journal was written");
        }
        Ok(())
    }

    /// Two images that are no good, in turn, with a kill in the middle.
    fn be_flooded(&mut self, releases: &Releases) -> Result<()> {
        let before = self.sent;
        let (mut device, ..) = self.any_start(&releases.second)?;
        let two = releases.refused.first().into_iter().chain(releases.refused.get(2));
        for (n, refused) in two.cycle().take(OFFERS).enumerate() {
            device.must("check", "ok")?;
            device.send("image", &refused.image)?;
            if n == OFFERS / 2 {
                device.tell("install")?;
                thread::sleep(Duration::from_millis(20));
                device.cut()?;
                (device, ..) = self.any_start(&releases.second)?;
            } else {
                device.must("install", &format!("refused {}", refused.reason))?;
            }
        }
        self.send(&mut device)?;
        device.cut()?;
        let made = self.sent.saturating_sub(before);
        ensure!(made < MOST_STATEMENTS, "{OFFERS} offers made {made} statements");
        self.update_and_return(releases)
    }

    /// The next good update goes in, and back, and the log has all of it.
    fn update_and_return(&mut self, releases: &Releases) -> Result<()> {
        let (mut device, ..) = self.any_start(&releases.second)?;
        self.send(&mut device)?;
        Self::offer(&mut device, &releases.third)?;
        device.must("install", "installed")?;
        device.cut()?;
        let (mut device, _) = self.start("decide", &releases.third)?;
        device.must("rollback", "ok")?;
        device.cut()?;
        let (mut device, _) = self.start("idle", &releases.second)?;
        self.send(&mut device)?;
        device.cut()
    }
}
