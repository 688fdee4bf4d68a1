//! roughenough's server, a process for each.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use ed25519_dalek::SigningKey;
use firmlog_clock::Server;
use firmlog_clock::roughtime::ask::ask;

use super::Running;
use super::ports::free_port;

/// Where `cargo xtask setup` builds it.
pub(crate) fn program(test: &str) -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.setup/cargo/bin");
    let named = std::env::var_os("FIRMLOG_ROUGHTIME").map(PathBuf::from);
    let found = named.unwrap_or(built.join("roughenough_server"));
    if found.is_file() {
        return Some(found);
    }
    eprintln!("skipped: {test}: no roughenough_server; `cargo xtask setup` builds it");
    None
}

/// A running server.
pub(crate) struct Roughtime {
    pub(crate) server: Server,
    running: Running,
    _dir: tempfile::TempDir,
}

impl Roughtime {
    /// Starts one whose clock is off by so many seconds.
    pub(crate) fn start(program: &Path, name: &str, offset_s: i16) -> Self {
        for _ in 0..10 {
            if let Some(started) = Self::try_start(program, name, offset_s) {
                return started;
            }
        }
        panic!("{name} does not answer");
    }

    fn try_start(program: &Path, name: &str, offset_s: i16) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a folder");
        // A key of its own for each name.
        let mut seed = [0x5e; 32];
        seed[..name.len()].copy_from_slice(name.as_bytes());
        let path = dir.path().join("seed");
        std::fs::write(&path, hex(&seed)).expect("writes");
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, own).expect("changes the mode");
        let port = free_port();
        let mut command = Command::new(program);
        command.args(["-i", "127.0.0.1", "-j", "1", "-q", "-p", &port.to_string()]);
        command.arg(format!("--fixed-offset={offset_s}")).arg("--seed-file").arg(&path);
        let mut running = Running::start(&mut command);
        let key = SigningKey::from_bytes(&seed).verifying_key().to_bytes();
        let address = format!("127.0.0.1:{port}");
        let server = Server { name: name.into(), address, key };
        for _ in 0..50 {
            if !running.is_running() {
                return None;
            }
            if ask(&server.address, &key, &[1; 32], Duration::from_millis(200)).is_ok() {
                return Some(Self { server, running, _dir: dir });
            }
        }
        None
    }

    pub(crate) fn stop(&self) {
        self.running.signal(rustix::process::Signal::STOP);
    }

    pub(crate) fn go_on(&self) {
        self.running.signal(rustix::process::Signal::CONT);
    }

    /// As it stands in settings.
    pub(crate) fn toml(server: &Server) -> String {
        let key = Base64::encode_string(&server.key);
        let Server { name, address, .. } = server;
        format!(
            "[[roughtime.server]]\nname = \"{name}\"\naddress = \"{address}\"\nkey = \"{key}\"\n"
        )
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
