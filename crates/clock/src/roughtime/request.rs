//! What is asked: a nonce, to a server whose key is known.
//!
//! ```text
//! VER 1 · SRV hash(0xff ‖ key) · NONC 32 bytes · TYPE 0 · ZZZZ zeros up to 1,024 bytes
//! ```
//!
//! Invariants:
//! - Key and nonce decide every byte, so that evidence keeps neither requests nor nonces but
//!   makes them again.

use super::{hash, wire};

/// The version of RFC 10049, the only one that is asked for.
pub(crate) const VERSION: [u8; 4] = 1u32.to_le_bytes();
/// A request's length, so that nobody is flooded by larger replies.
const LEN: usize = 1024;
/// Frame, count, four offsets and five tags.
const OVERHEAD: usize = 12 + 4 + 16 + 20;
const PADDING: usize = LEN - OVERHEAD - 4 - 32 - 32 - 4;

/// The datagram that asks the server with this key.
pub fn request(key: &[u8; 32], nonce: &[u8; 32]) -> Vec<u8> {
    let server = hash(&[&[0xff], key]);
    wire::frame(&wire::encode(&[
        (b"VER\0", &VERSION),
        (b"SRV\0", &server),
        (b"NONC", nonce),
        (b"TYPE", &[0; 4]),
        (b"ZZZZ", &[0; PADDING]),
    ]))
}

/// The nonce after `before`: the reply before it or, for the first, what the evidence is over.
pub fn chained_nonce(before: &[u8], random: &[u8; 32]) -> [u8; 32] {
    hash(&[before, random])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_fills_its_datagram() {
        let bytes = request(&[1; 32], &[2; 32]);
        assert_eq!(bytes.len(), LEN);
        let message = wire::Message::parse_framed(&bytes).unwrap();
        assert_eq!(message.array(b"NONC"), Ok([2; 32]));
        assert_eq!(message.array(b"VER\0"), Ok(VERSION));
    }
}
