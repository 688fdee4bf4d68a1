//! The one judge: whose word counts on what, what a later word does, and what a revoked key's words
//! are still worth.
//!
//! ```text
//! 5  release 4.2.1, published     by acme.example, whose key is good
//! 6  approval                     by quality, enrolled to approve for acme.example
//! 9  release_recalled             by an administrator
//!                                 ─▶ recalled (entry 9), 1 of 1 approvals, not to be used
//! ```
//!
//! In scope: the standing of a release, and of an authorisation, as proven statements give it. Out
//! of scope: proving them (`report`, `install`), what a device is and runs (`install`).
//! Normative text: `docs/spec/standing.md`, rules `STA-…`.
//!
//! Invariants:
//! - No allocation: a device over its bundle in place, and everybody else, come here. Nobody else
//!   compares steps, roles or ends of keys.
//! - Words that forbid stand whatever becomes of the key that said them. Words that permit need a
//!   key that is good at their index, and so does every `Trust` statement behind that key.
//! - One more statement never takes a prohibition away, unless it is a lift that the rules name.

mod book;
mod keys;
mod release;

pub(crate) use book::{Book, Proven, event_of, hash, lists, lists_some, number};
pub(crate) use keys::{Action, Enrolled, Keys};
#[cfg(feature = "alloc")]
pub(crate) use release::is_final;
pub(crate) use release::{begins, forbids, may_step, meaning, withdraws};

use firmlog_statement::event::EventType;
use firmlog_statement::{Kind, Thumbprint};
use firmlog_tlog::merkle::{Hash, LeafIndex};

use crate::install::Revocation;

/// Where a release stands. The words are the same in CLI, JSON, pages and API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Standing {
    /// Offered to be judged; not for the field.
    Proposed,
    /// Proposed, and approved by as many as are asked for.
    Approved,
    /// Offered to the field.
    Published,
    /// Somebody who may judge it rejected it, and did not take that back.
    Rejected,
    /// Not to be installed until its issuer publishes it again.
    Suspended,
    /// To be removed from the field, for good.
    Recalled,
    /// No longer supported, for good.
    Ended,
}

impl Standing {
    /// The word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Approved => "approved",
            Self::Published => "published",
            Self::Rejected => "rejected",
            Self::Suspended => "suspended",
            Self::Recalled => "recalled",
            Self::Ended => "ended",
        }
    }

    /// The step that leads there; of a rejection, that of what was rejected.
    #[must_use]
    pub const fn step(self) -> EventType {
        match self {
            Self::Proposed | Self::Rejected => EventType::ReleaseProposed,
            Self::Approved => EventType::ReleaseApproved,
            Self::Published => EventType::ReleasePublished,
            Self::Suspended => EventType::ReleaseSuspended,
            Self::Recalled => EventType::ReleaseRecalled,
            Self::Ended => EventType::ReleaseEndOfSupport,
        }
    }
}

impl core::fmt::Display for Standing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.word())
    }
}

/// Why a release may not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blocker {
    /// The key that signed it, or one that enrolled that key, is compromised from its index or
    /// before.
    SignerCompromised,
    /// Its standing is suspended, recalled or ended.
    Withdrawn(Standing),
    /// This other release of the same bytes was recalled, and no approved release names it.
    BytesRecalled(Hash),
    /// No word that counts publishes it.
    NotPublished,
    /// The rejection at this index stands.
    Rejected(LeafIndex),
    /// Fewer issuers approve than the rules ask for.
    ApprovalsMissing,
}

/// What the log says of a release, as of the statements that were judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseStanding {
    /// The word.
    pub standing: Standing,
    /// The entry that made it so.
    pub since: LeafIndex,
    /// How many issuers approve, whose word counts.
    pub approvals: u8,
    /// How many the rules ask for.
    pub required: u8,
    /// Why it may not be used; none if it may.
    pub blocker: Option<Blocker>,
}

