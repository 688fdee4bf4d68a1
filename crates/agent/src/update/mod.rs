//! The update state machine: each step in its legal order, said before the device goes on.
//!
//! ```text
//! check ─▶ download ─▶ verify ─▶ install_started ─▶ installed ─▶ reboot ─▶ boot_ok ─▶ committed
//!                        │           │ durable before flash is touched    └─▶ rollback ─▶ rolled_back
//!                        └─▶ refused └─▶ install_failed
//! ```
//!
//! In scope: which step may follow, what the statement of it says, what a failed write means, and
//! where an update goes on after a loss of power. Out of scope: fetching, checking and writing
//! images, which the device's updater does.
//!
//! Invariants:
//! - `install_started` is durable when [`Updater::install_started`] returns: the updater touches
//!   flash only then.
//! - A call ends: a failed write is tried once more on a journal opened again, then the policy
//!   decides. Only `install_started` can be withheld, and only if logging is required.
//! - What runs is compared with what was said at every start; what nobody announced is said.

mod fit;
mod line;
mod progress;
mod say;
mod start;
mod words;

pub use progress::{Image, Progress, Target};
pub use start::{Resume, Started};
pub use words::signed_by;

use crate::Flash;
use crate::journal::{Class, Error, Journal};
use crate::repeats::{Again, Key, Repeats};
use firmlog_statement::disclosure::Commitments;
use firmlog_statement::event::{EventType, Life};
use firmlog_statement::time::DeviceTime;
use firmlog_statement::{CheckpointSeen, DeviceId, Initiator, PowerState, Reason, Signer, Step};
use line::Line;

/// Tells the time as far as the device knows it.
pub trait Clock {
    /// The time now; `uptime_ms` is monotonic within a boot.
    fn now(&mut self) -> DeviceTime;
}

/// Under which names the device speaks.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// Thumbprint of its first key.
    pub device: DeviceId,
    /// The name its key is enrolled under.
    pub issuer: &'a str,
    /// What the statements are about, such as `ip-200/app`.
    pub subject: &'a str,
}

/// Whether an update may begin that cannot be recorded: the manufacturer's risk decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogBeforeInstall {
    /// No: flash is not touched.
    Required,
    /// Yes: what had no room is counted, and told of later.
    BestEffort,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logged {
    /// A statement of it is durable.
    Recorded,
    /// It waits for the next statement; it is lost if power is.
    Waiting,
    /// It could not be recorded, and why. The journal counts it, unless that failed as well.
    Dropped(Error),
}

/// Why a step was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// It may not follow the last one.
    OutOfOrder {
        /// The last step.
        after: Option<EventType>,
    },
    /// Logging is required and failed: leave flash alone.
    NotLogged(Error),
}

/// How a step went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// The updater's error number.
    pub error: Option<u32>,
    /// Where power came from.
    pub power: Option<PowerState>,
}

/// The device's side of an update, over its journal.
pub struct Updater<'a, F, S, C, const PAGE: usize, const WORD: usize> {
    journal: Journal<F, PAGE, WORD>,
    signer: S,
    clock: C,
    identity: Identity<'a>,
    policy: LogBeforeInstall,
    /// The journal has said where the update stands: nothing is written before.
    started: bool,
    progress: Progress,
    line: Line,
    /// The image that was refused last: that of the newest step in line, if that names one.
    refused: Image,
    /// The last step that is said.
    said_last: Option<EventType>,
    /// When the attempt began, by the uptime of this boot.
    began_ms: Option<u64>,
    /// How long the statement of one short step is, bytes.
    alone: usize,
    /// The latest uptime that the clock told.
    up_ms: u64,
    /// UTC and uptime when last asked.
    asked_ms: Option<(u64, u64)>,
    /// Until when the allowance of refusals was filled up, by the uptime of this boot.
    filled_ms: Option<u64>,
    checkpoint: Option<CheckpointSeen>,
    initiator: Option<Initiator>,
    reason: Option<Reason>,
    commitments: Option<Commitments>,
    /// The key that signed before this one, by name.
    earlier_key: Option<[u8; 32]>,
}

