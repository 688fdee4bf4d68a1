//! From a checkpoint to a final anchor, on a real node: what goes well, and what the chain does.

mod world;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use alloy::primitives::{B256, Bytes, keccak256};
use alloy::sol_types::SolCall;
use firmlog_anchor::contract::{FirmwareAnchor, log_id};
use firmlog_anchor::evidence::Evidence;
use firmlog_anchor::extend::extend;
use firmlog_anchor::history::History;
use firmlog_anchor::journal::{self, Point};
use firmlog_anchor::{Authority, Client, Status, Waiting};
use firmlog_keys::{Algorithm, FileKey};
use firmlog_verify::evm::{BlockPin, ContractPin, EvmEvidence, EvmPins, parse_header, verify_evm};
use serde_json::{Value, json};
use world::{GWEI, Log, ORIGIN, World, authority, providers, relay, step};

fn is_final(size: u64) -> impl Fn(&Status) -> bool {
    move |status| matches!(status, Status::Final(it) if it.target.size == size && it.evidence)
}

fn raws(client: &Client) -> Vec<Bytes> {
    let flight = client.state().flight.as_ref();
    flight.map(|f| f.attempts.iter().map(|a| a.raw.clone()).collect()).unwrap_or_default()
}

#[tokio::test]
async fn each_kind_of_authority_anchors_and_leaves_evidence() {
    let p256 = || FileKey::from_pem(P256_KEY, None).expect("a key");
    let kinds: [fn() -> Authority; 3] = [
        || Authority::Sender(relay().address()),
        || Authority::Secp256k1(authority()),
        || Authority::P256(Box::new(FileKey::from_pem(P256_KEY, None).expect("a key"))),
    ];
    assert!(matches!(Authority::P256(Box::new(p256())).name(), Ok(name) if !name.is_zero()));
    let ed25519 = FileKey::generate(Algorithm::Ed25519).expect("a key");
    assert!(Authority::P256(Box::new(ed25519)).name().is_err());
    let log = Log::grown("a", 300);
    for kind in kinds {
        let name = kind().name().expect("a name");
        let Some(world) = World::start("authority", name).await else { return };
        let mut client = Client::open(
            world.settings(),
            providers(&[world.node.url()], None, false),
            relay(),
            kind(),
        )
        .expect("opens");
        assert_eq!(step(&mut client, &log).await, Status::Idle);
        for size in [7, 256, 300] {
            client.want(&log.note(size)).expect("wanted");
            world.drive(&mut client, &log, is_final(size)).await;
            check_evidence(&world.dir.path().join("anchor"), &log, size);
        }
        assert_eq!(world.node.nonce(relay().address()).await, 3);
        check_history(&world, &[7, 256, 300]).await;
        // What is final is not done again, nor is what it covers.
        client.want(&log.note(300)).expect("wanted");
        assert!(is_final(300)(&step(&mut client, &log).await));
        client.want(&log.note(100)).expect("wanted");
        let covered = step(&mut client, &log).await;
        assert!(matches!(covered, Status::Covered(head) if head.size == 300), "{covered}");
        assert_eq!(world.node.nonce(relay().address()).await, 3);
    }
}

/// The parts hash to each other, and to what the contract says.
fn check_evidence(dir: &Path, log: &Log, size: u64) {
    let path = dir.join(format!("final/{size}.json"));
    let text = std::fs::read_to_string(path).expect("evidence");
    let kept: Evidence = serde_json::from_str(&text).expect("its form");
    assert_eq!(keccak256(kept.header.rlp.as_ref().expect("RLP")), kept.header.hash);
    assert_eq!(keccak256(&kept.tx_raw), kept.tx);
    assert_eq!(kept.checkpoint, log.note(size));
    assert!(kept.receipts.len() > kept.index as usize && kept.receipts_told.is_empty());
    let head = kept.head.expect("a state proof");
    assert_eq!(keccak256(head.header.rlp.as_ref().expect("RLP")), head.header.hash);
    assert_eq!(head.slots[0].value.to_be_bytes::<32>(), log.head(size).root.0);
    let root = head.header.told["stateRoot"].as_str().expect("a root").to_owned();
    assert_eq!(keccak256(&head.account_proof[0]).to_string(), root);
    assert_eq!(keccak256(&head.slots[0].proof[0]), head.storage_root);
    let bytes = std::fs::read(dir.join(format!("final/{size}.evm"))).expect("evidence");
    let mut pins = EvmPins::default();
    pins.contracts.push(ContractPin {
        chain_id: kept.chain_id,
        address: kept.contract.into(),
        code_hash: None,
    });
    pins.blocks.push(BlockPin {
        chain_id: kept.chain_id,
        number: kept.header.number,
        hash: kept.header.hash.0,
    });
    let parsed = EvmEvidence::parse(&bytes).expect("its one form");
    let proven = verify_evm(&parsed, &pins).expect("sound");
    assert!(proven.is_anchored() && proven.storage.is_some());
    assert_eq!(proven.event.head, log.head(size));
}

