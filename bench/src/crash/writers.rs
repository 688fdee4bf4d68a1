//! Threads that write to a log while it is about to be killed.
//!
//! Each thread sends what it was promised, after the answer has arrived whole,
//! and ends when the connection breaks. Devices keep what was not acknowledged
//! and send it again, byte for byte, in the log's next life.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::{Context, bail};
use firmlog_tlog::merkle::{Hash, leaf_hash};
use firmlog_tlog::tile::TilePath;

use super::client::Client;
use super::ledger::Resources;
use crate::fleet::Device;
use crate::load::answers::{Answer, read_answers};
use crate::load::http::{ResponseHead, parse_decimal};
use crate::load::work::{BATCH_TYPE, SplitMix, write_bstr};

/// What a writer saw.
#[derive(Debug)]
pub enum Seen {
    /// This leaf was acknowledged at this index.
    Promise(u64, Hash),
    /// The log showed this checkpoint.
    Checkpoint(Vec<u8>),
    /// The log broke a rule that no crash excuses.
    Wrong(String),
}

/// One thread's part.
#[derive(Debug)]
pub enum Writer {
    /// One raw leaf a request.
    Adds,
    /// Raw leaves in batches of up to 300.
    Batches,
    /// Chained statements of these devices, alone or in small batches.
    Devices(Fleet),
    /// Reads the checkpoint over and over.
    Watch,
}

/// Devices, and what they sent without having an answer yet.
#[derive(Debug)]
pub struct Fleet {
    devices: Vec<Device>,
    unanswered: Vec<Vec<u8>>,
}

impl Fleet {
    /// Devices that are enrolled and have said nothing.
    #[must_use]
    pub fn new(devices: Vec<Device>) -> Self {
        Self { devices, unanswered: Vec::new() }
    }
}

impl Writer {
    /// Writes until told to stop or the connection breaks.
    pub fn run(&mut self, address: SocketAddr, stop: &AtomicBool, seed: u64, seen: &Sender<Seen>) {
        let mut random = SplitMix(seed);
        let Ok(mut client) = Client::connect(address) else { return };
        while !stop.load(Ordering::Relaxed) {
            let step = match self {
                Self::Adds => add(&mut client, &mut random, seen),
                Self::Batches => add_batch(&mut client, &mut random, seen),
                Self::Devices(fleet) => fleet.report(&mut client, &mut random, seen),
                Self::Watch => watch(&mut client, seen),
            };
            if step.is_err() {
                // The server is gone; whatever was not answered was not promised.
                return;
            }
        }
    }
}

fn add(client: &mut Client, random: &mut SplitMix, seen: &Sender<Seen>) -> anyhow::Result<()> {
    let leaf = leaf(random);
    let (head, body) = client.post("/add", "application/octet-stream", &leaf)?;
    if !answered(&head, &body, seen) {
        return Ok(());
    }
    let line = body.split(|&b| b == b'\n').next().unwrap_or_default();
    let index = parse_decimal(line).context("not an index")?;
    seen.send(Seen::Promise(index, leaf_hash(&leaf)))?;
    Ok(())
}

fn add_batch(
    client: &mut Client,
    random: &mut SplitMix,
    seen: &Sender<Seen>,
) -> anyhow::Result<()> {
    let leaves: Vec<_> = (0..=random.below(300)).map(|_| leaf(random)).collect();
    let mut body = Vec::new();
    leaves.iter().for_each(|leaf| write_bstr(leaf, &mut body));
    let (head, answer) = client.post("/batch", BATCH_TYPE, &body)?;
    if answered(&head, &answer, seen) {
        note_answers(&leaves, &answer, seen)?;
    }
    Ok(())
}

fn watch(client: &mut Client, seen: &Sender<Seen>) -> anyhow::Result<()> {
    seen.send(Seen::Checkpoint(client.fetch(&TilePath::Checkpoint)?))?;
    std::thread::sleep(Duration::from_millis(3));
    Ok(())
}

impl Fleet {
    fn report(
        &mut self,
        client: &mut Client,
        random: &mut SplitMix,
        seen: &Sender<Seen>,
    ) -> anyhow::Result<()> {
        if self.unanswered.is_empty() {
            for _ in 0..=random.below(24) {
                let at = random.below(self.devices.len() as u64) as usize;
                self.unanswered.push(self.devices[at].next_update()?);
            }
        }
        if self.unanswered.len() == 1 {
            let entry = &self.unanswered[0];
            let (head, body) = client.post("/entries", "application/cose", entry)?;
            if answered(&head, &body, seen) {
                let index = head.index.context("no firmlog-index")?;
                seen.send(Seen::Promise(index, leaf_hash(entry)))?;
                self.unanswered.clear();
            }
            return Ok(());
        }
        let (head, body) = client.post("/batch", BATCH_TYPE, &self.unanswered.concat())?;
        if answered(&head, &body, seen) {
            note_answers(&self.unanswered, &body, seen)?;
            self.unanswered.clear();
        }
        Ok(())
    }
}

fn note_answers(entries: &[Vec<u8>], body: &[u8], seen: &Sender<Seen>) -> anyhow::Result<()> {
    let answers = read_answers(body).context("unreadable answer")?;
    seen.send(Seen::Checkpoint(answers.checkpoint.to_vec()))?;
    for (entry, answer) in entries.iter().zip(answers) {
        match answer.context("unreadable answer")? {
            Answer::At(index) => seen.send(Seen::Promise(index, leaf_hash(entry)))?,
            Answer::Forked(index) => {
                seen.send(Seen::Wrong(format!(
                    "a sound device chain was called a fork at {index}"
                )))?;
            }
            Answer::NotTaken => {
                seen.send(Seen::Wrong("a sound entry was refused".into()))?;
            }
        }
    }
    Ok(())
}

/// As [`note_answers`], where a full disk may leave entries out.
///
/// # Errors
/// If the answer cannot be read.
pub fn note_taken(entries: &[Vec<u8>], body: &[u8], seen: &Sender<Seen>) -> anyhow::Result<()> {
    for (entry, answer) in entries.iter().zip(read_answers(body).context("unreadable answer")?) {
        if let Answer::At(index) = answer.context("unreadable answer")? {
            seen.send(Seen::Promise(index, leaf_hash(entry)))?;
        }
    }
    Ok(())
}

/// True for a success; waits a little after pushback, tells of anything else.
fn answered(head: &ResponseHead, body: &[u8], seen: &Sender<Seen>) -> bool {
    if head.is_pushback() {
        std::thread::sleep(Duration::from_millis(10));
    } else if !head.is_success() {
        let words = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
        // Nobody listening means that the round is over.
        let _ = seen.send(Seen::Wrong(format!("status {}: {words}", head.status)));
        std::thread::sleep(Duration::from_millis(50));
    }
    head.is_success()
}

fn leaf(random: &mut SplitMix) -> Vec<u8> {
    let mut leaf = random.next_u64().to_be_bytes().to_vec();
    leaf.resize(8 + random.below(200) as usize, 0x2e);
    leaf
}

/// Enrols devices and gives them to a writer.
///
/// # Errors
/// If the log does not take an enrolment.
pub fn enrol(
    address: SocketAddr,
    enrolments: &[Vec<u8>],
    seen: &Sender<Seen>,
) -> anyhow::Result<()> {
    let mut client = Client::connect(address)?;
    let (head, body) = client.post("/batch", BATCH_TYPE, &enrolments.concat())?;
    if !head.is_success() {
        bail!("enrolment answered {}: {}", head.status, String::from_utf8_lossy(&body));
    }
    note_answers(enrolments, &body, seen)
}
