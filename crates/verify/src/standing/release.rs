//! Rules of a release's life, of the signatures on it, and of authorisations.

use firmlog_statement::event::EventType;
use firmlog_statement::{Field, Kind, Meaning, Parsed, Role};
use firmlog_tlog::merkle::{Hash, LeafIndex};

use super::keys::field;
use super::{Blocker, Book, Judge, Proven, ReleaseStanding, Standing, event_of, hash};
use crate::install::Revocation;

/// A release under judgement.
#[derive(Clone, Copy)]
struct Case<'b> {
    release: Proven<'b>,
    leaf: Hash,
    author: &'b str,
}

/// The steps of its life that count.
#[derive(Clone, Copy, Default)]
struct Life {
    recalled: Option<LeafIndex>,
    ended: Option<LeafIndex>,
    suspended: Option<LeafIndex>,
    published: Option<LeafIndex>,
}

impl Life {
    /// The word that takes it out of use, and where that stands.
    fn stop(&self) -> Option<(Standing, LeafIndex)> {
        let suspended = self.suspended.filter(|at| self.published.is_none_or(|it| it < *at));
        let recalled = self.recalled.map(|at| (Standing::Recalled, at));
        let ended = self.ended.map(|at| (Standing::Ended, at));
        recalled.or(ended).or(suspended.map(|at| (Standing::Suspended, at)))
    }
}

/// The steps that take a release out of use; an administrator may take these.
pub(crate) const fn withdraws(event: EventType) -> bool {
    use EventType::{ReleaseEndOfSupport, ReleaseRecalled, ReleaseSuspended};
    matches!(event, ReleaseSuspended | ReleaseRecalled | ReleaseEndOfSupport)
}

/// Whether a word forbids: it withdraws a release, rejects it, or takes authorisations back.
pub(crate) fn forbids(word: &Proven<'_>) -> bool {
    let event = event_of(&word.parsed);
    match word.parsed.kind() {
        Kind::Release => event.is_some_and(withdraws),
        Kind::Approval => meaning(&word.parsed) == Some(Meaning::Rejection),
        _ => event == Some(EventType::AuthorisationRevoked),
    }
}

impl<'b, B: Book> Judge<'b, B> {
    /// Judges a release by the statement that begins it; none if nobody enrolled its signer.
    #[inline(never)]
    pub(crate) fn standing(&self, begins: &Proven<'b>) -> Option<ReleaseStanding> {
        let case = self.case(begins)?;
        let life = self.life(&case);
        let (approvals, required) = (self.approvals(&case), self.required());
        let rejected = self.rejected(&case);
        let stop = life.stop();
        let blocker = if !self.permits(begins) {
            Some(Blocker::SignerCompromised)
        } else if let Some((standing, _)) = stop {
            Some(Blocker::Withdrawn(standing))
        } else if let Some(other) = self.same_bytes_recalled(&case, required) {
            Some(Blocker::BytesRecalled(other))
        } else if life.published.is_none() {
            Some(Blocker::NotPublished)
        } else if let Some(at) = rejected {
            Some(Blocker::Rejected(at))
        } else {
            (approvals < required).then_some(Blocker::ApprovalsMissing)
        };
        let (standing, since) = match (stop, rejected, life.published) {
            (Some((Standing::Recalled, at)), ..) => (Standing::Recalled, at),
            (_, Some(at), _) => (Standing::Rejected, at),
            (Some(stop), ..) => stop,
            (.., Some(at)) => (Standing::Published, at),
            _ if approvals > 0 && approvals >= required => (Standing::Approved, begins.index),
            _ => (Standing::Proposed, begins.index),
        };
        Some(ReleaseStanding { standing, since, approvals, required, blocker })
    }

