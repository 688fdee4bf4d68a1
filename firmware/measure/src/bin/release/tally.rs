//! The provider of a device, and how often it was asked.

use core::sync::atomic::{AtomicU32, Ordering};
use firmlog_cortex_m4::CortexM4;
use firmlog_tlog::note::Ed25519Check;
use firmlog_verify::Crypto;

/// Signatures checked so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    p256: AtomicU32,
    ed25519: AtomicU32,
}

impl Tally {
    pub(crate) fn p256(&self) -> u32 {
        self.p256.load(Ordering::Relaxed)
    }

    pub(crate) fn ed25519(&self) -> u32 {
        self.ed25519.load(Ordering::Relaxed)
    }
}

impl Ed25519Check for Tally {
    fn ed25519(&self, public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        self.ed25519.fetch_add(1, Ordering::Relaxed);
        CortexM4.ed25519(public_key, message, signature)
    }
}

impl Crypto for Tally {
    fn p256(&self, key: &[u8; 64], message: &[u8], signature: &[u8; 64]) -> bool {
        self.p256.fetch_add(1, Ordering::Relaxed);
        CortexM4.p256(key, message, signature)
    }
}
