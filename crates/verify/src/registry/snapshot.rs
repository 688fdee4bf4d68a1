//! Snapshots: the registry as bytes, so that a log starts without replaying all its entries.
//!
//! ```text
//! "firmlog registry\n" 02 ‖ rules ‖ issuers ‖ holders ‖ heads ‖ rotated ‖ ended ‖ branches ‖ releases
//! ‖ scopes ‖ first manufacturer ‖ SHA-256 of all before
//! ```
//!
//! Numbers are big endian, counts u32, texts u32 length and bytes.
//!
//! Invariants:
//! - Written and read in pieces of at most a few KiB: memory is not doubled.
//! - The same registry gives the same bytes.
//! - A snapshot is a cache of the log's own entries, never evidence: the checksum finds damage
//!   only.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use firmlog_statement::PublicKey;
use sha2::{Digest as _, Sha256};

use super::Registry;
use super::heads::{Release, Stored};
use super::keys::{Ended, EndedKey, Holder};
use crate::refusal::refusals;

const MAGIC: &[u8] = b"firmlog registry\n\x02";
const MAX_TEXT: u32 = 4096;

refusals! {
    /// Why a snapshot was not restored. The registry is then rebuilt from entries.
    SnapshotError {
        ReadFailed = 1: "the snapshot ends early or cannot be read",
        VersionUnknown = 2: "the snapshot is of another version",
        Malformed = 3: "the snapshot contradicts itself",
        ChecksumMismatch = 4: "the snapshot is damaged",
    }
}

impl Registry {
    /// Writes a snapshot piece by piece.
    ///
    /// # Errors
    /// Whatever `write` fails with.
    pub fn encode_snapshot<E>(&self, write: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut out = Writer { write, hash: Sha256::new() };
        out.put(MAGIC)?;
        self.encode_rules(&mut out)?;
        out.count(self.keys.holders.len())?;
        for holder in self.keys.holders.iter() {
            out.put(&holder.first)?;
            out.put(&holder.key)?;
            out.put(&holder.since)?;
            out.put(&holder.issuer)?;
            out.put(&[holder.flags])?;
        }
        self.heads.main.iter().try_for_each(|head| out.head(head))?;
        self.encode_exceptions(&mut out)?;
        let sum = out.hash.finalize();
        (out.write)(&sum)
    }

    /// Reads a snapshot; `read` fills the whole slice or says that it cannot.
    ///
    /// # Errors
    /// A [`SnapshotError`].
    pub fn decode_snapshot(read: impl FnMut(&mut [u8]) -> bool) -> Result<Self, SnapshotError> {
        let mut input = Reader { read, hash: Sha256::new() };
        let mut magic = [0; MAGIC.len()];
        input.fill(&mut magic)?;
        if magic != MAGIC {
            return Err(SnapshotError::VersionUnknown);
        }
        let mut registry = Self::new();
        registry.decode_rules(&mut input)?;
        registry.decode_holders(&mut input)?;
        registry.decode_exceptions(&mut input)?;
        let sum: [u8; 32] = input.hash.finalize_reset().into();
        if input.array::<32>()? == sum {
            Ok(registry)
        } else {
            Err(SnapshotError::ChecksumMismatch)
        }
    }

    fn encode_rules<E, W: FnMut(&[u8]) -> Result<(), E>>(
        &self,
        out: &mut Writer<W>,
    ) -> Result<(), E> {
        out.text(&self.rules.origin)?;
        out.texts(&self.rules.log_keys)?;
        out.put(&[u8::from(self.rules.any_bytes), self.rules.approvals])?;
        out.texts(&self.keys.issuers)
    }

    fn decode_rules<R: FnMut(&mut [u8]) -> bool>(
        &mut self,
        input: &mut Reader<R>,
    ) -> Result<(), SnapshotError> {
        self.rules.origin = input.text()?;
        self.rules.log_keys = input.texts()?;
        let [any_bytes, approvals] = input.array()?;
        self.rules.any_bytes = any_bytes != 0;
        self.rules.approvals = approvals;
        for issuer in input.texts()? {
            self.keys.issuer_number(&issuer).map_err(|_| SnapshotError::Malformed)?;
        }
        Ok(())
    }

    fn decode_holders<R: FnMut(&mut [u8]) -> bool>(
        &mut self,
        input: &mut Reader<R>,
    ) -> Result<(), SnapshotError> {
        let count = input.count()?;
        for _ in 0..count {
            let mut holder = Holder { first: input.array()?, ..Holder::default() };
            input.fill(&mut holder.key)?;
            holder.since = input.array()?;
            holder.issuer = input.array()?;
            [holder.flags] = input.array()?;
            let first = holder.first;
            let slot = self.keys.holders.push(holder).ok_or(SnapshotError::Malformed)?;
            self.keys.index(slot, &first);
        }
        for _ in 0..count {
            let head = input.head()?;
            self.heads.main.push(head).ok_or(SnapshotError::Malformed)?;
        }
        Ok(())
    }

    fn encode_exceptions<E, W: FnMut(&[u8]) -> Result<(), E>>(
        &self,
        out: &mut Writer<W>,
    ) -> Result<(), E> {
        out.put(&self.keys.generation().to_be_bytes())?;
        out.len(self.keys.rotated_in.len())?;
        for (kid, slot) in &self.keys.rotated_in {
            out.put(kid)?;
            out.count(*slot)?;
        }
        out.len(self.keys.ended.len())?;
        for (kid, ended) in &self.keys.ended {
            out.put(kid)?;
            out.ended(ended)?;
        }
        out.len(self.heads.branches.len())?;
        for (slot, branches) in &self.heads.branches {
            out.count(*slot)?;
            out.len(branches.len())?;
            branches.iter().try_for_each(|head| out.head(head))?;
        }
        out.len(self.heads.releases.len())?;
        for (leaf, release) in &self.heads.releases {
            out.put(leaf)?;
            out.count(release.author)?;
            out.put(&release.issuer)?;
            out.put(&[u8::from(release.begins), u8::from(release.is_final)])?;
        }
        out.len(self.heads.scopes.len())?;
        for (slot, issuers) in &self.heads.scopes {
            out.count(*slot)?;
            out.len(issuers.len())?;
            issuers.iter().try_for_each(|issuer| out.put(issuer))?;
        }
        let first = self.heads.first_manufacturer;
        out.put(&[u8::from(first.is_some())])?;
        first.map_or(Ok(()), |issuer| out.put(&issuer))
    }

