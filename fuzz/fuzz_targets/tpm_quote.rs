//! Quotes of a TPM. The signature is taken as good, so that what follows from it is reached.

#![no_main]

use firmlog_statement::PublicKey;
use firmlog_tlog::note::Ed25519Check;
use firmlog_verify::Crypto;
use firmlog_verify::quote::{split_quote, verify_quote};
use libfuzzer_sys::fuzz_target;

struct Believer;

impl Ed25519Check for Believer {
    fn ed25519(&self, _: &[u8; 32], _: &[u8], _: &[u8; 64]) -> bool {
        true
    }
}

impl Crypto for Believer {
    fn p256(&self, _: &[u8; 64], _: &[u8], _: &[u8; 64]) -> bool {
        true
    }
}

fuzz_target!(|bytes: &[u8]| {
    let key = PublicKey::P256([1; 64]);
    // The name of the signer and the data follow the two marks, each with its length.
    let data = || {
        let (attest, _) = split_quote(bytes).ok()?;
        let after = |at: usize| {
            let length = u16::from_be_bytes(attest.get(at..at + 2)?.try_into().ok()?);
            Some((at + 2, at + 2 + usize::from(length)))
        };
        let (_, end) = after(6)?;
        let (start, end) = after(end)?;
        attest.get(start..end)
    };
    let over = data().unwrap_or_default();
    if let Ok(quote) = verify_quote(bytes, &key, over, &Believer) {
        assert!(quote.pcrs < 1 << 24);
        assert!(verify_quote(&bytes[..bytes.len() - 1], &key, over, &Believer).is_err());
    }
});
