//! The view against records made by hand: every query, the fork rule, rebuild, erasure.

use std::collections::BTreeMap;

use firmlog_index::{
    Applied, Chain, Disclosed, EntryFilter, Error, Hit, Index, Query, Record, Runs, detect,
};
use firmlog_tlog::merkle::LeafIndex;
use firmlog_verify::gather::Wanted;

const DEVICE: [u8; 32] = [0xd1; 32];
const IMAGE: [u8; 32] = [0x1a; 32];

fn release(leaf: u8) -> Record {
    Record {
        leaf: [leaf; 32],
        kind: 1,
        issuer: "acme.example/fw".to_owned(),
        subject: "ip-200/app 4.2.1".to_owned(),
        version: Some("4.2.1".to_owned()),
        version_code: Some(0x0004_0002_0001),
        image: Some(IMAGE),
        model: Some("IP-200".to_owned()),
        ..Record::default()
    }
}

fn approval(leaf: u8, target: u8, meaning: u64) -> Record {
    Record {
        leaf: [leaf; 32],
        kind: 2,
        issuer: "acme.example/people".to_owned(),
        subject: "ip-200/app 4.2.1".to_owned(),
        target: Some([target; 32]),
        meaning: Some(meaning),
        ..Record::default()
    }
}

fn update(leaf: u8, seq: u64) -> Record {
    Record {
        leaf: [leaf; 32],
        kind: 4,
        issuer: "acme.example/devices".to_owned(),
        subject: "ip-200/app".to_owned(),
        device: Some(DEVICE),
        seq: Some(seq),
        version: Some("4.2.1".to_owned()),
        version_code: Some(0x0004_0002_0001),
        image: Some(IMAGE),
        model: Some("IP-200".to_owned()),
        outcome: Some(1),
        runs: Some(Runs {
            version: None,
            version_code: Some(0x0004_0002_0001),
            counter: None,
            image: Some(IMAGE),
        }),
        ..Record::default()
    }
}

fn open() -> (tempfile::TempDir, Index) {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(&dir.path().join("index.db"), "log.example").unwrap();
    (dir, index)
}

fn all(records: impl IntoIterator<Item = (u64, Option<Record>)>, seen_ms: u64) -> Vec<Applied> {
    records.into_iter().map(|(index, record)| Applied { index, record, seen_ms }).collect()
}

fn fill(index: &Index) -> u64 {
    let records = [
        (0, Some(release(10))),
        (1, Some(approval(11, 10, 2))),
        (2, Some(approval(12, 10, 4))),
        (3, None),
        (4, Some(update(14, 0))),
        (5, Some(update(15, 1))),
        (6, Some(update(16, 1))),
    ];
    index.apply_records(&all(records, 1_000)).unwrap()
}

#[test]
fn covers_what_was_applied_and_refuses_a_gap() {
    let (_dir, index) = open();
    assert_eq!(index.covered().unwrap(), 0);
    fill(&index);
    assert_eq!(index.covered().unwrap(), 7);
    let gap = index.apply_records(&all([(9, None)], 2_000));
    assert!(matches!(gap, Err(Error::NotNext { expected: 7, got: 9 })));
    assert_eq!(index.covered().unwrap(), 7);
}

#[test]
fn a_forked_chain_is_found_and_the_device_keeps_its_state() {
    let (_dir, index) = open();
    assert_eq!(fill(&index), 1);
    let findings = index.findings(None, None, 10).unwrap().rows;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].kind, "chain_fork");
    assert_eq!((findings[0].index, findings[0].other_index), (Some(6), Some(5)));
    assert_eq!(findings[0].device, Some(DEVICE));
    let device = index.device(&DEVICE).unwrap().unwrap();
    assert_eq!((device.entries, device.forks, device.seq), (3, 1, Some(1)));
    assert_eq!(device.last_index, 6);
    assert_eq!(device.version.as_deref(), Some("4.2.1"));
}

