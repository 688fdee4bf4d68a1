//! What pruning leaves of a page: the statements that evidence about later entries rests on.
//!
//! ```text
//! kept/00000000000000000003     of entries 768 to 1023: crc32c, then for each one kept
//!                               place in the page (1 byte), length (2 bytes, big-endian), bytes
//! ```
//!
//! Kept are `Trust`, `Release`, `Approval`, `Authorisation` and `Annotation` statements: without
//! the genesis and the enrolments behind a key, no bundle about any later entry can be checked.
//! What devices said, audit statements and bytes that are no statements go.
//!
//! Invariants:
//! - A page's file is durable before its bundle is removed.
//! - The tiles that prove a kept entry are kept with it ([`Pages::need`]).

use std::collections::BTreeSet;
use std::path::PathBuf;

use firmlog_statement::{Kind, Parsed};
use firmlog_tlog::tile::{Bundle, TileId, TilePath, WIDTH};

use crate::error::LogError;
use crate::store::Store;

const PAGE: u64 = WIDTH as u64;

/// An entry with its index.
pub(crate) type Kept = (u64, Vec<u8>);

/// The pages that have a file.
pub(crate) struct Pages(BTreeSet<u64>);

impl Pages {
    /// Lists them.
    pub(crate) fn list(store: &Store) -> Result<Self, LogError> {
        let dir = store.dir.join("kept");
        let names = store.disk.list(&dir).map_err(LogError::io("list", &dir))?;
        Ok(Self(names.iter().filter_map(|name| name.parse().ok()).collect()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().copied()
    }

    /// Whether the proof of a kept entry needs this tile.
    pub(crate) fn need(&self, id: TileId) -> bool {
        let shift = u32::from(id.level) * 8;
        let end = (id.index + 1).checked_shl(shift).unwrap_or(u64::MAX);
        let first = id.index.checked_shl(shift).unwrap_or(u64::MAX);
        self.0.range(first..end).next().is_some()
    }
}

/// Writes what is kept of a page, if anything, from its bundle. Durable with the next sync.
pub(crate) fn keep(store: &Store, page: u64) -> Result<(), LogError> {
    let kept: Vec<Kept> = of_bundle(store, page)?;
    if kept.is_empty() {
        return Ok(());
    }
    let mut body = Vec::new();
    for (index, entry) in kept {
        body.push((index % PAGE) as u8);
        body.extend_from_slice(&(entry.len() as u16).to_be_bytes());
        body.extend_from_slice(&entry);
    }
    write(store, page, &body)
}

/// What is kept of a page that lies below the minimum index, in whole or in part.
pub(crate) fn read(store: &Store, page: u64) -> Result<Vec<Kept>, LogError> {
    let min = store.min_index();
    if (page + 1) * PAGE > min {
        let mut kept = of_bundle(store, page)?;
        kept.retain(|(index, _)| *index < min);
        return Ok(kept);
    }
    let body = body(store, page)?;
    let (mut rest, mut kept) = (body.as_slice(), Vec::new());
    while !rest.is_empty() {
        let one = split(rest).ok_or_else(|| {
            damaged(store, page, "a place, a length and that many bytes", "fewer bytes")
        })?;
        kept.push((page * PAGE + u64::from(one.0), one.1.to_vec()));
        rest = one.2;
    }
    Ok(kept)
}

/// Copies a page's file as it is.
pub(crate) fn copy(from: &Store, to: &Store, page: u64) -> Result<(), LogError> {
    write(to, page, &body(from, page)?)
}

/// The bytes behind the checksum; none if there is no file.
fn body(store: &Store, page: u64) -> Result<Vec<u8>, LogError> {
    let path = path(store, page);
    let framed = match store.disk.read(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(LogError::io("read", &path))?,
    };
    match framed.split_first_chunk::<4>() {
        Some((crc, body)) if u32::from_le_bytes(*crc) == crc32c::crc32c(body) => Ok(body.to_vec()),
        _ => Err(damaged(store, page, "bytes with the checksum before them", "other bytes")),
    }
}

fn write(store: &Store, page: u64, body: &[u8]) -> Result<(), LogError> {
    let path = path(store, page);
    let framed = [&crc32c::crc32c(body).to_le_bytes()[..], body].concat();
    store.disk.write(&path, &framed).map_err(LogError::io("write", &path))
}

fn of_bundle(store: &Store, page: u64) -> Result<Vec<Kept>, LogError> {
    let resource = TilePath::Entries { index: page, width: WIDTH };
    let bytes = store.whole_bundle(page)?;
    let bundle = Bundle::parse(&bytes, WIDTH).map_err(|e| {
        LogError::damaged(resource.to_string(), "a bundle of 256 entries", e.to_string())
    })?;
    let entries = (page * PAGE..).zip(bundle.entries());
    Ok(entries.filter(|(_, e)| is_kept(e)).map(|(at, e)| (at, e.to_vec())).collect())
}

fn is_kept(entry: &[u8]) -> bool {
    use Kind::{Annotation, Approval, Authorisation, Release, Trust};
    Parsed::parse(entry).is_ok_and(|parsed| {
        matches!(parsed.kind(), Trust | Release | Approval | Authorisation | Annotation)
    })
}

fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[place, high, low], rest) = bytes.split_first_chunk::<3>()?;
    let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
    Some((place, entry, rest))
}

fn damaged(store: &Store, page: u64, expected: &str, got: &str) -> LogError {
    LogError::damaged(path(store, page).display().to_string(), expected, got)
}

fn path(store: &Store, page: u64) -> PathBuf {
    store.dir.join(format!("kept/{page:020}"))
}
