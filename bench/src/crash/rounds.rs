//! Rounds: serve, write, kill, serve again, settle.
//!
//! Two logs take turns, one of raw entries and one of signed statements. A
//! tenth of the kills strike while the server starts. Every twentieth round
//! ends in order, and `firmlog log fsck` reads everything.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use anyhow::Context;
use firmlog_keys::Algorithm;

use super::client::Client;
use super::ledger::{Ledger, Violation};
use super::writers::{Fleet, Seen, Writer, enrol};
use crate::fleet::Device;
use crate::load::work::SplitMix;
use crate::rig::log::{ADMIN, Kind, Place};
use crate::rig::process::Server;

/// Rounds between two that end in order.
const FSCK_EVERY: u64 = 20;
/// Longest time under load before a kill.
const LIFE_MS_MAX: u64 = 350;
/// Devices of each writer.
const DEVICES: usize = 8;

/// What the rounds found.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Rounds played.
    pub rounds: u64,
    /// Servers killed.
    pub kills: u64,
    /// Entries acknowledged.
    pub acknowledged: u64,
    /// Different checkpoints seen.
    pub checkpoints: usize,
    /// What was broken.
    pub violations: Vec<Violation>,
    /// Answers that no crash excuses.
    pub wrong: Vec<String>,
}

/// Plays `rounds` rounds with logs below `parent`.
///
/// # Errors
/// If a server cannot be started, which is a finding too.
pub fn play(firmlog: &Path, parent: &Path, rounds: u64, seed: u64) -> anyhow::Result<Tally> {
    let mut random = SplitMix(seed);
    let mut subjects =
        [Subject::new(firmlog, parent, Kind::Any)?, Subject::new(firmlog, parent, Kind::Signed)?];
    let mut tally = Tally::default();
    let mut ended = Ok(());
    for round in 0..rounds {
        let subject = &mut subjects[(round % 2) as usize];
        let in_order = round % FSCK_EVERY >= FSCK_EVERY - 2;
        ended = subject
            .round(&mut random, in_order)
            .with_context(|| format!("in round {round} of seed {seed}"));
        tally.rounds += 1;
        if ended.is_err() || !subject.is_sound() {
            break;
        }
    }
    for subject in subjects {
        subject.finish(&mut tally, ended.is_ok());
    }
    match ended {
        Err(error) if tally.violations.is_empty() && tally.wrong.is_empty() => {
            tally.wrong.push(format!("{error:#}"));
        }
        _ => {}
    }
    Ok(tally)
}

struct Subject {
    place: Place,
    ledger: Ledger,
    writers: Vec<Writer>,
    kills: u64,
    wrong: Vec<String>,
}

impl Subject {
    fn new(firmlog: &Path, parent: &Path, kind: Kind) -> anyhow::Result<Self> {
        let place = Place::init(firmlog, parent, kind)?;
        let ledger = Ledger::new(place.verifier_key()?);
        let mut subject = Self { place, ledger, writers: Vec::new(), kills: 0, wrong: Vec::new() };
        subject.writers = match kind {
            Kind::Any => raw_writers(),
            Kind::Signed => subject.signed_writers()?,
        };
        subject.writers.push(Writer::Watch);
        Ok(subject)
    }

    fn signed_writers(&mut self) -> anyhow::Result<Vec<Writer>> {
        let admin = self.place.admin()?;
        let mut server = self.place.serve()?;
        let (sender, receiver) = mpsc::channel();
        let mut writers = Vec::new();
        let mut random = SplitMix(7);
        for algorithm in [Algorithm::P256, Algorithm::Ed25519, Algorithm::P256] {
            let devices: Vec<Device> = (0..DEVICES)
                .map(|_| Device::new(algorithm, &mut random))
                .collect::<anyhow::Result<_>>()?;
            let enrolments: Vec<Vec<u8>> = devices
                .iter()
                .map(|device| device.enrolment(&admin, ADMIN))
                .collect::<anyhow::Result<_>>()?;
            enrol(server.address, &enrolments, &sender)?;
            writers.push(Writer::Devices(Fleet::new(devices)));
        }
        self.note(&receiver);
        server.kill()?;
        self.kills += 1;
        Ok(writers)
    }

    fn round(&mut self, random: &mut SplitMix, in_order: bool) -> anyhow::Result<()> {
        if random.below(10) == 0 {
            self.kill_while_starting(random)?;
        }
        let mut server = self.place.serve()?;
        self.ledger.settle(&mut Client::connect(server.address)?)?;
        let life = Duration::from_micros(random.below(LIFE_MS_MAX * 1000));
        self.write_and_end(&mut server, life, random.next_u64(), in_order)?;
        if in_order {
            self.place.fsck()?;
        }
        Ok(())
    }

    fn kill_while_starting(&mut self, random: &mut SplitMix) -> anyhow::Result<()> {
        let mut child = self
            .place
            .serve_command()
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()?;
        std::thread::sleep(Duration::from_micros(random.below(60_000)));
        child.kill()?;
        child.wait()?;
        self.kills += 1;
        Ok(())
    }

    fn write_and_end(
        &mut self,
        server: &mut Server,
        life: Duration,
        seed: u64,
        in_order: bool,
    ) -> anyhow::Result<()> {
        let (sender, receiver) = mpsc::channel();
        let stop = AtomicBool::new(false);
        let address = server.address;
        let ended = std::thread::scope(|scope| {
            for (writer, n) in self.writers.iter_mut().zip(1..) {
                let (sender, stop): (Sender<Seen>, _) = (sender.clone(), &stop);
                scope.spawn(move || writer.run(address, stop, seed ^ n, &sender));
            }
            std::thread::sleep(life);
            if in_order {
                stop.store(true, Ordering::Relaxed);
                return server.terminate(Duration::from_secs(30)).map(|_| ());
            }
            let killed = server.kill().map(|_| ());
            stop.store(true, Ordering::Relaxed);
            killed
        });
        self.kills += u64::from(!in_order);
        drop(sender);
        self.note(&receiver);
        ended
    }

    fn note(&mut self, seen: &Receiver<Seen>) {
        for seen in seen.try_iter() {
            match seen {
                Seen::Promise(index, leaf) => self.ledger.promise(index, leaf),
                Seen::Checkpoint(note) => {
                    if let Err(error) = self.ledger.see(&note) {
                        self.wrong.push(format!("{error:#}"));
                    }
                }
                Seen::Wrong(what) => self.wrong.push(what),
            }
        }
    }

    fn is_sound(&self) -> bool {
        self.ledger.violations().is_empty() && self.wrong.is_empty()
    }

    /// Reads the whole log once more and adds up.
    fn finish(mut self, tally: &mut Tally, look_again: bool) {
        if look_again && let Err(error) = self.settle_everything() {
            self.wrong.push(format!("at the end: {error:#}"));
        }
        tally.kills += self.kills;
        tally.acknowledged += self.ledger.acknowledged();
        tally.checkpoints += self.ledger.checkpoints();
        tally.violations.extend_from_slice(self.ledger.violations());
        tally.wrong.append(&mut self.wrong);
    }

    fn settle_everything(&mut self) -> anyhow::Result<()> {
        let mut server = self.place.serve()?;
        self.ledger.settle_everything(&mut Client::connect(server.address)?)?;
        server.terminate(Duration::from_secs(60))?;
        self.place.fsck()
    }
}

fn raw_writers() -> Vec<Writer> {
    let adds = (0..5).map(|_| Writer::Adds);
    adds.chain([Writer::Batches, Writer::Batches]).collect()
}
