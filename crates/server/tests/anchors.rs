//! The log anchors itself on a real node, tells it, and bundles carry the proof (API-067).

#[expect(dead_code, reason = "the client's own tests use more of it")]
#[path = "../../anchor/tests/world/node.rs"]
mod node;
mod world;

use std::path::Path;
use std::time::Duration;

use firmlog_anchor::contract::{Bytes, Deployment};
use firmlog_anchor::deploy::{Plan, deploy, register};
use firmlog_anchor::fees::Limits;
use firmlog_anchor::provider::Providers;
use firmlog_anchor::{Sending, Wallet};
use firmlog_keys::{Algorithm as KeyKind, AwsLc, FileKey};
use firmlog_statement::leaf_hash;
use firmlog_tlog::note::{Algorithm, NoteSigner};
use firmlog_verify::bundle::Bundle;
use firmlog_verify::report::{Level, Question, RungState, verify_bundle};
use firmlog_verify::{TrustRoot, Verdict};
use node::Node;
use serde_json::Value;
use world::*;

const GWEI: u64 = 1_000_000_000;

/// The first of the accounts that development nodes give money to.
const RICH: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

/// Deploys, registers the log under the relay's account, and writes the settings to `dir`.
async fn settings(node: &Node, dir: &Path) {
    let rich: [u8; 32] =
        std::array::from_fn(|at| u8::from_str_radix(&RICH[2 * at..2 * at + 2], 16).unwrap());
    let rich = Wallet::from_bytes(&rich).unwrap();
    let relay = Wallet::create(&dir.join("relay.json"), b"").unwrap();
    let providers = Providers::new(&[node.url()], None, false, Duration::from_secs(5)).unwrap();
    let limits = Limits { max_fee_wei: 100 * GWEI, tip_wei: GWEI };
    let sending = Sending {
        providers: &providers,
        wallet: &rich,
        chain_id: node::CHAIN,
        limits: &limits,
        dir,
        poll: Duration::from_millis(10),
    };
    let plan = Plan {
        members: vec![Bytes::copy_from_slice(rich.address().as_slice())],
        p256_members: Vec::new(),
        threshold: 1,
        timelock_delay_s: 60,
        rotation_delay_s: 60,
        registrar: rich.address(),
        revoker: rich.address(),
        guardian: rich.address(),
    };
    let made = deploy(&sending, &plan, |_| {}).await.unwrap();
    let deployment = Deployment { chain_id: node::CHAIN, contract: made.anchor };
    assert!(register(&sending, &deployment, ORIGIN, relay.address(), |_| {}).await.unwrap());
    node.give(relay.address()).await;
    let text = format!(
        "[chain]\nid = {}\ncontract = \"{}\"\nproviders = [\"{}\"]\n\
         [relay]\nkey = \"relay.json\"\ndir = \"anchor\"\n\
         [fees]\nmax_gwei = 100\n[timing]\npoll_ms = 20\n",
        node::CHAIN,
        made.anchor,
        node.url()
    );
    std::fs::write(dir.join("anchor.toml"), text).unwrap();
}

async fn until(world: &World, what: &str, met: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..1200 {
        let log = world.get("/api/v1/log").await.json();
        if met(&log) {
            return log;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what}: {}", world.get("/").await.text());
}

fn anchored(log: &Value) -> u64 {
    log["anchored"]["size"].as_str().map_or(0, |size| size.parse().unwrap())
}

/// A device's bundle, judged offline by a trust root that pins contract and block.
async fn judge(world: &World, device: &str, key: &FileKey, log: &Value) -> (Verdict, RungState) {
    let bundle = world.get(&format!("/api/v1/devices/{device}/bundle")).await;
    assert_eq!(bundle.status, 200, "{}", bundle.text());
    let bundle = Bundle::parse(&bundle.body).unwrap();
    let genesis = leaf_hash(&bundle.entries[0].bytes);
    let vkey = key.note_signer(ORIGIN, Algorithm::Ed25519).unwrap();
    let at = &log["anchored"];
    let text = |name: &str| at[name].as_str().unwrap().to_owned();
    let root = format!(
        "firmlog trust root v1\ngenesis {}\nevm-contract {chain} {}\nevm-block {chain} {} {}\n\n\
         log {}\nquorum none\n",
        genesis.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        text("contract"),
        text("block_number"),
        text("block_hash"),
        vkey.verifier_key(),
        chain = text("chain_id"),
    );
    let root = TrustRoot::parse(root.as_bytes()).unwrap();
    let report = verify_bundle(&bundle, &root, &AwsLc, &Question::Whole);
    let rung = report.rungs.iter().find(|rung| rung.level == Level::Anchored).unwrap();
    (report.verdict, rung.state)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_anchors_itself_and_bundles_prove_it() {
    let Some(program) = node::program("anchors of the log itself") else { return };
    let node = Node::start(&program).await;
    let mining = node.mine_along(Duration::from_millis(20));
    let dir = tempfile::tempdir().unwrap();
    settings(&node, dir.path()).await;
    let log_key = FileKey::generate(KeyKind::Ed25519).unwrap();
    let config = dir.path().join("anchor.toml");
    let world = World::start_with_key(false, log_key.clone(), |it| {
        it.anchor.config.0 = Some(config);
        it.anchor.interval_s = 1;
        it.readiness.anchored_age_max_s = 8;
    });
    let world = world.await;
    let mut device = world.device().await;
    world.post_cose(&device.next()).await;
    let log = until(&world, "anchored with its entries", |log| anchored(log) >= 3).await;
    assert_eq!(log["anchored"]["evidence"], true, "{log}");
    let (_, rung) = judge(&world, &device.id(), &log_key, &log).await;
    assert_eq!(rung, RungState::Reached);
    let page = world.get("/").await.text();
    assert!(page.contains("of chain 31337, contract 0x"), "{page}");
    assert!(world.get("/readyz").await.text().contains("\"anchors\",\"ok\":true"));

    // The log says so itself, and is not anchored again for having said so.
    let count = |log: &Value| log["size"].as_str().unwrap().parse::<u64>().unwrap();
    until(&world, "anchored whole", |log| count(log) - anchored(log) == 1).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    world.indexed().await;
    let size = world.size().await;
    let told = world.get("/api/v1/entries?kind=audit").await.json();
    let told = told["items"].as_array().unwrap().len() as u64;
    assert!((1..=size - 3).contains(&told), "one a final anchor: {told} of {size}");
    let before = anchored(&world.get("/api/v1/log").await.json());
    assert!(size - before <= 1, "only its own account is not anchored: {before} of {size}");

    // A restart repeats nothing, and has the anchor at once.
    let world = world.restart().await;
    let log = until(&world, "anchored again", |log| anchored(log) == before).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let told = || async { world.get("/api/v1/entries?kind=audit").await.text() };
    assert_eq!(world.size().await, size, "{}", told().await);
    let (_, rung) = judge(&world, &device.id(), &log_key, &log).await;
    assert_eq!(rung, RungState::Reached);

    // A chain that stands still is told once, in the log and by readiness; entries go on.
    mining.stop().await;
    world.post_cose(&device.next()).await;
    for _ in 0..600 {
        world.indexed().await;
        let found = world.get("/api/v1/findings").await.json();
        if found["items"].to_string().contains("anchor_late") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let found = world.get("/api/v1/findings").await.text();
    assert_eq!(found.matches("anchor_late").count(), 1, "{found}");
    assert_eq!(world.get("/readyz").await.status, 503);
    assert_eq!(world.post_cose(&device.next()).await.status, 201);
}
