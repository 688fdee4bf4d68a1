//! How this crate refuses: flat `Copy` enums that name the broken rule.
//!
//! ```text
//! SizeHasLeadingZero = 3   "tree size has a leading zero"
//! ```
//!
//! Invariants: discriminants are written out and never renumbered (they are shown to people
//! and kept in test vectors); no strings are carried, so a device can return them too.

/// Declares one refusal enum with its discriminants and its lowercase fragments.
macro_rules! refusals {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal: $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vdoc])* #[doc = $text] $variant = $code,)+
        }

        impl $name {
            /// Every refusal there is, so that tests can ask for a vector of each.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable number of this refusal.
            #[must_use]
            pub const fn code(self) -> u16 {
                self as u16
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(match self { $(Self::$variant => $text,)+ })
            }
        }

        impl core::error::Error for $name {}
    };
}

pub(crate) use refusals;
