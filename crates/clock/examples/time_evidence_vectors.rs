//! Writes `vectors/time_evidence/`: a chain of replies of three servers, one of them an hour off,
//! and what is left of it after one change.
//!
//! ```text
//! expect: agreed
//! liar: liar
//! server: a 8a88e3dd…
//! body: hex
//!
//! 84015820d1d1…
//! ```
//!
//! Requests, replies and nonces are written by roughenough's crates with keys and times that are
//! fixed here, so that what this crate reads is another's.
//!
//! `cargo run -p firmlog-clock --example time_evidence_vectors`

use std::fmt::Write as _;
use std::path::Path;

use ed25519_dalek::{Signer, SigningKey};
use firmlog_clock::evidence::{Evidence, Exchange};
use firmlog_statement::Digest;
use roughenough_protocol::request::Request;
use roughenough_protocol::response::Response;
use roughenough_protocol::tags::{
    Certificate, Delegation, MerkleRoot, Nonce, ProtocolVersion, PublicKey, Signature,
    SignedResponse, SrvCommitment, SupportedVersions,
};
use roughenough_protocol::{ToFrame, ToWire};
use sha2::{Digest as _, Sha512};

/// The servers, and by how many seconds they are off.
const SERVERS: [(&str, u64); 3] = [("a", 0), ("b", 0), ("liar", 3600)];
/// What the first nonce is made over.
const OVER: [u8; 32] = [0xd1; 32];
/// The true time, seconds since 1970.
const NOW_S: u64 = 1_795_900_000;
const DAY_S: u64 = 86_400;

const DELEGATION: &[u8] = b"Roughtime v1 delegation signature\0";
const RESPONSE: &[u8] = b"Roughtime v1 response signature\0";

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/time_evidence"));
    if dir.exists() {
        std::fs::remove_dir_all(dir)?;
    }
    std::fs::create_dir_all(dir)?;
    for (name, expect, change) in changed() {
        let mut vector = Vector { evidence: chain(Spoil::None)?, servers: servers(), liars: "" };
        let bytes = match change {
            Change::Said(of) => {
                of(&mut vector);
                vector.evidence.encode()
            }
            Change::Reply(spoil) => chain(spoil)?.encode(),
            Change::Bytes(of) => of(vector.evidence.encode()),
        };
        std::fs::write(dir.join(name), vector.text(expect, &bytes)?)?;
    }
    Ok(())
}

struct Vector {
    evidence: Evidence,
    servers: Vec<(&'static str, [u8; 32])>,
    liars: &'static str,
}

/// How a vector differs from the chain as it was signed.
enum Change {
    /// In what evidence and servers say.
    Said(fn(&mut Vector)),
    /// In the liar's first reply.
    Reply(Spoil),
    /// In the bytes.
    Bytes(fn(Vec<u8>) -> Vec<u8>),
}

/// What is changed in a reply after it was signed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spoil {
    None,
    Delegation,
    Index,
    Midpoint,
    Version,
}

/// Each vector: its name, what comes of it, and what is changed.
#[rustfmt::skip]
fn changed() -> [(&'static str, &'static str, Change); 20] {
    use Change::{Bytes, Reply, Said};
    [
        ("liar", "agreed", Said(|it| it.liars = "liar")),
        ("liar_unproven", "agreed", Said(|it| {
            it.evidence.exchanges.truncate(3);
            it.liars = "liar";
        })),
        ("two_servers", "too few", Said(|it| it.evidence.exchanges.truncate(2))),
        ("exchange_dropped", "reply 1: it answers another nonce",
            Said(|it| drop(it.evidence.exchanges.remove(1)))),
        ("exchanges_swapped", "exchange 1 is out of order",
            Said(|it| it.evidence.exchanges.swap(0, 1))),
        ("bad_random", "reply 1: it answers another nonce",
            Said(|it| it.evidence.exchanges[1].random[0] ^= 1)),
        ("other_over", "reply 0: it answers another nonce", Said(|it| it.evidence.over.0[0] ^= 1)),
        ("name_control", "the name of exchange 0 is not one",
            Said(|it| it.evidence.exchanges[0].name = "\n".into())),
        ("no_exchanges", "it has 0 exchanges; expected 1 to 64",
            Said(|it| it.evidence.exchanges.clear())),
        ("too_few_named", "it has replies of 3 servers and names 2",
            Said(|it| it.evidence.named = 2)),
        ("unknown_server", "exchange 2 is with a server whose key the settings do not have",
            Said(|it| it.servers.truncate(2))),
        ("wrong_key", "reply 2: its delegation is not signed by the server's key", Said(|it| {
            it.servers[2].1 = [9; 32];
            it.evidence.exchanges.iter_mut().filter(|of| of.name == "liar")
                .for_each(|of| of.key = [9; 32]);
        })),
        ("bad_delegation", "reply 2: its delegation is not signed by the server's key",
            Reply(Spoil::Delegation)),
        ("bad_index", "reply 2: the request is not in the tree that was signed",
            Reply(Spoil::Index)),
        ("bad_midpoint", "reply 2: its time is not signed by the delegated key",
            Reply(Spoil::Midpoint)),
        ("bad_version", "reply 2: its version was not asked for", Reply(Spoil::Version)),
        ("version_2", "it has version 2, and only 1 is known", Bytes(|mut bytes| {
            bytes[1] = 2;
            bytes
        })),
        ("not_shortest", "it is not evidence of a time: NotShortest", Bytes(|mut bytes| {
            // How many servers were named, behind version and hash, in two bytes.
            bytes.splice(36..37, [0x18, 3]);
            bytes
        })),
        ("trailing_byte", "it is not evidence of a time: TrailingBytes", Bytes(|mut bytes| {
            bytes.push(0);
            bytes
        })),
        ("truncated", "it is not evidence of a time: Truncated", Bytes(|mut bytes| {
            bytes.pop();
            bytes
        })),
    ]
}

