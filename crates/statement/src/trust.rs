//! `Trust`: who may speak, and by which rules. Leaf 0 of a log is its genesis.
//!
//! ```text
//! {0: 0, 10: time, 32: [0, {1: "log.example/pumps", 2: ["…+…+…"], 3: 0, 4: 2, 5: [enrol, …]}]}
//! ```
//!
//! The genesis is signed by the first administrator's key it names; every later
//! `Trust` by a key then enrolled as administrator.

use crate::codec::{self, Decoder, Sink};
use crate::disclosure::Commitments;
#[cfg(not(feature = "alloc"))]
use crate::field::shape::{String, Vec};
use crate::time::DeviceTime;
use crate::{DeviceId, Digest, Field, PublicKey, Role, StatementError as E, Thumbprint};
#[cfg(feature = "alloc")]
use alloc::{string::String, vec::Vec};

statement! {
    /// A change to who is trusted with what.
    pub struct Trust {
        /// When it was made.
        10 time: [Option<DeviceTime>],
        /// Salted commitments (serial, UDI-PI, printed name, site).
        22 commitments: [Commitments],
        /// What changes.
        32 action: [TrustAction],
    }
}

/// What a `Trust` statement does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustAction {
    /// Begins a log.
    Genesis(Genesis),
    /// Enrols a key.
    Enrol(Enrol),
    /// Replaces a key.
    Rotate(Rotate),
    /// Withdraws a key.
    Revoke(Revoke),
    /// Changes the log's policy.
    Policy(PolicyChange),
}

impl Field for TrustAction {
    fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
        codec::head(out, 4, 2)?;
        match self {
            Self::Genesis(it) => codec::uint(out, 0).and_then(|()| it.encode(out)),
            Self::Enrol(it) => codec::uint(out, 1).and_then(|()| it.encode(out)),
            Self::Rotate(it) => codec::uint(out, 2).and_then(|()| it.encode(out)),
            Self::Revoke(it) => codec::uint(out, 3).and_then(|()| it.encode(out)),
            Self::Policy(it) => codec::uint(out, 4).and_then(|()| it.encode(out)),
        }
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        match open_action(d)? {
            0 => Genesis::decode(d).map(Self::Genesis),
            1 => Enrol::decode(d).map(Self::Enrol),
            2 => Rotate::decode(d).map(Self::Rotate),
            3 => Revoke::decode(d).map(Self::Revoke),
            4 => PolicyChange::decode(d).map(Self::Policy),
            _ => Err(E::UnknownCode),
        }
    }

    fn check(d: &mut Decoder<'_>) -> Result<(), E> {
        match open_action(d)? {
            0 => Genesis::check(d),
            1 => Enrol::check(d),
            2 => Rotate::check(d),
            3 => Revoke::check(d),
            4 => PolicyChange::check(d),
            _ => Err(E::UnknownCode),
        }
    }
}

fn open_action(d: &mut Decoder<'_>) -> Result<u64, E> {
    if d.head(4)? == 2 { d.uint() } else { Err(E::WrongType) }
}

codes! {
    /// What a log takes.
    pub enum Registration {
        0 Signed "signed" "Statements signed by enrolled keys.",
        1 Any "any" "Any bytes.",
    }
}

/// A device's chain needs its seed, and only a device has a chain (`STM-036`).
fn seed_suits_role(role: &Role, chain_seed: &Option<Digest>) -> Result<(), E> {
    if (*role == Role::Device) == chain_seed.is_some() { Ok(()) } else { Err(E::RoleHasNoSeed) }
}

/// Only who approves or authorises does so for somebody (`STM-042`).
fn scope_suits_role(role: &Role, issuers: &impl IsThere) -> Result<(), E> {
    let judges = matches!(role, Role::Approver | Role::Authoriser);
    if judges || !issuers.is_there() { Ok(()) } else { Err(E::RoleHasNoScope) }
}

trait IsThere {
    fn is_there(&self) -> bool;
}

impl IsThere for Vec<String> {
    fn is_there(&self) -> bool {
        self.present()
    }
}

