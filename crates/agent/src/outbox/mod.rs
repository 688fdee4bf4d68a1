//! The outbox: takes statements out of the journal until the log has proven that it has them.
//!
//! ```text
//! poll ─▶ Post { batch } ─▶ POST /batch ──────────▶ answered ─▶ which are in, where
//! poll ─▶ Fetch { index } ─▶ GET /entries/{index} ─▶ answered ─▶ proven ─▶ Journal::cover
//! poll ─▶ Wait { ms } · Idle
//! ```
//!
//! In scope: what to send next, what an answer means, when to try again. Out of scope: the
//! connection, its security, and checking signatures ([`Receipts`]).
//!
//! Invariants:
//! - The journal alone knows what the log has; an outbox that is thrown away loses nothing.
//! - Nothing is confirmed that [`Receipts`] did not vouch for, and nothing is skipped.
//! - After an answer that confirms nothing new there is a wait, but for one that names the log's
//!   head: never two requests in a row without a wait or something confirmed between them, beyond
//!   one walk through the journal.
//! - Memory is bounded: at most [`BATCH_MAX`] statements are under way.
//!
//! Normative text: `docs/spec/outbox.md`, rules `OUT-…`.

mod answer;
mod backoff;
mod judge;
mod proof;

pub use answer::{Answer, Item};
pub use backoff::{Backoff, RETRY_AFTER_MAX_S, Random};
pub use proof::{Receipts, Unchecked};

use crate::flash::Flash;
use crate::journal::{Covered, ENTRY_MAX, Error, Journal};
use firmlog_tlog::merkle::TreeHead;

/// The most statements under way at a time.
pub const BATCH_MAX: usize = 16;

/// How patient the outbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Statements in a batch, at most [`BATCH_MAX`].
    pub batch: u8,
    /// The wait after a first failure.
    pub first_ms: u32,
    /// The longest wait, unless the log asks for more.
    pub most_ms: u32,
    /// How long an answer may take.
    pub answer_ms: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { batch: 16, first_ms: 1000, most_ms: 1_800_000, answer_ms: 30_000 }
    }
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `POST /batch` with the first `len` bytes of the buffer, as `application/cbor-seq`.
    Post {
        /// To be given back with the answer.
        ticket: u32,
        /// Bytes in the buffer.
        len: usize,
    },
    /// `GET /entries/{index}`: a COSE receipt.
    Fetch {
        /// To be given back with the answer.
        ticket: u32,
        /// Which entry.
        index: u64,
    },
    /// Nothing before so many milliseconds, whatever is recorded meanwhile.
    Wait {
        /// How long.
        ms: u64,
    },
    /// Nothing until something is recorded.
    Idle,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// An HTTP answer, whole.
    Answer {
        /// Its status.
        status: u16,
        /// `Retry-After`, in seconds.
        retry_after_s: Option<u32>,
        /// Its body.
        body: &'a [u8],
    },
    /// None: no connection, too late, broken off, or more than the caller has room for.
    None,
}

/// What an answer changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told<'a> {
    /// The journal notes that the log has these now.
    pub covered: Option<Covered>,
    /// The log has another history of this device: a copy of it speaks, or this is one.
    pub fork: Option<Fork>,
    /// Why nothing more was confirmed.
    pub trouble: Option<Trouble>,
    /// The log's words about that, unchecked.
    pub said: &'a str,
}

/// A statement that the log appended as a fork of this device's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    /// Its place in the chain.
    pub seq: u64,
    /// Where the log has it.
    pub index: u64,
}

/// Why nothing more was confirmed. The statements stay, and are sent again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// No answer.
    Unreachable,
    /// The log, or something before it, answers with this status.
    Status(u16),
    /// The log has no time: an item said so.
    Busy,
    /// The log does not take this statement: its key is unknown, revoked or rotated out, its
    /// signature wrong, or its form unknown.
    Refused {
        /// Which.
        seq: u64,
    },
    /// The answer cannot be one to what was sent.
    Nonsense,
    /// The log's checkpoint, or its receipt for a statement, was not believed.
    Unproven,
    /// The log has less than it proved to have: its tree shrank, or it forgot statements.
    WentBack {
        /// Statements below this seq had been proven.
        proven: u64,
        /// The log knows those below this seq, as far as it said.
        has: Option<u64>,
        /// Size of the tree it shows now, as far as it said.
        size: Option<u64>,
    },
    /// Two roots of one size: the log showed this device another tree before.
    SplitView {
        /// Of this size.
        size: u64,
    },
    /// The head that the log names is not in this device's chain.
    OtherHistory {
        /// Where the log's history and this one differ, or later.
        seq: u64,
    },
    /// A statement that the log asks for cannot be read from the journal any more.
    Missing {
        /// Which.
        seq: u64,
    },
}

