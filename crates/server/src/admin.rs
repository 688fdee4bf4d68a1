//! The administrators' token: who may look for private values, and erase them.
//!
//! ```text
//! Authorization: Bearer 6f1c…        compared with the first line of `http.admin_token_file`
//! ```
//!
//! Invariants:
//! - The token is a value of no setting and in no message; its digest is what is kept.
//! - Comparing takes the same time whatever was sent.

use std::path::Path;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, header};
use sha2::{Digest, Sha256};

use crate::ServerError;
use crate::app::App;
use crate::problem::{self, Problem};

/// Shorter ones can be guessed: 24 characters of base64 are 144 bits.
const TOKEN_MIN: usize = 24;

/// The digest of the token.
pub(crate) struct AdminToken([u8; 32]);

impl AdminToken {
    /// Reads the token from a file that nobody else can read.
    pub(crate) fn read(path: &Path) -> Result<Self, ServerError> {
        let refused = |why: String| ServerError::Secret { path: path.to_owned(), why };
        let token = firmlog_keys::read_passphrase(path);
        let token = token.map_err(|error| refused(format!("failed to {error}")))?;
        if token.len() < TOKEN_MIN {
            let short = format!("expected at least {TOKEN_MIN} characters, got {}", token.len());
            return Err(refused(short));
        }
        Ok(Self(Sha256::digest(&*token).into()))
    }

    fn is(&self, given: &str) -> bool {
        let given = Sha256::digest(given);
        self.0.iter().zip(given).fold(0, |differs, (own, given)| differs | (own ^ given)) == 0
    }
}

/// Whether whoever asks may look for private values.
pub(crate) fn sees_private(app: &App, headers: &HeaderMap) -> Result<bool, Problem> {
    let open = app.config.index.disclose;
    let Some(token) = &app.admin else { return Ok(open) };
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match given.and_then(bearer) {
        None => Ok(open),
        Some(given) if token.is(given) => Ok(true),
        Some(_) => Err(Problem::new(
            problem::UNAUTHORISED,
            "the bearer token is not the administrators' (http.admin_token_file)",
        )),
    }
}

/// Refuses whoever is no administrator. Without a token set, nobody is.
pub(crate) fn check(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(token) = &app.admin else {
        return Err(Problem::new(
            problem::UNAUTHORISED,
            "this is for administrators, and the server knows none: set http.admin_token_file",
        ));
    };
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(bearer);
    if given.is_some_and(|given| token.is(given)) {
        return Ok(());
    }
    let got = if given.is_some() { "another token" } else { "none" };
    Err(Problem::new(problem::UNAUTHORISED, "this is for administrators")
        .expected("their token as `Authorization: Bearer` (http.admin_token_file)", got))
}

/// The token of a header, if it is of this scheme; others are a proxy's business.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What an administrator was told stays in no cache.
pub(crate) fn not_kept(mut response: Response<Body>, private: bool) -> Response<Body> {
    if private {
        let no_store = HeaderValue::from_static("private, no-store");
        response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    }
    response
}