    #[inline(never)]
    fn case(&self, begins: &Proven<'b>) -> Option<Case<'b>> {
        let author = self.signer(begins.parsed.kid())?.issuer;
        Some(Case { release: *begins, leaf: begins.leaf(), author })
    }

    /// Steps belong to the release's issuer; an administrator may withdraw, and never publish.
    #[inline(never)]
    fn life(&self, case: &Case<'b>) -> Life {
        let mut life = Life::default();
        let begins = event_of(&case.release.parsed) == Some(EventType::ReleasePublished);
        life.published = (begins && self.permits(&case.release)).then_some(case.release.index);
        for step in self.about(Kind::Release, &case.release) {
            let (Some(event), Some(by)) = (event_of(&step.parsed), self.signer(step.parsed.kid()))
            else {
                continue;
            };
            if !may_step(by.role, by.issuer == case.author, event) {
                continue;
            }
            let at = Some(step.index);
            match event {
                EventType::ReleaseRecalled => life.recalled = life.recalled.max(at),
                EventType::ReleaseEndOfSupport => life.ended = life.ended.or(at),
                EventType::ReleaseSuspended => life.suspended = life.suspended.max(at),
                EventType::ReleasePublished if is_of_same(&step, case) && self.permits(&step) => {
                    life.published = life.published.max(at);
                }
                _ => {}
            }
        }
        self.remembered(case, &mut life);
        life
    }

    /// What other evidence showed to be withdrawn.
    fn remembered(&self, case: &Case<'b>, life: &mut Life) {
        for it in self.known {
            let Revocation::Release { release, event, index, .. } = it else { continue };
            if *release != case.leaf {
                continue;
            }
            let at = Some(*index);
            match event {
                EventType::ReleaseSuspended => life.suspended = life.suspended.max(at),
                EventType::ReleaseEndOfSupport => life.ended = life.ended.or(at),
                _ => life.recalled = life.recalled.max(at),
            }
        }
    }

    /// Where a release stands out of use: what a device remembers.
    pub(crate) fn withdrawn(&self, begins: &Proven<'b>) -> Option<(Standing, LeafIndex)> {
        self.life(&self.case(begins)?).stop()
    }

    /// Where the words stand that take a release out of use, each with its entry.
    #[cfg(feature = "alloc")]
    pub(crate) fn against(
        &self,
        begins: &Proven<'b>,
    ) -> impl Iterator<Item = (Standing, LeafIndex)> + use<B> {
        let life = self.case(begins).map(|case| self.life(&case)).unwrap_or_default();
        let only = |standing, at: Option<LeafIndex>| at.map(|at| (standing, at));
        let stopped = life.stop().filter(|(standing, _)| *standing == Standing::Suspended);
        let all =
            [only(Standing::Recalled, life.recalled), only(Standing::Ended, life.ended), stopped];
        all.into_iter().flatten()
    }

    /// Approvals of a release that do not count because of the key that signed them.
    #[cfg(feature = "alloc")]
    pub(crate) fn approvals_lost<'c>(
        &'c self,
        begins: &'c Proven<'b>,
    ) -> impl Iterator<Item = LeafIndex> + use<'b, 'c, B> {
        let words = self.about(Kind::Approval, begins);
        let lost =
            words.filter(|it| meaning(&it.parsed) == Some(Meaning::Approval) && !self.permits(it));
        lost.map(|it| it.index)
    }

    /// How many issuers approve it that are not its author: the newest approval of each, by a key
    /// that is good, of these bytes, and not followed by a rejection or taken back.
    #[inline(never)]
    fn approvals(&self, case: &Case<'b>) -> u8 {
        let words = self.about(Kind::Approval, &case.release);
        let counted = words.filter(|it| self.counts(case, it));
        u8::try_from(counted.count()).unwrap_or(u8::MAX)
    }

