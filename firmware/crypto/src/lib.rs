//! Signatures for processors with UMAAL: Cortex-M4, M7, and M33 with its DSP extension.
//!
//! ```text
//! Key        signs statements: ES256, nonces by RFC 6979
//! CortexM4   checks what a device checks before an install: ES256 and Ed25519
//! ```
//!
//! A tenth of the time and a third of the flash and stack of portable code
//! (`docs/design/009-signatures-on-a-small-processor.md`). In scope: keys and checks behind the
//! traits of `statement` and `verify`. Out of scope: other processors, which use `RustCrypto`.
//!
//! Invariants:
//! - The rules of `verify::crypto` come first, so this accepts exactly what the other providers do;
//!   `cargo xtask firmware` asks the emulated processor about the same signatures.
//! - Making a signature takes the same steps whatever the key.
#![no_std]

mod key;
mod p256;
#[cfg(feature = "verify")]
mod provider;

pub use key::Key;
#[cfg(feature = "verify")]
pub use provider::CortexM4;
