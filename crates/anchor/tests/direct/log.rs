//! Logging: each kind of authority, once only, refusals in words, reorganisations.

use alloy::primitives::{B256, Bytes};
use firmlog_anchor::direct::contract::{FirmwareUpdateLog, Outcome, Update, message};
use firmlog_anchor::direct::{Progress, cid};
use firmlog_anchor::{AnchorError, Authority, Waiting};
use firmlog_keys::{Algorithm, FileKey};
use serde_json::{Value, json};

use crate::desk::{DEVICE, Desk, is_over, update};
use crate::world::{authority, relay};

const CID: &str = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq";

#[tokio::test]
async fn each_kind_of_authority_logs_and_keeps_its_transaction() {
    let Some(desk) = Desk::start("direct authorities").await else { return };
    let p256 = FileKey::generate(Algorithm::P256).expect("a key");
    let kinds = [
        Authority::Sender(relay().address()),
        Authority::Secp256k1(authority()),
        Authority::P256(Box::new(p256)),
    ];
    let mut previous = B256::ZERO;
    for (place, by) in kinds.into_iter().enumerate() {
        let name = by.name().expect("a name");
        desk.enrol(name, true, true).await;
        let outcome = [Outcome::Success, Outcome::Failure, Outcome::Rollback][place];
        let content_cid = cid::parse(CID).expect("an id");
        let wanted = Update { outcome, content_cid, ..update(place as u8 + 1, "1.2.3") };
        let mut client = desk.client(by);
        client.want(wanted.clone(), false).expect("wanted");
        let Progress::Final(done) = desk.drive(&mut client, is_over).await else {
            panic!("not final")
        };
        let event = done.seen.event.expect("an event");
        assert_eq!((event.nonce, event.previous), (place as u64, previous));
        previous = event.update_hash;
        let kept = desk.dir.path().join(format!("direct/final/{}.json", done.seen.tx));
        let kept: Value =
            serde_json::from_slice(&std::fs::read(kept).expect("kept")).expect("JSON");
        assert_eq!(kept["seen"]["event"]["update_hash"], json!(previous));
        let asked =
            FirmwareUpdateLog::getUpdateDetailsCall { deviceId: DEVICE.into(), nonce: event.nonce };
        let told = desk.view(asked).await;
        assert_eq!((told.authorizedBy, told.status), (name, outcome.number()));
        assert_eq!(
            (told.firmwareHash, &told.contentCid),
            (wanted.firmware_hash, &wanted.content_cid)
        );
        assert_eq!(Some(told.timestamp), done.target.update.timestamp);
        // The message that was signed is the contract's own.
        let input = done.target.update.input(event.previous);
        let ours = message(&desk.deployment, &input);
        let theirs = desk.view(FirmwareUpdateLog::updateMessageCall { update: input }).await;
        assert_eq!(Bytes::from(ours), theirs);
    }
    assert_eq!(desk.node.nonce(relay().address()).await, 3);
    let history = desk.history(&desk.providers()).await;
    assert!(history.findings.is_empty(), "{:?}", history.findings);
    assert_eq!((history.count, history.newest_hash), (3, previous));
    assert_eq!(history.installed().expect("one").record.outcome, Outcome::Rollback);
}

