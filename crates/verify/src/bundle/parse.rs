//! Reading a bundle, with the place of whatever is wrong.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use firmlog_statement::codec::Decoder;
use firmlog_statement::{MAX_ENTRY, StatementError};
use firmlog_tlog::merkle::{Hash, LeafIndex, MAX_PROOF_LEN};
use sha2::{Digest as _, Sha256};

use super::{
    Anchor, Bundle, BundleError as E, Certificate, Damage, Entry, MAGIC, MAX_BYTES, MAX_HASHES,
    MAX_PARTS, Object,
};

/// What the file ends with, and what it should end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checksum {
    pub(crate) expected: Hash,
    pub(crate) got: Hash,
}

/// Parses everything but leaves comparing the checksum to the caller: a verifier wants to name the
/// part that was altered, and only then the file.
pub(crate) fn parse_parts(bytes: &[u8]) -> Result<(Bundle, Checksum), Damage> {
    let mut reader = Reader {
        d: Decoder::new(bytes),
        total: bytes.len(),
        object: Object::Header,
        parts: MAX_PARTS,
        hashes: MAX_HASHES,
    };
    if bytes.len() > MAX_BYTES {
        return Err(reader.damage(E::TooLarge));
    }
    let mut bundle = Bundle::default();
    let parsed = parse_map(&mut reader, &mut bundle);
    let expected = parsed.map_err(|error| reader.damage(error))?;
    let covered = bytes.get(..bytes.len().saturating_sub(32)).unwrap_or_default();
    let got = Hash(Sha256::digest(covered).into());
    Ok((bundle, Checksum { expected, got }))
}

struct Reader<'a> {
    d: Decoder<'a>,
    total: usize,
    object: Object,
    /// How many more parts and hashes it may have.
    parts: usize,
    hashes: usize,
}

impl Reader<'_> {
    fn damage(&self, error: E) -> Damage {
        let offset = self.total.saturating_sub(self.d.rest().len()) as u64;
        Damage { error, object: self.object, offset }
    }

    /// Reads a list of parts that is not empty, naming each before it is read.
    fn list<T>(
        &mut self,
        object: fn(u64) -> Object,
        item: impl FnMut(&mut Self) -> Result<T, E>,
    ) -> Result<Vec<T>, E> {
        let count = self.count(object)?;
        self.parts = self.parts.checked_sub(count).ok_or(E::TooManyParts)?;
        self.items(count, object, item)
    }

    /// Nodes are counted apart: each is named by a path.
    fn nodes(&mut self) -> Result<Vec<Hash>, E> {
        let count = self.count(Object::Node)?;
        if count > MAX_HASHES {
            return Err(E::TooManyHashesInAll);
        }
        self.items(count, Object::Node, Self::hash)
    }

    fn count(&mut self, object: fn(u64) -> Object) -> Result<usize, E> {
        self.object = object(0);
        match self.d.list().map_err(cbor)? {
            0 => Err(E::EmptyList),
            count => Ok(count),
        }
    }

    /// Nothing is allocated for more items than the file can have and a bundle may have.
    fn items<T>(
        &mut self,
        count: usize,
        object: fn(u64) -> Object,
        mut item: impl FnMut(&mut Self) -> Result<T, E>,
    ) -> Result<Vec<T>, E> {
        let mut out = Vec::with_capacity(count);
        for n in 0..count {
            self.object = object(n as u64);
            out.push(item(self)?);
        }
        Ok(out)
    }

    fn array_of(&mut self, len: usize) -> Result<(), E> {
        if self.d.list().map_err(cbor)? == len { Ok(()) } else { Err(E::Cbor) }
    }

    fn hash(&mut self) -> Result<Hash, E> {
        self.d.array::<32>().map(|hash| Hash(*hash)).map_err(cbor)
    }
}

/// Returns the checksum the file ends with.
fn parse_map(r: &mut Reader<'_>, bundle: &mut Bundle) -> Result<Hash, E> {
    let mut map = r.d.map().map_err(cbor)?;
    let mut nodes = Vec::new();
    let mut checksum = None;
    let mut parts = 0_u32;
    while let Some(key) = map.next_key(&mut r.d).map_err(cbor)? {
        match key {
            0 => parse_magic(r)?,
            1 => bundle.origin = parse_origin(r)?,
            2 => bundle.checkpoints = r.list(Object::Checkpoint, |r| text(r))?,
            3 => bundle.consistency = r.list(Object::Consistency, parse_proof)?,
            4 => nodes = r.nodes()?,
            5 => bundle.entries = parse_entries(r, &nodes)?,
            6 => bundle.disclosures = parse_disclosures(r)?,
            7 => bundle.anchors = r.list(Object::Anchor, parse_anchor)?,
            8 => bundle.certificates = r.list(Object::Certificate, parse_certificate)?,
            15 => {
                r.object = Object::Checksum;
                checksum = Some(r.hash()?);
            }
            _ => return Err(E::UnknownKey),
        }
        parts |= 1_u32.checked_shl(key as u32).unwrap_or(0);
    }
    const REQUIRED: u32 = 0b111 | 1 << 5 | 1 << 15;
    r.object = Object::File;
    if parts & REQUIRED != REQUIRED {
        return Err(E::PartMissing);
    }
    r.d.end().map_err(|_| E::TrailingBytes)?;
    check_counts(r, bundle)?;
    checksum.ok_or(E::PartMissing)
}

