//! Who may sign: enrolled keys by kid, with role, issuer and life span.
//!
//! ```text
//! kid ─┬─ first key of somebody ──────────▶ slot ─▶ { first kid, current key, role, issuer, since }
//!      ├─ key rotated in ─────────────────▶ slot
//!      └─ key rotated out, or revoked ────▶ { key, since, until }: for entries signed before
//! ```
//!
//! Invariants:
//! - A slot is one holder (a person, a build system, a device) for ever; rotation changes its key,
//!   not its slot and not its [`DeviceId`].
//! - A kid is enrolled once and never again, whoever holds it: not even after revocation.
//! - 104 bytes a holder and 5 to 11 in the table.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use firmlog_statement::{DeviceId, PublicKey, Role, Thumbprint};
use firmlog_tlog::merkle::LeafIndex;
use hashbrown::HashTable;

use super::Refusal;
use super::chunked::Chunked;

/// A holder of keys: its place in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

/// Why a key can no longer sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Another key took its place.
    Rotated,
    /// It was revoked.
    Revoked,
    /// It was revoked as compromised: what it permitted before may not count either.
    Compromised,
}

/// What the registry knows of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyView<'a> {
    /// Its holder.
    pub slot: Slot,
    /// The holder's name: the thumbprint of its first key.
    pub holder: DeviceId,
    /// The key.
    pub key: PublicKey,
    /// What it may sign.
    pub role: Role,
    /// The issuer name it may sign under.
    pub issuer: &'a str,
    /// Entry that made it valid.
    pub since: LeafIndex,
    /// Entry that ended it, and how.
    pub until: Option<(LeafIndex, Ended)>,
}

/// Enrolled keys. Checking threads read it; only `Trust` statements change it.
#[derive(Clone, Debug)]
pub struct Keys {
    pub(super) holders: Chunked<Holder>,
    /// Slots by first kid.
    table: HashTable<u32>,
    /// Current kids that are not their holder's first.
    pub(super) rotated_in: BTreeMap<[u8; 32], u32>,
    /// Keys that ended.
    pub(super) ended: BTreeMap<[u8; 32], EndedKey>,
    pub(super) issuers: Vec<String>,
    issuer_numbers: BTreeMap<String, u16>,
    /// For each issuer, the roles that its keys were ever enrolled for, a bit each.
    issuer_roles: Vec<u32>,
    generation: u64,
}

/// One holder: byte arrays only, so that a million take 104 MB and not more.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) first: [u8; 32],
    /// x‖y, or the Ed25519 key and zeros.
    pub(super) key: [u8; 64],
    /// Entry that made the current key valid, big endian: 2⁴⁰ entries are enough for one log.
    pub(super) since: [u8; 5],
    pub(super) issuer: [u8; 2],
    /// Role in the low five bits, then: Ed25519, current key is not the first, current key revoked.
    pub(super) flags: u8,
}

pub(super) const ROLE_MASK: u8 = 0x1f;
pub(super) const ED25519: u8 = 0x20;
const ROTATED: u8 = 0x40;
const REVOKED: u8 = 0x80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EndedKey {
    pub(super) slot: u32,
    pub(super) key: PublicKey,
    pub(super) since: u64,
    pub(super) until: u64,
    pub(super) how: Ended,
}

impl Default for Holder {
    fn default() -> Self {
        Self { first: [0; 32], key: [0; 64], since: [0; 5], issuer: [0; 2], flags: 0 }
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self::new()
    }
}

