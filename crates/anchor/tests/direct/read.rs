//! Reading back: an index that survives forks, short ranges and lies.

use std::time::Duration;

use alloy::primitives::B256;
use firmlog_anchor::AnchorError;
use firmlog_anchor::contract::Deployment;
use firmlog_anchor::direct::contract::device_key;
use firmlog_anchor::direct::index::Index;
use firmlog_anchor::finding::Kind;
use serde_json::json;

use crate::desk::{DEVICE, Desk};
use crate::world::node::EPOCH;
use crate::world::proxy::{Mood, Proxy};
use crate::world::{providers, rich};

async fn desk(test: &str) -> Option<Desk> {
    let desk = Desk::start(test).await?;
    desk.enrol(rich().address(), true, true).await;
    Some(desk)
}

#[tokio::test]
async fn dir_4_the_index_takes_back_what_a_fork_took() {
    let Some(desk) = desk("index fork").await else { return };
    let all = desk.providers();
    desk.other(1, "1").await;
    desk.node.mine(2 * EPOCH + 2).await;
    desk.other(2, "2").await;
    let history = desk.history(&all).await;
    assert!(history.findings.is_empty(), "{:?}", history.findings);
    let finals: Vec<bool> = history.records.iter().map(|line| line.is_final).collect();
    assert_eq!(finals, [true, false]);
    // Other blocks in place of the newest ones, without the second record.
    desk.node.ask("anvil_reorg", json!([3, []])).await;
    desk.node.mine(1).await;
    let history = desk.history(&all).await;
    assert!(history.findings.is_empty(), "{:?}", history.findings);
    assert_eq!((history.count, history.rolled_back), (1, 1));
    // The chain goes on; what was read becomes final without being read again.
    desk.other(3, "3").await;
    assert_eq!(desk.history(&all).await.rolled_back, 0);
    desk.node.mine(2 * EPOCH + 2).await;
    let history = desk.history(&all).await;
    assert!(history.findings.is_empty() && history.records.iter().all(|line| line.is_final));
    assert_eq!(history.records[1].record.version, "3");
    assert_eq!(desk.index().size().expect("counts"), (2, 1));
}

#[tokio::test]
async fn dir_4_a_final_block_that_is_gone_is_a_finding() {
    let Some(desk) = desk("index finality").await else { return };
    let mark = desk.node.ask("evm_snapshot", json!([])).await;
    desk.other(1, "1").await;
    desk.node.mine(2 * EPOCH + 4).await;
    assert_eq!(desk.history(&desk.providers()).await.count, 1);
    desk.node.ask("evm_revert", json!([mark])).await;
    desk.node.ask("evm_increaseTime", json!([5])).await;
    desk.node.mine(4 * EPOCH).await;
    let mut index = desk.index();
    let error = index.follow(&desk.providers(), |_, _| {}).await.expect_err("broken");
    assert!(error.to_string().contains("was final"), "{error}");
    assert_eq!(findings(&desk), ["finality-broken"]);
    // An operator who accepts the other chain reads it from the start.
    index.clear().expect("clears");
    index.follow(&desk.providers(), |_, _| {}).await.expect("reads");
    assert_eq!(index.size().expect("counts"), (0, 0));
}

#[tokio::test]
async fn dir_5_events_that_a_provider_leaves_out_are_missed() {
    let Some(desk) = desk("index lies").await else { return };
    for n in 1..4 {
        desk.other(n, "1").await;
    }
    desk.node.mine(2 * EPOCH + 2).await;
    let proxy = Proxy::start(&desk.node.url()).await;
    proxy.set(Mood::FewerLogs);
    let alone = providers(&[proxy.url()], None, false);
    let history = desk.history(&alone).await;
    let kinds: Vec<Kind> = history.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::EventMissing]);
    assert!(history.is_chain() && !history.has_all_events() && history.agrees());
    assert!(history.records[2].tx.is_none() && !history.records[2].is_final);
    assert_eq!(history.findings[0].ours["record"]["nonce"], 2);
    assert_eq!(findings(&desk), ["event-missing"]);
    // One more, and the liar is contradicted: progress stops, or it is outvoted.
    let url = desk.node.url();
    let mut index = desk.index();
    index.clear().expect("clears");
    let two = providers(&[proxy.url(), url.clone()], None, false);
    let error = index.follow(&two, |_, _| {}).await.expect_err("they disagree");
    assert!(matches!(error, AnchorError::Providers(_)), "{error}");
    let three = providers(&[url.clone(), proxy.url(), url], None, true);
    let history = desk.history(&three).await;
    assert!(history.findings.is_empty() && history.records.len() == 3);
}

