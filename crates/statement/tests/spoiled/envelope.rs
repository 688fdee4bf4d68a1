//! What is wrong outside the payload: frame, headers, signature.

use super::Spoiled;
use super::build::{Parts, bad, bytes, text};
use crate::samples::typical_update;
use firmlog_statement::StatementError as E;

pub(super) fn all() -> Vec<Spoiled> {
    [frame(), unprotected(), labels(), header_values(), claims(), signature()]
        .into_iter()
        .flatten()
        .collect()
}

fn good() -> Parts {
    Parts::of(&typical_update().into())
}

fn frame() -> Vec<Spoiled> {
    let entry = good().entry();
    let begins = |with: &[u8], skip: usize| [with, &entry[skip..]].concat();
    let mut long = entry.clone();
    long.resize(65_536, 0);
    let (tail, last) = (&entry[4..], entry.len() - 1);
    vec![
        bad("bad_entry_too_long", "STM-001", E::EntryTooLong, long),
        bad("bad_empty", "STM-002", E::NotCoseSign1, Vec::new()),
        bad("bad_truncated", "STM-002", E::Truncated, entry[..last].to_vec()),
        bad("bad_truncated_header", "STM-002", E::Truncated, entry[..60].to_vec()),
        bad("bad_trailing_bytes", "STM-002", E::TrailingBytes, [&entry[..], &[0]].concat()),
        bad("bad_not_cose_sign1", "STM-001", E::NotCoseSign1, begins(&[0xd1], 1)),
        bad("bad_untagged", "STM-001", E::NotCoseSign1, begins(&[], 1)),
        bad("bad_tag_not_shortest", "STM-001", E::NotCoseSign1, begins(&[0xd8, 0x12], 1)),
        bad("bad_array_of_five", "STM-001", E::NotCoseSign1, begins(&[0xd2, 0x85], 2)),
        bad("bad_array_indefinite", "STM-004", E::NotCoseSign1, begins(&[0xd2, 0x9f], 2)),
        bad(
            "bad_length_not_shortest",
            "STM-001",
            E::NotShortest,
            [&[0xd2, 0x84, 0x59, 0, entry[3]], tail].concat(),
        ),
        bad(
            "bad_header_indefinite",
            "STM-004",
            E::IndefiniteLength,
            [&[0xd2, 0x84, 0x5f, 0x58, entry[3]], tail].concat(),
        ),
        bad("bad_payload_detached", "STM-001", E::WrongType, detached()),
    ]
}

fn detached() -> Vec<u8> {
    let good = good();
    let mut out = vec![0xd2, 0x84];
    out.extend(bytes(&good.protected));
    out.extend([0xa0, 0xf6]);
    out.extend(bytes(&good.signature));
    out
}

fn unprotected() -> Vec<Spoiled> {
    let with = |unprotected: &[u8]| Parts { unprotected: unprotected.into(), ..good() }.entry();
    let holds = with(&[0xa1, 0x04, 0x40]);
    vec![
        bad("bad_unprotected_not_empty", "STM-010", E::UnprotectedNotEmpty, holds),
        bad("bad_unprotected_indefinite", "STM-004", E::IndefiniteLength, with(&[0xbf, 0xff])),
        bad("bad_unprotected_not_shortest", "STM-001", E::NotShortest, with(&[0xb8, 0])),
        bad("bad_unprotected_array", "STM-010", E::WrongType, with(&[0x80])),
    ]
}

/// A protected header of these label and value bytes.
fn header(pairs: &[&[u8]]) -> Vec<u8> {
    let protected = [&[0xa0 | pairs.len() as u8], pairs.concat().as_slice()].concat();
    Parts { protected, ..good() }.entry()
}

fn value(label: u8, value: Vec<u8>) -> Vec<u8> {
    [vec![label], value].concat()
}

fn content_type() -> Vec<u8> {
    value(3, text("application/firmlog+cbor"))
}

fn kid() -> Vec<u8> {
    value(4, bytes(&[0x44; 32]))
}

fn names(issuer: &[u8], subject: &[u8]) -> Vec<u8> {
    [&[15, 0xa2, 1], issuer, &[2], subject].concat()
}

fn plain_names() -> Vec<u8> {
    names(&text("acme.example"), &text("ip-200"))
}

const ES256: &[u8] = &[1, 0x26];

fn labels() -> Vec<Spoiled> {
    let (content_type, kid, names) = (content_type(), kid(), plain_names());
    let (content_type, kid, names) = (&content_type[..], &kid[..], &names[..]);
    let twice = [&header(&[ES256, content_type, kid, names])[..]].concat();
    let crit: &[u8] = &[2, 0x81, 3];
    let late: &[u8] = &[0x10, 1];
    let trailing = {
        let mut protected = good().protected;
        protected.push(0);
        Parts { protected, ..good() }.entry()
    };
    debug_assert!(firmlog_statement::Parsed::parse(&twice).is_ok(), "the untouched one is sound");
    vec![
        bad("bad_header_crit", "STM-010", E::UnknownHeader, {
            header(&[ES256, crit, content_type, kid, names])
        }),
        bad("bad_header_fifth", "STM-010", E::UnknownHeader, {
            header(&[ES256, content_type, kid, names, late])
        }),
        bad("bad_header_unordered", "STM-001", E::HeaderMissing, {
            header(&[ES256, kid, content_type, names])
        }),
        bad("bad_header_no_kid", "STM-010", E::HeaderMissing, {
            header(&[ES256, content_type, names])
        }),
        bad("bad_header_no_claims", "STM-010", E::HeaderMissing, {
            header(&[ES256, content_type, kid])
        }),
        bad("bad_header_empty", "STM-010", E::HeaderMissing, header(&[])),
        bad("bad_header_text_label", "STM-010", E::WrongType, {
            header(&[ES256, &[0x61, b'a', 0], kid, names])
        }),
        bad("bad_header_trailing_byte", "STM-002", E::TrailingBytes, trailing),
    ]
}

