//! `key new|show`: private keys in files, TPMs and tokens; public halves for everybody.
//!
//! ```text
//! acme-build.pem       PKCS#8, mode 0600: the secret
//! acme-build.pem.pub   one line: the COSE_Key in hex, for `trust enrol`
//! tpm:handle=0x81010001 · pkcs11:token=hsm-1;object=acme?module-path=/usr/lib/…
//! ```
//!
//! Invariants:
//! - The secret, a passphrase and a PIN are never printed and never taken from a flag.
//! - No file and no key is overwritten.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use firmlog_keys::access::{AccessError, Exposed};
use firmlog_keys::pkcs11::Pkcs11Error;
use firmlog_keys::tpm::TpmError;
use firmlog_keys::uri::{KeyUri, UriError};
use firmlog_keys::{Algorithm, FileKey, Key, KeyError};
use firmlog_statement::{PublicKey, Signer};
use firmlog_tlog::note;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::answer::{Answer, hex, table, unhex};
use crate::error::{Error, Exit, Result};

/// `key`
#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key: in a file, or inside a TPM or token, which it never leaves
    New(NewArgs),
    /// Show the public half of a key
    Show(ShowArgs),
}

/// Arguments of `key new`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog key new approver.pem --passphrase-file approver.pass
  firmlog key new tpm:handle=0x81010001 --public pump.pub
  firmlog key new 'pkcs11:token=hsm-1;object=log?module-path=/usr/lib/softhsm/libsofthsm2.so' \\
    --algorithm ed25519 --passphrase-file hsm.pin")]
pub(crate) struct NewArgs {
    /// A file, tpm:handle=… or pkcs11:…;object=…
    key: OsString,
    /// P-256 for people, builds and devices; Ed25519 for logs and witnesses
    #[arg(long, value_enum, default_value_t = Kind::P256)]
    algorithm: Kind,
    /// Where the public half goes; for a key in FILE it is FILE.pub
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
    #[command(flatten)]
    lock: Lock,
}

/// Arguments of `key show`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog key show log.pem --name log.example.org/pumps
  firmlog key show tpm:handle=0x81010001")]
pub(crate) struct ShowArgs {
    /// The key: a file, tpm:… or pkcs11:…; or the public half
    key: OsString,
    /// Also as verifier keys of this name, for policies and trust roots
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    lock: Lock,
}

/// How a key is opened.
#[derive(Args, Clone, Default)]
pub(crate) struct Lock {
    /// File with the passphrase, or the token's PIN; `-` asks for it
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
    let uri = uri(&args.key)?;
    let passphrase = args.lock.passphrase()?;
    if passphrase.as_ref().is_some_and(|text| text.is_empty()) {
        return Err(Error::new("E-PASSPHRASE", "an empty passphrase protects nothing")
            .expected("at least one character", "none")
            .help("leave --passphrase-file out for a key without a passphrase"));
    }
    let public = args.public.clone().or_else(|| uri.file().map(public_path));
    if let Some(path) = public.as_deref().filter(|path| path.exists()) {
        return Err(Error::new("E-KEY", format!("{} exists", path.display()))
            .help("nothing was made; remove it, or name another place"));
    }
    let key = make(&uri, algorithm, passphrase)?;
    if let Some(path) = &public {
        write_public(path, &key.public_key())?;
    }
    let mut json = public_json(&key.public_key());
    let place = match &key {
        Key::File(_) => format!("{} (mode 0600)", args.key.display()),
        Key::Tpm(_) => format!("{uri} (never leaves the TPM)"),
        Key::Pkcs11(_) => format!("{uri} (never leaves the token)"),
    };
    let mut rows = vec![("secret", place)];
    rows.extend(public.as_ref().map(|path| ("public", path.display().to_string())));
    rows.push(("thumbprint", key.public_key().thumbprint().to_string()));
    match &uri {
        KeyUri::File(path) => json["file"] = path.display().to_string().into(),
        other => {
            json["key"] = other.to_string().into();
            rows.push(("COSE_Key", hex(&key.public_key().to_cose_key())));
        }
    }
    Ok(Answer::new("key-new", json, table(rows)))
}

