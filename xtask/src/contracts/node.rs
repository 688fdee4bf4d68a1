//! A development node on loopback that measures what a real one would charge.

use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::Result;

use crate::sh::Background;
use crate::{setup, sh};

const START_LIMIT: Duration = Duration::from_secs(20);

/// The first block's time. Hashes that cover it are sent back as calldata, where a byte that
/// happens to be zero is cheaper: with any other time the figures would differ by a few gas.
const START_TIME: &str = "1800000000";

/// The rules that mainnet has since December 2025.
pub(super) const HARDFORK: &str = "osaka";

/// A running anvil; stopped by its process id when dropped.
pub(super) struct Node {
    port: u16,
    _process: Background,
}

impl Node {
    /// Starts one on a free port.
    pub(super) fn start() -> Result<Node> {
        let port = crate::ports::free_port();
        let mut anvil = sh::command(setup::foundry("anvil")?);
        anvil.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        anvil.args(["--hardfork", HARDFORK, "--silent", "--timestamp", START_TIME]);
        let mut process = Background::start(anvil.stdout(std::io::stderr()))?;
        let address = (Ipv4Addr::LOCALHOST, port);
        process.wait_until(START_LIMIT, || TcpStream::connect(address).is_ok())?;
        Ok(Node { port, _process: process })
    }

    /// Where it listens.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
