//! Puts the contracts on a chain, governed as `contracts/README.md` says, and registers logs.
//!
//! ```text
//! council (k of n) → timelock → admin of the AccessManager → registrar, revoker, guardian
//! ```
//!
//! The same order and the same end as `contracts/script/Deployer.sol`.
//!
//! Invariants:
//! - Code that was made is compared with ours before anything else is sent, also by a run that
//!   goes on where another stopped.
//! - [`deploy`] returns only what an audit at a final block has no finding about: in the end the
//!   deployer can do nothing but what the plan gives it.
//! - What was deployed from a folder is not deployed from it again, at no cost.

use alloy::primitives::{Address, Bytes, TxKind};
use alloy::sol_types::{SolCall, SolConstructor};
use serde_json::json;

use crate::audit::{
    ADMIN, Contract, Expected, GUARDIAN, POWERS, REGISTRAR, REVOKER, Subject, audit,
};
use crate::contract::abi::{
    AccessManager, Council, ERC7913P256Verifier, FirmwareUpdateLog, TimelockController,
};
use crate::contract::{Deployment, FirmwareAnchor, log_id};
use crate::error::AnchorError;
use crate::steps::{Sending, Step};

/// Who governs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Members of the council: 20 bytes of an account, or an ERC-7913 signer.
    pub members: Vec<Bytes>,
    /// Further members: P-256 keys `x ‖ y`, for the verifier that is deployed with the others.
    pub p256_members: Vec<[u8; 64]>,
    /// How many of them must sign.
    pub threshold: u64,
    /// Seconds between a decision of the council and its effect.
    pub timelock_delay_s: u64,
    /// Seconds between the announcement of another authority and its effect.
    pub rotation_delay_s: u64,
    /// Registers logs, announces authorities, enrols writers.
    pub registrar: Address,
    /// Takes authorities and writers away.
    pub revoker: Address,
    /// Pauses the direct log.
    pub guardian: Address,
}

/// What was deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// k of n people.
    pub council: Address,
    /// Its timelock, the only admin.
    pub timelock: Address,
    /// Who has which role.
    pub manager: Address,
    /// Checkpoints.
    pub anchor: Address,
    /// Single updates.
    pub updates: Address,
    /// Checks P-256 signatures of members and of threshold signers.
    pub p256: Address,
    /// Its history starts after this block.
    pub from_block: u64,
}

impl Plan {
    fn council(&self, p256: Address) -> Vec<Bytes> {
        let keys = self.p256_members.iter().map(|key| [p256.as_slice(), key].concat().into());
        self.members.iter().cloned().chain(keys).collect()
    }

    fn expected(&self, d: &Deployed) -> Expected {
        Expected {
            timelock_delay_s: self.timelock_delay_s,
            rotation_delay_s: self.rotation_delay_s,
            threshold: self.threshold,
            members: Some(self.council(d.p256)),
            registrar: Some(self.registrar),
            revoker: Some(self.revoker),
            guardian: Some(self.guardian),
        }
    }
}

/// Deploys everything, or goes on where an earlier run was interrupted. What was deployed before
/// from this folder by the same plan is read back and returned.
///
/// # Errors
/// [`AnchorError`]; also if what is there is not what was planned.
pub async fn deploy(
    sending: &Sending<'_>,
    plan: &Plan,
    tell: impl FnMut(String),
) -> Result<Deployed, AnchorError> {
    let row = sending.begin("deploy", format!("{plan:?}").as_bytes()).await?;
    let account = sending.wallet.address();
    let at = |place: u64| account.create(row.first_nonce + place);
    let deployed = Deployed {
        council: at(0),
        timelock: at(1),
        manager: at(2),
        anchor: at(3),
        updates: at(4),
        p256: at(5),
        from_block: row.from_block,
    };
    sending.run(&row, &steps(plan, &deployed, account), tell).await?;
    check(sending, plan, &deployed).await?;
    Ok(deployed)
}

fn steps(plan: &Plan, d: &Deployed, deployer: Address) -> Vec<Step> {
    let mut steps = creations(plan, d, deployer);
    let call = |what: String, input: Vec<u8>| Step {
        what,
        to: TxKind::Call(d.manager),
        input: input.into(),
        makes: None,
    };
    // What is the admin's needs no word.
    for power in POWERS.iter().filter(|power| power.role != ADMIN) {
        let target = match power.contract {
            Contract::FirmwareUpdateLog => d.updates,
            _ => d.anchor,
        };
        let (selectors, role) = (vec![power.selector], power.role);
        let assign = AccessManager::setTargetFunctionRoleCall { target, selectors, roleId: role };
        steps.push(call(format!("who may {}", power.function), assign.abi_encode()));
    }
    for (role, label, account) in [
        (REGISTRAR, "registrar", plan.registrar),
        (REVOKER, "revoker", plan.revoker),
        (GUARDIAN, "guardian", plan.guardian),
    ] {
        let name = AccessManager::labelRoleCall { roleId: role, label: label.into() };
        steps.push(call(format!("name the {label}"), name.abi_encode()));
        let grant = AccessManager::grantRoleCall { roleId: role, account, executionDelay: 0 };
        steps.push(call(format!("appoint the {label}"), grant.abi_encode()));
    }
    let admin =
        AccessManager::grantRoleCall { roleId: ADMIN, account: d.timelock, executionDelay: 0 };
    steps.push(call("hand over to the timelock".into(), admin.abi_encode()));
    let leave = AccessManager::renounceRoleCall { roleId: ADMIN, callerConfirmation: deployer };
    steps.push(call("step down".into(), leave.abi_encode()));
    steps
}

