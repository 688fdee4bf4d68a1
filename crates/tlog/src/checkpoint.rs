//! Checkpoints: signed tree heads in the [tlog-checkpoint] text form.
//!
//! ```text
//! log.example.org/infusion-pumps
//! 20852163
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//! ```
//!
//! In scope: parsing and writing the note body, and the log's own signature over it.
//! Out of scope: cosignatures (`cosignature`), quorum (`verify`), where checkpoints are
//! stored (`log`).
//!
//! Invariants:
//! - `Checkpoint::parse(x)?.to_string() == x`, byte for byte; other spellings are refused.
//! - No allocation; a body is at most [`MAX_BYTES`].
//!
//! [tlog-checkpoint]: https://c2sp.org/tlog-checkpoint

use core::fmt;

use crate::decimal::{self, DecimalFault};
use crate::merkle::{Hash, TreeHead, TreeSize};
use crate::note::{Ed25519Check, Note, NoteError, VerifierKey};
use crate::refusal::refusals;

/// The largest checkpoint body that is read, in bytes, extension lines included.
pub const MAX_BYTES: usize = 65_536;

refusals! {
    /// Why a checkpoint was refused.
    CheckpointError {
        TooLarge = 1: "the checkpoint is larger than 65,536 bytes",
        OriginEmpty = 2: "the origin line is empty",
        SizeHasLeadingZero = 3: "the tree size has a leading zero",
        SizeNotDecimal = 4: "the tree size is not a decimal number",
        SizeOverflows = 5: "the tree size is beyond 64 bits",
        RootNotBase64 = 6: "the root hash is not canonical base64",
        RootWrongLength = 7: "the root hash is not 32 bytes",
        LineMissing = 8: "the checkpoint has fewer than three lines",
        ExtensionEmpty = 9: "an extension line is empty",
        FinalNewlineMissing = 10: "the checkpoint does not end in a newline",
        ControlCharacter = 11: "the checkpoint has a control character",
        NoteMalformed = 12: "the checkpoint is not a well-formed signed note",
        OriginMismatch = 13: "the checkpoint is of another log",
        LogSignatureMissing = 14: "the checkpoint has no signature of the log's key",
        LogSignatureWrong = 15: "the log's signature does not verify",
        LogKeyOfOtherKind = 16: "the key is not an Ed25519 log key",
    }
}

/// The body of a checkpoint: what a log claims about its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint<'a> {
    /// The log's identity.
    pub origin: &'a str,
    /// How many entries the tree has.
    pub size: TreeSize,
    /// The tree's root.
    pub root: Hash,
    /// Extension lines, each with its newline; usually empty.
    pub extensions: &'a str,
}

impl<'a> Checkpoint<'a> {
    /// A checkpoint without extension lines.
    #[must_use]
    pub const fn new(origin: &'a str, head: TreeHead) -> Self {
        Self { origin, size: head.size, root: head.root, extensions: "" }
    }

    /// Parses a note's text.
    ///
    /// # Errors
    /// A [`CheckpointError`] naming the rule that the text breaks.
    pub fn parse(text: &'a str) -> Result<Self, CheckpointError> {
        if text.len() > MAX_BYTES {
            return Err(CheckpointError::TooLarge);
        }
        if text.bytes().any(|b| b < 0x20 && b != b'\n') {
            return Err(CheckpointError::ControlCharacter);
        }
        if !text.ends_with('\n') {
            return Err(CheckpointError::FinalNewlineMissing);
        }
        let (origin, rest) = line(text)?;
        let (size, rest) = line(rest)?;
        let (root, extensions) = line(rest)?;
        if origin.is_empty() {
            return Err(CheckpointError::OriginEmpty);
        }
        let is_blank = |two: &[u8]| two == b"\n\n";
        if extensions.starts_with('\n') || extensions.as_bytes().windows(2).any(is_blank) {
            return Err(CheckpointError::ExtensionEmpty);
        }
        Ok(Self { origin, size: parse_size(size)?, root: parse_root(root)?, extensions })
    }

