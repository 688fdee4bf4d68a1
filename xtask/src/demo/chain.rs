//! The demo's chains: two development nodes, the second with the id of a roll-up, each with the
//! contract; the log anchors itself in the first, a person in the second.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{MODEL, ORIGIN, Story, http_get, say, text};
use crate::ports::free_port;
use crate::sh::Background;
use crate::{setup, sh};

/// Name of the settings, chain id, the first account of every development node.
const CHAINS: [(&str, u64); 2] = [("chain", 31337), ("rollup", 42_161)];

impl Story {
    /// Nodes, contracts, settings; the log is told to anchor in the first.
    pub(super) fn chains(&mut self) -> Result<Vec<Background>> {
        self.head("two chains with the anchor contract (development nodes, a block each second)");
        self.private("relay.pass", "demo passphrase of the relay\n")?;
        let key = ["anchor", "key", "relay.json", "--passphrase-file", "relay.pass"];
        let account = text(&self.json(&key)?, "account")?;
        let mut running = Vec::new();
        for (name, id) in CHAINS {
            let port = free_port();
            let mut anvil = sh::command(setup::foundry("anvil")?);
            anvil.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--silent"]);
            anvil.args(["--chain-id", &id.to_string(), "--hardfork", "osaka"]);
            anvil.args(["--block-time", "1", "--slots-in-an-epoch", "1"]);
            let mut node = Background::start(anvil.stdout(std::io::stderr()))?;
            node.wait_until(Duration::from_secs(20), || {
                TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
            })?;
            running.push(node);
            ask(port, "anvil_setBalance", &json!([account, "0x56bc75e2d63100000"]))?;
            let contract = self.deploy(name, id, port, &account)?;
            say(&format!("  chain {id}: contract {contract}, finality two blocks behind"));
        }
        let path = self.dir.join("log/firmlog.toml");
        let mut config = std::fs::read_to_string(&path)?;
        config.push_str("\n[anchor]\nconfig = \"../chain.toml\"\ninterval_s = 2\n");
        std::fs::write(&path, config)?;
        Ok(running)
    }

    fn deploy(&self, name: &str, id: u64, port: u16, account: &str) -> Result<String> {
        let file = format!("{name}.toml");
        let settings = |contract: &str| {
            format!(
                "[chain]\nid = {id}\nproviders = [\"http://127.0.0.1:{port}\"]\n{contract}\
                 [relay]\nkey = \"relay.json\"\npassphrase_file = \"relay.pass\"\n\
                 dir = \"{name}\"\n[fees]\nmax_gwei = 100.0\n[timing]\npoll_ms = 200\n"
            )
        };
        std::fs::write(self.dir.join(&file), settings(""))?;
        let made = self.json(&[
            "anchor",
            "deploy",
            "--config",
            &file,
            "--threshold",
            "1",
            "--member",
            account,
            "--registrar",
            account,
            "--revoker",
            account,
            "--guardian",
            account,
        ])?;
        let contract = text(&made, "anchor")?;
        let known = format!("contract = \"{contract}\"\nfrom_block = {}\n", made["from_block"]);
        std::fs::write(self.dir.join(&file), settings(&known))?;
        self.json(&["anchor", "register", "--config", &file, "--origin", ORIGIN])?;
        Ok(contract)
    }

    /// Waits for the log's own anchor of `size` entries, has a person anchor in the second chain,
    /// and writes what an auditor pins: contract and block, as his own node tells them.
    pub(super) fn anchored(&self, size: u64) -> Result<()> {
        let start = Instant::now();
        let anchored = loop {
            let log: Value = serde_json::from_slice(&http_get(&self.url, "/api/v1/log")?)?;
            let anchored = &log["anchored"];
            let at = anchored["size"].as_str().and_then(|size| size.parse::<u64>().ok());
            if at.is_some_and(|at| at >= size) && anchored["evidence"] == true {
                break anchored.clone();
            }
            ensure!(start.elapsed() < Duration::from_secs(60), "no anchor after 60 s: {log}");
            std::thread::sleep(Duration::from_millis(200));
        };
        let number: u64 = text(&anchored, "block_number")?.parse()?;
        let block = ask(
            self.port(CHAINS[0].0)?,
            "eth_getBlockByNumber",
            &json!([format!("{number:#x}"), false]),
        )?;
        let root = std::fs::read_to_string(self.dir.join("log/log.trust"))?;
        let pins = format!(
            "evm-contract {id} {}\nevm-block {id} {number} {}\n",
            text(&anchored, "contract")?,
            text(&block, "hash")?,
            id = CHAINS[0].1
        );
        let (head, policy) = root.split_once("\n\n").context("a trust root without a policy")?;
        std::fs::write(self.dir.join("auditor.trust"), format!("{head}\n{pins}\n{policy}"))?;
        let entries = text(&anchored, "size")?;
        say(&format!("  ✓ anchored by the log: {entries} entries, block {number}"));
        let now = self.at_log(&["anchor", "now", "--config", "rollup.toml"])?;
        let entries = text(&now, "size")?;
        say(&format!("  ✓ anchored by hand in chain {}: {entries} entries", CHAINS[1].1));
        Ok(())
    }

