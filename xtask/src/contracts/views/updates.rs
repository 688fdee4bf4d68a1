//! What FirmwareUpdateLog must answer, after two updates of one device.

use anyhow::Result;

use super::super::cast::{self, hex, join, keccak};
use super::super::deployed::World;
use super::{Answer, ZERO, answer, governed, typed};

const DEVICE: &str = "pump-42";

/// Enrols a writer and logs two updates; then what the contract must answer.
pub(super) fn answers(world: &World) -> Result<Vec<Answer>> {
    let (people, at) = (&world.people, world.at("FirmwareUpdateLog")?);
    let enrol = "enrolAuthoriser(address,bool,bool)";
    world.cast.send(&people.registrar, at, enrol, &[&people.writer, "true", "true"])?;
    let content = keccak("0x63")?;
    let cid = join(&["0x01551220", &content]);
    let firmware = [keccak("0x31")?, keccak("0x32")?];
    let mut newest = ZERO.to_string();
    let (mut hashes, mut told, mut sent) = (Vec::new(), Vec::new(), String::new());
    for ((firmware, nonce), version) in firmware.iter().zip(0_u64..).zip(["1.2.3", "1.2.4"]) {
        sent = format!("({DEVICE},{firmware},{version},1700000000,{cid},0,{newest})");
        let function =
            "logFirmwareUpdateSigned((string,bytes32,string,uint64,bytes,uint8,bytes32),bytes)";
        let time = world.cast.send(&people.writer, at, function, &[&sent, "0x"])?;
        let writer = &people.writer;
        told.push(format!("({firmware},{newest},{cid},{version},1700000000,{time},0,{writer})"));
        newest = record_hash(&newest, nonce, firmware, &content, version, time)?;
        hashes.push(newest.clone());
    }
    let update = structure(&sent_fields(&firmware[1], "1.2.4", &cid, &hashes[0])?)?;
    let update = typed(world, "FirmwareUpdateLog", &update)?;
    let history = format!("[{}]", told.join(","));
    let time = "1700000000";
    let mut answers = governed(world, "FirmwareUpdateLog")?;
    answers.extend([
        answer("CLOCK_AHEAD_MAX", &[], &["86400"]),
        answer("authoriser", &[&people.writer], &["1", "true", "true"]),
        answer("authoriser", &[&people.stranger], &["0", "false", "false"]),
        answer("foldUpdates", &[DEVICE, "0", "1", ZERO], &[&hashes[0]]),
        answer("foldUpdates", &[DEVICE, "1", "2", &hashes[0]], &[&newest]),
        answer("getUpdateCount", &[DEVICE], &["2"]),
        answer("getUpdateDetails", &[DEVICE, "1"], &[&told[1]]),
        answer("getUpdateHistory", &[DEVICE, "0", "9"], &[&history]),
        answer("latestFirmwareHash", &[DEVICE], &[&firmware[1]]),
        answer("paused", &[], &["false"]),
        answer("previousUpdateHash", &[DEVICE], &[&newest]),
        answer("updateLog", &[DEVICE, &newest], &["true", "1"]),
        answer("updateLog", &[DEVICE, ZERO], &["false", "0"]),
        answer("updateMessage", &[&sent], &[&update]),
        answer("verifyUpdate", &[DEVICE, &firmware[1], time, "1"], &["true"]),
        answer("verifyUpdate", &[DEVICE, &firmware[0], time, "1"], &["false"]),
        answer("verifyUpdateChain", &[DEVICE], &["true"]),
    ]);
    Ok(answers)
}

fn record_hash(
    previous: &str,
    nonce: u64,
    firmware: &str,
    content: &str,
    version: &str,
    time: u64,
) -> Result<String> {
    let version = format!("{:0<34}", hex(version));
    let record = format!("({firmware},{content},{version},1700000000,{time},1,85,0)");
    let types = "bytes32,bytes32,uint64,\
                 (bytes32,bytes32,bytes16,uint40,uint40,uint32,uint8,uint8)";
    let key = keccak(&hex(DEVICE))?;
    keccak(&cast::encode(types, &[previous.into(), key, nonce.to_string(), record])?)
}

fn sent_fields(firmware: &str, version: &str, cid: &str, previous: &str) -> Result<[String; 8]> {
    let kind = "Update(string deviceId,bytes32 firmwareHash,string version,uint64 timestamp,\
                bytes contentCid,uint8 status,bytes32 previousUpdateHash)";
    Ok([
        keccak(&hex(kind))?,
        keccak(&hex(DEVICE))?,
        firmware.into(),
        keccak(&hex(version))?,
        "1700000000".into(),
        keccak(cid)?,
        "0".into(),
        previous.into(),
    ])
}

fn structure(fields: &[String; 8]) -> Result<String> {
    let types = "bytes32,bytes32,bytes32,bytes32,uint64,bytes32,uint8,bytes32";
    keccak(&cast::encode(types, fields)?)
}
