//! One round: a checkpoint is wanted, something goes wrong, and it must be final in the end.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use firmlog_anchor::journal;
use serde_json::{Value, json};

use crate::client::{Order, POINTS};
use crate::world::node::{Mining, Node};
use crate::world::proxy::{Mood, Proxy};
use crate::world::{GWEI, World, authority, relay};

/// `finalized` is twice this far behind: a fork of 20 blocks never reaches it.
const EPOCH: u64 = 12;
const FORK_MAX: u64 = 20;
const BLOCK: Duration = Duration::from_millis(15);
/// A round that takes longer has lost its checkpoint.
const ROUND_MAX: Duration = Duration::from_secs(90);

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    KilledAtPoint,
    KilledAnyTime,
    Reverted,
    Reorganised,
    Dropped,
    FeeSpike,
    Liar,
    LiarNotOutvoted,
    Restarted,
    Newer,
}

pub(crate) const FAULTS: [Fault; 10] = [
    Fault::KilledAtPoint,
    Fault::KilledAnyTime,
    Fault::Reverted,
    Fault::Reorganised,
    Fault::Dropped,
    Fault::FeeSpike,
    Fault::Liar,
    Fault::LiarNotOutvoted,
    Fault::Restarted,
    Fault::Newer,
];

/// A line of a client: what it called final.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    pub(crate) size: u64,
    pub(crate) tx: String,
    pub(crate) block: u64,
    pub(crate) hash: String,
}

/// The world, and what happened in it.
pub(crate) struct Chaos {
    pub(crate) world: World,
    pub(crate) seed: u64,
    pub(crate) rounds: u64,
    pub(crate) wanted: Vec<u64>,
    pub(crate) claimed: Vec<Claimed>,
    pub(crate) counts: [u64; FAULTS.len()],
    pub(crate) waits: std::collections::BTreeMap<String, u64>,
    pub(crate) started: Instant,
    log: u64,
    proxies: [Proxy; 2],
    random: u64,
    mining: Option<Mining>,
    /// The highest block there ever was.
    highest: u64,
    /// Blocks that forks took back.
    pub(crate) blocks_forked: u64,
    /// Clients that died where they were told to, that were killed, that saw their anchor vanish.
    pub(crate) died: u64,
    pub(crate) killed: u64,
    pub(crate) vanished: u64,
    last_wait: String,
    /// The node's own file, from one start to the next; dropped after the node.
    _kept: tempfile::TempDir,
}

struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Chaos {
    pub(crate) async fn start(program: &Path, rounds: u64, seed: u64) -> Self {
        let kept = tempfile::tempdir().expect("a folder");
        let state = kept.path().join("state.json").display().to_string();
        // States in memory: what a node reads back from disk after a fork has no code in it.
        let more = ["--state", &state, "--prune-history", "200"];
        let node = Node::start_with(program, EPOCH, &more).await;
        let world = World::start_with(node, authority().address()).await;
        let url = world.node.url();
        let proxies = [Proxy::start(&url).await, Proxy::start(&url).await];
        let mining = Some(world.node.mine_along(BLOCK));
        Self {
            world,
            seed,
            rounds,
            wanted: Vec::new(),
            claimed: Vec::new(),
            counts: [0; FAULTS.len()],
            waits: std::collections::BTreeMap::new(),
            started: Instant::now(),
            log: rounds * 64 + 64,
            proxies,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            mining,
            highest: 0,
            blocks_forked: 0,
            died: 0,
            killed: 0,
            vanished: 0,
            last_wait: String::new(),
            _kept: kept,
        }
    }

    /// SplitMix64: the same seed makes the same plans, though not the same timing.
    fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    async fn nap(&mut self, limit_ms: u64) {
        let ms = self.below(limit_ms);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    fn order(&self, size: u64) -> Order {
        let mut urls = vec![self.world.node.url()];
        urls.extend(self.proxies.iter().map(Proxy::url));
        Order {
            dir: self.world.dir.path().join("anchor"),
            contract: self.world.deployment.contract,
            size,
            log: self.log,
            die: None,
            outvote: true,
            urls,
        }
    }

    fn next_size(&mut self) -> u64 {
        let size = self.wanted.last().copied().unwrap_or_default() + 1 + self.below(30);
        self.wanted.push(size);
        size
    }

    /// One checkpoint, one or two faults, and a clean run to the end.
    pub(crate) async fn round(&mut self, number: u64) {
        let began = Instant::now();
        let mut size = self.next_size();
        // The first rounds take each fault in turn; a second one comes along now and then.
        let mut faults = vec![FAULTS[number as usize % FAULTS.len()]];
        if self.below(3) == 0 {
            let other = self.below(FAULTS.len() as u64) as usize;
            faults.push(FAULTS[other]);
        }
        for fault in &faults {
            self.counts[FAULTS.iter().position(|it| it == fault).unwrap_or_default()] += 1;
            size = self.fault(*fault, size).await;
        }
        self.proxies[0].set(Mood::Honest);
        let mut running = self.run(&self.order(size));
        while !matches!(running.child.try_wait(), Ok(Some(_))) {
            let late = began.elapsed() > ROUND_MAX;
            if late {
                self.end(running);
                self.tell_stuck().await;
                panic!("round {number} {faults:?}: {size} is not final in time");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let status = running.child.wait().expect("ended");
        assert!(status.success(), "round {number} {faults:?}: the client ended with {status}");
        self.read(&running);
        let last = self.claimed.last().expect("it says what is final");
        assert_eq!(last.size, size, "round {number} {faults:?}");
        self.check_claim(last).await;
        eprintln!("round {number:>3} {size:>6} {:>5} ms {faults:?}", began.elapsed().as_millis());
    }

    async fn fault(&mut self, fault: Fault, size: u64) -> u64 {
        let mut order = self.order(size);
        match fault {
            Fault::KilledAtPoint => {
                // Every point in turn, all on the way of one checkpoint.
                for point in 0..POINTS.len() {
                    order.die = Some((point, 0));
                    let running = self.run(&order);
                    self.watch(running, 1500).await;
                }
            }
            Fault::KilledAnyTime => {
                for _ in 0..3 {
                    let running = self.run(&order);
                    let ms = self.below(500);
                    self.watch(running, ms).await;
                }
            }
            Fault::Reverted | Fault::Reorganised => {
                self.pause().await;
                let mark = self.world.node.ask("evm_snapshot", json!([])).await;
                let running = self.run(&order);
                tokio::time::sleep(Duration::from_millis(150)).await;
                self.fork((fault == Fault::Reverted).then_some(mark)).await;
                self.resume();
                self.watch(running, 400).await;
            }
            Fault::Dropped => {
                self.pause().await;
                let running = self.run(&order);
                self.nap(400).await;
                self.world.node.ask("anvil_dropAllTransactions", json!([])).await;
                self.resume();
                self.nap(300).await;
                self.end(running);
            }
            Fault::FeeSpike => {
                self.pause().await;
                let running = self.run(&order);
                let gwei = 20 + self.below(300);
                for _ in 0..6 {
                    self.base_fee(gwei).await;
                    self.world.node.mine(1).await;
                    self.nap(80).await;
                }
                self.base_fee(1).await;
                self.world.node.mine(1).await;
                self.resume();
                self.nap(200).await;
                self.end(running);
            }
            Fault::Liar => {
                let moods = [
                    Mood::FakeReceipts,
                    Mood::NoReceipts,
                    Mood::OtherBlock,
                    Mood::OtherHead,
                    Mood::Off,
                ];
                let mood = moods[self.below(moods.len() as u64) as usize];
                self.proxies[0].set(mood);
                let running = self.run(&order);
                let ms = 400 + self.below(1000);
                self.watch(running, ms).await;
            }
            Fault::LiarNotOutvoted => self.strict(order).await,
            Fault::Restarted => {
                let running = self.run(&order);
                self.nap(400).await;
                self.pause().await;
                self.world.node.restart().await;
                self.resume();
                self.nap(300).await;
                self.end(running);
            }
            Fault::Newer => {
                // With blocks standing still: both are in flight, under one nonce.
                self.pause().await;
                let running = self.run(&order);
                self.watch(running, 300).await;
                let size = self.next_size();
                let running = self.run(&self.order(size));
                self.watch(running, 300).await;
                self.resume();
                return size;
            }
        }
        size
    }

    /// Nobody is outvoted: as long as the liar lies, nothing becomes final.
    async fn strict(&mut self, mut order: Order) {
        order.outvote = false;
        order.urls.truncate(2);
        self.proxies[0].set(Mood::OtherBlock);
        // An earlier fault of this round may have left it final already.
        let done = journal::read(&order.dir).expect("reads").and_then(|state| state.done);
        let done = done.is_some_and(|it| it.target.size >= order.size);
        let before = self.claimed.len();
        let running = self.run(&order);
        self.watch(running, 1200).await;
        let after = self.claimed.len();
        assert!(done || before == after, "final, against what one of two providers says");
        self.proxies[0].set(Mood::Honest);
    }

    /// 1 to 20 blocks, and then others in their place, never below what was final at any time.
    async fn fork(&mut self, mark: Option<Value>) {
        let blocks = 1 + self.below(FORK_MAX);
        for _ in 0..blocks {
            self.world.node.mine(1).await;
            tokio::time::sleep(BLOCK).await;
        }
        let head = self.world.node.head().await;
        self.highest = self.highest.max(head);
        self.blocks_forked += blocks;
        if let Some(mark) = mark {
            self.world.node.ask("evm_revert", json!([mark])).await;
            // The other branch is another one.
            self.world.node.ask("evm_increaseTime", json!([5])).await;
        } else {
            let kept = self.highest.saturating_sub(2 * EPOCH) + 1;
            let depth = blocks.min(head.saturating_sub(kept)).max(1);
            self.world.node.ask("anvil_reorg", json!([depth, []])).await;
        }
        tokio::time::sleep(4 * BLOCK).await;
    }

    /// What there is to see when a round does not end.
    async fn tell_stuck(&self) {
        let journal = self.world.dir.path().join("anchor/journal.json");
        eprintln!("{}", std::fs::read_to_string(journal).unwrap_or_default());
        for (method, params) in [
            ("eth_getBlockByNumber", json!(["latest", false])),
            ("eth_getBlockByNumber", json!(["finalized", false])),
            ("eth_getTransactionCount", json!([relay().address(), "latest"])),
            ("txpool_content", json!([])),
        ] {
            eprintln!("{method} {params}: {}", self.world.node.ask(method, params.clone()).await);
        }
        eprintln!("waited: {:?}, last {}", self.waits, self.last_wait);
    }

    async fn base_fee(&self, gwei: u64) {
        let wei = json!([format!("0x{:x}", gwei * GWEI)]);
        self.world.node.ask("anvil_setNextBlockBaseFeePerGas", wei).await;
    }

    async fn pause(&mut self) {
        if let Some(mining) = self.mining.take() {
            mining.stop().await;
        }
    }

    fn resume(&mut self) {
        self.mining = Some(self.world.node.mine_along(BLOCK));
    }

    fn run(&self, order: &Order) -> Running {
        let me = std::env::current_exe().expect("a program");
        let mut child = Command::new(me)
            .args(order.args())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the client starts");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Running { child, lines }
    }

    /// Lets it run for a while, and then no longer.
    async fn watch(&mut self, mut running: Running, ms: u64) {
        let until = Instant::now() + Duration::from_millis(ms);
        while Instant::now() < until && matches!(running.child.try_wait(), Ok(None)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.end(running);
    }

    /// Kill −9, by its id; what it said before counts.
    fn end(&mut self, mut running: Running) {
        match running.child.try_wait() {
            Ok(Some(status)) if status.signal() == Some(9) => self.died += 1,
            Ok(Some(status)) => assert!(status.success(), "the client ended with {status}"),
            _ => self.killed += 1,
        }
        drop(running.child.kill());
        drop(running.child.wait());
        self.read(&running);
    }

    fn read(&mut self, running: &Running) {
        // The reader ends with the pipe, which ends with the process.
        while let Ok(line) = running.lines.recv_timeout(Duration::from_secs(5)) {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["final" | "early", size, tx, block, hash] => self.claimed.push(Claimed {
                    size: size.parse().expect("a size"),
                    tx: (*tx).to_owned(),
                    block: block.parse().expect("a number"),
                    hash: (*hash).to_owned(),
                }),
                ["vanished"] => self.vanished += 1,
                ["waiting", word, ..] => {
                    *self.waits.entry((*word).to_owned()).or_default() += 1;
                    self.last_wait.clone_from(&line);
                }
                _ => panic!("the client said {line:?}"),
            }
        }
    }
}