/// Equal bytes are no second history: the log took an entry in twice, and the device is blameless.
#[test]
fn an_entry_that_stands_twice_is_the_logs_fault_and_no_fork() {
    let (_dir, index) = open();
    let policy = approval(20, 10, 0);
    let lowered = approval(21, 10, 0);
    let records = [
        (0, Some(release(10))),
        (1, Some(lowered.clone())),
        (2, Some(policy)),
        (3, Some(update(13, 0))),
        (4, Some(update(14, 1))),
        (5, Some(update(13, 0))),
        (6, Some(update(14, 1))),
        (7, Some(lowered)),
    ];
    assert_eq!(index.apply_records(&all(records, 1_000)).unwrap(), 3);
    let findings = index.findings(None, None, 10).unwrap().rows;
    let told = |at: usize| {
        let found = &findings[at];
        (found.kind.as_str(), found.severity.as_str(), found.index, found.other_index, found.device)
    };
    assert_eq!(told(0), ("duplicate_entry", "P1", Some(7), Some(1), None));
    assert_eq!(told(1), ("duplicate_entry", "P1", Some(6), Some(4), Some(DEVICE)));
    assert_eq!(told(2), ("duplicate_entry", "P1", Some(5), Some(3), Some(DEVICE)));
    assert!(findings[2].detail.starts_with("the log holds entry 3 once more at 5"), "{findings:?}");
    assert_eq!(index.device(&DEVICE).unwrap().unwrap().forks, 0);
}

#[test]
fn device_history_is_paged_newest_first() {
    let (_dir, index) = open();
    fill(&index);
    let filter = EntryFilter { device: Some(DEVICE), ..EntryFilter::default() };
    let first = index.entries(&filter, None, 2).unwrap();
    assert_eq!(first.rows.iter().map(|row| row.index).collect::<Vec<_>>(), [6, 5]);
    let second = index.entries(&filter, first.next, 2).unwrap();
    assert_eq!(second.rows.iter().map(|row| row.index).collect::<Vec<_>>(), [4]);
    assert_eq!(second.next, None);
    let wanted = Wanted::Device(firmlog_statement::DeviceId(DEVICE));
    assert_eq!(index.find(&wanted, 6).unwrap(), [LeafIndex(4), LeafIndex(5)]);
    assert_eq!(second.rows[0].record.device, Some(DEVICE));
    assert_eq!(second.rows[0].seen_ms, Some(1_000));
}

#[test]
fn every_filter_narrows() {
    let (_dir, index) = open();
    fill(&index);
    let count = |filter: EntryFilter| index.entries(&filter, None, 100).unwrap().rows.len();
    let all = EntryFilter::default;
    assert_eq!(count(all()), 6);
    assert_eq!(count(EntryFilter { kind: Some(2), ..all() }), 2);
    assert_eq!(count(EntryFilter { issuer: Some("acme.example/fw".into()), ..all() }), 1);
    assert_eq!(count(EntryFilter { subject: Some("ip-200/app".into()), ..all() }), 3);
    assert_eq!(count(EntryFilter { image: Some(IMAGE), ..all() }), 4);
    assert_eq!(count(EntryFilter { target: Some([10; 32]), ..all() }), 2);
    assert_eq!(count(EntryFilter { version: Some("9".into()), ..all() }), 0);
    assert_eq!(count(EntryFilter { outcome: Some(1), ..all() }), 3);
    assert_eq!(count(EntryFilter { initiator: Some(1), ..all() }), 0);
    assert_eq!(count(EntryFilter { seen_from_ms: Some(1_000), ..all() }), 6);
    assert_eq!(count(EntryFilter { seen_from_ms: Some(1_001), ..all() }), 0);
    assert_eq!(count(EntryFilter { seen_until_ms: Some(1_000), ..all() }), 0);
    assert_eq!(count(EntryFilter { seen_until_ms: Some(1_001), ..all() }), 6);
}

#[test]
fn a_release_counts_its_devices() {
    let (_dir, index) = open();
    fill(&index);
    let row = index.release(0).unwrap().unwrap();
    assert_eq!(row.devices, 1);
    assert_eq!(row.entry.record.model.as_deref(), Some("IP-200"));
    assert!(index.release(1).unwrap().is_none());
    let fleet = index.fleet(Some("IP-200"), 10).unwrap();
    assert_eq!((fleet[0].version.as_str(), fleet[0].devices), ("4.2.1", 1));
}

