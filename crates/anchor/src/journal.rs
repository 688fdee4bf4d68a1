//! The journal: what was signed, before it can be anywhere else. One JSON file, replaced whole.
//!
//! ```text
//! <dir>/journal.json     state, replaced atomically (docs/spec/anchor.md)
//! <dir>/lock             held by the one process that anchors from here
//! <dir>/final/<size>.json    evidence of each final anchor
//! <dir>/findings/…       contradictions and lies, both sides whole
//! ```
//!
//! In scope: durability and form. Out of scope: what may follow what (`client`).
//!
//! Invariants:
//! - When [`Journal::update`] returns, the state survives a power cut; if it dies inside, either
//!   the old or the new state is there.
//! - A raw transaction is in the journal before any node has it.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, Bytes};
use firmlog_tlog::merkle::{Hash, TreeHead, TreeSize};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::contract::{Claim, Event};
use crate::error::AnchorError;
use crate::fees::Offer;
use crate::view::Seen;

/// The form this version reads and writes.
pub const FORMAT: &str = "firmlog/anchor-journal/v1";

/// How many final transactions are kept, to heal a gap below the newest.
const PAST_MAX: usize = 32;

/// Whose journal it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Chain id.
    pub chain_id: u64,
    /// The contract.
    pub contract: Address,
    /// The log's origin; none in direct mode.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// The account that sends.
    pub account: Address,
}

/// A checkpoint to be anchored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Entries.
    pub size: u64,
    /// Root.
    pub root: B256,
    /// SHA-256 of `note`.
    pub checkpoint_hash: B256,
    /// The signed checkpoint.
    pub note: String,
}

impl Target {
    /// Size and root.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        TreeHead { size: TreeSize(self.size), root: Hash(self.root.0) }
    }

    /// What is anchored of it.
    #[must_use]
    pub fn claim(&self) -> Claim {
        Claim { head: self.head(), checkpoint_hash: self.checkpoint_hash }
    }
}

/// One signed transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt<T = Target> {
    /// Its hash.
    pub tx: B256,
    /// Its bytes (EIP-2718): what is sent, as often as needed.
    pub raw: Bytes,
    /// The checkpoint it anchors, or the update it logs.
    pub target: T,
    /// What it offers.
    pub offer: Offer,
    /// When it was signed, seconds since 1970.
    pub signed_s: u64,
    /// The newest block then.
    pub signed_block: u64,
    /// Whether a node took it.
    pub sent: bool,
}

/// The transactions of one nonce, of which one is mined in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flight<T = Target, E = Event> {
    /// The nonce all of them have.
    pub nonce: u64,
    /// In order; each offers more than the one before.
    pub attempts: Vec<Attempt<T>>,
    /// Where one was last seen in a block.
    pub mined: Option<Seen<E>>,
}

/// The newest transaction of this journal that is final and did what it was to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done<T = Target, E = Event> {
    /// The checkpoint, or the update.
    pub target: T,
    /// The transaction in its final block.
    pub seen: Seen<E>,
    /// Whether what is kept of it is on disk.
    pub evidence: bool,
}

/// A final anchor.
pub type Anchored = Done;

/// A transaction that was final once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Its nonce.
    pub nonce: u64,
    /// Its bytes.
    pub raw: Bytes,
}

/// Everything that is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State<T = Target, E = Event> {
    /// What form this is, [`FORMAT`] for anchors.
    pub format: String,
    /// Whose it is.
    pub owner: Owner,
    /// What was asked for last and is not final.
    pub target: Option<T>,
    /// What is signed and not final.
    pub flight: Option<Flight<T, E>>,
    /// The newest that is final.
    pub done: Option<Done<T, E>>,
    /// Reverts since.
    pub reverts: u32,
    /// Final transactions, oldest first.
    pub past: Vec<Past>,
}

impl<T, E> State<T, E> {
    fn new(format: &str, owner: Owner) -> Self {
        Self {
            format: format.into(),
            owner,
            target: None,
            flight: None,
            done: None,
            reverts: 0,
            past: Vec::new(),
        }
    }

