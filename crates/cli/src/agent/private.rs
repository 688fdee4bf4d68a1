//! Private values of a statement: kept beside the journal, and sent by whoever may.
//!
//! ```text
//! private/12.pending             salts and values, before statement 12 commits to them
//! private/12.cose                the statement
//! private/12.cose.disclosures    what opens its commitments, as `statement submit` takes it
//! ```
//!
//! Invariants:
//! - Salts and values are durable before a statement commits to them.
//! - Nothing here is sent by itself: who may learn a name is not the device's to decide.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use firmlog_agent::journal::ENTRY_MAX;
use firmlog_statement::Parsed;
use firmlog_statement::disclosure::{Commitment, FieldId};
use serde::{Deserialize, Serialize};

use super::config::Config;
use super::unit::Device;
use crate::error::{Error, Result};
use crate::submit::{self, Secret};

/// The folder of private values.
pub(crate) struct Private(PathBuf);

/// A value as it waits for its statement.
#[derive(Deserialize, Serialize)]
struct Waiting {
    field: u16,
    salt: [u8; 16],
    value: String,
}

impl Private {
    pub(crate) fn of(config: &Config) -> Self {
        Self(config.dir.join("private"))
    }

    /// Keeps what the statement with this seq is about to commit to.
    pub(crate) fn keep(&self, seq: u64, secrets: &[Secret]) -> Result<()> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.map_err(|e| Error::io("make", &self.0, e))?;
        let waiting: Vec<Waiting> = secrets.iter().map(Waiting::from).collect();
        let text = serde_json::to_vec(&waiting).map_err(|e| Error::new("E-BUG", e))?;
        self.write(&self.pending(seq), &text)
    }

    /// Makes disclosures of what was committed to, and forgets what no statement committed to.
    pub(crate) fn settle(&self, device: &mut Device<'_>) -> Result<()> {
        for (path, seq) in self.waiting()? {
            let text = std::fs::read(&path).map_err(|e| Error::io("read", &path, e))?;
            let name = path.display().to_string();
            let waiting: Vec<Waiting> =
                serde_json::from_slice(&text).map_err(|e| Error::form(&name, e))?;
            let secrets: Option<Vec<Secret>> = waiting.iter().map(Waiting::secret).collect();
            let secrets = secrets.ok_or_else(|| Error::form(&name, "a field without a name"))?;
            let mut entry = [0; ENTRY_MAX];
            let journal = device.journal();
            let next = journal.next().map(|(next, _)| next);
            let len = journal.statement(seq, &mut entry).map_err(|e| Error::form("journal", e))?;
            match len.and_then(|len| entry.get(..len)) {
                Some(entry) if commits_to(entry, &secrets) => {
                    self.disclose(seq, entry, &secrets)?
                }
                // Power went before it was said, and something else was said instead.
                Some(_) => {}
                None if next.is_some_and(|next| next <= seq) => {}
                None => {
                    tracing::warn!(seq, "the journal lost the statement of private values");
                    continue;
                }
            }
            std::fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
        Ok(())
    }

    fn disclose(&self, seq: u64, entry: &[u8], secrets: &[Secret]) -> Result<()> {
        let path = self.0.join(format!("{seq}.cose"));
        self.write(&submit::beside(&path), &submit::disclosure_set(entry, secrets)?)?;
        self.write(&path, entry)
    }

    fn waiting(&self) -> Result<Vec<(PathBuf, u64)>> {
        let entries = match std::fs::read_dir(&self.0) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|e| Error::io("list", &self.0, e))?,
        };
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let paths: Vec<PathBuf> =
            paths.collect::<io::Result<_>>().map_err(|e| Error::io("list", &self.0, e))?;
        let seq = |path: &Path| path.file_name()?.to_str()?.strip_suffix(".pending")?.parse().ok();
        Ok(paths.into_iter().filter_map(|path| seq(&path).map(|seq| (path, seq))).collect())
    }

    fn pending(&self, seq: u64) -> PathBuf {
        self.0.join(format!("{seq}.pending"))
    }

    /// Whole and durable, or not there.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let new = self.0.join("new");
        let write = || {
            let mut options = OpenOptions::new();
            let mut file =
                options.create(true).truncate(true).write(true).mode(0o600).open(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&new, path)?;
            File::open(&self.0)?.sync_all()
        };
        write().map_err(|e| Error::io("write", path, e))
    }
}

impl From<&Secret> for Waiting {
    fn from(secret: &Secret) -> Self {
        let Secret { field, salt, value } = secret.clone();
        Self { field: field.code(), salt, value }
    }
}

impl Waiting {
    fn secret(&self) -> Option<Secret> {
        let field = FieldId::from_code(u64::from(self.field))?;
        Some(Secret { field, salt: self.salt, value: self.value.clone() })
    }
}

fn commits_to(entry: &[u8], secrets: &[Secret]) -> bool {
    let update = Parsed::parse(entry).and_then(|parsed| parsed.update());
    update.is_ok_and(|update| {
        secrets.iter().all(|secret| {
            let made = Commitment::new(secret.field, &secret.salt, &secret.value);
            update.commitments.find(secret.field) == Some(&made.digest)
        })
    })
}