/// A device need not name the version: its entries have the name of the release of their image.
#[test]
fn entries_without_a_version_have_the_one_of_their_release() {
    let (_dir, index) = open();
    let nameless = |leaf, seq, image| {
        let runs = Some(Runs { image: Some(image), ..Runs::default() });
        Record { version: None, image: Some(image), runs, ..update(leaf, seq) }
    };
    let records = [
        (0, Some(release(10))),
        (1, Some(nameless(11, 0, IMAGE))),
        (2, Some(nameless(12, 1, [0x77; 32]))),
        (3, Some(Record { version: Some("4.2.1-b".into()), ..update(13, 2) })),
    ];
    index.apply_records(&all(records, 1_000)).unwrap();
    let filter =
        |version: &str| EntryFilter { version: Some(version.into()), ..Default::default() };
    let found = |version| index.entries(&filter(version), None, 10).unwrap().rows;
    let places = found("4.2.1").iter().map(|row| row.index).collect::<Vec<_>>();
    assert_eq!(places, [1, 0]);
    assert_eq!(found("4.2.1-b").len(), 1, "its own word counts");
    let device = EntryFilter { device: Some(DEVICE), ..Default::default() };
    let rows = index.entries(&device, None, 10).unwrap().rows;
    let versions: Vec<_> = rows.iter().map(|row| row.record.version.as_deref()).collect();
    assert_eq!(versions, [Some("4.2.1-b"), None, Some("4.2.1")]);
    let later = |leaf, version: &str| {
        Some(Record { image: Some([0x77; 32]), version: Some(version.into()), ..release(leaf) })
    };
    index.apply_records(&all([(4, later(14, "9.9")), (5, later(15, "9.8"))], 2_000)).unwrap();
    let places = found("9.9").iter().map(|row| row.index).collect::<Vec<_>>();
    assert_eq!(places, [4, 2], "a release logged late, the first of its image");
}

/// A statement that has the next number, and another past than the log has of its device.
#[test]
fn a_chain_that_does_not_hold_is_a_fork() {
    let (_dir, index) = open();
    let said = |leaf, seq, prev, last| {
        let chain = Some(Chain { prev: Some(prev), last });
        Some(Record { chain, ..update(leaf, seq) })
    };
    let seed = Some(Chain { prev: None, last: 7 });
    let enrols = Some("acme.example/devices".to_owned());
    let enrolment = Record { kind: 0, seq: None, chain: seed, enrols, ..update(9, 0) };
    let forks = |index: &Index| index.device(&DEVICE).unwrap().unwrap().forks;
    let apply = |at, record| index.apply_records(&all([(at, record)], 1_000)).unwrap();
    assert_eq!(apply(0, Some(enrolment)), 0);
    assert_eq!((apply(1, said(10, 0, 7, 70)), forks(&index)), (0, 0));
    assert_eq!((apply(2, said(11, 1, 70, 71)), forks(&index)), (0, 0));
    assert_eq!((apply(3, said(12, 2, 99, 72)), forks(&index)), (1, 1));
    let found = index.findings(Some(&DEVICE), None, 10).unwrap().rows;
    assert_eq!((found[0].kind.as_str(), found[0].index), ("chain_fork", Some(3)));
    // Of two histories each goes on: one finding is enough.
    assert_eq!((apply(4, said(13, 3, 71, 73)), forks(&index)), (0, 1));
}

/// STM-041: a step out of order is taken and reported, once, and outlives a batch.
#[test]
fn steps_out_of_order_are_findings() {
    use firmlog_statement::event::EventType as T;
    let (_dir, index) = open();
    let steps =
        |leaf, seq, events: &[T]| Some(Record { events: events.to_vec(), ..update(leaf, seq) });
    let good = [T::InstalledState];
    index.apply_records(&all([(0, steps(10, 0, &good))], 1_000)).unwrap();
    assert_eq!(index.findings(None, None, 10).unwrap().rows.len(), 0);
    let after_end = [(1, steps(11, 1, &[T::Decommissioned]))];
    assert_eq!(index.apply_records(&all(after_end, 2_000)).unwrap(), 0);
    let late = [(2, steps(12, 2, &[T::InstallStarted]))];
    assert_eq!(index.apply_records(&all(late, 3_000)).unwrap(), 1);
    let found = index.findings(Some(&DEVICE), None, 10).unwrap().rows;
    assert_eq!((found.len(), found[0].kind.as_str()), (1, "sequence_violation"));
    assert_eq!((found[0].index, found[0].severity.as_str()), (Some(2), "P2"));
    assert_eq!(found[0].detail, "the device reports install_started after decommissioned");
    // Out of use for good, also for the next that it says (STA-041).
    assert!(index.device(&DEVICE).unwrap().unwrap().is_decommissioned);
    let again = [(3, steps(13, 3, &[T::Installed]))];
    assert_eq!(index.apply_records(&all(again, 4_000)).unwrap(), 1);
    assert!(index.device(&DEVICE).unwrap().unwrap().is_decommissioned);
}

