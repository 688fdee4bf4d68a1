//! `log init`: everything a new log needs, in one directory.
//!
//! Invariants:
//! - Everything given is checked before anything is written; what fails after that takes the
//!   directory away again, so that the same command can be repeated.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use firmlog_keys::{Algorithm, AwsLc, FileKey, Key, KeyError, KeyUri};
use firmlog_log::{Config, Log, Registration};
use firmlog_statement::{Genesis, PublicKey, Registration as Rule, Role, Signer, TrustAction};
use firmlog_tlog::merkle::leaf_hash;
use firmlog_tlog::note;
use firmlog_tlog::policy::Policy;
use firmlog_verify::TrustRoot;
use serde_json::json;

use crate::answer::{Answer, table};
use crate::command::key::{self, Lock};
use crate::command::trust;
use crate::error::{Error, Result};
use crate::submit::sign_entry;

/// Arguments of `log init`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog log init pumps --origin log.example.org/pumps --approvals 2 --witnesses witnesses.policy")]
pub(crate) struct InitArgs {
    /// Where it goes; must not exist
    dir: PathBuf,
    /// The log's name: its address without the scheme, for good
    #[arg(long)]
    origin: String,
    /// Who may append
    #[arg(long, value_enum, default_value_t = Who::Signed)]
    registration: Who,
    /// Approvals by different people that a release needs
    #[arg(long, default_value_t = 2)]
    approvals: u8,
    /// tlog-policy lines naming witnesses, groups and the quorum
    #[arg(long, value_name = "FILE")]
    witnesses: Option<PathBuf>,
    /// Address the server will listen on
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the never-fork record lives; best on another volume than the data
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// An Ed25519 key that is there already signs for the log: a file or pkcs11:…
    #[arg(long, value_name = "KEY")]
    log_key: Option<OsString>,
    /// A key that is there already administers: a file, tpm:… or pkcs11:…
    #[arg(long, value_name = "KEY")]
    admin_key: Option<OsString>,
    /// File with the passphrase or PIN of that administrator's key; `-` asks for it
    #[arg(long, value_name = "FILE", requires = "admin_key")]
    admin_passphrase_file: Option<PathBuf>,
}

/// Who may append.
#[derive(Clone, Copy, ValueEnum)]
enum Who {
    /// Statements by enrolled keys
    Signed,
    /// Any bytes, from anyone
    Any,
}

/// Runs the command.
pub(crate) fn run(args: &InitArgs) -> Result<Answer> {
    let new = NewLog::from_args(args)?;
    if let Some(record) = args.record.as_deref().filter(|record| record.exists()) {
        return Err(Error::new("E-LOG", format!("{} exists", record.display()))
            .expected("no never-fork record", "one that may be another log's"));
    }
    std::fs::create_dir_all(args.dir.parent().unwrap_or(Path::new(".")))
        .and_then(|()| std::fs::create_dir(&args.dir))
        .map_err(|e| Error::io("make", &args.dir, e))?;
    let dir = args.dir.canonicalize().map_err(|e| Error::io("find", &args.dir, e))?;
    // The directory was made a moment ago, by us: nothing in it is anybody else's.
    new.write(args, &dir).inspect_err(|_| drop(std::fs::remove_dir_all(&dir)))
}

/// A log that is in no file yet.
struct NewLog {
    log_key: Made,
    admin: Made,
    admin_name: String,
    vkey: String,
    policy: String,
    genesis: Vec<u8>,
    root: TrustRoot,
}

impl NewLog {
    fn from_args(args: &InitArgs) -> Result<Self> {
        let witnesses = args.witnesses.as_deref().map(read).transpose()?;
        let (log_key, public) = match &args.log_key {
            None => {
                let key = key::generate(&args.dir.join("log-key.pem"), Algorithm::Ed25519)?;
                let public = key.public_key();
                (Made::New(key), public)
            }
            Some(name) => {
                let uri = key::uri(name)?;
                let public = key::public(&uri, &Lock::default())?;
                (Made::Given(uri), public)
            }
        };
        let PublicKey::Ed25519(point) = public else {
            return Err(Error::new("E-KEY-KIND", "a log signs with an Ed25519 key")
                .expected("Ed25519", public.algorithm().name()));
        };
        let vkey = note::VerifierKey::new(&args.origin, note::Algorithm::Ed25519, point)
            .map(|key| key.to_string())
            .map_err(|e| bad_origin(&args.origin, &e.into()))?;
        let (admin, admin_signer) = match &args.admin_key {
            None => {
                let key = key::generate(&args.dir.join("admin.pem"), Algorithm::P256)?;
                (Made::New(key.clone()), Key::File(key))
            }
            Some(name) => {
                let uri = key::uri(name)?;
                let lock = Lock::from_file(args.admin_passphrase_file.clone());
                let key = key::open(&uri, &lock)?;
                (Made::Given(uri), key)
            }
        };
        let policy = policy_text(&vkey, witnesses.as_deref());
        let admin_name = format!("{}/admin", args.origin.split('/').next().unwrap_or_default());
        let genesis = genesis(args, &vkey, &admin_name, &admin_signer, public)?;
        let root = trust_root(&policy, &genesis).map_err(|error| match &args.witnesses {
            Some(path) => bad_policy(path, &error),
            None => error,
        })?;
        Ok(Self { log_key, admin, admin_name, vkey, policy, genesis, root })
    }