    #[inline(never)]
    fn counts(&self, case: &Case<'b>, word: &Proven<'b>) -> bool {
        let approves = is_approving(word, case) && meaning(&word.parsed) == Some(Meaning::Approval);
        if !approves || !self.permits(word) {
            return false;
        }
        let Some(by) = self.judge_of(case, word) else { return false };
        by != case.author
            && !self.later(case, word, by).any(|it| self.takes_place(&it))
            && !self.is_taken_back(case, word, by)
    }

    /// Whether a later signature of the same issuer takes the place of an approval: a rejection, or
    /// an approval by a good key.
    #[inline(never)]
    fn takes_place(&self, it: &Proven<'b>) -> bool {
        match meaning(&it.parsed) {
            Some(Meaning::Rejection) => true,
            Some(Meaning::Approval) => self.permits(it),
            _ => false,
        }
    }

    /// Whether a later signature of the same issuer names an approval, whatever release it is of.
    #[inline(never)]
    fn is_taken_back(&self, case: &Case<'b>, word: &Proven<'b>, by: &str) -> bool {
        self.book.words().any(|it| {
            it.parsed.kind() == Kind::Approval
                && it.index > word.index
                && names(&it, 27, word)
                && self.judge_of(case, &it) == Some(by)
        })
    }

    /// The newest rejection that stands.
    #[inline(never)]
    fn rejected(&self, case: &Case<'b>) -> Option<LeafIndex> {
        let mut newest = None;
        for word in self.about(Kind::Approval, &case.release) {
            if self.rejects(case, &word) {
                newest = Some(word.index);
            }
        }
        newest
    }

