//! A log of people's statements in memory, with keys and signatures that cost a hash: thousands of
//! histories are judged here.

use std::convert::Infallible;

use firmlog_statement::disclosure::Commitments;
use firmlog_statement::event::EventType;
use firmlog_statement::{
    Approval, Authorisation, Digest, Enrol, Extra, Genesis, Meaning, Parsed, PolicyChange,
    PublicKey, Registration, Release, Revoke, RevokeReason, Role, Rotate, SecurityCounter,
    SignError, Signer, Statement, Trust, TrustAction, VersionCode, sign_statement,
};
use firmlog_tlog::checkpoint::{self, Checkpoint};
use firmlog_tlog::cosignature;
use firmlog_tlog::merkle::{
    CompactRange, Hash, LeafIndex, NodeSource, TreeHead, TreeSize, inclusion_proof, leaf_hash,
};
use firmlog_tlog::note::{Algorithm, Ed25519Check, NoteSigner, SignerError, VerifierKey};
use firmlog_tlog::policy::Policy;
use firmlog_verify::bundle::{Bundle, Entry};
use firmlog_verify::registry::{Decision, Refusal, Registry};
use firmlog_verify::{Crypto, TrustRoot};
use sha2::{Digest as _, Sha256};

use crate::common::{ORIGIN, enrol, release_body, time};

/// A key of one number, whose signature is a hash over it and the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) u8);

fn signature(key: &[u8], message: &[u8]) -> [u8; 64] {
    let half = |n: u8| {
        let mut half: [u8; 32] = Sha256::new()
            .chain_update([n])
            .chain_update(key)
            .chain_update(message)
            .finalize()
            .into();
        // Below the order and the half of it.
        half[0] = 1;
        half
    };
    let mut out = [0; 64];
    out[..32].copy_from_slice(&half(0));
    out[32..].copy_from_slice(&half(1));
    out
}

impl Signer for Key {
    fn public_key(&self) -> PublicKey {
        PublicKey::P256([self.0; 64])
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(signature(&[self.0; 64], message))
    }
}

/// Knows that one way of signing.
pub(crate) struct Cheap;

impl Ed25519Check for Cheap {
    fn ed25519(&self, key: &[u8; 32], message: &[u8], it: &[u8; 64]) -> bool {
        signature(key, message) == *it
    }
}

impl Crypto for Cheap {
    fn p256(&self, key: &[u8; 64], message: &[u8], it: &[u8; 64]) -> bool {
        signature(key, message) == *it
    }
}

struct Named(VerifierKey);

impl Named {
    fn new(n: u8, name: &str, algorithm: Algorithm) -> Self {
        Self(VerifierKey::new(name, algorithm, [n; 32]).unwrap())
    }
}

impl NoteSigner for Named {
    fn verifier_key(&self) -> &VerifierKey {
        &self.0
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        Ok(signature(&self.0.public_key, message))
    }
}

pub(crate) const ACME: &str = "acme.example/build";
pub(crate) const ZETA: &str = "zeta.example/build";
pub(crate) const ADMIN: &str = "log.example/admin";
pub(crate) const FIELD: &str = "acme.example/field";

pub(crate) const ADMIN_KEY: Key = Key(1);
pub(crate) const BUILD: Key = Key(2);
pub(crate) const APPROVERS: [Key; 2] = [Key(3), Key(4)];
pub(crate) const OTHER_BUILD: Key = Key(5);
pub(crate) const OTHER_APPROVER: Key = Key(6);
pub(crate) const AUTHORISER: Key = Key(7);

pub(crate) fn person(n: usize) -> &'static str {
    ["acme.example/quality", "acme.example/safety"][n]
}

/// The log, and the registry of who keeps to its rules.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) registry: Registry,
    /// Entries that the rules refuse.
    pub(crate) refused: Vec<usize>,
    /// Those of them that may still be named.
    pub(crate) named: Vec<usize>,
}