    fn write(&self, args: &InitArgs, dir: &Path) -> Result<Answer> {
        let Self { admin_name, vkey, genesis, .. } = self;
        let log_key = self.log_key.keep(&dir.join("log-key.pem"))?;
        let admin = self.admin.keep(&dir.join("admin.pem"))?;
        let record = args.record.clone().unwrap_or_else(|| dir.join("never-fork"));
        // The configuration reads relative paths from its own place, a person from where they
        // stand.
        let record = std::path::absolute(&record).map_err(|e| Error::io("find", &record, e))?;
        let registration = match args.registration {
            Who::Signed => Registration::Signed,
            Who::Any => Registration::Any,
        };
        let config = Config::new(dir.join("data"), &record, &args.origin, registration);
        Log::create(&config, genesis, &AwsLc)
            .map_err(|e| Error::new("E-LOG", format!("failed to {e}")))?;
        let witnessed = args.witnesses.is_some();
        write(&dir.join("log.trust"), &self.root.encode())?;
        write(&dir.join("firmlog.toml"), &configuration(args, &log_key, &record, witnessed))?;
        if witnessed {
            write(&dir.join("witnesses.policy"), &self.policy)?;
        }
        let rows = [
            ("origin", args.origin.clone()),
            ("log key", vkey.clone()),
            ("genesis", leaf_hash(genesis).to_string()),
            ("administrator", format!("{admin_name}, {admin}")),
            ("trust root", format!("{} (hand this out)", dir.join("log.trust").display())),
            ("never-fork", format!("{} (keep it out of backups)", record.display())),
            (
                "start it",
                format!("firmlog log serve --config {}", dir.join("firmlog.toml").display()),
            ),
        ];
        let json = json!({"dir": dir.display().to_string(), "origin": args.origin, "vkey": vkey,
        "genesis": leaf_hash(genesis).to_string(), "admin": admin_name,
        "trust_root": dir.join("log.trust").display().to_string(),
        "config": dir.join("firmlog.toml").display().to_string()});
        Ok(Answer::new("log-init", json, table(rows)))
    }
}

/// A key made now, or one that was there.
enum Made {
    New(FileKey),
    Given(KeyUri),
}

impl Made {
    /// Writes a new key to its file; tells where the key is, whoever asks from where.
    fn keep(&self, path: &Path) -> Result<KeyUri> {
        match self {
            Self::New(key) => {
                key::save(path, key, None)?;
                Ok(path.to_owned().into())
            }
            Self::Given(uri) => {
                let here = std::env::current_dir().map_err(|e| Error::io("find", path, e))?;
                Ok(uri.clone().resolved(&here))
            }
        }
    }
}

fn bad_origin(origin: &str, error: &KeyError) -> Error {
    Error::new("E-ORIGIN", format!("this cannot name a log: failed to {error}"))
        .expected(
            "a name such as log.example.org/pumps, without spaces and '+'",
            format!("{origin:?}"),
        )
        .help("nothing was written")
}

fn bad_policy(path: &Path, error: &Error) -> Error {
    Error::new("E-POLICY", format!("{}: {}", path.display(), error.message))
        .expected("tlog-policy lines: witness, group and quorum", "lines that do not make a policy")
        .help("nothing was written; firmlog inspect FILE reads the policy alone")
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|e| Error::io("write", path, e))
}

/// The log's line, and the witnesses' or none.
fn policy_text(vkey: &str, witnesses: Option<&str>) -> String {
    match witnesses {
        Some(lines) => format!("log {vkey}\n{lines}"),
        None => format!("log {vkey}\nquorum none\n"),
    }
}

/// Entry 0, signed by the first administrator.
fn genesis(
    args: &InitArgs,
    vkey: &str,
    admin_name: &str,
    admin: &dyn Signer,
    log_key: PublicKey,
) -> Result<Vec<u8>> {
    let registration = match args.registration {
        Who::Signed => Rule::Signed,
        Who::Any => Rule::Any,
    };
    let keys = vec![
        trust::plain(admin.public_key(), admin_name, Role::Admin),
        trust::plain(log_key, &args.origin, Role::Log),
    ];
    let action = TrustAction::Genesis(Genesis {
        origin: args.origin.clone(),
        log_keys: vec![vkey.to_owned()],
        registration,
        approvals: args.approvals,
        keys,
        policy: None,
    });
    sign_entry(&trust::statement(action, &[])?, admin_name, &args.origin, admin)
}

fn trust_root(policy: &str, genesis: &[u8]) -> Result<TrustRoot> {
    let policy = Policy::parse(policy.as_bytes()).map_err(|e| Error::form("witness policy", e))?;
    TrustRoot::new(leaf_hash(genesis), policy).map_err(|e| Error::form("trust root", e))
}

/// Only what differs from the defaults; paths are relative to the file.
fn configuration(args: &InitArgs, log_key: &KeyUri, record: &Path, witnessed: bool) -> String {
    let record = if args.record.is_some() { record } else { Path::new("never-fork") };
    let log_key = match &args.log_key {
        Some(_) => log_key.to_string(),
        None => "log-key.pem".to_owned(),
    };
    let mut text = format!(
        "# firmlog config show --config FILE tells every setting and its reason.\n\
         [log]\ndir = \"data\"\norigin = {:?}\nkey = {log_key:?}\nrecord = {:?}\n{}\n\
         [http]\nlisten = \"{}\"\nmetrics_listen = \"\"\n",
        args.origin,
        record.display().to_string(),
        if matches!(args.registration, Who::Any) { "any = true\n" } else { "" },
        args.listen
    );
    if witnessed {
        text.push_str("\n[witnesses]\npolicy = \"witnesses.policy\"\n");
    }
    text
}
