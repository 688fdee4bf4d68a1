//! `cast`, which shares no code with ours: it reads what we wrote, and we read what it wrote.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use alloy::primitives::B256;
use serde_json::Value;

use crate::desk::{DEVICE, Desk, is_over, update};
use crate::world::{node, relay, rich};

fn cast(program: &Path, desk: &Desk, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .args(["--rpc-url", &desk.node.url()])
        .output()
        .expect("cast runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cast {args:?}: {told}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn dir_6_cast_reads_our_records_and_we_read_its() {
    let Some(program) = node::cast("direct foreign") else { return };
    let Some(desk) = Desk::start("direct foreign").await else { return };
    desk.enrol(rich().address(), true, true).await;
    let mut client = desk.sender();
    client.want(update(1, "1.0"), false).expect("wanted");
    desk.drive(&mut client, is_over).await;
    let contract = desk.deployment.contract.to_string();
    let previous =
        cast(&program, &desk, &["call", &contract, "previousUpdateHash(string)(bytes32)", DEVICE]);
    let firmware = B256::repeat_byte(2).to_string();
    let sent = format!("({DEVICE},{firmware},2.0,1700000000,0x,2,{previous})");
    let function =
        "logFirmwareUpdateSigned((string,bytes32,string,uint64,bytes,uint8,bytes32),bytes)";
    let from = rich().address().to_string();
    let mining = desk.node.mine_along(Duration::from_millis(20));
    let args = ["send", "--unlocked", "--json", "--from", &from, &contract, function, &sent, "0x"];
    let receipt: Value = serde_json::from_str(&cast(&program, &desk, &args)).expect("JSON");
    mining.stop().await;
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    let history = desk.history(&desk.providers()).await;
    assert!(history.findings.is_empty(), "{:?}", history.findings);
    assert_eq!(
        history.records[1].tx.expect("a transaction").to_string(),
        receipt["transactionHash"]
    );
    // Field by field, as cast decodes what the contract tells.
    let kind = "getUpdateHistory(string,uint64,uint64)\
                ((bytes32,bytes32,bytes,string,uint64,uint64,uint8,address)[])";
    let told = cast(&program, &desk, &["call", "--json", &contract, kind, DEVICE, "0", "9"]);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let told = told[0].to_string();
    for line in &history.records {
        let record = &line.record;
        for word in [
            record.firmware_hash.to_string(),
            record.previous.to_string(),
            record.version.clone(),
            record.timestamp.to_string(),
            record.logged_at.to_string(),
            record.authorised_by.to_string(),
        ] {
            let known = told.to_lowercase().contains(&word.to_lowercase());
            assert!(known, "{word} is not in {told}");
        }
    }
    let newest =
        cast(&program, &desk, &["call", &contract, "previousUpdateHash(string)(bytes32)", DEVICE]);
    assert_eq!(history.records[1].update_hash.expect("a hash").to_string(), newest);
    assert_eq!(history.records[0].record.authorised_by, relay().address());
}
