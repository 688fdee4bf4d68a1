//! One thread, one epoll, many keep-alive connections.
//!
//! Closed loop: each connection sends its next request when the last is
//! answered. Open loop: requests fall due at a fixed rate whatever the server
//! does, wait for an idle connection if they must, and their latency runs from
//! when they were due.
//!
//! Invariants:
//! - A connection has at most one request in flight.
//! - A request answered by pushback is sent again, unchanged, after its delay.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::time as timer;

use super::http::{ResponseHead, parse_head};
use super::tally::Tally;
use super::work::Work;

/// Bytes read from a socket at once.
const READ_BYTES: usize = 64 * 1024;
/// The open loop's timer never fires more often than this.
const TICK_MIN: Duration = Duration::from_micros(50);
const TIMER: Token = Token(usize::MAX);

/// What one engine does.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The server.
    pub target: SocketAddr,
    /// Connections of this engine.
    pub connections: usize,
    /// Time before anything is counted.
    pub warmup: Duration,
    /// Time that is counted.
    pub window: Duration,
    /// Requests a second; `None` for the closed loop.
    pub rate: Option<f64>,
    /// Whether to go on with a new connection when the server closes one.
    pub reconnect: bool,
}

/// Runs `work` and returns what was counted and over which window: shorter than
/// planned if the work ran out or the server went away.
///
/// # Errors
/// If connections cannot be opened or polled.
pub fn run(plan: &Plan, work: &mut dyn Work) -> anyhow::Result<(Tally, Duration)> {
    let mut engine = Engine::connect(plan, work)?;
    engine.start()?;
    engine.turn_until_done()?;
    let window = engine.last_counted.saturating_duration_since(engine.counted_from);
    Ok((engine.tally, window.max(Duration::from_millis(1))))
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    written: usize,
    inbox: Vec<u8>,
    due: Instant,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    InFlight,
    Waiting,
    Finished,
}

struct Engine<'a> {
    plan: &'a Plan,
    work: &'a mut dyn Work,
    poll: Poll,
    connections: Vec<Connection>,
    live: usize,
    idle: Vec<usize>,
    schedule: Option<Schedule>,
    delayed: BinaryHeap<Reverse<(Instant, usize)>>,
    buffer: Vec<u8>,
    tally: Tally,
    counted_from: Instant,
    counted_to: Instant,
    last_counted: Instant,
}

struct Schedule {
    next_due: Instant,
    period: Duration,
    timer: rustix::fd::OwnedFd,
}

impl<'a> Engine<'a> {
    fn connect(plan: &'a Plan, work: &'a mut dyn Work) -> anyhow::Result<Self> {
        let poll = Poll::new().context("failed to make an epoll")?;
        let mut connections = Vec::with_capacity(plan.connections);
        for index in 0..plan.connections {
            let stream = open(plan.target, &poll, index)
                .with_context(|| format!("failed to open connection {index}"))?;
            connections.push(Connection::new(stream));
        }
        let now = Instant::now();
        let counted_from = now + plan.warmup;
        Ok(Self {
            live: connections.len(),
            idle: Vec::new(),
            schedule: None,
            delayed: BinaryHeap::new(),
            buffer: vec![0; READ_BYTES],
            tally: Tally::default(),
            counted_from,
            counted_to: counted_from + plan.window,
            last_counted: counted_from,
            plan,
            work,
            poll,
            connections,
        })
    }

    fn start(&mut self) -> anyhow::Result<()> {
        if let Some(rate) = self.plan.rate {
            let period = Duration::from_secs_f64(1.0 / rate);
            self.schedule = Some(Schedule::start(&self.poll, period)?);
            self.idle = (0..self.connections.len()).rev().collect();
            return Ok(());
        }
        for index in 0..self.connections.len() {
            self.send_next(index, Instant::now());
        }
        Ok(())
    }

