//! The form of a vector file: header lines, a blank line, the body as text or hex.
//!
//! In scope: laying a vector out, and making a bad body out of a good one.
//! The form is described for its readers in `vectors/tlog/README.md`.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

/// One vector on its way to a file.
#[derive(Clone)]
pub(crate) struct Vector {
    format: &'static str,
    name: String,
    header: String,
    body: Vec<u8>,
}

impl Vector {
    /// A body that must be accepted.
    pub(crate) fn ok(format: &'static str, name: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::refused(format, name, "ok", body)
    }

    /// A body that must be refused with exactly this refusal.
    pub(crate) fn refused(
        format: &'static str,
        name: &str,
        refusal: &str,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let header = format!("expect: {refusal}\n");
        Self { format, name: name.to_owned(), header, body: body.into() }
    }

    /// Adds a header line.
    pub(crate) fn key(mut self, key: &str, value: impl ToString) -> Self {
        writeln!(self.header, "{key}: {}", value.to_string()).expect("a string takes it");
        self
    }

    /// Leaves `count` copies of `byte` at `offset` out of the file; readers put them in.
    pub(crate) fn fill(self, offset: usize, count: usize, byte: u8) -> Self {
        self.key("fill", format_args!("{offset} {count} {byte:02x}"))
    }

    pub(crate) const fn format(&self) -> &'static str {
        self.format
    }

    /// Writes `<root>/<format>/<name>`; two vectors of one name are a mistake.
    pub(crate) fn write(&self, root: &Path) -> io::Result<()> {
        let folder = root.join(self.format);
        fs::create_dir_all(&folder)?;
        let path = folder.join(&self.name);
        assert!(!path.exists(), "two vectors named {}", path.display());
        fs::write(path, self.encode())
    }

    fn encode(&self) -> Vec<u8> {
        let plain = |c: char| c == '\n' || !c.is_control();
        match str::from_utf8(&self.body) {
            Ok(text) if text.chars().all(plain) => {
                format!("{}body: text\n\n{text}", self.header).into_bytes()
            }
            _ => format!("{}body: hex\n\n{}", self.header, hex_lines(&self.body)).into_bytes(),
        }
    }
}

/// Lowercase hex, 32 bytes a line.
fn hex_lines(bytes: &[u8]) -> String {
    let mut out = String::new();
    for line in bytes.chunks(32) {
        line.iter().for_each(|byte| write!(out, "{byte:02x}").expect("a string takes it"));
        out.push('\n');
    }
    out
}

/// The first `from` of a good body made `to`; that it is there is checked.
pub(crate) fn with(good: &str, from: &str, to: &str) -> String {
    assert!(good.contains(from), "{from:?} is not in {good:?}");
    good.replacen(from, to, 1)
}

/// The first `from` of a good body made bytes that no text holds.
pub(crate) fn with_bytes(good: &str, from: &str, to: &[u8]) -> Vec<u8> {
    let (before, after) = good.split_once(from).expect("it is there");
    [before.as_bytes(), to, after.as_bytes()].concat()
}
