//! Policies. `satisfied-by` and `not-satisfied-by` name witnesses (of the policy) whose
//! cosignatures do or do not reach the quorum.

use crate::file::{Vector, with, with_bytes};
use crate::keys::{log, other_log, vkey, witness};

const FORMAT: &str = "policy";
const MAX_BYTES: usize = 1_000_000;

pub(crate) fn vectors() -> Vec<Vector> {
    [accepted(), quorums(), spellings(), names(), thresholds_and_quorums()].concat()
}

/// Witnesses `w1` to `w<n>`, one line each.
fn witnesses(n: u8) -> String {
    (1..=n).map(|i| format!("witness w{i} {}\n", vkey(&witness(i)))).collect()
}

fn log_line() -> String {
    format!("log {}\n", vkey(&log()))
}

/// A policy that breaks no rule: two of three.
fn good() -> String {
    log_line() + &witnesses(3) + "group g 2 w1 w2 w3\nquorum g\n"
}

fn accepted() -> Vec<Vector> {
    let ok = |name, body: String| Vector::ok(FORMAT, name, body);
    let canonical = |name, body: String| ok(name, body).key("canonical", "yes");
    let urls = format!(
        "log {} https://log.example.org/pumps/\nlog {}\nwitness w1 {} https://witness.example/\n\
         quorum w1\n",
        vkey(&log()),
        vkey(&other_log()),
        vkey(&witness(1)),
    );
    let comment = "#".to_owned() + "\n" + &good();
    let room = MAX_BYTES - comment.len();
    let spaced = good().replace(' ', " \t ").replace("log", "\t log").replace("\nq", " \n\n \t\nq");
    let latin1 = [b"# \xe9\xff comments need not be UTF-8\n", good().as_bytes()].concat();
    let same_key_as_witness = {
        // Log and witness keys are compared among their own kind.
        let signer = crate::dalek::SeedSigner::new(
            "witness.example/l",
            firmlog_tlog::note::Algorithm::CosignatureV1,
            [1; 32],
        );
        format!("{}witness w {}\nquorum w\n", log_line(), vkey(&signer))
    };
    vec![
        canonical("two_of_three", good()),
        canonical("quorum_none", "quorum none\n".to_owned()).key("satisfied-by", ""),
        canonical("urls", urls),
        canonical("thirty_two_witnesses", {
            let names: String = (1..=32).map(|i| format!(" w{i}")).collect();
            witnesses(32) + "group g 17" + &names + "\nquorum g\n"
        }),
        ok("comments_and_spacing", "# ours\n\n  # more\n\t\n".to_owned() + &spaced),
        Vector::ok(FORMAT, "comment_not_utf8", latin1),
        ok("quorum_before_unused_witness", "quorum none\n".to_owned() + &witnesses(1)),
        ok("name_is_a_keyword", witnesses(1).replace("w1 ", "group ") + "quorum group\n"),
        ok("name_has_hash", witnesses(1).replace("w1 ", "w#1 ") + "quorum w#1\n"),
        ok("name_unicode", witnesses(1).replace("w1 ", "prüfer ") + "quorum prüfer\n"),
        ok("log_and_witness_same_key", same_key_as_witness),
        ok("largest", comment.clone()).fill(1, room, b'#'),
        Vector::refused(FORMAT, "too_large", "TooLarge", comment).fill(1, room + 1, b'#'),
    ]
}

