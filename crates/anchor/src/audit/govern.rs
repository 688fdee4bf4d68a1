//! The timelock and the council behind it.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, Bytes};
use serde::Serialize;

use super::{Audit, Contract, Expected, Holder, Kind, Reader, is_account};
use crate::contract::abi::Council as Multisig;
use crate::contract::abi::TimelockController::{self, TimelockControllerEvents as Event};
use crate::error::AnchorError;

/// An account's address, in ERC-7913 and elsewhere.
const ADDRESS_BYTES: usize = 20;

/// The timelock.
#[derive(Clone, Debug, Serialize)]
pub struct Timelock {
    /// Where it is.
    pub address: Address,
    /// Seconds between a decision and its effect.
    pub min_delay_s: u64,
    /// Who may propose.
    pub proposers: Vec<Address>,
    /// Who may execute what is due; zero is everybody.
    pub executors: Vec<Address>,
    /// Who may cancel.
    pub cancellers: Vec<Address>,
    /// Who gives these roles.
    pub admins: Vec<Address>,
}

/// The council.
#[derive(Clone, Debug, Serialize)]
pub struct Council {
    /// Where it is.
    pub address: Address,
    /// How many must sign.
    pub threshold: u64,
    /// Who may.
    pub members: Vec<Member>,
    /// Calls made so far.
    pub calls: u64,
}

/// A member: an ERC-7913 signer.
#[derive(Clone, Debug, Serialize)]
pub struct Member {
    /// An account's address, or `verifier ‖ key`.
    pub signer: Bytes,
    /// `account`, `contract`, `P-256`, `other`.
    pub kind: &'static str,
}

impl Audit {
    /// From the admins of the manager to the people behind them.
    pub(super) async fn govern(
        &mut self,
        reader: &Reader<'_>,
        admins: &[Holder],
        expected: &Expected,
    ) -> Result<(), AnchorError> {
        let manager = self.powers.as_ref().map_or(Address::ZERO, |powers| powers.manager);
        let deployer = self.powers.as_ref().and_then(|powers| powers.deployer);
        match admins.len() {
            0 => self.find(Kind::NoAdmin, manager, "nobody gives or takes roles".into()),
            1 => {}
            more => self.find(Kind::SeveralAdmins, manager, format!("expected 1, got {more}")),
        }
        for admin in admins {
            let address = admin.account;
            if deployer == Some(address) {
                continue;
            }
            if admin.is_account {
                let what = "expected a timelock, got an account: one key decides at once";
                self.find(Kind::EoaAdmin, address, what.into());
                continue;
            }
            let code = reader.code(address).await?;
            let contract = Contract::TimelockController;
            if !matches!(contract.compare(&code, self.chain_id, address), super::Code::Ours { .. })
            {
                let what = "the admin is a contract that is not our TimelockController";
                self.find(Kind::AdminNotTimelock, address, what.into());
                continue;
            }
            self.code(reader, contract, address).await?;
            self.timelock(reader, address, expected).await?;
        }
        Ok(())
    }

    async fn timelock(
        &mut self,
        reader: &Reader<'_>,
        address: Address,
        expected: &Expected,
    ) -> Result<(), AnchorError> {
        let delay = reader.must(address, TimelockController::getMinDelayCall {}).await?;
        let min_delay_s = delay.saturating_to::<u64>();
        if min_delay_s < expected.timelock_delay_s {
            let least = expected.timelock_delay_s;
            let what = format!("expected at least {least} s, got {min_delay_s} s");
            self.find(Kind::DelayTooShort, address, what);
        }
        let events = reader.events::<Event>(address).await?;
        let proposer = reader.must(address, TimelockController::PROPOSER_ROLECall {}).await?;
        let executor = reader.must(address, TimelockController::EXECUTOR_ROLECall {}).await?;
        let canceller = reader.must(address, TimelockController::CANCELLER_ROLECall {}).await?;
        let mut held = BTreeMap::new();
        for role in [proposer, executor, canceller, B256::ZERO] {
            held.insert(role, self.holders(reader, address, role, &events).await?);
        }
        let of = |role: B256| held.get(&role).cloned().unwrap_or_default();
        let timelock = Timelock {
            address,
            min_delay_s,
            proposers: of(proposer),
            executors: of(executor),
            cancellers: of(canceller),
            admins: of(B256::ZERO),
        };
        self.waiting(reader, address, &events).await?;
        let council = self.council(reader, &timelock, expected).await?;
        self.judge_timelock(&timelock, council);
        self.timelock = Some(timelock);
        Ok(())
    }

    /// Everybody who was ever given the role and has it still.
    async fn holders(
        &mut self,
        reader: &Reader<'_>,
        timelock: Address,
        role: B256,
        events: &[Event],
    ) -> Result<Vec<Address>, AnchorError> {
        let mut told: BTreeMap<Address, bool> = BTreeMap::new();
        for event in events {
            match event {
                Event::RoleGranted(e) if e.role == role => told.insert(e.account, true),
                Event::RoleRevoked(e) if e.role == role => told.insert(e.account, false),
                _ => None,
            };
        }
        let mut holders = Vec::new();
        for (account, by_events) in told {
            let has =
                reader.must(timelock, TimelockController::hasRoleCall { role, account }).await?;
            if has != by_events {
                let what = format!("role {role} of {account}: events {by_events}, views {has}");
                self.find(Kind::EventsContradictViews, timelock, what);
            }
            if has {
                holders.push(account);
            }
        }
        Ok(holders)
    }

