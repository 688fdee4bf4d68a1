//! The context: C's memory of one agent.

use crate::key::Holder;
use crate::machine::Machine;
use crate::slot::{Memory, close, open, with};
use crate::status::told;
use crate::{Clock, Status};
use core::ffi::c_char;
use firmlog_agent::journal::{Error, Report};
use firmlog_agent::update::{Identity, Refused};

/// Number of this interface; another one means other structures.
pub const FIRMLOG_ABI_VERSION: u32 = 4;

/// Words of a context.
pub const FIRMLOG_AGENT_WORDS: usize = 334;

/// Memory of an agent; what is in it is the library's. Zero it before the first start, and never
/// copy or move it: a copy is not open.
#[derive(Debug)]
#[repr(C)]
pub struct Agent {
    opaque: [u64; FIRMLOG_AGENT_WORDS],
}

impl Memory for Agent {
    type Inner = Inner;
    const MAGIC: usize = 0x464c_6131;
}

const _: () = Agent::FITS;

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
            Error::NotAnUpdate(rule) if status != Status::Signature => {
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

/// This library's version, as text. Static memory.
#[unsafe(no_mangle)]
pub extern "C" fn firmlog_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Closes the context. What waits and was not said is lost: `firmlog_flush` says it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_close(agent: *mut Agent) -> Status {
    // SAFETY: the crate's contract.
    told(unsafe { close(agent) })
}

/// Why a call failed that said `FIRMLOG_STATUS_NOT_LOGGED`, `FIRMLOG_STATUS_DROPPED` or
/// `FIRMLOG_STATUS_STATEMENT`: a status, or 1000 and the number of the broken rule. 0 while nothing
/// has failed; negative if the context is not open.
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

/// Opens a context whose size C states, to tell a header of another library.
///
/// # Safety
/// The contract in the crate's head.
pub(crate) unsafe fn open_sized(
    agent: *mut Agent,
    size: usize,
    make: impl FnOnce() -> Result<Inner, Status>,
) -> Result<(), Status> {
    crate::pointer::check(agent)?;
    if size != size_of::<Agent>() {
        return Err(Status::ContextSize);
    }
    // SAFETY: the caller's promise is handed on.
    unsafe { open(agent, make) }
}
