//! Signers and the server-side crypto provider.
//!
//! ```text
//! acme-build.pem                              PKCS#8, mode 0600; `openssl pkey -in … -text`
//! pkcs11:token=hsm-1;object=log               in a token, which signs
//! tpm:handle=0x81010001                       in a TPM, which signs
//! ```
//!
//! In scope: [`AwsLc`] (checks signatures as `firmlog-verify` defines them, singly and in batches),
//! [`Key`] (a private key, named by a [`uri`]) in a file, a [`tpm`] or a [`pkcs11`] token, random
//! numbers. Out of scope: whose key it is and what it may sign (`firmlog_verify::registry`).
//!
//! Invariants:
//! - A signature is accepted by [`AwsLc`] if and only if it is by `RustCrypto`, and by
//!   [`ed25519_all`] if and only if singly.
//! - A private key is never read from a file that others may read, printed, or logged.

pub mod access;
mod awslc;
mod batch;
mod file;
mod key;
mod pem;
pub mod pkcs11;
mod random;
pub mod tpm;
pub mod uri;

pub use awslc::AwsLc;
pub use batch::{BATCH_MIN, Ed25519Item, ed25519_all};
pub use file::{Algorithm, FileKey, KeyError, read_passphrase};
pub use key::{Key, NoteKey};
pub use pem::public_key;
pub use random::os_random;
pub use uri::KeyUri;

pub(crate) use key::SELF_TEST;
