//! The outbox as C drives it, against a log with real signatures, over a link that loses answers.

mod behind;

use behind::Behind;
use firmlog_agent::outbox::Receipts as _;
use firmlog_capi::*;
use firmlog_sim::SimLog;
use firmlog_sim::device::Device;
use firmlog_sim::history::SEED;
use firmlog_sim::log::LogReceipts;
use firmlog_tlog::merkle::Hash as LeafHash;
use std::ffi::{c_int, c_void};
use std::ptr::{null, null_mut};

/// Behind the callbacks of the link.
struct World {
    log: SimLog,
    receipts: LogReceipts,
    exchanges: u32,
    answer: Vec<u8>,
    agent: *mut Agent,
}

fn world<'a>(context: *mut c_void) -> &'a mut World {
    // SAFETY: every callback here gets the one world of its test, which runs on one thread.
    unsafe { &mut *context.cast() }
}

/// Carries it to the log; every third answer is lost. The agent can be used meanwhile.
unsafe extern "C" fn exchange(context: *mut c_void, request: *const Request, reply: *mut Reply) {
    let world = world(context);
    // SAFETY: the library lends both.
    let (request, reply) = unsafe { (&*request, &mut *reply) };
    let mut chain = Chain { next: 0, hash: [0; 32] };
    // SAFETY: an open context.
    assert_eq!(unsafe { firmlog_chain_next(world.agent, &raw mut chain) }, Status::Ok);
    let answer = if request.kind == RequestKind::Post as u8 {
        // SAFETY: the buffer of the caller of `firmlog_send`.
        world.log.post(unsafe { std::slice::from_raw_parts(request.body, request.body_len) })
    } else {
        world.log.receipt(request.index)
    };
    world.exchanges += 1;
    world.answer = answer.body;
    if world.exchanges % 3 != 0 {
        reply.status = answer.status;
        (reply.body, reply.body_len) = (world.answer.as_ptr(), world.answer.len());
    }
}

unsafe extern "C" fn checkpoint(
    context: *mut c_void,
    note: *const u8,
    len: usize,
    head: *mut Head,
) -> c_int {
    // SAFETY: the library lends so much.
    let note = unsafe { std::slice::from_raw_parts(note, len) };
    let Some(found) = world(context).receipts.checkpoint(note) else { return 1 };
    // SAFETY: the library lends it.
    unsafe { head.write(Head { size: found.size.0, root: found.root.0 }) };
    0
}

unsafe extern "C" fn receipt(
    context: *mut c_void,
    index: u64,
    leaf: *const u8,
    bytes: *const u8,
    len: usize,
) -> c_int {
    // SAFETY: the library lends so much.
    let (leaf, bytes) = unsafe { (*leaf.cast(), std::slice::from_raw_parts(bytes, len)) };
    let good = world(context).receipts.receipt(index, &LeafHash(leaf), bytes);
    c_int::from(!good)
}

/// Sends until nothing is left to send; says how often it had to wait.
fn send_all(outbox: *mut Outbox, agent: *mut Agent, link: &Link) -> u32 {
    let (mut now_ms, mut waits, mut body) = (0, 0, vec![0_u8; 4096]);
    for _ in 0..500 {
        let mut request = std::mem::MaybeUninit::<Request>::uninit();
        let mut told = Told::default();
        let (out, size, asked) = (body.as_mut_ptr(), body.len(), request.as_mut_ptr());
        // SAFETY: all of it lives through the call.
        let sent =
            unsafe { firmlog_send(outbox, agent, link, now_ms, out, size, asked, &raw mut told) };
        assert_eq!(sent, Status::Ok);
        assert_eq!((told.has_fork, told.number), (0, 0), "{told:?}");
        // SAFETY: it was written.
        let request = unsafe { request.assume_init() };
        match request.kind {
            0 => return waits,
            1 => {
                now_ms += request.wait_ms;
                waits += 1;
            }
            _ => {}
        }
    }
    panic!("never idle");
}

