//! Ports for servers that must be told one before they start; tests of all crates share this.
//!
//! They lie below those that the kernel gives to connections (32768 and up, unless told otherwise):
//! no connection of anybody takes one between the question and the server's start.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// A port of loopback on which nobody listens; the one behind it is not given to anybody else.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Processes that start one after the other begin far enough apart.
    let start = std::process::id().wrapping_mul(64);
    loop {
        let step = GIVEN.fetch_add(2, Ordering::Relaxed);
        let port = u16::try_from(start.wrapping_add(step) % 20_000).map_or(0, |at| 10_000 + at);
        if is_free(port) && is_free(port + 1) {
            return port;
        }
    }
}

fn is_free(port: u16) -> bool {
    let address = ("127.0.0.1", port);
    TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
}
