//! What bundles showed that older ones do not: the file `withdrawn`.
//!
//! ```text
//! key 9f2c… 41                               compromised: what it permitted from entry 41 on
//! release 5f0c… 0303… release_suspended 57   withdrawn by entry 57, and its image
//! refused 0303… 4118                         an image that the tree of this size spoke against
//! tree 4120                                  the largest tree whose bundle was taken
//! ```
//!
//! In scope: keeping it. Out of scope: what it forbids (`firmlog_verify`).
//!
//! Invariants:
//! - What was added is durable before a decision is answered. A last line that a power cut left
//!   without its end belongs to a decision that was never answered: it is left out, and cut off
//!   before more is added.
//! - Any other line that cannot be read is an error: what it forbids is not forgotten silently.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use firmlog_statement::Thumbprint;
use firmlog_statement::event::EventType;
use firmlog_tlog::merkle::{Hash, LeafIndex, TreeSize};
use firmlog_verify::install::Revocation;

use crate::answer::hex;
use crate::error::{Error, Result};

/// What was heard so far.
pub(super) struct Heard {
    path: PathBuf,
    lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Revocation(Revocation),
    Tree(u64),
}

impl Heard {
    /// Reads the file; nothing was heard where there is none.
    pub(super) fn read(path: PathBuf) -> Result<Self> {
        let bytes = match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(|e| Error::io("read", &path, e))?,
        };
        let lines = lines(&path, whole(&bytes))?;
        Ok(Self { path, lines })
    }

    /// What speaks against older evidence.
    pub(super) fn revocations(&self) -> Vec<Revocation> {
        let all = self.lines.iter().filter_map(|line| match line {
            Line::Revocation(it) => Some(*it),
            Line::Tree(_) => None,
        });
        all.collect()
    }

    /// The largest tree of which a bundle was taken; 0 if none was.
    pub(super) fn tree_size(&self) -> u64 {
        let sizes = self.lines.iter().filter_map(|line| match line {
            Line::Tree(size) => Some(*size),
            Line::Revocation(_) => None,
        });
        sizes.max().unwrap_or_default()
    }

    /// Keeps what a bundle shows, durably.
    pub(super) fn learn(&mut self, revocations: &[Revocation]) -> Result<()> {
        let lines: Vec<Line> = revocations.iter().copied().map(Line::Revocation).collect();
        self.add(&lines)
    }

    /// Keeps the size of the tree whose bundle was taken, durably.
    pub(super) fn take(&mut self, size: u64) -> Result<()> {
        if size <= self.tree_size() { Ok(()) } else { self.add(&[Line::Tree(size)]) }
    }

    fn add(&mut self, lines: &[Line]) -> Result<()> {
        if lines.iter().all(|line| self.lines.contains(line)) {
            return Ok(());
        }
        let mut file = self.open()?;
        // Another process may have added something since.
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|e| Error::io("read", &self.path, e))?;
        let kept = whole(&bytes);
        self.lines = self::lines(&self.path, kept)?;
        let mut text = String::new();
        for line in lines {
            if !self.lines.contains(line) {
                text.push_str(&line.encode());
                self.lines.push(*line);
            }
        }
        let mut write = || {
            file.set_len(kept.len() as u64)?;
            file.seek(std::io::SeekFrom::End(0))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|e| Error::io("write", &self.path, e))
    }

    /// Opens the file for one process alone.
    fn open(&self) -> Result<File> {
        let is_new = !self.path.exists();
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&self.path);
        let locked = file.and_then(|file| {
            file.lock()?;
            // The name of a new file has to last as well.
            if let Some(dir) = self.path.parent().filter(|_| is_new) {
                File::open(dir)?.sync_all()?;
            }
            Ok(file)
        });
        locked.map_err(|e| Error::io("open", &self.path, e))
    }
}

/// The lines that have their end.
fn whole(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    &bytes[..end]
}

fn lines(path: &Path, bytes: &[u8]) -> Result<Vec<Line>> {
    let all = bytes.split_inclusive(|byte| *byte == b'\n').enumerate();
    all.map(|(place, line)| {
        let text = std::str::from_utf8(line).ok();
        text.and_then(|text| Line::parse(text.strip_suffix('\n')?))
            .ok_or_else(|| unreadable(path, place + 1))
    })
    .collect()
}