fn quorums() -> Vec<Vector> {
    let with_groups = |name, groups: &str, yes: &[&str], no: &[&str]| {
        let body = log_line() + &witnesses(5) + groups;
        let yes = yes.iter().map(|names| ("satisfied-by", *names));
        let no = no.iter().map(|names| ("not-satisfied-by", *names));
        yes.chain(no).fold(Vector::ok(FORMAT, name, body), |v, (key, names)| v.key(key, names))
    };
    let nested = "group a 2 w1 w2 w3\ngroup b any w4 w5\ngroup both all a b\nquorum both\n";
    let weighted = "group rest 3 w2 w3 w4 w5\ngroup either any w1 rest\nquorum either\n";
    let unused = "group g all w1 w2\nquorum w3\n";
    vec![
        with_groups("quorum_one_witness", "quorum w2\n", &["w2", "w1 w2"], &["", "w1 w3 w4 w5"]),
        with_groups("quorum_any", "group g any w1 w2\nquorum g\n", &["w1", "w2"], &["", "w3"]),
        with_groups(
            "quorum_all",
            "group g all w1 w2 w3\nquorum g\n",
            &["w1 w2 w3"],
            &["", "w1 w2", "w2 w3 w4 w5"],
        ),
        with_groups(
            "quorum_two_of_three",
            "group g 2 w1 w2 w3\nquorum g\n",
            &["w1 w2", "w1 w3", "w2 w3", "w1 w2 w3"],
            &["w1", "w2", "w3", "w3 w4 w5"],
        ),
        with_groups(
            "quorum_nested",
            nested,
            &["w1 w2 w4", "w2 w3 w5", "w1 w2 w3 w4 w5"],
            &["w1 w2 w3", "w4 w5", "w1 w4 w5"],
        ),
        with_groups(
            "quorum_one_outweighs",
            weighted,
            &["w1", "w2 w3 w4", "w3 w4 w5"],
            &["", "w2 w3", "w4 w5"],
        ),
        with_groups("quorum_beside_a_group", unused, &["w3"], &["w1 w2", "w1 w2 w4 w5"]),
        with_groups("quorum_group_of_one", "group g 1 w1\nquorum g\n", &["w1"], &["w2", ""]),
    ]
}

fn spellings() -> Vec<Vector> {
    let bad = |name, refusal, body: String| Vector::refused(FORMAT, name, refusal, body);
    let raw = |name, refusal, to: &[u8]| {
        Vector::refused(FORMAT, name, refusal, with_bytes(&good(), "w1", to))
    };
    let changed = |name, refusal, from: &str, to: &str| bad(name, refusal, with(&good(), from, to));
    let line = |name, refusal, line: &str| bad(name, refusal, format!("{line}\n{}", good()));
    let key = vkey(&log());
    vec![
        bad("empty", "QuorumMissing", String::new()),
        bad("newline_alone", "QuorumMissing", "\n".to_owned()),
        bad("final_newline_missing", "FinalNewlineMissing", good().trim_end().to_owned()),
        raw("control_nul", "ControlCharacter", b"w\x001"),
        raw("control_escape", "ControlCharacter", b"w\x1b1"),
        raw("control_delete", "ControlCharacter", b"w\x7f1"),
        bad("line_ends_crlf", "ControlCharacter", good().replace('\n', "\r\n")),
        raw("name_not_utf8", "NotUtf8", b"w\xff"),
        line("keyword_uppercase", "UnknownKeyword", "Quorum none"),
        line("keyword_unknown", "UnknownKeyword", "monitor m"),
        line("keyword_after_no_break_space", "UnknownKeyword", "\u{a0}quorum none"),
        line("byte_order_mark", "UnknownKeyword", "\u{feff}# policy"),
        line("log_alone", "WrongFieldCount", "log"),
        line("log_four_fields", "WrongFieldCount", &format!("log {key} url more")),
        line("log_comment_behind", "WrongFieldCount", &format!("log {key} # a comment")),
        line("witness_without_key", "WrongFieldCount", "witness w9"),
        line("witness_five_fields", "WrongFieldCount", &format!("witness w9 {key} url more")),
        changed("group_without_members", "WrongFieldCount", " w1 w2 w3\nq", "\nq"),
        line("group_alone", "WrongFieldCount", "group"),
        line("quorum_alone", "WrongFieldCount", "quorum"),
        changed("quorum_two_names", "WrongFieldCount", "quorum g", "quorum w1 w2"),
        line("log_key_malformed", "KeyMalformed", "log log.example.org/pumps"),
        changed("log_key_id_wrong", "KeyMalformed", "log.example.org", "lag.example.org"),
        changed("witness_key_malformed", "KeyMalformed", "witness.example/w1+", "w1"),
        line("log_key_of_witness", "LogKeyOfOtherKind", &format!("log {}", vkey(&witness(9)))),
        line("witness_key_of_log", "WitnessKeyOfOtherKind", &format!("witness w9 {key}")),
    ]
}

