//! An image of MCUboot with the evidence of its release inside, as C asks about it. That real
//! images of `imgtool` read so is tested in `crates/agent` and `sim`; here they are made by hand.

#[path = "../../verify/tests/common/mod.rs"]
mod common;

use common::log::TestLog;
use common::{Key, World, release_body, sign};
use firmlog_capi::{
    Decision, Event, Known, Mcuboot, Root, Running, Status, Target, firmlog_check_mcuboot,
    firmlog_measure_mcuboot,
};
use firmlog_statement::{
    Digest, PublicKey, Release, SecurityCounter, Signer as _, Statement, VersionCode, leaf_hash,
};
use firmlog_tlog::note::NoteSigner as _;
use sha2::{Digest as _, Sha256};
use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::{null, null_mut};

/// 2.4.1+7, as MCUboot orders it.
const VERSION: u64 = 0x0204_0001_0000_0007;

struct Factory {
    world: World,
    log: TestLog,
    leaf: [u8; 32],
    body: Vec<u8>,
}

impl Factory {
    fn new() -> Self {
        let (world, body) = (World::new(), b"therapy".repeat(99));
        let release = Release {
            image: Digest(Sha256::digest(&body).into()),
            version: VersionCode(VERSION),
            counter: SecurityCounter(5),
            size_bytes: body.len() as u64,
            ..release_body(0)
        };
        let signed =
            sign(Statement::Release(release), "acme.example", "ip-200/app", &world.release);
        let leaf = leaf_hash(&signed);
        let mut entries = world.entries.clone();
        entries.extend([signed, world.approval(0, leaf), world.approval(1, leaf)]);
        Self { log: TestLog::new(entries), world, leaf, body }
    }

