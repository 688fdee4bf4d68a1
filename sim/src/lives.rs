//! Lives of a board that bytes decide: steps in any order, starts with any image, power cuts.
//!
//! ```text
//! 03 install_started   0c power goes after 0x40 × 8 bytes   0d starts with the target
//! ```

use crate::board::{Board, SimUpdater, check_order, image};
use crate::device::Device;
use firmlog_agent::journal::Error;
use firmlog_agent::update::{Detail, LogBeforeInstall, Refused, Target};
use firmlog_statement::event::EventType as T;

const STEPS: [T; 12] = [
    T::Check,
    T::DownloadStarted,
    T::Downloaded,
    T::InstallStarted,
    T::Installed,
    T::InstallFailed,
    T::Reboot,
    T::Committed,
    T::RollbackStarted,
    T::RolledBack,
    T::RefusedDowngrade,
    T::InstalledState,
];

/// Plays a life; tells how many statements it made.
///
/// # Errors
/// Statements out of order though none was dropped, or that do not chain.
pub fn live(bytes: &[u8], policy: LogBeforeInstall) -> Result<usize, String> {
    let device = Device::new(1);
    let mut board = Board::new(policy);
    let mut bytes = bytes.iter().copied().peekable();
    let mut dropped = 0;
    while bytes.peek().is_some() {
        board.flash.power_up();
        let cut = bytes.next().unwrap_or_default();
        // Twice in three starts power stays.
        board.flash.faults.cut_after = (cut % 3 == 0).then_some(u64::from(cut) * 8);
        let mut runs = board.boots;
        match board.start(&device) {
            Ok((mut updater, _)) => {
                while let Some(byte) = bytes.next() {
                    if byte % 16 == 15 {
                        runs = image(bytes.next().unwrap_or_default() % 4);
                        break;
                    }
                    step(&mut updater, byte)?;
                }
                dropped = updater.journal().dropped().count;
            }
            Err(Error::Flash(_)) => {}
            Err(e) => return Err(e.to_string()),
        }
        board.boots = runs;
    }
    board.flash.power_up();
    let updates = board.updates()?;
    if dropped == 0 {
        check_order(&updates)?;
    }
    Ok(updates.len())
}

fn step(updater: &mut SimUpdater<'_>, byte: u8) -> Result<(), String> {
    let before = updater.progress().last;
    let detail = Detail::default();
    let done = match byte % 16 {
        12 => {
            let target = Target { image: image(byte / 16 % 4), release: [byte; 32] };
            updater.verified(target, detail).map(|_| ())
        }
        13 => updater.refuse(T::RefusedBadSignature, image(byte / 16), detail).map(|_| ()),
        14 => {
            updater.flush();
            Ok(())
        }
        n => updater.step(STEPS[usize::from(n)], detail).map(|_| ()),
    };
    match done {
        Err(Refused::OutOfOrder { after }) if after != before => {
            Err(format!("refused after {after:?}, but {before:?} was last"))
        }
        _ => Ok(()),
    }
}
