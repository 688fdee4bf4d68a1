//! Leads evidence on to a later block: an auditor pins blocks now and then, and seldom the one that
//! an anchor is in.
//!
//! ```text
//! anchor's header ◀─parent─ header ◀─parent─ … ◀─parent─ header of the pinned block
//! ```
//!
//! In scope: fetching headers that name each other. Out of scope: which block is to be believed;
//! checking offline (`firmlog-verify`).
//!
//! Invariant: no provider is believed: each header hashes to what the next one names as its parent,
//! and the last to what the caller gave.

use std::ops::Range;

use alloy::primitives::{B256, Bytes, keccak256};
use alloy::rlp::Encodable;
use firmlog_verify::evm::{EvmEvidence, MAX_HEADERS, parse_header};
use tokio::task::JoinSet;

use crate::error::AnchorError;
use crate::provider::{Fault, Provider, Providers};
use crate::view::{block, hex};

/// Headers asked for at once.
const CHUNK: u64 = 32;

/// Adds the headers up to block `number`, which must have this hash. Nothing is added unless all
/// fit. Returns how many were.
///
/// # Errors
/// [`AnchorError::Refused`]: further than evidence may reach, no provider has such headers, or they
/// lead to another block.
pub async fn extend(
    providers: &Providers,
    evidence: &mut EvmEvidence,
    number: u64,
    hash: B256,
    mut tell: impl FnMut(String),
) -> Result<usize, AnchorError> {
    let refused = |why: String| AnchorError::refused(format!("lead on to block {number}"), why);
    let last = evidence.descendants.last().unwrap_or(&evidence.header);
    let last = parse_header(last).map_err(|e| refused(e.to_string()))?;
    let have = evidence.descendants.len() as u64;
    let more = number.checked_sub(last.number).ok_or_else(|| {
        refused(format!("expected a block from {} on, got an earlier one", last.number))
    })?;
    if have + more > MAX_HEADERS as u64 {
        let why = format!("expected at most {MAX_HEADERS} later headers, got {}", have + more);
        return Err(refused(why));
    }
    let (mut parent, mut headers) = (B256::from(last.hash), Vec::new());
    let mut next = last.number + 1;
    while next <= number {
        let range = next..(next + CHUNK).min(number + 1);
        tell(format!("header {next} of {number}"));
        let ask = |provider: Provider| {
            let range = range.clone();
            async move { chunk(provider, range, parent).await }
        };
        let answers = providers.each(ask).await;
        let why = answers.iter().find_map(|answer| answer.as_ref().err().map(Fault::to_string));
        let Some(found) = answers.into_iter().find_map(Result::ok) else {
            return Err(refused(why.unwrap_or_default()));
        };
        next = range.end;
        parent = found.last().map_or(parent, keccak256);
        headers.extend(found.iter().map(|bytes| bytes.to_vec()));
    }
    if parent != hash {
        return Err(refused(format!("expected hash {hash}, got {parent}")));
    }
    evidence.descendants.extend(headers);
    Ok(more as usize)
}

/// One provider's headers, if they follow `parent` and each other.
async fn chunk(
    provider: Provider,
    range: Range<u64>,
    mut parent: B256,
) -> Result<Vec<Bytes>, Fault> {
    let mut running = JoinSet::new();
    for number in range.clone() {
        let provider = provider.clone();
        running.spawn(async move { (number, block(&provider, &hex(number)).await) });
    }
    let mut found = Vec::new();
    while let Some(done) = running.join_next().await {
        let (number, answer) = done.map_err(|e| Fault::Silent(e.to_string()))?;
        found.push((number, answer?.header));
    }
    found.sort_by_key(|(number, _)| *number);
    let mut headers = Vec::new();
    for (number, header) in found {
        let mut rlp = Vec::new();
        header.inner.encode(&mut rlp);
        if header.inner.number != number || header.inner.parent_hash != parent {
            let why = format!("block {number} does not follow what the evidence has");
            return Err(Fault::Silent(why));
        }
        parent = keccak256(&rlp);
        headers.push(rlp.into());
    }
    Ok(headers)
}
