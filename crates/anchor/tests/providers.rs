//! Providers that lie or are away, an account used elsewhere, other relays, and deployment that
//! is interrupted.

mod world;

use std::time::Duration;

use alloy::primitives::{Address, Bytes};
use alloy::sol_types::SolCall;
use firmlog_anchor::contract::Deployment;
use firmlog_anchor::contract::abi::AccessManager;
use firmlog_anchor::deploy::{Plan, deploy, register};
use firmlog_anchor::finding::Kind;
use firmlog_anchor::{Authority, Client, Sending, Settings, Status, Waiting};
use serde_json::{Value, json};
use world::node::{self, Node};
use world::proxy::{Mood, Proxy};
use world::{Log, ORIGIN, World, authority, limits, providers, relay, rich, step};

fn is_final(status: &Status) -> bool {
    matches!(status, Status::Final(it) if it.evidence)
}

fn is_final_at(size: u64) -> impl Fn(&Status) -> bool {
    move |status| matches!(status, Status::Final(it) if it.evidence && it.target.size == size)
}

fn findings(world: &World, kind: Kind) -> Vec<Value> {
    let dir = world.dir.path().join("anchor/findings");
    let files = std::fs::read_dir(dir).expect("lists").map(|entry| entry.expect("a file").path());
    let read = |path| std::fs::read_to_string(path).expect("reads");
    let all = files.map(|path| serde_json::from_str::<Value>(&read(path)).expect("JSON"));
    all.filter(|finding| finding["kind"] == kind.word()).collect()
}

/// A world seen through an honest provider, and two that can be told to lie.
async fn seen_through(test: &str) -> Option<(World, Vec<Proxy>, Vec<String>)> {
    let world = World::start(test, authority().address()).await?;
    let proxies =
        vec![Proxy::start(&world.node.url()).await, Proxy::start(&world.node.url()).await];
    let mut urls = vec![world.node.url()];
    urls.extend(proxies.iter().map(Proxy::url));
    Some((world, proxies, urls))
}

#[tokio::test]
async fn anc_8_one_liar_of_three_is_outvoted_and_named() {
    let Some((world, proxies, urls)) = seen_through("outvoted").await else { return };
    let log = Log::grown("a", 100);
    let mut client = world.client_of(&urls, Some(2), true);
    let moods = [Mood::OtherBlock, Mood::NoReceipts, Mood::FakeReceipts, Mood::Off];
    for (size, mood) in (10..).step_by(10).zip(moods) {
        proxies[0].set(mood);
        client.want(&log.note(size)).expect("wanted");
        let Status::Final(anchored) = world.drive(&mut client, &log, is_final_at(size)).await
        else {
            unreachable!("driven to it")
        };
        let told = world.node.ask("eth_getTransactionReceipt", json!([anchored.seen.tx])).await;
        assert_eq!(told["blockHash"], json!(anchored.seen.block_hash), "{mood:?}");
    }
    let named = findings(&world, Kind::ProviderDissent);
    let liar = proxies[0].url().replace("http://", "");
    assert!(named.len() >= 3, "{named:?}");
    assert!(named.iter().all(|finding| finding["theirs"]["provider"] == liar), "{named:?}");
    assert_eq!(world.node.nonce(relay().address()).await, 4);
}

#[tokio::test]
async fn anc_8_where_nobody_is_outvoted_a_lie_stops_progress_by_name() {
    let Some((world, proxies, urls)) = seen_through("strict").await else { return };
    let log = Log::grown("a", 100);
    let mut client = world.client_of(&urls, None, false);
    client.want(&log.note(10)).expect("wanted");
    proxies[1].set(Mood::OtherHead);
    let status = step(&mut client, &log).await;
    assert!(matches!(status, Status::Waiting(Waiting::Providers(_))), "{status}");
    proxies[1].set(Mood::Honest);
    assert_eq!(step(&mut client, &log).await.word(), "submitted");
    proxies[1].set(Mood::OtherBlock);
    for _ in 0..20 {
        world.node.mine(1).await;
        let status = step(&mut client, &log).await;
        assert_ne!(status.word(), "final");
    }
    let status = step(&mut client, &log).await;
    let told = status.to_string();
    assert!(told.starts_with("waiting: providers disagree on"), "{told}");
    assert!(told.contains(&proxies[1].url().replace("http://", "")), "{told}");
    assert!(!findings(&world, Kind::ProviderDissent).is_empty());
    proxies[1].set(Mood::Honest);
    world.drive(&mut client, &log, is_final).await;
    assert_eq!(world.node.nonce(relay().address()).await, 1);
}

