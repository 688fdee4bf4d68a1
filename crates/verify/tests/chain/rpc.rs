//! A node of our own and JSON-RPC to it, over one plain HTTP request each.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const START_LIMIT: Duration = Duration::from_secs(20);

/// A running anvil; stopped by its process id when dropped.
pub(crate) struct Node {
    port: u16,
    process: Child,
}

impl Node {
    /// Starts one that makes blocks only when told; nothing when none is installed.
    pub(super) fn start(start_s: u64) -> Option<Self> {
        let Some(anvil) = anvil() else {
            assert!(std::env::var_os("CI").is_none(), "evm_node needs `cargo xtask setup`");
            eprintln!("skipped: evm_node (run cargo xtask setup)");
            return None;
        };
        let port = super::ports::free_port();
        let mut command = Command::new(anvil);
        command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--silent"]);
        command.args(["--hardfork", "osaka", "--no-mining", "--order", "fifo"]);
        command.args(["--timestamp", &start_s.to_string()]).stdout(Stdio::null());
        let process = command.spawn().expect("the node starts");
        let node = Self { port, process };
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(began.elapsed() < START_LIMIT, "the node does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(node)
    }

    /// The result of a call; an error ends the test.
    pub(super) fn ask(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let body = body.to_string();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let head = "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
        let length = body.len();
        let kind = "content-type: application/json";
        write!(stream, "{head}{kind}\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut answer: Value = serde_json::from_str(body).unwrap();
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The one in `FIRMLOG_ANVIL`, else what `cargo xtask setup` installed.
fn anvil() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("FIRMLOG_ANVIL") {
        return Some(given.into());
    }
    let packages = super::workspace().join("contracts/node_modules/@foundry-rs");
    let packages = std::fs::read_dir(packages).ok()?.flatten();
    let mut programs = packages
        .filter(|package| package.file_name().to_string_lossy().starts_with("anvil-"))
        .map(|package| package.path().join("bin/anvil"));
    programs.find(|program| program.is_file())
}