#[test]
fn one_box_finds_everything() {
    let (_dir, index) = open();
    fill(&index);
    let opened =
        Disclosed { field: 7, salt: [3; 16], value: b"(01)00844588003288(21)7X-0091".to_vec() };
    index.disclose(4, std::slice::from_ref(&opened)).unwrap();
    index.disclose(5, std::slice::from_ref(&opened)).unwrap();
    let find = |typed: &str| {
        let mut hits = index.search(&detect(typed), 10).unwrap();
        hits.extend(index.search_disclosed(typed, 10).unwrap());
        hits
    };
    assert_eq!(find("(01)00844588003288(21)7X-0091"), [Hit::Device(DEVICE)]);
    assert_eq!(find("ip-200/app 4.2.1"), [Hit::Release(0)]);
    assert_eq!(find("4"), [Hit::Entry(4)]);
    assert_eq!(find("7"), []);
    let by = |digest| index.search(&Query::Digest(digest), 10).unwrap();
    assert_eq!(by(IMAGE), [Hit::Release(0), Hit::Firmware(IMAGE, 3)]);
    assert_eq!(by(DEVICE), [Hit::Device(DEVICE)]);
    assert_eq!(by([11; 32]), [Hit::Entry(1)]);
    assert_eq!(by([99; 32]), []);
}

#[test]
fn a_rebuild_keeps_disclosures() {
    let (_dir, index) = open();
    fill(&index);
    let opened = Disclosed { field: 1, salt: [1; 16], value: b"SN-1".to_vec() };
    index.disclose(4, std::slice::from_ref(&opened)).unwrap();
    let before = index.entries(&EntryFilter::default(), None, 100).unwrap();
    index.reset().unwrap();
    assert_eq!(index.covered().unwrap(), 0);
    assert_eq!(index.search_disclosed("SN-1", 10).unwrap(), []);
    let records = [
        (0, Some(release(10))),
        (1, Some(approval(11, 10, 2))),
        (2, Some(approval(12, 10, 4))),
        (3, None),
        (4, Some(update(14, 0))),
        (5, Some(update(15, 1))),
        (6, Some(update(16, 1))),
        (7, Some(update(17, 2))),
    ];
    index.apply_records(&all(records, 1_000)).unwrap();
    let after = index.entries(&EntryFilter::default(), Some(7), 100).unwrap();
    assert_eq!(before, after);
    assert_eq!(index.disclosed(4).unwrap(), [opened]);
    assert_eq!(index.findings(None, None, 10).unwrap().rows.len(), 1);
}

/// Enough disclosures of many lengths, out of order, that pages are split: SQLite leaves copies of
/// some values behind in what a page no longer uses, and never overwrites those.
#[test]
fn erasure_leaves_no_trace_in_the_files() {
    let (dir, index) = open();
    fill(&index);
    let value = |n: u64| {
        format!("Ward {n}, {}words", "unusual ".repeat([0, 2, 8, 25, 90][n as usize * 7 % 5]))
    };
    let opened = |n: u64, field| Disclosed { field, salt: [1; 16], value: value(n).into_bytes() };
    for n in (0..2000).map(|n| n * 1151 % 2000) {
        index.disclose(n, &[opened(n, 1)]).unwrap();
    }
    index.disclose(1999, &[opened(1999, 6)]).unwrap();
    let count = || {
        let mut found = BTreeMap::<u64, u32>::new();
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            for (at, _) in bytes.windows(5).enumerate().filter(|(_, window)| window == b"Ward ") {
                let text = String::from_utf8_lossy(&bytes[at + 5..bytes.len().min(at + 10)]);
                // Without its comma it is the rest of another one.
                if let Some(n) = text.split_once(',').and_then(|(n, _)| n.parse().ok()) {
                    *found.entry(n).or_default() += 1;
                }
            }
        }
        found
    };
    // Emptied, the write-ahead file holds no further copies: a row has three.
    index.erase(5000, &[1]).unwrap();
    let behind = count().into_iter().filter(|(n, copies)| *n < 1999 && *copies > 3);
    let behind: Vec<_> = behind.map(|(n, _)| n).take(4).collect();
    assert!(!behind.is_empty(), "what is tested here does not happen any more");
    for n in behind.into_iter().chain([0]) {
        assert_eq!(index.erase(n, &[1, 6]).unwrap(), 1);
        assert_eq!((index.disclosed(n).unwrap(), count().get(&n)), (vec![], None));
        assert_eq!(index.erase(n, &[1, 6]).unwrap(), 0);
    }
    // One field of two.
    assert_eq!(index.erase(1999, &[1]).unwrap(), 1);
    assert_eq!(index.disclosed(1999).unwrap(), [opened(1999, 6)]);
    assert_eq!(index.disclosed(1).unwrap(), [opened(1, 1)]);
    assert_eq!(index.search_disclosed(&value(1), 5).unwrap().len(), 1);
    // Whoever sends it again does not bring it back, also after a rebuild and another start.
    index.reset().unwrap();
    drop(index);
    let index = Index::open(&dir.path().join("index.db"), "log.example").unwrap();
    index.disclose(0, &[opened(0, 1)]).unwrap();
    assert_eq!((index.disclosed(0).unwrap(), count().get(&0)), (vec![], None));
    assert_eq!(index.disclosed(1).unwrap().len(), 1);
}

