//! What a refused request is told: RFC 9457 problem documents with stable codes.
//!
//! ```json
//! {"type":"/docs#not_next","title":"Chain gap","status":409,"code":"chain_gap",
//!  "detail":"the device's chain has a gap","expected":"seq 7 after 9f2c…","got":"seq 9"}
//! ```
//!
//! The same problem is a concise problem document (CBOR, RFC 9290) at the SCRAPI edge, and a page
//! for a browser. A code is never reused or renumbered; `docs/spec/log-api.md` lists all.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

/// A refusal, as told to the client.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Where the code is explained.
    #[serde(rename = "type")]
    pub kind: String,
    /// Short name of the problem, the same for every occurrence.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Stable code to program against.
    pub code: &'static str,
    /// This occurrence, for people.
    pub detail: String,
    /// What would have been accepted, when something else was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was sent instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got: Option<String>,
    /// Seconds after which trying again makes sense; also in the `Retry-After` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// Methods that exist here; also in the `Allow` header.
    #[serde(skip)]
    pub allow: Option<String>,
    /// The head of a device's chain as the log has it, when a statement leaves a gap.
    #[serde(skip)]
    pub(crate) head: Option<(Option<u64>, [u8; 32])>,
}

/// A code with its status and title.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// Stable code.
    pub code: &'static str,
    /// HTTP status.
    pub status: StatusCode,
    /// Title, the SCRAPI title where one fits.
    pub title: &'static str,
}

macro_rules! codes {
    ($($name:ident = $code:literal, $status:ident, $title:literal;)*) => {
        $(#[doc = $title] pub(crate) const $name: Code =
            Code { code: $code, status: StatusCode::$status, title: $title };)*
        /// All codes, for the docs page and its test.
        pub const CODES: &[Code] = &[$($name,)*];
    };
}

codes! {
    BAD_REQUEST = "bad_request", BAD_REQUEST, "Bad request";
    NOT_A_STATEMENT = "not_a_statement", BAD_REQUEST, "Rejected";
    PAYLOAD_MISSING = "payload_missing", BAD_REQUEST, "Payload Missing";
    BAD_ALGORITHM = "bad_algorithm", BAD_REQUEST, "Bad Signature Algorithm";
    BAD_SIGNATURE = "bad_signature", BAD_REQUEST, "Rejected";
    UNAUTHORISED = "unauthorised", UNAUTHORIZED, "Not an administrator";
    NOT_REGISTERED = "not_registered", FORBIDDEN, "Rejected";
    CHAIN_GAP = "chain_gap", CONFLICT, "Rejected";
    BAD_DISCLOSURE = "bad_disclosure", BAD_REQUEST, "Disclosure does not match";
    BAD_LOCATOR = "bad_locator", BAD_REQUEST, "Invalid locator";
    NOT_FOUND = "not_found", NOT_FOUND, "Not found";
    METHOD_NOT_ALLOWED = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    TIMEOUT = "timeout", REQUEST_TIMEOUT, "The body came too slowly";
    TOO_LARGE = "too_large", PAYLOAD_TOO_LARGE, "Too large";
    LENGTH_UNREADABLE = "body_unreadable", BAD_REQUEST, "The body ended early";
    MEDIA_TYPE = "media_type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type";
    REGISTRATION = "registration_policy", FORBIDDEN, "Registration policy";
    RATE_LIMITED = "rate_limited", TOO_MANY_REQUESTS, "Too many requests";
    BUSY = "busy", SERVICE_UNAVAILABLE, "Busy";
    READ_ONLY = "read_only", SERVICE_UNAVAILABLE, "The log takes no entries now";
    PRUNED = "pruned", NOT_FOUND, "Pruned";
    NO_INDEX = "no_index", SERVICE_UNAVAILABLE, "The index is off";
    STORAGE = "storage", INTERNAL_SERVER_ERROR, "Storage failed";
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/docs#{}", code.code),
            title: code.title,
            status: code.status.as_u16(),
            code: code.code,
            detail: detail.into(),
            expected: None,
            got: None,
            retry_after_s: None,
            allow: None,
            head: None,
        }
    }

    pub(crate) fn expected(mut self, expected: impl Into<String>, got: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self.got = Some(got.into());
        self
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::new(NOT_FOUND, what)
    }

    pub(crate) fn busy() -> Self {
        Self::new(BUSY, "more submissions wait than the log can take").retry_after(1)
    }

    pub(crate) fn bad_parameter(name: &str, expected: &str, got: &str) -> Self {
        let shown: String = got.chars().take(80).collect();
        Self::new(BAD_REQUEST, format!("the parameter {name} cannot be read"))
            .expected(expected, shown)
    }

    /// Storage errors are told to the operator in full and to the client in general.
    pub(crate) fn storage(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "storage failed");
        Self::new(STORAGE, "the server could not read or write its own storage")
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The concise problem document (RFC 9290): `{-1: title, -2: detail}`.
    pub(crate) fn concise(&self) -> Response<Body> {
        let mut cbor = vec![0xa2, 0x20];
        minicbor_text(&mut cbor, self.title);
        cbor.push(0x21);
        let detail = match (&self.expected, &self.got) {
            (Some(expected), Some(got)) => {
                format!("{} ({}): expected {expected}, got {got}", self.detail, self.code)
            }
            _ => format!("{} ({})", self.detail, self.code),
        };
        minicbor_text(&mut cbor, &detail);
        self.respond("application/concise-problem-details+cbor", cbor.into())
    }

    fn respond(&self, media_type: &'static str, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == UNAUTHORISED.code {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(allow) = self.allow.as_deref().and_then(|allow| allow.parse().ok()) {
            headers.insert(header::ALLOW, allow);
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let json = serde_json::to_vec(&self).unwrap_or_default();
        self.respond("application/problem+json", json.into())
    }
}

fn minicbor_text(out: &mut Vec<u8>, text: &str) {
    let mut encoder = minicbor::Encoder::new(out);
    // Writing to a vector cannot fail.
    let _ = encoder.str(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique() {
        for (place, code) in CODES.iter().enumerate() {
            assert!(CODES[..place].iter().all(|other| other.code != code.code), "{}", code.code);
        }
    }
}
