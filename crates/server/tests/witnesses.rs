//! What the log says of its witnesses while they go, and after a restart (API-003, API-064,
//! API-065).

mod world;

use std::path::Path;
use std::time::Duration;

use firmlog_keys::{Algorithm as KeyKind, FileKey};
use firmlog_server::WitnessServer;
use firmlog_tlog::note::{Algorithm, NoteSigner, VerifierKey};
use serde_json::Value;
use world::*;

/// A log with one witness.
async fn start(age_max_s: u64, dir: &Path) -> (World, WitnessServer) {
    let log_key = FileKey::generate(KeyKind::Ed25519).unwrap();
    let vkey = log_key.note_signer(ORIGIN, Algorithm::Ed25519).unwrap();
    let vkey: VerifierKey = *vkey.verifier_key();
    let signer = FileKey::generate(KeyKind::Ed25519).unwrap();
    let signer = signer.note_signer("w1", Algorithm::CosignatureV1).unwrap();
    let cosigner = *signer.verifier_key();
    let logs = vec![(ORIGIN.to_owned(), vec![vkey])];
    firmlog_log::witness::WitnessStore::init(&dir.join("w1"), &[ORIGIN]).unwrap();
    let store = firmlog_log::witness::WitnessStore::open(&dir.join("w1"), logs).unwrap();
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let witness = WitnessServer::start(any, store, Box::new(signer)).await.unwrap();
    let address = witness.address();
    let policy = format!("log {vkey}\nwitness w1 {cosigner} http://{address}\nquorum w1\n");
    std::fs::write(dir.join("policy"), policy).unwrap();
    let world = World::start_with_key(false, log_key, |config| {
        config.witnesses.policy.0 = Some(dir.join("policy"));
        config.witnesses.interval_ms = 20;
        config.witnesses.timeout_ms = 200;
        config.readiness.witnessed_age_max_s = age_max_s;
    });
    (world.await, witness)
}

async fn until(world: &World, quorum: &str) -> Value {
    for _ in 0..300 {
        let said = world.get("/api/v1/witnesses").await.json();
        if said["quorum"] == quorum {
            return said;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the quorum is never {quorum}");
}

/// An idle log is ready, and so is one whose first new entry just came in; one whose entries wait
/// too long is not, and its API and page say that the quorum is behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_witness_is_told_and_a_restart_forgets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (world, witness) = start(2, dir.path()).await;
    let said = until(&world, "met").await;
    assert_eq!(said["witnesses"][0]["cosigned"], true, "{said}");
    let served = world.get("/checkpoint").await.text();
    witness.stop().await;
    tokio::time::sleep(Duration::from_millis(3200)).await;
    assert_eq!(world.get("/readyz").await.status, 200, "idle");
    world.device().await;
    let ready = world.get("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.text());
    let said = until(&world, "behind").await;
    assert_eq!((&said["witnessed_size"], &said["size"]), (&"1".into(), &"2".into()), "{said}");
    let late = world.get("/readyz").await;
    assert_eq!(late.status, 503);
    assert!(late.text().contains("for 1 of 2 entries by w1"), "{}", late.text());
    let page = world.get("/").await.text();
    assert!(page.contains("for 1 of 2 entries. Newer entries wait for witnesses."), "{page}");

    let world = world.restart().await;
    let checkpoint = world.get("/checkpoint").await;
    assert_eq!(checkpoint.header("firmlog-witnessed"), Some("quorum"));
    assert_eq!(checkpoint.text(), served, "the last one with a quorum");
    assert_eq!(world.get("/api/v1/witnesses").await.json()["quorum"], "behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_checkpoint_that_does_not_hold_is_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let (world, witness) = start(300, dir.path()).await;
    until(&world, "met").await;
    witness.stop().await;
    let path = world.dir().join("data/witnessed");
    let kept = std::fs::read_to_string(&path).unwrap();
    let without = kept.lines().filter(|line| !line.starts_with("— w1 "));
    let without = without.map(|line| format!("{line}\n")).collect::<String>();
    let larger = kept.replacen("\n1\n", "\n9\n", 1);
    assert!(without != kept && larger != kept);
    let mut world = world;
    for spoilt in [without, larger, "nonsense".to_owned()] {
        std::fs::write(&path, &spoilt).unwrap();
        world = world.restart().await;
        let checkpoint = world.get("/checkpoint").await;
        assert_eq!(checkpoint.header("firmlog-witnessed"), Some("unmet"), "{spoilt}");
    }
    std::fs::write(&path, &kept).unwrap();
    let world = world.restart().await;
    assert_eq!(world.get("/checkpoint").await.text(), kept);
}
