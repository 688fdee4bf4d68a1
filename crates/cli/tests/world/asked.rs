//! What a running log says of itself, as JSON.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::World;

/// The administrators' token, where a test set one.
pub(crate) const TOKEN: &str = "an administrator's token of a test";

/// GET of a path of the API.
pub(crate) fn fetch(world: &World, path: &str) -> Value {
    let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
    let reply = client.get(format!("{}{path}", world.url)).bearer_auth(TOKEN).send();
    reply.and_then(reqwest::blocking::Response::json).expect("an answer")
}

/// The payloads of the log's audit entries of this action, oldest first.
pub(crate) fn told(world: &World, action: &str) -> Vec<Value> {
    let listed = fetch(world, "/api/v1/entries?kind=audit&limit=1000");
    let lines = listed["items"].as_array().expect("lines").iter().rev();
    let payload = |line: &Value| {
        let index = line["index"].as_str().expect("an index");
        fetch(world, &format!("/api/v1/entries/{index}"))["statement"]["payload"].clone()
    };
    lines.map(payload).filter(|payload| payload["action"] == action).collect()
}

/// Waits until no deed is left to tell.
pub(crate) fn all_told(world: &World) {
    let deeds = world.dir.path().join("log/data/state/deeds");
    let started = Instant::now();
    while std::fs::read_dir(&deeds).is_ok_and(|mut left| left.next().is_some()) {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "never told: {:?}",
            std::fs::read_dir(&deeds)
                .expect("a folder")
                .map(|f| f.expect("a file").path())
                .collect::<Vec<_>>()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let size = fetch(world, "/api/v1/log")["size"].as_str().expect("a size").to_owned();
    while fetch(world, "/api/v1/entries?limit=1")["index"]["covered"] != size.as_str() {
        assert!(started.elapsed() < Duration::from_secs(30), "the index stays behind");
        std::thread::sleep(Duration::from_millis(20));
    }
}
