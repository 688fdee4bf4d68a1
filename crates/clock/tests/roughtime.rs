//! TIM-020 to TIM-037: real Roughtime servers on loopback, one of them an hour off.

mod world;

use std::path::Path;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use firmlog_clock::agree::Outcome;
use firmlog_clock::evidence::{Evidence, EvidenceError};
use firmlog_clock::report::report;
use firmlog_clock::roughtime::ask::Silence;
use firmlog_clock::roughtime::wire::Message;
use firmlog_clock::roughtime::{ReplyError, verify_reply};
use firmlog_clock::{
    ChronySettings, ClockError, Query, RoughtimeSettings, Server, Settings, TrustedClock,
};
use firmlog_statement::Digest;
use firmlog_statement::time::{Quality, Source, SyncState};
use firmlog_verify::crypto::RustCrypto;
use roughenough_client::ResponseValidator;
use roughenough_protocol::FromFrame;
use roughenough_protocol::cursor::ParseCursor;
use roughenough_protocol::response::Response;
use roughenough_protocol::tags::PublicKey;
use world::roughtime::{Roughtime, program};

const OVER: Digest = Digest([0xd1; 32]);
const HOUR_MS: i64 = 3_600_000;

fn clock(servers: &[&Server]) -> TrustedClock {
    let servers = servers.iter().map(|server| (*server).clone()).collect();
    let roughtime = RoughtimeSettings { servers, timeout_ms: 1000, ..RoughtimeSettings::default() };
    let chrony = ChronySettings { enabled: false, ..ChronySettings::default() };
    TrustedClock::new(Settings { chrony, roughtime, ..Settings::default() }).unwrap()
}

/// Starts servers by name and offset.
fn start<const N: usize>(program: &Path, all: [(&str, i16); N]) -> [Roughtime; N] {
    all.map(|(name, offset_s)| Roughtime::start(program, name, offset_s))
}

fn agreed(query: &Query) -> (Vec<&str>, Vec<&str>) {
    let Outcome::Agreed { servers, liars, .. } = &query.outcome else { panic!("{query:?}") };
    let liars = liars.iter().map(|liar| liar.name.as_str()).collect();
    (servers.iter().map(String::as_str).collect(), liars)
}

/// TIM-027, TIM-030, TIM-032, TIM-033, TIM-034, TIM-035.
#[test]
fn three_that_agree_make_a_time_whose_evidence_checks_offline() {
    let Some(program) = program("roughtime: agree") else { return };
    let [a, b, c] = start(&program, [("a", 0), ("b", 0), ("c", 2)]);
    let servers = [a.server.clone(), b.server.clone(), c.server.clone()];
    let mut clock = clock(&[&servers[0], &servers[1], &servers[2]]);
    assert_eq!(clock.now().time.quality(), Quality::T1);
    let query = clock.query(&OVER).unwrap();
    assert_eq!(agreed(&query), (vec!["a", "b", "c"], vec![]));
    drop((a, b, c));

    let evidence = query.evidence.unwrap();
    assert_eq!(evidence.exchanges.len(), 3);
    let time = clock.now().time;
    assert_eq!((time.source, time.sync), (Source::Roughtime, SyncState::Synchronised));
    assert_eq!((time.quality(), time.evidence), (Quality::T3, Some(evidence.digest())));
    assert!(time.uncertainty_ms.unwrap() < 12_000);

    // Kept, read again and checked without a server.
    let folder = tempfile::tempdir().unwrap();
    let kept = std::fs::read(evidence.keep(folder.path()).unwrap()).unwrap();
    let read = Evidence::parse(&kept).unwrap();
    assert_eq!(read, evidence);
    let checked = read.check(&servers).unwrap();
    assert_eq!(checked.outcome, query.outcome);
    // From signatures alone: about now, as c is 2 s ahead and all say ±5 s.
    let (bounds, now_s) = (checked.bounds.unwrap(), firmlog_clock::boot::utc_ms() / 1000);
    assert!((now_s..=now_s + 8).contains(&bounds.over_by_s), "{bounds:?} {now_s}");
    assert!((now_s - 8..=now_s).contains(&bounds.named_after_s), "{bounds:?} {now_s}");
    altered(&kept, &servers);
    // Over another statement the first nonce is another one.
    let mut other = read.clone();
    other.over = Digest([0; 32]);
    let error = ReplyError::NonceMismatch;
    assert_eq!(other.check(&servers), Err(EvidenceError::Reply { at: 0, error }));
    // Somebody who does not know the third server believes nothing of it.
    assert_eq!(read.check(&servers[..2]), Err(EvidenceError::UnknownServer(2)));
}

