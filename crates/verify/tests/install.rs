//! What a device makes of a bundle in place, and that it is what everybody else makes of it.

mod common;

use common::log::{Named, TestLog};
use common::*;
use firmlog_statement::disclosure::Commitments;
use firmlog_statement::event::EventType;
use firmlog_statement::{
    Authorisation, DeviceId, Digest, Extra, Meaning, Release, Role, Statement, TrustAction,
    VersionCode, leaf_hash,
};
use firmlog_tlog::merkle::{Hash, LeafIndex};
use firmlog_tlog::note::{Algorithm, VerifierKey};
use firmlog_verify::bundle::{Anchor, Bundle};
use firmlog_verify::install::{
    Evidence, Installable, Known, Reason, Revocation, Root, Running, is_well_formed,
};
use firmlog_verify::{RustCrypto, verify_release};
use sha2::{Digest as _, Sha256};

const NOW_MS: u64 = 1_790_000_000_000;

/// A world in which device 0 runs version 2 and is offered version 3.
struct Case {
    world: World,
    entries: Vec<Vec<u8>>,
    release: [u8; 32],
}

impl Case {
    fn new() -> Self {
        let world = World::new();
        let mut entries = world.entries.clone();
        let release = world.release_as("acme.example", 3);
        let leaf = leaf_hash(&release);
        entries.extend([release, world.approval(0, leaf), world.approval(1, leaf)]);
        Self { world, entries, release: leaf }
    }

    /// With one more statement.
    fn and(mut self, entry: Vec<u8>) -> Self {
        self.entries.push(entry);
        self
    }

    fn log(&self) -> TestLog {
        TestLog::new(self.entries.clone())
    }

    fn running(&self) -> Running<'static> {
        let device = self.world.devices[0].id();
        Running {
            device,
            model: "ip-200",
            hw_rev: None,
            component: "app",
            issuers: &["acme.example"],
            version: 2,
            counter: 1,
        }
    }

    fn decide(&self) -> Result<Installable, Reason> {
        self.decide_as(&self.running(), &Known::default())
    }

    fn decide_as(&self, running: &Running, known: &Known) -> Result<Installable, Reason> {
        let log = self.log();
        both(&log, &log.whole(), &[3; 32], running, known)
    }

    fn lets_back(&self, change: impl FnOnce(&mut Authorisation)) -> Vec<u8> {
        let mut body = Authorisation {
            image: None,
            event: EventType::UpdateAuthorised,
            time: time(),
            release: Digest(self.release),
            authorisation: None,
            reason: None,
            commitments: Commitments::default(),
            esig: esig(&self.world.approvers[1]),
            devices: vec![self.world.devices[0].id()],
            models: vec![],
            from_ms: None,
            until_ms: None,
            downgrade: Some(true),
            log_before_install: None,
            over_version: None,
            extra: Extra::default(),
        };
        change(&mut body);
        sign(Statement::Authorisation(body), "acme.example/field", "ip-200/app", &authoriser())
    }

    /// The same with somebody who may let devices go back.
    fn with_authoriser(self) -> Self {
        let enrol = enrol(&authoriser(), "acme.example/field", Role::Authoriser, None);
        let entry = self.world.trust(TrustAction::Enrol(enrol));
        self.and(entry)
    }
}

fn authoriser() -> Key {
    Key::p256(50)
}

fn later(case: &Case, event: EventType) -> Vec<u8> {
    let body = Release { release: Some(Digest(case.release)), event, ..release_body(3) };
    sign(Statement::Release(body), "acme.example", "ip-200/app", &case.world.release)
}

/// A device in place, with just enough memory, and everybody else: the same answer.
fn both(
    log: &TestLog,
    bundle: &Bundle,
    image: &[u8; 32],
    running: &Running,
    known: &Known,
) -> Result<Installable, Reason> {
    let root = log.root("both");
    let whole = verify_release(bundle, &root, &RustCrypto, image, running, known);
    let whole = whole.map(|it| it.into_inner());
    let device = in_place(log, &bundle.encode(), image, running, known);
    assert_eq!(device, whole);
    whole
}

