//! `log erase`: private values leave everything that the log keeps; the entry and its proofs stay.
//!
//! ```text
//! server runs      POST /api/v1/entries/{id}/erase, with the administrators' token
//! server stopped   the same, done here under the log's lock; told at the next start
//! ```
//!
//! Invariants:
//! - The log's lock decides which of the two it is: no value is erased beside a running server.
//! - The token goes over TLS or stays on this machine.

use clap::Args;
use firmlog_index::Index;
use firmlog_keys::KeyUri;
use firmlog_log::Log;
use firmlog_server::config::Config;
use firmlog_server::deeds::Deeds;
use firmlog_server::erase;
use firmlog_statement::disclosure::FieldId;
use firmlog_tlog::merkle::{Hash, LeafIndex};
use serde_json::{Value, json};

use super::ConfigArgs;
use super::upkeep::{log_error, open};
use crate::Context;
use crate::answer::Answer;
use crate::command::key::key_error;
use crate::error::{Error, Exit, Result};
use crate::http::Client;
use crate::problem::is_pruned;
use crate::submit::digest;

/// What no erasure here reaches, as every answer says.
const OUT_OF_REACH: &str = "copies of index.disclosures.db, bundles and answers that were handed \
                            out, and what the sender kept";

/// Arguments of `log erase`.
#[derive(Args)]
#[command(after_help = "\
Erased are the values that open the entry's commitments; the entry and every proof stay, and the \
same values sent again are not kept. An Audit entry names the entry and the fields, never a value. \
While the server runs, it does this, for the token in http.admin_token_file; when it is stopped, \
this command does, and the server tells it at its next start. Out of reach: copies of \
index.disclosures.db (erase there too, and after bringing one back), bundles and answers that were \
handed out, and what the sender kept.

Exit: 0 erased, or nothing was left · 3 no such entry

Example:
  firmlog log erase 48211 --field serial --config pumps/firmlog.toml")]
pub(crate) struct EraseArgs {
    /// The entry: its index, or its leaf hash in hex
    entry: String,
    /// Only this field, such as serial; all of them if left out
    #[arg(long, value_name = "NAME")]
    field: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Address of the running server, where http.listen is not it
    #[arg(long, value_name = "URL")]
    log: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &EraseArgs, context: &Context) -> Result<Answer> {
    let entry = Entry::parse(&args.entry)?;
    let field = args.field.as_deref().map(field).transpose()?;
    let config = args.config.load()?.config;
    let done = match open(&config) {
        Ok((log, origin)) => {
            let done = here(&log, &origin, &config, &entry, field);
            log.close().map_err(|e| Error::new("E-LOG", format!("failed to {e}")))?;
            done?
        }
        Err(error) if error.code == "E-LOCKED" => at_server(args, &config, field, context)?,
        Err(error) => return Err(error),
    };
    Ok(answer(done))
}

/// How an entry is named.
enum Entry {
    Index(u64),
    Leaf([u8; 32]),
}

impl Entry {
    fn parse(text: &str) -> Result<Self> {
        match text.parse() {
            // 64 digits are a hash, however few letters it has.
            Ok(index) if text.len() < 64 => Ok(Self::Index(index)),
            _ => digest(text).map(|digest| Self::Leaf(digest.0)).map_err(|_| {
                Error::new("E-USAGE", format!("{text:?} names no entry"))
                    .expected("an index, or a leaf hash of 64 hex digits", text)
            }),
        }
    }
}

/// On a stopped log.
fn here(
    log: &Log,
    origin: &str,
    config: &Config,
    entry: &Entry,
    field: Option<FieldId>,
) -> Result<Value> {
    let path = firmlog_server::index_path(config);
    let failed = |e: firmlog_index::Error| Error::io("erase in", &path, e);
    let view = Index::open(&path, origin).map_err(failed)?;
    let index = place(log, &view, entry)?;
    let leaf = log.reader().leaf(LeafIndex(index)).map_err(|e| log_error(&e))?;
    let deeds = Deeds::of(config);
    let erasing = erase::begin(&view, deeds.as_ref(), (index, leaf.0), field).map_err(failed)?;
    erasing.finish(&view).map_err(failed)?;
    let not_told = match (erasing.fields.is_empty(), &erasing.deed) {
        (true, _) => None,
        (_, Some(_)) => Some("the server tells it in the log at its next start"),
        (_, None) => Some("a log of any bytes has no audit entries"),
    };
    Ok(json!({"index": index.to_string(), "leaf_hash": leaf.to_string(),
        "fields": erasing.fields, "left": erasing.left, "not_told": not_told}))
}

