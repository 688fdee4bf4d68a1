//! An evidence bundle read in place: the same shape as `bundle::parse`, without keeping anything.
//!
//! ```text
//! af 00 71 "firmlog bundle v1" 01 … 04 98 2a 58 20 hash 58 20 hash … 05 8b 83 00 59 … path …
//!                                            └ nodes, 34 bytes each    └ entries
//! ```
//!
//! In scope: the shape (evidence-bundle.md, `BND-001` to `BND-004`), and finding its parts. Out of
//! scope: whether any of it is true.
//!
//! Invariants:
//! - No allocation, and no copy of the file; what is handed out are slices of it.
//! - [`File::parse`] accepts exactly what `Bundle::parse` does: a fuzz target holds them together.

use firmlog_statement::codec::Decoder;
use firmlog_statement::{MAX_ENTRY, StatementError as E};
use firmlog_tlog::merkle::{Hash, LeafIndex, MAX_PROOF_LEN};
use sha2::{Digest as _, Sha256};

/// The file's first value.
pub(crate) const MAGIC: &str = "firmlog bundle v1";

/// Bytes of a node: a byte string's head, and the hash.
const NODE: usize = 34;

/// A well-formed bundle.
#[derive(Clone, Copy, Debug)]
pub(super) struct File<'a> {
    pub(super) origin: &'a str,
    /// The last checkpoint, under which all entries are.
    pub(super) checkpoint: &'a str,
    nodes: &'a [u8],
    entries: &'a [u8],
    count: usize,
}

/// One entry and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) index: LeafIndex,
    pub(super) bytes: &'a [u8],
    path: &'a [u8],
    hashes: usize,
    nodes: &'a [u8],
}

impl<'a> File<'a> {
    /// Finds the parts; none if this is no bundle, or one that was damaged.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        Self::read(bytes).ok().filter(|_| is_whole(bytes))
    }

    fn read(bytes: &'a [u8]) -> Result<Self, E> {
        let mut d = Decoder::new(bytes);
        let mut map = d.map()?;
        let mut file = Self { origin: "", checkpoint: "", nodes: &[], entries: &[], count: 0 };
        let (mut parts, mut checkpoints, mut proofs) = (0_u32, 0, 0);
        let mut anchored = 0;
        while let Some(key) = map.next_key(&mut d)? {
            match key {
                0 => must(d.text()? == MAGIC)?,
                1 => file.origin = d.text()?,
                2 => (checkpoints, file.checkpoint) = last_text(&mut d)?,
                3 => proofs = each(&mut d, |d| hashes(d, MAX_PROOF_LEN).map(|_| ()))?,
                4 => file.nodes = nodes(&mut d)?,
                5 => (file.count, file.entries) = entries(&mut d, file.nodes)?,
                6 => disclosures(&mut d)?,
                7 => anchored = anchors(&mut d)?,
                8 => drop(each(&mut d, |d| kinded(d, 2).map(|_| ()))?),
                15 => drop(d.array::<32>()?),
                _ => return Err(E::UnknownKey),
            }
            parts |= 1_u32.checked_shl(u32::try_from(key).unwrap_or(u32::MAX)).unwrap_or(0);
        }
        const REQUIRED: u32 = 0b111 | 1 << 5 | 1 << 15;
        must(parts & REQUIRED == REQUIRED)?;
        must(proofs.checked_add(1) == Some(checkpoints) && anchored <= checkpoints as u64)?;
        d.end()?;
        Ok(file)
    }

    /// The entries, in the order of the log.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'a>> + Clone + use<'a> {
        let (mut d, nodes) = (Decoder::new(self.entries), self.nodes);
        (0..self.count).map_while(move |_| entry(&mut d, nodes).ok())
    }
}

impl<'a> Entry<'a> {
    /// The inclusion proof, from the leaf's sibling up.
    pub(super) fn path(&self) -> impl Iterator<Item = Hash> + use<'a> {
        let (mut d, nodes) = (Decoder::new(self.path), self.nodes);
        (0..self.hashes).map_while(move |_| node(nodes, d.uint().ok()?))
    }
}

fn must(holds: bool) -> Result<(), E> {
    if holds { Ok(()) } else { Err(E::WrongType) }
}

/// The checksum, which finds damage and proves nothing (`BND-007`).
fn is_whole(bytes: &[u8]) -> bool {
    let Some((covered, checksum)) = bytes.split_last_chunk::<32>() else { return false };
    Sha256::digest(covered).as_slice() == checksum
}

