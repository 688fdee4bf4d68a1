//! What may happen to a device, one function each.

use std::path::PathBuf;

use clap::ValueEnum;
use firmlog_agent::update::{Image, Resume};
use firmlog_statement::Outcome;
use firmlog_statement::event::EventType as E;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::World;
use super::report::{Reporter, Told};
use super::unit::Unit;
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
    pub(crate) fn factory_state(self, to: &Image) -> Image {
        let (version, counter) = match self {
            Self::Downgrade => (to.version + 10_000, to.counter + 1),
            _ => (to.version.saturating_sub(100), to.counter),
        };
        let sha256 = Sha256::digest(format!("firmware {version}")).into();
        Image { sha256, version, counter }
    }

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Plays one device's story and reports, unless it is offline.
pub(crate) fn play<'w>(
    scenario: Scenario,
    unit: Unit<'w>,
    world: &'w World<'_>,
    number: u32,
    reporter: &mut Reporter,
) -> Result<(Unit<'w>, Played)> {
    let copied = match scenario {
        Scenario::Clone => Some(copy_board(world, number)?),
        _ => None,
    };
    let (mut unit, outcome, remark) = match scenario {
        Scenario::PowerLoss => power_loss(unit, world)?,
        Scenario::Rollback => rollback(unit, world)?,
        Scenario::Tampered => tampered(unit, world)?,
        Scenario::Downgrade => downgrade(unit, world)?,
        _ => normal(unit, world)?,
    };
    let (mut answers, mut remark) = (Vec::new(), remark);
    match copied {
        _ if scenario == Scenario::Offline => remark = "recorded offline".to_owned(),
        Some(dir) => {
            answers = reporter.report(&mut unit)?;
            let mut copy = Unit::boot(&dir, world)?;
            copy.step(E::InstalledState)?;
            answers.extend(reporter.report(&mut copy)?);
            remark = "a second board spoke with its key".to_owned();
        }
        None => answers = reporter.report(&mut unit)?,
    }
    let (device, id) = (unit.name.clone(), unit.id.to_string());
    Ok((unit, Played { device, scenario, answers, id, outcome, remark }))
}

/// A story's end.
type End<'w> = Result<(Unit<'w>, Outcome, String)>;

/// Checks the release offline and says, durably, that flash is about to be written.
fn begin(unit: &mut Unit<'_>, world: &World<'_>) -> Result<()> {
    unit.steps(&[E::Check, E::DownloadStarted, E::Downloaded])?;
    let image = crate::image::image_digests(world.image, false)?.sha256.0;
    world.check_offline(unit, &image).map_err(|why| {
        Error::new("E-RELEASE", format!("{} does not believe the release: {why}", unit.name))
    })?;
    unit.verified(&world.offer)?;
    unit.step(E::InstallStarted)
}

/// Writes flash and restarts.
fn install<'w>(mut unit: Unit<'w>, world: &'w World<'_>) -> Result<Unit<'w>> {
    unit.write(world.offer.to)?;
    unit.steps(&[E::Installed, E::Reboot])?;
    unit.flush()?;
    unit.restart(world)
}

/// Installs, and keeps what came up.
fn finish<'w>(unit: Unit<'w>, world: &'w World<'_>, remark: &str) -> End<'w> {
    let mut unit = install(unit, world)?;
    resumes(&unit, Resume::Decide)?;
    unit.step(E::Committed)?;
    Ok((unit, Outcome::Succeeded, remark.to_owned()))
}

fn resumes(unit: &Unit<'_>, expected: Resume) -> Result<()> {
    if unit.resume == expected {
        return Ok(());
    }
    Err(Error::new("E-BUG", format!("{} starts in another state", unit.name))
        .expected(format!("{expected:?}"), format!("{:?}", unit.resume)))
}

fn normal<'w>(mut unit: Unit<'w>, world: &'w World<'_>) -> End<'w> {
    begin(&mut unit, world)?;
    finish(unit, world, "")
}

/// Power goes away after `install_started` is durable; what was in memory is gone.
fn power_loss<'w>(mut unit: Unit<'w>, world: &'w World<'_>) -> End<'w> {
    begin(&mut unit, world)?;
    let mut unit = unit.restart(world)?;
    resumes(&unit, Resume::InstallAgain)?;
    unit.step(E::InstallStarted)?;
    finish(unit, world, "resumed from its journal")
}

/// The new firmware does not come up, and the boot chain goes back by itself.
fn rollback<'w>(mut unit: Unit<'w>, world: &'w World<'_>) -> End<'w> {
    let before = unit.running;
    begin(&mut unit, world)?;
    unit.write(world.offer.to)?;
    unit.steps(&[E::Installed, E::Reboot])?;
    unit.flush()?;
    unit.write(before)?;
    let unit = unit.restart(world)?;
    resumes(&unit, Resume::Idle)?;
    Ok((unit, Outcome::RolledBack, "the earlier firmware runs".to_owned()))
}

/// What arrives differs in one bit; its digest is in no release.
fn tampered<'w>(mut unit: Unit<'w>, world: &'w World<'_>) -> End<'w> {
    let mut image = std::fs::read(world.image).map_err(|e| Error::io("read", world.image, e))?;
    let middle = image.len() / 2;
    image[middle] ^= 1;
    let sha256: [u8; 32] = Sha256::digest(&image).into();
    unit.steps(&[E::Check, E::DownloadStarted, E::Downloaded])?;
    let Err(reason) = world.check_offline(&unit, &sha256) else {
        return Err(Error::new("E-BUG", "a tampered image passed the offline check"));
    };
    unit.refuse(reason.event(), Image { sha256, ..world.offer.to })?;
    Ok((unit, Outcome::Refused, reason.to_string()))
}

fn downgrade<'w>(mut unit: Unit<'w>, world: &'w World<'_>) -> End<'w> {
    unit.step(E::Check)?;
    let Err(reason) = world.check_offline(&unit, &world.offer.to.sha256) else {
        return Err(Error::new("E-BUG", "a downgrade passed the offline check"));
    };
    unit.refuse(reason.event(), world.offer.to)?;
    Ok((unit, Outcome::Refused, reason.to_string()))
}

/// Copies key and flash to a second board. From there on the two go their own ways.
fn copy_board(world: &World<'_>, number: u32) -> Result<PathBuf> {
    let from = world.dir(number);
    let to = world.args.dir.join(format!("device-{number:02}-copy"));
    std::fs::create_dir(&to).map_err(|e| Error::io("make", &to, e))?;
    for file in ["key.pem", "journal", "running"] {
        std::fs::copy(from.join(file), to.join(file)).map_err(|e| Error::io("copy", &from, e))?;
    }
    Ok(to)
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
