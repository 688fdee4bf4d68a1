//! A log made and served by the product's own commands, in a directory of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use firmlog_keys::FileKey;
use firmlog_tlog::checkpoint::Unverified;
use firmlog_tlog::merkle::TreeHead;
use firmlog_tlog::note::{Algorithm, NoteSigner, VerifierKey};

use super::process::Server;
use crate::crash::client::Client;
use crate::crash::ledger::Resources;
use firmlog_tlog::tile::TilePath;

/// Origin of every log made here.
pub const ORIGIN: &str = "log.example/bench";
/// Issuer name that `log init` gives the administrator of that origin.
pub const ADMIN: &str = "log.example/admin";

/// Who may append to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any bytes.
    Any,
    /// Signed statements.
    Signed,
}

/// A log's directory. It stays until whoever made the parent removes that: ext4 without a
/// journal is slow to create files for minutes after many were removed.
#[derive(Debug)]
pub struct Place {
    firmlog: PathBuf,
    outer: PathBuf,
}

/// A log and the server that serves it.
#[derive(Debug)]
pub struct ServedLog {
    /// The running server.
    pub server: Server,
    /// Where the log is.
    pub place: Place,
}

/// What a stopped log takes on disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stored {
    /// Entries in tiles.
    pub entries: u64,
    /// Bytes of those entries themselves.
    pub entry_bytes: u64,
    /// Bytes of all files but the index and the write-ahead log.
    pub file_bytes: u64,
    /// The same in whole disk blocks.
    pub block_bytes: u64,
    /// Bytes of the write-ahead log, which do not grow with the log.
    pub wal_bytes: u64,
}

impl Place {
    /// Makes a log below `parent` with `firmlog log init`.
    ///
    /// # Errors
    /// If the command fails.
    pub fn init(firmlog: &Path, parent: &Path, kind: Kind) -> anyhow::Result<Self> {
        let outer = tempfile::Builder::new().prefix("log-").tempdir_in(parent)?.keep();
        let place = Self { firmlog: firmlog.into(), outer };
        let registration = match kind {
            Kind::Any => "any",
            Kind::Signed => "signed",
        };
        let mut command = Command::new(firmlog);
        command.args(["log", "init"]).arg(place.dir()).args([
            "--origin",
            ORIGIN,
            "--registration",
            registration,
            "--approvals",
            "0",
        ]);
        run(&mut command)?;
        Ok(place)
    }

    /// The directory that `log init` made.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.outer.join("log")
    }

    /// The server's command, on a free port.
    #[must_use]
    pub fn serve_command(&self) -> Command {
        let mut command = Command::new(&self.firmlog);
        command
            .args(["log", "serve", "--config"])
            .arg(self.dir().join("firmlog.toml"))
            .args(["--set", "http.listen=127.0.0.1:0"]);
        command
    }

    /// Starts the server; its talk goes to a file in the directory.
    ///
    /// # Errors
    /// If it does not say where it listens.
    pub fn serve(&self) -> anyhow::Result<Server> {
        let talk = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.outer.join("server.log"))?;
        Server::start_announced(self.serve_command().stderr(talk))
    }

    /// Runs `firmlog log fsck` and refuses a damaged log.
    ///
    /// # Errors
    /// With the command's words, if it finds damage.
    pub fn fsck(&self) -> anyhow::Result<()> {
        let mut command = Command::new(&self.firmlog);
        command
            .args(["log", "fsck", "--config"])
            .arg(self.dir().join("firmlog.toml"))
            .arg("--trust")
            .arg(self.dir().join("log.trust"));
        run(&mut command)
    }

    /// The log's verifier key.
    ///
    /// # Errors
    /// If the key file cannot be read.
    pub fn verifier_key(&self) -> anyhow::Result<VerifierKey> {
        let key = FileKey::open(&self.dir().join("log-key.pem"), None)?;
        Ok(*key.note_signer(ORIGIN, Algorithm::Ed25519)?.verifier_key())
    }

    /// The administrator's key.
    ///
    /// # Errors
    /// If the key file cannot be read.
    pub fn admin(&self) -> anyhow::Result<FileKey> {
        FileKey::open(&self.dir().join("admin.pem"), None).context("failed to open admin.pem")
    }

    /// What the log takes on disk; tells the truth while no server runs.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn stored(&self) -> anyhow::Result<Stored> {
        let data = self.dir().join("data");
        let note = std::fs::read(data.join("checkpoint")).context("failed to read checkpoint")?;
        let size = Unverified::parse(&note)?.claimed().size.0;
        let mut stored = Stored { entries: size, ..Stored::default() };
        measure(&data, &data, &mut stored)?;
        // A bundle holds two bytes of length before each entry.
        stored.entry_bytes = stored.entry_bytes.saturating_sub(2 * size);
        Ok(stored)
    }
}