impl ReleaseStanding {
    /// Whether the log's rules let it be used.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        self.blocker.is_none()
    }

    /// Whether something speaks against it that more evidence of the same does not mend: anything
    /// but approvals that are still missing.
    #[must_use]
    pub const fn forbids(&self) -> bool {
        !matches!(self.blocker, None | Some(Blocker::ApprovalsMissing))
    }
}

/// `Trust` statements of which a device can mark whether they are good; later ones are not.
pub(crate) const MARKS: usize = 4;

/// The judge, over proven statements and what is known from other evidence.
pub(crate) struct Judge<'b, B> {
    book: &'b B,
    known: &'b [Revocation],
    /// One bit for each `Trust` statement: it is by a key that is good at its index.
    marks: &'b [u64],
    /// Nothing is compromised: no mark has to be asked.
    clean: bool,
}

impl<'b, B: Book> Judge<'b, B> {
    /// `marks` has room for a bit for each `Trust` statement of the book.
    pub(crate) fn new(book: &'b B, known: &'b [Revocation], marks: &'b mut [u64]) -> Self {
        let here = book.trusts().any(|it| Action::compromises(&it.parsed).is_some());
        let heard = known.iter().any(|it| matches!(it, Revocation::Key { .. }));
        let clean = !here && !heard;
        if !clean {
            mark(book, known, marks);
        }
        Self { book, known, marks, clean }
    }

    fn keys(&self) -> Keys<'b, B> {
        Keys::all(self.book)
    }

    /// Who signs with this key.
    pub(crate) fn signer(&self, kid: &Thumbprint) -> Option<Enrolled<'b>> {
        self.keys().find(kid)
    }

    /// Whether a word that permits counts: its key is good at its index, and all that it rests on.
    #[inline(never)]
    pub(crate) fn permits(&self, word: &Proven<'_>) -> bool {
        let kid = word.parsed.kid();
        self.clean
            || !is_compromised(self.book, self.known, kid, word.index)
                && self.keys().introduced(kid).is_some_and(|place| marked(self.marks, place))
    }

    /// How many issuers must approve a release. A policy of a key that is not good raises only.
    #[inline(never)]
    pub(crate) fn required(&self) -> u8 {
        let mut required = None;
        for (place, trust) in self.book.trusts().enumerate() {
            let Some(asked) = Action::approvals(&trust.parsed) else { continue };
            let good = self.clean || marked(self.marks, place);
            let before = required.filter(|_| !good).unwrap_or_default();
            required = Some(asked.max(before));
        }
        required.unwrap_or(u8::MAX)
    }

    /// Whether the enrolment of who says this lets it judge releases of `author`. Where it names no
    /// issuer it may forbid for any, and permit for the manufacturer that was enrolled by then.
    fn is_for(&self, word: &Proven<'_>, signer: &Enrolled<'_>, author: &str) -> bool {
        match &signer.issuers {
            Some(issuers) => issuers.clone().any(|it| it == author),
            None => forbids(word) || self.keys().judges_for(word.parsed.kid()) == Some(author),
        }
    }

    /// What is said about a release: statements of this kind that [are about it](is_about).
    fn about<'c>(
        &'c self,
        kind: Kind,
        begins: &'c Proven<'b>,
    ) -> impl Iterator<Item = Proven<'b>> + use<'b, 'c, B> {
        let all = self.book.words();
        let leaf = begins.leaf();
        all.filter(move |it| it.parsed.kind() == kind && is_about(self.book, it, (begins, &leaf)))
    }

    /// Releases that begin with this image, in the order of the log.
    pub(crate) fn releases(
        &self,
        image: &[u8; 32],
    ) -> impl Iterator<Item = Proven<'b>> + use<'b, B> {
        let image = *image;
        self.begun().filter(move |it| it.parsed.release_head().is_some_and(|it| it.image == image))
    }

    /// Every release that begins: later steps name the first.
    pub(crate) fn begun(&self) -> impl Iterator<Item = Proven<'b>> + use<'b, B> {
        let first =
            |it: &Proven<'_>| it.parsed.kind() == Kind::Release && hash(&it.parsed, 13).is_none();
        self.book.words().filter(move |it| first(it) && event_of(&it.parsed).is_some_and(begins))
    }

    /// Every statement about a release, in the order of the log.
    #[cfg(feature = "alloc")]
    pub(crate) fn said_of<'c>(
        &'c self,
        release: &'c Proven<'b>,
    ) -> impl Iterator<Item = Proven<'b>> + use<'b, 'c, B> {
        let leaf = release.leaf();
        self.book.words().filter(move |it| is_about(self.book, it, (release, &leaf)))
    }

    /// Keys that are compromised, as the book tells.
    pub(crate) fn compromised(&self) -> impl Iterator<Item = (Thumbprint, LeafIndex)> + use<'b, B> {
        self.book.trusts().filter_map(|it| Action::compromises(&it.parsed))
    }
}

