//! What C may call, in any order, over flash that anybody may have written: every call ends with a
//! known status that is not a bug of ours, touches no memory but what it was lent, and what was
//! confirmed as recorded can be read.

#![no_main]

use firmlog_capi::*;
use libfuzzer_sys::fuzz_target;
use std::ffi::{CStr, c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::LazyLock;

const PAGES: usize = 8;
const PAGE: usize = 1024;

/// The board: flash that may lose power, and a key that may refuse.
struct Board {
    bytes: Vec<u8>,
    left: Option<u32>,
    signs: bool,
    agent: *mut Agent,
}

impl Board {
    fn spend(&mut self) -> bool {
        match &mut self.left {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }
}

unsafe extern "C" fn read(board: *mut c_void, at: u32, out: *mut u8, len: usize) -> c_int {
    let board = unsafe { &mut *board.cast::<Board>() };
    let Some(bytes) = board.bytes.get(at as usize..at as usize + len) else { return 1 };
    unsafe { out.copy_from(bytes.as_ptr(), len) };
    c_int::from(board.left == Some(0))
}

unsafe extern "C" fn program(board: *mut c_void, at: u32, words: *const u8, len: usize) -> c_int {
    let board = unsafe { &mut *board.cast::<Board>() };
    for place in 0..len {
        let at = at as usize + place;
        if at >= board.bytes.len() || !board.spend() {
            return 1;
        }
        board.bytes[at] &= unsafe { words.add(place).read() };
    }
    0
}

unsafe extern "C" fn erase(board: *mut c_void, page: u32) -> c_int {
    let board = unsafe { &mut *board.cast::<Board>() };
    for at in page as usize * PAGE..(page as usize + 1) * PAGE {
        if at >= board.bytes.len() || !board.spend() {
            return 1;
        }
        board.bytes[at] = 0xff;
    }
    0
}

/// Signs alike, and calls back, which must be refused.
unsafe extern "C" fn sign(
    board: *mut c_void,
    _: *const u8,
    _: usize,
    _: *const u8,
    signature: *mut u8,
) -> c_int {
    let board = unsafe { &mut *board.cast::<Board>() };
    assert_eq!(unsafe { firmlog_flush(board.agent, null_mut()) }, Status::Busy);
    unsafe { signature.write_bytes(0x11, 64) };
    c_int::from(!board.signs)
}

unsafe extern "C" fn now(_: *mut c_void, time: *mut Time) {
    unsafe { (*time).has_uptime = 1 };
}

fn config(board: *mut Board) -> Config {
    let context = board.cast();
    Config {
        abi: Config::ABI,
        flash: Flash {
            context,
            read: Some(read),
            program: Some(program),
            erase: Some(erase),
            pages: PAGES as u32,
            page_bytes: PAGE as u32,
            word_bytes: 4,
        },
        key: Key { context, sign: Some(sign), public_key: [0x33; 64], algorithm: 1 },
        clock: Clock { context, now: Some(now) },
        device: [0; 32],
        issuer: c"acme.example/devices".as_ptr(),
        subject: c"ip-200/app".as_ptr(),
        earlier_key: [0; 32],
        log_before_install: 0,
    }
}

/// Flash of a device that has said some things.
static LIVED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut world = World::new(vec![0xff; PAGES * PAGE]);
    let start = Chain { next: 0, hash: [7; 32] };
    let flash = config(&raw mut *world.board).flash;
    assert_eq!(unsafe { firmlog_format(&raw const flash, &raw const start) }, Status::Ok);
    for number in 0..12 {
        world.call((11, 1, 0));
        world.call((0, 112, 0));
        world.call((4, 71, number));
    }
    world.board.bytes.clone()
});

struct World {
    outbox: Box<[u64; FIRMLOG_OUTBOX_WORDS]>,
    /// What a log, or somebody before it, answers.
    answer: Vec<u8>,
    board: Box<Board>,
    agent: Box<[u64; FIRMLOG_AGENT_WORDS]>,
    /// Flash is as the agent left it, and has not failed.
    sound: bool,
    seq: u64,
}

