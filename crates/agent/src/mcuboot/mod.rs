//! MCUboot images: what one says, whether it is whole, and whether the right key signed it.
//!
//! ```text
//! header │ body │ protected: counter, boot record, dependencies, release │ hash, key, signature
//! └──────────────── SHA-256, signed ─────────────────────────────────────┘
//!          └ SHA-256: the image of the release
//! ```
//!
//! In scope: the form that `imgtool sign` gives to images with an ECDSA signature on P-256, in a
//! slot that is read piece by piece, and the release that travels in it. Out of scope: whether the
//! release is good (`firmlog_verify::install`), the curve (a function of the caller's), swapping.
//!
//! Invariants:
//! - No allocation, no copy of the image; 256 bytes of it are in memory at a time.
//! - What an [`Image`] says is covered by the hash it was checked against, or is that hash, key
//!   and signature; [`Signed`] is made by [`Image::verify`] alone.
//! - Whatever is not understood in the unsigned area is refused.
//!
//! Normative text: `docs/spec/mcuboot.md`, rules `MCB-…`.

mod error;
mod header;
mod record;
mod signature;
mod tlv;

pub use error::Error;
pub use header::{Header, Version};
pub use record::BootRecord;

use crate::FlashError;
use crate::update;
use header::take;
use sha2::{Digest as _, Sha256};
use tlv::{Area, PROTECTED, Tlv, UNPROTECTED};

/// The vendor value that carries a release: its leaf hash, and its evidence bundle or nothing.
pub const RELEASE: u16 = 0x46a0;

/// Most dependencies of an image.
pub const MAX_DEPENDENCIES: usize = 4;

/// Bytes of the image in memory at a time.
const CHUNK: usize = 256;

/// Where an image lies, as the board or the file system gives it to us.
pub trait Slot {
    /// Reads `out.len()` bytes from `at` bytes behind the image's first.
    ///
    /// # Errors
    /// What the driver reports, also if that is outside.
    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), FlashError>;
}

impl Slot for &[u8] {
    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), FlashError> {
        let start = usize::try_from(at).map_err(|_| FlashError::Bounds)?;
        let end = start.checked_add(out.len()).ok_or(FlashError::Bounds)?;
        out.copy_from_slice(self.get(start..end).ok_or(FlashError::Bounds)?);
        Ok(())
    }
}

/// A piece of the slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Bytes behind the image's first.
    pub at: u32,
    /// Length in bytes.
    pub len: u32,
}

/// Another image that must be there in at least this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Its number in the bootloader.
    pub image: u8,
    /// The lowest version that will do.
    pub version: Version,
}

/// The release that travels in an image. Nothing about it is proven yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its leaf hash.
    pub leaf: [u8; 32],
    /// Where its evidence bundle lies; empty if that travels beside the image.
    pub bundle: Span,
}

/// An image that is whole: its bytes have the hash it says. Nobody vouches for it yet, and perhaps
/// nobody signed it: a release may be made of it before it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its header.
    pub header: Header,
    /// SHA-256 of header, body and protected area: what is signed, and what MCUboot attests.
    pub digest: [u8; 32],
    /// SHA-256 of the body: what the release names.
    pub body: [u8; 32],
    /// The security counter; 0 if it has none.
    pub counter: u32,
    /// The boot record.
    pub boot_record: Option<BootRecord>,
    /// Other images it needs.
    pub dependencies: [Option<Dependency>; MAX_DEPENDENCIES],
    /// The release in it.
    pub release: Option<Release>,
    /// SHA-256 of the key that it says has signed, as a SubjectPublicKeyInfo.
    pub key_hash: Option<[u8; 32]>,
    /// Where the image ends; what is behind in the slot is not looked at.
    pub end: u32,
    signature: Option<[u8; 64]>,
}

/// An image that a known key signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed(Image);

impl core::ops::Deref for Signed {
    type Target = Image;

    fn deref(&self) -> &Image {
        &self.0
    }
}

/// What the unsigned area holds.
#[derive(Default)]
struct Seal {
    hash: Option<[u8; 32]>,
    key_hash: Option<[u8; 32]>,
    signature: Option<[u8; 64]>,
}

/// What the protected area holds.
#[derive(Default)]
struct Claims {
    counter: Option<u32>,
    record: Option<Tlv>,
    dependencies: [Option<Dependency>; MAX_DEPENDENCIES],
    release: Option<Release>,
}

