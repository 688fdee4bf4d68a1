//! `contracts/abi/NAME.json`: interface and bytecode of what is deployed, as clients read them.
//!
//! OpenZeppelin's that ours are deployed with are among them, so that deploying takes no compiler.
//! The compiler, its settings and OpenZeppelin are pinned and metadata is left out, so the same
//! sources give the same bytes anywhere. `immutables` says which bytes of the deployed code a
//! constructor fills in; an auditor compares all others.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{Mode, folder, read_json};
use crate::sh;

const NAMES: [&str; 6] = [
    "AccessManager",
    "Council",
    "ERC7913P256Verifier",
    "FirmwareAnchor",
    "FirmwareUpdateLog",
    "TimelockController",
];

/// Compares or writes every artefact.
pub(super) fn run(mode: Mode) -> Result<()> {
    for name in NAMES {
        let fresh = artefact(name)?;
        let file = folder().join("abi").join(format!("{name}.json"));
        if mode == Mode::Write {
            fs::write(file, fresh)?;
        } else if fs::read_to_string(&file).ok().as_deref() != Some(&fresh) {
            bail!("contracts/abi/{name}.json is stale; `cargo xtask contracts --write` renews it");
        }
    }
    sh::say(format_args!("{} artefacts are fresh", NAMES.len()));
    Ok(())
}

fn artefact(name: &str) -> Result<String> {
    let built = read_json(&built(name)).with_context(|| format!("failed to read {name}"))?;
    let code = |kind: &str| built[kind]["object"].clone();
    let artefact = json!({
        "name": name,
        "abi": built["abi"],
        "bytecode": code("bytecode"),
        "deployedBytecode": code("deployedBytecode"),
        "immutables": immutables(&built),
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&artefact)?))
}

fn built(name: &str) -> PathBuf {
    folder().join(format!("out/{name}.sol/{name}.json"))
}

/// `[{start, length}]` over all immutables, in order; their numbers in the compiler's tree would
/// change with every source that is added.
fn immutables(built: &Value) -> Vec<Value> {
    let references = built["deployedBytecode"]["immutableReferences"].as_object();
    let mut all: Vec<Value> = references
        .into_iter()
        .flat_map(|map| map.values())
        .filter_map(Value::as_array)
        .flatten()
        .cloned()
        .collect();
    all.sort_by_key(|place| place["start"].as_u64());
    all
}
