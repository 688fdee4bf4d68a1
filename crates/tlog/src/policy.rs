//! Trust policies: which logs, which witnesses, and how many of them ([tlog-policy]).
//!
//! ```text
//! log log.example.org/pumps+3d8cd3a1+AW…
//! witness hospital witness.example/h+9d2f6c11+BP…
//! witness regulator witness.example/r+60a1b2c3+BD…
//! group both all hospital regulator
//! quorum both
//! ```
//!
//! In scope: reading and writing the file, and whether given cosigners satisfy it.
//! Out of scope: verifying signatures (`note`, `cosignature`), acting on the result (`verify`).
//!
//! Invariants:
//! - `Policy::parse(p.encode()) == p`; comments and spacing are not kept.
//! - Every name is defined before it is used, once, and is a member of one group at most;
//!   so counting cannot count one witness twice.
//! - Names and URLs must be UTF-8, where the specification only recommends it; comments need
//!   not be.
//!
//! [tlog-policy]: https://c2sp.org/tlog-policy

use alloc::{borrow::ToOwned as _, string::String, vec::Vec};
use core::fmt::{self, Write as _};

use crate::note::{Algorithm, VerifierKey};
use crate::refusal::refusals;

mod parse;

/// The largest policy that is read, in bytes.
pub const MAX_BYTES: usize = 1_000_000;

refusals! {
    /// Why a policy was refused.
    PolicyError {
        TooLarge = 1: "the policy is larger than 1,000,000 bytes",
        ControlCharacter = 2: "the policy has a control character",
        FinalNewlineMissing = 3: "the policy does not end in a newline",
        NotUtf8 = 4: "a name or an URL is not UTF-8",
        UnknownKeyword = 5: "a line starts with none of log, witness, group, quorum",
        WrongFieldCount = 6: "a line has too few or too many fields",
        KeyMalformed = 7: "a verifier key is malformed or of an unsupported kind",
        LogKeyOfOtherKind = 8: "a log's key is not an Ed25519 key",
        WitnessKeyOfOtherKind = 9: "a witness's key is not an Ed25519 cosignature key",
        DuplicateKey = 10: "two logs or two witnesses have the same public key",
        DuplicateName = 11: "a name is defined twice",
        NameReserved = 12: "the name `none` cannot be defined or be a member",
        NameUndefined = 13: "a name is used before it is defined",
        MemberTwice = 14: "a name is a member of two groups, or twice of one",
        ThresholdMalformed = 15: "a threshold is not any, all, or a decimal from 1 to the number of members",
        QuorumMissing = 16: "the policy has no quorum line",
        QuorumTwice = 17: "the policy has two quorum lines",
    }
}

/// Whom to believe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Quorum,
}

/// A log whose checkpoints are accepted. Its key's name is its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The log's key.
    pub key: VerifierKey,
    /// Where it is served, for those who talk to it.
    pub url: Option<String>,
}

/// A witness whose cosignatures count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its name inside this policy.
    pub name: String,
    /// Its cosignature key.
    pub key: VerifierKey,
    /// Its submission prefix, for those who talk to it.
    pub url: Option<String>,
}

/// Witnesses and groups that count as one once enough of them have cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name inside this policy.
    pub name: String,
    /// How many members must have witnessed.
    pub threshold: usize,
    /// Its members, all defined before it.
    pub members: Vec<Member>,
}

/// A member of a group: a position in the policy's witnesses or groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// Position in [`Policy::witnesses`].
    Witness(usize),
    /// Position in [`Policy::groups`].
    Group(usize),
}

/// Who must have cosigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quorum {
    /// Nobody: the log's signature is enough.
    None,
    /// This witness or group.
    Member(Member),
}

impl Policy {
    /// Parses a policy file.
    ///
    /// # Errors
    /// A [`PolicyError`] naming the rule that the file breaks.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        parse::parse(bytes)
    }

    /// The logs whose checkpoints are accepted; empty if they are known from elsewhere.
    #[must_use]
    pub fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// The witnesses, in the order they are defined.
    #[must_use]
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// The groups, each after its members.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Who must have cosigned.
    #[must_use]
    pub const fn quorum(&self) -> Quorum {
        self.quorum
    }

    /// Whether the quorum is reached, given who has validly cosigned one checkpoint.
    #[must_use]
    pub fn satisfied(&self, cosigned: &dyn Fn(&VerifierKey) -> bool) -> bool {
        let Quorum::Member(quorum) = self.quorum else { return true };
        let witnessed: Vec<bool> = self.witnesses.iter().map(|w| cosigned(&w.key)).collect();
        let mut reached: Vec<bool> = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let count = group.members.iter().filter(|m| holds(**m, &witnessed, &reached)).count();
            reached.push(count >= group.threshold);
        }
        holds(quorum, &witnessed, &reached)
    }

    /// The policy's file, without comments.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = write!(out, "{self}");
        out
    }

    fn name(&self, member: Member) -> &str {
        let name = match member {
            Member::Witness(i) => self.witnesses.get(i).map(|w| w.name.as_str()),
            Member::Group(i) => self.groups.get(i).map(|g| g.name.as_str()),
        };
        name.unwrap_or_default()
    }
}

/// The policy's file, without comments.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for log in &self.logs {
            writeln!(f, "log {}{}", log.key, Url(log.url.as_deref()))?;
        }
        for witness in &self.witnesses {
            let url = Url(witness.url.as_deref());
            writeln!(f, "witness {} {}{url}", witness.name, witness.key)?;
        }
        for group in &self.groups {
            write!(f, "group {} {}", group.name, group.threshold)?;
            group.members.iter().try_for_each(|m| write!(f, " {}", self.name(*m)))?;
            writeln!(f)?;
        }
        match self.quorum {
            Quorum::None => writeln!(f, "quorum none"),
            Quorum::Member(member) => writeln!(f, "quorum {}", self.name(member)),
        }
    }
}

struct Url<'a>(Option<&'a str>);

impl fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |url| write!(f, " {url}"))
    }
}

fn holds(member: Member, witnessed: &[bool], reached: &[bool]) -> bool {
    let held = match member {
        Member::Witness(i) => witnessed.get(i),
        Member::Group(i) => reached.get(i),
    };
    held.copied().unwrap_or(false)
}