#[tokio::test]
async fn dir_1_the_same_update_is_logged_once_unless_asked_for_again() {
    let Some(desk) = Desk::start("direct once").await else { return };
    desk.enrol(crate::world::rich().address(), true, true).await;
    let mut client = desk.sender();
    client.want(update(1, "1"), false).expect("wanted");
    assert!(matches!(client.step().await, Ok(Progress::Submitted { .. })));
    // Under way: the same is gone on with, another has to wait.
    client.want(update(1, "1"), false).expect("under way");
    let busy = client.want(update(2, "2"), false).expect_err("another");
    assert!(matches!(busy, AnchorError::Busy { .. }), "{busy}");
    drop(client);
    let mut client = desk.sender();
    assert_eq!(client.under_way().expect("it").update.firmware_hash, B256::repeat_byte(1));
    let Progress::Final(done) = desk.drive(&mut client, is_over).await else { panic!() };
    // Journal and folder lost: the contract still says it.
    for folder in ["direct", "elsewhere"] {
        let settings = crate::desk::settings(desk.deployment, desk.dir.path().join(folder));
        drop(client);
        let by = Authority::Sender(relay().address());
        client =
            firmlog_anchor::direct::Client::open(settings, None, desk.providers(), relay(), by)
                .expect("opens");
        client.want(update(1, "1"), false).expect("wanted");
        let Progress::Known(known) = desk.drive(&mut client, is_over).await else { panic!() };
        assert_eq!(known.tx, (folder == "direct").then_some(done.seen.tx));
    }
    assert_eq!(desk.count().await, 1);
    client.want(update(1, "1"), true).expect("wanted");
    assert!(matches!(desk.drive(&mut client, is_over).await, Progress::Final(_)));
    assert_eq!(desk.count().await, 2);
    // A record that is not final yet is waited for, at no cost.
    desk.other(3, "3").await;
    client.want(update(3, "3"), false).expect("wanted");
    let waits = client.step().await.expect("steps");
    assert!(matches!(waits, Progress::Waiting(Waiting::RecordFinality { nonce: 2 })), "{waits}");
    let known = desk.drive(&mut client, is_over).await;
    assert!(matches!(known, Progress::Known(known) if known.tx.is_none()));
    assert_eq!((desk.count().await, desk.node.nonce(relay().address()).await), (3, 2));
}

#[tokio::test]
async fn what_the_contract_refuses_is_told_before_gas_is_spent() {
    let Some(desk) = Desk::start("direct refusals").await else { return };
    desk.enrol(relay().address(), true, false).await;
    let mut client = desk.sender();
    let ahead = Some(u64::from(u32::MAX));
    let wrong = [
        (Update { outcome: Outcome::Rollback, ..update(1, "1") }, "rollbacks"),
        (Update { timestamp: ahead, ..update(1, "1") }, "ahead"),
        (Update { content_cid: Bytes::from_static(b"x"), ..update(1, "1") }, "content id"),
    ];
    for (update, word) in wrong {
        client.want(update, false).expect("wanted");
        let Progress::Refused(refused) = client.step().await.expect("steps") else { panic!() };
        assert!(refused.refusal.why.contains(word) && refused.tx.is_none(), "{refused:?}");
        assert!(client.under_way().is_none());
    }
    drop(client);
    // A signature by somebody who was never enrolled.
    let mut client = desk.client(Authority::Secp256k1(authority()));
    client.want(update(1, "1"), false).expect("wanted");
    let Progress::Refused(refused) = client.step().await.expect("steps") else { panic!() };
    assert!(refused.refusal.why.contains(&authority().address().to_string()), "{refused:?}");
    assert!(refused.refusal.next.contains("enrolAuthoriser"), "{refused:?}");
    drop(client);
    desk.call(FirmwareUpdateLog::pauseCall {}).await;
    let mut client = desk.sender();
    client.want(update(1, "1"), false).expect("wanted");
    let Progress::Refused(refused) = client.step().await.expect("steps") else { panic!() };
    assert!(refused.refusal.why.contains("paused"), "{refused:?}");
    assert_eq!(desk.node.nonce(relay().address()).await, 0);
    // No contract, no answer.
    let mut settings = desk.settings();
    settings.deployment.contract = relay().address();
    settings.dir = desk.dir.path().join("nowhere");
    let by = Authority::Sender(relay().address());
    let mut client =
        firmlog_anchor::direct::Client::open(settings, None, desk.providers(), relay(), by)
            .expect("opens");
    client.want(update(1, "1"), false).expect("wanted");
    let Progress::Refused(refused) = client.step().await.expect("steps") else { panic!() };
    assert!(refused.refusal.next.contains("direct.contract"), "{refused:?}");
}

