//! `inspect`: what is this, and what does it say, byte by byte?
//!
//! ```text
//! $ firmlog inspect entry.cose
//! statement: a COSE_Sign1 that a log can take, 318 bytes
//!      0  d2                       tag 18 (COSE_Sign1)
//!      1  84                       array of 4
//!      2  58 6a a4 01 26 …           bytes, 106  protected header
//! ```
//!
//! In scope: telling the formats apart and explaining each. Out of scope: trust; nothing here
//! verifies a signature, and the last line says so.
//!
//! Invariants:
//! - No socket is opened and no key is needed.
//! - The secret half of a key file is never printed.

mod anchor;
mod bundle;
pub(crate) mod cbor;
mod cose;
mod file;
mod journal;
pub(crate) mod mcuboot;
pub(crate) mod text;
mod tile;
pub(crate) mod udi;

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::Context;
use crate::answer::Answer;
use crate::error::{Error, Exit, Result};

/// The largest file `inspect` reads, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// Arguments of `inspect`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog inspect '(01)51022222233336(11)141231(17)150707(10)A213B1(21)1234'")]
pub(crate) struct InspectArgs {
    /// A file, `-` for stdin, or a UDI or key as text
    artefact: String,
}

/// What an artefact turned out to be.
pub(crate) struct Found {
    /// One or two words: "checkpoint", "statement", …
    pub(crate) kind: &'static str,
    /// One line about it.
    pub(crate) summary: String,
    /// The explanation, in lines.
    pub(crate) text: String,
    /// The same for programs.
    pub(crate) json: Value,
    /// Set when it is of this kind, yet broken.
    pub(crate) broken: Option<String>,
}

impl Found {
    pub(crate) fn new(kind: &'static str, summary: impl Into<String>) -> Self {
        let (text, json, broken) = (String::new(), json!({}), None);
        Self { kind, summary: summary.into(), text, json, broken }
    }

    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    pub(crate) fn json(mut self, json: Value) -> Self {
        self.json = json;
        self
    }

    pub(crate) fn broken(mut self, why: impl std::fmt::Display) -> Self {
        self.broken = Some(why.to_string());
        self
    }
}

/// Runs the command.
pub(crate) fn run(args: &InspectArgs, _context: &Context) -> Result<Answer> {
    let (bytes, path) = input(&args.artefact)?;
    let found = explain(&bytes, path.as_deref()).ok_or_else(|| {
        Error::new("E-KIND", format!("{} is of no kind that firmlog knows", shown(&args.artefact)))
            .help("to look a firmware image up, use: firmlog identify FILE")
    })?;
    Ok(answer(found, bytes.len()))
}

fn answer(found: Found, bytes: usize) -> Answer {
    let mut json = found.json;
    json["kind"] = found.kind.into();
    json["summary"] = found.summary.as_str().into();
    json["bytes"] = bytes.into();
    let mut text = format!("{}: {}\n{}", found.kind, found.summary, found.text);
    let exit = match &found.broken {
        Some(why) => {
            json["broken"] = why.as_str().into();
            text.push_str(&format!("✗ broken: {why}\n"));
            Exit::Against
        }
        None => Exit::Proven,
    };
    text.push_str("Only the form was read; no signature was checked. To check: firmlog verify\n");
    Answer::new("inspect", json, text).exit(exit)
}

/// Tries every kind; `None` if it is none of them.
pub(crate) fn explain(bytes: &[u8], path: Option<&Path>) -> Option<Found> {
    if let Ok(utf8) = std::str::from_utf8(bytes) {
        if let Some(found) = text::explain(utf8) {
            return Some(found);
        }
        if let Some(found) = udi::explain(utf8.trim_end_matches(['\n', '\r'])) {
            return Some(found);
        }
    }
    if let Some(found) = journal::explain(bytes).or_else(|| mcuboot::explain(bytes)) {
        return Some(found);
    }
    let whole = bundle::explain(bytes).or_else(|| anchor::explain(bytes));
    if let Some(found) = whole.or_else(|| file::explain(bytes)) {
        return Some(found);
    }
    cose::explain(bytes).or_else(|| tile::explain(bytes, path))
}

/// A file's bytes, stdin's, or the argument itself.
fn input(artefact: &str) -> Result<(Vec<u8>, Option<PathBuf>)> {
    let mut bytes = Vec::new();
    if artefact == "-" {
        let mut stdin = std::io::stdin().lock().take(MAX_BYTES);
        stdin.read_to_end(&mut bytes).map_err(|e| Error::io("read", Path::new("stdin"), e))?;
        return Ok((bytes, None));
    }
    let path = PathBuf::from(artefact);
    if path.is_file() {
        let file = std::fs::File::open(&path).map_err(|e| Error::io("open", &path, e))?;
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|e| Error::io("read", &path, e))?;
        return Ok((bytes, Some(path)));
    }
    Ok((artefact.as_bytes().to_vec(), None))
}

fn shown(artefact: &str) -> String {
    if Path::new(artefact).is_file() {
        return artefact.to_owned();
    }
    format!("{artefact:?} is not the name of a file here, and as text it")
        .chars()
        .take(160)
        .collect()
}
