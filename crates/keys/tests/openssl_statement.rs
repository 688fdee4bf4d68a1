//! openssl verifies the signature of a statement, over bytes taken from the entry alone.

use std::process::Command;

use firmlog_keys::{Algorithm, FileKey};
use firmlog_statement::disclosure::Commitments;
use firmlog_statement::{
    Extra, Parsed, PublicKey, Revoke, RevokeReason, Signer as _, Trust, TrustAction, sign_statement,
};

/// A DER integer of an unsigned big-endian number.
fn integer(number: &[u8]) -> Vec<u8> {
    let start = number.iter().position(|byte| *byte != 0).unwrap();
    let mut body = number[start..].to_vec();
    if body[0] & 0x80 != 0 {
        body.insert(0, 0);
    }
    [&[2, body.len() as u8][..], &body].concat()
}

/// ECDSA-Sig-Value of RFC 3279 §2.2.3.
fn der(signature: &[u8; 64]) -> Vec<u8> {
    let body = [integer(&signature[..32]), integer(&signature[32..])].concat();
    [&[0x30, body.len() as u8][..], &body].concat()
}

#[test]
fn openssl_verifies_statements() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    for algorithm in [Algorithm::P256, Algorithm::Ed25519] {
        let key = FileKey::generate(algorithm).unwrap();
        let file = path(&format!("{algorithm:?}.pem"));
        key.save(file.as_ref(), None).unwrap();
        let kid = key.public_key().thumbprint();
        let revoke = Revoke { kid, reason: RevokeReason::Lost, from_ms: None, from_seq: None };
        let trust = Trust {
            time: None,
            commitments: Commitments::default(),
            action: TrustAction::Revoke(revoke),
            extra: Extra::default(),
        };
        let entry = sign_statement(&trust.into(), "acme.example", "keys", &key).unwrap();
        let parsed = Parsed::parse(&entry).unwrap();
        let mut signed = parsed.to_be_signed();
        let signature = match key.public_key() {
            PublicKey::P256(_) => der(parsed.signature()),
            PublicKey::Ed25519(_) => parsed.signature().to_vec(),
        };
        std::fs::write(path("signature"), signature).unwrap();
        for good in [true, false] {
            std::fs::write(path("signed"), &signed).unwrap();
            let mut command = Command::new("openssl");
            command.args(["pkeyutl", "-verify", "-rawin", "-inkey", &file]);
            command.args(["-in", &path("signed"), "-sigfile", &path("signature")]);
            if algorithm == Algorithm::P256 {
                command.args(["-digest", "sha256"]);
            }
            assert_eq!(command.output().unwrap().status.success(), good, "{algorithm:?}");
            signed[30] ^= 1;
        }
    }
}
