//! A board as C sees it: flash that counts and fails, a key, a clock, and the library's functions.

use firmlog_agent::Flash as _;
use firmlog_capi::*;
use firmlog_sim::SimFlash;
use firmlog_sim::device::Device;
use firmlog_sim::history::SEED;
use firmlog_statement::{PublicKey, Signer as _};
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

/// What a call took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) signatures: u64,
    pub(crate) programs: u64,
    pub(crate) erases: u64,
    /// Bytes read.
    pub(crate) read: u64,
}

/// What stands behind the callbacks.
struct Parts {
    flash: SimFlash,
    key: Device,
    signatures: u64,
    /// What the key's holder returns.
    answer: c_int,
    /// This many more programs and erases go well, then one fails and power stays; whether the
    /// flash does it all the same.
    hiccup: Option<(u32, bool)>,
    uptime_ms: u64,
}

/// The image that a new device runs.
pub(crate) const RUNNING: Image = Image { version: 1, counter: 1, sha256: [1; 32] };

/// A board with one context.
pub(crate) struct Board {
    parts: *mut Parts,
    agent: Box<MaybeUninit<Agent>>,
    pub(crate) config: Config,
}

fn parts<'a>(context: *mut c_void) -> &'a mut Parts {
    // SAFETY: every callback gets the parts of its board, which lives on one thread; the test
    // borrows them between calls only.
    unsafe { &mut *context.cast() }
}

impl Parts {
    /// Whether this program or erase fails, and if so whether it is done all the same.
    fn fails(&mut self) -> Option<bool> {
        match &mut self.hiccup {
            Some((0, is_done)) => {
                let is_done = *is_done;
                self.hiccup = None;
                Some(is_done)
            }
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        }
    }
}

unsafe extern "C" fn read(context: *mut c_void, at: u32, out: *mut u8, len: usize) -> c_int {
    // SAFETY: the library lends so much.
    let out = unsafe { std::slice::from_raw_parts_mut(out, len) };
    parts(context).flash.read(at, out).is_err().into()
}

unsafe extern "C" fn program(context: *mut c_void, at: u32, words: *const u8, n: usize) -> c_int {
    // SAFETY: the library lends so much.
    let words = unsafe { std::slice::from_raw_parts(words, n) };
    let parts = parts(context);
    match parts.fails() {
        Some(false) => 1,
        Some(true) => parts.flash.program(at, words).map_or(1, |()| 1),
        None => parts.flash.program(at, words).is_err().into(),
    }
}

unsafe extern "C" fn erase(context: *mut c_void, page: u32) -> c_int {
    let parts = parts(context);
    match parts.fails() {
        Some(false) => 1,
        Some(true) => parts.flash.erase(page).map_or(1, |()| 1),
        None => parts.flash.erase(page).is_err().into(),
    }
}

unsafe extern "C" fn sign(
    context: *mut c_void,
    message: *const u8,
    len: usize,
    _: *const u8,
    out: *mut u8,
) -> c_int {
    // SAFETY: the library lends so much.
    let message = unsafe { std::slice::from_raw_parts(message, len) };
    let parts = parts(context);
    parts.signatures += 1;
    if parts.answer != 0 {
        return parts.answer;
    }
    let signature = parts.key.key().sign(message).expect("signs");
    // SAFETY: 64 bytes are lent.
    unsafe { out.copy_from(signature.as_ptr(), 64) };
    0
}

unsafe extern "C" fn now(context: *mut c_void, time: *mut Time) {
    let parts = parts(context);
    parts.uptime_ms += 1;
    // SAFETY: the library lends it, zeroed.
    let time = unsafe { &mut *time };
    (time.uptime_ms, time.has_uptime) = (parts.uptime_ms, 1);
    (time.utc_ms, time.has_utc) = (1_790_000_000_000 + parts.uptime_ms, 1);
    time.source = Source::Rtc as u8;
    time.sync = Sync::Holdover as u8;
}