impl Keys {
    /// Nobody is enrolled.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            holders: Chunked::new(),
            table: HashTable::new(),
            rotated_in: BTreeMap::new(),
            ended: BTreeMap::new(),
            issuers: Vec::new(),
            issuer_numbers: BTreeMap::new(),
            issuer_roles: Vec::new(),
            generation: 0,
        }
    }

    /// Changes whenever a key ends: what was resolved at the same generation is still valid.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// How many holders were ever enrolled.
    #[must_use]
    pub const fn holders(&self) -> u32 {
        self.holders.len()
    }

    /// What is known of a key, ended ones included.
    #[must_use]
    pub fn find(&self, kid: &Thumbprint) -> Option<KeyView<'_>> {
        if let Some(ended) = self.ended.get(&kid.0) {
            let until = Some((LeafIndex(ended.until), ended.how));
            let holder = self.holders.get(ended.slot)?;
            return self.view(ended.slot, holder, ended.key, ended.since, until);
        }
        let slot = self.slot_of_current(kid)?;
        let holder = self.holders.get(slot)?;
        self.view(slot, holder, holder.public_key(), holder.since(), None)
    }

    /// The key that may sign as `kid` now.
    #[must_use]
    pub fn key_for(&self, kid: &Thumbprint) -> Option<KeyView<'_>> {
        self.find(kid).filter(|view| view.until.is_none())
    }

    /// The holder with this name and the key it signs with now, if that is not revoked.
    #[must_use]
    pub fn current(&self, holder: &DeviceId) -> Option<KeyView<'_>> {
        let slot = self.slot_of_first(&holder.0)?;
        let record = self.holders.get(slot)?;
        if record.flags & REVOKED != 0 {
            return None;
        }
        self.view(slot, record, record.public_key(), record.since(), None)
    }

    /// The slot of the holder with this name.
    #[must_use]
    pub fn slot(&self, holder: &DeviceId) -> Option<Slot> {
        self.slot_of_first(&holder.0).map(Slot)
    }

    /// Every holder, in order of enrolment.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, DeviceId, Role)> + '_ {
        (0..).zip(self.holders.iter()).filter_map(|(slot, holder)| {
            Some((Slot(slot), DeviceId(holder.first), role(holder.flags)?))
        })
    }

    fn view<'a>(
        &'a self,
        slot: u32,
        holder: &Holder,
        key: PublicKey,
        since: u64,
        until: Option<(LeafIndex, Ended)>,
    ) -> Option<KeyView<'a>> {
        Some(KeyView {
            slot: Slot(slot),
            holder: DeviceId(holder.first),
            key,
            role: role(holder.flags)?,
            issuer: self.issuers.get(usize::from(u16::from_be_bytes(holder.issuer)))?,
            since: LeafIndex(since),
            until,
        })
    }

    #[inline]
    fn slot_of_first(&self, first: &[u8; 32]) -> Option<u32> {
        let same = |slot: &u32| self.holders.get(*slot).is_some_and(|h| h.first == *first);
        self.table.find(hash(first), same).copied()
    }

    fn slot_of_current(&self, kid: &Thumbprint) -> Option<u32> {
        let by_first = self.slot_of_first(&kid.0);
        by_first.or_else(|| self.rotated_in.get(&kid.0).copied())
    }

    /// Whether this kid was ever enrolled.
    pub(super) fn is_taken(&self, kid: &Thumbprint) -> bool {
        self.ended.contains_key(&kid.0) || self.slot_of_current(kid).is_some()
    }

    /// Gives a new holder its first key.
    pub(super) fn enrol(
        &mut self,
        key: &PublicKey,
        role: Role,
        issuer: &str,
        index: LeafIndex,
    ) -> Result<Slot, Refusal> {
        let kid = key.thumbprint();
        if self.is_taken(&kid) {
            return Err(Refusal::KeyAlreadyEnrolled);
        }
        let issuer = self.issuer_number(issuer)?;
        let mut holder =
            Holder { first: kid.0, issuer, flags: flags_of(role)?, ..Holder::default() };
        holder.set_key(key, index);
        let slot = self.holders.push(holder).ok_or(Refusal::RegistryFull)?;
        self.index(slot, &kid.0);
        Ok(Slot(slot))
    }

    /// Puts `new` in the place of the key `old`, which ends at `index`.
    pub(super) fn rotate(
        &mut self,
        old: &Thumbprint,
        new: &PublicKey,
        index: LeafIndex,
    ) -> Result<(), Refusal> {
        let kid = new.thumbprint();
        if self.is_taken(&kid) {
            return Err(Refusal::KeyAlreadyEnrolled);
        }
        let slot = self.end(old, Ended::Rotated, index)?;
        let holder = self.holders.get_mut(slot).ok_or(Refusal::KeyUnknown)?;
        holder.set_key(new, index);
        holder.flags |= ROTATED;
        self.rotated_in.insert(kid.0, slot);
        Ok(())
    }

    /// Ends a key for good; that one which ended is compromised, and from where on, may be found
    /// later, and again.
    pub(super) fn revoke(
        &mut self,
        kid: &Thumbprint,
        how: Ended,
        index: LeafIndex,
    ) -> Result<(), Refusal> {
        if let Some(ended) = self.ended.get_mut(&kid.0).filter(|_| how == Ended::Compromised) {
            ended.how = how;
            return Ok(());
        }
        let slot = self.end(kid, how, index)?;
        let holder = self.holders.get_mut(slot).ok_or(Refusal::KeyUnknown)?;
        holder.flags |= REVOKED;
        Ok(())
    }

    /// The number of a holder's issuer.
    pub(super) fn issuer_of(&self, slot: Slot) -> [u8; 2] {
        self.holders.get(slot.0).map_or([u8::MAX; 2], |holder| holder.issuer)
    }

    /// How many issuers have keys that release firmware.
    pub(super) fn manufacturers(&self) -> usize {
        let bit = role_bit(Role::Manufacturer);
        self.issuer_roles.iter().filter(|roles| **roles & bit != 0).count()
    }

    fn end(&mut self, kid: &Thumbprint, how: Ended, index: LeafIndex) -> Result<u32, Refusal> {
        let view = self.find(kid).ok_or(Refusal::KeyUnknown)?;
        match view.until {
            Some((_, Ended::Rotated)) => return Err(Refusal::KeyRotated),
            Some((_, Ended::Revoked | Ended::Compromised)) => return Err(Refusal::KeyRevoked),
            None => {}
        }
        let (slot, key, since) = (view.slot.0, view.key, view.since.0);
        self.ended.insert(kid.0, EndedKey { slot, key, since, until: index.0, how });
        self.rotated_in.remove(&kid.0);
        self.generation = self.generation.wrapping_add(1);
        Ok(slot)
    }

    pub(super) fn issuer_number(&mut self, issuer: &str) -> Result<[u8; 2], Refusal> {
        if let Some(number) = self.issuer_numbers.get(issuer) {
            return Ok(number.to_be_bytes());
        }
        let number = u16::try_from(self.issuers.len()).map_err(|_| Refusal::RegistryFull)?;
        self.issuers.push(issuer.into());
        self.issuer_roles.push(0);
        self.issuer_numbers.insert(issuer.into(), number);
        Ok(number.to_be_bytes())
    }

    pub(super) fn restore_generation(&mut self, generation: u64) {
        self.generation = generation;
    }

    /// Enters a slot into the table under its first kid, and its role under its issuer.
    pub(super) fn index(&mut self, slot: u32, first: &[u8; 32]) {
        let holders = &self.holders;
        let hash_of = |slot: &u32| holders.get(*slot).map_or(0, |holder| hash(&holder.first));
        self.table.insert_unique(hash(first), slot, hash_of);
        if let Some(holder) = self.holders.get(slot)
            && let Some(role) = role(holder.flags)
            && let Some(roles) =
                self.issuer_roles.get_mut(usize::from(u16::from_be_bytes(holder.issuer)))
        {
            *roles |= role_bit(role);
        }
    }

    /// The roles that keys of this issuer were ever enrolled for, a bit each.
    pub(super) fn roles_of(&self, issuer: &str) -> u32 {
        let number = self.issuer_numbers.get(issuer);
        number.and_then(|n| self.issuer_roles.get(usize::from(*n))).copied().unwrap_or(0)
    }
}

