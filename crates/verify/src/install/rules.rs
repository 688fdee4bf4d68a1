//! What must hold of a release before a device installs it, over statements that were proven.
//!
//! ```text
//! each release of the image ─▶ of an issuer it takes ─▶ its standing lets it be used ─▶ for this
//! component, model and revision ─▶ no counter back, no downgrade unauthorised; the newest that may
//! ```
//!
//! In scope: what a device is and runs. Out of scope: whose word counts, which is [`Judge`]'s.
//!
//! Invariant: no allocation. Lists in statements are walked where they are.

use firmlog_statement::event::EventType;
use firmlog_statement::{Parsed, ReleaseHead};
use firmlog_tlog::merkle::Hash;

use super::{Installable, Known, Reason, Revocation, Running};
use crate::standing::{
    Blocker, Book, Judge, Proven, ReleaseStanding, Standing, lists, lists_some, number,
};

/// Decides whether the image with this SHA-256 may be installed, by the releases of it that it can
/// be.
#[inline(never)]
pub(crate) fn decide<B: Book>(
    book: &B,
    image: &[u8; 32],
    running: &Running<'_>,
    known: &Known<'_>,
    marks: &mut [u64],
    can_be: impl Fn(&Proven<'_>) -> bool,
) -> Result<Installable, Reason> {
    if book.head().size.0 < known.size {
        return Err(Reason::EvidenceStale);
    }
    let judge = Judge::new(book, known.revocations, marks);
    let mut decided = Err(Reason::ReleaseNotFound);
    for release in judge.releases(image) {
        if !can_be(&release) {
            continue;
        }
        let found = judge_one(book, &judge, &release, running, known);
        let keeps = match (&found, &decided) {
            (Err(Reason::WrongIssuer), Err(other)) => *other != Reason::ReleaseNotFound,
            (Err(_), Ok(_)) => true,
            // What another bundle could leave out is told first: the device has to remember it.
            (Err(found), Err(other)) => other.is_hidden() && !found.is_hidden(),
            _ => false,
        };
        if !keeps {
            decided = found;
        }
    }
    let refused = |it: &Revocation| {
        matches!(it, Revocation::Refused { tree, image: of }
            if of == image && book.head().size <= *tree)
    };
    match decided {
        // Another bundle of that tree may leave out what spoke against it.
        Ok(_) if known.revocations.iter().any(refused) => Err(Reason::EvidenceStale),
        decided => decided,
    }
}

/// Decides as [`decide`] of an image that says which release it is of (STA-051): `is_of` tells, by
/// a leaf hash and what the release says. If it is of none of them all are judged.
pub(crate) fn decide_as<B: Book>(
    book: &B,
    image: &[u8; 32],
    running: &Running<'_>,
    known: &Known<'_>,
    marks: &mut [u64],
    is_of: impl Fn(&Hash, &ReleaseHead) -> bool,
) -> Result<Installable, Reason> {
    let can_be =
        |it: &Proven<'_>| it.parsed.release_head().is_some_and(|head| is_of(&it.leaf(), &head));
    match decide(book, image, running, known, marks, can_be) {
        Err(Reason::ReleaseNotFound) => decide(book, image, running, known, marks, |_| true),
        decided => decided,
    }
}

/// One release of the image.
#[inline(never)]
fn judge_one<'b, B: Book>(
    book: &'b B,
    judge: &Judge<'b, B>,
    release: &Proven<'b>,
    running: &Running<'_>,
    known: &Known<'_>,
) -> Result<Installable, Reason> {
    let by = judge.signer(release.parsed.kid()).ok_or(Reason::EvidenceIncomplete)?;
    if !running.issuers.contains(&by.issuer) {
        return Err(Reason::WrongIssuer);
    }
    let standing = judge.standing(release).ok_or(Reason::EvidenceIncomplete)?;
    if let Some(blocker) = standing.blocker {
        return Err(reason(blocker));
    }
    fits(&release.parsed, running)?;
    let mut authorisation = judge.authorisation(release, &|it| names(it, running));
    let head = release.parsed.release_head().ok_or(Reason::EvidenceAltered)?;
    if head.counter < running.counter {
        return Err(Reason::CounterWentBack);
    }
    if head.version <= running.version {
        authorisation = Some(downgrade(judge, release, running, known)?);
    }
    let ReleaseStanding { approvals, .. } = standing;
    Ok(Installable {
        release: release.leaf(),
        index: release.index,
        image: head.image,
        version: head.version,
        counter: head.counter,
        size_bytes: number(&release.parsed, 35).unwrap_or_default(),
        approvers: approvals,
        authorisation: authorisation.map(|it| it.leaf()),
        head: book.head(),
    })
}