    /// The image with this counter, and the release in it with its bundle or without.
    fn image(&self, counter: u32, has_bundle: bool) -> Vec<u8> {
        let bundle = if has_bundle { self.log.whole().encode() } else { vec![] };
        let release = [&self.leaf[..], &bundle].concat();
        let values = [tlv(0x50, &counter.to_le_bytes()), tlv(0x46a0, &release)].concat();
        let protected = area(0x6908, &values);
        let mut signed = vec![];
        signed.extend(0x96f3_b83d_u32.to_le_bytes());
        signed.extend(0_u32.to_le_bytes());
        signed.extend(32_u16.to_le_bytes());
        signed.extend((protected.len() as u16).to_le_bytes());
        signed.extend((self.body.len() as u32).to_le_bytes());
        signed.extend(0_u32.to_le_bytes());
        signed.extend([2, 4, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
        signed.extend(&self.body);
        signed.extend(&protected);
        let digest: [u8; 32] = Sha256::digest(&signed).into();
        let Key::P256(key) = bootloader_key() else { panic!("P-256") };
        let der: p256::ecdsa::Signature = p256::ecdsa::signature::Signer::sign(&*key, &signed);
        let seal = [
            tlv(0x10, &digest),
            tlv(0x01, &Sha256::digest(spki())),
            tlv(0x22, der.to_der().as_bytes()),
        ];
        signed.extend(area(0x6907, &seal.concat()));
        signed
    }

    /// What the library says of a slot, by itself.
    fn measure(image: &[u8]) -> (Status, Decision) {
        let PublicKey::P256(public) = bootloader_key().public_key() else { panic!("P-256") };
        let mut slot = image;
        let question = Mcuboot {
            context: (&raw mut slot).cast(),
            read: Some(read),
            keys: public.as_ptr(),
            keys_len: 1,
            bundle: null_mut(),
            bundle_size: 0,
            bundle_len: 0,
            slot_len: image.len() as u32,
        };
        // SAFETY: every field of it may be zero.
        let mut decision: Decision = unsafe { std::mem::zeroed() };
        // SAFETY: all of it lives through the call.
        let status = unsafe { firmlog_measure_mcuboot(&raw const question, &raw mut decision) };
        (status, decision)
    }

    /// What the library decides about a slot; a bundle may lie beside it.
    fn decide(&self, image: &[u8], beside: &[u8], room: usize) -> (Status, Decision) {
        let text = |key: String| CString::new(key).unwrap();
        let key = text(self.log.log.verifier_key().to_string());
        let names: Vec<CString> =
            self.log.witnesses.iter().map(|it| text(it.verifier_key().to_string())).collect();
        let witnesses: Vec<*const c_char> = names.iter().map(|it| it.as_ptr()).collect();
        let root = Root {
            log: key.as_ptr(),
            witnesses: witnesses.as_ptr(),
            witnesses_len: 2,
            genesis: leaf_hash(&self.log.entries[0]),
            quorum: 2,
        };
        let device = self.world.devices[0].id().0;
        let issuer = c"acme.example".as_ptr();
        let running = Running {
            version: 2,
            model: c"ip-200".as_ptr(),
            hw_rev: null(),
            component: c"app".as_ptr(),
            issuers: &raw const issuer,
            issuers_len: 1,
            device,
            counter: 1,
        };
        // SAFETY: every field of it may be zero.
        let known: Known = unsafe { std::mem::zeroed() };
        let PublicKey::P256(public) = bootloader_key().public_key() else { panic!("P-256") };
        let mut slot = image;
        let mut bundle = vec![0; room];
        bundle[..beside.len()].copy_from_slice(beside);
        let question = Mcuboot {
            context: (&raw mut slot).cast(),
            read: Some(read),
            keys: public.as_ptr(),
            keys_len: 1,
            bundle: bundle.as_mut_ptr(),
            bundle_size: bundle.len(),
            bundle_len: beside.len(),
            slot_len: image.len() as u32,
        };
        let mut scratch = [0; 1024];
        // SAFETY: every field of it may be zero.
        let mut decision: Decision = unsafe { std::mem::zeroed() };
        // SAFETY: all of it lives through the call.
        let status = unsafe {
            firmlog_check_mcuboot(
                &raw const question,
                &raw const root,
                &raw const running,
                &raw const known,
                scratch.as_mut_ptr(),
                scratch.len(),
                &raw mut decision,
            )
        };
        (status, decision)
    }
}

unsafe extern "C" fn read(slot: *mut c_void, at: u32, out: *mut u8, len: usize) -> c_int {
    // SAFETY: the test's own slice.
    let slot = unsafe { *slot.cast::<&[u8]>() };
    let Some(bytes) = slot.get(at as usize..).and_then(|rest| rest.get(..len)) else { return 1 };
    // SAFETY: the library lends so much.
    unsafe { out.copy_from(bytes.as_ptr(), len) };
    0
}

fn bootloader_key() -> Key {
    Key::p256(77)
}

/// The key as MCUboot hashes it.
fn spki() -> Vec<u8> {
    let PublicKey::P256(point) = bootloader_key().public_key() else { panic!("P-256") };
    let front = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\
        \x03\x01\x07\x03\x42\x00\x04";
    [&front[..], &point].concat()
}

fn tlv(kind: u16, value: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &(value.len() as u16).to_le_bytes(), value].concat()
}

fn area(magic: u16, values: &[u8]) -> Vec<u8> {
    tlv(magic, values)
        .into_iter()
        .enumerate()
        .map(|(at, byte)| match at {
            2 => (values.len() as u16 + 4).to_le_bytes()[0],
            3 => (values.len() as u16 + 4).to_le_bytes()[1],
            _ => byte,
        })
        .collect()
}

#[test]
fn an_image_with_its_release_may_be_installed() {
    let factory = Factory::new();
    let (status, decision) = factory.decide(&factory.image(5, true), &[], 16_384);
    assert_eq!((status, decision.reason), (Status::Ok, 0));
    let Target { image, release } = decision.target;
    let body: [u8; 32] = Sha256::digest(&factory.body).into();
    assert_eq!((image.sha256, image.version, image.counter), (body, VERSION, 5));
    assert_eq!(release, factory.leaf);
    // The same with the bundle beside the image.
    let bundle = factory.log.whole().encode();
    let (status, beside) = factory.decide(&factory.image(5, false), &bundle, 16_384);
    assert_eq!((status, beside.target.release), (Status::Ok, factory.leaf));
}

/// MCB-031: what runs is called what its release calls it; blank flash and what nobody signed is
/// named too.
#[test]
fn what_a_slot_holds_is_measured() {
    let factory = Factory::new();
    // Blank flash behind it is not looked at.
    let mut slot = factory.image(5, true);
    slot.extend([0xff; 300]);
    let (status, decision) = Factory::measure(&slot);
    let body: [u8; 32] = Sha256::digest(&factory.body).into();
    let Target { image, release } = decision.target;
    assert_eq!((status, decision.reason), (Status::Ok, 0));
    assert_eq!((image.sha256, image.version, image.counter), (body, VERSION, 5));
    assert_eq!((release, decision.size_bytes), (factory.leaf, factory.body.len() as u64));
    let (status, blank) = Factory::measure(&[0xff; 300]);
    assert_eq!((status, blank.reason), (Status::NotInstallable, 258));
    assert_eq!(blank.refused.sha256[..], Sha256::digest([0xff; 300])[..]);
    let seal = slot.len() - 301;
    slot[seal] ^= 1;
    let (status, forged) = Factory::measure(&slot);
    assert_eq!((status, forged.reason), (Status::NotInstallable, 278));
    assert_eq!((forged.refused.sha256, forged.target.image.sha256), (body, [0; 32]));
}

#[test]
fn what_is_wrong_with_an_image_is_named() {
    let factory = Factory::new();
    let good = factory.image(5, true);
    let body: [u8; 32] = Sha256::digest(&factory.body).into();
    let refused = |image: &[u8], reason: u16, event: Event| {
        let (status, decision) = factory.decide(image, &[], 16_384);
        assert_eq!(status, Status::NotInstallable);
        assert_eq!((decision.reason, decision.event), (reason, event as u16));
        // Named by its body if it is whole, else by all of it.
        let is_whole = matches!(reason, 1 | 278 | 284);
        let named = if is_whole { body } else { Sha256::digest(image).into() };
        assert_eq!(decision.refused.sha256, named, "{reason}");
        assert_eq!(decision.target.image.sha256, [0; 32]);
    };
    // Another security counter than the release says.
    refused(&factory.image(6, true), 284, Event::RefusedBadSignature);
    // A byte of the body, of the evidence, of the signature.
    let altered = |at: usize| {
        let mut image = good.clone();
        image[at] ^= 1;
        image
    };
    refused(&altered(40), 272, Event::RefusedBadSignature);
    refused(&altered(32 + factory.body.len() + 300), 272, Event::RefusedBadSignature);
    refused(&altered(good.len() - 1), 278, Event::RefusedBadSignature);
    refused(&altered(0), 258, Event::RefusedUnsigned);
    refused(&good[..good.len() - 1], 267, Event::RefusedBadSignature);
    refused(&good[..20], 257, Event::VerificationFailed);
    // No evidence at all.
    refused(&factory.image(5, false), 1, Event::RefusedBadSignature);
}

#[test]
fn what_has_no_room_or_is_missing_is_no_decision() {
    let factory = Factory::new();
    assert_eq!(factory.decide(&factory.image(5, true), &[], 100).0, Status::BufferTooSmall);
    // SAFETY: null is what is asked about; every field of a decision may be zero.
    unsafe {
        let mut decision: Decision = std::mem::zeroed();
        let nothing =
            firmlog_check_mcuboot(null(), null(), null(), null(), null_mut(), 0, &raw mut decision);
        assert_eq!(nothing, Status::NullPointer);
        let nothing = firmlog_measure_mcuboot(null(), &raw mut decision);
        assert_eq!(nothing, Status::NullPointer);
        let mut question: Mcuboot = std::mem::zeroed();
        let nothing = firmlog_measure_mcuboot(&raw const question, &raw mut decision);
        assert_eq!(nothing, Status::NoCallback);
        question.read = Some(read);
        let nothing = firmlog_measure_mcuboot(&raw const question, null_mut());
        assert_eq!(nothing, Status::NullPointer);
    }
}
