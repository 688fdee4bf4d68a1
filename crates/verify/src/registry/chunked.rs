//! A growing array in fixed chunks: no element ever moves, and growing never doubles memory.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Elements per chunk.
const CHUNK: usize = 4096;

/// An append-only array addressed by `u32`.
#[derive(Clone, Debug)]
pub(crate) struct Chunked<T> {
    chunks: Vec<Box<[T]>>,
    len: u32,
}

impl<T: Clone + Default> Chunked<T> {
    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }

    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Appends and returns the place; none once 2³² − 1 elements are held.
    pub(crate) fn push(&mut self, value: T) -> Option<u32> {
        let place = self.len;
        let next = place.checked_add(1)?;
        let (chunk, offset) = split(place);
        if chunk == self.chunks.len() {
            self.chunks.push(alloc::vec![T::default(); CHUNK].into_boxed_slice());
        }
        *self.chunks.get_mut(chunk)?.get_mut(offset)? = value;
        self.len = next;
        Some(place)
    }

    #[inline]
    pub(crate) fn get(&self, place: u32) -> Option<&T> {
        let (chunk, offset) = split(place);
        if place >= self.len {
            return None;
        }
        self.chunks.get(chunk)?.get(offset)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        let (chunk, offset) = split(place);
        if place >= self.len {
            return None;
        }
        self.chunks.get_mut(chunk)?.get_mut(offset)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).take(self.len as usize)
    }
}

const fn split(place: u32) -> (usize, usize) {
    let place = place as usize;
    (place / CHUNK, place % CHUNK)
}
