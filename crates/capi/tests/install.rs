//! Trust before install as C asks for it: the same decision, by number, and null, lengths and names
//! refused before it.

#[path = "../../verify/tests/common/mod.rs"]
mod common;

use common::log::TestLog;
use common::*;
use firmlog_capi::*;
use firmlog_statement::event::EventType;
use firmlog_statement::{Digest, Release, Statement, leaf_hash};
use firmlog_tlog::note::NoteSigner as _;
use std::ffi::{CString, c_char, c_void};
use std::ptr::{null, null_mut};

/// The place of a text that is not there.
static NULL: usize = 0;

/// A log in which version 3 is released, approved twice and witnessed twice.
struct Case {
    world: World,
    entries: Vec<Vec<u8>>,
    release: [u8; 32],
    remembered: Vec<Revocation>,
}

unsafe extern "C" fn remember(context: *mut c_void, what: *const Revocation) {
    // SAFETY: the test's own list, and a value that the library lends.
    unsafe { (*context.cast::<Vec<Revocation>>()).push(*what) };
}

impl Case {
    fn new() -> Self {
        let world = World::new();
        let mut entries = world.entries.clone();
        let release = world.release_as("acme.example", 3);
        let leaf = leaf_hash(&release);
        entries.extend([release, world.approval(0, leaf), world.approval(1, leaf)]);
        Self { world, entries, release: leaf, remembered: Vec::new() }
    }

    fn bundle(&self) -> Vec<u8> {
        TestLog::new(self.entries.clone()).whole().encode()
    }

    fn decide(&mut self, bundle: &[u8]) -> (Status, Decision) {
        self.decide_with(bundle, |_, _, _| 1024)
    }

    /// Asks, with what the device pins, is and knows changed; `change` tells the room for messages.
    fn decide_with(
        &mut self,
        bundle: &[u8],
        change: impl FnOnce(&mut Root, &mut Running, &mut Known) -> usize,
    ) -> (Status, Decision) {
        let log = TestLog::new(self.entries.clone());
        let text = |key: String| CString::new(key).unwrap();
        let key = text(log.log.verifier_key().to_string());
        let witnesses =
            log.witnesses.iter().map(|it| text(it.verifier_key().to_string())).collect::<Vec<_>>();
        let witnesses: Vec<*const c_char> = witnesses.iter().map(|it| it.as_ptr()).collect();
        let mut root = Root {
            log: key.as_ptr(),
            witnesses: witnesses.as_ptr(),
            witnesses_len: 2,
            genesis: leaf_hash(&self.entries[0]),
            quorum: 2,
        };
        let device = self.world.devices[0].id().0;
        let issuers = [c"other.example".as_ptr(), c"acme.example".as_ptr()];
        let mut running = Running {
            version: 2,
            model: c"ip-200".as_ptr(),
            hw_rev: null(),
            component: c"app".as_ptr(),
            issuers: issuers.as_ptr(),
            issuers_len: 2,
            device,
            counter: 1,
        };
        let mut known = Known {
            earliest_ms: 0,
            latest_ms: 0,
            size: 0,
            revocations: null(),
            revocations_len: 0,
            context: (&raw mut self.remembered).cast(),
            remember: Some(remember),
            has_latest: 0,
        };
        let mut scratch = vec![0; change(&mut root, &mut running, &mut known)];
        let image = [3; 32];
        let nothing = Target { image: Image::default(), release: [0; 32] };
        let mut decision = Decision {
            target: nothing,
            refused: Image::default(),
            size: 0,
            root: [0; 32],
            size_bytes: 0,
            index: 0,
            reason: u16::MAX,
            event: 0,
        };
        // SAFETY: all of it lives through the call.
        let status = unsafe {
            firmlog_check_install(
                &raw const root,
                &raw const running,
                &raw const known,
                image.as_ptr(),
                bundle.as_ptr(),
                bundle.len(),
                scratch.as_mut_ptr(),
                scratch.len(),
                &raw mut decision,
            )
        };
        (status, decision)
    }
}

#[test]
fn what_may_be_installed_is_named() {
    let mut case = Case::new();
    let (status, decision) = case.decide(&case.bundle());
    assert_eq!((status, decision.reason), (Status::Ok, 0));
    assert_eq!((decision.target.image.sha256, decision.target.image.version), ([3; 32], 3));
    assert_eq!((decision.target.release, decision.size_bytes), (case.release, 4096));
    assert_eq!(decision.size, case.entries.len() as u64);
}

