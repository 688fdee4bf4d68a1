//! Reads a deployed set back: whether its code is ours, and who can do what.
//!
//! ```text
//! FirmwareAnchor ── authority() ──▶ AccessManager ── admin ──▶ TimelockController ── proposer ──▶ Council
//! ```
//!
//! Everything follows from the address of the anchor contract. A contract whose code is not ours is
//! a finding and is not asked further: what it says of itself would mean nothing. Roles are taken
//! from events, and each is read back by a view of the same block; where the two differ, that is a
//! finding too.
//!
//! In scope: reading, and comparing with what was expected. Out of scope: who holds the keys; what
//! a provider left out of the events (see [`NOT_ESTABLISHED`]).
//!
//! Invariant: all of it is of one final block, named by its hash.

mod code;
mod govern;
mod logs;
mod read;
mod roles;

use alloy::primitives::{Address, B256, Bytes, keccak256};
use serde::Serialize;

use crate::contract::FirmwareAnchor;
use crate::contract::abi::FirmwareUpdateLog;
use crate::error::AnchorError;
use crate::provider::Providers;

pub(crate) use code::is_account;
pub use code::{Code, Contract, Immutable};
pub use govern::{Council, Member, Timelock};
pub use logs::{Authoriser, RegisteredLog, Updates};
pub use read::Block;
pub(crate) use read::Reader;
pub(crate) use roles::{ADMIN, GUARDIAN, POWERS, REGISTRAR, REVOKER};
pub use roles::{Function, Holder, Powers, Role, Target};

/// What an audit does not show, whoever runs it.
pub const NOT_ESTABLISHED: [&str; 4] = [
    "that the committed bytecode comes from the sources: `cargo xtask contracts` compiles them anew \
     and compares",
    "that providers told the truth: code and views are what a quorum of them says of this block; \
     compare its hash with one from elsewhere",
    "that no event was left out: a role whose grant every provider hides is not seen",
    "who holds the keys of these accounts, and how well",
];

/// What is audited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Chain id (EIP-155).
    pub chain_id: u64,
    /// The anchor contract; the others follow from it.
    pub anchor: Address,
    /// The direct log beside it, if there is one.
    pub updates: Option<Address>,
    /// A block not later than the deployment: events are read from there.
    pub from_block: u64,
}

/// What should be found. What is left out is told and not judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The least delay of the timelock, seconds.
    pub timelock_delay_s: u64,
    /// The least delay of a rotation, seconds.
    pub rotation_delay_s: u64,
    /// The least number of members that must sign.
    pub threshold: u64,
    /// The council's members, these and no others.
    pub members: Option<Vec<Bytes>>,
    /// The only registrar.
    pub registrar: Option<Address>,
    /// The only revoker.
    pub revoker: Option<Address>,
    /// The only guardian.
    pub guardian: Option<Address>,
}

/// What an audit found.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    /// Chain id.
    pub chain_id: u64,
    /// The block at which everything was read.
    pub block: Block,
    /// Providers that were asked.
    pub providers: usize,
    /// How many of them had to say the same.
    pub quorum: usize,
    /// Code by code.
    pub contracts: Vec<Coded>,
    /// Who can do what; absent where the AccessManager is not ours.
    pub powers: Option<Powers>,
    /// Absent where the admin is none of ours.
    pub timelock: Option<Timelock>,
    /// Absent where the proposer is none of ours.
    pub council: Option<Council>,
    /// Logs in the anchor contract.
    pub logs: Vec<RegisteredLog>,
    /// The direct log.
    pub updates: Option<Updates>,
    /// What should not be so.
    pub findings: Vec<Finding>,
}

/// A contract and its code.
#[derive(Clone, Debug, Serialize)]
pub struct Coded {
    /// What it should be.
    pub contract: Contract,
    /// Where it is.
    pub address: Address,
    /// Keccak-256 of the code that is there, as trust roots pin it (`evm-contract`).
    pub code_hash: B256,
    /// What it is.
    pub code: Code,
}

