//! The witness: every status of tlog-witness, races, and storage that fails.

mod world;

use std::path::Path;
use std::sync::Arc;

use firmlog_log::disk::Disk as _;
use firmlog_log::fault::{Fault, FaultDisk, FaultKind, Op};
use firmlog_log::witness::{WitnessStore, witnessed};
use firmlog_log::{Log, LogError, Reader};
use firmlog_tlog::merkle::TreeSize;
use firmlog_tlog::note::{Algorithm, NoteSigner as _};
use firmlog_tlog::policy::Policy;
use firmlog_tlog::witness::AddCheckpoint;
use firmlog_verify::crypto::RustCrypto;
use sha2::{Digest as _, Sha256};
use world::{Key, ORIGIN, Seen, append, entry, fresh, key, named_key, open, small};

fn grown_log() -> Log {
    let config = small(Path::new("/log"));
    let (log, _) = open(&fresh(&config), &config).unwrap();
    let seen = Seen::default();
    append(&log, &seen, &(0..30).map(entry).collect::<Vec<_>>()).unwrap();
    log
}

fn store(disk: &FaultDisk) -> WitnessStore {
    let logs = vec![(ORIGIN.to_owned(), vec![*key().verifier_key()])];
    match WitnessStore::init_on(disk, Path::new("/w"), &[ORIGIN]) {
        Ok(()) | Err(LogError::Exists(_)) => {}
        Err(other) => panic!("{other}"),
    }
    WitnessStore::open_on(Arc::new(disk.clone()), Path::new("/w"), logs).unwrap()
}

fn witness_key(n: u8) -> Key {
    named_key(&format!("witness.example/{n}"), Algorithm::CosignatureV1, 50 + n)
}

fn request(reader: &Reader, old: u64) -> String {
    let published = reader.published();
    let proof = reader.consistency(TreeSize(old), published.head.size).unwrap();
    AddCheckpoint { old: TreeSize(old), proof, checkpoint: &published.checkpoint }.encode()
}

fn status(store: &WitnessStore, body: &str) -> u16 {
    store.add_checkpoint(body.as_bytes(), 1000, &witness_key(1), &RustCrypto).unwrap().status
}

/// J17: a witness that lost its memory would cosign a rewritten log.
#[test]
fn without_its_memory_a_witness_does_not_start() {
    let disk = FaultDisk::new();
    let open = |disk: &FaultDisk| {
        let logs = vec![(ORIGIN.to_owned(), vec![*key().verifier_key()])];
        WitnessStore::open_on(Arc::new(disk.clone()), Path::new("/w"), logs).map(|_| ())
    };
    let missing = |disk| matches!(open(disk), Err(LogError::WitnessStateMissing { .. }));
    assert!(missing(&disk));
    let witness = store(&disk);
    let hex = witness.checkpoint(&hex_of(ORIGIN)).unwrap();
    assert_eq!(hex, None, "nothing was cosigned yet");
    let log = grown_log();
    assert_eq!(status(&witness, &request(&log.reader(), 0)), 200);
    drop(witness);
    assert!(open(&disk).is_ok());
    let again = WitnessStore::init_on(&disk, Path::new("/w"), &["log.example/new", ORIGIN]);
    assert!(matches!(again, Err(LogError::Exists(_))));
    disk.remove(&Path::new("/w").join(hex_of(ORIGIN))).unwrap();
    assert!(missing(&disk));
}