/// Marks the `Trust` statements that are by a key that is good at their index. The first is the
/// pinned genesis. A rotation also rests on how the old key came in.
#[inline(never)]
fn mark<B: Book>(book: &B, known: &[Revocation], marks: &mut [u64]) {
    for (place, trust) in book.trusts().enumerate() {
        let before = Keys::before(book, place);
        let rests = |kid: &Thumbprint, marks: &[u64]| {
            before.introduced(kid).is_some_and(|place| marked(marks, place))
        };
        let kid = trust.parsed.kid();
        let by = !is_compromised(book, known, kid, trust.index) && rests(kid, marks);
        let old = match Action::read(&trust.parsed) {
            Some(Action::Rotate { old, .. }) => rests(&old, marks),
            _ => true,
        };
        if place == 0 || by && old {
            set(marks, place);
        }
    }
}

/// Whether a statement is about a release. What permits must name the statement that begins it.
/// What forbids may name any statement about it. A withdrawal that names none, or one that is not
/// there, is about every release of its bytes.
#[inline(never)]
fn is_about<B: Book>(book: &B, word: &Proven<'_>, (begins, leaf): (&Proven<'_>, &Hash)) -> bool {
    let Some(mut named) = hash(&word.parsed, 13) else { return forbids_bytes(word, begins) };
    // Nothing names itself, however long the way: a hash is made after what it is of.
    while named != *leaf {
        if !forbids(word) {
            return false;
        }
        let Some(it) = book.said(&named) else { return forbids_bytes(word, begins) };
        named = match hash(&it.parsed, 13) {
            Some(next) => next,
            None if event_of(&it.parsed).is_some_and(release::begins) => return false,
            None => return forbids_bytes(word, begins),
        };
    }
    true
}

/// Whether a word withdraws the bytes of this release.
fn forbids_bytes(word: &Proven<'_>, begins: &Proven<'_>) -> bool {
    let image = |it: &Proven<'_>| it.parsed.release_head().map(|head| head.image);
    word.parsed.kind() == Kind::Release && forbids(word) && image(word) == image(begins)
}

#[inline(never)]
fn is_compromised<B: Book>(
    book: &B,
    known: &[Revocation],
    kid: &Thumbprint,
    at: LeafIndex,
) -> bool {
    let hit = |(key, from): (Thumbprint, LeafIndex)| key == *kid && from <= at;
    let heard = known.iter().any(|it| match it {
        Revocation::Key { kid, from } => hit((*kid, *from)),
        Revocation::Release { .. } | Revocation::Refused { .. } => false,
    });
    heard || book.trusts().any(|it| Action::compromises(&it.parsed).is_some_and(hit))
}

fn split(place: usize) -> (usize, u64) {
    (place / 64, 1_u64.rotate_left(u32::try_from(place % 64).unwrap_or_default()))
}

fn marked(marks: &[u64], place: usize) -> bool {
    let (word, bit) = split(place);
    marks.get(word).is_some_and(|word| word & bit != 0)
}

fn set(marks: &mut [u64], place: usize) {
    let (word, bit) = split(place);
    if let Some(word) = marks.get_mut(word) {
        *word |= bit;
    }
}