/// Something that should not be so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which.
    pub kind: Kind,
    /// How much it weighs.
    pub weight: Weight,
    /// Where.
    pub address: Address,
    /// What was expected, and what was found.
    pub summary: String,
}

/// What a finding means for the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Evidence against the deployment.
    Against,
    /// A person has to look: it may be meant so.
    Look,
}

/// Stable words for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The code is not the committed one.
    OtherCode,
    /// There is no code.
    NoCode,
    /// The two contracts obey two managers.
    OtherManager,
    /// The events do not start where the contract does.
    HistoryIncomplete,
    /// Events and views of one block do not fit.
    EventsContradictViews,
    /// Who deployed can still do something.
    DeployerHasRole,
    /// A key alone is admin.
    EoaAdmin,
    /// The admin is a contract that is not our timelock.
    AdminNotTimelock,
    /// There is more than one admin.
    SeveralAdmins,
    /// Nobody is admin.
    NoAdmin,
    /// A role has a holder that was not expected.
    StrangerHasRole,
    /// A role has more than one holder, and nothing was expected.
    RoleHeldBySeveral,
    /// The expected holder does not have the role.
    RoleNotHeld,
    /// A role that this design does not have is held or may call something.
    UnknownRole,
    /// A role is given and taken by another than the admin.
    RoleAdminChanged,
    /// A role has a guardian, who may cancel its scheduled calls.
    RoleGuardianSet,
    /// Everybody may call a function that has an owner.
    FunctionOpened,
    /// A function obeys another role.
    FunctionElsewhere,
    /// The manager lets nobody call a contract.
    TargetClosed,
    /// A call is scheduled and not made yet.
    OperationPending,
    /// The timelock's delay is too short.
    DelayTooShort,
    /// The delay of rotations is too short.
    RotationDelayTooShort,
    /// Somebody but the council can use the timelock.
    TimelockStranger,
    /// Somebody but the timelock itself gives its roles.
    TimelockAdmin,
    /// A key alone may propose.
    EoaProposer,
    /// The timelock has no proposer whose code is our council's.
    CouncilUnknown,
    /// Fewer members than expected decide.
    ThresholdTooLow,
    /// A member that was not expected.
    CouncilMemberUnexpected,
    /// An expected member is none.
    CouncilMemberMissing,
    /// A member's signatures are checked by code that is not ours.
    OtherVerifier,
    /// An equivocation of the log was proven.
    LogFrozen,
    /// The log's authority was revoked.
    LogWithoutAuthority,
    /// Another authority is announced.
    RotationPending,
    /// No new updates are taken.
    Paused,
}

impl Kind {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Whether it is about what a deployment makes, and not about what is written there later.
    pub(crate) fn is_of_deployment(self) -> bool {
        !matches!(
            self,
            Self::LogFrozen
                | Self::LogWithoutAuthority
                | Self::RotationPending
                | Self::OperationPending
                | Self::Paused
        )
    }

    /// What may be meant so is looked at; everything else speaks against the deployment.
    fn weight(self) -> Weight {
        match self {
            Self::RoleHeldBySeveral
            | Self::RoleNotHeld
            | Self::HistoryIncomplete
            | Self::RoleGuardianSet
            | Self::TargetClosed
            | Self::OperationPending
            | Self::CouncilUnknown
            | Self::CouncilMemberMissing
            | Self::OtherVerifier
            | Self::LogWithoutAuthority
            | Self::RotationPending
            | Self::Paused => Weight::Look,
            _ => Weight::Against,
        }
    }
}

/// Reads a deployed set and compares it.
///
/// # Errors
/// [`AnchorError`] where providers give no answer to go by. What they say is the [`Audit`].
pub async fn audit(
    providers: &Providers,
    subject: Subject,
    expected: &Expected,
) -> Result<Audit, AnchorError> {
    let reader = Reader::pin(providers, subject.chain_id, subject.from_block).await?;
    let mut audit = Audit {
        chain_id: subject.chain_id,
        block: reader.block,
        providers: providers.rule().providers,
        quorum: providers.rule().quorum,
        contracts: Vec::new(),
        powers: None,
        timelock: None,
        council: None,
        logs: Vec::new(),
        updates: None,
        findings: Vec::new(),
    };
    let Some(manager) = audit.contracts(&reader, &subject, expected).await? else {
        return Ok(audit);
    };
    let targets = audit.targets(&subject);
    if audit.code(&reader, Contract::AccessManager, manager).await? {
        let admins = audit.powers(&reader, manager, &targets, expected).await?;
        audit.govern(&reader, &admins, expected).await?;
    }
    Ok(audit)
}

