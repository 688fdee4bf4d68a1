//! The journal for C: making and opening it, what was found, what is to be sent, what the log has.

use crate::context::{Inner, open_sized};
use crate::key::Holder;
use crate::machine::{Machine, Parts, on};
use crate::pointer::{answer, borrow, borrow_if_any, buffer, check, list, name};
use crate::slot::with;
use crate::status::told;
use crate::{
    Agent, Clock, FIRMLOG_ABI_VERSION, Flash, Image, Key, Policy, Resume, Statement, Status,
};
use core::ffi::{CStr, c_char};
use firmlog_agent::journal::{self, Class, Error, Note};
use firmlog_agent::update::{Identity, LogBeforeInstall};
use firmlog_statement::DeviceId;
use firmlog_statement::chain::ChainHead;

/// What the board provides and who the device is. Copied at the start, all but the names.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Config {
    /// `FIRMLOG_ABI`: which header this was filled in with.
    pub abi: u64,
    /// Where the journal lives.
    pub flash: Flash,
    /// Who signs.
    pub key: Key,
    /// What the time is.
    pub clock: Clock,
    /// Id of the device, the name of its first key; zeros while it still has that key.
    pub device: [u8; 32],
    /// After a rotation, the name of the key that signed before this one; zeros while none did.
    pub earlier_key: [u8; 32],
    /// The name its key is enrolled under. Must stay while the context is open.
    pub issuer: *const c_char,
    /// What its statements are about, such as `ip-200/app`. Must stay while the context is open.
    pub subject: *const c_char,
    /// `FIRMLOG_POLICY_…`.
    pub log_before_install: u8,
}

/// What a start found.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Started {
    /// `FIRMLOG_RESUME_…`: where to go on.
    pub resume: u8,
    /// How many findings there were; the first eight are kept for `firmlog_finding`.
    pub findings: u32,
    /// How many records are lost or changed, all in all, told of or not.
    pub losses: u32,
}

/// A place in the device chain.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Chain {
    /// Seq of the next statement.
    pub next: u64,
    /// SHA-256 of the statement before it; at seq 0 the seed of the enrolment.
    pub hash: [u8; 32],
}

/// What the log has confirmed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Covered {
    /// Statements with a lower seq are in the log.
    pub next: u64,
    /// Size of the tree they were proven in.
    pub size: u64,
    /// Its root.
    pub root: [u8; 32],
}

/// How full the journal is, and what had no room.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Room {
    /// What the log has confirmed.
    pub covered: Covered,
    /// Root over what was dropped.
    pub dropped_root: [u8; 32],
    /// How many were dropped since the journal was made.
    pub dropped: u32,
    /// How many of them no statement has told of yet.
    pub untold: u32,
    /// Pages that are free, the reserve among them.
    pub free_pages: u32,
    /// Pages kept for what is urgent.
    pub reserve_pages: u32,
}

/// What was wrong with the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum FindingKind {
    /// One this library has no name for.
    Other = 0,
    /// A copy of the head was damaged; both are whole again. `page`: which copy.
    HeadCopyDamaged = 1,
    /// Power was cut between the two copies of the head. `page`: which copy.
    HeadCopyBehind = 2,
    /// A free page was not blank and was erased.
    FreePageNotBlank = 3,
    /// A page could not be put right: the flash fails there.
    PageUnusable = 4,
    /// Space behind the newest records was not blank. `at`: offset in the page.
    FreeSpaceNotBlank = 5,
    /// The header of a live page does not hold.
    PageHeaderDamaged = 6,
    /// A closed page differs from what it was, outside its records.
    PageAltered = 7,
    /// Something that was a record does not hold. `at`: offset in the page.
    RecordDamaged = 8,
    /// Records are missing. `from`, `to`: numbers of the first, and of the next that is there.
    RecordsLost = 9,
    /// A record does not name the one before it. `from`: its number.
    LinkBroken = 10,
    /// Power was cut in the middle of a record; it does not count. `at`: offset in the page.
    RecordTorn = 11,
    /// Power was cut before the head had word of a record; it has now. `from`: its number.
    RecordCompleted = 12,
}

/// One finding of opening the journal. Fields that a kind does not name are zero.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Finding {
    /// A record's number.
    pub from: u64,
    /// A record's number.
    pub to: u64,
    /// A page, counted in flash.
    pub page: u32,
    /// An offset in it.
    pub at: u32,
    /// `FIRMLOG_FOUND_…`.
    pub kind: u16,
    /// Whether it says that records are lost or changed.
    pub is_loss: u8,
}