    /// Reads every byte of calldata and events of both chains, and finds nothing there that tells a
    /// device, its serial number, or who approved.
    pub(super) fn nothing_private(&self, devices: &[Value]) -> Result<()> {
        let mut words: Vec<Vec<u8>> = ["7X-", "/quality", "/regulatory", "/devices", MODEL]
            .map(|word| word.as_bytes().to_vec())
            .into();
        for device in devices {
            words.push(unhex(&text(device, "device_id")?));
        }
        let (mut transactions, mut bytes, mut named) = (0, 0, 0);
        for (name, _) in CHAINS {
            let port = self.port(name)?;
            let head = ask(port, "eth_blockNumber", &json!([]))?;
            let head =
                u64::from_str_radix(head.as_str().unwrap_or("").trim_start_matches("0x"), 16)?;
            for number in 0..=head {
                let at = format!("{number:#x}");
                let block = ask(port, "eth_getBlockByNumber", &json!([at, true]))?;
                let receipts = ask(port, "eth_getBlockReceipts", &json!([at]))?;
                let mut said = Vec::new();
                for transaction in block["transactions"].as_array().into_iter().flatten() {
                    transactions += 1;
                    said.extend(unhex(&text(transaction, "input")?));
                }
                let logs = receipts.as_array().into_iter().flatten();
                for log in logs.flat_map(|it| it["logs"].as_array().cloned().unwrap_or_default()) {
                    said.extend(unhex(&text(&log, "data")?));
                    for topic in log["topics"].as_array().into_iter().flatten() {
                        said.extend(unhex(topic.as_str().unwrap_or("")));
                    }
                }
                bytes += said.len();
                let has = |word: &[u8]| said.windows(word.len()).any(|window| window == word);
                named += usize::from(has(ORIGIN.as_bytes()));
                for word in &words {
                    ensure!(
                        !has(word),
                        "chain {name}: block {number} has {:?}",
                        word.escape_ascii()
                    );
                }
            }
        }
        // The log's own name is there, once a chain: the search finds what there is.
        ensure!(named == CHAINS.len(), "the log's name was found in {named} blocks");
        say(&format!(
            "  ✓ {bytes} bytes of calldata and events in {transactions} transactions name no device, \
             serial number or person"
        ));
        Ok(())
    }

    fn port(&self, name: &str) -> Result<u16> {
        let settings = std::fs::read_to_string(self.dir.join(format!("{name}.toml")))?;
        let port = settings.split("127.0.0.1:").nth(1).and_then(|rest| rest.split('"').next());
        Ok(port.context("no node in the settings")?.parse()?)
    }

    /// A file that only its owner reads.
    fn private(&self, name: &str, content: &str) -> Result<()> {
        let mut options = std::fs::OpenOptions::new();
        let mut file =
            options.write(true).create_new(true).mode(0o600).open(self.dir.join(name))?;
        Ok(file.write_all(content.as_bytes())?)
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.trim_start_matches("0x").as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks_exact(2).filter_map(byte).collect()
}

/// One JSON-RPC question to a node of ours.
fn ask(port: u16, method: &str, params: &Value) -> Result<Value> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no end of headers")?;
    let body: Value = serde_json::from_str(body).with_context(|| format!("{method}: {answer}"))?;
    ensure!(body.get("error").is_none(), "{method}: {body}");
    Ok(body["result"].clone())
}
