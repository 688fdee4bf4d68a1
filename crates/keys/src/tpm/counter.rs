//! A counter that nobody sets back: against a journal restored from an older copy.
//!
//! ```text
//! journal says 41, counter says 41   nothing was lost
//! journal says 40, counter says 41   an older copy was put back
//! ```
//!
//! Taking the index away and making it again does not help: a TPM starts a new counter above the
//! highest it ever had (TPM 2.0 part 1 §37.2.4). What does is another TPM, or an older
//! copy of a software TPM's state.

use super::wire::{Code, In, Out};
use super::{
    NV_DEFINED, NV_SPACE, NV_UNWRITTEN, OWNER, SHA256, Tpm, TpmError, is_no_handle,
    is_wrong_password,
};
use crate::uri::{TpmObject, TpmUri};

/// `TPM_NT_COUNTER`, in the index's attributes.
const COUNTER: u32 = 0x10;
const TYPE: u32 = 0xf0;
const AUTH_WRITE: u32 = 1 << 2;
const AUTH_READ: u32 = 1 << 18;
const OWNER_READ: u32 = 1 << 17;
/// No dictionary attack protection: there is no passphrase to guess.
const NO_DA: u32 = 1 << 25;

/// A counter in a TPM, read and counted up with an empty password: whoever may talk to the TPM can
/// count it up, nobody can count it down.
#[derive(Clone, Debug)]
pub struct TpmCounter {
    uri: TpmUri,
    index: u32,
}

impl TpmCounter {
    /// Names a counter that there is.
    ///
    /// # Errors
    /// [`TpmError::NoCounter`], [`TpmError::NotCounter`], or the TPM's.
    pub fn open(uri: &TpmUri) -> Result<Self, TpmError> {
        let counter = Self::named(uri)?;
        let answer = Tpm::open(uri.tcti.as_ref())?
            .run(Code::NvReadPublic, &[counter.index], &[], &Out::default())
            .map_err(|error| counter.told(error))?;
        let mut public = In(In(&answer).sized()?);
        let (_index, _hash, attributes) = (public.u32()?, public.u16()?, public.u32()?);
        let wanted = COUNTER | AUTH_READ | AUTH_WRITE;
        if attributes & (TYPE | AUTH_READ | AUTH_WRITE) != wanted {
            return Err(TpmError::NotCounter(counter.index));
        }
        Ok(counter)
    }

    /// Makes a counter, and counts once: before that it has no value.
    ///
    /// # Errors
    /// [`TpmError::IndexTaken`], [`TpmError::Owner`], or the TPM's.
    pub fn create(uri: &TpmUri) -> Result<Self, TpmError> {
        let counter = Self::named(uri)?;
        let attributes = COUNTER | AUTH_WRITE | AUTH_READ | OWNER_READ | NO_DA;
        let public =
            Out::default().u32(counter.index).u16(SHA256).u32(attributes).sized(&[]).u16(8);
        let parameters = Out::default().sized(&[]).sized(&public.0);
        let mut tpm = Tpm::open(uri.tcti.as_ref())?;
        tpm.run(Code::DefineSpace, &[OWNER], &[b""], &parameters)
            .map_err(|error| counter.told(error))?;
        counter.count(&mut tpm)?;
        Ok(counter)
    }

    /// Its value.
    ///
    /// # Errors
    /// The TPM's.
    pub fn value(&self) -> Result<u64, TpmError> {
        self.read(&mut Tpm::open(self.uri.tcti.as_ref())?)
    }

    /// Counts up by one and tells the new value. It is kept when this returns.
    ///
    /// # Errors
    /// The TPM's; whether it counted is told by [`TpmCounter::value`] then.
    pub fn increment(&self) -> Result<u64, TpmError> {
        let mut tpm = Tpm::open(self.uri.tcti.as_ref())?;
        self.count(&mut tpm)?;
        self.read(&mut tpm)
    }

    fn named(uri: &TpmUri) -> Result<Self, TpmError> {
        match uri.object {
            TpmObject::Counter(index) => Ok(Self { uri: uri.clone(), index }),
            TpmObject::Key(handle) => Err(TpmError::NotCounter(handle)),
        }
    }

    fn count(&self, tpm: &mut Tpm) -> Result<(), TpmError> {
        tpm.run(Code::Increment, &[self.index, self.index], &[b""], &Out::default())
            .map(drop)
            .map_err(|error| self.told(error))
    }

    fn read(&self, tpm: &mut Tpm) -> Result<u64, TpmError> {
        let parameters = Out::default().u16(8).u16(0);
        let answer = tpm
            .run(Code::NvRead, &[self.index, self.index], &[b""], &parameters)
            .map_err(|error| self.told(error))?;
        let value = In(&answer).sized()?.try_into().map_err(|_| TpmError::Answer)?;
        Ok(u64::from_be_bytes(value))
    }

    fn told(&self, error: TpmError) -> TpmError {
        match error {
            TpmError::Refused(NV_DEFINED) => TpmError::IndexTaken(self.index),
            TpmError::Refused(NV_SPACE) => TpmError::NoRoom,
            TpmError::Refused(NV_UNWRITTEN) => TpmError::NotCounter(self.index),
            TpmError::Refused(code) if is_no_handle(code) => TpmError::NoCounter(self.index),
            TpmError::Refused(code) if is_wrong_password(code) => TpmError::Owner,
            other => other,
        }
    }
}