impl From<journal::Finding> for Finding {
    fn from(finding: journal::Finding) -> Self {
        use FindingKind as K;
        use journal::Finding as F;
        let (kind, page, at, from, to) = match finding {
            F::HeadCopyDamaged { copy } => (K::HeadCopyDamaged, copy.into(), 0, 0, 0),
            F::HeadCopyBehind { copy } => (K::HeadCopyBehind, copy.into(), 0, 0, 0),
            F::FreePageNotBlank { page } => (K::FreePageNotBlank, page, 0, 0, 0),
            F::PageUnusable { page } => (K::PageUnusable, page, 0, 0, 0),
            F::FreeSpaceNotBlank { page, at } => (K::FreeSpaceNotBlank, page, at, 0, 0),
            F::PageHeaderDamaged { page } => (K::PageHeaderDamaged, page, 0, 0, 0),
            F::PageAltered { page } => (K::PageAltered, page, 0, 0, 0),
            F::RecordDamaged { page, at } => (K::RecordDamaged, page, at, 0, 0),
            F::RecordsLost { from, to } => (K::RecordsLost, 0, 0, from, to),
            F::LinkBroken { number } => (K::LinkBroken, 0, 0, number, 0),
            F::RecordTorn { page, at } => (K::RecordTorn, page, at, 0, 0),
            F::RecordCompleted { number } => (K::RecordCompleted, 0, 0, number, 0),
            _ => (K::Other, 0, 0, 0, 0),
        };
        Self { from, to, page, at, kind: kind as u16, is_loss: (finding.lost() > 0).into() }
    }
}

impl Config {
    /// `FIRMLOG_ABI` of a header that fits: its version, and the sizes of configuration, statement
    /// and start.
    pub const ABI: u64 = (FIRMLOG_ABI_VERSION as u64) << 48
        | (size_of::<Self>() as u64) << 32
        | (size_of::<Statement>() as u64) << 16
        | size_of::<Started>() as u64;

    /// What a start needs of it.
    ///
    /// # Safety
    /// The contract in the crate's head; the names stay while the context is open.
    pub(crate) unsafe fn parts(&self) -> Result<Parts, Status> {
        if self.abi != Self::ABI {
            return Err(Status::OtherHeader);
        }
        self.flash.check()?;
        self.clock.check()?;
        let holder = Holder::new(&self.key)?;
        let own = firmlog_statement::Signer::public_key(&holder).thumbprint();
        let device = if self.device == [0; 32] { own.0 } else { self.device };
        let policy = match self.log_before_install {
            code if code == Policy::Required as u8 => LogBeforeInstall::Required,
            code if code == Policy::BestEffort as u8 => LogBeforeInstall::BestEffort,
            _ => return Err(Status::UnknownCode),
        };
        // SAFETY: the caller's promise is handed on.
        let issuer = unsafe { name(self.issuer) }?;
        // SAFETY: as above.
        let subject = unsafe { name(self.subject) }?;
        let identity = Identity { device: DeviceId(device), issuer, subject };
        let earlier_key = (self.earlier_key != [0; 32]).then_some(self.earlier_key);
        let (flash, clock) = (self.flash, self.clock);
        Ok(Parts { flash, holder, clock, identity, policy, earlier_key })
    }
}

/// Makes an empty journal, erasing the flash. `start` is where the device's chain stands: seq 0 and
/// the seed of a new device, or the log's head for one whose flash was replaced.
///
/// A power cut leaves what was there before, or `FIRMLOG_STATUS_FORMAT_CUT`: format again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_format(flash: *const Flash, start: *const Chain) -> Status {
    // SAFETY: the crate's contract.
    let flash = unsafe { borrow(flash) };
    // SAFETY: as above.
    let start = unsafe { borrow(start) };
    told(flash.and_then(|flash| {
        flash.check()?;
        Machine::format(*flash, start?.head())
    }))
}

/// Opens the journal alone, for a device that keeps the order of its events itself: statements are
/// made in five steps, by `firmlog_statement_build` and `firmlog_statement_append`. `size` is
/// `sizeof *agent`; `started` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_open(
    agent: *mut Agent,
    size: usize,
    config: *const Config,
    started: *mut Started,
) -> Status {
    let mut told_of = Started::default();
    // SAFETY: the crate's contract.
    let done = unsafe {
        open_sized(agent, size, || {
            let parts = borrow(config)?.parts()?;
            let (machine, report) = Machine::open(&parts)?;
            told_of = Started::new(Resume::Idle, &report);
            Ok(Inner::new(machine, parts.holder, parts.clock, parts.identity, report))
        })
    };
    // SAFETY: the crate's contract.
    told(done.and_then(|()| unsafe { crate::pointer::answer_if_asked(started, told_of) }))
}

impl Started {
    pub(crate) fn new(resume: Resume, report: &journal::Report) -> Self {
        Self { resume: resume as u8, findings: report.count(), losses: report.losses() }
    }
}

impl Chain {
    fn head(&self) -> ChainHead {
        ChainHead { seq: self.next.checked_sub(1), hash: self.hash }
    }
}

/// One of the findings of opening, from 0; `FIRMLOG_STATUS_NOT_FOUND` behind the last one kept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_finding(
    agent: *mut Agent,
    index: u32,
    finding: *mut Finding,
) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            let index = usize::try_from(index).map_err(|_| Status::NotFound)?;
            let found = inner.report.findings().nth(index).ok_or(Status::NotFound)?;
            answer(finding, found.into())
        })
    }
}

