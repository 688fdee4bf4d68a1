//! Times of statements beside a block that anchors the tree they are in (STA-064).

use alloy_primitives::keccak256;
use alloy_rlp::Encodable as _;
use firmlog_statement::time::DeviceTime;
use firmlog_statement::{Parsed, Statement};
use firmlog_tlog::merkle::TreeHead;
use firmlog_verify::bundle::{Anchor, Bundle};
use firmlog_verify::evm::{self, BlockPin, ContractPin, EvmEvidence, EvmPins, Leaf, parse_header};
use firmlog_verify::finding::Evidence;
use firmlog_verify::{Question, RustCrypto, verify_bundle};

use crate::chain::{list, story};
use crate::common::log::TestLog;
use crate::common::{World, sign, time};

const CHAIN: u64 = 7;
const CONTRACT: [u8; 20] = [5; 20];

fn number(n: u64) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&n.to_be_bytes());
    word
}

/// RLP of a list of byte strings.
fn strings(all: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    all.iter().for_each(|it| it.encode(&mut out));
    list(&out)
}

/// The root of a trie with one value, at index 0, and the one node of its proof.
fn only(value: Vec<u8>) -> ([u8; 32], Leaf) {
    let node = strings(&[&[0x20, 0x80], &value]);
    (keccak256(&node).0, Leaf { value, proof: vec![node] })
}

/// A block of this time that holds nothing but an anchor of this tree.
fn block(head: TreeHead, time_s: u64) -> EvmEvidence {
    let signature = "Anchored(bytes32,uint64,bytes32,uint32,uint64,bytes32)";
    let log_id = story::log_id();
    let topics = strings(&[&keccak256(signature).0, &log_id, &number(head.size.0)]);
    let data = [head.root.0, number(1), number(time_s), [0; 32]].concat();
    let mut log = Vec::new();
    CONTRACT[..].encode(&mut log);
    log.extend(topics);
    data[..].encode(&mut log);
    let mut receipt = Vec::new();
    [1, 21_000].iter().for_each(|it: &u64| it.encode(&mut receipt));
    [0; 256][..].encode(&mut receipt);
    receipt.extend(list(&list(&log)));
    let (receipts, receipt) = only([vec![2], list(&receipt)].concat());
    let mut fields = Vec::new();
    CHAIN.encode(&mut fields);
    // What else it says is not read; a node shorter than its hash stands for itself.
    [0; 32][..].encode(&mut fields);
    let (transactions, transaction) = only([vec![2], list(&fields)].concat());
    let mut header = Vec::new();
    [&[0; 32][..], &[0; 32], &[0; 20], &[0; 32], &transactions, &receipts, &[0; 256]]
        .iter()
        .for_each(|it| it.encode(&mut header));
    [0, time_s, 0, 0, time_s].iter().for_each(|it: &u64| it.encode(&mut header));
    [&[][..], &[0; 32], &[0; 8]].iter().for_each(|it| it.encode(&mut header));
    let header = list(&header);
    let evidence =
        EvmEvidence { chain_id: CHAIN, contract: CONTRACT, log_id, ..Default::default() };
    EvmEvidence { header, transaction, receipt, ..evidence }
}

/// The block pinned, and the contract.
fn pins(blocks: &[&EvmEvidence]) -> EvmPins {
    let pin = |it: &&EvmEvidence| {
        let block = parse_header(&it.header).unwrap();
        BlockPin { chain_id: CHAIN, number: block.number, hash: block.hash }
    };
    let contract = ContractPin { chain_id: CHAIN, address: CONTRACT, code_hash: None };
    EvmPins { contracts: vec![contract], blocks: blocks.iter().map(pin).collect() }
}

/// What is said to be later than these blocks and witnesses saw it: by when, if at all. The release
/// is entry 4; the first checkpoint is of the four before it.
fn too_late(utc_ms: u64, blocks: &[(usize, u64)], quorum: &str, vouched: bool) -> Option<u64> {
    let world = World::new();
    let begins = Parsed::parse(&world.release_as("acme.example", 3)).unwrap().decode();
    let Ok(Statement::Release(mut it)) = begins else { panic!("no release") };
    it.time = DeviceTime { utc_ms: Some(utc_ms), ..time() };
    let release = sign(Statement::Release(it), "acme.example", "ip-200/app", &world.release);
    let log = TestLog::new(world.entries.iter().cloned().chain([release]).collect());
    let made: Vec<_> = blocks.iter().map(|(size, at)| block(log.head(*size), *at)).collect();
    let anchor = |((size, _), it): (&(usize, u64), &EvmEvidence)| Anchor {
        kind: evm::KIND,
        checkpoint: u64::from(*size == 5),
        evidence: it.encode(),
    };
    let bundle = Bundle {
        checkpoints: vec![log.checkpoint(4, 0), log.checkpoint(5, 2)],
        consistency: vec![log.consistency(4, 5)],
        anchors: blocks.iter().zip(&made).map(anchor).collect(),
        ..log.whole()
    };
    let pinned = if vouched { pins(&made.iter().collect::<Vec<_>>()) } else { pins(&[]) };
    let root = log.root(quorum).with_evm(pinned);
    let report = verify_bundle(&bundle, &root, &RustCrypto, &Question::Whole);
    assert!(report.mismatches.is_empty(), "{:?}", report.mismatches);
    report.findings.iter().find_map(|it| match it.evidence {
        Evidence::TimeTooLate { stated_ms, seen_s } => {
            assert_eq!((stated_ms, it.entries[0].0), (utc_ms, 4));
            Some(seen_s)
        }
        _ => None,
    })
}

/// STA-064: a block bounds the times in the tree that it anchors, if the trust root vouches for it;
/// of several bounds the earliest counts.
#[test]
fn sta_064_an_anchored_tree_bounds_the_times_in_it() {
    // The witnesses cosign at this second.
    let (seen, at) = (1_790_000_000, 1_790_005_000);
    let late = (at + 1) * 1000;
    type Row<'a> = (u64, &'a [(usize, u64)], &'a str, bool, Option<u64>);
    let rows: [Row<'_>; 10] = [
        (late, &[], "none", true, None),
        (late, &[(5, at)], "none", true, Some(at)),
        (late - 1, &[(5, at)], "none", true, None),
        (late, &[(5, at)], "none", false, None),
        (late, &[(4, at)], "none", true, None),
        (late, &[(4, at - 9), (5, at)], "none", true, Some(at)),
        (late, &[(5, at), (5, at - 3)], "none", true, Some(at - 3)),
        (late, &[(5, at - 3), (5, at)], "none", true, Some(at - 3)),
        (late, &[(5, at)], "both", true, Some(seen)),
        (late, &[], "both", true, Some(seen)),
    ];
    for (n, (utc_ms, blocks, quorum, vouched, seen_s)) in rows.into_iter().enumerate() {
        assert_eq!(too_late(utc_ms, blocks, quorum, vouched), seen_s, "row {n}");
    }
}
