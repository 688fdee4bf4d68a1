//! A P-256 key that a TPM keeps.
//!
//! A key made here is *restricted*: the TPM signs only what it hashed itself, and refuses to hash
//! what looks like its own attestations. So the same key signs statements and quotes, and nobody
//! who may use it can forge a quote. Unrestricted keys of others sign statements too.

use firmlog_statement::{PublicKey, SignError, Signer, normalise_low_s};
use firmlog_verify::crypto::check_bytes;
use zeroize::Zeroizing;

use super::wire::{Code, In, Out, number};
use super::{
    NULL, NV_DEFINED, NV_SPACE, OWNER, SHA256, Tpm, TpmError, is_no_handle, is_wrong_password,
};
use crate::uri::{TpmObject, TpmUri};
use crate::{AwsLc, KeyError, SELF_TEST};

const ECC: u16 = 0x0023;
const ECDSA: u16 = 0x0018;
const AES: u16 = 0x0006;
const CFB: u16 = 0x0043;
const P256: u16 = 0x0003;

const FIXED_TPM: u32 = 1 << 1;
const FIXED_PARENT: u32 = 1 << 4;
const MADE_INSIDE: u32 = 1 << 5;
const BY_PASSWORD: u32 = 1 << 6;
/// Wrong passwords are not counted: there is none.
const NO_DA: u32 = 1 << 10;
const RESTRICTED: u32 = 1 << 16;
const DECRYPT: u32 = 1 << 17;
const SIGN: u32 = 1 << 18;
const NEVER_LEAVES: u32 = FIXED_TPM | FIXED_PARENT | MADE_INSIDE;

/// The most that is hashed by one command (`MAX_DIGEST_BUFFER`).
const CHUNK: usize = 1024;

/// A private key in a TPM.
#[derive(Clone)]
pub struct TpmKey {
    pub(super) uri: TpmUri,
    pub(super) handle: u32,
    pub(super) public: Public,
    pub(super) passphrase: Zeroizing<Vec<u8>>,
}

/// What a TPM shows of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Public {
    attributes: u32,
    has_scheme: bool,
    pub(super) point: [u8; 64],
}

impl std::fmt::Debug for TpmKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TpmKey({})", self.uri)
    }
}

impl TpmKey {
    /// Opens the key, and has it sign once.
    ///
    /// # Errors
    /// [`KeyError::PassphraseMissing`] if the TPM counts wrong passphrases of this key and none is
    /// given; else a [`TpmError`].
    pub fn open(uri: &TpmUri, passphrase: Option<&[u8]>) -> Result<Self, KeyError> {
        let handle = handle(uri)?;
        let public = Tpm::open(uri.tcti.as_ref())?.read_public(handle)?;
        match passphrase {
            None if public.is(NO_DA) => {}
            None => return Err(KeyError::PassphraseMissing),
            Some(_) if public.is(NO_DA) => return Err(KeyError::PassphraseNotNeeded),
            Some(given) => fits(given)?,
        }
        let passphrase = Zeroizing::new(passphrase.unwrap_or_default().to_vec());
        let key = Self { uri: uri.clone(), handle, public, passphrase };
        key.signed(SELF_TEST)?;
        Ok(key)
    }

    /// The public half, which a TPM shows to everybody.
    ///
    /// # Errors
    /// A [`TpmError`].
    pub fn public_key(uri: &TpmUri) -> Result<PublicKey, KeyError> {
        let public = Tpm::open(uri.tcti.as_ref())?.read_public(handle(uri)?)?;
        Ok(PublicKey::P256(public.point))
    }

    /// Makes a key in the TPM and keeps it at the handle.
    ///
    /// # Errors
    /// A [`TpmError`]; nothing stays behind in the TPM then.
    pub fn create(uri: &TpmUri, passphrase: Option<&[u8]>) -> Result<Self, KeyError> {
        let handle = handle(uri)?;
        fits(passphrase.unwrap_or_default())?;
        let mut tpm = Tpm::open(uri.tcti.as_ref())?;
        match tpm.read_public(handle) {
            Ok(_) | Err(TpmError::NotSigning | TpmError::Leaves) => {
                return Err(TpmError::HandleTaken(handle).into());
            }
            Err(TpmError::NoKey(_)) => {}
            Err(other) => return Err(other.into()),
        }
        tpm.make(handle, passphrase.unwrap_or_default())?;
        drop(tpm);
        Self::open(uri, passphrase)
    }