/// What a kind of finding means, in English; never null. Static memory.
#[unsafe(no_mangle)]
pub extern "C" fn firmlog_finding_text(kind: u16) -> *const c_char {
    let texts: &[&CStr] = &[
        c"a finding without a name here",
        c"a copy of the head was damaged and is whole again",
        c"power was cut between the copies of the head",
        c"a free page was not blank and was erased",
        c"the flash fails in a page",
        c"space behind the newest records was not blank",
        c"the header of a live page does not hold",
        c"a closed page differs from what it was, outside its records",
        c"something that was a record does not hold",
        c"records are missing",
        c"a record does not name the one before it",
        c"power was cut in a record; it does not count",
        c"power was cut before the head had word of a record; the record counts",
    ];
    texts.get(usize::from(kind)).unwrap_or(&c"a number that is no finding").as_ptr()
}

/// Where the device chain stands; `FIRMLOG_STATUS_CHAIN_UNKNOWN` while damage hides it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_chain_next(agent: *mut Agent, chain: *mut Chain) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            let next = on!(&mut inner.machine, mode => mode.journal().next());
            let (next, hash) = next.ok_or(Status::ChainUnknown)?;
            answer(chain, Chain { next, hash })
        })
    }
}

/// Goes on from the log's head, where damage hides the end of the chain and the log has all that
/// can still be read. An update machine says so at once; without one the next statement that is
/// built says so, and until it is appended nothing of this is durable. `running` is what a start
/// was given and could not compare; null without an update machine. `resume`, which may be null, is
/// where to go on (`FIRMLOG_RESUME_…`): that start could not tell. That the head is the log's and
/// this device's is for the caller: `firmlog_pinned_newest` checks it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_chain_resume(
    agent: *mut Agent,
    chain: *const Chain,
    running: *const Image,
    resume: *mut u8,
) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            let head = borrow(chain)?.head();
            let running = borrow_if_any(running)?.map(Into::into);
            let done = on!(&mut inner.machine, mode => mode.resume(&head, running));
            let goes_on = done.map_err(|error| inner.failed(error))?;
            crate::pointer::answer_if_asked(resume, goes_on as u8)
        })
    }
}

/// How full the journal is, what the log has, and what had no room.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_room(agent: *mut Agent, room: *mut Room) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            let value = on!(&mut inner.machine, mode => {
                let journal = mode.journal();
                let journal::Covered { next, size, root } = journal.covered();
                Room {
                    covered: Covered { next, size, root },
                    dropped_root: journal.dropped().root,
                    dropped: journal.dropped().count,
                    untold: journal.untold(),
                    free_pages: journal.free_pages(),
                    reserve_pages: journal.reserve(),
                }
            });
            answer(room, value)
        })
    }
}

/// Seq of the oldest statement that may still be here; what is below the log has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_entry_oldest(agent: *mut Agent, seq: *mut u64) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            let oldest = on!(&mut inner.machine, mode => mode.journal().oldest());
            let oldest = oldest.map_err(|error| inner.failed(error))?;
            answer(seq, oldest)
        })
    }
}

/// Copies the statement with this seq, as it is sent to the log, into `entry` of `size` bytes and
/// its length to `len`; `FIRMLOG_STATUS_NOT_FOUND` if it is not here. 640 bytes hold every one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_entry(
    agent: *mut Agent,
    seq: u64,
    entry: *mut u8,
    size: usize,
    len: *mut usize,
) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            check(len)?;
            let out = buffer(entry, size)?;
            let found = on!(&mut inner.machine, mode => mode.journal().statement(seq, out));
            let found = found.map_err(|error| inner.failed(error))?;
            answer(len, found.ok_or(Status::NotFound)?)
        })
    }
}

/// Notes what the log has confirmed: such statements may be erased when room is needed. You have
/// checked the receipt; it covers every statement below `covered->next`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_confirm(agent: *mut Agent, covered: *const Covered) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            let Covered { next, size, root } = *borrow(covered)?;
            let covered = journal::Covered { next, size, root };
            let done = on!(&mut inner.machine, mode => mode.journal().cover(covered));
            done.map_err(|error| inner.failed(error))
        })
    }
}

/// The device's own state as it was last recorded, at most 192 bytes; with an update machine it is
/// the machine's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_note(
    agent: *mut Agent,
    note: *mut u8,
    size: usize,
    len: *mut usize,
) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            check(len)?;
            let out = buffer(note, size)?;
            let kept = on!(&mut inner.machine, mode => *mode.journal().note());
            let bytes = kept.as_bytes();
            let room = out.get_mut(..bytes.len()).ok_or(Status::BufferTooSmall)?;
            room.copy_from_slice(bytes);
            answer(len, bytes.len())
        })
    }
}

/// Records a change of the device's own state that is no statement. Not with an update machine,
/// whose state stands there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_remember(
    agent: *mut Agent,
    note: *const u8,
    len: usize,
) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            let note = Note::new(list(note, len)?).ok_or(Status::Range)?;
            let done = on!(&mut inner.machine, mode => match mode.updater() {
                Ok(_) => return Err(Status::NotBesideMachine),
                Err(_) => mode.journal().remember(&note, Class::Routine),
            });
            done.map_err(|error: Error| inner.failed(error))
        })
    }
}
