//! STM-032 as a device sees it: `cargo test -p firmlog-statement --no-default-features`
//! leaves nothing of the crate that could allocate, and an update is still made,
//! sealed, parsed and read.

use firmlog_statement::disclosure::{Commitment, Commitments, FieldId};
use firmlog_statement::event::EventType;
use firmlog_statement::time::{DeviceTime, Source, SyncState};
use firmlog_statement::*;

/// A secure element that signs everything alike.
struct Element;

impl Signer for Element {
    fn public_key(&self) -> PublicKey {
        PublicKey::P256([0x33; 64])
    }
    fn sign(&self, tbs: &[u8]) -> Result<[u8; 64], SignError> {
        if tbs.is_empty() { Err(SignError::Refused) } else { Ok([0x7e; 64]) }
    }
}

fn update() -> Update {
    let time = DeviceTime {
        utc_ms: None,
        zone_min: None,
        source: Source::None,
        sync: SyncState::Never,
        uncertainty_ms: None,
        last_sync_ms: None,
        boot_id: None,
        uptime_ms: Some(600),
        counter: Some(41),
        evidence: None,
    };
    Update {
        device: Element.public_key().thumbprint().into(),
        image: Digest([1; 32]),
        version: VersionCode(2),
        counter: SecurityCounter(3),
        outcome: Outcome::Succeeded,
        seq: Seq(4),
        prev: Digest([5; 32]),
        events: Events::new(&[Event::new(EventType::Committed, 0)]).unwrap(),
        time,
        from: None,
        to: None,
        release: None,
        authorisation: None,
        initiator: None,
        reason: None,
        transport: None,
        result: None,
        boot: None,
        checkpoint: None,
        unit: None,
        commitments: Commitments::default(),
        extra: Extra::default(),
    }
}

#[test]
fn stm_032_an_update_needs_no_allocator() {
    let mut buffer = [0; 512];
    let len = seal(&update(), "acme.example/devices", "ip-200/app", &Element, &mut buffer).unwrap();
    let parsed = Parsed::parse(&buffer[..len]).unwrap();
    assert_eq!(parsed.update(), Ok(update()));
    assert_eq!(parsed.update_head().map(|head| head.seq), Some(4));
    assert_eq!(update().entry_len("acme.example/devices", "ip-200/app"), Ok(len));
}

#[test]
fn stm_032_a_signature_that_comes_later_makes_the_same_entry() {
    let (issuer, subject) = ("acme.example/devices", "ip-200/app");
    let (mut at_once, mut later) = ([0; 512], [0; 512]);
    let sealed = seal(&update(), issuer, subject, &Element, &mut at_once).unwrap();
    let key = Element.public_key();
    let len = prepare(&update(), issuer, subject, &key, &mut later).unwrap();
    let signature = Element.sign(&later[..len]).unwrap();
    assert_eq!(complete::<Update>(&mut later, len, signature), Ok(sealed));
    assert_eq!(sealed, len + COMPLETED_BY);
    assert_eq!(later[..sealed], at_once[..sealed]);
}

#[test]
fn bytes_that_were_not_to_be_signed_make_no_entry() {
    let key = Element.public_key();
    let mut tight = [0; 512];
    let len = prepare(&update(), "a", "b", &key, &mut tight).unwrap();
    let short = &mut { tight }[..len + COMPLETED_BY - 1];
    assert_eq!(complete::<Update>(short, len, [0x7e; 64]), Err(StatementError::BufferTooSmall));
    for cut in 0..len {
        assert!(complete::<Update>(&mut { tight }, cut, [0x7e; 64]).is_err(), "cut at {cut}");
    }
    assert_eq!(
        complete::<Update>(&mut { tight }, 5, [0x7e; 64]),
        Err(StatementError::NotCoseSign1)
    );
    let beyond = complete::<Update>(&mut tight, 513, [0x7e; 64]);
    assert_eq!(beyond, Err(StatementError::BufferTooSmall));
}

