//! `agent run`: holds the journal, records what it is told, and sends.
//!
//! ```text
//! socket ──Asked──▶┐
//! courier ─Carried▶├─ one loop: record, answer, poll the outbox ──Job──▶ courier ──▶ the log
//! SIGTERM ──Stop──▶┘
//! ```
//!
//! Invariants:
//! - One thread touches the journal; an answer leaves after what it confirms is durable.
//! - The watchdog is fed by that thread alone.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::json;

use super::config::Config;
use super::courier::{self, Carried, Errand, InTheWay, Next, Sender};
use super::notify::Notify;
use super::push;
use super::record::record;
use super::request::Request;
use super::socket::{self, Asked};
use super::status::{history, status};
use super::unit::{Held, Unit};
use crate::Context;
use crate::answer::Answer;
use crate::error::{Error, Result};

/// What the loop waits for.
enum Event {
    Asked(Asked),
    Carried(Carried),
    Stop,
}

impl From<Asked> for Event {
    fn from(asked: Asked) -> Self {
        Self::Asked(asked)
    }
}

impl From<Carried> for Event {
    fn from(carried: Carried) -> Self {
        Self::Carried(carried)
    }
}

/// How long nothing may happen: the time is asked for again.
const IDLE: Duration = Duration::from_secs(600);

/// Who waits for everything to be proven.
type Pushing = Vec<mpsc::Sender<Result<Answer>>>;

/// Runs until it is told to stop.
pub(crate) fn run(config: &Config, after_rollback: bool, context: &Context) -> Result<Answer> {
    // A short command ends soon; an agent that runs does not.
    let Ok(held) = Held::take_or::<()>(config, || Ok(None))? else {
        return Err(Error::new("E-BUG", "nobody answers in the place of an agent"));
    };
    let mut unit = Unit::open(config, held, after_rollback)?;
    let mut sender = Sender::new(config)?;
    let (events, queue) = mpsc::channel::<Event>();
    let jobs = courier::start(courier::client(config, context)?, events.clone());
    socket::listen(config, events.clone())?;
    stop_on_signal(events)?;
    unit.refresh_time();
    let notify = Notify::new();
    notify.tell("READY=1\nSTATUS=recording");
    ready(&mut unit, context)?;
    let ended = turn(&mut unit, &mut sender, (&queue, &jobs), &notify);
    notify.tell("STOPPING=1");
    socket::close(config);
    unit.device.flush();
    unit.settle()?;
    ended?;
    Ok(Answer::new("agent-run", json!({"stopped": true}), "stopped\n"))
}

/// The first line on stdout, for whoever started it.
fn ready(unit: &mut Unit<'_>, context: &Context) -> Result<()> {
    let mut answer = status(unit, None);
    answer.command = "agent-ready";
    context.talk.print(&answer).map_err(|e| Error::new("E-IO", e))
}

fn turn(
    unit: &mut Unit<'_>,
    sender: &mut Sender<'_>,
    (queue, jobs): (&mpsc::Receiver<Event>, &mpsc::Sender<Errand>),
    notify: &Notify,
) -> Result<()> {
    let mut pushing = Pushing::new();
    let mut alive = Instant::now();
    loop {
        let wait = match sender.next(unit)? {
            Next::Carry(job) => {
                jobs.send(job).map_err(|_| Error::new("E-BUG", "the courier ended"))?;
                continue;
            }
            Next::Wait(wait) => wait,
            Next::Idle => {
                push::all_proven(unit, &mut pushing);
                IDLE
            }
        };
        let wait = notify.watchdog.map_or(wait, |most| wait.min(most));
        match queue.recv_timeout(wait) {
            Ok(Event::Stop) => return Ok(()),
            Ok(Event::Asked((request, to))) => asked(unit, sender, &request, to, &mut pushing),
            Ok(Event::Carried(carried)) => {
                if let Some(way) = sender.carried(unit, &carried)? {
                    in_the_way(unit, &way, &mut pushing);
                }
            }
            Err(RecvTimeoutError::Timeout) => unit.refresh_time(),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        if notify.watchdog.is_some_and(|most| alive.elapsed() >= most) {
            notify.tell("WATCHDOG=1");
            alive = Instant::now();
        }
    }
}

fn asked(
    unit: &mut Unit<'_>,
    sender: &mut Sender<'_>,
    request: &Request,
    to: mpsc::Sender<Result<Answer>>,
    pushing: &mut Pushing,
) {
    let answer = match request {
        Request::Record(step) => record(unit, step),
        Request::Status => Ok(status(unit, Some(sender))),
        Request::History { from } => history(unit, *from),
        Request::Push => {
            unit.device.flush();
            let settled = unit.settle();
            sender.hurry();
            match settled {
                Ok(()) => return pushing.push(to),
                Err(error) => Err(error),
            }
        }
    };
    // Whoever asked may be gone; what was asked is done.
    drop(to.send(answer));
}

fn in_the_way(unit: &mut Unit<'_>, way: &InTheWay, pushing: &mut Pushing) {
    for to in pushing.drain(..) {
        drop(to.send(Ok(push::answer(unit, Some(way)))));
    }
}

/// SIGTERM and SIGINT end the loop in order.
fn stop_on_signal(events: mpsc::Sender<Event>) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |e| Error::new("E-IO", format!("failed to watch for signals: {e}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(failed)?;
    let guard = runtime.enter();
    let mut term = signal(SignalKind::terminate()).map_err(failed)?;
    let mut int = signal(SignalKind::interrupt()).map_err(failed)?;
    drop(guard);
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        });
        drop(events.send(Event::Stop));
    });
    Ok(())
}
