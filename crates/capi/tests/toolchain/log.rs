//! A log for a C program, over its stdin and stdout (`examples/device/link.h`), with real
//! signatures and witnesses; and lies, where the program asks for them.

use crate::common::ORIGIN;
use crate::common::log::{Named, TestLog};
use firmlog_sim::SimLog;
use firmlog_tlog::merkle::LeafIndex;
use firmlog_tlog::note::{Algorithm, NoteSigner as _};
use firmlog_verify::receipt::Receipt;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::process::{Command, Stdio};

/// The log's key, as in `SimLog`.
const KEY: u8 = 0xee;

/// Runs a program that talks to a log, to its good end. Handed the keys of log and witnesses as its
/// last arguments; returns the other lines that it printed, and the log.
pub(crate) fn served(program: &mut Command, seed: [u8; 32]) -> (Vec<String>, SimLog) {
    let mut log = SimLog::new(seed);
    let named = shown(&log);
    let keys = [&named.log, &named.witnesses[0], &named.witnesses[1]];
    program.args(keys.map(|key| key.verifier_key().to_string()));
    program.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = program.spawn().unwrap_or_else(|e| panic!("{program:?}: {e}"));
    let mut to = child.stdin.take().unwrap();
    let mut from = BufReader::new(child.stdout.take().unwrap());
    let (mut told, mut lies, mut line) = (Vec::new(), false, String::new());
    while from.read_line(&mut line).unwrap() > 0 {
        let text = std::mem::take(&mut line);
        match text.trim_end().split_once(' ').unwrap_or((text.trim_end(), "")) {
            ("POST", len) => {
                let mut body = vec![0; len.parse().unwrap()];
                from.read_exact(&mut body).unwrap();
                let answer = log.post(&body);
                say(&mut to, answer.status, &answer.body, lies);
            }
            ("GET", index) => {
                let answer = log.receipt(index.parse().unwrap());
                say(&mut to, answer.status, &answer.body, lies);
            }
            ("NEWEST", _) => newest(&log, &mut to, lies),
            ("LIE", yes) => lies = yes == "1",
            _ => told.push(text.trim_end().to_owned()),
        }
    }
    assert!(child.wait().unwrap().success(), "{program:?}: {told:?}");
    (told, log)
}

/// The same log as one that witnesses see.
fn shown(log: &SimLog) -> TestLog {
    let mut shown = TestLog::new(log.entries.clone());
    shown.log = Named::new(KEY, ORIGIN, Algorithm::Ed25519);
    shown
}

/// The newest statement and its proof under a cosigned checkpoint; of one entry before, if it lies.
fn newest(log: &SimLog, to: &mut impl Write, lies: bool) {
    let shown = shown(log);
    let (size, last) = (log.entries.len(), log.entries.len() - 1);
    let place = last - usize::from(lies);
    let path = shown.path(place, size);
    let proof = Receipt::new(LeafIndex(place as u64), path, shown.checkpoint(size, 2));
    say(to, 200, &log.entries[last], false);
    say(to, 200, proof.encode().as_bytes(), false);
}

/// Answers; a lie is one flipped bit near the end, which is in the proof or a signature.
fn say(to: &mut impl Write, status: u16, body: &[u8], lies: bool) {
    let mut body = body.to_vec();
    if lies {
        let at = body.len() - 20;
        body[at] ^= 1;
    }
    writeln!(to, "{status} {}", body.len()).unwrap();
    to.write_all(&body).unwrap();
    to.flush().unwrap();
}