impl World {
    fn new(bytes: Vec<u8>) -> Self {
        let mut agent = Box::new([0; FIRMLOG_AGENT_WORDS]);
        let pointer = agent.as_mut_ptr().cast();
        let board = Box::new(Board { bytes, left: None, signs: true, agent: pointer });
        let outbox = Box::new([0; FIRMLOG_OUTBOX_WORDS]);
        Self { outbox, answer: Vec::new(), board, agent, sound: true, seq: 0 }
    }

    fn call(&mut self, (what, a, b): (u8, u16, u32)) {
        let agent = self.agent.as_mut_ptr().cast::<Agent>();
        self.board.agent = agent;
        let board = &raw mut *self.board;
        let image = Image { version: b.into(), counter: a.into(), sha256: [b as u8; 32] };
        let target = Target { image, release: [a as u8; 32] };
        let detail = Detail { error: b, has_error: 1, power: a as u8 & 7, has_power: 1 };
        let detail = if b & 1 == 0 { &raw const detail } else { null() };
        let size = usize::from(a) % 700;
        let mut buffer = vec![0xaa; size];
        let (bytes, mut len) = (buffer.as_mut_ptr(), usize::MAX);
        let mut logged = Logged::Dropped;
        let logged = &raw mut logged;
        let status = unsafe {
            match what % 24 {
                0 => firmlog_step(agent, a, detail, logged),
                1 => firmlog_verified(agent, &raw const target, detail, logged),
                2 => firmlog_install_started(agent, detail, logged),
                3 => firmlog_committed(agent, detail, logged),
                4 => firmlog_refuse(agent, a, &raw const image, detail, logged),
                5 => firmlog_flush(agent, logged),
                6 => firmlog_entry(agent, b.into(), bytes, size, &raw mut len),
                7 => {
                    let (next, size, root) = (b.into(), u64::from(b) + 9, [4; 32]);
                    firmlog_confirm(agent, &raw const *Box::new(Covered { next, size, root }))
                }
                8 => self.by_hand(agent, a, b),
                9 => {
                    let signature = [a as u8; 64];
                    let (len, signature) = (b as usize, signature.as_ptr());
                    firmlog_statement_append(agent, bytes, size, len, signature, null(), 0)
                }
                10 => {
                    self.board.left = (b & 1 == 0).then_some((b >> 1) & 0x3fff);
                    self.sound &= self.board.left.is_none();
                    self.board.signs = a & 1 == 0;
                    Status::Ok
                }
                11 | 12 => {
                    // Power comes back; RAM does not outlive it.
                    self.board.left = None;
                    self.agent.fill(0);
                    let (config, running) = (config(board), Image { version: a.into(), ..image });
                    let size = size_of::<Agent>();
                    if what % 24 == 11 {
                        firmlog_start(
                            agent,
                            size,
                            &raw const config,
                            &raw const running,
                            null_mut(),
                        )
                    } else {
                        firmlog_open(agent, size, &raw const config, null_mut())
                    }
                }
                13 => firmlog_close(agent),
                14 => {
                    let at = b as usize % self.board.bytes.len();
                    self.board.bytes[at] = a as u8;
                    self.sound = false;
                    Status::Ok
                }
                15 => firmlog_note(agent, bytes, size, &raw mut len),
                16 => firmlog_remember(agent, bytes, size),
                17 => {
                    let chain = Chain { next: b.into(), hash: [a as u8; 32] };
                    self.sound = false;
                    firmlog_chain_resume(agent, &raw const chain, &raw const image, std::ptr::null_mut())
                }
                18 => {
                    let mut finding = std::mem::MaybeUninit::<Finding>::uninit();
                    let told = firmlog_finding(agent, a.into(), finding.as_mut_ptr());
                    if told == Status::Ok {
                        text(firmlog_finding_text(finding.assume_init().kind));
                    }
                    told
                }
                19 => firmlog_progress(agent, std::mem::MaybeUninit::uninit().as_mut_ptr()),
                20 => firmlog_room(agent, std::mem::MaybeUninit::uninit().as_mut_ptr()),
                21 => firmlog_saw_checkpoint(agent, b.into(), [a as u8; 32].as_ptr()),
                22 => firmlog_entry_oldest(agent, &raw mut *Box::new(0)),
                _ => self.send(agent, a, b),
            }
        };
        self.judge(status, agent);
        if len != usize::MAX {
            assert!(status == Status::Ok && len <= size, "a length is told of what is there");
        }
    }

