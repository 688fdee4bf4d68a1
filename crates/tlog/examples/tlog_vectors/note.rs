//! Notes, and their verification with the key in `vkey`.

use firmlog_tlog::note::NoteSigner as _;

use crate::file::{Vector, with, with_bytes};
use crate::keys::{line, log, raw_line, signed, unknown_line, vkey, witness};

const FORMAT: &str = "note";
const SPEC_VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const SPEC_NOTE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
const TEXT: &str = "pump firmware\n";

pub(crate) fn vectors() -> Vec<Vector> {
    [accepted(), sizes(), spellings(), signature_lines(), signatures()].concat()
}

fn accepted() -> Vec<Vector> {
    let good = signed(TEXT);
    let unknown = unknown_line("someone.example/else", 64);
    let hundred: String = (0..99).map(|n| unknown_line(&format!("n{n}"), 64)).collect();
    let before = |lines: &str| with(&good, "\n\n", &format!("\n\n{lines}"));
    let ok = |name, body: String| Vector::ok(FORMAT, name, body).key("vkey", vkey(&log()));
    let blank_lines = "\nwith blank lines\n\n\n— of its own AAAA\n\n";
    let twice = signed(TEXT) + &line(&log(), TEXT.as_bytes());
    vec![
        Vector::ok(FORMAT, "specification_example", SPEC_NOTE).key("vkey", SPEC_VKEY),
        ok("one_signature", good.clone()),
        ok("text_has_blank_lines", signed(blank_lines)),
        ok("text_is_one_newline", signed("\n")),
        ok("text_has_unicode", signed("Gerät 試験 \u{80} \u{a0}\n")),
        ok("unknown_key_before", before(&unknown)),
        ok("unknown_key_after", good.clone() + &unknown),
        ok("unknown_key_one_byte_signature", before(&unknown_line("short.example", 1))),
        ok("unknown_key_mldsa_length", before(&unknown_line("mldsa.example", 8 + 2420))),
        ok("unknown_key_unicode_name", before(&unknown_line("zeuge.example/prüfer", 64))),
        ok("same_name_other_id", before(&unknown_line("log.example.org/pumps", 3))),
        ok("known_key_twice", twice),
        ok("hundred_signatures", before(&hundred)),
    ]
}

/// Exactly as large as may be, and one byte more.
fn sizes() -> Vec<Vector> {
    let room = 1_000_000 - signed(TEXT).len();
    let filled = |more: usize| {
        let text = "a".repeat(room + more) + TEXT;
        signed(&text).split_off(room + more)
    };
    let key = vkey(&log());
    vec![
        Vector::ok(FORMAT, "largest", filled(0)).key("vkey", &key).fill(0, room, b'a'),
        Vector::refused(FORMAT, "too_large", "TooLarge", filled(1)).key("vkey", &key).fill(
            0,
            room + 1,
            b'a',
        ),
    ]
}

fn spellings() -> Vec<Vector> {
    let good = signed(TEXT);
    let bad = |name, refusal, body: Vec<u8>| {
        Vector::refused(FORMAT, name, refusal, body).key("vkey", vkey(&log()))
    };
    let control = |c: u8| with_bytes(&good, "firmware", &[b"firm", &[c][..], b"ware"].concat());
    let cut = |end: usize| good.as_bytes()[..end].to_vec();
    vec![
        bad("empty", "FinalNewlineMissing", Vec::new()),
        bad("not_utf8", "NotUtf8", control(0xff)),
        bad("utf8_overlong", "NotUtf8", with_bytes(&good, "pump", b"\xc1\xb0ump")),
        bad("utf8_surrogate", "NotUtf8", with_bytes(&good, "pump", b"\xed\xa0\x80")),
        bad("control_nul", "ControlCharacter", control(0)),
        bad("control_tab", "ControlCharacter", control(b'\t')),
        bad("control_escape", "ControlCharacter", control(0x1b)),
        bad("control_unit_separator", "ControlCharacter", control(0x1f)),
        bad("line_ends_crlf", "ControlCharacter", good.replace('\n', "\r\n").into_bytes()),
        bad("final_newline_missing", "FinalNewlineMissing", cut(good.len() - 1)),
        bad("no_signatures", "NoSignatures", cut(TEXT.len() + 1)),
        bad("no_blank_line", "NoSignatures", with(&good, "\n\n", "\n").into_bytes()),
        bad("text_only", "NoSignatures", TEXT.into()),
        bad("text_empty", "NoSignatures", good.as_bytes()[TEXT.len()..].to_vec()),
        bad("blank_line_after", "NoSignatures", (good.clone() + "\n").into_bytes()),
    ]
}

