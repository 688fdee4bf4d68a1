//! Taking statements in: checked, appended, their disclosures kept, one answer for each.
//!
//! Invariants:
//! - A disclosure is kept only if it opens a commitment of its entry and the entry is in the log.
//! - The same bytes sent again get the same answer, marked as a duplicate.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use firmlog_index::Disclosed;
use firmlog_log::{Outcome, Published};
use firmlog_statement::disclosure::Disclosure;
use firmlog_tlog::merkle::LeafIndex;

use crate::app::App;
use crate::engine::Answer;
use crate::item::{Item, ItemError};
use crate::problem::{self, Problem};

/// How an entry came to be in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// This submission appended it.
    Appended,
    /// It was there already.
    Duplicate,
    /// This submission appended it, and it contradicts an earlier statement of its device.
    Forked,
}

impl How {
    /// The word in JSON.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Appended => "appended",
            Self::Duplicate => "duplicate",
            Self::Forked => "forked",
        }
    }
}

/// What became of each item, covered by one checkpoint.
pub(crate) struct Taken {
    pub(crate) items: Vec<Result<(LeafIndex, How), Box<Problem>>>,
    pub(crate) published: Arc<Published>,
}

impl From<ItemError> for Problem {
    fn from(error: ItemError) -> Self {
        let told = error.to_string();
        match error {
            ItemError::Empty => Self::new(problem::PAYLOAD_MISSING, told),
            ItemError::TooMany(most) => Self::new(problem::TOO_LARGE, told)
                .expected(format!("at most {most} items"), "more"),
            ItemError::Malformed { .. } => Self::new(problem::NOT_A_STATEMENT, told),
            ItemError::Disclosures { .. } => Self::new(problem::BAD_DISCLOSURE, told),
            ItemError::OpensNothing(_) => Self::new(problem::BAD_DISCLOSURE, told).expected(
                "salt and value that hash to the statement's commitment",
                "another salt, value, field or entry",
            ),
        }
    }
}

/// Checks, appends, and answers all `items` in order.
pub(crate) async fn take(app: &Arc<App>, items: Vec<Item>) -> Result<Taken, Problem> {
    let start = Instant::now();
    let mut wrong = Vec::new();
    let mut opened = Vec::new();
    let mut entries = Vec::with_capacity(items.len());
    for (place, item) in items.into_iter().enumerate() {
        if let Err(error) = item.check_disclosures() {
            wrong.push((place, Box::new(error.into())));
            continue;
        }
        if !item.disclosures.is_empty() && app.index.is_none() {
            wrong.push((place, Box::new(nowhere_to_keep())));
            continue;
        }
        if !item.disclosures.is_empty() {
            opened.push((place, item.disclosures));
        }
        entries.push(item.entry);
    }
    let samples = entries.clone();
    let answers = app.engine.submit(entries).await?;
    count(app, &samples, &answers.answers);
    let mut items: Vec<_> = answers.answers.into_iter().map(into_result).collect();
    for (place, problem) in wrong {
        items.insert(place, Err(problem));
    }
    keep(app, &items, opened).await?;
    app.metrics.submit.observe(start.elapsed());
    Ok(Taken { items, published: answers.published })
}

/// Appending the statement alone would lose what its commitments open to.
fn nowhere_to_keep() -> Problem {
    let told = "disclosures are kept in the index, which is off; nothing was appended";
    Problem::new(problem::NO_INDEX, told)
        .expected("a statement without disclosures", "one with disclosures")
}

fn into_result(answer: Answer) -> Result<(LeafIndex, How), Box<Problem>> {
    match answer {
        Answer::Decided(Outcome::Appended { index }) => Ok((index, How::Appended)),
        Answer::Decided(Outcome::Duplicate { index }) => Ok((index, How::Duplicate)),
        Answer::Decided(Outcome::Forked { index }) => Ok((index, How::Forked)),
        other => Err(Box::new(other.problem().unwrap_or_else(Problem::busy))),
    }
}

/// Counts outcomes; refusals are also remembered for the next audit statement.
fn count(app: &App, entries: &[Bytes], answers: &[Answer]) {
    let metrics = &app.metrics;
    for (entry, answer) in entries.iter().zip(answers) {
        match answer {
            Answer::Decided(Outcome::Appended { .. }) => metrics.appended.add(1),
            Answer::Decided(Outcome::Duplicate { .. }) => metrics.duplicates.add(1),
            Answer::Decided(Outcome::Forked { .. }) => {
                metrics.appended.add(1);
                metrics.forks.add(1);
            }
            Answer::Decided(Outcome::Gap { .. }) => metrics.gaps.add(1),
            Answer::Decided(Outcome::Refused(refusal)) | Answer::Refused(refusal) => {
                metrics.refused.add(1);
                app.refused.note(*refusal, entry);
            }
            Answer::Busy => metrics.busy.add(1),
            Answer::Decided(_) => {}
        }
    }
}

async fn keep(
    app: &Arc<App>,
    items: &[Result<(LeafIndex, How), Box<Problem>>],
    opened: Vec<(usize, Vec<Disclosure>)>,
) -> Result<(), Problem> {
    if opened.is_empty() {
        return Ok(());
    }
    let kept: Vec<_> = opened
        .into_iter()
        .filter_map(|(place, opened)| {
            let (index, _) = items.get(place)?.as_ref().ok()?;
            Some((index.0, opened.into_iter().map(disclosed).collect::<Vec<_>>()))
        })
        .collect();
    crate::api::ask(app, move |index| {
        kept.iter().try_for_each(|(place, opened)| index.disclose(*place, opened))
    })
    .await
}

fn disclosed(opened: Disclosure) -> Disclosed {
    Disclosed { field: opened.field.code(), salt: opened.salt, value: opened.value.into_bytes() }
}
