//! The thread that signs what is durable, and answers.
//!
//! ```text
//! take all that is sequenced → sign the newest head → record write + sync → publish → reply to all
//! ```
//!
//! In scope: checkpoints and replies. Out of scope: order and the WAL (`sequencer`).
//!
//! What is durable where we may die:
//! - before the record's sync: the entries; recovery signs a checkpoint that covers them;
//! - after it: the checkpoint; recovery finds data at least as new as the record.
//!
//! Invariants:
//! - A reply is sent only after the WAL's sync and the record's returned `Ok`.
//! - One thread signs, heads in the order they were sequenced; some are passed over.
//! - After a failed step, its own or the sequencer's, nothing more is signed.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use firmlog_tlog::checkpoint::{self, Checkpoint};
use firmlog_tlog::merkle::TreeHead;

use crate::batch::{Committed, Outcome, Published};
use crate::error::{AppendError, LogError};
use crate::queue::Job;
use crate::record::Record;
use crate::sequencer::now_ms;
use crate::shared::{CheckpointSigner, Shared};

/// Batches that may wait here; they are answered together.
pub(crate) const WAITING_MAX: usize = 8;

/// A batch that is durable in the WAL.
pub(crate) struct Sequenced {
    pub(crate) jobs: Vec<Job>,
    /// One for each entry of the jobs, in order.
    pub(crate) outcomes: Vec<Outcome>,
    /// The head after it; `None` if it added nothing.
    pub(crate) grown: Option<TreeHead>,
}

pub(crate) struct Publisher {
    pub(crate) shared: Arc<Shared>,
    pub(crate) record: Record,
    pub(crate) signer: Box<dyn CheckpointSigner>,
}

impl Publisher {
    /// Runs until the sequencer has ended and everything is answered.
    pub(crate) fn run(mut self, inbox: &Receiver<Sequenced>) {
        let mut sequenced = Vec::new();
        while let Ok(first) = inbox.recv() {
            sequenced.push(first);
            sequenced.extend(inbox.try_iter());
            let newest = sequenced.iter().rev().find_map(|batch| batch.grown);
            let result = self.settle(newest);
            sequenced.drain(..).for_each(|batch| self.reply(batch, &result));
        }
    }

    /// Signs and shows a head.
    pub(crate) fn publish(&mut self, head: TreeHead) -> Result<(), LogError> {
        let checkpoint = sign(&self.shared.config.origin, head, self.signer.as_ref())?;
        self.record.store(&head, &checkpoint)?;
        self.shared.publish(Published { checkpoint, head, time_ms: now_ms() });
        Ok(())
    }

    fn settle(&mut self, newest: Option<TreeHead>) -> Result<(), AppendError> {
        if let Some(why) = self.shared.failed() {
            return Err(AppendError::FailedStorage(why));
        }
        let Some(head) = newest else { return Ok(()) };
        self.publish(head).map_err(|error| {
            let why = error.to_string();
            self.shared.fail(&why);
            AppendError::FailedStorage(why)
        })
    }

    fn reply(&self, batch: Sequenced, result: &Result<(), AppendError>) {
        let published = self.shared.published();
        let mut outcomes = batch.outcomes.into_iter();
        for job in batch.jobs {
            let outcomes = outcomes.by_ref().take(job.batch.len()).collect();
            let committed = Committed { outcomes, published: published.clone() };
            job.reply.done(result.clone().map(|()| committed));
        }
    }
}

/// Signs a tree head as a checkpoint of `origin`.
fn sign(origin: &str, head: TreeHead, signer: &dyn CheckpointSigner) -> Result<String, LogError> {
    let body = Checkpoint::new(origin, head);
    checkpoint::sign(&body, &signer).map_err(|e| LogError::Signer(e.to_string()))
}