    fn turn_until_done(&mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1024);
        while self.live > 0 {
            let now = Instant::now();
            if now >= self.counted_to {
                self.last_counted = self.counted_to;
                break;
            }
            self.resend_delayed(now);
            self.send_due(now);
            match self.poll.poll(&mut events, Some(self.poll_timeout(now))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other.context("failed to poll")?,
            }
            for event in &events {
                match event.token() {
                    TIMER => self.clear_timer(),
                    Token(index) => {
                        if event.is_writable() {
                            self.flush(index);
                        }
                        if event.is_readable() || event.is_error() {
                            self.receive(index);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn poll_timeout(&self, now: Instant) -> Duration {
        let end = self.counted_to.saturating_duration_since(now);
        match self.delayed.peek() {
            Some(Reverse((at, _))) => end.min(at.saturating_duration_since(now)),
            None => end,
        }
    }

    fn clear_timer(&mut self) {
        if let Some(schedule) = &self.schedule {
            let mut count = [0u8; 8];
            // Would-block only says that the tick was already taken.
            let _ = rustix::io::read(&schedule.timer, &mut count);
        }
    }

    fn resend_delayed(&mut self, now: Instant) {
        while let Some(&Reverse((at, index))) = self.delayed.peek() {
            if at > now {
                break;
            }
            self.delayed.pop();
            if let Some(connection) = self.connections.get_mut(index) {
                connection.resume();
            }
            self.flush(index);
        }
    }

    /// Open loop: sends what fell due while idle connections last.
    fn send_due(&mut self, now: Instant) {
        while let Some(schedule) = &mut self.schedule {
            if schedule.next_due > now {
                break;
            }
            let Some(index) = self.idle.pop() else { break };
            let due = schedule.next_due;
            schedule.next_due += schedule.period;
            self.send_next(index, due);
        }
    }

    fn send_next(&mut self, index: usize, due: Instant) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        if !self.work.request(index, &mut connection.request) {
            connection.state = State::Finished;
            self.live -= 1;
            return;
        }
        connection.due = due;
        connection.resume();
        self.flush(index);
    }

    fn flush(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        if connection.flush().is_err() {
            self.replace(index);
        }
    }

    fn receive(&mut self, index: usize) {
        loop {
            let Some(connection) = self.connections.get_mut(index) else { return };
            match connection.stream.read(&mut self.buffer) {
                Ok(0) => return self.replace(index),
                Ok(count) => {
                    self.take(index, count);
                    // A short read drained the socket: the next bytes raise a new edge.
                    if count < READ_BYTES {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.replace(index),
            }
        }
    }

    /// Takes the first `count` bytes of the buffer for this connection.
    fn take(&mut self, index: usize, count: usize) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        let mut inbox = std::mem::take(&mut connection.inbox);
        let response: &[u8] = if inbox.is_empty() {
            &self.buffer[..count]
        } else {
            inbox.extend_from_slice(&self.buffer[..count]);
            &inbox
        };
        match parse_head(response) {
            Ok(Some(head)) if response.len() == head.total_len() => {
                let now = Instant::now();
                let verdict = judge(self.work, index, &head, &response[head.body_start..]);
                self.count(index, &head, verdict, now);
                inbox.clear();
                self.keep_inbox(index, inbox);
                self.after_answer(index, &head, now);
            }
            Ok(Some(head)) if response.len() > head.total_len() => {
                self.tally.fail(|| "bytes after the response".into());
                self.replace(index);
            }
            Ok(_) => {
                if inbox.is_empty() {
                    inbox.extend_from_slice(&self.buffer[..count]);
                }
                self.keep_inbox(index, inbox);
            }
            Err(why) => {
                self.tally.fail(|| why.into());
                self.replace(index);
            }
        }
    }

    fn keep_inbox(&mut self, index: usize, inbox: Vec<u8>) {
        if let Some(connection) = self.connections.get_mut(index) {
            connection.inbox = inbox;
        }
    }

    fn count(&mut self, index: usize, head: &ResponseHead, verdict: Verdict, now: Instant) {
        if now < self.counted_from || now >= self.counted_to {
            return;
        }
        self.last_counted = now;
        let due = self.connections.get(index).map_or(now, |connection| connection.due);
        match verdict {
            Verdict::Accepted(entries) => self.tally.accept(entries, now - due),
            Verdict::Later => self.tally.pushback += 1,
            Verdict::Failed(why) => self.tally.fail(|| format!("{}: {why}", head.status)),
        }
    }

    fn after_answer(&mut self, index: usize, head: &ResponseHead, now: Instant) {
        if head.close {
            self.replace(index);
        }
        if head.is_pushback() {
            let delay = Duration::from_secs(head.retry_after_s.unwrap_or(1).into());
            self.connections[index].state = State::Waiting;
            self.delayed.push(Reverse((now + delay, index)));
        } else if self.schedule.is_some() {
            self.connections[index].state = State::Idle;
            self.idle.push(index);
            self.send_due(now);
        } else {
            self.send_next(index, now);
        }
    }

    /// Opens the connection again; a request in flight is sent again with it.
    fn replace(&mut self, index: usize) {
        let was = self.connections[index].state;
        if was == State::Finished {
            return;
        }
        let stream = self.plan.reconnect.then(|| open(self.plan.target, &self.poll, index));
        let Some(Ok(stream)) = stream else {
            self.connections[index].state = State::Finished;
            self.live -= 1;
            return;
        };
        self.tally.reconnects += 1;
        let connection = &mut self.connections[index];
        connection.stream = stream;
        connection.inbox.clear();
        if was == State::InFlight {
            connection.resume();
            self.flush(index);
        }
    }
}

enum Verdict {
    Accepted(u32),
    Later,
    Failed(String),
}

fn judge(work: &mut dyn Work, index: usize, head: &ResponseHead, body: &[u8]) -> Verdict {
    if head.is_success() {
        return work.accept(index, body).map_or_else(Verdict::Failed, Verdict::Accepted);
    }
    if head.is_pushback() {
        return Verdict::Later;
    }
    Verdict::Failed(String::from_utf8_lossy(&body[..body.len().min(400)]).into_owned())
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            request: Vec::new(),
            written: 0,
            inbox: Vec::new(),
            due: Instant::now(),
            state: State::Idle,
        }
    }

    fn resume(&mut self) {
        self.written = 0;
        self.state = State::InFlight;
    }

    fn flush(&mut self) -> std::io::Result<()> {
        while self.state == State::InFlight && self.written < self.request.len() {
            match self.stream.write(&self.request[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Schedule {
    fn start(poll: &Poll, period: Duration) -> anyhow::Result<Self> {
        use std::os::fd::AsRawFd;
        let timer = timer::timerfd_create(
            timer::TimerfdClockId::Monotonic,
            timer::TimerfdFlags::NONBLOCK | timer::TimerfdFlags::CLOEXEC,
        )
        .context("failed to make a timer")?;
        let tick = period.max(TICK_MIN);
        let tick =
            timer::Timespec { tv_sec: tick.as_secs() as i64, tv_nsec: tick.subsec_nanos().into() };
        let setting = timer::Itimerspec { it_interval: tick, it_value: tick };
        timer::timerfd_settime(&timer, timer::TimerfdTimerFlags::empty(), &setting)
            .context("failed to set a timer")?;
        poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
        Ok(Self { next_due: Instant::now(), period, timer })
    }
}

/// Connects with a blocking handshake, so that a full accept queue delays rather than fails.
fn open(target: SocketAddr, poll: &Poll, index: usize) -> std::io::Result<TcpStream> {
    let stream = std::net::TcpStream::connect(target)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(stream);
    let interest = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut stream, Token(index), interest)?;
    Ok(stream)
}
