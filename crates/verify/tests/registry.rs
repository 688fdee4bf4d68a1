//! The registry as a log drives it: roles, rotation, revocation, chains, forks, snapshots.

mod common;
#[path = "registry/trust.rs"]
mod trust;

use common::*;
use firmlog_statement::{Kind, Parsed, PublicKey, RevokeReason, Role, Signer as _, entry_hash};
use firmlog_tlog::merkle::LeafIndex;
use firmlog_verify::RustCrypto;
use firmlog_verify::registry::{
    BRANCHES_MAX, Candidate, Decision, Ended, Head, Refusal, Registry, Slot, SnapshotError,
};
use sha2::{Digest as _, Sha256};

/// A log's write path in one function: check, admit, apply.
fn submit(registry: &mut Registry, entry: &[u8], index: u64) -> Result<Decision, Refusal> {
    let parsed = Parsed::parse(entry).expect("a statement");
    let candidate = registry.check(&parsed, &RustCrypto)?;
    let decision = registry.admit(&candidate);
    if matches!(decision, Decision::Append | Decision::Fork { .. } | Decision::Earlier { .. }) {
        let applied = registry.apply(&candidate, &parsed, LeafIndex(index));
        assert_eq!(applied, Ok(()), "what a log appends it can apply");
    }
    Ok(decision)
}

fn world() -> (World, Registry) {
    let world = World::new();
    let mut registry = Registry::new();
    for (index, entry) in (0..).zip(&world.entries) {
        assert_eq!(submit(&mut registry, entry, index), Ok(Decision::Append), "entry {index}");
    }
    (world, registry)
}

#[test]
fn genesis_enrols_its_keys_and_comes_once() {
    let (world, mut registry) = world();
    assert_eq!(registry.rules.origin, ORIGIN);
    assert_eq!(registry.rules.approvals, 2);
    let view = registry.keys.key_for(&world.release.public_key().thumbprint()).unwrap();
    assert_eq!((view.role, view.issuer), (Role::Manufacturer, "acme.example"));
    let again = submit(&mut registry, &world.entries[0], 9);
    assert_eq!(again, Err(Refusal::GenesisTwice));
    // Nor does what has no signer come in: not a second one that was checked before the first, and
    // nothing else in front of it.
    let parsed = |entry| Candidate::genesis(&Parsed::parse(entry).unwrap());
    let refused = Decision::Refuse(Refusal::GenesisTwice);
    assert_eq!(registry.admit(&parsed(&world.entries[0])), refused);
    let empty = Registry::new();
    assert_eq!(empty.admit(&parsed(&world.entries[0])), Decision::Append);
    assert_eq!(empty.admit(&parsed(&world.release_as("acme.example", 3))), refused);
}

#[test]
fn genesis_must_be_signed_by_the_first_admin_it_names() {
    let world = World::new();
    let forged = world.genesis_signed_by(&world.release);
    assert_eq!(submit(&mut Registry::new(), &forged, 0), Err(Refusal::GenesisSelfSigned));
    let mut registry = Registry::new();
    let early = submit(&mut registry, &world.entries[1], 0);
    assert_eq!(early, Err(Refusal::GenesisMissing));
}

#[test]
fn a_role_signs_its_own_kinds_only() {
    let (world, mut registry) = world();
    let release = release(&world.devices[0].key, DEVICES, 3);
    assert_eq!(submit(&mut registry, &release, 9), Err(Refusal::RoleMismatch));
    let other_name = world.release_as("mallory.example", 3);
    assert_eq!(submit(&mut registry, &other_name, 9), Err(Refusal::IssuerMismatch));
    let stranger = world.update_by(&Key::p256(99), 0, 0, world.devices[0].seed);
    assert_eq!(submit(&mut registry, &stranger, 9), Err(Refusal::KeyUnknown));
    let about_other = world.update_by(&world.devices[1].key, 0, 0, world.devices[0].seed);
    assert_eq!(submit(&mut registry, &about_other, 9), Err(Refusal::DeviceMismatch));
}

#[test]
fn an_altered_signature_is_refused() {
    let (world, mut registry) = world();
    let mut entry = world.update(0, 0, world.devices[0].seed);
    let last = entry.len() - 1;
    entry[last] ^= 1;
    assert_eq!(submit(&mut registry, &entry, 9), Err(Refusal::SignatureWrong));
}