impl Log {
    /// Acme's build and two approvers, another manufacturer with one, an authoriser of acme.
    pub(crate) fn new(approvals: u8) -> Self {
        let scoped = |key: Key, issuer: &str, role, of: &str| Enrol {
            issuers: vec![of.into()],
            ..enrolled(key, issuer, role)
        };
        let keys = vec![
            enrolled(ADMIN_KEY, ADMIN, Role::Admin),
            enrolled(BUILD, ACME, Role::Manufacturer),
            scoped(APPROVERS[0], person(0), Role::Approver, ACME),
            scoped(APPROVERS[1], person(1), Role::Approver, ACME),
            enrolled(OTHER_BUILD, ZETA, Role::Manufacturer),
            scoped(OTHER_APPROVER, "zeta.example/quality", Role::Approver, ZETA),
            scoped(AUTHORISER, FIELD, Role::Authoriser, ACME),
        ];
        Self::of(approvals, keys)
    }

    /// An administrator alone.
    pub(crate) fn bare(approvals: u8) -> Self {
        Self::of(approvals, vec![enrolled(ADMIN_KEY, ADMIN, Role::Admin)])
    }

    fn of(approvals: u8, keys: Vec<Enrol>) -> Self {
        let genesis = TrustAction::Genesis(Genesis {
            origin: ORIGIN.into(),
            log_keys: vec![],
            registration: Registration::Signed,
            approvals,
            keys,
            policy: None,
        });
        let mut log =
            Self { entries: vec![], registry: Registry::new(), refused: vec![], named: vec![] };
        log.put(sign(trust(genesis), ADMIN, ADMIN_KEY));
        log
    }

    /// What the log's rules make of an entry that comes next; it is applied if they let it in.
    fn admit(&mut self, entry: &[u8]) -> bool {
        let Ok(parsed) = Parsed::parse(entry) else { return false };
        if self.entries.iter().any(|it| it == entry) {
            return false;
        }
        let Ok(candidate) = self.registry.check(&parsed, &Cheap) else { return false };
        let admitted = matches!(
            self.registry.admit(&candidate),
            Decision::Append | Decision::Fork { .. } | Decision::Earlier { .. }
        );
        let index = LeafIndex(self.entries.len() as u64);
        admitted && self.registry.apply(&candidate, &parsed, index).is_ok()
    }

    /// Appends an entry if the rules let it in.
    pub(crate) fn offer(&mut self, entry: Vec<u8>) -> bool {
        let admitted = self.admit(&entry);
        if admitted {
            self.entries.push(entry);
        }
        admitted
    }

    /// Appends an entry that the rules must let in; its leaf hash.
    pub(crate) fn put(&mut self, entry: Vec<u8>) -> Hash {
        let leaf = leaf_hash(&entry);
        assert!(self.offer(entry), "entry {} is refused", self.entries.len());
        leaf
    }

    /// Appends whatever it is: an operator that signs what it likes.
    pub(crate) fn force(&mut self, entry: Vec<u8>) -> Hash {
        // That no other administrator is there, part of a log cannot show: readers take it.
        let parsed = Parsed::parse(&entry).unwrap();
        let checked = self.registry.check(&parsed, &Cheap);
        let last = checked == Err(Refusal::LastAdmin);
        let refusal = checked.ok().and_then(|candidate| match self.registry.admit(&candidate) {
            Decision::Refuse(refusal) => Some(refusal),
            _ => None,
        });
        if refusal.is_some_and(Refusal::is_of_release) {
            self.named.push(self.entries.len());
        }
        // What forbids is heard whatever it names.
        let heard = refusal.is_some_and(|it| {
            use Refusal::{NotARelease, ReleaseUnknown, StepNamesNone};
            matches!(it, NotARelease | ReleaseUnknown | StepNamesNone)
        });
        if !self.admit(&entry) && !last && !heard {
            self.refused.push(self.entries.len());
        }
        let leaf = leaf_hash(&entry);
        self.entries.push(entry);
        leaf
    }

    pub(crate) fn head(&self) -> TreeHead {
        root_of(&self.leaves())
    }

    fn leaves(&self) -> Vec<Hash> {
        self.entries.iter().map(|it| leaf_hash(it)).collect()
    }