fn names() -> Vec<Vector> {
    let bad = |name, refusal, body: String| Vector::refused(FORMAT, name, refusal, body);
    let changed = |name, refusal, from: &str, to: &str| bad(name, refusal, with(&good(), from, to));
    let renamed = crate::dalek::SeedSigner::new(
        "other.example",
        firmlog_tlog::note::Algorithm::CosignatureV1,
        [101; 32],
    );
    let same_key = format!("witness w9 {}\n{}", vkey(&renamed), good());
    let groups = |name, refusal, groups: &str| bad(name, refusal, witnesses(3) + groups);
    vec![
        bad("log_twice", "DuplicateKey", log_line() + &good()),
        bad("witness_key_twice", "DuplicateKey", witnesses(1).replace("w1 ", "w9 ") + &good()),
        bad("witness_key_twice_renamed", "DuplicateKey", same_key),
        changed("witness_name_twice", "DuplicateName", "witness w2", "witness w1"),
        changed("group_named_as_witness", "DuplicateName", "group g", "group w1"),
        groups("group_name_twice", "DuplicateName", "group g 1 w1\ngroup g 1 w2\nquorum g\n"),
        changed("witness_named_none", "NameReserved", "witness w1", "witness none"),
        changed("group_named_none", "NameReserved", "group g", "group none"),
        changed("member_none", "NameReserved", "w1 w2 w3\n", "w1 w2 none\n"),
        changed("member_undefined", "NameUndefined", "w1 w2 w3\n", "w1 w2 w4\n"),
        changed("member_other_case", "NameUndefined", "w1 w2 w3\n", "w1 w2 W3\n"),
        changed("member_is_the_group", "NameUndefined", "w1 w2 w3\n", "w1 w2 g\n"),
        bad("member_defined_later", "NameUndefined", "group g 1 w1\n".to_owned() + &witnesses(1)),
        bad("quorum_undefined", "NameUndefined", with(&good(), "quorum g", "quorum h")),
        bad("quorum_defined_later", "NameUndefined", "quorum w1\n".to_owned() + &witnesses(1)),
        bad("quorum_none_uppercase", "NameUndefined", with(&good(), "quorum g", "quorum None")),
        changed("member_twice_in_a_group", "MemberTwice", "w1 w2 w3\n", "w1 w2 w1\n"),
        groups("member_of_two_groups", "MemberTwice", "group a 1 w1\ngroup b 1 w2 w1\nquorum b\n"),
        groups(
            "group_in_two_groups",
            "MemberTwice",
            "group a 1 w1\ngroup b 1 a\ngroup c 1 a\nquorum c\n",
        ),
    ]
}

fn thresholds_and_quorums() -> Vec<Vector> {
    let bad = |name, refusal, body: String| Vector::refused(FORMAT, name, refusal, body);
    let threshold = |name, to: &str| {
        bad(name, "ThresholdMalformed", with(&good(), "group g 2", &format!("group g {to}")))
    };
    vec![
        threshold("threshold_zero", "0"),
        threshold("threshold_above_members", "4"),
        threshold("threshold_leading_zero", "02"),
        threshold("threshold_plus", "+2"),
        threshold("threshold_uppercase", "ANY"),
        threshold("threshold_word", "most"),
        threshold("threshold_2_to_64", "18446744073709551616"),
        bad("quorum_missing", "QuorumMissing", with(&good(), "quorum g\n", "")),
        bad("quorum_in_comment", "QuorumMissing", with(&good(), "quorum g", "#quorum g")),
        bad("quorum_twice", "QuorumTwice", good() + "quorum g\n"),
        bad("quorum_twice_other", "QuorumTwice", good() + "quorum none\n"),
    ]
}