    /// Ends the flight by the transaction that is final, and remembers its bytes.
    pub fn land(&mut self, tx: B256) -> Option<Attempt<T>> {
        let flight = self.flight.take()?;
        let attempt = flight.attempts.into_iter().find(|attempt| attempt.tx == tx)?;
        self.past.push(Past { nonce: flight.nonce, raw: attempt.raw.clone() });
        let excess = self.past.len().saturating_sub(PAST_MAX);
        self.past.drain(..excess);
        Some(attempt)
    }

    /// The stage of the job, one word.
    #[must_use]
    pub fn stage(&self) -> &'static str {
        match (&self.flight, &self.target, &self.done) {
            (Some(flight), ..) if flight.mined.is_some() => "mined",
            (Some(flight), ..) if flight.attempts.iter().any(|a| a.sent) => "submitted",
            (Some(_), ..) => "signed",
            (None, Some(_), _) => "built",
            (None, None, Some(_)) => "final",
            (None, None, None) => "idle",
        }
    }
}

/// Where a process can die. Tests make it die there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A transaction is signed and only in memory.
    Signed,
    /// The new state is in a file beside the journal.
    Written,
    /// The journal has the new state.
    Replaced,
    /// A node has the transaction; the journal does not say so yet.
    Sent,
    /// The transaction was seen in a block; the journal does not say so yet.
    Mined,
    /// It is final; the journal does not say so yet.
    Final,
    /// Evidence is on disk; the journal does not say so yet.
    Collected,
}

/// What is called at each [`Point`].
pub type Probe = fn(Point);

/// The open journal; one process has it.
#[derive(Debug)]
pub struct Journal<T = Target, E = Event> {
    dir: PathBuf,
    state: State<T, E>,
    probe: Probe,
    _lock: File,
}

impl<T, E> Journal<T, E>
where
    T: Clone + PartialEq + Serialize + DeserializeOwned,
    E: Clone + PartialEq + Serialize + DeserializeOwned,
{
    /// Opens the journal in `dir`, and makes folder and journal if they are not there.
    ///
    /// # Errors
    /// [`AnchorError::Locked`], [`AnchorError::OtherJournal`], storage.
    pub fn open(dir: &Path, format: &str, owner: Owner, probe: Probe) -> Result<Self, AnchorError> {
        for sub in ["final", "findings"] {
            let dir = dir.join(sub);
            fs::create_dir_all(&dir).map_err(AnchorError::io("create", &dir))?;
        }
        let lock = lock(dir)?;
        let state = match read_as(dir, format)? {
            None => State::new(format, owner),
            Some(state) if state.owner == owner => state,
            Some(state) => {
                return Err(AnchorError::OtherJournal {
                    path: dir.to_path_buf(),
                    expected: format!("{owner:?}"),
                    got: format!("{:?}", state.owner),
                });
            }
        };
        Ok(Self { dir: dir.to_path_buf(), state, probe, _lock: lock })
    }

    /// What it says.
    #[must_use]
    pub fn state(&self) -> &State<T, E> {
        &self.state
    }

    /// Where it is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn at(&self, point: Point) {
        (self.probe)(point);
    }

    /// Changes the state, durably. On `Err` memory keeps the state before.
    ///
    /// # Errors
    /// Storage.
    pub fn update(&mut self, change: impl FnOnce(&mut State<T, E>)) -> Result<(), AnchorError> {
        let mut next = self.state.clone();
        change(&mut next);
        if next == self.state {
            return Ok(());
        }
        let text = pretty(&next);
        let path = self.dir.join("journal.json");
        let probe = self.probe;
        replace(&path, text.as_bytes(), || probe(Point::Written))?;
        probe(Point::Replaced);
        self.state = next;
        Ok(())
    }
}

/// Reads the state of anchors without the lock, for looking at it.
///
/// # Errors
/// Storage, or a form this version does not know.
pub fn read(dir: &Path) -> Result<Option<State>, AnchorError> {
    read_as(dir, FORMAT)
}