    /// Sends a batch and takes whatever comes back as the answer.
    fn send(&mut self, agent: *mut Agent, a: u16, b: u32) -> Status {
        let outbox = self.outbox.as_mut_ptr().cast::<Outbox>();
        let mut body = vec![0; usize::from(a & 0xfff)];
        let mut request = std::mem::MaybeUninit::<Request>::uninit();
        let (out, size, asked) = (body.as_mut_ptr(), body.len(), request.as_mut_ptr());
        unsafe {
            firmlog_outbox_start(outbox, b);
            firmlog_outbox_hurry(outbox);
            let polled = firmlog_outbox_poll(outbox, agent, b.into(), out, size, asked);
            if polled != Status::Ok {
                return polled;
            }
            let reply = Reply {
                body: self.answer.as_ptr(),
                body_len: self.answer.len(),
                retry_after_s: b,
                status: if a & 0x1000 == 0 { 200 } else { a },
                has_retry_after: 1,
            };
            let mut told = Told::default();
            let told = &raw mut told;
            firmlog_outbox_answered(outbox, agent, b.into(), asked, &raw const reply, null(), told)
        }
    }

    /// Builds a statement, signs it and appends it.
    fn by_hand(&mut self, agent: *mut Agent, a: u16, b: u32) -> Status {
        let said =
            [Said { ago_ms: b.into(), code: b, count: 1, event: a, has_code: 1, has_count: 0 }; 4];
        let commitment = Commitment { field: a, digest: [3; 32] };
        let statement = Statement {
            events: said.as_ptr(),
            events_len: (b % 5) as usize,
            commitments: &raw const commitment,
            commitments_len: (b >> 8 & 1) as usize,
            duration_ms: b.into(),
            image: Image { version: 1, counter: 1, sha256: [1; 32] },
            release: [2; 32],
            authorisation: [0; 32],
            detail: Detail::default(),
            attempts: 1,
            outcome: (b >> 16) as u8 & 15,
            phase: (b >> 20) as u8 & 15,
        };
        let mut buffer = vec![0; 640 - usize::from(a >> 8)];
        let (tbs, size, mut len) = (buffer.as_mut_ptr(), buffer.len(), 0);
        let built = unsafe {
            firmlog_statement_build(agent, &raw const statement, tbs, size, &raw mut len)
        };
        if built != Status::Ok {
            return built;
        }
        let signature = [0x11; 64];
        unsafe { firmlog_statement_append(agent, tbs, size, len, signature.as_ptr(), null(), 0) }
    }

    /// What must hold after every call.
    fn judge(&mut self, status: Status, agent: *mut Agent) {
        assert_ne!(status, Status::Bug, "an internal contradiction");
        text(firmlog_status_text(status as i32));
        let mut chain = Chain { next: 0, hash: [0; 32] };
        let is_open = unsafe { firmlog_chain_next(agent, &raw mut chain) } == Status::Ok;
        if !is_open || !self.sound {
            return;
        }
        assert!(chain.next >= self.seq, "the chain went back");
        self.seq = chain.next;
        if let Some(newest) = chain.next.checked_sub(1) {
            let (mut entry, mut len) = ([0; 640], 0);
            let read = unsafe {
                firmlog_entry(agent, newest, entry.as_mut_ptr(), entry.len(), &raw mut len)
            };
            assert_eq!(read, Status::Ok, "the newest statement is there");
            let mut digest = [0; 32];
            unsafe { firmlog_sha256(entry.as_ptr(), len, digest.as_mut_ptr()) };
            assert_eq!(digest, chain.hash);
        }
    }
}

/// A text that ends.
fn text(pointer: *const std::ffi::c_char) {
    let text = unsafe { CStr::from_ptr(pointer) }.to_str().expect("texts are UTF-8");
    assert!(!text.is_empty() && !text.contains("no status") && !text.contains("no finding"));
}

fuzz_target!(|input: (Vec<(u16, u8)>, Vec<(u8, u16, u32)>, Vec<u8>)| {
    let (edits, calls, answer) = input;
    let mut world = World::new(LIVED.clone());
    world.answer = answer;
    world.sound = edits.is_empty();
    for (at, value) in edits {
        let at = usize::from(at) % world.board.bytes.len();
        world.board.bytes[at] = value;
    }
    world.call((11, 1, 0));
    calls.into_iter().take(64).for_each(|call| world.call(call));
});