/// Whether a list of issuers is there, read without holding it.
struct Scope(bool);

impl IsThere for Scope {
    fn is_there(&self) -> bool {
        self.0
    }
}

impl Field for Scope {
    const OPTIONAL: bool = true;

    fn encode(&self, _: &mut dyn Sink) -> Result<(), E> {
        Err(E::Bug)
    }
    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        d.skip().map(|_| Self(true))
    }
    fn absent() -> Result<Self, E> {
        Ok(Self(false))
    }
}

/// The first key of a genesis signs it, so it must be an administrator's (`STM-037`).
fn begins_with_admin(keys: &impl FirstOf) -> Result<(), E> {
    if keys.first_role() == Some(Role::Admin) { Ok(()) } else { Err(E::KeysListEmpty) }
}

trait FirstOf {
    fn first_role(&self) -> Option<Role>;
}

#[cfg(feature = "alloc")]
impl FirstOf for Vec<Enrol> {
    fn first_role(&self) -> Option<Role> {
        self.first().map(|enrol| enrol.role)
    }
}

/// Without an allocator a list of keys is never held.
#[cfg(not(feature = "alloc"))]
impl FirstOf for Vec<Enrol> {
    fn first_role(&self) -> Option<Role> {
        None
    }
}

/// The role of the first key of a list that was checked, read without holding the list.
struct FirstRole(Option<Role>);

impl FirstOf for FirstRole {
    fn first_role(&self) -> Option<Role> {
        self.0
    }
}

impl Field for FirstRole {
    const OPTIONAL: bool = true;

    fn encode(&self, _: &mut dyn Sink) -> Result<(), E> {
        Err(E::Bug)
    }
    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        d.list()?;
        crate::record::pick(d, 3).map(Some).map(Self)
    }
    fn absent() -> Result<Self, E> {
        Ok(Self(None))
    }
}

record! {
    /// The beginning of a log.
    pub struct Genesis {
        /// The log's name.
        1 origin: [String],
        /// The log's verifier keys (signed-note vkey text).
        2 log_keys: [Vec<String>],
        /// What the log takes.
        3 registration: [Registration],
        /// Approvals by different people a release needs.
        4 approvals: [u8],
        /// Keys enrolled from the start, administrators first; at least one.
        5 keys: [Vec<Enrol>],
        /// SHA-256 of the policy document.
        6 policy: [Option<Digest>],
    }
    rule begins_with_admin { 5 keys: [FirstRole] }
}
record! {
    /// A key and what it may speak as.
    pub struct Enrol {
        /// The key.
        1 key: [PublicKey],
        /// The iss its statements carry.
        2 issuer: [String],
        /// As what.
        3 role: [Role],
        /// Devices: `prev` of seq 0, drawn by the secure element.
        4 chain_seed: [Option<Digest>],
        /// Devices: the model.
        5 model: [Option<String>],
        /// Devices: manufacturer.
        6 manufacturer: [Option<String>],
        /// Devices: hardware revision.
        7 hw_rev: [Option<String>],
        /// Devices: UDI-DI of the model.
        8 udi_di: [Option<String>],
        /// SHA-256 of certificate chain or key attestation.
        9 attestation: [Option<Digest>],
        /// People: reference of the training record (21 CFR 11.10(i)).
        10 training: [Option<String>],
        /// Approvers and authorisers: issuers of releases that they may speak about; left out, the
        /// first manufacturer the log enrolled.
        11 issuers: [Vec<String>],
    }
    rule seed_suits_role { 3 role: [Role], 4 chain_seed: [Option<Digest>] }
    rule scope_suits_role { 3 role: [Role], 11 issuers: [Scope] }
}
record! {
    /// A key takes the place of another; a device keeps its id and chain.
    pub struct Rotate {
        /// The key replaced.
        1 old: [Thumbprint],
        /// The key that takes its place.
        2 new: [PublicKey],
        /// The device, if it is one's.
        3 device: [Option<DeviceId>],
    }
}
codes! {
    /// Why a key is withdrawn.
    pub enum RevokeReason {
        0 Unspecified "unspecified" "Not given.",
        1 Compromised "compromised" "Somebody else has it.",
        2 Lost "lost" "Nobody has it.",
        3 Retired "retired" "No longer needed.",
        4 Decommissioned "decommissioned" "The device is out of use.",
        5 LeftRole "left_role" "The person has another role.",
    }
}
record! {
    /// A key may speak no longer.
    pub struct Revoke {
        /// The key.
        1 kid: [Thumbprint],
        /// Why.
        2 reason: [RevokeReason],
        /// Since when, milliseconds since 1970 UTC: for people to read, nothing is decided by it.
        3 from_ms: [Option<u64>],
        /// Since which statement of a device's chain: for people to read.
        4 from_seq: [Option<u64>],
        /// Index in the log from which on its words permit nothing, if it is compromised; 0 if left
        /// out.
        5 from_entry: [Option<u64>],
    }
}
record! {
    /// New rules for the log.
    pub struct PolicyChange {
        /// What the log takes.
        1 registration: [Option<Registration>],
        /// Approvals by different people a release needs.
        2 approvals: [Option<u8>],
        /// Verifier keys of the log from here on.
        3 log_keys: [Vec<String>],
        /// SHA-256 of the policy document.
        4 policy: [Option<Digest>],
    }
}

