//! What `Trust` statements are let in, and what they change.

use firmlog_statement::{
    DeviceId, Enrol, Genesis, Meaning, Parsed, PolicyChange, PublicKey, Registration, RevokeReason,
    Role, Rotate, Signer as _, TrustAction, leaf_hash,
};
use firmlog_verify::registry::{Decision, Refusal, Registry, Rules};

use crate::common::*;
use crate::{submit, world};

const ADMIN: &str = "acme.example/admin";

/// A genesis with these keys, signed by the key of this number under this name.
fn genesis(keys: Vec<Enrol>, by: u8, issuer: &str) -> Vec<u8> {
    let action = TrustAction::Genesis(Genesis {
        origin: ORIGIN.into(),
        log_keys: vec![],
        registration: Registration::Signed,
        approvals: 1,
        keys,
        policy: None,
    });
    sign(trust(action), issuer, "log", &Key::p256(by))
}

fn holder(key: u8, issuer: &str, role: Role) -> Enrol {
    enrol(&Key::p256(key), issuer, role, None)
}

/// For these issuers by name.
fn scoped(it: Enrol, issuers: &[&str]) -> Enrol {
    Enrol { issuers: issuers.iter().map(|it| (*it).to_owned()).collect(), ..it }
}

/// A genesis is signed by the administrator it names first, and no rule of enrolment is broken
/// within it.
#[test]
fn a_log_begins_with_a_sound_genesis_only() {
    use Refusal::*;
    use Role::{Admin, Approver, Authoriser, Manufacturer};
    let admin = || holder(1, ADMIN, Admin);
    let build = |key, issuer| holder(key, issuer, Manufacturer);
    let two = || vec![admin(), build(2, "acme.example"), build(3, "zeta.example")];
    let with = |mut keys: Vec<Enrol>, more: Enrol| {
        keys.push(more);
        genesis(keys, 1, ADMIN)
    };
    let quality = |role| holder(4, "quality.example", role);
    let rows = [
        (genesis(vec![admin()], 1, ADMIN), None),
        (genesis(vec![admin()], 2, ADMIN), Some(GenesisSelfSigned)),
        (genesis(vec![admin()], 1, "acme.example"), Some(GenesisSelfSigned)),
        (genesis(vec![admin(), holder(2, ADMIN, Admin)], 2, ADMIN), Some(GenesisSelfSigned)),
        (with(vec![admin()], admin()), Some(KeyAlreadyEnrolled)),
        (with(two(), holder(4, "acme.example", Approver)), Some(IssuerJudgesItself)),
        (with(two(), quality(Approver)), Some(ScopeMissing)),
        (with(two(), quality(Authoriser)), Some(ScopeMissing)),
        (with(two(), scoped(quality(Approver), &["acme.example"])), None),
        (with(two(), quality(Role::Auditor)), None),
        (with(vec![admin(), build(2, "acme.example")], quality(Approver)), None),
        (with(vec![admin(), build(2, "acme.example")], build(3, "acme.example")), None),
    ];
    for (n, (entry, refusal)) in rows.iter().enumerate() {
        let mut registry = Registry::new();
        let answer = submit(&mut registry, entry, 0);
        assert_eq!(answer, refusal.map_or(Ok(Decision::Append), Err), "row {n}");
        assert_eq!(registry.has_genesis(), refusal.is_none(), "row {n}");
    }
    // The same for who asks only whether it can be applied.
    let judged = |entry: &[u8]| Registry::new().judge_trust(&Parsed::parse(entry).unwrap());
    assert_eq!(judged(&genesis(vec![admin()], 2, ADMIN)), Err(GenesisSelfSigned));
    assert_eq!(judged(&World::new().entries[1]), Err(GenesisMissing));
}

/// A policy changes what it names, and leaves the rest as it was.
#[test]
fn a_policy_changes_what_it_names() {
    let (world, mut registry) = world();
    let none = PolicyChange { registration: None, approvals: None, log_keys: vec![], policy: None };
    let mut rules =
        Rules { origin: ORIGIN.into(), log_keys: vec![], any_bytes: false, approvals: 2 };
    assert_eq!(registry.rules, rules);
    let mut change = |change: PolicyChange, rules: &Rules| {
        let entry = world.trust(TrustAction::Policy(change));
        assert_eq!(submit(&mut registry, &entry, 9), Ok(Decision::Append));
        assert_eq!(registry.rules, *rules);
    };
    let key = "log.example+1+key".to_owned();
    rules.approvals = 0;
    change(PolicyChange { approvals: Some(0), ..none.clone() }, &rules);
    rules.any_bytes = true;
    change(PolicyChange { registration: Some(Registration::Any), ..none.clone() }, &rules);
    rules.log_keys = vec![key.clone()];
    change(PolicyChange { log_keys: vec![key], ..none.clone() }, &rules);
    rules.approvals = 3;
    change(PolicyChange { approvals: Some(3), ..none.clone() }, &rules);
    rules.any_bytes = false;
    change(PolicyChange { registration: Some(Registration::Signed), ..none }, &rules);
}