/// Sends a journal's statements.
#[derive(Clone, Debug)]
pub struct Outbox<R> {
    settings: Settings,
    random: R,
    stage: Stage,
    /// Where to go on, if not behind what the log has confirmed.
    next: Option<u64>,
    ticket: u32,
    backoff: Backoff,
    /// Statements in a batch, as far as the log took them.
    limit: u8,
    /// The log named its head since something was last confirmed.
    resumed: bool,
    trouble: Option<Trouble>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Nothing is under way.
    Ready,
    /// A batch was sent.
    Sent { first: u64, count: u8, since_ms: u64 },
    /// The log says that it has these.
    Proving(Proving),
}

#[derive(Clone, Copy, Debug)]
struct Proving {
    first: u64,
    count: u8,
    /// How many of them are proven.
    proven: u8,
    indices: [u64; BATCH_MAX],
    /// The signed checkpoint that covers them. A receipt's size is not signed, only its root.
    head: TreeHead,
    /// Since when a receipt is asked for.
    since_ms: Option<u64>,
}

impl<R: Random> Outbox<R> {
    /// An outbox that has sent nothing yet.
    pub fn new(settings: Settings, random: R) -> Self {
        let batch = settings.batch.clamp(1, BATCH_MAX.try_into().unwrap_or(u8::MAX));
        let settings = Settings { batch, ..settings };
        Self {
            settings,
            random,
            stage: Stage::Ready,
            next: None,
            ticket: 0,
            backoff: Backoff::default(),
            limit: batch,
            resumed: false,
            trouble: None,
        }
    }

    /// What to do now. `out` holds the batch; at least one statement must fit.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`] or [`Error::Flash`].
    pub fn poll<F: Flash, const PAGE: usize, const WORD: usize>(
        &mut self,
        now_ms: u64,
        journal: &mut Journal<F, PAGE, WORD>,
        out: &mut [u8],
    ) -> Result<Step, Error> {
        if let Some(since) = self.asked_ms() {
            let until = since.min(now_ms).saturating_add(self.settings.answer_ms.into());
            match until.saturating_sub(now_ms) {
                0 => self.give_up(now_ms, journal, Trouble::Unreachable, None)?,
                ms => return Ok(Step::Wait { ms }),
            }
        }
        if let Some(ms) = self.backoff.left_ms(now_ms) {
            return Ok(Step::Wait { ms });
        }
        match &mut self.stage {
            Stage::Proving(Proving { proven, indices, since_ms, .. }) => {
                let index = indices.get(usize::from(*proven)).copied().ok_or(Error::Bug)?;
                *since_ms = Some(now_ms);
                self.ticket = self.ticket.wrapping_add(1);
                Ok(Step::Fetch { ticket: self.ticket, index })
            }
            _ => self.send(now_ms, journal, out),
        }
    }

