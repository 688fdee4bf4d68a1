//! The log as requests see it: submit, wait for the durable answer, read and prove.
//!
//! Checks run on the caller's task for a few entries and on the check pool for many; the log's one
//! sequencer thread then orders what passed. A reply comes only after the entry is durable.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use firmlog_keys::Key;
use firmlog_log::{
    AppendError, Appender, Batch, Checker, Committed, Log, LogError, Outcome, Published, Reader,
    Refusal, Registration,
};
use firmlog_tlog::merkle::{Hash, LeafIndex, TreeSize};
use firmlog_verify::receipt::cose::RootSignature;
use tokio::sync::oneshot;

use crate::check::{self, Chunk};
use crate::problem::{self, Problem};

/// Entries checked on the caller's task; more go to the pool.
const INLINE_MAX: usize = 4;

/// Fewest entries worth a thread of the pool.
const CHUNK_MIN: usize = 64;

/// Most entries one thread checks before its part is handed to the sequencer.
const CHUNK_MAX: usize = 1024;

/// What became of one submitted entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The log decided.
    Decided(Outcome),
    /// It was never submitted.
    Refused(Refusal),
    /// There was no room; trying again later makes sense.
    Busy,
}

/// Answers to all entries of one submission, covered by one checkpoint.
pub(crate) struct Answers {
    pub(crate) answers: Vec<Answer>,
    pub(crate) published: Arc<Published>,
}

/// Handles to the open log.
pub(crate) struct Engine {
    log: Mutex<Option<Log>>,
    appender: Appender,
    checker: Checker,
    reader: Reader,
    pool: rayon::ThreadPool,
    key: Key,
    signature: ArcSwapOption<(Hash, RootSignature)>,
    pub(crate) origin: String,
    pub(crate) registration: Registration,
}

impl Engine {
    pub(crate) fn new(
        log: Log,
        key: Key,
        origin: String,
        registration: Registration,
        pool: rayon::ThreadPool,
    ) -> Self {
        Self {
            appender: log.appender(),
            checker: log.checker(),
            reader: log.reader(),
            log: Mutex::new(Some(log)),
            pool,
            key,
            signature: ArcSwapOption::empty(),
            origin,
            registration,
        }
    }

    /// The newest checkpoint.
    pub(crate) fn published(&self) -> Arc<Published> {
        self.reader.published()
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Where a statement of no device is, or any that the log remembers, without the view.
    pub(crate) fn find(&self, leaf: &Hash) -> Option<LeafIndex> {
        self.checker.find(leaf)
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Empties the queue and makes everything durable. Called once, at the end.
    pub(crate) fn close(&self) -> Result<(), AppendError> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner).take();
        log.map_or(Ok(()), Log::close)
    }

    /// Checks and appends `entries`; answers come in the same order.
    pub(crate) async fn submit(self: &Arc<Self>, entries: Vec<Bytes>) -> Result<Answers, Problem> {
        if entries.len() <= INLINE_MAX {
            return self.finish(vec![self.check(&entries)]).await;
        }
        let engine = self.clone();
        let (sender, checked) = oneshot::channel();
        self.pool.spawn(move || {
            let chunks = engine.check_all(&entries);
            // A receiver that is gone has hung up: nothing was submitted, nothing is lost.
            let _ = sender.send(chunks);
        });
        let Ok(chunks) = checked.await else {
            return Err(Problem::new(problem::STORAGE, "the check pool ended"));
        };
        self.finish(chunks).await
    }

    fn check_all(&self, entries: &[Bytes]) -> Vec<Chunk> {
        use rayon::prelude::*;
        let share = entries.len().div_ceil(self.pool.current_num_threads().max(1));
        let chunk = share.clamp(CHUNK_MIN, CHUNK_MAX);
        entries.par_chunks(chunk).map(|chunk| self.check(chunk)).collect()
    }

    fn check(&self, entries: &[Bytes]) -> Chunk {
        check::chunk(&self.checker, self.registration, entries)
    }