fn unreadable(path: &Path, line: usize) -> Error {
    let what = format!("line {line} cannot be read, and what it forbids must not be forgotten");
    Error::form(&path.display().to_string(), what).help(
        "put the file back as it was; where that is impossible, move it away and have \
         verify-image judge the log's newest bundles before any other",
    )
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        Some(match words[..] {
            ["key", kid, from] => Self::Revocation(Revocation::Key {
                kid: Thumbprint(Hash::from_hex(kid)?.0),
                from: LeafIndex(from.parse().ok()?),
            }),
            ["release", release, image, event, index] => Self::Revocation(Revocation::withdrawn(
                Hash::from_hex(release)?,
                Hash::from_hex(image)?.0,
                EventType::from_name(event)?,
                LeafIndex(index.parse().ok()?),
            )?),
            ["refused", image, tree] => Self::Revocation(Revocation::Refused {
                tree: TreeSize(tree.parse().ok()?),
                image: Hash::from_hex(image)?.0,
            }),
            ["tree", size] => Self::Tree(size.parse().ok()?),
            _ => return None,
        })
    }

    fn encode(&self) -> String {
        match self {
            Self::Revocation(Revocation::Key { kid, from }) => {
                format!("key {kid} {}\n", from.0)
            }
            Self::Revocation(Revocation::Release { release, image, event, index }) => {
                format!("release {release} {} {} {}\n", hex(image), event.name(), index.0)
            }
            Self::Revocation(Revocation::Refused { tree, image }) => {
                format!("refused {} {}\n", hex(image), tree.0)
            }
            Self::Tree(size) => format!("tree {size}\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Revocation> {
        let steps = [
            EventType::ReleaseSuspended,
            EventType::ReleaseRecalled,
            EventType::ReleaseEndOfSupport,
        ];
        let release = |(event, n): (EventType, u8)| {
            let index = LeafIndex(u64::from(n) << 40);
            Revocation::withdrawn(Hash([n; 32]), [n + 9; 32], event, index).expect("withdraws")
        };
        let mut all: Vec<_> = steps.into_iter().zip(1..).map(release).collect();
        all.push(Revocation::Key { kid: Thumbprint([5; 32]), from: LeafIndex(7) });
        all.push(Revocation::Refused { tree: TreeSize(9), image: [6; 32] });
        all
    }

    fn read(path: &Path) -> Result<Heard> {
        Heard::read(path.to_owned())
    }

    #[test]
    fn what_was_heard_is_read_as_it_was_kept() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("withdrawn");
        let mut heard = read(&path).expect("nothing yet");
        assert_eq!((heard.revocations(), heard.tree_size()), (vec![], 0));
        heard.learn(&all()[..2]).expect("writes");
        heard.take(70).expect("writes");
        // Another process, which read the file before.
        let mut other = read(&path).expect("reads");
        heard.learn(&all()).expect("writes");
        other.learn(&all()[1..3]).expect("writes");
        other.take(12).expect("nothing to write");
        let heard = read(&path).expect("reads");
        assert_eq!((heard.revocations(), heard.tree_size()), (all(), 70));
    }

    /// AGT-051: cut at every byte, what was whole before is there, and more can be added.
    #[test]
    fn agt_051_a_torn_last_line_is_cut_off() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("withdrawn");
        read(&path).expect("nothing yet").learn(&all()).expect("writes");
        let bytes = std::fs::read(&path).expect("there");
        for len in 0..bytes.len() {
            std::fs::write(&path, &bytes[..len]).expect("writes");
            let mut heard = read(&path).expect("a torn line is no error");
            let lines = bytes[..len].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(heard.revocations(), all()[..lines], "{len}");
            heard.learn(&all()).expect("writes");
            assert_eq!(std::fs::read(&path).expect("there"), bytes, "{len}");
        }
    }

    /// AGT-052: nothing that is forbidden is forgotten because of one bad line.
    #[test]
    fn agt_052_a_line_that_cannot_be_read_is_an_error() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("withdrawn");
        let digest = "5f".repeat(32);
        let bad = [
            String::new(),
            format!("key {digest}"),
            format!("key {} 1", &digest[2..]),
            format!("key {digest} -1"),
            format!("release {digest}"),
            format!("release {digest} {digest} release_published 4"),
            format!("release {digest} {digest} nonsense 4"),
            format!("release {digest} {digest} release_recalled 4 5"),
            "tree many".to_owned(),
        ];
        for line in bad.iter().map(String::as_bytes).chain([&b"tree \xff"[..]]) {
            let text = [b"tree 5\n", line, b"\ntree 6\n"].concat();
            std::fs::write(&path, &text).expect("writes");
            let error = read(&path).err().expect("an error");
            assert_eq!((error.code, error.help.is_some()), ("E-FORM", true));
            assert!(error.message.contains("line 2 "), "{error}");
            // Nor is anything added to it.
            let mut heard = Heard { path: path.clone(), lines: vec![] };
            assert!(heard.learn(&all()).is_err());
            assert_eq!(std::fs::read(&path).expect("there"), text);
        }
    }
}
