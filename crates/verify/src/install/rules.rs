//! What must hold of a release before a device installs it, over statements that were proven.
//!
//! ```text
//! newest release of the image ─▶ signer not revoked ─▶ published, not withdrawn ─▶ approved by
//! enough issuers, rejected by none ─▶ for this model ─▶ no counter back, no downgrade unauthorised
//! ```
//!
//! The one copy of these rules: a device over its bundle in place, and everybody else over a report
//! come here.
//!
//! Invariant: no allocation. Lists in statements are walked where they are.

use firmlog_statement::event::EventType;
use firmlog_statement::{Digest, Field, Kind, Meaning, Parsed, Thumbprint};
use firmlog_tlog::merkle::{Hash, LeafIndex, TreeHead};

use super::keys::field;
use super::{Installable, Known, Reason, Running};

/// A statement that is signed by whom it says and in the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proven<'a> {
    pub(crate) index: LeafIndex,
    pub(crate) leaf: Hash,
    pub(crate) parsed: Parsed<'a>,
}

/// Statements that were proven, and who signed them.
pub(crate) trait Book {
    /// All of them, in the order of the log.
    fn statements(&self) -> impl Iterator<Item = Proven<'_>>;
    /// The name that a key was enrolled under.
    fn issuer(&self, kid: &Thumbprint) -> Option<&str>;
    /// Whether a key was revoked, then or later.
    fn is_revoked(&self, kid: &Thumbprint) -> bool;
    /// How many different issuers must have approved.
    fn approvals(&self) -> u8;
    /// The tree that the statements are in.
    fn head(&self) -> TreeHead;
}

/// Decides whether the image with this SHA-256 may be installed.
#[inline(never)]
pub(crate) fn decide(
    book: &impl Book,
    image: &[u8; 32],
    running: &Running<'_>,
    known: &Known<'_>,
) -> Result<Installable, Reason> {
    if book.head().size.0 < known.size {
        return Err(Reason::EvidenceStale);
    }
    let case = Case { book, known, found: release(book, image).ok_or(Reason::ReleaseNotFound)? };
    if case.is_revoked(case.found.parsed.kid()) {
        return Err(Reason::SignerRevoked);
    }
    case.check_life()?;
    let approvers = case.approvers()?;
    if approvers < book.approvals() {
        return Err(Reason::ApprovalsMissing);
    }
    let release = &case.found.parsed;
    if !lists(release, 33, running.model) {
        return Err(Reason::WrongModel);
    }
    if !lists_some(release, 34, running.hw_rev) {
        return Err(Reason::WrongHardware);
    }
    let authorisation = case.authorisation(running);
    let head = release.release_head().ok_or(Reason::EvidenceAltered)?;
    if head.counter < running.counter {
        return Err(Reason::CounterWentBack);
    }
    let downgrade = authorisation.is_some_and(|it| case.allows_downgrade(&it, running));
    if head.version <= running.version && !downgrade {
        return Err(Reason::Downgrade);
    }
    Ok(Installable {
        release: case.found.leaf,
        index: case.found.index,
        image: head.image,
        version: head.version,
        counter: head.counter,
        size_bytes: number(release, 35).unwrap_or_default(),
        approvers,
        authorisation: authorisation.map(|it| it.leaf),
        head: book.head(),
    })
}

/// Releases that a later word withdrew: suspended, recalled, or at the end of support.
pub(crate) fn withdrawn(book: &impl Book) -> impl Iterator<Item = Hash> {
    let begun = book
        .statements()
        .filter(|it| it.parsed.kind() == Kind::Release && digest(&it.parsed, 13).is_none());
    begun.map(|it| it.leaf).filter(move |leaf| last_word(book, leaf).is_some_and(ends))
}

/// The newest release of this image that begins one: later steps of its life name it.
fn release<'b>(book: &'b impl Book, image: &[u8; 32]) -> Option<Proven<'b>> {
    let all = book.statements().filter(|it| {
        it.parsed.release_head().is_some_and(|head| head.image == *image)
            && digest(&it.parsed, 13).is_none()
    });
    all.last()
}

/// The last step in the life of a release.
fn last_word(book: &impl Book, release: &Hash) -> Option<EventType> {
    let words = book.statements().filter(|it| {
        it.parsed.kind() == Kind::Release
            && (it.leaf == *release || digest(&it.parsed, 13) == Some(*release))
    });
    event(&words.last()?.parsed)
}

const fn ends(event: EventType) -> bool {
    use EventType::{ReleaseEndOfSupport, ReleaseRecalled, ReleaseSuspended};
    matches!(event, ReleaseSuspended | ReleaseRecalled | ReleaseEndOfSupport)
}

/// One release, and what was said of it.
struct Case<'b, B> {
    book: &'b B,
    known: &'b Known<'b>,
    found: Proven<'b>,
}

impl<'b, B: Book> Case<'b, B> {
    /// A key that was rotated out was good when it signed; a revoked one is not believed any more.
    fn is_revoked(&self, kid: &Thumbprint) -> bool {
        self.known.revoked.contains(kid) || self.book.is_revoked(kid)
    }

