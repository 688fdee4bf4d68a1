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

/// A log in which version 3 is released, approved twice and witnessed twice.
struct Case {
    world: World,
    entries: Vec<Vec<u8>>,
    release: [u8; 32],
    remembered: Vec<(u8, [u8; 32])>,
}

unsafe extern "C" fn remember(context: *mut c_void, kind: u8, what: *const u8) {
    // SAFETY: the test's own list, and 32 bytes that the library lends.
    unsafe { (*context.cast::<Vec<(u8, [u8; 32])>>()).push((kind, *what.cast())) };
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
        let (model, hw_rev) = (c"ip-200".as_ptr(), null());
        let mut running = Running { version: 2, model, hw_rev, device, counter: 1 };
        let mut known = Known {
            earliest_ms: 0,
            latest_ms: 0,
            size: 0,
            revoked: null(),
            revoked_len: 0,
            withdrawn: null(),
            withdrawn_len: 0,
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
    let found = case.decide_with(&bundle, |_, running, _| {
        running.version = 3;
        1024
    });
    is(found, 11, Event::RefusedDowngrade);
    let found = case.decide_with(&bundle, |_, _, known| {
        known.size = 1000;
        1024
    });
    is(found, 14, Event::VerificationFailed);
    is(case.decide_with(&bundle, |_, _, _| 40), 15, Event::VerificationFailed);
    is(case.decide(&bundle[1..]), 1, Event::RefusedBadSignature);
    let withdrawn = case.release;
    let found = case.decide_with(&bundle, |_, _, known| {
        (known.withdrawn, known.withdrawn_len) = (withdrawn.as_ptr(), 1);
        1024
    });
    is(found, 8, Event::RefusedNotAuthorised);
}

#[test]
fn ins_020_what_a_bundle_withdraws_is_told_to_be_remembered() {
    let mut case = Case::new();
    let event = EventType::ReleaseSuspended;
    let body = Release { release: Some(Digest(case.release)), event, ..release_body(3) };
    let key = case.world.release.clone();
    case.entries.push(sign(Statement::Release(body), "acme.example", "ip-200/app", &key));
    let (status, decision) = case.decide(&case.bundle());
    assert_eq!((status, decision.reason), (Status::NotInstallable, 8));
    assert_eq!(case.remembered, [(2, case.release)]);
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
    // SAFETY: null is what is asked about.
    let asked = unsafe {
        firmlog_check_install(null(), null(), null(), null(), null(), 0, null_mut(), 0, null_mut())
    };
    assert_eq!(asked, Status::NullPointer);
}
