//! A node with `FirmwareUpdateLog` in it, and accounts that write.

use std::path::PathBuf;
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes};
use alloy::sol_types::{SolCall, SolConstructor};
use firmlog_anchor::contract::{Deployment, abi::AccessManager};
use firmlog_anchor::direct::contract::{FirmwareUpdateLog, Outcome, Update};
use firmlog_anchor::direct::history::{History, history};
use firmlog_anchor::direct::index::Index;
use firmlog_anchor::direct::{Client, Progress};
use firmlog_anchor::provider::Providers;
use firmlog_anchor::{Authority, Settings};
use serde_json::{Value, json};

use crate::world::node::{self, Node};
use crate::world::{limits, providers, relay, rich};

pub(crate) const DEVICE: &str = "pump-42";

pub(crate) struct Desk {
    pub(crate) node: Node,
    pub(crate) deployment: Deployment,
    pub(crate) dir: tempfile::TempDir,
}

impl Desk {
    /// Starts everything; nothing where there is no node to start. The relay's account may log and
    /// roll back.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        let node = Node::start(&node::program(test)?).await;
        let dir = tempfile::tempdir().expect("a folder");
        let deployment = Deployment { chain_id: node::CHAIN, contract: Address::ZERO };
        let mut desk = Self { node, deployment, dir };
        let manager = AccessManager::constructorCall { initialAdmin: rich().address() };
        let manager = desk.create(&AccessManager::BYTECODE, manager.abi_encode()).await;
        let log = FirmwareUpdateLog::constructorCall { manager }.abi_encode();
        desk.deployment.contract = desk.create(&FirmwareUpdateLog::BYTECODE, log).await;
        desk.enrol(relay().address(), true, true).await;
        desk.node.give(relay().address()).await;
        Some(desk)
    }

    async fn create(&self, code: &Bytes, arguments: Vec<u8>) -> Address {
        let data = Bytes::from([code.to_vec(), arguments].concat());
        let receipt = self.mined(json!({"from": rich().address(), "data": data})).await;
        serde_json::from_value(receipt["contractAddress"].clone()).expect("an address")
    }

    /// Sends from an account that the node signs for, and makes a block.
    async fn mined(&self, mut transaction: Value) -> Value {
        transaction["gas"] = json!("0x989680");
        let tx = self.node.ask("eth_sendTransaction", json!([transaction])).await;
        self.node.mine(1).await;
        let receipt = self.node.ask("eth_getTransactionReceipt", json!([tx])).await;
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        receipt
    }

    /// A call by the rich account, which is the contract's admin.
    pub(crate) async fn call(&self, call: impl SolCall) -> Value {
        let data = Bytes::from(call.abi_encode());
        let (from, to) = (rich().address(), self.deployment.contract);
        self.mined(json!({"from": from, "to": to, "data": data})).await
    }

    pub(crate) async fn enrol(&self, who: Address, may_log: bool, may_roll_back: bool) {
        let call = FirmwareUpdateLog::enrolAuthoriserCall {
            who,
            mayLog: may_log,
            mayRollBack: may_roll_back,
        };
        self.call(call).await;
    }

    /// A record written by somebody else's hand.
    pub(crate) async fn other(&self, firmware: u8, version: &str) -> Value {
        let call = FirmwareUpdateLog::logUpdateCall {
            firmwareHash: B256::repeat_byte(firmware),
            deviceId: DEVICE.into(),
            version: version.into(),
        };
        self.call(call).await
    }

    pub(crate) async fn view<C: SolCall>(&self, call: C) -> C::Return {
        let data = Bytes::from(call.abi_encode());
        let request = json!([{"to": self.deployment.contract, "input": data}, "latest"]);
        let data: Bytes =
            serde_json::from_value(self.node.ask("eth_call", request).await).expect("bytes");
        C::abi_decode_returns(&data).expect("an answer")
    }

    pub(crate) async fn count(&self) -> u64 {
        self.view(FirmwareUpdateLog::getUpdateCountCall { deviceId: DEVICE.into() }).await
    }

    pub(crate) fn settings(&self) -> Settings {
        settings(self.deployment, self.dir.path().join("direct"))
    }

    pub(crate) fn providers(&self) -> Providers {
        providers(&[self.node.url()], None, false)
    }

    pub(crate) fn client(&self, by: Authority) -> Client {
        Client::open(self.settings(), None, self.providers(), relay(), by).expect("opens")
    }

    pub(crate) fn sender(&self) -> Client {
        self.client(Authority::Sender(relay().address()))
    }

    /// Steps, each after a new block, until `done` or too many.
    pub(crate) async fn drive(
        &self,
        client: &mut Client,
        done: impl Fn(&Progress) -> bool,
    ) -> Progress {
        let mut last = Progress::Idle;
        for _ in 0..60 {
            last = client.step().await.expect("steps");
            if done(&last) {
                return last;
            }
            self.node.mine(1).await;
        }
        panic!("after 60 steps: {last}");
    }

    pub(crate) fn index(&self) -> Index {
        Index::open(&self.dir.path().join("direct"), self.deployment, 0).expect("opens")
    }

    pub(crate) async fn history(&self, all: &Providers) -> History {
        history(&mut self.index(), all, DEVICE, |_, _| {}).await.expect("reads")
    }
}

pub(crate) fn settings(deployment: Deployment, dir: PathBuf) -> Settings {
    Settings {
        deployment,
        origin: String::new(),
        dir,
        limits: limits(),
        stuck_s: 0,
        stuck_blocks: 4,
        resend: Duration::from_millis(100),
        gas_max: 1_000_000,
    }
}

pub(crate) fn update(firmware: u8, version: &str) -> Update {
    Update {
        device: DEVICE.into(),
        firmware_hash: B256::repeat_byte(firmware),
        version: version.into(),
        timestamp: None,
        content_cid: Bytes::new(),
        outcome: Outcome::Success,
    }
}

pub(crate) fn is_over(progress: &Progress) -> bool {
    matches!(progress, Progress::Final(_) | Progress::Known(_) | Progress::Refused(_))
}
