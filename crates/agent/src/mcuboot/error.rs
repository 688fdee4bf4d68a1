//! Why an image is not taken, by the rule it breaks.

use firmlog_statement::event::EventType;

macro_rules! errors {
    ($($name:ident = $code:literal $event:ident: $text:literal,)+) => {
        /// Why an image is not taken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        #[non_exhaustive]
        pub enum Error {
            $(#[doc = concat!("In words: ", $text, ".")] $name = $code,)+
        }

        impl Error {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its number, for the statement of the refusal; those of a release end below 256.
            #[must_use]
            pub const fn code(self) -> u16 {
                self as u16
            }

            /// The event a device records for it.
            #[must_use]
            pub const fn event(self) -> EventType {
                match self {
                    $(Self::$name => EventType::$event,)+
                }
            }
        }

        impl core::fmt::Display for Error {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)+
                })
            }
        }
    };
}

errors! {
    Flash = 256 VerificationFailed: "the image could not be read",
    Truncated = 257 VerificationFailed: "the slot ends within the image",
    Magic = 258 RefusedUnsigned: "it does not begin as an MCUboot image does",
    HeaderSize = 259 RefusedBadSignature: "the header is shorter than 32 bytes",
    Encrypted = 260 RefusedLocalPolicy: "the image is encrypted",
    Compressed = 261 RefusedLocalPolicy: "the image is compressed",
    NotBootable = 262 RefusedLocalPolicy: "the image is not for booting",
    UnknownFlag = 263 RefusedLocalPolicy: "the header has a flag of unknown meaning",
    ProtectedMagic = 264 RefusedBadSignature: "the protected area does not begin as one does",
    ProtectedLength = 265 RefusedBadSignature: "header and protected area differ in its length",
    AreaMagic = 266 RefusedBadSignature: "the signature area does not begin as one does",
    TlvLength = 267 RefusedBadSignature: "a value is longer than its area, or than it may be",
    Misplaced = 268 RefusedBadSignature: "a value is in the area that it may not be in",
    Duplicate = 269 RefusedBadSignature: "a value is there twice",
    HashMissing = 270 RefusedBadSignature: "the image has no SHA-256",
    OtherHash = 271 RefusedLocalPolicy: "the image is hashed by another function than SHA-256",
    HashMismatch = 272 RefusedBadSignature: "the image does not have the SHA-256 it says",
    SignatureMissing = 273 RefusedUnsigned: "the image is not signed",
    OtherSignature = 274 RefusedLocalPolicy: "the image is signed by another scheme than P-256",
    SignatureMalformed = 275 RefusedBadSignature: "the signature is not in its one DER spelling",
    KeyHashMissing = 276 RefusedUnknownSigner: "the image does not say which key signed",
    UnknownKey = 277 RefusedUnknownSigner: "the image is signed by a key the device does not have",
    BadSignature = 278 RefusedBadSignature: "the signature does not hold",
    BootRecord = 279 RefusedBadSignature: "the boot record cannot be read",
    BootRecordVersion = 280 RefusedBadSignature: "boot record and header differ in the version",
    BootRecordSigner = 281 RefusedBadSignature: "the boot record names another key than signed",
    TooManyDependencies = 282 RefusedLocalPolicy: "the image depends on more than four others",
    VersionMismatch = 283 RefusedBadSignature: "release and image differ in the version",
    CounterMismatch = 284 RefusedBadSignature: "release and image differ in the security counter",
    ReleaseMismatch = 285 RefusedBadSignature: "the image names another release than was found",
    BodyMismatch = 286 RefusedBadSignature: "the release is of another image",
    Bug = 511 VerificationFailed: "internal contradiction",
}