async fn check_history(world: &World, sizes: &[u64]) {
    let all = providers(&[world.node.url()], None, false);
    let dir = world.dir.path().join("anchor");
    let mut history =
        History::open(&dir, world.deployment, ORIGIN, world.from_block).expect("opens");
    history.follow(&all, &dir).await.expect("follows");
    let found: Vec<u64> = history.events.iter().map(|placed| placed.event.size).collect();
    assert_eq!(found, sizes);
    let again = History::open(&dir, world.deployment, ORIGIN, world.from_block).expect("opens");
    assert_eq!(again, history);
    let head = head(world).await;
    assert_eq!(history.check_complete(&head), Ok(()));
    history.events.remove(1);
    assert!(history.check_complete(&head).is_err());
}

async fn head(world: &World) -> firmlog_anchor::contract::Head {
    let call = FirmwareAnchor::headCall { logId: log_id(ORIGIN) };
    let input: Bytes = call.abi_encode().into();
    let request = json!([{"to": world.deployment.contract, "input": input}, "latest"]);
    let data = world.node.ask("eth_call", request).await;
    let data: Bytes = serde_json::from_value(data).expect("bytes");
    FirmwareAnchor::headCall::abi_decode_returns(&data).expect("a head")
}

#[tokio::test]
async fn anc_4_a_newer_checkpoint_takes_the_older_ones_nonce() {
    let Some(world) = World::start("newer", authority().address()).await else { return };
    let log = Log::grown("a", 100);
    let mut client = world.client();
    client.want(&log.note(10)).expect("wanted");
    assert_eq!(step(&mut client, &log).await.word(), "submitted");
    client.want(&log.note(20)).expect("wanted");
    // An older one in between changes nothing.
    client.want(&log.note(15)).expect("wanted");
    let status = step(&mut client, &log).await;
    assert!(
        matches!(status, Status::Submitted { size: 20, nonce: 0, attempts: 2, .. }),
        "{status}"
    );
    world.drive(&mut client, &log, is_final(20)).await;
    assert_eq!(world.node.nonce(relay().address()).await, 1);
    // The older one was mined first: the newer waits, under the next nonce.
    client.want(&log.note(30)).expect("wanted");
    assert_eq!(step(&mut client, &log).await.word(), "submitted");
    world.node.mine(1).await;
    assert_eq!(step(&mut client, &log).await.word(), "mined");
    client.want(&log.note(40)).expect("wanted");
    assert!(matches!(step(&mut client, &log).await, Status::Mined { size: 30, .. }));
    world.drive(&mut client, &log, is_final(40)).await;
    assert_eq!(world.node.nonce(relay().address()).await, 3);
    check_history(&world, &[20, 30, 40]).await;
}

#[tokio::test]
async fn anc_6_what_a_reorganisation_takes_is_sent_again_byte_for_byte() {
    let Some(world) = World::start("reorg", authority().address()).await else { return };
    let log = Log::grown("a", 100);
    let mut client = world.client();
    let before = world.node.ask("evm_snapshot", json!([])).await;
    client.want(&log.note(10)).expect("wanted");
    assert_eq!(step(&mut client, &log).await.word(), "submitted");
    let first = raws(&client);
    world.node.mine(3).await;
    assert_eq!(step(&mut client, &log).await.word(), "mined");
    assert_eq!(client.state().stage(), "mined");
    world.node.ask("evm_revert", json!([before])).await;
    world.node.ask("anvil_dropAllTransactions", json!([])).await;
    world.node.ask("evm_increaseTime", json!([7])).await;
    assert_eq!(step(&mut client, &log).await.word(), "submitted");
    assert_eq!(client.state().stage(), "submitted");
    assert_eq!(raws(&client), first);
    world.node.mine(1).await;
    assert_eq!(step(&mut client, &log).await.word(), "mined");
    world.drive(&mut client, &log, is_final(10)).await;
    assert_eq!(client.state().past[0].raw, first[0]);
    assert_eq!(world.node.nonce(relay().address()).await, 1);
}

#[tokio::test]
async fn anc_6_what_nodes_drop_is_sent_again_by_the_next_process() {
    let Some(world) = World::start("dropped", authority().address()).await else { return };
    let log = Log::grown("a", 100);
    let mut client = world.client();
    client.want(&log.note(10)).expect("wanted");
    assert_eq!(step(&mut client, &log).await.word(), "submitted");
    let first = raws(&client);
    world.node.ask("anvil_dropAllTransactions", json!([])).await;
    drop(client);
    let mut client = world.client();
    assert_eq!(step(&mut client, &log).await.word(), "submitted");
    assert_eq!(raws(&client), first);
    world.drive(&mut client, &log, is_final(10)).await;
}

