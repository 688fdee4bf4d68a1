//! An authority of k of n signers, who need not share a machine.
//!
//! ```text
//! name    last 20 bytes of keccak256(abi (3, k, signers))
//! proof   0x03 ‖ abi (k, signers, signatures)      an empty signature is an abstention
//! ```
//!
//! Signers are ERC-7913: an account's address, or `verifier ‖ x ‖ y` of a P-256 key. All sign the
//! same digest, the Keccak-256 of what an authority signs ([`crate::contract`]), also P-256 keys.
//!
//! In scope: which signers, whether a signature is theirs, the proof. Out of scope: files
//! (`request`), what is signed (`contract`).
//!
//! Invariants:
//! - Signers stand in the contract's order, each once; settings may name them in any.
//! - No signature is in a proof that was not checked here, and none beyond the threshold.

use alloy::primitives::{Address, B256, Bytes, Signature, U256, keccak256};
use alloy::sol_types::SolValue;
use firmlog_statement::{SignError, normalise_low_s};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{self, VerifyingKey};

use crate::error::AnchorError;
use crate::key::Wallet;

/// The kind byte, in proofs and in the name.
const KIND: u8 = 3;
const ADDRESS_BYTES: usize = 20;
/// Verifier and point.
const P256_BYTES: usize = ADDRESS_BYTES + 64;

/// Signs a digest with a P-256 key: r ‖ s, either s.
pub type SignDigest = Box<dyn Fn(&[u8; 32]) -> Result<[u8; 64], SignError> + Send + Sync>;

/// A key of a signer, at hand.
pub enum HeldKey {
    /// secp256k1; the signer is its account.
    Secp256k1(Wallet),
    /// P-256 behind a verifier.
    P256 {
        /// Where the verifier is (`ERC7913P256Verifier`).
        verifier: Address,
        /// The public key, `x ‖ y`.
        point: [u8; 64],
        /// Signs.
        sign: SignDigest,
    },
}

impl HeldKey {
    /// The signer whose key this is.
    #[must_use]
    pub fn signer(&self) -> Bytes {
        match self {
            Self::Secp256k1(wallet) => Bytes::copy_from_slice(wallet.address().as_slice()),
            Self::P256 { verifier, point, .. } => [verifier.as_slice(), point].concat().into(),
        }
    }

    /// Signs a digest.
    ///
    /// # Errors
    /// [`AnchorError::Signer`].
    pub fn sign(&self, digest: B256) -> Result<Bytes, AnchorError> {
        match self {
            Self::Secp256k1(wallet) => {
                Ok(Bytes::copy_from_slice(&wallet.sign(&digest)?.as_bytes()))
            }
            Self::P256 { sign, .. } => {
                let mut signature =
                    sign(&digest.0).map_err(|e| AnchorError::Signer(e.to_string()))?;
                normalise_low_s(&mut signature);
                Ok(Bytes::copy_from_slice(&signature))
            }
        }
    }
}

/// k of n signers, the keys at hand, and signatures from elsewhere.
pub struct Threshold {
    k: u64,
    signers: Vec<Bytes>,
    keys: Vec<HeldKey>,
    collected: Vec<(Bytes, B256, Bytes)>,
}

impl std::fmt::Debug for Threshold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Threshold({} of {:?})", self.k, self.signers)
    }
}

impl Threshold {
    /// `k` of these signers.
    ///
    /// # Errors
    /// [`AnchorError::Config`]: no such k, a signer twice, or none that ERC-7913 knows.
    pub fn new(k: u64, mut signers: Vec<Bytes>) -> Result<Self, AnchorError> {
        let refused = |why: String| Err(AnchorError::Config(format!("authority: {why}")));
        let count = signers.len();
        if k == 0 || k > count as u64 {
            return refused(format!("expected a threshold of 1 to {count}, got {k}"));
        }
        if let Some(short) = signers.iter().find(|signer| signer.len() < ADDRESS_BYTES) {
            return refused(format!("signer {short}: expected 20 bytes or more"));
        }
        signers.sort_by_key(|signer| keccak256(signer));
        for pair in signers.windows(2) {
            if let [first, second] = pair
                && first == second
            {
                return refused(format!("signer {first} is named twice"));
            }
        }
        Ok(Self { k, signers, keys: Vec::new(), collected: Vec::new() })
    }

    /// How many must sign.
    #[must_use]
    pub fn k(&self) -> u64 {
        self.k
    }

    /// The signers, in the contract's order.
    #[must_use]
    pub fn signers(&self) -> &[Bytes] {
        &self.signers
    }