/// Makes a key, asking for the PIN of a token that wants one.
fn make(uri: &KeyUri, algorithm: Algorithm, passphrase: Option<Secret>) -> Result<Key> {
    let create =
        |secret: Option<&Secret>| Key::create(uri, algorithm, secret.map(|text| text.as_slice()));
    match create(passphrase.as_ref()) {
        Err(KeyError::PassphraseMissing) => create(Some(&ask(&prompt(uri))?)),
        other => other,
    }
    .map_err(|e| key_error(uri, &e))
}

/// Makes a key file and its public half.
pub(crate) fn create(path: &Path, algorithm: Algorithm, lock: Option<&[u8]>) -> Result<FileKey> {
    let key = generate(path, algorithm)?;
    save(path, &key, lock)?;
    Ok(key)
}

/// Makes a key that is in no file yet.
pub(crate) fn generate(path: &Path, algorithm: Algorithm) -> Result<FileKey> {
    FileKey::generate(algorithm).map_err(|e| key_error(&path.to_owned().into(), &e))
}

/// Writes a key file and its public half.
pub(crate) fn save(path: &Path, key: &FileKey, lock: Option<&[u8]>) -> Result<()> {
    key.save(path, lock).map_err(|e| key_error(&path.to_owned().into(), &e))?;
    write_public(&public_path(path), &key.public_key())
}

fn write_public(path: &Path, key: &PublicKey) -> Result<()> {
    std::fs::write(path, hex(&key.to_cose_key()) + "\n").map_err(|e| Error::io("write", path, e))
}

fn show(args: &ShowArgs) -> Result<Answer> {
    let key = public(&uri(&args.key)?, &args.lock)?;
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

/// Reads the name of a key.
pub(crate) fn uri(name: &OsStr) -> Result<KeyUri> {
    let named = |error: UriError| {
        Error::new("E-KEY-NAME", error)
            .help("a key is named as FILE, file:FILE, tpm:handle=0x81010001 or pkcs11:object=…")
    };
    match name.to_str() {
        Some(text) => text.parse().map_err(named),
        None => Ok(KeyUri::File(name.into())),
    }
}

/// The public half: of a key, from a `.pub` line, or from a `PUBLIC KEY` in PEM.
pub(crate) fn public(uri: &KeyUri, lock: &Lock) -> Result<PublicKey> {
    let Some(path) = uri.file() else {
        return match Key::public_of(uri, lock.passphrase()?.as_ref().map(|it| it.as_slice())) {
            Err(KeyError::PassphraseMissing) => open(uri, lock).map(|key| key.public_key()),
            other => other.map_err(|e| key_error(uri, &e)),
        };
    };
    let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
    if text.starts_with("-----BEGIN PUBLIC KEY-----") {
        return firmlog_keys::public_key(&text).map_err(|e| key_error(uri, &e));
    }
    if text.starts_with("-----BEGIN") {
        return open(uri, lock).map(|key| key.public_key());
    }
    let cose = unhex(text.trim()).ok_or_else(|| {
        Error::form(&path.display().to_string(), "neither a key file nor a COSE_Key in hex")
    })?;
    PublicKey::from_cose_key(&cose).map_err(|e| Error::form(&path.display().to_string(), e))
}

/// Opens a key, asking for a passphrase or PIN when it needs one and a person is there.
pub(crate) fn open(uri: &KeyUri, lock: &Lock) -> Result<Key> {
    unlock(uri, lock).map(|(key, _)| key)
}

/// Opens a key, and tells whether a passphrase or PIN opened it: the second component of a person's
/// signature. A passphrase given for a key that has none is not used, and does not count.
pub(crate) fn unlock(uri: &KeyUri, lock: &Lock) -> Result<(Key, bool)> {
    match Key::open(uri, None) {
        Err(KeyError::PassphraseMissing) => {
            let passphrase = match lock.passphrase()? {
                Some(given) => given,
                None => ask(&prompt(uri))?,
            };
            let key = Key::open(uri, Some(&passphrase)).map_err(|e| key_error(uri, &e))?;
            Ok((key, true))
        }
        Err(error) => Err(key_error(uri, &error)),
        Ok(key) => {
            let by_pin = matches!(&key, Key::Pkcs11(key) if key.used_pin());
            Ok((key, by_pin))
        }
    }
}

fn prompt(uri: &KeyUri) -> String {
    let what = if matches!(uri, KeyUri::Pkcs11(_)) { "PIN for" } else { "passphrase of" };
    format!("{what} {uri}: ")
}

/// A passphrase or PIN, wiped when it is done with.
type Secret = Zeroizing<Vec<u8>>;

impl Lock {
    /// The lock of a key whose passphrase is in this file, if it has one.
    pub(crate) fn from_file(passphrase_file: Option<PathBuf>) -> Self {
        Self { passphrase_file }
    }

    fn passphrase(&self) -> Result<Option<Secret>> {
        match &self.passphrase_file {
            None => Ok(None),
            Some(path) if path.as_os_str() == "-" => ask("passphrase or PIN: ").map(Some),
            Some(path) => {
                let text = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
                let mut text = Zeroizing::new(text);
                while text.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
                    text.pop();
                }
                Ok(Some(text))
            }
        }
    }
}

