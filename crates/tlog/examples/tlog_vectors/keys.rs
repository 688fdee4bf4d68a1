//! The keys, texts and hashes that the vectors share, made from fixed seeds.

use firmlog_tlog::note::{Algorithm, NoteSigner, SignatureLine};

use crate::dalek::SeedSigner;

pub(crate) const ORIGIN: &str = "log.example.org/pumps";
/// The tree size and root of the checkpoint in the tlog-checkpoint specification.
pub(crate) const SIZE: u64 = 20_852_163;
pub(crate) const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
/// A hash that is in no tree.
pub(crate) const HASH: &str = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=";

pub(crate) fn log() -> SeedSigner {
    SeedSigner::new(ORIGIN, Algorithm::Ed25519, [1; 32])
}

pub(crate) fn other_log() -> SeedSigner {
    SeedSigner::new("log.example.org/ventilators", Algorithm::Ed25519, [2; 32])
}

/// The `n`th witness.
pub(crate) fn witness(n: u8) -> SeedSigner {
    SeedSigner::new(&format!("witness.example/w{n}"), Algorithm::CosignatureV1, [100 + n; 32])
}

pub(crate) fn vkey(signer: &SeedSigner) -> String {
    signer.verifier_key().to_string()
}

/// The body of the checkpoint most vectors are about.
pub(crate) fn body() -> String {
    format!("{ORIGIN}\n{SIZE}\n{ROOT}\n")
}

/// A text and the log's signature under it.
pub(crate) fn signed(text: &str) -> String {
    format!("{text}\n{}", line(&log(), text.as_bytes()))
}

/// The signature line of any signer over any message.
pub(crate) fn line(signer: &SeedSigner, message: &[u8]) -> String {
    raw_line(signer, &signer.sign(message).expect("seeds sign"))
}

/// A signature line with any bytes as signature.
pub(crate) fn raw_line(signer: &SeedSigner, signature: &[u8]) -> String {
    SignatureLine { key: signer.verifier_key(), signature }.to_string()
}

/// A signature line that no key here made: the content has `len` bytes.
pub(crate) fn unknown_line(name: &str, len: usize) -> String {
    let signer = SeedSigner::new(name, Algorithm::Ed25519, [77; 32]);
    raw_line(&signer, &vec![0x5a; len])
}