#[test]
fn the_author_of_a_release_cannot_approve_it() {
    let (world, mut registry) = world();
    let release = world.release_as("acme.example", 3);
    submit(&mut registry, &release, 10).unwrap();
    let leaf = firmlog_statement::leaf_hash(&release);
    assert_eq!(submit(&mut registry, &world.approval(0, leaf), 11), Ok(Decision::Append));
    let unknown = submit(&mut registry, &world.approval(1, [7; 32]), 12);
    assert_eq!(unknown, Ok(Decision::Refuse(Refusal::ReleaseUnknown)));
}

#[test]
fn an_issuer_that_releases_cannot_be_given_a_key_to_approve_with() {
    let (world, mut registry) = world();
    let enrolled = |issuer: &str, role, key| {
        let action =
            firmlog_statement::TrustAction::Enrol(enrol(&Key::p256(key), issuer, role, None));
        world.trust(action)
    };
    use firmlog_statement::Role::{Approver, Authoriser, Manufacturer};
    for (issuer, role, key) in [
        ("acme.example", Approver, 41),
        ("acme.example", Authoriser, 42),
        (&*person(0), Manufacturer, 43),
    ] {
        let answer = submit(&mut registry, &enrolled(issuer, role, key), 10);
        assert_eq!(answer, Err(Refusal::IssuerJudgesItself), "{issuer}");
    }
    // Another name, or the same name for the same role, is no conflict.
    submit(&mut registry, &enrolled("acme.example", Manufacturer, 44), 10).unwrap();
    submit(&mut registry, &enrolled(&person(0), Authoriser, 45), 11).unwrap();
}

#[test]
fn a_chain_takes_the_next_repeats_the_same_and_names_gaps() {
    let (world, mut registry) = world();
    let first = world.update(0, 0, world.devices[0].seed);
    let hash = entry_hash(&first);
    assert_eq!(submit(&mut registry, &first, 20), Ok(Decision::Append));
    let same = submit(&mut registry, &first, 21);
    assert_eq!(same, Ok(Decision::Duplicate { index: LeafIndex(20) }));
    let Ok(Decision::Gap { have }) = submit(&mut registry, &world.update(0, 2, hash), 21) else {
        panic!("a gap")
    };
    assert_eq!((have.next, have.last, have.index), (1, hash, Some(LeafIndex(20))));
    assert_eq!(submit(&mut registry, &world.update(0, 1, hash), 21), Ok(Decision::Append));
}

#[test]
fn after_a_fork_both_branches_go_on() {
    let (world, mut registry) = world();
    let device = registry.keys.slot(&world.devices[0].id()).unwrap();
    let first = world.update(0, 0, world.devices[0].seed);
    let other = world.update_with(0, 0, world.devices[0].seed, 77);
    submit(&mut registry, &first, 20).unwrap();
    assert!(matches!(submit(&mut registry, &other, 21), Ok(Decision::Fork { .. })));
    assert_eq!(registry.heads.branches(device), 2);
    for (entry, index) in [(&first, 22), (&other, 23)] {
        let next = world.update(0, 1, entry_hash(entry));
        assert_eq!(submit(&mut registry, &next, index), Ok(Decision::Append));
        let again = submit(&mut registry, &next, 30);
        assert_eq!(again, Ok(Decision::Duplicate { index: LeafIndex(index) }));
    }
    // Both heads are at 1 now: 0 again is below them.
    assert!(matches!(submit(&mut registry, &first, 24), Ok(Decision::Earlier { .. })));
}

/// A kid is enrolled once, whatever became of it since, and each holder is counted once.
#[test]
fn no_kid_is_enrolled_twice_and_no_holder_is_counted_twice() {
    let (world, mut registry) = world();
    let [device, other, third] = [0, 1, 2].map(|n| &world.devices[n].key);
    let [newer, newest] = [50, 51].map(Key::p256);
    assert_eq!(registry.keys.holders(), 7, "four of the genesis and three devices");
    let steps = [
        world.rotate(device, &newer),
        world.rotate(&newer, &newest),
        world.revoke_as(other, RevokeReason::Retired, None),
    ];
    for (entry, index) in steps.iter().zip(20..) {
        assert_eq!(submit(&mut registry, entry, index), Ok(Decision::Append));
    }
    assert_eq!(registry.keys.holders(), 7, "a rotation brings nobody in");
    let rows = [
        ("current", third),
        ("rotated out", device),
        ("rotated in and out", &newer),
        ("rotated in", &newest),
        ("revoked", other),
    ];
    for (row, key) in rows {
        let again = enrol(key, DEVICES, Role::Device, Some([9; 32]));
        let enrolled = world.trust(firmlog_statement::TrustAction::Enrol(again));
        let taken = Err(Refusal::KeyAlreadyEnrolled);
        assert_eq!(submit(&mut registry, &enrolled, 30), taken, "{row}");
        let rotated = world.rotate(&world.release, key);
        assert_eq!(submit(&mut registry, &rotated, 30), taken, "{row}");
    }
    let somebody = enrol(&Key::p256(52), DEVICES, Role::Device, Some([9; 32]));
    let enrolled = world.trust(firmlog_statement::TrustAction::Enrol(somebody));
    assert_eq!(submit(&mut registry, &enrolled, 30), Ok(Decision::Append));
    assert_eq!(registry.keys.holders(), 8);
}

