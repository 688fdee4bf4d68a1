//! One blocking keep-alive connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use firmlog_tlog::tile::TilePath;

use super::ledger::Resources;
use crate::load::http::{RequestHead, ResponseHead, parse_head, write_get};

/// Longer than any answer may take; a server that is silent for so long hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to a log.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    host: String,
    request: Vec<u8>,
    inbox: Vec<u8>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// If nobody listens.
    pub fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).context("failed to connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, host: address.to_string(), request: Vec::new(), inbox: Vec::new() })
    }

    /// Sends a body and waits for the answer.
    ///
    /// # Errors
    /// If the connection breaks or the answer cannot be read.
    pub fn post(
        &mut self,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> anyhow::Result<(ResponseHead, Vec<u8>)> {
        RequestHead::post(&self.host, path, content_type).write(body, &mut self.request);
        self.exchange()
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// If the connection breaks or the answer cannot be read.
    pub fn get(&mut self, path: &str) -> anyhow::Result<(ResponseHead, Vec<u8>)> {
        write_get(&self.host, path, &mut self.request);
        self.exchange()
    }

    fn exchange(&mut self) -> anyhow::Result<(ResponseHead, Vec<u8>)> {
        self.stream.write_all(&self.request).context("failed to send")?;
        self.inbox.clear();
        let mut buffer = [0; 64 * 1024];
        loop {
            let count = self.stream.read(&mut buffer).context("failed to receive")?;
            ensure!(count > 0, "the server closed the connection");
            self.inbox.extend_from_slice(&buffer[..count]);
            match parse_head(&self.inbox) {
                Ok(Some(head)) if self.inbox.len() == head.total_len() => {
                    return Ok((head, self.inbox[head.body_start..].to_vec()));
                }
                Ok(_) => {}
                Err(why) => bail!(why),
            }
        }
    }
}

impl Resources for Client {
    fn fetch(&mut self, path: &TilePath) -> anyhow::Result<Vec<u8>> {
        let (head, body) = self.get(&format!("/{path}"))?;
        ensure!(
            head.is_success(),
            "GET /{path} answered {}: {}",
            head.status,
            String::from_utf8_lossy(&body[..body.len().min(200)])
        );
        Ok(body)
    }
}
