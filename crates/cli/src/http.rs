//! The one place that opens sockets.
//!
//! In scope: requests with a deadline, statuses turned into errors with the next step, tiles read
//! through tlog-tiles. Out of scope: believing anything that arrives.
//!
//! Invariants:
//! - No request without a deadline; answers are bounded in size.
//! - `verify`, `inspect` and `challenge verify` never come here.

use std::io::Read;
use std::time::Duration;

use firmlog_tlog::merkle::TreeSize;
use firmlog_tlog::tile::{Bundle, TileId, TileNodes, TilePath, WIDTH, width_in_tree};
use firmlog_verify::registry::Refusal;
use reqwest::StatusCode;
use reqwest::blocking::{Client as Inner, RequestBuilder, Response};

use crate::Context;
use crate::answer::Talk;
use crate::error::{Error, Exit, Result};
use crate::problem::{is_pruned, problem};

/// The largest answer that is read, in bytes.
/// Seconds a log that is asked too often is waited for.
const PATIENCE_S: u32 = 60;

const MAX_ANSWER: u64 = 64 << 20;

/// A client of one log.
pub(crate) struct Client {
    inner: Inner,
    prefix: String,
    talk: Talk,
}

/// An answer of any status.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// `Retry-After`, where it is a number of seconds.
    pub(crate) retry_after_s: Option<u32>,
    pub(crate) body: Vec<u8>,
}

/// What to do about refusals that are not about who asks.
const HELP: [(Refusal, &str); 4] = [
    (
        Refusal::ReleaseFinal,
        "make a new release; one of the same image names this one (--supersedes) and needs approval",
    ),
    (
        Refusal::StepOfAnotherIssuer,
        "the release's own issuer takes its steps; an administrator may withdraw it",
    ),
    (
        Refusal::OutOfScope,
        "enrol a key that speaks for this issuer: firmlog trust enrol KEY --for ISSUER",
    ),
    (Refusal::NotARelease, "give the leaf hash that firmlog release publish printed"),
];