fn signature_lines() -> Vec<Vector> {
    let good = signed(TEXT);
    let bad = |name, refusal, body: String| {
        Vector::refused(FORMAT, name, refusal, body).key("vkey", vkey(&log()))
    };
    let line_form =
        |name, from: &str, to: &str| bad(name, "SignatureLineMalformed", with(&good, from, to));
    let named =
        |name, to: &str| bad(name, "NameMalformed", with(&good, "— log.example.org/pumps", to));
    let coded = |name, from: &str, to: &str| bad(name, "SignatureNotBase64", with(&good, from, to));
    let base64 = good.rsplit(' ').next().expect("a signature").trim_end().to_owned();
    let same_bits = |c: char| char::from(c as u8 + 1).to_string();
    let unused_bits = {
        // 68 bytes leave one pad character and two unused bits in the one before it.
        let (head, last) = base64.trim_end_matches('=').split_at(base64.len() - 2);
        format!("{head}{}=", same_bits(last.chars().next().expect("a digit")))
    };
    let hundred_and_one: String = (0..101).map(|n| unknown_line(&format!("n{n}"), 64)).collect();
    vec![
        line_form("hyphen_for_dash", "— ", "- "),
        line_form("en_dash_for_dash", "— ", "– "),
        line_form("no_space_after_dash", "— ", "—"),
        line_form("no_break_space_after_dash", "— ", "—\u{a0}"),
        line_form("no_dash", "— ", ""),
        line_form("no_base64", &format!(" {base64}"), ""),
        bad("text_below", "SignatureLineMalformed", good.clone() + "more text\n"),
        named("name_empty", "— "),
        named("name_has_plus", "— log+example.org"),
        named("name_has_no_break_space", "— log\u{a0}example.org"),
        named("name_has_ideographic_space", "— log\u{3000}example.org"),
        named("name_too_long", &format!("— {}", "n".repeat(256))),
        coded("base64_url_alphabet", &base64, &format!("{}_{}", &base64[..20], &base64[21..])),
        coded("base64_padding_missing", "=\n", "\n"),
        coded("base64_unused_bits", &base64, &unused_bits),
        coded("base64_space_after", "=\n", "= \n"),
        bad("signature_empty", "SignatureTooShort", with(&good, &base64, "")),
        bad("key_id_alone", "SignatureTooShort", with(&good, &base64, "AQIDBA==")),
        bad("key_id_cut_short", "SignatureTooShort", with(&good, &base64, "AQID")),
        bad(
            "hundred_and_one_signatures",
            "TooManySignatures",
            format!("{TEXT}\n{hundred_and_one}"),
        ),
    ]
}

fn signatures() -> Vec<Vector> {
    let good = signed(TEXT);
    let bad = |name, refusal, body: String| {
        Vector::refused(FORMAT, name, refusal, body).key("vkey", vkey(&log()))
    };
    let under = |lines: &str| format!("{TEXT}\n{lines}");
    let wrong = |flip: usize| {
        let mut signature = log().sign(TEXT.as_bytes()).expect("seeds sign");
        signature[flip] ^= 1;
        raw_line(&log(), &signature)
    };
    let cosigner = Vector::refused(FORMAT, "key_of_witness", "KeyOfOtherKind", good.clone());
    vec![
        bad("key_not_found", "KeyNotFound", under(&unknown_line("someone.example/else", 64))),
        bad("key_of_other_id", "KeyNotFound", under(&unknown_line("log.example.org/pumps", 64))),
        bad("key_of_other_name", "KeyNotFound", with(&good, "— log", "— logs")),
        bad("text_changed", "SignatureWrong", with(&good, "pump", "pomp")),
        bad("text_newline_added", "SignatureWrong", with(&good, "\n\n", "\n\n\n")),
        bad("signature_r_changed", "SignatureWrong", under(&wrong(0))),
        bad("signature_s_changed", "SignatureWrong", under(&wrong(32))),
        bad("second_signature_wrong", "SignatureWrong", good.clone() + &wrong(5)),
        bad(
            "first_signature_wrong",
            "SignatureWrong",
            under(&(wrong(5) + &line(&log(), TEXT.as_bytes()))),
        ),
        bad("signature_63_bytes", "SignatureWrongLength", under(&raw_line(&log(), &[7; 63]))),
        bad("signature_65_bytes", "SignatureWrongLength", under(&raw_line(&log(), &[7; 65]))),
        bad("signature_200_bytes", "SignatureWrongLength", under(&raw_line(&log(), &[7; 200]))),
        cosigner.key("vkey", vkey(&witness(1))),
    ]
}