    /// Submits checked chunks in order and waits for all.
    async fn finish(&self, chunks: Vec<Chunk>) -> Result<Answers, Problem> {
        let mut waiting = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let Chunk { batch, refused, items } = chunk;
            let reply = if batch.is_empty() { None } else { Some(self.enqueue(batch)) };
            waiting.push((refused, items, reply));
        }
        let mut answers = Answers { answers: Vec::new(), published: self.published() };
        for (refused, items, reply) in waiting {
            let committed = match reply {
                None => Ok(None),
                Some(Err(error)) => Err(error),
                Some(Ok(receiver)) => receiver.await.unwrap_or(Err(AppendError::Closed)).map(Some),
            };
            answers.add(items, refused, committed)?;
        }
        Ok(answers)
    }

    /// Queues a batch for the sequencer.
    pub(crate) fn enqueue(
        &self,
        batch: Batch,
    ) -> Result<oneshot::Receiver<Result<Committed, AppendError>>, AppendError> {
        let (sender, receiver) = oneshot::channel();
        let reply = move |result| {
            // Whoever hung up learns the outcome by submitting again.
            let _ = sender.send(result);
        };
        self.appender.submit(batch, Box::new(reply)).map(|()| receiver)
    }

    /// Queues a batch; `reply` is called on the log's thread, unless this is an error.
    pub(crate) fn submit_batch(
        &self,
        batch: Batch,
        reply: impl FnOnce(Result<Committed, AppendError>) + Send + 'static,
    ) -> Result<(), AppendError> {
        self.appender.submit(batch, Box::new(reply))
    }

    /// Adds raw bytes to a batch of the hot path.
    pub(crate) fn push(&self, batch: &mut Batch, entry: &[u8]) -> Result<(), Refusal> {
        self.checker.push(batch, entry)
    }

    /// Reads on a thread that may wait for the disk.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, Problem> {
        let reader = self.reader.clone();
        match tokio::task::spawn_blocking(move || read(&reader)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(read_problem(&error)),
            Err(error) => Err(Problem::storage(&error)),
        }
    }

    /// The COSE receipt of an entry under the newest checkpoint.
    pub(crate) async fn receipt(&self, index: LeafIndex) -> Result<Vec<u8>, Problem> {
        let head = self.published().head;
        let path = self.read(move |reader| reader.inclusion(index, head.size)).await?;
        let signature = self.root_signature(&head.root)?;
        signature.1.inclusion_receipt(head.size, index, &path).map_err(|error| {
            Problem::new(problem::NOT_FOUND, format!("there is no receipt yet: {error}"))
        })
    }

    /// The COSE receipt that the tree of `new` entries extends the tree of `old`.
    pub(crate) async fn consistency_receipt(
        &self,
        old: TreeSize,
        new: TreeSize,
    ) -> Result<Vec<u8>, Problem> {
        if old.0 == 0 || old >= new {
            let expected = "1 or more, and less than the newer size";
            return Err(Problem::bad_parameter("old", expected, &old.to_string()));
        }
        let (root, path) =
            self.read(move |reader| Ok((reader.root(new)?, reader.consistency(old, new)?))).await?;
        let signature = self.root_signature(&root)?;
        signature.1.consistency_receipt(old, new, &path).map_err(|error| {
            Problem::new(problem::BAD_REQUEST, format!("no receipt between these sizes: {error}"))
        })
    }

    /// One signature serves every receipt under the same root.
    fn root_signature(&self, root: &Hash) -> Result<Arc<(Hash, RootSignature)>, Problem> {
        if let Some(known) = self.signature.load_full().filter(|known| known.0 == *root) {
            return Ok(known);
        }
        let signed = RootSignature::sign(root, &self.origin, &self.key)
            .map_err(|error| Problem::storage(&error))?;
        let signed = Arc::new((*root, signed));
        self.signature.store(Some(signed.clone()));
        Ok(signed)
    }
}