    /// Every rejection of a release that stands.
    #[cfg(feature = "alloc")]
    pub(crate) fn rejections<'c>(
        &'c self,
        begins: &'c Proven<'b>,
    ) -> impl Iterator<Item = LeafIndex> + use<'b, 'c, B> {
        let case = self.case(begins);
        let all = self.about(Kind::Approval, begins);
        let stand = all.filter(move |word| case.is_some_and(|case| self.rejects(&case, word)));
        stand.map(|word| word.index)
    }

    /// Whether this is a rejection that stands: no word of its issuer, by a good key, names it.
    #[inline(never)]
    fn rejects(&self, case: &Case<'b>, word: &Proven<'b>) -> bool {
        if meaning(&word.parsed) != Some(Meaning::Rejection) {
            return false;
        }
        let Some(by) = self.judge_of(case, word) else { return false };
        let lifts =
            |it: Proven<'b>| names(&it, 27, word) && is_approving(&it, case) && self.permits(&it);
        !self.later(case, word, by).any(lifts)
    }

    /// The issuer that says something of a release, if enrolled to judge releases of its author.
    #[inline(never)]
    fn judge_of(&self, case: &Case<'b>, word: &Proven<'_>) -> Option<&'b str> {
        let by = self.signer(word.parsed.kid())?;
        let judges = match word.parsed.kind() {
            Kind::Approval => Role::Approver,
            _ => Role::Authoriser,
        };
        (by.role == judges && self.is_for(word, &by, case.author)).then_some(by.issuer)
    }

    /// Later signatures of the same issuer on the same release.
    fn later<'c>(
        &'c self,
        case: &'c Case<'b>,
        word: &Proven<'_>,
        by: &'b str,
    ) -> impl Iterator<Item = Proven<'b>> + use<'b, 'c, B> {
        let index = word.index;
        let all = self.about(Kind::Approval, &case.release);
        all.filter(move |it| it.index > index && self.judge_of(case, it) == Some(by))
    }

    /// A recalled release of the same bytes that no approved release names which was made after the
    /// recall, by who may bring the bytes back.
    #[inline(never)]
    fn same_bytes_recalled(&self, case: &Case<'b>, required: u8) -> Option<Hash> {
        let image = case.release.parsed.release_head()?.image;
        let forbids =
            |leaf: Hash, at| leaf != case.leaf && !self.answers(&image, (&leaf, at), required);
        for other in self.releases(&image) {
            let leaf = other.leaf();
            if self.recalled(&other).is_some_and(|at| forbids(leaf, at)) {
                return Some(leaf);
            }
        }
        self.known.iter().find_map(|it| match it {
            Revocation::Release { release, image: of, event, index }
                if *of == image && *event == EventType::ReleaseRecalled =>
            {
                forbids(*release, *index).then_some(*release)
            }
            _ => None,
        })
    }

    #[inline(never)]
    fn recalled(&self, begins: &Proven<'b>) -> Option<LeafIndex> {
        self.life(&self.case(begins)?).recalled
    }

    #[inline(never)]
    fn answers(&self, image: &[u8; 32], (recalled, at): (&Hash, LeafIndex), required: u8) -> bool {
        // Whose it was, nobody can say of one that is not there.
        let Some(recalled) = self.releases(image).find(|it| it.leaf() == *recalled) else {
            return false;
        };
        for it in self.releases(image) {
            let names = it.index > at && names(&it, 27, &recalled);
            // Who recalled must not be who brings it back alone, whatever the policy.
            if names
                && self.may_bring_back(&it, image, recalled.index)
                && self.is_approved(&it, required.max(1))
            {
                return true;
            }
        }
        false
    }

    /// Whether the issuer of a release may bring back bytes of which one that begins here was
    /// recalled: it is that one's, or had published them before.
    #[inline(never)]
    fn may_bring_back(&self, it: &Proven<'b>, image: &[u8; 32], recalled: LeafIndex) -> bool {
        let author = |it: &Proven<'_>| self.signer(it.parsed.kid()).map(|by| by.issuer);
        let by = author(it);
        self.releases(image).any(|one| {
            author(&one) == by && (one.index == recalled || self.was_published(&one, recalled))
        })
    }

    /// Whether a release was published before this index, by a key that is good.
    #[inline(never)]
    fn was_published(&self, begins: &Proven<'b>, before: LeafIndex) -> bool {
        let published = |it: &Proven<'b>| {
            it.index < before
                && event_of(&it.parsed) == Some(EventType::ReleasePublished)
                && self.permits(it)
        };
        let Some(case) = self.case(begins).filter(|_| self.permits(begins)) else { return false };
        let mut steps = self.about(Kind::Release, begins);
        published(begins)
            || steps.any(|it| {
                let by = self.signer(it.parsed.kid()).map(|by| by.issuer);
                published(&it) && is_of_same(&it, &case) && by == Some(case.author)
            })
    }

    /// Whether this is a release that counts, that as many approve, and that is on offer.
    #[inline(never)]
    fn is_approved(&self, begins: &Proven<'b>, by: u8) -> bool {
        self.permits(begins)
            && self
                .case(begins)
                .is_some_and(|case| self.approvals(&case) >= by && self.is_offered(&case))
    }

    /// Whether a release is published and nothing speaks against it.
    #[inline(never)]
    fn is_offered(&self, case: &Case<'b>) -> bool {
        let life = self.life(case);
        life.published.is_some() && life.stop().is_none() && self.rejected(case).is_none()
    }

    /// The newest authorisation for a release that `fits`, unless a later word withdraws or
    /// replaces it.
    #[inline(never)]
    pub(crate) fn authorisation(
        &self,
        begins: &Proven<'b>,
        fits: &dyn Fn(&Parsed<'b>) -> bool,
    ) -> Option<Proven<'b>> {
        let case = self.case(begins)?;
        let mut newest = None;
        for word in self.about(Kind::Authorisation, begins) {
            if fits(&word.parsed) && self.authorises(&case, &word) {
                newest = Some(word);
            }
        }
        newest
    }

    /// Whether one that `fits` counted until it was withdrawn or replaced.
    #[inline(never)]
    pub(crate) fn had_authorisation(
        &self,
        begins: &Proven<'b>,
        fits: &dyn Fn(&Parsed<'b>) -> bool,
    ) -> bool {
        let Some(case) = self.case(begins) else { return false };
        self.about(Kind::Authorisation, begins).any(|word| {
            fits(&word.parsed)
                && self.may_authorise(&case, &word)
                && self.is_withdrawn(&case, &word)
        })
    }

    #[inline(never)]
    fn authorises(&self, case: &Case<'b>, word: &Proven<'b>) -> bool {
        self.may_authorise(case, word) && !self.is_withdrawn(case, word)
    }

    #[inline(never)]
    fn may_authorise(&self, case: &Case<'b>, word: &Proven<'b>) -> bool {
        use EventType::{DowngradeAuthorised, UpdateAuthorised};
        let may = matches!(event_of(&word.parsed), Some(UpdateAuthorised | DowngradeAuthorised))
            && matches!(meaning(&word.parsed), Some(Meaning::Approval | Meaning::Responsibility))
            && is_of_image(word, case);
        may && self.permits(word) && self.judge_of(case, word).is_some()
    }

    /// Whether a later word withdraws or replaces an authorisation by name, whatever release it is
    /// of, or withdraws all of this release's.
    #[inline(never)]
    fn is_withdrawn(&self, case: &Case<'b>, word: &Proven<'b>) -> bool {
        self.book.words().any(|it| {
            it.parsed.kind() == Kind::Authorisation
                && it.index > word.index
                && self.judge_of(case, &it).is_some()
                && (names(&it, 14, word) || self.withdraws_all(case, &it))
        })
    }

    #[inline(never)]
    fn withdraws_all(&self, case: &Case<'b>, it: &Proven<'b>) -> bool {
        event_of(&it.parsed) == Some(EventType::AuthorisationRevoked)
            && hash(&it.parsed, 14).is_none()
            && super::is_about(self.book, it, (&case.release, &case.leaf))
    }
}

