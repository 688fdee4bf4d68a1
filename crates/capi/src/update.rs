//! The update state machine for C.

use crate::context::{Inner, open_sized};
use crate::machine::{Machine, on};
use crate::pointer::{answer, answer_if_asked, borrow, borrow_if_any};
use crate::slot::with;
use crate::status::told;
use crate::{Agent, Config, Logged, Started, Status, codes::known};
use firmlog_agent::update;
use firmlog_statement::event::EventType;
use firmlog_statement::{CheckpointSeen, Digest, PowerState};

/// One firmware image.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Image {
    /// Orders its versions.
    pub version: u64,
    /// Its anti-rollback counter.
    pub counter: u32,
    /// SHA-256 of it.
    pub sha256: [u8; 32],
}

/// What the device is about to run instead, and why it may.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Target {
    /// The image.
    pub image: Image,
    /// Leaf hash of its release; zeros if none is known.
    pub release: [u8; 32],
}

/// How a step went; what is not known stays zero.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Detail {
    /// The updater's error number.
    pub error: u32,
    /// Whether there is one.
    pub has_error: u8,
    /// `FIRMLOG_POWER_…`: where power came from.
    pub power: u8,
    /// Whether it is said.
    pub has_power: u8,
}

/// Where an update stands.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Progress {
    /// What was committed last: what should run while nothing is under way.
    pub committed: Image,
    /// What is being installed; the committed image while nothing is.
    pub target: Target,
    /// The last step that moved it, `FIRMLOG_EVENT_…`; 0 while none has.
    pub last: u16,
    /// How often installing the target began.
    pub attempts: u16,
    /// Whether an image other than the committed one is on its way in.
    pub is_under_way: u8,
}

impl From<&Image> for update::Image {
    fn from(image: &Image) -> Self {
        Self { sha256: image.sha256, version: image.version, counter: image.counter }
    }
}

impl From<&update::Image> for Image {
    fn from(image: &update::Image) -> Self {
        Self { sha256: image.sha256, version: image.version, counter: image.counter }
    }
}

impl From<&Target> for update::Target {
    fn from(target: &Target) -> Self {
        Self { image: (&target.image).into(), release: target.release }
    }
}

impl Detail {
    /// What C said of a step; nothing if it left that out.
    pub(crate) fn read(detail: Option<&Self>) -> Result<update::Detail, Status> {
        let Some(detail) = detail else { return Ok(update::Detail::default()) };
        let power = match detail.has_power {
            0 => None,
            _ => Some(known(PowerState::from_code(u64::from(detail.power)))?),
        };
        Ok(update::Detail { error: (detail.has_error != 0).then_some(detail.error), power })
    }
}

/// Starts the agent from its journal and the image that runs, measured by the boot chain. What the
/// start shows is said before this returns; `started->resume` tells where to go on. `size` is
/// `sizeof *agent`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_start(
    agent: *mut Agent,
    size: usize,
    config: *const Config,
    running: *const Image,
    started: *mut Started,
) -> Status {
    let mut told_of = Started::default();
    // SAFETY: the crate's contract.
    let done = unsafe {
        open_sized(agent, size, || {
            let config = borrow(config)?;
            let parts = config.parts()?;
            config.key.sign.ok_or(Status::NoCallback)?;
            let running = borrow(running)?;
            let (machine, resume, report) = Machine::start(&parts, running.into())?;
            told_of = Started::new(resume.into(), &report);
            Ok(Inner::new(machine, parts.holder, parts.clock, parts.identity, report))
        })
    };
    // SAFETY: the crate's contract.
    told(done.and_then(|()| unsafe { answer_if_asked(started, told_of) }))
}

/// Takes a step that needs no more than its name, `FIRMLOG_EVENT_…`: check, downloads, failures,
/// reboot, boot, rollback, and what happens beside an update. `detail` and `logged` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_step(
    agent: *mut Agent,
    event: u16,
    detail: *const Detail,
    logged: *mut Logged,
) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            let event = known(EventType::from_code(u64::from(event)))?;
            let detail = Detail::read(borrow_if_any(detail)?)?;
            let taken = on!(&mut inner.machine, mode => mode.updater()?.step(event, detail));
            inner.say(taken, logged)
        })
    }
}

