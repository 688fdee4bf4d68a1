//! What is said over the link to the log: requests, answers, and what came of them.

use crate::Status;
use crate::pointer::list;
use core::ffi::{c_int, c_void};
use firmlog_agent::outbox::{self, Step, Trouble};
use firmlog_tlog::checkpoint::Unverified;
use firmlog_tlog::merkle::{Hash, TreeHead, TreeSize};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RequestKind {
    /// Nothing until something is recorded.
    Idle = 0,
    /// Nothing before `wait_ms` have passed.
    Wait = 1,
    /// `POST /batch` with `body`, as `application/cbor-seq`.
    Post = 2,
    /// `GET /entries/{index}`: a COSE receipt.
    Fetch = 3,
}

/// What is to be done, and for the log what to ask.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Request {
    /// Which entry.
    pub index: u64,
    /// How long to wait, milliseconds.
    pub wait_ms: u64,
    /// What to send.
    pub body: *const u8,
    /// How much.
    pub body_len: usize,
    /// The library's own: which request this is.
    pub ticket: u32,
    /// `FIRMLOG_REQUEST_KIND_…`.
    pub kind: u8,
}

/// What came of a request.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Reply {
    /// The answer's body, whole; it stays until it was taken.
    pub body: *const u8,
    /// How long it is.
    pub body_len: usize,
    /// `Retry-After`, seconds.
    pub retry_after_s: u32,
    /// The HTTP status; 0 if there is no answer: no connection, too late, or too long.
    pub status: u16,
    /// Whether `retry_after_s` was said.
    pub has_retry_after: u8,
}

/// Carries requests to the log.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Link {
    /// Handed to the callback.
    pub context: *mut c_void,
    /// Carries a request and fills in the answer; everything is zero before, which is none.
    pub exchange: Option<
        unsafe extern "C" fn(context: *mut c_void, request: *const Request, reply: *mut Reply),
    >,
    /// Checks what the log hands out. Null believes it, and then whoever carries the answers can
    /// have the journal erase what the log does not have.
    pub receipts: *const Receipts,
}

/// A tree of the log.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Head {
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: [u8; 32],
}

/// Checks what the log hands out. Each callback returns 0 and fills `head` if it is good; with the
/// feature `install`, `firmlog_pinned_checkpoint` and `firmlog_pinned_receipt` are such.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Receipts {
    /// Handed to each callback.
    pub context: *mut c_void,
    /// Whether a checkpoint, a signed note, is the log's, and which tree it states.
    pub checkpoint: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            note: *const u8,
            len: usize,
            head: *mut Head,
        ) -> c_int,
    >,
    /// Whether a COSE receipt shows that the statement with this leaf hash, 32 bytes, stands at
    /// `index`, in a tree that the log signed. Null if no receipts are asked for.
    pub receipt: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            index: u64,
            leaf: *const u8,
            receipt: *const u8,
            len: usize,
        ) -> c_int,
    >,
}

/// Why nothing more was confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TroubleKind {
    /// None.
    None = 0,
    /// No answer.
    Unreachable = 1,
    /// The log, or something before it, answers with the HTTP status in `number`.
    Status = 2,
    /// The log has no time.
    Busy = 3,
    /// The log does not take statement `number`: key unknown or revoked, or signature wrong.
    Refused = 4,
    /// The answer cannot be one to what was sent.
    Nonsense = 5,
    /// The checkpoint, or a receipt, was not believed.
    Unproven = 6,
    /// The log has less than it proved to have: statements below `number` had been proven.
    WentBack = 7,
    /// Two roots of one size, `number`: the log showed this device another tree before.
    SplitView = 8,
    /// The head that the log names is not in this device's chain, from `number` on.
    OtherHistory = 9,
    /// Statement `number`, which the log asks for, cannot be read any more.
    Missing = 10,
    /// One this library has no name for.
    Other = 11,
}

/// What an answer changed.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Told {
    /// Statements below this one are in the log now.
    pub confirmed: u64,
    /// Place in the chain of a statement that the log took as a fork: another history of this
    /// device is there.
    pub fork_seq: u64,
    /// Where the log has it.
    pub fork_index: u64,
    /// What the trouble is about.
    pub number: u64,
    /// Whether anything was confirmed.
    pub has_confirmed: u8,
    /// Whether there is a fork.
    pub has_fork: u8,
    /// `FIRMLOG_TROUBLE_…`.
    pub trouble: u8,
}

impl Request {
    pub(crate) fn of(step: Step, body: *const u8) -> Self {
        let idle = Self {
            index: 0,
            wait_ms: 0,
            body: core::ptr::null(),
            body_len: 0,
            ticket: 0,
            kind: RequestKind::Idle as u8,
        };
        match step {
            Step::Idle => idle,
            Step::Wait { ms } => Self { wait_ms: ms, kind: RequestKind::Wait as u8, ..idle },
            Step::Post { ticket, len } => {
                Self { body, body_len: len, ticket, kind: RequestKind::Post as u8, ..idle }
            }
            Step::Fetch { ticket, index } => {
                Self { index, ticket, kind: RequestKind::Fetch as u8, ..idle }
            }
        }
    }
}