#[cfg(feature = "json")]
impl crate::json::Json for TrustAction {
    fn to_json(&self) -> serde_json::Value {
        let (name, value) = match self {
            Self::Genesis(it) => ("genesis", it.to_json()),
            Self::Enrol(it) => ("enrol", it.to_json()),
            Self::Rotate(it) => ("rotate", it.to_json()),
            Self::Revoke(it) => ("revoke", it.to_json()),
            Self::Policy(it) => ("policy", it.to_json()),
        };
        serde_json::json!({ name: value })
    }

    fn from_json(value: &serde_json::Value) -> Result<Self, crate::json::JsonError> {
        let mut object = crate::json::Object::new(value)?;
        let (name, value) = object.single()?;
        match name {
            "genesis" => Genesis::from_json(value).map(Self::Genesis),
            "enrol" => Enrol::from_json(value).map(Self::Enrol),
            "rotate" => Rotate::from_json(value).map(Self::Rotate),
            "revoke" => Revoke::from_json(value).map(Self::Revoke),
            "policy" => PolicyChange::from_json(value).map(Self::Policy),
            _ => Err(crate::json::JsonError::UnknownName),
        }
    }

    fn form() -> String {
        "an object with one name: genesis | enrol | rotate | revoke | policy".into()
    }

    fn lines(path: &str, out: &mut Vec<crate::json::shape::Line>) {
        use crate::json::shape::{Line, below};
        let mut one = |name: &str, about: &str, lines: fn(&str, &mut Vec<Line>)| {
            let (path, form) = (below(path, name), "an object".into());
            out.push(Line { path: path.clone(), required: false, form, about: about.into() });
            lines(&path, out);
        };
        one("genesis", "Begins a log.", Genesis::lines);
        one("enrol", "Enrols a key.", Enrol::lines);
        one("rotate", "Replaces a key.", Rotate::lines);
        one("revoke", "Withdraws a key.", Revoke::lines);
        one("policy", "Changes the log's policy.", PolicyChange::lines);
    }

    fn fault(value: &serde_json::Value, path: &str) -> Option<crate::json::shape::Fault> {
        use crate::json::shape::{below, whole};
        let single = value.as_object().filter(|map| map.len() == 1);
        let Some((name, inner)) = single.and_then(|map| map.iter().next()) else {
            return whole::<Self>(value, path);
        };
        let path_below = below(path, name);
        let fault = match name.as_str() {
            "genesis" => Genesis::fault(inner, &path_below),
            "enrol" => Enrol::fault(inner, &path_below),
            "rotate" => Rotate::fault(inner, &path_below),
            "revoke" => Revoke::fault(inner, &path_below),
            "policy" => PolicyChange::fault(inner, &path_below),
            _ => None,
        };
        fault.or_else(|| whole::<Self>(value, path))
    }
}
