//! A software HSM and a software TPM, started here, and other people's tools beside them.
#![allow(dead_code, reason = "each test file uses a part")]

#[path = "../../../../xtask/src/ports.rs"]
pub(crate) mod ports;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use firmlog_statement::disclosure::Commitments;
use firmlog_statement::{
    Extra, Parsed, PublicKey, Revoke, RevokeReason, Signer, Trust, TrustAction, sign_statement,
};

/// Where Debian, and others, put SoftHSM's module.
const MODULES: [&str; 4] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];

pub(crate) const PIN: &str = "Ada's 7 keys";

/// Whether these programs are here; if not, says so and the test is over. CI has them all.
pub(crate) fn have(test: &str, programs: &[&str]) -> bool {
    let on_path = |program: &&&str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        !std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
    };
    match programs.iter().find(on_path) {
        Some(missing) => {
            assert!(std::env::var_os("CI").is_none(), "{test}: no {missing}, and CI is set");
            eprintln!("skipped: {test}: no {missing}; `cargo xtask setup` installs it");
            false
        }
        None => true,
    }
}

pub(crate) fn run(program: &str, args: &[&str]) -> Output {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// What a program prints, which must end well.
pub(crate) fn told(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A SoftHSM with one token. SoftHSM is told by a variable where its tokens are, so what uses it
/// runs as another process.
pub(crate) struct SoftHsm {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) module: PathBuf,
}

impl SoftHsm {
    /// One for the test, if it and these programs are here.
    pub(crate) fn start_for(test: &str, programs: &[&str]) -> Option<Self> {
        (have(test, &["softhsm2-util"]) && have(test, programs)).then(Self::start)
    }

    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let tokens = dir.path().join("tokens");
        std::fs::create_dir(&tokens).expect("creates");
        let config =
            format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
        std::fs::write(dir.path().join("softhsm2.conf"), config).expect("writes");
        let named = std::env::var_os("FIRMLOG_SOFTHSM").map(PathBuf::from);
        let usual = MODULES.iter().map(PathBuf::from).find(|path| path.is_file());
        let module = named.or(usual).expect("softhsm2-util comes with a module");
        let hsm = Self { dir, module };
        hsm.token("hsm-1");
        hsm
    }

    pub(crate) fn token(&self, label: &str) {
        let pins = ["--so-pin", "a security officer", "--pin", PIN];
        told(
            self.command("softhsm2-util")
                .args(["--init-token", "--free", "--label", label])
                .args(pins),
        );
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SOFTHSM2_CONF", self.dir.path().join("softhsm2.conf"));
        command
    }

    pub(crate) fn pkcs11_tool(&self) -> Command {
        let mut command = self.command("pkcs11-tool");
        command.arg("--module").arg(&self.module).args(["--token-label", "hsm-1"]);
        command
    }

    /// Runs the test named `test` in a process that sees this HSM.
    fn inside(&self, test: &str) {
        let program = std::env::current_exe().expect("this program");
        let mut child = self.command(program.to_str().expect("a name"));
        child.args(["--exact", test, "--nocapture"]).env(INSIDE, &self.module);
        child.env("FIRMLOG_TEST_DIR", self.dir.path());
        let output = child.output().expect("starts");
        let (out, error) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{out}\n{error}");
        assert!(out.contains("1 passed"), "no test named {test}: {out}");
    }
}

const INSIDE: &str = "FIRMLOG_TEST_MODULE";

/// Starts an HSM, does `before`, runs the test anew in a process that sees the HSM, and does
/// `after`. In that process: the module and the folder.
pub(crate) fn in_token(
    test: &str,
    programs: &[&str],
    before: impl FnOnce(&SoftHsm),
    after: impl FnOnce(&SoftHsm),
) -> Option<(String, PathBuf)> {
    if let Some(found) = inside() {
        return Some(found);
    }
    let hsm = SoftHsm::start_for(test, programs)?;
    before(&hsm);
    hsm.inside(test);
    after(&hsm);
    None
}

/// The module and the folder, in a process that [`SoftHsm::inside`] started.
fn inside() -> Option<(String, PathBuf)> {
    let module = std::env::var(INSIDE).ok()?;
    Some((module, std::env::var_os("FIRMLOG_TEST_DIR")?.into()))
}

/// A running swtpm.
pub(crate) struct SoftTpm {
    pub(crate) dir: tempfile::TempDir,
    child: Child,
    port: u16,
}

impl SoftTpm {
    /// One for the test, if it and these programs are here.
    pub(crate) fn start_for(test: &str, programs: &[&str]) -> Option<Self> {
        let tpm = || Self::start_in(tempfile::tempdir().expect("a folder"));
        (have(test, &["swtpm"]) && have(test, programs)).then(tpm)
    }

