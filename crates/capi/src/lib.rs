//! The agent for firmware in C: one context, callbacks for what the board provides, numbers for
//! what went wrong.
//!
//! ```c
//! static firmlog_agent agent;
//! firmlog_started started;
//! firmlog_status status = firmlog_start(&agent, sizeof agent, &config, &running, &started);
//! if (status == FIRMLOG_STATUS_OK && started.resume == FIRMLOG_RESUME_IDLE) { … }
//! ```
//!
//! In scope: turning C's pointers and numbers into the agent's values and back, and refusing what
//! is none. Out of scope: everything the agent decides (`firmlog-agent`), drivers.
//!
//! Invariants:
//! - `unsafe` stands in `pointer` and `slot`, in calls of C's functions, and in the functions
//!   that C calls, which hand their pointers on to those.
//! - Every pointer is checked for null, every number for its registry, every length for its range.
//!   A context that is not open is known by its magic number, a call from within a callback by its
//!   mark.
//! - No allocation, no libc. A panic would trap and never return to C.
//!
//! The contract of every function that C calls: a pointer that is not null points to memory of its
//! type (or of the length that stands beside it) that nobody else uses during the call, and a
//! context was zeroed or opened. `docs/c-api.md` says it to C.
#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(test)]
extern crate std;

mod clock;
mod codes;
mod context;
mod flash;
mod hash;
#[cfg(feature = "install")]
mod install;
mod journal;
mod key;
mod link;
mod machine;
#[cfg(feature = "install")]
mod mcuboot;
mod outbox;
#[cfg(feature = "install")]
mod pinned;
mod pointer;
mod slot;
mod statement;
mod status;
mod update;

pub use clock::{Clock, Time};
pub use codes::{Event, Logged, Outcome, Phase, Policy, Power, Resume, Source, Sync};
pub use context::{Agent, FIRMLOG_ABI_VERSION, FIRMLOG_AGENT_WORDS};
pub use context::{firmlog_abi_version, firmlog_cause, firmlog_close, firmlog_version};
pub use flash::Flash;
pub use hash::{FIRMLOG_HASH_WORDS, Hash};
pub use hash::{firmlog_hash_add, firmlog_hash_finish, firmlog_hash_start, firmlog_sha256};
#[cfg(feature = "install")]
pub use install::{
    Decision, FIRMLOG_ISSUERS_MAX, FIRMLOG_REVOCATION_KEY, FIRMLOG_REVOCATION_REFUSED,
    FIRMLOG_REVOCATION_RELEASE, FIRMLOG_WITNESSES_MAX, Known, Revocation, Root, Running,
    firmlog_check_install, firmlog_reason_text,
};
pub use journal::{Chain, Config, Covered, Finding, FindingKind, Room, Started};
pub use journal::{
    firmlog_chain_next, firmlog_chain_resume, firmlog_confirm, firmlog_entry, firmlog_entry_oldest,
    firmlog_finding, firmlog_finding_text, firmlog_format, firmlog_note, firmlog_open,
    firmlog_remember, firmlog_room,
};
pub use key::{Algorithm, Key, firmlog_key_id};
#[cfg(feature = "p256")]
pub use key::{firmlog_p256_public, firmlog_p256_sign, firmlog_p256_verify};
pub use link::{Head, Link, Receipts, Reply, Request, RequestKind, Told, TroubleKind};
#[cfg(feature = "install")]
pub use mcuboot::{Mcuboot, firmlog_check_mcuboot, firmlog_measure_mcuboot};
pub use outbox::{FIRMLOG_OUTBOX_WORDS, Outbox};
pub use outbox::{
    firmlog_outbox_answered, firmlog_outbox_close, firmlog_outbox_hurry, firmlog_outbox_poll,
    firmlog_outbox_start, firmlog_send,
};
#[cfg(feature = "install")]
pub use pinned::{
    Newest, Pinned, firmlog_pinned_checkpoint, firmlog_pinned_newest, firmlog_pinned_receipt,
};
pub use statement::{Commitment, Said, Statement};
pub use statement::{firmlog_commit, firmlog_statement_append, firmlog_statement_build};
pub use status::{Status, firmlog_status_text};
pub use update::{Detail, Image, Progress, Target};
pub use update::{
    firmlog_committed, firmlog_flush, firmlog_install_started, firmlog_progress, firmlog_refuse,
    firmlog_saw_checkpoint, firmlog_start, firmlog_step, firmlog_verified,
};

/// Nothing here panics on purpose; should it all the same, the device stops here, where its
/// watchdog finds it, and no half-done call returns to C.
#[cfg(all(feature = "static", not(test)))]
#[panic_handler]
fn stop(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
