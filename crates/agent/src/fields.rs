//! Fixed layouts: fields laid one after another, and taken in the same order.

/// Lays fields into a frame one after another; what does not fit is a bug of the layout, shown by
/// its tests.
pub(crate) struct Put<'a>(pub(crate) &'a mut [u8]);

impl Put<'_> {
    #[inline(never)]
    pub(crate) fn put(&mut self, bytes: &[u8]) -> &mut Self {
        let whole = core::mem::take(&mut self.0);
        let (front, rest) = whole.split_at_mut(bytes.len().min(whole.len()));
        front.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        self.0 = rest;
        self
    }

    #[inline(never)]
    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    #[inline(never)]
    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.put(&value.to_be_bytes())
    }
}

/// Reads fields one after another.
pub(crate) struct Take<'a>(pub(crate) &'a [u8]);

impl Take<'_> {
    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*front)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }
}
