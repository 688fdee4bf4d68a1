//! py-trie, rlp and cbor2 (Python) judge our evidence of anchors as we do, sound and spoiled.

mod chain;
mod common;
mod oracle;

use chain::{hex, vector};
use firmlog_verify::evm::{EvmEvidence, EvmPins, verify_evm};
use oracle::Oracle;
use serde_json::{Value, json};

fn ask(oracle: &mut Oracle, bytes: &[u8], pins: &EvmPins) -> Value {
    let pins = pins.to_string();
    let pins: Vec<&str> = pins.lines().collect();
    oracle.ask(json!({"op": "anchor_evidence", "evidence": hex(bytes), "pins": pins}))
}

/// `EVM-002`, `EVM-003`, `EVM-004`, `EVM-006`, `EVM-007`
#[test]
fn it_accepts_what_we_accept_and_blames_the_same_part() {
    let Some(mut oracle) = Oracle::start("anchor.py") else { return };
    for (name, vector) in vector::all() {
        let answer = ask(&mut oracle, &vector.bytes, &vector.pins);
        assert_eq!(answer["ok"], vector.expect == "ok", "{name}: {answer}");
        match vector.part {
            Some(part) => {
                let failed = answer["failed"].as_array().unwrap();
                assert!(failed.contains(&json!(part)), "{name}: {part} not in {answer}");
            }
            None => {
                let evidence = EvmEvidence::parse(&vector.bytes).unwrap();
                let event = verify_evm(&evidence, &vector.pins).unwrap().event;
                let said = &answer["event"];
                assert_eq!(said["size"], event.head.size.0);
                assert_eq!(said["root"], event.head.root.to_string());
                assert_eq!(
                    (&said["seq"], &said["time"]),
                    (&json!(event.seq), &json!(event.time_s))
                );
                assert_eq!(said["checkpoint_hash"], hex(&event.checkpoint_hash));
            }
        }
    }
}

/// Bytes at even steps through the evidence, each spoiled: neither takes one.
#[test]
fn it_refuses_spoiled_bytes_as_we_do() {
    let Some(mut oracle) = Oracle::start("anchor.py") else { return };
    for name in ["first", "second"] {
        let vector = vector::read(name);
        for at in (0..vector.bytes.len()).step_by(7) {
            let mut spoiled = vector.bytes.clone();
            spoiled[at] ^= 0x10;
            let ours = EvmEvidence::parse(&spoiled)
                .is_ok_and(|it| verify_evm(&it, &vector.pins).is_ok_and(|it| it.is_anchored()));
            let answer = ask(&mut oracle, &spoiled, &vector.pins);
            assert_eq!((answer["ok"].as_bool(), ours), (Some(false), false), "{name}: byte {at}");
        }
    }
}
