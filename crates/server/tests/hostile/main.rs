//! More than a hundred wrong, oversized, slow, repeated and ambiguous requests: each gets the
//! documented status, and none changes the log (API-080, API-083).

mod ambiguous;
mod statements;
mod suite;
#[path = "../world/mod.rs"]
mod world;

use suite::*;
use world::*;

#[tokio::test(flavor = "multi_thread")]
async fn broken_framing() {
    let mut suite = suite().await;
    let post = "POST /entries HTTP/1.1\r\nhost: test\r\ncontent-type: application/cose\r\n";
    let get = "GET /checkpoint HTTP/1.1\r\nhost: test\r\n";
    let many: String = (0..150).map(|number| format!("x-{number}: y\r\n")).collect();
    let long = "y".repeat(70_000);
    let closed = [0, 400];
    let cases: Vec<(&str, String, bool, &[u16])> = vec![
        ("bytes that are no request", "\u{0}\u{1}\u{2}\r\n\r\n".into(), false, &[400]),
        ("a method alone", "GET\r\n\r\n".into(), false, &[400]),
        ("an unknown protocol version", "GET / HTTP/9.9\r\n\r\n".into(), false, &[400]),
        ("no host", "GET /checkpoint HTTP/1.1\r\n\r\n".into(), false, &[400]),
        ("two hosts", format!("{get}host: other\r\n\r\n"), false, &[400]),
        (
            "raw bytes without host",
            "POST /add HTTP/1.1\r\ncontent-length: 1\r\n\r\na".into(),
            false,
            &[400],
        ),
        (
            "raw bytes for two hosts",
            "POST /add HTTP/1.1\r\nhost: t\r\nhost: u\r\ncontent-length: 1\r\n\r\na".into(),
            false,
            &[400],
        ),
        (
            "two lengths",
            format!("{post}content-length: 1\r\ncontent-length: 2\r\n\r\nab"),
            false,
            &[400],
        ),
        ("a negative length", format!("{post}content-length: -1\r\n\r\n"), false, &[400]),
        ("a length of letters", format!("{post}content-length: abc\r\n\r\n"), false, &[400]),
        ("a length with a plus", format!("{post}content-length: +5\r\n\r\n"), false, &[400]),
        (
            "an unknown transfer encoding",
            format!("{post}transfer-encoding: gzip\r\n\r\n"),
            false,
            &[400, 501],
        ),
        (
            "a chunk size of letters",
            format!("{post}transfer-encoding: chunked\r\n\r\nzz\r\n\r\n"),
            false,
            &[400],
        ),
        (
            "a chunk that ends early",
            format!("{post}transfer-encoding: chunked\r\n\r\n5\r\nab"),
            true,
            &closed,
        ),
        ("a header without a colon", format!("{get}nonsense\r\n\r\n"), false, &[400]),
        ("a header name with a space", format!("{get}x y: z\r\n\r\n"), false, &[400]),
        ("a header value with NUL", format!("{get}x: \u{0}\r\n\r\n"), false, &[400]),
        ("a folded header", format!("{get}x: y\r\n z\r\n\r\n"), false, &[400]),
        ("150 headers", format!("{get}{many}\r\n"), false, &[431]),
        ("a header of 70,000 bytes", format!("{get}x: {long}\r\n\r\n"), false, &[431]),
        (
            "a path of 70,000 bytes",
            format!("GET /{long} HTTP/1.1\r\nhost: t\r\n\r\n"),
            false,
            &[414, 431],
        ),
        ("headers that stop coming", "GET /checkp".into(), false, &[0, 408]),
        ("a body that stops coming", format!("{post}content-length: 10\r\n\r\nab"), false, &[408]),
        ("a body that ends early", format!("{post}content-length: 10\r\n\r\nab"), true, &closed),
        (
            "a method in lower case",
            "get /checkpoint HTTP/1.1\r\nhost: t\r\n\r\n".into(),
            false,
            &[405],
        ),
        (
            "a tunnel",
            "CONNECT other:443 HTTP/1.1\r\nhost: t\r\n\r\n".into(),
            false,
            &[400, 404, 405],
        ),
        (
            "HTTP/1.0 without a body",
            "POST /entries HTTP/1.0\r\ncontent-type: application/cose\r\n\r\n".into(),
            false,
            &[400],
        ),
        (
            "HTTP/2 that makes no sense",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense".into(),
            false,
            &[0],
        ),
        ("TLS on the plain port", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n".into(), false, &[400]),
    ];
    for (name, bytes, hang_up, expected) in cases {
        suite.raw(name, bytes.as_bytes(), hang_up, expected).await;
    }
    suite.end(29);
}

/// API-030, API-083.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_methods_media_types_and_sizes() {
    let mut suite = suite().await;
    for (method, path) in [
        ("GET", "/batch"),
        ("GET", "/add"),
        ("PUT", "/entries"),
        ("DELETE", "/entries/1"),
        ("DELETE", "/api/v1/entries/1"),
        ("PATCH", "/api/v1/entries"),
        ("DELETE", "/api/v1/entries"),
        ("POST", "/checkpoint"),
        ("POST", "/tile/0/000"),
        ("POST", "/api/v1/log"),
        ("PUT", "/api/v1/devices/0"),
        ("POST", "/healthz"),
        ("POST", "/openapi.json"),
        ("FOO", "/entries"),
    ] {
        let answer = request(suite.address, method, path, &[COSE], &[]).await;
        suite.check(&format!("{method} {path}"), &answer, &[405], "method_not_allowed").await;
    }
    for (path, media) in [
        ("/entries", "text/plain"),
        ("/entries", "application/json"),
        ("/entries", "application/cosey"),
        ("/entries", ""),
        ("/batch", "application/cbor"),
        ("/batch", "application/json"),
        ("/api/v1/entries", "application/cose"),
        ("/api/v1/entries", "multipart/form-data; boundary=x"),
        ("/api/v1/entries", "application/x-www-form-urlencoded"),
    ] {
        let name = format!("{path} as {media:?}");
        let media = ("content-type", media);
        suite.send(&name, path, media, b"x", (415, "media_type")).await;
    }
    let answer = request(suite.address, "POST", "/entries", &[], b"x").await;
    suite.check("no media type", &answer, &[415], "media_type").await;
    let both = [COSE, JSON];
    let answer = request(suite.address, "POST", "/entries", &both, b"x").await;
    suite.check("two media types", &answer, &[415], "media_type").await;
    suite.cose("a body of 10 MB", &vec![0xd2; 10_000_000], (413, "too_large")).await;
    suite.batch("a batch of 300 kB", &vec![0x40; 300_000], (413, "too_large")).await;
    suite.batch("a batch of 51 items", &[0x40; 51], (413, "too_large")).await;
    suite.json("JSON of 600 kB", &vec![b' '; 600_000], (413, "too_large")).await;
    let mut large = vec![0x82, 0x5a];
    large.extend(70_000_u32.to_be_bytes());
    large.extend(vec![0; 70_000]);
    large.push(0x80);
    suite.send("an entry of 70,000 bytes", "/entries", WRAPPED, &large, (413, "too_large")).await;
    let mut chunked = b"POST /entries HTTP/1.1\r\nhost: t\r\ncontent-type: application/cose\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..20 {
        chunked.extend_from_slice(b"2000\r\n");
        chunked.extend(vec![0xd2; 0x2000]);
        chunked.extend_from_slice(b"\r\n");
    }
    suite.raw("chunks of 160 kB in all", &chunked, false, &[413]).await;
    let add = request(suite.address, "POST", "/add", &[], b"raw").await;
    suite.check("raw bytes for a signed log", &add, &[403], "registration_policy").await;
    suite.end(32);
}

