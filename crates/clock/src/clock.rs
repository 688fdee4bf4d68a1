//! The clock of a device's daemon: one answer out of all accounts.
//!
//! ```text
//! let mut clock = TrustedClock::new(settings)?;
//! let asked = clock.query(&prev)?;                 // Roughtime, over the device chain's head
//! asked.evidence.keep(folder)?;
//! let time = clock.now().time;                     // names the evidence while it is fresh
//! ```
//!
//! In scope: remembering, noticing jumps, joining Roughtime with this computer's clock. Out of
//! scope: how each account is had (`chrony`, `kernel`, `roughtime`), what it is worth (`judge`).
//!
//! Invariants:
//! - [`TrustedClock::now`] never fails and never sets a clock.
//! - Where the system's clock lies within what Roughtime allows it is stated as it is; outside, the
//!   middle of Roughtime's interval is stated and the disagreement noted.
//! - Evidence is named only in a statement of the boot in which it was collected.

use std::time::Duration;

use firmlog_statement::time::{DeviceTime, Source, SyncState, ZoneOffset};
use firmlog_statement::{Bytes, Digest};

use crate::agree::{self, Outcome, Region};
use crate::boot;
use crate::chrony::{self, Chrony};
use crate::error::ClockError;
use crate::evidence::{Evidence, Exchange};
use crate::judge::{self, Present, State, Synced, drift_ms};
use crate::kernel::{self, Kernel};
use crate::roughtime::ask::{Silence, ask};
use crate::roughtime::{Signed, chained_nonce};
use crate::settings::{Server, Settings};

/// Rounds over all servers: a second one proves which of two that disagree lies.
const ROUNDS: usize = 2;

/// Tells the time, with what is known of it.
#[derive(Debug)]
pub struct TrustedClock {
    settings: Settings,
    boot_id: Option<Bytes<16>>,
    /// Chrony's last answer, and the uptime it was given at.
    chrony: Option<(u64, Chrony)>,
    synced: Option<Synced>,
    /// UTC and uptime of the last reading.
    before: Option<(u64, u64)>,
    /// The clock jumped, and nothing has synchronised it since.
    jumped: bool,
    rough: Option<Rough>,
}

/// What Roughtime proved last.
#[derive(Clone, Copy, Debug)]
struct Rough {
    region: Region,
    uptime_ms: u64,
    evidence: Digest,
}

/// The time as it is known now.
#[derive(Clone, Debug)]
pub struct Reading {
    /// For the statement.
    pub time: DeviceTime,
    /// The kernel's account.
    pub kernel: Kernel,
    /// Chrony's account.
    pub chrony: Chrony,
    /// What people should hear of.
    pub notes: Vec<Note>,
}

/// Something about the time that people should hear of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Note {
    /// The clock was stepped.
    #[error("the clock jumped by {by_ms} ms")]
    Jumped {
        /// Positive if forwards.
        by_ms: i64,
    },
    /// The clock lies outside what Roughtime allows.
    #[error("the clock is {by_ms} ms off what Roughtime servers signed")]
    Disagrees {
        /// Positive if ahead.
        by_ms: i64,
    },
    /// Chrony does not say.
    #[error("chrony: {0}")]
    Chrony(String),
}

/// What asking Roughtime servers gave.
#[derive(Clone, Debug)]
pub struct Query {
    /// Replies that verified; nothing if there was none.
    pub evidence: Option<Evidence>,
    /// Majority and liars.
    pub outcome: Outcome,
    /// The servers that gave no time, and why.
    pub silent: Vec<(String, Silence)>,
}

impl TrustedClock {
    /// A clock that has not asked anybody yet.
    ///
    /// # Errors
    /// `Settings`.
    pub fn new(settings: Settings) -> Result<Self, ClockError> {
        Ok(Self {
            settings: settings.checked()?,
            boot_id: boot::id(),
            chrony: None,
            synced: None,
            before: None,
            jumped: false,
            rough: None,
        })
    }

    /// The settings in use.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The time now. Chrony is asked if its last answer is too old, within its deadline.
    pub fn now(&mut self) -> Reading {
        let chrony = self.chrony();
        let kernel = kernel::read();
        // Read last: asking takes time.
        let (utc_ms, uptime_ms) = (boot::utc_ms(), boot::uptime_ms());
        self.reading(chrony, kernel, utc_ms, uptime_ms)
    }