fn header_values() -> Vec<Spoiled> {
    let (ct, kid, names) = (content_type(), kid(), plain_names());
    let algorithm = |value: &[u8]| header(&[value, &ct, &kid, &names]);
    let typed = |name: &str| header(&[ES256, &value(3, text(name)), &kid, &names]);
    let kid_of = |len: usize| header(&[ES256, &ct, &value(4, bytes(&vec![4; len])), &names]);
    vec![
        bad("bad_algorithm_unknown", "STM-013", E::AlgorithmUnknown, algorithm(&[1, 0x28])),
        bad("bad_algorithm_es384", "STM-013", E::AlgorithmUnknown, algorithm(&[1, 0x38, 0x22])),
        bad("bad_algorithm_not_shortest", "STM-001", E::NotShortest, algorithm(&[1, 0x38, 6])),
        bad("bad_algorithm_text", "STM-013", E::WrongType, algorithm(&[1, 0x61, b'E'])),
        bad("bad_content_type", "STM-010", E::ContentTypeWrong, typed("application/cbor")),
        bad("bad_content_type_case", "STM-010", E::ContentTypeWrong, {
            typed("application/Firmlog+cbor")
        }),
        bad("bad_kid_31_bytes", "STM-012", E::KidLength, kid_of(31)),
        bad("bad_kid_33_bytes", "STM-012", E::KidLength, kid_of(33)),
    ]
}

fn claims() -> Vec<Spoiled> {
    let (ct, kid, plain) = (content_type(), kid(), text("a"));
    let with = |claims: &[u8]| header(&[ES256, &ct, &kid, claims]);
    let named = |issuer: &[u8], subject: &[u8]| with(&names(issuer, subject));
    let long = text(&"a".repeat(256));
    vec![
        bad("bad_claims_iss_only", "STM-011", E::ClaimsWrong, with(&[15, 0xa1, 1, 0x61, b'a'])),
        bad("bad_claims_three", "STM-011", E::ClaimsWrong, {
            with(&[15, 0xa3, 1, 0x61, b'a', 2, 0x61, b'a', 3, 0])
        }),
        bad("bad_claims_unordered", "STM-011", E::ClaimsWrong, {
            with(&[15, 0xa2, 2, 0x61, b'a', 1, 0x61, b'a'])
        }),
        bad("bad_issuer_empty", "STM-011", E::IssuerLength, named(&[0x60], &plain)),
        bad("bad_issuer_256_bytes", "STM-011", E::IssuerLength, named(&long, &plain)),
        bad("bad_subject_empty", "STM-011", E::SubjectLength, named(&plain, &[0x60])),
        bad("bad_subject_256_bytes", "STM-011", E::SubjectLength, named(&plain, &long)),
        bad("bad_issuer_newline", "STM-011", E::ControlCharacter, named(&text("a\nb"), &plain)),
        bad(
            "bad_issuer_isolate",
            "STM-024",
            E::HiddenCharacter,
            named(&text("a\u{2066}b"), &plain),
        ),
        bad(
            "bad_subject_joiner",
            "STM-024",
            E::HiddenCharacter,
            named(&plain, &text("a\u{2060}b")),
        ),
        bad("bad_issuer_not_utf8", "STM-011", E::NotUtf8, named(&[0x62, 0xc3, 0x28], &plain)),
        bad("bad_subject_surrogate", "STM-011", E::NotUtf8, {
            named(&plain, &[0x63, 0xed, 0xa0, 0x80])
        }),
        bad("bad_subject_bytes", "STM-011", E::WrongType, named(&plain, &[0x41, b'a'])),
    ]
}

fn signature() -> Vec<Spoiled> {
    let good = good();
    let with = |signature: Vec<u8>| Parts { signature, ..good.clone() }.entry();
    let eddsa = Parts::sample("release");
    let mut high = good.signature.clone();
    high[32] = 0x80;
    let mut s_is_order = eddsa.signature.clone();
    s_is_order[32..].copy_from_slice(&[
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ]);
    let zero_r = [&[0; 32], &good.signature[32..]].concat();
    let zero_s = [&good.signature[..32], &[0; 32]].concat();
    let full_r = [&[0xff; 32], &good.signature[32..]].concat();
    vec![
        bad("bad_high_s", "STM-014", E::SignatureHighS, with(high)),
        bad("bad_scalar_r_zero", "STM-014", E::SignatureScalarRange, with(zero_r)),
        bad("bad_scalar_s_zero", "STM-014", E::SignatureScalarRange, with(zero_s)),
        bad("bad_scalar_r_order", "STM-014", E::SignatureScalarRange, with(full_r)),
        bad("bad_scalar_eddsa_order", "STM-015", E::SignatureScalarRange, {
            Parts { signature: s_is_order, ..eddsa }.entry()
        }),
        bad("bad_signature_63_bytes", "STM-001", E::SignatureLength, with(vec![1; 63])),
        bad("bad_signature_der", "STM-001", E::SignatureLength, with(vec![0x30; 70])),
    ]
}