    /// Takes the answer to the newest request. One to an earlier request changes nothing.
    ///
    /// # Errors
    /// [`Error::Flash`]: open the journal again; nothing was confirmed that it does not know.
    pub fn answered<'a, F: Flash, const PAGE: usize, const WORD: usize>(
        &mut self,
        ticket: u32,
        now_ms: u64,
        reply: &Reply<'a>,
        journal: &mut Journal<F, PAGE, WORD>,
        receipts: &mut impl Receipts,
    ) -> Result<Told<'a>, Error> {
        if ticket != self.ticket || self.asked_ms().is_none() {
            return Ok(Told::default());
        }
        match self.stage {
            Stage::Sent { first, count, .. } => {
                self.batch_answered(now_ms, (first, count), reply, journal, receipts)
            }
            Stage::Proving(proving) => {
                self.receipt_answered(now_ms, proving, reply, journal, receipts)
            }
            Stage::Ready => Ok(Told::default()),
        }
    }

    /// Forgets the wait under way: somebody asks for it, or the network has just come back.
    pub fn hurry(&mut self) {
        self.backoff.succeed();
    }

    /// Why the last request confirmed nothing, unless a later one did.
    pub const fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Failures since something was last confirmed.
    pub const fn failures(&self) -> u8 {
        self.backoff.failures()
    }

    /// Since when an answer is awaited.
    const fn asked_ms(&self) -> Option<u64> {
        match self.stage {
            Stage::Ready => None,
            Stage::Sent { since_ms, .. } => Some(since_ms),
            Stage::Proving(Proving { since_ms, .. }) => since_ms,
        }
    }

    /// Puts statements into the buffer.
    fn send<F: Flash, const PAGE: usize, const WORD: usize>(
        &mut self,
        now_ms: u64,
        journal: &mut Journal<F, PAGE, WORD>,
        out: &mut [u8],
    ) -> Result<Step, Error> {
        let end = journal.next().map(|(end, _)| end);
        let first = match self.next {
            Some(next) => next,
            None => readable_from(journal, journal.covered().next)?,
        };
        let (mut seq, mut len, mut count) = (first, 0_usize, 0_u8);
        while count < self.limit && end.is_none_or(|end| seq < end) {
            let room = out.get_mut(len..).unwrap_or_default();
            match journal.statement(seq, room) {
                Ok(Some(more)) => len = len.saturating_add(more),
                Ok(None) => break,
                Err(Error::BufferTooSmall) if count > 0 => break,
                Err(e) => return Err(e),
            }
            (seq, count) = (seq.saturating_add(1), count.saturating_add(1));
        }
        if count == 0 {
            return self.nothing_to_send(now_ms, journal, first);
        }
        self.stage = Stage::Sent { first, count, since_ms: now_ms };
        self.ticket = self.ticket.wrapping_add(1);
        Ok(Step::Post { ticket: self.ticket, len })
    }

    /// All was sent, or what comes next cannot be read.
    fn nothing_to_send<F: Flash, const PAGE: usize, const WORD: usize>(
        &mut self,
        now_ms: u64,
        journal: &mut Journal<F, PAGE, WORD>,
        seq: u64,
    ) -> Result<Step, Error> {
        let next = self.next.take();
        if journal.next().is_some_and(|(end, _)| seq < end) {
            self.wait_long(now_ms, Trouble::Missing { seq }, None);
        } else if next.is_some_and(|next| next > journal.covered().next) {
            // The log has all of it and has not proven so: from the front again, later.
            self.wait_long(now_ms, self.trouble.unwrap_or(Trouble::Unproven), None);
        }
        Ok(self.backoff.left_ms(now_ms).map_or(Step::Idle, |ms| Step::Wait { ms }))
    }

    fn range_ms(&self) -> (u32, u32) {
        (self.settings.first_ms, self.settings.most_ms)
    }

    fn wait(&mut self, now_ms: u64, trouble: Trouble, asked_s: Option<u32>) {
        self.trouble = Some(trouble);
        let range = self.range_ms();
        self.backoff.fail(now_ms, range, asked_s, &mut self.random);
    }

    /// Waits as long as it ever does: trying again soon will not help.
    fn wait_long(&mut self, now_ms: u64, trouble: Trouble, asked_s: Option<u32>) {
        self.trouble = Some(trouble);
        let range = self.range_ms();
        self.backoff.fail_long(now_ms, range, asked_s, &mut self.random);
    }
}

/// The first statement from `seq` on that can be read. What is missing before it the log may have:
/// it answers with its head if it does not. `seq` itself if there is none.
fn readable_from<F: Flash, const PAGE: usize, const WORD: usize>(
    journal: &mut Journal<F, PAGE, WORD>,
    seq: u64,
) -> Result<u64, Error> {
    let mut buffer = [0; ENTRY_MAX];
    if journal.next().is_none_or(|(end, _)| seq >= end)
        || journal.statement(seq, &mut buffer)?.is_some()
    {
        return Ok(seq);
    }
    let mut first = None::<u64>;
    journal.each_statement(&mut buffer, &mut |at, _, _| {
        if at >= seq && first.is_none_or(|first| at < first) {
            first = Some(at);
        }
    })?;
    Ok(first.unwrap_or(seq))
}
