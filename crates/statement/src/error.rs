//! Why a statement was refused.
//!
//! One flat list for the whole encoding: each name states the broken rule, each
//! number is written and never reused (44 and 47 were, and stay free).

macro_rules! errors {
    ($(#[$meta:meta])* pub enum $name:ident { $($code:literal $variant:ident $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        #[non_exhaustive]
        pub enum $name { $(#[doc = $text] $variant = $code,)+ }

        impl $name {
            /// Every error, in order of number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The stable number of this error.
            pub fn code(self) -> u16 { self as u16 }
            /// The stable name of this error, as vectors cite it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
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

errors! {
    /// A statement that is not one, or not in its one spelling.
    pub enum StatementError {
        1 EntryTooLong "entry is longer than 65535 bytes",
        2 Truncated "bytes end inside an item",
        3 TrailingBytes "bytes follow the end of the item",
        4 NotCoseSign1 "entry is not a tagged COSE_Sign1 of four parts",
        5 UnprotectedNotEmpty "unprotected header is not empty",
        6 WrongType "item has another CBOR type than the rule asks for",
        7 NotShortest "integer or length is not in its shortest form",
        8 IndefiniteLength "indefinite length is not deterministic",
        9 KeysOutOfOrder "map keys are not strictly ascending",
        10 UnknownHeader "protected header has a parameter this version does not know",
        11 HeaderMissing "protected header lacks a required parameter",
        12 AlgorithmUnknown "algorithm is neither ES256 nor EdDSA",
        13 ContentTypeWrong "content type is not application/firmlog+cbor",
        14 KidLength "kid is not 32 bytes",
        15 ClaimsWrong "CWT claims are not exactly iss and sub",
        16 IssuerLength "iss is not 1 to 255 bytes",
        17 SubjectLength "sub is not 1 to 255 bytes",
        18 NotUtf8 "text is not UTF-8",
        19 SignatureLength "signature is not 64 bytes",
        20 SignatureHighS "ES256 signature has the high S",
        21 SignatureScalarRange "signature scalar is zero or not below the group order",
        22 KindMissing "payload does not begin with its kind",
        23 KindUnknown "kind is not one of the seven",
        24 FieldMissing "required field is absent",
        25 UnknownKey "map has a key below 64 this version does not know",
        26 UnknownCode "code is not in its registry",
        27 NumberRange "number does not fit its field",
        28 FixedLength "byte string has another length than its field fixes",
        29 TextTooLong "text is longer than its field allows",
        30 BytesTooLong "byte string is longer than its field allows",
        31 TooManyItems "list is longer than its field allows",
        32 EmptyList "list must be left out rather than be empty",
        33 TextEmpty "text must be left out rather than be empty",
        34 ControlCharacter "text holds a control character",
        35 TooDeep "extension nests deeper than 8",
        36 SimpleValue "floats, tags and undefined are not used",
        37 TooManyKeys "update has more than 23 fields",
        38 EventsMissing "update carries no lifecycle event",
        39 EventTimesDescend "events are not in order of time",
        40 EventNotForKind "event type does not belong to this kind of statement",
        41 CommitmentsUnordered "commitments are not strictly ascending by field",
        42 KeyMalformed "COSE key is not EC2 P-256 or OKP Ed25519 in deterministic form",
        43 BufferTooSmall "buffer is too small for the entry",
        45 TimeRange "time zone offset is beyond 18 hours",
        46 RoleHasNoSeed "a device is enrolled without the seed of its chain, or another role with one",
        48 ExtensionKeyRange "extension key is below 64",
        49 KindMismatch "statement is of another kind",
        50 WindowReversed "window ends before it begins",
        51 KeysListEmpty "genesis names no key, or another than an administrator's first",
        52 RoleHasNoScope "only an approver or authoriser is enrolled for issuers",
        53 HiddenCharacter "name holds a character that is not seen or turns the text",
        65535 Bug "internal contradiction",
    }
}
pub(crate) use errors;
