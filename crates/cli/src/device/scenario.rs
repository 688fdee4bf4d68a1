//! What may happen to a device, one function each.

use clap::ValueEnum;
use firmlog_statement::Outcome;
use firmlog_statement::event::EventType as E;
use firmlog_statement::{Phase, PowerState};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::World;
use super::report::{Reporter, Told};
use super::unit::{Running, Said, Unit};
use crate::error::{Error, Result};

/// The stories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Mostly normal, and one of each of the others
    All,
    /// Installs and reports
    Normal,
    /// Loses power while writing flash, and goes on from its journal
    PowerLoss,
    /// The new firmware does not come up; the old one is restored
    Rollback,
    /// One bit of the image is flipped on the way; refuses
    Tampered,
    /// Runs something newer already; refuses
    Downgrade,
    /// Its key and state are copied to a second board: the chain forks
    Clone,
    /// Has no network for the whole update, then sends all at once
    Offline,
}

/// The stories that stand out, in the order they are given away.
const SPECIAL: [Scenario; 6] = [
    Scenario::PowerLoss,
    Scenario::Rollback,
    Scenario::Tampered,
    Scenario::Downgrade,
    Scenario::Clone,
    Scenario::Offline,
];

/// Gives every device its story; `All` leaves at least one device normal.
pub(crate) fn assign(scenario: Scenario, devices: u32, seed: u64) -> Vec<Scenario> {
    if scenario != Scenario::All {
        return vec![scenario; devices as usize];
    }
    let mut parts = vec![Scenario::Normal; devices as usize];
    let specials = SPECIAL.len().min(parts.len().saturating_sub(1));
    parts[..specials].copy_from_slice(&SPECIAL[..specials]);
    // Fisher and Yates, from the seed.
    let mut state = seed;
    for i in (1..parts.len()).rev() {
        let hash = Sha256::digest(state.to_be_bytes());
        state = u64::from_be_bytes([
            hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7],
        ]);
        parts.swap(i, (state % (i as u64 + 1)) as usize);
    }
    parts
}

/// How a device's story ended.
pub(crate) struct Played {
    pub(crate) device: String,
    pub(crate) scenario: Scenario,
    pub(crate) answers: Vec<Told>,
    id: String,
    outcome: Outcome,
    remark: String,
}

impl Scenario {
    /// What runs on the device before the story begins.
    pub(crate) fn factory_state(self, to: &Running) -> Running {
        let (version, counter) = match self {
            Self::Downgrade => (to.version + 10_000, to.counter + 1),
            _ => (to.version.saturating_sub(100), to.counter),
        };
        let image = Sha256::digest(format!("firmware {version}")).into();
        Running { image, version, counter }
    }

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Plays one device's story and reports, unless it is offline.
pub(crate) fn play(
    scenario: Scenario,
    unit: &mut Unit,
    world: &World<'_>,
    number: u32,
    seed: [u8; 32],
    reporter: &mut Reporter,
) -> Result<Played> {
    say_state(unit)?;
    let (outcome, remark) = match scenario {
        Scenario::PowerLoss => power_loss(unit, world, number, seed)?,
        Scenario::Rollback => rollback(unit, world)?,
        Scenario::Tampered => tampered(unit, world)?,
        Scenario::Downgrade => downgrade(unit, world)?,
        _ => normal(unit, world)?,
    };
    let mut answers = Vec::new();
    let mut remark = remark;
    match scenario {
        Scenario::Offline => remark = "recorded offline".to_owned(),
        Scenario::Clone => {
            let mut copy = copy_board(unit, world, number, seed)?;
            answers = reporter.report(unit)?;
            answers.extend(reporter.report(&mut copy)?);
            remark = "a second board spoke with its key".to_owned();
        }
        _ => answers = reporter.report(unit)?,
    }
    let (device, id) = (unit.name.clone(), unit.id.to_string());
    Ok(Played { device, scenario, answers, id, outcome, remark })
}

/// The first thing a device says: what runs.
fn say_state(unit: &mut Unit) -> Result<()> {
    let said =
        Said { image: unit.running, booted: true, ..idle(&[E::LoggerStarted, E::InstalledState]) };
    unit.say(None, &said)
}

fn idle(events: &[E]) -> Said<'_> {
    Said {
        events,
        outcome: Outcome::State,
        image: Running { image: [0; 32], version: 0, counter: 0 },
        phase: Phase::Idle,
        power: PowerState::Mains,
        attempts: 1,
        booted: false,
    }
}

