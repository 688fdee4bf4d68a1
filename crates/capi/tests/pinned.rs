//! The log's word as C has it checked: checkpoints and receipts with real signatures, and where
//! this device's chain ends, good and spoiled.

#[path = "../../verify/tests/common/mod.rs"]
mod common;

mod behind;

use behind::Behind;
use common::log::{Named, TestLog};
use common::{Key, ORIGIN, World};
use firmlog_capi::*;
use firmlog_statement::{entry_hash, leaf_hash};
use firmlog_tlog::merkle::{LeafIndex, TreeSize};
use firmlog_tlog::note::{Algorithm as NoteAlgorithm, NoteSigner as _};
use firmlog_verify::receipt::Receipt;
use firmlog_verify::receipt::cose::RootSignature;
use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::{null, null_mut};

/// What a device pins of this log, and room for the check.
struct Pins {
    pinned: Pinned,
    root: Box<Root>,
    room: Vec<u8>,
    witnesses: Vec<*const c_char>,
    keys: Vec<CString>,
}

impl Pins {
    fn new(log: &TestLog, quorum: u8) -> Self {
        let all = [&log.log, &log.witnesses[0], &log.witnesses[1]];
        let text = |it: &&Named| CString::new(it.verifier_key().to_string()).unwrap();
        let keys: Vec<CString> = all.iter().map(text).collect();
        let witnesses: Vec<*const c_char> = keys[1..].iter().map(|key| key.as_ptr()).collect();
        let root = Box::new(Root {
            log: keys[0].as_ptr(),
            witnesses: witnesses.as_ptr(),
            witnesses_len: 2,
            genesis: leaf_hash(&log.entries[0]),
            quorum,
        });
        let mut room = vec![0; 1024];
        let (scratch, scratch_len) = (room.as_mut_ptr(), room.len());
        let pinned = Pinned { root: &raw const *root, scratch, scratch_len };
        Self { pinned, root, room, witnesses, keys }
    }

    fn context(&mut self) -> *mut c_void {
        (&raw mut self.pinned).cast()
    }

    /// The status, and the tree that the checkpoint states.
    fn checkpoint(&mut self, note: &[u8]) -> (c_int, u64, [u8; 32]) {
        let mut head = Head { size: 0, root: [0; 32] };
        let (context, bytes) = (self.context(), note.as_ptr());
        // SAFETY: all of it lives through the call.
        let code = unsafe { firmlog_pinned_checkpoint(context, bytes, note.len(), &raw mut head) };
        (code, head.size, head.root)
    }

    fn receipt(&mut self, index: u64, leaf: &[u8; 32], receipt: &[u8]) -> Status {
        let (context, bytes) = (self.context(), receipt.as_ptr());
        // SAFETY: all of it lives through the call.
        let code =
            unsafe { firmlog_pinned_receipt(context, index, leaf.as_ptr(), bytes, receipt.len()) };
        *ALL.iter().find(|status| **status as c_int == code).unwrap()
    }
}

const ALL: [Status; 10] = [
    Status::Ok,
    Status::NullPointer,
    Status::BufferTooSmall,
    Status::Altered,
    Status::OtherLog,
    Status::NotWitnessed,
    Status::NotIncluded,
    Status::NotOwn,
    Status::WitnessTwice,
    Status::Stale,
];

fn log() -> TestLog {
    let world = World::new();
    let mut entries = world.entries.clone();
    entries.push(world.release_as("acme.example", 3));
    TestLog::new(entries)
}

/// A log with this name whose key is another.
fn other_log(name: &str) -> TestLog {
    let mut other = log();
    other.log = Named::new(103, name, NoteAlgorithm::Ed25519);
    other
}

fn cose(log: &TestLog, index: usize) -> Vec<u8> {
    let size = log.entries.len();
    let signed = RootSignature::sign(&log.head(size).root, ORIGIN, &log.log.key).unwrap();
    let (at, path) = (LeafIndex(index as u64), log.path(index, size));
    signed.inclusion_receipt(TreeSize(size as u64), at, &path).unwrap()
}