impl Board {
    /// A board with blank flash.
    pub(crate) fn new(pages: u32, page_bytes: u32, word_bytes: u32) -> Self {
        let (flash, key) = (
            SimFlash::new(pages as usize, page_bytes as usize, word_bytes as usize, 1),
            Device::new(1),
        );
        let PublicKey::Ed25519(public) = key.key().public_key() else { panic!("Ed25519") };
        let mut public_key = [0; 64];
        public_key[..32].copy_from_slice(&public);
        let (signatures, answer, hiccup, uptime_ms) = (0, 0, None, 0);
        let parts = Parts { flash, key, signatures, answer, hiccup, uptime_ms };
        let parts = Box::into_raw(Box::new(parts));
        let context = parts.cast();
        let (read, program, erase) = (Some(read as _), Some(program as _), Some(erase as _));
        let flash = Flash { context, read, program, erase, pages, page_bytes, word_bytes };
        let algorithm = Algorithm::Ed25519 as u8;
        let config = Config {
            abi: Config::ABI,
            flash,
            key: Key { context, sign: Some(sign), public_key, algorithm },
            clock: Clock { context, now: Some(now) },
            device: [0; 32],
            // UPD-060: names of up to 30 bytes in all.
            issuer: c"acme.example/devices".as_ptr(),
            subject: c"ip-200/app".as_ptr(),
            earlier_key: [0; 32],
            log_before_install: Policy::Required as u8,
        };
        Self { parts, agent: Box::new(MaybeUninit::zeroed()), config }
    }

    /// One whose flash was formatted.
    pub(crate) fn formatted(pages: u32, page_bytes: u32, word_bytes: u32) -> Self {
        let mut board = Self::new(pages, page_bytes, word_bytes);
        assert_eq!(board.format(), Status::Ok);
        board
    }

    /// One whose update machine is started.
    pub(crate) fn started(pages: u32, page_bytes: u32, word_bytes: u32) -> Self {
        let mut board = Self::formatted(pages, page_bytes, word_bytes);
        assert_eq!(board.start(&RUNNING), Status::Ok);
        board
    }

    fn parts(&mut self) -> &mut Parts {
        parts(self.parts.cast())
    }

    pub(crate) fn flash(&mut self) -> &mut SimFlash {
        &mut self.parts().flash
    }

    /// What the key's holder returns from here on.
    pub(crate) fn key_answers(&mut self, answer: c_int) {
        self.parts().answer = answer;
    }

    /// The element signs with the key of this number from here on, and tells its public half. The
    /// device keeps its name.
    pub(crate) fn takes_key(&mut self, number: u8) {
        let parts = self.parts();
        let device = parts.key.id.0;
        parts.key.rotate(number);
        let PublicKey::Ed25519(public) = parts.key.key().public_key() else { panic!("Ed25519") };
        self.config.key.public_key[..32].copy_from_slice(&public);
        self.config.device = device;
    }

    /// The name of its key.
    pub(crate) fn key_id(&self) -> [u8; 32] {
        let mut id = [0; 32];
        // SAFETY: as in `format`.
        let done = unsafe { firmlog_key_id(&raw const self.config.key, id.as_mut_ptr()) };
        assert_eq!(done, Status::Ok);
        id
    }

    /// One program or erase fails after `after` more, once; `is_done` says whether flash does it.
    pub(crate) fn hiccup(&mut self, after: u32, is_done: bool) {
        self.parts().hiccup = Some((after, is_done));
    }

    /// Forgets a failure that did not come.
    pub(crate) fn no_hiccup(&mut self) {
        self.parts().hiccup = None;
    }

    /// What flash holds.
    pub(crate) fn image(&mut self) -> Vec<u8> {
        self.flash().image().to_vec()
    }

    /// Other flash contents, as if somebody had put them there; closes the context.
    pub(crate) fn put_image(&mut self, bytes: Vec<u8>) {
        *self.agent = MaybeUninit::zeroed();
        let (page, word) = (self.config.flash.page_bytes, self.config.flash.word_bytes);
        self.parts().flash = SimFlash::from_image(bytes, page as usize, word as usize, 1);
    }

    /// Power goes and comes back: the context is gone.
    pub(crate) fn power_cycle(&mut self) {
        *self.agent = MaybeUninit::zeroed();
        self.no_hiccup();
        self.flash().power_up();
    }

