//! openssl verifies the signature of a statement, over bytes taken from the entry alone.

use firmlog_keys::{Algorithm, FileKey};
use firmlog_statement::Signer as _;

mod hardware;

#[test]
fn openssl_verifies_statements() {
    let dir = tempfile::tempdir().unwrap();
    for algorithm in [Algorithm::P256, Algorithm::Ed25519] {
        let key = FileKey::generate(algorithm).unwrap();
        let file = dir.path().join(format!("{algorithm:?}.pem"));
        key.save(&file, None).unwrap();
        let entry = hardware::statement(&key);
        hardware::openssl_verifies(dir.path(), &entry, &key.public_key(), &file);
    }
}
