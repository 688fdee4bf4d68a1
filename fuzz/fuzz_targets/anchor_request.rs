//! Requests for signatures of an authority of k of n, and the signatures that come back. What is
//! read is written byte for byte as it came.

#![no_main]

use firmlog_anchor::request::{PartialSignature, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = Request::parse(bytes) {
        assert_eq!(request.encode().as_bytes(), bytes);
        let mut authority = request.authority().expect("it was read");
        assert_eq!(authority.signers(), request.signers);
        let digest = request.asked().expect("it was read").digest;
        // Nobody signs by chance.
        for signer in &request.signers {
            let nothing = signer.slice(..signer.len().min(65));
            assert!(authority.add_signature(signer.clone(), digest, nothing).is_err());
        }
        assert!(authority.prove(&[]).is_err());
    }
    if let Ok(one) = PartialSignature::parse(bytes) {
        assert_eq!(one.encode().as_bytes(), bytes);
        drop(firmlog_anchor::threshold::check(&one.signer, one.digest, &one.signature));
    }
});
