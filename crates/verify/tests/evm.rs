//! Evidence of EVM anchors, offline: the vectors, every byte spoiled, and blocks made to deceive.

mod chain;
mod common;

use alloy_primitives::keccak256;
use alloy_rlp::Encodable as _;
use chain::{story, vector};
use firmlog_verify::evm::{
    AnchorParts, BlockParts, CodeCheck, EvmError, EvmEvidence, EvmPart, EvmPins, EvmRefusal,
    EvmValue, anchor_event, build, parse_header, verify_evm,
};

fn good(name: &str) -> (EvmEvidence, EvmPins) {
    let vector = vector::read(name);
    (EvmEvidence::parse(&vector.bytes).expect("sound"), vector.pins)
}

fn refusal(evidence: &EvmEvidence) -> EvmRefusal {
    verify_evm(evidence, &EvmPins::default()).expect_err("refused")
}

/// `EVM-002`, `EVM-003`, `EVM-004`, `EVM-006`, `EVM-007`: each spoiled part is refused for what is
/// wrong with it.
#[test]
fn the_vectors_give_what_they_expect() {
    let mut kinds = [0, 0];
    for (name, vector) in vector::all() {
        let evidence = EvmEvidence::parse(&vector.bytes).expect("well-formed");
        assert_eq!(evidence.encode(), vector.bytes, "{name}");
        match verify_evm(&evidence, &vector.pins) {
            Ok(proven) => {
                assert_eq!(vector.expect, "ok", "{name}");
                assert!(proven.is_anchored(), "{name}");
                kinds[0] += 1;
            }
            Err(refusal) => {
                assert_eq!(vector.expect, format!("{:?}", refusal.error), "{name}: {refusal}");
                assert_eq!(vector.part, Some(refusal.part.to_string()), "{name}");
                kinds[1] += 1;
            }
        }
    }
    assert!(kinds[0] == 3 && kinds[1] >= 25, "{kinds:?}");
}

/// `EVM-001`
#[test]
fn evm_001_one_spelling() {
    let (evidence, _) = good("first");
    let bytes = evidence.encode();
    for cut in 0..bytes.len() {
        assert_eq!(EvmEvidence::parse(&bytes[..cut]), Err(EvmError::Malformed), "{cut} bytes");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(EvmEvidence::parse(&longer), Err(EvmError::Malformed));
    // Chain 31337 in five bytes instead of three; a map of nine.
    let wide = [&bytes[..2], &[0x1a, 0, 0], &bytes[3..]].concat();
    assert_eq!(EvmEvidence::parse(&wide), Err(EvmError::Malformed));
    let empty = EvmEvidence { receipt: Default::default(), ..evidence };
    assert_eq!(EvmEvidence::parse(&empty.encode()), Err(EvmError::Malformed));
}

/// `EVM-008`: what is proven is told apart: event, storage, block, contract, code.
#[test]
fn a_proof_says_what_it_proves() {
    let (evidence, pins) = good("second");
    let log = story::log();
    let proven = verify_evm(&evidence, &pins).unwrap();
    assert_eq!(proven.event.head, log.head(10));
    assert_eq!((proven.event.seq, proven.event.time_s), (2, proven.block.time_s));
    assert_eq!(proven.block.number, 5);
    assert_eq!(proven.pinned.unwrap().number, 8);
    assert_eq!(proven.code, CodeCheck::Matched);
    assert_eq!(
        proven.storage.unwrap().accumulator,
        evidence.state.as_ref().unwrap().slots[2].value
    );
    let nobody = verify_evm(&evidence, &EvmPins::default()).unwrap();
    assert!(!nobody.is_anchored() && !nobody.contract_pinned && nobody.pinned.is_none());
    assert_eq!(nobody.event, proven.event);
    // A block alone, a contract alone: neither is enough.
    let block_only = EvmPins { contracts: vec![], ..pins.clone() };
    let contract_only = EvmPins { blocks: vec![], ..pins.clone() };
    for pins in [block_only, contract_only] {
        assert!(!verify_evm(&evidence, &pins).unwrap().is_anchored());
    }
    // Code that is pinned and not shown is not taken for granted.
    let (without, _) = good("without_state");
    let mut own = vector::pins(&without);
    own.contracts[0].code_hash = pins.contracts[0].code_hash;
    let proven = verify_evm(&without, &own).unwrap();
    assert!(proven.pinned.is_some() && proven.storage.is_none());
    assert_eq!((proven.code, proven.is_anchored()), (CodeCheck::NotProven, false));
    // Headers after the pinned one prove nothing and take nothing.
    let mut middle = pins;
    let six = parse_header(&evidence.descendants[0]).unwrap();
    (middle.blocks[0].number, middle.blocks[0].hash) = (six.number, six.hash);
    assert_eq!(verify_evm(&evidence, &middle).unwrap().pinned.unwrap().number, 6);
}

/// `EVM-008`: no byte of the evidence can be another and the anchor still count; what is accepted
/// at all is about a block that nobody pinned, and says the same of it.
#[test]
fn no_changed_byte_is_accepted() {
    for name in ["first", "second", "without_state"] {
        let (evidence, pins) = good(name);
        let (bytes, block) = (evidence.encode(), parse_header(&evidence.header).unwrap());
        let event = verify_evm(&evidence, &pins).unwrap().event;
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut spoiled = bytes.clone();
                spoiled[at] ^= 1 << bit;
                let Ok(parsed) = EvmEvidence::parse(&spoiled) else { continue };
                assert_eq!(parsed.encode(), spoiled);
                let counts = verify_evm(&parsed, &pins).is_ok_and(|proven| proven.is_anchored());
                assert!(!counts, "{name}: byte {at} bit {bit}");
                // Without a pin a header may be another; then it is another block's.
                let Ok(proven) = verify_evm(&parsed, &EvmPins::default()) else { continue };
                assert_eq!((proven.event, proven.contract), (event, evidence.contract));
                let header = proven.block.hash != block.hash;
                assert!(header || parsed.descendants != evidence.descendants, "byte {at}");
            }
        }
    }
}

