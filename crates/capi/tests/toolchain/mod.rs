//! The static library, and the C compilers and checkers that take it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The library with all that C may ask for, built once for all tests.
pub(crate) fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build(&["--features", "static"]))
}

/// The sources of the example.
pub(crate) const EXAMPLE: [&str; 5] = [
    "examples/device/device.c",
    "examples/device/flash.c",
    "examples/device/link.c",
    "examples/device/react.c",
    "examples/device/sending.c",
];

/// Builds the library as a device's build does, and says where it is.
pub(crate) fn build(features: &[&str]) -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["rustc", "--quiet", "--lib"]);
    cargo.args(["--crate-type", "staticlib", "--profile", "device"]).args(features);
    // Each set of features in a folder of its own: tests run at the same time.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("library");
    let target =
        if features.contains(&"--no-default-features") { target.join("bare") } else { target };
    told(cargo.arg("--target-dir").arg(&target));
    target.join("device/libfirmlog_capi.a")
}

/// Whether these programs are there. Where they are not the test is skipped, and says so.
pub(crate) fn have(test: &str, programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    match programs.iter().find(|name| !there(name)) {
        None => true,
        Some(missing) => {
            assert!(std::env::var_os("CI").is_none(), "{test}: no {missing}");
            eprintln!("skipped: {test}: no {missing}; `cargo xtask setup c` installs it");
            false
        }
    }
}

/// Strict, and with the header and the example's flash in reach.
pub(crate) fn compiler(name: &str, standard: &str) -> Command {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut compiler = Command::new(name);
    compiler.arg(format!("-std={standard}")).args([
        "-Wall",
        "-Wextra",
        "-Wconversion",
        "-Wsign-compare",
        "-Werror",
        "-pedantic",
        "-g",
    ]);
    compiler.arg("-I").arg(crate_dir.join("include"));
    compiler.arg("-I").arg(crate_dir.join("examples/device"));
    compiler
}

/// A program of these sources and the library.
pub(crate) fn program(name: &str, sources: &[&str], flags: &[&str]) -> PathBuf {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut gcc = compiler("gcc", "c11");
    gcc.args(flags);
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    gcc.args(sources.iter().map(|source| crate_dir.join(source)));
    told(gcc.arg(library()).arg("-o").arg(&out));
    out
}

/// Runs to a good end and returns what it printed.
pub(crate) fn told(command: &mut Command) -> String {
    let output = ran(command);
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, shown(&output));
    String::from_utf8(output.stdout).expect("programs print text")
}

pub(crate) fn ran(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

fn shown(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{out}{}", String::from_utf8_lossy(&output.stderr))
}
