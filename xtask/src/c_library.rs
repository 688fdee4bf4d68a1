//! `cargo xtask c-library`: the library for C, laid down so that a C project links it.
//!
//! ```text
//! DIR/include/firmlog.h
//! DIR/lib/libfirmlog.a
//! DIR/lib/pkgconfig/firmlog.pc                 pkg-config --cflags --libs firmlog
//! DIR/lib/cmake/firmlog/firmlogConfig.cmake    find_package(firmlog), firmlog::firmlog
//! ```
//!
//! Both files find the rest from where they lie: the folder may be moved.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::sh;

const USAGE: &str = "usage: cargo xtask c-library [--target TRIPLE] [--features A,B] --out DIR";

struct Wanted {
    target: Option<String>,
    features: Option<String>,
    out: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let wanted = read(args)?;
    let library = build(&wanted)?;
    let (include, lib) = (wanted.out.join("include"), wanted.out.join("lib"));
    for folder in [&include, &lib.join("pkgconfig"), &lib.join("cmake/firmlog")] {
        fs::create_dir_all(folder)?;
    }
    fs::copy(sh::root().join("crates/capi/include/firmlog.h"), include.join("firmlog.h"))?;
    fs::copy(&library, lib.join("libfirmlog.a")).with_context(|| library.display().to_string())?;
    let version = env!("CARGO_PKG_VERSION");
    for (path, text) in [
        ("pkgconfig/firmlog.pc", PKG_CONFIG),
        ("cmake/firmlog/firmlogConfig.cmake", CMAKE),
        ("cmake/firmlog/firmlogConfigVersion.cmake", CMAKE_VERSION),
    ] {
        fs::write(lib.join(path), text.replace("@VERSION@", version))?;
    }
    sh::say(wanted.out.display());
    Ok(())
}

fn read(args: &[String]) -> Result<Wanted> {
    let (mut target, mut features, mut out) = (None, None, None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let place = match arg.as_str() {
            "--target" => &mut target,
            "--features" => &mut features,
            "--out" => &mut out,
            other => bail!("unknown argument `{other}`\n{USAGE}"),
        };
        *place = Some(args.next().context(USAGE)?.clone());
    }
    // Relative to where the command was given.
    let out = std::path::absolute(out.context(USAGE)?)?;
    Ok(Wanted { target, features, out })
}

/// Builds it, with all features if none are named.
fn build(wanted: &Wanted) -> Result<PathBuf> {
    let mut cargo = sh::cargo();
    cargo.args(["rustc", "--quiet", "--package", "firmlog-capi", "--lib"]);
    cargo.args(["--crate-type", "staticlib", "--profile", "device", "--features"]);
    match &wanted.features {
        None => cargo.arg("static"),
        Some(named) => cargo.arg(format!("static,{named}")).arg("--no-default-features"),
    };
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let mut built = target.unwrap_or_else(|| sh::root().join("target"));
    if let Some(triple) = &wanted.target {
        add(triple)?;
        cargo.args(["--target", triple]);
        built.push(triple);
    }
    sh::run(&mut cargo)?;
    Ok(built.join("device/libfirmlog_capi.a"))
}

/// Rust's core for a processor, if it is not there.
fn add(triple: &str) -> Result<()> {
    let sysroot = sh::read(sh::command("rustc").args(["--print", "sysroot"]))?;
    let there = Path::new(sysroot.trim()).join("lib/rustlib").join(triple).join("lib").is_dir();
    if there { Ok(()) } else { sh::run(sh::command("rustup").args(["target", "add", triple])) }
}

const PKG_CONFIG: &str = "\
prefix=${pcfiledir}/../..

Name: firmlog
Description: the device's journal and update state machine, for firmware in C
Version: @VERSION@
Cflags: -I${prefix}/include
Libs: -L${prefix}/lib -lfirmlog
";

const CMAKE: &str = "\
get_filename_component(_firmlog \"${CMAKE_CURRENT_LIST_DIR}/../../..\" ABSOLUTE)
if(NOT TARGET firmlog::firmlog)
  add_library(firmlog::firmlog STATIC IMPORTED)
  set_target_properties(firmlog::firmlog PROPERTIES
    IMPORTED_LOCATION \"${_firmlog}/lib/libfirmlog.a\"
    INTERFACE_INCLUDE_DIRECTORIES \"${_firmlog}/include\")
endif()
unset(_firmlog)
";

/// Until 1.0 a minor version may break: the same one fits, no older.
const CMAKE_VERSION: &str = "\
set(PACKAGE_VERSION \"@VERSION@\")
string(REGEX MATCH \"^[0-9]+\\\\.[0-9]+\" _firmlog_here \"${PACKAGE_VERSION}\")
set(_firmlog_asked \"${PACKAGE_FIND_VERSION_MAJOR}.${PACKAGE_FIND_VERSION_MINOR}\")
if(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION OR
   NOT _firmlog_here VERSION_EQUAL _firmlog_asked)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
  set(PACKAGE_VERSION_EXACT TRUE)
endif()
";