impl Audit {
    /// The two contracts that people write to; their common manager.
    async fn contracts(
        &mut self,
        reader: &Reader<'_>,
        subject: &Subject,
        expected: &Expected,
    ) -> Result<Option<Address>, AnchorError> {
        let mut manager = None;
        if self.code(reader, Contract::FirmwareAnchor, subject.anchor).await? {
            manager = Some(reader.must(subject.anchor, FirmwareAnchor::authorityCall {}).await?);
            self.rotation_delay(subject.anchor, expected);
            self.registered(reader, subject.anchor).await?;
        }
        let Some(updates) = subject.updates else { return Ok(manager) };
        if self.code(reader, Contract::FirmwareUpdateLog, updates).await? {
            let obeys = reader.must(updates, FirmwareUpdateLog::authorityCall {}).await?;
            if let Some(manager) = manager.filter(|manager| *manager != obeys) {
                self.find(
                    Kind::OtherManager,
                    updates,
                    format!("FirmwareUpdateLog obeys: expected {manager}, got {obeys}"),
                );
            }
            self.direct(reader, updates).await?;
            manager = manager.or(Some(obeys));
        }
        Ok(manager)
    }

    /// Compares code; whether it is ours.
    async fn code(
        &mut self,
        reader: &Reader<'_>,
        contract: Contract,
        address: Address,
    ) -> Result<bool, AnchorError> {
        let bytes = reader.code(address).await?;
        let code = contract.compare(&bytes, self.chain_id, address);
        let name = contract.name();
        match &code {
            Code::Ours { .. } => {}
            Code::Nothing => {
                self.find(Kind::NoCode, address, format!("expected {name}, got no code"));
            }
            Code::Other { expected_bytes, got_bytes, first_difference } => self.find(
                Kind::OtherCode,
                address,
                format!(
                    "expected the {expected_bytes} bytes of {name}, got {got_bytes} that differ from \
                     byte {first_difference} on"
                ),
            ),
        }
        let is_ours = matches!(code, Code::Ours { .. });
        self.contracts.push(Coded { contract, address, code_hash: keccak256(&bytes), code });
        Ok(is_ours)
    }

    /// The delay is in the code: an immutable.
    fn rotation_delay(&mut self, anchor: Address, expected: &Expected) {
        let delay = self.contracts.iter().find_map(|it| match &it.code {
            Code::Ours { immutables } if it.address == anchor => {
                immutables.iter().find(|one| one.name == code::ROTATION_DELAY)
            }
            _ => None,
        });
        let got = delay.map_or(0, |it| word_u64(it.value));
        if got < expected.rotation_delay_s {
            self.find(
                Kind::RotationDelayTooShort,
                anchor,
                format!("expected at least {} s, got {got} s", expected.rotation_delay_s),
            );
        }
    }

    /// Contracts of ours that the manager governs.
    fn targets(&self, subject: &Subject) -> Vec<(Contract, Address)> {
        let anchor = Some((Contract::FirmwareAnchor, subject.anchor));
        let updates = subject.updates.map(|address| (Contract::FirmwareUpdateLog, address));
        [anchor, updates].into_iter().flatten().collect()
    }

    fn find(&mut self, kind: Kind, address: Address, summary: String) {
        self.findings.push(Finding { kind, weight: kind.weight(), address, summary });
    }
}

/// The last eight bytes of a word.
fn word_u64(word: B256) -> u64 {
    let mut low = [0; 8];
    low.copy_from_slice(&word[24..]);
    u64::from_be_bytes(low)
}
