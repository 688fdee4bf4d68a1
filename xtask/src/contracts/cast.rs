//! `cast`: a client that shares no code with ours.
//!
//! ```text
//! cast call 0x5FbD… "head(bytes32)" 0x19c5… --rpc-url http://127.0.0.1:8545
//! ```
//!
//! In scope: calls, transactions, encodings and hashes as somebody else's program makes them.
//! Values are the words that cast takes and gives: hexadecimal with `0x`, numbers in decimal.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::node::Node;
use crate::{setup, sh};

/// The precompile that hashes; the node answers for it.
const SHA_256: &str = "0x0000000000000000000000000000000000000002";

/// cast, talking to one node.
pub(super) struct Cast {
    url: String,
}

impl Cast {
    pub(super) fn new(node: &Node) -> Cast {
        Cast { url: node.url() }
    }

    /// The accounts that the node signs for.
    pub(super) fn accounts(&self) -> Result<Vec<String>> {
        let answer = self.ask(&["rpc", "eth_accounts"])?;
        let accounts: Vec<String> = serde_json::from_str(&answer)?;
        ensure!(accounts.len() == 10, "a development node has ten accounts: {accounts:?}");
        Ok(accounts)
    }

    /// What a call returns, not decoded. `function` is `name(inputs)`.
    pub(super) fn call(&self, to: &str, function: &str, args: &[String]) -> Result<String> {
        let mut words = vec!["call", to, function];
        words.extend(args.iter().map(String::as_str));
        self.ask(&words)
    }

    /// Whether a simulated call is not refused with one of these errors. Any other refusal is of
    /// what was asked, not of who asked.
    pub(super) fn may(
        &self,
        from: &str,
        to: &str,
        data: &str,
        refusals: &[String],
    ) -> Result<bool> {
        let mut command = program()?;
        command.args(["call", "--from", from, to, "--data", data, "--rpc-url", &self.url]);
        let output = command.output().context("failed to start cast")?;
        let problem = String::from_utf8_lossy(&output.stderr);
        let answered = output.status.success() || problem.contains("execution reverted");
        ensure!(answered, "cast got no answer from the node: {problem}");
        Ok(output.status.success() || !refusals.iter().any(|refusal| problem.contains(refusal)))
    }

    /// Sends a transaction that must succeed; returns its block's time.
    pub(super) fn send(&self, from: &str, to: &str, function: &str, args: &[&str]) -> Result<u64> {
        let mut words = vec!["send", "--unlocked", "--json", "--from", from, to, function];
        words.extend(args);
        let receipt: Value = serde_json::from_str(&self.ask(&words)?)?;
        ensure!(receipt["status"] == "0x1", "{function} was reverted: {receipt}");
        let block = receipt["blockNumber"].as_str().context("a receipt without block")?;
        Ok(self.ask(&["block", block, "--field", "timestamp"])?.parse()?)
    }

    /// SHA-256, by the node's precompile.
    pub(super) fn sha256(&self, bytes: &str) -> Result<String> {
        self.ask(&["call", SHA_256, "--data", bytes])
    }

    fn ask(&self, words: &[&str]) -> Result<String> {
        let mut command = program()?;
        sh::read(command.args(words).args(["--rpc-url", &self.url])).map(trimmed)
    }
}

/// The ABI encoding of values of these types.
pub(super) fn encode(types: &str, values: &[String]) -> Result<String> {
    if values.is_empty() {
        return Ok("0x".into());
    }
    offline(&["abi-encode", &format!("f({types})")], values)
}

pub(super) fn keccak(bytes: &str) -> Result<String> {
    offline(&["keccak"], &[bytes.into()])
}

/// The first four bytes of a call of `name(inputs)`.
pub(super) fn selector(function: &str) -> Result<String> {
    offline(&["sig"], &[function.into()])
}

/// The account of a secp256k1 key.
pub(super) fn account(key: &str) -> Result<String> {
    offline(&["wallet", "address", "--private-key", key], &[])
}

/// `r ‖ s ‖ v` over a digest.
pub(super) fn sign(key: &str, digest: &str) -> Result<String> {
    offline(&["wallet", "sign", "--no-hash", "--private-key", key], &[digest.into()])
}

fn offline(words: &[&str], values: &[String]) -> Result<String> {
    let mut command = program()?;
    sh::read(command.args(words).args(values)).map(trimmed)
}

fn program() -> Result<std::process::Command> {
    let mut cast = sh::command(setup::foundry("cast")?);
    cast.env("NO_COLOR", "1").env("FOUNDRY_DISABLE_NIGHTLY_WARNING", "1");
    Ok(cast)
}

fn trimmed(text: String) -> String {
    text.trim().into()
}

/// Byte strings one after the other.
pub(super) fn join(parts: &[&str]) -> String {
    let digits = parts.iter().map(|part| part.strip_prefix("0x").unwrap_or(part));
    format!("0x{}", digits.collect::<String>())
}

/// A word's last 20 bytes as an address.
pub(super) fn low_160_bits(word: &str) -> String {
    format!("0x{}", word.get(26..).unwrap_or_default())
}

/// A number in `bytes` big-endian bytes.
pub(super) fn be(number: u64, bytes: usize) -> String {
    format!("0x{number:0width$x}", width = bytes * 2)
}

/// Text as bytes.
pub(super) fn hex(text: &str) -> String {
    format!("0x{}", text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::{be, hex, join, low_160_bits};

    #[test]
    fn bytes_are_written_as_cast_takes_them() {
        assert_eq!(be(258, 4), "0x00000102");
        assert_eq!(hex("a1"), "0x6131");
        assert_eq!(join(&["0x1901", "0x02"]), "0x190102");
        let word = format!("0x{}{}", "0".repeat(24), "ab".repeat(20));
        assert_eq!(low_160_bits(&word), format!("0x{}", "ab".repeat(20)));
    }
}
