//! `.tlog-proof` files. The good ones are of a real tree: `leaf` is the entry's hash, `vkey` the
//! log's key, so that a reader can verify them whole.

use crate::cosignature::cosigned;
use crate::file::{Vector, with, with_bytes};
use crate::keys::{HASH, ORIGIN, log, signed, vkey, witness};
use crate::tree::{base64, leaf, path, root};

const FORMAT: &str = "proof";
const HEADER: &str = "c2sp.org/tlog-proof@v1";
const MAX_BYTES: usize = 2_000_000;

pub(crate) fn vectors() -> Vec<Vector> {
    [accepted(), sizes(), header_lines(), path_and_checkpoint()].concat()
}

fn checkpoint(size: u64) -> String {
    signed(&format!("{ORIGIN}\n{size}\n{}\n", base64(&root(size))))
}

fn file(index: u64, size: u64, extra: &str) -> String {
    let path: String = path(index, size).iter().map(|hash| base64(hash) + "\n").collect();
    format!("{HEADER}\n{extra}index {index}\n{path}\n{}", checkpoint(size))
}

fn accepted() -> Vec<Vector> {
    let ok = |name, index: u64, size: u64, extra: &str, more: &str| {
        Vector::ok(FORMAT, name, file(index, size, extra) + more)
            .key("index", index)
            .key("hashes", path(index, size).len())
            .key("leaf", leaf(index))
            .key("vkey", vkey(&log()))
    };
    let body = format!("{ORIGIN}\n300\n{}\n", base64(&root(300)));
    let cosigned: String = (1..=3).map(|n| cosigned(&witness(n), 1_700_000_000, &body)).collect();
    vec![
        ok("only_entry", 0, 1, "", ""),
        ok("first_of_two", 0, 2, "", ""),
        ok("last_of_seven", 6, 7, "", ""),
        ok("one_of_300", 123, 300, "", ""),
        ok("one_of_300_cosigned", 123, 300, "", &cosigned),
        ok("with_extra", 5, 11, "extra aGVsbG8=\n", "").key("extra", "68656c6c6f"),
        ok("with_extra_of_one_zero_byte", 5, 11, "extra AA==\n", "").key("extra", "00"),
    ]
}

fn sizes() -> Vec<Vector> {
    let good = file(5, 11, "extra aGVs\n");
    let at = HEADER.len() + 1 + "extra ".len();
    // Extra data grows by four characters at a time.
    let room = (MAX_BYTES - good.len()) / 4 * 4;
    vec![
        Vector::ok(FORMAT, "largest_extra", good.clone()).key("index", 5).fill(at, room, b'A'),
        Vector::refused(FORMAT, "too_large", "TooLarge", good).fill(at, room + 4, b'A'),
    ]
}

fn header_lines() -> Vec<Vector> {
    let good = file(5, 11, "extra aGVsbG8=\n");
    let bad = |name, refusal, from: &str, to: &str| {
        Vector::refused(FORMAT, name, refusal, with(&good, from, to))
    };
    let header = |name, to: &str| bad(name, "HeaderMalformed", HEADER, to);
    let extra = |name, to: &str| bad(name, "ExtraMalformed", "extra aGVsbG8=\n", to);
    let index = |name, to: &str| bad(name, "IndexMalformed", "index 5\n", to);
    vec![
        Vector::refused(FORMAT, "empty", "HeaderMalformed", ""),
        Vector::refused(FORMAT, "header_alone", "IndexMalformed", format!("{HEADER}\n")),
        Vector::refused(FORMAT, "header_without_newline", "HeaderMalformed", HEADER),
        Vector::refused(FORMAT, "not_utf8", "NotUtf8", with_bytes(&good, "extra", b"\xff")),
        header("header_other_version", "c2sp.org/tlog-proof@v2"),
        header("header_uppercase", "C2SP.org/tlog-proof@v1"),
        header("header_space_after", "c2sp.org/tlog-proof@v1 "),
        header("header_crlf", "c2sp.org/tlog-proof@v1\r"),
        header("header_after_blank_line", "\nc2sp.org/tlog-proof@v1"),
        extra("extra_empty", "extra \n"),
        extra("extra_url_alphabet", "extra aGVs_G8=\n"),
        extra("extra_padding_missing", "extra aGVsbG8\n"),
        extra("extra_unused_bits", "extra aGVsbG9=\n"),
        extra("extra_two_spaces", "extra  aGVsbG8=\n"),
        bad("extra_twice", "IndexMalformed", "index", "extra AA==\nindex"),
        bad("extra_without_data", "IndexMalformed", "extra aGVsbG8=", "extra"),
        index("index_missing", ""),
        index("index_empty", "index \n"),
        index("index_leading_zero", "index 05\n"),
        index("index_negative", "index -5\n"),
        index("index_two_spaces", "index  5\n"),
        index("index_space_after", "index 5 \n"),
        index("index_uppercase", "Index 5\n"),
        index("index_2_to_64", "index 18446744073709551616\n"),
        bad("extra_after_index", "HashMalformed", "index 5\n", "index 5\nextra AA==\n"),
    ]
}

fn path_and_checkpoint() -> Vec<Vector> {
    let good = file(5, 11, "");
    let first = base64(&path(5, 11)[0]);
    let bad = |name, refusal, from: &str, to: &str| {
        Vector::refused(FORMAT, name, refusal, with(&good, from, to))
    };
    let hash = |name, to: &str| bad(name, "HashMalformed", &first, to);
    let (head, checkpoint) = good.split_once("\n\n").expect("a blank line");
    let repeated = |n: usize| format!("{HASH}\n").repeat(n);
    let of_hashes = |n| format!("{HEADER}\nindex 5\n{}\n{checkpoint}", repeated(n));
    vec![
        Vector::ok(FORMAT, "sixty_four_hashes", of_hashes(64)).key("hashes", 64),
        Vector::refused(FORMAT, "sixty_five_hashes", "TooManyHashes", of_hashes(65)),
        hash("hash_31_bytes", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw=="),
        hash("hash_33_bytes", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2IA"),
        hash("hash_padding_missing", first.trim_end_matches('=')),
        hash("hash_space_after", &format!("{first} ")),
        hash("hash_crlf", &format!("{first}\r")),
        bad("blank_line_missing", "HashMalformed", "\n\n", "\n"),
        bad("blank_line_has_space", "HashMalformed", "\n\n", "\n \n"),
        Vector::refused(FORMAT, "cut_after_path", "BlankLineMissing", format!("{head}\n")),
        Vector::refused(FORMAT, "cut_in_path", "BlankLineMissing", head),
        Vector::refused(
            FORMAT,
            "cut_after_blank_line",
            "CheckpointMalformed",
            format!("{head}\n\n"),
        ),
        bad("two_blank_lines", "CheckpointMalformed", "\n\n", "\n\n\n"),
        bad("checkpoint_size_leading_zero", "CheckpointMalformed", "\n11\n", "\n011\n"),
        bad("checkpoint_hyphen_for_dash", "CheckpointMalformed", "— ", "- "),
        Vector::refused(FORMAT, "newline_missing", "CheckpointMalformed", good.trim_end()),
        Vector::refused(FORMAT, "text_below", "CheckpointMalformed", good.clone() + "more\n"),
    ]
}
