//! The memory of a witness: what it cosigned last for each log.
//!
//! ```text
//! <dir>/<hex SHA-256 of origin>        the checkpoint cosigned last, with its cosignature
//!
//! firmlog witness state v1             … and before there is one
//! log.example.org/pumps
//! nothing cosigned yet
//! ```
//!
//! Invariants:
//! - Check and persist are one step per origin: two racing requests cannot both pass.
//! - The new checkpoint is durable before its cosignature leaves the witness.
//! - A file that does not parse, or is missing, stops the witness: it would not know what it said,
//!   and cosign a rewritten log. Only [`WitnessStore::init`] begins a memory.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use firmlog_tlog::checkpoint::Unverified;
use firmlog_tlog::cosignature;
use firmlog_tlog::merkle::{TreeHead, TreeSize};
use firmlog_tlog::note::{Ed25519Check, NoteSigner, VerifierKey};
use firmlog_tlog::witness::{AddCheckpoint, SIZE_MEDIA_TYPE, encode_size};
use sha2::{Digest as _, Sha256};

use super::judge::{Answer, judge};
use crate::disk::{Disk, StdDisk};
use crate::error::LogError;
use crate::recovery::lock;

/// What a witness has cosigned, and for whom it does.
pub struct WitnessStore {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    logs: HashMap<String, Vec<VerifierKey>>,
    heads: HashMap<String, Mutex<Option<TreeHead>>>,
    _lock: Box<dyn Send + Sync>,
}

/// An HTTP answer of a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessReply {
    /// Status code.
    pub status: u16,
    /// Media type of the body.
    pub media_type: &'static str,
    /// Body: cosignature lines, a size, or a reason.
    pub body: String,
}

/// Why a witness could not answer. Nothing was cosigned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// Storage failed, now or earlier for this log.
    #[error(transparent)]
    Storage(#[from] LogError),
    /// The witness's key failed, or the clock stands before 1970.
    #[error("cosign: {0}")]
    Signer(String),
}

impl WitnessStore {
    /// Begins a memory in `dir` of logs that this witness never cosigned.
    ///
    /// # Errors
    /// [`LogError::Exists`] if there is a memory of one of them; nothing was made then.
    pub fn init(dir: &Path, origins: &[&str]) -> Result<(), LogError> {
        let disk = StdDisk::new(dir).map_err(LogError::io("open", dir))?;
        Self::init_on(&disk, dir, origins)
    }

    /// As [`WitnessStore::init`], on another disk.
    ///
    /// # Errors
    /// As [`WitnessStore::init`].
    pub fn init_on(disk: &dyn Disk, dir: &Path, origins: &[&str]) -> Result<(), LogError> {
        disk.create_dirs(dir).map_err(LogError::io("create", dir))?;
        let _lock = lock(disk, &dir.join("lock"))?;
        for origin in origins {
            let path = file(dir, origin);
            match disk.read(&path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Ok(_) => return Err(LogError::Exists(path)),
                Err(e) => return Err(LogError::io("read", &path)(e)),
            }
        }
        origins.iter().try_for_each(|origin| persist(disk, dir, origin, &nothing_yet(origin)))
    }

    /// Opens the store in `dir` for logs given as origin and keys.
    ///
    /// # Errors
    /// [`LogError::Locked`] if another witness uses it, [`LogError::WitnessStateMissing`] for a log
    /// that [`WitnessStore::init`] did not begin with, [`LogError::Damaged`] naming a file that
    /// does not parse.
    pub fn open(dir: &Path, logs: Vec<(String, Vec<VerifierKey>)>) -> Result<Self, LogError> {
        // Not even the folder is made for a witness that has no memory.
        if let (false, Some((origin, _))) = (dir.exists(), logs.first()) {
            let (origin, path) = (origin.clone(), file(dir, origin));
            return Err(LogError::WitnessStateMissing { origin, path });
        }
        let disk = StdDisk::new(dir).map_err(LogError::io("open", dir))?;
        Self::open_on(Arc::new(disk), dir, logs)
    }

