//! Puts the contract on a chain, governed as `contracts/README.md` says, and registers logs in it.
//!
//! ```text
//! council (k of n) → timelock → admin of the AccessManager → registrar, revoker
//! ```
//!
//! The same order and the same end as `contracts/script/Deployer.sol`, without what only the direct
//! log needs. In the end the deployer can do nothing; [`deploy`] checks that before it returns.

use alloy::primitives::{Address, Bytes, FixedBytes, TxKind};
use alloy::sol_types::{SolCall, SolConstructor};
use serde_json::json;

use crate::contract::abi::AccessManager;
use crate::contract::abi::Council;
use crate::contract::abi::TimelockController;
use crate::contract::{Deployment, FirmwareAnchor, log_id};
use crate::error::AnchorError;
use crate::steps::{Sending, Step};

/// Roles of `contracts/src/Roles.sol`.
const REGISTRAR: u64 = 1;
const REVOKER: u64 = 2;
/// OpenZeppelin's `ADMIN_ROLE`.
const ADMIN: u64 = 0;

/// Who governs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Members of the council: 20 bytes of an account, or an ERC-7913 signer.
    pub members: Vec<Bytes>,
    /// How many of them must sign.
    pub threshold: u64,
    /// Seconds between a decision of the council and its effect.
    pub timelock_delay_s: u64,
    /// Seconds between the announcement of another authority and its effect.
    pub rotation_delay_s: u64,
    /// Registers logs, announces authorities.
    pub registrar: Address,
    /// Takes authorities away.
    pub revoker: Address,
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
    /// The contract.
    pub anchor: Address,
    /// Its history starts after this block.
    pub from_block: u64,
}

/// Deploys everything, or goes on where an earlier run was interrupted.
///
/// # Errors
/// [`AnchorError`]; also if what is there in the end is not what was planned.
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
        from_block: row.from_block,
    };
    sending.run(&row, &steps(plan, &deployed, account), tell).await?;
    check(sending, plan, &deployed).await?;
    Ok(deployed)
}

fn steps(plan: &Plan, d: &Deployed, deployer: Address) -> Vec<Step> {
    let delay = plan.timelock_delay_s.to_string().parse().unwrap_or_default();
    let council =
        Council::constructorCall { members: plan.members.clone(), threshold: plan.threshold };
    // Without an admin of its own, the timelock is changed through itself only.
    let timelock = TimelockController::constructorCall {
        minDelay: delay,
        proposers: vec![d.council],
        executors: vec![d.council],
        admin: Address::ZERO,
    };
    let manager = AccessManager::constructorCall { initialAdmin: deployer };
    let anchor = FirmwareAnchor::constructorCall {
        manager: d.manager,
        rotationDelay: plan.rotation_delay_s,
    };
    let mut steps = vec![
        create("Council", &Council::BYTECODE, council.abi_encode()),
        create("TimelockController", &TimelockController::BYTECODE, timelock.abi_encode()),
        create("AccessManager", &AccessManager::BYTECODE, manager.abi_encode()),
        create("FirmwareAnchor", &FirmwareAnchor::BYTECODE, anchor.abi_encode()),
    ];
    let call = |what: &str, input: Vec<u8>| Step {
        what: what.into(),
        to: TxKind::Call(d.manager),
        input: input.into(),
    };
    for (role, selector, what) in assignments() {
        let selectors = vec![selector];
        let assign =
            AccessManager::setTargetFunctionRoleCall { target: d.anchor, selectors, roleId: role };
        steps.push(call(&format!("who may {what}"), assign.abi_encode()));
    }
    for (role, label, account) in
        [(REGISTRAR, "registrar", plan.registrar), (REVOKER, "revoker", plan.revoker)]
    {
        let name = AccessManager::labelRoleCall { roleId: role, label: label.into() };
        steps.push(call(&format!("name the {label}"), name.abi_encode()));
        let grant = AccessManager::grantRoleCall { roleId: role, account, executionDelay: 0 };
        steps.push(call(&format!("appoint the {label}"), grant.abi_encode()));
    }
    let admin =
        AccessManager::grantRoleCall { roleId: ADMIN, account: d.timelock, executionDelay: 0 };
    steps.push(call("hand over to the timelock", admin.abi_encode()));
    let leave = AccessManager::renounceRoleCall { roleId: ADMIN, callerConfirmation: deployer };
    steps.push(call("step down", leave.abi_encode()));
    steps
}

fn create(name: &str, code: &Bytes, arguments: Vec<u8>) -> Step {
    let input = [code.to_vec(), arguments].concat().into();
    Step { what: format!("deploy {name}"), to: TxKind::Create, input }
}

/// Whose each function is; what is not named here is the admin's.
fn assignments() -> [(u64, FixedBytes<4>, &'static str); 4] {
    [
        (REGISTRAR, FirmwareAnchor::registerLogCall::SELECTOR.into(), "register logs"),
        (REGISTRAR, FirmwareAnchor::scheduleRotationCall::SELECTOR.into(), "announce rotations"),
        (REVOKER, FirmwareAnchor::cancelRotationCall::SELECTOR.into(), "cancel rotations"),
        (REVOKER, FirmwareAnchor::revokeAuthorityCall::SELECTOR.into(), "revoke authorities"),
    ]
}

/// Reads back that the plan is what came to be.
async fn check(sending: &Sending<'_>, plan: &Plan, d: &Deployed) -> Result<(), AnchorError> {
    let deployer = sending.wallet.address();
    let wrong = |what: String| AnchorError::refused("check what was deployed", what);
    for (role, account, expected) in [
        (REGISTRAR, plan.registrar, true),
        (REVOKER, plan.revoker, true),
        (ADMIN, d.timelock, true),
        (ADMIN, deployer, false),
    ] {
        let has = AccessManager::hasRoleCall { roleId: role, account };
        let data = read(sending, d.manager, has.abi_encode()).await?;
        let got = AccessManager::hasRoleCall::abi_decode_returns(&data)
            .map_err(|e| wrong(e.to_string()))?
            .isMember;
        if got != expected {
            return Err(wrong(format!("role {role} of {account}: expected {expected}, got {got}")));
        }
    }
    for (role, selector, what) in assignments() {
        let ask = AccessManager::getTargetFunctionRoleCall { target: d.anchor, selector };
        let data = read(sending, d.manager, ask.abi_encode()).await?;
        let got = AccessManager::getTargetFunctionRoleCall::abi_decode_returns(&data)
            .map_err(|e| wrong(e.to_string()))?;
        if got != role {
            return Err(wrong(format!("who may {what}: expected role {role}, got {got}")));
        }
    }
    let delay = FirmwareAnchor::ROTATION_DELAYCall {}.abi_encode();
    let data = read(sending, d.anchor, delay).await?;
    let got = FirmwareAnchor::ROTATION_DELAYCall::abi_decode_returns(&data)
        .map_err(|e| wrong(e.to_string()))?;
    if got != plan.rotation_delay_s {
        return Err(wrong(format!(
            "rotation delay: expected {}, got {got}",
            plan.rotation_delay_s
        )));
    }
    Ok(())
}

async fn read(sending: &Sending<'_>, to: Address, input: Vec<u8>) -> Result<Bytes, AnchorError> {
    let request = json!({"to": to, "input": Bytes::from(input)});
    let answer = sending.providers.call(request, "latest".into()).await?;
    answer.value.map_err(|revert| {
        AnchorError::refused("read what was deployed", crate::contract::refusal(&revert))
    })
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
    };
    let row = sending.begin("register", &step.input).await?;
    sending.run(&row, &[step], tell).await?;
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
