//! What is wrong inside the payload: kinds, fields, extensions, rules across fields.

use super::Spoiled;
use super::build::{Pairs, Parts, bad, bytes, list, text};
use firmlog_statement::StatementError as E;

pub(super) fn all() -> Vec<Spoiled> {
    [maps(), values(), texts(), extensions(), events(), events_of_kinds(), rules(), keys()]
        .into_iter()
        .flatten()
        .collect()
}

/// A sample to be changed: its parts, and its payload as pairs.
struct Base(Parts, Pairs);

impl Base {
    fn new(name: &str) -> Self {
        let parts = Parts::sample(name);
        let pairs = Pairs::of(&parts.payload);
        Self(parts, pairs)
    }

    fn set(&self, key: u64, value: &[u8]) -> Vec<u8> {
        self.0.with(self.1.clone().set(key, value).map())
    }

    fn without(&self, key: u64) -> Vec<u8> {
        self.0.with(self.1.clone().without(key).map())
    }

    /// Changes the map that is the value of `key`.
    fn inside(&self, key: u64, change: impl Fn(Pairs) -> Pairs) -> Vec<u8> {
        let (_, map) = self.1.0.iter().find(|(found, _)| *found == key).unwrap();
        self.set(key, &change(Pairs::of(map)).map())
    }
}

fn maps() -> Vec<Spoiled> {
    let update = Base::new("update");
    let raw = |bytes: &[u8]| update.0.with(bytes.to_vec());
    let payload = &update.0.payload;
    let swapped = {
        let mut pairs = update.1.clone();
        let last = pairs.0.len() - 1;
        pairs.0.swap(last - 1, last);
        update.0.with(pairs.map())
    };
    let twice = {
        let mut pairs = update.1.clone();
        pairs.0.push(pairs.0.last().unwrap().clone());
        update.0.with(pairs.map())
    };
    let indefinite = [&[0xbf], &payload[1..], &[0xff]].concat();
    let wide_key = [&payload[..1], &[0x18, 0], &payload[2..]].concat();
    let wide_kind = [&payload[..2], &[0x18], &payload[2..]].concat();
    let kind = |kind: u8| raw(&[&payload[..2], &[kind], &payload[3..]].concat());
    vec![
        bad("bad_keys_unordered", "STM-001", E::KeysOutOfOrder, swapped),
        bad("bad_key_twice", "STM-001", E::KeysOutOfOrder, twice),
        bad("bad_map_indefinite", "STM-004", E::IndefiniteLength, raw(&indefinite)),
        bad("bad_key_not_shortest", "STM-001", E::NotShortest, raw(&wide_key)),
        bad("bad_integer_not_shortest", "STM-001", E::NotShortest, raw(&wide_kind)),
        bad(
            "bad_payload_trailing",
            "STM-002",
            E::TrailingBytes,
            raw(&[payload, &[0][..]].concat()),
        ),
        bad("bad_payload_cut", "STM-002", E::Truncated, raw(&payload[..payload.len() - 1])),
        bad("bad_payload_empty", "STM-002", E::Truncated, raw(&[])),
        bad("bad_payload_array", "STM-001", E::WrongType, raw(&[0x80])),
        bad("bad_kind_missing", "STM-022", E::KindMissing, update.without(0)),
        bad("bad_kind_unknown", "STM-022", E::KindUnknown, kind(7)),
        bad("bad_kind_of_another", "STM-030", E::FieldMissing, kind(1)),
    ]
}

fn values() -> Vec<Spoiled> {
    let update = Base::new("update");
    let full = Base::new("update_full");
    vec![
        bad("bad_time_missing", "STM-022", E::FieldMissing, update.without(10)),
        bad("bad_head_missing", "STM-030", E::FieldMissing, update.without(6)),
        bad("bad_device_length", "STM-030", E::FixedLength, update.set(1, &bytes(&[1; 31]))),
        bad("bad_seq_integer", "STM-030", E::WrongType, update.set(6, &[7])),
        bad("bad_outcome_unknown", "STM-022", E::UnknownCode, update.set(5, &[23])),
        bad("bad_slot_range", "STM-022", E::NumberRange, {
            full.inside(11, |map| map.set(5, &[0x19, 1, 0]))
        }),
        bad("bad_zone_beyond_18_hours", "STM-022", E::TimeRange, {
            full.inside(10, |map| map.set(2, &[0x19, 4, 0x39]))
        }),
        bad("bad_factors_none", "STM-022", E::UnknownCode, {
            Base::new("approval").inside(32, |map| map.set(6, &[0]))
        }),
        bad("bad_bool_integer", "STM-022", E::WrongType, {
            Base::new("authorisation").set(37, &[1])
        }),
        bad("bad_key_below_64_unknown", "STM-020", E::UnknownKey, update.set(23, &[0])),
        bad("bad_key_unknown_inside", "STM-020", E::UnknownKey, {
            full.inside(20, |map| map.set(64, &[0]))
        }),
        bad("bad_list_empty", "STM-022", E::EmptyList, Base::new("release").set(33, &[0x80])),
    ]
}

