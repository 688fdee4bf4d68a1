//! Who can read a file that holds a secret: one rule for keys, passphrases, PINs, tokens and
//! disclosures.
//!
//! ```text
//! -rw------- alice           accepted
//! -r--r----- root:root       accepted: whoever is in root's group is root
//! -rw-r----- root:staff      refused: group staff can read it
//! -r--r-----+ user:firmlog:r accepted for user firmlog: the group's bits are the list's mask
//! below $CREDENTIALS_DIRECTORY    accepted: the service manager keeps others out
//! ```
//!
//! Bits alone mislead: where a file has an access control list, the group's bits are the most that
//! anybody on the list may do, and say nothing of the group.
//!
//! In scope: mode bits and POSIX access control lists, of the open file. Out of scope: the folders
//! above it, other kinds of lists (NFSv4), and root, who reads everything.
//!
//! Invariants:
//! - Whoever may write a secret file counts as one who may read it: it can be exchanged.
//! - A list that cannot be read or understood refuses the file.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// The access control list of a file, where it has one.
const ACL: &str = "system.posix_acl_access";
/// Lists are short: eight bytes an entry.
const ACL_BYTES_MAX: usize = 4096;
const ACL_VERSION: u32 = 2;

/// Where the service manager puts secrets.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

const READ: u16 = 4;
const WRITE: u16 = 2;

/// Somebody who can read a secret and should not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reader {
    /// Everybody on this machine.
    Everybody,
    /// The members of a group, by number.
    Group(u32),
    /// A user, by number, named in the file's access control list.
    User(u32),
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everybody => f.write_str("everybody on this machine"),
            Self::Group(id) => named(f, "group", *id, "/etc/group"),
            Self::User(id) => named(f, "user", *id, "/etc/passwd"),
        }
    }
}

/// Who can read a secret file and should not, and how to keep them out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// Who they are.
    pub readers: Vec<Reader>,
    /// Whether the file has an access control list, which `chmod` alone does not take away.
    pub listed: bool,
}

impl Exposed {
    /// The command that keeps others out of the file at `path`.
    #[must_use]
    pub fn help(&self, path: &Path) -> String {
        let path = path.display();
        let unlist = if self.listed { format!("setfacl -b {path} && ") } else { String::new() };
        format!("{unlist}chmod 600 {path}")
    }
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, reader) in self.readers.iter().enumerate() {
            let before = if n == 0 { "" } else { ", " };
            write!(f, "{before}{reader}")?;
        }
        Ok(())
    }
}

/// Why a secret file is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// It, or its access control list, could not be looked at.
    #[error("find out who can read it")]
    Io(#[from] io::Error),
    /// Others than its owner and root can read it.
    #[error("use a secret that others can read: {0}")]
    Exposed(Exposed),
}

/// Opens a file that holds a secret, if nobody but its owner, root and this process can read it.
///
/// # Errors
/// [`AccessError`], before a byte of it is read.
pub fn open(path: &Path) -> Result<File, AccessError> {
    let file = File::open(path)?;
    check(&file, path)?;
    Ok(file)
}

/// Opens a file that is to hold a secret, empty: new with mode 0600, or one that is there and that
/// [`open`] would take.
///
/// # Errors
/// [`AccessError`]; nothing was written then.
pub fn create(path: &Path) -> Result<File, AccessError> {
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    check(&file, path)?;
    // Only now: what was there is not lost for a file that is refused.
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    Ok(file)
}

/// Of the open file, not of the path: it cannot be exchanged in between.
fn check(file: &File, path: &Path) -> Result<(), AccessError> {
    let metadata = file.metadata()?;
    let own = rustix::process::geteuid().as_raw();
    let list = list(file)?;
    let readers = readers(metadata.mode(), metadata.gid(), list.as_deref(), [own, metadata.uid()]);
    let readers =
        readers.ok_or_else(|| io::Error::other("its access control list is malformed"))?;
    if readers.is_empty() || is_credential(&metadata, path) {
        return Ok(());
    }
    Err(AccessError::Exposed(Exposed { readers, listed: list.is_some() }))
}

/// Whether it is the file at `path`, and that is below the folder of the service manager.
fn is_credential(metadata: &std::fs::Metadata, path: &Path) -> bool {
    let Some(folder) = std::env::var_os(CREDENTIALS) else { return false };
    let (Ok(folder), Ok(path)) = (Path::new(&folder).canonicalize(), path.canonicalize()) else {
        return false;
    };
    let same = |it: std::fs::Metadata| (it.dev(), it.ino()) == (metadata.dev(), metadata.ino());
    path.starts_with(folder) && path.metadata().is_ok_and(same)
}