#[tokio::test]
async fn outages_are_waited_out() {
    let Some((world, proxies, urls)) = seen_through("outage").await else { return };
    let log = Log::grown("a", 100);
    let mut client = world.client_of(&urls, None, false);
    client.want(&log.note(10)).expect("wanted");
    for proxy in &proxies {
        proxy.set(Mood::Off);
    }
    let status = step(&mut client, &log).await;
    let Status::Waiting(waiting) = status else { panic!("{status}") };
    assert_eq!(waiting.word(), "providers-silent");
    let poll = Duration::from_secs(4);
    assert_eq!(client.pause(poll), 2 * poll);
    proxies[0].set(Mood::Honest);
    world.drive(&mut client, &log, is_final).await;
    assert_eq!(client.pause(poll), poll);
}

#[tokio::test]
async fn anc_3_a_nonce_used_elsewhere_is_found_and_the_job_starts_anew() {
    let Some(world) = World::start("taken", authority().address()).await else { return };
    let log = Log::grown("a", 100);
    let mut client = world.client();
    client.want(&log.note(10)).expect("wanted");
    assert_eq!(step(&mut client, &log).await.word(), "submitted");
    world.node.ask("anvil_dropAllTransactions", json!([])).await;
    // The key is used by something else, which is mined.
    let by = relay().address();
    world.node.ask("anvil_impersonateAccount", json!([by])).await;
    let request = json!([{"from": by, "to": Address::ZERO, "gas": "0x5208", "nonce": "0x0"}]);
    world.node.ask("eth_sendTransaction", request).await;
    world.drive(&mut client, &log, is_final).await;
    assert_eq!(findings(&world, Kind::NonceTaken).len(), 1);
    assert_eq!(world.node.nonce(by).await, 2);
}

#[tokio::test]
async fn a_transaction_that_is_not_ours_is_waited_for() {
    let Some(world) = World::start("foreign", authority().address()).await else { return };
    let log = Log::grown("a", 100);
    let by = relay().address();
    world.node.ask("anvil_impersonateAccount", json!([by])).await;
    let request = json!([{"from": by, "to": Address::ZERO, "gas": "0x5208", "nonce": "0x0"}]);
    world.node.ask("eth_sendTransaction", request).await;
    let mut client = world.client();
    client.want(&log.note(10)).expect("wanted");
    let status = step(&mut client, &log).await;
    assert_eq!(status, Status::Waiting(Waiting::ForeignTransaction));
    world.drive(&mut client, &log, is_final).await;
}

#[tokio::test]
async fn another_relay_overtakes_and_the_revert_is_a_finding_with_both_sides() {
    let Some(world) = World::start("overtaken", authority().address()).await else { return };
    let log = Log::grown("a", 100);
    let mut client = world.client();
    client.want(&log.note(10)).expect("wanted");
    assert_eq!(step(&mut client, &log).await.word(), "submitted");
    // A second relay, with other folder and account, offers more and is mined first.
    let limits = firmlog_anchor::fees::Limits { tip_wei: 9 * world::GWEI, ..limits() };
    let settings = Settings { dir: world.dir.path().join("second"), limits, ..world.settings() };
    let all = providers(&[world.node.url()], None, false);
    let mut second =
        Client::open(settings, all, rich(), Authority::Secp256k1(authority())).expect("opens");
    second.want(&log.note(20)).expect("wanted");
    assert_eq!(step(&mut second, &log).await.word(), "submitted");
    let covered = |status: &Status| matches!(status, Status::Covered(head) if head.size == 20);
    world.drive(&mut client, &log, covered).await;
    let reverted = findings(&world, Kind::Reverted);
    assert_eq!(reverted.len(), 1);
    assert_eq!(reverted[0]["ours"]["attempt"]["target"]["size"], 10);
    assert_eq!(reverted[0]["theirs"]["size"], 20);
    world.drive(&mut second, &log, is_final).await;
}