/// Whether a signature is of the event of approvals, and of these bytes.
fn is_approving(word: &Proven<'_>, case: &Case<'_>) -> bool {
    event_of(&word.parsed) == Some(EventType::ReleaseApproved) && is_of_image(word, case)
}

/// Whether a step follows the very release that it names: its bytes and its codes.
#[inline(never)]
fn is_of_same(step: &Proven<'_>, case: &Case<'_>) -> bool {
    step.index > case.release.index
        && step.parsed.release_head() == case.release.parsed.release_head()
}

/// Whether a signature follows the release that it names, and is on its bytes if it says on which.
#[inline(never)]
fn is_of_image(word: &Proven<'_>, case: &Case<'_>) -> bool {
    let follows = word.index > case.release.index;
    follows
        && hash(&word.parsed, 2).is_none_or(|image| {
            case.release.parsed.release_head().is_some_and(|head| head.image == image.0)
        })
}

/// Whether a statement names another under this key.
fn names(it: &Proven<'_>, key: u64, other: &Proven<'_>) -> bool {
    hash(&it.parsed, key).is_some_and(|named| named == other.leaf())
}

/// Whether somebody of this role may take this step in the life of a release, of `own` issuer or
/// another.
pub(crate) const fn may_step(role: Role, own: bool, event: EventType) -> bool {
    match role {
        Role::Manufacturer => own,
        Role::Admin => withdraws(event),
        _ => false,
    }
}

/// The steps after which a release is never used again.
#[cfg(feature = "alloc")]
pub(crate) const fn is_final(event: EventType) -> bool {
    matches!(event, EventType::ReleaseRecalled | EventType::ReleaseEndOfSupport)
}

/// The steps that may begin a release: any other names the one that it is of.
pub(crate) const fn begins(event: EventType) -> bool {
    matches!(event, EventType::ReleaseProposed | EventType::ReleasePublished)
}

/// What an e-signature means.
pub(crate) fn meaning(approval: &Parsed<'_>) -> Option<Meaning> {
    Meaning::decode(&mut field(&approval.field(32)?, 2)?).ok()
}
