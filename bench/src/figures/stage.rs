//! What every figure needs: the programs, a place for data, the length of a round.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::rig::loader::{Load, Loader};
use crate::rig::process::Server;

/// The programs and the pace of a run.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The product.
    pub firmlog: PathBuf,
    /// This program, for the echo.
    pub bench: PathBuf,
    /// The load generator.
    pub loader: Loader,
    /// Where logs are made; on the disk that is to be measured.
    pub dir: PathBuf,
    /// Fewer and shorter rounds.
    pub quick: bool,
}

impl Stage {
    /// Rounds of product and baseline in turn.
    #[must_use]
    pub fn rounds(&self) -> usize {
        if self.quick { 3 } else { 5 }
    }

    /// Measured seconds of one round.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        if self.quick { 1.5 } else { 5.0 }
    }

    /// The same as a duration.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds())
    }

    /// A closed loop of `connections` against `server`.
    #[must_use]
    pub fn load(&self, server: &Server, connections: usize) -> Load {
        Load {
            target: server.address,
            connections,
            seconds: self.seconds(),
            warmup: 0.3,
            rate: None,
        }
    }

    /// Starts the bare echo.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start_echo(&self) -> anyhow::Result<Server> {
        Server::start_announced(Command::new(&self.bench).arg("echo"))
    }
}
