//! `add-checkpoint` requests, and with `form: conflict` the body of a 409 reply.

use crate::file::{Vector, with, with_bytes};
use crate::keys::{HASH, ROOT, body, signed};

const FORMAT: &str = "witness_request";

pub(crate) fn vectors() -> Vec<Vector> {
    [accepted(), refused(), conflicts()].concat()
}

fn request(old: &str, hashes: usize) -> String {
    format!("{old}\n{}\n{}", format!("{HASH}\n").repeat(hashes), signed(&body()))
}

fn accepted() -> Vec<Vector> {
    let ok = |name, old: u64, hashes: usize| {
        let body = request(&format!("old {old}"), hashes);
        Vector::ok(FORMAT, name, body).key("old", old).key("hashes", hashes)
    };
    vec![
        ok("first", 0, 0),
        ok("grown", 20_852_014, 2),
        ok("old_size_largest", u64::MAX, 1),
        ok("sixty_three_hashes", 1, 63),
    ]
}

fn refused() -> Vec<Vector> {
    let good = request("old 20852014", 2);
    let bad = |name, refusal, body: String| Vector::refused(FORMAT, name, refusal, body);
    let old = |name, line: &str| bad(name, "OldLineMalformed", request(line, 2));
    let hash = |name, to: &str| bad(name, "ProofLineMalformed", with(&good, HASH, to));
    let checkpoint =
        |name, from: &str, to: &str| bad(name, "CheckpointMalformed", with(&good, from, to));
    let (head, _) = good.split_once("\n\n").expect("a blank line");
    vec![
        bad("empty", "OldLineMalformed", String::new()),
        Vector::refused(FORMAT, "not_utf8", "NotUtf8", with_bytes(&good, "pumps", b"\xff")),
        old("old_missing", "20852014"),
        old("old_empty", "old "),
        old("old_leading_zero", "old 020852014"),
        old("old_plus", "old +20852014"),
        old("old_two_spaces", "old  20852014"),
        old("old_space_after", "old 20852014 "),
        old("old_crlf", "old 20852014\r"),
        old("old_2_to_64", "old 18446744073709551616"),
        bad("old_line_alone_unended", "OldLineMalformed", "old 20852014".to_owned()),
        bad("old_line_alone", "BlankLineMissing", "old 20852014\n".to_owned()),
        hash("hash_padding_missing", HASH.trim_end_matches('=')),
        hash("hash_31_bytes", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw=="),
        hash("hash_space_before", &format!(" {HASH}")),
        bad("blank_line_missing", "ProofLineMalformed", with(&good, "\n\n", "\n")),
        bad("cut_after_proof", "BlankLineMissing", format!("{head}\n")),
        bad("sixty_four_hashes", "TooManyProofLines", request("old 1", 64)),
        bad("checkpoint_missing", "CheckpointMalformed", format!("{head}\n\n")),
        bad("checkpoint_unsigned", "CheckpointMalformed", format!("{head}\n\n{}", body())),
        checkpoint("two_blank_lines", "\n\n", "\n\n\n"),
        checkpoint("checkpoint_size_leading_zero", "\n20852163\n", "\n020852163\n"),
        checkpoint("checkpoint_root_hex", ROOT, &"0ac5186a".repeat(8)),
        bad("text_below", "CheckpointMalformed", good.clone() + "more\n"),
    ]
}

fn conflicts() -> Vec<Vector> {
    let ok = |name, size: u64| {
        Vector::ok(FORMAT, name, format!("{size}\n")).key("form", "conflict").key("old", size)
    };
    let bad = |name, body: &str| {
        Vector::refused(FORMAT, name, "SizeMalformed", body).key("form", "conflict")
    };
    vec![
        ok("conflict", 20_852_163),
        ok("conflict_empty_tree", 0),
        bad("conflict_empty", ""),
        bad("conflict_newline_missing", "20852163"),
        bad("conflict_two_newlines", "20852163\n\n"),
        bad("conflict_leading_zero", "020852163\n"),
        bad("conflict_crlf", "20852163\r\n"),
        bad("conflict_2_to_64", "18446744073709551616\n"),
    ]
}
