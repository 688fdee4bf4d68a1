//! What `Trust` statements do to the registry.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use firmlog_statement::{
    Enrol, Genesis, Parsed, PolicyChange, Registration, Revoke, RevokeReason, Role, Statement,
    Thumbprint, Trust, TrustAction,
};
use firmlog_tlog::merkle::LeafIndex;

use super::keys::role_bit;
use super::{Ended, Keys, Refusal, Registry};

/// The rules in force: what genesis and later policy statements say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The log's name; empty before the genesis.
    pub origin: String,
    /// Verifier keys of the log, as signed-note vkeys.
    pub log_keys: Vec<String>,
    /// Whether any bytes are taken, or only signed statements.
    pub any_bytes: bool,
    /// How many different issuers must have approved a release.
    pub approvals: u8,
}

impl Rules {
    pub(super) const fn new() -> Self {
        Self { origin: String::new(), log_keys: Vec::new(), any_bytes: false, approvals: 0 }
    }

    fn change(&mut self, change: &PolicyChange) {
        if let Some(registration) = change.registration {
            self.any_bytes = registration == Registration::Any;
        }
        if let Some(approvals) = change.approvals {
            self.approvals = approvals;
        }
        if !change.log_keys.is_empty() {
            self.log_keys.clone_from(&change.log_keys);
        }
    }
}

impl Registry {
    /// Whether a `Trust` statement could be applied now, its signature being good.
    ///
    /// # Errors
    /// The [`Refusal`] that [`Registry::apply`] would give.
    pub fn judge_trust(&self, parsed: &Parsed) -> Result<(), Refusal> {
        match decode(parsed)?.action {
            TrustAction::Genesis(genesis) => self.judge_genesis(&genesis, parsed.kid()),
            _ if !self.has_genesis() => Err(Refusal::GenesisMissing),
            TrustAction::Enrol(enrol) => {
                judge_enrol(&self.keys, &enrol)?;
                // The first may have been left out of a part.
                let one = match self.keys.manufacturers() {
                    0 => self.heads.part,
                    manufacturers => manufacturers == 1,
                };
                judge_scope(&enrol, one)
            }
            TrustAction::Rotate(rotate) => {
                let view = self.keys.find(&rotate.old).ok_or(Refusal::KeyUnknown)?;
                if rotate.device.is_some_and(|device| device != view.holder) {
                    return Err(Refusal::DeviceMismatch);
                }
                self.keys.check_current(&rotate.old)?;
                self.keys.check_new(&rotate.new.thumbprint())
            }
            TrustAction::Revoke(revoke) => self.judge_revoke(&revoke),
            TrustAction::Policy(_) => Ok(()),
        }
    }

    /// The key a genesis must be signed with: the first it names, an admin's.
    ///
    /// # Errors
    /// [`Refusal::GenesisSelfSigned`] if it names none, or the statement names another.
    pub fn genesis_key(parsed: &Parsed) -> Result<firmlog_statement::PublicKey, Refusal> {
        let genesis = match decode(parsed).map(|trust| trust.action) {
            Ok(TrustAction::Genesis(genesis)) => genesis,
            _ => return Err(Refusal::GenesisMissing),
        };
        let first = first_admin(&genesis).ok_or(Refusal::GenesisSelfSigned)?;
        let same = first.key.thumbprint() == *parsed.kid() && first.issuer == parsed.issuer();
        if same { Ok(first.key) } else { Err(Refusal::GenesisSelfSigned) }
    }

    /// Whether entry 0 was applied.
    #[must_use]
    pub const fn has_genesis(&self) -> bool {
        !self.rules.origin.is_empty()
    }

    pub(super) fn apply_trust(&mut self, parsed: &Parsed, index: LeafIndex) -> Result<(), Refusal> {
        self.judge_trust(parsed)?;
        match decode(parsed)?.action {
            TrustAction::Genesis(genesis) => self.begin(&genesis, index),
            TrustAction::Enrol(enrol) => self.enrol(&enrol, index),
            TrustAction::Rotate(rotate) => self.keys.rotate(&rotate.old, &rotate.new, index),
            TrustAction::Revoke(revoke) => self.keys.revoke(&revoke.kid, how(revoke.reason), index),
            TrustAction::Policy(change) => {
                self.rules.change(&change);
                Ok(())
            }
        }
    }

    /// Of part of a log nobody knows whether the admin there is the last.
    fn judge_revoke(&self, revoke: &Revoke) -> Result<(), Refusal> {
        let view = self.keys.find(&revoke.kid).ok_or(Refusal::KeyUnknown)?;
        let compromised = how(revoke.reason) == Ended::Compromised;
        match view.until {
            Some(_) if compromised => return Ok(()),
            Some(_) => return self.keys.check_current(&revoke.kid),
            None => {}
        }
        if view.role == Role::Admin && !self.heads.part && self.keys.admins() < 2 {
            return Err(Refusal::LastAdmin);
        }
        Ok(())
    }

