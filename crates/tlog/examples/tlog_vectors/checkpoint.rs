//! Checkpoints: the body alone, or the signed note to be verified with the key in `vkey`.

use crate::file::{Vector, with, with_bytes};
use crate::keys::{
    HASH, ORIGIN, ROOT, SIZE, body, line, log, other_log, signed, unknown_line, vkey, witness,
};

const FORMAT: &str = "checkpoint";
const EMPTY_ROOT: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
const MAX_BYTES: usize = 65_536;

pub(crate) fn vectors() -> Vec<Vector> {
    [bodies(), sizes(), origins_and_roots(), lines(), signed_ones()].concat()
}

fn bodies() -> Vec<Vector> {
    let ok = |name, size: u64, root: &str, body: String| {
        Vector::ok(FORMAT, name, body).key("size", size).key("root", root)
    };
    let extended = body() + "extension one\nextension two\n";
    let room = MAX_BYTES - body().len() - 1;
    let filled = body() + "\n";
    let at = filled.len() - 1;
    vec![
        ok("body", SIZE, ROOT, body()).key("origin", ORIGIN),
        ok("body_empty_tree", 0, EMPTY_ROOT, format!("{ORIGIN}\n0\n{EMPTY_ROOT}\n")),
        ok("body_largest_size", u64::MAX, ROOT, format!("{ORIGIN}\n{}\n{ROOT}\n", u64::MAX)),
        ok("body_origin_has_spaces", 7, ROOT, format!("a log in words\n7\n{ROOT}\n"))
            .key("origin", "a log in words"),
        ok("body_with_extensions", SIZE, ROOT, extended),
        ok("body_largest", SIZE, ROOT, filled.clone()).fill(at, room, b'x'),
        Vector::refused(FORMAT, "body_too_large", "TooLarge", filled).fill(at, room + 1, b'x'),
    ]
}

fn sizes() -> Vec<Vector> {
    let size = |name, refusal, text: &str| {
        Vector::refused(FORMAT, name, refusal, format!("{ORIGIN}\n{text}\n{ROOT}\n"))
    };
    vec![
        size("size_leading_zero", "SizeHasLeadingZero", "020852163"),
        size("size_zero_twice", "SizeHasLeadingZero", "00"),
        size("size_empty", "SizeNotDecimal", ""),
        size("size_plus", "SizeNotDecimal", "+20852163"),
        size("size_minus", "SizeNotDecimal", "-1"),
        size("size_hex", "SizeNotDecimal", "0x13e2e83"),
        size("size_exponent", "SizeNotDecimal", "2e7"),
        size("size_fraction", "SizeNotDecimal", "20852163.0"),
        size("size_space_before", "SizeNotDecimal", " 20852163"),
        size("size_space_after", "SizeNotDecimal", "20852163 "),
        size("size_separator", "SizeNotDecimal", "20,852,163"),
        size("size_other_digits", "SizeNotDecimal", "२०"),
        size("size_2_to_64", "SizeOverflows", "18446744073709551616"),
        size("size_many_digits", "SizeOverflows", &"9".repeat(80)),
    ]
}

