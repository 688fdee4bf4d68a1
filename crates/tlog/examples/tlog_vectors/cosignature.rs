//! Cosigned checkpoints, to be verified with the witness's key in `vkey`.

use firmlog_tlog::note::NoteSigner as _;

use crate::dalek::SeedSigner;
use crate::file::{Vector, with};
use crate::keys::{body, log, raw_line, signed, vkey, witness};

const FORMAT: &str = "cosignature";
const TIME: u64 = 1_679_315_147;
const MAX_TIME: u64 = i64::MAX as u64;

pub(crate) fn vectors() -> Vec<Vector> {
    [accepted(), refused()].concat()
}

/// A signature line after the specification: time and signature over header, time and body.
pub(crate) fn cosigned(witness: &SeedSigner, time_s: u64, body: &str) -> String {
    let message = format!("cosignature/v1\ntime {time_s}\n{body}");
    timestamped(witness, time_s, message.as_bytes())
}

fn timestamped(witness: &SeedSigner, time_s: u64, message: &[u8]) -> String {
    let signature = witness.sign(message).expect("seeds sign");
    raw_line(witness, &[&time_s.to_be_bytes()[..], &signature].concat())
}

fn accepted() -> Vec<Vector> {
    let line = |time| cosigned(&witness(1), time, &body());
    let ok = |name, time: u64, body: String| {
        Vector::ok(FORMAT, name, body).key("vkey", vkey(&witness(1))).key("time", time)
    };
    let extended = body() + "extension\n";
    let others: String = (2..=20).map(|n| cosigned(&witness(n), TIME, &body())).collect();
    vec![
        ok("one", TIME, signed(&body()) + &line(TIME)),
        ok("without_the_logs_signature", TIME, format!("{}\n{}", body(), line(TIME))),
        ok("among_twenty", TIME, signed(&body()) + &others + &line(TIME)),
        ok("newest_of_two_first", TIME + 5, signed(&body()) + &line(TIME + 5) + &line(TIME)),
        ok("newest_of_two_last", TIME + 5, signed(&body()) + &line(TIME) + &line(TIME + 5)),
        ok("time_one", 1, signed(&body()) + &line(1)),
        ok("time_largest", MAX_TIME, signed(&body()) + &line(MAX_TIME)),
        ok(
            "extensions_are_signed",
            TIME,
            signed(&extended) + &cosigned(&witness(1), TIME, &extended),
        ),
    ]
}

fn refused() -> Vec<Vector> {
    let good = cosigned(&witness(1), TIME, &body());
    let bad = |name, refusal, lines: &str| {
        Vector::refused(FORMAT, name, refusal, signed(&body()) + lines)
            .key("vkey", vkey(&witness(1)))
    };
    let wrong = |name, time: u64, message: &str| {
        bad(name, "SignatureWrong", &timestamped(&witness(1), time, message.as_bytes()))
    };
    let header = format!("cosignature/v1\ntime {TIME}\n");
    let trimmed = body().trim_end().to_owned();
    let moved = with(&(signed(&body()) + &good), "\n20852163\n", "\n20852164\n");
    let extended = with(&(signed(&body()) + &good), "\n\n", "\nextension\n\n");
    let whole = |name, body: String| {
        Vector::refused(FORMAT, name, "SignatureWrong", body).key("vkey", vkey(&witness(1)))
    };
    let renamed = good.replace("witness.example/w1", "witness.example/w9");
    vec![
        bad("missing", "Missing", ""),
        bad("of_other_witness", "Missing", &cosigned(&witness(2), TIME, &body())),
        bad("under_other_name", "Missing", &renamed),
        whole("size_changed", moved),
        whole("extension_added", extended),
        wrong("signs_the_body_alone", TIME, &body()),
        wrong("signs_other_time", TIME, &format!("cosignature/v1\ntime {}\n{}", TIME + 1, body())),
        wrong("signs_other_version", TIME, &format!("cosignature/v2\ntime {TIME}\n{}", body())),
        wrong("signs_without_final_newline", TIME, &(header + &trimmed)),
        bad(
            "second_line_wrong",
            "SignatureWrong",
            &(good.clone() + &timestamped(&witness(1), 3, b"x")),
        ),
        bad("length_64", "WrongLength", &raw_line(&witness(1), &[7; 64])),
        bad("length_71", "WrongLength", &raw_line(&witness(1), &[7; 71])),
        bad("length_73", "WrongLength", &raw_line(&witness(1), &[7; 73])),
        bad("time_zero", "TimeIsZero", &cosigned(&witness(1), 0, &body())),
        bad("time_2_to_63", "TimeTooLarge", &cosigned(&witness(1), 1 << 63, &body())),
        bad("time_2_to_64_less_1", "TimeTooLarge", &cosigned(&witness(1), u64::MAX, &body())),
        Vector::refused(FORMAT, "key_of_log", "KeyOfOtherKind", signed(&body()) + &good)
            .key("vkey", vkey(&log())),
    ]
}
