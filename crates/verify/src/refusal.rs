//! One way to write an error enum: flat, `Copy`, numbered, with its sentence.

/// Declares an error enum with written discriminants; a `Display` fragment documents each variant.
macro_rules! refusals {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $code:literal: $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        #[non_exhaustive]
        pub enum $name { $(#[doc = concat!("Refused: ", $text, ".")] $variant = $code,)+ }

        impl $name {
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
