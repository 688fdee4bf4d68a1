//! Replies of Roughtime servers, after their key. Signatures are taken as good, so that what
//! follows from them is reached.

#![no_main]

use firmlog_clock::roughtime::verify_reply;
use firmlog_clock::roughtime::wire::Message;
use firmlog_tlog::note::Ed25519Check;
use libfuzzer_sys::fuzz_target;

struct Believer;

impl Ed25519Check for Believer {
    fn ed25519(&self, _: &[u8; 32], _: &[u8], _: &[u8; 64]) -> bool {
        true
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((key, reply)) = bytes.split_first_chunk::<32>() else { return };
    let Ok(message) = Message::parse_framed(reply) else { return };
    let Ok(nonce) = message.array(b"NONC") else { return };
    if let Ok(signed) = verify_reply(key, &nonce, reply, &Believer) {
        assert!(signed.earliest_s() <= signed.latest_s());
        assert!(verify_reply(key, &nonce, &reply[..reply.len() - 1], &Believer).is_err());
        assert!(verify_reply(key, &[0; 32], reply, &Believer).is_err() || nonce == [0; 32]);
    }
});