impl Vector {
    fn text(&self, expect: &str, bytes: &[u8]) -> Result<String, Error> {
        let mut text = format!("expect: {expect}\n");
        if !self.liars.is_empty() {
            writeln!(text, "liar: {}", self.liars)?;
        }
        for (name, key) in &self.servers {
            writeln!(text, "server: {name} {}", hex(key))?;
        }
        text.push_str("body: hex\n\n");
        bytes.chunks(48).for_each(|line| text.push_str(&(hex(line) + "\n")));
        Ok(text)
    }
}

fn servers() -> Vec<(&'static str, [u8; 32])> {
    (0..).zip(SERVERS).map(|(at, (name, _))| (name, public(&long_term(at)))).collect()
}

fn long_term(server: u8) -> SigningKey {
    SigningKey::from_bytes(&[server + 1; 32])
}

fn public(key: &SigningKey) -> [u8; 32] {
    key.verifying_key().to_bytes()
}

/// Two rounds over the servers; each reply is over the one before.
fn chain(spoil: Spoil) -> Result<Evidence, Error> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for round in 0..2_u64 {
        for (server, (name, off_s)) in (0_u8..).zip(SERVERS) {
            let at = exchanges.len() as u64;
            let random = [0xa0 + at as u8; 32];
            let before = exchanges.last().map_or(&OVER[..], |last| &last.reply);
            let nonce = roughenough_common::crypto::calculate_chained_nonce(before, &random);
            let here = if round == 0 && name == "liar" { spoil } else { Spoil::None };
            exchanges.push(Exchange {
                name: name.into(),
                key: public(&long_term(server)),
                random,
                sent_ms: 5000 + 20 * at,
                received_ms: 5010 + 20 * at,
                reply: reply(server, NOW_S + off_s, &nonce, here)?,
            });
        }
    }
    Ok(Evidence { over: Digest(OVER), named: 3, exchanges })
}

/// What a server answers, as roughenough writes it.
fn reply(server: u8, time_s: u64, nonce: &Nonce, spoil: Spoil) -> Result<Vec<u8>, Error> {
    let (long, online) = (long_term(server), SigningKey::from_bytes(&[0x40 + server; 32]));
    let commitment = SrvCommitment::try_from(&first_half(&[&[0xff], &public(&long)])[..])?;
    let request = Request::new_with_server(nonce, &commitment).as_frame_bytes()?;
    let mut delegation = Delegation::default();
    delegation.set_pubk(PublicKey::from(public(&online)));
    delegation.set_mint(time_s - DAY_S);
    delegation.set_maxt(time_s + DAY_S);
    let delegated = sign(&long, DELEGATION, &delegation.as_bytes()?);
    let mut certificate = Certificate::new(delegated, delegation);
    let mut signed = SignedResponse::default();
    signed.set_ver(ProtocolVersion::RFC);
    signed.set_radi(5);
    signed.set_midp(time_s);
    signed.set_vers(&SupportedVersions::new(&[ProtocolVersion::RFC]));
    signed.set_root(&MerkleRoot::from(first_half(&[&[0], &request])));
    let mut reply = Response::default();
    reply.set_sig(sign(&online, RESPONSE, &signed.as_bytes()?));
    reply.set_nonc(*nonce);
    match spoil {
        Spoil::None => {}
        Spoil::Delegation => certificate.set_sig(Signature::from([7; 64])),
        Spoil::Index => reply.set_indx(1),
        Spoil::Midpoint => signed.set_midp(time_s - 1),
        Spoil::Version => signed.set_ver(ProtocolVersion::DRAFT),
    }
    reply.set_srep(signed);
    reply.set_cert(certificate);
    Ok(reply.as_frame_bytes()?)
}

fn sign(key: &SigningKey, context: &[u8], of: &[u8]) -> Signature {
    Signature::from(key.sign(&[context, of].concat()).to_bytes())
}

/// RFC 10049 §5.3: the first 32 bytes of SHA-512.
fn first_half(parts: &[&[u8]]) -> [u8; 32] {
    let whole = Sha512::digest(parts.concat());
    let mut half = [0; 32];
    half.copy_from_slice(&whole[..32]);
    half
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
