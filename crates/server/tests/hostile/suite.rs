//! Counts cases and checks each: the status, the code, and that the log has not changed.

use std::net::SocketAddr;

use crate::world::{Answer, World, exchange, request};

pub(crate) const COSE: (&str, &str) = ("content-type", "application/cose");
pub(crate) const SEQUENCE: (&str, &str) = ("content-type", "application/cbor-seq");
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");
pub(crate) const WRAPPED: (&str, &str) = ("content-type", "application/firmlog-submission+cbor");

/// Counts cases and checks each.
pub(crate) struct Suite {
    pub(crate) address: SocketAddr,
    pub(crate) world: World,
    pub(crate) size: u64,
    cases: u32,
    wrong: Vec<String>,
}

impl Suite {
    pub(crate) async fn new(world: World) -> Self {
        let size = world.size().await;
        Self { address: world.address, world, size, cases: 0, wrong: Vec::new() }
    }

    pub(crate) async fn check(
        &mut self,
        name: &str,
        answer: &Answer,
        expected: &[u16],
        code: &str,
    ) {
        self.cases += 1;
        let size = self.world.size().await;
        let has_code = code.is_empty() || answer.text().contains(code);
        if !expected.contains(&answer.status) || !has_code || size != self.size {
            self.wrong.push(format!(
                "{name}: expected {expected:?} {code}, got {} {}; size {} then {size}",
                answer.status,
                answer.text(),
                self.size
            ));
            self.size = size;
        }
        let problem = answer.header("content-type") == Some("application/problem+json");
        if problem && answer.json()["status"] != answer.status {
            self.wrong.push(format!("{name}: the problem document has another status"));
        }
        if answer.status == 405 && answer.header("allow").is_none() {
            self.wrong.push(format!("{name}: 405 without Allow"));
        }
    }

    pub(crate) async fn raw(&mut self, name: &str, bytes: &[u8], hang_up: bool, expected: &[u16]) {
        let answer = exchange(self.address, bytes, hang_up).await;
        self.check(name, &answer, expected, "").await;
    }

    pub(crate) async fn get(&mut self, path: &str, status: u16, code: &str) {
        let answer = request(self.address, "GET", path, &[], &[]).await;
        self.check(&format!("GET {path}"), &answer, &[status], code).await;
    }

    pub(crate) async fn send(
        &mut self,
        name: &str,
        path: &str,
        media: (&str, &str),
        body: &[u8],
        (status, code): (u16, &str),
    ) {
        let answer = request(self.address, "POST", path, &[media], body).await;
        self.check(name, &answer, &[status], code).await;
    }

    pub(crate) async fn cose(&mut self, name: &str, body: &[u8], expected: (u16, &str)) {
        self.send(name, "/entries", COSE, body, expected).await;
    }

    pub(crate) async fn batch(&mut self, name: &str, body: &[u8], expected: (u16, &str)) {
        self.send(name, "/batch", SEQUENCE, body, expected).await;
    }

    pub(crate) async fn json(&mut self, name: &str, body: &[u8], expected: (u16, &str)) {
        self.send(name, "/api/v1/entries", JSON, body, expected).await;
    }

    pub(crate) fn end(self, least: u32) {
        assert!(self.wrong.is_empty(), "{} wrong:\n{}", self.wrong.len(), self.wrong.join("\n"));
        assert!(self.cases >= least, "only {} cases", self.cases);
    }
}

pub(crate) async fn suite() -> Suite {
    let world = World::start(false, |config| {
        config.limits.batch_items_max = 50;
        config.limits.batch_bytes_max = 200_000;
    });
    Suite::new(world.await).await
}
