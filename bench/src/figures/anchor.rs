//! Offline checks of anchor evidence: bytes in, anchored or not out.
//!
//! The evidence is that of a real node with twenty transactions in the block, all proofs of it, and
//! headers made on top of it up to a pinned one: as many as Ethereum takes to finality.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, ensure};
use firmlog_verify::evm::{BlockPin, EvmEvidence, EvmPins, parse_header, verify_evm};

use super::figure::median;
use super::report::Report;
use super::stage::Stage;
use super::targets::EVIDENCE_CHECK;

/// The vector with neighbours in its block.
const VECTOR: &str = include_str!("../../../vectors/anchor_evidence/second");
/// Later headers: two epochs of 32 slots and the rest of the block's own.
const HEADERS: usize = 96;
/// Later headers of a day with a block every 12 seconds.
const HEADERS_OF_A_DAY: usize = 7_200;

/// Measures on one core.
///
/// # Errors
/// If sound evidence is refused.
pub(super) fn measure(stage: &Stage, report: &mut Report) -> anyhow::Result<()> {
    let (evidence, pins) = prepare(HEADERS)?;
    let (day, day_pins) = prepare(HEADERS_OF_A_DAY)?;
    let (mut checks, mut hashes, mut days) = (vec![], vec![], vec![]);
    for _ in 0..stage.rounds() {
        checks.push(mean_ms(stage, || check(&evidence, &pins))?);
        hashes.push(mean_ms(stage, || {
            black_box(alloy_primitives::keccak256(black_box(&evidence)));
            Ok(())
        })?);
        days.push(mean_ms(stage, || check(&day, &day_pins))?);
    }
    let figure = EVIDENCE_CHECK
        .measured(median(&checks), "Keccak-256 over the same bytes, one core, ms", median(&hashes))
        .with("bytes", evidence.len())
        .with("later_headers", HEADERS)
        .with("ms_with_headers_of_a_day", median(&days))
        .with("form", "evidence parsed each time, block, contract and code pinned")
        .with("rounds", stage.rounds());
    report.add(&EVIDENCE_CHECK, figure);
    Ok(())
}

fn check(bytes: &[u8], pins: &EvmPins) -> anyhow::Result<()> {
    let evidence = EvmEvidence::parse(bytes).context("failed to parse evidence")?;
    let proven = verify_evm(&evidence, pins).context("sound evidence was refused")?;
    ensure!(proven.is_anchored(), "the evidence does not reach the pinned block");
    Ok(())
}

/// Milliseconds that a call takes, over a quarter of a round.
fn mean_ms(stage: &Stage, call: impl Fn() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let (start, mut count) = (Instant::now(), 0_u32);
    while count == 0 || start.elapsed() < stage.duration() / 4 {
        call()?;
        count += 1;
    }
    Ok(start.elapsed().as_secs_f64() * 1000.0 / f64::from(count))
}

/// The vector's evidence with this many headers after its block, the last one pinned.
fn prepare(headers: usize) -> anyhow::Result<(Vec<u8>, EvmPins)> {
    let (head, body) = VECTOR.split_once("evidence:\n").context("a vector without evidence")?;
    let digits: Vec<u8> = body.bytes().filter(|digit| *digit != b'\n').collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
    let mut evidence = EvmEvidence::parse(&bytes.context("a vector that is not hex")?)?;
    while evidence.descendants.len() < headers {
        let parent = evidence.descendants.last().unwrap_or(&evidence.header);
        let child = child(parent)?;
        evidence.descendants.push(child);
    }
    let pins: Vec<&str> = head.lines().filter_map(|line| line.strip_prefix("pin: ")).collect();
    let mut pins = EvmPins::parse(&pins.join("\n")).context("malformed pins")?;
    let last = evidence.descendants.last().context("no later header")?;
    let last = parse_header(last)?;
    let chain_id = evidence.chain_id;
    pins.blocks = vec![BlockPin { chain_id, number: last.number, hash: last.hash }];
    Ok((evidence.encode(), pins))
}

/// A header like its parent's, one higher.
fn child(parent: &[u8]) -> anyhow::Result<Vec<u8>> {
    use alloy_rlp::{Encodable as _, Header};
    let block = parse_header(parent)?;
    let mut rest = parent;
    let mut fields = Header::decode_bytes(&mut rest, true)?;
    let mut payload = Vec::with_capacity(parent.len() + 8);
    for place in 0.. {
        if fields.is_empty() {
            break;
        }
        let field = Header::decode_bytes(&mut fields, false)?;
        match place {
            0 => block.hash.encode(&mut payload),
            8 => (block.number + 1).encode(&mut payload),
            _ => field.encode(&mut payload),
        }
    }
    let mut out = Vec::with_capacity(payload.len() + 3);
    Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend_from_slice(&payload);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::{check, prepare};

    #[test]
    fn the_evidence_that_is_measured_is_sound() {
        let (evidence, mut pins) = prepare(200).expect("prepared");
        check(&evidence, &pins).expect("anchored");
        pins.blocks.clear();
        assert!(check(&evidence, &pins).is_err());
    }
}
