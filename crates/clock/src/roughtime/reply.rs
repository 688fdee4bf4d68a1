//! What one reply proves: that a server signed a time after it had seen a nonce.
//!
//! ```text
//! long-term key ─signs→ DELE{PUBK, MINT, MAXT} ─PUBK signs→ SREP{MIDP, RADI, ROOT} ─ROOT→ request
//! ```
//!
//! In scope: every check of RFC 10049 §5.4. Out of scope: whether the time is right.
//!
//! Invariants:
//! - [`Signed`] comes only from a reply whose signatures, proof and version hold.
//! - Signatures are checked over the bytes received, by the rules of every other signature
//!   (`firmlog_verify::crypto`).

use firmlog_tlog::note::Ed25519Check;

use super::request::VERSION;
use super::wire::Message;
use super::{hash, request};

/// A reply is no longer than one datagram on any common network.
pub const REPLY_MAX: usize = 1500;
/// RFC 10049 §5.2.4.
const PATH_MAX: usize = 32;

const DELEGATION: &[u8] = b"Roughtime v1 delegation signature\0";
const RESPONSE: &[u8] = b"Roughtime v1 response signature\0";

/// The time that a server signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Seconds since 1970 UTC, the middle of its interval.
    pub midpoint_s: u64,
    /// Half width of its interval, seconds.
    pub radius_s: u32,
}

impl Signed {
    /// The earliest time it allows, seconds.
    pub fn earliest_s(&self) -> u64 {
        self.midpoint_s.saturating_sub(self.radius_s.into())
    }

    /// The latest time it allows, seconds.
    pub fn latest_s(&self) -> u64 {
        self.midpoint_s.saturating_add(self.radius_s.into())
    }
}

/// Which rule a reply broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[repr(u8)]
pub enum ReplyError {
    /// It does not begin with the magic.
    #[error("it is not a Roughtime message")]
    NotRoughtime = 1,
    /// Its length is not the one it states.
    #[error("its length is not the one it states")]
    FrameLength = 2,
    /// It ends too early.
    #[error("it ends too early")]
    Truncated = 3,
    /// No tags, or too many.
    #[error("it has no tags, or too many")]
    TagCount = 4,
    /// An offset out of order, not a multiple of four, or beyond the end.
    #[error("an offset is out of range")]
    OffsetRange = 5,
    /// Tags do not ascend.
    #[error("its tags do not ascend")]
    TagOrder = 6,
    /// A tag that every reply has.
    #[error("a tag is missing")]
    TagMissing = 7,
    /// A value of the wrong length.
    #[error("a value has the wrong length")]
    ValueLength = 8,
    /// It is no reply.
    #[error("it is not a reply")]
    NotReply = 9,
    /// A version that was not asked for.
    #[error("its version was not asked for")]
    Version = 10,
    /// It answers another nonce.
    #[error("it answers another nonce")]
    NonceMismatch = 11,
    /// The request is not in the tree that was signed.
    #[error("the request is not in the tree that was signed")]
    RootMismatch = 12,
    /// The delegation is not signed by the long-term key.
    #[error("its delegation is not signed by the server's key")]
    DelegationSignature = 13,
    /// The time is not signed by the delegated key.
    #[error("its time is not signed by the delegated key")]
    ResponseSignature = 14,
    /// The time lies outside the delegation's validity.
    #[error("its time lies outside its delegation")]
    OutsideDelegation = 15,
    /// Longer than a datagram.
    #[error("it is too long")]
    TooLong = 16,
}

use ReplyError as E;

/// The time in `reply`, if the holder of `key` signed it for this nonce.
///
/// # Errors
/// [`ReplyError`] naming the broken rule.
pub fn verify_reply<C: Ed25519Check>(
    key: &[u8; 32],
    nonce: &[u8; 32],
    reply: &[u8],
    crypto: &C,
) -> Result<Signed, E> {
    if reply.len() > REPLY_MAX {
        return Err(E::TooLong);
    }
    let message = Message::parse_framed(reply)?;
    if message.array(b"TYPE")? != 1u32.to_le_bytes() {
        return Err(E::NotReply);
    }
    if message.array(b"NONC")? != *nonce {
        return Err(E::NonceMismatch);
    }
    let signed = message.value(b"SREP")?;
    let response = Message::parse(signed)?;
    if response.array(b"VER\0")? != VERSION {
        return Err(E::Version);
    }
    let (online, valid) = delegation(key, message.value(b"CERT")?, crypto)?;
    if !crypto.ed25519(&online, &[RESPONSE, signed].concat(), &message.array(b"SIG\0")?) {
        return Err(E::ResponseSignature);
    }
    if root(&message, &request(key, nonce))? != response.array(b"ROOT")? {
        return Err(E::RootMismatch);
    }
    let midpoint_s = u64::from_le_bytes(response.array(b"MIDP")?);
    if !valid.contains(&midpoint_s) {
        return Err(E::OutsideDelegation);
    }
    Ok(Signed { midpoint_s, radius_s: u32::from_le_bytes(response.array(b"RADI")?) })
}