    /// With its checkpoint and every proof made once.
    pub(crate) fn seal(&self) -> Sealed<'_> {
        let (size, leaves) = (TreeSize(self.entries.len() as u64), self.leaves());
        let path = |index| inclusion_proof(Leaves(leaves.clone()), LeafIndex(index), size).unwrap();
        let paths = (0..size.0).map(path).collect();
        Sealed { log: self, paths, note: self.note(), root: self.root() }
    }

    /// Signed by the log and two witnesses.
    pub(crate) fn note(&self) -> String {
        let [log, a, b] = names();
        let body = Checkpoint::new(ORIGIN, self.head());
        let mut note = checkpoint::sign(&body, &log).unwrap();
        for witness in [a, b] {
            note += &cosignature::cosign(&body.encode(), 1_790_000_000, &witness).unwrap();
        }
        note
    }

    pub(crate) fn bundle(&self, indices: impl IntoIterator<Item = usize>) -> Bundle {
        self.seal().bundle(indices)
    }

    pub(crate) fn whole(&self) -> Bundle {
        self.bundle(0..self.entries.len())
    }

    pub(crate) fn root(&self) -> TrustRoot {
        let [log, a, b] = names().map(|it| it.0);
        let text = format!("log {log}\nwitness a {a}\nwitness b {b}\ngroup g all a b\nquorum g\n");
        let policy = Policy::parse(text.as_bytes()).unwrap();
        TrustRoot::new(leaf_hash(&self.entries[0]), policy).unwrap()
    }
}

/// A log of which nothing more is said.
pub(crate) struct Sealed<'l> {
    pub(crate) log: &'l Log,
    pub(crate) root: TrustRoot,
    paths: Vec<Vec<Hash>>,
    note: String,
}

impl Sealed<'_> {
    pub(crate) fn path(&self, index: usize) -> Vec<Hash> {
        self.paths[index].clone()
    }

    pub(crate) fn bundle(&self, indices: impl IntoIterator<Item = usize>) -> Bundle {
        let entries = indices.into_iter().map(|index| Entry {
            index: LeafIndex(index as u64),
            bytes: self.log.entries[index].clone(),
            path: self.path(index),
        });
        Bundle {
            origin: ORIGIN.into(),
            checkpoints: vec![self.note.clone()],
            entries: entries.collect(),
            ..Bundle::default()
        }
    }
}

/// The keys of the log and its witnesses.
pub(crate) fn verifiers() -> [VerifierKey; 3] {
    names().map(|it| it.0)
}

fn names() -> [Named; 3] {
    [
        Named::new(100, ORIGIN, Algorithm::Ed25519),
        Named::new(101, "witness.example/a", Algorithm::CosignatureV1),
        Named::new(102, "witness.example/b", Algorithm::CosignatureV1),
    ]
}

struct Leaves(Vec<Hash>);

impl NodeSource for Leaves {
    type Error = Infallible;

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, Infallible> {
        let width = 1 << level;
        let start = index as usize * width;
        Ok(root_of(&self.0[start..start + width]).root)
    }
}

fn root_of(leaves: &[Hash]) -> TreeHead {
    let mut range = CompactRange::new();
    for leaf in leaves {
        range.push(*leaf, |_, _, _| {});
    }
    range.head()
}

pub(crate) fn sign(statement: impl Into<Statement>, issuer: &str, key: Key) -> Vec<u8> {
    sign_statement(&statement.into(), issuer, "ip-200/app", &key).unwrap()
}

pub(crate) fn enrolled(key: Key, issuer: &str, role: Role) -> Enrol {
    let template = crate::common::Key::p256(1);
    Enrol { key: key.public_key(), ..enrol(&template, issuer, role, None) }
}

pub(crate) fn trust(action: TrustAction) -> Trust {
    crate::common::trust(action)
}

pub(crate) fn enrolment(by: Key, it: Enrol) -> Vec<u8> {
    sign(trust(TrustAction::Enrol(it)), ADMIN, by)
}