    /// Decisions that wait for their time.
    async fn waiting(
        &mut self,
        reader: &Reader<'_>,
        timelock: Address,
        events: &[Event],
    ) -> Result<(), AnchorError> {
        for event in events {
            let Event::CallScheduled(e) = event else { continue };
            let ask = TimelockController::isOperationPendingCall { id: e.id };
            if reader.must(timelock, ask).await? {
                let data = alloy::hex::encode_prefixed(&e.data);
                let what = format!("a call of {} with {data} waits ({})", e.target, e.id);
                self.find(Kind::OperationPending, timelock, what);
            }
        }
        Ok(())
    }

    fn judge_timelock(&mut self, timelock: &Timelock, council: Option<Address>) {
        let at = timelock.address;
        let roles = [
            ("propose", &timelock.proposers),
            ("execute", &timelock.executors),
            ("cancel", &timelock.cancellers),
        ];
        for (may, holders) in roles {
            for account in holders.iter().filter(|account| Some(**account) != council) {
                // Without a council of ours nobody is a stranger to it.
                if council.is_some() {
                    let who =
                        if account.is_zero() { "everybody".into() } else { account.to_string() };
                    self.find(Kind::TimelockStranger, at, format!("{who} may {may}"));
                }
            }
        }
        for account in timelock.admins.iter().filter(|account| **account != at) {
            self.find(Kind::TimelockAdmin, at, format!("{account} gives and takes its roles"));
        }
    }

    /// The proposer whose code is our council's.
    async fn council(
        &mut self,
        reader: &Reader<'_>,
        timelock: &Timelock,
        expected: &Expected,
    ) -> Result<Option<Address>, AnchorError> {
        let mut accounts = Vec::new();
        for address in &timelock.proposers {
            let code = reader.code(*address).await?;
            let compared = Contract::Council.compare(&code, self.chain_id, *address);
            if matches!(compared, super::Code::Ours { .. }) {
                self.code(reader, Contract::Council, *address).await?;
                self.members(reader, *address, expected).await?;
                return Ok(Some(*address));
            }
            if is_account(&code) {
                accounts.push(*address);
            }
        }
        for account in accounts {
            let what = format!("expected a council, got account {account}");
            self.find(Kind::EoaProposer, timelock.address, what);
        }
        let what = format!("{} may propose, none of them is our Council", timelock.proposers.len());
        self.find(Kind::CouncilUnknown, timelock.address, what);
        Ok(None)
    }

    async fn members(
        &mut self,
        reader: &Reader<'_>,
        address: Address,
        expected: &Expected,
    ) -> Result<(), AnchorError> {
        let threshold = reader.must(address, Multisig::thresholdCall {}).await?;
        let end = u64::MAX;
        let signers = reader.must(address, Multisig::getSignersCall { start: 0, end }).await?;
        let calls = reader.must(address, Multisig::callCountCall {}).await?.saturating_to();
        if threshold < expected.threshold {
            let least = expected.threshold;
            let what = format!("expected at least {least} signatures, got {threshold}");
            self.find(Kind::ThresholdTooLow, address, what);
        }
        if let Some(wanted) = &expected.members {
            let (wanted, got): (BTreeSet<&Bytes>, BTreeSet<&Bytes>) =
                (wanted.iter().collect(), signers.iter().collect());
            for member in got.difference(&wanted) {
                self.find(Kind::CouncilMemberUnexpected, address, format!("{member} is a member"));
            }
            for member in wanted.difference(&got) {
                self.find(Kind::CouncilMemberMissing, address, format!("{member} is no member"));
            }
        }
        let mut members = Vec::new();
        for signer in signers {
            let kind = self.signer_kind(reader, &signer).await?;
            members.push(Member { signer, kind });
        }
        self.council = Some(Council { address, threshold, members, calls });
        Ok(())
    }

    async fn signer_kind(
        &mut self,
        reader: &Reader<'_>,
        signer: &Bytes,
    ) -> Result<&'static str, AnchorError> {
        let Some(first) = signer.get(..ADDRESS_BYTES) else { return Ok("other") };
        let address = Address::from_slice(first);
        let code = reader.code(address).await?;
        if signer.len() == ADDRESS_BYTES {
            return Ok(if is_account(&code) { "account" } else { "contract" });
        }
        let verifier = Contract::ERC7913P256Verifier;
        if matches!(verifier.compare(&code, self.chain_id, address), super::Code::Ours { .. }) {
            if !self.contracts.iter().any(|it| it.address == address) {
                self.code(reader, verifier, address).await?;
            }
            return Ok("P-256");
        }
        let what = format!("it checks the signatures of member {signer} and is not ours");
        self.find(Kind::OtherVerifier, address, what);
        Ok("other")
    }
}
