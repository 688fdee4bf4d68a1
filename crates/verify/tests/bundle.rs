//! `docs/spec/evidence-bundle.md`, rule by rule, and the trust root file.

mod common;

use common::World;
use common::log::TestLog;
use firmlog_tlog::merkle::{Hash, LeafIndex};
use firmlog_verify::TrustRoot;
use firmlog_verify::bundle::{Bundle, BundleError, Entry, MAX_HASHES, MAX_PARTS};
use firmlog_verify::evm::EvmPins;
use firmlog_verify::root::TrustRootError;

fn error(bytes: &[u8]) -> BundleError {
    Bundle::parse(bytes).expect_err("refused").error
}

fn sample() -> (TestLog, Bundle) {
    let log = TestLog::new(World::new().entries);
    let bundle = log.whole();
    (log, bundle)
}

/// `BND-001`, `BND-004`: parse and encode are each other's inverse.
#[test]
fn bnd_001_one_spelling() {
    let (_, mut bundle) = sample();
    bundle.disclosures = vec![vec![1], vec![2]];
    bundle.certificates =
        vec![firmlog_verify::bundle::Certificate { kind: 7, bytes: vec![1, 2, 3] }];
    let bytes = bundle.encode();
    assert_eq!(Bundle::parse(&bytes), Ok(bundle));
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(error(&longer), BundleError::TrailingBytes);
    for cut in 0..bytes.len() {
        assert!(Bundle::parse(&bytes[..cut]).is_err());
    }
}

/// `BND-002`
#[test]
fn bnd_002_one_proof_fewer_than_checkpoints() {
    let (_, mut bundle) = sample();
    bundle.consistency.clear();
    assert_eq!(error(&bundle.encode()), BundleError::ConsistencyCount);
}

/// `BND-003`
#[test]
fn bnd_003_entries_ascend() {
    let (_, mut bundle) = sample();
    bundle.entries.swap(1, 2);
    assert_eq!(error(&bundle.encode()), BundleError::EntriesOutOfOrder);
}

/// `BND-004`: nodes are shared between entries.
#[test]
fn bnd_004_nodes_are_there_once() {
    let bundle = TestLog::new((0..64).map(|n| vec![n; 100]).collect()).whole();
    let hashes: usize = bundle.entries.iter().map(|entry| entry.path.len()).sum();
    assert_eq!(hashes, 64 * 6);
    // 126 distinct nodes, 64 entries, and two checkpoints.
    assert!(bundle.encode().len() < 126 * 34 + 64 * 120 + 1200);
}

/// `BND-006`
#[test]
fn bnd_006_disclosures_ascend() {
    let (_, mut bundle) = sample();
    bundle.disclosures = vec![vec![2], vec![1]];
    assert_eq!(error(&bundle.encode()), BundleError::DisclosuresOutOfOrder);
}

/// `BND-007`
#[test]
fn bnd_007_the_checksum_finds_damage() {
    let (_, bundle) = sample();
    let mut bytes = bundle.encode();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert_eq!(error(&bytes), BundleError::ChecksumMismatch);
}

/// `BND-008`: what unfolds is counted, not what it takes in the file.
#[test]
fn bnd_008_a_small_file_does_not_unfold_to_much() {
    let (_, bundle) = sample();
    let tiny =
        |index, path: &[Hash]| Entry { index: LeafIndex(index), bytes: vec![], path: path.into() };
    let others = (bundle.checkpoints.len() + bundle.consistency.len()) as u64;
    let most = MAX_PARTS as u64 - others;
    let parts =
        |count| Bundle { entries: (0..count).map(|n| tiny(n, &[])).collect(), ..bundle.clone() };
    assert!(Bundle::parse(&parts(most).encode()).is_ok());
    assert_eq!(error(&parts(most + 1).encode()), BundleError::TooManyParts);

    let path = [Hash([7; 32]); 64];
    let others: usize = bundle.consistency.iter().map(Vec::len).sum();
    let most = (MAX_HASHES - others) as u64 / 64;
    let paths =
        |count| Bundle { entries: (0..count).map(|n| tiny(n, &path)).collect(), ..bundle.clone() };
    assert!(Bundle::parse(&paths(most).encode()).is_ok());
    assert_eq!(error(&paths(most + 1).encode()), BundleError::TooManyHashesInAll);
}

/// `BND-020`
#[test]
fn bnd_020_a_trust_root_is_one_log_and_its_first_entry() {
    let (log, _) = sample();
    let root = log.root("both");
    let text = root.encode();
    assert_eq!(TrustRoot::parse(text.as_bytes()), Ok(root));
    let refused = |text: &str| TrustRoot::parse(text.as_bytes()).expect_err("refused");
    assert_eq!(refused(&text.replace(" v1", " v2")), TrustRootError::HeaderMissing);
    let capital = text.replacen("genesis ", "genesis A", 1);
    assert_eq!(refused(&capital), TrustRootError::GenesisMalformed);
    assert_eq!(refused(&text.replacen("\n\n", "\n", 1)), TrustRootError::BlankLineMissing);
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("log ")).collect();
    assert_eq!(refused(&(lines.join("\n") + "\n")), TrustRootError::NotOneLog);
}

/// `BND-021`
#[test]
fn bnd_021_a_trust_root_may_pin_contracts_and_blocks() {
    let (log, _) = sample();
    let (address, hash) = (format!("0x{}", "ab".repeat(20)), format!("0x{}", "0c".repeat(32)));
    let lines = [
        format!("evm-contract 1 {address}"),
        format!("evm-contract 137 {address} {hash}"),
        format!("evm-block 1 23000000 {hash}"),
    ];
    let pins = EvmPins::parse(&lines.join("\n")).expect("sound");
    let root = log.root("both").with_evm(pins);
    let text = root.encode();
    assert!(text.contains(&format!("\n{}\n\nlog ", lines[2])), "{text}");
    assert_eq!(TrustRoot::parse(text.as_bytes()), Ok(root));
    for bad in [
        "evm-contract 1",
        "evm-block 1 0x00",
        "evm-nothing 1 2",
        lines[0].as_str(),
        &lines[0].to_uppercase().replace("EVM-CONTRACT", "evm-contract"),
        &lines[0].replace(" 1 ", " 01 "),
        &format!("{} more", lines[2]),
        &lines[2].replace("0c", "0d"),
    ] {
        let text = text.replacen("\n\n", &format!("\n{bad}\n\n"), 1);
        let refused = TrustRoot::parse(text.as_bytes());
        assert_eq!(refused, Err(TrustRootError::EvmPinMalformed), "{bad}");
    }
}