/// Checks the release offline and says, durably, that flash is about to be written.
fn begin(unit: &mut Unit, world: &World<'_>) -> Result<()> {
    let image = crate::command::release::image_digests(world.image, false)?.sha256.0;
    world.check_offline(unit, &image).map_err(|why| {
        Error::new("E-RELEASE", format!("{} does not believe the release: {why}", unit.name))
    })?;
    let events =
        [E::Check, E::DownloadStarted, E::Downloaded, E::SignatureVerified, E::InstallStarted];
    let said = Said {
        outcome: Outcome::InProgress,
        image: world.offer.to,
        phase: Phase::Install,
        ..idle(&events)
    };
    unit.say(Some(&world.offer), &said)
}

/// Writes flash, restarts, and commits.
fn finish(unit: &mut Unit, world: &World<'_>, attempts: u16) -> Result<(Outcome, String)> {
    unit.write_flash(world.offer.to)?;
    let written = Said {
        outcome: Outcome::InProgress,
        image: world.offer.to,
        phase: Phase::Activate,
        attempts,
        ..idle(&[E::Installed, E::Reboot])
    };
    unit.say(Some(&world.offer), &written)?;
    let committed = Said {
        outcome: Outcome::Succeeded,
        phase: Phase::Commit,
        booted: true,
        events: &[E::BootOk, E::Committed],
        ..written
    };
    unit.say(Some(&world.offer), &committed)?;
    Ok((Outcome::Succeeded, String::new()))
}

fn normal(unit: &mut Unit, world: &World<'_>) -> Result<(Outcome, String)> {
    begin(unit, world)?;
    finish(unit, world, 1)
}

/// Power goes away after `install_started` is durable; what was in memory is gone.
fn power_loss(
    unit: &mut Unit,
    world: &World<'_>,
    number: u32,
    seed: [u8; 32],
) -> Result<(Outcome, String)> {
    begin(unit, world)?;
    let secrets = std::mem::take(&mut unit.secrets);
    *unit = world.boot(number, seed)?;
    unit.secrets = secrets;
    if !unit.was_interrupted() {
        return Err(Error::new("E-BUG", "the journal does not show the interrupted install"));
    }
    let failed = Said {
        outcome: Outcome::Failed,
        image: world.offer.to,
        phase: Phase::Install,
        power: PowerState::Lost,
        ..idle(&[E::InstallFailed])
    };
    unit.say(Some(&world.offer), &failed)?;
    let again = Said {
        outcome: Outcome::InProgress,
        power: PowerState::Mains,
        attempts: 2,
        events: &[E::InstallStarted],
        ..failed
    };
    unit.say(Some(&world.offer), &again)?;
    finish(unit, world, 2).map(|(outcome, _)| (outcome, "resumed from its journal".to_owned()))
}

fn rollback(unit: &mut Unit, world: &World<'_>) -> Result<(Outcome, String)> {
    let before = unit.running;
    begin(unit, world)?;
    let written = Said {
        outcome: Outcome::InProgress,
        image: world.offer.to,
        phase: Phase::Activate,
        ..idle(&[E::Installed, E::Reboot])
    };
    unit.write_flash(world.offer.to)?;
    unit.say(Some(&world.offer), &written)?;
    unit.write_flash(before)?;
    let back = Said {
        outcome: Outcome::RolledBack,
        phase: Phase::Rollback,
        events: &[E::BootFailed, E::RollbackStarted, E::RolledBack],
        ..written
    };
    unit.say(Some(&world.offer), &back)?;
    Ok((Outcome::RolledBack, "the earlier firmware runs".to_owned()))
}