fn place(log: &Log, view: &Index, entry: &Entry) -> Result<u64> {
    let reader = log.reader();
    let size = reader.published().head.size.0;
    let unknown = |expected: String, got: String| {
        Error::new("E-NOT-FOUND", "the log has no such entry; nothing was erased")
            .exit(Exit::Incomplete)
            .expected(expected, got)
    };
    let leaf = match entry {
        Entry::Index(index) if *index < size => return Ok(*index),
        Entry::Index(index) => {
            return Err(unknown(format!("an index below {size}"), index.to_string()));
        }
        Entry::Leaf(leaf) => Hash(*leaf),
    };
    if let Some(LeafIndex(index)) = log.checker().find(&leaf) {
        return Ok(index);
    }
    let failed = |e| Error::io("read", view.path(), e);
    if let Some(index) = view.index_of(&leaf.0).map_err(failed)? {
        return Ok(index);
    }
    // What the view has not seen yet.
    for index in view.covered().map_err(failed)?..size {
        if reader.leaf(LeafIndex(index)).map_err(|e| log_error(&e))? == leaf {
            return Ok(index);
        }
    }
    Err(unknown("the leaf hash of an entry".to_owned(), leaf.to_string()))
}

/// Through the server that runs.
fn at_server(
    args: &EraseArgs,
    config: &Config,
    field: Option<FieldId>,
    context: &Context,
) -> Result<Value> {
    let Some(path) = config.http.admin_token_file.0.as_deref() else {
        return Err(Error::new(
            "E-LOCKED",
            "the log is in use, and its server takes no such request",
        )
        .expected("http.admin_token_file, whose token shows an administrator", "none set")
        .help("set it and start the server anew, or stop the server and run this again"));
    };
    let token = firmlog_keys::read_passphrase(path)
        .map_err(|e| key_error(&KeyUri::File(path.into()), &e))?;
    let token = String::from_utf8_lossy(&token).into_owned();
    let client = Client::new(&address(args, config)?, context)?;
    let entry = args.entry.strip_prefix("sha256:").unwrap_or(&args.entry);
    let field = field.map(|field| format!("?field={field}")).unwrap_or_default();
    let path = format!("api/v1/entries/{entry}/erase{field}");
    let reply = client.post_as(&path, &token)?;
    match reply.status {
        200 => serde_json::from_slice(&reply.body).map_err(|e| Error::form("the log's answer", e)),
        404 if !is_pruned(&reply.body) => Err(client.refused(&path, &reply).exit(Exit::Incomplete)),
        401 => Err(client.refused(&path, &reply).help(
            "the server read another token when it started: start it anew, or name its file in \
             http.admin_token_file",
        )),
        _ => Err(client.refused(&path, &reply)),
    }
}

/// Where the server of this configuration is; only where nobody else reads the token.
fn address(args: &EraseArgs, config: &Config) -> Result<String> {
    let listen = config.http.listen;
    let given = args.log.as_ref();
    let tls = config.http.tls_key.0.is_some();
    let Some(url) = given.or(config.http.public_url.0.as_ref().filter(|_| tls)) else {
        if tls || listen.port() == 0 {
            return Err(Error::new("E-URL", "the configuration does not say where the server is")
                .help("give its address as --log URL; with TLS, http.public_url serves too"));
        }
        let mut here = listen;
        if listen.ip().is_unspecified() {
            here.set_ip(if listen.is_ipv4() {
                [127, 0, 0, 1].into()
            } else {
                std::net::Ipv6Addr::LOCALHOST.into()
            });
        }
        return Ok(format!("http://{here}"));
    };
    let parsed = reqwest::Url::parse(url).ok();
    let safe = parsed.is_some_and(|url| {
        let host = url.host_str().unwrap_or_default();
        let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        url.scheme() == "https" || host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    });
    if safe {
        return Ok(url.clone());
    }
    Err(Error::new("E-URL", "others could read the administrators' token on its way")
        .expected("https://…, or an address of this machine", url))
}

fn field(name: &str) -> Result<FieldId> {
    FieldId::from_name(name).ok_or_else(|| {
        let known: Vec<_> = FieldId::ALL.iter().map(|field| field.name()).collect();
        Error::new("E-USAGE", "no field has this name").expected(known.join(", "), name)
    })
}

fn answer(mut done: Value) -> Answer {
    let text = |name: &str| done[name].as_str().unwrap_or_default().to_owned();
    let list = |name: &str| {
        let names = done[name].as_array().map(Vec::as_slice).unwrap_or_default();
        names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    };
    let (fields, left) = (list("fields"), list("left"));
    let mut lines = format!("entry {} ({}): ", text("index"), text("leaf_hash"));
    if fields.is_empty() {
        lines.push_str("nothing left to erase\n");
    } else {
        lines.push_str(&format!("erased {fields}\n"));
        match done["told"].as_str() {
            Some(told) => lines.push_str(&format!("told in the log as entry {told}\n")),
            None => lines.push_str(&format!("not told in the log yet: {}\n", text("not_told"))),
        }
    }
    if !left.is_empty() {
        lines.push_str(&format!("still kept: {left}\n"));
    }
    lines.push_str(&format!("out of reach: {OUT_OF_REACH}\n"));
    done["told"] = done["told"].take();
    done["not_told"] = done["not_told"].take();
    done["out_of_reach"] = OUT_OF_REACH.into();
    Answer::new("log-erase", done, lines)
}
