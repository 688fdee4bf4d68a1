//! A TPM 2.0: keys that never leave it, counters that never go back, quotes, random numbers.
//!
//! ```text
//! tpm:handle=0x81010001     a P-256 key at a persistent handle, restricted to what the TPM hashed
//! tpm:nv=0x01500016         a counter in NV memory
//! ```
//!
//! In scope: the few commands these need, written to `/dev/tpmrm0` or to `swtpm` as bytes; no
//! library, no resource manager, no daemon. Out of scope: policies, encrypted sessions, endorsement
//! keys and their certificates, the owner's password (it must be empty).
//!
//! Invariants:
//! - The TPM is held open for one operation; what it loaded for it is flushed, also after an error.
//! - A key that opens has `fixedTPM`, `fixedParent` and `sensitiveDataOrigin`: it was made inside,
//!   and no command takes it out.
//! - What the TPM signed is checked with the public half before it is given out.

mod counter;
mod key;
mod quote;
mod transport;
mod wire;

use std::time::Duration;

pub use counter::TpmCounter;
pub use key::TpmKey;

use crate::uri::{Tcti, UriError};
use transport::Transport;
use wire::{Code, In, Out};

/// Names the TPM where a key's name does not.
const TPM: &str = "FIRMLOG_TPM";
/// The kernel's resource manager.
const DEVICE: &str = "/dev/tpmrm0";

/// `TPM_RH_OWNER`.
const OWNER: u32 = 0x4000_0001;
const SHA256: u16 = 0x000b;
const NULL: u16 = 0x0010;
/// `TPM_PT_LOCKOUT_COUNTER`, followed by `TPM_PT_MAX_AUTH_FAIL`.
const LOCKOUT_COUNTER: u32 = 0x20e;

const NOT_STARTED: u32 = 0x100;
const LOCKOUT: u32 = 0x921;
/// Yielded, testing, the rate of NV writes, retry: ask again.
const AGAIN: [u32; 4] = [0x908, 0x90a, 0x920, 0x922];
const AGAIN_MAX: u32 = 20;
const NV_DEFINED: u32 = 0x14c;
const NV_UNWRITTEN: u32 = 0x14a;
const NV_SPACE: u32 = 0x14b;

/// Why a TPM did not do what was asked. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TpmError {
    /// `FIRMLOG_TPM` is none.
    #[error("read FIRMLOG_TPM: {0}")]
    Tcti(UriError),
    /// The TPM cannot be reached.
    #[error("reach the TPM {tcti}: {why}")]
    Reach {
        /// Which.
        tcti: Tcti,
        /// Why.
        why: String,
    },
    /// The answer has not the form it must have.
    #[error("read the TPM's answer: it has not the form it must have")]
    Answer,
    /// Nobody started it.
    #[error("use the TPM: nobody started it (firmware does; swtpm with --flags startup-clear)")]
    NotStarted,
    /// Dictionary attack protection.
    #[error("use the key: the TPM is locked after wrong passphrases; it heals with time")]
    Lockout,
    /// No key at the handle.
    #[error("find the key: the TPM has none at handle {0:#010x}")]
    NoKey(u32),
    /// The handle is taken.
    #[error("make the key: handle {0:#010x} is taken; nothing is replaced")]
    HandleTaken(u32),
    /// No room for another persistent key.
    #[error("make the key: the TPM has no room for another persistent key")]
    NoRoom,
    /// The owner's password is set.
    #[error("make it: the TPM's owner has a password; make it with the owner's own tools")]
    Owner,
    /// A key that cannot sign statements.
    #[error("use the key: it is not a P-256 key that signs with SHA-256")]
    NotSigning,
    /// A key that could leave the TPM, or came from outside.
    #[error("use the key: it is not fixed to this TPM, or was not made in it")]
    Leaves,
    /// Another key than before.
    #[error("use the key: what the TPM signs is not of the public key it shows")]
    OtherKey,
    /// Only restricted keys quote.
    #[error(
        "quote: the key is not restricted, so it would sign a forged quote as well; make one with \
         firmlog key new tpm:…"
    )]
    NotRestricted,
    /// The wrong passphrase.
    #[error(
        "use the key: the passphrase is wrong; {left} more wrong ones lock the TPM for a while"
    )]
    PassphraseWrong {
        /// Tries left.
        left: u32,
    },
    /// More than a TPM takes.
    #[error("use the passphrase: a TPM takes at most 32 bytes, this has {0}")]
    PassphraseLong(usize),
    /// No counter at the index.
    #[error("find the counter: the TPM has none at index {0:#010x}")]
    NoCounter(u32),
    /// Something else is there.
    #[error("use the counter: index {0:#010x} is no counter that is read with its own password")]
    NotCounter(u32),
    /// The index is taken.
    #[error("make the counter: index {0:#010x} is taken; nothing is replaced")]
    IndexTaken(u32),
    /// PCRs that are none.
    #[error("quote: name at least one PCR, of 0 to 23")]
    Pcrs,
    /// Another answer.
    #[error("use the TPM: it answers {0:#05x} (tpm2_rc_decode tells it in words)")]
    Refused(u32),
}