fn hex_of(origin: &str) -> String {
    Sha256::digest(origin.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn each_status_has_its_reason() {
    let disk = FaultDisk::new();
    let witness = store(&disk);
    let log = grown_log();
    let reader = log.reader();
    let first = request(&reader, 0);
    assert_eq!(status(&witness, "old x\n"), 400);
    assert_eq!(status(&witness, &first.replace("old 0", "old 99")), 400);
    assert_eq!(status(&witness, &first.replace(ORIGIN, "log.example/other")), 404);
    let size = reader.published().head.size.0;
    let signature = first.rfind(' ').unwrap();
    let mut spoiled = first.clone();
    let last = if first.as_bytes()[signature + 20] == b'A' { "B" } else { "A" };
    spoiled.replace_range(signature + 20..signature + 21, last);
    assert_eq!(status(&witness, &spoiled), 403);
    assert_eq!(status(&witness, &request(&reader, 7)), 409);
    let with_proof =
        first.replacen("\n\n", &format!("\n{}\n\n", reader.published().head.root.base64()), 1);
    assert_eq!(status(&witness, &with_proof), 422);
    assert_eq!(status(&witness, &first), 200);
    assert_eq!(witness.size(ORIGIN), Some(TreeSize(size)));
    let again = request(&reader, size);
    assert_eq!(status(&witness, &again), 200);
    append(&log, &Seen::default(), &[entry(500)]).unwrap();
    assert_eq!(status(&witness, &first), 409);
    let grown = request(&reader, size);
    let cut: String = grown.lines().filter(|l| l.len() != 44).map(|l| format!("{l}\n")).collect();
    assert!([400, 422].contains(&status(&witness, &cut)));
    assert_eq!(status(&witness, &grown), 200);
    drop(witness);
    let witness = store(&disk.power_cut(1));
    assert_eq!(witness.size(ORIGIN), Some(TreeSize(size + 1)));
}

#[test]
fn racing_requests_pass_once() {
    let witness = store(&FaultDisk::new());
    let log = grown_log();
    let small = request(&log.reader(), 0);
    append(&log, &Seen::default(), &[entry(600)]).unwrap();
    let large = request(&log.reader(), 0);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = [&small, &large, &small, &large]
            .map(|body| scope.spawn(|| status(&witness, body)))
            .into_iter()
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|s| **s == 409).count(), 3);
}

#[test]
fn a_failed_write_silences_until_restart_and_never_goes_back() {
    for kind in [FaultKind::Failed, FaultKind::FailedPersisted, FaultKind::Torn, FaultKind::NoSpace]
    {
        for nth in 0..4 {
            let disk = FaultDisk::new();
            let witness = store(&disk);
            let log = grown_log();
            assert_eq!(status(&witness, &request(&log.reader(), 0)), 200);
            let before = log.reader().published().head.size.0;
            append(&log, &Seen::default(), &[entry(700)]).unwrap();
            disk.inject(Fault { op: Op::Any, path: "/w".into(), nth, times: 1, kind });
            let body = request(&log.reader(), before);
            let result =
                witness.add_checkpoint(body.as_bytes(), 1000, &witness_key(1), &RustCrypto);
            assert!(result.is_err(), "{kind:?} {nth}");
            let again = witness.add_checkpoint(body.as_bytes(), 1000, &witness_key(1), &RustCrypto);
            assert!(again.is_err());
            drop(witness);
            let size = store(&disk.power_cut(nth)).size(ORIGIN).unwrap().0;
            assert!(size == before || size == before + 1);
        }
    }
}

#[test]
fn two_of_three_are_enough() {
    let log = grown_log();
    let checkpoint = log.reader().published().checkpoint.clone();
    let keys: Vec<Key> = (1..4).map(witness_key).collect();
    let mut policy = String::new();
    for (n, key) in keys.iter().enumerate() {
        policy += &format!("witness w{n} {}\n", key.verifier_key());
    }
    policy += "group all 2 w0 w1 w2\nquorum all\n";
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    let body = request(&log.reader(), 0);
    let answers: Vec<String> = keys[..2]
        .iter()
        .map(|key| {
            let witness = store(&FaultDisk::new());
            witness.add_checkpoint(body.as_bytes(), 1000, key, &RustCrypto).unwrap().body
        })
        .collect();
    let one = witnessed(&checkpoint, &answers[..1], &policy, &RustCrypto);
    assert!(!one.satisfied && one.witnesses == ["w0"]);
    let doubled = [answers[0].clone(), answers[0].clone()];
    assert!(!witnessed(&checkpoint, &doubled, &policy, &RustCrypto).satisfied);
    let two = witnessed(&checkpoint, &answers, &policy, &RustCrypto);
    assert!(two.satisfied && two.witnesses == ["w0", "w1"]);
    assert!(two.checkpoint.starts_with(&checkpoint));
}
