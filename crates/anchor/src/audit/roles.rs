//! The AccessManager: roles from its events, each read back by a view.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, FixedBytes};
use alloy::sol_types::SolCall;
use serde::Serialize;

use super::{Audit, Contract, Expected, Kind, Reader, is_account};
use crate::contract::FirmwareAnchor;
use crate::contract::abi::AccessManager::{self, AccessManagerEvents as Event};
use crate::contract::abi::FirmwareUpdateLog;
use crate::error::AnchorError;

/// OpenZeppelin's `ADMIN_ROLE`.
pub(crate) const ADMIN: u64 = 0;
/// Roles of `contracts/src/Roles.sol`.
pub(crate) const REGISTRAR: u64 = 1;
pub(crate) const REVOKER: u64 = 2;
pub(crate) const GUARDIAN: u64 = 3;
/// OpenZeppelin's `PUBLIC_ROLE`.
const PUBLIC: u64 = u64::MAX;

/// Whose a function is.
pub(crate) struct Power {
    pub(crate) contract: Contract,
    pub(crate) function: &'static str,
    pub(crate) selector: FixedBytes<4>,
    pub(crate) role: u64,
}

const fn power<F: SolCall>(contract: Contract, role: u64) -> Power {
    // The name is what stands before the parameters.
    let (mut len, signature) = (0, F::SIGNATURE);
    while signature.as_bytes()[len] != b'(' {
        len += 1;
    }
    let function = signature.split_at(len).0;
    Power { contract, function, selector: FixedBytes(F::SELECTOR), role }
}

/// Every function that asks the manager who is calling.
pub(crate) const POWERS: [Power; 8] = {
    use Contract::{FirmwareAnchor as Checkpoints, FirmwareUpdateLog as Updates};
    [
        power::<FirmwareAnchor::registerLogCall>(Checkpoints, REGISTRAR),
        power::<FirmwareAnchor::scheduleRotationCall>(Checkpoints, REGISTRAR),
        power::<FirmwareAnchor::cancelRotationCall>(Checkpoints, REVOKER),
        power::<FirmwareAnchor::revokeAuthorityCall>(Checkpoints, REVOKER),
        power::<FirmwareUpdateLog::enrolAuthoriserCall>(Updates, REGISTRAR),
        power::<FirmwareUpdateLog::revokeAuthoriserCall>(Updates, REVOKER),
        power::<FirmwareUpdateLog::pauseCall>(Updates, GUARDIAN),
        power::<FirmwareUpdateLog::unpauseCall>(Updates, ADMIN),
    ]
};

/// What the manager says.
#[derive(Clone, Debug, Serialize)]
pub struct Powers {
    /// The manager.
    pub manager: Address,
    /// Who made it.
    pub deployer: Option<Address>,
    /// By number.
    pub roles: Vec<Role>,
    /// Functions that have an owner.
    pub functions: Vec<Function>,
    /// Contracts that it governs.
    pub targets: Vec<Target>,
}

/// One role.
#[derive(Clone, Debug, Serialize)]
pub struct Role {
    /// Its number.
    pub number: u64,
    /// Its name: ours for ours, else the label that its admin gave it.
    pub name: String,
    /// Which role gives and takes it.
    pub admin: u64,
    /// Which role may cancel its scheduled calls; 0 is the admin's.
    pub guardian: u64,
    /// Seconds until a grant takes effect.
    pub grant_delay_s: u32,
    /// Who has it.
    pub holders: Vec<Holder>,
}

/// Who has a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// The account.
    pub account: Address,
    /// Whether it is a key's account, and not a contract.
    pub is_account: bool,
    /// From when on, seconds since 1970.
    pub since: u64,
    /// Seconds its calls must be announced before.
    pub execution_delay_s: u32,
}

/// A function and the role it obeys.
#[derive(Clone, Debug, Serialize)]
pub struct Function {
    /// Of which contract.
    pub contract: Contract,
    /// Its name.
    pub function: &'static str,
    /// Whom it obeys.
    pub role: u64,
}

/// A contract that the manager governs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Target {
    /// Where it is.
    pub address: Address,
    /// Whether nobody may call its functions that have an owner.
    pub closed: bool,
    /// Seconds until another manager can take over.
    pub admin_delay_s: u32,
}

/// What the events come to.
#[derive(Default)]
struct Told {
    deployer: Option<Address>,
    /// Everybody who was ever given a role, and whether it is still so.
    grants: BTreeMap<(u64, Address), bool>,
    labels: BTreeMap<u64, String>,
    numbers: BTreeSet<u64>,
    functions: BTreeMap<(Address, FixedBytes<4>), u64>,
    scheduled: BTreeMap<B256, (Address, Address)>,
}

