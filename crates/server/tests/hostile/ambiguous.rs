//! Requests that two readers can read in two ways, each with a body that is good by itself
//! (API-080, API-084).

use crate::suite::*;
use crate::world::*;

/// A route that takes bodies, a media type it takes, and a body that it appends.
type Good = (&'static str, &'static str, Vec<u8>);

async fn signed() -> (Suite, Vec<Good>) {
    let mut suite = suite().await;
    let mut bodies = Vec::new();
    for _ in 0..3 {
        bodies.push(suite.world.device().await.next());
    }
    suite.size = suite.world.size().await;
    let parsed = firmlog_statement::Parsed::parse(&bodies[2]).unwrap();
    let projection = firmlog_statement::json::to_json(&parsed).unwrap();
    let json = serde_json::json!({ "statement": projection, "disclosures": [] });
    let good = vec![
        ("/entries", COSE.1, bodies[0].clone()),
        ("/batch", SEQUENCE.1, bodies[1].clone()),
        ("/api/v1/entries", JSON.1, json.to_string().into_bytes()),
    ];
    (suite, good)
}

async fn any() -> (Suite, Vec<Good>) {
    let good = vec![("/add", "text/plain", b"one".to_vec())];
    (Suite::new(World::any().await).await, good)
}

fn head((path, media, _): &Good, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\ncontent-type: {media}\r\n{more}\r\n")
}

fn with(head: String, body: &[u8]) -> Vec<u8> {
    [head.as_bytes(), body].concat()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let size = format!("{:x}\r\n", body.len());
    [size.as_bytes(), body, b"\r\n0\r\n\r\n"].concat()
}

/// Refused before the body counts, on every route; the same body goes in once the host is one.
async fn hosts((mut suite, good): (Suite, Vec<Good>)) {
    for good in &good {
        let (path, media, body) = good;
        let length = format!("content-length: {}\r\n", body.len());
        for (name, hosts) in [("two hosts", "host: a\r\nhost: b\r\n"), ("no host", "")] {
            let bytes = with(head(good, &format!("{hosts}{length}")), body);
            suite.raw(&format!("{path}: {name}"), &bytes, false, &[400]).await;
        }
        let media = [("content-type", *media)];
        let answer = request(suite.address, "POST", path, &media, body).await;
        assert!(matches!(answer.status, 200 | 201), "{path}: {}", answer.text());
        suite.size += 1;
    }
    assert_eq!(suite.world.size().await, suite.size);
    suite.end(2);
}

/// One reading only: the chunks are the body, and the connection ends with the answer, so that
/// nothing behind them is taken for another request.
async fn length_and_chunks((mut suite, good): (Suite, Vec<Good>)) {
    for good in &good {
        let (path, _, body) = good;
        let hidden = b"GET /healthz HTTP/1.1\r\nhost: t\r\n\r\n";
        let (length, chunks) = ("content-length: 4\r\n", "transfer-encoding: chunked\r\n");
        for more in [format!("host: t\r\n{length}{chunks}"), format!("host: t\r\n{chunks}{length}")]
        {
            let bytes = [with(head(good, &more), &chunked(body)), hidden.to_vec()].concat();
            let answer = exchange_all(suite.address, &bytes).await;
            assert!(matches!(answer.status, 200 | 201), "{path}: {}", answer.text());
            assert_eq!(answer.header("connection"), Some("close"), "{path}");
            let told = answer.text();
            assert!(!told.contains("HTTP/1.1 "), "{path}: a second answer: {told}");
        }
        // Sent twice, in both orders of the two headers, and appended once.
        suite.size += 1;
        assert_eq!(suite.world.size().await, suite.size, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_names_its_host_once() {
    hosts(signed().await).await;
    hosts(any().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_beside_a_length_are_read_in_one_way() {
    length_and_chunks(signed().await).await;
    length_and_chunks(any().await).await;
}
