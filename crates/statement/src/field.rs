//! Values a field can hold, each with its one encoding.
//!
//! ```text
//! Text<32>  "2.4.1"   65 32 2e 34 2e 31
//! List<u64, 4> [7]    81 07
//! ```
//!
//! Inline text, bytes and lists need no allocator, so that a device holds a whole
//! [`Update`](crate::Update) on its stack. Absent and empty are one thing: an empty
//! list or text is left out, and refused when spelt.

use crate::StatementError as E;
use crate::codec::{self, Decoder, MapReader, Sink};
#[cfg(feature = "alloc")]
use alloc::{boxed::Box, string::String, vec::Vec};
use core::{fmt, ops::Deref};

/// A value with one encoding.
pub trait Field: Sized {
    /// Whether the field may be left out; what it then means is [`absent`](Self::absent).
    const OPTIONAL: bool = false;

    /// Whether the field is written at all.
    fn present(&self) -> bool {
        true
    }
    /// Writes the value.
    fn encode(&self, out: &mut dyn Sink) -> Result<(), E>;
    /// Reads the value.
    fn decode(d: &mut Decoder<'_>) -> Result<Self, E>;
    /// Reads over the value, refusing exactly what [`decode`](Self::decode) refuses.
    #[inline]
    fn check(d: &mut Decoder<'_>) -> Result<(), E> {
        Self::decode(d).map(|_| ())
    }
    /// [`check`](Self::check), or that of another type which reads over the same.
    const CHECK: codec::Check = Self::check;
    /// What an unwritten field means; required fields have no such meaning.
    fn absent() -> Result<Self, E> {
        Err(E::FieldMissing)
    }
}

macro_rules! unsigned {
    ($($ty:ty)*) => {$(
        impl Field for $ty {
            fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
                codec::uint(out, u64::from(*self))
            }
            #[inline]
            fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
                d.uint()?.try_into().map_err(|_| E::NumberRange)
            }
        }
    )*};
}
unsigned!(u8 u16 u32 u64);

impl Field for i16 {
    fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
        codec::int(out, i64::from(*self))
    }
    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        d.int()?.try_into().map_err(|_| E::NumberRange)
    }
}

impl Field for bool {
    fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
        out.put(&[if *self { 0xf5 } else { 0xf4 }])
    }
    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        d.bool()
    }
}

impl<const N: usize> Field for [u8; N] {
    fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
        codec::bytes(out, self)
    }
    #[inline]
    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        d.array().copied()
    }
    #[inline]
    fn check(d: &mut Decoder<'_>) -> Result<(), E> {
        d.array::<N>().map(|_| ())
    }
}

impl<T: Field> Field for Option<T> {
    const OPTIONAL: bool = true;

    fn present(&self) -> bool {
        self.is_some()
    }
    fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
        self.as_ref().ok_or(E::Bug)?.encode(out)
    }
    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        T::decode(d).map(Some)
    }
    fn check(d: &mut Decoder<'_>) -> Result<(), E> {
        T::check(d)
    }
    const CHECK: codec::Check = T::CHECK;
    fn absent() -> Result<Self, E> {
        Ok(None)
    }
}

/// Text must say something and hold no control characters (a page, a CSV cell and a
/// log line must be able to carry it).
pub(crate) fn check_text(text: &str, bytes_max: usize) -> Result<(), E> {
    if text.is_empty() {
        return Err(E::TextEmpty);
    }
    if text.len() > bytes_max {
        return Err(E::TextTooLong);
    }
    let bad = |b: &u8| *b < 0x20 || *b == 0x7f;
    if text.as_bytes().iter().any(bad) { Err(E::ControlCharacter) } else { Ok(()) }
}