fn keys(log: &TestLog) -> (VerifierKey, [VerifierKey; 2]) {
    use firmlog_tlog::note::NoteSigner as _;
    (*log.log.verifier_key(), [0, 1].map(|n| *log.witnesses[n].verifier_key()))
}

fn in_place(
    log: &TestLog,
    bundle: &[u8],
    image: &[u8; 32],
    running: &Running,
    known: &Known,
) -> Result<Installable, Reason> {
    let (key, witnesses) = keys(log);
    let genesis = Hash(leaf_hash(&log.entries[0]));
    let root = Root { genesis, log: &key, witnesses: &witnesses, quorum: 2 };
    let evidence = Evidence::verify(bundle, &root, &RustCrypto, &mut [0; 1024])?;
    evidence.installable(image, running, known).map(|it| it.into_inner())
}

/// INS-001: both ways, from the one bundle.
#[test]
fn ins_001_what_is_approved_witnessed_and_newer_is_installed() {
    let case = Case::new();
    let installed = case.decide().expect("installs");
    assert_eq!((installed.version, installed.counter, installed.approvers), (3, 1, 2));
    assert_eq!(
        (installed.release.0, installed.image, installed.size_bytes),
        (case.release, [3; 32], 4096)
    );
    assert_eq!(installed.authorisation, None);
}

/// INS-010: each thing that may speak against it, by name.
#[test]
fn ins_010_each_reason_by_name() {
    let case = Case::new();
    let now = case.running();
    let known = Known::default();
    let refused = |running: Running| case.decide_as(&running, &known);
    assert_eq!(refused(Running { version: 3, ..now }), Err(Reason::Downgrade));
    assert_eq!(refused(Running { counter: 2, ..now }), Err(Reason::CounterWentBack));
    assert_eq!(refused(Running { model: "ip-300", ..now }), Err(Reason::WrongModel));
    assert_eq!(refused(Running { component: "boot", ..now }), Err(Reason::WrongComponent));
    assert_eq!(refused(Running { issuers: &["other.example"], ..now }), Err(Reason::WrongIssuer));
    assert_eq!(refused(Running { issuers: &[], ..now }), Err(Reason::WrongIssuer));
    // J19: of a log of the same name, which nobody altered.
    let mut twin = case.log();
    twin.log = Named::new(99, ORIGIN, Algorithm::Ed25519);
    let other = both(&case.log(), &twin.whole(), &[3; 32], &now, &known);
    assert_eq!(other, Err(Reason::EvidenceIncomplete));
    let log = case.log();
    let found = |bundle: &Bundle, image| both(&log, bundle, image, &now, &known);
    assert_eq!(found(&log.whole(), &[8; 32]), Err(Reason::ReleaseNotFound));
    assert_eq!(found(&log.bundle(&[0, 4, 5]), &[3; 32]), Err(Reason::ApprovalsMissing));
    let size = log.entries.len();
    let mut bundle = log.whole();
    bundle.checkpoints[1] = log.checkpoint(size, 1);
    assert_eq!(found(&bundle, &[3; 32]), Err(Reason::NotWitnessed));
    // A key that nobody enrolled, as far as this bundle tells.
    assert_eq!(found(&log.bundle(&[4, 5, 6]), &[3; 32]), Err(Reason::EvidenceIncomplete));
    assert_eq!(Reason::Downgrade.event(), EventType::RefusedDowngrade);
}