/// API-021.
#[tokio::test(flavor = "multi_thread")]
async fn bad_batches_and_bad_json() {
    let mut suite = suite().await;
    let mut device = suite.world.device().await;
    let good = device.next();
    suite.size = suite.world.size().await;
    for (name, body) in [
        ("no items", Vec::new()),
        ("noise", vec![0xff; 40]),
        ("an item that ends early", vec![0x58, 0x20, 0x00]),
        ("a statement that ends early", good[..60].to_vec()),
        ("a number", vec![0x01]),
        ("a text", vec![0x61, b'a']),
        ("a map", vec![0xa0]),
        ("nesting without end", vec![0x81; 5000]),
        ("a huge length", vec![0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("a huge array", vec![0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("another tag", vec![0xc1, 0x01]),
        ("a good one, then noise", [good.clone(), vec![0xff]].concat()),
    ] {
        suite.batch(name, &body, (400, "")).await;
    }
    suite.batch("strings that are no statements", &[0x43, 1, 2, 3], (200, "not_a_statement")).await;
    let parsed = firmlog_statement::Parsed::parse(&good).unwrap();
    let projection = firmlog_statement::json::to_json(&parsed).unwrap();
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut body = serde_json::json!({ "statement": projection, "disclosures": [] });
        change(&mut body);
        body.to_string()
    };
    let disclosure = |field: &str, salt: &str| serde_json::json!([{ "field": field, "salt": salt, "value": "x" }]);
    let salt = "09".repeat(16);
    for (name, body) in [
        ("no JSON", "{".to_owned()),
        ("nothing", String::new()),
        ("a list", "[]".to_owned()),
        ("a null", "null".to_owned()),
        ("no statement", "{}".to_owned()),
        ("an unknown name", with(&|body| body["more"] = 1.into())),
        ("a statement of null", with(&|body| body["statement"] = serde_json::Value::Null)),
        ("a name too many", with(&|body| body["statement"]["more"] = 1.into())),
        ("another kind", with(&|body| body["statement"]["kind"] = "poem".into())),
        ("another algorithm", with(&|body| body["statement"]["alg"] = "none".into())),
        ("a short signature", with(&|body| body["statement"]["signature"] = "00".into())),
        ("an unknown field", with(&|body| body["disclosures"] = disclosure("shoe_size", &salt))),
        ("a short salt", with(&|body| body["disclosures"] = disclosure("serial", "00"))),
        (
            "a disclosure of nothing",
            with(&|body| body["disclosures"] = disclosure("serial", &salt)),
        ),
        ("nesting", "[".repeat(100_000)),
        ("a number beyond all", "{\"statement\": 1e999}".to_owned()),
        ("a name twice", with(&|_| ()).replacen("\"alg\":", "\"alg\":\"ES256\",\"alg\":", 1)),
        ("a changed payload", with(&|body| body["statement"]["sub"] = "other".into())),
    ] {
        suite.json(name, body.as_bytes(), (400, "")).await;
    }
    suite.json("bytes that are no text", &[b'"', 0xff, b'"'], (400, "")).await;
    suite.end(31);
}

/// API-001, API-063.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_names_and_parameters() {
    let mut suite = suite().await;
    let hash = "ab".repeat(32);
    for id in ["zz", "-1", "01", "+1", "0x10", "18446744073709551616", "%00", &hash[1..], "1.5"] {
        suite.get(&format!("/entries/{id}"), 400, "bad_locator").await;
        suite.get(&format!("/api/v1/entries/{id}"), 400, "bad_locator").await;
    }
    suite.get("/entries/999999", 404, "not_found").await;
    suite.get(&format!("/entries/{hash}"), 404, "not_found").await;
    suite.get(&format!("/entries/{hash}/statement"), 404, "not_found").await;
    suite.get("/api/v1/entries/999999/proof", 404, "not_found").await;
    for tile in [
        "0/1",
        "64/000",
        "00/000",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "entries/x000",
        "-1/000",
        "0/x000/000",
        "0/000/",
        "%2e%2e/%2e%2e/etc/passwd",
        "../checkpoint",
    ] {
        suite.get(&format!("/tile/{tile}"), 400, "bad_locator").await;
    }
    suite.get("/tile/0/000.p/200", 404, "not_found").await;
    suite.get("/tile/entries/000", 404, "not_found").await;
    suite.get("/tile/5/000", 404, "not_found").await;
    for sizes in ["0/1", "5/1", "1/1", "abc/1", "1/abc"] {
        suite.get(&format!("/receipts/consistency/{sizes}"), 400, "bad_request").await;
    }
    suite.get("/receipts/consistency/1/99999", 404, "not_found").await;
    for path in ["/.well-known/scitt-keys/%DF", "/api/v1/entries/%ff", "/entry/%C3%28"] {
        suite.get(path, 400, "bad_request").await;
    }
    suite.get("/.well-known/scitt-keys/zz", 400, "bad_locator").await;
    suite.get(&format!("/.well-known/scitt-keys/{hash}"), 404, "not_found").await;
    let long = "x".repeat(300);
    for query in [
        "entries?limit=0",
        "entries?limit=1001",
        "entries?limit=x",
        "entries?cursor=-1",
        "entries?more=1",
        "entries?kind=poem",
        "entries?from=yesterday",
        "entries?device=zz",
        "entries?outcome=fine",
        "entries?limit=1&limit=2",
        "search?q=",
        "search",
        "consistency?old=0",
        "consistency?old=9",
        "consistency",
        "identify/zz",
        "devices/zz",
        "findings?device=1",
        "releases?limit=-5",
    ] {
        suite.get(&format!("/api/v1/{query}"), 400, "bad_request").await;
    }
    suite.get(&format!("/api/v1/search?q={long}"), 400, "bad_request").await;
    suite.get(&format!("/api/v1/devices/{hash}"), 404, "not_found").await;
    suite.get(&format!("/api/v1/devices/{hash}/bundle"), 404, "not_found").await;
    suite.get(&format!("/api/v1/releases/{hash}"), 404, "not_found").await;
    suite.get("/api/v1/releases/0", 404, "not_found").await;
    suite.get("/api/v1/nothing", 404, "not_found").await;
    suite.get("/nothing", 404, "not_found").await;
    suite.get("/entry/999999", 404, "not_found").await;
    suite.get("/device/zz", 400, "bad_request").await;
    suite.end(73);
}

/// API-081, API-082, API-084: too often is 429, too many at once is 503; both say when to come
/// back. Health is told all the same.
#[tokio::test(flavor = "multi_thread")]
async fn too_often_and_too_many() {
    let world = World::start(false, |config| {
        config.limits.rate_per_s = 1;
        config.limits.rate_burst = 3;
        config.limits.rate_loopback = true;
    });
    let world = world.await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let answer = world.get("/checkpoint").await;
        if answer.status == 429 {
            assert!(answer.header("retry-after").is_some());
            assert_eq!(answer.json()["code"], "rate_limited");
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    // Whoever watches is not limited: a busy server is not a dead one.
    assert_eq!(world.get("/healthz").await.status, 200);
    assert_eq!(world.get("/readyz").await.status, 200);

    let world = World::start(false, |config| {
        config.limits.concurrency_max = 1;
        config.limits.body_timeout_ms = 2000;
    });
    let world = world.await;
    let slow = "POST /entries HTTP/1.1\r\nhost: t\r\ncontent-type: application/cose\r\ncontent-length: 9\r\n\r\n";
    let address = world.address;
    let held = tokio::spawn(async move { exchange(address, slow.as_bytes(), false).await });
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let busy = world.get("/checkpoint").await;
    assert_eq!(busy.status, 503);
    assert_eq!(busy.header("retry-after"), Some("1"));
    assert_eq!(world.get("/healthz").await.status, 200);
    assert_eq!(held.await.unwrap().status, 408);
    assert_eq!(world.get("/checkpoint").await.status, 200);
}