    /// Asks the Roughtime servers of the settings, over `over`: the SHA-256 of the device's last
    /// statement. It takes at most the timeout for each server, twice where they disagree.
    ///
    /// # Errors
    /// `NoServers`, `Random`.
    pub fn query(&mut self, over: &Digest) -> Result<Query, ClockError> {
        let servers = &self.settings.roughtime.servers;
        if servers.is_empty() {
            return Err(ClockError::NoServers);
        }
        let timeout = Duration::from_millis(self.settings.roughtime.timeout_ms);
        let mut asked = Asked { over: *over, timeout, exchanges: Vec::new(), silent: Vec::new() };
        for _ in 0..ROUNDS {
            servers.iter().try_for_each(|server| asked.ask(server))?;
            if agree::is_consistent(&asked.exchanges) {
                break;
            }
        }
        let query = asked.over(servers.len());
        if let (Outcome::Agreed { region, .. }, Some(evidence)) = (&query.outcome, &query.evidence)
        {
            let (evidence, uptime_ms) = (evidence.digest(), boot::uptime_ms());
            self.rough = Some(Rough { region: *region, uptime_ms, evidence });
        }
        Ok(query)
    }

    fn chrony(&mut self) -> Chrony {
        let now_ms = boot::uptime_ms();
        let fresh = self.settings.chrony.refresh_ms;
        if let Some((at_ms, answer)) = &self.chrony
            && now_ms.saturating_sub(*at_ms) < fresh
        {
            return answer.clone();
        }
        let answer = chrony::read(&self.settings.chrony);
        self.chrony = Some((boot::uptime_ms(), answer.clone()));
        answer
    }

    fn reading(&mut self, chrony: Chrony, kernel: Kernel, utc_ms: u64, uptime_ms: u64) -> Reading {
        let max_drift_ppm = self.settings.max_drift_ppm;
        let present = Present { utc_ms, uptime_ms, max_drift_ppm };
        let mut notes = Vec::from_iter(trouble(&chrony));
        let jump = self.jump(utc_ms, uptime_ms);
        let state = judge::judge(&chrony, kernel, self.synced, &present);
        let state = self.remember(state, jump.is_some(), &present);
        notes.extend(jump.map(|by_ms| Note::Jumped { by_ms }));
        let mut time = DeviceTime {
            utc_ms: Some(utc_ms),
            zone_min: Some(ZoneOffset::UTC),
            source: state.source,
            sync: state.sync,
            uncertainty_ms: state.error_ms,
            last_sync_ms: state.last_ms,
            boot_id: self.boot_id,
            uptime_ms: Some(uptime_ms),
            counter: None,
            evidence: None,
        };
        notes.extend(self.join(&mut time, utc_ms, uptime_ms));
        Reading { time, kernel, chrony, notes }
    }

    /// By how much the clock moved other than time passed, if that is a jump.
    fn jump(&mut self, utc_ms: u64, uptime_ms: u64) -> Option<i64> {
        let (utc_before, uptime_before) = self.before.replace((utc_ms, uptime_ms))?;
        let passed = uptime_ms.saturating_sub(uptime_before);
        let expected = utc_before.saturating_add(passed);
        // Slewing, as chrony does it at most: a twelfth of the time that passes.
        let most = u64::from(self.settings.jump_ms).saturating_add(passed / 12);
        let by = i128::from(utc_ms) - i128::from(expected);
        (by.unsigned_abs() > u128::from(most)).then(|| i64::try_from(by).unwrap_or(i64::MAX))
    }

    /// Keeps when it was synchronised; a clock that jumped is suspect until something synchronises
    /// it after the jump.
    fn remember(&mut self, mut state: State, jumps: bool, now: &Present) -> State {
        if jumps {
            self.jumped = true;
            self.synced = None;
            // Asked before the jump, it tells of another clock.
            self.chrony = None;
        } else if state.sync == SyncState::Synchronised {
            self.jumped = false;
        }
        if self.jumped {
            state.sync = SyncState::Suspect;
            state.error_ms = None;
        }
        if state.sync == SyncState::Synchronised {
            self.synced = Some(Synced {
                source: state.source,
                uptime_ms: now.uptime_ms,
                error_ms: state.error_ms.unwrap_or(u32::MAX),
                last_ms: state.last_ms.unwrap_or(now.utc_ms),
            });
        }
        state
    }

