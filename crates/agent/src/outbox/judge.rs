//! What an answer means.
//!
//! ```text
//! in · in · gap         the first two are to be proven; the gap is asked about next time
//! gap { have 41 }       statement 42 names the log's 41: go on there
//!                       names another: the log has another history; show it ours
//! refused               wait long: somebody must enrol the key, or see why not
//! ```

use super::{Fork, Item, Outbox, Proving, Random, Receipts, Reply, Stage, Told, Trouble};
use crate::flash::Flash;
use crate::journal::{Covered, ENTRY_MAX, Error, Journal};
use crate::outbox::{Answer, BATCH_MAX};
use firmlog_statement::Parsed;
use firmlog_statement::chain::ChainHead;
use firmlog_tlog::merkle::{Hash, TreeHead, TreeSize, leaf_hash};

impl<R: Random> Outbox<R> {
    pub(super) fn batch_answered<'a, F: Flash, const PAGE: usize, const WORD: usize>(
        &mut self,
        now_ms: u64,
        (first, count): (u64, u8),
        reply: &Reply<'a>,
        journal: &mut Journal<F, PAGE, WORD>,
        receipts: &mut impl Receipts,
    ) -> Result<Told<'a>, Error> {
        self.stage = Stage::Ready;
        let body = match *reply {
            Reply::Answer { status: 200, body, .. } => body,
            _ => return Ok(self.batch_failed(now_ms, (first, count), reply)),
        };
        let answer = match Answer::parse(body, count.into()) {
            Some(answer) => answer,
            None => return Ok(self.fail(now_ms, Trouble::Nonsense)),
        };
        let head = match receipts.checkpoint(answer.checkpoint.as_bytes()) {
            Some(head) if head.size.0 == answer.size => head,
            Some(_) => return Ok(self.fail(now_ms, Trouble::Nonsense)),
            None => return Ok(self.fail(now_ms, Trouble::Unproven)),
        };
        let (indices, taken, fork) = accepted(first, &answer);
        if taken == 0 {
            return self.none_accepted(now_ms, first, &answer, journal);
        }
        self.next = Some(first.saturating_add(taken.into()));
        if let Some(trouble) = contradiction(&journal.covered(), &head) {
            return Ok(Told { fork, ..self.fail(now_ms, trouble) });
        }
        let known = journal.covered().next.saturating_sub(first);
        let proven = u8::try_from(known).unwrap_or(u8::MAX).min(taken);
        let proving = Proving { first, count: taken, proven, indices, head, since_ms: None };
        if receipts.wants_receipts() && proven < taken {
            self.stage = Stage::Proving(proving);
            return Ok(Told { fork, ..Told::default() });
        }
        let proving = Proving { proven: taken, ..proving };
        Ok(Told { covered: self.cover(&proving, journal)?, fork, ..Told::default() })
    }

    pub(super) fn receipt_answered<'a, F: Flash, const PAGE: usize, const WORD: usize>(
        &mut self,
        now_ms: u64,
        mut proving: Proving,
        reply: &Reply<'a>,
        journal: &mut Journal<F, PAGE, WORD>,
        receipts: &mut impl Receipts,
    ) -> Result<Told<'a>, Error> {
        let body = match *reply {
            Reply::Answer { status: 200, body, .. } => body,
            _ => {
                let (trouble, asked_s) = trouble(reply);
                let covered = self.cover(&proving, journal)?;
                self.stage = Stage::Ready;
                self.wait(now_ms, trouble, asked_s);
                return Ok(Told { covered, trouble: Some(trouble), ..Told::default() });
            }
        };
        let seq = proving.first.saturating_add(proving.proven.into());
        let index = proving.indices.get(usize::from(proving.proven)).copied().unwrap_or_default();
        let leaf = leaf(journal, seq)?;
        let trouble = match leaf {
            None => Some(Trouble::Missing { seq }),
            Some(leaf) => (!receipts.receipt(index, &leaf, body)).then_some(Trouble::Unproven),
        };
        if let Some(trouble) = trouble {
            let covered = self.cover(&proving, journal)?;
            return Ok(Told { covered, ..self.fail(now_ms, trouble) });
        }
        proving.proven = proving.proven.saturating_add(1);
        proving.since_ms = None;
        self.stage = Stage::Proving(proving);
        if proving.proven < proving.count {
            return Ok(Told::default());
        }
        Ok(Told { covered: self.cover(&proving, journal)?, ..Told::default() })
    }

    /// The request under way came to nothing.
    pub(super) fn give_up<F: Flash, const PAGE: usize, const WORD: usize>(
        &mut self,
        now_ms: u64,
        journal: &mut Journal<F, PAGE, WORD>,
        trouble: Trouble,
        asked_s: Option<u32>,
    ) -> Result<(), Error> {
        let stage = core::mem::replace(&mut self.stage, Stage::Ready);
        if let Stage::Proving(proving) = stage {
            self.cover(&proving, journal)?;
        }
        self.next = None;
        self.wait(now_ms, trouble, asked_s);
        Ok(())
    }

    /// Notes in the journal what is proven.
    fn cover<F: Flash, const PAGE: usize, const WORD: usize>(
        &mut self,
        proving: &Proving,
        journal: &mut Journal<F, PAGE, WORD>,
    ) -> Result<Option<Covered>, Error> {
        self.stage = Stage::Ready;
        let next = proving.first.saturating_add(proving.proven.into());
        if next <= journal.covered().next {
            return Ok(None);
        }
        // Where the journal cannot note it, all is sent and proven again.
        self.next = None;
        let covered = Covered { next, size: proving.head.size.0, root: proving.head.root.0 };
        journal.cover(covered)?;
        self.backoff.succeed();
        self.resumed = false;
        self.trouble = None;
        self.limit = self.limit.saturating_mul(2).min(self.settings.batch);
        Ok(Some(covered))
    }

    /// From the front again, after a wait.
    fn fail<'a>(&mut self, now_ms: u64, trouble: Trouble) -> Told<'a> {
        self.stage = Stage::Ready;
        // A log that went back is shown all of the way once: `next` goes on.
        if !matches!(trouble, Trouble::WentBack { .. } | Trouble::SplitView { .. }) {
            self.next = None;
        }
        self.wait(now_ms, trouble, None);
        Told { trouble: Some(trouble), ..Told::default() }
    }

    fn batch_failed<'a>(
        &mut self,
        now_ms: u64,
        (first, count): (u64, u8),
        reply: &Reply<'_>,
    ) -> Told<'a> {
        self.next = None;
        let (trouble, asked_s) = trouble(reply);
        let trouble = match trouble {
            // One of them, or all together: find out.
            Trouble::Status(400 | 413 | 422) if count > 1 => {
                self.limit = if trouble == Trouble::Status(413) { count >> 1 } else { 1 };
                trouble
            }
            Trouble::Status(400 | 413 | 422) => Trouble::Refused { seq: first },
            other => other,
        };
        match trouble {
            Trouble::Refused { .. } | Trouble::Status(401 | 403..=407 | 409..=412 | 414..=421) => {
                self.wait_long(now_ms, trouble, asked_s);
            }
            _ => self.wait(now_ms, trouble, asked_s),
        }
        Told { trouble: Some(trouble), ..Told::default() }
    }

    /// The log took not even the first.
    fn none_accepted<'a, F: Flash, const PAGE: usize, const WORD: usize>(
        &mut self,
        now_ms: u64,
        first: u64,
        answer: &Answer<'a>,
        journal: &mut Journal<F, PAGE, WORD>,
    ) -> Result<Told<'a>, Error> {
        match answer.items().next() {
            Some(Item::Gap(head)) => self.gap(now_ms, first, &head, journal),
            Some(Item::Refused { code: code @ ("busy" | "read_only" | "storage"), .. }) => {
                Ok(Told { said: code, ..self.fail(now_ms, Trouble::Busy) })
            }
            Some(Item::Refused { reason, .. }) => {
                let trouble = Trouble::Refused { seq: first };
                self.next = None;
                self.wait_long(now_ms, trouble, None);
                Ok(Told { trouble: Some(trouble), said: reason, ..Told::default() })
            }
            // An entry beyond the tree that covers it.
            Some(Item::In { .. }) | None => Ok(self.fail(now_ms, Trouble::Nonsense)),
        }
    }

    /// The log says where its chain of this device ends.
    fn gap<'a, F: Flash, const PAGE: usize, const WORD: usize>(
        &mut self,
        now_ms: u64,
        first: u64,
        head: &ChainHead,
        journal: &mut Journal<F, PAGE, WORD>,
    ) -> Result<Told<'a>, Error> {
        let Some(next) = head.next_seq().filter(|next| *next < first) else {
            return Ok(self.fail(now_ms, Trouble::Nonsense));
        };
        let proven = journal.covered().next;
        let back = Trouble::WentBack { proven, has: Some(next), size: None };
        let mut trouble = (next < proven).then_some(back);
        match prev(journal, next)? {
            Some(prev) if prev == head.hash => self.next = Some(next),
            // What is shown from here on, the log appends as a second history.
            Some(_) => {
                trouble = Some(Trouble::OtherHistory { seq: next });
                self.next = Some(next.min(proven));
            }
            None => {
                let trouble = Trouble::Missing { seq: next };
                self.next = None;
                self.wait_long(now_ms, trouble, None);
                return Ok(Told { trouble: Some(trouble), ..Told::default() });
            }
        }
        if core::mem::replace(&mut self.resumed, true) {
            self.wait(now_ms, trouble.unwrap_or(Trouble::Nonsense), None);
        } else if trouble.is_some() {
            self.trouble = trouble;
        }
        Ok(Told { trouble, ..Told::default() })
    }
}

