//! The write-ahead log: what makes an acknowledged entry durable.
//!
//! ```text
//! wal/00000000000000000512.seg     named by the index of its first entry
//!   header 4 KiB   "FIRMLOGW" version origin first nonce crc
//!   record         magic crc segment first received count len │ entries as in a bundle │ pad to 64
//!   record         …                                          (the rest is old bytes or zeros)
//! ```
//!
//! In scope: segments and their records. Out of scope: what entries mean, when segments may go
//! (`flusher`).
//!
//! Invariants:
//! - Segments are zero-filled or reused whole, so a commit overwrites allocated blocks and its sync
//!   writes no metadata. Space is taken in [`Wal::reserve`] alone, before anything of a batch is
//!   written: running out of space there loses nothing.
//! - A record is written only after the one before is durable. So after a crash only the *last*
//!   record can be torn; anything else that does not parse is damage, and the log does not start.
//! - Checksums start from the segment's secret nonce: no entry can be made to look like a record.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use firmlog_tlog::merkle::Hash;

use crate::disk::{Disk, DiskFile};
use crate::error::LogError;

const HEADER: u64 = 4096;
const HEADER_USED: usize = 72;
const FRAME: usize = 64;
const FILE_MAGIC: [u8; 8] = *b"FIRMLOGW";
const RECORD_MAGIC: u32 = u32::from_le_bytes(*b"FLW1");
const SPARE: &str = "spare";

/// The segments on disk, shared with the flusher, which removes old ones and prepares the next.
#[derive(Clone)]
pub(crate) struct Segments {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    bytes: u64,
    state: Arc<Mutex<SegmentState>>,
    /// Held while the spare file is made, filled or used up.
    spare: Arc<Mutex<()>>,
}

/// Why there is no room for a batch.
#[derive(Debug)]
pub(crate) enum ReserveError {
    /// No space on the disk, found before anything was written: trying again is safe.
    Full,
    /// Anything else: the log must be reopened.
    Failed(LogError),
}

#[derive(Default)]
struct SegmentState {
    firsts: VecDeque<u64>,
    spare: bool,
}

/// The open write-ahead log.
pub(crate) struct Wal {
    segments: Segments,
    origin: Hash,
    file: Box<dyn DiskFile>,
    path: PathBuf,
    first: u64,
    nonce: u64,
    offset: u64,
    length: u64,
    buf: Vec<u8>,
}

/// One durable batch, as read back.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) first: u64,
    pub(crate) count: u32,
    pub(crate) received_ms: u64,
    pub(crate) entries: &'a [u8],
}

/// What reading the log back found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replay {
    pub(crate) first: u64,
    pub(crate) next: u64,
    /// True if a torn last record was dropped.
    pub(crate) torn: bool,
}

impl Segments {
    fn path(&self, first: u64) -> PathBuf {
        segment_path(&self.dir, first)
    }