    /// What it took since this was asked last.
    pub(crate) fn cost(&mut self) -> Cost {
        let parts = self.parts();
        let tally = &parts.flash.tally;
        let sum = |all: &[u32]| all.iter().map(|n| u64::from(*n)).sum();
        let (programs, erases) = (sum(&tally.programs), sum(&tally.erases));
        let cost = Cost { signatures: parts.signatures, programs, erases, read: tally.read };
        parts.signatures = 0;
        parts.flash.clear_tally();
        cost
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and no callback runs any more.
        drop(unsafe { Box::from_raw(self.parts) });
    }
}

/// The library's functions, each with what this board hands it.
impl Board {
    fn agent(&mut self) -> *mut Agent {
        self.agent.as_mut_ptr()
    }

    pub(crate) fn format(&mut self) -> Status {
        let start = Chain { next: 0, hash: SEED };
        // SAFETY: all of it lives through the call; one thread. So in every function below.
        unsafe { firmlog_format(&raw const self.config.flash, &raw const start) }
    }

    pub(crate) fn start(&mut self, running: &Image) -> Status {
        self.start_told(running).0
    }

    pub(crate) fn start_told(&mut self, running: &Image) -> (Status, Started) {
        let mut told = Started::default();
        (self.start_to(running, &raw mut told), told)
    }

    pub(crate) fn start_to(&mut self, running: &Image, told: *mut Started) -> Status {
        let (agent, size) = (self.agent(), size_of::<Agent>());
        // SAFETY: as in `format`.
        unsafe { firmlog_start(agent, size, &raw const self.config, running, told) }
    }

    pub(crate) fn open(&mut self) -> Status {
        let (agent, size) = (self.agent(), size_of::<Agent>());
        // SAFETY: as in `format`.
        unsafe { firmlog_open(agent, size, &raw const self.config, null_mut()) }
    }

    pub(crate) fn close(&mut self) -> Status {
        // SAFETY: as in `format`.
        unsafe { firmlog_close(self.agent()) }
    }

    /// The cause, which is a status unless it is a statement's rule.
    pub(crate) fn cause(&mut self) -> i32 {
        // SAFETY: as in `format`.
        unsafe { firmlog_cause(self.agent()) }
    }

    pub(crate) fn step(&mut self, event: Event) -> Status {
        self.step_logged(event).0
    }

    pub(crate) fn step_logged(&mut self, event: Event) -> (Status, Option<Logged>) {
        let mut logged = MaybeUninit::<Logged>::uninit();
        let (agent, out) = (self.agent(), logged.as_mut_ptr());
        // SAFETY: as in `format`.
        let status = unsafe { firmlog_step(agent, event as u16, null(), out) };
        let is_told = matches!(status, Status::Ok | Status::Dropped);
        // SAFETY: with these two statuses it was written.
        (status, is_told.then(|| unsafe { logged.assume_init() }))
    }

    pub(crate) fn verified(&mut self, target: &Target) -> Status {
        // SAFETY: as in `format`.
        unsafe { firmlog_verified(self.agent(), target, null(), null_mut()) }
    }

    pub(crate) fn install_started(&mut self) -> Status {
        // SAFETY: as in `format`.
        unsafe { firmlog_install_started(self.agent(), null(), null_mut()) }
    }

    pub(crate) fn committed(&mut self) -> Status {
        // SAFETY: as in `format`.
        unsafe { firmlog_committed(self.agent(), null(), null_mut()) }
    }

    pub(crate) fn refuse(&mut self, event: Event, image: &Image) -> Status {
        // SAFETY: as in `format`.
        unsafe { firmlog_refuse(self.agent(), event as u16, image, null(), null_mut()) }
    }

    pub(crate) fn flush(&mut self) -> Status {
        // SAFETY: as in `format`.
        unsafe { firmlog_flush(self.agent(), null_mut()) }
    }

    pub(crate) fn remember(&mut self, note: &[u8]) -> Status {
        // SAFETY: as in `format`.
        unsafe { firmlog_remember(self.agent(), note.as_ptr(), note.len()) }
    }

    /// Where the chain stands, or why that is not known.
    pub(crate) fn next(&mut self) -> Result<u64, Status> {
        let mut chain = Chain { next: 0, hash: [0; 32] };
        // SAFETY: as in `format`.
        let status = unsafe { firmlog_chain_next(self.agent(), &raw mut chain) };
        if status == Status::Ok { Ok(chain.next) } else { Err(status) }
    }