#[test]
fn c_sends_every_statement_once_over_a_lossy_link() {
    let log = SimLog::new(SEED);
    let receipts = log.receipts();
    let mut behind = Box::new(Behind::new([40, 1024, 4], Device::new(1).key().clone()));
    let mut agent = Box::new(std::mem::MaybeUninit::<Agent>::zeroed());
    let mut outbox = Box::new(std::mem::MaybeUninit::<Outbox>::zeroed());
    let (agent, outbox) = (agent.as_mut_ptr(), outbox.as_mut_ptr());
    let (exchanges, answer) = (0, Vec::new());
    let mut world = Box::new(World { log, receipts, exchanges, answer, agent });
    let config = behind.config();
    let context = (&raw mut *world).cast();
    let checks = Receipts { context, checkpoint: Some(checkpoint), receipt: Some(receipt) };
    let link = Link { context, exchange: Some(exchange), receipts: &raw const checks };
    let start = Chain { next: 0, hash: SEED };
    let running = Image { version: 1, counter: 1, sha256: [1; 32] };
    // SAFETY: all of it lives to the end of the test; one thread.
    unsafe {
        let size = size_of::<Agent>();
        assert_eq!(firmlog_format(&raw const config.flash, &raw const start), Status::Ok);
        let (config, running) = (&raw const config, &raw const running);
        assert_eq!(firmlog_start(agent, size, config, running, null_mut()), Status::Ok);
        assert_eq!(firmlog_outbox_start(outbox, 7), Status::Ok);
        for _ in 0..20 {
            let event = Event::ServiceMode as u16;
            assert_eq!(firmlog_step(agent, event, null(), null_mut()), Status::Ok);
            assert_eq!(firmlog_flush(agent, null_mut()), Status::Ok);
        }
    }
    let waits = send_all(outbox, agent, &link);
    assert!(waits > 3, "answers were lost: {waits}");
    assert_eq!(world.log.statements().len(), 21, "each once");
    let mut room = std::mem::MaybeUninit::<Room>::uninit();
    // SAFETY: written when it is done.
    let room = unsafe {
        assert_eq!(firmlog_room(agent, room.as_mut_ptr()), Status::Ok);
        room.assume_init()
    };
    assert_eq!((room.covered.next, room.covered.size), (21, 22));
}

#[test]
fn an_outbox_that_is_not_started_or_lacks_something_says_so() {
    let mut outbox = Box::new(std::mem::MaybeUninit::<Outbox>::zeroed());
    let outbox = outbox.as_mut_ptr();
    let no_link = Link { context: null_mut(), exchange: None, receipts: null() };
    let mut agent = Box::new(std::mem::MaybeUninit::<Agent>::zeroed());
    let agent = agent.as_mut_ptr();
    let mut request = std::mem::MaybeUninit::<Request>::uninit();
    let mut body = [0; 640];
    let (out, asked) = (body.as_mut_ptr(), request.as_mut_ptr());
    // SAFETY: all of it lives to the end of the test; one thread.
    unsafe {
        assert_eq!(firmlog_outbox_close(outbox), Status::NotOpen);
        assert_eq!(firmlog_outbox_hurry(null_mut()), Status::NullPointer);
        assert_eq!(firmlog_outbox_poll(outbox, agent, 0, out, 640, asked), Status::NotOpen);
        assert_eq!(firmlog_outbox_start(outbox, 0), Status::Ok);
        assert_eq!(firmlog_outbox_start(outbox, 0), Status::AlreadyOpen);
        assert_eq!(firmlog_outbox_poll(outbox, agent, 0, out, 640, asked), Status::NotOpen);
        assert_eq!(firmlog_outbox_hurry(outbox), Status::Ok);
        let sent = firmlog_send(outbox, agent, &raw const no_link, 0, out, 640, asked, null_mut());
        assert_eq!(sent, Status::NoCallback);
        let sent = firmlog_send(outbox, agent, null(), 0, out, 640, asked, null_mut());
        assert_eq!(sent, Status::NullPointer);
        assert_eq!(firmlog_outbox_close(outbox), Status::Ok);
    }
}
