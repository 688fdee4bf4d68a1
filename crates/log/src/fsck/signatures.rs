//! Signatures on all cores.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use firmlog_statement::{Parsed, PublicKey};
use firmlog_verify::crypto::{Crypto, check_signature};

use super::{Damage, damage};
use crate::sequencer::split_bundled;

/// Entries of one page, and the key each must be signed with.
pub(super) struct Chunk {
    pub(super) object: String,
    pub(super) first: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) keys: Vec<Option<PublicKey>>,
}

/// Threads that check chunks.
pub(super) struct Pool<'scope> {
    sender: SyncSender<Chunk>,
    threads: Vec<ScopedJoinHandle<'scope, (u64, Vec<Damage>)>>,
}

impl<'scope> Pool<'scope> {
    pub(super) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        crypto: &'env dyn Crypto,
        threads: usize,
    ) -> Self {
        let (sender, receiver) = sync_channel(4 * threads);
        let receiver = Arc::new(Mutex::new(receiver));
        let threads = (0..threads)
            .map(|_| {
                let receiver = receiver.clone();
                scope.spawn(move || work(&receiver, crypto))
            })
            .collect();
        Self { sender, threads }
    }

    /// Waits for room and queues a chunk.
    pub(super) fn submit(&self, chunk: Chunk) {
        // It fails only if every thread panicked, which joining them will show.
        let _ = self.sender.send(chunk);
    }

    /// Waits for all; returns how many signatures were checked, and what was wrong.
    pub(super) fn finish(self) -> (u64, Vec<Damage>) {
        drop(self.sender);
        let mut all = (0, Vec::new());
        for thread in self.threads {
            match thread.join() {
                Ok((count, damages)) => {
                    all.0 += count;
                    all.1.extend(damages);
                }
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    }
}

fn work(receiver: &Mutex<Receiver<Chunk>>, crypto: &dyn Crypto) -> (u64, Vec<Damage>) {
    let (mut count, mut damages) = (0, Vec::new());
    loop {
        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(chunk) = next else { return (count, damages) };
        let mut rest = chunk.bytes.as_slice();
        for (index, key) in (chunk.first..).zip(&chunk.keys) {
            let (bundled, after) = split_bundled(rest);
            rest = after;
            let Some(key) = key else { continue };
            count += 1;
            let parsed = Parsed::parse(bundled.get(2..).unwrap_or_default());
            if !parsed.is_ok_and(|p| check_signature(crypto, key, &p)) {
                let object = format!("{} entry {index}", chunk.object);
                damages.push(damage(&object, "a signature of its signer", "one that is not"));
            }
        }
    }
}