    /// Random bytes of the TPM: what a device's chain begins with.
    ///
    /// # Errors
    /// A [`TpmError`].
    pub fn random(&self, bytes: &mut [u8]) -> Result<(), KeyError> {
        Ok(Tpm::open(self.uri.tcti.as_ref())?.random(bytes)?)
    }

    fn signed(&self, message: &[u8]) -> Result<[u8; 64], TpmError> {
        let mut tpm = Tpm::open(self.uri.tcti.as_ref())?;
        let (hash, ticket) = tpm.hash(message)?;
        // A key without a scheme of its own is told one.
        let scheme = Out::default();
        let scheme = match self.public.has_scheme {
            true => scheme.u16(NULL),
            false => scheme.u16(ECDSA).u16(SHA256),
        };
        let parameters = Out::default().sized(&hash).bytes(&scheme.0).bytes(&ticket);
        let answer = tpm
            .run(Code::Sign, &[self.handle], &[&self.passphrase], &parameters)
            .map_err(|error| self.told(&mut tpm, error))?;
        let signature = read_signature(&answer)?;
        if check_bytes(&AwsLc, &PublicKey::P256(self.public.point), message, &signature) {
            return Ok(signature);
        }
        Err(TpmError::OtherKey)
    }

    /// A refusal in words.
    pub(super) fn told(&self, tpm: &mut Tpm, error: TpmError) -> TpmError {
        match error {
            TpmError::Refused(code) if is_no_handle(code) => TpmError::NoKey(self.handle),
            TpmError::Refused(code) if is_wrong_password(code) => match tpm.tries_left() {
                Ok(left) => TpmError::PassphraseWrong { left },
                Err(other) => other,
            },
            other => other,
        }
    }

    pub(super) fn is_restricted(&self) -> bool {
        self.public.is(RESTRICTED)
    }
}

impl Signer for TpmKey {
    fn public_key(&self) -> PublicKey {
        PublicKey::P256(self.public.point)
    }

    fn sign(&self, to_be_signed: &[u8]) -> Result<[u8; 64], SignError> {
        self.signed(to_be_signed).map_err(|error| {
            tracing::error!(key = %self.uri, "failed to {error}");
            SignError::Unavailable
        })
    }
}

impl Public {
    fn is(&self, attribute: u32) -> bool {
        self.attributes & attribute != 0
    }
}

impl Tpm {
    /// What the TPM shows of the key at a handle, if it is one that signs statements.
    fn read_public(&mut self, handle: u32) -> Result<Public, TpmError> {
        let answer = self.run(Code::ReadPublic, &[handle], &[], &Out::default()).map_err(
            |error| match error {
                TpmError::Refused(code) if is_no_handle(code) => TpmError::NoKey(handle),
                other => other,
            },
        )?;
        let public = read_public(In(&answer).sized()?)?;
        if public.attributes & NEVER_LEAVES == NEVER_LEAVES {
            return Ok(public);
        }
        Err(TpmError::Leaves)
    }

    /// Makes a key under the storage root key and keeps it at the handle.
    fn make(&mut self, handle: u32, passphrase: &[u8]) -> Result<(), TpmError> {
        let root = creation(&[], &storage_root());
        let key = creation(passphrase, &signing_key(passphrase.is_empty()));
        let owner = |error| match error {
            TpmError::Refused(code) if is_wrong_password(code) => TpmError::Owner,
            TpmError::Refused(NV_DEFINED) => TpmError::HandleTaken(handle),
            TpmError::Refused(NV_SPACE) => TpmError::NoRoom,
            other => other,
        };
        self.with_object(Code::CreatePrimary, &[OWNER], &[b""], &root, |tpm, root, _| {
            let made = tpm.run(Code::Create, &[root], &[b""], &key)?;
            let mut made = In(&made);
            let blobs = Out::default().sized(made.sized()?).sized(made.sized()?);
            tpm.with_object(Code::Load, &[root], &[b""], &blobs, |tpm, key, _| {
                let keep = Out::default().u32(handle);
                tpm.run(Code::EvictControl, &[OWNER, key], &[b""], &keep).map(drop)
            })
        })
        .map_err(owner)
    }

    /// SHA-256 by the TPM, with its ticket that it may be signed by a restricted key.
    fn hash(&mut self, message: &[u8]) -> Result<(Vec<u8>, Vec<u8>), TpmError> {
        let answer = match message.split_at_checked(CHUNK) {
            None => {
                let parameters = Out::default().sized(message).u16(SHA256).u32(OWNER);
                self.run(Code::Hash, &[], &[], &parameters)?
            }
            Some(_) => self.hash_long(message)?,
        };
        let mut input = In(&answer);
        Ok((input.sized()?.to_vec(), input.0.to_vec()))
    }