impl Image {
    /// Whether it is of the release of its body with this leaf hash, version code and security
    /// counter, in all that it says of it.
    #[must_use]
    pub fn is_of(&self, release: &[u8; 32], version: u64, counter: u32) -> bool {
        self.release.is_none_or(|own| own.leaf == *release)
            && (version, counter) == (self.header.version.code(), self.counter)
    }

    /// Reads the image at the front of a slot of `len` bytes, and hashes it.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn read<S: Slot + ?Sized>(slot: &mut S, len: u32) -> Result<Self, Error> {
        let mut head = [0; header::LEN];
        if len < header::LEN as u32 {
            return Err(Error::Truncated);
        }
        slot.read(0, &mut head).map_err(|_| Error::Flash)?;
        let header = Header::parse(&head)?;
        let body_end = u32::from(header.header_size).checked_add(header.body_size);
        let body_end = body_end.filter(|end| *end <= len).ok_or(Error::Truncated)?;
        let (claims, signed_end) = Claims::read(slot, &header, body_end, len)?;
        let mut area = Area::open(slot, signed_end, len, (UNPROTECTED, Error::AreaMagic))?;
        let end = area.end;
        let seal = Seal::read(slot, &mut area)?;
        let (digest, body) = hash(slot, header.header_size.into(), body_end, signed_end)?;
        if seal.hash.ok_or(Error::HashMissing)? != digest {
            return Err(Error::HashMismatch);
        }
        let Seal { signature, key_hash, .. } = seal;
        let signer = key_hash.unwrap_or_default();
        let boot_record = claims.boot_record(slot, header.version, &signer)?;
        let Claims { counter, dependencies, release, .. } = claims;
        let counter = counter.unwrap_or_default();
        Ok(Self {
            header,
            digest,
            body,
            counter,
            boot_record,
            dependencies,
            release,
            key_hash,
            end,
            signature,
        })
    }

    /// Whether one of these keys (x‖y) signed it. `check` tells whether a signature (r‖s, with s in
    /// either half, as MCUboot takes it) is of a key over a SHA-256.
    ///
    /// # Errors
    /// [`Error::SignatureMissing`], [`Error::KeyHashMissing`], [`Error::UnknownKey`],
    /// [`Error::BadSignature`].
    pub fn verify(
        self,
        keys: &[[u8; 64]],
        check: impl FnOnce(&[u8; 64], &[u8; 32], &[u8; 64]) -> bool,
    ) -> Result<Signed, Error> {
        let signature = self.signature.ok_or(Error::SignatureMissing)?;
        let named = self.key_hash.ok_or(Error::KeyHashMissing)?;
        let key = keys.iter().find(|key| signature::key_hash(key) == named);
        if !check(key.ok_or(Error::UnknownKey)?, &self.digest, &signature) {
            return Err(Error::BadSignature);
        }
        Ok(Signed(self))
    }
}

impl Signed {
    /// What the updater is told, if the release that was found is of this very image.
    ///
    /// # Errors
    /// [`Error::BodyMismatch`], [`Error::ReleaseMismatch`], [`Error::VersionMismatch`],
    /// [`Error::CounterMismatch`].
    pub fn target(&self, found: &update::Target) -> Result<update::Target, Error> {
        let named = self.release.is_none_or(|release| release.leaf == found.release);
        match found.image {
            image if image.sha256 != self.body => Err(Error::BodyMismatch),
            _ if !named => Err(Error::ReleaseMismatch),
            image if image.version != self.header.version.code() => Err(Error::VersionMismatch),
            image if image.counter != self.counter => Err(Error::CounterMismatch),
            _ => Ok(*found),
        }
    }
}

impl Claims {
    /// The values of the protected area, and where it ends.
    fn read<S: Slot + ?Sized>(
        slot: &mut S,
        header: &Header,
        at: u32,
        len: u32,
    ) -> Result<(Self, u32), Error> {
        let mut out = Self::default();
        if header.protected_size == 0 {
            return Ok((out, at));
        }
        let mut area = Area::open(slot, at, len, (PROTECTED, Error::ProtectedMagic))?;
        if area.end.checked_sub(at) != Some(header.protected_size.into()) {
            return Err(Error::ProtectedLength);
        }
        while let Some(tlv) = area.next(slot)? {
            out.take(slot, &tlv)?;
        }
        Ok((out, area.end))
    }