    /// Size and root.
    #[must_use]
    pub const fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root }
    }

    /// The note's text.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn encode(&self) -> alloc::string::String {
        alloc::string::ToString::to_string(self)
    }
}

/// The note's text.
impl fmt::Display for Checkpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, size, root, extensions } = self;
        write!(f, "{origin}\n{size}\n{}\n{extensions}", root.base64())
    }
}

/// A well-formed signed checkpoint whose signatures nobody has checked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unverified<'a> {
    note: Note<'a>,
    claimed: Checkpoint<'a>,
}

impl<'a> Unverified<'a> {
    /// Parses a signed note whose text is a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError::NoteMalformed`] (see [`Note::parse`] for the rule), or what is wrong
    /// with the text.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CheckpointError> {
        let note = Note::parse(bytes).map_err(|_| CheckpointError::NoteMalformed)?;
        Ok(Self { note, claimed: Checkpoint::parse(note.text())? })
    }

    /// What the checkpoint says, unverified.
    #[must_use]
    pub const fn claimed(&self) -> &Checkpoint<'a> {
        &self.claimed
    }

    /// The note around it.
    #[must_use]
    pub const fn note(&self) -> &Note<'a> {
        &self.note
    }

    /// Verifies the log's signature. The key's name must be the checkpoint's origin.
    ///
    /// # Errors
    /// A [`CheckpointError`] telling a missing signature from a wrong one.
    pub fn verify(
        &self,
        check: &(impl Ed25519Check + ?Sized),
        log: &VerifierKey,
    ) -> Result<Checkpoint<'a>, CheckpointError> {
        self.verify_origin(check, log, log.name.as_str())
    }

    /// Verifies the signature of a log whose key is not named after its origin.
    ///
    /// # Errors
    /// As [`Unverified::verify`].
    pub fn verify_origin(
        &self,
        check: &(impl Ed25519Check + ?Sized),
        log: &VerifierKey,
        origin: &str,
    ) -> Result<Checkpoint<'a>, CheckpointError> {
        if self.claimed.origin != origin {
            return Err(CheckpointError::OriginMismatch);
        }
        match self.note.verify(check, log) {
            Ok(()) => Ok(self.claimed),
            Err(NoteError::KeyNotFound) => Err(CheckpointError::LogSignatureMissing),
            Err(NoteError::KeyOfOtherKind) => Err(CheckpointError::LogKeyOfOtherKind),
            Err(_) => Err(CheckpointError::LogSignatureWrong),
        }
    }
}

/// Signs a checkpoint.
///
/// # Errors
/// As [`crate::note::sign_note`].
#[cfg(feature = "alloc")]
pub fn sign(
    checkpoint: &Checkpoint<'_>,
    signer: &dyn crate::note::NoteSigner,
) -> Result<alloc::string::String, NoteError> {
    crate::note::sign_note(&checkpoint.encode(), &[signer])
}

fn line(text: &str) -> Result<(&str, &str), CheckpointError> {
    text.split_once('\n').ok_or(CheckpointError::LineMissing)
}

fn parse_size(text: &str) -> Result<TreeSize, CheckpointError> {
    decimal::parse(text).map(TreeSize).map_err(|fault| match fault {
        DecimalFault::NotDecimal => CheckpointError::SizeNotDecimal,
        DecimalFault::LeadingZero => CheckpointError::SizeHasLeadingZero,
        DecimalFault::Overflow => CheckpointError::SizeOverflows,
    })
}

fn parse_root(text: &str) -> Result<Hash, CheckpointError> {
    match crate::base64::decoded_len(text) {
        None => Err(CheckpointError::RootNotBase64),
        Some(32) => Hash::from_base64(text).ok_or(CheckpointError::RootNotBase64),
        Some(_) => Err(CheckpointError::RootWrongLength),
    }
}
