//! Entries: whatever decodes is written back to the same payload and the same names, and has a line
//! in the index.

#![no_main]

use firmlog_statement::{Parsed, PublicKey, SignError, Signer, sign_statement};
use libfuzzer_sys::fuzz_target;

/// Signs with the smallest scalars that are well-formed: nobody verifies here.
struct Stub;

impl Signer for Stub {
    fn public_key(&self) -> PublicKey {
        PublicKey::P256([1; 64])
    }

    fn sign(&self, _tbs: &[u8]) -> Result<[u8; 64], SignError> {
        let mut signature = [0; 64];
        (signature[31], signature[63]) = (1, 1);
        Ok(signature)
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(parsed) = Parsed::parse(bytes) else { return };
    assert_eq!(parsed.raw(), bytes);
    let Ok(statement) = parsed.decode() else {
        assert!(firmlog_index::extract(bytes).is_none());
        return;
    };
    let record = firmlog_index::extract(bytes).expect("it is a statement");
    assert_eq!((record.kind, record.leaf), (parsed.kind() as u8, parsed.leaf_hash()));
    assert_eq!(statement.kind(), parsed.kind());
    let entry = sign_statement(&statement, parsed.issuer(), parsed.subject(), &Stub)
        .expect("what was read can be written");
    let again = Parsed::parse(&entry).expect("what was written can be read");
    assert_eq!(again.payload(), parsed.payload());
    assert_eq!((again.issuer(), again.subject()), (parsed.issuer(), parsed.subject()));
});