fn proof(log: &TestLog, index: usize, witnesses: usize) -> Vec<u8> {
    let size = log.entries.len();
    let (at, path) = (LeafIndex(index as u64), log.path(index, size));
    Receipt::new(at, path, log.checkpoint(size, witnesses)).encode().into_bytes()
}

/// Every byte of `good` altered once, in two ways.
fn spoiled(good: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..good.len()).flat_map(|at| [1, 0x80].map(|bit| (at, bit))).map(|(at, bit)| {
        let mut bytes = good.to_vec();
        bytes[at] ^= bit;
        bytes
    })
}

#[test]
fn a_checkpoint_of_the_pinned_log_and_its_witnesses_is_believed() {
    let log = log();
    let note = log.checkpoint(5, 2);
    let head = log.head(5);
    for quorum in 0..=2 {
        let found = Pins::new(&log, quorum).checkpoint(note.as_bytes());
        assert_eq!(found, (0, 5, head.root.0));
    }
    let alone = log.checkpoint(5, 0);
    assert_eq!(Pins::new(&log, 0).checkpoint(alone.as_bytes()).0, 0);
    assert_eq!(Pins::new(&log, 1).checkpoint(alone.as_bytes()).0, Status::NotWitnessed as c_int);
}

#[test]
fn another_checkpoint_has_its_status_and_states_nothing() {
    let log = log();
    let mut pins = Pins::new(&log, 2);
    let mut refused = |note: &[u8], wanted: Status| {
        assert_eq!(pins.checkpoint(note), (wanted as c_int, 0, [0; 32]));
    };
    refused(log.checkpoint(5, 1).as_bytes(), Status::NotWitnessed);
    refused(other_log(ORIGIN).checkpoint(5, 2).as_bytes(), Status::OtherLog);
    refused(b"other.example/pumps\n5\nAAAA\n", Status::Altered);
    refused(b"", Status::Altered);
    let renamed = log.checkpoint(5, 2).replace(ORIGIN, "log.example/other");
    refused(renamed.as_bytes(), Status::OtherLog);
    let other_size = log.checkpoint(5, 2).replacen("\n5\n", "\n6\n", 1);
    refused(other_size.as_bytes(), Status::Altered);
    for note in spoiled(log.checkpoint(5, 2).as_bytes()) {
        assert_ne!(pins.checkpoint(&note).0, 0, "{}", String::from_utf8_lossy(&note));
    }
}

#[test]
fn what_is_pinned_badly_believes_nothing() {
    let log = log();
    let note = log.checkpoint(5, 2);
    let refused = |wanted: Status, change: &dyn Fn(&mut Pins)| {
        let mut pins = Pins::new(&log, 2);
        change(&mut pins);
        assert_eq!(pins.checkpoint(note.as_bytes()).0, wanted as c_int);
    };
    refused(Status::WitnessTwice, &|pins| pins.witnesses[1] = pins.witnesses[0]);
    refused(Status::Range, &|pins| pins.root.quorum = 3);
    refused(Status::Key, &|pins| pins.root.log = c"log.example/pumps+00000000+AAAA".as_ptr());
    refused(Status::NullPointer, &|pins| pins.pinned.root = null());
    refused(Status::NullPointer, &|pins| pins.pinned.scratch = null_mut());
    refused(Status::BufferTooSmall, &|pins| pins.pinned.scratch_len = 90);
    // The log's own key is no witness.
    refused(Status::Altered, &|pins| pins.witnesses[1] = pins.keys[0].as_ptr());
    let mut pins = Pins::new(&log, 2);
    assert_eq!(pins.room.len(), 1024);
    // SAFETY: null is what is asked about.
    let asked = unsafe {
        [
            firmlog_pinned_checkpoint(pins.context(), note.as_ptr(), note.len(), null_mut()),
            firmlog_pinned_checkpoint(null_mut(), note.as_ptr(), 0, &raw mut HEAD),
            firmlog_pinned_receipt(pins.context(), 0, null(), note.as_ptr(), 9),
            firmlog_pinned_newest(null(), null_mut(), null(), 0, null(), 0, null_mut()) as c_int,
        ]
    };
    assert_eq!(asked, [Status::NullPointer as c_int; 4]);
}