impl Told {
    fn read(events: Vec<Event>) -> Self {
        let mut told = Self::default();
        for (place, event) in events.into_iter().enumerate() {
            match event {
                Event::RoleGranted(e) => {
                    if place == 0 && e.roleId == ADMIN {
                        told.deployer = Some(e.account);
                    }
                    told.grants.insert((e.roleId, e.account), true);
                }
                Event::RoleRevoked(e) => {
                    told.grants.insert((e.roleId, e.account), false);
                }
                Event::RoleLabel(e) => {
                    told.labels.insert(e.roleId, e.label);
                }
                Event::RoleAdminChanged(e) => told.numbers.extend([e.roleId, e.admin]),
                Event::RoleGuardianChanged(e) => told.numbers.extend([e.roleId, e.guardian]),
                Event::RoleGrantDelayChanged(e) => told.numbers.extend([e.roleId]),
                Event::TargetFunctionRoleUpdated(e) => {
                    told.functions.insert((e.target, e.selector), e.roleId);
                }
                Event::OperationScheduled(e) => {
                    told.scheduled.insert(e.operationId, (e.caller, e.target));
                }
                _ => {}
            }
        }
        let held = told.grants.keys().map(|(role, _)| *role);
        let used = told.functions.values().copied();
        let all: Vec<u64> = held.chain(used).chain([ADMIN, REGISTRAR, REVOKER, GUARDIAN]).collect();
        told.numbers.extend(all);
        told.numbers.remove(&PUBLIC);
        told
    }
}

impl Audit {
    /// Reads and compares; returns the admins.
    pub(super) async fn powers(
        &mut self,
        reader: &Reader<'_>,
        manager: Address,
        targets: &[(Contract, Address)],
        expected: &Expected,
    ) -> Result<Vec<Holder>, AnchorError> {
        let told = Told::read(reader.events(manager).await?);
        if told.deployer.is_none() {
            let why = "the AccessManager's first event is not there: read from an earlier block";
            self.find(Kind::HistoryIncomplete, manager, why.into());
        }
        let mut powers = Powers {
            manager,
            deployer: told.deployer,
            roles: Vec::new(),
            functions: Vec::new(),
            targets: Vec::new(),
        };
        for number in &told.numbers {
            let role = self.role(reader, manager, *number, &told).await?;
            self.judge_role(manager, &role, &told, expected);
            powers.roles.push(role);
        }
        self.functions(reader, &mut powers, targets, &told).await?;
        self.scheduled(reader, manager, &told).await?;
        let admins = powers.roles.iter().find(|role| role.number == ADMIN);
        let admins = admins.map(|role| role.holders.clone()).unwrap_or_default();
        self.powers = Some(powers);
        Ok(admins)
    }

    async fn role(
        &mut self,
        reader: &Reader<'_>,
        manager: Address,
        number: u64,
        told: &Told,
    ) -> Result<Role, AnchorError> {
        let mut holders = Vec::new();
        for ((_, account), by_events) in told.grants.range((number, Address::ZERO)..=(number, MAX))
        {
            let account = *account;
            let has = reader
                .must(manager, AccessManager::getAccessCall { roleId: number, account })
                .await?;
            let since = has.since.to::<u64>();
            if *by_events != (since != 0) {
                let (events, view) = (by_events, since != 0);
                let what = format!("role {number} of {account}: events say {events}, views {view}");
                self.find(Kind::EventsContradictViews, manager, what);
            }
            if since != 0 {
                let is_account = is_account(&reader.code(account).await?);
                let execution_delay_s = has.currentDelay;
                holders.push(Holder { account, is_account, since, execution_delay_s });
            }
        }
        let admin =
            reader.must(manager, AccessManager::getRoleAdminCall { roleId: number }).await?;
        let guardian =
            reader.must(manager, AccessManager::getRoleGuardianCall { roleId: number }).await?;
        let grant_delay_s =
            reader.must(manager, AccessManager::getRoleGrantDelayCall { roleId: number }).await?;
        let name = match number {
            ADMIN => "admin".into(),
            REGISTRAR => "registrar".into(),
            REVOKER => "revoker".into(),
            GUARDIAN => "guardian".into(),
            other => told.labels.get(&other).cloned().unwrap_or_default(),
        };
        Ok(Role { number, name, admin, guardian, grant_delay_s, holders })
    }

