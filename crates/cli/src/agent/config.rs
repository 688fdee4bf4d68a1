//! The agent's settings, in the folder it lives in.
//!
//! ```toml
//! issuer = "acme.example/devices"     # /var/lib/firmlog-agent/agent.toml
//! subject = "ip-200/app"
//! key = "tpm:handle=0x81010001"
//! log = "https://log.example"
//! trust = "log.trust"
//! issuers = ["acme.example"]          # whose releases the device takes
//! ```
//!
//! Paths are relative to the folder. `firmlog agent init` writes the file; people may edit it while
//! no agent runs.

use std::path::{Path, PathBuf};

use firmlog_agent::update::{Image, LogBeforeInstall};
use firmlog_keys::Key;
use firmlog_keys::uri::KeyUri;
use firmlog_statement::DeviceId;
use serde::{Deserialize, Serialize};

use crate::answer::{hex, unhex};
use crate::command::key::{self, Lock};
use crate::error::{Error, Result};
use crate::submit::digest;

/// The settings.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Name under which the device's key is enrolled.
    pub(crate) issuer: String,
    /// What the statements are about, such as `ip-200/app`.
    pub(crate) subject: String,
    /// The model, as releases name it.
    pub(crate) model: String,
    /// The component that images are for, as releases name it.
    #[serde(default = "component")]
    pub(crate) component: String,
    /// Issuers whose releases the device takes; of others in the log it takes none.
    pub(crate) issuers: Vec<String>,
    /// The hardware revision, where releases are limited to some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hw_rev: Option<String>,
    /// Thumbprint of the device's first key.
    pub(crate) device: String,
    /// The key: a file, tpm:… or pkcs11:…
    pub(crate) key: String,
    /// File with its passphrase or PIN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Address of the log.
    pub(crate) log: String,
    /// Trust root that pins the log.
    pub(crate) trust: PathBuf,
    /// The journal: a file or a partition.
    pub(crate) journal: PathBuf,
    /// Public keys, P-256, that may sign images for MCUboot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) image_keys: Vec<PathBuf>,
    /// What runs, as the boot chain measured it: `SHA-256 VERSION COUNTER`.
    pub(crate) running: PathBuf,
    /// Whether an update may begin that cannot be recorded.
    pub(crate) log_before_install: Policy,
    /// A TPM's counter against a restored journal: tpm:nv=…
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) counter: Option<String>,
    /// Its value before the first statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) counter_start: Option<u64>,
    /// Seconds an answer of the log may take.
    #[serde(default = "answer_s")]
    pub(crate) answer_s: u32,
    /// The first and the longest wait after a failure, in milliseconds.
    #[serde(default = "retry_ms")]
    pub(crate) retry_ms: (u32, u32),
    /// Where the time comes from.
    #[serde(default, skip_serializing)]
    pub(crate) time: firmlog_clock::Settings,
    #[serde(skip)]
    pub(crate) dir: PathBuf,
}

/// `log_before_install`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Policy {
    /// No: the updater leaves flash alone
    Required,
    /// Yes: what could not be recorded is counted, and told of later
    BestEffort,
}

impl From<Policy> for LogBeforeInstall {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Required => Self::Required,
            Policy::BestEffort => Self::BestEffort,
        }
    }
}

/// What images are for, unless the settings name it.
pub(super) fn component() -> String {
    "app".to_owned()
}

const fn answer_s() -> u32 {
    30
}

const fn retry_ms() -> (u32, u32) {
    (1000, 1_800_000)
}

const NAME: &str = "agent.toml";

/// What the one setting without a default is for, where it is missing.
const WHAT_ISSUERS_ARE: &str = "`issuers = [\"acme.example\"]` names whose releases the device \
    installs, as their keys are enrolled in the log; it refuses those of any other manufacturer";

impl Config {
    /// Reads the settings in a folder.
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        let path = dir.join(NAME);
        let text = std::fs::read_to_string(&path).map_err(|e| {
            Error::io("read", &path, e).help("make it with: firmlog agent init --dir DIR …")
        })?;
        let config: Self = toml::from_str(&text).map_err(|e| {
            let error = Error::form(&path.display().to_string(), &e);
            match e.message().contains("`issuers`") {
                true => error.help(WHAT_ISSUERS_ARE),
                false => error,
            }
        })?;
        Ok(Self { dir: dir.to_owned(), ..config })
    }

    /// Writes them, where none are.
    pub(crate) fn save(&self) -> Result<()> {
        let path = self.dir.join(NAME);
        let text = toml::to_string(self).map_err(|e| Error::new("E-BUG", e))?;
        let file = std::fs::File::create_new(&path);
        file.and_then(|mut file| {
            std::io::Write::write_all(&mut file, text.as_bytes())?;
            file.sync_all()
        })
        .map_err(|e| Error::io("make", &path, e))
    }

    /// A path of the settings.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.dir.join(path)
    }

    /// The device's id.
    pub(crate) fn device(&self) -> Result<DeviceId> {
        digest(&self.device).map(|id| DeviceId(id.0))
    }

    /// The device's key.
    pub(crate) fn open_key(&self) -> Result<Key> {
        let lock = Lock::from_file(self.passphrase_file.as_ref().map(|path| self.path(path)));
        key::open(&self.key_uri()?, &lock)
    }

    fn key_uri(&self) -> Result<KeyUri> {
        Ok(match key::uri(self.key.as_ref())? {
            KeyUri::File(path) => KeyUri::File(self.path(&path)),
            other => other,
        })
    }

    /// What the boot chain says is running.
    pub(crate) fn running(&self) -> Result<Image> {
        let path = self.path(&self.running);
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?;
        parse_image(&text).ok_or_else(|| {
            Error::form(&path.display().to_string(), "not what runs")
                .expected("SHA-256 VERSION COUNTER", text.trim())
        })
    }
}

/// Reads `SHA-256 VERSION COUNTER`.
pub(crate) fn parse_image(text: &str) -> Option<Image> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [sha256, version, counter] = parts[..] else { return None };
    Some(Image {
        sha256: unhex(sha256)?.try_into().ok()?,
        version: version.parse().ok()?,
        counter: counter.parse().ok()?,
    })
}

/// Writes it.
pub(crate) fn encode_image(image: &Image) -> String {
    format!("{} {} {}\n", hex(&image.sha256), image.version, image.counter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_read_as_it_is_written() {
        let image = Image { sha256: [7; 32], version: 40201, counter: 3 };
        assert_eq!(parse_image(&encode_image(&image)), Some(image));
        for bad in ["", "00 1 2", "zz 1 2", &encode_image(&image).replace(" 3", "")] {
            assert_eq!(parse_image(bad), None, "{bad}");
        }
    }
}
