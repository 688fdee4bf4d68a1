//! The log: entries in order, durable before they are acknowledged, as a C2SP tile log.
//!
//! ```text
//! <dir>/checkpoint                     the checkpoint of what is durable as tiles
//! <dir>/tile/0/000  tile/entries/000   tiles and bundles, exactly as tlog-tiles names them
//! <dir>/wal/…                          what was acknowledged and is not durable as tiles yet
//! <dir>/state/…                        registration snapshots, received times, minimum index,
//!                                      where each leaf hash is
//! <dir>/kept/…                         what pruning leaves of the entries it removes
//! <record path>                        the never-fork record
//! ```
//!
//! In scope: the write path from checked entry to signed checkpoint, reading and proving, crash
//! recovery, backup, pruning, the audit of all of it, and witnesses on both sides. Out of scope:
//! HTTP (`server`), search (`index`), keys (`keys`).
//!
//! Invariants:
//! - An acknowledged entry survives a power cut, and is covered by the checkpoint that came with
//!   the acknowledgement.
//! - The log never signs two checkpoints of which neither extends the other.
//! - Memory does not grow with the number of entries (it does with devices and keys).

pub mod audit;
pub mod disk;
pub mod fault;
pub mod witness;

mod admission;
mod backup;
mod batch;
mod check;
mod config;
mod error;
mod flusher;
mod fsck;
mod kept;
mod leaves;
mod log;
mod publisher;
mod queue;
mod reader;
mod received;
mod record;
mod recovery;
mod sequencer;
mod shared;
mod snapshot;
mod store;
mod tail;
mod wal;
mod window;

pub use backup::{adopt_record, adopt_record_on, backup, backup_on, restore, restore_on};
pub use batch::{Batch, Committed, Outcome, Published, Reply};
pub use check::{Checker, Refusal, Resolved};
pub use config::{Config, Registration};
pub use error::{AppendError, LogError};
pub use fsck::{Damage, FsckProgress, FsckReport, Watch, fsck, fsck_on};
pub use log::{Appender, Log};
pub use reader::{Entry, Reader, Status};
pub use recovery::RecoveryReport;
pub use shared::CheckpointSigner;
