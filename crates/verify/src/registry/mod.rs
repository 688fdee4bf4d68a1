//! What a log knows of keys and devices: a pure, in-memory state machine over its entries.
//!
//! ```text
//! checking threads   Keys::resolve(parsed) ─ key, role, issuer ─▶ (KeyView, Candidate)   shared reads
//! the sequencer      Registry::admit(candidate) ─▶ Append | Duplicate | Gap | Fork | Refuse
//!                    Registry::apply(entry, index)              the one writer
//! ```
//!
//! In scope: which statements belong in the log, in which state it is after each of them, and
//! snapshots of that state. The log, an auditor replaying it and a device reading a bundle all use
//! this code. Out of scope: checking signatures (`crypto`), storing entries (`log`).
//!
//! Who may sign what is the table in `role`.
//!
//! Invariants:
//! - [`Registry::admit`] allocates nothing and touches one device.
//! - Replaying the same entries gives the same state and the same snapshot, byte for byte.
//! - A million devices take 170 MB or less, tables included.

mod chunked;
mod heads;
mod keys;
mod snapshot;
mod trust;

use firmlog_statement::event::EventType;
use firmlog_statement::{Kind, Parsed, Role};
use firmlog_tlog::merkle::{Hash, LeafIndex};

use crate::crypto::{Crypto, check_signature};
use crate::refusal::refusals;
use crate::role::may_sign;
use crate::standing::{event_of, hash};

pub use heads::{BRANCHES_MAX, Head, Heads, Link, Place};
pub use keys::{Ended, KeyView, Keys, Slot};
pub use snapshot::SnapshotError;
pub use trust::Rules;

refusals! {
    /// Why a statement does not belong in the log.
    Refusal {
        KeyUnknown = 1: "the key is not enrolled",
        KeyRevoked = 2: "the key is revoked",
        KeyRotated = 3: "the key was rotated out",
        IssuerMismatch = 4: "iss is not the name the key is enrolled under",
        RoleMismatch = 5: "the key's role may not sign this kind of statement",
        AlgorithmMismatch = 6: "the statement's algorithm is not the key's",
        DeviceMismatch = 7: "the update is about another device than the one that signed it",
        SignatureWrong = 8: "the signature does not verify",
        KeyAlreadyEnrolled = 9: "the key is or was enrolled",
        ChainSeedMissing = 10: "a device is enrolled without the seed of its chain",
        GenesisTwice = 11: "the log has its genesis already",
        GenesisMissing = 12: "the log has no genesis yet",
        GenesisSelfSigned = 13: "the genesis is not signed by the first admin key it names",
        ReleaseUnknown = 14: "the log has no such release",
        AuthorMayNotApprove = 15: "the release was signed with the key that approves it",
        RegistryFull = 16: "the registry holds all it can",
        RoleUnknown = 17: "the role cannot be enrolled",
        LastAdmin = 18: "the last admin key cannot be revoked",
        Malformed = 19: "the statement cannot be read",
        StateChanged = 20: "the key ended while the statement was checked",
        IssuerJudgesItself = 21: "one issuer would release firmware and approve or authorise it",
        StepOfAnotherIssuer = 22: "the release is another issuer's, and its steps belong to that one",
        ReleaseFinal = 23: "the release was recalled or ended, and that is final",
        OutOfScope = 24: "the key was not enrolled to speak about releases of that issuer",
        ScopeMissing = 25: "the log has no manufacturer yet, or several: name the ones this key may speak for",
        StepNamesNone = 26: "a step after the first names the release it is of, by leaf hash",
        NotARelease = 27: "what it names is a step in the life of a release: name the release",
    }
}

/// A statement whose signer is known, reduced to what the sequencer needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its leaf hash.
    pub leaf: Hash,
    /// What kind it is.
    pub kind: Kind,
    /// Who signed it; none for a genesis.
    pub signer: Option<Slot>,
    /// Its place in the device's chain, if it is an update.
    pub link: Option<Link>,
    /// What it says about a release, if it is a release, an approval or an authorisation.
    pub about: Option<About>,
    /// State of the keys when it was resolved.
    generation: u64,
}