static mut HEAD: Head = Head { size: 0, root: [0; 32] };

#[test]
fn a_receipt_in_either_form_proves_one_leaf_at_one_place() {
    let log = log();
    let mut pins = Pins::new(&log, 2);
    for index in 0..log.entries.len() {
        let leaf = leaf_hash(&log.entries[index]);
        let other = leaf_hash(&log.entries[(index + 1) % log.entries.len()]);
        for receipt in [cose(&log, index), proof(&log, index, 2)] {
            assert_eq!(pins.receipt(index as u64, &leaf, &receipt), Status::Ok);
            assert_eq!(pins.receipt(index as u64 + 1, &leaf, &receipt), Status::NotIncluded);
            assert_eq!(pins.receipt(index as u64, &other, &receipt), Status::NotIncluded);
        }
    }
}

#[test]
fn another_receipt_has_its_status() {
    let log = log();
    let (mut pins, leaf) = (Pins::new(&log, 2), leaf_hash(&log.entries[3]));
    assert_eq!(pins.receipt(3, &leaf, &proof(&log, 3, 1)), Status::NotWitnessed);
    for receipt in [cose(&other_log(ORIGIN), 3), proof(&other_log(ORIGIN), 3, 2)] {
        assert_eq!(pins.receipt(3, &leaf, &receipt), Status::OtherLog);
    }
    for nothing in [&b""[..], b"\xd2\x84", b"c2sp.org/tlog-proof@v1\n"] {
        assert_eq!(pins.receipt(3, &leaf, nothing), Status::Altered);
    }
    for receipt in [cose(&log, 3), proof(&log, 3, 2)] {
        for bytes in spoiled(&receipt) {
            assert_ne!(pins.receipt(3, &leaf, &bytes), Status::Ok, "{bytes:?}");
        }
    }
    pins.pinned.scratch_len = 80;
    assert_eq!(pins.receipt(3, &leaf, &cose(&log, 3)), Status::BufferTooSmall);
}

/// The first device of the world, with its journal, and the log that has what it said.
struct Case {
    world: World,
    board: Box<Behind<Key>>,
    agent: Box<std::mem::MaybeUninit<Agent>>,
    log: TestLog,
    said: Vec<Vec<u8>>,
}

static RUNNING: Image = Image { version: 1, counter: 1, sha256: [1; 32] };

impl Case {
    /// A device that said something, all of which the log has.
    fn new() -> Self {
        let world = World::new();
        let key = world.devices[0].key.clone();
        let board = Box::new(Behind::new([12, 2048, 8], key));
        let agent = Box::new(std::mem::MaybeUninit::zeroed());
        let log = TestLog::new(world.entries.clone());
        let mut case = Self { world, board, agent, log, said: vec![] };
        let (flash, seed) = (case.board.config().flash, case.world.devices[0].seed);
        let start = Chain { next: 0, hash: seed };
        // SAFETY: both live through the call.
        assert_eq!(unsafe { firmlog_format(&raw const flash, &raw const start) }, Status::Ok);
        case.start();
        for _ in 0..3 {
            case.step();
        }
        case.said = (0..4).map(|seq| case.entry(seq)).collect();
        case.log.entries.extend(case.said.clone());
        case
    }