/// INS-010 as C sees it: the reason by its number, the event to record beside it.
#[test]
fn what_may_not_be_installed_has_its_reason_and_event() {
    let mut case = Case::new();
    let bundle = case.bundle();
    let is = |found: (Status, Decision), reason: u16, event: Event| {
        assert_eq!(found.0, Status::NotInstallable);
        assert_eq!((found.1.reason, found.1.event), (reason, event as u16));
        assert_eq!(found.1.target.image.sha256, [0; 32]);
        assert_eq!(found.1.refused.sha256, [3; 32]);
    };
    let found = case.decide_with(&bundle, |_, running, _| {
        running.model = c"ip-100".as_ptr();
        1024
    });
    is(found, 9, Event::RefusedWrongModel);
    assert_eq!(found.1.size, 0, "an older tree hides nothing of it");
    let found = case.decide_with(&bundle, |_, running, _| {
        running.version = 3;
        1024
    });
    is(found, 11, Event::RefusedDowngrade);
    // INS-022: an older tree may hold an authorisation that is gone.
    let tree = case.entries.len() as u64;
    assert_eq!(found.1.size, tree);
    // INS-023: nor is the image taken from that tree, whatever a bundle leaves out.
    let image = Revocation {
        kind: FIRMLOG_REVOCATION_REFUSED,
        event: 0,
        index: tree,
        name: [3; 32],
        image: [0; 32],
    };
    assert_eq!(case.remembered, [image]);
    assert_eq!(case.knowing(&bundle, &[image]), (Status::NotInstallable, 14));
    let before = Revocation { index: tree - 1, ..image };
    assert_eq!(case.knowing(&bundle, &[before]), (Status::Ok, 0));
    let found = case.decide_with(&bundle, |_, _, known| {
        known.size = 1000;
        1024
    });
    is(found, 14, Event::VerificationFailed);
    is(case.decide_with(&bundle, |_, _, _| 40), 15, Event::VerificationFailed);
    is(case.decide(&bundle[1..]), 1, Event::RefusedBadSignature);
    let found = case.decide_with(&bundle, |_, running, _| {
        running.component = c"boot".as_ptr();
        1024
    });
    is(found, 16, Event::RefusedWrongModel);
    for none in [0, 1] {
        let found = case.decide_with(&bundle, |_, running, _| {
            running.issuers_len = none;
            1024
        });
        is(found, 17, Event::RefusedUnknownSigner);
    }
}

/// J17, INS-006: one witness is no quorum of two.
#[test]
fn ins_006_a_witness_that_is_pinned_twice_is_refused() {
    let mut case = Case::new();
    let bundle = case.bundle();
    let (status, decision) = case.decide_with(&bundle, |root, _, _| {
        // SAFETY: the test's own list of two.
        root.witnesses = unsafe { [*root.witnesses; 2] }.to_vec().leak().as_ptr();
        1024
    });
    assert_eq!((status, decision.reason), (Status::NotInstallable, 19));
    assert_eq!(decision.event, Event::VerificationFailed as u16);
}

impl Case {
    /// Says this step of the release, and where it stands.
    fn say(&mut self, event: EventType) -> u64 {
        let place = self.entries.len();
        let body = Release { release: Some(Digest(self.release)), event, ..release_body(3) };
        let key = self.world.release.clone();
        self.entries.push(sign(Statement::Release(body), "acme.example", "ip-200/app", &key));
        place as u64
    }

    fn knowing(&mut self, bundle: &[u8], list: &[Revocation]) -> (Status, u16) {
        let (status, decision) = self.decide_with(bundle, |_, _, known| {
            (known.revocations, known.revocations_len) = (list.as_ptr(), list.len());
            1024
        });
        (status, decision.reason)
    }
}

/// INS-020, INS-021: what `remember` was handed speaks against older evidence.
#[test]
fn ins_020_what_a_bundle_withdraws_is_told_to_be_remembered() {
    for (event, code) in [
        (EventType::ReleaseSuspended, 5),
        (EventType::ReleaseRecalled, 6),
        (EventType::ReleaseEndOfSupport, 7),
    ] {
        let mut case = Case::new();
        let older = case.bundle();
        let index = case.say(event);
        let (status, decision) = case.decide(&case.bundle());
        assert_eq!((status, decision.reason), (Status::NotInstallable, 8));
        let (kind, name) = (FIRMLOG_REVOCATION_RELEASE, case.release);
        let told = Revocation { kind, event: code, index, name, image: [3; 32] };
        assert_eq!(case.remembered, [told]);
        assert_eq!(case.knowing(&older, &[told]), (Status::NotInstallable, 8));
        // Another release of the same bytes was recalled: those are forbidden too.
        let other = Revocation { name: [9; 32], ..told };
        let forbidden = (Status::NotInstallable, 18);
        let wanted = if code == 6 { forbidden } else { (Status::Ok, 0) };
        assert_eq!(case.knowing(&older, &[other]), wanted);
    }
}

