//! Thousands of histories of a log, drawn from a printed seed, each looked at through many subsets.

use firmlog_statement::event::EventType;
use firmlog_statement::{Digest, Enrol, Meaning, Parsed, Release, RevokeReason, Role, Statement};
use firmlog_tlog::merkle::{Hash, LeafIndex, leaf_hash};
use firmlog_verify::bundle::{Bundle, Entry};
use firmlog_verify::gather::{Catalogue, Source, Wanted, gather};
use firmlog_verify::install::Known;
use firmlog_verify::report::{
    Extent, Question, Report, is_by_good_key, standing_of, verify_gathered,
};
use firmlog_verify::standing::Blocker;
use firmlog_verify::{Verdict, verify_bundle};

use crate::model::Model;
use crate::world::*;
use crate::{IMAGE, device_of, running};

/// Histories in a run; `FIRMLOG_HISTORIES` asks for another number.
const HISTORIES: u64 = 600;
const SUBSETS: u64 = 16;

/// splitmix64
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn maybe(&mut self, of: &[Hash]) -> Option<Hash> {
        (!of.is_empty() && self.below(2) == 0).then(|| self.one(of))
    }
}

/// Who is there to speak: a key and the name it speaks under.
#[derive(Default)]
struct Cast {
    admins: Vec<Key>,
    builds: Vec<(Key, &'static str)>,
    approvers: Vec<(Key, &'static str)>,
    all: Vec<(Key, &'static str, Role)>,
    releases: Vec<Hash>,
    opinions: Vec<Hash>,
    /// Every statement.
    said: Vec<Hash>,
    /// The next one is not as the rules ask for.
    amiss: bool,
    words: Vec<Hash>,
    next: u8,
}

fn history(draw: &mut Draw) -> Log {
    let mut log = Log::new(draw.below(3) as u8);
    let mut cast = Cast {
        admins: vec![ADMIN_KEY],
        builds: vec![(BUILD, ACME), (OTHER_BUILD, ZETA)],
        approvers: vec![
            (APPROVERS[0], person(0)),
            (APPROVERS[1], person(1)),
            (OTHER_APPROVER, "zeta.example/quality"),
        ],
        next: 50,
        ..Cast::default()
    };
    cast.all = vec![(AUTHORISER, FIELD, Role::Authoriser)];
    for _ in 0..8 + draw.below(18) {
        let entry = word(draw, &mut cast);
        // An operator that signs what it likes, now and then.
        cast.said.push(leaf_hash(&entry));
        if draw.below(12) == 0 || core::mem::take(&mut cast.amiss) {
            log.force(entry);
        } else {
            log.offer(entry);
        }
    }
    log
}

fn word(draw: &mut Draw, cast: &mut Cast) -> Vec<u8> {
    cast.next = cast.next.wrapping_add(1).max(50);
    let n = cast.next;
    match draw.below(if cast.releases.is_empty() { 3 } else { 16 }) {
        0..=2 => begin(draw, cast, n),
        3..=6 => {
            use EventType as E;
            let events = [E::ReleasePublished, E::ReleaseSuspended, E::ReleaseRecalled];
            let event = if draw.below(6) == 0 { E::ReleaseEndOfSupport } else { draw.one(&events) };
            let of = named(draw, cast);
            let (by, issuer) = match draw.below(4) {
                0 => (draw.one(&cast.admins), ADMIN),
                _ => draw.one(&cast.builds),
            };
            // Now and then of other bytes, or of another version.
            let (image, version) = (draw.one(&[3, 3, 3, 4]), draw.one(&[3, 3, 4]));
            let named = (!cast.amiss || draw.below(2) == 0).then_some(Digest(of.0));
            let it = Release { release: named, event, ..of_image(image, version, release(n)) };
            released(by, issuer, it)
        }
        7..=10 => {
            let meanings =
                [Meaning::Approval, Meaning::Approval, Meaning::Rejection, Meaning::Review];
            let (meaning, of) = (draw.one(&meanings), named(draw, cast));
            let ((by, issuer), names) = (draw.one(&cast.approvers), draw.maybe(&cast.opinions));
            let image = draw.one(&[None, None, Some(Digest(IMAGE)), Some(Digest([4; 32]))]);
            let entry = opinion_of(image, by, issuer, of, meaning, names, n);
            cast.opinions.push(leaf_hash(&entry));
            entry
        }
        11 => {
            let events = [EventType::UpdateAuthorised, EventType::AuthorisationRevoked];
            let (event, of) = (draw.one(&events), named(draw, cast));
            let entry = authorisation(AUTHORISER, of, event, draw.maybe(&cast.words), n);
            cast.words.push(leaf_hash(&entry));
            entry
        }
        12 => policy(draw.one(&cast.admins), draw.below(3) as u8),
        13 => enrol_one(draw, cast, Key(n)),
        14 => {
            let (old, by) = (draw.one(&every(cast)), draw.one(&cast.admins));
            let (key, issuer, role) = old;
            join(cast, Key(n), issuer, role);
            rotation(by, key, Key(n))
        }
        _ => {
            let ((key, ..), by) = (draw.one(&every(cast)), draw.one(&cast.admins));
            let from = (draw.below(2) == 0).then(|| draw.below(20) as u64);
            let reason = match draw.below(2) {
                0 => RevokeReason::Compromised,
                _ => draw.one(RevokeReason::ALL),
            };
            revocation(by, key, reason, from)
        }
    }
}

fn begin(draw: &mut Draw, cast: &mut Cast, n: u8) -> Vec<u8> {
    let (by, issuer) = draw.one(&cast.builds);
    let event = match draw.below(4) {
        0 => EventType::ReleaseProposed,
        _ => EventType::ReleasePublished,
    };
    let image = draw.one(&[3, 3, 3, 4]);
    let supersedes = draw.maybe(&cast.releases).map(|it| Digest(it.0));
    let version = 3 + draw.below(2) as u64;
    let it = Release { event, supersedes, ..of_image(image, version, release(n)) };
    let entry = released(by, issuer, it);
    cast.releases.push(leaf_hash(&entry));
    entry
}

/// The release that a word is about; now and then another statement, which no honest log takes.
fn named(draw: &mut Draw, cast: &mut Cast) -> Hash {
    cast.amiss = draw.below(8) == 0;
    if cast.amiss { draw.one(&cast.said) } else { draw.one(&cast.releases) }
}

fn every(cast: &Cast) -> Vec<(Key, &'static str, Role)> {
    let admins = cast.admins.iter().map(|key| (*key, ADMIN, Role::Admin));
    let builds = cast.builds.iter().map(|(key, issuer)| (*key, *issuer, Role::Manufacturer));
    let approvers = cast.approvers.iter().map(|(key, issuer)| (*key, *issuer, Role::Approver));
    admins.chain(builds).chain(approvers).chain(cast.all.iter().copied()).collect()
}

fn join(cast: &mut Cast, key: Key, issuer: &'static str, role: Role) {
    match role {
        Role::Admin => cast.admins.push(key),
        Role::Manufacturer => cast.builds.push((key, issuer)),
        Role::Approver => cast.approvers.push((key, issuer)),
        _ => {}
    }
}

fn enrol_one(draw: &mut Draw, cast: &mut Cast, key: Key) -> Vec<u8> {
    let (issuer, role) = draw.one(&[
        (ADMIN, Role::Admin),
        (ACME, Role::Manufacturer),
        (ZETA, Role::Manufacturer),
        (person(0), Role::Approver),
        ("acme.example/third", Role::Approver),
    ]);
    let by = draw.one(&cast.admins);
    join(cast, key, issuer, role);
    let scope = draw.one(&[ACME, ZETA]);
    let issuers = if role == Role::Approver { vec![scope.into()] } else { vec![] };
    enrolment(by, Enrol { issuers, ..enrolled(key, issuer, role) })
}

/// A log that is read from memory.
pub(crate) struct Memory<'l>(&'l Sealed<'l>, Catalogue);

impl<'l> Memory<'l> {
    pub(crate) fn new(sealed: &'l Sealed<'l>) -> Self {
        let mut catalogue = Catalogue::default();
        for (index, entry) in (0..).zip(&sealed.log.entries) {
            catalogue.push(LeafIndex(index), entry);
        }
        Self(sealed, catalogue)
    }

    pub(crate) fn gather(&mut self, question: &Question) -> Bundle {
        let entries: Vec<Entry> = gather(self, question, 1000).expect("all of it fits");
        Bundle { entries, ..self.0.bundle([]) }
    }
}

impl Source for Memory<'_> {
    type Error = std::convert::Infallible;

    fn entry(&mut self, index: LeafIndex) -> Result<Option<Vec<u8>>, Self::Error> {
        Ok(Some(self.0.log.entries[index.0 as usize].clone()))
    }

    fn path(&mut self, index: LeafIndex) -> Result<Vec<Hash>, Self::Error> {
        Ok(self.0.path(index.0 as usize))
    }

    fn find(&mut self, wanted: &Wanted) -> Result<Vec<LeafIndex>, Self::Error> {
        Ok(self.1.find(wanted))
    }
}

/// What forbids for good, or until a lift that the rules name.
fn prohibition(report: &Report, leaf: &Hash) -> Option<Blocker> {
    let it = report.releases.iter().find(|it| it.leaf == *leaf)?;
    it.standing.blocker.filter(|it| {
        matches!(
            it,
            Blocker::Withdrawn(_)
                | Blocker::Rejected(_)
                | Blocker::SignerCompromised
                | Blocker::BytesRecalled(_)
        )
    })
}

/// Whether the log holds a word that may lift what forbids: a publication, a signature that takes
/// another back, or a release that names another.
fn lifts(entry: &[u8]) -> bool {
    match Parsed::parse(entry).unwrap().decode().unwrap() {
        Statement::Release(it) => {
            it.event == EventType::ReleasePublished || it.supersedes.is_some()
        }
        Statement::Approval(it) => it.supersedes.is_some() || it.esig.meaning == Meaning::Approval,
        // The enrolment of who lifts.
        Statement::Trust(_) => true,
        _ => false,
    }
}

fn names(entry: &[u8]) -> Option<Hash> {
    let named = match Parsed::parse(entry).unwrap().decode().unwrap() {
        Statement::Release(it) => it.release,
        Statement::Approval(it) => Some(it.release),
        _ => None,
    };
    named.map(|it| Hash(it.0))
}

fn begins(entry: &[u8]) -> bool {
    match Parsed::parse(entry).unwrap().decode().unwrap() {
        Statement::Release(it) => it.release.is_none(),
        _ => false,
    }
}

#[test]
fn whatever_is_left_out_nobody_says_better_than_the_log_bears() {
    let count = std::env::var("FIRMLOG_HISTORIES").ok().and_then(|it| it.parse().ok());
    let count = count.unwrap_or(HISTORIES);
    let (mut usable, mut words) = (0, std::collections::BTreeMap::new());
    for seed in 0..count {
        let log = history(&mut Draw(seed));
        let sealed = log.seal();
        let (root, mut memory) = (&sealed.root, Memory::new(&sealed));
        let question = Question::Image(IMAGE);
        let all = verify_bundle(&sealed.bundle(0..log.entries.len()), root, &Cheap, &question);
        let gathered = memory.gather(&question);
        let asked = verify_bundle(&gathered, root, &Cheap, &question);
        if all.verdict != Verdict::Altered && all.verdict != Verdict::CannotCheck {
            agree(&log, seed, &all, &asked);
            own_entries(&log, seed, &gathered, &asked);
            let every = verify_gathered(&gathered, root, &Cheap, &question, Extent::EveryEntry);
            assert_eq!(every.verdict == Verdict::Verified, proven(&every), "seed {seed}");
            usable += u64::from(all.is_usable() == Some(true));
            *words.entry(all.standing()).or_insert(0) += 1;
        }
        same_answer(&sealed, &gathered, &asked, seed);
        let mut draw = Draw(seed ^ 0xabcd);
        for _ in 0..SUBSETS {
            subset(&sealed, &mut draw, seed);
        }
    }
    // A few histories need not show every standing.
    let kinds = if count < HISTORIES { 4 } else { 6 };
    let dull = usable < count / 30 || words.len() < kinds;
    assert!(!dull, "dull histories: {usable} usable, {words:?}");
}

/// `verified` is said exactly where nothing speaks against it.
fn proven(report: &Report) -> bool {
    let contradiction = report
        .findings
        .iter()
        .any(|it| matches!(it.evidence, firmlog_verify::finding::Evidence::Contradiction { .. }));
    report.is_usable() == Some(true)
        && !report.proves_misbehaviour()
        && !contradiction
        && !matches!(report.verdict, Verdict::Altered | Verdict::CannotCheck)
}

/// The gatherer's set has the log's standing, and both have the model's.
fn agree(log: &Log, seed: u64, all: &Report, asked: &Report) {
    let model = Model::new(log);
    assert_eq!(all.releases.len(), asked.releases.len(), "seed {seed}");
    for (one, other) in all.releases.iter().zip(&asked.releases) {
        assert_eq!(one.standing, other.standing, "seed {seed}, entry {}", one.index);
        let answer = model.judge(&one.leaf);
        let standing = one.standing;
        let got = crate::model::Answer {
            word: standing.standing.word(),
            usable: standing.is_usable(),
            approvals: usize::from(standing.approvals),
            required: standing.required,
        };
        assert_eq!(got, answer, "seed {seed}, entry {}", one.index);
    }
    assert_eq!(all.standing(), asked.standing(), "seed {seed}");
}

/// The log says of its own entries what everybody says of its evidence, and whose key is good.
fn own_entries(log: &Log, seed: u64, gathered: &Bundle, asked: &Report) {
    let own: Vec<_> = gathered.entries.iter().map(|it| (it.index, it.bytes.clone())).collect();
    assert_eq!(standing_of(&own, &Question::Image(IMAGE)), asked.releases, "seed {seed}");
    let all: Vec<_> = (0..).map(LeafIndex).zip(log.entries.iter().cloned()).collect();
    let model = Model::new(log);
    for (index, entry) in all.iter().filter(|it| !log.refused.contains(&(it.0.0 as usize))) {
        let good = model.good(Parsed::parse(entry).unwrap().kid(), index.0 as usize);
        assert_eq!(is_by_good_key(&all, &leaf_hash(entry)), Some(good), "seed {seed}, {index}");
    }
    assert_eq!(is_by_good_key(&all, &Hash([9; 32])), None);
}

/// A device takes what the report calls usable, of the issuers it pins, and nothing else.
fn same_answer(sealed: &Sealed<'_>, bundle: &Bundle, report: &Report, seed: u64) {
    if bundle.entries.is_empty() {
        return;
    }
    let issuers = [ACME, ZETA];
    let back = firmlog_verify::install::Running { issuers: &issuers, version: 0, ..running() };
    let decided = device_of(sealed.log, &sealed.root, bundle, &back, &Known::default());
    match decided {
        Ok(it) => {
            assert_eq!(report.is_usable(), Some(true), "seed {seed}");
            assert_eq!(report.release().map(|it| it.leaf), Some(it.release), "seed {seed}");
        }
        Err(reason) => {
            use firmlog_verify::install::Reason as R;
            let refused = matches!(reason, R::EvidenceAltered | R::EvidenceIncomplete);
            assert!(report.is_usable() != Some(true) || refused, "seed {seed}: {reason}");
        }
    }
}

/// Part of the log, and the same with one entry more.
fn subset(sealed: &Sealed<'_>, draw: &mut Draw, seed: u64) {
    let log = sealed.log;
    let drawn = (1..log.entries.len()).filter(|_| draw.below(3) > 0).collect::<Vec<_>>();
    let chosen: Vec<usize> = [0].into_iter().chain(drawn).collect();
    let missing: Vec<usize> = (0..log.entries.len()).filter(|it| !chosen.contains(it)).collect();
    let (root, question) = (&sealed.root, Question::Image(IMAGE));
    let bundle = sealed.bundle(chosen.iter().copied());
    let report = verify_bundle(&bundle, root, &Cheap, &question);
    assert_ne!(report.verdict, Verdict::Verified, "seed {seed}");
    same_answer(sealed, &bundle, &report, seed);
    if missing.is_empty() {
        return;
    }
    let more = draw.one(&missing);
    let mut with: Vec<usize> = chosen.iter().copied().chain([more]).collect();
    with.sort_unstable();
    let after = verify_bundle(&sealed.bundle(with), root, &Cheap, &question);
    if matches!(after.verdict, Verdict::Altered | Verdict::CannotCheck) {
        return;
    }
    for it in &report.releases {
        let Some(before) = prohibition(&report, &it.leaf) else { continue };
        let gone = prohibition(&after, &it.leaf).is_none();
        let is_final = matches!(
            before,
            Blocker::SignerCompromised
                | Blocker::Withdrawn(firmlog_verify::standing::Standing::Recalled)
                | Blocker::Withdrawn(firmlog_verify::standing::Standing::Ended)
        );
        // Who had the bytes first may bring them back: a release that was left out shows it.
        let first = matches!(before, Blocker::BytesRecalled(_)) && begins(&log.entries[more]);
        // What was not there may have been named: what names it is then about that alone.
        let named = Some(leaf_hash(&log.entries[more]));
        let resolves = chosen.iter().any(|it| names(&log.entries[*it]) == named);
        let lifted = resolves || !is_final && (first || lifts(&log.entries[more]));
        assert!(!gone || lifted, "seed {seed}: {before:?} is gone with entry {more}");
    }
}