#[test]
fn stm_032_a_brief_has_the_bytes_of_its_update() {
    let events = [Event::new(EventType::Installed, 7), Event::new(EventType::LogWrap, 0)];
    let result = UpdateResult {
        phase: Phase::Install,
        error: Some(3),
        attempts: Some(2),
        duration_ms: Some(900),
        power: Some(PowerState::Battery),
        test: None,
    };
    let initiator =
        Initiator { kind: InitiatorKind::Person, subject: None, role: None, organisation: None };
    let reason =
        Reason { code: ReasonCode::SecurityFix, clinical: None, campaign: None, policy: None };
    let checkpoint = CheckpointSeen { size: 12, root: Digest([6; 32]) };
    let unit = Unit {
        manufacturer: None,
        model: None,
        hw_rev: None,
        udi_di: None,
        journal: None,
        dropped: Some(5),
        dropped_root: Some(Digest([8; 32])),
        lost_from: Some(2),
    };
    let full = Update {
        events: Events::new(&events).unwrap(),
        release: Some(Digest([9; 32])),
        initiator: Some(initiator.clone()),
        reason: Some(reason.clone()),
        result: Some(result.clone()),
        checkpoint: Some(checkpoint.clone()),
        unit: Some(unit),
        commitments: Commitments::new(&[Commitment::new(FieldId::Site, &[1; 16], "Ward 3")])
            .unwrap(),
        ..update()
    };
    for (full, whole) in [(full, true), (update(), false)] {
        let lost = usize::from(whole);
        let steps: Vec<Step> = full.events[..full.events.len() - lost].iter().map(step).collect();
        let brief = Brief {
            device: &full.device,
            image: &full.image.0,
            version: full.version,
            counter: full.counter,
            outcome: full.outcome,
            seq: full.seq,
            prev: &full.prev.0,
            steps: &steps,
            time: &full.time,
            release: full.release.as_ref().map(|release| &release.0),
            initiator: whole.then_some(&initiator),
            reason: whole.then_some(&reason),
            result: whole.then_some(&result),
            checkpoint: whole.then_some(&checkpoint),
            dropped: whole.then_some((5, &[8; 32])),
            commitments: Some(&full.commitments),
            lost_from: whole.then_some(2),
        };
        let (mut one, mut other) = ([0; 640], [0; 640]);
        let names = ("acme.example/devices", "ip-200/app");
        let len = seal(&full, names.0, names.1, &Element, &mut one).unwrap();
        let entry = brief.seal(names.0, names.1, &Element, &mut other).unwrap();
        assert_eq!(entry.bytes(), &one[..len]);
        assert_eq!(Ok(entry), ChainEntry::parse(&one[..len]));
    }
    let one = update();
    let none = Brief {
        device: &one.device,
        image: &[0; 32],
        version: VersionCode(0),
        counter: SecurityCounter(0),
        outcome: Outcome::State,
        seq: Seq(0),
        prev: &[0; 32],
        steps: &[],
        time: &one.time,
        release: None,
        initiator: None,
        reason: None,
        result: None,
        checkpoint: None,
        dropped: None,
        commitments: None,
        lost_from: None,
    };
    let heartbeat = step(&Event::new(EventType::InstalledState, 5));
    let before = Step { at_ms: heartbeat.at_ms - 1, ..heartbeat };
    let not_its = step(&Event::new(EventType::ReleaseApproved, 0));
    for (steps, expected) in [
        (&[][..], StatementError::EventsMissing),
        (&[heartbeat; 17], StatementError::TooManyItems),
        (&[heartbeat, before], StatementError::EventTimesDescend),
        (&[not_its], StatementError::EventNotForKind),
    ] {
        let brief = Brief { steps, ..none };
        let mut buffer = [0; 640];
        let refused = brief.seal("acme.example/devices", "ip-200/app", &Element, &mut buffer);
        assert_eq!(refused, Err(SignError::Statement(expected)));
    }
}

/// As it waited, by the clock of [`update`].
fn step(event: &Event) -> Step {
    let Event { kind, ago_ms, code, count, image } = *event;
    Step { kind, at_ms: 600 - ago_ms, code, count, image: image.map(|image| image.0) }
}
