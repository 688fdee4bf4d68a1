//! A real node on loopback, a contract in it, and a log in memory.

#![expect(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod node;
pub(crate) mod proxy;

use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy::primitives::{Address, Bytes};
use firmlog_anchor::contract::Deployment;
use firmlog_anchor::deploy::{Deployed, Plan, deploy, register};
use firmlog_anchor::fees::Limits;
use firmlog_anchor::provider::Providers;
use firmlog_anchor::{Authority, Client, Sending, Settings, Status, Wallet};
use firmlog_keys::{FileKey, NoteKey};
use firmlog_tlog::checkpoint::{self, Checkpoint};
use firmlog_tlog::merkle::{
    Hash, NodeSource, TreeHead, TreeSize, consistency_proof, leaf_hash, node_hash, root,
};
use firmlog_tlog::note;
use node::Node;

pub(crate) const ORIGIN: &str = "log.example/pumps";
pub(crate) const GWEI: u64 = 1_000_000_000;

/// The first of the accounts that development nodes give money to.
const RICH: [u8; 32] = [
    0xac, 0x09, 0x74, 0xbe, 0xc3, 0x9a, 0x17, 0xe3, 0x6b, 0xa4, 0xa6, 0xb4, 0xd2, 0x38, 0xff, 0x94,
    0x4b, 0xac, 0xb4, 0x78, 0xcb, 0xed, 0x5e, 0xfc, 0xae, 0x78, 0x4d, 0x7b, 0xf4, 0xf2, 0xff, 0x80,
];

/// The account that deploys and registers.
pub(crate) fn rich() -> Wallet {
    Wallet::from_bytes(&RICH).expect("a key")
}

/// The account that anchors.
pub(crate) fn relay() -> Wallet {
    Wallet::from_bytes(&[0x11; 32]).expect("a key")
}

/// The log's authority.
pub(crate) fn authority() -> Wallet {
    Wallet::from_bytes(&[0x22; 32]).expect("a key")
}

/// A log in memory.
pub(crate) struct Log {
    pub(crate) origin: String,
    levels: Vec<Vec<Hash>>,
    signer: NoteKey<FileKey>,
}

impl Log {
    /// A log of `size` entries; another `salt` has other entries.
    pub(crate) fn grown(salt: &str, size: u64) -> Self {
        let leaf = |n: u64| leaf_hash(format!("{salt} {n}").as_bytes());
        let mut levels = vec![(0..size).map(leaf).collect::<Vec<_>>()];
        while let Some(below) = levels.last().filter(|below| below.len() > 1) {
            let above = below.chunks_exact(2).map(|p| node_hash(&p[0], &p[1])).collect();
            levels.push(above);
        }
        let key = FileKey::from_ed25519_seed(&[5; 32]).expect("a key");
        let signer = key.note_signer(ORIGIN, note::Algorithm::Ed25519).expect("a signer");
        Self { origin: ORIGIN.into(), levels, signer }
    }

    pub(crate) fn head(&self, size: u64) -> TreeHead {
        let size = TreeSize(size);
        TreeHead { size, root: root(self, size).expect("in the tree") }
    }

    pub(crate) fn note(&self, size: u64) -> String {
        let text = Checkpoint::new(&self.origin, self.head(size));
        checkpoint::sign(&text, &self.signer).expect("signs")
    }

    pub(crate) fn proof(&self, old: TreeSize, new: TreeSize) -> Vec<Hash> {
        consistency_proof(self, old, new).expect("in the tree")
    }
}

impl NodeSource for &Log {
    type Error = std::convert::Infallible;

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        Ok(self.levels[usize::from(level)][index as usize])
    }
}

/// A node with the contract in it.
pub(crate) struct World {
    pub(crate) node: Node,
    pub(crate) deployment: Deployment,
    pub(crate) deployed: Deployed,
    pub(crate) from_block: u64,
    pub(crate) dir: tempfile::TempDir,
}

impl World {
    /// Starts everything; nothing where there is no node to start.
    pub(crate) async fn start(test: &str, authority: Address) -> Option<Self> {
        let program = node::program(test)?;
        Some(Self::start_with(Node::start(&program).await, authority).await)
    }

    pub(crate) async fn start_with(node: Node, authority: Address) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let mining = node.mine_along(Duration::from_millis(10));
        let (chain_id, limits) = (node::CHAIN, limits());
        let providers = providers(&[node.url()], None, false);
        let (wallet, poll) = (rich(), Duration::from_millis(10));
        let sending = Sending {
            providers: &providers,
            wallet: &wallet,
            chain_id,
            limits: &limits,
            dir: dir.path(),
            poll,
        };
        let plan = Plan {
            members: vec![Bytes::copy_from_slice(wallet.address().as_slice())],
            p256_members: Vec::new(),
            threshold: 1,
            timelock_delay_s: 60,
            rotation_delay_s: 60,
            registrar: wallet.address(),
            revoker: wallet.address(),
            guardian: wallet.address(),
        };
        let made = deploy(&sending, &plan, |_| {}).await.expect("deploys");
        let deployment = Deployment { chain_id, contract: made.anchor };
        let is_new = register(&sending, &deployment, ORIGIN, authority, |_| {}).await;
        assert!(is_new.expect("registers"));
        mining.stop().await;
        node.give(relay().address()).await;
        Self { node, deployment, deployed: made, from_block: made.from_block, dir }
    }

    pub(crate) fn settings(&self) -> Settings {
        settings(self.deployment, &self.dir.path().join("anchor"))
    }

    /// A client with one provider, relay and secp256k1 authority.
    pub(crate) fn client(&self) -> Client {
        self.client_of(&[self.node.url()], None, false)
    }

    pub(crate) fn client_of(
        &self,
        urls: &[String],
        quorum: Option<usize>,
        outvote: bool,
    ) -> Client {
        let providers = providers(urls, quorum, outvote);
        let by = Authority::Secp256k1(authority());
        Client::open(self.settings(), providers, relay(), by).expect("opens")
    }

    /// Steps, each after a new block, until `done` or too many.
    pub(crate) async fn drive(
        &self,
        client: &mut Client,
        log: &Log,
        done: impl Fn(&Status) -> bool,
    ) -> Status {
        let mut last = Status::Idle;
        for _ in 0..60 {
            last = step(client, log).await;
            if done(&last) {
                return last;
            }
            self.node.mine(1).await;
        }
        panic!("after 60 steps: {last}");
    }
}

/// One step, and the proof it asks for.
pub(crate) async fn step(client: &mut Client, log: &Log) -> Status {
    loop {
        match client.step().await.expect("steps") {
            Status::NeedsProof { old, new } => client.prove(old, new, log.proof(old, new)),
            status => return status,
        }
    }
}

pub(crate) fn settings(deployment: Deployment, dir: &Path) -> Settings {
    Settings {
        deployment,
        origin: ORIGIN.into(),
        dir: PathBuf::from(dir),
        limits: limits(),
        stuck_s: 0,
        stuck_blocks: 4,
        resend: Duration::from_millis(200),
        gas_max: 1_000_000,
    }
}

pub(crate) fn limits() -> Limits {
    Limits { max_fee_wei: 100 * GWEI, tip_wei: GWEI }
}

pub(crate) fn providers(urls: &[String], quorum: Option<usize>, outvote: bool) -> Providers {
    Providers::new(urls, quorum, outvote, Duration::from_secs(5)).expect("providers")
}