/// What arrives differs in one bit; its digest is in no release.
fn tampered(unit: &mut Unit, world: &World<'_>) -> Result<(Outcome, String)> {
    let mut image = std::fs::read(world.image).map_err(|e| Error::io("read", world.image, e))?;
    let middle = image.len() / 2;
    image[middle] ^= 1;
    let sha256: [u8; 32] = Sha256::digest(&image).into();
    let Err(reason) = world.check_offline(unit, &sha256) else {
        return Err(Error::new("E-BUG", "a tampered image passed the offline check"));
    };
    let arrived = Running { image: sha256, ..world.offer.to };
    let events =
        [E::Check, E::DownloadStarted, E::Downloaded, E::VerificationFailed, reason.event()];
    let said =
        Said { outcome: Outcome::Refused, image: arrived, phase: Phase::Verify, ..idle(&events) };
    unit.say(Some(&world.offer), &said)?;
    Ok((Outcome::Refused, reason.to_string()))
}

fn downgrade(unit: &mut Unit, world: &World<'_>) -> Result<(Outcome, String)> {
    let Err(reason) = world.check_offline(unit, &world.offer.to.image) else {
        return Err(Error::new("E-BUG", "a downgrade passed the offline check"));
    };
    let events = [E::Check, reason.event()];
    let said = Said {
        outcome: Outcome::Refused,
        image: world.offer.to,
        phase: Phase::Verify,
        ..idle(&events)
    };
    unit.say(Some(&world.offer), &said)?;
    Ok((Outcome::Refused, reason.to_string()))
}

/// Copies key and state to a second board, as they were before the update was finished there.
fn copy_board(unit: &Unit, world: &World<'_>, number: u32, seed: [u8; 32]) -> Result<Unit> {
    let from = world.dir(number);
    let to = world.args.dir.join(format!("device-{number:02}-copy"));
    std::fs::create_dir(&to).map_err(|e| Error::io("make", &to, e))?;
    std::fs::copy(from.join("key.pem"), to.join("key.pem"))
        .and_then(|_| std::fs::copy(from.join("flash"), to.join("flash")))
        .map_err(|e| Error::io("copy", &from, e))?;
    let mut copy = world.boot_in(&to, number, seed)?;
    // The copy was made after the first statement: from there on the two go their own ways.
    copy.adopt_first(unit)?;
    let said =
        Said { image: unit.running, booted: true, ..idle(&[E::LoggerStarted, E::InstalledState]) };
    copy.say(None, &said)?;
    Ok(copy)
}

impl Played {
    /// A device's live line.
    pub(crate) fn line(&self) -> String {
        let told = self.summary();
        format!(
            "  {:<10} {:<12} {:<12} {told}  {}",
            self.device,
            self.scenario.name(),
            self.outcome.name(),
            self.remark
        )
    }

    /// A device's row in the final table.
    pub(crate) fn row(&self) -> String {
        format!(
            "{:<10} {:<12} {:>4}  {:<12} {:<20} {}\n",
            self.device,
            self.scenario.name(),
            self.answers.len(),
            self.outcome.name(),
            self.summary(),
            self.id
        )
    }

    pub(crate) fn forked(&self) -> bool {
        self.answers.iter().any(|told| told.result == "forked")
    }

    pub(crate) fn refused(&self) -> bool {
        self.answers.iter().any(|told| told.result == "refused")
    }

    fn summary(&self) -> String {
        let count = |word: &str| self.answers.iter().filter(|told| told.result == word).count();
        if let Some(refused) = self.answers.iter().find(|told| told.result == "refused") {
            return format!("REFUSED {}", refused.detail);
        }
        match (count("appended"), count("forked")) {
            (0, 0) => "not yet sent".to_owned(),
            (appended, 0) => format!("{appended} appended"),
            (appended, forked) => format!("{appended} appended, {forked} FORKED"),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let answers: Vec<Value> = self
            .answers
            .iter()
            .map(|told| json!({"result": told.result, "detail": told.detail}))
            .collect();
        json!({"device": self.device, "device_id": self.id, "scenario": self.scenario.name(),
            "outcome": self.outcome.name(), "answers": answers})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_story_is_told_once_and_the_seed_decides_by_whom() {
        let parts = assign(Scenario::All, 25, 1);
        for special in SPECIAL {
            assert_eq!(parts.iter().filter(|part| **part == special).count(), 1);
        }
        assert_eq!(parts, assign(Scenario::All, 25, 1));
        assert_ne!(parts, assign(Scenario::All, 25, 2));
        assert_eq!(assign(Scenario::All, 1, 9), [Scenario::Normal]);
    }
}
