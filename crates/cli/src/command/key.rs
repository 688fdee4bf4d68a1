//! `key new|show`: private keys in files, public halves for everybody.
//!
//! ```text
//! acme-build.pem       PKCS#8, mode 0600: the secret
//! acme-build.pem.pub   one line: the COSE_Key in hex, for `trust enrol --key`
//! ```
//!
//! Invariants:
//! - The secret is never printed and never taken from a flag.
//! - No file is overwritten.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use firmlog_keys::{Algorithm, FileKey, KeyError};
use firmlog_statement::{PublicKey, Signer};
use firmlog_tlog::note;
use serde_json::{Value, json};

use crate::answer::{Answer, hex, table, unhex};
use crate::error::{Error, Result};

/// `key`
#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key file and its public half beside it
    New(NewArgs),
    /// Show the public half of a key file
    Show(ShowArgs),
}

/// Arguments of `key new`.
#[derive(Args)]
#[command(after_help = "Example:\n  firmlog key new approver.pem --passphrase-file approver.pass")]
pub(crate) struct NewArgs {
    /// Where the secret goes; FILE.pub gets the public half
    file: PathBuf,
    /// P-256 for people, builds and devices; Ed25519 for logs and witnesses
    #[arg(long, value_enum, default_value_t = Kind::P256)]
    algorithm: Kind,
    #[command(flatten)]
    lock: Lock,
}

/// Arguments of `key show`.
#[derive(Args)]
#[command(after_help = "Example:\n  firmlog key show log.pem --name log.example.org/pumps")]
pub(crate) struct ShowArgs {
    /// The key file, or the public half
    file: PathBuf,
    /// Also as verifier keys of this name, for policies and trust roots
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    lock: Lock,
}

/// How a key file is opened.
#[derive(Args, Clone, Default)]
pub(crate) struct Lock {
    /// File with the passphrase; `-` asks for it
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Kinds of key.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// ECDSA on P-256
    P256,
    /// Ed25519
    Ed25519,
}

/// Runs the command.
pub(crate) fn run(command: &KeyCommand) -> Result<Answer> {
    match command {
        KeyCommand::New(args) => new(args),
        KeyCommand::Show(args) => show(args),
    }
}

fn new(args: &NewArgs) -> Result<Answer> {
    let algorithm = match args.algorithm {
        Kind::P256 => Algorithm::P256,
        Kind::Ed25519 => Algorithm::Ed25519,
    };
    let passphrase = args.lock.passphrase()?;
    if passphrase.as_ref().is_some_and(Vec::is_empty) {
        return Err(Error::new("E-PASSPHRASE", "an empty passphrase protects nothing")
            .expected("at least one character", "none")
            .help("leave --passphrase-file out for a key without a passphrase"));
    }
    let key = create(&args.file, algorithm, passphrase.as_deref())?;
    let rows = [
        ("secret", format!("{} (mode 0600)", args.file.display())),
        ("public", public_path(&args.file).display().to_string()),
        ("thumbprint", key.public_key().thumbprint().to_string()),
    ];
    let mut json = public_json(&key.public_key());
    json["file"] = args.file.display().to_string().into();
    Ok(Answer::new("key-new", json, table(rows)))
}

/// Makes a key file and its public half.
pub(crate) fn create(path: &Path, algorithm: Algorithm, lock: Option<&[u8]>) -> Result<FileKey> {
    let key = generate(path, algorithm)?;
    save(path, &key, lock)?;
    Ok(key)
}

/// Makes a key that is in no file yet.
pub(crate) fn generate(path: &Path, algorithm: Algorithm) -> Result<FileKey> {
    FileKey::generate(algorithm).map_err(|e| key_error(path, &e))
}

/// Writes a key file and its public half.
pub(crate) fn save(path: &Path, key: &FileKey, lock: Option<&[u8]>) -> Result<()> {
    key.save(path, lock).map_err(|e| key_error(path, &e))?;
    let public = public_path(path);
    std::fs::write(&public, hex(&key.public_key().to_cose_key()) + "\n")
        .map_err(|e| Error::io("write", &public, e))
}