    fn start(&mut self) {
        let config = self.board.config();
        *self.agent = std::mem::MaybeUninit::zeroed();
        let (agent, size) = (self.agent.as_mut_ptr(), size_of::<Agent>());
        let (config, running) = (&raw const config, &raw const RUNNING);
        // SAFETY: all of it lives as long as the case.
        let started = unsafe { firmlog_start(agent, size, config, running, null_mut()) };
        assert_eq!(started, Status::Ok);
    }

    fn step(&mut self) {
        let (agent, event) = (self.agent.as_mut_ptr(), Event::TamperDetected as u16);
        // SAFETY: an open context.
        assert_eq!(unsafe { firmlog_step(agent, event, null(), null_mut()) }, Status::Ok);
    }

    fn entry(&mut self, seq: u64) -> Vec<u8> {
        let (mut entry, mut len) = (vec![0; 640], 0);
        let (agent, out) = (self.agent.as_mut_ptr(), entry.as_mut_ptr());
        // SAFETY: all of it lives through the call.
        let read = unsafe { firmlog_entry(agent, seq, out, 640, &raw mut len) };
        assert_eq!(read, Status::Ok);
        entry.truncate(len);
        entry
    }

    fn next(&mut self) -> Result<(u64, [u8; 32]), Status> {
        let mut chain = Chain { next: 0, hash: [0; 32] };
        // SAFETY: an open context.
        match unsafe { firmlog_chain_next(self.agent.as_mut_ptr(), &raw mut chain) } {
            Status::Ok => Ok((chain.next, chain.hash)),
            status => Err(status),
        }
    }

    fn confirm(&mut self, size: u64, root: [u8; 32]) {
        let covered = Covered { next: 2, size, root };
        // SAFETY: an open context.
        let done = unsafe { firmlog_confirm(self.agent.as_mut_ptr(), &raw const covered) };
        assert_eq!(done, Status::Ok);
    }

    fn ask(&mut self, pins: &Pins, entry: &[u8], proof: &[u8]) -> Result<Newest, Status> {
        let mut newest = std::mem::MaybeUninit::uninit();
        let (pinned, agent) = (&raw const pins.pinned, self.agent.as_mut_ptr());
        let (bytes, file) = (entry.as_ptr(), proof.as_ptr());
        let (len, file_len, out) = (entry.len(), proof.len(), newest.as_mut_ptr());
        // SAFETY: all of it lives through the call.
        let status =
            unsafe { firmlog_pinned_newest(pinned, agent, bytes, len, file, file_len, out) };
        // SAFETY: written with OK.
        if status == Status::Ok { Ok(unsafe { newest.assume_init() }) } else { Err(status) }
    }

    /// Puts this into the log too, and asks about it.
    fn ask_of(&mut self, pins: &Pins, entry: Vec<u8>) -> Result<Newest, Status> {
        self.log.entries.push(entry.clone());
        let proof = proof(&self.log, self.log.entries.len() - 1, 2);
        self.ask(pins, &entry, &proof)
    }
}

#[test]
fn the_newest_statement_of_this_device_is_where_its_chain_goes_on() {
    let mut case = Case::new();
    let pins = Pins::new(&case.log, 2);
    let last = case.log.entries.len() - 1;
    let (entry, file) = (case.said[3].clone(), proof(&case.log, last, 2));
    let newest = case.ask(&pins, &entry, &file).unwrap();
    assert_eq!((newest.chain.next, newest.chain.hash), case.next().unwrap());
    let head = case.log.head(last + 1);
    assert_eq!((newest.index, newest.head.size), (last as u64, head.size.0));
    assert_eq!(newest.head.root, head.root.0);
}