    fn hash_long(&mut self, message: &[u8]) -> Result<Vec<u8>, TpmError> {
        let start = Out::default().sized(&[]).u16(SHA256);
        let (sequence, _) = self.send(Code::SequenceStart, &[], &[], &start, true)?;
        let hashed = self.hash_on(sequence, message);
        if hashed.is_err() {
            // Completing it would have flushed it.
            drop(self.run(Code::FlushContext, &[], &[], &Out::default().u32(sequence)));
        }
        hashed
    }

    fn hash_on(&mut self, sequence: u32, message: &[u8]) -> Result<Vec<u8>, TpmError> {
        for part in message.chunks(CHUNK) {
            self.run(Code::SequenceUpdate, &[sequence], &[b""], &Out::default().sized(part))?;
        }
        let end = Out::default().sized(&[]).u32(OWNER);
        self.run(Code::SequenceComplete, &[sequence], &[b""], &end)
    }
}

/// `TPMT_SIGNATURE` of ECDSA, in its low spelling.
pub(super) fn read_signature(bytes: &[u8]) -> Result<[u8; 64], TpmError> {
    let mut input = In(bytes);
    if input.u16()? != ECDSA || input.u16()? != SHA256 {
        return Err(TpmError::NotSigning);
    }
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&number(input.sized()?)?);
    signature[32..].copy_from_slice(&number(input.sized()?)?);
    input.end()?;
    normalise_low_s(&mut signature);
    Ok(signature)
}

/// `TPMT_PUBLIC` of a P-256 key that signs with SHA-256.
fn read_public(bytes: &[u8]) -> Result<Public, TpmError> {
    let mut input = In(bytes);
    let kind = input.u16()?;
    let (_name_hash, attributes, _policy) = (input.u16()?, input.u32()?, input.sized()?);
    if kind != ECC || attributes & SIGN == 0 || input.u16()? != NULL {
        return Err(TpmError::NotSigning);
    }
    let has_scheme = match input.u16()? {
        NULL => false,
        ECDSA if input.u16()? == SHA256 => true,
        _ => return Err(TpmError::NotSigning),
    };
    if input.u16()? != P256 || input.u16()? != NULL {
        return Err(TpmError::NotSigning);
    }
    let mut point = [0; 64];
    point[..32].copy_from_slice(&number(input.sized()?)?);
    point[32..].copy_from_slice(&number(input.sized()?)?);
    input.end()?;
    Ok(Public { attributes, has_scheme, point })
}

/// The parameters of `TPM2_Create` and `TPM2_CreatePrimary`.
fn creation(passphrase: &[u8], public: &Out) -> Out {
    let sensitive = Out::default().sized(passphrase).sized(&[]);
    Out::default().sized(&sensitive.0).sized(&public.0).sized(&[]).u32(0)
}

/// The storage root key of TCG's provisioning guidance, P-256.
fn storage_root() -> Out {
    let attributes = NEVER_LEAVES | BY_PASSWORD | NO_DA | RESTRICTED | DECRYPT;
    let head = Out::default().u16(ECC).u16(SHA256).u32(attributes).sized(&[]);
    head.u16(AES).u16(128).u16(CFB).u16(NULL).u16(P256).u16(NULL).sized(&[]).sized(&[])
}

fn signing_key(open: bool) -> Out {
    let no_da = if open { NO_DA } else { 0 };
    let attributes = NEVER_LEAVES | BY_PASSWORD | RESTRICTED | SIGN | no_da;
    let head = Out::default().u16(ECC).u16(SHA256).u32(attributes).sized(&[]);
    head.u16(NULL).u16(ECDSA).u16(SHA256).u16(P256).u16(NULL).sized(&[]).sized(&[])
}

/// A TPM takes a password as long as the hash of the key's name.
fn fits(passphrase: &[u8]) -> Result<(), TpmError> {
    match passphrase.len() {
        0..=32 => Ok(()),
        long => Err(TpmError::PassphraseLong(long)),
    }
}

fn handle(uri: &TpmUri) -> Result<u32, TpmError> {
    match uri.object {
        TpmObject::Key(handle) => Ok(handle),
        TpmObject::Counter(index) => Err(TpmError::NoKey(index)),
    }
}