#[tokio::test]
async fn who_may_not_sign_or_is_not_registered_is_told_before_it_costs() {
    let Some(world) = World::start("refused", rich().address()).await else { return };
    let log = Log::grown("a", 100);
    let mut client = world.client();
    client.want(&log.note(10)).expect("wanted");
    let status = step(&mut client, &log).await;
    let (ours, theirs) = (authority().address(), rich().address());
    assert_eq!(status, Status::Waiting(Waiting::Authority { ours, theirs }));
    let settings = Settings {
        origin: "log.example/other".into(),
        dir: world.dir.path().join("other"),
        ..world.settings()
    };
    let all = providers(&[world.node.url()], None, false);
    let mut other =
        Client::open(settings, all, relay(), Authority::Secp256k1(authority())).expect("opens");
    assert!(other.want(&log.note(10)).is_err());
    let note = log.note(10).replace(ORIGIN, "log.example/other");
    other.want(&note).expect("wanted");
    assert_eq!(step(&mut other, &log).await, Status::Waiting(Waiting::NotRegistered));
    world.node.ask("anvil_setBalance", json!([relay().address(), "0x0"])).await;
    assert_eq!(world.node.nonce(relay().address()).await, 0);
}

/// What no chain should do: blocks that were final are gone, and our transactions with them.
#[tokio::test]
async fn broken_finality_is_a_finding_and_gaps_are_healed() {
    let Some(world) = World::start("finality", authority().address()).await else { return };
    let log = Log::grown("a", 100);
    let mut client = world.client();
    for keeps_past in [true, false] {
        let (first, second) = if keeps_past { (10, 20) } else { (30, 40) };
        let mark = world.node.ask("evm_snapshot", json!([])).await;
        client.want(&log.note(first)).expect("wanted");
        world.drive(&mut client, &log, is_final_at(first)).await;
        client.want(&log.note(second)).expect("wanted");
        if !keeps_past {
            // In flight above a gap that nobody remembers.
            assert_eq!(step(&mut client, &log).await.word(), "submitted");
            drop(client);
            let path = world.dir.path().join("anchor/journal.json");
            let text = std::fs::read_to_string(&path).expect("reads");
            let mut state: Value = serde_json::from_str(&text).expect("JSON");
            state["past"] = json!([]);
            std::fs::write(&path, state.to_string()).expect("writes");
            client = world.client();
        }
        world.node.ask("evm_revert", json!([mark])).await;
        world.node.ask("anvil_dropAllTransactions", json!([])).await;
        let status = step(&mut client, &log).await;
        assert!(matches!(status, Status::Waiting(Waiting::Gap { .. })), "{status}");
        world.drive(&mut client, &log, is_final_at(second)).await;
    }
    assert_eq!(findings(&world, Kind::FinalityBroken).len(), 1);
    // The proof from what was lost no longer fits.
    assert_eq!(findings(&world, Kind::Reverted).len(), 1);
    assert_eq!(world.node.nonce(relay().address()).await, 5);
}

/// A deployment dies anywhere and goes on; the same contracts come of it, once.
#[tokio::test]
async fn anc_9_an_interrupted_deployment_goes_on_under_the_same_nonces() {
    let Some(program) = node::program("deployment") else { return };
    let node = Node::start(&program).await;
    let mining = node.mine_along(Duration::from_millis(10));
    let dir = tempfile::tempdir().expect("a folder");
    let (wallet, limits) = (rich(), limits());
    let all = providers(&[node.url()], None, false);
    let sending = Sending {
        providers: &all,
        wallet: &wallet,
        chain_id: node::CHAIN,
        limits: &limits,
        dir: dir.path(),
        poll: Duration::from_millis(10),
    };
    let plan = Plan {
        members: vec![Bytes::copy_from_slice(wallet.address().as_slice())],
        p256_members: Vec::new(),
        threshold: 1,
        timelock_delay_s: 60,
        rotation_delay_s: 3600,
        registrar: wallet.address(),
        revoker: relay().address(),
        guardian: wallet.address(),
    };
    let begun = dir.path().join("steps-deploy.json");
    let mut made = None;
    for n in 0..100 {
        // Longer each time: on a busy machine the first get nowhere.
        let limit = Duration::from_millis(150 + 20 * n);
        // Dropping the future is as sudden as a process that dies.
        if let Ok(done) = tokio::time::timeout(limit, deploy(&sending, &plan, |_| {})).await {
            made = Some(done.expect("deploys"));
            break;
        }
        // Once a row has begun, no other takes its nonces.
        if begun.exists() {
            let other = Plan { timelock_delay_s: 61, ..plan.clone() };
            assert!(deploy(&sending, &other, |_| {}).await.is_err());
        }
    }
    let made = made.expect("deployed in the end");
    let wanted = 6 + 7 + 6 + 2;
    assert_eq!(node.nonce(wallet.address()).await, wanted);
    // Whoever dies before the addresses are written down asks again, at no cost.
    assert_eq!(deploy(&sending, &plan, |_| {}).await.expect("is there"), made);
    assert_eq!(node.nonce(wallet.address()).await, wanted);
    let deployment = Deployment { chain_id: node::CHAIN, contract: made.anchor };
    let by = authority().address();
    for is_new in [true, false] {
        let done = register(&sending, &deployment, ORIGIN, by, |_| {}).await;
        assert_eq!(done.expect("registers"), is_new);
    }
    let other = register(&sending, &deployment, ORIGIN, wallet.address(), |_| {}).await;
    assert!(other.expect_err("another authority").to_string().contains("registered already"));
    assert_eq!(node.nonce(wallet.address()).await, wanted + 1);
    mining.stop().await;
}

