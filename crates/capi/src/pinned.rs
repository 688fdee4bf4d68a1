//! The log's word, checked for C: ready-made callbacks for the outbox, and the log's account of
//! where this device's chain ends.
//!
//! ```c
//! static firmlog_pinned pinned = {.root = &root, .scratch = room, .scratch_len = sizeof room};
//! static const firmlog_receipts receipts = {.context = &pinned,
//!                                           .checkpoint = firmlog_pinned_checkpoint,
//!                                           .receipt = firmlog_pinned_receipt};
//! ```
//!
//! In scope: C's side of the questions. Out of scope: the answers (`firmlog_verify::pinned`).

use crate::install::Root;
use crate::machine::on;
use crate::pointer::{answer, borrow, buffer, check, list};
use crate::slot::with;
use crate::status::told;
use crate::{Agent, Chain, Head, Status};
use core::ffi::{c_int, c_void};
use firmlog_agent::journal::Covered;
use firmlog_statement::Signer as _;
use firmlog_tlog::merkle::{Hash, LeafIndex, TreeHead};
use firmlog_verify::RustCrypto;
use firmlog_verify::install;
use firmlog_verify::pinned::{self, Doubt, Own, Said};

/// Whom to believe of the log, and room to check its word in: the context of the two callbacks
/// below. What it points to stays as long as they may be called.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Pinned {
    /// The log, its witnesses, and how many of them must have cosigned a checkpoint.
    pub root: *const Root,
    /// Holds one message at a time: 1024 bytes hold a statement, a receipt's header, and a
    /// checkpoint without extension lines.
    pub scratch: *mut u8,
    /// How much room there is.
    pub scratch_len: usize,
}

/// The newest statement of this device that the log has shown.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Newest {
    /// Where the device's chain goes on, for `firmlog_chain_resume`.
    pub chain: Chain,
    /// The tree that it was proven in, for `firmlog_saw_checkpoint`.
    pub head: Head,
    /// Where the log has it.
    pub index: u64,
}

/// The `checkpoint` of `firmlog_receipts`, with a `firmlog_pinned` as its context: whether the
/// pinned log signed this note, and as many witnesses cosigned it as the root asks for. Returns
/// 0 or the status that tells why not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_pinned_checkpoint(
    context: *mut c_void,
    note: *const u8,
    len: usize,
    head: *mut Head,
) -> c_int {
    let judge = || {
        check(head)?;
        // SAFETY: the crate's contract.
        let found = unsafe {
            let note = list(note, len)?;
            Pinned::ask(context.cast(), |root, room| {
                pinned::checkpoint(note, root, &RustCrypto, room)
            })?
        };
        // SAFETY: as above.
        unsafe { answer(head, (*found).into()) }
    };
    told(judge()).code()
}

/// The `receipt` of `firmlog_receipts`, with a `firmlog_pinned` as its context: whether this
/// receipt, in COSE or as a `.tlog-proof`, shows the statement with this leaf hash, 32 bytes, at
/// `index` of the pinned log. A `.tlog-proof` needs the witnesses too; in COSE there are none.
/// Returns 0 or the status that tells why not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_pinned_receipt(
    context: *mut c_void,
    index: u64,
    leaf: *const u8,
    receipt: *const u8,
    len: usize,
) -> c_int {
    let judge = || {
        // SAFETY: the crate's contract.
        unsafe {
            let leaf = Hash(*borrow::<[u8; 32]>(leaf.cast())?);
            let receipt = list(receipt, len)?;
            let at = (LeafIndex(index), &leaf);
            Pinned::ask(context.cast(), |root, room| {
                pinned::receipt(receipt, at, root, &RustCrypto, room)
            })
        }
    };
    told(judge().map(|_| ())).code()
}

/// Checks what the log shows as the newest statement of this device: the statement, and the
/// `.tlog-proof` of it. This device's key signed the one, and the pinned log and as many witnesses
/// as the root asks for the other, in a tree no smaller than the one proven before. `agent` is
/// open. That the log has nothing newer no proof can show.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_pinned_newest(
    pinned: *const Pinned,
    agent: *mut Agent,
    entry: *const u8,
    entry_len: usize,
    proof: *const u8,
    proof_len: usize,
    newest: *mut Newest,
) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            check(newest)?;
            let shown = (list(entry, entry_len)?, list(proof, proof_len)?);
            let key = inner.holder.public_key();
            let own = Own { device: inner.identity.device, key: &key };
            let said = *Pinned::ask(pinned, |root, room| {
                pinned::own_statement(shown, &own, root, &RustCrypto, room)
            })?;
            let covered = on!(&mut inner.machine, mode => mode.journal().covered());
            let found = Newest::of(&said)?;
            if found.is_behind(&covered) { Err(Status::Stale) } else { answer(newest, found) }
        })
    }
}

impl Pinned {
    /// # Safety
    /// The contract in the crate's head.
    unsafe fn ask<T>(
        pinned: *const Self,
        judge: impl FnOnce(&install::Root<'_>, &mut [u8]) -> Result<T, Doubt>,
    ) -> Result<T, Status> {
        // SAFETY: the caller's promise is handed on.
        unsafe {
            let pinned = borrow(pinned)?;
            let root = borrow(pinned.root)?;
            let room = buffer(pinned.scratch, pinned.scratch_len)?;
            Ok(root.with(|root| judge(root, room))??)
        }
    }
}

impl Newest {
    fn of(said: &Said) -> Result<Self, Status> {
        let next = said.chain.next_seq().ok_or(Status::Range)?;
        let chain = Chain { next, hash: said.chain.hash };
        Ok(Self { chain, head: said.at.head.into(), index: said.at.index.0 })
    }

    /// Whether the log had proven more before, or another tree of this size.
    fn is_behind(&self, covered: &Covered) -> bool {
        let Head { size, root } = self.head;
        let other = size == covered.size && root != covered.root;
        size < covered.size || other || self.chain.next < covered.next
    }
}

impl From<TreeHead> for Head {
    fn from(head: TreeHead) -> Self {
        Self { size: head.size.0, root: head.root.0 }
    }
}

impl From<Doubt> for Status {
    fn from(doubt: Doubt) -> Self {
        match doubt {
            Doubt::Altered => Self::Altered,
            Doubt::OtherLog => Self::OtherLog,
            Doubt::NotWitnessed => Self::NotWitnessed,
            Doubt::NotIncluded => Self::NotIncluded,
            Doubt::NotOwn => Self::NotOwn,
            Doubt::WitnessTwice => Self::WitnessTwice,
            Doubt::ScratchTooSmall => Self::BufferTooSmall,
            _ => Self::Bug,
        }
    }
}