    /// Its name in the contract.
    #[must_use]
    pub fn name(&self) -> Address {
        let fields = (U256::from(KIND), U256::from(self.k), self.signers.clone());
        let hash = keccak256(fields.abi_encode_params());
        Address::from_slice(&hash[12..])
    }

    /// Adds a key at hand.
    ///
    /// # Errors
    /// [`AnchorError::Config`] if it is of no signer.
    pub fn add_key(&mut self, key: HeldKey) -> Result<(), AnchorError> {
        self.expect(&key.signer())?;
        self.keys.push(key);
        Ok(())
    }

    /// Adds a signature from elsewhere, once it was checked. A signer's second one changes nothing.
    ///
    /// # Errors
    /// [`AnchorError::Config`] if it is of no signer, [`AnchorError::Signer`] if it is not theirs.
    pub fn add_signature(
        &mut self,
        signer: Bytes,
        digest: B256,
        signature: Bytes,
    ) -> Result<(), AnchorError> {
        self.expect(&signer)?;
        check(&signer, digest, &signature)?;
        self.collected.push((signer, digest, signature));
        Ok(())
    }

    /// The proof over a message, with exactly k signatures.
    ///
    /// # Errors
    /// [`AnchorError::Signatures`] if fewer are there, [`AnchorError::Signer`].
    pub fn prove(&self, message: &[u8]) -> Result<Vec<u8>, AnchorError> {
        let digest = keccak256(message);
        let mut signatures = Vec::new();
        let mut have = 0;
        for signer in &self.signers {
            let signature = if have < self.k { self.signature(signer, digest)? } else { None };
            have += u64::from(signature.is_some());
            signatures.push(signature.unwrap_or_default());
        }
        if have < self.k {
            return Err(AnchorError::Signatures { have, needed: self.k });
        }
        let fields = (U256::from(self.k), self.signers.clone(), signatures);
        Ok([&[KIND][..], &fields.abi_encode_params()].concat())
    }

    fn signature(&self, signer: &Bytes, digest: B256) -> Result<Option<Bytes>, AnchorError> {
        let collected = self.collected.iter().find(|it| it.0 == *signer && it.1 == digest);
        if let Some((_, _, signature)) = collected {
            return Ok(Some(signature.clone()));
        }
        let key = self.keys.iter().find(|key| key.signer() == *signer);
        let signature = key.map(|key| key.sign(digest)).transpose()?;
        if let Some(signature) = &signature {
            check(signer, digest, signature)?;
        }
        Ok(signature)
    }

    fn expect(&self, signer: &Bytes) -> Result<(), AnchorError> {
        if self.signers.contains(signer) {
            return Ok(());
        }
        let all: Vec<String> = self.signers.iter().map(Bytes::to_string).collect();
        let why = format!("expected one of the signers {}, got {signer}", all.join(", "));
        Err(AnchorError::Config(why))
    }
}

/// Whether this signer signed this digest.
///
/// # Errors
/// [`AnchorError::Signer`] if not, or if the signer is of a kind that only a chain can check.
pub fn check(signer: &Bytes, digest: B256, signature: &Bytes) -> Result<(), AnchorError> {
    let good = match signer.len() {
        ADDRESS_BYTES => is_of_account(signer, digest, signature),
        P256_BYTES => is_of_p256(&signer[ADDRESS_BYTES..], digest, signature),
        _ => {
            let why = format!("signer {signer} is neither an account nor a P-256 key");
            return Err(AnchorError::Signer(why));
        }
    };
    good.unwrap_or(false).then_some(()).ok_or_else(|| {
        AnchorError::Signer(format!("the signature is not one of {signer} over {digest}"))
    })
}

/// r ‖ s ‖ v with a low s and v of 27 or 28, as the contract wants it.
fn is_of_account(signer: &Bytes, digest: B256, signature: &Bytes) -> Option<bool> {
    let bytes: &[u8; 65] = signature.as_ref().try_into().ok()?;
    let parsed = Signature::from_raw_array(bytes).ok()?;
    if parsed.normalize_s().is_some() || !matches!(bytes[64], 27 | 28) {
        return None;
    }
    let got = parsed.recover_address_from_prehash(&digest).ok()?;
    Some(got.as_slice() == signer.as_ref())
}

/// r ‖ s with a low s.
fn is_of_p256(point: &[u8], digest: B256, signature: &Bytes) -> Option<bool> {
    let key = VerifyingKey::from_sec1_bytes(&[&[4][..], point].concat()).ok()?;
    let parsed = ecdsa::Signature::from_slice(signature).ok()?;
    if parsed.normalize_s() != parsed {
        return None;
    }
    Some(key.verify_prehash(digest.as_slice(), &parsed).is_ok())
}