/// INS-010: the table in the specification is the one of the code.
#[test]
fn ins_010_the_specification_names_each_reason_and_its_event() {
    use Reason as R;
    let spec = include_str!("../../../docs/spec/install.md");
    let rows: Vec<&str> = spec.lines().filter(|line| line.ends_with("` |")).collect();
    let reasons = [
        R::EvidenceAltered,
        R::EvidenceIncomplete,
        R::ReleaseNotFound,
        R::NotWitnessed,
        R::SignerRevoked,
        R::ApprovalsMissing,
        R::Rejected,
        R::Withdrawn,
        R::WrongModel,
        R::WrongHardware,
        R::Downgrade,
        R::CounterWentBack,
        R::NotPublished,
        R::EvidenceStale,
        R::ScratchTooSmall,
        R::WrongComponent,
        R::WrongIssuer,
        R::BytesRecalled,
        R::WitnessTwice,
        R::DowngradeNotNow,
    ];
    assert_eq!(rows.len(), reasons.len());
    for (row, reason) in rows.iter().zip(reasons) {
        assert!(row.starts_with(&format!("| {} | ", reason.code())), "{reason}: {row}");
        assert!(row.ends_with(&format!("| `{}` |", reason.event())), "{reason}: {row}");
    }
}

/// INS-010, INS-011: what was said later.
#[test]
fn ins_011_later_words_count() {
    let story = Case::new;
    let cases = [
        (story().world.opinion(0, story().release, Meaning::Rejection), Reason::Rejected),
        (later(&story(), EventType::ReleaseRecalled), Reason::Withdrawn),
        (later(&story(), EventType::ReleaseSuspended), Reason::Withdrawn),
        (later(&story(), EventType::ReleaseEndOfSupport), Reason::Withdrawn),
        (story().world.revoke(&story().world.release), Reason::SignerRevoked),
        (story().world.revoke(&story().world.approvers[0]), Reason::ApprovalsMissing),
    ];
    for (entry, reason) in cases {
        assert_eq!(story().and(entry).decide(), Err(reason), "{reason}");
    }
    // Suspended, and offered again.
    let case = story();
    let (stop, go) =
        (later(&case, EventType::ReleaseSuspended), later(&case, EventType::ReleasePublished));
    assert!(case.and(stop).and(go).decide().is_ok());
}

/// STA-010: an issuer counts once, and never for its own release.
#[test]
fn sta_010_one_issuer_with_two_keys_is_one_approver() {
    let world = World::new();
    let release = world.release_as("acme.example", 3);
    let leaf = leaf_hash(&release);
    let newer = Key::p256(33);
    let rotated = world.rotate(&world.approvers[0], &newer);
    let again = world.opinion_by(&newer, 0, leaf, Meaning::Approval);
    let said = [release, world.approval(0, leaf), rotated, again.clone()];
    let entries = world.entries.iter().cloned().chain(said).collect();
    let case = Case { world: World::new(), entries, release: leaf };
    assert_eq!(case.decide(), Err(Reason::ApprovalsMissing));
    let second = case.world.approval(1, leaf);
    assert!(case.and(second).decide().is_ok(), "a key that was rotated in approves like any other");
}