/// One bit changed anywhere: refused, or without effect on what is proven.
fn altered(kept: &[u8], servers: &[Server]) {
    let fine = Evidence::parse(kept).unwrap().check(servers).unwrap();
    let mut unsigned = 0;
    for at in 0..kept.len() {
        let mut bytes = kept.to_vec();
        bytes[at] ^= 1 << (at % 8);
        let Ok(checked) = Evidence::parse(&bytes).and_then(|it| it.check(servers)) else {
            continue;
        };
        // Names, moments and the count of servers asked are the device's word.
        assert_eq!(checked.signed, fine.signed, "bit at {at}");
        unsigned += 1;
    }
    assert!(unsigned < 40, "{unsigned} bytes are not covered by a signature");
}

/// TIM-023, TIM-026, TIM-036.
#[test]
fn one_that_is_an_hour_off_is_named_with_the_chain_that_proves_it() {
    let Some(program) = program("roughtime: liar") else { return };
    for (offset_s, place) in [(3600, 0), (3600, 2), (-3600, 1)] {
        let [a, b, l] = start(&program, [("a", 0), ("b", 0), ("liar", offset_s)]);
        let mut order = vec![&a.server, &b.server];
        order.insert(place, &l.server);
        let servers: Vec<Server> = order.iter().map(|server| (*server).clone()).collect();
        let mut clock = clock(&order);
        let query = clock.query(&OVER).unwrap();
        assert_eq!(agreed(&query), (vec!["a", "b"], vec!["liar"]));
        let time = clock.now().time;
        assert_eq!((time.source, time.quality()), (Source::Roughtime, Quality::T3));
        let now_ms = firmlog_clock::boot::utc_ms();
        assert!(time.utc_ms.unwrap().abs_diff(now_ms) < 10_000, "not the liar's time");

        let evidence = query.evidence.unwrap();
        assert!(evidence.exchanges.len() > 3, "asked again, to prove it");
        let checked = Evidence::parse(&evidence.encode()).unwrap().check(&servers).unwrap();
        let Outcome::Agreed { liars, .. } = &checked.outcome else { panic!() };
        let (early, late) = liars[0].proof.expect("a second round proves it");
        assert!(checked.signed[early].earliest_s() > checked.signed[late].latest_s());
        let off = liars[0].off_ms * i64::from(offset_s.signum());
        assert!((HOUR_MS - 20_000..=HOUR_MS).contains(&off), "{off}");
        let report = report(&evidence, &liars[0]).unwrap();
        others_read(&report, late + 1);
    }
}

/// roughenough's own client reads the report, verifies each reply, and makes the same nonces.
fn others_read(report: &serde_json::Value, len: usize) {
    let text = report.to_string();
    let theirs: roughenough_client::MalfeasanceReport = serde_json::from_str(&text).unwrap();
    assert_eq!(theirs.responses().len(), len);
    let decode = |text: &str| Base64::decode_vec(text).unwrap();
    let mut before: Option<Vec<u8>> = None;
    for entry in theirs.responses() {
        let (request, reply) = (decode(entry.request()), decode(entry.response()));
        let key: [u8; 32] = decode(entry.public_key()).try_into().unwrap();
        let mut buffer = reply.clone();
        let response = Response::from_frame(&mut ParseCursor::new(&mut buffer)).unwrap();
        let validator = ResponseValidator::new_with_key(PublicKey::from(key));
        validator.validate(&request, &reply, &response).unwrap();
        if let Some(before) = before {
            let random = decode(entry.rand().expect("all but the first have one"));
            let nonce = roughenough_common::crypto::calculate_chained_nonce(&before, &random);
            assert_eq!(nonce.as_ref(), response.nonc().as_ref());
        }
        before = Some(reply);
    }
}

