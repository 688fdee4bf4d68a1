//! The list of docs/safety/misra.md: what cppcheck's MISRA addon says of the header.

use crate::compare;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_document_tells_which_rules_the_header_deviates_from() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|folder| folder.join("cppcheck").is_file()) {
        assert!(std::env::var_os("CI").is_none(), "MISRA: no cppcheck");
        eprintln!("skipped: MISRA: no cppcheck; `cargo xtask setup c` installs it");
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("misra");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("only.c"), "#include \"firmlog.h\"\n").unwrap();
    let mut cppcheck = Command::new("cppcheck");
    cppcheck.args(["--addon=misra", "--enable=style", "--std=c11", "--quiet", "only.c"]);
    // One line each, and nothing about what stands in the standard library's headers.
    cppcheck.args(["--template={id}", "--suppress=missingIncludeSystem", "--error-exitcode=0"]);
    cppcheck.arg("-I").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"));
    let output = cppcheck.current_dir(&folder).output().expect("cppcheck runs");
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr);
    let rules: BTreeSet<&str> =
        told.lines().map(|line| line.trim_start_matches("misra-c2012-")).collect();
    assert!(!rules.is_empty(), "a header that is not used has what is not used: it was not read");
    let list: Vec<String> = rules.iter().map(|rule| format!("- {rule}\n")).collect();
    compare("misra.md", &format!("\n{}", list.concat()));
}
