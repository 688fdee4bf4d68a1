//! Percent-encoding as RFC 7512 §2.3 has it: unreserved characters and some others stand for
//! themselves.

use std::fmt::Write as _;

use super::UriError;

/// RFC 3986 unreserved, and RFC 7512's `pk11-res-avail` (without `,` where it separates).
const PLAIN: &[u8] = b"-._~:[]@!$'()*+";

fn plain(byte: u8, also: &[u8]) -> bool {
    byte.is_ascii_alphanumeric() || PLAIN.contains(&byte) || also.contains(&byte)
}

/// The bytes that `text` stands for.
pub(super) fn decode(text: &str, also: &[u8]) -> Result<Vec<u8>, UriError> {
    let refused = || UriError::Percent(text.to_owned());
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(Some(byte).filter(|byte| plain(*byte, also)).ok_or_else(refused)?);
            continue;
        }
        let mut digit = || bytes.next().and_then(|it| char::from(it).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(refused()) };
        out.extend(u8::try_from(high << 4 | low).ok());
    }
    Ok(out)
}

/// As [`decode`], of text.
pub(super) fn decode_text(text: &str, also: &[u8]) -> Result<String, UriError> {
    String::from_utf8(decode(text, also)?).map_err(|_| UriError::Percent(text.to_owned()))
}

/// The spelling of `bytes`.
pub(super) fn encode(bytes: &[u8], also: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if plain(*byte, also) {
            out.push(char::from(*byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
