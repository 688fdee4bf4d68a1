//! Reading RLP strictly: one spelling of each length and number, nothing left over.

use alloy_rlp::{Decodable as _, Header, Result};

/// Items from the front of a list's payload.
pub(super) struct Items<'a>(&'a [u8]);

impl<'a> Items<'a> {
    /// The items of a list that takes all of `bytes`.
    pub(super) fn of_list(mut bytes: &'a [u8]) -> Result<Self> {
        let payload = Header::decode_bytes(&mut bytes, true)?;
        if bytes.is_empty() { Ok(Self(payload)) } else { Err(alloy_rlp::Error::UnexpectedLength) }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses when an item is left.
    pub(super) const fn end(&self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(alloy_rlp::Error::UnexpectedLength) }
    }

    pub(super) fn string(&mut self) -> Result<&'a [u8]> {
        Header::decode_bytes(&mut self.0, false)
    }

    /// A string of exactly `N` bytes.
    pub(super) fn fixed<const N: usize>(&mut self) -> Result<&'a [u8; N]> {
        self.string()?.try_into().map_err(|_| alloy_rlp::Error::UnexpectedLength)
    }

    /// A number without leading zeros, of at most eight bytes.
    pub(super) fn number(&mut self) -> Result<u64> {
        u64::decode(&mut self.0)
    }

    /// A number without leading zeros, of at most 32 bytes; its value does not matter.
    pub(super) fn big_number(&mut self) -> Result<()> {
        let digits = self.string()?;
        match digits.first() {
            Some(0) => Err(alloy_rlp::Error::LeadingZero),
            _ if digits.len() > 32 => Err(alloy_rlp::Error::Overflow),
            _ => Ok(()),
        }
    }

    pub(super) fn list(&mut self) -> Result<Self> {
        Header::decode_bytes(&mut self.0, true).map(Self)
    }
}