    /// Removes the segments whose every entry lies in full pages below `durable`; the first
    /// of them becomes the spare if there is none.
    pub(crate) fn recycle(&self, durable: u64) -> Result<(), LogError> {
        let _spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (old, keep) = {
                let state = self.lock();
                let (Some(&old), Some(&next)) = (state.firsts.front(), state.firsts.get(1)) else {
                    return Ok(());
                };
                if next.next_multiple_of(256) > durable {
                    return Ok(());
                }
                (old, !state.spare)
            };
            let path = self.path(old);
            if keep {
                let spare = self.dir.join(SPARE);
                self.disk.rename(&path, &spare).map_err(LogError::io("rename", &path))?;
                // The old name must be gone for good before the file gets a new header.
                self.disk.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))?;
            } else {
                self.disk.remove(&path).map_err(LogError::io("remove", &path))?;
            }
            let mut state = self.lock();
            state.firsts.pop_front();
            state.spare |= keep;
        }
    }

    /// The first entry that a restart reads back.
    pub(crate) fn oldest(&self) -> u64 {
        self.lock().firsts.front().copied().unwrap_or(0)
    }

    /// Makes sure a spare segment is ready, so that the sequencer need not wait for one.
    pub(crate) fn prepare(&self) -> Result<(), LogError> {
        let _spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        self.make_spare()
    }

    fn make_spare(&self) -> Result<(), LogError> {
        if self.lock().spare {
            return Ok(());
        }
        let spare = self.dir.join(SPARE);
        let tmp = crate::disk::temporary(&spare);
        if let Err(error) = self.disk.preallocate(&tmp, self.bytes) {
            // What was taken of the last space is given back; if not, the next try overwrites it.
            let _ = self.disk.remove(&tmp);
            return Err(LogError::io("allocate", &spare)(error));
        }
        self.disk.rename(&tmp, &spare).map_err(LogError::io("rename", &spare))?;
        self.lock().spare = true;
        Ok(())
    }

    /// Puts a fresh, durable, empty segment in place and returns its open file and nonce.
    fn activate(
        &self,
        first: u64,
        origin: &Hash,
    ) -> Result<(Box<dyn DiskFile>, u64), ReserveError> {
        let _spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        self.make_spare().map_err(|error| match &error {
            LogError::Io { action: "allocate", source, .. }
                if source.kind() == std::io::ErrorKind::StorageFull =>
            {
                ReserveError::Full
            }
            _ => ReserveError::Failed(error),
        })?;
        self.fill_spare(first, origin).map_err(ReserveError::Failed)
    }

    fn fill_spare(&self, first: u64, origin: &Hash) -> Result<(Box<dyn DiskFile>, u64), LogError> {
        let spare = self.dir.join(SPARE);
        let path = self.path(first);
        let file = self.disk.open(&spare).map_err(LogError::io("open", &spare))?;
        let nonce = RandomState::new().hash_one(first);
        // From here to the end the spare is used up, whatever happens.
        self.lock().spare = false;
        let header = encode_header(first, nonce, origin);
        file.write_at(&header, 0).map_err(LogError::io("write", &spare))?;
        file.sync().map_err(LogError::io("sync", &spare))?;
        self.disk.rename(&spare, &path).map_err(LogError::io("rename", &path))?;
        self.disk.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))?;
        self.lock().firsts.push_back(first);
        Ok((file, nonce))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SegmentState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wal {
    /// Starts a write-ahead log whose first entry will be `first`.
    pub(crate) fn create(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        bytes: u64,
        origin: &Hash,
        first: u64,
    ) -> Result<Self, LogError> {
        disk.create_dirs(dir).map_err(LogError::io("create", dir))?;
        let segments = Segments {
            disk: disk.clone(),
            dir: dir.to_path_buf(),
            bytes,
            state: Arc::default(),
            spare: Arc::default(),
        };
        let (file, nonce) = segments.activate(first, origin).map_err(|error| match error {
            ReserveError::Full => {
                LogError::io("allocate", dir)(std::io::ErrorKind::StorageFull.into())
            }
            ReserveError::Failed(error) => error,
        })?;
        let path = segments.path(first);
        let origin = *origin;
        let mut wal = Self {
            segments,
            origin,
            file,
            path,
            first,
            nonce,
            offset: HEADER,
            length: 0,
            buf: Vec::new(),
        };
        wal.length = wal.measure()?;
        Ok(wal)
    }

    /// Reads everything back, calling `visit` for each batch in order, and opens for appending.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        bytes: u64,
        origin: &Hash,
        visit: impl FnMut(&Batch<'_>) -> Result<(), LogError>,
    ) -> Result<(Self, Replay), LogError> {
        let (replay, firsts, (offset, tail, nonce)) = read_all(disk.as_ref(), dir, origin, visit)?;
        let first = firsts.back().copied().unwrap_or(replay.first);
        let state = SegmentState { firsts, spare: false };
        let segments = Segments {
            disk: disk.clone(),
            dir: dir.to_path_buf(),
            bytes,
            state: Arc::new(Mutex::new(state)),
            spare: Arc::default(),
        };
        // A spare may be half prepared or of another size: a new one is cheap at the start.
        let spare = dir.join(SPARE);
        disk.remove(&spare).map_err(LogError::io("remove", &spare))?;
        let path = segments.path(first);
        let file = disk.open(&path).map_err(LogError::io("open", &path))?;
        let (origin, length, buf) = (*origin, 0, Vec::new());
        let mut wal = Self { segments, origin, file, path, first, nonce, offset, length, buf };
        wal.length = wal.measure()?;
        wal.settle(tail)?;
        Ok((wal, replay))
    }

    /// Reads everything back and changes nothing.
    pub(crate) fn scan(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        origin: &Hash,
        visit: impl FnMut(&Batch<'_>) -> Result<(), LogError>,
    ) -> Result<Replay, LogError> {
        read_all(disk.as_ref(), dir, origin, visit).map(|(replay, _, _)| replay)
    }

    /// The segments, for the flusher.
    pub(crate) fn segments(&self) -> Segments {
        self.segments.clone()
    }

    /// Makes room for a batch of at most `bytes` bundle bytes that starts at entry `next`.
    /// On `Err` nothing of the batch has been written.
    pub(crate) fn reserve(&mut self, bytes: usize, next: u64) -> Result<(), ReserveError> {
        let need = (FRAME + bytes).next_multiple_of(FRAME) as u64;
        if self.offset + need <= self.length {
            return Ok(());
        }
        let (file, nonce) = self.segments.activate(next, &self.origin)?;
        self.path = self.segments.path(next);
        (self.file, self.nonce, self.first, self.offset) = (file, nonce, next, HEADER);
        self.length = self.measure().map_err(ReserveError::Failed)?;
        Ok(())
    }

    /// Starts a record and returns the buffer to which its entries are appended as in a bundle.
    pub(crate) fn begin(&mut self) -> &mut Vec<u8> {
        self.buf.clear();
        self.buf.resize(FRAME, 0);
        &mut self.buf
    }

    /// The bundle bytes of the record begun last.
    pub(crate) fn entries(&self) -> &[u8] {
        &self.buf[FRAME..]
    }

    /// Writes the record and makes it durable. After an `Err` it may or may not be, and this log
    /// must not be written again before it was reopened.
    pub(crate) fn commit(
        &mut self,
        first: u64,
        count: u32,
        received_ms: u64,
    ) -> Result<(), LogError> {
        let len = self.buf.len() - FRAME;
        let frame = &mut self.buf[..FRAME];
        frame[0..4].copy_from_slice(&RECORD_MAGIC.to_le_bytes());
        frame[8..16].copy_from_slice(&self.first.to_le_bytes());
        frame[16..24].copy_from_slice(&first.to_le_bytes());
        frame[24..32].copy_from_slice(&received_ms.to_le_bytes());
        frame[32..36].copy_from_slice(&count.to_le_bytes());
        frame[36..40].copy_from_slice(&(len as u32).to_le_bytes());
        let crc = record_crc(self.nonce, &self.buf[8..]);
        self.buf[4..8].copy_from_slice(&crc.to_le_bytes());
        self.file.write_at(&self.buf, self.offset).map_err(LogError::io("write", &self.path))?;
        self.file.sync().map_err(LogError::io("sync", &self.path))?;
        self.offset += self.buf.len().next_multiple_of(FRAME) as u64;
        Ok(())
    }

    /// The most bundle bytes one batch can have.
    pub(crate) fn batch_bytes_max(&self) -> usize {
        (self.length - HEADER) as usize - FRAME
    }

    fn measure(&self) -> Result<u64, LogError> {
        self.file.len().map_err(LogError::io("measure", &self.path))
    }

    /// Writes the last record once more and wipes the frame after it. The page cache may show a
    /// record whose sync had failed and that the disk never got; a torn frame must not linger.
    fn settle(&mut self, tail: Option<(u64, Vec<u8>)>) -> Result<(), LogError> {
        if let Some((offset, bytes)) = tail {
            self.file.write_at(&bytes, offset).map_err(LogError::io("write", &self.path))?;
        }
        if self.offset + FRAME as u64 <= self.length {
            let wiped = [0; FRAME];
            self.file.write_at(&wiped, self.offset).map_err(LogError::io("write", &self.path))?;
        }
        self.file.sync().map_err(LogError::io("sync", &self.path))
    }
}

fn read_all(
    disk: &dyn Disk,
    dir: &Path,
    origin: &Hash,
    mut visit: impl FnMut(&Batch<'_>) -> Result<(), LogError>,
) -> Result<(Replay, VecDeque<u64>, SegmentEnd), LogError> {
    let firsts = firsts(disk, dir)?;
    let Some((&first, &last)) = firsts.first().zip(firsts.last()) else {
        let object = dir.display().to_string();
        return Err(LogError::damaged(object, "at least one segment", "none"));
    };
    let mut replay = Replay { first, next: first, torn: false };
    let mut end = (HEADER, None, 0);
    for &segment in &firsts {
        let path = segment_path(dir, segment);
        if segment != replay.next {
            return Err(LogError::damaged(
                path.display().to_string(),
                format!("a segment that starts at entry {}", replay.next),
                format!("one that starts at {segment}"),
            ));
        }
        let data = disk.read(&path).map_err(LogError::io("read", &path))?;
        let is_last = segment == last;
        end = read_segment(&path, &data, segment, origin, is_last, &mut replay, &mut visit)?;
    }
    Ok((replay, firsts.into(), end))
}

/// The first entry of each segment, in order.
pub(crate) fn firsts(disk: &dyn Disk, dir: &Path) -> Result<Vec<u64>, LogError> {
    let names = disk.list(dir).map_err(LogError::io("list", dir))?;
    let number = |name: &String| name.strip_suffix(".seg").filter(|d| d.len() == 20)?.parse().ok();
    let mut firsts: Vec<u64> = names.iter().filter_map(number).collect();
    firsts.sort_unstable();
    Ok(firsts)
}

fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.seg"))
}

/// End offset, last record (to be written again) and nonce of a segment.
type SegmentEnd = (u64, Option<(u64, Vec<u8>)>, u64);

fn read_segment(
    path: &Path,
    data: &[u8],
    segment: u64,
    origin: &Hash,
    is_last: bool,
    replay: &mut Replay,
    visit: &mut impl FnMut(&Batch<'_>) -> Result<(), LogError>,
) -> Result<SegmentEnd, LogError> {
    let nonce = decode_header(path, data, segment, origin)?;
    let mut at = HEADER as usize;
    let mut tail = None;
    while let Some(batch) = decode_record(data, at, segment, nonce) {
        if batch.first != replay.next {
            return Err(LogError::damaged(
                format!("{} at byte {at}", path.display()),
                format!("a record that starts at entry {}", replay.next),
                format!("one that starts at {}", batch.first),
            ));
        }
        visit(&batch)?;
        replay.next += u64::from(batch.count);
        let end = at + FRAME + batch.entries.len();
        tail = Some((at, end));
        at = end.next_multiple_of(FRAME);
    }
    let looks_begun = data.get(at..at + FRAME).is_some_and(|f| {
        f[0..4] == RECORD_MAGIC.to_le_bytes() && f[8..16] == segment.to_le_bytes()
    });
    let later = (at + FRAME..data.len())
        .step_by(FRAME)
        .find(|&p| decode_record(data, p, segment, nonce).is_some());
    if let Some(later) = later {
        return Err(LogError::damaged(
            format!("{} at byte {at}", path.display()),
            format!("a whole record, as there is a later one at byte {later}"),
            "a damaged one",
        ));
    }
    // Only the last segment may end in a torn record; that the others are whole is seen by the
    // next one starting at the entry after their last.
    replay.torn |= is_last && looks_begun;
    let tail = tail.map(|(from, to)| (from as u64, data[from..to].to_vec()));
    Ok((at as u64, tail, nonce))
}

fn encode_header(first: u64, nonce: u64, origin: &Hash) -> Vec<u8> {
    let mut out = vec![0; HEADER as usize];
    out[0..8].copy_from_slice(&FILE_MAGIC);
    out[8..12].copy_from_slice(&1u32.to_le_bytes());
    out[16..24].copy_from_slice(&first.to_le_bytes());
    out[24..32].copy_from_slice(&nonce.to_le_bytes());
    out[32..64].copy_from_slice(&origin.0);
    let crc = crc32c::crc32c(&out[..HEADER_USED - 8]);
    out[64..68].copy_from_slice(&crc.to_le_bytes());
    out
}

fn decode_header(path: &Path, data: &[u8], segment: u64, origin: &Hash) -> Result<u64, LogError> {
    let damaged = |got: &str| {
        LogError::damaged(
            path.display().to_string(),
            format!("the header of segment {segment}"),
            got,
        )
    };
    let head = data.get(..HEADER as usize).ok_or_else(|| damaged("a shorter file"))?;
    if head[0..8] != FILE_MAGIC || u32_at(head, 64) != crc32c::crc32c(&head[..HEADER_USED - 8]) {
        return Err(damaged("bytes with a wrong checksum"));
    }
    if u64_at(head, 16) != segment {
        return Err(damaged("the header of another segment"));
    }
    if head[32..64] != origin.0 {
        return Err(damaged("a segment of another log"));
    }
    Ok(u64_at(head, 24))
}

fn decode_record(data: &[u8], at: usize, segment: u64, nonce: u64) -> Option<Batch<'_>> {
    let frame = data.get(at..at + FRAME)?;
    if u32_at(frame, 0) != RECORD_MAGIC || u64_at(frame, 8) != segment {
        return None;
    }
    let len = u32_at(frame, 36) as usize;
    let entries = data.get(at + FRAME..)?.get(..len)?;
    if u32_at(frame, 4) != record_crc(nonce, &data[at + 8..at + FRAME + len]) {
        return None;
    }
    Some(Batch {
        first: u64_at(frame, 16),
        count: u32_at(frame, 32),
        received_ms: u64_at(frame, 24),
        entries,
    })
}

fn record_crc(nonce: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&nonce.to_le_bytes()), bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests;
