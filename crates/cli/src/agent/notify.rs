//! `sd_notify`: tells systemd that the agent is ready, alive, or stopping.
//!
//! ```text
//! NOTIFY_SOCKET=/run/systemd/notify ◀── READY=1 · WATCHDOG=1 · STATUS=… · STOPPING=1
//! ```

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Where systemd listens, if it started us.
pub(crate) struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
    /// How often it wants to hear from us.
    pub(crate) watchdog: Option<Duration>,
}

impl Notify {
    /// From the environment that systemd made.
    pub(crate) fn new() -> Self {
        let to = std::env::var("NOTIFY_SOCKET").ok().and_then(|name| {
            let address = match name.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(name),
            };
            Some((UnixDatagram::unbound().ok()?, address.ok()?))
        });
        let limit = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        // Half of it, as sd_watchdog_enabled(3) advises.
        let watchdog = limit.map(|limit: u64| Duration::from_micros(limit / 2));
        Self { watchdog: watchdog.filter(|_| to.is_some()), to }
    }

    /// Tells something; nobody listening is no failure.
    pub(crate) fn tell(&self, text: &str) {
        if let Some((socket, address)) = &self.to {
            drop(socket.send_to_addr(text.as_bytes(), address));
        }
    }
}
