//! The deployment script on a real node, and what `cast` reads back from what it left there.
//!
//! `script/Deploy.s.sol` takes its plan from the environment, as an operator gives it. Then cast
//! registers logs, anchors, logs updates, and reads: who may call which function (`powers`), and
//! every view of every contract of ours (`views`).
//!
//! Invariant: expected values are made from what was sent, by cast and the node's precompiles, and
//! never by asking the contracts.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::cast::{self, Cast};
use super::node::Node;
use super::{folder, forge, powers, read_json, views};
use crate::sh;

pub(super) const THRESHOLD: &str = "2";
pub(super) const TIMELOCK_DELAY: &str = "259200";
pub(super) const ROTATION_DELAY: u64 = 172_800;

/// What the script deploys, in the order in which it returns it.
const NAMES: [&str; 6] = [
    "Council",
    "TimelockController",
    "AccessManager",
    "FirmwareAnchor",
    "FirmwareUpdateLog",
    "ERC7913P256Verifier",
];

/// A node with everything deployed.
pub(super) struct World {
    pub(super) cast: Cast,
    pub(super) people: People,
    addresses: BTreeMap<&'static str, String>,
}

/// Who holds which of the node's accounts.
pub(super) struct People {
    pub(super) deployer: String,
    pub(super) registrar: String,
    pub(super) revoker: String,
    pub(super) guardian: String,
    pub(super) members: [String; 3],
    pub(super) writer: String,
    pub(super) next: String,
    pub(super) stranger: String,
}

/// Deploys, writes, and compares.
pub(super) fn run() -> Result<()> {
    let node = Node::start()?;
    let cast = Cast::new(&node);
    let people = People::of(cast.accounts()?)?;
    let addresses = deploy(&node, &people)?;
    let world = World { cast, people, addresses };
    let powers = powers::check(&world)?;
    let views = views::check(&world)?;
    sh::say(format_args!("cast reads {powers} powers and {views} answers of views as expected"));
    Ok(())
}

impl World {
    /// Where a contract is.
    pub(super) fn at(&self, name: &str) -> Result<&str> {
        self.addresses.get(name).map(String::as_str).with_context(|| format!("no {name}"))
    }
}

impl People {
    fn of(accounts: Vec<String>) -> Result<People> {
        let Ok([deployer, registrar, revoker, guardian, a, b, c, writer, next, stranger]) =
            <[String; 10]>::try_from(accounts)
        else {
            bail!("a development node has ten accounts")
        };
        let members = [a, b, c];
        Ok(People { deployer, registrar, revoker, guardian, members, writer, next, stranger })
    }
}

fn deploy(node: &Node, people: &People) -> Result<BTreeMap<&'static str, String>> {
    let mut script = forge()?;
    script.args(["script", "script/Deploy.s.sol:Deploy", "--broadcast", "--slow"]);
    script.args(["--rpc-url", &node.url(), "--non-interactive"]);
    script.args(["--unlocked", "--sender", &people.deployer]);
    script.env("COUNCIL_MEMBERS", people.members.join(","));
    script.env("COUNCIL_THRESHOLD", THRESHOLD).env("TIMELOCK_DELAY", TIMELOCK_DELAY);
    script.env("ROTATION_DELAY", ROTATION_DELAY.to_string());
    script.env("REGISTRAR", &people.registrar).env("REVOKER", &people.revoker);
    script.env("GUARDIAN", &people.guardian);
    sh::read(&mut script)?;
    let run = read_json(&folder().join("broadcast/Deploy.s.sol/31337/run-latest.json"))?;
    returned(&run)
}

/// The addresses in what the script returned, `(0x…, 0x…)`.
fn returned(run: &Value) -> Result<BTreeMap<&'static str, String>> {
    let tuple = run["returns"]["0"]["value"].as_str().context("the script returned nothing")?;
    let addresses: Vec<&str> = tuple.trim_matches(['(', ')']).split(", ").collect();
    ensure!(addresses.len() == NAMES.len(), "not {} addresses: {tuple}", NAMES.len());
    Ok(NAMES.into_iter().zip(addresses.into_iter().map(str::to_string)).collect())
}

/// The ABI of a contract as forge built it.
pub(super) fn abi(name: &str) -> Result<Vec<Value>> {
    let built = read_json(&folder().join(format!("out/{name}.sol/{name}.json")))?;
    built["abi"].as_array().cloned().with_context(|| format!("no ABI of {name}"))
}

/// The types of inputs or outputs, `bytes32,(uint64,bytes)[]`.
pub(super) fn types(parameters: &Value) -> String {
    let all = parameters.as_array().into_iter().flatten();
    all.map(type_of).collect::<Vec<_>>().join(",")
}

fn type_of(parameter: &Value) -> String {
    let name = parameter["type"].as_str().unwrap_or_default();
    match name.strip_prefix("tuple") {
        Some(brackets) => format!("({}){brackets}", types(&parameter["components"])),
        None => name.to_string(),
    }
}

/// `EIP712Domain(…)` of one of our contracts, hashed.
pub(super) fn domain(name: &str, address: &str) -> Result<String> {
    let kind = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
    let values = [
        cast::keccak(&cast::hex(kind))?,
        cast::keccak(&cast::hex(name))?,
        cast::keccak(&cast::hex("1"))?,
        "31337".into(),
        address.into(),
    ];
    cast::keccak(&cast::encode("bytes32,bytes32,bytes32,uint256,address", &values)?)
}

#[cfg(test)]
mod tests {
    use super::{returned, types};
    use serde_json::json;

    #[test]
    fn types_of_tuples_are_those_of_their_fields() {
        let fields = json!([{"type": "uint64"}, {"type": "bytes"}]);
        let inputs = json!([{"type": "bytes32"}, {"type": "tuple[]", "components": fields}]);
        assert_eq!(types(&inputs), "bytes32,(uint64,bytes)[]");
        assert_eq!(types(&json!([])), "");
    }

    #[test]
    fn the_script_returns_six_addresses() {
        let run = json!({"returns": {"0": {"value": "(0x1, 0x2, 0x3, 0x4, 0x5, 0x6)"}}});
        assert_eq!(returned(&run).expect("six")["FirmwareAnchor"], "0x4");
        assert!(returned(&json!({})).is_err());
    }
}