impl Reply {
    const NONE: Self = Self {
        body: core::ptr::null(),
        body_len: 0,
        retry_after_s: 0,
        status: 0,
        has_retry_after: 0,
    };

    /// What C says came of it.
    ///
    /// # Safety
    /// The contract in the crate's head.
    pub(crate) unsafe fn read(&self) -> Result<outbox::Reply<'_>, Status> {
        if self.status == 0 {
            return Ok(outbox::Reply::None);
        }
        // SAFETY: the caller's promise is handed on.
        let body = unsafe { list(self.body, self.body_len) }?;
        let retry_after_s = (self.has_retry_after != 0).then_some(self.retry_after_s);
        Ok(outbox::Reply::Answer { status: self.status, retry_after_s, body })
    }
}

impl Link {
    pub(crate) fn check(&self) -> Result<&Self, Status> {
        if self.exchange.is_some() { Ok(self) } else { Err(Status::NoCallback) }
    }

    pub(crate) fn carry(&self, request: &Request) -> Reply {
        let mut reply = Reply::NONE;
        if let Some(exchange) = self.exchange {
            // SAFETY: request and reply are ours to lend; the caller keeps to its prototype.
            unsafe { exchange(self.context, request, &raw mut reply) };
        }
        reply
    }
}

/// C's checks, or none.
pub(crate) struct Judge<'a>(Option<&'a Receipts>);

impl<'a> Judge<'a> {
    pub(crate) fn new(receipts: Option<&'a Receipts>) -> Result<Self, Status> {
        match receipts {
            Some(Receipts { checkpoint: None, .. }) => Err(Status::NoCallback),
            receipts => Ok(Self(receipts)),
        }
    }
}

impl outbox::Receipts for Judge<'_> {
    fn wants_receipts(&self) -> bool {
        self.0.is_some_and(|receipts| receipts.receipt.is_some())
    }

    fn checkpoint(&mut self, note: &[u8]) -> Option<TreeHead> {
        let Some(receipts) = self.0 else {
            return Unverified::parse(note).ok().map(|checkpoint| checkpoint.claimed().head());
        };
        let mut head = Head { size: 0, root: [0; 32] };
        let (bytes, len) = (note.as_ptr(), note.len());
        // SAFETY: the note is as long as said and the head ours to lend; the caller keeps to its
        // prototype.
        let good = unsafe { receipts.checkpoint?(receipts.context, bytes, len, &raw mut head) };
        (good == 0).then_some(head.tree())
    }

    fn receipt(&mut self, index: u64, leaf: &Hash, receipt: &[u8]) -> bool {
        let Some((receipts, check)) = self.0.and_then(|all| Some((all, all.receipt?))) else {
            return false;
        };
        let (leaf, bytes, len) = (leaf.0.as_ptr(), receipt.as_ptr(), receipt.len());
        // SAFETY: leaf and receipt are as long as said; the caller keeps to its prototype.
        unsafe { check(receipts.context, index, leaf, bytes, len) == 0 }
    }
}

impl Head {
    const fn tree(&self) -> TreeHead {
        TreeHead { size: TreeSize(self.size), root: Hash(self.root) }
    }
}

impl Told {
    pub(crate) fn of(told: &outbox::Told<'_>) -> Self {
        let (trouble, number) = told.trouble.map_or((TroubleKind::None, 0), |trouble| {
            use TroubleKind as K;
            match trouble {
                Trouble::Unreachable => (K::Unreachable, 0),
                Trouble::Status(status) => (K::Status, status.into()),
                Trouble::Busy => (K::Busy, 0),
                Trouble::Refused { seq } => (K::Refused, seq),
                Trouble::Nonsense => (K::Nonsense, 0),
                Trouble::Unproven => (K::Unproven, 0),
                Trouble::WentBack { proven, .. } => (K::WentBack, proven),
                Trouble::SplitView { size } => (K::SplitView, size),
                Trouble::OtherHistory { seq } => (K::OtherHistory, seq),
                Trouble::Missing { seq } => (K::Missing, seq),
                _ => (K::Other, 0),
            }
        });
        let fork = told.fork;
        Self {
            confirmed: told.covered.map_or(0, |covered| covered.next),
            fork_seq: fork.map_or(0, |fork| fork.seq),
            fork_index: fork.map_or(0, |fork| fork.index),
            number,
            has_confirmed: told.covered.is_some().into(),
            has_fork: fork.is_some().into(),
            trouble: trouble as u8,
        }
    }
}
