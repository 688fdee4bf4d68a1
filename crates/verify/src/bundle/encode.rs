//! Writing a bundle.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use firmlog_statement::StatementError;
use firmlog_statement::codec::{self, Sink};
use firmlog_tlog::merkle::Hash;
use sha2::{Digest as _, Sha256};

use super::{Bundle, Entry, MAGIC};

/// Tree nodes by first use, with their places.
#[derive(Default)]
struct Nodes {
    order: Vec<Hash>,
    places: BTreeMap<Hash, u64>,
}

impl Nodes {
    fn of(entries: &[Entry]) -> Self {
        let mut nodes = Self::default();
        for hash in entries.iter().flat_map(|entry| &entry.path) {
            let next = nodes.order.len() as u64;
            nodes.places.entry(*hash).or_insert_with(|| {
                nodes.order.push(*hash);
                next
            });
        }
        nodes
    }
}

pub(super) fn encode(bundle: &Bundle) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to a vector does not fail.
    let _ = write(bundle, &mut out);
    let checksum = Sha256::digest(&out);
    let _ = out.put(&checksum);
    out
}

/// Everything up to the 32 bytes of the checksum.
fn write(bundle: &Bundle, out: &mut Vec<u8>) -> Result<(), StatementError> {
    let nodes = Nodes::of(&bundle.entries);
    let optional = [
        bundle.consistency.is_empty(),
        nodes.order.is_empty(),
        bundle.disclosures.is_empty(),
        bundle.anchors.is_empty(),
        bundle.certificates.is_empty(),
    ];
    let keys = optional.iter().filter(|empty| !**empty).count().saturating_add(5);
    codec::head(out, 5, keys as u64)?;
    codec::uint(out, 0)?;
    codec::text(out, MAGIC)?;
    codec::uint(out, 1)?;
    codec::text(out, &bundle.origin)?;
    list(out, 2, &bundle.checkpoints, |out, note| codec::text(out, note))?;
    if !bundle.consistency.is_empty() {
        list(out, 3, &bundle.consistency, |out, proof| {
            codec::head(out, 4, proof.len() as u64)?;
            proof.iter().try_for_each(|hash| codec::bytes(out, hash.as_bytes()))
        })?;
    }
    if !nodes.order.is_empty() {
        list(out, 4, &nodes.order, |out, hash| codec::bytes(out, hash.as_bytes()))?;
    }
    list(out, 5, &bundle.entries, |out, entry| {
        codec::head(out, 4, 3)?;
        codec::uint(out, entry.index.0)?;
        codec::bytes(out, &entry.bytes)?;
        codec::head(out, 4, entry.path.len() as u64)?;
        let place = |hash| nodes.places.get(hash).copied().unwrap_or(u64::MAX);
        entry.path.iter().try_for_each(|hash| codec::uint(out, place(hash)))
    })?;
    write_supplements(bundle, out)?;
    codec::uint(out, 15)?;
    codec::head(out, 2, 32)
}

fn write_supplements(bundle: &Bundle, out: &mut Vec<u8>) -> Result<(), StatementError> {
    if !bundle.disclosures.is_empty() {
        list(out, 6, &bundle.disclosures, |out, disclosure| codec::bytes(out, disclosure))?;
    }
    if !bundle.anchors.is_empty() {
        list(out, 7, &bundle.anchors, |out, anchor| {
            codec::head(out, 4, 3)?;
            codec::uint(out, anchor.kind)?;
            codec::uint(out, anchor.checkpoint)?;
            codec::bytes(out, &anchor.evidence)
        })?;
    }
    if !bundle.certificates.is_empty() {
        list(out, 8, &bundle.certificates, |out, certificate| {
            codec::head(out, 4, 2)?;
            codec::uint(out, certificate.kind)?;
            codec::bytes(out, &certificate.bytes)
        })?;
    }
    Ok(())
}

fn list<T>(
    out: &mut Vec<u8>,
    key: u64,
    items: &[T],
    mut item: impl FnMut(&mut Vec<u8>, &T) -> Result<(), StatementError>,
) -> Result<(), StatementError> {
    codec::uint(out, key)?;
    codec::head(out, 4, items.len() as u64)?;
    items.iter().try_for_each(|value| item(out, value))
}