/// The key that may sign times, and which times.
fn delegation<C: Ed25519Check>(
    key: &[u8; 32],
    certificate: &[u8],
    crypto: &C,
) -> Result<([u8; 32], std::ops::RangeInclusive<u64>), E> {
    let certificate = Message::parse(certificate)?;
    let signed = certificate.value(b"DELE")?;
    if !crypto.ed25519(key, &[DELEGATION, signed].concat(), &certificate.array(b"SIG\0")?) {
        return Err(E::DelegationSignature);
    }
    let delegation = Message::parse(signed)?;
    let time = |tag| delegation.array(tag).map(u64::from_le_bytes);
    Ok((delegation.array(b"PUBK")?, time(b"MINT")?..=time(b"MAXT")?))
}

/// RFC 10049 §5.3.1: the root that path and index lead to from the request.
fn root(message: &Message<'_>, request: &[u8]) -> Result<[u8; 32], E> {
    let mut index = u32::from_le_bytes(message.array(b"INDX")?);
    let path = message.value(b"PATH")?;
    if path.len() % 32 != 0 || path.len() / 32 > PATH_MAX {
        return Err(E::ValueLength);
    }
    let mut node = hash(&[&[0], request]);
    for other in path.chunks_exact(32) {
        let (left, right) = if index & 1 == 0 { (&node[..], other) } else { (other, &node[..]) };
        node = hash(&[&[1], left, right]);
        index >>= 1;
    }
    // Bits left over would let one leaf stand at many places.
    if index == 0 { Ok(node) } else { Err(E::RootMismatch) }
}

#[cfg(test)]
mod tests {
    use super::super::wire::{encode, frame};
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};
    use firmlog_verify::crypto::RustCrypto;

    const NONCE: [u8; 32] = [3; 32];

    /// A reply of the key `[1; 32]` at 1,000 s ± 5 s, whose delegation is valid between two times.
    fn reply(from_s: u64, until_s: u64) -> Vec<u8> {
        let (long, online) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        let public = long.verifying_key().to_bytes();
        let delegated = encode(&[
            (b"PUBK", &online.verifying_key().to_bytes()),
            (b"MINT", &from_s.to_le_bytes()),
            (b"MAXT", &until_s.to_le_bytes()),
        ]);
        let root = hash(&[&[0], &request(&public, &NONCE)]);
        let response = encode(&[
            (b"VER\0", &VERSION),
            (b"RADI", &5u32.to_le_bytes()),
            (b"MIDP", &1000u64.to_le_bytes()),
            (b"VERS", &VERSION),
            (b"ROOT", &root),
        ]);
        let sign = |key: &SigningKey, context: &[u8], of: &[u8]| {
            key.sign(&[context, of].concat()).to_bytes()
        };
        let certificate =
            encode(&[(b"SIG\0", &sign(&long, DELEGATION, &delegated)), (b"DELE", &delegated)]);
        frame(&encode(&[
            (b"SIG\0", &sign(&online, RESPONSE, &response)),
            (b"NONC", &NONCE),
            (b"TYPE", &1u32.to_le_bytes()),
            (b"PATH", &[]),
            (b"SREP", &response),
            (b"CERT", &certificate),
            (b"INDX", &[0; 4]),
        ]))
    }

    /// TIM-020.
    #[test]
    fn a_time_outside_its_delegation_does_not_count() {
        let key = SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes();
        let verify = |reply: &[u8]| verify_reply(&key, &NONCE, reply, &RustCrypto);
        let good = Signed { midpoint_s: 1000, radius_s: 5 };
        assert_eq!((good.earliest_s(), good.latest_s()), (995, 1005));
        for (from_s, until_s, expected) in [
            (1000, 1000, Ok(good)),
            (0, 2000, Ok(good)),
            (1001, 2000, Err(E::OutsideDelegation)),
            (0, 999, Err(E::OutsideDelegation)),
            (2000, 0, Err(E::OutsideDelegation)),
        ] {
            assert_eq!(verify(&reply(from_s, until_s)), expected, "{from_s} to {until_s}");
        }
        assert_eq!(verify(&[0; REPLY_MAX + 1]), Err(E::TooLong));
    }
}