/// Damage hides the end; the log's word, checked, opens the way, and the next statement names what
/// the log has.
#[test]
fn a_journal_whose_end_is_damaged_goes_on_where_the_log_proves_it() {
    let mut case = Case::new();
    let pins = Pins::new(&case.log, 2);
    let last = case.log.entries.len() - 1;
    let (entry, file) = (case.said[3].clone(), proof(&case.log, last, 2));
    let image = case.board.flash.image();
    let at = image.windows(entry.len()).position(|bytes| bytes == entry).unwrap();
    case.board.flash.flip(8 * (at + 100));
    case.start();
    assert_eq!(case.next(), Err(Status::ChainUnknown));
    let newest = case.ask(&pins, &entry, &file).unwrap();
    let (agent, chain) = (case.agent.as_mut_ptr(), &raw const newest.chain);
    // SAFETY: all of it lives through the call.
    let resumed = unsafe { firmlog_chain_resume(agent, chain, &raw const RUNNING, null_mut()) };
    assert_eq!(resumed, Status::Ok);
    let gap = case.entry(4);
    let gap = firmlog_statement::Parsed::parse(&gap).unwrap().update_head().unwrap();
    assert_eq!(gap.prev, entry_hash(&entry));
}

#[test]
fn another_account_of_the_chain_has_its_status() {
    let mut case = Case::new();
    let pins = Pins::new(&case.log, 2);
    let (seed, last) = (case.world.devices[0].seed, case.log.entries.len() - 1);
    let (entry, file) = (case.said[3].clone(), proof(&case.log, last, 2));
    let refused = |found: Result<Newest, Status>| found.unwrap_err();

    let few = proof(&case.log, last, 1);
    assert_eq!(refused(case.ask(&pins, &entry, &few)), Status::NotWitnessed);
    let before = proof(&case.log, last - 1, 2);
    assert_eq!(refused(case.ask(&pins, &entry, &before)), Status::NotIncluded);
    case.log.log = other_log(ORIGIN).log;
    let others = proof(&case.log, last, 2);
    assert_eq!(refused(case.ask(&pins, &entry, &others)), Status::OtherLog);
    case.log.log = log().log;
    // In COSE nothing says who witnessed it.
    let signed = cose(&case.log, last);
    assert_eq!(refused(case.ask(&pins, &entry, &signed)), Status::Altered);

    let of_another = case.world.update(2, 4, seed);
    assert_eq!(refused(case.ask_of(&pins, of_another)), Status::NotOwn);
    let by_another = case.world.update_by(&Key::p256(9), 0, 4, seed);
    assert_eq!(refused(case.ask_of(&pins, by_another)), Status::NotOwn);
    let release = case.world.release_as("acme.example", 3);
    assert_eq!(refused(case.ask_of(&pins, release)), Status::NotOwn);
    let mut forged = entry.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(refused(case.ask_of(&pins, forged)), Status::Altered);
    for bytes in spoiled(&entry).step_by(7) {
        assert!(case.ask(&pins, &bytes, &file).is_err(), "{bytes:?}");
    }
    for bytes in spoiled(&file).step_by(7) {
        assert!(case.ask(&pins, &entry, &bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn less_than_the_log_had_proven_is_stale() {
    let mut case = Case::new();
    let pins = Pins::new(&case.log, 2);
    let size = case.log.entries.len();
    let (entry, file) = (case.said[3].clone(), proof(&case.log, size - 1, 2));
    let (old, old_file) = (case.said[0].clone(), proof(&case.log, size - 4, 2));
    case.confirm(size as u64 - 1, [7; 32]);
    assert_eq!(case.ask(&pins, &old, &old_file).unwrap_err(), Status::Stale);
    assert_eq!(case.ask(&pins, &entry, &file).unwrap().chain.next, 4);
    for (size, root) in [(size as u64, [7; 32]), (size as u64 + 1, [7; 32])] {
        let mut case = Case::new();
        case.confirm(size, root);
        assert_eq!(case.ask(&pins, &entry, &file).unwrap_err(), Status::Stale);
    }
    let mut case = Case::new();
    case.confirm(size as u64, case.log.head(size).root.0);
    assert_eq!(case.ask(&pins, &entry, &file).unwrap().chain.next, 4);
}
