//! The machine a figure was measured on, in words that mean something elsewhere.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// What must be known about a machine to compare figures.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Cores this process may use.
    pub cores: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Kernel name and release.
    pub kernel: String,
    /// File system the log's data is on.
    pub filesystem: String,
    /// Compiler that built the product.
    pub rustc: String,
    /// Load average over a minute when the run began; near 0 on an idle machine.
    pub load_before: f64,
}

impl Machine {
    /// Looks at this machine; `data` is where logs will be kept.
    #[must_use]
    pub fn look(data: &Path) -> Self {
        Self {
            cpu: cpu_name(),
            cores: cores(),
            memory_mib: memory_mib(),
            kernel: output("uname", &["-sr"]),
            filesystem: filesystem(data),
            rustc: output("rustc", &["--version"]),
            load_before: load_average(),
        }
    }

    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{} ({} cores, {} MiB), {}, {}, {}, load before {:.2}",
            self.cpu,
            self.cores,
            self.memory_mib,
            self.kernel,
            self.filesystem,
            self.rustc,
            self.load_before
        )
    }
}

/// Cores this process may use.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn cpu_name() -> String {
    field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.into())
}

fn memory_mib() -> u64 {
    let total = field("/proc/meminfo", "MemTotal").unwrap_or_default();
    total.trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) / 1024
}

fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

/// The type of the mounted file system with the longest prefix of `data`.
fn filesystem(data: &Path) -> String {
    let data = data.canonicalize().unwrap_or_else(|_| data.to_owned());
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        })
        .filter(|(mount, _)| data.starts_with(mount))
        .max_by_key(|(mount, _)| mount.len())
        .map_or_else(|| filesystem_number(&data), |(_, kind)| kind)
}

/// What the kernel calls the type, where no mount of it is seen (in a chroot).
fn filesystem_number(data: &Path) -> String {
    let found = rustix::fs::statfs(data);
    found.map_or_else(|_| "unknown".into(), |found| format!("file system {:#x}", found.f_type))
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map_or_else(
        |_| "unknown".into(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_name_and_a_file_system() {
        let machine = Machine::look(Path::new("/"));
        assert!(machine.cores > 0 && machine.memory_mib > 0);
        assert_ne!(machine.filesystem, "unknown");
    }
}