/// CHN-001, CHN-004, CHN-005: the head moves with what extends it, and a fork leaves it as it is.
#[test]
fn the_head_is_where_the_chain_stood_before_it_forked() {
    let (world, mut registry) = world();
    let seed = world.devices[0].seed;
    let slot = registry.keys.slot(&world.devices[0].id()).unwrap();
    let head = |last, next, index: Option<u64>| Head { last, next, index: index.map(LeafIndex) };
    assert_eq!(registry.heads.head(slot), Some(head(seed, 0, None)));
    let first = world.update(0, 0, seed);
    submit(&mut registry, &first, 20).unwrap();
    let have = head(entry_hash(&first), 1, Some(20));
    assert_eq!(registry.heads.head(slot), Some(have));
    // The same place with other bytes, and the next place after another past.
    for (entry, index) in [(world.update(0, 0, [7; 32]), 21), (world.update(0, 1, [7; 32]), 22)] {
        assert_eq!(submit(&mut registry, &entry, index), Ok(Decision::Fork { have }));
        let seq = index - 21;
        let branch = head(entry_hash(&entry), seq + 1, Some(index));
        assert_eq!(registry.heads.branch_heads(slot).last(), Some(branch));
        assert_eq!(registry.heads.head(slot), Some(have));
    }
    assert_eq!(registry.heads.head(Slot(99)), None, "nobody");
}

/// CHN-003: which head to resend from is that of the longest branch, of several the first.
#[test]
fn a_gap_names_the_longest_branch() {
    let (world, mut registry) = world();
    let seed = world.devices[0].seed;
    let slot = registry.keys.slot(&world.devices[0].id()).unwrap();
    let gap = world.update(0, 9, [7; 32]);
    let mut branches = [1, 2, 3].map(|version| world.update_with(0, 0, seed, version));
    for (entry, index) in branches.iter().zip(20..) {
        submit(&mut registry, entry, index).unwrap();
    }
    // Each row extends one branch and says which one is then the longest.
    for (index, (extended, longest)) in (30..).zip([(1, 1), (2, 1), (2, 2), (0, 2), (0, 0)]) {
        let seq = registry.heads.branch_heads(slot).nth(extended).unwrap().next;
        let entry = world.update(0, seq, entry_hash(&branches[extended]));
        assert_eq!(submit(&mut registry, &entry, index), Ok(Decision::Append));
        branches[extended] = entry;
        let have = registry.heads.branch_heads(slot).nth(longest).unwrap();
        assert_eq!(have.last, entry_hash(&branches[longest]));
        assert_eq!(submit(&mut registry, &gap, 99), Ok(Decision::Gap { have }), "entry {index}");
    }
}

/// Sixteen branches go on; a fork past that is kept as evidence, and is not extended.
#[test]
fn so_many_branches_of_a_device_have_heads() {
    let (world, mut registry) = world();
    let seed = world.devices[0].seed;
    let slot = registry.keys.slot(&world.devices[0].id()).unwrap();
    let mut said = Vec::new();
    for index in 0..BRANCHES_MAX as u64 + 2 {
        let entry = world.update_with(0, 0, seed, index);
        let decision = submit(&mut registry, &entry, 20 + index).unwrap();
        assert_eq!(decision == Decision::Append, index == 0, "branch {index}");
        said.push(entry_hash(&entry));
        assert_eq!(registry.heads.branches(slot), said.len().min(BRANCHES_MAX));
    }
    for (branch, prev) in said.into_iter().enumerate() {
        let decision = submit(&mut registry, &world.update(0, 1, prev), 60 + branch as u64);
        let extended = decision == Ok(Decision::Append);
        assert_eq!(extended, branch < BRANCHES_MAX, "branch {branch}: {decision:?}");
    }
}