    /// As [`WitnessStore::open`], on another disk.
    ///
    /// # Errors
    /// As [`WitnessStore::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        logs: Vec<(String, Vec<VerifierKey>)>,
    ) -> Result<Self, LogError> {
        let lock = lock(disk.as_ref(), &dir.join("lock"))?;
        let mut heads = HashMap::new();
        for (origin, _) in &logs {
            let head = read_head(disk.as_ref(), &file(dir, origin), origin)?;
            heads.insert(origin.clone(), Mutex::new(Some(head)));
        }
        let logs = logs.into_iter().collect();
        Ok(Self { disk, dir: dir.to_path_buf(), logs, heads, _lock: lock })
    }

    /// Answers `POST add-checkpoint`. `time_s` is now, in seconds since 1970.
    ///
    /// # Errors
    /// A [`WitnessError`] if it cannot persist or sign; to be answered as 500.
    pub fn add_checkpoint(
        &self,
        body: &[u8],
        time_s: u64,
        signer: &dyn NoteSigner,
        check: &(impl Ed25519Check + ?Sized),
    ) -> Result<WitnessReply, WitnessError> {
        let request = match AddCheckpoint::parse(body) {
            Ok(request) => request,
            Err(error) => return Ok(text(400, &error.to_string())),
        };
        let Ok(parsed) = Unverified::parse(request.checkpoint.as_bytes()) else {
            return Ok(text(400, "the checkpoint is malformed"));
        };
        let origin = parsed.claimed().origin;
        let Some((keys, slot)) = self.logs.get(origin).zip(self.heads.get(origin)) else {
            return Ok(text(404, "the log is not known here"));
        };
        // Held until the cosignature is made: per origin, requests are answered one by one.
        let mut last = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = *last else {
            let dir = file(&self.dir, origin);
            return Err(LogError::io("trust, after a failed write,", &dir)(
                io::ErrorKind::Other.into(),
            )
            .into());
        };
        match judge(&request, keys, &known, check) {
            Answer::Cosign(head) => {
                let line = cosignature::cosign(parsed.note().text(), time_s, signer)
                    .map_err(|e| WitnessError::Signer(e.to_string()))?;
                // Unknown until the write has succeeded: a failed one may be on disk or not.
                *last = None;
                let content = format!("{}{line}", request.checkpoint);
                persist(self.disk.as_ref(), &self.dir, origin, &content)?;
                *last = Some(head);
                Ok(WitnessReply {
                    status: 200,
                    media_type: "text/plain; charset=utf-8",
                    body: line,
                })
            }
            Answer::Conflict(size) => Ok(WitnessReply {
                status: 409,
                media_type: SIZE_MEDIA_TYPE,
                body: encode_size(size),
            }),
            Answer::UnknownOrigin => Ok(text(404, "the log is not known here")),
            Answer::BadRequest(why) => Ok(text(400, why)),
            Answer::Forbidden(why) => Ok(text(403, why)),
            Answer::Unprocessable(why) => Ok(text(422, why)),
        }
    }

    /// The checkpoint cosigned last for the log whose origin has this SHA-256, in lowercase hex, as
    /// `GET <prefix>/<hex>/checkpoint` serves it.
    ///
    /// # Errors
    /// Storage errors.
    pub fn checkpoint(&self, origin_hex: &str) -> Result<Option<String>, LogError> {
        let Some(origin) = self.logs.keys().find(|o| hex_name(o) == origin_hex) else {
            return Ok(None);
        };
        let path = file(&self.dir, origin);
        match self.disk.read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Ok(bytes) if bytes == nothing_yet(origin).as_bytes() => Ok(None),
            other => {
                let bytes = other.map_err(LogError::io("read", &path))?;
                Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
            }
        }
    }

    /// The size cosigned last for a log, if it is known and well.
    #[must_use]
    pub fn size(&self, origin: &str) -> Option<TreeSize> {
        let last = self.heads.get(origin)?.lock().unwrap_or_else(PoisonError::into_inner);
        last.map(|head| head.size)
    }
}

/// New content under a temporary name, synced, then renamed, and the name synced.
fn persist(disk: &dyn Disk, dir: &Path, origin: &str, content: &str) -> Result<(), LogError> {
    let path = file(dir, origin);
    let tmp = crate::disk::temporary(&path);
    disk.write(&tmp, content.as_bytes()).map_err(LogError::io("write", &tmp))?;
    let open = disk.open(&tmp).map_err(LogError::io("open", &tmp))?;
    open.sync().map_err(LogError::io("sync", &tmp))?;
    disk.rename(&tmp, &path).map_err(LogError::io("rename", &path))?;
    disk.sync_dir(dir).map_err(LogError::io("sync", dir))
}

/// What stands where nothing was cosigned. Not an empty file: a crash of the machine can make one.
fn nothing_yet(origin: &str) -> String {
    format!("firmlog witness state v1\n{origin}\nnothing cosigned yet\n")
}

fn read_head(disk: &dyn Disk, path: &Path, origin: &str) -> Result<TreeHead, LogError> {
    let bytes = match disk.read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let (origin, path) = (origin.to_owned(), path.to_path_buf());
            return Err(LogError::WitnessStateMissing { origin, path });
        }
        Ok(bytes) if bytes == nothing_yet(origin).as_bytes() => return Ok(TreeHead::empty()),
        other => other.map_err(LogError::io("read", path))?,
    };
    let parsed = Unverified::parse(&bytes).ok().filter(|c| c.claimed().origin == origin);
    parsed.map(|c| c.claimed().head()).ok_or_else(|| {
        let object = path.display().to_string();
        LogError::damaged(object, format!("a checkpoint of {origin}"), "other bytes")
    })
}

fn file(dir: &Path, origin: &str) -> PathBuf {
    dir.join(hex_name(origin))
}

fn hex_name(origin: &str) -> String {
    Sha256::digest(origin.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

fn text(status: u16, why: &str) -> WitnessReply {
    let body = format!("{why}\n");
    WitnessReply { status, media_type: "text/plain; charset=utf-8", body }
}