/// TIM-020, TIM-025.
#[test]
fn a_wrong_key_and_silence_cost_a_voice_and_never_the_time() {
    let Some(program) = program("roughtime: silent") else { return };
    let [a, b, c, d] = start(&program, [("a", 0), ("b", 0), ("c", 0), ("d", 0)]);
    let nobody = Server { name: "nobody".into(), key: [9; 32], address: "127.0.0.1:9".into() };
    let dark = Server { name: "dark".into(), key: [8; 32], address: "nowhere.invalid:5319".into() };
    // It has b's address and answers with b's key.
    let wrong =
        Server { name: "wrong".into(), key: c.server.key, address: b.server.address.clone() };
    d.stop();

    let mut clock = clock(&[&a.server, &wrong, &b.server, &d.server]);
    let start = Instant::now();
    let query = clock.query(&OVER).unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(query.outcome, Outcome::TooFew { replied: 2, named: 4 });
    let silent: Vec<&str> = query.silent.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(silent, ["wrong", "d"]);
    assert_eq!(query.silent[1].1, Silence::Timeout(1000));
    // Fewer than three: no Roughtime in the statement, and what there is is kept.
    assert_eq!((clock.now().time.source, clock.now().time.evidence), (Source::Rtc, None));
    assert_eq!(query.evidence.unwrap().exchanges.len(), 2);

    // Three of five are enough, whatever the other two do.
    let mut clock = self::clock(&[&nobody, &a.server, &dark, &b.server, &c.server]);
    let query = clock.query(&OVER).unwrap();
    assert_eq!(agreed(&query), (vec!["a", "b", "c"], vec![]));
    assert_eq!(query.silent.len(), 2);
    assert!(matches!(query.silent[1].1, Silence::NoAddress(_)), "{:?}", query.silent);
    assert_eq!(clock.now().time.quality(), Quality::T3);
}

/// TIM-025.
#[test]
fn two_against_two_is_no_time() {
    let Some(program) = program("roughtime: majority") else { return };
    let [a, b, l, m] = start(&program, [("a", 0), ("b", 0), ("l", 3600), ("m", 3600)]);
    let all = [&a.server, &l.server, &b.server, &m.server];
    let mut clock = clock(&all);
    let query = clock.query(&OVER).unwrap();
    assert_eq!(query.outcome, Outcome::NoMajority { agree: 2, named: 4 });
    assert_eq!(clock.now().time.source, Source::Rtc);
    assert!(matches!(self::clock(&[]).query(&OVER), Err(ClockError::NoServers)));
}

/// TIM-020: requests answered together lie in one tree.
#[test]
fn replies_of_a_batch_verify_each_for_its_own_request() {
    let Some(program) = program("roughtime: batch") else { return };
    let [a] = start(&program, [("a", 0)]);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    // They wait for it while it is stopped.
    a.stop();
    for nonce in 0..21 {
        let request = firmlog_clock::roughtime::request(&a.server.key, &[nonce; 32]);
        socket.send_to(&request, &a.server.address).unwrap();
    }
    a.go_on();
    let mut depths = Vec::new();
    let mut buffer = [0; 2048];
    for _ in 0..21 {
        let len = socket.recv(&mut buffer).unwrap();
        let reply = &buffer[..len];
        let message = Message::parse_framed(reply).unwrap();
        let nonce: [u8; 32] = message.array(b"NONC").unwrap();
        verify_reply(&a.server.key, &nonce, reply, &RustCrypto).unwrap();
        depths.push(message.value(b"PATH").unwrap().len() / 32);
    }
    assert!(depths.contains(&5), "21 leaves make a tree of depth 5: {depths:?}");
}

/// TIM-021.
#[test]
fn a_forged_reply_is_waited_past() {
    let Some(program) = program("roughtime: forger") else { return };
    let [a] = start(&program, [("a", 0)]);
    // Stands in between: answers with noise and with an old reply, then passes the real one on.
    let between = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = between.local_addr().unwrap().to_string();
    let real = a.server.address.clone();
    let forger = std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        let (len, client) = between.recv_from(&mut buffer).unwrap();
        let request = buffer[..len].to_vec();
        between.send_to(b"ROUGHTIM\x04\0\0\0\x01\0\0\0", client).unwrap();
        let onward = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        onward.send_to(&request, &real).unwrap();
        let len = onward.recv(&mut buffer).unwrap();
        let mut spoiled = buffer[..len].to_vec();
        spoiled[len - 1] ^= 1;
        between.send_to(&spoiled, client).unwrap();
        between.send_to(&buffer[..len], client).unwrap();
    });
    let within = Duration::from_secs(2);
    let asked = firmlog_clock::roughtime::ask::ask(&address, &a.server.key, &[3; 32], within);
    forger.join().unwrap();
    assert_eq!(asked.unwrap().signed.radius_s, 5);
}
