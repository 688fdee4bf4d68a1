//! The fault boundary: everything the log asks of a disk, in one trait.
//!
//! ```text
//! write_at("wal/00000000000000000256.seg", 4096, ..)   visible, not durable
//! sync()                                               durable
//! ```
//!
//! In scope: the operations and what each promises. Out of scope: what is
//! written where (`wal`, `record`, `flusher`). The second implementation,
//! [`FaultDisk`](crate::fault::FaultDisk), breaks each promise that a real disk may break.
//!
//! Invariants:
//! - Nothing is durable before a sync that returned `Ok`. A sync that failed is never repeated:
//!   Linux marks the pages clean, so a second one would succeed and prove nothing.
//! - Names (create, rename, remove) become durable by [`Disk::sync_dir`] or [`Disk::sync_all`].

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// A file system as the log sees it.
pub trait Disk: Send + Sync + 'static {
    /// Creates a directory and its parents.
    fn create_dirs(&self, dir: &Path) -> io::Result<()>;
    /// Reads a whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Creates or overwrites a file in place. A reader or a crash may see a part of it.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// As [`Disk::write`], and gives the file to be synced.
    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<Box<dyn DiskFile>> {
        self.write(path, bytes)?;
        self.open(path)
    }
    /// Replaces a file so that a reader sees the old or the new content, after a crash too
    /// (temporary name, sync, rename).
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Creates a file of `len` zero bytes, written and synced, so that overwriting it later
    /// changes no metadata and its sync is cheap. Its name is not durable yet.
    fn preallocate(&self, path: &Path, len: u64) -> io::Result<()>;
    /// Renames within one directory, replacing the target.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file. A file that is not there is not an error.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Names in a directory; empty if the directory is not there.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Opens an existing file for positioned reads and writes.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Makes the names in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes everything written so far durable, data and names (`syncfs`).
    fn sync_all(&self) -> io::Result<()>;
    /// Takes an exclusive lock, creating the file if needed; `WouldBlock` if someone holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// True if the file holds nothing.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Fills `buf` from `offset`.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes the written data durable (`fdatasync`).
    fn sync(&self) -> io::Result<()>;
}

/// The real file system below one directory.
#[derive(Debug)]
pub struct StdDisk {
    /// Kept open from the start, so that `syncfs` reports every write-back error since then.
    root: File,
}

impl StdDisk {
    /// Opens the file system that holds `dir`, creating the directory if needed.
    pub fn new(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        Ok(Self { root: File::open(dir)? })
    }
}

impl Disk for StdDisk {
    fn create_dirs(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        with_parent(path, || File::create(path))?.write_all(bytes)
    }

    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<Box<dyn DiskFile>> {
        // The file that was written to, so that no write-back error goes unseen.
        let mut file = with_parent(path, || File::create(path))?;
        file.write_all(bytes)?;
        Ok(Box::new(file))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let tmp = temporary(path);
        self.create(&tmp, bytes)?.sync()?;
        fs::rename(&tmp, path)
    }

    fn preallocate(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut file = with_parent(path, || File::create(path))?;
        let zeros = vec![0u8; 1 << 20];
        let mut left = len;
        while left > 0 {
            let part = left.min(zeros.len() as u64);
            file.write_all(&zeros[..part as usize])?;
            left -= part;
        }
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        entries.map(|e| Ok(e?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.root)?)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let file = with_parent(path, || {
            OpenOptions::new().create(true).truncate(false).write(true).open(path)
        })?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// The temporary name [`Disk::replace`] uses; never a name the log reads.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    path.with_file_name(name)
}

/// Runs `make`; if the directory is missing, creates it and runs `make` once more.
fn with_parent<T>(path: &Path, make: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match make() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
            make()
        }
        other => other,
    }
}
