//! Every kind: bytes → statement → bytes, bytes → JSON → bytes, and every damage noticed.

mod samples;

use firmlog_statement::{Body, Kind, Parsed, Statement, StatementError, Update, json, seal};
use samples::{ISSUER, SUBJECT, all, entry, full_update, p256_key, typical_update};

fn re_encode(parsed: &Parsed<'_>, statement: &Statement) -> Vec<u8> {
    let mut payload = Vec::new();
    match statement {
        Statement::Trust(it) => it.encode_payload(&mut payload),
        Statement::Release(it) => it.encode_payload(&mut payload),
        Statement::Approval(it) => it.encode_payload(&mut payload),
        Statement::Authorisation(it) => it.encode_payload(&mut payload),
        Statement::Update(it) => it.encode_payload(&mut payload),
        Statement::Annotation(it) => it.encode_payload(&mut payload),
        Statement::Audit(it) => it.encode_payload(&mut payload),
    }
    .unwrap();
    assert_eq!(payload, parsed.payload());
    payload
}

#[test]
fn stm_001_every_kind_round_trips() {
    for (name, statement) in all() {
        let bytes = entry(&statement);
        let parsed = Parsed::parse(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(parsed.kind(), statement.kind(), "{name}");
        assert_eq!(parsed.decode().unwrap(), statement, "{name}");
        re_encode(&parsed, &statement);
    }
}

#[test]
fn stm_060_json_is_lossless() {
    for (name, statement) in all() {
        let bytes = entry(&statement);
        let text = json::to_json(&Parsed::parse(&bytes).unwrap()).unwrap().to_string();
        assert_eq!(json::from_text(&text).unwrap(), bytes, "{name}");
    }
}

#[test]
fn stm_061_json_refuses_unknown_names_everywhere() {
    for (name, statement) in all() {
        let bytes = entry(&statement);
        let value = json::to_json(&Parsed::parse(&bytes).unwrap()).unwrap();
        let mut paths = Vec::new();
        objects(&value, String::new(), &mut paths);
        for path in paths {
            let mut spoiled = value.clone();
            let object = spoiled.pointer_mut(&path).unwrap().as_object_mut().unwrap();
            object.insert("surprise".into(), 1.into());
            assert!(json::from_json(&spoiled).is_err(), "{name} at {path}");
        }
    }
}

/// What is wrong is said with the place, and every name that is written is described.
#[test]
fn a_fault_in_json_is_placed() {
    for (name, statement) in all() {
        let value = statement.to_json();
        let kind = statement.kind();
        assert_eq!(Statement::json_fault(kind, &value), None, "{name}");
        let lines = Statement::json_lines(kind);
        assert!(lines.iter().all(|line| !line.form.is_empty() && !line.about.is_empty()));
        let mut paths = Vec::new();
        objects(&value, String::new(), &mut paths);
        for path in paths {
            let of_map = path.ends_with("/commitments") || path.ends_with("/extra");
            let mut spoiled = value.clone();
            let object = spoiled.pointer_mut(&path).unwrap().as_object_mut().unwrap();
            for known in object.keys().filter(|_| !of_map) {
                let place = dotted(&format!("{path}/{known}"), true);
                assert!(lines.iter().any(|line| line.path == place), "{name}: {place}");
            }
            object.insert("surprise".into(), 1.into());
            let fault = Statement::json_fault(kind, &spoiled).unwrap();
            let at = if of_map || path.ends_with("/action") {
                dotted(&path, false)
            } else {
                dotted(&format!("{path}/surprise"), false)
            };
            assert_eq!(fault.path, at, "{name}: {fault:?}");
            assert!(!fault.expected.is_empty());
        }
    }
}

/// `/events/0/kind` as `payload.events[0].kind`, or as `payload.events[].kind`.
fn dotted(pointer: &str, any: bool) -> String {
    let mut out = String::from("payload");
    for part in pointer.split('/').skip(1) {
        match part.parse::<usize>() {
            Ok(_) if any => out.push_str("[]"),
            Ok(n) => out.push_str(&format!("[{n}]")),
            Err(_) => out.push_str(&format!(".{part}")),
        }
    }
    out
}

/// STM-061: two readers could act on different ones of two equal names.
#[test]
fn stm_061_json_refuses_a_name_twice_everywhere() {
    let bytes = entry(&full_update().into());
    let text = json::to_json(&Parsed::parse(&bytes).unwrap()).unwrap().to_string();
    for (at, _) in text.match_indices('{') {
        let name = text[at + 1..].split_once(':').unwrap().0;
        let twice = format!("{}{name}:0,{}", &text[..=at], &text[at + 1..]);
        assert_eq!(json::from_text(&twice), Err(json::JsonError::NameTwice), "{name}");
    }
    assert_eq!(json::from_text(&format!("{text} ")), Ok(bytes));
    assert_eq!(json::from_text(&format!("{text}1")), Err(json::JsonError::Syntax));
}

/// STM-021: keys up to 31 have one name, whichever kind they stand in.
#[test]
fn stm_021_keys_mean_the_same_in_every_kind() {
    let mut names = std::collections::BTreeMap::new();
    for (kind, statement) in all() {
        let bytes = entry(&statement);
        let parsed = Parsed::parse(&bytes).unwrap();
        let mut d = minicbor::Decoder::new(parsed.payload());
        let count = d.map().unwrap().unwrap();
        let keys = (0..count).map(|_| {
            let key = d.u64().unwrap();
            d.skip().unwrap();
            key
        });
        let keys: Vec<u64> = keys.filter(|key| (1..64).contains(key)).collect();
        let json = statement.to_json();
        let told = json.as_object().unwrap().keys().filter(|name| *name != "extra");
        for (key, name) in keys.into_iter().zip(told).filter(|(key, _)| *key < 32) {
            // An update has several events, the others one.
            let name = if name == "events" { "event" } else { name };
            let first = names.entry(key).or_insert_with(|| name.to_owned());
            assert_eq!(first, name, "key {key} in {kind}");
        }
    }
    assert_eq!(names.get(&13).map(String::as_str), Some("release"));
}

fn objects(value: &serde_json::Value, path: String, out: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            map.iter().for_each(|(k, v)| objects(v, format!("{path}/{k}"), out));
            out.push(path);
        }
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, v)| objects(v, format!("{path}/{i}"), out));
        }
        _ => {}
    }
}

