//! Content ids as people write them, and as the contract takes them.
//!
//! ```text
//! bafkrei…          'b' and base32 (RFC 4648, lower case, no padding): 59 letters
//! 01 55 1220 ‖ …    version 1, codec raw (0x55) or dag-pb (0x70), SHA-256: 36 bytes
//! ```
//!
//! Invariant: `encode(parse(x)?) == x`; other spellings of the same id are refused.

use alloy::primitives::Bytes;

const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Letters of an id of 36 bytes.
const LENGTH: usize = 59;

/// The 36 bytes of a CIDv1 over SHA-256.
///
/// # Errors
/// What is expected in its place.
pub fn parse(text: &str) -> Result<Bytes, &'static str> {
    const FORM: &str = "expected a CIDv1 in base32: 'b' and 58 letters of a-z, 2-7";
    let letters = text.strip_prefix('b').filter(|_| text.len() == LENGTH).ok_or(FORM)?;
    let mut bytes = Vec::with_capacity(36);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for letter in letters.bytes() {
        let value = LETTERS.iter().position(|known| *known == letter).ok_or(FORM)?;
        (bits, held) = (bits << 5 | value as u32, held + 5);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    if bits != 0 {
        return Err("expected the last letter to carry no bits beyond the id");
    }
    match bytes.as_slice() {
        [0x01, 0x55 | 0x70, 0x12, 0x20, ..] if bytes.len() == 36 => Ok(bytes.into()),
        _ => Err("expected codec raw or dag-pb, and SHA-256"),
    }
}

/// The id in letters; nothing for no id.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    let mut text = String::from("b");
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in bytes {
        (bits, held) = (bits << 8 | u32::from(*byte), held + 8);
        while held >= 5 {
            held -= 5;
            text.push(letter(bits >> held));
            bits &= (1 << held) - 1;
        }
    }
    if held > 0 {
        text.push(letter(bits << (5 - held)));
    }
    text
}

fn letter(value: u32) -> char {
    LETTERS.get((value & 31) as usize).copied().map_or('?', char::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf 'hello' | ipfs add --cid-version 1 --only-hash`, codec raw.
    const HELLO: &str = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq";

    #[test]
    fn an_id_is_read_and_written_the_same() {
        let bytes = parse(HELLO).expect("an id");
        assert_eq!(bytes[..4], [0x01, 0x55, 0x12, 0x20]);
        // SHA-256("hello")
        assert_eq!(bytes[4..8], [0x2c, 0xf2, 0x4d, 0xba]);
        assert_eq!(encode(&bytes), HELLO);
        assert_eq!(encode(b""), "");
    }

    #[test]
    fn other_spellings_and_other_ids_are_refused() {
        let upper = HELLO.to_uppercase();
        let padded = format!("{HELLO}=");
        let loose = HELLO.replace("4yeq", "4yer");
        let v0 = "QmWfVY9y3xjsixTgbd9AorQxH7VtMpzfx2HaWtsoUYecaX";
        for text in ["", "b", v0, upper.as_str(), padded.as_str(), loose.as_str()] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