fn texts() -> Vec<Spoiled> {
    let full = Base::new("update_full");
    let release = Base::new("release");
    let named = |name: &[u8]| full.inside(12, |map| map.set(1, name));
    vec![
        bad("bad_text_empty", "STM-022", E::TextEmpty, named(&[0x60])),
        bad("bad_text_33_bytes", "STM-022", E::TextTooLong, named(&text(&"a".repeat(33)))),
        bad("bad_text_1025_bytes", "STM-022", E::TextTooLong, {
            release.set(29, &text(&"a".repeat(1025)))
        }),
        bad("bad_text_tab", "STM-022", E::ControlCharacter, named(&text("2\t4"))),
        bad("bad_text_delete", "STM-022", E::ControlCharacter, release.set(29, &text("a\u{7f}"))),
        bad("bad_text_c1", "STM-024", E::HiddenCharacter, release.set(29, &text("a\u{9b}"))),
        bad(
            "bad_text_zero_width",
            "STM-024",
            E::HiddenCharacter,
            release.set(29, &text("a\u{200b}p")),
        ),
        bad(
            "bad_text_override",
            "STM-024",
            E::HiddenCharacter,
            release.set(32, &text("\u{202e}1.2.4")),
        ),
        bad(
            "bad_text_tag",
            "STM-024",
            E::HiddenCharacter,
            release.set(32, &text("4.2.1\u{e0031}")),
        ),
        bad("bad_text_not_utf8", "STM-022", E::NotUtf8, named(&[0x61, 0x80])),
        bad("bad_text_overlong", "STM-022", E::NotUtf8, named(&[0x62, 0xc0, 0xaf])),
    ]
}

fn extensions() -> Vec<Spoiled> {
    let update = Base::new("update");
    let with = |value: &[u8]| update.set(64, value);
    let many = |count: u64| {
        let pairs = (0..count).fold(update.1.clone(), |pairs, i| pairs.set(64 + i, &[0]));
        update.0.with(pairs.map())
    };
    let deep = [&[0x81; 8][..], &[0]].concat();
    let extra = "STM-023";
    vec![
        bad("bad_extension_too_long", "STM-020", E::BytesTooLong, with(&bytes(&[0; 255]))),
        bad("bad_extension_too_deep", extra, E::TooDeep, with(&deep)),
        bad("bad_extension_float", "STM-004", E::SimpleValue, with(&[0xf9, 0x3c, 0])),
        bad("bad_extension_tag", "STM-004", E::SimpleValue, with(&[0xc1, 0])),
        bad("bad_extension_undefined", "STM-004", E::SimpleValue, with(&[0xf7])),
        bad("bad_extension_indefinite", "STM-004", E::IndefiniteLength, with(&[0x9f, 0xff])),
        bad("bad_extension_not_shortest", extra, E::NotShortest, with(&[0x18, 1])),
        bad("bad_extension_unordered", extra, E::KeysOutOfOrder, with(&[0xa2, 2, 0, 1, 0])),
        bad("bad_extension_not_utf8", extra, E::NotUtf8, with(&[0x61, 0xff])),
        bad("bad_update_24_fields", "STM-033", E::TooManyKeys, many(12)),
    ]
}

fn event(kind: u8, ago_ms: u8) -> Vec<u8> {
    vec![0xa2, 1, 0x18, kind, 2, ago_ms]
}

fn events() -> Vec<Spoiled> {
    let update = Base::new("update");
    let with = |events: &[Vec<u8>]| update.set(9, &list(events));
    vec![
        bad("bad_events_none", "STM-034", E::EventsMissing, with(&[])),
        bad("bad_events_17", "STM-034", E::TooManyItems, with(&vec![event(40, 0); 17])),
        bad("bad_events_times", "STM-034", E::EventTimesDescend, {
            with(&[event(46, 3), event(47, 4)])
        }),
        bad("bad_event_unknown", "STM-022", E::UnknownCode, with(&[event(99, 0)])),
        bad("bad_event_of_release", "STM-035", E::EventNotForKind, {
            with(&[vec![0xa2, 1, 3, 2, 0]])
        }),
    ]
}

fn events_of_kinds() -> Vec<Spoiled> {
    let with = |name: &str, code: &[u8]| Base::new(name).set(9, code);
    let committed: &[u8] = &[0x18, 52];
    vec![
        bad("bad_release_event", "STM-035", E::EventNotForKind, with("release", committed)),
        bad("bad_release_authorises", "STM-035", E::EventNotForKind, with("release", &[21])),
        bad("bad_approval_event", "STM-035", E::EventNotForKind, with("approval", committed)),
        bad("bad_authorisation_event", "STM-035", E::EventNotForKind, {
            with("authorisation", &[3])
        }),
    ]
}

