//! The device's key: in software, or behind a secure element that costs the image no code.

use firmlog_statement::{PublicKey, SignError, Signer};

/// The device's key.
#[cfg(feature = "p256")]
pub struct Key(p256::ecdsa::SigningKey);

#[cfg(feature = "p256")]
impl Key {
    /// The key, always the same.
    #[must_use]
    pub fn new() -> Option<Self> {
        p256::ecdsa::SigningKey::from_slice(&[0x42; 32]).ok().map(Self)
    }
}

#[cfg(feature = "p256")]
impl Signer for Key {
    fn public_key(&self) -> PublicKey {
        let point = self.0.verifying_key().to_sec1_point(false);
        let mut xy = [0; 64];
        let bytes = point.as_bytes().iter().skip(1);
        xy.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        PublicKey::P256(xy)
    }

    fn sign(&self, tbs: &[u8]) -> Result<[u8; 64], SignError> {
        use p256::ecdsa::signature::Signer as _;
        let signature: p256::ecdsa::Signature =
            self.0.try_sign(tbs).map_err(|_| SignError::Refused)?;
        Ok(signature.to_bytes().into())
    }
}

/// Stands for a secure element: 64 bytes in range, which nothing here checks. What is measured
/// with it is the code around the signature.
#[cfg(not(feature = "p256"))]
pub struct Key(());

#[cfg(not(feature = "p256"))]
impl Key {
    /// The key, always the same.
    #[must_use]
    pub fn new() -> Option<Self> {
        Some(Self(()))
    }
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
