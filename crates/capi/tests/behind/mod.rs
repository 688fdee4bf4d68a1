//! What a device puts behind the callbacks: its flash, its key and its clock.

use firmlog_agent::Flash as _;
use firmlog_capi::{Algorithm, Clock, Config, Flash, Key, Policy, Time};
use firmlog_sim::SimFlash;
use firmlog_statement::{PublicKey, Signer};
use std::ffi::{c_int, c_void};

/// Lent to the library as the context of every callback of a configuration.
pub(crate) struct Behind<S> {
    pub(crate) flash: SimFlash,
    pub(crate) key: S,
    sizes: [u32; 3],
}

impl<S: Signer> Behind<S> {
    /// Blank flash of so many pages, bytes in a page and bytes in a word.
    pub(crate) fn new(sizes: [u32; 3], key: S) -> Self {
        let [pages, page, word] = sizes.map(|size| usize::try_from(size).unwrap());
        Self { flash: SimFlash::new(pages, page, word, 1), key, sizes }
    }

    /// A configuration over this. It may be used as long as this stays where it is.
    pub(crate) fn config(&mut self) -> Config {
        let context = (&raw mut *self).cast();
        let mut public_key = [0; 64];
        let algorithm = match self.key.public_key() {
            PublicKey::P256(point) => {
                public_key = point;
                Algorithm::Es256
            }
            PublicKey::Ed25519(point) => {
                public_key[..32].copy_from_slice(&point);
                Algorithm::Ed25519
            }
        };
        let [pages, page_bytes, word_bytes] = self.sizes;
        Config {
            abi: Config::ABI,
            flash: Flash {
                context,
                read: Some(read::<S>),
                program: Some(program::<S>),
                erase: Some(erase::<S>),
                pages,
                page_bytes,
                word_bytes,
            },
            key: Key { context, sign: Some(sign::<S>), public_key, algorithm: algorithm as u8 },
            clock: Clock { context, now: Some(now) },
            device: [0; 32],
            issuer: c"acme.example/devices".as_ptr(),
            subject: c"ip-200/app".as_ptr(),
            earlier_key: [0; 32],
            log_before_install: Policy::Required as u8,
        }
    }
}

fn behind<'a, S>(context: *mut c_void) -> &'a mut Behind<S> {
    // SAFETY: every callback here gets the one of its test, which runs on one thread.
    unsafe { &mut *context.cast() }
}

unsafe extern "C" fn read<S>(context: *mut c_void, at: u32, out: *mut u8, len: usize) -> c_int {
    // SAFETY: the library lends so much.
    let out = unsafe { std::slice::from_raw_parts_mut(out, len) };
    behind::<S>(context).flash.read(at, out).is_err().into()
}

unsafe extern "C" fn program<S>(
    context: *mut c_void,
    at: u32,
    words: *const u8,
    len: usize,
) -> c_int {
    // SAFETY: the library lends so much.
    let words = unsafe { std::slice::from_raw_parts(words, len) };
    behind::<S>(context).flash.program(at, words).is_err().into()
}

unsafe extern "C" fn erase<S>(context: *mut c_void, page: u32) -> c_int {
    behind::<S>(context).flash.erase(page).is_err().into()
}

unsafe extern "C" fn sign<S: Signer>(
    context: *mut c_void,
    message: *const u8,
    len: usize,
    _: *const u8,
    out: *mut u8,
) -> c_int {
    // SAFETY: the library lends so much.
    let message = unsafe { std::slice::from_raw_parts(message, len) };
    let signature = behind::<S>(context).key.sign(message).unwrap();
    // SAFETY: 64 bytes are lent.
    unsafe { out.copy_from(signature.as_ptr(), 64) };
    0
}

unsafe extern "C" fn now(_: *mut c_void, time: *mut Time) {
    // SAFETY: the library lends it.
    unsafe { (*time).has_uptime = 1 };
}