pub(crate) fn rotation(by: Key, old: Key, new: Key) -> Vec<u8> {
    let (old, new) = (old.public_key().thumbprint(), new.public_key());
    sign(trust(TrustAction::Rotate(Rotate { old, new, device: None })), ADMIN, by)
}

pub(crate) fn revocation(
    by: Key,
    key: Key,
    reason: RevokeReason,
    from_entry: Option<u64>,
) -> Vec<u8> {
    let kid = key.public_key().thumbprint();
    let revoke = Revoke { kid, reason, from_ms: None, from_seq: None, from_entry };
    sign(trust(TrustAction::Revoke(revoke)), ADMIN, by)
}

pub(crate) fn policy(by: Key, approvals: u8) -> Vec<u8> {
    let change = PolicyChange {
        registration: None,
        approvals: Some(approvals),
        log_keys: vec![],
        policy: None,
    };
    sign(trust(TrustAction::Policy(change)), ADMIN, by)
}

/// A release of version 3 and image 3; `n` tells otherwise equal ones apart.
pub(crate) fn release(n: u8) -> Release {
    Release { change_requests: vec![format!("CR-{n}")], ..release_body(3) }
}

pub(crate) fn released(by: Key, issuer: &str, it: Release) -> Vec<u8> {
    sign(Statement::Release(it), issuer, by)
}

pub(crate) fn step(by: Key, issuer: &str, of: Hash, event: EventType, n: u8) -> Vec<u8> {
    let it = Release { release: Some(Digest(of.0)), event, ..release(n) };
    released(by, issuer, it)
}

pub(crate) fn opinion(
    by: Key,
    issuer: &str,
    of: Hash,
    meaning: Meaning,
    supersedes: Option<Hash>,
    n: u8,
) -> Vec<u8> {
    opinion_of(None, by, issuer, of, meaning, supersedes, n)
}

/// An opinion on the bytes that it names.
pub(crate) fn opinion_of(
    image: Option<Digest>,
    by: Key,
    issuer: &str,
    of: Hash,
    meaning: Meaning,
    supersedes: Option<Hash>,
    n: u8,
) -> Vec<u8> {
    let mut esig = crate::common::esig(&crate::common::Key::p256(1));
    (esig.meaning, esig.signer, esig.time_ms) =
        (meaning, by.public_key().thumbprint(), 1_790_000_000_000 + u64::from(n));
    let it = Approval {
        image,
        event: EventType::ReleaseApproved,
        time: time(),
        release: Digest(of.0),
        commitments: Commitments::default(),
        supersedes: supersedes.map(|it| Digest(it.0)),
        esig,
        evidence: vec![],
        extra: Extra::default(),
    };
    sign(Statement::Approval(it), issuer, by)
}

pub(crate) fn authorisation(
    by: Key,
    of: Hash,
    event: EventType,
    names: Option<Hash>,
    n: u8,
) -> Vec<u8> {
    authorisation_with(|_| {}, by, of, event, names, n)
}

/// An authorisation with something changed.
pub(crate) fn authorisation_with(
    change: impl FnOnce(&mut Authorisation),
    by: Key,
    of: Hash,
    event: EventType,
    names: Option<Hash>,
    n: u8,
) -> Vec<u8> {
    let mut esig = crate::common::esig(&crate::common::Key::p256(1));
    (esig.signer, esig.time_ms) = (by.public_key().thumbprint(), 1_790_000_000_000 + u64::from(n));
    let mut it = Authorisation {
        image: None,
        event,
        time: time(),
        release: Digest(of.0),
        authorisation: names.map(|it| Digest(it.0)),
        reason: None,
        commitments: Commitments::default(),
        esig,
        devices: vec![],
        models: vec![],
        from_ms: None,
        until_ms: None,
        downgrade: Some(true),
        log_before_install: None,
        over_version: None,
        extra: Extra::default(),
    };
    change(&mut it);
    sign(Statement::Authorisation(it), FIELD, by)
}

/// Another image and version.
pub(crate) fn of_image(image: u8, version: u64, it: Release) -> Release {
    let counter = SecurityCounter(1);
    Release { image: Digest([image; 32]), version: VersionCode(version), counter, ..it }
}