    /// The last word of the release's life must be one that offers it to the field.
    fn check_life(&self) -> Result<(), Reason> {
        if self.known.withdrawn.contains(&self.found.leaf) {
            return Err(Reason::Withdrawn);
        }
        match last_word(self.book, &self.found.leaf) {
            Some(EventType::ReleasePublished) => Ok(()),
            Some(event) if ends(event) => Err(Reason::Withdrawn),
            _ => Err(Reason::NotPublished),
        }
    }

    fn about(&self, kind: Kind) -> impl Iterator<Item = Proven<'b>> + use<'b, B> {
        let release = self.found.leaf;
        self.book
            .statements()
            .filter(move |it| it.parsed.kind() == kind && digest(&it.parsed, 13) == Some(release))
    }

    fn issuer(&self, of: &Proven<'_>) -> Option<&'b str> {
        self.book.issuer(of.parsed.kid())
    }

    /// Whether who said this took it back later, with this key or another.
    fn is_taken_back(&self, word: &Proven<'_>) -> bool {
        self.book.statements().any(|later| {
            later.parsed.kind() == Kind::Approval
                && digest(&later.parsed, 27) == Some(word.leaf)
                && self.issuer(&later) == self.issuer(word)
        })
    }

    /// How many issuers approve that are not the author and not revoked since; nobody may reject.
    fn approvers(&self) -> Result<u8, Reason> {
        let mut count: u8 = 0;
        for word in self.about(Kind::Approval) {
            match meaning(&word.parsed) {
                Some(Meaning::Rejection) if !self.is_taken_back(&word) => {
                    return Err(Reason::Rejected);
                }
                Some(Meaning::Approval) if self.is_first_approval(&word) => {
                    count = count.saturating_add(1);
                }
                _ => {}
            }
        }
        Ok(count)
    }

    /// Whether this is an approval that counts, and the first such of its issuer.
    fn is_first_approval(&self, word: &Proven<'_>) -> bool {
        let by = self.issuer(word);
        let mut same = self.about(Kind::Approval).filter(|it| self.issuer(it) == by);
        let first = same.find(|it| {
            meaning(&it.parsed) == Some(Meaning::Approval)
                && !self.is_taken_back(it)
                && !self.is_revoked(it.parsed.kid())
        });
        by != self.issuer(&self.found) && first.is_some_and(|it| it.index == word.index)
    }

    /// The newest authorisation for this release that names this device, or its model, or nobody in
    /// particular, unless a later one takes it back.
    fn authorisation(&self, running: &Running<'_>) -> Option<Proven<'b>> {
        let for_us = self
            .about(Kind::Authorisation)
            .filter(|it| names(&it.parsed, running) && !self.is_revoked(it.parsed.kid()));
        let newest = for_us.last()?;
        (event(&newest.parsed) != Some(EventType::AuthorisationRevoked)).then_some(newest)
    }

    /// Whether it lets this device go back now. A limit that the device cannot judge, because it
    /// does not know the time well enough, does not hold.
    fn allows_downgrade(&self, it: &Proven<'_>, running: &Running<'_>) -> bool {
        let from = number(&it.parsed, 35).is_none_or(|from| from <= self.known.earliest_ms);
        let until = number(&it.parsed, 36)
            .is_none_or(|until| self.known.latest_ms.is_some_and(|latest| latest <= until));
        let over = it.parsed.field(39).and_then(|mut d| d.array().copied().ok());
        let over = over.is_none_or(|over| running.version >= u64::from_be_bytes(over));
        let said = it.parsed.field(37).is_some_and(|mut d| d.bool() == Ok(true));
        said && from && until && over
    }
}

/// Whether an authorisation names this device and its model, as far as it names any.
fn names(authorisation: &Parsed<'_>, running: &Running<'_>) -> bool {
    let device = authorisation.field(33).is_none_or(|mut d| {
        let count = d.list().unwrap_or_default();
        count == 0 || (0..count).any(|_| d.array::<32>().is_ok_and(|it| *it == running.device.0))
    });
    device && lists(authorisation, 34, running.model)
}

/// Whether a list of texts is empty or has this one.
fn lists(parsed: &Parsed<'_>, key: u64, wanted: &str) -> bool {
    lists_some(parsed, key, Some(wanted))
}

fn lists_some(parsed: &Parsed<'_>, key: u64, wanted: Option<&str>) -> bool {
    let Some(mut d) = parsed.field(key) else { return true };
    let count = d.list().unwrap_or_default();
    count == 0 || (0..count).any(|_| d.text().ok().is_some_and(|text| Some(text) == wanted))
}

fn digest(parsed: &Parsed<'_>, key: u64) -> Option<Hash> {
    Digest::decode(&mut parsed.field(key)?).ok().map(|it| Hash(it.0))
}

fn number(parsed: &Parsed<'_>, key: u64) -> Option<u64> {
    parsed.field(key)?.uint().ok()
}

fn event(parsed: &Parsed<'_>) -> Option<EventType> {
    EventType::decode(&mut parsed.field(9)?).ok()
}

/// What an e-signature means.
fn meaning(approval: &Parsed<'_>) -> Option<Meaning> {
    Meaning::decode(&mut field(&approval.field(32)?, 2)?).ok()
}
