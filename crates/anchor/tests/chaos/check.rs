//! What must hold, by the chain's own word.

use std::collections::BTreeSet;

use alloy::sol_types::SolEvent;
use firmlog_anchor::contract::{FirmwareAnchor, log_id};
use serde_json::{Value, json};

use crate::round::{Chaos, Claimed, FAULTS};
use crate::world::{ORIGIN, relay};

impl Chaos {
    /// What a client called final is in a block that the chain has.
    pub(crate) async fn check_claim(&self, claim: &Claimed) {
        let receipt = self.world.node.ask("eth_getTransactionReceipt", json!([claim.tx])).await;
        assert_eq!(receipt["blockHash"].as_str(), Some(claim.hash.as_str()), "{claim:?}");
        assert_eq!(receipt["status"], "0x1", "{claim:?}");
        let number = json!([format!("0x{:x}", claim.block), false]);
        let block = self.world.node.ask("eth_getBlockByNumber", number).await;
        assert_eq!(block["hash"].as_str(), Some(claim.hash.as_str()), "{claim:?}");
    }

    /// After all rounds.
    pub(crate) async fn check(&self) {
        let filter = json!([{
            "address": self.world.deployment.contract,
            "topics": [FirmwareAnchor::Anchored::SIGNATURE_HASH, log_id(ORIGIN)],
            "fromBlock": "0x0",
            "toBlock": "latest",
        }]);
        let logs = self.world.node.ask("eth_getLogs", filter).await;
        let logs: Vec<Value> = logs.as_array().expect("a list").clone();
        let size = |log: &Value| {
            let topic = log["topics"][2].as_str().expect("a size").trim_start_matches("0x");
            u64::from_str_radix(topic.trim_start_matches('0'), 16).expect("a number")
        };
        let anchored: Vec<u64> = logs.iter().map(size).collect();
        // One event for each transaction the account ever paid for, each of another tree.
        let paid = self.world.node.nonce(relay().address()).await;
        assert_eq!(paid, anchored.len() as u64, "transactions that anchored nothing");
        assert!(anchored.is_sorted_by(|a, b| a < b), "anchored twice: {anchored:?}");
        let last = anchored.last().copied().unwrap_or_default();
        let lost = self.wanted.iter().filter(|size| **size > last).count();
        assert_eq!(lost, 0, "wanted and not covered");
        let strange: Vec<&u64> =
            anchored.iter().filter(|size| !self.wanted.contains(size)).collect();
        assert!(strange.is_empty(), "anchored and not wanted: {strange:?}");
        for claim in &self.claimed {
            self.check_claim(claim).await;
        }
        self.tell(&anchored);
    }

    fn tell(&self, anchored: &[u64]) {
        let anchored: BTreeSet<u64> = anchored.iter().copied().collect();
        let covered = self.wanted.iter().filter(|size| !anchored.contains(size)).count();
        let faults: Vec<String> = FAULTS
            .iter()
            .zip(self.counts)
            .map(|(fault, count)| format!("{count} {fault:?}"))
            .collect();
        println!("faults: {}", faults.join(", "));
        println!("waited: {:?}", self.waits);
        println!(
            "{} clients died at a point, {} were killed; {} blocks forked away, {} anchors with them",
            self.died, self.killed, self.blocks_forked, self.vanished
        );
        println!(
            "chaos: {} rounds, seed {}, {} s: {} checkpoints wanted, {} anchored, {covered} covered \
             by newer ones; {} called final; 0 lost, 0 doubled, 0 final that are not",
            self.rounds,
            self.seed,
            self.started.elapsed().as_secs(),
            self.wanted.len(),
            anchored.len(),
            self.claimed.len()
        );
    }
}
