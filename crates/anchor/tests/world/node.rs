//! anvil, started on loopback and stopped by its own process id.

#[path = "../../../../xtask/src/ports.rs"]
mod ports;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use firmlog_anchor::contract::Address;
use firmlog_anchor::provider::Provider;
use serde_json::{Value, json};

/// anvil's usual chain.
pub(crate) const CHAIN: u64 = 31337;
/// `finalized` is twice this many blocks behind.
pub(crate) const EPOCH: u64 = 4;

/// The node's program, as `cargo xtask test` gives it.
pub(crate) fn program(test: &str) -> Option<PathBuf> {
    let given = std::env::var_os("FIRMLOG_ANVIL").map(PathBuf::from);
    there(test, given.or_else(|| installed("anvil")))
}

/// `cast`, a client that shares no code with ours.
pub(crate) fn cast(test: &str) -> Option<PathBuf> {
    there(test, installed("cast"))
}

fn there(test: &str, found: Option<PathBuf>) -> Option<PathBuf> {
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{test}: no node, and CI is set");
        eprintln!("skipped: {test}: no node; `cargo xtask setup contracts` installs it");
    }
    found
}

/// Where `cargo xtask setup` puts it.
fn installed(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let packages = std::fs::read_dir(root.join("contracts/node_modules/@foundry-rs")).ok()?;
    let programs = packages.flatten().map(|package| package.path().join("bin").join(name));
    programs.filter(|program| program.starts_with(&root) && program.is_file()).find(|program| {
        // npm's own starter of it would not die with its process id.
        std::fs::read(program).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"))
    })
}

/// A running node.
pub(crate) struct Node {
    program: PathBuf,
    args: Vec<String>,
    port: u16,
    provider: Provider,
    child: Child,
}

impl Node {
    /// Starts one that makes no block by itself.
    pub(crate) async fn start(program: &Path) -> Self {
        Self::start_with(program, EPOCH, &[]).await
    }

    /// The same, with another epoch and further arguments.
    pub(crate) async fn start_with(program: &Path, epoch: u64, more: &[&str]) -> Self {
        // Closed at the end of the line: the node is to have it.
        let port = ports::free_port();
        let mut args: Vec<String> =
            ["--host", "127.0.0.1", "--hardfork", "osaka", "--no-mining"].map(Into::into).to_vec();
        args.extend(["--slots-in-an-epoch".into(), epoch.to_string()]);
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        let url = format!("http://127.0.0.1:{port}");
        let provider = Provider::new(&url, Duration::from_secs(10)).expect("a provider");
        let child = spawn(program, port, &args);
        let mut node = Self { program: program.to_path_buf(), args, port, provider, child };
        node.wait().await;
        node
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Asks it to stop, as its operator would, and starts it again.
    pub(crate) async fn restart(&mut self) {
        self.stop();
        self.child = spawn(&self.program, self.port, &self.args);
        self.wait().await;
    }

    /// SIGTERM, on which it writes its state; then waits for its end.
    pub(crate) fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        drop(self.child.wait());
    }

    async fn wait(&mut self) {
        for _ in 0..400 {
            if self.provider.ask::<_, Value>("eth_chainId", ()).await.is_ok() {
                return;
            }
            assert!(matches!(self.child.try_wait(), Ok(None)), "the node ended");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the node is not ready after 20 s");
    }

    /// Any call that must succeed.
    pub(crate) async fn ask(&self, method: &'static str, params: Value) -> Value {
        match self.provider.ask::<_, Value>(method, params.clone()).await {
            Ok(value) => value,
            Err(fault) => panic!("{method} {params}: {fault}"),
        }
    }

    /// Makes blocks.
    pub(crate) async fn mine(&self, blocks: u64) {
        self.ask("anvil_mine", json!([format!("0x{blocks:x}")])).await;
    }

    /// Makes a block now and then until stopped.
    pub(crate) fn mine_along(&self, every: Duration) -> Mining {
        let (provider, stop) = (self.provider.clone(), Arc::new(AtomicBool::new(false)));
        let seen = stop.clone();
        let task = tokio::spawn(async move {
            while !seen.load(Ordering::Relaxed) {
                // Fails while the node is restarted.
                drop(provider.ask::<_, Value>("evm_mine", ()).await);
                tokio::time::sleep(every).await;
            }
        });
        Mining { stop, task }
    }

    pub(crate) async fn head(&self) -> u64 {
        let value = self.ask("eth_blockNumber", json!([])).await;
        number(&value)
    }

    pub(crate) async fn nonce(&self, account: Address) -> u64 {
        number(&self.ask("eth_getTransactionCount", json!([account, "latest"])).await)
    }

    /// Money for an account.
    pub(crate) async fn give(&self, account: Address) {
        self.ask("anvil_setBalance", json!([account, "0x56bc75e2d63100000"])).await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // In order, so that it removes its own files; by force if it does not.
        let pid = rustix::process::Pid::from_child(&self.child);
        if rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_ok() {
            for _ in 0..200 {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(25));
            }
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Mining under way.
pub(crate) struct Mining {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Mining {
    pub(crate) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.task.await);
    }
}

pub(crate) fn number(value: &Value) -> u64 {
    let text = value.as_str().expect("a quantity").trim_start_matches("0x").to_owned();
    u64::from_str_radix(&text, 16).expect("hex")
}

fn spawn(program: &Path, port: u16, args: &[String]) -> Child {
    Command::new(program)
        .args(["--port", &port.to_string(), "--quiet"])
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the node starts")
}