fn creations(plan: &Plan, d: &Deployed, deployer: Address) -> Vec<Step> {
    let council =
        Council::constructorCall { members: plan.council(d.p256), threshold: plan.threshold };
    // Without an admin of its own, the timelock is changed through itself only.
    let timelock = TimelockController::constructorCall {
        minDelay: alloy::primitives::U256::from(plan.timelock_delay_s),
        proposers: vec![d.council],
        executors: vec![d.council],
        admin: Address::ZERO,
    };
    let manager = AccessManager::constructorCall { initialAdmin: deployer };
    let rotation = plan.rotation_delay_s;
    let anchor = FirmwareAnchor::constructorCall { manager: d.manager, rotationDelay: rotation };
    let updates = FirmwareUpdateLog::constructorCall { manager: d.manager };
    use Contract as C;
    vec![
        create(C::Council, d.council, &Council::BYTECODE, council.abi_encode()),
        create(
            C::TimelockController,
            d.timelock,
            &TimelockController::BYTECODE,
            timelock.abi_encode(),
        ),
        create(C::AccessManager, d.manager, &AccessManager::BYTECODE, manager.abi_encode()),
        create(C::FirmwareAnchor, d.anchor, &FirmwareAnchor::BYTECODE, anchor.abi_encode()),
        create(C::FirmwareUpdateLog, d.updates, &FirmwareUpdateLog::BYTECODE, updates.abi_encode()),
        create(C::ERC7913P256Verifier, d.p256, &ERC7913P256Verifier::BYTECODE, Vec::new()),
    ]
}

fn create(contract: Contract, at: Address, code: &Bytes, arguments: Vec<u8>) -> Step {
    let input = [code.to_vec(), arguments].concat().into();
    let what = format!("deploy {}", contract.name());
    Step { what, to: TxKind::Create, input, makes: Some((contract, at)) }
}

/// Reads back that the plan is what came to be.
async fn check(sending: &Sending<'_>, plan: &Plan, d: &Deployed) -> Result<(), AnchorError> {
    let subject = Subject {
        chain_id: sending.chain_id,
        anchor: d.anchor,
        updates: Some(d.updates),
        from_block: d.from_block,
    };
    let found = audit(sending.providers, subject, &plan.expected(d)).await?;
    let wrong = |what: String| AnchorError::refused("check what was deployed", what);
    // What happened to it since is no fault of the deployment.
    let first = found.findings.iter().find(|finding| finding.kind.is_of_deployment());
    match first {
        Some(finding) => Err(wrong(format!("{}: {}", finding.kind.word(), finding.summary))),
        None => Ok(()),
    }
}

/// Registers a log under its authority. Sent by the registrar. False if it is registered already.
///
/// # Errors
/// [`AnchorError`]; also if it is registered under another authority.
pub async fn register(
    sending: &Sending<'_>,
    deployment: &Deployment,
    origin: &str,
    authority: Address,
    tell: impl FnMut(String),
) -> Result<bool, AnchorError> {
    let begun = sending.dir.join("steps-register.json").exists();
    if !begun && let Some(known) = registered(sending, deployment, origin).await? {
        return same_authority(known, authority).map(|()| false);
    }
    let call = FirmwareAnchor::registerLogCall { origin: origin.into(), authority };
    let step = Step {
        what: format!("register {origin}"),
        to: TxKind::Call(deployment.contract),
        input: call.abi_encode().into(),
        makes: None,
    };
    let row = sending.begin("register", &step.input).await?;
    sending.run(&row, &[step], tell).await?;
    sending.forget(row)?;
    match registered(sending, deployment, origin).await? {
        Some(known) => same_authority(known, authority).map(|()| true),
        None => Err(AnchorError::refused("register the log", "the chain does not have it")),
    }
}

async fn registered(
    sending: &Sending<'_>,
    deployment: &Deployment,
    origin: &str,
) -> Result<Option<Address>, AnchorError> {
    let call = FirmwareAnchor::headCall { logId: log_id(origin) }.abi_encode();
    let request = json!({"to": deployment.contract, "input": Bytes::from(call)});
    let answer = sending.providers.call(request, "latest".into()).await?;
    let Ok(data) = answer.value else { return Ok(None) };
    let head = FirmwareAnchor::headCall::abi_decode_returns(&data)
        .map_err(|_| AnchorError::refused("read the head", "no such contract is there"))?;
    Ok(Some(head.authority))
}

fn same_authority(known: Address, wanted: Address) -> Result<(), AnchorError> {
    if known == wanted {
        return Ok(());
    }
    let why = format!("expected authority {wanted}, got {known}");
    Err(AnchorError::refused("register the log: it is registered already", why))
}