fn parse_magic(r: &mut Reader<'_>) -> Result<(), E> {
    match r.d.text() {
        Ok(MAGIC) => Ok(()),
        _ => Err(E::Magic),
    }
}

fn parse_origin(r: &mut Reader<'_>) -> Result<String, E> {
    r.object = Object::Origin;
    text(r)
}

fn text(r: &mut Reader<'_>) -> Result<String, E> {
    r.d.text().map(String::from).map_err(cbor)
}

fn parse_proof(r: &mut Reader<'_>) -> Result<Vec<Hash>, E> {
    let count = proof_len(r)?;
    let mut proof = Vec::with_capacity(count);
    for _ in 0..count {
        proof.push(r.hash()?);
    }
    Ok(proof)
}

fn proof_len(r: &mut Reader<'_>) -> Result<usize, E> {
    let count = r.d.list().map_err(cbor)?;
    if count > MAX_PROOF_LEN {
        return Err(E::TooManyHashes);
    }
    r.hashes = r.hashes.checked_sub(count).ok_or(E::TooManyHashesInAll)?;
    Ok(count)
}

fn parse_entries(r: &mut Reader<'_>, nodes: &[Hash]) -> Result<Vec<Entry>, E> {
    let mut used = 0;
    let mut last = None;
    let entries = r.list(Object::EntryAt, |r| {
        r.array_of(3)?;
        let index = r.d.uint().map_err(cbor)?;
        r.object = Object::Entry(index);
        if last.is_some_and(|last| index <= last) {
            return Err(E::EntriesOutOfOrder);
        }
        last = Some(index);
        let bytes = r.d.bytes().map_err(cbor)?;
        if bytes.len() > MAX_ENTRY {
            return Err(E::EntryTooLong);
        }
        let path = parse_path(r, nodes, &mut used)?;
        Ok(Entry { index: LeafIndex(index), bytes: bytes.into(), path })
    })?;
    // Each node is there once and for a reason.
    let distinct: BTreeSet<&Hash> = nodes.iter().collect();
    if used != nodes.len() || distinct.len() != nodes.len() {
        return Err(E::NodeTwice);
    }
    Ok(entries)
}

/// `used` nodes have been named so far: the next new one must be the next of the list.
fn parse_path(r: &mut Reader<'_>, nodes: &[Hash], used: &mut usize) -> Result<Vec<Hash>, E> {
    let count = proof_len(r)?;
    let mut path = Vec::with_capacity(count);
    for _ in 0..count {
        let place = usize::try_from(r.d.uint().map_err(cbor)?).map_err(|_| E::NodesOutOfOrder)?;
        if place > *used {
            return Err(E::NodesOutOfOrder);
        }
        *used = (*used).max(place.saturating_add(1));
        path.push(*nodes.get(place).ok_or(E::NodesOutOfOrder)?);
    }
    Ok(path)
}

fn parse_disclosures(r: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, E> {
    let mut last: Option<&[u8]> = None;
    r.list(Object::Disclosure, |r| {
        let bytes = r.d.bytes().map_err(cbor)?;
        if last.is_some_and(|last| bytes <= last) {
            return Err(E::DisclosuresOutOfOrder);
        }
        last = Some(bytes);
        Ok(bytes.into())
    })
}

fn parse_anchor(r: &mut Reader<'_>) -> Result<Anchor, E> {
    r.array_of(3)?;
    let kind = r.d.uint().map_err(cbor)?;
    let checkpoint = r.d.uint().map_err(cbor)?;
    let evidence = r.d.bytes().map_err(cbor)?.into();
    Ok(Anchor { kind, checkpoint, evidence })
}

fn parse_certificate(r: &mut Reader<'_>) -> Result<Certificate, E> {
    r.array_of(2)?;
    let kind = r.d.uint().map_err(cbor)?;
    Ok(Certificate { kind, bytes: r.d.bytes().map_err(cbor)?.into() })
}

fn check_counts(r: &mut Reader<'_>, bundle: &Bundle) -> Result<(), E> {
    if bundle.consistency.len().checked_add(1) != Some(bundle.checkpoints.len()) {
        return Err(E::ConsistencyCount);
    }
    for (n, anchor) in (0..).zip(&bundle.anchors) {
        if anchor.checkpoint >= bundle.checkpoints.len() as u64 {
            r.object = Object::Anchor(n);
            return Err(E::CheckpointUnknown);
        }
    }
    Ok(())
}

fn cbor(_: StatementError) -> E {
    E::Cbor
}