#[tokio::test]
async fn anc_5_fees_rise_when_stuck_and_stop_at_the_limit_by_name() {
    let Some(world) = World::start("fees", authority().address()).await else { return };
    let log = Log::grown("a", 100);
    let mut client = world.client();
    let base = |gwei: u64| json!([format!("0x{:x}", gwei * GWEI)]);
    world.node.ask("anvil_setNextBlockBaseFeePerGas", base(150)).await;
    world.node.mine(1).await;
    client.want(&log.note(10)).expect("wanted");
    let status = step(&mut client, &log).await;
    assert!(matches!(&status, Status::Waiting(Waiting::Fees { .. })), "{status}");
    assert_eq!(client.state().stage(), "built");
    world.node.ask("anvil_setNextBlockBaseFeePerGas", base(5)).await;
    world.node.mine(1).await;
    assert_eq!(step(&mut client, &log).await.word(), "submitted");
    // The base fee overtakes the offer: nothing is mined, until the offer is raised.
    for _ in 0..4 {
        world.node.ask("anvil_setNextBlockBaseFeePerGas", base(30)).await;
        world.node.mine(1).await;
    }
    let status = step(&mut client, &log).await;
    assert!(matches!(status, Status::Submitted { attempts: 2, .. }), "{status}");
    let offers: Vec<u64> = client
        .state()
        .flight
        .as_ref()
        .expect("in flight")
        .attempts
        .iter()
        .map(|a| a.offer.max_fee_wei)
        .collect();
    assert!(offers[1] >= 61 * GWEI, "{offers:?}");
    // Above the limit it waits, by name, and the old offer stands.
    for _ in 0..5 {
        world.node.ask("anvil_setNextBlockBaseFeePerGas", base(120)).await;
        world.node.mine(1).await;
    }
    let status = step(&mut client, &log).await;
    assert!(matches!(status, Status::Waiting(Waiting::Fees { .. })), "{status}");
    world.node.ask("anvil_setNextBlockBaseFeePerGas", base(2)).await;
    world.drive(&mut client, &log, is_final(10)).await;
    assert_eq!(world.node.nonce(relay().address()).await, 1);
}

#[tokio::test]
async fn another_log_is_a_contradiction_that_costs_nothing_and_keeps_both_sides() {
    let Some(world) = World::start("contradiction", authority().address()).await else { return };
    let (log, forked) = (Log::grown("a", 100), Log::grown("b", 100));
    let mut client = world.client();
    client.want(&log.note(50)).expect("wanted");
    world.drive(&mut client, &log, is_final(50)).await;
    for size in [50, 60] {
        let wanted = client.want(&forked.note(size));
        if size == 50 {
            // Known to contradict without asking the chain.
            assert!(wanted.expect_err("two roots").to_string().contains("both are kept"));
            continue;
        }
        wanted.expect("wanted");
        let status = step(&mut client, &forked).await;
        assert!(matches!(&status, Status::Refused(_)), "{status}");
    }
    let mut sides = Vec::new();
    for entry in std::fs::read_dir(world.dir.path().join("anchor/findings")).expect("lists") {
        let text = std::fs::read_to_string(entry.expect("a file").path()).expect("reads");
        let finding: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(finding["kind"], "contradiction");
        let roots = [&finding["ours"]["root"], &finding["theirs"]["root"]];
        sides.extend(roots.map(|root| root.as_str().expect("a root").to_owned()));
    }
    let root = |log: &Log, size| B256::from(log.head(size).root.0).to_string();
    for side in [root(&log, 50), root(&forked, 50), root(&forked, 60)] {
        assert!(sides.contains(&side), "{sides:?}");
    }
    assert_eq!(world.node.nonce(relay().address()).await, 1);
}

#[tokio::test]
async fn what_we_sign_is_what_the_contract_says_is_signed() {
    let Some(world) = World::start("message", authority().address()).await else { return };
    let log = Log::grown("a", 9);
    let claim = firmlog_anchor::contract::Claim {
        head: log.head(9),
        checkpoint_hash: B256::repeat_byte(3),
    };
    let call = FirmwareAnchor::checkpointMessageCall {
        logId: log_id(ORIGIN),
        root: log.head(9).root.0.into(),
        size: 9,
        checkpointHash: claim.checkpoint_hash,
    };
    let input: Bytes = call.abi_encode().into();
    let request = json!([{"to": world.deployment.contract, "input": input}, "latest"]);
    let data = world.node.ask("eth_call", request).await;
    let data: Bytes = serde_json::from_value(data).expect("bytes");
    let told = FirmwareAnchor::checkpointMessageCall::abi_decode_returns(&data).expect("bytes");
    assert_eq!(&told[..], world.deployment.message(log_id(ORIGIN), &claim));
}

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// When a node has a transaction, the journal has it, and says nothing of its having been sent.
fn look_into_the_journal(point: Point) {
    let dir = FOLDER.get().expect("is set");
    let flight = journal::read(dir).expect("reads").and_then(|state| state.flight);
    match point {
        Point::Signed => assert_eq!(flight, None),
        Point::Sent => {
            let newest = flight.expect("in flight").attempts.pop().expect("an attempt");
            assert_eq!((keccak256(&newest.raw), newest.sent), (newest.tx, false));
        }
        _ => {}
    }
}