/// INS-013: only its own authorisation lets a device go back, and no counter ever does.
#[test]
fn ins_013_a_downgrade_needs_its_own_authorisation() {
    let case = || Case::new().with_authoriser();
    let newer = Running { version: 9, ..case().running() };
    let at = Known { earliest_ms: NOW_MS, latest_ms: Some(NOW_MS + 1000), ..Known::default() };
    let decide = |change: fn(&mut Authorisation), running: &Running, known: &Known| {
        let word = case().lets_back(change);
        let case = case().and(word);
        case.decide_as(running, known).map(|it| it.authorisation.is_some())
    };
    assert_eq!(decide(|_| {}, &newer, &Known::default()), Ok(true));
    let refused = Err(Reason::Downgrade);
    assert_eq!(decide(|it| it.downgrade = None, &newer, &at), refused);
    assert_eq!(decide(|it| it.devices = vec![DeviceId([7; 32])], &newer, &at), refused);
    assert_eq!(decide(|it| it.models = vec!["ip-300".into()], &newer, &at), refused);
    assert_eq!(decide(|it| it.models = vec!["ip-200".into()], &newer, &at), Ok(true));
    let not_now = Err(Reason::DowngradeNotNow);
    assert_eq!(decide(|it| it.over_version = Some(VersionCode(10)), &newer, &at), not_now);
    assert_eq!(decide(|it| it.over_version = Some(VersionCode(9)), &newer, &at), Ok(true));
    // Limits of time hold if the device knows the time well enough.
    assert_eq!(decide(|it| it.until_ms = Some(NOW_MS + 1000), &newer, &at), Ok(true));
    assert_eq!(decide(|it| it.until_ms = Some(NOW_MS + 999), &newer, &at), not_now);
    assert_eq!(decide(|it| it.until_ms = Some(u64::MAX), &newer, &Known::default()), not_now);
    assert_eq!(decide(|it| it.from_ms = Some(NOW_MS), &newer, &at), Ok(true));
    assert_eq!(decide(|it| it.from_ms = Some(NOW_MS + 1), &newer, &at), not_now);
    let back = Running { counter: 2, ..newer };
    assert_eq!(decide(|_| {}, &back, &at), Err(Reason::CounterWentBack));
    // Taken back, and by nothing else than by what says so: a withdrawal of this one or of all.
    let first = case().lets_back(|_| {});
    let own = Some(Digest(leaf_hash(&first)));
    let (no, strange) = (EventType::AuthorisationRevoked, Some(Digest([9; 32])));
    let rows = [
        (no, None, false),
        (no, own, false),
        (no, strange, true),
        (EventType::UpdateAuthorised, None, true),
        (EventType::UpdateAuthorised, own, false),
        (EventType::UpdateAuthorised, strange, true),
    ];
    for (event, named, stays) in rows {
        // About another device, so that it is only asked what it does to the first.
        let later = case().lets_back(|it| {
            (it.event, it.authorisation, it.devices) = (event, named, vec![DeviceId([7; 32])]);
        });
        let decided = case().and(first.clone()).and(later).decide_as(&newer, &at);
        let expected = if stays { Ok(true) } else { refused };
        assert_eq!(decided.map(|_| true), expected, "{event:?} of {named:?}");
    }
}

/// INS-014: hardware revisions.
#[test]
fn ins_014_a_release_for_some_hardware_is_for_no_other() {
    let world = World::new();
    let body = Release { hw_revs: vec!["b".into(), "c".into()], ..release_body(3) };
    let release = sign(Statement::Release(body), "acme.example", "ip-200/app", &world.release);
    let leaf = leaf_hash(&release);
    let mut entries = world.entries.clone();
    entries.extend([release, world.approval(0, leaf), world.approval(1, leaf)]);
    let case = Case { world, entries, release: leaf };
    let with = |hw_rev| case.decide_as(&Running { hw_rev, ..case.running() }, &Known::default());
    assert_eq!(with(Some("c")).map(|it| it.version), Ok(3));
    assert_eq!(with(Some("a")), Err(Reason::WrongHardware));
    assert_eq!(with(None), Err(Reason::WrongHardware));
}

