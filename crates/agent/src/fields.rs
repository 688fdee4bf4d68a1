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

    /// The low 48 bits.
    pub(crate) fn u48(&mut self, value: u64) -> &mut Self {
        let [_, _, rest @ ..] = value.to_be_bytes();
        self.put(&rest)
    }
}

/// Reads fields one after another; what is not there reads as zeros, which is a bug of the layout,
/// shown by its tests.
pub(crate) struct Take<'a>(pub(crate) &'a [u8]);

impl Take<'_> {
    pub(crate) fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    #[inline(never)]
    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        let (front, rest) = self.0.split_at(out.len().min(self.0.len()));
        out.iter_mut().zip(front).for_each(|(to, from)| *to = *from);
        self.0 = rest;
    }

    #[inline(never)]
    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }

    #[inline(never)]
    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }

    pub(crate) fn u48(&mut self) -> u64 {
        let mut out = [0; 8];
        self.fill(out.split_at_mut(2).1);
        u64::from_be_bytes(out)
    }
}