    fn take<S: Slot + ?Sized>(&mut self, slot: &mut S, tlv: &Tlv) -> Result<(), Error> {
        match tlv.kind {
            // Hashes, keys, signatures and what decrypts.
            ..=0x3f => Err(Error::Misplaced),
            0x40 => self.depend(tlv.array(slot)?),
            0x50 => once(&mut self.counter, u32::from_le_bytes(tlv.array(slot)?)),
            0x60 => once(&mut self.record, *tlv),
            RELEASE => once(&mut self.release, release(slot, tlv)?),
            // Signed, and of no meaning here.
            _ => Ok(()),
        }
    }

    fn depend(&mut self, value: [u8; 12]) -> Result<(), Error> {
        let rest = &mut value.as_slice();
        let [image, _, _, _] = take(rest)?;
        let version = Version::parse(rest)?;
        let free = self.dependencies.iter_mut().find(|slot| slot.is_none());
        *free.ok_or(Error::TooManyDependencies)? = Some(Dependency { image, version });
        Ok(())
    }

    fn boot_record<S: Slot + ?Sized>(
        &self,
        slot: &mut S,
        version: Version,
        key: &[u8; 32],
    ) -> Result<Option<BootRecord>, Error> {
        let Some(tlv) = self.record else { return Ok(None) };
        let mut buffer = [0; record::MAX];
        let bytes = tlv.bytes(slot, &mut buffer)?;
        BootRecord::parse(bytes, version, key).map(Some)
    }
}

impl Seal {
    fn read<S: Slot + ?Sized>(slot: &mut S, area: &mut Area) -> Result<Self, Error> {
        let mut out = Self::default();
        while let Some(tlv) = area.next(slot)? {
            match tlv.kind {
                0x01 => once(&mut out.key_hash, tlv.array(slot)?)?,
                0x02 => return Err(Error::KeyHashMissing),
                0x10 => once(&mut out.hash, tlv.array(slot)?)?,
                0x11 | 0x12 => return Err(Error::OtherHash),
                0x22 => once(&mut out.signature, der(slot, &tlv)?)?,
                0x20 | 0x21 | 0x23..=0x25 => return Err(Error::OtherSignature),
                _ => return Err(Error::Misplaced),
            }
        }
        Ok(out)
    }
}

fn der<S: Slot + ?Sized>(slot: &mut S, tlv: &Tlv) -> Result<[u8; 64], Error> {
    signature::parse(tlv.bytes(slot, &mut [0; signature::MAX])?)
}

fn release<S: Slot + ?Sized>(slot: &mut S, tlv: &Tlv) -> Result<Release, Error> {
    const LEAF: u32 = 32;
    let mut leaf = [0; LEAF as usize];
    let len = tlv.value.len.checked_sub(LEAF).ok_or(Error::TlvLength)?;
    slot.read(tlv.value.at, &mut leaf).map_err(|_| Error::Flash)?;
    let at = tlv.value.at.checked_add(LEAF).ok_or(Error::TlvLength)?;
    Ok(Release { leaf, bundle: Span { at, len } })
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Error> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::Duplicate),
    }
}

/// SHA-256 from the first byte to the end of what is signed, and of the body alone.
fn hash<S: Slot + ?Sized>(
    slot: &mut S,
    body: u32,
    body_end: u32,
    end: u32,
) -> Result<([u8; 32], [u8; 32]), Error> {
    let (mut whole, mut inner) = (Sha256::new(), Sha256::new());
    let (mut at, mut buffer) = (0, [0; CHUNK]);
    // Pieces end where the body begins and ends.
    for (stop, is_body) in [(body, false), (body_end, true), (end, false)] {
        while at < stop {
            let left = usize::try_from(stop.saturating_sub(at)).map_err(|_| Error::Bug)?;
            let piece = buffer.get_mut(..left.min(CHUNK)).ok_or(Error::Bug)?;
            slot.read(at, piece).map_err(|_| Error::Flash)?;
            whole.update(&*piece);
            if is_body {
                inner.update(&*piece);
            }
            at = at.checked_add(piece.len() as u32).ok_or(Error::Bug)?;
        }
    }
    Ok((whole.finalize().into(), inner.finalize().into()))
}
