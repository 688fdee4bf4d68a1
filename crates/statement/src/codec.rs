//! Deterministic CBOR, written and read strictly (RFC 8949 §4.2.1).
//!
//! ```text
//! a2 00 04 06 48 00 00 00 00 00 00 00 07    {0: 4, 6: h'0000000000000007'}
//! ```
//!
//! In scope: the part of CBOR statements use: integers, byte and text strings,
//! arrays, maps, booleans and null. Out of scope: floats, tags (but for the
//! outermost 18), indefinite lengths; all are refused.
//!
//! Invariants:
//! - The writer has one way to write each value, the reader accepts only that way.
//! - No allocation, no recursion beyond [`MAX_DEPTH`].

use crate::StatementError as E;

/// How deep an extension value may nest.
pub const MAX_DEPTH: u8 = 8;

/// Reads over a value.
pub type Check = fn(&mut Decoder<'_>) -> Result<(), E>;

/// Where encoded bytes go: a buffer, a vector, a counter or a hash.
pub trait Sink {
    /// Takes the next bytes; refuses with `BufferTooSmall` when there is no room.
    fn put(&mut self, bytes: &[u8]) -> Result<(), E>;
}

#[cfg(feature = "alloc")]
impl Sink for alloc::vec::Vec<u8> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), E> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// Counts what would be written.
#[derive(Debug, Default, Clone, Copy)]
pub struct Count(pub usize);

impl Sink for Count {
    fn put(&mut self, bytes: &[u8]) -> Result<(), E> {
        self.0 = self.0.checked_add(bytes.len()).ok_or(E::Bug)?;
        Ok(())
    }
}

/// Writes into a fixed buffer, as devices do.
#[derive(Debug)]
pub struct Slice<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> Slice<'a> {
    /// Starts at the front of `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Sink for Slice<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), E> {
        let end = self.len.checked_add(bytes.len()).ok_or(E::BufferTooSmall)?;
        let room = self.buffer.get_mut(self.len..end).ok_or(E::BufferTooSmall)?;
        room.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }
}

/// Writes the head of an item of major type `major` (0 to 5) in its shortest form.
pub fn head(out: &mut dyn Sink, major: u8, value: u64) -> Result<(), E> {
    let bytes = value.to_be_bytes();
    let (info, from) = match value {
        0..=23 => (value as u8, 8),
        24..=0xff => (24, 7),
        0x100..=0xffff => (25, 6),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 0),
    };
    out.put(&[major << 5 | info])?;
    out.put(bytes.get(from..).unwrap_or_default())
}

/// Writes an unsigned integer.
pub fn uint(out: &mut dyn Sink, value: u64) -> Result<(), E> {
    head(out, 0, value)
}

/// Writes a signed integer.
pub fn int(out: &mut dyn Sink, value: i64) -> Result<(), E> {
    if value < 0 { head(out, 1, !(value as u64)) } else { head(out, 0, value as u64) }
}

/// Writes a byte string.
pub fn bytes(out: &mut dyn Sink, value: &[u8]) -> Result<(), E> {
    head(out, 2, value.len() as u64)?;
    out.put(value)
}

/// Writes a text string.
pub fn text(out: &mut dyn Sink, value: &str) -> Result<(), E> {
    head(out, 3, value.len() as u64)?;
    out.put(value.as_bytes())
}

/// Reads items from the front of a slice.
#[derive(Debug, Clone)]
pub struct Decoder<'b> {
    rest: &'b [u8],
}