/// The authorisation that lets this device go back now.
#[inline(never)]
fn downgrade<'b, B: Book>(
    judge: &Judge<'b, B>,
    release: &Proven<'b>,
    running: &Running<'_>,
    known: &Known<'_>,
) -> Result<Proven<'b>, Reason> {
    let allows = |it: &Parsed<'_>| names(it, running) && allows_downgrade(it);
    let now = |it: &Parsed<'_>| allows(it) && holds_now(it, running, known);
    if let Some(it) = judge.authorisation(release, &now) {
        return Ok(it);
    }
    // That one is gone another bundle could leave out.
    let late = judge.authorisation(release, &allows).is_some();
    let not_now = late && !judge.had_authorisation(release, &allows);
    Err(if not_now { Reason::DowngradeNotNow } else { Reason::Downgrade })
}

const fn reason(blocker: Blocker) -> Reason {
    match blocker {
        Blocker::SignerCompromised => Reason::SignerRevoked,
        Blocker::Withdrawn(_) => Reason::Withdrawn,
        Blocker::BytesRecalled(_) => Reason::BytesRecalled,
        Blocker::NotPublished => Reason::NotPublished,
        Blocker::Rejected(_) => Reason::Rejected,
        Blocker::ApprovalsMissing => Reason::ApprovalsMissing,
    }
}

/// Whether the release is for this component, model and hardware revision.
fn fits(release: &Parsed<'_>, running: &Running<'_>) -> Result<(), Reason> {
    let component = release.field(29).and_then(|mut d| d.text().ok());
    if component != Some(running.component) {
        return Err(Reason::WrongComponent);
    }
    if !lists(release, 33, running.model) {
        return Err(Reason::WrongModel);
    }
    if !lists_some(release, 34, running.hw_rev) {
        return Err(Reason::WrongHardware);
    }
    Ok(())
}

/// What to remember of what was judged.
pub(crate) fn revocations<B: Book>(judge: &Judge<'_, B>, mut each: impl FnMut(Revocation)) {
    judge.compromised().for_each(|(kid, from)| each(Revocation::Key { kid, from }));
    for begins in judge.begun() {
        let Some(head) = begins.parsed.release_head() else { continue };
        let Some((standing, index)) = judge.withdrawn(&begins) else { continue };
        let Some(event) = event(standing) else { continue };
        each(Revocation::Release { release: begins.leaf(), image: head.image, event, index });
    }
}

/// The step that a release stands withdrawn by.
const fn event(standing: Standing) -> Option<EventType> {
    match standing {
        Standing::Recalled => Some(EventType::ReleaseRecalled),
        Standing::Suspended => Some(EventType::ReleaseSuspended),
        Standing::Ended => Some(EventType::ReleaseEndOfSupport),
        _ => None,
    }
}

/// Whether it lets a device go back.
fn allows_downgrade(it: &Parsed<'_>) -> bool {
    it.field(37).is_some_and(|mut d| d.bool() == Ok(true))
}

/// Whether it holds now, and from what runs. A limit that the device cannot judge, because it does
/// not know the time well enough, does not hold.
fn holds_now(it: &Parsed<'_>, running: &Running<'_>, known: &Known<'_>) -> bool {
    let from = number(it, 35).is_none_or(|from| from <= known.earliest_ms);
    let until =
        number(it, 36).is_none_or(|until| known.latest_ms.is_some_and(|latest| latest <= until));
    let over = it.field(39).and_then(|mut d| d.array().copied().ok());
    let over = over.is_none_or(|over| running.version >= u64::from_be_bytes(over));
    from && until && over
}

/// Whether an authorisation names this device and its model, as far as it names any.
fn names(authorisation: &Parsed<'_>, running: &Running<'_>) -> bool {
    let device = authorisation.field(33).is_none_or(|mut d| {
        let count = d.list().unwrap_or_default();
        count == 0 || (0..count).any(|_| d.array::<32>().is_ok_and(|it| *it == running.device.0))
    });
    device && lists(authorisation, 34, running.model)
}
