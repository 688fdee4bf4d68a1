//! A device's key in software.

use firmlog_statement::{PublicKey, SignError, Signer};
use rfc6979::KGenerator;
use rfc6979::bigint::U256;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroize as _;

use crate::p256::{self, Number};

/// n, the order of the group (SEC 2).
const ORDER: U256 =
    U256::from_be_hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
/// One nonce in 2³² will not do.
const TRIES: usize = 3;

/// A P-256 key.
pub struct Key {
    secret: [u8; 32],
    public: [u8; 64],
}

impl Key {
    /// The key of a secret number; none if it is none.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Option<Self> {
        let mut number = p256::number(secret);
        let point = p256::public(&number);
        number.zeroize();
        let [x, y] = point?;
        Some(Self { secret: *secret, public: p256::bytes(&x, &y) })
    }

    fn sign_with(&self, digest: &[u8; 32], turn: usize) -> Option<[u8; 64]> {
        let mut nonce = self.nonce(digest, turn);
        let mut secret = p256::number(&self.secret);
        let made = p256::sign(digest, &secret, &nonce);
        secret.zeroize();
        nonce.zeroize();
        made.map(|[r, s]| p256::bytes(&r, &s))
    }

    /// The nonce of a turn. Its generator is off the stack again before the curve takes its place.
    #[inline(never)]
    fn nonce(&self, digest: &[u8; 32], turn: usize) -> Number {
        let mut nonces = KGenerator::<Sha256, _>::new(&self.secret, digest, &[], &ORDER);
        let mut bytes = [0; 32];
        (0..=turn).for_each(|_| nonces.fill_next_k(&mut bytes));
        let nonce = p256::number(&bytes);
        bytes.zeroize();
        nonce
    }
}

impl Signer for Key {
    fn public_key(&self) -> PublicKey {
        PublicKey::P256(self.public)
    }

    fn sign(&self, tbs: &[u8]) -> Result<[u8; 64], SignError> {
        let digest = Sha256::digest(tbs).into();
        let tries = (0..TRIES).find_map(|turn| self.sign_with(&digest, turn));
        tries.ok_or(SignError::Refused)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}