    /// Joins what Roughtime proved, while it is fresh.
    fn join(&self, time: &mut DeviceTime, utc_ms: u64, uptime_ms: u64) -> Option<Note> {
        let rough = self.rough?;
        let age_ms = uptime_ms.saturating_sub(rough.uptime_ms);
        if age_ms > self.settings.roughtime.max_age_ms {
            return None;
        }
        let region = rough.region.widened(drift_ms(age_ms, self.settings.max_drift_ppm));
        let (from_ms, to_ms) = region.at(uptime_ms);
        let agrees = (from_ms..=to_ms).contains(&utc_ms);
        time.evidence = Some(rough.evidence);
        // As good a source, and closer: the evidence bears it out.
        let nts = (time.source, time.sync) == (Source::Nts, SyncState::Synchronised);
        if agrees && nts {
            return None;
        }
        let stated = if agrees { utc_ms } else { from_ms.midpoint(to_ms) };
        let wide = stated.abs_diff(from_ms).max(stated.abs_diff(to_ms));
        time.utc_ms = Some(stated);
        time.source = Source::Roughtime;
        time.sync = SyncState::Synchronised;
        time.uncertainty_ms = Some(u32::try_from(wide).unwrap_or(u32::MAX));
        time.last_sync_ms = Some(stated.saturating_sub(age_ms));
        let by = i128::from(utc_ms) - i128::from(if utc_ms > to_ms { to_ms } else { from_ms });
        let by_ms = i64::try_from(by).unwrap_or(i64::MAX);
        (!agrees).then_some(Note::Disagrees { by_ms })
    }
}

fn trouble(chrony: &Chrony) -> Option<Note> {
    let text = match chrony {
        Chrony::Off | Chrony::Answered(_) => return None,
        Chrony::Absent(why) => why.clone(),
        Chrony::Hung => "no answer in time".into(),
        Chrony::Garbled(what) => format!("an answer that is not understood: {what}"),
    };
    Some(Note::Chrony(text))
}

/// A chain of questions under way.
struct Asked {
    over: Digest,
    timeout: Duration,
    exchanges: Vec<(Exchange, Signed)>,
    silent: Vec<(String, Silence)>,
}

impl Asked {
    fn ask(&mut self, server: &Server) -> Result<(), ClockError> {
        // Silent once: another timeout would not prove anything.
        if self.silent.iter().any(|(name, _)| *name == server.name) {
            return Ok(());
        }
        let random = random()?;
        let before = self.exchanges.last().map(|(exchange, _)| &exchange.reply[..]);
        let nonce = chained_nonce(before.unwrap_or(&self.over.0), &random);
        match ask(&server.address, &server.key, &nonce, self.timeout) {
            Ok(answer) => self.exchanges.push((
                Exchange {
                    name: server.name.clone(),
                    key: server.key,
                    random,
                    sent_ms: answer.sent_ms,
                    received_ms: answer.received_ms,
                    reply: answer.reply,
                },
                answer.signed,
            )),
            Err(silence) => self.silent.push((server.name.clone(), silence)),
        }
        Ok(())
    }

    fn over(self, named: usize) -> Query {
        let outcome = agree::judge(&self.exchanges, named);
        let exchanges: Vec<_> = self.exchanges.into_iter().map(|(it, _)| it).collect();
        let named = u32::try_from(named).unwrap_or(u32::MAX);
        let evidence = Evidence { over: self.over, named, exchanges };
        let evidence = (!evidence.exchanges.is_empty()).then_some(evidence);
        Query { evidence, outcome, silent: self.silent }
    }
}

fn random() -> Result<[u8; 32], ClockError> {
    let mut bytes = [0; 32];
    let flags = rustix::rand::GetRandomFlags::empty();
    match rustix::rand::getrandom(&mut bytes, flags) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(ClockError::Random(error.into())),
    }
}

#[cfg(test)]
mod tests;