/// An image was found good: from here on the statements name it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_verified(
    agent: *mut Agent,
    target: *const Target,
    detail: *const Detail,
    logged: *mut Logged,
) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            let target = borrow(target)?.into();
            let detail = Detail::read(borrow_if_any(detail)?)?;
            let taken = on!(&mut inner.machine, mode => mode.updater()?.verified(target, detail));
            inner.say(taken, logged)
        })
    }
}

/// Flash is about to be written. Touch it only if this returns `FIRMLOG_STATUS_OK`; with
/// `FIRMLOG_POLICY_BEST_EFFORT`, also if it returns `FIRMLOG_STATUS_DROPPED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_install_started(
    agent: *mut Agent,
    detail: *const Detail,
    logged: *mut Logged,
) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            let detail = Detail::read(borrow_if_any(detail)?)?;
            let taken = on!(&mut inner.machine, mode => mode.updater()?.install_started(detail));
            inner.say(taken, logged)
        })
    }
}

/// The new firmware stays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_committed(
    agent: *mut Agent,
    detail: *const Detail,
    logged: *mut Logged,
) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            let detail = Detail::read(borrow_if_any(detail)?)?;
            let taken = on!(&mut inner.machine, mode => mode.updater()?.committed(detail));
            inner.say(taken, logged)
        })
    }
}

/// The device refuses an image, `FIRMLOG_EVENT_REFUSED_…`, or could not check it,
/// `FIRMLOG_EVENT_VERIFICATION_FAILED`: the event that a decision names. Repeated ones about the
/// same image are counted, not said each time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_refuse(
    agent: *mut Agent,
    event: u16,
    image: *const Image,
    detail: *const Detail,
    logged: *mut Logged,
) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            let event = known(EventType::from_code(u64::from(event)))?;
            let event = known(Some(event).filter(|event| event.turns_away()))?;
            let image = borrow(image)?.into();
            let detail = Detail::read(borrow_if_any(detail)?)?;
            let taken =
                on!(&mut inner.machine, mode => mode.updater()?.refuse(event, image, detail));
            inner.say(taken, logged)
        })
    }
}

/// Says what waits, for instance before the device is switched off.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_flush(agent: *mut Agent, logged: *mut Logged) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            let flushed = on!(&mut inner.machine, mode => mode.updater()?.flush());
            inner.say(Ok(flushed), logged)
        })
    }
}

/// Where the update stands.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_progress(agent: *mut Agent, progress: *mut Progress) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            let now = on!(&mut inner.machine, mode => *mode.updater()?.progress());
            let target = Target { image: (&now.target.image).into(), release: now.target.release };
            let value = Progress {
                committed: (&now.committed).into(),
                target,
                last: now.last.map_or(0, EventType::code),
                attempts: now.attempts,
                is_under_way: now.is_under_way().into(),
            };
            answer(progress, value)
        })
    }
}

/// The newest checkpoint the device has seen and checked: size and 32 bytes of root. Nothing it
/// says from now on is older.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_saw_checkpoint(
    agent: *mut Agent,
    size: u64,
    root: *const u8,
) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            let seen = CheckpointSeen { size, root: Digest(*borrow(root.cast())?) };
            on!(&mut inner.machine, mode => mode.updater()?.saw_checkpoint(seen));
            Ok(())
        })
    }
}

impl Inner {
    /// Tells C what became of a step.
    ///
    /// # Safety
    /// `logged` is null or may be written.
    unsafe fn say(
        &mut self,
        taken: Result<update::Logged, update::Refused>,
        logged: *mut Logged,
    ) -> Result<(), Status> {
        let what = taken.map_err(|refused| self.refused(refused))?;
        // SAFETY: the caller's promise is handed on.
        unsafe { answer_if_asked(logged, what.into()) }?;
        match what {
            update::Logged::Dropped(why) => {
                self.failed(why);
                Err(Status::Dropped)
            }
            _ => Ok(()),
        }
    }
}
