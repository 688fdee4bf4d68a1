//! What was done to the log and is not told in it yet: one file a deed, removed once the log has
//! the `Audit` entry.
//!
//! ```text
//! data/state/deeds/01781870400000-erased.json
//! {"at_ms":1781870400000,"deed":"erased","index":7,"entry":"9f2c…","fields":["serial"]}
//! ```
//!
//! In scope: keeping deeds across a crash, and what each says in the log. Out of scope: doing them,
//! and appending (`audit`).
//!
//! Invariants:
//! - A deed is durable before whoever did it says so; one that destroys something, before it does.
//! - A deed makes the same bytes whenever it is told, so that the log takes it in once, also when
//!   it was killed between appending and removing the file.
//! - No deed holds a private value, a path or a secret.

use std::io;
use std::path::{Path, PathBuf};

use firmlog_log::disk::{Disk, StdDisk};
use firmlog_statement::{Audit, AuditAction, Digest};
use serde::{Deserialize, Serialize};

use crate::audit;
use crate::config::Config;

/// Something that was done, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// Unix milliseconds, this machine's clock.
    pub at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "deed", rename_all = "snake_case")]
pub enum What {
    /// Private values of an entry were erased, or are to be: whoever tells it erases them again.
    Erased {
        /// Where the entry is.
        index: u64,
        /// Its leaf hash.
        #[serde(with = "hex32")]
        entry: [u8; 32],
        /// Names of the fields; never a value.
        fields: Vec<String>,
    },
    /// The server was started with another configuration than the time before.
    ConfigChanged {
        /// Digest of the one before.
        #[serde(with = "hex32")]
        old: [u8; 32],
        /// Digest of the one now.
        #[serde(with = "hex32")]
        new: [u8; 32],
    },
    /// A backup was made.
    BackupMade {
        /// Entries in it.
        size: u64,
        /// SHA-256 of its checkpoint file.
        #[serde(with = "hex32")]
        checkpoint: [u8; 32],
    },
    /// A backup was put in the place of the log.
    Restored {
        /// Entries in it.
        size: u64,
        /// SHA-256 of its checkpoint file.
        #[serde(with = "hex32")]
        checkpoint: [u8; 32],
    },
    /// Entries were given up, or were to be: as many as the log lacks are told.
    Pruned {
        /// First entry that the log had.
        from: u64,
        /// First entry that was to be kept.
        until: u64,
    },
}

/// The deeds of one log that wait to be told.
#[derive(Clone, Debug)]
pub struct Deeds {
    state: PathBuf,
}

impl Deeds {
    /// Those of the log with this configuration; none in a log of any bytes, which has no `Audit`
    /// entries.
    #[must_use]
    pub fn of(config: &Config) -> Option<Self> {
        (!config.log.any).then(|| Self { state: config.log.dir.join("state") })
    }

    /// Notes durably what is done now; returns the file.
    ///
    /// # Errors
    /// If it could not be written and synced.
    pub fn note(&self, what: What) -> io::Result<PathBuf> {
        let mut deed = Deed { at_ms: crate::app::now_ms(), what };
        let path = loop {
            let path = self.dir().join(format!("{:014}-{}.json", deed.at_ms, deed.what.name()));
            if !path.try_exists()? {
                break path;
            }
            deed.at_ms += 1;
        };
        self.write(&path, &deed)?;
        Ok(path)
    }

    /// Says durably what came of a deed that was noted before.
    ///
    /// # Errors
    /// If it could not be written and synced.
    pub fn correct(&self, path: &Path, what: What) -> io::Result<()> {
        let deed = Deed { what, ..self.read(path)? };
        self.write(path, &deed)
    }

    /// Removes a deed that was told, or that nothing came of.
    ///
    /// # Errors
    /// If it could not be removed.
    pub fn forget(&self, path: &Path) -> io::Result<()> {
        self.disk()?.remove(path)
    }

    /// Deeds that wait, oldest first, with their files.
    ///
    /// # Errors
    /// If the folder cannot be read. A file in it that is no deed is named in the program's log.
    pub fn waiting(&self) -> io::Result<Vec<(PathBuf, Deed)>> {
        let dir = self.dir();
        let mut names = self.disk()?.list(&dir)?;
        // What was not written whole has another ending.
        names.retain(|name| name.ends_with(".json"));
        names.sort_unstable();
        let mut deeds = Vec::with_capacity(names.len());
        for path in names.into_iter().map(|name| dir.join(name)) {
            match self.read(&path) {
                Ok(deed) => deeds.push((path, deed)),
                Err(error) => tracing::error!(
                    %error, path = %path.display(),
                    "this deed cannot be read and is not told; look at the file, then remove it"
                ),
            }
        }
        Ok(deeds)
    }

