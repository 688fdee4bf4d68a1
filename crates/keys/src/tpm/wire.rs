//! Commands and answers of a TPM 2.0 as bytes (TPM 2.0 part 1 §18, part 3).
//!
//! ```text
//! 8001 0000000c 0000017b 0020                 GetRandom(32), no authorisation
//! 8002 … handles, size, 40000009 … passwords, parameters
//! ```
//!
//! Invariant: an answer is read to its end, or refused.

use super::TpmError;

pub(super) const NO_SESSIONS: u16 = 0x8001;
pub(super) const SESSIONS: u16 = 0x8002;
/// `TPM_RS_PW`: authorisation by a password in the command.
const PASSWORD: u32 = 0x4000_0009;
/// Continue the session: what a password authorisation must say.
const CONTINUE: u8 = 1;
/// The longest command or answer a TPM takes.
pub(super) const MAX: usize = 4096;

/// What a TPM is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Code {
    EvictControl = 0x120,
    DefineSpace = 0x12a,
    CreatePrimary = 0x131,
    Increment = 0x134,
    SequenceComplete = 0x13e,
    NvRead = 0x14e,
    Create = 0x153,
    Load = 0x157,
    Quote = 0x158,
    SequenceUpdate = 0x15c,
    Sign = 0x15d,
    FlushContext = 0x165,
    NvReadPublic = 0x169,
    ReadPublic = 0x173,
    GetCapability = 0x17a,
    GetRandom = 0x17b,
    Hash = 0x17d,
    PcrRead = 0x17e,
    SequenceStart = 0x186,
}

/// Bytes being written.
#[derive(Default)]
pub(super) struct Out(pub(super) Vec<u8>);

impl Out {
    pub(super) fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(super) fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// A `TPM2B`; what is longer than a command fails when the command is sent.
    pub(super) fn sized(self, bytes: &[u8]) -> Self {
        self.u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX)).bytes(bytes)
    }
}

/// A whole command. `passwords` authorise the first handles, in order.
pub(super) fn command(
    code: Code,
    handles: &[u32],
    passwords: &[&[u8]],
    parameters: &Out,
) -> Vec<u8> {
    let mut body = handles.iter().fold(Out::default(), |out, handle| out.u32(*handle));
    if !passwords.is_empty() {
        let auth = passwords.iter().fold(Out::default(), |out, password| {
            out.u32(PASSWORD).sized(&[]).u8(CONTINUE).sized(password)
        });
        body = body.u32(auth.0.len() as u32).bytes(&auth.0);
    }
    body = body.bytes(&parameters.0);
    let tag = if passwords.is_empty() { NO_SESSIONS } else { SESSIONS };
    Out::default().u16(tag).u32(body.0.len() as u32 + 10).u32(code as u32).bytes(&body.0).0
}

/// The parameters of an answer, and the handle it begins with where the command makes one.
pub(super) fn answer(bytes: &[u8], with_handle: bool) -> Result<(u32, &[u8]), TpmError> {
    let mut input = In(bytes);
    let (tag, length, code) = (input.u16()?, input.u32()?, input.u32()?);
    if length as usize != bytes.len() {
        return Err(TpmError::Answer);
    }
    if code != 0 {
        return Err(TpmError::Refused(code));
    }
    let handle = if with_handle { input.u32()? } else { 0 };
    match tag {
        NO_SESSIONS => Ok((handle, input.0)),
        SESSIONS => {
            let length = input.u32()?;
            Ok((handle, input.take(length as usize)?))
        }
        _ => Err(TpmError::Answer),
    }
}

/// Bytes being read.
pub(super) struct In<'a>(pub(super) &'a [u8]);

impl<'a> In<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], TpmError> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(TpmError::Answer)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TpmError> {
        self.take(N)?.try_into().map_err(|_| TpmError::Answer)
    }

    pub(super) fn u8(&mut self) -> Result<u8, TpmError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, TpmError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, TpmError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn sized(&mut self) -> Result<&'a [u8], TpmError> {
        let length = self.u16()?;
        self.take(length.into())
    }

    pub(super) fn end(&self) -> Result<(), TpmError> {
        if self.0.is_empty() { Ok(()) } else { Err(TpmError::Answer) }
    }
}

/// An unsigned number of at most 32 bytes, as 32.
pub(super) fn number(bytes: &[u8]) -> Result<[u8; 32], TpmError> {
    let mut number = [0; 32];
    let pad = number.len().checked_sub(bytes.len()).ok_or(TpmError::Answer)?;
    number[pad..].copy_from_slice(bytes);
    Ok(number)
}