/// J22: a suspension is lifted by what stands after it in the log, and by nothing before it.
#[test]
fn ins_021_a_suspension_that_was_lifted_forbids_no_more() {
    let mut case = Case::new();
    let suspended = case.say(EventType::ReleaseSuspended);
    case.decide(&case.bundle());
    let told = case.remembered.clone();
    case.say(EventType::ReleasePublished);
    let lifted = case.bundle();
    assert_eq!(case.knowing(&lifted, &told), (Status::Ok, 0));
    let later = [Revocation { index: suspended + 2, ..told[0] }];
    assert_eq!(case.knowing(&lifted, &later), (Status::NotInstallable, 8));
}

/// INS-020, INS-021: a key that is compromised counts no more from its index on.
#[test]
fn ins_021_a_key_is_not_believed_from_its_index_on() {
    let mut case = Case::new();
    let older = case.bundle();
    let stolen = case.world.revoke(&case.world.release);
    let place = case.entries.len() as u64;
    case.entries.push(stolen);
    let (_, decision) = case.decide(&case.bundle());
    assert_eq!((decision.reason, decision.event), (5, Event::RefusedRevokedSigner as u16));
    let (kind, name) = (FIRMLOG_REVOCATION_KEY, case.world.release.kid().0);
    let told = Revocation { kind, event: 0, index: 0, name, image: [0; 32] };
    assert_eq!(case.remembered, [told]);
    assert_eq!(case.knowing(&older, &[told]), (Status::NotInstallable, 5));
    let since = Revocation { index: place, ..told };
    assert_eq!(case.knowing(&older, &[since]), (Status::Ok, 0));
}

/// A number that is none may forbid something: no decision is made without it.
#[test]
fn what_is_no_revocation_is_no_decision() {
    let mut case = Case::new();
    let bundle = case.bundle();
    let good = Revocation {
        kind: FIRMLOG_REVOCATION_KEY,
        event: 0,
        index: 0,
        name: [1; 32],
        image: [0; 32],
    };
    assert_eq!(case.knowing(&bundle, &[good; 200]).0, Status::Ok);
    for (kind, event) in [(0, 0), (0, 6), (1, 6), (2, 0), (2, 4), (2, 8), (2, 256 + 6), (3, 6)] {
        let list = [good, Revocation { kind, event, ..good }];
        let (status, reason) = case.knowing(&bundle, &list);
        assert_eq!((status, reason), (Status::Range, u16::MAX), "{kind} {event}");
    }
}

#[test]
fn no_altered_byte_opens_the_way() {
    let mut case = Case::new();
    let bundle = case.bundle();
    for at in (0..bundle.len()).step_by(53) {
        let mut altered = bundle.clone();
        altered[at] ^= 1;
        assert_eq!(case.decide(&altered).0, Status::NotInstallable, "byte {at}");
    }
}

#[test]
fn what_is_no_question_is_no_decision() {
    let mut case = Case::new();
    let bundle = case.bundle();
    let mut ask = |wanted: Status, change: &dyn Fn(&mut Root, &mut Running)| {
        let (status, decision) = case.decide_with(&bundle, |root, running, _| {
            change(root, running);
            1024
        });
        assert_eq!((status, decision.reason), (wanted, u16::MAX));
    };
    ask(Status::NullPointer, &|root, _| root.log = null());
    ask(Status::Key, &|root, _| root.log = c"log.example/pumps+00000000+AAAA".as_ptr());
    ask(Status::NullPointer, &|root, _| root.witnesses = null());
    ask(Status::Range, &|root, _| root.witnesses_len = FIRMLOG_WITNESSES_MAX + 1);
    ask(Status::Range, &|root, _| root.quorum = 3);
    ask(Status::NullPointer, &|_, running| running.model = null());
    ask(Status::Name, &|_, running| running.model = c"".as_ptr());
    ask(Status::Name, &|_, running| running.hw_rev = c"\n".as_ptr());
    ask(Status::NullPointer, &|_, running| running.component = null());
    ask(Status::Name, &|_, running| running.component = c"".as_ptr());
    ask(Status::NullPointer, &|_, running| running.issuers = null());
    ask(Status::Range, &|_, running| running.issuers_len = FIRMLOG_ISSUERS_MAX + 1);
    ask(Status::NullPointer, &|_, running| {
        (running.issuers, running.issuers_len) = ((&raw const NULL).cast(), 1);
    });
    // SAFETY: null is what is asked about.
    let asked = unsafe {
        firmlog_check_install(null(), null(), null(), null(), null(), 0, null_mut(), 0, null_mut())
    };
    assert_eq!(asked, Status::NullPointer);
}
