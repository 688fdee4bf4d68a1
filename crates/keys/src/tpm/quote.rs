//! Quotes: the PCRs and a statement's hash, under one signature of the TPM.

use firmlog_statement::PublicKey;
use firmlog_verify::quote::{Quote, verify_quote};

use super::wire::{Code, In, Out};
use super::{NULL, SHA256, Tpm, TpmError, TpmKey};
use crate::{AwsLc, KeyError};

/// PCRs of a PC Client TPM.
const PCRS: u32 = 0x00ff_ffff;

impl TpmKey {
    /// Quotes the PCRs of the SHA-256 bank (PCR 0 in bit 0) over `data`, at most 64 bytes. The
    /// bytes are as `firmlog_verify::quote` reads them.
    ///
    /// # Errors
    /// [`TpmError::NotRestricted`], [`TpmError::Pcrs`], or the TPM's.
    pub fn quote(&self, data: &[u8], pcrs: u32) -> Result<(Vec<u8>, Quote), KeyError> {
        if !self.is_restricted() {
            return Err(TpmError::NotRestricted.into());
        }
        let parameters = Out::default().sized(data).u16(NULL).bytes(&selection(pcrs)?.0);
        let mut tpm = Tpm::open(self.uri.tcti.as_ref())?;
        let bytes = tpm
            .run(Code::Quote, &[self.handle], &[&self.passphrase], &parameters)
            .map_err(|error| self.told(&mut tpm, error))?;
        let key = PublicKey::P256(self.public.point);
        let quote = verify_quote(&bytes, &key, data, &AwsLc).map_err(|_| TpmError::OtherKey)?;
        Ok((bytes, quote))
    }

    /// The values of PCRs of the SHA-256 bank, lowest first.
    ///
    /// # Errors
    /// [`TpmError::Pcrs`], or the TPM's.
    pub fn pcr_values(&self, pcrs: u32) -> Result<Vec<(u32, [u8; 32])>, KeyError> {
        selection(pcrs)?;
        let mut tpm = Tpm::open(self.uri.tcti.as_ref())?;
        let named = (0..24).filter(|pcr| pcrs & (1 << pcr) != 0);
        Ok(named.map(|pcr| Ok((pcr, tpm.pcr(pcr)?))).collect::<Result<_, TpmError>>()?)
    }
}

impl Tpm {
    fn pcr(&mut self, pcr: u32) -> Result<[u8; 32], TpmError> {
        let answer = self.run(Code::PcrRead, &[], &[], &selection(1 << pcr)?)?;
        let mut input = In(&answer);
        let _updates = input.u32()?;
        let (_count, _hash, select) = (input.u32()?, input.u16()?, input.u8()?);
        input.take(select.into())?;
        // A TPM without the bank answers with no value.
        if input.u32()? != 1 {
            return Err(TpmError::Pcrs);
        }
        input.sized()?.try_into().map_err(|_| TpmError::Answer)
    }
}

/// `TPML_PCR_SELECTION` of one bank.
fn selection(pcrs: u32) -> Result<Out, TpmError> {
    if pcrs == 0 || pcrs & !PCRS != 0 {
        return Err(TpmError::Pcrs);
    }
    let [low, middle, high, _] = pcrs.to_le_bytes();
    Ok(Out::default().u32(1).u16(SHA256).u8(3).u8(low).u8(middle).u8(high))
}
