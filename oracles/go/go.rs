//! Starts `oracles/go`, found by `FIRMLOG_GO_ORACLE` or else built here with `go`.
//! Without either, tests say `skipped: …`, and fail if `CI` is set.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// Asks the oracle one question it can answer.
pub(crate) fn run(oracle: &Path, subcommand: &str, request: &Value) -> Value {
    let output = ask(oracle, subcommand, request);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Asks it one it cannot, and returns what it says.
#[allow(dead_code, clippy::allow_attributes, reason = "each test uses its part")]
pub(crate) fn refused(oracle: &Path, subcommand: &str, request: &Value) -> String {
    let output = ask(oracle, subcommand, request);
    assert_eq!(output.status.code(), Some(2), "the Go oracle answered");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn ask(oracle: &Path, subcommand: &str, request: &Value) -> Output {
    let mut command = Command::new(oracle);
    command.arg(subcommand).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starting the Go oracle");
    child.stdin.take().unwrap().write_all(request.to_string().as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// The oracle, built once if need be.
pub(crate) fn oracle() -> Option<&'static PathBuf> {
    static ORACLE: OnceLock<Option<PathBuf>> = OnceLock::new();
    ORACLE.get_or_init(find_or_build).as_ref()
}

fn find_or_build() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("FIRMLOG_GO_ORACLE") {
        return Some(path.into());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-oracle");
    let mut build = Command::new("go");
    build.args(["build", "-trimpath", "-o"]).arg(&out).arg(".");
    match build.current_dir(root.join("oracles/go")).status() {
        Ok(status) => {
            assert!(status.success(), "building oracles/go failed");
            Some(out)
        }
        Err(_) => {
            assert!(std::env::var_os("CI").is_none(), "no Go toolchain, but CI is set");
            eprintln!("skipped: Go's note and tlog packages (no Go toolchain)");
            None
        }
    }
}
