//! The context: C's memory, in which an agent stands once it was started.
//!
//! ```text
//! magic ^ address · busy · agent          zeros, a copy or other memory is not open
//! ```
//!
//! Invariant: a reference into a context exists only between setting and clearing its `busy` mark,
//! so there is never a second one, not even when a callback calls back.

use crate::key::Holder;
use crate::machine::Machine;
use crate::pointer::check;
use crate::status::told;
use crate::{Clock, Status};
use core::mem::MaybeUninit;
use firmlog_agent::journal::{Error, Report};
use firmlog_agent::update::{Identity, Refused};
use firmlog_statement::SignError;

/// Number of this interface; another one means other structures.
pub const FIRMLOG_ABI_VERSION: u32 = 1;

/// Words of a context.
pub const FIRMLOG_AGENT_WORDS: usize = 288;

/// Memory of an agent; what is in it is the library's. Zero it before the first start, and never
/// copy or move it: a copy is not open.
#[derive(Debug)]
#[repr(C)]
pub struct Agent {
    opaque: [u64; FIRMLOG_AGENT_WORDS],
}

#[repr(C)]
struct Context {
    magic: usize,
    busy: usize,
    inner: MaybeUninit<Inner>,
}

/// What stands in an open context.
pub(crate) struct Inner {
    pub(crate) machine: Machine,
    pub(crate) holder: Holder,
    pub(crate) clock: Clock,
    pub(crate) identity: Identity<'static>,
    pub(crate) report: Report,
    /// Seq of a statement under construction, and how many of the dropped it tells of.
    pub(crate) telling: Option<(u64, u32)>,
    cause: i32,
}

const _: () = assert!(size_of::<Context>() <= size_of::<Agent>());
const _: () = assert!(align_of::<Context>() <= align_of::<Agent>());

const MAGIC: usize = 0x464c_6131;

/// Added to the number of a statement's rule where it is a cause.
const RULES: i32 = 1000;

impl Inner {
    pub(crate) const fn new(
        machine: Machine,
        holder: Holder,
        clock: Clock,
        identity: Identity<'static>,
        report: Report,
    ) -> Self {
        Self { machine, holder, clock, identity, report, telling: None, cause: 0 }
    }

    /// Keeps why, and tells C that it was so.
    pub(crate) fn failed(&mut self, error: Error) -> Status {
        let status = Status::from(error);
        self.cause = match error {
            Error::NotAnUpdate(rule) | Error::Signer(SignError::Statement(rule)) => {
                i32::from(rule.code()).saturating_add(RULES)
            }
            _ => status.code(),
        };
        status
    }

    /// The same for a step that was not taken.
    pub(crate) fn refused(&mut self, refused: Refused) -> Status {
        if let Refused::NotLogged(error) = refused {
            self.failed(error);
        }
        refused.into()
    }
}

/// Number of this library's interface, to compare with the header's `FIRMLOG_ABI_VERSION`.
#[unsafe(no_mangle)]
pub extern "C" fn firmlog_abi_version() -> u32 {
    FIRMLOG_ABI_VERSION
}

/// Closes the context. What waits and was not said is lost: `firmlog_flush` says it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_close(agent: *mut Agent) -> Status {
    // SAFETY: the crate's contract.
    told(unsafe { check_open(agent) }.map(|context| {
        // SAFETY: checked just now; nobody else uses it.
        unsafe { (&raw mut (*context).magic).write(0) };
    }))
}

/// Why a call failed that said `FIRMLOG_STATUS_NOT_LOGGED` or `FIRMLOG_STATUS_STATEMENT`: a status,
/// or 1000 and the number of the broken rule. 0 while nothing has failed; negative if the context
/// is not open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_cause(agent: *mut Agent) -> i32 {
    let mut cause = 0;
    // SAFETY: the crate's contract.
    let status = unsafe {
        with(agent, |inner| {
            cause = inner.cause;
            Ok(())
        })
    };
    if status == Status::Ok { cause } else { status.code().saturating_neg() }
}

/// Does something with an open agent. Calls from within its callbacks are refused meanwhile.
///
/// # Safety
/// The contract in the crate's head.
pub(crate) unsafe fn with(
    agent: *mut Agent,
    call: impl FnOnce(&mut Inner) -> Result<(), Status>,
) -> Status {
    // SAFETY: the caller's promise is handed on.
    told(unsafe { check_open(agent) }.and_then(|context| {
        // SAFETY: an open context; the mark is the library's own.
        let busy = unsafe { &raw mut (*context).busy };
        // SAFETY: as above.
        unsafe { busy.write(1) };
        // SAFETY: `open` wrote an `Inner` there before it set the number, and the mark just set
        // keeps a second reference from being made.
        let done = call(unsafe { (*context).inner.assume_init_mut() });
        // SAFETY: as above; the reference is gone.
        unsafe { busy.write(0) };
        done
    }))
}

/// Opens a context with what `make` makes. Calls from within callbacks are refused meanwhile.
///
/// # Safety
/// The contract in the crate's head.
pub(crate) unsafe fn open(
    agent: *mut Agent,
    size: usize,
    make: impl FnOnce() -> Result<Inner, Status>,
) -> Result<(), Status> {
    check(agent)?;
    if size != size_of::<Agent>() {
        return Err(Status::ContextSize);
    }
    let context = agent.cast::<Context>();
    // SAFETY: the caller's promise: so much memory, zeroed or opened before.
    let magic = unsafe { &raw mut (*context).magic };
    // SAFETY: as above.
    let busy = unsafe { &raw mut (*context).busy };
    let open = MAGIC ^ context.addr();
    // SAFETY: as above.
    if unsafe { magic.read() } == open {
        return Err(Status::AlreadyOpen);
    }
    // SAFETY: as above. While it is made, the context is open and busy.
    unsafe { busy.write(1) };
    // SAFETY: as above.
    unsafe { magic.write(open) };
    let made = make();
    let done = match made {
        Ok(inner) => {
            // SAFETY: as above; no reference to what was there exists.
            unsafe { (&raw mut (*context).inner).write(MaybeUninit::new(inner)) };
            Ok(())
        }
        Err(status) => {
            // SAFETY: as above.
            unsafe { magic.write(0) };
            Err(status)
        }
    };
    // SAFETY: as above.
    unsafe { busy.write(0) };
    done
}

/// The context behind a pointer, if it is open and nobody is in it.
unsafe fn check_open(agent: *mut Agent) -> Result<*mut Context, Status> {
    check(agent)?;
    let context = agent.cast::<Context>();
    // SAFETY: the crate's contract: zeroed or opened, so that both words may be read.
    let magic = unsafe { (&raw const (*context).magic).read() };
    if magic != MAGIC ^ context.addr() {
        return Err(Status::NotOpen);
    }
    // SAFETY: as above.
    let busy = unsafe { (&raw const (*context).busy).read() };
    if busy == 0 { Ok(context) } else { Err(Status::Busy) }
}
