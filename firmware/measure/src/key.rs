//! The device's key: in software, or behind a secure element that costs the image no code.

#[cfg(feature = "p256")]
pub use firmlog_cortex_m4::Key;
#[cfg(not(feature = "p256"))]
use firmlog_statement::{PublicKey, SignError, Signer};

/// The key, always the same.
#[cfg(feature = "p256")]
#[must_use]
pub fn key() -> Option<Key> {
    Key::new(&[0x42; 32])
}

/// Stands for a secure element: 64 bytes in range, which nothing here checks. What is measured
/// with it is the code around the signature.
#[cfg(not(feature = "p256"))]
pub struct Key(());

/// The key, always the same.
#[cfg(not(feature = "p256"))]
#[must_use]
pub const fn key() -> Option<Key> {
    Some(Key(()))
}

#[cfg(not(feature = "p256"))]
impl Signer for Key {
    fn public_key(&self) -> PublicKey {
        PublicKey::P256([0x33; 64])
    }

    fn sign(&self, tbs: &[u8]) -> Result<[u8; 64], SignError> {
        if tbs.is_empty() { Err(SignError::Refused) } else { Ok([0x7e; 64]) }
    }
}
