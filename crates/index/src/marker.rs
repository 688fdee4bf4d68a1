//! Whether the view may be damaged: it is never synced while in use, so a machine that loses power
//! leaves anything behind.
//!
//! ```text
//! index.db.open     boot id of the machine while the view is in use; gone after a clean close
//! ```
//!
//! A killed process harms nothing: what it wrote is in the kernel's hands. Only a marker of another
//! boot means that the file cannot be trusted.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

pub(crate) struct Marker {
    index: PathBuf,
    path: PathBuf,
}

impl Marker {
    pub(crate) fn of(index: &Path) -> Self {
        Self { index: index.to_owned(), path: with_suffix(index, ".open") }
    }

    /// True if the view was in use when the machine went down.
    pub(crate) fn is_stale(&self) -> io::Result<bool> {
        match fs::read_to_string(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            found => {
                let boot = boot_id();
                Ok(boot.is_empty() || found? != boot)
            }
        }
    }

    /// Removes the view's files.
    pub(crate) fn discard(&self) -> io::Result<()> {
        for suffix in ["", "-wal", "-shm"] {
            match fs::remove_file(with_suffix(&self.index, suffix)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }

    /// Notes durably that the view is in use.
    pub(crate) fn set(&self) -> io::Result<()> {
        let mut file = File::create(&self.path)?;
        file.write_all(boot_id().as_bytes())?;
        file.sync_all()?;
        let dir = self.path.parent().filter(|d| !d.as_os_str().is_empty());
        File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Syncs the view's files and notes that they can be trusted.
    pub(crate) fn clear(&self) -> io::Result<()> {
        for suffix in ["", "-wal"] {
            match File::open(with_suffix(&self.index, suffix)) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                file => file?.sync_all()?,
            }
        }
        fs::remove_file(&self.path)
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// This boot of this machine; empty where the system does not say.
fn boot_id() -> String {
    fs::read_to_string(BOOT_ID).unwrap_or_default()
}