    fn judge_role(&mut self, manager: Address, role: &Role, told: &Told, expected: &Expected) {
        let (number, name) = (role.number, &role.name);
        if role.admin != ADMIN {
            let what = format!("role {number} {name}: expected admin role 0, got {}", role.admin);
            self.find(Kind::RoleAdminChanged, manager, what);
        }
        if role.guardian != ADMIN {
            let what = format!("role {number} {name}: role {} is its guardian", role.guardian);
            self.find(Kind::RoleGuardianSet, manager, what);
        }
        if number > GUARDIAN {
            let what = format!("role {number} {name}: {} hold it", role.holders.len());
            self.find(Kind::UnknownRole, manager, what);
            return;
        }
        let wanted = match number {
            REGISTRAR => expected.registrar,
            REVOKER => expected.revoker,
            GUARDIAN => expected.guardian,
            _ => None,
        };
        for holder in &role.holders {
            let account = holder.account;
            if told.deployer == Some(account) && wanted != Some(account) {
                let what = format!("{account} deployed the manager and is {name} still");
                self.find(Kind::DeployerHasRole, manager, what);
            } else if let Some(wanted) = wanted.filter(|wanted| *wanted != account) {
                let what = format!("{name}: expected {wanted} alone, got {account}");
                self.find(Kind::StrangerHasRole, manager, what);
            }
        }
        if let Some(wanted) = wanted
            && !role.holders.iter().any(|holder| holder.account == wanted)
        {
            self.find(Kind::RoleNotHeld, manager, format!("{name}: expected {wanted}"));
        }
        if number != ADMIN && wanted.is_none() && role.holders.len() > 1 {
            let what = format!("{name}: {} accounts; say which is meant", role.holders.len());
            self.find(Kind::RoleHeldBySeveral, manager, what);
        }
    }

    async fn functions(
        &mut self,
        reader: &Reader<'_>,
        powers: &mut Powers,
        targets: &[(Contract, Address)],
        told: &Told,
    ) -> Result<(), AnchorError> {
        let manager = powers.manager;
        for (contract, target) in targets.iter().copied() {
            for power in POWERS.iter().filter(|power| power.contract == contract) {
                let selector = power.selector;
                let ask = AccessManager::getTargetFunctionRoleCall { target, selector };
                let role = reader.must(manager, ask).await?;
                self.judge_function(manager, target, power, role, told);
                let function = power.function;
                powers.functions.push(Function { contract, function, role });
            }
        }
        let ours = targets.iter().map(|(_, address)| *address);
        let governed = told.functions.keys().map(|(target, _)| *target).chain(ours);
        for target in governed.collect::<BTreeSet<_>>() {
            let closed = reader.must(manager, AccessManager::isTargetClosedCall { target }).await?;
            let admin_delay_s =
                reader.must(manager, AccessManager::getTargetAdminDelayCall { target }).await?;
            if closed {
                self.find(Kind::TargetClosed, target, "the manager lets nobody call it".into());
            }
            powers.targets.push(Target { address: target, closed, admin_delay_s });
        }
        Ok(())
    }

    fn judge_function(
        &mut self,
        manager: Address,
        target: Address,
        power: &Power,
        role: u64,
        told: &Told,
    ) {
        let function = format!("{}.{}", power.contract.name(), power.function);
        let by_events = told.functions.get(&(target, power.selector)).copied().unwrap_or(ADMIN);
        if by_events != role {
            let what = format!("{function}: events say role {by_events}, views {role}");
            self.find(Kind::EventsContradictViews, manager, what);
        }
        if role == PUBLIC {
            let what = format!("{function}: expected role {}, got everybody", power.role);
            self.find(Kind::FunctionOpened, target, what);
        } else if role != power.role {
            let what = format!("{function}: expected role {}, got {role}", power.role);
            self.find(Kind::FunctionElsewhere, target, what);
        }
    }

    async fn scheduled(
        &mut self,
        reader: &Reader<'_>,
        manager: Address,
        told: &Told,
    ) -> Result<(), AnchorError> {
        for (id, (caller, target)) in &told.scheduled {
            let at = reader.must(manager, AccessManager::getScheduleCall { id: *id }).await?;
            if !at.is_zero() {
                let what = format!("{caller} may call {target} from {at} on ({id})");
                self.find(Kind::OperationPending, manager, what);
            }
        }
        Ok(())
    }
}

const MAX: Address = Address::repeat_byte(0xff);