/// How many from the front the log says it has, where, and whether one is a fork.
fn accepted(first: u64, answer: &Answer<'_>) -> ([u64; BATCH_MAX], u8, Option<Fork>) {
    let (mut indices, mut taken, mut fork) = ([0; BATCH_MAX], 0_u8, None);
    for (slot, item) in indices.iter_mut().zip(answer.items()) {
        let Item::In { index, forks } = item else { break };
        if index >= answer.size {
            break;
        }
        *slot = index;
        if forks && fork.is_none() {
            fork = Some(Fork { seq: first.saturating_add(taken.into()), index });
        }
        taken = taken.saturating_add(1);
    }
    (indices, taken, fork)
}

/// Whether a tree cannot come after the one in which the newest receipt was.
fn contradiction(covered: &Covered, head: &TreeHead) -> Option<Trouble> {
    let before = TreeSize(covered.size);
    if head.size < before {
        let (proven, size) = (covered.next, Some(head.size.0));
        return Some(Trouble::WentBack { proven, has: None, size });
    }
    let other = head.size == before && covered.size > 0 && head.root.0 != covered.root;
    other.then_some(Trouble::SplitView { size: covered.size })
}

/// Why there is no good answer, and how long the log asks to be left alone.
fn trouble(reply: &Reply<'_>) -> (Trouble, Option<u32>) {
    match *reply {
        Reply::Answer { status, retry_after_s, .. } => (Trouble::Status(status), retry_after_s),
        Reply::None => (Trouble::Unreachable, None),
    }
}

fn leaf<F: Flash, const PAGE: usize, const WORD: usize>(
    journal: &mut Journal<F, PAGE, WORD>,
    seq: u64,
) -> Result<Option<Hash>, Error> {
    let mut buffer = [0; ENTRY_MAX];
    let len = journal.statement(seq, &mut buffer)?;
    Ok(len.and_then(|len| buffer.get(..len)).map(leaf_hash))
}

/// What a statement names as the one before it.
fn prev<F: Flash, const PAGE: usize, const WORD: usize>(
    journal: &mut Journal<F, PAGE, WORD>,
    seq: u64,
) -> Result<Option<[u8; 32]>, Error> {
    let mut buffer = [0; ENTRY_MAX];
    let len = journal.statement(seq, &mut buffer)?;
    let entry = len.and_then(|len| buffer.get(..len));
    let front = entry.and_then(|entry| Parsed::parse(entry).ok()?.update_head());
    Ok(front.map(|front| front.prev))
}
