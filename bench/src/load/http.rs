//! Just enough HTTP/1.1 to drive a keep-alive connection at little cost.
//!
//! ```text
//! POST /add HTTP/1.1\r\nhost: 127.0.0.1:8080\r\ncontent-length: 2\r\n\r\n 7
//! HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7
//! ```
//!
//! In scope: requests with a fixed head, responses with a `content-length`.
//! Out of scope: chunked bodies, trailers, pipelining, TLS; a response that
//! needs them is an error, never a guess.

use std::io::Write;

use memchr::memmem;

/// The largest response head accepted, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A request's head, formatted once; only the body and its length change.
#[derive(Debug, Clone)]
pub struct RequestHead(Vec<u8>);

impl RequestHead {
    /// A `POST` to `path` with a body of `content_type`.
    #[must_use]
    pub fn post(host: &str, path: &str, content_type: &str) -> Self {
        Self(
            format!(
                "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {content_type}\r\ncontent-length: "
            )
            .into_bytes(),
        )
    }

    /// Replaces `request` by this head and `body`.
    pub fn write(&self, body: &[u8], request: &mut Vec<u8>) {
        request.clear();
        request.extend_from_slice(&self.0);
        write_decimal(body.len() as u64, request);
        request.extend_from_slice(b"\r\n\r\n");
        request.extend_from_slice(body);
    }
}

/// Replaces `request` by a `GET` of `path`.
pub fn write_get(host: &str, path: &str, request: &mut Vec<u8>) {
    request.clear();
    let written = write!(request, "GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    debug_assert!(written.is_ok(), "writing to memory");
}

/// Appends `value` in decimal.
pub fn write_decimal(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// What a response's head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseHead {
    /// The three-digit status.
    pub status: u16,
    /// Where the body starts.
    pub body_start: usize,
    /// How long the body is, in bytes.
    pub body_len: usize,
    /// `retry-after` in seconds.
    pub retry_after_s: Option<u32>,
    /// Whether the server closes the connection after this response.
    pub close: bool,
    /// Where the submitted entry is, as `firmlog-index` says.
    pub index: Option<u64>,
}

impl ResponseHead {
    /// Length of the whole response in bytes.
    #[must_use]
    pub fn total_len(&self) -> usize {
        self.body_start + self.body_len
    }

    /// Whether the server asks us to come back later.
    #[must_use]
    pub fn is_pushback(&self) -> bool {
        matches!(self.status, 429 | 502 | 503 | 504)
    }

    /// Whether the status is one of the 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Parses a response head; `None` until it is whole.
///
/// # Errors
/// A fragment that says what this client does not understand.
pub fn parse_head(bytes: &[u8]) -> Result<Option<ResponseHead>, &'static str> {
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
        return if bytes.len() > HEAD_BYTES_MAX { Err("response head too long") } else { Ok(None) };
    };
    let mut lines = bytes[..end].split(|&b| b == b'\n');
    let status = parse_status(lines.next().unwrap_or_default())?;
    let mut head = ResponseHead {
        status,
        body_start: end + 4,
        body_len: 0,
        retry_after_s: None,
        close: false,
        index: None,
    };
    let mut has_length = status == 204;
    for line in lines {
        let Some(colon) = memchr::memchr(b':', line) else { return Err("header without colon") };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            head.body_len = parse_decimal(value).ok_or("bad content-length")? as usize;
            has_length = true;
        } else if name.eq_ignore_ascii_case(b"retry-after") {
            head.retry_after_s = parse_decimal(value).and_then(|s| u32::try_from(s).ok());
        } else if name.eq_ignore_ascii_case(b"firmlog-index") {
            head.index = parse_decimal(value);
        } else if name.eq_ignore_ascii_case(b"connection") {
            head.close = value.eq_ignore_ascii_case(b"close");
        }
    }
    if has_length { Ok(Some(head)) } else { Err("response without content-length") }
}

/// Parses a decimal number that fills `bytes`.
#[must_use]
pub fn parse_decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || bytes.len() > 19 {
        return None;
    }
    bytes
        .iter()
        .try_fold(0u64, |value, &b| b.is_ascii_digit().then(|| value * 10 + u64::from(b - b'0')))
}

fn parse_status(line: &[u8]) -> Result<u16, &'static str> {
    if !line.starts_with(b"HTTP/1.1 ") || line.len() < 12 {
        return Err("not an HTTP/1.1 response");
    }
    parse_decimal(&line[9..12]).map(|s| s as u16).ok_or("bad status")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_is_parsed_whole_or_not_at_all() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\ndate: x\r\n\r\n123";
        for cut in 0..whole.len() - 4 {
            assert_eq!(parse_head(&whole[..cut]), Ok(None));
        }
        let head = parse_head(whole).unwrap().unwrap();
        assert_eq!((head.status, head.body_len, head.total_len()), (200, 3, whole.len()));
        assert!(head.is_success() && !head.is_pushback() && !head.close);
    }

    #[test]
    fn pushback_names_its_delay() {
        let bytes = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let head = parse_head(bytes).unwrap().unwrap();
        assert!(head.is_pushback() && head.close);
        assert_eq!(head.retry_after_s, Some(2));
    }

    #[test]
    fn unknown_length_is_refused() {
        let bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert!(parse_head(bytes).is_err());
        assert!(parse_head(b"HTTP/1.0 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn decimals_round_trip() {
        for value in [0, 9, 10, 1234567, 999_999_999_999] {
            let mut out = Vec::new();
            write_decimal(value, &mut out);
            assert_eq!(parse_decimal(&out), Some(value));
        }
    }
}
