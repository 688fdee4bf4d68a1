//! `log init`: everything a new log needs, in one directory.
//!
//! Invariants:
//! - Everything given is checked before anything is written; what fails after that takes the
//!   directory away again, so that the same command can be repeated.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use firmlog_keys::{Algorithm, AwsLc, FileKey, KeyError};
use firmlog_log::{Config, Log, Registration};
use firmlog_statement::{Genesis, Registration as Rule, Role, Signer, TrustAction};
use firmlog_tlog::merkle::leaf_hash;
use firmlog_tlog::note;
use firmlog_tlog::policy::Policy;
use firmlog_verify::TrustRoot;
use serde_json::json;

use crate::answer::{Answer, table};
use crate::command::{key, trust};
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
    log_key: FileKey,
    admin: FileKey,
    admin_name: String,
    vkey: String,
    policy: String,
    genesis: Vec<u8>,
    root: TrustRoot,
}

impl NewLog {
    fn from_args(args: &InitArgs) -> Result<Self> {
        let witnesses = args.witnesses.as_deref().map(read).transpose()?;
        let log_key = key::generate(&args.dir.join("log-key.pem"), Algorithm::Ed25519)?;
        let admin = key::generate(&args.dir.join("admin.pem"), Algorithm::P256)?;
        let vkey = log_key
            .note_signer(&args.origin, note::Algorithm::Ed25519)
            .map(|signer| note::NoteSigner::verifier_key(&signer).to_string())
            .map_err(|e| bad_origin(&args.origin, &e))?;
        let policy = policy_text(&vkey, witnesses.as_deref());
        let admin_name = format!("{}/admin", args.origin.split('/').next().unwrap_or_default());
        let genesis = genesis(args, &vkey, &admin_name, &admin, log_key.public_key())?;
        let root = trust_root(&policy, &genesis).map_err(|error| match &args.witnesses {
            Some(path) => bad_policy(path, &error),
            None => error,
        })?;
        Ok(Self { log_key, admin, admin_name, vkey, policy, genesis, root })
    }

    fn write(&self, args: &InitArgs, dir: &Path) -> Result<Answer> {
        let Self { admin_name, vkey, genesis, .. } = self;
        key::save(&dir.join("log-key.pem"), &self.log_key, None)?;
        key::save(&dir.join("admin.pem"), &self.admin, None)?;
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
        write(&dir.join("firmlog.toml"), &configuration(args, &record, witnessed))?;
        if witnessed {
            write(&dir.join("witnesses.policy"), &self.policy)?;
        }
        let rows = [
            ("origin", args.origin.clone()),
            ("log key", vkey.clone()),
            ("genesis", leaf_hash(genesis).to_string()),
            ("administrator", format!("{admin_name}, {}", dir.join("admin.pem").display())),
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
    log_key: firmlog_statement::PublicKey,
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
fn configuration(args: &InitArgs, record: &Path, witnessed: bool) -> String {
    let record = if args.record.is_some() { record } else { Path::new("never-fork") };
    let mut text = format!(
        "# firmlog config show --config FILE tells every setting and its reason.\n\
         [log]\ndir = \"data\"\norigin = {:?}\nkey = \"log-key.pem\"\nrecord = {:?}\n{}\n\
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