    pub(crate) fn resume(&mut self, next: u64, hash: [u8; 32]) -> Status {
        let chain = Chain { next, hash };
        // SAFETY: as in `format`.
        unsafe { firmlog_chain_resume(self.agent(), &raw const chain, null(), null_mut()) }
    }

    pub(crate) fn confirm(&mut self, next: u64) -> Status {
        let covered = Covered { next, size: next + 100, root: [1; 32] };
        // SAFETY: as in `format`.
        unsafe { firmlog_confirm(self.agent(), &raw const covered) }
    }

    pub(crate) fn room(&mut self) -> Room {
        let mut room = MaybeUninit::<Room>::uninit();
        // SAFETY: as in `format`.
        let status = unsafe { firmlog_room(self.agent(), room.as_mut_ptr()) };
        assert_eq!(status, Status::Ok);
        // SAFETY: it was written.
        unsafe { room.assume_init() }
    }

    /// Seq of the oldest statement that may be there.
    pub(crate) fn oldest(&mut self) -> Result<u64, Status> {
        let mut seq = 0;
        // SAFETY: as in `format`.
        let status = unsafe { firmlog_entry_oldest(self.agent(), &raw mut seq) };
        if status == Status::Ok { Ok(seq) } else { Err(status) }
    }

    /// Asks for all that stands in the context.
    pub(crate) fn look(&mut self) {
        let (mut progress, mut note, mut len) = (MaybeUninit::<Progress>::uninit(), [0_u8; 192], 0);
        self.room();
        let _ = self.next();
        let (agent, out) = (self.agent(), note.as_mut_ptr());
        // SAFETY: as in `format`.
        unsafe {
            assert_eq!(firmlog_progress(agent, progress.as_mut_ptr()), Status::Ok);
            assert_eq!(firmlog_note(agent, out, note.len(), &raw mut len), Status::Ok);
        }
    }

    pub(crate) fn entry(&mut self, seq: u64, out: &mut [u8]) -> Result<usize, Status> {
        let mut len = 0;
        let (bytes, size) = (out.as_mut_ptr(), out.len());
        // SAFETY: as in `format`.
        let status = unsafe { firmlog_entry(self.agent(), seq, bytes, size, &raw mut len) };
        if status == Status::Ok { Ok(len) } else { Err(status) }
    }

    /// A statement of `events` built by hand.
    pub(crate) fn build(&mut self, events: &[Event], out: &mut [u8]) -> Result<usize, Status> {
        let said = |event: &Event| Said {
            ago_ms: 0,
            code: 0,
            count: 0,
            event: *event as u16,
            has_code: 0,
            has_count: 0,
        };
        let events: Vec<Said> = events.iter().map(said).collect();
        let statement = Statement {
            events: events.as_ptr(),
            events_len: events.len(),
            commitments: null(),
            commitments_len: 0,
            duration_ms: 0,
            image: RUNNING,
            release: [0; 32],
            authorisation: [0; 32],
            detail: Detail::default(),
            attempts: 0,
            outcome: Outcome::State as u8,
            phase: Phase::Idle as u8,
        };
        let mut len = 0;
        let (agent, bytes, size) = (self.agent(), out.as_mut_ptr(), out.len());
        // SAFETY: as in `format`.
        let status = unsafe {
            firmlog_statement_build(agent, &raw const statement, bytes, size, &raw mut len)
        };
        if status == Status::Ok { Ok(len) } else { Err(status) }
    }

    /// Signs the first `len` bytes and appends what becomes of them.
    pub(crate) fn append(&mut self, tbs: &mut [u8], len: usize) -> Status {
        let signature = self.parts().key.key().sign(&tbs[..len]).expect("signs");
        self.append_signed(tbs, len, &signature)
    }

    pub(crate) fn append_signed(
        &mut self,
        tbs: &mut [u8],
        len: usize,
        signature: &[u8; 64],
    ) -> Status {
        let (agent, bytes, size) = (self.agent(), tbs.as_mut_ptr(), tbs.len());
        // SAFETY: as in `format`.
        unsafe { firmlog_statement_append(agent, bytes, size, len, signature.as_ptr(), null(), 0) }
    }
}