/// Text of 1 to `N` bytes (UTF-8, no control characters), held inline.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    /// Copies `text`, if it is within the rules.
    pub fn new(text: &str) -> Result<Self, E> {
        check_text(text, N)?;
        let mut bytes = [0; N];
        let room = bytes.get_mut(..text.len()).ok_or(E::TextTooLong)?;
        room.copy_from_slice(text.as_bytes());
        Ok(Self { len: text.len().try_into().map_err(|_| E::TextTooLong)?, bytes })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl<const N: usize> Deref for Text<N> {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> TryFrom<&str> for Text<N> {
    type Error = E;
    fn try_from(text: &str) -> Result<Self, E> {
        Self::new(text)
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl<const N: usize> Field for Text<N> {
    fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
        codec::head(out, 3, u64::from(self.len))?;
        out.put(self.bytes.get(..usize::from(self.len)).ok_or(E::Bug)?)
    }
    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        Self::new(d.text()?)
    }
    #[inline]
    fn check(d: &mut Decoder<'_>) -> Result<(), E> {
        check_text(d.text()?, N)
    }
}

/// One to `N` bytes, held inline.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bytes<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> Bytes<N> {
    /// Copies `value` (1 to `N` bytes).
    pub fn new(value: &[u8]) -> Result<Self, E> {
        if value.is_empty() {
            return Err(E::FixedLength);
        }
        let mut bytes = [0; N];
        bytes.get_mut(..value.len()).ok_or(E::BytesTooLong)?.copy_from_slice(value);
        Ok(Self { len: value.len().try_into().map_err(|_| E::BytesTooLong)?, bytes })
    }
}

impl<const N: usize> Deref for Bytes<N> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Debug for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl<const N: usize> Field for Bytes<N> {
    fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
        codec::bytes(out, self)
    }
    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        Self::new(d.bytes()?)
    }
}

/// Up to `N` values, held inline; left out when empty.
#[derive(Clone, Copy)]
pub struct List<T, const N: usize> {
    len: usize,
    items: [T; N],
}

impl<T: Copy + Default, const N: usize> List<T, N> {
    /// No values.
    pub fn new() -> Self {
        Self { len: 0, items: [T::default(); N] }
    }

    /// Appends `item`; refuses the `N`+1st.
    pub fn push(&mut self, item: T) -> Result<(), E> {
        *self.items.get_mut(self.len).ok_or(E::TooManyItems)? = item;
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    /// Copies `items`.
    pub fn from_slice(items: &[T]) -> Result<Self, E> {
        let mut list = Self::new();
        items.iter().try_for_each(|item| list.push(*item))?;
        Ok(list)
    }
}

impl<T: Copy + Default, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> Deref for List<T, N> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        self.items.get(..self.len).unwrap_or_default()
    }
}

impl<T: PartialEq, const N: usize> PartialEq for List<T, N> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq, const N: usize> Eq for List<T, N> {}

impl<T: fmt::Debug, const N: usize> fmt::Debug for List<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

fn encode_items<T: Field>(items: &[T], out: &mut dyn Sink) -> Result<(), E> {
    codec::head(out, 4, items.len() as u64)?;
    items.iter().try_for_each(|item| item.encode(out))
}

fn count_items(d: &mut Decoder<'_>, max: usize) -> Result<usize, E> {
    match d.list()? {
        0 => Err(E::EmptyList),
        n if n > max => Err(E::TooManyItems),
        n => Ok(n),
    }
}

fn check_items(d: &mut Decoder<'_>, max: usize, check: codec::Check) -> Result<(), E> {
    (0..count_items(d, max)?).try_for_each(|_| check(d))
}

impl<T: Field + Copy + Default, const N: usize> Field for List<T, N> {
    const OPTIONAL: bool = true;

    fn present(&self) -> bool {
        self.len > 0
    }
    fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
        encode_items(self, out)
    }
    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        let mut list = Self::new();
        for _ in 0..count_items(d, N)? {
            list.push(T::decode(d)?)?;
        }
        Ok(list)
    }
    fn check(d: &mut Decoder<'_>) -> Result<(), E> {
        check_items(d, N, T::CHECK)
    }
    fn absent() -> Result<Self, E> {
        Ok(Self::new())
    }
}

/// The longest text of a statement that is not an update, in bytes.
pub(crate) const TEXT_MAX: usize = 1024;
/// The longest list of a statement that is not an update.
pub(crate) const LIST_MAX: usize = 4096;

#[cfg(feature = "alloc")]
impl<T: Field> Field for Vec<T> {
    const OPTIONAL: bool = true;

    fn present(&self) -> bool {
        !self.is_empty()
    }
    fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
        if self.len() > LIST_MAX {
            return Err(E::TooManyItems);
        }
        encode_items(self, out)
    }
    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        (0..count_items(d, LIST_MAX)?).map(|_| T::decode(d)).collect()
    }
    fn check(d: &mut Decoder<'_>) -> Result<(), E> {
        check_items(d, LIST_MAX, T::CHECK)
    }
    fn absent() -> Result<Self, E> {
        Ok(Self::new())
    }
}

#[cfg(feature = "alloc")]
impl Field for String {
    fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
        crate::hidden::check_words(self, TEXT_MAX)?;
        codec::text(out, self)
    }
    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        let text = d.text()?;
        crate::hidden::check_words(text, TEXT_MAX)?;
        Ok(Self::from(text))
    }
    fn check(d: &mut Decoder<'_>) -> Result<(), E> {
        crate::hidden::check_words(d.text()?, TEXT_MAX)
    }
}