/// Reads a list that is not empty; tells how many there were.
fn each<'a>(
    d: &mut Decoder<'a>,
    mut item: impl FnMut(&mut Decoder<'a>) -> Result<(), E>,
) -> Result<usize, E> {
    let count = d.list()?;
    must(count > 0)?;
    (0..count).try_for_each(|_| item(d))?;
    Ok(count)
}

fn last_text<'a>(d: &mut Decoder<'a>) -> Result<(usize, &'a str), E> {
    let mut last = "";
    let count = each(d, |d| {
        last = d.text()?;
        Ok(())
    })?;
    Ok((count, last))
}

fn hashes(d: &mut Decoder<'_>, most: usize) -> Result<usize, E> {
    let count = d.list()?;
    must(count <= most)?;
    (0..count).try_for_each(|_| d.array::<32>().map(|_| ()))?;
    Ok(count)
}

/// The list of nodes, each there once.
fn nodes<'a>(d: &mut Decoder<'a>) -> Result<&'a [u8], E> {
    let count = d.list()?;
    must(count > 0)?;
    let len = count.checked_mul(NODE).ok_or(E::Truncated)?;
    let list = d.rest().get(..len).ok_or(E::Truncated)?;
    (0..count).try_for_each(|_| d.array::<32>().map(|_| ()))?;
    let twice = |(n, node): (usize, &[u8])| list.chunks(NODE).skip(n).skip(1).any(|it| it == node);
    must(!list.chunks(NODE).enumerate().any(twice))?;
    Ok(list)
}

fn node(nodes: &[u8], place: u64) -> Option<Hash> {
    let start = usize::try_from(place).ok()?.checked_mul(NODE)?;
    let end = start.checked_add(NODE)?;
    nodes.get(start..end)?.last_chunk().copied().map(Hash)
}

/// The list of entries: ascending, every node used and in the order of first use.
fn entries<'a>(d: &mut Decoder<'a>, nodes: &'a [u8]) -> Result<(usize, &'a [u8]), E> {
    let count = d.list()?;
    must(count > 0)?;
    let start = d.rest();
    let (mut last, mut used) = (None, 0);
    for _ in 0..count {
        let entry = entry(d, nodes)?;
        must(last.is_none_or(|last| entry.index > last) && entry.bytes.len() <= MAX_ENTRY)?;
        last = Some(entry.index);
        let mut path = Decoder::new(entry.path);
        for _ in 0..entry.hashes {
            let place = path.uint()?;
            must(place <= used && node(nodes, place).is_some())?;
            used = used.max(place.saturating_add(1));
        }
    }
    must(used == (nodes.len() / NODE) as u64)?;
    let len = start.len().saturating_sub(d.rest().len());
    Ok((count, start.get(..len).ok_or(E::Bug)?))
}

fn entry<'a>(d: &mut Decoder<'a>, nodes: &'a [u8]) -> Result<Entry<'a>, E> {
    must(d.list()? == 3)?;
    let index = LeafIndex(d.uint()?);
    let bytes = d.bytes()?;
    let hashes = d.list()?;
    must(hashes <= MAX_PROOF_LEN)?;
    let start = d.rest();
    (0..hashes).try_for_each(|_| d.uint().map(|_| ()))?;
    let len = start.len().saturating_sub(d.rest().len());
    let path = start.get(..len).ok_or(E::Bug)?;
    Ok(Entry { index, bytes, path, hashes, nodes })
}

fn disclosures(d: &mut Decoder<'_>) -> Result<(), E> {
    let mut last: Option<&[u8]> = None;
    each(d, |d| {
        let bytes = d.bytes()?;
        must(last.is_none_or(|last| bytes > last))?;
        last = Some(bytes);
        Ok(())
    })?;
    Ok(())
}

/// One more than the highest checkpoint that an anchor names.
fn anchors(d: &mut Decoder<'_>) -> Result<u64, E> {
    let mut end = 0;
    each(d, |d| {
        end = end.max(kinded(d, 3)?.saturating_add(1));
        Ok(())
    })?;
    Ok(end)
}

/// `[kind, bytes]` or `[kind, checkpoint, bytes]`; the checkpoint.
fn kinded(d: &mut Decoder<'_>, len: usize) -> Result<u64, E> {
    must(d.list()? == len)?;
    d.uint()?;
    let checkpoint = if len == 3 { d.uint()? } else { 0 };
    d.bytes()?;
    Ok(checkpoint)
}