fn show(args: &ShowArgs) -> Result<Answer> {
    let key = public(&args.file, &args.lock)?;
    let mut json = public_json(&key);
    let mut rows = vec![
        ("algorithm", key.algorithm().name().to_owned()),
        ("thumbprint", key.thumbprint().to_string()),
        ("COSE_Key", hex(&key.to_cose_key())),
    ];
    if let (Some(name), PublicKey::Ed25519(public)) = (&args.name, &key) {
        let vkey = |algorithm| {
            note::VerifierKey::new(name, algorithm, *public)
                .map(|k| k.to_string())
                .map_err(|e| Error::form("name", e))
        };
        let (log, witness) =
            (vkey(note::Algorithm::Ed25519)?, vkey(note::Algorithm::CosignatureV1)?);
        json["vkey_log"] = log.as_str().into();
        json["vkey_witness"] = witness.as_str().into();
        rows.push(("as a log", log));
        rows.push(("as a witness", witness));
    } else if args.name.is_some() {
        return Err(Error::new("E-KEY-KIND", "a verifier key is an Ed25519 key")
            .expected("Ed25519", key.algorithm().name()));
    }
    Ok(Answer::new("key-show", json, table(rows)))
}

fn public_json(key: &PublicKey) -> Value {
    json!({"algorithm": key.algorithm().name(), "thumbprint": key.thumbprint().to_string(),
        "cose_key": hex(&key.to_cose_key())})
}

fn public_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

/// The public half, from a key file or from a `.pub` line.
pub(crate) fn public(path: &Path, lock: &Lock) -> Result<PublicKey> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
    if text.starts_with("-----BEGIN") {
        return open(path, lock).map(|key| key.public_key());
    }
    let cose = unhex(text.trim()).ok_or_else(|| {
        Error::form(&path.display().to_string(), "neither a key file nor a COSE_Key in hex")
    })?;
    PublicKey::from_cose_key(&cose).map_err(|e| Error::form(&path.display().to_string(), e))
}

/// Opens a key file, asking for a passphrase when it needs one and a person is there.
pub(crate) fn open(path: &Path, lock: &Lock) -> Result<FileKey> {
    unlock(path, lock).map(|(key, _)| key)
}

/// Opens a key file, and tells whether a passphrase opened it: the second component of a person's
/// signature. A passphrase given for a key that has none is not used, and does not count.
pub(crate) fn unlock(path: &Path, lock: &Lock) -> Result<(FileKey, bool)> {
    match FileKey::open(path, None) {
        Err(KeyError::PassphraseMissing) => {
            let passphrase = match lock.passphrase()? {
                Some(given) => given,
                None => ask(&format!("passphrase of {}: ", path.display()))?,
            };
            let key = FileKey::open(path, Some(&passphrase)).map_err(|e| key_error(path, &e))?;
            Ok((key, true))
        }
        other => other.map(|key| (key, false)).map_err(|e| key_error(path, &e)),
    }
}

impl Lock {
    /// The lock of a key whose passphrase is in this file, if it has one.
    pub(crate) fn from_file(passphrase_file: Option<PathBuf>) -> Self {
        Self { passphrase_file }
    }

    fn passphrase(&self) -> Result<Option<Vec<u8>>> {
        match &self.passphrase_file {
            None => Ok(None),
            Some(path) if path.as_os_str() == "-" => ask("passphrase: ").map(Some),
            Some(path) => {
                let mut text = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
                while text.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
                    text.pop();
                }
                Ok(Some(text))
            }
        }
    }
}

fn ask(prompt: &str) -> Result<Vec<u8>> {
    use std::io::IsTerminal;
    if !std::io::stdin().is_terminal() {
        return Err(Error::new("E-PASSPHRASE", "the key file needs a passphrase")
            .help("there is no terminal to ask on; give it as --passphrase-file FILE"));
    }
    rpassword::prompt_password(prompt)
        .map(String::into_bytes)
        .map_err(|e| Error::new("E-PASSPHRASE", format!("failed to read the passphrase: {e}")))
}

fn key_error(path: &Path, error: &KeyError) -> Error {
    let cause = std::error::Error::source(error).map_or_else(String::new, |e| format!(": {e}"));
    let message = format!("{}: failed to {error}{cause}", path.display());
    match error {
        KeyError::Exposed { mode } => Error::new("E-KEY-MODE", message)
            .expected("mode 0600", format!("mode {mode:04o}"))
            .help(format!("chmod 600 {}", path.display())),
        KeyError::PassphraseWrong => {
            Error::new("E-PASSPHRASE", message).exit(crate::error::Exit::Auth)
        }
        _ => Error::new("E-KEY", message),
    }
}