#[test]
fn stm_002_every_truncation_is_refused() {
    for (name, statement) in all() {
        let bytes = entry(&statement);
        for len in 0..bytes.len() {
            assert!(Parsed::parse(&bytes[..len]).is_err(), "{name} cut to {len}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Parsed::parse(&longer).unwrap_err(), StatementError::TrailingBytes, "{name}");
    }
}

#[test]
fn stm_003_every_changed_byte_is_refused_or_says_something_else() {
    for (name, statement) in all() {
        let bytes = entry(&statement);
        for at in 0..bytes.len() {
            for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255u8] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                let Ok(parsed) = Parsed::parse(&changed) else { continue };
                let decoded = parsed.decode().unwrap_or_else(|e| panic!("{name} {at}: {e}"));
                re_encode(&parsed, &decoded);
                let original = Parsed::parse(&bytes).unwrap();
                let same = decoded == statement
                    && parsed.signature() == original.signature()
                    && parsed.kid() == original.kid()
                    && parsed.algorithm() == original.algorithm()
                    && parsed.issuer() == original.issuer()
                    && parsed.subject() == original.subject();
                assert!(!same, "{name}: byte {at} does not matter");
            }
        }
    }
}

#[test]
fn stm_030_head_is_read_at_fixed_offsets() {
    for update in [typical_update(), full_update()] {
        let bytes = entry(&update.clone().into());
        let head = Parsed::parse(&bytes).unwrap().update_head().unwrap();
        assert_eq!(head.device, update.device);
        assert_eq!(head.image, update.image.0);
        assert_eq!(head.version, update.version.0);
        assert_eq!(head.counter, update.counter.0);
        assert_eq!(head.outcome, update.outcome);
        assert_eq!(head.seq, update.seq.0);
        assert_eq!(head.prev, update.prev.0);
    }
}

#[test]
fn stm_031_typical_update_stays_under_512_bytes() {
    let bytes = entry(&typical_update().into());
    assert_eq!(typical_update().entry_len(ISSUER, SUBJECT), Ok(bytes.len()));
    assert_eq!(bytes.len(), 411);
}

#[test]
fn stm_032_fixed_buffer_and_heap_make_the_same_bytes() {
    let mut buffer = [0; 2048];
    let len = seal(&typical_update(), ISSUER, SUBJECT, &p256_key(), &mut buffer).unwrap();
    assert_eq!(buffer[..len], entry(&typical_update().into()));
    assert!(seal(&typical_update(), ISSUER, SUBJECT, &p256_key(), &mut buffer[..len - 1]).is_err());
    let parsed = Parsed::parse(&buffer[..len]).unwrap();
    assert_eq!(parsed.update().unwrap(), typical_update());
    assert!(size_of::<Update>() < 4096);
}

#[test]
fn heads_of_release_and_approval() {
    for (_, statement) in all() {
        let bytes = entry(&statement);
        let parsed = Parsed::parse(&bytes).unwrap();
        assert_eq!(parsed.release_head().is_some(), parsed.kind() == Kind::Release);
        let approves = matches!(parsed.kind(), Kind::Approval | Kind::Authorisation);
        assert_eq!(parsed.approval_head().is_some(), approves);
    }
}

#[test]
fn stm_004_a_second_cbor_reader_agrees() {
    for (name, statement) in all() {
        let bytes = entry(&statement);
        let mut d = minicbor::Decoder::new(&bytes);
        assert_eq!(d.tag().unwrap().as_u64(), 18, "{name}");
        assert_eq!(d.array().unwrap(), Some(4));
        let protected = d.bytes().unwrap();
        assert_eq!(d.map().unwrap(), Some(0));
        let payload = d.bytes().unwrap();
        assert_eq!(d.bytes().unwrap().len(), 64);
        for part in [protected, payload] {
            let mut inner = minicbor::Decoder::new(part);
            inner.skip().unwrap();
            assert_eq!(inner.position(), part.len(), "{name}");
        }
    }
}
