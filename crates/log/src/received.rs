//! When the log received each entry, by its own clock: kept beside the tiles, not in them.
//!
//! ```text
//! state/received/00000003.a        entries 196608 .. 262144; `.b` takes turns with it
//!   crc32c  size  (index step, milliseconds step) pairs of varints: one per change of time
//! ```
//!
//! In scope: the encoding and its files. Out of scope: what else bounds an entry's time
//! (witnesses, anchors). These times are the operator's word; the tree does not cover them.
//!
//! Invariants:
//! - Times never run backwards; a clock that does is held at the last time.
//! - A span is overwritten only in the one of its two files that is not the newest durable one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::LogError;
use crate::store::Store;

const SPAN: u64 = 1 << 16;
const HEADER: usize = 12;

/// Changes of the received time, from one index on.
#[derive(Debug, Default)]
pub(crate) struct Received {
    runs: BTreeMap<u64, u64>,
}

impl Received {
    /// Notes that entries from `index` on were received at `ms`.
    pub(crate) fn note(&mut self, index: u64, ms: u64) {
        let last = self.runs.range(..index).next_back().map(|(_, ms)| *ms);
        if index.is_multiple_of(SPAN) || last.is_none_or(|last| last < ms) {
            self.runs.insert(index, ms.max(last.unwrap_or(0)));
        }
    }

    /// The time of an entry, if it is here.
    pub(crate) fn at(&self, index: u64) -> Option<u64> {
        self.runs.range(..=index).next_back().map(|(_, ms)| *ms)
    }

    /// A span of a tree of `size` entries as its file has it; `None` if its times are no longer
    /// here, which is so only when its file is final and durable.
    pub(crate) fn file(&self, span: u64, size: u64) -> Option<Vec<u8>> {
        self.at(span * SPAN).map(|_| self.encode(span, size))
    }

    /// Spans that end after `from`, encoded for their files, without those that are final and
    /// durable.
    pub(crate) fn files(&self, from: u64, size: u64) -> Vec<(u64, Vec<u8>)> {
        let spans = from / SPAN..size.div_ceil(SPAN);
        spans.filter_map(|span| Some((span, self.file(span, size)?))).collect()
    }

    /// Forgets what is durable: all spans that end at or before `size`.
    pub(crate) fn release(&mut self, size: u64) {
        let keep = self.runs.range(..size / SPAN * SPAN).next_back().map(|(i, _)| *i);
        if let Some(keep) = keep {
            self.runs = self.runs.split_off(&keep);
        }
    }

    /// Reads the span that `index` lies in and keeps what is before `index`.
    pub(crate) fn resume(store: &Store, index: u64) -> Result<Self, LogError> {
        let mut runs = BTreeMap::new();
        if index > 0 {
            for (first, ms) in read(store, (index - 1) / SPAN)? {
                runs.insert(first, ms);
            }
        }
        runs.split_off(&index);
        Ok(Self { runs })
    }

    fn encode(&self, span: u64, size: u64) -> Vec<u8> {
        let (mut index, mut time) = (span * SPAN, 0);
        let mut out = vec![0; HEADER];
        out[4..HEADER].copy_from_slice(&size.to_le_bytes());
        // The time in force at the span's start comes first, so that a file stands alone.
        let start = self.at(index).map(|ms| (index, ms));
        let end = (index + SPAN).min(size);
        let later = self.runs.range(index + 1..end.max(index + 1)).map(|(i, ms)| (*i, *ms));
        for (i, ms) in start.into_iter().chain(later) {
            varint(&mut out, i - index);
            varint(&mut out, ms - time);
            (index, time) = (i, ms);
        }
        let crc = crc32c::crc32c(&out[4..]);
        out[..4].copy_from_slice(&crc.to_le_bytes());
        out
    }
}

/// The received time of a durable entry.
pub(crate) fn lookup(store: &Store, index: u64) -> Result<Option<u64>, LogError> {
    Times::default().at(store, index)
}

/// Received times of durable entries read in order: each span is read once.
#[derive(Default)]
pub(crate) struct Times {
    span: Option<u64>,
    runs: Vec<(u64, u64)>,
}

impl Times {
    /// The received time of an entry.
    pub(crate) fn at(&mut self, store: &Store, index: u64) -> Result<Option<u64>, LogError> {
        let span = index / SPAN;
        if self.span != Some(span) {
            self.runs = read(store, span)?;
            self.span = Some(span);
        }
        let after = self.runs.partition_point(|(first, _)| *first <= index);
        Ok(after.checked_sub(1).and_then(|at| self.runs.get(at)).map(|(_, ms)| *ms))
    }
}

/// Where a span is kept, in turns.
pub(crate) fn path(store: &Store, span: u64, turn: bool) -> PathBuf {
    let letter = if turn { 'b' } else { 'a' };
    store.dir.join(format!("state/received/{span:08}.{letter}"))
}

/// Which file of its last span a log of `size` entries, just recovered, writes next. What a killed
/// process left unsynced becomes durable first, so that the newest file is the one to keep.
pub(crate) fn next_turn(store: &Store, size: u64) -> Result<bool, LogError> {
    store.disk.sync_all().map_err(LogError::io("sync", &store.dir))?;
    let span = size.saturating_sub(1) / SPAN;
    let [a, b] = [false, true].map(|turn| read_file(store, span, turn));
    Ok(a? > b?)
}

/// The spans of a log of `size` entries.
pub(crate) fn spans(size: u64) -> std::ops::Range<u64> {
    0..size.div_ceil(SPAN)
}

/// True if all of a span lies below `size`: its file is final.
pub(crate) fn is_final(span: u64, size: u64) -> bool {
    (span + 1) * SPAN <= size
}

/// True if a span has entries from `from` on.
pub(crate) fn is_needed(span: u64, from: u64) -> bool {
    !is_final(span, from)
}

/// The size at which the newest whole file of a span was written; `None` if there is none.
pub(crate) fn written_at(store: &Store, span: u64) -> Result<Option<u64>, LogError> {
    let [a, b] = [false, true].map(|turn| read_file(store, span, turn));
    Ok(a?.max(b?).map(|(size, _)| size))
}

fn read(store: &Store, span: u64) -> Result<Vec<(u64, u64)>, LogError> {
    let both = [false, true].map(|turn| read_file(store, span, turn));
    let newest = both.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().max();
    let Some((_, bytes)) = newest else { return Ok(Vec::new()) };
    let (mut index, mut time) = (span * SPAN, 0u64);
    let mut rest = bytes.as_slice();
    let mut out = Vec::new();
    while let Some((step, ms)) = take(&mut rest).and_then(|i| Some((i, take(&mut rest)?))) {
        (index, time) = (index.saturating_add(step), time.saturating_add(ms));
        out.push((index, time));
    }
    Ok(out)
}

/// The size a file was written at and its pairs; `None` if it is missing or not whole.
fn read_file(store: &Store, span: u64, turn: bool) -> Result<Option<(u64, Vec<u8>)>, LogError> {
    let path = path(store, span, turn);
    let bytes = match store.disk.read(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(LogError::io("read", &path))?,
    };
    let Some((head, pairs)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
    let [a, b, c, d, size @ ..] = *head;
    let whole = u32::from_le_bytes([a, b, c, d]) == crc32c::crc32c(&bytes[4..]);
    Ok(whole.then(|| (u64::from_le_bytes(size), pairs.to_vec())))
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