/// A nonce that went to another transaction makes no contract, or another: nothing more is sent.
#[tokio::test]
async fn anc_9_what_a_nonce_made_is_compared_before_the_next_is_sent() {
    let Some(program) = node::program("deployment") else { return };
    let node = Node::start(&program).await;
    let mining = node.mine_along(Duration::from_millis(10));
    let dir = tempfile::tempdir().expect("a folder");
    let (wallet, limits) = (rich(), limits());
    let all = providers(&[node.url()], None, false);
    let sending = Sending {
        providers: &all,
        wallet: &wallet,
        chain_id: node::CHAIN,
        limits: &limits,
        dir: dir.path(),
        poll: Duration::from_millis(10),
    };
    let plan = Plan {
        members: vec![Bytes::copy_from_slice(wallet.address().as_slice())],
        p256_members: vec![[7; 64]],
        threshold: 2,
        timelock_delay_s: 60,
        rotation_delay_s: 3600,
        registrar: wallet.address(),
        revoker: relay().address(),
        guardian: relay().address(),
    };
    let council = wallet.address().create(0);
    let begun = dir.path().join("steps-deploy.json");
    // Until the first contract is there; then it is another.
    for n in 0..200 {
        let limit = Duration::from_millis(40 + n);
        let done = tokio::time::timeout(limit, deploy(&sending, &plan, |_| {})).await;
        assert!(done.is_err(), "deployed in one go");
        if node.nonce(wallet.address()).await > 0 {
            break;
        }
    }
    assert!(begun.exists());
    let code = node.ask("eth_getCode", json!([council, "latest"])).await;
    let sent = node.nonce(wallet.address()).await;
    assert!(sent > 0 && sent < 21, "{sent}");
    node.ask("anvil_setCode", json!([council, "0x6001600101"])).await;
    let told = deploy(&sending, &plan, |_| {}).await.expect_err("other code").to_string();
    assert!(told.contains("other code") && told.contains("nonce 0"), "{told}");
    node.ask("anvil_setCode", json!([council, "0x"])).await;
    let told = deploy(&sending, &plan, |_| {}).await.expect_err("no code").to_string();
    assert!(told.contains("no code"), "{told}");
    assert!(node.nonce(wallet.address()).await <= sent + 1);
    // Put right, it goes on to the end; a role given away meanwhile is found.
    node.ask("anvil_setCode", json!([council, code])).await;
    let made = deploy(&sending, &plan, |_| {}).await.expect("deploys");
    assert_eq!(node.nonce(wallet.address()).await, 21);
    node.give(made.timelock).await;
    node.ask("anvil_impersonateAccount", json!([made.timelock])).await;
    let grant =
        AccessManager::grantRoleCall { roleId: 0, account: wallet.address(), executionDelay: 0 };
    let input = Bytes::from(grant.abi_encode());
    let request = json!([{"from": made.timelock, "to": made.manager, "input": input}]);
    node.ask("eth_sendTransaction", request).await;
    node.mine(2 * node::EPOCH + 2).await;
    let told = deploy(&sending, &plan, |_| {}).await.expect_err("two admins").to_string();
    assert!(told.contains("deployer-has-role"), "{told}");
    assert_eq!(node.nonce(wallet.address()).await, 21);
    mining.stop().await;
}
