//! Signers and the server-side crypto provider.
//!
//! ```text
//! -----BEGIN PRIVATE KEY-----                  PKCS#8, mode 0600; `openssl pkey -in key.pem -text`
//! MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
//! -----END PRIVATE KEY-----
//! ```
//!
//! In scope: [`AwsLc`] (checks signatures as `firmlog-verify` defines them, singly and in batches),
//! [`FileKey`] (a private key in a file), random numbers. Out of scope: whose key it is and what it
//! may sign (`firmlog_verify::registry`).
//!
//! Invariants:
//! - A signature is accepted by [`AwsLc`] if and only if it is by `RustCrypto`, and by
//!   [`ed25519_all`] if and only if singly.
//! - A private key is never read from a file that others may read, printed, or logged.

mod awslc;
mod batch;
mod file;
mod pem;
mod random;

pub use awslc::AwsLc;
pub use batch::{BATCH_MIN, Ed25519Item, ed25519_all};
pub use file::{Algorithm, FileKey, FileNoteSigner, KeyError, read_passphrase};
pub use random::os_random;
