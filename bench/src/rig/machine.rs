//! The machine a figure was measured on, in words that mean something elsewhere.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Files made to see what making one costs.
const CREATED: usize = 16;

/// What making a file costs at most where nothing was removed lately, µs.
const CREATE_CHEAP_US: f64 = 100.0;

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
    /// What making a small file cost when the run began, µs; some 20 on an undisturbed machine.
    pub file_create_us: f64,
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
            file_create_us: file_create_us(data),
        }
    }

    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{} ({} cores, {} MiB), {}, {}, {}, load before {:.2}, {:.0} µs to make a file",
            self.cpu,
            self.cores,
            self.memory_mib,
            self.kernel,
            self.filesystem,
            self.rustc,
            self.load_before,
            self.file_create_us
        )
    }
}

/// Cores this process may use.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Waits until making files is as cheap as ever, `at_most` long.
///
/// ext4 without a journal does not use an inode again for minutes after its file was removed, and
/// looks at every such inode before it makes a file. After a build or a clean-up that takes from a
/// log that writes tiles more than the log itself needs.
pub fn wait_for_cheap_files(data: &Path, at_most: Duration) {
    let until = Instant::now() + at_most;
    let mut told = false;
    while file_create_us(data) > CREATE_CHEAP_US && Instant::now() < until {
        if !told {
            eprintln!("many files were removed a moment ago; waiting until that is forgotten …");
            told = true;
        }
        std::thread::sleep(Duration::from_secs(2));
    }
}

/// Median time of making one small file, µs; -1 if none can be made.
fn file_create_us(data: &Path) -> f64 {
    let times = (0..CREATED).map_while(|at| {
        let path = data.join(format!(".created-{at}"));
        let start = Instant::now();
        std::fs::write(&path, b"x").ok()?;
        Some(start.elapsed().as_secs_f64() * 1e6)
    });
    let mut times: Vec<f64> = times.collect();
    (0..CREATED).for_each(|at| drop(std::fs::remove_file(data.join(format!(".created-{at}")))));
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(-1.0)
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