/// What to do with a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Append it.
    Append,
    /// It is the device's newest entry again: answer with that one's receipt.
    Duplicate {
        /// Where that entry is.
        index: LeafIndex,
    },
    /// Refuse it, and say which head the device must resend from.
    Gap {
        /// That head.
        have: Head,
    },
    /// It is below the device's head. If the log has an entry with this leaf hash it is a
    /// duplicate of that; if not, append it and raise `ChainFork`.
    Earlier {
        /// The device's longest head.
        have: Head,
    },
    /// Append it and raise `ChainFork`.
    Fork {
        /// The device's longest head.
        have: Head,
    },
    /// Refuse it.
    Refuse(Refusal),
}

/// Keys, chains and rules of one log.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// Who may sign. A log shares this half with its checking threads.
    pub keys: Keys,
    /// Where each device stands.
    pub heads: Heads,
    /// What the genesis and later policy statements say.
    pub rules: Rules,
}

impl Keys {
    /// Finds who signed a statement, and refuses what that key may not sign. The signature itself
    /// is the caller's to check, against the key that is returned.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn resolve(&self, parsed: &Parsed) -> Result<(KeyView<'_>, Candidate), Refusal> {
        let view = self.find(parsed.kid()).ok_or(Refusal::KeyUnknown)?;
        match view.until {
            None => {}
            Some((_, Ended::Revoked | Ended::Compromised)) => return Err(Refusal::KeyRevoked),
            Some((_, Ended::Rotated)) => return Err(Refusal::KeyRotated),
        }
        if parsed.algorithm() != view.key.algorithm() {
            return Err(Refusal::AlgorithmMismatch);
        }
        if parsed.issuer() != view.issuer {
            return Err(Refusal::IssuerMismatch);
        }
        if !may_sign(view.role, parsed) {
            return Err(Refusal::RoleMismatch);
        }
        let mut candidate = Candidate::new(parsed, Some(view.slot));
        candidate.about = about(parsed, &view, self.issuer_of(view.slot));
        candidate.generation = self.generation();
        if let Some(head) = parsed.update_head() {
            if head.device != view.holder {
                return Err(Refusal::DeviceMismatch);
            }
            let entry = parsed.entry_hash();
            candidate.link = Some(Link { seq: head.seq, prev: head.prev, entry });
        }
        Ok((view, candidate))
    }
}

impl Refusal {
    /// Whether the judge decides this too, from the release alone: its readers ignore such an entry
    /// and report it, and what it is about still has a standing.
    #[must_use]
    pub const fn is_of_release(self) -> bool {
        matches!(
            self,
            Self::StepOfAnotherIssuer
                | Self::ReleaseFinal
                | Self::OutOfScope
                | Self::AuthorMayNotApprove
                | Self::StepNamesNone
                | Self::NotARelease
        )
    }
}

/// What a statement of people says about a release, as far as registration looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// The statement that it names; none if it begins a release.
    release: Option<Hash>,
    event: EventType,
    role: Role,
    issuer: [u8; 2],
}

impl Candidate {
    /// The first entry of a log, which enrols its own signer.
    #[must_use]
    pub fn genesis(parsed: &Parsed) -> Self {
        Self::new(parsed, None)
    }

    fn new(parsed: &Parsed, signer: Option<Slot>) -> Self {
        Self {
            leaf: Hash(parsed.leaf_hash()),
            kind: parsed.kind(),
            signer,
            link: None,
            about: None,
            generation: 0,
        }
    }
}

/// What a statement says about a release; none if it is of another kind.
fn about(parsed: &Parsed<'_>, by: &KeyView<'_>, issuer: [u8; 2]) -> Option<About> {
    let release = match parsed.kind() {
        Kind::Release => hash(parsed, 13),
        Kind::Approval | Kind::Authorisation => Some(Hash(parsed.approval_head()?.release)),
        _ => return None,
    };
    Some(About { release, event: event_of(parsed)?, role: by.role, issuer })
}