#[test]
fn rotation_keeps_the_device_and_its_chain() {
    let (world, mut registry) = world();
    let device = &world.devices[0];
    let first = world.update(0, 0, device.seed);
    submit(&mut registry, &first, 20).unwrap();
    let new = Key::ed25519(200);
    let rotate = world.rotate(&device.key, &new);
    assert_eq!(submit(&mut registry, &rotate, 21), Ok(Decision::Append));
    let prev = entry_hash(&first);
    let old_key = submit(&mut registry, &world.update(0, 1, prev), 22);
    assert_eq!(old_key, Err(Refusal::KeyRotated));
    let next = world.update_by(&new, 0, 1, prev);
    assert_eq!(submit(&mut registry, &next, 22), Ok(Decision::Append));
    // The old key is still known, for entries before 21.
    let old = registry.keys.find(&device.key.public_key().thumbprint()).unwrap();
    assert_eq!((old.key, old.holder), (device.key.public_key(), device.id()));
    assert_eq!(old.until.map(|(index, _)| index), Some(LeafIndex(21)));
    let twice = world.rotate(&new, &device.key);
    assert_eq!(submit(&mut registry, &twice, 23), Err(Refusal::KeyAlreadyEnrolled));
}

#[test]
fn a_revoked_key_signs_no_more_and_the_last_admin_stays() {
    let (world, mut registry) = world();
    let device = &world.devices[0];
    let before = registry.keys.generation();
    submit(&mut registry, &world.revoke(&device.key), 20).unwrap();
    assert_ne!(registry.keys.generation(), before);
    let refused = submit(&mut registry, &world.update(0, 0, device.seed), 21);
    assert_eq!(refused, Err(Refusal::KeyRevoked));
    let admin = submit(&mut registry, &world.revoke(&world.admin), 21);
    assert_eq!(admin, Err(Refusal::LastAdmin));
}

/// From which entry on a key is valid, and until which, is known of every key for ever, in a
/// restored snapshot too.
#[test]
fn every_key_tells_when_it_was_valid() {
    let (world, mut registry) = world();
    // More than 32 bits, of which none may be lost.
    let [rotated, revoked, stolen] = [0x12_3456_789a, 0x12_3456_789b, 0x23_0000_0001];
    let [first, newer, other] = [&world.devices[0].key, &Key::p256(50), &world.devices[1].key];
    submit(&mut registry, &world.rotate(first, newer), rotated).unwrap();
    let revoke = world.revoke_as(newer, RevokeReason::Retired, None);
    submit(&mut registry, &revoke, revoked).unwrap();
    submit(&mut registry, &world.revoke(other), stolen).unwrap();
    submit(&mut registry, &world.rotate(&world.release, &Key::ed25519(51)), stolen + 1).unwrap();
    let until = |index, how| Some((LeafIndex(index), how));
    let rows = [
        (&world.admin, 0, None),
        (first, 1, until(rotated, Ended::Rotated)),
        (newer, rotated, until(revoked, Ended::Revoked)),
        (other, 2, until(stolen, Ended::Compromised)),
        (&Key::ed25519(51), stolen + 1, None),
    ];
    let restored = restore(&snapshot(&registry)).unwrap();
    for (keys, (key, since, until)) in
        [&registry.keys, &restored.keys].iter().flat_map(|keys| rows.map(|row| (keys, row)))
    {
        let view = keys.find(&key.kid()).unwrap();
        assert_eq!((view.key, view.since, view.until), (key.public_key(), LeafIndex(since), until));
        let now = keys.key_for(&key.kid());
        assert_eq!(now.is_some(), until.is_none());
    }
}

#[test]
fn a_statement_resolved_before_a_revocation_is_refused_after_it() {
    let (world, mut registry) = world();
    let entry = world.update(0, 0, world.devices[0].seed);
    let parsed = Parsed::parse(&entry).unwrap();
    let candidate = registry.check(&parsed, &RustCrypto).unwrap();
    submit(&mut registry, &world.revoke(&world.devices[0].key), 20).unwrap();
    assert_eq!(registry.admit(&candidate), Decision::Refuse(Refusal::StateChanged));
}

