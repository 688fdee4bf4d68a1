//! Round trips of statements nobody wrote by hand: each field of each kind present or
//! not, extensions of any shape, and bytes spoiled at random.

mod samples;

use firmlog_statement::codec::{self, Decoder};
use firmlog_statement::{Parsed, Statement, json, sign_statement};
use proptest::prelude::*;

/// The payload of a sample with some of its pairs left out and an extension added.
fn thinned(payload: &[u8], keep: &[bool], extension: &[u8]) -> Vec<u8> {
    let d = &mut Decoder::new(payload);
    let count = d.head(5).unwrap();
    let pairs: Vec<_> = (0..count).map(|_| (d.uint().unwrap(), d.skip().unwrap())).collect();
    let mut kept: Vec<_> = pairs.into_iter().filter(|(key, _)| *key < 64).collect();
    let mut keep = keep.iter().cycle();
    kept.retain(|_| *keep.next().unwrap_or(&true));
    kept.push((64, extension));
    let mut out = Vec::new();
    codec::head(&mut out, 5, kept.len() as u64).unwrap();
    for (key, value) in kept {
        codec::uint(&mut out, key).unwrap();
        out.extend_from_slice(value);
    }
    out
}

/// Deterministic CBOR of any shape, small enough for an extension.
fn cbor() -> impl Strategy<Value = Vec<u8>> {
    let made = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        out
    };
    let leaf = prop_oneof![
        any::<i64>().prop_map(move |n| made(&|out| codec::int(out, n).unwrap())),
        "[a-z]{0,9}".prop_map(move |t| made(&|out| codec::text(out, &t).unwrap())),
        prop::collection::vec(any::<u8>(), 0..9)
            .prop_map(move |b| made(&|out| codec::bytes(out, &b).unwrap())),
        prop::sample::select(vec![vec![0xf4], vec![0xf5], vec![0xf6]]),
    ];
    leaf.prop_recursive(4, 8, 3, |inner| {
        prop::collection::vec(inner, 0..3).prop_map(|items| {
            let mut out = Vec::new();
            codec::head(&mut out, 4, items.len() as u64).unwrap();
            out.extend(items.concat());
            out
        })
    })
}

fn round_trip(statement: &Statement) {
    let signer = samples::signer_of(statement);
    let entry = sign_statement(statement, samples::ISSUER, samples::SUBJECT, &*signer).unwrap();
    let parsed = Parsed::parse(&entry).unwrap();
    assert_eq!(parsed.decode().unwrap(), *statement);
    let text = json::to_json(&parsed).unwrap().to_string();
    assert_eq!(json::from_text(&text).unwrap(), entry);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever payload is taken re-encodes to the same bytes, through CBOR and JSON.
    #[test]
    fn stm_060_any_fields_of_any_kind(
        at in any::<prop::sample::Index>(),
        keep in prop::collection::vec(prop::bool::weighted(0.8), 1..32),
        extension in cbor(),
    ) {
        let all = samples::all();
        let (_, sample) = at.get(&all);
        let entry = samples::entry(sample);
        let payload = thinned(Parsed::parse(&entry).unwrap().payload(), &keep, &extension);
        if let Ok(statement) = Statement::decode_payload(sample.kind(), &payload) {
            round_trip(&statement);
            let entry = samples::entry(&statement);
            prop_assert_eq!(Parsed::parse(&entry).unwrap().payload(), payload);
        }
    }

    /// Optional fields are optional: without them the statement is taken.
    #[test]
    fn stm_022_optional_fields_may_be_left_out(
        keep in prop::collection::vec(any::<bool>(), 14),
        extension in cbor(),
    ) {
        let entry = samples::entry(&samples::full_update().into());
        let always = [true; 10].into_iter().chain(keep).collect::<Vec<_>>();
        let payload = thinned(Parsed::parse(&entry).unwrap().payload(), &always, &extension);
        let statement = Statement::decode_payload(firmlog_statement::Kind::Update, &payload);
        round_trip(&statement.unwrap());
    }

    /// Random bytes over a sound entry: refused, or the one spelling of what they say.
    #[test]
    fn stm_001_spoiled_bytes(
        at in any::<prop::sample::Index>(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let all = samples::all();
        let (_, sample) = at.get(&all);
        let mut entry = samples::entry(sample);
        for (place, byte) in places {
            let place = place.index(entry.len());
            entry[place] = byte;
        }
        if let Ok(parsed) = Parsed::parse(&entry) {
            let text = json::to_json(&parsed).unwrap().to_string();
            prop_assert_eq!(json::from_text(&text).unwrap(), entry);
        }
    }
}
