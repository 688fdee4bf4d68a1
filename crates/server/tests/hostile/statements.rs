//! Statements spoilt in every part, said by strangers, repeated or told twice differently.

use firmlog_keys::{Algorithm, FileKey};
use firmlog_statement::{Genesis, Registration, Role, TrustAction};

use crate::suite::*;
use crate::world::*;

/// The order of P-256, to turn a low S into the high one.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

#[tokio::test(flavor = "multi_thread")]
async fn spoilt_statements() {
    let mut suite = suite().await;
    let mut device = suite.world.device().await;
    let good = device.next();
    suite.size = suite.world.size().await;
    let bad = (400, "");
    for (name, body) in [
        ("nothing", Vec::new()),
        ("zeros", vec![0; 100]),
        ("words", b"hello".to_vec()),
        ("a quarter", good[..good.len() / 4].to_vec()),
        ("a half", good[..good.len() / 2].to_vec()),
        ("three quarters", good[..good.len() * 3 / 4].to_vec()),
        ("all but the last byte", good[..good.len() - 1].to_vec()),
        ("one byte more", [good.clone(), vec![0]].concat()),
        ("twice in one body", [good.clone(), good.clone()].concat()),
        ("tag 17", [vec![0xd1], good[1..].to_vec()].concat()),
        ("no tag", good[1..].to_vec()),
        ("the tag twice", [vec![0xd2], good.clone()].concat()),
        ("an array of three", [vec![0xd2, 0x83], good[2..].to_vec()].concat()),
        ("an array of five", [vec![0xd2, 0x85], good[2..].to_vec()].concat()),
        ("an array without end", [vec![0xd2, 0x9f], good[2..].to_vec(), vec![0xff]].concat()),
        ("a long head", [vec![0xd2, 0x98, 4], good[2..].to_vec()].concat()),
        ("a tag in two bytes", [vec![0xd8, 18], good[1..].to_vec()].concat()),
    ] {
        suite.cose(name, &body, bad).await;
    }
    let unprotected = good.windows(2).position(|pair| pair[0] == 0xa0 && pair[1] >> 5 == 2);
    let unprotected = unprotected.unwrap();
    let (front, back) = (good[..unprotected].to_vec(), good[unprotected + 1..].to_vec());
    let header = [front.clone(), vec![0xa1, 0x18, 99, 0x01], back.clone()].concat();
    suite.cose("a filled unprotected header", &header, (400, "unprotected")).await;
    let detached = [front, vec![0xa0, 0xf6], good[good.len() - 66..].to_vec()].concat();
    suite.cose("a detached payload", &detached, bad).await;
    let signature = good.len() - 64;
    let change = |at: usize, to: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    suite.cose("a signature of zeros", &change(signature, &[0; 64]), bad).await;
    suite.cose("r of zero", &change(signature, &[0; 32]), bad).await;
    suite.cose("s of zero", &change(signature + 32, &[0; 32]), bad).await;
    suite.cose("s of the order", &change(signature + 32, &ORDER), bad).await;
    suite.cose("r above the order", &change(signature, &[0xff; 32]), bad).await;
    let high = high_s(&good[signature + 32..]);
    suite.cose("the other S", &change(signature + 32, &high), (400, "high S")).await;
    let flip = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    suite.cose("a flipped bit in r", &flip(signature + 5), (400, "bad_signature")).await;
    suite.cose("a flipped bit in s", &flip(good.len() - 1), (400, "bad_signature")).await;
    let image = good.windows(32).position(|window| *window == IMAGE).unwrap();
    suite.cose("another image", &flip(image), (400, "bad_signature")).await;
    let alg = good.windows(2).position(|pair| pair == [0x01, 0x26]).unwrap() + 1;
    suite.cose("another algorithm", &change(alg, &[0x27]), (400, "")).await;
    suite.cose("an algorithm nobody knows", &change(alg, &[0x28]), (400, "bad_algorithm")).await;
    let kid = good.windows(3).position(|window| window == [0x04, 0x58, 0x20]).unwrap() + 3;
    suite.cose("another key id", &flip(kid), (403, "not_registered")).await;
    let content = good.windows(7).position(|window| window == b"firmlog").unwrap();
    suite.cose("another content type", &change(content, b"firmlag"), bad).await;
    let issuer = good.windows(4).position(|window| window == b"acme").unwrap();
    suite.cose("another issuer", &change(issuer, b"acmf"), (403, "not_registered")).await;
    suite.end(33);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_liars_and_repeats() {
    let mut suite = suite().await;
    let mut device = suite.world.device().await;
    let mut other = suite.world.device().await;
    let first = device.next();
    assert_eq!(suite.world.post_cose(&first).await.status, 201);
    let release = suite.world.release(1);
    assert_eq!(suite.world.post_cose(&release).await.status, 201);
    suite.size = suite.world.size().await;
    let refused = (403, "not_registered");
    let stranger = FileKey::generate(Algorithm::P256).unwrap();
    let unknown = Device { key: stranger.clone(), seq: 0, prev: [7; 32], seen: None }.next();
    suite.cose("a key nobody enrolled", &unknown, refused).await;
    let enrolment = |key: &FileKey, role, seed| {
        TrustAction::Enrol(enrol(key, "acme.example/devices", role, seed))
    };
    let own = trust(&stranger, enrolment(&stranger, Role::Device, Some([1; 32])));
    suite.cose("a key that enrols itself", &own, refused).await;
    let rising = trust(&device.key, enrolment(&stranger, Role::Admin, None));
    suite.cose("a device that enrols an admin", &rising, refused).await;
    let twice = trust(&suite.world.admin, enrolment(&device.key, Role::Device, Some([2; 32])));
    suite.cose("a key enrolled twice", &twice, refused).await;
    let genesis = TrustAction::Genesis(Genesis {
        origin: ORIGIN.to_owned(),
        log_keys: vec![],
        registration: Registration::Any,
        approvals: 0,
        keys: vec![enrol(&suite.world.admin, "acme.example/admin", Role::Admin, None)],
        policy: None,
    });
    let genesis = trust(&suite.world.admin, genesis);
    suite.cose("a second genesis", &genesis, refused).await;
    let gap = device.statement(7, [0; 32], 1, None);
    suite.cose("a gap in the chain", &gap, (409, "chain_gap")).await;
    let far = device.statement(u64::MAX, [0; 32], 1, None);
    suite.cose("the last possible number", &far, (409, "chain_gap")).await;
    let early = other.statement(1, [0; 32], 1, None);
    suite.cose("a chain begun at one", &early, (409, "chain_gap")).await;
    // Repeats: the same answer, and nothing new in the log.
    suite.cose("the same statement again", &first, (200, "")).await;
    suite.cose("the same release again", &release, (200, "")).await;
    suite.batch("the same in a batch", &first, (200, "")).await;
    suite.batch("the same ten times", &first.repeat(10), (200, "")).await;
    let parsed = firmlog_statement::Parsed::parse(&first).unwrap();
    let projection = firmlog_statement::json::to_json(&parsed).unwrap();
    let body = serde_json::json!({ "statement": projection }).to_string();
    suite.json("the same as JSON", body.as_bytes(), (200, "duplicate")).await;
    // Disclosures that open nothing.
    let entry = other.statement(0, other.prev, 1, Some("SN-1"));
    let wrong = (400, "bad_disclosure");
    let send = |value: &str| with_serial(&entry, value);
    suite.send("another value", "/entries", WRAPPED, &send("SN-2"), wrong).await;
    let mut salt = send("SN-1");
    let at = salt.windows(16).position(|window| window == SALT).unwrap();
    salt[at] ^= 1;
    suite.send("another salt", "/entries", WRAPPED, &salt, wrong).await;
    let bare = other.next();
    let none = with_serial(&bare, "SN-1");
    suite.send("a value nobody committed to", "/entries", WRAPPED, &none, wrong).await;
    let mut foreign = send("SN-1");
    let leaf = firmlog_statement::leaf_hash(&entry);
    let at = foreign.windows(32).position(|window| window == leaf).unwrap();
    foreign[at] ^= 1;
    suite.send("of another entry", "/entries", WRAPPED, &foreign, wrong).await;
    let good = send("SN-1");
    let cut = &good[..good.len() - 3];
    suite.send("cut off", "/entries", WRAPPED, cut, wrong).await;
    suite.send("three parts", "/entries", WRAPPED, &[0x83, 0x40, 0x80, 0x80], (400, "")).await;
    let mut batch = vec![0x82];
    firmlog_statement::codec::bytes(&mut batch, &entry).unwrap();
    batch.extend([0xa0]);
    suite.send("a map for disclosures", "/entries", WRAPPED, &batch, wrong).await;
    suite.end(20);
}

fn high_s(low: &[u8]) -> [u8; 32] {
    let mut high = [0; 32];
    let mut borrow = 0_i16;
    for at in (0..32).rev() {
        let difference = i16::from(ORDER[at]) - i16::from(low[at]) - borrow;
        borrow = i16::from(difference < 0);
        high[at] = difference.rem_euclid(256) as u8;
    }
    high
}
