//! TPM 2.0 quotes: what the PCRs held, signed by a key that signs nothing of the kind otherwise.
//!
//! ```text
//! 0091  ff544347 8018 …      TPM2B_ATTEST: length, TPMS_ATTEST (TPM 2.0 part 2 §10.12)
//! 0018 000b 0020 r 0020 s    TPMT_SIGNATURE: ECDSA, SHA-256, r, s (§11.3.4)
//! ```
//!
//! This is what `TPM2_Quote` answers, byte for byte: the evidence that a statement names by its
//! SHA-256 (`EvidenceFormat::TpmQuote`). In scope: reading and checking it. Out of scope: whether
//! the key is a TPM's at all, and restricted; its enrolment says so, or nobody does.
//!
//! Invariants:
//! - A [`Quote`] is only made by [`verify_quote`].
//! - Nothing may follow, and every length is what it must be: one quote has one spelling, but for
//!   the sign of s.

use firmlog_statement::{PublicKey, normalise_low_s};
use sha2::{Digest as _, Sha256};

use crate::Crypto;
use crate::crypto::check_bytes;
use crate::refusal::refusals;

/// `TPM_GENERATED_VALUE`: a restricted key signs nothing from outside that begins so.
const GENERATED: u32 = 0xff54_4347;
/// `TPM_ST_ATTEST_QUOTE`.
const QUOTE: u16 = 0x8018;
const SHA256: u16 = 0x000b;
const ECDSA: u16 = 0x0018;
/// The most PCRs a TPM's bank has here, of 3 bytes each a selection.
const SELECT_BYTES: u8 = 3;

/// A quote that verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Milliseconds the TPM ran in its life.
    pub clock_ms: u64,
    /// Starts of the TPM.
    pub resets: u32,
    /// Resumes since the last of them.
    pub restarts: u32,
    /// Whether the clock cannot have stood lower before: false after power was cut.
    pub safe: bool,
    /// The TPM's firmware.
    pub firmware: u64,
    /// PCRs of the SHA-256 bank, PCR 0 in bit 0.
    pub pcrs: u32,
    /// SHA-256 over their values, lowest PCR first.
    pub pcr_digest: [u8; 32],
}

refusals! {
    /// Why a quote does not count.
    QuoteError {
        Truncated = 1: "the quote ends too early",
        Trailing = 2: "something follows the quote",
        NotGenerated = 3: "no TPM made this: it does not begin with TPM_GENERATED",
        NotQuote = 4: "the TPM certified something else than PCRs",
        Length = 5: "a length is not what it must be",
        Bank = 6: "the quote is not of the SHA-256 bank alone",
        Scheme = 7: "the quote is not signed by ECDSA with SHA-256",
        OtherData = 8: "the quote is over something else",
        OtherKey = 9: "the key is not of P-256",
        Signature = 10: "the signature is not of this key",
    }
}

/// Checks that `key` signed a quote over `data` (the qualifying data, a statement's hash).
///
/// # Errors
/// The first thing that does not hold, as a [`QuoteError`].
pub fn verify_quote(
    bytes: &[u8],
    key: &PublicKey,
    data: &[u8],
    crypto: &dyn Crypto,
) -> Result<Quote, QuoteError> {
    let (attest, signature) = split_quote(bytes)?;
    let (quote, over) = parse(attest)?;
    if over != data {
        return Err(QuoteError::OtherData);
    }
    let PublicKey::P256(_) = key else { return Err(QuoteError::OtherKey) };
    let mut signature = parse_signature(signature)?;
    normalise_low_s(&mut signature);
    if check_bytes(crypto, key, attest, &signature) {
        Ok(quote)
    } else {
        Err(QuoteError::Signature)
    }
}

/// The two parts as other tools want them: `TPMS_ATTEST` and `TPMT_SIGNATURE`.
///
/// # Errors
/// [`QuoteError::Truncated`].
pub fn split_quote(bytes: &[u8]) -> Result<(&[u8], &[u8]), QuoteError> {
    let mut input = Input(bytes);
    let attest = input.sized()?;
    Ok((attest, input.0))
}

/// SHA-256 over PCR values, lowest PCR first: a [`Quote::pcr_digest`].
#[must_use]
pub fn pcr_digest(values: &[[u8; 32]]) -> [u8; 32] {
    values.iter().fold(Sha256::new(), |hash, value| hash.chain_update(value)).finalize().into()
}

fn parse(attest: &[u8]) -> Result<(Quote, &[u8]), QuoteError> {
    let mut input = Input(attest);
    if input.u32()? != GENERATED {
        return Err(QuoteError::NotGenerated);
    }
    if input.u16()? != QUOTE {
        return Err(QuoteError::NotQuote);
    }
    let _signer = input.sized()?;
    let over = input.sized()?;
    let (clock_ms, resets, restarts) = (input.u64()?, input.u32()?, input.u32()?);
    let safe = match input.u8()? {
        0 => false,
        1 => true,
        _ => return Err(QuoteError::Length),
    };
    let firmware = input.u64()?;
    if input.u32()? != 1 || input.u16()? != SHA256 || input.u8()? != SELECT_BYTES {
        return Err(QuoteError::Bank);
    }
    let [low, middle, high] = input.array()?;
    let pcr_digest = input.sized()?.try_into().map_err(|_| QuoteError::Length)?;
    input.end()?;
    let pcrs = u32::from_le_bytes([low, middle, high, 0]);
    Ok((Quote { clock_ms, resets, restarts, safe, firmware, pcrs, pcr_digest }, over))
}

fn parse_signature(bytes: &[u8]) -> Result<[u8; 64], QuoteError> {
    let mut input = Input(bytes);
    if input.u16()? != ECDSA || input.u16()? != SHA256 {
        return Err(QuoteError::Scheme);
    }
    let mut signature = [0; 64];
    let (r, s) = signature.split_at_mut(32);
    for half in [r, s] {
        let number = input.sized()?;
        // A TPM may leave leading zeros out.
        let pad = half.len().checked_sub(number.len()).ok_or(QuoteError::Length)?;
        half.get_mut(pad..).ok_or(QuoteError::Length)?.copy_from_slice(number);
    }
    input.end()?;
    Ok(signature)
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], QuoteError> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(QuoteError::Truncated)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], QuoteError> {
        self.take(N)?.try_into().map_err(|_| QuoteError::Truncated)
    }

    fn u8(&mut self) -> Result<u8, QuoteError> {
        self.array().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, QuoteError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, QuoteError> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, QuoteError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A `TPM2B`.
    fn sized(&mut self) -> Result<&'a [u8], QuoteError> {
        let length = self.u16()?;
        self.take(length.into())
    }

    fn end(&self) -> Result<(), QuoteError> {
        if self.0.is_empty() { Ok(()) } else { Err(QuoteError::Trailing) }
    }
}
