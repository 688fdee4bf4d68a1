//! A provider between client and node that can be off, or lie.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it does to answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mood {
    /// Passes everything on.
    Honest = 0,
    /// Closes every connection.
    Off = 1,
    /// Receipts of what was never mined, in a block of its own, final.
    FakeReceipts = 2,
    /// No receipts.
    NoReceipts = 3,
    /// Receipts with another block hash.
    OtherBlock = 4,
    /// Another head of the contract.
    OtherHead = 5,
    /// The last event of each answer is left out.
    FewerLogs = 6,
    /// Events of more than [`RANGE_MAX`] blocks at once are refused.
    ShortRanges = 7,
}

pub(crate) const RANGE_MAX: u64 = 5;

/// A running proxy; ends with the runtime.
pub(crate) struct Proxy {
    address: SocketAddr,
    mood: Arc<AtomicU8>,
}

struct Shared {
    upstream: String,
    mood: Arc<AtomicU8>,
    client: reqwest::Client,
    /// Transactions that came through, for inventing their receipts.
    sent: Mutex<Vec<Value>>,
}

impl Proxy {
    pub(crate) async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mood = Arc::new(AtomicU8::new(Mood::Honest as u8));
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            mood: mood.clone(),
            client: reqwest::Client::builder().no_proxy().build().expect("a client"),
            sent: Mutex::new(Vec::new()),
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                tokio::spawn(async move { serve(stream, &shared).await });
            }
        });
        Self { address, mood }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::Relaxed);
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) -> Option<()> {
    if shared.is(Mood::Off) {
        return None;
    }
    let request: Value = serde_json::from_slice(&read(&mut stream).await?).ok()?;
    let reply = shared.client.post(&shared.upstream).json(&request).send().await.ok()?;
    let mut reply: Value = serde_json::from_slice(&reply.bytes().await.ok()?).ok()?;
    shared.spoil(&request, &mut reply).await;
    let body = reply.to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all([head.as_bytes(), body.as_bytes()].concat().as_slice()).await.ok()
}

impl Shared {
    fn is(&self, mood: Mood) -> bool {
        self.mood.load(Ordering::Relaxed) == mood as u8
    }

    async fn spoil(&self, request: &Value, reply: &mut Value) {
        let method = request["method"].as_str().unwrap_or_default();
        let result = &mut reply["result"];
        let fake = json!(format!("0x{}", "66".repeat(32)));
        match method {
            "eth_getTransactionReceipt" if self.is(Mood::NoReceipts) => *result = Value::Null,
            "eth_getTransactionReceipt" if self.is(Mood::OtherBlock) && result.is_object() => {
                result["blockHash"] = fake;
            }
            "eth_getTransactionReceipt" if self.is(Mood::FakeReceipts) => {
                *result = invented(&request["params"][0], &fake);
            }
            // So that its own chain has the block it invents.
            "eth_getBlockByNumber"
                if (self.is(Mood::OtherBlock) || self.is(Mood::FakeReceipts))
                    && request["params"][0]
                        .as_str()
                        .is_some_and(|which| which.starts_with("0x"))
                    && result.is_object() =>
            {
                result["hash"] = fake;
            }
            "eth_call" if self.is(Mood::OtherHead) => {
                if let Some(text) = result.as_str().filter(|text| text.len() > 66) {
                    *result = json!(format!("0x{}{}", "ab".repeat(32), &text[66..]));
                }
            }
            "eth_getLogs" if self.is(Mood::FewerLogs) => {
                if let Some(logs) = result.as_array_mut() {
                    logs.pop();
                }
            }
            "eth_getLogs" if self.is(Mood::ShortRanges) => {
                let number = |key: &str| super::node::number(&request["params"][0][key]);
                if number("toBlock") - number("fromBlock") >= RANGE_MAX {
                    *reply = json!({"jsonrpc": "2.0", "id": request["id"],
                        "error": {"code": -32005, "message": "query exceeds max block range"}});
                }
            }
            "eth_sendRawTransaction" => {
                if let Ok(mut sent) = self.sent.lock() {
                    sent.push(result.clone());
                }
            }
            _ => {}
        }
    }
}

/// A receipt of something in block 1, which is final everywhere.
fn invented(tx: &Value, block: &Value) -> Value {
    let nobody = format!("0x{}", "00".repeat(20));
    json!({
        "transactionHash": tx, "blockHash": block, "blockNumber": "0x1",
        "transactionIndex": "0x0", "type": "0x2", "status": "0x1", "gasUsed": "0x1",
        "cumulativeGasUsed": "0x1", "effectiveGasPrice": "0x1", "logs": [],
        "logsBloom": format!("0x{}", "00".repeat(256)),
        "from": nobody, "to": nobody, "contractAddress": null,
    })
}

async fn read(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(end) = end else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
        let length: usize = length.trim().parse().ok()?;
        if bytes.len() >= end + 4 + length {
            return Some(bytes[end + 4..end + 4 + length].to_vec());
        }
    }
}