    /// Notes the configuration that the server starts with; a deed if another was noted before.
    /// Takes away what a kill left half written. Called under the log's lock, before anything else
    /// is noted.
    pub(crate) fn start_with(&self, config: &Config) -> io::Result<()> {
        self.tidy()?;
        let path = self.state.join("config");
        let new = config.digest();
        let old = match std::fs::read_to_string(&path) {
            Ok(text) => crate::show::hex32(text.trim()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if old == Some(new) {
            return Ok(());
        }
        if let Some(old) = old {
            let changed = What::ConfigChanged { old, new };
            // It was noted already if the server died before the next line.
            if !self.waiting()?.iter().any(|(_, deed)| deed.what == changed) {
                self.note(changed)?;
            }
        }
        let disk = self.disk()?;
        disk.replace(&path, format!("{}\n", crate::show::hex(&new)).as_bytes())?;
        disk.sync_dir(&self.state)
    }

    fn tidy(&self) -> io::Result<()> {
        let disk = self.disk()?;
        let names = disk.list(&self.dir())?;
        let cut = names.iter().filter(|name| name.ends_with(".tmp"));
        cut.map(|name| self.dir().join(name)).try_for_each(|path| disk.remove(&path))
    }

    pub(crate) fn read(&self, path: &Path) -> io::Result<Deed> {
        Ok(serde_json::from_slice(&self.disk()?.read(path)?)?)
    }

    fn write(&self, path: &Path, deed: &Deed) -> io::Result<()> {
        let disk = self.disk()?;
        disk.create_dirs(&self.dir())?;
        disk.replace(path, &serde_json::to_vec(deed)?)?;
        disk.sync_dir(&self.dir())?;
        disk.sync_dir(&self.state)
    }

    fn dir(&self) -> PathBuf {
        self.state.join("deeds")
    }

    fn disk(&self) -> io::Result<StdDisk> {
        StdDisk::new(&self.state)
    }
}

impl What {
    fn name(&self) -> &'static str {
        match self {
            Self::Erased { .. } => "erased",
            Self::ConfigChanged { .. } => "config_changed",
            Self::BackupMade { .. } => "backup_made",
            Self::Restored { .. } => "restored",
            Self::Pruned { .. } => "pruned",
        }
    }

    /// Subject of the statement.
    pub(crate) fn subject(&self) -> &'static str {
        match self {
            Self::Erased { .. } => "disclosures",
            Self::ConfigChanged { .. } => "configuration",
            Self::BackupMade { .. } | Self::Restored { .. } => "backups",
            Self::Pruned { .. } => "entries",
        }
    }
}

impl Deed {
    /// What the log says of it.
    pub(crate) fn audit(&self) -> Audit {
        let audit = |action| audit::audit(action, Some(self.at_ms));
        let copy = |action, size, checkpoint| Audit {
            new: Some(Digest(checkpoint)),
            count: Some(size),
            detail: Some(format!("{size} entries; the digest is that of the checkpoint file")),
            ..audit(action)
        };
        match &self.what {
            What::Erased { entry, fields, .. } => Audit {
                subjects: vec![Digest(*entry)],
                count: Some(fields.len() as u64),
                detail: Some(audit::words(&fields.join(", "))),
                ..audit(AuditAction::Erased)
            },
            What::ConfigChanged { old, new } => Audit {
                old: Some(Digest(*old)),
                new: Some(Digest(*new)),
                ..audit(AuditAction::ConfigChanged)
            },
            What::BackupMade { size, checkpoint } => {
                copy(AuditAction::BackupMade, *size, *checkpoint)
            }
            What::Restored { size, checkpoint } => copy(AuditAction::Restored, *size, *checkpoint),
            What::Pruned { from, until } => Audit {
                count: Some(until.saturating_sub(*from)),
                detail: Some(format!(
                    "entries {from} to {}, but those that evidence rests on",
                    until.saturating_sub(1)
                )),
                ..audit(AuditAction::Pruned)
            },
        }
    }
}

mod hex32 {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&crate::show::hex(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        crate::show::hex32(&text).ok_or_else(|| de::Error::custom("expected 64 hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deeds() -> (tempfile::TempDir, Deeds) {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        (dir, Deeds { state })
    }

    #[test]
    fn what_is_noted_waits_until_it_is_forgotten() {
        let (_dir, deeds) = deeds();
        assert_eq!(deeds.waiting().unwrap(), []);
        let fields = vec!["serial".to_owned()];
        let erased = What::Erased { index: 7, entry: [9; 32], fields };
        let first = deeds.note(erased.clone()).unwrap();
        let second = deeds.note(What::Pruned { from: 0, until: 512 }).unwrap();
        deeds.note(erased.clone()).unwrap();
        deeds.correct(&second, What::Pruned { from: 0, until: 256 }).unwrap();
        // Cut while it was written, and spoilt by somebody.
        std::fs::write(first.with_extension("json.tmp"), "{\"at_").unwrap();
        std::fs::write(first.with_file_name("00-spoilt.json"), "{}").unwrap();
        let waiting: Vec<_> = deeds.waiting().unwrap().into_iter().map(|it| it.1.what).collect();
        assert_eq!(waiting.len(), 3);
        assert!(waiting.contains(&What::Pruned { from: 0, until: 256 }));
        deeds.forget(&first).unwrap();
        deeds.forget(&first).unwrap();
        assert_eq!(deeds.waiting().unwrap().len(), 2);
        deeds.start_with(&Config::default()).unwrap();
        assert!(!first.with_extension("json.tmp").exists());
        assert_eq!(deeds.waiting().unwrap().len(), 2);
    }

    #[test]
    fn another_configuration_is_noted_once_and_the_first_is_not() {
        let (_dir, deeds) = deeds();
        let mut config = Config::default();
        deeds.start_with(&config).unwrap();
        deeds.start_with(&config).unwrap();
        assert_eq!(deeds.waiting().unwrap(), []);
        let old = config.digest();
        let before = std::fs::read(deeds.state.join("config")).unwrap();
        config.limits.rate_per_s = 7;
        deeds.start_with(&config).unwrap();
        // Killed between the two files: the deed is there, the digest is the old one.
        std::fs::write(deeds.state.join("config"), before).unwrap();
        deeds.start_with(&config).unwrap();
        deeds.start_with(&config).unwrap();
        let waiting = deeds.waiting().unwrap();
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting[0].1.what, What::ConfigChanged { old, new: config.digest() });
    }
}
