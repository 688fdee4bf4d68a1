//! The board's provider against the host's: what those accept it accepts, and nothing else; what it
//! signs is what they sign.

use anyhow::{Context, Result, ensure};

use super::emulator::{Emulator, blank_flash};
use crate::setup::board;
use crate::sh;

/// Asks the board about each case that `crates/keys/examples/signature_cases.rs` prints.
pub(super) fn compare(dir: &std::path::Path) -> Result<()> {
    let example = ["run", "--quiet", "-p", "firmlog-keys", "--example", "signature_cases"];
    let cases = sh::read(sh::cargo().args(example))?;
    let image = ["--quiet", "-p", "firmlog-measure", "--features", "ed25519"];
    sh::run(board::cargo().args(image).args(["--bin", "signatures"]))?;
    let flash = dir.join("signatures.flash");
    blank_flash(&flash)?;
    let mut board = Emulator::start(&board::built("signatures"), &flash, false)?;
    let mut asked = 0;
    for case in cases.lines() {
        let (question, wanted) = case.rsplit_once(' ').context("a case without an answer")?;
        let got = board.ask(question)?;
        ensure!(got == wanted, "expected {wanted}, the board answered {got} to `{question}`");
        asked += 1;
    }
    ensure!(asked > 1000, "only {asked} cases");
    sh::say(format_args!("the board agrees about {asked} signatures"));
    board.cut()
}