impl Holder {
    pub(super) fn public_key(&self) -> PublicKey {
        if self.flags & ED25519 == 0 {
            return PublicKey::P256(self.key);
        }
        let mut key = [0; 32];
        key.iter_mut().zip(self.key).for_each(|(slot, byte)| *slot = byte);
        PublicKey::Ed25519(key)
    }

    fn set_key(&mut self, key: &PublicKey, index: LeafIndex) {
        self.key = [0; 64];
        self.flags &= !ED25519;
        match key {
            PublicKey::P256(point) => self.key = *point,
            PublicKey::Ed25519(point) => {
                self.flags |= ED25519;
                self.key.iter_mut().zip(point).for_each(|(slot, byte)| *slot = *byte);
            }
        }
        let [_, _, _, since @ ..] = index.0.to_be_bytes();
        self.since = since;
    }

    fn since(&self) -> u64 {
        let [a, b, c, d, e] = self.since;
        u64::from_be_bytes([0, 0, 0, a, b, c, d, e])
    }
}

fn flags_of(role: Role) -> Result<u8, Refusal> {
    u8::try_from(role.code()).ok().filter(|code| *code <= ROLE_MASK).ok_or(Refusal::RoleUnknown)
}

/// A role as one bit of a set.
pub(super) fn role_bit(role: Role) -> u32 {
    1u32.checked_shl(u32::from(role.code())).unwrap_or(0)
}

/// Kids are SHA-256 values: their first bytes are as good a hash as any.
fn hash(kid: &[u8; 32]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *kid;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

pub(super) fn role(flags: u8) -> Option<Role> {
    Role::from_code(u64::from(flags & ROLE_MASK))
}
