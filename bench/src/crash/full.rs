//! A disk that is really full: a small file system in memory, filled by the log.
//!
//! The log must say so (503 or 507), lose nothing, go on serving reads, survive
//! a kill, and append again once there is room.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::client::Client;
use super::ledger::{Ledger, Violation};
use super::writers::{Seen, Writer};
use crate::load::work::{BATCH_TYPE, SplitMix, write_bstr};
use crate::rig::log::{Kind, Place};

/// Room of the file system in MiB: the write-ahead log and some tiles.
const ROOM_MIB: u64 = 128;
/// Taken away at first and given back later.
const BALLAST_MIB: usize = 24;

/// What a full disk did.
#[derive(Debug, Clone, Default)]
pub struct FullReport {
    /// Entries acknowledged.
    pub acknowledged: u64,
    /// The status that said that the disk is full.
    pub refused_with: u16,
    /// What was broken.
    pub violations: Vec<Violation>,
}

/// Plays it; `None` if this user may not mount.
///
/// # Errors
/// If the log does not refuse, does not come back, or breaks in another way.
pub fn play(firmlog: &Path, parent: &Path) -> anyhow::Result<Option<FullReport>> {
    let Some(mount) = Mount::new(parent)? else { return Ok(None) };
    let played = play_in(firmlog, mount.0.path());
    if !played.as_ref().is_ok_and(|full| full.violations.is_empty()) {
        // It stays mounted, as evidence.
        std::mem::forget(mount);
    }
    played.map(Some)
}

fn play_in(firmlog: &Path, dir: &Path) -> anyhow::Result<FullReport> {
    let ballast = dir.join("ballast");
    std::fs::write(&ballast, vec![1; BALLAST_MIB << 20])?;
    let place = Place::init(firmlog, dir, Kind::Any)?;
    let mut ledger = Ledger::new(place.verifier_key()?);
    let mut server = place.serve()?;
    let refused_with = fill(&mut Client::connect(server.address)?, &mut ledger)?;
    ledger.settle(&mut Client::connect(server.address)?).context("while full")?;
    server.kill()?;
    std::fs::remove_file(&ballast)?;
    let mut server = place.serve().context("after the disk was full")?;
    ledger.settle_everything(&mut Client::connect(server.address)?)?;
    let before = ledger.acknowledged();
    // A busy machine may need more than one try's time for its first append.
    for _ in 0..50 {
        write_for(&server, &mut ledger, Duration::from_millis(200));
        if ledger.acknowledged() > before {
            break;
        }
    }
    ensure!(ledger.acknowledged() > before, "nothing was appended although there is room again");
    ledger.settle_everything(&mut Client::connect(server.address)?)?;
    server.terminate(Duration::from_secs(30))?;
    place.fsck()?;
    Ok(FullReport {
        acknowledged: ledger.acknowledged(),
        refused_with,
        violations: ledger.violations().to_vec(),
    })
}

/// Sends large batches until the log has refused ten in a row.
fn fill(client: &mut Client, ledger: &mut Ledger) -> anyhow::Result<u16> {
    let mut random = SplitMix(1);
    let start = Instant::now();
    let mut refused = 0;
    loop {
        ensure!(start.elapsed() < Duration::from_secs(60), "the disk does not fill");
        let leaves: Vec<Vec<u8>> = (0..64)
            .map(|_| [&random.next_u64().to_be_bytes()[..], &[0x2e; 8000]].concat())
            .collect();
        let mut body = Vec::new();
        leaves.iter().for_each(|leaf| write_bstr(leaf, &mut body));
        let (head, answer) = client.post("/batch", BATCH_TYPE, &body)?;
        if head.is_success() {
            let (sender, receiver) = mpsc::channel();
            super::writers::note_taken(&leaves, &answer, &sender)?;
            let promises = note(&receiver, ledger);
            refused = if promises == 0 { refused + 1 } else { 0 };
        } else {
            ensure!(matches!(head.status, 503 | 507), "a full disk was answered {}", head.status);
            refused += 1;
            std::thread::sleep(Duration::from_millis(20));
        }
        if refused >= 10 {
            return Ok(head.status);
        }
    }
}

fn write_for(server: &crate::rig::process::Server, ledger: &mut Ledger, time: Duration) {
    let (sender, receiver) = mpsc::channel();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| Writer::Adds.run(server.address, &stop, 9, &sender));
        std::thread::sleep(time);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    note(&receiver, ledger);
}

fn note(receiver: &mpsc::Receiver<Seen>, ledger: &mut Ledger) -> u64 {
    let before = ledger.acknowledged();
    for seen in receiver.try_iter() {
        if let Seen::Promise(index, leaf) = seen {
            ledger.promise(index, leaf);
        }
    }
    ledger.acknowledged() - before
}

/// A mounted file system in memory; unmounted when dropped.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(parent: &Path) -> anyhow::Result<Option<Self>> {
        let dir = tempfile::Builder::new().prefix("firmlog-full-").tempdir_in(parent)?;
        let size = format!("size={ROOM_MIB}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|output| output.status.success());
        Ok(mounted.then_some(Self(dir)))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // If it stays mounted, the next `mount` listing shows it; nothing depends on it.
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}