impl Client {
    /// A client of the log served under `prefix`.
    pub(crate) fn new(prefix: &str, context: &Context) -> Result<Self> {
        let prefix = prefix.trim_end_matches('/').to_owned();
        if !prefix.starts_with("http://") && !prefix.starts_with("https://") {
            return Err(Error::new("E-URL", format!("{prefix:?} is no address of a log"))
                .help("give the log as --log https://log.example or set FIRMLOG_LOG"));
        }
        let inner = Inner::builder()
            .timeout(context.timeout)
            .connect_timeout(context.timeout.min(Duration::from_secs(10)))
            .user_agent(concat!("firmlog/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|e| Error::network(format!("failed to set up the client: {e}")))?;
        Ok(Self { inner, prefix, talk: context.talk })
    }

    /// The address the log is served under.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// GET of a path below the prefix; anything but 200 is an error.
    pub(crate) fn fetch(&self, path: &str) -> Result<Vec<u8>> {
        let reply = self.fetch_any(path, "*/*")?;
        if reply.status != 200 {
            return Err(self.refused(path, &reply));
        }
        Ok(reply.body)
    }

    /// GET with any status. A log that limits how often it is asked is waited for: an audit asks
    /// for more tiles than a second allows.
    pub(crate) fn fetch_any(&self, path: &str, accept: &str) -> Result<Reply> {
        let mut waited_s = 0;
        loop {
            let reply = self.send(path, self.inner.get(self.url(path)).header("Accept", accept))?;
            let wait_s = reply.retry_after_s.unwrap_or(1).max(1);
            waited_s += wait_s.min(PATIENCE_S + 1);
            if reply.status != 429 || waited_s > PATIENCE_S {
                return Ok(reply);
            }
            self.talk.detail(format_args!("waiting {wait_s} s, as the log asks"));
            std::thread::sleep(Duration::from_secs(wait_s.into()));
        }
    }

    /// POST with any status.
    pub(crate) fn post_any(
        &self,
        path: &str,
        content_type: &str,
        accept: &str,
        body: Vec<u8>,
    ) -> Result<Reply> {
        let request = self.inner.post(self.url(path)).header("Content-Type", content_type);
        self.send(path, request.header("Accept", accept).body(body))
    }

    /// POST without a body by whom a bearer token names; any status.
    pub(crate) fn post_as(&self, path: &str, token: &str) -> Result<Reply> {
        self.send(path, self.inner.post(self.url(path)).bearer_auth(token))
    }

    /// A tile's bytes; the full one when a partial one is gone already.
    pub(crate) fn tile(&self, id: TileId) -> Result<Vec<u8>> {
        let reply = self.fetch_any(&id.path(), "*/*")?;
        match reply.status {
            200 => Ok(reply.body),
            404 if !id.is_full() => self.fetch(&TileId { width: WIDTH, ..id }.path()),
            _ => Err(self.refused(&id.path(), &reply)),
        }
    }

    /// The nodes of the tree of `size` leaves, from its tiles.
    pub(crate) fn nodes(&self, size: TreeSize) -> TileNodes<impl FnMut(TileId) -> Result<Vec<u8>>> {
        TileNodes::new(size, |id| self.tile(id))
    }

    /// One entry's bytes, from its bundle in the tree of `size` leaves.
    pub(crate) fn entry(&self, index: u64, size: TreeSize) -> Result<Vec<u8>> {
        let bundle = index / u64::from(WIDTH);
        let width = width_in_tree(0, bundle, size.0).ok_or_else(|| {
            Error::new("E-RANGE", format!("entry {index} is not in a tree of {size}"))
        })?;
        let path = TilePath::Entries { index: bundle, width }.to_string();
        let reply = self.fetch_any(&path, "*/*")?;
        let bytes = match reply.status {
            200 => reply.body,
            404 if width < WIDTH => {
                self.fetch(&TilePath::Entries { index: bundle, width: WIDTH }.to_string())?
            }
            _ => return Err(self.refused(&path, &reply)),
        };
        let parsed = Bundle::prefix(&bytes, width).map_err(|e| Error::form("entry bundle", e))?;
        let position = (index % u64::from(WIDTH)) as u16;
        let entry =
            parsed.entry(position).ok_or_else(|| Error::form("entry bundle", "too short"))?;
        Ok(entry.to_vec())
    }

    /// The error for a status that is no success.
    pub(crate) fn refused(&self, path: &str, reply: &Reply) -> Error {
        let detail = problem(&reply.body);
        let message = format!("{} answered {}{detail}", self.url(path), reply.status);
        match reply.status {
            // Who asks is not the matter here; what they ask about is.
            403 if detail.contains(&Refusal::ReleaseUnknown.to_string()) => {
                Error::new("E-NOT-FOUND", message)
                    .exit(Exit::Incomplete)
                    .help("give the leaf hash that firmlog release publish printed")
            }
            401 | 403 => {
                let told = HELP.iter().find(|(refusal, _)| detail.contains(&refusal.to_string()));
                let help = told.map_or("the log takes this from enrolled keys only", |it| it.1);
                Error::new("E-AUTH", message).exit(Exit::Auth).help(help)
            }
            404 if is_pruned(&reply.body) => Error::new("E-PRUNED", message),
            404 => Error::new("E-NOT-FOUND", message),
            429 | 500..=599 => Error::new("E-BUSY", message)
                .exit(Exit::Network)
                .help("the log asks for patience; try again later"),
            _ => Error::new("E-REFUSED", message),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{}", self.prefix, path.trim_start_matches('/'))
    }

    fn send(&self, path: &str, request: RequestBuilder) -> Result<Reply> {
        self.talk.detail(format_args!("→ {}", self.url(path)));
        let response = request.send().map_err(|e| self.no_answer(&e))?;
        let status = response.status();
        let retry_after_s = retry_after_s(&response);
        let body = bounded(response).map_err(|e| self.broken_off(e))?;
        self.talk.detail(format_args!("← {} ({} bytes)", shown(status), body.len()));
        Ok(Reply { status: status.as_u16(), retry_after_s, body })
    }

    fn no_answer(&self, error: &reqwest::Error) -> Error {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let what = if error.is_timeout() { "did not answer in time" } else { "cannot be reached" };
        Error::network(format!("{} {what}: {cause}", self.prefix))
            .help("check the address and that the log runs: curl -s ADDRESS/healthz")
    }

    fn broken_off(&self, error: std::io::Error) -> Error {
        Error::network(format!("{} broke off its answer: {error}", self.prefix))
    }
}

fn bounded(response: Response) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    response.take(MAX_ANSWER).read_to_end(&mut body)?;
    Ok(body)
}

fn retry_after_s(response: &Response) -> Option<u32> {
    let value = response.headers().get(reqwest::header::RETRY_AFTER)?;
    value.to_str().ok()?.trim().parse().ok()
}

fn shown(status: StatusCode) -> String {
    status.to_string()
}
