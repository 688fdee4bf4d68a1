//! Time servers that are not ours, started here on loopback: chronyd and roughenough.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod chronyd;
#[path = "../../../../xtask/src/ports.rs"]
pub(crate) mod ports;
pub(crate) mod roughtime;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A program that is stopped, by its id, when this is dropped.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("waits").is_none()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).expect("it runs");
        if signal == rustix::process::Signal::STOP {
            // It goes on for a moment, and would answer what is sent meanwhile.
            let stopped = rustix::process::WaitOptions::UNTRACED;
            rustix::process::waitpid(Some(pid), stopped).expect("it is our child");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A program by name, also where only root's `PATH` leads; if there is none, says so.
pub(crate) fn have(test: &str, program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/bin"].map(PathBuf::from);
    let found = std::env::split_paths(&path).chain(usual).map(|dir| dir.join(program));
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: {test}: no {program}; `cargo xtask setup` installs it");
    }
    found
}
