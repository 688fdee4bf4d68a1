//! Roughtime (RFC 10049, version 1): rough time that is signed, over UDP.
//!
//! ```text
//! request   "ROUGHTIM" len {VER, SRV, NONC, TYPE, ZZZZ}                          1,024 bytes
//! reply     "ROUGHTIM" len {SIG, NONC, TYPE, PATH, SREP{VER, RADI, MIDP, VERS, ROOT},
//!                           CERT{SIG, DELE{PUBK, MINT, MAXT}}, INDX}
//! ```
//!
//! In scope: the bytes ([`wire`], [`request`]), what a reply proves ([`reply`]), asking a server
//! ([`ask`]). Out of scope: what several replies prove together ([`crate::agree`]).
//!
//! The client is our own: the published one brings a command line along, draws its nonces itself,
//! and keeps nothing that could be checked later. Its server and its checks are what the tests
//! compare with.

pub mod ask;
pub mod reply;
pub mod request;
pub mod wire;

pub use reply::{ReplyError, Signed, verify_reply};
pub use request::{chained_nonce, request};

use sha2::{Digest, Sha512};

/// RFC 10049 §5.3: the first 32 bytes of SHA-512.
pub(crate) fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha512::new();
    for part in parts {
        hasher.update(part);
    }
    let whole: [u8; 64] = hasher.finalize().into();
    let mut first = [0; 32];
    first.copy_from_slice(&whole[..32]);
    first
}
