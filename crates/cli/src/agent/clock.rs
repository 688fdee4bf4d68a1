//! What the device knows of the time when it says something.
//!
//! The one place where the agent asks for it: `firmlog-clock` tells the time and how far to believe
//! it, and where a TPM counts along, the count goes with it.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;

use firmlog_agent::update::Clock;
use firmlog_clock::agree::Outcome;
use firmlog_clock::{Note, Settings, TrustedClock, boot};
use firmlog_statement::Digest;
use firmlog_statement::time::DeviceTime;

use crate::error::{Error, Result};

pub(crate) use firmlog_clock::boot::uptime_ms;

/// The agent's clock; its copies are one.
#[derive(Clone, Debug)]
pub(crate) struct DaemonClock {
    trusted: Rc<RefCell<TrustedClock>>,
    /// The count that the next statement carries.
    pub(crate) counter: Rc<Cell<Option<u64>>>,
    /// Where evidence of Roughtime servers is kept.
    folder: PathBuf,
    /// When they were last asked.
    asked_ms: Rc<Cell<Option<u64>>>,
}

impl DaemonClock {
    /// The clock of this boot.
    pub(crate) fn new(settings: Settings, folder: PathBuf) -> Result<Self> {
        let trusted = TrustedClock::new(settings).map_err(|e| Error::form("[time]", e))?;
        let (trusted, counter) = (Rc::new(RefCell::new(trusted)), Rc::default());
        Ok(Self { trusted, counter, folder, asked_ms: Rc::default() })
    }

    /// Asks the Roughtime servers, if there are any and it is time to, over the newest statement;
    /// what they signed is kept before a statement names it.
    pub(crate) fn refresh(&self, newest: [u8; 32]) {
        let mut trusted = self.trusted.borrow_mut();
        let settings = &trusted.settings().roughtime;
        let due = self
            .asked_ms
            .get()
            .is_none_or(|asked| uptime_ms().saturating_sub(asked) >= settings.max_age_ms / 2);
        if settings.servers.is_empty() || !due {
            return;
        }
        self.asked_ms.set(Some(uptime_ms()));
        let asked = match trusted.query(&Digest(newest)) {
            Ok(asked) => asked,
            Err(error) => return tracing::warn!(%error, "no Roughtime"),
        };
        // A folder that cannot be made shows when something is to be kept in it.
        drop(std::fs::create_dir_all(&self.folder));
        let kept = asked.evidence.as_ref().map(|evidence| evidence.keep(&self.folder));
        if let Some(Err(error)) = kept {
            tracing::warn!(%error, "evidence of the time cannot be kept");
        }
        for (server, why) in &asked.silent {
            tracing::warn!(server, %why, "a Roughtime server gave no time");
        }
        if let Outcome::Agreed { liars, .. } = &asked.outcome {
            for liar in liars {
                tracing::error!(
                    server = liar.name,
                    off_ms = liar.off_ms,
                    "a Roughtime server lies"
                );
            }
        }
    }
}

impl Clock for DaemonClock {
    fn now(&mut self) -> DeviceTime {
        let reading = self.trusted.borrow_mut().now();
        for note in &reading.notes {
            match note {
                Note::Chrony(_) => tracing::debug!("{note}"),
                _ => tracing::warn!("{note}"),
            }
        }
        DeviceTime { counter: self.counter.get(), ..reading.time }
    }
}

/// This boot's id, as text.
pub(crate) fn boot_id() -> Option<String> {
    boot::id().map(|id| crate::answer::hex(&id))
}
