//! A TPM that answers anything. A file stands in for the device: what is read after the command was
//! written to it is the answer.

#![no_main]

use std::sync::OnceLock;

use firmlog_keys::tpm::{TpmCounter, TpmKey};
use firmlog_keys::uri::{Tcti, TpmObject, TpmUri};
use libfuzzer_sys::fuzz_target;

/// The length of a command with one handle and no parameters.
const COMMAND: usize = 14;

fuzz_target!(|answer: &[u8]| {
    static DEVICE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = DEVICE.get_or_init(|| tempfile::tempdir().expect("a folder"));
    let device = dir.path().join("tpm");
    std::fs::write(&device, [&[0; COMMAND], answer].concat()).expect("writes");
    let tcti = Some(Tcti::Device(device));
    let key = TpmUri { object: TpmObject::Key(0x8101_0001), tcti: tcti.clone() };
    let shown = TpmKey::public_key(&key);
    let opened = TpmKey::open(&key, None);
    assert!(opened.is_err() || shown.is_ok(), "a key opens that has no public half");
    let counter = TpmUri { object: TpmObject::Counter(0x0150_0016), tcti };
    drop(TpmCounter::open(&counter).map(|counter| counter.increment()));
});
