//! Key files: PEM and PKCS#8, plain and encrypted. A key that is read is written and read as the
//! same key; a passphrase is tried only at a cost that was looked at.

#![no_main]
#![expect(dead_code, reason = "the crate's module is borrowed whole")]

#[path = "../../crates/keys/src/pem.rs"]
mod pem;

use firmlog_keys::{FileKey, KeyError, os_random};
use firmlog_statement::{PublicKey, Signer as _};
use libfuzzer_sys::fuzz_target;
use pkcs8::SecretDocument;
use pkcs8::pkcs5::pbes2::Kdf;

/// Rounds, or scrypt's N·r·p, that are tried here: what is dear is tested elsewhere.
const COST_MAX: u64 = 4096;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(key) = FileKey::from_pem(text, None) {
        let written = key.to_pem(None).expect("it was read");
        let again = FileKey::from_pem(&written, None).expect("what we write we read");
        assert_eq!(again.public_key(), key.public_key());
        assert_eq!(again.to_pem(None).as_deref().ok(), Some(&*written));
        let locked = FileKey::from_pem(text, Some(b"passphrase"));
        assert!(matches!(locked, Err(KeyError::PassphraseNotNeeded)));
    }
    if let Ok(key) = pem::public_key(text) {
        assert_eq!(PublicKey::from_cose_key(&key.to_cose_key()), Ok(key));
    }
    let Ok((_, document)) = SecretDocument::from_pem(text) else { return };
    let Ok(encrypted) = pem::encrypted(document.as_bytes()) else { return };
    let scheme = encrypted.encryption_algorithm.pbes2().expect("nothing else is taken");
    let cost = match &scheme.kdf {
        Kdf::Pbkdf2(kdf) => u64::from(kdf.iteration_count),
        Kdf::Scrypt(kdf) => {
            let blocks = u64::from(kdf.block_size) * u64::from(kdf.parallelization);
            kdf.cost_parameter * blocks
        }
        _ => panic!("a derivation of no known cost was taken"),
    };
    assert!(cost <= 10_000_000);
    if cost <= COST_MAX {
        drop(FileKey::from_pem(text, Some(b"passphrase")));
    }
});
