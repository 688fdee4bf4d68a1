//! The two areas behind the body: values with a type and a length each.
//!
//! ```text
//! 08 69  total 2  │ type 2  length 2  value │ …      protected: hashed and signed
//! 07 69  total 2  │ type 2  length 2  value │ …      hash, key, signature
//! ```

use super::error::Error;
use super::header::take;
use super::{Slot, Span};

pub(super) const PROTECTED: u16 = 0x6908;
pub(super) const UNPROTECTED: u16 = 0x6907;

/// Bytes of an area's head, and of a value's.
const HEAD: u32 = 4;

/// One value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tlv {
    pub(super) kind: u16,
    pub(super) value: Span,
}

/// What is left of an area.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    at: u32,
    pub(super) end: u32,
}

impl Area {
    /// The area that begins here with this magic, in a slot of this length.
    pub(super) fn open<S: Slot + ?Sized>(
        slot: &mut S,
        at: u32,
        len: u32,
        (magic, other): (u16, Error),
    ) -> Result<Self, Error> {
        let head = head(slot, at, len)?;
        if head.0 != magic {
            return Err(other);
        }
        let total = u32::from(head.1);
        let end = at.checked_add(total).filter(|end| *end <= len).ok_or(Error::TlvLength)?;
        let at = at.checked_add(HEAD).filter(|at| *at <= end).ok_or(Error::TlvLength)?;
        Ok(Self { at, end })
    }

    /// The next value.
    pub(super) fn next<S: Slot + ?Sized>(&mut self, slot: &mut S) -> Result<Option<Tlv>, Error> {
        if self.at == self.end {
            return Ok(None);
        }
        let short = Error::TlvLength;
        let (kind, value_len) = head(slot, self.at, self.end).map_err(|e| match e {
            Error::Truncated => short,
            other => other,
        })?;
        let at = self.at.checked_add(HEAD).ok_or(short)?;
        let end = at.checked_add(u32::from(value_len)).filter(|end| *end <= self.end);
        self.at = end.ok_or(short)?;
        Ok(Some(Tlv { kind, value: Span { at, len: u32::from(value_len) } }))
    }
}

fn head<S: Slot + ?Sized>(slot: &mut S, at: u32, len: u32) -> Result<(u16, u16), Error> {
    at.checked_add(HEAD).filter(|end| *end <= len).ok_or(Error::Truncated)?;
    let mut head = [0; HEAD as usize];
    slot.read(at, &mut head).map_err(|_| Error::Flash)?;
    let rest = &mut head.as_slice();
    Ok((u16::from_le_bytes(take(rest)?), u16::from_le_bytes(take(rest)?)))
}

impl Tlv {
    /// A value of exactly this length.
    pub(super) fn array<S: Slot + ?Sized, const N: usize>(
        &self,
        slot: &mut S,
    ) -> Result<[u8; N], Error> {
        let mut out = [0; N];
        if usize::try_from(self.value.len) != Ok(N) {
            return Err(Error::TlvLength);
        }
        slot.read(self.value.at, &mut out).map_err(|_| Error::Flash)?;
        Ok(out)
    }

    /// A value of at most the buffer's length.
    pub(super) fn bytes<'b, S: Slot + ?Sized>(
        &self,
        slot: &mut S,
        buffer: &'b mut [u8],
    ) -> Result<&'b [u8], Error> {
        let len = usize::try_from(self.value.len).map_err(|_| Error::TlvLength)?;
        let out = buffer.get_mut(..len).ok_or(Error::TlvLength)?;
        slot.read(self.value.at, out).map_err(|_| Error::Flash)?;
        Ok(out)
    }
}
