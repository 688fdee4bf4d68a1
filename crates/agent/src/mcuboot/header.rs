//! The 32 bytes an image begins with.
//!
//! ```text
//! 3d b8 f3 96  load address 4  header 2  protected 2  body 4  flags 4  version 1·1·2·4  unused 4
//! ```

use super::error::Error;

/// Bytes of it; what is between them and the body is hashed and means nothing.
pub(super) const LEN: usize = 32;
const MAGIC: u32 = 0x96f3_b83d;

const ENCRYPTED: u32 = 0x0c;
const NOT_BOOTABLE: u32 = 0x10;
const COMPRESSED: u32 = 0xe00;
/// Position independent, to be loaded into RAM, linked for one address.
const HARMLESS: u32 = 0x121;

/// `major.minor.revision+build`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Version {
    /// First number.
    pub major: u8,
    /// Second number.
    pub minor: u8,
    /// Third number.
    pub revision: u16,
    /// Behind the `+`.
    pub build: u32,
}

impl Version {
    /// The version code of its release: the four numbers behind one another.
    #[must_use]
    pub const fn code(self) -> u64 {
        let [r0, r1] = self.revision.to_be_bytes();
        let [b0, b1, b2, b3] = self.build.to_be_bytes();
        u64::from_be_bytes([self.major, self.minor, r0, r1, b0, b1, b2, b3])
    }

    pub(super) fn parse(rest: &mut &[u8]) -> Result<Self, Error> {
        let [major, minor] = take(rest)?;
        let (revision, build) = (u16::from_le_bytes(take(rest)?), u32::from_le_bytes(take(rest)?));
        Ok(Self { major, minor, revision, build })
    }
}

impl core::fmt::Display for Version {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { major, minor, revision, build } = self;
        write!(f, "{major}.{minor}.{revision}+{build}")
    }
}

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where the image is to be put, if its flags ask for it.
    pub load_addr: u32,
    /// Where the body begins.
    pub header_size: u16,
    /// Bytes of the protected area, its head among them.
    pub protected_size: u16,
    /// Bytes of the body.
    pub body_size: u32,
    /// Flags; only harmless ones are taken.
    pub flags: u32,
    /// The version.
    pub version: Version,
}

impl Header {
    pub(super) fn parse(bytes: &[u8; LEN]) -> Result<Self, Error> {
        let rest = &mut bytes.as_slice();
        if u32::from_le_bytes(take(rest)?) != MAGIC {
            return Err(Error::Magic);
        }
        let header = Self {
            load_addr: u32::from_le_bytes(take(rest)?),
            header_size: u16::from_le_bytes(take(rest)?),
            protected_size: u16::from_le_bytes(take(rest)?),
            body_size: u32::from_le_bytes(take(rest)?),
            flags: u32::from_le_bytes(take(rest)?),
            version: Version::parse(rest)?,
        };
        header.check()
    }

    fn check(self) -> Result<Self, Error> {
        let has = |flags: u32| self.flags & flags != 0;
        match self {
            _ if usize::from(self.header_size) < LEN => Err(Error::HeaderSize),
            _ if has(ENCRYPTED) => Err(Error::Encrypted),
            _ if has(COMPRESSED) => Err(Error::Compressed),
            _ if has(NOT_BOOTABLE) => Err(Error::NotBootable),
            _ if has(!HARMLESS) => Err(Error::UnknownFlag),
            _ => Ok(self),
        }
    }
}

/// The next bytes.
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Error> {
    let (front, behind) = rest.split_first_chunk::<N>().ok_or(Error::TlvLength)?;
    *rest = behind;
    Ok(*front)
}
