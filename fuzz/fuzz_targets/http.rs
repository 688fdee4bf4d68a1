//! A running server: any method, path, query, headers and body get one whole answer; a refusal is a
//! problem document, and none is the server's own fault.
//!
//! ```text
//! GET /api/v1/entries?kind=update&from=2026-11-22       the input: a request without its framing
//! accept: text/plain
//!
//! (a body)
//! ```

#![no_main]

#[path = "../../crates/server/tests/world/mod.rs"]
mod world;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;
use world::World;

/// Headers that belong to the framing, which is made here.
const FRAMING: [&str; 6] =
    ["connection", "content-length", "expect", "host", "transfer-encoding", "upgrade"];

struct Running {
    world: World,
    _runtime: Runtime,
    stream: Mutex<Option<BufReader<TcpStream>>>,
}

static SERVER: LazyLock<Running> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("threads start");
    let world = runtime.block_on(async {
        let world = World::start(false, |config| {
            config.index.disclose = true;
            config.limits.header_timeout_ms = 60_000;
        })
        .await;
        let mut device = world.device().await;
        let release = world.release(1);
        let entries = [release.clone(), world.approval(0, &release), device.next(), device.next()];
        for entry in entries {
            assert_eq!(world.post_cose(&entry).await.status, 201);
        }
        world.indexed().await;
        world
    });
    Running { world, _runtime: runtime, stream: Mutex::new(None) }
});

/// An answer.
#[derive(Default)]
struct Told {
    status: u16,
    media_type: String,
    body: Vec<u8>,
    /// Whether the server closes the connection after it.
    last: bool,
}

/// How a connection begins that speaks HTTP/2 from the start (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fuzz_target!(|bytes: &[u8]| {
    let Some((method, request)) = framed(bytes) else { return };
    let mut kept = SERVER.stream.lock().expect("no other thread");
    let mut stream = kept.take().unwrap_or_else(connect);
    let told = exchange(&mut stream, &request, &method).or_else(|| {
        // The connection may have ended while nothing was asked; on a new one there is an answer.
        stream = connect();
        exchange(&mut stream, &request, &method)
    });
    let told = told.expect("every request is answered");
    check(&method, &told);
    *kept = (!told.last).then_some(stream);
});

fn check(method: &str, told: &Told) {
    let Told { status, media_type, body, .. } = told;
    assert!(*status < 500 || *status == 503, "{status}: {}", String::from_utf8_lossy(body));
    if *status < 400 || method == "HEAD" || body.is_empty() {
        return;
    }
    match media_type.as_str() {
        "application/problem+json" => {
            let problem: serde_json::Value = serde_json::from_slice(body).expect("it is JSON");
            assert!(problem["title"].is_string() && problem["status"] == *status);
        }
        "application/concise-problem-details+cbor" => assert_eq!(body[0] >> 5, 5),
        other => assert!(other.starts_with("text/html"), "{status} in {other:?}"),
    }
}

/// The method, and the request with its framing.
fn framed(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = match end {
        Some(end) => (&bytes[..end], &bytes[end + 2..]),
        None => (bytes, &[][..]),
    };
    if head.contains(&b'\r') {
        return None;
    }
    // Behind a line that is no request, hyper takes HTTP/2's preface for a client that speaks only
    // that, and ends the connection without a word, as `docs/spec/log-api.md` allows.
    if body.windows(PREFACE.len()).any(|window| window == PREFACE) {
        return None;
    }
    let mut lines = head.split(|b| *b == b'\n');
    let first = lines.next()?;
    let method = String::from_utf8(first.split(|b| *b == b' ').next()?.to_vec()).ok()?;
    if method.is_empty() || matches!(method.as_str(), "CONNECT" | "PRI") {
        return None;
    }
    let mut out = [first, b" HTTP/1.1\r\nhost: test\r\n"].concat();
    for line in lines {
        let name = line.split(|b| *b == b':').next()?.trim_ascii().to_ascii_lowercase();
        if line.is_empty() || FRAMING.iter().any(|framing| framing.as_bytes() == name) {
            return None;
        }
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    out.extend_from_slice(body);
    Some((method, out))
}

fn connect() -> BufReader<TcpStream> {
    let stream = TcpStream::connect(SERVER.world.address).expect("the server listens");
    stream.set_nodelay(true).expect("it is a socket");
    stream.set_read_timeout(Some(Duration::from_secs(9))).expect("it is a socket");
    BufReader::new(stream)
}

/// Asks, and reads the whole answer; `None` if the connection ended instead.
fn exchange(stream: &mut BufReader<TcpStream>, request: &[u8], method: &str) -> Option<Told> {
    stream.get_mut().write_all(request).ok()?;
    let mut told = Told { status: status(&line(stream)?)?, ..Told::default() };
    let mut length = 0;
    loop {
        let line = line(stream)?;
        let Some((name, value)) = line.split_once(": ") else { break };
        match name {
            "content-length" => length = value.parse().expect("a length is a number"),
            "content-type" => told.media_type = value.to_owned(),
            "connection" => told.last = value == "close",
            "transfer-encoding" => panic!("nothing here is sent in chunks"),
            _ => {}
        }
    }
    if method != "HEAD" && told.status != 304 {
        told.body = vec![0; length];
        stream.read_exact(&mut told.body).expect("all that was promised comes");
    }
    Some(told)
}

fn status(line: &str) -> Option<u16> {
    line.split(' ').nth(1)?.parse().ok()
}

fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
    Some(line.trim_end().to_owned())
}