/// A key is rotated or revoked while it is current, for the device that is named; that an ended
/// one was stolen may be found later, and one administrator stays.
#[test]
fn a_key_is_ended_once_and_found_stolen_at_any_time() {
    use Refusal::*;
    use RevokeReason::{Compromised, Retired};
    let (world, mut registry) = world();
    let [a, b, c] = [0, 1, 2].map(|n| &world.devices[n].key);
    let rotate = |old: &Key, device: Option<DeviceId>, new: u8| {
        let new: PublicKey = Key::p256(new).public_key();
        world.trust(TrustAction::Rotate(Rotate { old: old.kid(), new, device }))
    };
    let [first, second] = [&world.devices[0], &world.devices[1]].map(|it| Some(it.id()));
    let unknown = Key::p256(99);
    let second_admin = world.trust(TrustAction::Enrol(holder(60, ADMIN, Role::Admin)));
    let rows = [
        (rotate(&unknown, None, 50), Some(KeyUnknown)),
        (rotate(a, second, 50), Some(DeviceMismatch)),
        (rotate(a, first, 50), None),
        (rotate(a, first, 51), Some(KeyRotated)),
        (world.revoke_as(a, Retired, None), Some(KeyRotated)),
        (world.revoke_as(b, Retired, None), None),
        (rotate(b, None, 51), Some(KeyRevoked)),
        (world.revoke_as(b, Retired, Some(1)), Some(KeyRevoked)),
        (world.revoke_as(&unknown, Compromised, None), Some(KeyUnknown)),
        (world.revoke_as(a, Compromised, None), None),
        (world.revoke_as(b, Compromised, None), None),
        (world.revoke_as(b, Compromised, Some(1)), None),
        (world.revoke_as(b, Retired, Some(2)), Some(KeyRevoked)),
        (rotate(c, None, 51), None),
        (rotate(&Key::p256(51), None, 52), None),
        (world.revoke_as(&world.admin, Compromised, None), Some(LastAdmin)),
        (second_admin, None),
        (world.revoke_as(&Key::p256(60), Retired, None), None),
        (world.revoke_as(&world.admin, Retired, None), Some(LastAdmin)),
    ];
    for (n, (entry, refusal)) in rows.iter().enumerate() {
        // A log asks this before it appends.
        let judged = registry.judge_trust(&Parsed::parse(entry).unwrap());
        assert_eq!(judged.err(), *refusal, "row {n}");
        let answer = submit(&mut registry, entry, 20 + n as u64);
        assert_eq!(answer, refusal.map_or(Ok(Decision::Append), Err), "row {n}");
    }
}

/// STA-012: who was enrolled without issuers judges for the first manufacturer and for no other,
/// and who was enrolled with some, for these.
#[test]
fn sta_012_who_names_no_issuer_judges_for_the_first_manufacturer() {
    let (world, mut registry) = world();
    let zeta = Key::p256(70);
    let second = enrol(&zeta, "zeta.example", Role::Manufacturer, None);
    submit(&mut registry, &world.trust(TrustAction::Enrol(second)), 9).unwrap();
    let both = Key::p256(71);
    let named = scoped(enrol(&both, &person(2), Role::Approver, None), &["zeta.example"]);
    submit(&mut registry, &world.trust(TrustAction::Enrol(named)), 10).unwrap();
    let own = world.release_as("acme.example", 3);
    let other = release(&zeta, "zeta.example", 3);
    for (index, entry) in [(11, &own), (12, &other)] {
        assert_eq!(submit(&mut registry, entry, index), Ok(Decision::Append));
    }
    let refused = Ok(Decision::Refuse(Refusal::OutOfScope));
    let rows = [
        (&world.approvers[0], 0, &own, Ok(Decision::Append)),
        (&world.approvers[0], 0, &other, refused),
        (&both, 2, &own, refused),
        (&both, 2, &other, Ok(Decision::Append)),
    ];
    for (n, (key, person, of, answer)) in rows.into_iter().enumerate() {
        let entry = world.opinion_by(key, person, leaf_hash(of), Meaning::Approval);
        assert_eq!(submit(&mut registry, &entry, 20), answer, "row {n}");
    }
    // Who judges for several is named for whom.
    let unnamed = enrol(&Key::p256(72), &person(3), Role::Authoriser, None);
    let entry = world.trust(TrustAction::Enrol(unnamed));
    assert_eq!(submit(&mut registry, &entry, 21), Err(Refusal::ScopeMissing));
}