#[cfg(feature = "alloc")]
impl<T: Field> Field for Box<T> {
    fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
        (**self).encode(out)
    }
    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        T::decode(d).map(Self::new)
    }
    fn check(d: &mut Decoder<'_>) -> Result<(), E> {
        T::check(d)
    }
}

/// Shapes of what only an allocator can hold: they can be checked, never held.
#[cfg(not(feature = "alloc"))]
pub(crate) mod shape {
    use super::{Decoder, E, Field, LIST_MAX, Sink, TEXT_MAX, check_items, check_text};
    use core::marker::PhantomData;

    /// Stands for `alloc::string::String`.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum String {}
    /// Stands for `alloc::vec::Vec`.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Vec<T>(PhantomData<T>);

    impl Field for String {
        fn encode(&self, _: &mut dyn Sink) -> Result<(), E> {
            match *self {}
        }
        fn decode(_: &mut Decoder<'_>) -> Result<Self, E> {
            Err(E::Bug)
        }
        fn check(d: &mut Decoder<'_>) -> Result<(), E> {
            check_text(d.text()?, TEXT_MAX)
        }
    }

    impl<T: Field> Field for Vec<T> {
        const OPTIONAL: bool = true;

        fn encode(&self, _: &mut dyn Sink) -> Result<(), E> {
            Err(E::Bug)
        }
        fn decode(_: &mut Decoder<'_>) -> Result<Self, E> {
            Err(E::Bug)
        }
        fn check(d: &mut Decoder<'_>) -> Result<(), E> {
            check_items(d, LIST_MAX, T::CHECK)
        }
        fn absent() -> Result<Self, E> {
            Err(E::Bug)
        }
    }
}

/// Fields with keys from 64 up that this version does not know, kept as they came.
///
/// At most 256 bytes of encoded keys and values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Extra {
    count: u8,
    len: u16,
    bytes: [u8; 256],
}

impl Default for Extra {
    fn default() -> Self {
        Self { count: 0, len: 0, bytes: [0; 256] }
    }
}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl Extra {
    /// How many fields there are.
    pub fn count(&self) -> usize {
        usize::from(self.count)
    }

    /// Keys and values as on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Each field: its key and the CBOR bytes of its value.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut d = Decoder::new(self.as_bytes());
        core::iter::from_fn(move || Some((d.uint().ok()?, d.skip().ok()?)))
    }

    /// Adds a field; keys must come ascending, from 64 up, values be deterministic CBOR.
    pub fn push(&mut self, key: u64, value: &[u8]) -> Result<(), E> {
        let last = self.iter().last().map_or(63, |(key, _)| key);
        if key < 64 {
            return Err(E::ExtensionKeyRange);
        }
        if key <= last {
            return Err(E::KeysOutOfOrder);
        }
        let mut d = Decoder::new(value);
        d.skip()?;
        d.end()?;
        let start = usize::from(self.len);
        let mut out = codec::Slice::new(self.bytes.get_mut(start..).ok_or(E::Bug)?);
        codec::uint(&mut out, key).and_then(|()| out.put(value)).map_err(|_| E::BytesTooLong)?;
        let end = start.checked_add(out.len()).ok_or(E::Bug)?;
        self.len = end.try_into().map_err(|_| E::Bug)?;
        self.count = self.count.checked_add(1).ok_or(E::TooManyItems)?;
        Ok(())
    }

    /// Reads what follows the last known field of a map.
    pub(crate) fn decode(
        mut key: Option<u64>,
        map: &mut MapReader,
        d: &mut Decoder<'_>,
    ) -> Result<Self, E> {
        let mut extra = Self::default();
        while let Some(this) = key {
            if this < 64 {
                return Err(E::UnknownKey);
            }
            extra.push(this, d.skip()?)?;
            key = map.next_key(d)?;
        }
        Ok(extra)
    }

    /// Reads over what follows the last known field of a map.
    pub(crate) fn check(
        mut key: Option<u64>,
        map: &mut MapReader,
        d: &mut Decoder<'_>,
    ) -> Result<(), E> {
        let mut len = 0usize;
        while let Some(this) = key {
            if this < 64 {
                return Err(E::UnknownKey);
            }
            let mut size = codec::Count(0);
            codec::uint(&mut size, this)?;
            len = len.saturating_add(size.0).saturating_add(d.skip()?.len());
            if len > 256 {
                return Err(E::BytesTooLong);
            }
            key = map.next_key(d)?;
        }
        Ok(())
    }
}