impl ServedLog {
    /// Makes a log and serves it.
    ///
    /// # Errors
    /// If a command fails.
    pub fn start(firmlog: &Path, parent: &Path, kind: Kind) -> anyhow::Result<Self> {
        let place = Place::init(firmlog, parent, kind)?;
        Ok(Self { server: place.serve()?, place })
    }

    /// The head that the server shows now.
    ///
    /// # Errors
    /// If the checkpoint cannot be had.
    pub fn head(&self) -> anyhow::Result<TreeHead> {
        let note = Client::connect(self.server.address)?.fetch(&TilePath::Checkpoint)?;
        Ok(Unverified::parse(&note)?.claimed().head())
    }

    /// Waits until the index has caught up and the disk has written what came before, so that what
    /// is measured next is not the work left by that.
    ///
    /// # Errors
    /// If it does not within two minutes, or the server's answer is not understood.
    pub fn settle(&self) -> anyhow::Result<()> {
        let end = Instant::now() + Duration::from_mins(2);
        let mut client = Client::connect(self.server.address)?;
        loop {
            let (_, body) = client.get("/api/v1/log")?;
            let answer: serde_json::Value = serde_json::from_slice(&body)?;
            let lag = answer["index"]["lag"].as_str().context("/api/v1/log tells no lag")?;
            if lag == "0" {
                rustix::fs::sync();
                return Ok(());
            }
            ensure!(Instant::now() < end, "the index is still {lag} entries behind");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ends the server in order; everything is in tiles then.
    ///
    /// # Errors
    /// If it does not end.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        let status = self.server.terminate(Duration::from_mins(1))?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

fn measure(root: &Path, dir: &Path, stored: &mut Stored) -> anyhow::Result<()> {
    use std::os::unix::fs::MetadataExt;
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let metadata = path.symlink_metadata()?;
        if metadata.is_dir() {
            measure(root, &path, stored)?;
            continue;
        }
        let below = path.strip_prefix(root)?.to_string_lossy().into_owned();
        if below.starts_with("index.db") {
            continue;
        }
        if below.starts_with("wal/") {
            stored.wal_bytes += metadata.len();
            continue;
        }
        stored.file_bytes += metadata.len();
        stored.block_bytes += metadata.blocks() * 512;
        if below.starts_with("tile/entries/") && !superseded(&path) {
            stored.entry_bytes += metadata.len();
        }
    }
    Ok(())
}

/// A partial bundle whose full one, or whose wider one, exists beside it.
fn superseded(path: &Path) -> bool {
    let (Some(dir), Some(width)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
    else {
        return false;
    };
    let is_partial = dir.extension().is_some_and(|extension| extension == "p");
    if !is_partial {
        return false;
    }
    let widest = std::fs::read_dir(dir).ok().and_then(|entries| {
        let names =
            entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u16>().ok());
        names.max()
    });
    dir.with_extension("").exists() || width.parse::<u16>().ok() != widest
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("failed to run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
