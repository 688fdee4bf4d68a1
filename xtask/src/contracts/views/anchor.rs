//! What FirmwareAnchor must answer, after three logs of different fates.
//!
//! Two heads of one log are relayed, signed by cast with a key that has no account on the node,
//! from an account that has no power; another log is frozen by two roots for one size, a third
//! loses its authority.

use anyhow::{Context, Result};
use serde_json::Value;

use super::super::cast::{self, be, hex, join, keccak};
use super::super::deployed::{ROTATION_DELAY, World};
use super::super::{folder, read_json};
use super::{Answer, answer, governed, list, typed};

/// The secp256k1 key of the log's authority: a number that protects nothing.
const LOG_KEY: &str = "0x0000000000000000000000000000000000000000000000000000000000000010";
const ORIGIN: &str = "log.example/pumps";
const NO_ACCOUNT: &str = "0x0000000000000000000000000000000000000000";

/// A head as it is sent, with the names that the fixtures have for it.
struct Head {
    size: u64,
    root: String,
    hash: String,
}

/// Registers, anchors, freezes and revokes; then what the contract must answer.
pub(super) fn answers(world: &World) -> Result<Vec<Answer>> {
    let (people, at) = (&world.people, world.at("FirmwareAnchor")?);
    let million = read_json(&folder().join("fixtures/million.json"))?;
    let authority = cast::account(LOG_KEY)?;
    let log = register(world, ORIGIN, &authority)?;
    let heads = [900_000, 1_000_000].map(|size: u64| Head {
        size,
        root: text(&million[format!("root{size}")]),
        hash: be(size, 32),
    });
    let proofs = ["[]".to_string(), hashes(&million["from900000"])];
    let mut accumulator = log.clone();
    let mut history = Vec::new();
    for ((head, proof), seq) in heads.iter().zip(&proofs).zip(1..) {
        let time = relay(world, &log, head, proof)?;
        let size = head.size.to_string();
        history.push(format!("({},{size},{seq},{time},{})", head.root, head.hash));
        let size = be(head.size, 8);
        let parts =
            ["0x02", &accumulator, &head.root, &size, &be(seq, 4), &be(time, 8), &head.hash];
        accumulator = world.cast.sha256(&join(&parts))?;
    }
    let rotation = "scheduleRotation(bytes32,address)";
    let announced = world.cast.send(&people.registrar, at, rotation, &[&log, &people.next])?;
    let frozen = equivocate(world, &authority, &heads)?;
    let revoked = register(world, "log.example/revoked", &people.writer)?;
    world.cast.send(&people.revoker, at, "revokeAuthority(bytes32)", &[&revoked])?;

    let [_, newest] = &heads;
    let head = format!("({},{},2,{authority},{accumulator})", newest.root, newest.size);
    let empty = world.cast.sha256("0x")?;
    let gone = format!("({empty},0,0,{NO_ACCOUNT},{revoked})");
    let pending = format!("({},{})", people.next, announced + ROTATION_DELAY);
    let (leaf, index) = (text(&million["leaf"]), million["index"].to_string());
    let path = hashes(&million["inclusion"]);
    let entry = be(million["index"].as_u64().context("no index")?, 8);
    let history = format!("[{}]", history.join(","));
    let message = message(world, &log, newest)?;
    let size = newest.size.to_string();
    let question = [&log, &newest.root, &size, &newest.hash].map(String::as_str);
    let mut answers = governed(world, "FirmwareAnchor")?;
    answers.extend([
        answer("ROTATION_DELAY", &[], &[&ROTATION_DELAY.to_string()]),
        answer("head", &[&log], &[&head]),
        answer("head", &[&revoked], &[&gone]),
        answer("isFrozen", &[&log], &["false"]),
        answer("isFrozen", &[&frozen], &["true"]),
        answer("pendingRotation", &[&log], &[&pending]),
        answer("wasAuthority", &[&log, &authority], &["false"]),
        answer("wasAuthority", &[&revoked, &people.writer], &["true"]),
        answer("checkpointMessage", &question, &[&message]),
        answer("verifyInclusion", &[&log, &leaf, &index, &path], &["true"]),
        answer("verifyInclusion", &[&log, &leaf, "0", &path], &["false"]),
        answer("verifyEntry", &[&log, &entry, &index, &path], &["true"]),
        answer("verifyHistory", &[&log, &log, &history], &["true"]),
        answer("verifyHistory", &[&log, &log, "[]"], &["false"]),
    ]);
    Ok(answers)
}

/// Registers a log; its id is the hash of its origin.
fn register(world: &World, origin: &str, authority: &str) -> Result<String> {
    let at = world.at("FirmwareAnchor")?;
    let function = "registerLog(string,address)";
    world.cast.send(&world.people.registrar, at, function, &[origin, authority])?;
    world.cast.sha256(&hex(origin))
}

/// Sends a head that the log's key signed, from an account that has no power.
fn relay(world: &World, log: &str, head: &Head, proof: &str) -> Result<u64> {
    let function = "anchor(bytes32,bytes32,uint64,bytes32[],bytes,bytes32)";
    let size = head.size.to_string();
    let signature = signed(world, log, head)?;
    let args = [log, &head.root, &size, proof, &signature, &head.hash];
    world.cast.send(&world.people.stranger, world.at("FirmwareAnchor")?, function, &args)
}

fn signed(world: &World, log: &str, head: &Head) -> Result<String> {
    let digest = keccak(&message(world, log, head)?)?;
    Ok(join(&["0x01", &cast::sign(LOG_KEY, &digest)?]))
}

/// What the log's authority signs.
fn message(world: &World, log: &str, head: &Head) -> Result<String> {
    let kind = "Checkpoint(bytes32 logId,bytes32 root,uint64 size,bytes32 checkpointHash)";
    let kind = keccak(&hex(kind))?;
    let fields = [kind, log.into(), head.root.clone(), head.size.to_string(), head.hash.clone()];
    let structure = keccak(&cast::encode("bytes32,bytes32,bytes32,uint64,bytes32", &fields)?)?;
    typed(world, "FirmwareAnchor", &structure)
}

/// Freezes a log of its own by two roots for one size; returns its id.
fn equivocate(world: &World, authority: &str, heads: &[Head; 2]) -> Result<String> {
    let log = register(world, "log.example/forked", authority)?;
    let mut both = Vec::new();
    for Head { root, hash, .. } in heads {
        let head = Head { size: 7, root: root.clone(), hash: hash.clone() };
        both.push(format!("({root},7,{hash},{})", signed(world, &log, &head)?));
    }
    let head = "(bytes32,uint64,bytes32,bytes)";
    let function = format!("reportEquivocation(bytes32,{head},{head})");
    let args = [&log, &both[0], &both[1]].map(String::as_str);
    world.cast.send(&world.people.stranger, world.at("FirmwareAnchor")?, &function, &args)?;
    Ok(log)
}

fn hashes(value: &Value) -> String {
    list(&value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().into()
}
