//! The library as other people's C projects link it: by pkg-config, and by CMake.

use crate::toolchain::{EXAMPLE, have, told};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const CMAKE_LISTS: &str = "\
cmake_minimum_required(VERSION 3.16)
project(pump C)
find_package(firmlog 0.1 REQUIRED CONFIG)
add_executable(pump ${SOURCES})
target_link_libraries(pump PRIVATE firmlog::firmlog)
";

/// Laid down once, and moved: nothing in it may name the place it was made in.
fn laid_down() -> &'static Path {
    static AT: OnceLock<PathBuf> = OnceLock::new();
    AT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (made, moved) = (folder.join("laid-down"), folder.join("moved"));
        drop((fs::remove_dir_all(&made), fs::remove_dir_all(&moved)));
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        told(build.args(["build", "--quiet", "--package", "xtask"]));
        // Beside the folder of the tests, wherever the target folder is.
        let mut xtask = Command::new(folder.with_file_name("debug/xtask"));
        xtask.args(["c-library", "--out"]).arg(&made);
        told(xtask.env("CARGO_TARGET_DIR", folder.join("library")));
        fs::rename(&made, &moved).unwrap();
        moved
    })
}

fn sources() -> Vec<PathBuf> {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    EXAMPLE.map(|source| crate_dir.join(source)).to_vec()
}

fn plays(device: &Path) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("played");
    fs::create_dir_all(&folder).unwrap();
    let out = told(Command::new(device).arg(folder));
    assert!(out.starts_with("14 statements, "), "{out}");
}

#[test]
fn the_example_links_by_pkg_config() {
    if !have("pkg-config", &["gcc", "pkg-config"]) {
        return;
    }
    let mut config = Command::new("pkg-config");
    config.env("PKG_CONFIG_PATH", laid_down().join("lib/pkgconfig"));
    let flags = told(config.args(["--cflags", "--libs", "firmlog >= 0.1"]));
    let device = Path::new(env!("CARGO_TARGET_TMPDIR")).join("by-pkg-config");
    let mut gcc = Command::new("gcc");
    gcc.arg("-std=c11").args(sources()).args(flags.split_whitespace());
    told(gcc.arg("-o").arg(&device));
    plays(&device);
}

#[test]
fn the_example_links_by_cmake() {
    if !have("CMake", &["gcc", "cmake"]) {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("by-cmake");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("CMakeLists.txt"), CMAKE_LISTS).unwrap();
    let sources: Vec<String> = sources().iter().map(|it| it.display().to_string()).collect();
    let mut configure = Command::new("cmake");
    configure.arg(format!("-DSOURCES={}", sources.join(";")));
    configure.arg(format!("-DCMAKE_PREFIX_PATH={}", laid_down().display()));
    told(configure.arg("-S").arg(&folder).arg("-B").arg(folder.join("build")));
    told(Command::new("cmake").arg("--build").arg(folder.join("build")));
    plays(&folder.join("build/pump"));
}