impl<'a, F: Flash, S: Signer, C: Clock, const PAGE: usize, const WORD: usize>
    Updater<'a, F, S, C, PAGE, WORD>
{
    /// Where the update stands.
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The journal, for whoever sends it.
    pub const fn journal(&mut self) -> &mut Journal<F, PAGE, WORD> {
        &mut self.journal
    }

    /// The newest checkpoint the device has seen: nothing it says from now on is older.
    pub const fn saw_checkpoint(&mut self, checkpoint: CheckpointSeen) {
        self.checkpoint = Some(checkpoint);
    }

    /// Who began the update under way and why: said with each statement from here on, until the
    /// update has ended, this is told anew, or the device starts.
    ///
    /// # Errors
    /// [`Error::TooLong`] if a step would not fit into one statement with it; all is as before.
    pub fn because(
        &mut self,
        initiator: Option<Initiator>,
        reason: Option<Reason>,
    ) -> Result<(), Error> {
        let mut other = (initiator, reason);
        self.swap_cause(&mut other);
        if self.fits_another() {
            return Ok(());
        }
        // What waits is said with what was told before.
        self.swap_cause(&mut other);
        self.flush();
        self.swap_cause(&mut other);
        if self.fits_another() {
            return Ok(());
        }
        self.swap_cause(&mut other);
        Err(Error::TooLong)
    }

    fn swap_cause(&mut self, other: &mut (Option<Initiator>, Option<Reason>)) {
        core::mem::swap(&mut self.initiator, &mut other.0);
        core::mem::swap(&mut self.reason, &mut other.1);
    }

    /// Commits to private values in the next statement, and only there: who can open one must not
    /// be able to tell that another is of the same value. Whoever made them keeps salts and values.
    ///
    /// # Errors
    /// [`Error::TooLong`] if a step would not fit into one statement with them; none is made.
    pub fn commit(&mut self, commitments: Commitments) -> Result<(), Error> {
        self.commitments = Some(commitments);
        if self.fits_another() {
            return Ok(());
        }
        // What waits is said without them.
        let commitments = self.commitments.take();
        self.flush();
        self.commitments = commitments;
        if self.fits_another() {
            return Ok(());
        }
        self.commitments = None;
        Err(Error::TooLong)
    }

    /// After a rotation: the name of the key that signed before this one. The first start with the
    /// new key says `key_rotated`, and needs to be told; later ones may be.
    pub const fn follows_key(&mut self, earlier: [u8; 32]) {
        self.earlier_key = Some(earlier);
    }

    /// Gives the flash back.
    pub fn into_flash(self) -> F {
        self.journal.into_flash()
    }

    /// Takes a step that needs no more than its name: check, downloads, failures, reboot, boot,
    /// rollback, and what happens beside an update.
    ///
    /// # Errors
    /// [`Refused::OutOfOrder`].
    pub fn step(&mut self, event: EventType, detail: Detail) -> Result<Logged, Refused> {
        match event {
            EventType::InstallStarted => return self.install_started(detail),
            EventType::Committed => return self.committed(detail),
            _ if event.turns_away() => {
                return self.refuse(event, self.progress.target.image, detail);
            }
            _ => {}
        }
        self.ready(event)?;
        self.take(event, detail.error);
        let logged = self.flush_if(event.is_urgent(), detail);
        self.progress.settle();
        Ok(logged)
    }

    /// An image was found good: from here on the statements name it.
    ///
    /// # Errors
    /// [`Refused::OutOfOrder`].
    pub fn verified(&mut self, target: Target, detail: Detail) -> Result<Logged, Refused> {
        self.ready(EventType::SignatureVerified)?;
        if self.progress.target.image != target.image {
            self.progress.attempts = 0;
        }
        self.progress.target = target;
        self.take(EventType::SignatureVerified, detail.error);
        Ok(self.flush_if(false, detail))
    }

    /// Flash is about to be written. When this returns without an error the statement is durable,
    /// or the policy does not ask for it.
    ///
    /// # Errors
    /// [`Refused::OutOfOrder`]; [`Refused::NotLogged`] if logging is required and failed: flash
    /// must not be touched.
    pub fn install_started(&mut self, detail: Detail) -> Result<Logged, Refused> {
        let before = self.progress;
        self.ready(EventType::InstallStarted)?;
        self.progress.attempts = self.progress.attempts.saturating_add(1);
        self.take(EventType::InstallStarted, detail.error);
        self.began_ms = self.clock.now().uptime_ms;
        match self.say(detail) {
            Ok(()) => Ok(Logged::Recorded),
            Err(e) if self.policy == LogBeforeInstall::Required => {
                self.line.pop();
                self.progress = before;
                Err(Refused::NotLogged(e))
            }
            Err(e) => Ok(self.dropped(e)),
        }
    }

    /// The new firmware stays.
    ///
    /// # Errors
    /// [`Refused::OutOfOrder`], also if no other image than the committed one was installed.
    pub fn committed(&mut self, detail: Detail) -> Result<Logged, Refused> {
        self.ready(EventType::Committed)?;
        if !self.progress.is_under_way() {
            return Err(Refused::OutOfOrder { after: self.progress.last });
        }
        self.progress.committed = self.progress.target.image;
        self.take(EventType::Committed, detail.error);
        Ok(self.flush_if(true, detail))
    }

    /// The device will not install an image: it must not, or the image cannot be checked. Repeated
    /// refusals of the same are counted, not said each time; so are those of many images in turn
    /// ([`Repeats`](crate::repeats::Repeats)).
    ///
    /// # Errors
    /// [`Refused::OutOfOrder`].
    pub fn refuse(
        &mut self,
        event: EventType,
        image: Image,
        detail: Detail,
    ) -> Result<Logged, Refused> {
        self.ready(event)?;
        let key = Key { event, image: image.sha256 };
        self.refill();
        let says = self.progress.repeats.says(key);
        let has_room = !says || self.journal.has_room(Class::Urgent) != Err(Error::Full);
        if says && has_room {
            // They came before what led to this one.
            self.line_up_counted(fit::STEP);
        }
        let again = match has_room {
            true => self.progress.repeats.observe(key),
            false => self.progress.repeats.count(event),
        };
        match again {
            Again::Say { unsaid } => {
                if let Some((key, count)) = unsaid {
                    self.wait(key.event, None, Some(count), Some(key.image));
                }
                self.progress.last = Some(event);
                self.refused = image;
                self.wait(event, detail.error, None, Some(image.sha256));
                Ok(self.flush_if(true, detail))
            }
            Again::Note => {
                self.forget_way_to(event);
                Ok(self.remember())
            }
            Again::Quiet => {
                self.forget_way_to(event);
                Ok(Logged::Waiting)
            }
        }
    }

    /// Lets as many more refusals be said one by one as time allows. A device that does not know
    /// how time passes goes by the log: once it has everything, all may be said.
    fn refill(&mut self) {
        let repeats = &mut self.progress.repeats;
        let Some(now) = self.clock.now().uptime_ms else {
            let next = self.journal.next().map(|(next, _)| next);
            if next == Some(self.journal.covered().next) {
                repeats.refill(Repeats::BURST);
            }
            return;
        };
        let from = self.filled_ms.get_or_insert(now);
        // No division: small processors have none for so many bits.
        for _ in 0..Repeats::BURST {
            let next = from.saturating_add(Repeats::REFILL_MS);
            if next > now {
                return;
            }
            repeats.refill(1);
            *from = next;
        }
        *from = now;
    }

    /// What led to the same refusal again is in its count.
    fn forget_way_to(&mut self, refusal: EventType) {
        self.progress.last = Some(refusal);
        self.line.retain(|step| step.kind.is_urgent() || step.kind.is_operational());
    }

    /// Says what waits, for instance before the device is switched off.
    pub fn flush(&mut self) -> Logged {
        self.flush_if(true, Detail::default())
    }

    /// Whether this step may be taken. If so there is room for it in line: what waits is said while
    /// the note beside it is still that of what waits.
    fn ready(&mut self, event: EventType) -> Result<(), Refused> {
        let after = self.progress.last;
        if !Life::after(after).allows_device(event) {
            return Err(Refused::OutOfOrder { after });
        }
        // A step, a jump of the clock, and two counts of refusals.
        if self.line.mixes_with(event)
            || self.line.room() < 4
            || !(self.line.steps().is_empty() || self.fits_another())
        {
            self.flush();
        }
        Ok(())
    }

    /// Takes a step that was allowed.
    fn take(&mut self, event: EventType, code: Option<u32>) {
        let mut life = Life::after(self.progress.last);
        life.take(event);
        self.progress.last = life.last();
        self.wait(event, code, None, None);
    }

    /// Puts a step in line.
    fn wait(
        &mut self,
        kind: EventType,
        code: Option<u32>,
        count: Option<u32>,
        image: Option<[u8; 32]>,
    ) {
        let now = self.clock.now();
        let jumped = self.jumped(&now);
        // Steps in order of time, whatever the clock does.
        self.up_ms = self.up_ms.max(now.uptime_ms.unwrap_or_default());
        let at_ms = self.up_ms;
        if jumped {
            let kind = EventType::ClockStep;
            self.line.push(Step { kind, at_ms, code: None, count: None, image: None });
        }
        self.line.push(Step { kind, at_ms, code, count, image });
    }

    /// Puts what was counted in front of what waits, where it may stand and as much more fits.
    fn line_up_counted(&mut self, more: usize) {
        // The repeated one, and those of many images.
        for _ in 0..2 {
            self.line_up_one(more);
        }
    }

    fn line_up_one(&mut self, more: usize) {
        let Some(key) = self.progress.repeats.counted() else { return };
        if !self.fits_a_count(more) {
            return;
        }
        let first = self.line.steps().first().map(|step| (step.kind, step.at_ms));
        let allowed = Life::after(self.said_last).allows_device(key.event)
            && first.is_none_or(|(first, _)| Life::after(Some(key.event)).allows_device(first));
        if self.line.room() == 0 || !allowed {
            return;
        }
        let Some((Key { event, image }, count)) = self.progress.repeats.take() else { return };
        if first.is_none() && self.refused.sha256 != image {
            self.refused = Image { sha256: image, ..Image::NONE };
        }
        let at_ms = first.map_or(0, |(_, at_ms)| at_ms);
        let (count, image) = (Some(count), Some(image));
        self.line.push_front(Step { kind: event, at_ms, code: None, count, image });
    }

    /// Whether UTC moved by more than five minutes other than time passed, or uptime went back.
    fn jumped(&mut self, now: &DeviceTime) -> bool {
        const MOST_MS: u64 = 300_000;
        let Some(up) = now.uptime_ms else { return false };
        if up < self.up_ms {
            // From here on time passes anew.
            self.up_ms = up;
            (self.asked_ms, self.filled_ms) = (None, None);
            self.line.none_after(up);
            return true;
        }
        let Some(utc) = now.utc_ms else { return false };
        let before = self.asked_ms.replace((utc, up));
        before.is_some_and(|(utc_before, up_before)| {
            let expected = utc_before.saturating_add(up.saturating_sub(up_before));
            expected.abs_diff(utc) > MOST_MS
        })
    }

    fn flush_if(&mut self, urgent: bool, detail: Detail) -> Logged {
        if !urgent {
            return Logged::Waiting;
        }
        if self.line.steps().is_empty() {
            return Logged::Recorded;
        }
        match self.say(detail) {
            Ok(()) => Logged::Recorded,
            Err(e) => self.dropped(e),
        }
    }
}
