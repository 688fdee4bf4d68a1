//! The library as C meets it: its header, its example, its refusals and its symbols.

#[path = "../../verify/tests/common/mod.rs"]
mod common;
#[path = "toolchain/log.rs"]
mod log;
#[path = "toolchain/packaging.rs"]
mod packaging;
mod toolchain;

use log::served;
use std::fs;
use std::path::Path;
use std::process::Command;
use toolchain::{EXAMPLE, build, compiler, have, program, told};

const MISUSE: &[&str] = &["tests/c/misuse.c", "examples/device/flash.c"];
/// What a library without features lacks.
const OPTIONAL: &[&str] = &["p256", "check_install", "mcuboot", "reason_text", "pinned"];
/// A bad access, a leak or an overflow ends the program.
const SANITIZERS: &[&str] =
    &["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];

fn folder(name: &str) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn header_and_example_are_c11_and_the_header_cpp17_to_two_compilers() {
    if !have("the header", &["gcc", "g++", "clang"]) {
        return;
    }
    let source = folder("header").join("only.c");
    fs::write(&source, "#include \"firmlog.h\"\n#include \"firmlog.h\"\nfirmlog_agent a;\n")
        .unwrap();
    for (name, standard, language) in [
        ("gcc", "c11", "c"),
        ("gcc", "c2x", "c"),
        ("clang", "c11", "c"),
        ("g++", "c++17", "c++"),
        ("clang", "c++17", "c++"),
    ] {
        let mut compiler = compiler(name, standard);
        compiler.args(["-Wundef", "-fsyntax-only", "-x", language]);
        told(compiler.arg(&source));
    }
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["gcc", "clang"] {
        let mut compiler = compiler(name, "c11");
        compiler.args(["-Wundef", "-fsyntax-only"]);
        told(compiler.args(EXAMPLE.map(|source| crate_dir.join(source))));
    }
}

#[test]
fn the_example_runs_under_sanitizers_and_power_cuts() {
    if !have("the example", &["gcc"]) {
        return;
    }
    let device = program("device-sanitized", &EXAMPLE, SANITIZERS);
    let out = told(Command::new(&device).arg(folder("sanitized")));
    assert_eq!(out, "14 statements, 0 in the log, 5 of 10 pages free, 0 dropped\n");
    // A prime, so that cuts fall everywhere in a word, a record and a page.
    let out = told(Command::new(&device).args(["--cuts", "61"]));
    assert!(out.ends_with("every chain holds\n"), "{out}");
    let cuts: u32 = out.split(' ').next().unwrap().parse().unwrap();
    assert!(cuts > 100, "{out}");
}

#[test]
fn the_example_runs_under_valgrind() {
    if !have("the example under valgrind", &["gcc", "valgrind"]) {
        return;
    }
    let device = program("device-plain", &EXAMPLE, &["-O1"]);
    let out = told(valgrind().arg(device).arg(folder("plain")));
    assert!(out.starts_with("14 statements, "), "{out}");
}

#[test]
fn what_a_caller_gets_wrong_has_a_status_and_harms_nothing() {
    if !have("misuse", &["gcc", "valgrind"]) {
        return;
    }
    let sanitized = told(&mut Command::new(program("misuse-sanitized", MISUSE, SANITIZERS)));
    let watched = told(valgrind().arg(program("misuse-plain", MISUSE, &["-O1"])));
    assert_eq!(sanitized, watched);
    assert!(sanitized.ends_with(" 0 failures\n"), "{sanitized}");
}

/// The C blocks of docs/c-api.md, as one program on the example's flash and link.
#[test]
fn what_the_documentation_shows_compiles_and_runs() {
    if !have("the documentation", &["gcc"]) {
        return;
    }
    let text = include_str!("../../../docs/c-api.md");
    let blocks: Vec<&str> =
        text.split("```c\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 5);
    let source = folder("documentation").join("shown.c");
    fs::write(&source, [blocks.concat().as_str(), include_str!("c/snippets.c")].concat()).unwrap();
    let source = source.to_str().unwrap();
    let sources = [source, "examples/device/flash.c", "examples/device/link.c"];
    let shown = program("shown", &sources, SANITIZERS);
    let mut seed = [0; 32];
    seed[0] = 1;
    let (said, log) = served(&mut Command::new(shown), seed);
    let count = log.statements().len();
    let [line] = &said[..] else { panic!("{said:?}") };
    assert!(line.starts_with(&format!("{count} of ")), "{line}");
}

/// Compiled with structures packed, as firmware sometimes is: noticed at the start.
#[test]
fn a_header_of_another_layout_is_noticed() {
    if !have("layouts", &["gcc"]) {
        return;
    }
    let source = "tests/c/layout.c";
    assert_eq!(told(&mut Command::new(program("layout", &[source], &[]))), "105 105\n");
    let packed = program("layout-packed", &[source], &["-fpack-struct=1"]);
    assert_eq!(told(&mut Command::new(packed)), "19 19\n");
}

fn valgrind() -> Command {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["-q", "--error-exitcode=9", "--leak-check=full"]);
    valgrind
}

/// A program without libc: what is not in the library and not one of the four is missing.
#[test]
fn the_library_needs_no_more_than_four_functions_of_libc() {
    if !have("symbols", &["gcc", "nm"]) {
        return;
    }
    let with_keys = link_bare("bare-p256", toolchain::library());
    assert!(names(&with_keys).contains("firmlog_p256_sign"));
    let features = ["--no-default-features", "--features", "static,flash-2048-8"];
    let without = names(&link_bare("bare", &build(&features)));
    assert!(without.contains("firmlog_start") && !without.contains("p256"), "{without}");
    assert!(!without.contains("panic"), "no way to a panic is left:\n{without}");
}

/// Links all that the library offers into a program that has but four functions of its own.
fn link_bare(name: &str, library: &Path) -> std::path::PathBuf {
    let header = fs::read_to_string("include/firmlog.h").unwrap();
    let offered = names_of_functions(&header);
    assert!(offered.len() > 40, "{offered:?}");
    let has_keys = name.ends_with("p256");
    let kept: String = offered
        .iter()
        .filter(|function| has_keys || !OPTIONAL.iter().any(|part| function.contains(part)))
        .map(|function| format!("    (kept){function},\n"))
        .collect();
    let source = folder("bare").join(format!("{name}.c"));
    let four = include_str!("c/four.c");
    fs::write(&source, format!("{four}\nkept all[] = {{\n{kept}    0,\n}};\n")).unwrap();
    let out = folder("bare").join(name);
    let mut gcc = compiler("gcc", "c11");
    gcc.args(["-ffreestanding", "-nostdlib", "-static", "-no-pie", "-Wl,--gc-sections"]);
    told(gcc.arg(source).arg(library).arg("-o").arg(&out));
    out
}

fn names(program: &Path) -> String {
    told(Command::new("nm").arg("-C").arg(program))
}

/// `firmlog_…(` at the beginning of a prototype.
fn names_of_functions(header: &str) -> Vec<String> {
    let prototypes = header.split("extern \"C\" {").nth(1).unwrap();
    let calls = prototypes.lines().filter(|line| !line.starts_with("//"));
    let calls = calls.filter_map(|line| line.split_once('('));
    let calls = calls.filter_map(|(front, _)| front.rsplit([' ', '*']).next());
    calls.filter(|name| name.starts_with("firmlog_")).map(String::from).collect()
}