#[tokio::test]
async fn dir_2_a_record_that_comes_first_is_a_refusal_with_both_hashes() {
    let Some(desk) = Desk::start("direct overtaken").await else { return };
    desk.enrol(crate::world::rich().address(), true, true).await;
    let mut client = desk.sender();
    client.want(update(1, "1"), false).expect("wanted");
    assert!(matches!(client.step().await, Ok(Progress::Submitted { .. })));
    desk.node.ask("anvil_dropAllTransactions", json!([])).await;
    desk.other(2, "2").await;
    let asked = FirmwareUpdateLog::previousUpdateHashCall { deviceId: DEVICE.into() };
    let expected = desk.view(asked).await.to_string();
    let Progress::Refused(refused) = desk.drive(&mut client, is_over).await else { panic!() };
    assert!(refused.tx.is_some());
    let why = &refused.refusal.why;
    assert!(why.contains(&expected) && why.contains(&B256::ZERO.to_string()), "{why}");
    let findings = std::fs::read_dir(desk.dir.path().join("direct/findings")).expect("lists");
    let names: Vec<String> =
        findings.map(|it| it.expect("a file").file_name().to_string_lossy().into()).collect();
    assert!(names.iter().any(|name| name.starts_with("reverted-")), "{names:?}");
    // On top of what is there now, it is taken.
    client.want(update(1, "1"), false).expect("wanted");
    assert!(matches!(desk.drive(&mut client, is_over).await, Progress::Final(_)));
    assert_eq!(desk.count().await, 2);
}

#[tokio::test]
async fn dir_1_a_record_that_a_fork_takes_is_sent_again_byte_for_byte() {
    let Some(desk) = Desk::start("direct fork").await else { return };
    let mut client = desk.sender();
    client.want(update(1, "1"), false).expect("wanted");
    assert!(matches!(client.step().await, Ok(Progress::Submitted { .. })));
    let mark = desk.node.ask("evm_snapshot", json!([])).await;
    desk.node.mine(2).await;
    let Ok(Progress::Mined { seen, .. }) = client.step().await else { panic!("not mined") };
    desk.node.ask("evm_revert", json!([mark])).await;
    desk.node.ask("anvil_dropAllTransactions", json!([])).await;
    desk.node.ask("evm_increaseTime", json!([5])).await;
    desk.node.mine(3).await;
    assert!(matches!(client.step().await, Ok(Progress::Submitted { tx, .. }) if tx == seen.tx));
    let Progress::Final(done) = desk.drive(&mut client, is_over).await else { panic!() };
    assert_eq!(done.seen.tx, seen.tx);
    assert_ne!(done.seen.block_hash, seen.block_hash);
    assert_eq!((desk.count().await, desk.node.nonce(relay().address()).await), (1, 1));
}

#[tokio::test]
async fn what_is_stuck_gets_higher_fees_under_the_same_nonce() {
    let Some(desk) = Desk::start("direct stuck").await else { return };
    let mut client = desk.sender();
    client.want(update(1, "1"), false).expect("wanted");
    let Ok(Progress::Submitted { tx, nonce, .. }) = client.step().await else { panic!() };
    // Blocks without it: its offer is below what they take.
    for _ in 0..6 {
        desk.node.ask("anvil_setNextBlockBaseFeePerGas", json!(["0x9502f9000"])).await;
        desk.node.mine(1).await;
    }
    let after = client.step().await.expect("steps");
    let Progress::Submitted { tx: newer, nonce: same, attempts } = after else { panic!("{after}") };
    assert!(newer != tx && same == nonce && attempts == 2, "{newer} {same} {attempts}");
    assert!(matches!(desk.drive(&mut client, is_over).await, Progress::Final(_)));
    assert_eq!((desk.count().await, desk.node.nonce(relay().address()).await), (1, 1));
}
