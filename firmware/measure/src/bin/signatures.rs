//! Answers what the board's provider makes of signatures: the host knows what others make of them.
//!
//! ```text
//! p256 KEY MESSAGE SIGNATURE       1
//! ed25519 KEY MESSAGE SIGNATURE    0
//! sign SECRET MESSAGE              3045…
//! ```
//!
//! All in hex, an empty message as `-`; a line for a line (`cargo xtask firmware`).
#![no_std]
#![no_main]

use firmlog_board::{Uart, entry, halt};
use firmlog_cortex_m4::{CortexM4, Key};
use firmlog_measure as _;
use firmlog_statement::{Signer as _, normalise_low_s};
use firmlog_tlog::note::Ed25519Check as _;
use firmlog_verify::Crypto as _;

/// Bytes of the longest message.
const MESSAGE: usize = 2048;
/// Characters of the longest line.
const LINE: usize = 2 * MESSAGE + 512;

#[entry]
fn main() -> ! {
    let mut uart = Uart::open();
    let mut buffer = [0; LINE];
    loop {
        let line = uart.line(&mut buffer);
        let Some(answer) = core::str::from_utf8(line).ok().and_then(answer) else {
            uart.text("failed line").end();
            halt();
        };
        match answer {
            Answer::Good(good) => uart.number(u32::from(good)).end(),
            Answer::Signature(bytes) => uart.hex(&bytes).end(),
        }
    }
}

enum Answer {
    Good(bool),
    Signature([u8; 64]),
}

fn answer(line: &str) -> Option<Answer> {
    let mut words = line.split(' ');
    let (what, key, text) = (words.next()?, words.next()?, words.next()?);
    let mut message = [0; MESSAGE];
    let message = message.get_mut(..text.trim_start_matches('-').len() / 2)?;
    unhex(text.trim_start_matches('-'), message)?;
    if what == "sign" {
        let mut signature = Key::new(&fixed(key)?)?.sign(message).ok()?;
        normalise_low_s(&mut signature);
        return Some(Answer::Signature(signature));
    }
    let signature = fixed(words.next()?)?;
    match what {
        "p256" => Some(Answer::Good(CortexM4.p256(&fixed(key)?, message, &signature))),
        "ed25519" => Some(Answer::Good(CortexM4.ed25519(&fixed(key)?, message, &signature))),
        _ => None,
    }
}

fn fixed<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let mut out = [0; N];
    unhex(hex, &mut out).map(|()| out)
}

fn unhex(hex: &str, out: &mut [u8]) -> Option<()> {
    for (n, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(n * 2..n * 2 + 2)?, 16).ok()?;
    }
    (hex.len() == out.len() * 2).then_some(())
}
