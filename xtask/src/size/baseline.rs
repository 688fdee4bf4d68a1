//! `cargo xtask size --baseline`: other people's P-256 in C, on the same board, for comparison.
//!
//! ```text
//! mbedTLS 3.6.5   flash 13,680   sign 16,982,080 instructions, 860 bytes of stack
//! ```
//!
//! Each signs and verifies one SHA-256 that was hashed already, beside a program that does nothing
//! else; what that program takes without a library is subtracted. Their sources come from the crate
//! registry, by version, and nothing of them is kept: not what mbedTLS is, but what its C takes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{sections, told};
use crate::firmware::blank_flash;
use crate::setup::{self, Part};
use crate::sh;

/// A library: its part in `firmware/baseline`, and what of which crate is compiled with it.
struct Library {
    name: &'static str,
    part: &'static str,
    package: &'static str,
    version: &'static str,
    /// Below the crate.
    folders: &'static [&'static str],
    sources: &'static [&'static str],
    defines: &'static [&'static str],
}

const MBEDTLS: (&str, &str) = ("mbedtls-rs-sys", "0.3.1");
const SMALL: &str = "MBEDTLS_CONFIG_FILE=\"small.h\"";

const LIBRARIES: [Library; 4] = [
    Library {
        name: "mbedTLS 3.6.5",
        part: "mbedtls.c",
        package: MBEDTLS.0,
        version: MBEDTLS.1,
        folders: &["mbedtls/include"],
        sources: &[
            "mbedtls/library/asn1parse.c",
            "mbedtls/library/asn1write.c",
            "mbedtls/library/bignum.c",
            "mbedtls/library/bignum_core.c",
            "mbedtls/library/constant_time.c",
            "mbedtls/library/ecdsa.c",
            "mbedtls/library/ecp.c",
            "mbedtls/library/ecp_curves.c",
            "mbedtls/library/hmac_drbg.c",
            "mbedtls/library/md.c",
            "mbedtls/library/memory_buffer_alloc.c",
            "mbedtls/library/platform.c",
            "mbedtls/library/platform_util.c",
            "mbedtls/library/sha256.c",
        ],
        defines: &[SMALL],
    },
    Library {
        name: "p256-m, in mbedTLS 3.6.5",
        part: "p256_m.c",
        package: MBEDTLS.0,
        version: MBEDTLS.1,
        folders: &["mbedtls/3rdparty/p256-m/p256-m", "mbedtls/include"],
        sources: &["mbedtls/3rdparty/p256-m/p256-m/p256-m.c", "mbedtls/library/platform_util.c"],
        defines: &[SMALL, "MBEDTLS_PSA_P256M_DRIVER_ENABLED"],
    },
    Library {
        name: "micro-ecc, in micro-ecc-sys 0.3.2",
        part: "micro_ecc.c",
        package: "micro-ecc-sys",
        version: "0.3.2",
        folders: &["micro-ecc"],
        sources: &["micro-ecc/uECC.c"],
        defines: &[
            "uECC_OPTIMIZATION_LEVEL=4",
            "uECC_SUPPORTS_secp160r1=0",
            "uECC_SUPPORTS_secp192r1=0",
            "uECC_SUPPORTS_secp224r1=0",
            "uECC_SUPPORTS_secp256k1=0",
        ],
    },
    Library {
        name: "P256-Cortex-M4, which our images use",
        part: "p256_cortex_m4.c",
        package: "p256-cortex-m4-sys",
        version: "0.1.0",
        folders: &["P256-Cortex-M4"],
        sources: &["P256-Cortex-M4/p256-cortex-m4.c", "P256-Cortex-M4/p256-cortex-m4-asm-gcc.S"],
        defines: &[],
    },
];

/// What the compiler is told for all of them.
const FLAGS: [&str; 12] = [
    "-std=c11",
    "-Os",
    "-flto",
    "-mcpu=cortex-m4",
    "-mthumb",
    "-mfloat-abi=hard",
    "-mfpu=fpv4-sp-d16",
    "-ffunction-sections",
    "-fdata-sections",
    "-nostartfiles",
    "--specs=nano.specs",
    "-Wl,--gc-sections,-z,noexecstack",
];

/// Fetches, compiles and runs each; a figure for each by its name.
pub(super) fn measure(dir: &Path) -> Result<Value> {
    setup::ensure(&[Part::Board, Part::Baseline])?;
    let dir = dir.join("baseline");
    let crates = fetch(&dir)?;
    let none = dir.join("none");
    compile(&none, "none.c", &[])?;
    let (own_flash, own_ram) = sections(&none)?;
    let mut figures = Vec::new();
    for library in &LIBRARIES {
        let image = dir.join(library.part.trim_end_matches(".c"));
        let from = crates.get(library.package).context("a crate that was not fetched")?;
        compile(&image, library.part, &arguments(library, from))?;
        let (flash, ram) = sections(&image)?;
        let file = dir.join("flash");
        blank_flash(&file)?;
        let told = told(&image, &file).with_context(|| library.name)?;
        figures.push(json!({
            "name": library.name,
            "flash_bytes": flash.saturating_sub(own_flash),
            "static_ram_bytes": ram.saturating_sub(own_ram),
            "told": told,
        }));
    }
    Ok(figures.into())
}

/// Brings the crates into cargo's own cache, and tells where each is.
fn fetch(dir: &Path) -> Result<BTreeMap<String, PathBuf>> {
    fs::create_dir_all(dir)?;
    let pins: BTreeMap<&str, &str> = LIBRARIES.iter().map(|it| (it.package, it.version)).collect();
    let pins = pins.iter().map(|(name, version)| {
        format!("{name} = {{ version = \"={version}\", default-features = false }}\n")
    });
    let head = "[package]\nname = \"baseline\"\nedition = \"2024\"\n[lib]\npath = \"none.rs\"\n";
    let manifest = dir.join("Cargo.toml");
    fs::write(dir.join("none.rs"), "")?;
    fs::write(
        &manifest,
        format!("{head}[workspace]\n[dependencies]\n{}", pins.collect::<String>()),
    )?;
    let metadata = ["metadata", "--quiet", "--format-version", "1", "--manifest-path"];
    let listed: Value = serde_json::from_str(&sh::read(sh::cargo().args(metadata).arg(manifest))?)?;
    let packages = listed["packages"].as_array().context("no packages in cargo metadata")?;
    let place = |package: &Value| {
        let file = Path::new(package["manifest_path"].as_str()?);
        Some((package["name"].as_str()?.to_string(), file.parent()?.to_path_buf()))
    };
    Ok(packages.iter().filter_map(place).collect())
}

fn arguments(library: &Library, from: &Path) -> Vec<String> {
    let folders = library.folders.iter().map(|it| format!("-I{}", from.join(it).display()));
    let defines = library.defines.iter().map(|it| format!("-D{it}"));
    let sources = library.sources.iter().map(|it| from.join(it).display().to_string());
    folders.chain(defines).chain(sources).collect()
}

fn compile(image: &Path, part: &str, more: &[String]) -> Result<()> {
    let mut gcc = sh::command("arm-none-eabi-gcc");
    gcc.args(FLAGS).args(["-Ifirmware/c", "-Ifirmware/baseline", "firmware/c/board.c"]);
    gcc.args(["firmware/baseline/measure.c"]).arg(format!("firmware/baseline/{part}")).args(more);
    gcc.args(["-T", "firmware/c/link.ld", "-o"]).arg(image);
    sh::run(&mut gcc)?;
    ensure!(image.exists(), "no {}", image.display());
    Ok(())
}
