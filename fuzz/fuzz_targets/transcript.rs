//! Challenge transcripts: what is read is written again to the same document, and checking it with
//! any trust root ends, whatever the log or the challenger claims in it.

#![no_main]
#![expect(dead_code, reason = "the program's modules are borrowed whole")]

#[path = "../../crates/cli/src/answer.rs"]
mod answer;
#[path = "../../crates/cli/src/error.rs"]
mod error;

#[path = "../../crates/cli/src/challenge"]
mod challenge {
    pub(crate) mod draw;
    pub(crate) mod transcript;
}

use std::sync::LazyLock;

use challenge::transcript::Transcript;
use firmlog_tlog::note::Ed25519Check;
use firmlog_verify::{Crypto, TrustRoot};
use libfuzzer_sys::fuzz_target;

static ROOT: LazyLock<TrustRoot> = LazyLock::new(|| {
    TrustRoot::parse(include_bytes!("../seeds/trust_root/two")).expect("the seed is a trust root")
});

/// Takes every signature, so that what lies behind them is reached.
struct Believe;

impl Ed25519Check for Believe {
    fn ed25519(&self, _key: &[u8; 32], _message: &[u8], _signature: &[u8; 64]) -> bool {
        true
    }
}

impl Crypto for Believe {
    fn p256(&self, _key: &[u8; 64], _message: &[u8], _signature: &[u8; 64]) -> bool {
        true
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(transcript) = Transcript::parse(bytes) {
        let document = transcript.to_json();
        let again = Transcript::parse(document.to_string().as_bytes()).expect("we wrote it");
        assert_eq!(again.to_json(), document);
        assert!(!transcript.check(&ROOT, &Believe).is_empty());
    }
});
