//! Runs the load generator as a process of its own and reads what it saw.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::load::tally::Summary;

/// The `firmlog-load` program.
#[derive(Debug, Clone)]
pub struct Loader(pub PathBuf);

/// One run's settings beside the mode's own.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// The server.
    pub target: SocketAddr,
    /// Keep-alive connections.
    pub connections: usize,
    /// Measured seconds.
    pub seconds: f64,
    /// Seconds before them.
    pub warmup: f64,
    /// Requests a second; `None` for the closed loop.
    pub rate: Option<f64>,
}

impl Loader {
    /// Runs `mode` with `extra` arguments and refuses a run with failures.
    ///
    /// # Errors
    /// If the generator fails, or the server answered anything but success or pushback.
    pub fn run(&self, mode: &str, load: &Load, extra: &[&str]) -> anyhow::Result<Summary> {
        let summary = self.try_run(mode, load, extra)?;
        ensure!(
            summary.failures == 0,
            "{} of {} answers were failures: {}",
            summary.failures,
            summary.requests + summary.failures,
            summary.first_failure.as_deref().unwrap_or("no words")
        );
        ensure!(summary.requests > 0, "no request was answered");
        Ok(summary)
    }

    /// Reads the paths in `paths` at random.
    ///
    /// # Errors
    /// As [`Loader::run`].
    pub fn read(&self, load: &Load, paths: &Path) -> anyhow::Result<Summary> {
        self.run("reads", load, &["--paths", &paths.to_string_lossy()])
    }

    fn try_run(&self, mode: &str, load: &Load, extra: &[&str]) -> anyhow::Result<Summary> {
        let mut command = Command::new(&self.0);
        command
            .arg(mode)
            .args(["--target", &load.target.to_string()])
            .args(["--connections", &load.connections.to_string()])
            .args(["--seconds", &load.seconds.to_string()])
            .args(["--warmup", &load.warmup.to_string()])
            .args(extra);
        if let Some(rate) = load.rate {
            command.args(["--rate", &rate.to_string()]);
        }
        let output = command.output().with_context(|| format!("failed to run {command:?}"))?;
        ensure!(
            output.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        serde_json::from_slice(&output.stdout).context("failed to read the generator's result")
    }
}
