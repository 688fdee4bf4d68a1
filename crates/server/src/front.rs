//! The front door: the hot path first, then limits, then the router.
//!
//! `POST /add` never meets the router, a span, or a layer: each costs more than the request itself.
//! Everything else passes the rate limit, the concurrency limit, and the rules every answer keeps:
//! refusals are problem documents, reads are open to any page (CORS), nothing may be sniffed.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, Version, header};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::{Request, Response};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::accept::Answer;
use crate::app::App;
use crate::limit::RateLimit;
use crate::problem::{self, Problem};

/// A reply's body: small ones of the hot path need no box.
pub(crate) enum Reply {
    /// A few bytes.
    Small(Full<Bytes>),
    /// From the router.
    Routed(Body),
}

impl HttpBody for Reply {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Self::Small(body) => match Pin::new(body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(frame))),
                Poll::Ready(_) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            },
            Self::Routed(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Small(body) => body.is_end_stream(),
            Self::Routed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Small(body) => body.size_hint(),
            Self::Routed(body) => body.size_hint(),
        }
    }
}

/// The public listener.
pub(crate) struct Front {
    app: Arc<App>,
    router: Router,
    rate: Option<RateLimit>,
    room: Semaphore,
}

impl Front {
    pub(crate) fn new(app: Arc<App>, router: Router) -> Self {
        let limits = &app.config.limits;
        let room = usize::try_from(limits.concurrency_max).unwrap_or(usize::MAX);
        let rate = RateLimit::new(limits);
        let room = Semaphore::new(room.clamp(1, Semaphore::MAX_PERMITS));
        Self { app, router, rate, room }
    }

    async fn route(&self, request: Request<Incoming>, probe: bool) -> Response<Body> {
        let room = self.room.try_acquire();
        if room.is_err() && !probe {
            self.app.metrics.busy.add(1);
            return answer_problem(
                Problem::new(problem::BUSY, "too many requests are under way").retry_after(1),
            );
        }
        self.app.metrics.requests.add(1);
        let readable = matches!(*request.method(), Method::GET | Method::HEAD);
        let path = request.uri().path().to_owned();
        let mut response = if request.method() == Method::OPTIONS {
            preflight()
        } else {
            match self.router.clone().oneshot(request.map(Body::new)).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        };
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            response = method_not_allowed(&response, &path);
        }
        if readable {
            let star = HeaderValue::from_static("*");
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, star);
        }
        response
    }

    fn count(&self, status: StatusCode) {
        if status.is_client_error() {
            self.app.metrics.client_errors.add(1);
        } else if status.is_server_error() {
            self.app.metrics.server_errors.add(1);
        }
    }
}

impl Answer for Front {
    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> impl Future<Output = Response<Reply>> + Send + 'static {
        let front = self;
        async move {
            // Whoever watches must not take a busy server for a dead one.
            let probe = matches!(request.uri().path(), "/healthz" | "/readyz");
            let rate = front.rate.as_ref().filter(|_| !probe);
            if let Some(wait_s) = rate.and_then(|rate| rate.take(peer).err()) {
                front.app.metrics.rate_limited.add(1);
                front.count(StatusCode::TOO_MANY_REQUESTS);
                let problem =
                    Problem::new(problem::RATE_LIMITED, "this address asks more often than it may");
                return answer_problem(problem.retry_after(wait_s)).map(Reply::Routed);
            }
            let add = request.uri().path() == "/add" && request.method() == Method::POST;
            let path = if add { Ok(()) } else { check_path(&request) };
            if let Err(problem) = path.and_then(|()| check_host(&request)) {
                front.count(problem.status());
                return answer_problem(problem).map(Reply::Routed);
            }
            if add {
                return crate::add::answer(&front.app, request).await;
            }
            let mut response = front.route(request, probe).await;
            front.count(response.status());
            let nosniff = HeaderValue::from_static("nosniff");
            response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
            response.map(Reply::Routed)
        }
    }
}

/// RFC 9112 §3.2: one Host.
fn check_host(request: &Request<Incoming>) -> Result<(), Problem> {
    if request.version() != Version::HTTP_11 {
        return Ok(());
    }
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if hosts != 1 {
        return Err(Problem::new(problem::BAD_REQUEST, "a request names its host once")
            .expected("1 Host header", hosts.to_string()));
    }
    Ok(())
}

/// RFC 3986 §2.5: what a path escapes is UTF-8. The router would refuse it in words of its own.
fn check_path(request: &Request<Incoming>) -> Result<(), Problem> {
    let path = request.uri().path();
    match percent_encoding::percent_decode_str(path).decode_utf8() {
        Ok(_) => Ok(()),
        Err(error) => Err(Problem::new(problem::BAD_REQUEST, "a path is UTF-8, escaped")
            .expected("UTF-8", error.to_string())),
    }
}

fn answer_problem(problem: Problem) -> Response<Body> {
    axum::response::IntoResponse::into_response(problem)
}

fn method_not_allowed(response: &Response<Body>, path: &str) -> Response<Body> {
    let allow = response.headers().get(header::ALLOW).and_then(|allow| allow.to_str().ok());
    let mut problem = Problem::new(
        problem::METHOD_NOT_ALLOWED,
        format!("{} does not take this method", path.chars().take(200).collect::<String>()),
    );
    problem.allow = Some(allow.unwrap_or("GET,HEAD").to_owned());
    problem.expected = problem.allow.clone();
    answer_problem(problem)
}

/// Any page may read; none may submit in a visitor's name.
fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, OPTIONS"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}
