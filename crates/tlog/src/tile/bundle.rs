//! Entry bundles: up to 256 entries, each after its length as a big-endian u16.
//!
//! ```text
//! 00 05 68 65 6c 6c 6f   00 02 68 69      two entries, "hello" and "hi"
//! ```
//!
//! In scope: cutting a bundle into its entries without copying, and appending an entry.
//! Out of scope: compression (HTTP's), what the entries say.
//!
//! Invariants: a [`Bundle`] exists only for bytes that hold exactly the entries asked for;
//! iterating it cannot fail.

use super::{MAX_ENTRY, TileError, WIDTH};

/// A whole, well-formed bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bundle<'a> {
    bytes: &'a [u8],
    width: u16,
}

impl<'a> Bundle<'a> {
    /// Parses a bundle of `width` entries.
    ///
    /// # Errors
    /// [`TileError::BundleTruncated`] or [`TileError::BundleTrailingBytes`].
    pub fn parse(bytes: &'a [u8], width: u16) -> Result<Self, TileError> {
        let mut rest = bytes;
        for _ in 0..width {
            (_, rest) = split_entry(rest).ok_or(TileError::BundleTruncated)?;
        }
        if rest.is_empty() {
            Ok(Self { bytes, width })
        } else {
            Err(TileError::BundleTrailingBytes)
        }
    }

    /// The first `width` entries of a longer bundle: a full one asked for in place of a
    /// partial one that the log has deleted already.
    ///
    /// # Errors
    /// [`TileError::BundleTruncated`].
    pub fn prefix(bytes: &'a [u8], width: u16) -> Result<Self, TileError> {
        let mut rest = bytes;
        for _ in 0..width {
            (_, rest) = split_entry(rest).ok_or(TileError::BundleTruncated)?;
        }
        let used = bytes.len().wrapping_sub(rest.len());
        Ok(Self { bytes: bytes.get(..used).unwrap_or_default(), width })
    }

    /// The entries in order.
    pub fn entries(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.bytes;
        core::iter::from_fn(move || {
            let (entry, after) = split_entry(rest)?;
            rest = after;
            Some(entry)
        })
    }

    /// One entry by its position in the bundle.
    #[must_use]
    pub fn entry(&self, position: u16) -> Option<&'a [u8]> {
        self.entries().nth(usize::from(position))
    }

    /// How many entries there are, 0 to 256.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether the bundle is complete and never changes again.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.width == WIDTH
    }
}

/// The two bytes that go before an entry in a bundle, for writers that lay it out themselves.
///
/// # Errors
/// [`TileError::EntryTooLarge`].
pub fn encode_len(entry: &[u8]) -> Result<[u8; 2], TileError> {
    let len = u16::try_from(entry.len()).map_err(|_| TileError::EntryTooLarge)?;
    Ok(len.to_be_bytes())
}

/// Appends an entry to a bundle.
///
/// # Errors
/// [`TileError::EntryTooLarge`], with nothing appended.
#[cfg(feature = "alloc")]
pub fn encode_entry(out: &mut alloc::vec::Vec<u8>, entry: &[u8]) -> Result<(), TileError> {
    let len = encode_len(entry)?;
    out.extend_from_slice(&len);
    out.extend_from_slice(entry);
    Ok(())
}

const _: () = assert!(MAX_ENTRY == u16::MAX as usize);

fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{vec, vec::Vec};

    #[test]
    fn parses_only_whole() {
        let mut bytes = Vec::new();
        let entries: [&[u8]; 3] = [b"hello", b"", b"hi"];
        entries.iter().for_each(|e| encode_entry(&mut bytes, e).unwrap());
        let bundle = Bundle::parse(&bytes, 3).unwrap();
        assert_eq!(bundle.entries().collect::<Vec<_>>(), entries);
        assert_eq!(bundle.entry(2), Some(&b"hi"[..]));
        assert_eq!(bundle.entry(3), None);
        assert_eq!(Bundle::parse(&bytes, 4), Err(TileError::BundleTruncated));
        assert_eq!(Bundle::parse(&bytes, 2), Err(TileError::BundleTrailingBytes));
        assert_eq!(Bundle::prefix(&bytes, 2).unwrap().entries().count(), 2);
        for cut in 0..bytes.len() {
            assert_eq!(Bundle::parse(&bytes[..cut], 3), Err(TileError::BundleTruncated));
        }
    }

    #[test]
    fn the_largest_entry_fits_and_no_larger() {
        let mut bytes = Vec::new();
        encode_entry(&mut bytes, &vec![7; MAX_ENTRY]).unwrap();
        assert_eq!(Bundle::parse(&bytes, 1).unwrap().entry(0).map(<[u8]>::len), Some(MAX_ENTRY));
        let refused = encode_entry(&mut bytes, &vec![7; MAX_ENTRY + 1]);
        assert_eq!(refused, Err(TileError::EntryTooLarge));
        assert_eq!(bytes.len(), MAX_ENTRY + 2);
    }
}