fn read_as<T: DeserializeOwned, E: DeserializeOwned>(
    dir: &Path,
    format: &str,
) -> Result<Option<State<T, E>>, AnchorError> {
    let path = dir.join("journal.json");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(AnchorError::io("read", &path)(e)),
    };
    let state: State<T, E> =
        serde_json::from_str(&text).map_err(|e| AnchorError::damaged(&path, e))?;
    if state.format != format {
        let why = format!("expected {format}, got {}", state.format);
        return Err(AnchorError::damaged(&path, why));
    }
    Ok(Some(state))
}

/// JSON as it is kept on disk.
pub(crate) fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// Writes a file so that a power cut leaves the old or the new one.
pub(crate) fn replace(
    path: &Path,
    bytes: &[u8],
    written: impl FnOnce(),
) -> Result<(), AnchorError> {
    let temporary = path.with_extension("tmp");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(AnchorError::io("create", &temporary))?;
    file.write_all(bytes).map_err(AnchorError::io("write", &temporary))?;
    file.sync_all().map_err(AnchorError::io("sync", &temporary))?;
    written();
    fs::rename(&temporary, path).map_err(AnchorError::io("rename", &temporary))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(AnchorError::io("sync", dir))
}

pub(crate) fn lock(dir: &Path) -> Result<File, AnchorError> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(AnchorError::io("open", &path))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(AnchorError::Locked(dir.to_path_buf())),
        Err(e) => Err(AnchorError::io("lock", &path)(e.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(origin: &str) -> Owner {
        Owner {
            chain_id: 1,
            contract: Address::repeat_byte(1),
            origin: origin.into(),
            account: Address::repeat_byte(2),
        }
    }

    fn attempt(nonce: u8) -> Attempt {
        let (tx, hash) = (B256::repeat_byte(nonce), B256::repeat_byte(3));
        let target = Target { size: 7, root: hash, checkpoint_hash: hash, note: "a\n7\n".into() };
        let offer = Offer { max_fee_wei: 3, tip_wei: 1 };
        let raw = Bytes::from(vec![2, nonce]);
        Attempt { tx, raw, target, offer, signed_s: 1, signed_block: 2, sent: false }
    }

    fn open(dir: &Path, origin: &str) -> Result<Journal, AnchorError> {
        Journal::open(dir, FORMAT, owner(origin), |_| {})
    }

    #[test]
    fn anc_1_what_was_written_is_read_again_by_one_process() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut journal = open(dir.path(), "o").expect("opens");
        assert_eq!(journal.state().stage(), "idle");
        let flight = Flight { nonce: 4, attempts: vec![attempt(4)], mined: None };
        journal.update(|state| state.flight = Some(flight)).expect("writes");
        assert_eq!(journal.state().stage(), "signed");
        let again = open(dir.path(), "o");
        assert!(matches!(again, Err(AnchorError::Locked(_))), "{again:?}");
        let state = journal.state().clone();
        drop(journal);
        let other = open(dir.path(), "p");
        assert!(matches!(other, Err(AnchorError::OtherJournal { .. })));
        let journal = open(dir.path(), "o").expect("opens");
        assert_eq!(journal.state(), &state);
    }

    #[test]
    fn anc_1_other_forms_are_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut journal = open(dir.path(), "o").expect("opens");
        journal.update(|state| state.reverts = 1).expect("writes");
        let path = dir.path().join("journal.json");
        let text = fs::read_to_string(&path).expect("reads");
        for (from, to) in [("journal/v1", "journal/v2"), ("\"reverts\"", "\"rewinds\"")] {
            fs::write(&path, text.replace(from, to)).expect("writes");
            assert!(matches!(read(dir.path()), Err(AnchorError::Damaged { .. })), "{to}");
        }
    }

    #[test]
    fn a_landed_flight_leaves_its_bytes_for_a_gap() {
        let mut state = State::<Target>::new(FORMAT, owner("o"));
        for nonce in 0..40 {
            let attempts = vec![attempt(100), attempt(nonce)];
            state.flight = Some(Flight { nonce: nonce.into(), attempts, mined: None });
            assert_eq!(state.land(B256::repeat_byte(nonce)), Some(attempt(nonce)));
        }
        assert_eq!(state.flight, None);
        assert_eq!((state.past.len(), state.past[0].nonce), (PAST_MAX, 8));
    }
}