fn list(file: &File) -> io::Result<Option<Vec<u8>>> {
    use rustix::io::Errno;
    let mut list = vec![0; ACL_BYTES_MAX];
    match rustix::fs::fgetxattr(file, ACL, &mut list[..]) {
        Ok(len) => {
            list.truncate(len);
            Ok(Some(list))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Who can read, apart from root and the users in `own`. `None` if the list is malformed.
fn readers(mode: u32, group: u32, list: Option<&[u8]>, own: [u32; 2]) -> Option<Vec<Reader>> {
    let mut readers = Vec::new();
    if mode & 0o006 != 0 {
        readers.push(Reader::Everybody);
    }
    let Some(list) = list else {
        if mode & 0o060 != 0 && group != 0 {
            readers.push(Reader::Group(group));
        }
        return Some(readers);
    };
    let entries = entries(list)?;
    let mask = entries.iter().find(|(tag, ..)| *tag == tag::MASK).map_or(u16::MAX, |it| it.1);
    for (tag, rights, id) in entries {
        let can = rights & mask & (READ | WRITE) != 0;
        match tag {
            tag::USER if can && id != 0 && !own.contains(&id) => readers.push(Reader::User(id)),
            tag::OWNING_GROUP if can && group != 0 => readers.push(Reader::Group(group)),
            tag::GROUP if can && id != 0 => readers.push(Reader::Group(id)),
            _ => {}
        }
    }
    Some(readers)
}

/// Tag, rights and id of each entry (`linux/posix_acl_xattr.h`, little-endian).
fn entries(list: &[u8]) -> Option<Vec<(u16, u16, u32)>> {
    let (version, entries) = list.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*version) != ACL_VERSION || entries.len() % 8 != 0 {
        return None;
    }
    let entry = |it: &[u8]| match *it {
        [a, b, c, d, e, f, g, h] => {
            let id = u32::from_le_bytes([e, f, g, h]);
            Some((u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]), id))
        }
        _ => None,
    };
    let entries: Option<Vec<_>> = entries.chunks(8).map(entry).collect();
    entries.filter(|all| all.iter().all(|(tag, ..)| tag::ALL.contains(tag)))
}

mod tag {
    pub(super) const USER: u16 = 0x02;
    pub(super) const OWNING_GROUP: u16 = 0x04;
    pub(super) const GROUP: u16 = 0x08;
    pub(super) const MASK: u16 = 0x10;
    /// With the owner (1) and everybody (0x20), whom the mode tells of as well.
    pub(super) const ALL: [u16; 6] = [0x01, USER, OWNING_GROUP, GROUP, MASK, 0x20];
}

fn named(f: &mut fmt::Formatter<'_>, what: &str, id: u32, table: &str) -> fmt::Result {
    let table = std::fs::read_to_string(table).unwrap_or_default();
    let name = table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then_some(name)
    });
    match name {
        Some(name) => write!(f, "{what} {name}"),
        None => write!(f, "{what} {id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [u32; 2] = [1000, 1001];

    fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut list = ACL_VERSION.to_le_bytes().to_vec();
        for (tag, rights, id) in entries {
            list.extend(tag.to_le_bytes());
            list.extend(rights.to_le_bytes());
            list.extend(id.to_le_bytes());
        }
        list
    }

    #[test]
    fn without_a_list_the_bits_tell() {
        let of = |mode, group| readers(mode, group, None, OWN).unwrap();
        assert_eq!(of(0o100_600, 50), []);
        assert_eq!(of(0o100_700, 50), []);
        assert_eq!(of(0o100_440, 0), []);
        assert_eq!(of(0o100_640, 50), [Reader::Group(50)]);
        assert_eq!(of(0o100_620, 50), [Reader::Group(50)]);
        assert_eq!(of(0o100_604, 0), [Reader::Everybody]);
        assert_eq!(of(0o100_602, 0), [Reader::Everybody]);
    }

    #[test]
    fn with_a_list_the_list_tells() {
        let nobody = u32::MAX;
        let of = |entries: &[(u16, u16, u32)]| {
            let basic = [(0x01, 6, nobody), (0x20, 0, nobody)];
            readers(0o100_640, 50, Some(&list(&[entries, &basic].concat())), OWN).unwrap()
        };
        // As systemd gives a credential to a service: the bits alone would refuse it.
        assert_eq!(of(&[(0x02, 4, 1000), (0x04, 0, nobody), (0x10, 4, nobody)]), []);
        assert_eq!(
            of(&[(0x02, 4, 1002), (0x04, 0, nobody), (0x10, 4, nobody)]),
            [Reader::User(1002)]
        );
        assert_eq!(of(&[(0x02, 4, 1002), (0x04, 4, nobody), (0x10, 0, nobody)]), []);
        let groups = [(0x04, 4, nobody), (0x08, 4, 60), (0x08, 4, 0), (0x10, 6, nobody)];
        assert_eq!(of(&groups), [Reader::Group(50), Reader::Group(60)]);
    }

    #[test]
    fn a_list_of_another_form_refuses() {
        let good = list(&[(0x01, 6, 0)]);
        assert!(readers(0o100_600, 0, Some(&good), OWN).is_some());
        let mut newer = good.clone();
        newer[0] = 3;
        for bad in [&newer[..], &good[..11], &[], &list(&[(0x40, 4, 7)])] {
            assert_eq!(readers(0o100_600, 0, Some(bad), OWN), None);
        }
    }
}