    fn judge_genesis(&self, genesis: &Genesis, kid: &Thumbprint) -> Result<(), Refusal> {
        if self.has_genesis() {
            return Err(Refusal::GenesisTwice);
        }
        match first_admin(genesis) {
            Some(first) if first.key.thumbprint() == *kid => {}
            _ => return Err(Refusal::GenesisSelfSigned),
        }
        let mut seen = Vec::new();
        let mut roles: BTreeMap<&str, u32> = BTreeMap::new();
        for enrol in &genesis.keys {
            judge_enrol(&self.keys, enrol)?;
            let roles = roles.entry(&enrol.issuer).or_default();
            *roles |= role_bit(enrol.role);
            judge_roles(*roles)?;
            let kid = enrol.key.thumbprint();
            if seen.contains(&kid) {
                return Err(Refusal::KeyAlreadyEnrolled);
            }
            seen.push(kid);
        }
        let bit = role_bit(Role::Manufacturer);
        let manufacturers = roles.values().filter(|roles| **roles & bit != 0).count();
        genesis.keys.iter().try_for_each(|enrol| judge_scope(enrol, manufacturers == 1))
    }

    fn begin(&mut self, genesis: &Genesis, index: LeafIndex) -> Result<(), Refusal> {
        self.rules = Rules {
            origin: genesis.origin.clone(),
            log_keys: genesis.log_keys.clone(),
            any_bytes: genesis.registration == Registration::Any,
            approvals: genesis.approvals,
        };
        genesis.keys.iter().try_for_each(|enrol| self.enrol(enrol, index))
    }

    fn enrol(&mut self, enrol: &Enrol, index: LeafIndex) -> Result<(), Refusal> {
        let slot = self.keys.enrol(&enrol.key, enrol.role, &enrol.issuer, index)?;
        let issuers = enrol.issuers.iter().map(|issuer| self.keys.issuer_number(issuer));
        self.heads.speaks_for(slot, issuers.collect::<Result<_, _>>()?);
        if enrol.role == Role::Manufacturer && self.heads.first_manufacturer.is_none() {
            self.heads.first_manufacturer = Some(self.keys.issuer_of(slot));
        }
        let seed = enrol.chain_seed.map_or([0; 32], |seed| seed.0);
        // Slots of keys and of heads are the same numbers.
        self.heads.enrolled(seed).map(|_| ()).ok_or(Refusal::RegistryFull)
    }
}

impl Keys {
    fn check_new(&self, kid: &Thumbprint) -> Result<(), Refusal> {
        if self.is_taken(kid) { Err(Refusal::KeyAlreadyEnrolled) } else { Ok(()) }
    }

    fn check_current(&self, kid: &Thumbprint) -> Result<(), Refusal> {
        match self.find(kid).ok_or(Refusal::KeyUnknown)?.until {
            None => Ok(()),
            Some((_, Ended::Rotated)) => Err(Refusal::KeyRotated),
            Some((_, Ended::Revoked | Ended::Compromised)) => Err(Refusal::KeyRevoked),
        }
    }

    /// How many admins can sign now.
    fn admins(&self) -> usize {
        let admins = self.iter().filter(|(_, _, role)| *role == Role::Admin);
        admins.filter(|(_, holder, _)| self.current(holder).is_some()).count()
    }
}

fn judge_enrol(keys: &Keys, enrol: &Enrol) -> Result<(), Refusal> {
    keys.check_new(&enrol.key.thumbprint())?;
    if enrol.role == Role::Device && enrol.chain_seed.is_none() {
        return Err(Refusal::ChainSeedMissing);
    }
    judge_roles(keys.roles_of(&enrol.issuer) | role_bit(enrol.role))
}

/// Unless one alone releases firmware by then, who approves or authorises does so for some by name.
fn judge_scope(enrol: &Enrol, one: bool) -> Result<(), Refusal> {
    let judges = matches!(enrol.role, Role::Approver | Role::Authoriser);
    if judges && !one && enrol.issuers.is_empty() {
        return Err(Refusal::ScopeMissing);
    }
    Ok(())
}

fn how(reason: RevokeReason) -> Ended {
    if reason == RevokeReason::Compromised { Ended::Compromised } else { Ended::Revoked }
}

/// Who releases firmware neither approves nor authorises it, with no key of theirs.
fn judge_roles(roles: u32) -> Result<(), Refusal> {
    let judges = role_bit(Role::Approver) | role_bit(Role::Authoriser);
    if roles & role_bit(Role::Manufacturer) != 0 && roles & judges != 0 {
        return Err(Refusal::IssuerJudgesItself);
    }
    Ok(())
}

fn first_admin(genesis: &Genesis) -> Option<&Enrol> {
    genesis.keys.first().filter(|enrol| enrol.role == Role::Admin)
}

pub(crate) fn decode(parsed: &Parsed) -> Result<Trust, Refusal> {
    match parsed.decode() {
        Ok(Statement::Trust(trust)) => Ok(trust),
        _ => Err(Refusal::Malformed),
    }
}