/// While somebody reads an older state of the disclosures, the write-ahead file cannot be emptied.
#[test]
fn a_reader_that_hinders_erasure_is_told() {
    let (dir, index) = open();
    fill(&index);
    let opened = Disclosed { field: 1, salt: [1; 16], value: b"SN-1".to_vec() };
    index.disclose(4, std::slice::from_ref(&opened)).unwrap();
    let reader = rusqlite::Connection::open(dir.path().join("index.disclosures.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM disclosure").unwrap();
    assert!(matches!(index.erase(4, &[1]), Err(Error::StillRead)));
    assert_eq!(index.disclosed(4).unwrap(), []);
    let holds = || {
        let bytes = std::fs::read(dir.path().join("index.disclosures.db-wal")).unwrap();
        bytes.windows(4).any(|window| window == b"SN-1")
    };
    assert!(holds());
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(index.erase(4, &[]).unwrap(), 0);
    assert!(!holds());
}

#[test]
fn only_a_loss_of_power_throws_the_view_away() {
    let (dir, index) = open();
    fill(&index);
    let opened = Disclosed { field: 1, salt: [1; 16], value: b"SN-1".to_vec() };
    index.disclose(4, std::slice::from_ref(&opened)).unwrap();
    let covered = index.covered().unwrap();
    let (path, marker) = (dir.path().join("index.db"), dir.path().join("index.db.open"));
    let this_boot = std::fs::read(&marker).unwrap();
    drop(index);
    assert!(!marker.exists(), "a clean close leaves no marker");
    // A killed process leaves this boot's marker.
    std::fs::write(&marker, &this_boot).unwrap();
    let index = Index::open(&path, "log.example").unwrap();
    assert!(!index.starts_over());
    assert_eq!(index.covered().unwrap(), covered);
    drop(index);
    // A machine that went down leaves another's, and whatever the disk had of the view.
    std::fs::write(&marker, "another boot").unwrap();
    std::fs::write(&path, "half a page").unwrap();
    let index = Index::open(&path, "log.example").unwrap();
    assert!(index.starts_over());
    assert_eq!(index.covered().unwrap(), 0);
    assert_eq!(index.disclosed(4).unwrap(), [opened]);
}

#[test]
fn another_logs_view_is_refused() {
    let (dir, index) = open();
    drop(index);
    let again = Index::open(&dir.path().join("index.db"), "other.example");
    assert!(matches!(again, Err(Error::OtherLog { .. })));
    assert!(Index::open(&dir.path().join("index.db"), "log.example").is_ok());
}

#[test]
fn the_sqlite3_shell_opens_the_file() {
    let (dir, index) = open();
    fill(&index);
    let run = std::process::Command::new("sqlite3")
        .arg("-readonly")
        .arg(dir.path().join("index.db"))
        .arg(
            "PRAGMA integrity_check; SELECT idx, kind, version, seen_at FROM entries WHERE idx = 4",
        )
        .output();
    let output = match run {
        Ok(output) => output,
        Err(error) if std::env::var_os("CI").is_some() => panic!("sqlite3: {error}"),
        Err(_) => {
            eprintln!("skipped: the sqlite3 oracle; `cargo xtask setup` installs it");
            return;
        }
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "ok\n4|update|4.2.1|1970-01-01 00:00:01\n");
}