    fn decode_exceptions<R: FnMut(&mut [u8]) -> bool>(
        &mut self,
        input: &mut Reader<R>,
    ) -> Result<(), SnapshotError> {
        self.keys.restore_generation(u64::from_be_bytes(input.array()?));
        for _ in 0..input.count()? {
            let kid = input.array()?;
            self.keys.rotated_in.insert(kid, input.count()?);
        }
        for _ in 0..input.count()? {
            let kid = input.array()?;
            self.keys.ended.insert(kid, input.ended()?);
        }
        for _ in 0..input.count()? {
            let slot = input.count()?;
            let count = input.count()?;
            let branches = (0..count).map(|_| input.head()).collect::<Result<Vec<_>, _>>()?;
            self.heads.branches.insert(slot, branches);
        }
        for _ in 0..input.count()? {
            let leaf = input.array()?;
            let (author, issuer) = (input.count()?, input.array()?);
            let [begins, is_final] = input.array()?.map(|flag: u8| flag != 0);
            self.heads.releases.insert(leaf, Release { author, issuer, begins, is_final });
        }
        for _ in 0..input.count()? {
            let slot = input.count()?;
            let count = input.count()?;
            let issuers = (0..count).map(|_| input.array()).collect::<Result<Vec<_>, _>>()?;
            self.heads.scopes.insert(slot, issuers);
        }
        if input.array()? != [0] {
            self.heads.first_manufacturer = Some(input.array()?);
        }
        Ok(())
    }
}

struct Writer<W> {
    write: W,
    hash: Sha256,
}

impl<E, W: FnMut(&[u8]) -> Result<(), E>> Writer<W> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), E> {
        self.hash.update(bytes);
        (self.write)(bytes)
    }

    fn count(&mut self, count: u32) -> Result<(), E> {
        self.put(&count.to_be_bytes())
    }

    /// Counts are bounded by the 2³² slots they hang on.
    fn len(&mut self, len: usize) -> Result<(), E> {
        self.count(u32::try_from(len).unwrap_or(u32::MAX))
    }

    fn text(&mut self, text: &str) -> Result<(), E> {
        self.len(text.len())?;
        self.put(text.as_bytes())
    }

    fn texts(&mut self, texts: &[String]) -> Result<(), E> {
        self.len(texts.len())?;
        texts.iter().try_for_each(|text| self.text(text))
    }

    fn head(&mut self, head: &Stored) -> Result<(), E> {
        self.put(&head.last)?;
        self.put(&head.next.to_be_bytes())?;
        self.put(&head.index.to_be_bytes())
    }

    fn ended(&mut self, ended: &EndedKey) -> Result<(), E> {
        self.count(ended.slot)?;
        let how = match ended.how {
            Ended::Rotated => 0,
            Ended::Revoked => 1,
            Ended::Compromised => 2,
        };
        match &ended.key {
            PublicKey::P256(point) => {
                self.put(&[how, 0])?;
                self.put(point)?;
            }
            PublicKey::Ed25519(point) => {
                self.put(&[how, 1])?;
                self.put(point)?;
            }
        }
        self.put(&ended.since.to_be_bytes())?;
        self.put(&ended.until.to_be_bytes())
    }
}

struct Reader<R> {
    read: R,
    hash: Sha256,
}

impl<R: FnMut(&mut [u8]) -> bool> Reader<R> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), SnapshotError> {
        if !(self.read)(bytes) {
            return Err(SnapshotError::ReadFailed);
        }
        self.hash.update(&*bytes);
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn count(&mut self) -> Result<u32, SnapshotError> {
        self.array().map(u32::from_be_bytes)
    }

    fn text(&mut self) -> Result<String, SnapshotError> {
        let len = self.count()?;
        if len > MAX_TEXT {
            return Err(SnapshotError::Malformed);
        }
        let mut bytes = vec![0; len as usize];
        self.fill(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| SnapshotError::Malformed)
    }

    fn texts(&mut self) -> Result<Vec<String>, SnapshotError> {
        (0..self.count()?).map(|_| self.text()).collect()
    }

    fn head(&mut self) -> Result<Stored, SnapshotError> {
        Ok(Stored {
            last: self.array()?,
            next: u64::from_be_bytes(self.array()?),
            index: u64::from_be_bytes(self.array()?),
        })
    }

    fn ended(&mut self) -> Result<EndedKey, SnapshotError> {
        let slot = self.count()?;
        let [how, algorithm] = self.array()?;
        let how = match how {
            0 => Ended::Rotated,
            1 => Ended::Revoked,
            2 => Ended::Compromised,
            _ => return Err(SnapshotError::Malformed),
        };
        let key = match algorithm {
            0 => PublicKey::P256(self.array()?),
            1 => PublicKey::Ed25519(self.array()?),
            _ => return Err(SnapshotError::Malformed),
        };
        let since = u64::from_be_bytes(self.array()?);
        Ok(EndedKey { slot, key, since, until: u64::from_be_bytes(self.array()?), how })
    }
}
