//! Every view of our contracts, called by cast and compared with what was sent.
//!
//! ```text
//! head(bytes32) of the log   (root, 1000000, 2, authority, accumulator)
//! ```
//!
//! Invariant: a view in an ABI that is asked nothing here is an error.

mod anchor;
mod updates;

use anyhow::{Context, Result, ensure};

use super::cast::{self, hex, join, keccak, low_160_bits};
use super::deployed::{THRESHOLD, World, abi, domain, types};
use super::powers::expect;

const ZERO: &str = "0x0000000000000000000000000000000000000000000000000000000000000000";

/// What a view must answer: its name, what it is asked, the values.
struct Answer(&'static str, Vec<String>, Vec<String>);

fn answer(name: &'static str, args: &[&str], values: &[&str]) -> Answer {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_string()).collect();
    Answer(name, owned(args), owned(values))
}

/// Writes something of each kind, and compares; returns how many answers were read.
pub(super) fn check(world: &World) -> Result<usize> {
    let anchor = compare(world, "FirmwareAnchor", &anchor::answers(world)?)?;
    let updates = compare(world, "FirmwareUpdateLog", &updates::answers(world)?)?;
    Ok(anchor + updates + compare(world, "Council", &council(world)?)?)
}

fn compare(world: &World, contract: &str, answers: &[Answer]) -> Result<usize> {
    let views = abi(contract)?;
    let views = views.iter().filter(|f| {
        f["type"] == "function" && matches!(f["stateMutability"].as_str(), Some("view" | "pure"))
    });
    let mut compared = 0;
    for view in views {
        let name = view["name"].as_str().context("a view without name")?;
        let function = format!("{name}({})", types(&view["inputs"]));
        let before = compared;
        for Answer(_, args, values) in answers.iter().filter(|known| known.0 == name) {
            expect(world, contract, &function, args, &types(&view["outputs"]), values)?;
            compared += 1;
        }
        ensure!(compared > before, "{contract}.{name} is asked nothing");
    }
    ensure!(compared == answers.len(), "{contract} has not all the views that are asked");
    Ok(compared)
}

/// What every contract of ours answers about itself.
fn common(world: &World, name: &str) -> Result<Vec<Answer>> {
    let at = world.at(name)?;
    let quoted = format!("\"{name}\"");
    let domain = ["0x0f", &quoted, "\"1\"", "31337", at, ZERO, "[]"];
    Ok(vec![answer("eip712Domain", &[], &domain)])
}

/// The same of those that check authorities and are governed.
fn governed(world: &World, name: &str) -> Result<Vec<Answer>> {
    let mut answers = common(world, name)?;
    let (x, y) = (keccak("0x78")?, keccak("0x79")?);
    let key = low_160_bits(&keccak(&join(&["0x02", &x, &y]))?);
    let members = list(&world.people.members);
    let quorum = ["3".into(), THRESHOLD.into(), members.clone()];
    let quorum = low_160_bits(&keccak(&cast::encode("uint8,uint256,bytes[]", &quorum)?)?);
    answers.extend([
        answer("HAS_P256_PRECOMPILE", &[], &["true"]),
        answer("authority", &[], &[world.at("AccessManager")?]),
        answer("isConsumingScheduledOp", &[], &["0x00000000"]),
        answer("p256Authority", &[&x, &y], &[&key]),
        answer("thresholdAuthority", &[THRESHOLD, &members], &[&quorum]),
    ]);
    Ok(answers)
}

/// `0x1901 ‖ domain separator ‖ struct hash`.
fn typed(world: &World, name: &str, structure: &str) -> Result<String> {
    Ok(join(&["0x1901", &domain(name, world.at(name)?)?, structure]))
}

fn council(world: &World) -> Result<Vec<Answer>> {
    let (members, at) = (&world.people.members, world.at("Council")?);
    let kind = keccak(&hex("Call(address target,bytes data,uint256 number)"))?;
    let fields = [kind, at.into(), keccak("0x1234")?, "0".into()];
    let structure = keccak(&cast::encode("bytes32,address,bytes32,uint256", &fields)?)?;
    let digest = keccak(&typed(world, "Council", &structure)?)?;
    let mut answers = common(world, "Council")?;
    answers.extend([
        answer("callCount", &[], &["0"]),
        answer("callDigest", &[at, "0x1234", "0"], &[&digest]),
        answer("getSignerCount", &[], &["3"]),
        answer("getSigners", &["0", "9"], &[&list(members)]),
        answer("isSigner", &[&members[0]], &["true"]),
        answer("isSigner", &[&world.people.stranger], &["false"]),
        answer("threshold", &[], &[THRESHOLD]),
    ]);
    Ok(answers)
}

fn list(words: &[String]) -> String {
    format!("[{}]", words.join(","))
}