fn origins_and_roots() -> Vec<Vector> {
    let bad = |name, refusal, body: String| Vector::refused(FORMAT, name, refusal, body);
    let root = |name, refusal, text: &str| bad(name, refusal, with(&body(), ROOT, text));
    vec![
        bad("origin_empty", "OriginEmpty", with(&body(), ORIGIN, "")),
        root("root_empty", "RootWrongLength", ""),
        root("root_31_bytes", "RootWrongLength", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw=="),
        root("root_33_bytes", "RootWrongLength", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2IA"),
        root("root_unused_bits", "RootNotBase64", &ROOT.replace("I=", "J=")),
        root("root_padding_missing", "RootNotBase64", ROOT.trim_end_matches('=')),
        root("root_url_alphabet", "RootNotBase64", &ROOT.replace('/', "_")),
        root("root_space_after", "RootNotBase64", &format!("{ROOT} ")),
        root("root_hex", "RootWrongLength", &"0ac5186a".repeat(8)),
    ]
}

fn lines() -> Vec<Vector> {
    let bad = |name, refusal, body: Vec<u8>| Vector::refused(FORMAT, name, refusal, body);
    let text = |name, refusal, body: String| bad(name, refusal, body.into());
    vec![
        text("empty", "FinalNewlineMissing", String::new()),
        text("one_line", "LineMissing", format!("{ORIGIN}\n")),
        text("two_lines", "LineMissing", format!("{ORIGIN}\n{SIZE}\n")),
        text("final_newline_missing", "FinalNewlineMissing", body().trim_end().to_owned()),
        text("extension_empty_first", "ExtensionEmpty", body() + "\nextension\n"),
        text("extension_empty_between", "ExtensionEmpty", body() + "one\n\ntwo\n"),
        text("extension_empty_last", "ExtensionEmpty", body() + "extension\n\n"),
        text("extension_empty_alone", "ExtensionEmpty", body() + "\n"),
        text("line_ends_crlf", "ControlCharacter", body().replace('\n', "\r\n")),
        bad("control_tab", "ControlCharacter", with_bytes(&body(), "pumps", b"pu\tmps")),
        bad("control_nul", "ControlCharacter", with_bytes(&body(), "pumps", b"pumps\0")),
    ]
}

fn signed_ones() -> Vec<Vector> {
    let good = signed(&body());
    let ok = |name, body: String| Vector::ok(FORMAT, name, body).key("vkey", vkey(&log()));
    let bad = |name, refusal, body: String| {
        Vector::refused(FORMAT, name, refusal, body).key("vkey", vkey(&log()))
    };
    let of_other = |name, refusal| {
        Vector::refused(FORMAT, name, refusal, good.clone()).key("vkey", vkey(&other_log()))
    };
    let unsigned = format!("{}\n{}", body(), unknown_line("someone.example/else", 64));
    let leading_zero = signed(&with(&body(), "\n2", "\n02"));
    vec![
        ok("signed", good.clone()).key("origin", ORIGIN).key("size", SIZE).key("root", ROOT),
        ok("signed_and_cosigned", good.clone() + &unknown_line("witness.example/w1", 72)),
        ok("signed_with_extensions", signed(&(body() + "extension\n"))),
        Vector::ok(
            FORMAT,
            "signed_origin_is_not_the_key_name",
            signed(&with(&body(), "log", "lag")),
        )
        .key("vkey", vkey(&log()))
        .key("origin", "lag.example.org/pumps"),
        bad("signed_note_malformed", "NoteMalformed", with(&good, "— ", "- ")),
        bad("signed_body_only", "NoteMalformed", body()),
        bad("signed_size_leading_zero", "SizeHasLeadingZero", leading_zero),
        bad("signed_extension_empty", "ExtensionEmpty", signed(&(body() + "one\n\ntwo\n"))),
        bad("signed_text_is_no_checkpoint", "LineMissing", signed("pump firmware\n")),
        of_other("signed_by_other_log", "OriginMismatch"),
        of_other("signed_key_missing", "LogSignatureMissing").key("origin", ORIGIN),
        bad("signed_by_nobody_known", "LogSignatureMissing", unsigned),
        bad("signed_size_changed", "LogSignatureWrong", with(&good, "\n2", "\n3")),
        bad("signed_root_changed", "LogSignatureWrong", with(&good, ROOT, HASH)),
        bad("signed_extension_added", "LogSignatureWrong", with(&good, "\n\n", "\nmore\n\n")),
        bad(
            "signed_second_line_wrong",
            "LogSignatureWrong",
            good.clone() + &line(&log(), b"other"),
        ),
        Vector::refused(FORMAT, "signed_key_of_witness", "LogKeyOfOtherKind", good.clone())
            .key("vkey", vkey(&witness(1)))
            .key("origin", ORIGIN),
    ]
}
