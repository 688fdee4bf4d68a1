//! The outbox for C: what to send to the log, what its answer means, when to try again.

use crate::link::{Judge, Link, Receipts, Reply, Request, RequestKind, Told};
use crate::machine::on;
use crate::pointer::{answer, borrow, borrow_if_any, buffer, check};
use crate::slot::{Memory, close, open, with};
use crate::status::told;
use crate::{Agent, Status};
use firmlog_agent::outbox::{self, Random, Settings};

/// Words of an outbox.
pub const FIRMLOG_OUTBOX_WORDS: usize = 48;

/// Memory of an outbox; what is in it is the library's. Zero it before the first start. Throwing it
/// away loses nothing: the journal knows what the log has.
#[derive(Debug)]
#[repr(C)]
pub struct Outbox {
    opaque: [u64; FIRMLOG_OUTBOX_WORDS],
}

impl Memory for Outbox {
    type Inner = outbox::Outbox<Jitter>;
    const MAGIC: usize = 0x464c_6f31;
}

const _: () = Outbox::FITS;

/// Numbers that need not be secret, for a fleet not to wait alike (xorshift).
pub(crate) struct Jitter(u32);

impl Random for Jitter {
    fn number(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }
}

/// Starts an outbox. `random` is any number that differs between devices and boots.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_outbox_start(outbox: *mut Outbox, random: u32) -> Status {
    // SAFETY: the crate's contract.
    told(unsafe {
        open(outbox, || {
            // Zero would stay zero.
            let random = Jitter(random | 1 << 31);
            Ok(outbox::Outbox::new(Settings::default(), random))
        })
    })
}

/// Gives an outbox up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_outbox_close(outbox: *mut Outbox) -> Status {
    // SAFETY: the crate's contract.
    told(unsafe { close(outbox) })
}

/// Forgets the wait under way: the network has just come back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_outbox_hurry(outbox: *mut Outbox) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(outbox, |outbox| {
            outbox.hurry();
            Ok(())
        })
    }
}

/// What to do now. `now_ms` goes on within a boot; `body` of `size` bytes, at least 640, takes what
/// is to be sent, and must stay as it is until that is done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_outbox_poll(
    outbox: *mut Outbox,
    agent: *mut Agent,
    now_ms: u64,
    body: *mut u8,
    size: usize,
    request: *mut Request,
) -> Status {
    // SAFETY: the crate's contract; two kinds of memory, so two different ones.
    unsafe {
        with(outbox, |outbox| {
            let done = with(agent, |inner| {
                check(request)?;
                let out = buffer(body, size)?;
                let step = on!(&mut inner.machine, mode => {
                    outbox.poll(now_ms, mode.journal(), out)
                });
                let step = step.map_err(|error| inner.failed(error))?;
                answer(request, Request::of(step, body))
            });
            if done == Status::Ok { Ok(()) } else { Err(done) }
        })
    }
}

/// Takes the answer to a request, or that there is none. `receipts` checks what the log hands out;
/// null believes it, and then whoever carries the answers can have the journal erase what the log
/// does not have. `result` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_outbox_answered(
    outbox: *mut Outbox,
    agent: *mut Agent,
    now_ms: u64,
    request: *const Request,
    reply: *const Reply,
    receipts: *const Receipts,
    result: *mut Told,
) -> Status {
    // SAFETY: the crate's contract; two kinds of memory, so two different ones.
    unsafe {
        with(outbox, |outbox| {
            let done = with(agent, |inner| {
                let ticket = borrow(request)?.ticket;
                let reply = borrow(reply)?.read()?;
                let mut judge = Judge::new(borrow_if_any(receipts)?)?;
                let told = on!(&mut inner.machine, mode => {
                    outbox.answered(ticket, now_ms, &reply, mode.journal(), &mut judge)
                });
                let told = told.map_err(|error| inner.failed(error))?;
                crate::pointer::answer_if_asked(result, Told::of(&told))
            });
            if done == Status::Ok { Ok(()) } else { Err(done) }
        })
    }
}

/// One request from beginning to end: asks what to do, has the link carry it, and takes the
/// answer. `request->kind` tells what was done; while it is `FIRMLOG_REQUEST_KIND_POST` or `_FETCH`
/// there may be more. The agent may be used from other places while the link is at work.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_send(
    outbox: *mut Outbox,
    agent: *mut Agent,
    link: *const Link,
    now_ms: u64,
    body: *mut u8,
    size: usize,
    request: *mut Request,
    result: *mut Told,
) -> Status {
    // SAFETY: the crate's contract.
    let link = match unsafe { borrow(link) }.and_then(Link::check) {
        Ok(link) => link,
        Err(status) => return status,
    };
    // SAFETY: as above.
    let polled = unsafe { firmlog_outbox_poll(outbox, agent, now_ms, body, size, request) };
    if polled != Status::Ok {
        return polled;
    }
    // SAFETY: as above; it was written just now.
    let asked = unsafe { *request };
    if asked.kind == RequestKind::Wait as u8 || asked.kind == RequestKind::Idle as u8 {
        // SAFETY: as above.
        return unsafe {
            with(outbox, |outbox| {
                let trouble = outbox.trouble().filter(|_| asked.kind == RequestKind::Wait as u8);
                let told = Told::of(&outbox::Told { trouble, ..outbox::Told::default() });
                crate::pointer::answer_if_asked(result, told)
            })
        };
    }
    let reply = link.carry(&asked);
    let (asked, reply) = (&raw const asked, &raw const reply);
    // SAFETY: as above.
    unsafe { firmlog_outbox_answered(outbox, agent, now_ms, asked, reply, link.receipts, result) }
}