impl<'b> Decoder<'b> {
    /// Reads from the front of `bytes`.
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What is not yet read.
    pub fn rest(&self) -> &'b [u8] {
        self.rest
    }

    /// Refuses with `TrailingBytes` unless everything was read.
    pub fn end(&self) -> Result<(), E> {
        if self.rest.is_empty() { Ok(()) } else { Err(E::TrailingBytes) }
    }

    #[inline]
    fn take(&mut self, n: usize) -> Result<&'b [u8], E> {
        let (front, rest) = self.rest.split_at_checked(n).ok_or(E::Truncated)?;
        self.rest = rest;
        Ok(front)
    }

    #[inline]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], E> {
        let (front, rest) = self.rest.split_first_chunk::<N>().ok_or(E::Truncated)?;
        self.rest = rest;
        Ok(*front)
    }

    /// Reads any head: major type and argument.
    #[inline]
    pub fn any_head(&mut self) -> Result<(u8, u64), E> {
        let [first] = self.fixed()?;
        let (major, info) = (first >> 5, first & 31);
        let (value, least) = match info {
            0..=23 => return Ok((major, u64::from(info))),
            24 => (u64::from(u8::from_be_bytes(self.fixed()?)), 24),
            25 => (u64::from(u16::from_be_bytes(self.fixed()?)), 0x100),
            26 => (u64::from(u32::from_be_bytes(self.fixed()?)), 0x1_0000),
            27 => (u64::from_be_bytes(self.fixed()?), 0x1_0000_0000),
            31 => return Err(E::IndefiniteLength),
            _ => return Err(E::WrongType),
        };
        if major == 7 {
            return Err(E::SimpleValue);
        }
        if value < least { Err(E::NotShortest) } else { Ok((major, value)) }
    }

    /// Reads a head that must have this major type.
    #[inline]
    pub fn head(&mut self, major: u8) -> Result<u64, E> {
        match self.any_head()? {
            (found, value) if found == major => Ok(value),
            _ => Err(E::WrongType),
        }
    }

    /// Reads an unsigned integer.
    #[inline]
    pub fn uint(&mut self) -> Result<u64, E> {
        self.head(0)
    }

    /// Reads a signed integer.
    pub fn int(&mut self) -> Result<i64, E> {
        match self.any_head()? {
            (0, value) => i64::try_from(value).map_err(|_| E::NumberRange),
            (1, value) => i64::try_from(value).map(|v| !v).map_err(|_| E::NumberRange),
            _ => Err(E::WrongType),
        }
    }

    /// Reads a byte string.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'b [u8], E> {
        let len = self.head(2)?;
        self.take(usize::try_from(len).map_err(|_| E::Truncated)?)
    }

    /// Reads a byte string of exactly `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<&'b [u8; N], E> {
        self.bytes()?.try_into().map_err(|_| E::FixedLength)
    }

    /// Reads a text string.
    #[inline]
    pub fn text(&mut self) -> Result<&'b str, E> {
        let len = self.head(3)?;
        let raw = self.take(usize::try_from(len).map_err(|_| E::Truncated)?)?;
        core::str::from_utf8(raw).map_err(|_| E::NotUtf8)
    }

    /// Reads `true` or `false`.
    pub fn bool(&mut self) -> Result<bool, E> {
        match self.fixed()? {
            [0xf4] => Ok(false),
            [0xf5] => Ok(true),
            _ => Err(E::WrongType),
        }
    }

    /// Reads the head of an array; every item takes a byte at least, so a length
    /// beyond what is left is refused here.
    pub fn list(&mut self) -> Result<usize, E> {
        let count = self.head(4)?;
        usize::try_from(count).ok().filter(|n| *n <= self.rest.len()).ok_or(E::Truncated)
    }

    /// Reads the head of a map with unsigned integer keys.
    #[inline]
    pub fn map(&mut self) -> Result<MapReader, E> {
        Ok(MapReader { left: self.head(5)?, last: None })
    }

    /// Reads into the map that comes next, up to the value of a key; none if it is not there.
    pub fn find(mut self, own: u64) -> Result<Option<Self>, E> {
        let mut map = self.map()?;
        while let Some(key) = map.next_key(&mut self)? {
            if key == own {
                return Ok(Some(self));
            }
            self.skip()?;
        }
        Ok(None)
    }

    /// Reads over one value of any shape, deterministic all the way down, and
    /// returns its bytes.
    pub fn skip(&mut self) -> Result<&'b [u8], E> {
        let start = self.rest;
        self.skip_value(MAX_DEPTH)?;
        let used = start.len().checked_sub(self.rest.len()).ok_or(E::Bug)?;
        start.get(..used).ok_or(E::Bug)
    }

    fn skip_value(&mut self, depth: u8) -> Result<(), E> {
        let inner = depth.checked_sub(1).ok_or(E::TooDeep)?;
        match self.any_head()? {
            (0 | 1, _) | (7, 20..=22) => Ok(()),
            (2, len) => self.take(usize::try_from(len).map_err(|_| E::Truncated)?).map(|_| ()),
            (3, len) => {
                let raw = self.take(usize::try_from(len).map_err(|_| E::Truncated)?)?;
                core::str::from_utf8(raw).map(|_| ()).map_err(|_| E::NotUtf8)
            }
            (4, count) => {
                for _ in 0..count {
                    self.skip_value(inner)?;
                }
                Ok(())
            }
            (5, count) => self.skip_pairs(count, inner),
            _ => Err(E::SimpleValue),
        }
    }

    /// Map keys of extensions may be of any type: bytewise ascending by encoding.
    fn skip_pairs(&mut self, count: u64, depth: u8) -> Result<(), E> {
        let mut last: &[u8] = &[];
        for _ in 0..count {
            let start = self.rest;
            self.skip_value(depth)?;
            let used = start.len().checked_sub(self.rest.len()).ok_or(E::Bug)?;
            let key = start.get(..used).ok_or(E::Bug)?;
            if key <= last {
                return Err(E::KeysOutOfOrder);
            }
            last = key;
            self.skip_value(depth)?;
        }
        Ok(())
    }
}

/// Walks the keys of a map, strictly ascending.
#[derive(Debug, Clone, Copy)]
pub struct MapReader {
    left: u64,
    last: Option<u64>,
}

impl MapReader {
    /// Pairs not yet read.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next key, or none at the end of the map.
    #[inline]
    pub fn next_key(&mut self, d: &mut Decoder<'_>) -> Result<Option<u64>, E> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let key = d.uint()?;
        if self.last.is_some_and(|last| key <= last) {
            return Err(E::KeysOutOfOrder);
        }
        self.last = Some(key);
        Ok(Some(key))
    }
}