impl Registry {
    /// All that can be known about a statement before it is sequenced: its signer may sign it, the
    /// signature is good, and a `Trust` statement can be applied now. A genesis is let in while
    /// there is none.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn check<C: Crypto + ?Sized>(
        &self,
        parsed: &Parsed,
        crypto: &C,
    ) -> Result<Candidate, Refusal> {
        let (key, candidate) = if self.has_genesis() {
            let (view, candidate) = self.keys.resolve(parsed)?;
            (view.key, candidate)
        } else {
            (Self::genesis_key(parsed)?, Candidate::genesis(parsed))
        };
        if !check_signature(crypto, &key, parsed) {
            return Err(Refusal::SignatureWrong);
        }
        if parsed.kind() == Kind::Trust {
            self.judge_trust(parsed)?;
        }
        Ok(candidate)
    }

    /// The registry of a log without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self { keys: Keys::new(), heads: Heads::new(), rules: Rules::new() }
    }

    /// The registry of somebody who reads part of a log: what is broken only if something else is
    /// not there is not judged.
    #[must_use]
    pub const fn of_part() -> Self {
        Self { keys: Keys::new(), heads: Heads::of_part(), rules: Rules::new() }
    }

    /// Decides on a statement whose signature is good. No allocation.
    ///
    /// `Trust` statements are judged again, in full, by [`Registry::apply`]: ask
    /// [`Registry::judge_trust`] before they are appended.
    #[must_use]
    pub fn admit(&self, candidate: &Candidate) -> Decision {
        if candidate.generation != self.keys.generation() {
            return Decision::Refuse(Refusal::StateChanged);
        }
        self.heads.admit(candidate)
    }

    /// Records that `parsed`, which [`Registry::admit`] let in, was appended at `index`.
    ///
    /// # Errors
    /// A [`Refusal`] if it may not be in the log; nothing has changed then.
    pub fn apply(
        &mut self,
        candidate: &Candidate,
        parsed: &Parsed,
        index: LeafIndex,
    ) -> Result<(), Refusal> {
        if candidate.kind == Kind::Trust {
            return self.apply_trust(parsed, index);
        }
        self.heads.apply(candidate, index)
    }
}

impl Heads {
    /// Decides on a statement, keys being as they were when it was resolved. No allocation.
    #[must_use]
    pub fn admit(&self, candidate: &Candidate) -> Decision {
        let Some(signer) = candidate.signer else {
            // Only a log without any holder has its genesis before it.
            let first = self.main.len() == 0 && candidate.kind == Kind::Trust;
            return if first { Decision::Append } else { Decision::Refuse(Refusal::GenesisTwice) };
        };
        if let Some(link) = &candidate.link {
            return match self.place(signer, link) {
                Some(Place::Next { .. }) => Decision::Append,
                Some(Place::Same { index }) => Decision::Duplicate { index },
                Some(Place::Gap { have }) => Decision::Gap { have },
                Some(Place::Earlier { have }) => Decision::Earlier { have },
                Some(Place::Fork { have }) => Decision::Fork { have },
                None => Decision::Refuse(Refusal::KeyUnknown),
            };
        }
        let judged = candidate.about.map_or(Ok(()), |it| self.judge(signer, candidate.kind, &it));
        judged.map_or_else(Decision::Refuse, |()| Decision::Append)
    }

    /// Records that an admitted statement, not a `Trust`, was appended at `index`.
    ///
    /// # Errors
    /// The [`Refusal`] that [`Heads::admit`] gives; nothing has changed then.
    pub fn apply(&mut self, candidate: &Candidate, index: LeafIndex) -> Result<(), Refusal> {
        if let Decision::Refuse(refusal) = self.admit(candidate) {
            return Err(refusal);
        }
        let Some(signer) = candidate.signer else { return Err(Refusal::GenesisTwice) };
        if candidate.kind == Kind::Release
            && let Some(about) = &candidate.about
        {
            self.step(signer, &candidate.leaf, about);
        }
        let Some(link) = &candidate.link else { return Ok(()) };
        match self.place(signer, link) {
            Some(Place::Next { branch }) => self.append(signer, link, branch, index),
            Some(Place::Earlier { .. } | Place::Fork { .. }) => self.fork(signer, link, index),
            // A log never appends these; an auditor who finds them appended says so himself.
            Some(Place::Same { .. } | Place::Gap { .. }) | None => {}
        }
        Ok(())
    }
}
