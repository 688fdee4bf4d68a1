//! Asking one server over UDP, and no longer than until a deadline.
//!
//! ```text
//! 0 ms ask · 333 ms ask again · 666 ms ask again · 1,000 ms give up
//! ```
//!
//! Invariants:
//! - It returns by the deadline, whatever name servers, networks and servers do.
//! - What does not verify is dropped and waited past: anybody can send a datagram, and a forged one
//!   must not silence the server.

use std::io::ErrorKind;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use firmlog_verify::crypto::RustCrypto;

use super::reply::{REPLY_MAX, ReplyError, Signed, verify_reply};
use super::request;
use crate::boot::uptime_ms;

/// How often a request is sent: UDP loses datagrams.
const TRIES: u32 = 3;

/// A reply that verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The datagram as it came.
    pub reply: Vec<u8>,
    /// What it proves.
    pub signed: Signed,
    /// Uptime before the first request left, milliseconds.
    pub sent_ms: u64,
    /// Uptime when the reply was here, milliseconds.
    pub received_ms: u64,
}

/// Why a server gave no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Silence {
    /// Its name leads nowhere.
    #[error("{0}: no such address")]
    NoAddress(String),
    /// The system would not send.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// Nothing came.
    #[error("no reply within {0} ms")]
    Timeout(u128),
    /// Something came, but nothing that verified.
    #[error("a reply that does not verify: {0}")]
    Refused(ReplyError),
}

/// Asks the server at `address` with this key for the time.
///
/// # Errors
/// [`Silence`], after `within` at most.
pub fn ask(
    address: &str,
    key: &[u8; 32],
    nonce: &[u8; 32],
    within: Duration,
) -> Result<Answer, Silence> {
    let deadline = Instant::now() + within;
    let socket = connect(resolve(address, within)?)?;
    let request = request(key, nonce);
    let sent_ms = uptime_ms();
    let mut refused = None;
    for attempt in 1..=TRIES {
        // A port that is closed now may be open at the next try.
        if socket.send(&request).is_err() && attempt == TRIES {
            break;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let until = Instant::now() + left / (TRIES - attempt + 1);
        while let Some(reply) = receive(&socket, until) {
            let received_ms = uptime_ms();
            match verify_reply(key, nonce, &reply, &RustCrypto) {
                Ok(signed) => return Ok(Answer { reply, signed, sent_ms, received_ms }),
                Err(error) => refused = Some(error),
            }
        }
    }
    Err(refused.map_or(Silence::Timeout(within.as_millis()), Silence::Refused))
}

/// The next datagram before `until`.
fn receive(socket: &UdpSocket, until: Instant) -> Option<Vec<u8>> {
    // One byte more than is allowed, so that a longer datagram is told from one cut off.
    let mut buffer = [0; REPLY_MAX + 1];
    loop {
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        socket.set_read_timeout(Some(left)).ok()?;
        match socket.recv(&mut buffer) {
            Ok(len) => return buffer.get(..len).map(<[u8]>::to_vec),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            // "Connection refused" comes at once: without a pause this loop would spin.
            Err(_) => thread::sleep(left.min(Duration::from_millis(10))),
        }
    }
}

fn connect(address: SocketAddr) -> Result<UdpSocket, Silence> {
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).and_then(|socket| socket.connect(address).map(|()| socket));
    socket.map_err(|error| Silence::Unreachable(error.to_string()))
}

/// The first address of a name. The system's resolver knows no deadline, so it is waited for in a
/// thread that is left behind if it takes too long.
fn resolve(address: &str, within: Duration) -> Result<SocketAddr, Silence> {
    if let Ok(literal) = address.parse() {
        return Ok(literal);
    }
    let (sender, receiver) = mpsc::channel();
    let name = address.to_owned();
    thread::spawn(move || {
        let found = name.to_socket_addrs().ok().and_then(|mut all| all.next());
        sender.send(found).ok();
    });
    let found = receiver.recv_timeout(within).ok().flatten();
    found.ok_or_else(|| Silence::NoAddress(address.to_owned()))
}