fn ask(prompt: &str) -> Result<Secret> {
    use std::io::IsTerminal;
    if !std::io::stdin().is_terminal() {
        return Err(Error::new("E-PASSPHRASE", "the key needs a passphrase or PIN")
            .help("there is no terminal to ask on; give it as --passphrase-file FILE"));
    }
    rpassword::prompt_password(prompt)
        .map(|text| Zeroizing::new(text.into_bytes()))
        .map_err(|e| Error::new("E-PASSPHRASE", format!("failed to read the passphrase: {e}")))
}

/// A secret in a file that others can read: who they are, and what keeps them out.
pub(crate) fn exposed_error(path: &Path, exposed: &Exposed) -> Error {
    let message = format!("{}: others can read this secret", path.display());
    Error::new("E-KEY-MODE", message)
        .expected("readable by its owner and root alone", format!("readable by {exposed}"))
        .help(exposed.help(path))
}

/// A secret file that cannot be used, or looked at.
pub(crate) fn access_error(path: &Path, error: AccessError) -> Error {
    match error {
        AccessError::Exposed(exposed) => exposed_error(path, &exposed),
        AccessError::Io(error) => Error::io("open", path, error),
        other => Error::new("E-IO", format!("{}: failed to {other}", path.display())),
    }
}

pub(crate) fn key_error(uri: &KeyUri, error: &KeyError) -> Error {
    let cause = std::error::Error::source(error).map_or_else(String::new, |e| format!(": {e}"));
    let message = format!("{uri}: failed to {error}{cause}");
    match error {
        KeyError::Exposed(exposed) => match uri.file() {
            Some(path) => exposed_error(path, exposed),
            None => exposed_error(Path::new("the file that pin-source names"), exposed),
        },
        KeyError::PassphraseWrong
        | KeyError::Pkcs11(
            Pkcs11Error::PinWrong { .. }
            | Pkcs11Error::PinLocked { .. }
            | Pkcs11Error::PinFinalTry { .. },
        )
        | KeyError::Tpm(TpmError::PassphraseWrong { .. } | TpmError::Lockout | TpmError::Owner) => {
            Error::new("E-PASSPHRASE", message).exit(Exit::Auth)
        }
        KeyError::PassphraseTwice => Error::new("E-PASSPHRASE", message)
            .help("leave pin-source out of the name, or --passphrase-file out of the command"),
        _ => Error::new("E-KEY", message),
    }
}