    /// Another start of the same TPM.
    pub(crate) fn restart(mut self) -> Self {
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().expect("a folder"));
        drop(self);
        Self::start_in(dir)
    }

    fn start_in(mut dir: tempfile::TempDir) -> Self {
        for _ in 0..20 {
            // Command and control port, side by side, as the tools expect them.
            let port = ports::free_port();
            let next = port + 1;
            let mut command = Command::new("swtpm");
            command.args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"]);
            command.arg("--tpmstate").arg(format!("dir={}", dir.path().display()));
            command.arg("--server").arg(format!("type=tcp,port={port},bindaddr=127.0.0.1"));
            command.arg("--ctrl").arg(format!("type=tcp,port={next},bindaddr=127.0.0.1"));
            let child = command.stderr(Stdio::null()).spawn().expect("swtpm starts");
            let mut tpm = Self { dir, child, port };
            if tpm.answers() {
                return tpm;
            }
            // Somebody took a port after all.
            dir = std::mem::replace(&mut tpm.dir, tempfile::tempdir().expect("a folder"));
        }
        panic!("swtpm does not answer");
    }

    fn answers(&mut self) -> bool {
        for _ in 0..200 {
            if self.child.try_wait().expect("waits").is_some() {
                return false;
            }
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("swtpm does not listen");
    }

    pub(crate) fn tcti(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
    }

    pub(crate) fn key(&self, handle: u32) -> String {
        format!("tpm:handle={handle:#010x}?tcti={}", self.tcti())
    }

    pub(crate) fn counter(&self, index: u32) -> String {
        format!("tpm:nv={index:#010x}?tcti={}", self.tcti())
    }

    /// One of tpm2-tools, which must end well.
    pub(crate) fn tool(&self, program: &str, args: &[&str]) -> String {
        told(self.command(program).args(args))
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("TPM2TOOLS_TCTI", self.tcti()).current_dir(self.dir.path());
        command
    }
}

impl Drop for SoftTpm {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A DER integer of an unsigned big-endian number.
fn integer(number: &[u8]) -> Vec<u8> {
    let start = number.iter().position(|byte| *byte != 0).unwrap();
    let mut body = number[start..].to_vec();
    if body[0] & 0x80 != 0 {
        body.insert(0, 0);
    }
    [&[2, body.len() as u8][..], &body].concat()
}

/// ECDSA-Sig-Value of RFC 3279 §2.2.3.
fn der(signature: &[u8; 64]) -> Vec<u8> {
    let body = [integer(&signature[..32]), integer(&signature[32..])].concat();
    [&[0x30, body.len() as u8][..], &body].concat()
}

/// A statement that this key signs.
pub(crate) fn statement(key: &dyn Signer) -> Vec<u8> {
    let kid = key.public_key().thumbprint();
    let reason = RevokeReason::Lost;
    let revoke = Revoke { kid, reason, from_ms: None, from_seq: None, from_entry: None };
    let trust = Trust {
        time: None,
        commitments: Commitments::default(),
        action: TrustAction::Revoke(revoke),
        extra: Extra::default(),
    };
    sign_statement(&trust.into(), "acme.example", "keys", key).unwrap()
}

/// openssl verifies the statement with the public or private key in `pem`, and nothing altered.
pub(crate) fn openssl_verifies(dir: &Path, entry: &[u8], key: &PublicKey, pem: &Path) {
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let parsed = Parsed::parse(entry).unwrap();
    let mut signed = parsed.to_be_signed();
    let signature = match key {
        PublicKey::P256(_) => der(parsed.signature()),
        PublicKey::Ed25519(_) => parsed.signature().to_vec(),
    };
    std::fs::write(path("signature"), signature).unwrap();
    let is_private = std::fs::read_to_string(pem).unwrap().contains("PRIVATE");
    for good in [true, false] {
        std::fs::write(path("signed"), &signed).unwrap();
        let mut command = Command::new("openssl");
        command.args(["pkeyutl", "-verify", "-rawin", "-inkey"]).arg(pem);
        command.args(["-in", &path("signed"), "-sigfile", &path("signature")]);
        if !is_private {
            command.arg("-pubin");
        }
        if matches!(key, PublicKey::P256(_)) {
            command.args(["-digest", "sha256"]);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.success(), good, "{}", String::from_utf8_lossy(&output.stderr));
        signed[30] ^= 1;
    }
}

/// A public key as openssl reads it.
pub(crate) fn spki(key: &PublicKey) -> Vec<u8> {
    let hex = |text: &str| -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(digit).collect()
    };
    match key {
        PublicKey::P256(point) => {
            let head = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
            [&hex(head)[..], point].concat()
        }
        PublicKey::Ed25519(point) => [&hex("302a300506032b6570032100")[..], point].concat(),
    }
}

/// The same in a PEM file.
pub(crate) fn public_pem(dir: &Path, key: &PublicKey) -> PathBuf {
    let (der, pem) = (dir.join("public.der"), dir.join("public.pem"));
    std::fs::write(&der, spki(key)).unwrap();
    let mut command = Command::new("openssl");
    command.args(["pkey", "-pubin", "-inform", "DER", "-in"]).arg(der);
    told(command.arg("-out").arg(&pem));
    pem
}