#[tokio::test]
async fn dir_5_events_that_are_not_of_the_contract_are_surplus() {
    let Some(desk) = desk("index surplus").await else { return };
    desk.other(1, "1").await;
    let honest = desk.history(&desk.providers()).await;
    // What a provider could have told: the record's event twice, and one of a record there is not.
    let index = desk.dir.path().join("direct/updates.db");
    let database = rusqlite::Connection::open(index).expect("opens");
    let copy = "INSERT INTO events SELECT block_number, log_index + ?1, block_hash, tx, device_key,
        nonce + ?2, update_hash, previous, firmware_hash, version || ?3, timestamp, logged_at,
        outcome, authorised_by, content_cid FROM events WHERE log_index = ?4";
    let first: i64 =
        database.query_row("SELECT log_index FROM events", [], |row| row.get(0)).expect("one");
    database.execute(copy, rusqlite::params![10, 0, "", first]).expect("inserts");
    database.execute(copy, rusqlite::params![20, 7, "", first]).expect("inserts");
    let history = desk.history(&desk.providers()).await;
    let kinds: Vec<Kind> = history.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::EventSurplus, Kind::EventSurplus]);
    assert_eq!(history.records, honest.records);
    // And another version than the contract has.
    database
        .execute("UPDATE events SET version = '9' WHERE log_index = ?", [first])
        .expect("updates");
    let history = desk.history(&desk.providers()).await;
    assert!(!history.agrees());
    assert_eq!(history.findings[0].ours["record"]["version"], "1");
    assert_eq!(history.findings[0].theirs["record"]["version"], "9");
    let names = findings(&desk);
    assert!(names.contains(&"record-differs".into()), "{names:?}");
}

#[tokio::test]
async fn dir_3_ranges_are_halved_until_a_provider_takes_them() {
    let Some(desk) = desk("index ranges").await else { return };
    for n in 1..5 {
        desk.other(n, "1").await;
        desk.node.mine(9).await;
    }
    let proxy = Proxy::start(&desk.node.url()).await;
    proxy.set(Mood::ShortRanges);
    let short = providers(&[proxy.url()], None, false);
    let mut asked = Vec::new();
    let mut index = desk.index();
    index.follow(&short, |at, _| asked.push(at)).await.expect("reads");
    assert!(asked.len() > 10, "{asked:?}");
    assert_eq!(index.size().expect("counts"), (4, 1));
    let events = index.events(device_key(DEVICE), 0, u64::MAX, 99).expect("reads");
    let again = desk.history(&desk.providers()).await;
    assert!(again.findings.is_empty());
    let hashes: Vec<Option<B256>> = again.records.iter().map(|line| line.update_hash).collect();
    let told: Vec<Option<B256>> =
        events.iter().map(|placed| Some(placed.event.update_hash)).collect();
    assert_eq!(hashes, told);
    // Where nobody answers, halving ends.
    proxy.set(Mood::Off);
    let off = tokio::time::timeout(Duration::from_secs(20), index.follow(&short, |_, _| {}));
    assert!(matches!(off.await.expect("ends"), Err(AnchorError::Providers(_))));
}

#[tokio::test]
async fn histories_longer_than_a_page_are_read_whole() {
    let Some(desk) = desk("index pages").await else { return };
    for n in 1..104 {
        desk.other(n, "1").await;
    }
    let history = desk.history(&desk.providers()).await;
    assert!(history.findings.is_empty(), "{:?}", history.findings);
    assert_eq!((history.count, history.records.len()), (103, 103));
    assert_eq!(history.records.last().expect("one").update_hash, Some(history.newest_hash));
}

#[tokio::test]
async fn an_index_of_something_else_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let here = Deployment { chain_id: 1, contract: rich().address() };
    drop(Index::open(dir.path(), here, 5).expect("makes it"));
    for other in
        [Deployment { chain_id: 2, ..here }, Deployment { contract: [9; 20].into(), ..here }]
    {
        let error = Index::open(dir.path(), other, 5).expect_err("another");
        assert!(error.to_string().contains("remove it"), "{error}");
    }
    // One that starts later than asked for is begun afresh; earlier is more than asked for.
    drop(Index::open(dir.path(), here, 3).expect("opens"));
    drop(Index::open(dir.path(), here, 9).expect("opens"));
    std::fs::write(dir.path().join("updates.db"), "not a database, and long enough to be one")
        .expect("writes");
    let error = Index::open(dir.path(), here, 5).expect_err("damaged");
    assert!(matches!(error, AnchorError::Damaged { .. }), "{error}");
}

fn findings(desk: &Desk) -> Vec<String> {
    let files = std::fs::read_dir(desk.dir.path().join("direct/findings")).expect("lists");
    let name = |file: std::io::Result<std::fs::DirEntry>| {
        let name = file.expect("a file").file_name().to_string_lossy().into_owned();
        name.rsplit_once('-').map(|(kind, _)| kind.to_owned())
    };
    files.filter_map(name).collect()
}