impl Answers {
    /// Puts a chunk's outcomes and refusals back in the order of submission.
    fn add(
        &mut self,
        items: usize,
        refused: Vec<(usize, Refusal)>,
        committed: Result<Option<Committed>, AppendError>,
    ) -> Result<(), Problem> {
        let outcomes = match committed {
            Ok(Some(committed)) => {
                self.published = committed.published;
                Some(committed.outcomes)
            }
            Ok(None) => Some(Vec::new()),
            Err(AppendError::Busy) => None,
            Err(error) => return Err(append_problem(&error)),
        };
        let mut refused = refused.into_iter().peekable();
        let mut outcomes = outcomes.map(Vec::into_iter);
        for place in 0..items {
            let answer = match refused.next_if(|(at, _)| *at == place) {
                Some((_, refusal)) => Answer::Refused(refusal),
                None => match outcomes.as_mut().map(Iterator::next) {
                    Some(Some(outcome)) => Answer::Decided(outcome),
                    _ => Answer::Busy,
                },
            };
            self.answers.push(answer);
        }
        Ok(())
    }
}

impl Answer {
    /// Where the entry is in the log, if it is.
    pub(crate) fn index(&self) -> Option<LeafIndex> {
        match self {
            Self::Decided(outcome) => outcome.index(),
            Self::Refused(_) | Self::Busy => None,
        }
    }

    /// Why the entry is not in the log.
    pub(crate) fn problem(&self) -> Option<Problem> {
        match self {
            Self::Decided(Outcome::Gap { have_seq, have_hash }) => Some(gap(*have_seq, have_hash)),
            Self::Decided(Outcome::Undecided) => Some(undecided()),
            Self::Decided(Outcome::Refused(refusal)) | Self::Refused(refusal) => {
                Some(refusal_problem(*refusal))
            }
            Self::Decided(_) => None,
            Self::Busy => Some(Problem::busy()),
        }
    }
}

fn gap(have_seq: Option<u64>, have_hash: &[u8; 32]) -> Problem {
    let next = have_seq.map_or(0, |seq| seq.saturating_add(1));
    let mut problem = Problem::new(
        problem::CHAIN_GAP,
        "statements of this device are missing before this one; send them first, oldest first",
    );
    problem.head = Some((have_seq, *have_hash));
    problem.expected = Some(format!("seq {next} with prev {}", crate::show::hex(have_hash)));
    problem
}

/// A device's old statement, of which the log cannot tell yet whether it has it.
fn undecided() -> Problem {
    let detail = "the log is still finding out whether it has this statement; send it again later";
    Problem::new(problem::BUSY, detail).retry_after(5)
}

/// The whole submission failed.
pub(crate) fn append_problem(error: &AppendError) -> Problem {
    match error {
        AppendError::Busy => Problem::busy(),
        AppendError::DiskFull => {
            Problem::new(problem::READ_ONLY, "the log's disk is full").retry_after(60)
        }
        AppendError::Closed => {
            Problem::new(problem::READ_ONLY, "the server is shutting down").retry_after(5)
        }
        other => {
            // The log said once why it became read-only; each client's request says nothing more.
            tracing::debug!(error = %other, "append failed");
            let detail = "storage failed; the log takes no entries until it is restarted";
            Problem::new(problem::READ_ONLY, detail).retry_after(60)
        }
    }
}

fn read_problem(error: &LogError) -> Problem {
    match error {
        LogError::Pruned { min } => {
            Problem::new(problem::PRUNED, format!("entries before {min} are no longer kept"))
        }
        LogError::Beyond { .. } => Problem::not_found(error.to_string()),
        other => Problem::storage(other),
    }
}

/// One refusal of the log as a problem.
pub(crate) fn refusal_problem(refusal: Refusal) -> Problem {
    crate::refusals::problem(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CHN-007: whoever sends an old statement while the log cannot tell tries again later.
    #[test]
    fn what_cannot_be_told_yet_is_tried_again() {
        let answer = Answer::Decided(Outcome::Undecided);
        let problem = answer.problem().unwrap();
        assert_eq!((problem.status, problem.code), (503, "busy"));
        assert_eq!((problem.retry_after_s, answer.index()), (Some(5), None));
    }
}