/// INS-020, INS-021: what a device learns from one bundle, another bundle cannot hide.
#[test]
fn ins_020_revocations_are_learnt_and_hold() {
    let case = Case::new();
    let recall = later(&case, EventType::ReleaseRecalled);
    let revoke = case.world.revoke(&case.world.approvers[1]);
    let told = Case::new().and(recall).and(revoke).log();
    let (key, witnesses) = keys(&told);
    let genesis = Hash(leaf_hash(&told.entries[0]));
    let root = Root { genesis, log: &key, witnesses: &witnesses, quorum: 2 };
    let bytes = told.whole().encode();
    let evidence =
        Evidence::verify(&bytes, &root, &RustCrypto, &mut [0; 1024]).expect("sound evidence");
    let mut learnt = Vec::new();
    evidence.revocations(|it| learnt.push(it));
    let (release, approver) = (Hash(case.release), case.world.approvers[1].kid());
    let event = EventType::ReleaseRecalled;
    let recalled = Revocation::Release { release, image: [3; 32], event, index: LeafIndex(7) };
    let stolen = Revocation::Key { kid: approver, from: LeafIndex(0) };
    assert_eq!(learnt, [stolen, recalled]);
    // The bundle of before, which does not show them.
    let now = case.running();
    let refused = |known: Known| case.decide_as(&now, &known).map(|it| it.version);
    let known = Known { revocations: &[recalled], ..Known::default() };
    assert_eq!(refused(known), Err(Reason::Withdrawn));
    let known = Known { revocations: &[stolen], ..Known::default() };
    assert_eq!(refused(known), Err(Reason::ApprovalsMissing));
    let size = case.entries.len() as u64;
    assert_eq!(refused(Known { size, ..Known::default() }), Ok(3));
    let known = Known { size: size + 1, ..Known::default() };
    assert_eq!(refused(known), Err(Reason::EvidenceStale));
}

/// INS-020: what is remembered forbids the release that it names, and where that was recalled its
/// bytes: no other image, and not the same bytes under another release because one came to its end.
#[test]
fn ins_020_what_is_remembered_forbids_no_more_than_it_says() {
    use EventType::{ReleaseEndOfSupport, ReleaseRecalled, ReleaseSuspended};
    let case = Case::new();
    let of = |release, image, event| {
        [Revocation::Release { release, image, event, index: LeafIndex(5) }]
    };
    let decide = |case: &Case, remembered: &[Revocation]| {
        let known = Known { revocations: remembered, ..Known::default() };
        case.decide_as(&case.running(), &known).map(|it| it.version)
    };
    let other = Hash([7; 32]);
    assert_eq!(decide(&case, &of(other, [4; 32], ReleaseRecalled)), Ok(3));
    for event in [ReleaseSuspended, ReleaseEndOfSupport] {
        assert_eq!(decide(&case, &of(other, [3; 32], event)), Ok(3), "{event:?}");
    }
    assert!(decide(&case, &of(other, [3; 32], ReleaseRecalled)).is_err());
    // Another release of the same bytes.
    let first = Hash(case.release);
    let second = case.world.release_as("acme.example", 4);
    let leaf = leaf_hash(&second);
    let approvals = [case.world.approval(0, leaf), case.world.approval(1, leaf)];
    let both = approvals.into_iter().fold(Case::new().and(second), Case::and);
    for event in [ReleaseSuspended, ReleaseEndOfSupport] {
        assert_eq!(decide(&both, &of(first, [3; 32], event)), Ok(4), "{event:?}");
    }
    assert!(decide(&both, &of(first, [3; 32], ReleaseRecalled)).is_err());
}

/// INS-002: any one bit changed, with the checksum put right again: refused, or nothing that the
/// decision rests on.
#[test]
fn ins_002_no_flipped_bit_installs_anything_else() {
    let case = Case::new();
    let log = case.log();
    let mut bundle = log.bundle(&[0, 4, 5, 6]);
    bundle.anchors.push(Anchor { kind: 77, checkpoint: 1, evidence: vec![1, 2, 3] });
    let bytes = bundle.encode();
    let (now, known) = (case.running(), Known::default());
    let good = in_place(&log, &bytes, &[3; 32], &now, &known).expect("installs");
    let body = bytes.len() - 32;
    let mut unmoved = 0;
    for bit in 0..body * 8 {
        let mut spoiled = bytes.clone();
        spoiled[bit / 8] ^= 1 << (bit % 8);
        let unsealed = in_place(&log, &spoiled, &[3; 32], &now, &known);
        assert_eq!(unsealed, Err(Reason::EvidenceAltered), "bit {bit}");
        seal(&mut spoiled);
        if let Ok(other) = in_place(&log, &spoiled, &[3; 32], &now, &known) {
            assert_eq!(other, good, "bit {bit}");
            unmoved += 1;
        }
    }
    // The older checkpoint with its proof, and the anchor, are not looked at by a device.
    let ignored: usize = bundle.checkpoints[0].len() + 3 + 32 * bundle.consistency[0].len();
    assert!(unmoved > 0 && unmoved <= ignored * 8 + 64, "{unmoved} bits of {ignored} bytes");
}

