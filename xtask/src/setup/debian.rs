//! Programs from Debian packages.
//!
//! Presence is asked of `PATH`, not of dpkg: a program from anywhere else is as good.

use std::fs::File;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::sh;

/// A program and the Debian package it comes in.
pub(super) type Program = (&'static str, &'static str);

/// What the tests and the demo call.
pub(super) const FOR_TESTS: &[Program] = &[
    ("cc", "gcc"),                     // aws-lc and SQLite are C
    ("openssl", "openssl"),            // oracle: a statement's signature
    ("sqlite3", "sqlite3"),            // oracle: the index
    ("python3", "python3"),            // the virtual environment starts from it
    ("unshare", "util-linux"),         // `verify` with the network taken away
    ("swtpm", "swtpm"),                // a TPM 2.0 in software
    ("tpm2_checkquote", "tpm2-tools"), // oracle: keys, counters and quotes of a TPM
    ("softhsm2-util", "softhsm2"),     // an HSM in software
    ("pkcs11-tool", "opensc"),         // oracle: keys in a token
    ("chronyc", "chrony"),             // NTP and NTS, both sides; it never touches the clock
    ("setfacl", "acl"),                // oracle: who can read a secret
    ("systemd-analyze", "systemd"),    // the agent's unit, verified; nothing is started
];

/// What fuzz targets are built with: libFuzzer is C++.
pub(super) const FOR_FUZZ: &[Program] = &[("c++", "g++")];

/// What the C library's header and examples are compiled and checked with.
pub(super) const FOR_C: &[Program] = &[
    ("gcc", "gcc"),               // C11, with its sanitizers
    ("g++", "g++"),               // the header as C++17
    ("clang", "clang"),           // a second opinion on both
    ("valgrind", "valgrind"),     // memory of C programs
    ("nm", "binutils"),           // symbols of the static library
    ("cmake", "cmake"),           // a C project that links it
    ("pkg-config", "pkg-config"), // the same without CMake
    ("cppcheck", "cppcheck"),     // oracle: MISRA rules of the header
];

const TRIES: u32 = 3;

pub(super) fn missing(programs: &[Program]) -> Option<String> {
    let names: Vec<&str> =
        programs.iter().filter(|p| sh::find(p.0).is_none()).map(|p| p.0).collect();
    (!names.is_empty()).then(|| format!("not on PATH: {}", names.join(", ")))
}

pub(super) fn install(programs: &[Program]) -> Result<()> {
    let packages: Vec<&str> =
        programs.iter().filter(|p| sh::find(p.0).is_none()).map(|p| p.1).collect();
    if packages.is_empty() { Ok(()) } else { packages_by_name(&packages) }
}

/// Installs packages under a machine-wide lock: two apt runs at once spoil each other's downloads.
pub(super) fn packages_by_name(packages: &[&str]) -> Result<()> {
    let wanted = packages.join(" ");
    if sh::find("apt-get").is_none() {
        bail!("this is not a Debian system; please install: {wanted}");
    }
    let lock = File::create(std::env::temp_dir().join("firmlog-apt.lock"))?;
    lock.lock().context("failed to take the apt lock")?;
    let mut last = None;
    for attempt in 1..=TRIES {
        match update_and_install(packages) {
            Ok(()) => return Ok(()),
            Err(error) => {
                sh::say(format_args!("apt, try {attempt} of {TRIES}: {error:#}"));
                last = Some(error);
                // A run that lost its downloads leaves half-installed packages behind.
                drop(sh::run(apt().args(["-f", "install"])));
                thread::sleep(Duration::from_secs(u64::from(attempt) * 5));
            }
        }
    }
    Err(last.context("no attempt was made")?.context(format!("failed to install {wanted} (root?)")))
}

fn update_and_install(packages: &[&str]) -> Result<()> {
    sh::run(apt().arg("update"))?;
    sh::run(apt().args(["install", "--no-install-recommends"]).args(packages))
}

fn apt() -> std::process::Command {
    let mut apt = sh::command("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt.args(["-q", "-y", "-o", "DPkg::Lock::Timeout=300"]);
    apt.stdout(std::io::stderr());
    apt
}