/// A connection for one operation.
pub(crate) struct Tpm {
    transport: Transport,
    tcti: Tcti,
}

impl Tpm {
    /// Opens the named TPM, else the environment's, else the kernel's.
    pub(crate) fn open(named: Option<&Tcti>) -> Result<Self, TpmError> {
        let tcti = match (named, std::env::var(TPM)) {
            (Some(tcti), _) => tcti.clone(),
            (None, Ok(text)) if !text.is_empty() => text.parse().map_err(TpmError::Tcti)?,
            _ => Tcti::Device(DEVICE.into()),
        };
        match Transport::open(&tcti) {
            Ok(transport) => Ok(Self { transport, tcti }),
            Err(error) => Err(TpmError::Reach { tcti, why: error.to_string() }),
        }
    }

    /// Random bytes of the TPM.
    pub(crate) fn random(&mut self, bytes: &mut [u8]) -> Result<(), TpmError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let wanted = rest.len().min(32) as u16;
            let answer = self.run(Code::GetRandom, &[], &[], &Out::default().u16(wanted))?;
            let drawn = In(&answer).sized()?;
            let (now, later) = rest.split_at_mut_checked(drawn.len()).ok_or(TpmError::Answer)?;
            if drawn.is_empty() {
                return Err(TpmError::Answer);
            }
            now.copy_from_slice(drawn);
            rest = later;
        }
        Ok(())
    }

    /// Runs a command that makes no handle.
    fn run(
        &mut self,
        code: Code,
        handles: &[u32],
        passwords: &[&[u8]],
        parameters: &Out,
    ) -> Result<Vec<u8>, TpmError> {
        self.send(code, handles, passwords, parameters, false).map(|(_, answer)| answer)
    }

    /// Runs a command that makes a transient object, which `then` uses and nobody after it.
    fn with_object<T>(
        &mut self,
        code: Code,
        handles: &[u32],
        passwords: &[&[u8]],
        parameters: &Out,
        then: impl FnOnce(&mut Self, u32, &[u8]) -> Result<T, TpmError>,
    ) -> Result<T, TpmError> {
        let (handle, answer) = self.send(code, handles, passwords, parameters, true)?;
        let done = then(self, handle, &answer);
        let flushed = self.run(Code::FlushContext, &[], &[], &Out::default().u32(handle));
        done.and_then(|value| flushed.map(|_| value))
    }

    fn send(
        &mut self,
        code: Code,
        handles: &[u32],
        passwords: &[&[u8]],
        parameters: &Out,
        makes: bool,
    ) -> Result<(u32, Vec<u8>), TpmError> {
        let command = zeroize::Zeroizing::new(wire::command(code, handles, passwords, parameters));
        for turn in 0..=AGAIN_MAX {
            let answer =
                self.transport.exchange(&command).map_err(|error| self.unreachable(&error))?;
            match wire::answer(&answer, makes) {
                Err(TpmError::Refused(code)) if AGAIN.contains(&code) && turn < AGAIN_MAX => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(TpmError::Refused(NOT_STARTED)) => return Err(TpmError::NotStarted),
                Err(TpmError::Refused(LOCKOUT)) => return Err(TpmError::Lockout),
                other => return other.map(|(handle, answer)| (handle, answer.to_vec())),
            }
        }
        Err(TpmError::Answer)
    }

    fn unreachable(&self, error: &std::io::Error) -> TpmError {
        TpmError::Reach { tcti: self.tcti.clone(), why: error.to_string() }
    }

    /// Wrong passphrases that may still be given.
    fn tries_left(&mut self) -> Result<u32, TpmError> {
        let parameters = Out::default().u32(6).u32(LOCKOUT_COUNTER).u32(2);
        let answer = self.run(Code::GetCapability, &[], &[], &parameters)?;
        let mut input = In(&answer);
        let _more = input.u8()?;
        let (_kind, _count) = (input.u32()?, input.u32()?);
        let (_counter, wrong, _max, max) = (input.u32()?, input.u32()?, input.u32()?, input.u32()?);
        Ok(max.saturating_sub(wrong))
    }
}

/// Whether a code of format one says this about any handle, session or parameter (part 2 §6.6.3).
fn is_format_one(code: u32, error: u32) -> bool {
    code & 0x80 != 0 && code & 0x3f == error
}

/// `TPM_RC_AUTH_FAIL` (counted by the TPM) or `TPM_RC_BAD_AUTH` (not).
fn is_wrong_password(code: u32) -> bool {
    is_format_one(code, 0x0e) || is_format_one(code, 0x22)
}

/// `TPM_RC_HANDLE`, or nothing there: `TPM_RC_REFERENCE_H0`.
fn is_no_handle(code: u32) -> bool {
    is_format_one(code, 0x0b) || code == 0x910
}