fn seal(bytes: &mut [u8]) {
    let (body, sum) = bytes.split_last_chunk_mut::<32>().unwrap();
    *sum = Sha256::digest(body).into();
}

/// INS-003: what is a bundle is decided alike, whatever is changed in one.
#[test]
fn ins_003_one_shape_for_both_readers() {
    let log = Case::new().log();
    let mut bundle = log.whole();
    bundle.disclosures = vec![vec![1, 2], vec![1, 3]];
    bundle.anchors.push(Anchor { kind: 1, checkpoint: 0, evidence: vec![9] });
    let bytes = bundle.encode();
    assert!(is_well_formed(&bytes));
    let (mut state, mut agreed) = (1_u64, [0_u32; 2]);
    for _ in 0..20_000 {
        let mut other = bytes.clone();
        for _ in 0..=state % 3 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % (other.len() - 32);
            match state >> 62 {
                0 => other[at] = (state >> 20) as u8,
                1 => other[at] ^= 1 << ((state >> 20) % 8),
                2 => drop(other.remove(at)),
                _ => other.insert(at, (state >> 20) as u8),
            }
        }
        seal(&mut other);
        let known = Bundle::parse(&other).is_ok();
        assert_eq!(is_well_formed(&other), known);
        agreed[usize::from(known)] += 1;
    }
    assert!(agreed.iter().all(|count| *count > 100), "{agreed:?}");
}

/// INS-004: too little memory is said, and nothing is installed.
#[test]
fn ins_004_a_short_buffer_is_told() {
    let case = Case::new();
    let log = case.log();
    let (key, witnesses) = keys(&log);
    let genesis = Hash(leaf_hash(&log.entries[0]));
    let root = Root { genesis, log: &key, witnesses: &witnesses, quorum: 2 };
    let bytes = log.whole().encode();
    let longest = log.entries.iter().map(Vec::len).max().unwrap();
    let with =
        |len: usize| Evidence::verify(&bytes, &root, &RustCrypto, &mut vec![0; len]).map(|_| ());
    assert_eq!(with(longest), Ok(()), "the longest statement fits");
    for len in [0, 100, 300] {
        assert_eq!(with(len), Err(Reason::ScratchTooSmall), "{len}");
    }
}

/// INS-005: entries of roles and issuers that may not say so are no evidence.
#[test]
fn ins_005_what_a_log_should_not_have_taken_is_altered() {
    let case = Case::new;
    let stranger = release(&case().world.approvers[0], &person(0), 4);
    let alias = release(&case().world.release, "acme.example/other", 4);
    let again = enrol(&case().world.release, "acme.example/other", Role::Manufacturer, None);
    let twice = case().world.trust(TrustAction::Enrol(again));
    let mut forged = case().world.approval(0, case().release);
    *forged.last_mut().unwrap() ^= 1;
    for entry in [stranger, alias, twice, forged, case().entries[0].clone()] {
        assert_eq!(case().and(entry).decide(), Err(Reason::EvidenceAltered));
    }
    // Said with a key after it was revoked.
    let revoked = case().world.revoke(&case().world.release);
    let after = case().world.release_as("acme.example", 5);
    assert_eq!(case().and(revoked).and(after).decide(), Err(Reason::EvidenceAltered));
    let nobody = release(&Key::p256(77), "acme.example", 4);
    assert_eq!(case().and(nobody).decide(), Err(Reason::EvidenceIncomplete));
}
