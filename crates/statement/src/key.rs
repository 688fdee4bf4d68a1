//! Public keys and their names.
//!
//! ```text
//! a4 01 02 20 01 21 58 20 … 22 58 20 …    COSE_Key, EC2 P-256: kty, crv, x, y
//! a3 01 01 20 06 21 58 20 …               COSE_Key, OKP Ed25519: kty, crv, x
//! ```
//!
//! A key is named by its RFC 9679 thumbprint: SHA-256 over exactly those required
//! parameters in deterministic CBOR. A device is named by the thumbprint of its
//! first key, and keeps the name when the key is rotated.

use crate::StatementError as E;
use crate::codec::{self, Decoder, Sink, Slice};
use crate::{Field, sha256};
use core::fmt;

macro_rules! name32 {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(transparent)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The 32 bytes.
            pub fn as_bytes(&self) -> &[u8; 32] { &self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Field for $name {
            fn encode(&self, out: &mut dyn Sink) -> Result<(), E> { self.0.encode(out) }
            fn decode(d: &mut Decoder<'_>) -> Result<Self, E> { d.array().copied().map(Self) }
            fn check(d: &mut Decoder<'_>) -> Result<(), E> { d.array::<32>().map(|_| ()) }
            const CHECK: crate::codec::Check = <[u8; 32] as Field>::CHECK;
        }

        #[cfg(feature = "json")]
        impl crate::json::Json for $name {
            fn to_json(&self) -> serde_json::Value { crate::json::Json::to_json(&self.0) }
            fn from_json(value: &serde_json::Value) -> Result<Self, crate::json::JsonError> {
                crate::json::Json::from_json(value).map(Self)
            }
            fn form() -> alloc::string::String { <[u8; 32] as crate::json::Json>::form() }
        }
    };
}
pub(crate) use name32;

name32! {
    /// RFC 9679 thumbprint of a COSE key, SHA-256: the `kid` of statements.
    Thumbprint
}
name32! {
    /// A device: the thumbprint of its first attestation key. Never the UDI.
    DeviceId
}

impl From<Thumbprint> for DeviceId {
    fn from(first_key: Thumbprint) -> Self {
        Self(first_key.0)
    }
}

/// How a statement is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256 (COSE −7), low S only.
    Es256,
    /// Ed25519 (COSE −8).
    EdDsa,
}

impl Algorithm {
    /// The COSE number.
    pub fn cose(self) -> i64 {
        match self {
            Self::Es256 => -7,
            Self::EdDsa => -8,
        }
    }

    /// The COSE name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// Length of the longest COSE_Key, that of P-256.
const COSE_KEY_MAX: usize = 75;

/// A public key statements are signed with.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum PublicKey {
    /// P-256: x ‖ y, big endian.
    P256([u8; 64]),
    /// Ed25519: the encoded point.
    Ed25519([u8; 32]),
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm().name(), self.thumbprint())
    }
}

impl PublicKey {
    /// The algorithm this key signs with.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::P256(_) => Algorithm::Es256,
            Self::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// Short form of [`algorithm`](Self::algorithm).
    pub fn alg(&self) -> Algorithm {
        self.algorithm()
    }

    /// RFC 9679 thumbprint (SHA-256 of the deterministic COSE_Key).
    pub fn thumbprint(&self) -> Thumbprint {
        let mut key = [0; COSE_KEY_MAX];
        let mut out = Slice::new(&mut key);
        let written = self.encode(&mut out);
        debug_assert!(written.is_ok(), "every key fits");
        let len = out.len();
        Thumbprint(sha256(&[key.get(..len).unwrap_or_default()]))
    }

    /// The key as a deterministic COSE_Key.
    #[cfg(feature = "alloc")]
    pub fn to_cose_key(&self) -> alloc::vec::Vec<u8> {
        let mut out = alloc::vec::Vec::new();
        let written = self.encode(&mut out);
        debug_assert!(written.is_ok(), "a vector takes everything");
        out
    }

    /// Reads a deterministic COSE_Key of exactly the required parameters.
    pub fn from_cose_key(bytes: &[u8]) -> Result<Self, E> {
        let mut d = Decoder::new(bytes);
        let key = Self::decode(&mut d)?;
        d.end()?;
        Ok(key)
    }
}

impl Field for PublicKey {
    fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
        match self {
            Self::P256(xy) => {
                let (x, y) = xy.split_at(32);
                out.put(&[0xa4, 0x01, 0x02, 0x20, 0x01, 0x21])?;
                codec::bytes(out, x)?;
                out.put(&[0x22])?;
                codec::bytes(out, y)
            }
            Self::Ed25519(x) => {
                out.put(&[0xa3, 0x01, 0x01, 0x20, 0x06, 0x21])?;
                codec::bytes(out, x)
            }
        }
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        let malformed = |_| E::KeyMalformed;
        let pairs = d.head(5).map_err(malformed)?;
        let shape = (pairs, d.uint(), d.uint(), d.int(), d.uint(), d.int());
        match shape {
            (4, Ok(1), Ok(2), Ok(-1), Ok(1), Ok(-2)) => {
                let mut xy = [0; 64];
                let (x, y) = xy.split_at_mut(32);
                x.copy_from_slice(d.array::<32>().map_err(malformed)?);
                if d.int() != Ok(-3) {
                    return Err(E::KeyMalformed);
                }
                y.copy_from_slice(d.array::<32>().map_err(malformed)?);
                Ok(Self::P256(xy))
            }
            (3, Ok(1), Ok(1), Ok(-1), Ok(6), Ok(-2)) => {
                d.array::<32>().copied().map(Self::Ed25519).map_err(malformed)
            }
            _ => Err(E::KeyMalformed),
        }
    }
}