/// A block with one transaction, made up around a receipt.
fn forge(evidence: &EvmEvidence, receipt: Vec<u8>) -> EvmEvidence {
    let mut forged = evidence.clone();
    // A leaf with the key of index 0: its path's two nibbles are even in number.
    let mut payload = Vec::new();
    [0x20_u8, 0x80].as_slice().encode(&mut payload);
    receipt[..].encode(&mut payload);
    let node = chain::list(&payload);
    forged.header[157..189].copy_from_slice(keccak256(&node).as_slice());
    forged.receipt.value = receipt;
    forged.receipt.proof = vec![node];
    forged
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).expect("it is there");
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

/// `EVM-004`, `EVM-005`, `EVM-006`: a block that was made up agrees with itself, and is refused all
/// the same for what its receipt says.
#[test]
fn a_made_up_block_is_refused_for_what_is_in_it() {
    let (evidence, _) = good("first");
    let receipt = evidence.receipt.value.clone();
    let event = anchor_event(&receipt, &evidence.contract, &evidence.log_id).unwrap();
    let spoil = |from: &[u8], to: &[u8]| refusal(&forge(&evidence, replaced(&receipt, from, to)));
    let number = |n: u64| Some(EvmValue::Number(n));
    assert_eq!(
        refusal(&forge(&evidence, chain::list(&[0x80; 40]))).error,
        EvmError::ReceiptMalformed
    );
    let mut failed = receipt.clone();
    failed[3] = 0x80;
    assert_eq!(refusal(&forge(&evidence, failed)).error, EvmError::Reverted);
    let typed = refusal(&forge(&evidence, [&[2], &receipt[..]].concat()));
    assert_eq!(typed.error, EvmError::TypesDiffer);
    let topic = spoil(&evidence.log_id, &[1; 32]);
    assert_eq!((topic.error, topic.part), (EvmError::EventMissing, EvmPart::Receipt));
    let address = spoil(&evidence.contract, &[1; 20]);
    assert_eq!(address.error, EvmError::EventMissing);
    let word = |n: u64| [[0; 24].as_slice(), &n.to_be_bytes()].concat();
    let later = spoil(&word(event.time_s), &word(event.time_s + 1));
    assert_eq!(later.error, EvmError::EventTime);
    assert_eq!(later.sides.map(|(expected, _)| expected), number(event.time_s));
    let root = spoil(&event.head.root.0, &[9; 32]);
    assert_eq!((root.error, root.part), (EvmError::RootDiffers, EvmPart::Slot(0)));
    assert_eq!(root.sides, Some((EvmValue::Word([9; 32]), EvmValue::Word(event.head.root.0))));
    let size = spoil(&word(5), &word(6));
    assert_eq!(size.error, EvmError::SizeDiffers);
    assert_eq!(size.sides, number(6).zip(number(5)));
    assert_eq!(spoil(&word(1), &word(2)).error, EvmError::SeqDiffers);
    let hash = spoil(&event.checkpoint_hash, &[9; 32]);
    assert_eq!(hash.error, EvmError::AccumulatorDiffers);
    let wide = spoil(&word(5), &[[1_u8; 24].as_slice(), &[5; 8]].concat());
    assert_eq!(wide.error, EvmError::EventMalformed);
}

#[test]
fn a_node_that_makes_things_up_gets_no_evidence() {
    let (evidence, _) = good("first");
    let (transactions, receipts) = ([evidence.transaction.value], [evidence.receipt.value]);
    let block =
        BlockParts { header: &evidence.header, transactions: &transactions, receipts: &receipts };
    let parts = AnchorParts {
        chain_id: evidence.chain_id,
        contract: evidence.contract,
        log_id: evidence.log_id,
        index: 0,
        state: evidence.state,
        descendants: vec![],
    };
    assert!(build(&block, parts.clone()).is_ok());
    let error = |block: &BlockParts, parts: &AnchorParts| {
        build(block, parts.clone()).expect_err("refused").error
    };
    let none = BlockParts { transactions: &[], ..block };
    assert_eq!(error(&none, &parts), EvmError::TransactionsRootDiffers);
    let twice = [receipts[0].clone(), receipts[0].clone()];
    let twice = BlockParts { receipts: &twice, ..block };
    assert_eq!(error(&twice, &parts), EvmError::ReceiptsRootDiffers);
    let outside = AnchorParts { index: 1, ..parts.clone() };
    assert_eq!(error(&block, &outside), EvmError::IndexOutside);
    let other = AnchorParts { chain_id: 1, ..parts };
    assert_eq!(error(&block, &other), EvmError::ChainMismatch);
}