#[tokio::test]
async fn anc_2_the_journal_has_what_a_node_has() {
    let Some(world) = World::start("journalled", authority().address()).await else { return };
    let log = Log::grown("a", 100);
    let settings = world.settings();
    FOLDER.set(settings.dir.clone()).expect("set once");
    let by = Authority::Secp256k1(authority());
    let all = providers(&[world.node.url()], None, false);
    let mut client =
        Client::open_probed(settings, all, relay(), by, look_into_the_journal).expect("opens");
    client.want(&log.note(10)).expect("wanted");
    world.drive(&mut client, &log, is_final(10)).await;
}

/// A key made for this test.
const P256_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg/MjzDrUDBpPD5jej
w4buCgWIthtuHlVvHjPXvPV80f+hRANCAASvIAZa8xCX+yq0pmGcY9NrmVfGFIz5
bBu9Rq20QiC5NCEqaCCg9rhZSi4M8a3/3/aI161bHzSG9Y6ofWy7sgdr
-----END PRIVATE KEY-----
";

#[tokio::test]
async fn evidence_is_led_on_to_a_later_block_and_no_other() {
    let Some(world) = World::start("extend", authority().address()).await else { return };
    let log = Log::grown("a", 10);
    let mut client = world.client();
    client.want(&log.note(10)).expect("wanted");
    world.drive(&mut client, &log, is_final(10)).await;
    let bytes = std::fs::read(world.dir.path().join("anchor/final/10.evm")).expect("evidence");
    let first = EvmEvidence::parse(&bytes).expect("its one form");
    world.node.mine(70).await;
    let later = world.node.head().await;
    let all = providers(&[world.node.url()], None, false);
    let told = world.node.ask("eth_getBlockByNumber", json!([format!("0x{later:x}"), false])).await;
    let hash: B256 = serde_json::from_value(told["hash"].clone()).expect("a hash");
    let mut evidence = first.clone();
    // Another hash: nothing is added.
    let other = extend(&all, &mut evidence, later, B256::repeat_byte(1), |_| {}).await;
    assert!(other.expect_err("another block").to_string().contains("expected hash"));
    assert_eq!(evidence, first);
    // In two steps, as somebody pins now and then.
    let half = later - 40;
    let told = world.node.ask("eth_getBlockByNumber", json!([format!("0x{half:x}"), false])).await;
    let half_hash = serde_json::from_value(told["hash"].clone()).expect("a hash");
    let some = extend(&all, &mut evidence, half, half_hash, |_| {}).await.expect("leads there");
    let more = extend(&all, &mut evidence, later, hash, |_| {}).await.expect("leads there");
    assert_eq!((some + more, more), (evidence.descendants.len(), 40));
    let mut pins = EvmPins::default();
    pins.contracts.push(ContractPin {
        chain_id: world.deployment.chain_id,
        address: world.deployment.contract.into(),
        code_hash: None,
    });
    pins.blocks.push(BlockPin { chain_id: world.deployment.chain_id, number: later, hash: hash.0 });
    assert!(!verify_evm(&first, &pins).expect("sound").is_anchored());
    let parsed = EvmEvidence::parse(&evidence.encode()).expect("its one form");
    assert!(verify_evm(&parsed, &pins).expect("sound").is_anchored());
    // Backwards, and further than evidence may reach.
    for number in [half, later + 50_400] {
        assert!(extend(&all, &mut evidence, number, hash, |_| {}).await.is_err());
    }
    // A chain that forked before the anchor does not lead from it.
    let anchored = parse_header(&first.header).expect("a header").number;
    world.node.ask("anvil_reorg", json!([later - anchored + 2, []])).await;
    let told = world.node.ask("eth_getBlockByNumber", json!([format!("0x{later:x}"), false])).await;
    let hash = serde_json::from_value(told["hash"].clone()).expect("a hash");
    let mut evidence = first.clone();
    let other = extend(&all, &mut evidence, later, hash, |_| {}).await;
    assert!(other.expect_err("another chain").to_string().contains("does not follow"));
    assert_eq!(evidence, first);
}
