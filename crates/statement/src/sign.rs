//! Making an entry: encode, sign, seal. One encoder for devices and servers.
//!
//! ```text
//! signed   84 6a "Signature1" <protected> 40 <payload>
//! entry    d2 84              <protected> a0 <payload> 58 40 <signature>
//! ```
//!
//! Both hold protected header and payload in the same order, so what was signed is
//! turned into the entry in place, in one buffer.

use crate::codec::{self, Count, Decoder, Sink, Slice};
use crate::envelope::{SIG_STRUCTURE, check_names, parse_protected};
use crate::{
    Algorithm, CONTENT_TYPE, Field, Kind, Parsed, PublicKey, StatementError as E, Thumbprint,
    check_scalars, normalise_low_s,
};
use core::cell::Cell;
use core::fmt;

/// Whoever holds a key: a file, a TPM, a secure element.
pub trait Signer {
    /// The public half.
    fn public_key(&self) -> PublicKey;
    /// Signs: ES256 as r ‖ s (either S), EdDSA as R ‖ S.
    fn sign(&self, tbs: &[u8]) -> Result<[u8; 64], SignError>;
}

/// Why an entry could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
#[non_exhaustive]
pub enum SignError {
    /// The key's holder did not sign.
    Refused = 1,
    /// The key's holder is out of reach.
    Unavailable = 2,
    /// The statement cannot be written.
    Statement(E) = 3,
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("the key's holder refused to sign"),
            Self::Unavailable => f.write_str("the key's holder is out of reach"),
            Self::Statement(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for SignError {}

impl From<E> for SignError {
    fn from(e: E) -> Self {
        Self::Statement(e)
    }
}

/// A payload of one kind.
pub trait Body: Sized {
    /// Which kind.
    const KIND: Kind;
    /// Writes the payload map.
    fn encode_payload(&self, out: &mut dyn Sink) -> Result<(), E>;
    /// Reads a payload map.
    fn decode_payload(payload: &[u8]) -> Result<Self, E>;
    /// Reads over a payload map, refusing what [`decode_payload`](Self::decode_payload) refuses.
    fn check_payload(payload: &[u8]) -> Result<(), E>;
}

/// Anything that writes a payload.
pub(crate) trait Payload {
    fn write(&self, out: &mut dyn Sink) -> Result<(), E>;
}

impl<B: Body> Payload for B {
    fn write(&self, out: &mut dyn Sink) -> Result<(), E> {
        self.encode_payload(out)
    }
}

fn write_protected(
    out: &mut dyn Sink,
    algorithm: Algorithm,
    kid: &Thumbprint,
    issuer: &str,
    subject: &str,
) -> Result<(), E> {
    // {1: algorithm, 3: content type, 4: kid, 15: {1: issuer, 2: subject}}
    out.put(&[0xa4, 1])?;
    codec::int(out, algorithm.cose())?;
    out.put(&[3])?;
    codec::text(out, CONTENT_TYPE)?;
    out.put(&[4])?;
    kid.encode(out)?;
    out.put(&[15, 0xa2, 1])?;
    codec::text(out, issuer)?;
    out.put(&[2])?;
    codec::text(out, subject)
}

/// Writes the protected header as the byte string it is in both.
fn write_header(
    out: &mut dyn Sink,
    algorithm: Algorithm,
    kid: &Thumbprint,
    issuer: &str,
    subject: &str,
) -> Result<(), E> {
    let mut size = Count(0);
    write_protected(&mut size, algorithm, kid, issuer, subject)?;
    codec::head(out, 2, size.0 as u64)?;
    write_protected(out, algorithm, kid, issuer, subject)
}

/// Writes the payload behind what separates it from the header.
fn write_body(out: &mut dyn Sink, separator: u8, body: &dyn Payload) -> Result<(), E> {
    out.put(&[separator])?;
    let mut size = Count(0);
    body.write(&mut size)?;
    codec::head(out, 2, size.0 as u64)?;
    body.write(out)
}

/// Writes an entry up to its signature.
pub(crate) fn write_unsigned(
    out: &mut dyn Sink,
    algorithm: Algorithm,
    kid: &Thumbprint,
    issuer: &str,
    subject: &str,
    body: &dyn Payload,
) -> Result<(), E> {
    check_names(issuer, subject)?;
    out.put(ENTRY_HEAD)?;
    write_header(out, algorithm, kid, issuer, subject)?;
    write_body(out, 0xa0, body)
}

/// Encodes and signs into a fixed buffer, without allocation; returns the entry's length.
///
/// The buffer must hold the entry; what is signed is shorter.
pub fn seal<B: Body>(
    body: &B,
    issuer: &str,
    subject: &str,
    signer: &dyn Signer,
    buffer: &mut [u8],
) -> Result<usize, SignError> {
    let len = seal_payload(body, issuer, subject, signer, buffer)?;
    Parsed::parse_as::<B>(buffer.get(..len).ok_or(E::Bug)?)?;
    Ok(len)
}

/// Encodes what is to be signed into a fixed buffer, without allocation; returns its length.
///
/// For a key whose holder answers later: [`complete`] turns it into the entry in the same buffer.
pub fn prepare<B: Body>(
    body: &B,
    issuer: &str,
    subject: &str,
    key: &PublicKey,
    buffer: &mut [u8],
) -> Result<usize, E> {
    Prepared::write(body, issuer, subject, key, buffer).map(|prepared| prepared.len)
}

/// Turns what was signed, the first `len` bytes of a buffer, into the entry, in place; returns the
/// entry's length, [`COMPLETED_BY`] more than what was signed.
///
/// # Errors
/// What [`Parsed::parse_as`] refuses, with bytes that [`prepare`] did not write or another key's
/// kind of signature; the buffer may hold anything then.
pub fn complete<B: Body>(buffer: &mut [u8], len: usize, signature: [u8; 64]) -> Result<usize, E> {
    let len = Prepared::read(buffer, len)?.complete(buffer, signature)?;
    Parsed::parse_as::<B>(buffer.get(..len).ok_or(E::Bug)?)?;
    Ok(len)
}

/// How many bytes an entry has more than what of it is signed.
pub const COMPLETED_BY: usize = 56;

/// Tag 18, array of four.
const ENTRY_HEAD: &[u8] = &[0xd2, 0x84];

/// What is to be signed, in the front of a buffer.
struct Prepared {
    algorithm: Algorithm,
    /// Offset of the byte between protected header and payload.
    separator: usize,
    len: usize,
}

impl Prepared {
    fn write(
        body: &dyn Payload,
        issuer: &str,
        subject: &str,
        key: &PublicKey,
        buffer: &mut [u8],
    ) -> Result<Self, E> {
        let algorithm = key.algorithm();
        check_names(issuer, subject)?;
        let mut out = Slice::new(buffer);
        out.put(SIG_STRUCTURE)?;
        write_header(&mut out, algorithm, &key.thumbprint(), issuer, subject)?;
        let separator = out.len();
        write_body(&mut out, 0x40, body)?;
        Ok(Self { algorithm, separator, len: out.len() })
    }

    /// Finds it again in bytes that may be anything.
    fn read(buffer: &[u8], len: usize) -> Result<Self, E> {
        let tbs = buffer.get(..len).ok_or(E::BufferTooSmall)?;
        let mut rest = Decoder::new(tbs.strip_prefix(SIG_STRUCTURE).ok_or(E::NotCoseSign1)?);
        let (algorithm, ..) = parse_protected(rest.bytes()?)?;
        let separator = len.checked_sub(rest.rest().len()).ok_or(E::Bug)?;
        if rest.rest().first() != Some(&0x40) {
            return Err(E::NotCoseSign1);
        }
        Ok(Self { algorithm, separator, len })
    }

    /// Makes the entry of it, in place; returns the entry's length.
    fn complete(self, buffer: &mut [u8], signature: [u8; 64]) -> Result<usize, E> {
        let signature = finish_signature(self.algorithm, signature)?;
        // Cell by cell: `copy_within` would bring a panic into images that have none.
        let cells = Cell::from_mut(buffer.get_mut(..self.len).ok_or(E::Bug)?).as_slice_of_cells();
        let to = cells.get(ENTRY_HEAD.len()..).ok_or(E::Bug)?;
        let from = cells.get(SIG_STRUCTURE.len()..).ok_or(E::Bug)?;
        to.iter().zip(from).for_each(|(to, from)| to.set(from.get()));
        let moved = SIG_STRUCTURE.len().checked_sub(ENTRY_HEAD.len()).ok_or(E::Bug)?;
        let end = self.len.checked_sub(moved).ok_or(E::Bug)?;
        let separator = self.separator.checked_sub(moved).ok_or(E::Bug)?;
        buffer.get_mut(..ENTRY_HEAD.len()).ok_or(E::Bug)?.copy_from_slice(ENTRY_HEAD);
        *buffer.get_mut(separator).ok_or(E::Bug)? = 0xa0;
        let mut tail = Slice::new(buffer.get_mut(end..).ok_or(E::Bug)?);
        codec::bytes(&mut tail, &signature)?;
        end.checked_add(tail.len()).ok_or(E::Bug)
    }
}

/// Writes and signs; whether the payload keeps the rules of its kind is the caller's to check.
pub(crate) fn seal_payload(
    body: &dyn Payload,
    issuer: &str,
    subject: &str,
    signer: &dyn Signer,
    buffer: &mut [u8],
) -> Result<usize, SignError> {
    let prepared = Prepared::write(body, issuer, subject, &signer.public_key(), buffer)?;
    let signature = signer.sign(buffer.get(..prepared.len).ok_or(E::Bug)?)?;
    Ok(prepared.complete(buffer, signature)?)
}

fn finish_signature(algorithm: Algorithm, mut signature: [u8; 64]) -> Result<[u8; 64], E> {
    if algorithm == Algorithm::Es256 {
        normalise_low_s(&mut signature);
    }
    check_scalars(algorithm, &signature)?;
    Ok(signature)
}

#[cfg(feature = "alloc")]
pub use owned::{attach_signature, sign_statement, to_be_signed};

#[cfg(feature = "alloc")]
mod owned {
    use super::*;
    use crate::{MAX_ENTRY, Statement};
    use alloc::{vec, vec::Vec};

    /// Writes what is to be signed.
    fn write_tbs(
        out: &mut dyn Sink,
        algorithm: Algorithm,
        kid: &Thumbprint,
        issuer: &str,
        subject: &str,
        body: &dyn Payload,
    ) -> Result<(), E> {
        check_names(issuer, subject)?;
        out.put(SIG_STRUCTURE)?;
        write_header(out, algorithm, kid, issuer, subject)?;
        write_body(out, 0x40, body)
    }

    /// Encodes and signs a statement into entry bytes.
    pub fn sign_statement(
        statement: &Statement,
        issuer: &str,
        subject: &str,
        signer: &dyn Signer,
    ) -> Result<Vec<u8>, SignError> {
        let mut size = Count(0);
        write_tbs(
            &mut size,
            signer.public_key().algorithm(),
            &Thumbprint([0; 32]),
            issuer,
            subject,
            statement,
        )?;
        if size.0 > MAX_ENTRY {
            return Err(E::EntryTooLong.into());
        }
        let mut buffer = vec![0; size.0.saturating_add(66)];
        let len = seal_payload(statement, issuer, subject, signer, &mut buffer)?;
        buffer.truncate(len);
        Parsed::parse(&buffer)?;
        Ok(buffer)
    }

    /// What an outside signer must sign (PKCS#11 on another machine, a person's card).
    pub fn to_be_signed(
        statement: &Statement,
        issuer: &str,
        subject: &str,
        key: &PublicKey,
    ) -> Result<Vec<u8>, E> {
        let mut out = Vec::new();
        write_tbs(&mut out, key.algorithm(), &key.thumbprint(), issuer, subject, statement)?;
        Ok(out)
    }

    /// The entry made of what was signed and its signature.
    pub fn attach_signature(
        statement: &Statement,
        issuer: &str,
        subject: &str,
        key: &PublicKey,
        signature: [u8; 64],
    ) -> Result<Vec<u8>, E> {
        attach(statement, issuer, subject, (key.algorithm(), &key.thumbprint()), signature)
    }

    pub(crate) fn attach(
        statement: &Statement,
        issuer: &str,
        subject: &str,
        (algorithm, kid): (Algorithm, &Thumbprint),
        signature: [u8; 64],
    ) -> Result<Vec<u8>, E> {
        let signature = finish_signature(algorithm, signature)?;
        let mut out = Vec::new();
        write_unsigned(&mut out, algorithm, kid, issuer, subject, statement)?;
        codec::bytes(&mut out, &signature)?;
        Parsed::parse(&out)?;
        Ok(out)
    }
}
#[cfg(feature = "json")]
pub(crate) use owned::attach;
