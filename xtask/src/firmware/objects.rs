//! `salty` ships its assembly as object files: they must be what the sources beside them make.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::sh;

/// The archive's objects, and the source of each.
const OBJECTS: [(&str, &str); 3] = [
    ("salty-add.o", "asm/fe25519_add.s"),
    ("salty-mpy.o", "haase/cortex_m4_mpy_fe25519.S"),
    ("salty-sqr.o", "haase/cortex_m4_sqr_fe25519.S"),
];

/// Assembles the sources, and compares the code.
pub(super) fn compare(dir: &Path) -> Result<()> {
    let salty = place("salty")?;
    let archive = salty.join("bin/salty-asm.a");
    let listed = sh::read(sh::command("arm-none-eabi-ar").arg("t").arg(&archive))?;
    let names: Vec<&str> = listed.split_whitespace().collect();
    ensure!(names == OBJECTS.map(|it| it.0), "salty's archive has other objects: {names:?}");
    let mut unpack = sh::command("arm-none-eabi-ar");
    sh::run(unpack.arg("x").arg("--output").arg(dir).arg(&archive))?;
    for (object, source) in OBJECTS {
        let made = dir.join("assembled.o");
        let mut gcc = sh::command("arm-none-eabi-gcc");
        gcc.args(["-c", "-mcpu=cortex-m4", "-mthumb", "-I"]).arg(salty.join("haase"));
        sh::run(gcc.arg(salty.join(source)).arg("-o").arg(&made))?;
        let (shipped, assembled) = (code(&dir.join(object))?, code(&made)?);
        ensure!(!assembled.is_empty(), "no code in {source}");
        ensure!(shipped == assembled, "salty's {object} is not what {source} makes");
    }
    Ok(())
}

/// The bytes of an object's code.
fn code(object: &Path) -> Result<Vec<u8>> {
    let bytes = object.with_extension("text");
    let mut copy = sh::command("arm-none-eabi-objcopy");
    copy.args(["-O", "binary", "--only-section=.text"]).arg(object).arg(&bytes);
    sh::run(&mut copy)?;
    Ok(fs::read(bytes)?)
}

/// Where cargo keeps a crate that the images are built of.
fn place(package: &str) -> Result<PathBuf> {
    let mut cargo = sh::cargo();
    cargo.args(["metadata", "--quiet", "--format-version", "1", "--locked"]);
    let text = sh::read(cargo.current_dir(sh::root().join("firmware")))?;
    let listed: Value = serde_json::from_str(&text)?;
    let packages = listed["packages"].as_array().context("no packages in cargo metadata")?;
    let found = packages.iter().find(|it| it["name"] == package);
    let manifest = found.and_then(|it| it["manifest_path"].as_str());
    let folder = manifest.map(Path::new).and_then(Path::parent);
    folder.map(Path::to_path_buf).with_context(|| format!("no {package} in the images"))
}
