//! Trust as a type: only this crate can make a [`Verified`].

use core::ops::Deref;

/// A value whose claim this crate has proven: it has no public constructor and no `Default`.
///
/// What exactly was proven is said by the function that returned it.
///
/// ```compile_fail
/// let forged = firmlog_verify::Verified(5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// Only for callers that have just proven `value`.
    pub(crate) const fn proven(value: T) -> Self {
        Self(value)
    }

    /// The value, without its proof.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
