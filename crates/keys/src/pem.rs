//! PKCS#8 in PEM, plain or encrypted under a passphrase (RFC 5958, RFC 8018 PBES2, RFC 7468).
//!
//! Invariant: a file decides neither for how long nor with how much memory a passphrase is tried;
//! [`PBKDF2_MAX`] and [`SCRYPT_MAX`] do.

use firmlog_statement::PublicKey;
use pkcs8::der::Document;
use pkcs8::der::pem::PemLabel;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{self, Kdf};
use pkcs8::spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

use crate::{KeyError, os_random};

/// PBKDF2-HMAC-SHA-256 rounds for files we write: OWASP's figure, about a third of a second.
const ITERATIONS: u32 = 600_000;
/// Most PBKDF2 rounds of files we read: some five seconds.
const PBKDF2_MAX: u32 = 10_000_000;
/// Most of scrypt's N·r·p in files we read: 256 MiB and about a second. OpenSSL writes 2^17.
const SCRYPT_MAX: u64 = 1 << 21;

/// Writes a PKCS#8 document as PEM, encrypted (AES-256-CBC) if there is a passphrase.
pub(crate) fn encode(
    pkcs8: &[u8],
    passphrase: Option<&[u8]>,
) -> Result<Zeroizing<String>, KeyError> {
    let Some(passphrase) = passphrase else {
        return to_pem(pkcs8, PrivateKeyInfoRef::PEM_LABEL);
    };
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    os_random(&mut salt);
    os_random(&mut iv);
    let scheme = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ITERATIONS, &salt, iv)
        .map_err(|_| KeyError::Bug)?;
    let encrypted_data = scheme.encrypt(passphrase, pkcs8).map_err(|_| KeyError::Bug)?;
    let encrypted = EncryptedPrivateKeyInfoRef {
        encryption_algorithm: EncryptionScheme::from(scheme),
        encrypted_data: pkcs8::der::asn1::OctetStringRef::new(&encrypted_data)
            .map_err(|_| KeyError::Bug)?,
    };
    let document = SecretDocument::try_from(encrypted).map_err(|_| KeyError::Bug)?;
    to_pem(document.as_bytes(), EncryptedPrivateKeyInfoRef::PEM_LABEL)
}

/// Reads a PKCS#8 document, decrypting it if it is encrypted.
pub(crate) fn decode(pem: &str, passphrase: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (label, document) = SecretDocument::from_pem(pem).map_err(|_| KeyError::NotPem)?;
    match (label, passphrase) {
        (PrivateKeyInfoRef::PEM_LABEL, None) => Ok(Zeroizing::new(document.as_bytes().to_vec())),
        (PrivateKeyInfoRef::PEM_LABEL, Some(_)) => Err(KeyError::PassphraseNotNeeded),
        (EncryptedPrivateKeyInfoRef::PEM_LABEL, Some(passphrase)) => {
            let plain = encrypted(document.as_bytes())?
                .decrypt(passphrase)
                .map_err(|_| KeyError::PassphraseWrong)?;
            Ok(Zeroizing::new(plain.as_bytes().to_vec()))
        }
        (EncryptedPrivateKeyInfoRef::PEM_LABEL, None) => Err(KeyError::PassphraseMissing),
        _ => Err(KeyError::NotPkcs8),
    }
}

/// An encrypted document whose decryption costs no more than is allowed.
pub(crate) fn encrypted(der: &[u8]) -> Result<EncryptedPrivateKeyInfoRef<'_>, KeyError> {
    let document = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| KeyError::NotPkcs8)?;
    let EncryptionScheme::Pbes2(scheme) = &document.encryption_algorithm else {
        return Err(KeyError::NotPkcs8);
    };
    let allowed = match &scheme.kdf {
        Kdf::Pbkdf2(kdf) => (1..=PBKDF2_MAX).contains(&kdf.iteration_count),
        Kdf::Scrypt(kdf) => {
            let blocks = u64::from(kdf.block_size) * u64::from(kdf.parallelization);
            let cost = kdf.cost_parameter.checked_mul(blocks);
            // The library subtracts from the place of the highest bit of N: 0 has none.
            kdf.cost_parameter > 0 && cost.is_some_and(|cost| cost <= SCRYPT_MAX)
        }
        _ => return Err(KeyError::NotPkcs8),
    };
    if allowed { Ok(document) } else { Err(KeyError::TooCostly) }
}

/// Reads a public key as `openssl pkey -pubout` and `imgtool getpub -e pem` write it (RFC 5280
/// SubjectPublicKeyInfo).
///
/// # Errors
/// [`KeyError::NotPem`], [`KeyError::NotPublic`].
pub fn public_key(pem: &str) -> Result<PublicKey, KeyError> {
    const P256: (&str, &str) = ("1.2.840.10045.2.1", "1.2.840.10045.3.1.7");
    const ED25519: &str = "1.3.101.112";
    let (label, document) = Document::from_pem(pem).map_err(|_| KeyError::NotPem)?;
    let other = |_| KeyError::NotPublic;
    let key = SubjectPublicKeyInfoRef::try_from(document.as_bytes()).map_err(other)?;
    let (kind, bits) = (key.algorithm.oid.to_string(), key.subject_public_key.as_bytes());
    let bits = bits.filter(|_| label == SubjectPublicKeyInfoRef::PEM_LABEL);
    let curve = key.algorithm.parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    let curve = curve.map(|curve| curve.to_string());
    match (kind.as_str(), curve.as_deref(), bits.ok_or(KeyError::NotPublic)?) {
        (kind, Some(curve), [4, point @ ..]) if (kind, curve) == P256 => {
            point.try_into().map(PublicKey::P256).map_err(|_| KeyError::NotPublic)
        }
        (ED25519, None, key) if key.len() == 32 => {
            key.try_into().map(PublicKey::Ed25519).map_err(|_| KeyError::NotPublic)
        }
        _ => Err(KeyError::NotPublic),
    }
}

fn to_pem(der: &[u8], label: &'static str) -> Result<Zeroizing<String>, KeyError> {
    let document = SecretDocument::try_from(der).map_err(|_| KeyError::Bug)?;
    document.to_pem(label, LineEnding::LF).map_err(|_| KeyError::Bug)
}