#[test]
fn a_snapshot_restores_the_same_state() {
    let (world, mut registry) = world();
    let seed = world.devices[0].seed;
    for (n, (code, key)) in [(1, 0), (2, 0)].into_iter().enumerate() {
        let entry = world.update_with(key, 0, seed, code);
        submit(&mut registry, &entry, 20 + n as u64).unwrap();
    }
    submit(&mut registry, &world.rotate(&world.devices[1].key, &Key::p256(201)), 22).unwrap();
    submit(&mut registry, &world.revoke(&world.devices[2].key), 23).unwrap();
    submit(&mut registry, &world.release_as("acme.example", 3), 24).unwrap();
    let bytes = snapshot(&registry);
    let restored = restore(&bytes).unwrap();
    assert_eq!(snapshot(&restored), bytes);
    let mut restored = restored;
    assert!(matches!(
        submit(&mut restored, &world.update_with(0, 0, seed, 2), 30),
        Ok(Decision::Duplicate { index: LeafIndex(21) })
    ));
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        assert!(restore(&damaged).is_err(), "damage at byte {at} was not noticed");
    }
}

/// Why a snapshot is not restored: it ends, is of another version, contradicts itself or is
/// damaged.
#[test]
fn a_snapshot_that_is_not_restored_says_why() {
    use SnapshotError::*;
    let refusal = |bytes: &[u8]| restore(bytes).map(|_| ()).err();
    let (world, mut registry) = world();
    submit(&mut registry, &world.revoke(&world.devices[1].key), 20).unwrap();
    let bytes = snapshot(&registry);
    assert_eq!(refusal(&bytes), None);
    for at in 0..bytes.len() {
        assert_eq!(refusal(&bytes[..at]), Some(ReadFailed), "it ends at byte {at}");
    }
    let changed = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        refusal(&bytes)
    };
    let (magic, last) = (18, bytes.len() - 1);
    assert_eq!(changed(0, b'F'), Some(VersionUnknown));
    assert_eq!(changed(magic - 1, 1), Some(VersionUnknown));
    assert_eq!(changed(magic + 4, 0xff), Some(Malformed), "an origin is UTF-8");
    assert_eq!(changed(magic + 4, b'L'), Some(ChecksumMismatch));
    assert_eq!(changed(last, bytes[last] ^ 1), Some(ChecksumMismatch));
    // How a key ended, and of which algorithm it is: behind its kid and its slot.
    let kid = world.devices[1].key.kid();
    let ended = bytes.windows(32).rposition(|it| *it == kid.0).unwrap() + 32 + 4;
    assert_eq!(bytes[ended..ended + 2], [2, 1], "compromised, Ed25519");
    assert_eq!([changed(ended, 3), changed(ended + 1, 2)], [Some(Malformed); 2]);
    // Texts of 4096 bytes, and no longer ones.
    let with_origin = |len: usize| {
        let empty = snapshot(&Registry::new());
        let mut bytes = empty[..magic].to_vec();
        bytes.extend(u32::try_from(len).unwrap().to_be_bytes());
        bytes.extend(vec![b'o'; len]);
        bytes.extend(&empty[magic + 4..empty.len() - 32]);
        let sum: [u8; 32] = Sha256::digest(&bytes).into();
        bytes.extend(sum);
        restore(&bytes).map(|it| it.rules.origin.len())
    };
    assert_eq!([4096, 1].map(|len| with_origin(len).ok()), [Some(4096), Some(1)]);
    assert_eq!([4097, 5000].map(|len| with_origin(len).err()), [Some(Malformed); 2]);
}

fn snapshot(registry: &Registry) -> Vec<u8> {
    let mut out = Vec::new();
    registry
        .encode_snapshot(|bytes| {
            out.extend_from_slice(bytes);
            Ok::<(), ()>(())
        })
        .unwrap();
    out
}

fn restore(bytes: &[u8]) -> Result<Registry, SnapshotError> {
    let mut rest = bytes;
    let registry = Registry::decode_snapshot(|out| {
        let Some((front, back)) = rest.split_at_checked(out.len()) else { return false };
        out.copy_from_slice(front);
        rest = back;
        true
    })?;
    assert!(rest.is_empty());
    Ok(registry)
}

#[test]
fn kinds_and_keys_of_the_world_are_as_expected() {
    let world = World::new();
    assert!(world.entries.iter().all(|e| Parsed::parse(e).unwrap().kind() == Kind::Trust));
    assert!(matches!(world.devices[0].key.public_key(), PublicKey::P256(_)));
}