fn rules() -> Vec<Spoiled> {
    let commitment = |field: u8| list(&[vec![field], bytes(&[9; 32])]);
    let committed = |fields: &[u8]| {
        let all: Vec<_> = fields.iter().map(|field| commitment(*field)).collect();
        Base::new("update").set(22, &list(&all))
    };
    let ms = |value: u64| {
        let mut out = Vec::new();
        firmlog_statement::codec::uint(&mut out, value).unwrap();
        out
    };
    vec![
        bad("bad_commitments_unordered", "STM-039", E::CommitmentsUnordered, committed(&[5, 1])),
        bad("bad_commitments_twice", "STM-039", E::CommitmentsUnordered, committed(&[1, 1])),
        bad("bad_commitments_nine", "STM-039", E::TooManyItems, {
            committed(&[1, 2, 3, 4, 5, 6, 7, 8, 9])
        }),
        bad("bad_commitments_empty", "STM-039", E::EmptyList, committed(&[])),
        bad("bad_authorisation_window", "STM-038", E::WindowReversed, {
            Base::new("authorisation").set(36, &ms(1_781_870_399_999))
        }),
        bad("bad_audit_window", "STM-038", E::WindowReversed, {
            Base::new("audit").set(38, &ms(1_781_870_399_999))
        }),
    ]
}

fn keys() -> Vec<Spoiled> {
    let action = |name: &str, change: &dyn Fn(Pairs) -> Pairs| {
        let base = Base::new(name);
        let (_, action) = base.1.0.iter().find(|(key, _)| *key == 32).unwrap();
        let map = change(Pairs::of(&action[2..])).map();
        base.set(32, &[&action[..2], &map[..]].concat())
    };
    let enrol = |change: &dyn Fn(Pairs) -> Pairs| action("trust_enrol", change);
    let genesis = |change: &dyn Fn(Pairs) -> Pairs| action("trust_genesis", change);
    let short_x = [&[0xa3, 1, 1, 0x20, 6, 0x21][..], &bytes(&[3; 31])].concat();
    let private = [&[0xa4, 1, 1, 0x20, 6, 0x21][..], &bytes(&[3; 32]), &[0x23, 0x41, 1]].concat();
    let p384 = [&[0xa3, 1, 2, 0x20, 2, 0x21][..], &bytes(&[3; 32])].concat();
    let key = |key: &[u8]| enrol(&|map| map.set(1, key));
    let seed = bytes(&[0xd1; 32]);
    let devices_first = {
        let device = Base::new("trust_enrol");
        let (_, action) = device.1.0.iter().find(|(key, _)| *key == 32).unwrap();
        list(&[action[2..].to_vec()])
    };
    vec![
        bad("bad_device_without_seed", "STM-036", E::RoleHasNoSeed, enrol(&|m| m.without(4))),
        bad("bad_approver_with_seed", "STM-036", E::RoleHasNoSeed, enrol(&|m| m.set(3, &[2]))),
        bad("bad_device_with_scope", "STM-042", E::RoleHasNoScope, {
            enrol(&|m| m.set(11, &list(&[text("acme.example")])))
        }),
        bad("bad_rotate_key", "STM-012", E::KeyMalformed, {
            action("trust_rotate", &|map| map.set(2, &short_x))
        }),
        bad("bad_key_short", "STM-012", E::KeyMalformed, key(&short_x)),
        bad("bad_key_private", "STM-012", E::KeyMalformed, key(&private)),
        bad("bad_key_curve", "STM-012", E::KeyMalformed, key(&p384)),
        bad("bad_role_seeded_genesis", "STM-036", E::RoleHasNoSeed, {
            genesis(&|map| {
                let (_, keys) = map.0.iter().find(|(key, _)| *key == 5).unwrap().clone();
                let last = last_item(&keys);
                let at = keys.len() - last.len();
                let seeded = Pairs::of(last).set(4, &seed).map();
                map.set(5, &[&keys[..at], &seeded[..]].concat())
            })
        }),
        bad("bad_genesis_without_keys", "STM-037", E::KeysListEmpty, genesis(&|m| m.without(5))),
        bad("bad_genesis_device_first", "STM-037", E::KeysListEmpty, {
            genesis(&|map| map.set(5, &devices_first))
        }),
        bad("bad_action_unknown", "STM-022", E::UnknownCode, {
            Base::new("trust_revoke").set(32, &[0x82, 5, 0xa0])
        }),
    ]
}

/// The bytes of an array's last item.
fn last_item(array: &[u8]) -> &[u8] {
    let d = &mut firmlog_statement::codec::Decoder::new(array);
    let count = d.list().unwrap();
    (0..count).map(|_| d.skip().unwrap()).last().unwrap()
}
