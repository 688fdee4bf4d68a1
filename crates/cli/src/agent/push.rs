//! `agent push`: sends now, and tells when all is proven or what is in the way.

use std::sync::mpsc;

use serde_json::json;

use super::config::Config;
use super::courier::{self, InTheWay, Next, Sender, carry};
use super::unit::Unit;
use crate::Context;
use crate::answer::{Answer, counted};
use crate::error::{Exit, Result};

/// Sends without an agent that runs, until all is proven or something is in the way.
pub(crate) fn push(unit: &mut Unit<'_>, config: &Config, context: &Context) -> Result<Answer> {
    let mut sender = Sender::new(config)?;
    let client = courier::client(config, context)?;
    loop {
        match sender.next(unit)? {
            // What was in the way shows when the outbox wants to wait.
            Next::Carry(job) => drop(sender.carried(unit, &carry(&client, job))?),
            Next::Idle => return Ok(answer(unit, None)),
            Next::Wait(_) => {
                let way = sender.in_the_way();
                return Ok(answer(unit, way.as_ref()));
            }
        }
    }
}

/// Answers everybody who waits for it.
pub(crate) fn all_proven(unit: &mut Unit<'_>, pushing: &mut Vec<mpsc::Sender<Result<Answer>>>) {
    for to in pushing.drain(..) {
        drop(to.send(Ok(answer(unit, None))));
    }
}

/// What was proven, and what was in the way.
pub(crate) fn answer(unit: &mut Unit<'_>, way: Option<&InTheWay>) -> Answer {
    let journal = unit.device.journal();
    let proven = journal.covered();
    let is_hidden = journal.next().is_none();
    let next = journal.next().map_or(proven.next, |(next, _)| next);
    let left = next.saturating_sub(proven.next);
    let exit = match way {
        Some(way) => way.exit,
        None if left > 0 || is_hidden => Exit::Incomplete,
        None => Exit::Proven,
    };
    let mark = if left == 0 && !is_hidden { "✓" } else { "◷" };
    let said = counted(proven.next, "statement", "statements");
    let mut text = format!("{mark} {said} in the log, {left} not yet\n");
    let trouble = way.map(|way| way.text.as_str());
    text.extend(trouble.iter().map(|trouble| format!("✗ {trouble}\n")));
    let json = json!({"proven_below": proven.next.to_string(), "unsent": left.to_string(),
        "tree_size": proven.size.to_string(), "trouble": trouble});
    Answer::new("agent-push", json, text).exit(exit)
}
