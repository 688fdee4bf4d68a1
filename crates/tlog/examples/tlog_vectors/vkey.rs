//! Verifier keys; the body is the key's one line, without a newline.

use crate::file::{Vector, with};
use crate::keys::{vkey, witness};

const FORMAT: &str = "vkey";
const SPEC: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

pub(crate) fn vectors() -> Vec<Vector> {
    [accepted(), refused()].concat()
}

fn accepted() -> Vec<Vector> {
    let plus_in_base64 = (0..=255u8)
        .map(|seed| {
            let algorithm = firmlog_tlog::note::Algorithm::Ed25519;
            vkey(&crate::dalek::SeedSigner::new("plus.example", algorithm, [seed; 32]))
        })
        .find(|vkey| vkey.matches('+').count() > 2)
        .expect("one of 256 keys has a plus in its Base64");
    vec![
        Vector::ok(FORMAT, "specification_example", SPEC)
            .key("name", "example.com/foo")
            .key("id", "530d903a")
            .key("algorithm", 1),
        Vector::ok(FORMAT, "cosignature_key", vkey(&witness(1)))
            .key("name", "witness.example/w1")
            .key("algorithm", 4),
        Vector::ok(FORMAT, "base64_has_plus", plus_in_base64)
            .key("name", "plus.example")
            .key("algorithm", 1),
    ]
}

fn refused() -> Vec<Vector> {
    let bad = |name, refusal, body: &str| Vector::refused(FORMAT, name, refusal, body);
    let changed = |name, refusal, from: &str, to: &str| bad(name, refusal, &with(SPEC, from, to));
    let key = "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    let long = format!("{}+530d903a+{key}", "n".repeat(256));
    vec![
        bad("empty", "VkeyMalformed", ""),
        bad("name_only", "VkeyMalformed", "example.com/foo"),
        bad("key_missing", "VkeyMalformed", "example.com/foo+530d903a"),
        changed("name_empty", "NameMalformed", "example.com/foo", ""),
        changed("name_has_space", "NameMalformed", "example.com/foo", "example com/foo"),
        changed("name_has_line_separator", "NameMalformed", "com/foo", "com\u{2028}foo"),
        changed("name_has_newline", "NameMalformed", "com/foo", "com\nfoo"),
        changed("name_has_control", "NameMalformed", "com/foo", "com\u{1}foo"),
        bad("name_too_long", "NameMalformed", &long),
        changed("id_uppercase", "KeyIdMalformed", "530d903a", "530D903A"),
        changed("id_seven_digits", "KeyIdMalformed", "530d903a", "530d903"),
        changed("id_nine_digits", "KeyIdMalformed", "530d903a", "0530d903a"),
        changed("id_signed", "KeyIdMalformed", "+530d903a", "++30d903a"),
        changed("id_of_other_key", "KeyIdMismatch", "530d903a", "530d903b"),
        changed("id_of_other_name", "KeyIdMismatch", "example.com/foo", "example.com/fop"),
        changed("key_of_other_id", "KeyIdMismatch", "AekyeR", "AekyeS"),
        bad("algorithm_of_other_id", "KeyIdMismatch", &with(SPEC, "Aeky", "BOky")),
        changed("key_url_alphabet", "KeyNotBase64", "rm56", "r-56"),
        changed("key_padding_missing", "KeyNotBase64", "3U2k", "3U2"),
        bad("key_newline_after", "KeyNotBase64", &format!("{SPEC}\n")),
        bad("key_space_after", "KeyNotBase64", &format!("{SPEC} ")),
        changed("algorithm_ecdsa", "AlgorithmUnsupported", "+Aeky", "+Auky"),
        changed("algorithm_rfc6962", "AlgorithmUnsupported", "+Aeky", "+Beky"),
        changed("algorithm_mldsa", "AlgorithmUnsupported", "+Aeky", "+Buky"),
        changed("algorithm_zero", "AlgorithmUnsupported", "+Aeky", "+AOky"),
        changed("algorithm_other", "AlgorithmUnsupported", "+Aeky", "+/+ky"),
        changed("key_empty", "KeyWrongLength", key, ""),
        changed("key_type_alone", "KeyWrongLength", key, "AQ=="),
        changed("key_31_bytes", "KeyWrongLength", "3U2k", "3U0="),
        changed("key_33_bytes", "KeyWrongLength", "3U2k", "3U2kAA=="),
    ]
}
