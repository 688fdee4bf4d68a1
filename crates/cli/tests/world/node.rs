//! A real node on loopback, making blocks all the time.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

/// anvil, making blocks all the time; stopped by its process id.
pub(crate) struct Node {
    pub(crate) url: String,
    child: Child,
    stop: Arc<AtomicBool>,
}

impl Node {
    pub(crate) fn start(test: &str) -> Option<Self> {
        let Some(program) = program() else {
            assert!(std::env::var_os("CI").is_none(), "{test}: no node, and CI is set");
            eprintln!("skipped: {test}: no node; `cargo xtask setup contracts` installs it");
            return None;
        };
        let port = super::ports::free_port();
        let child = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--quiet"])
            .args(["--hardfork", "osaka", "--slots-in-an-epoch", "2"])
            .stdout(Stdio::null())
            .spawn()
            .expect("the node starts");
        let (url, stop) = (format!("http://127.0.0.1:{port}"), Arc::new(AtomicBool::new(false)));
        let node = Self { url, child, stop };
        for _ in 0..200 {
            if node.try_ask("eth_chainId", &json!([])).is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let (url, stop) = (node.url.clone(), node.stop.clone());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                drop(ask(&url, "evm_mine", &json!([])));
                std::thread::sleep(Duration::from_millis(30));
            }
        });
        Some(node)
    }

    pub(crate) fn try_ask(&self, method: &str, params: &Value) -> Option<Value> {
        ask(&self.url, method, params)
    }

    pub(crate) fn give(&self, account: &Value) {
        self.try_ask("anvil_setBalance", &json!([account, "0x56bc75e2d63100000"])).expect("gives");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn ask(url: &str, method: &str, params: &Value) -> Option<Value> {
    let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let reply: Value = client.post(url).json(&body).send().ok()?.json().ok()?;
    reply.get("result").cloned()
}

fn program() -> Option<PathBuf> {
    let given = std::env::var_os("FIRMLOG_ANVIL").map(PathBuf::from);
    given.or_else(|| {
        let packages =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/node_modules/@foundry-rs");
        let mut programs =
            std::fs::read_dir(packages).ok()?.flatten().map(|package| package.path());
        // npm's own starter, in the package without a platform, would not die with its process id.
        programs
            .find(|package| {
                package.file_name().is_some_and(|n| n.to_string_lossy().starts_with("anvil-"))
            })
            .map(|package| package.join("bin/anvil"))
    })
}

pub(crate) fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).expect("writes");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("protects");
}
