//! What the device itself has said and signed of what runs, against the note, which anybody who
//! writes to the flash can make.
//!
//! ```text
//! statements, oldest first ─▶ last image committed or found · image on trial · chain unbroken
//! ```
//!
//! In scope: the first fields of the device's own statements, at the places where it writes them.
//! Out of scope: signatures. Who rewrites a statement breaks the chain: where another follows it is
//! seen here, and where none does the next one is a fork to the log.

use super::Image;
use super::say::phase;
use firmlog_statement::event::EventType as T;
use firmlog_statement::{DeviceId, Phase};

/// What the statements in the journal say.
#[derive(Default)]
pub(super) struct Words {
    /// The image that was committed or found last.
    pub(super) runs: Option<Image>,
    /// The image that an update since then is about.
    pub(super) target: Option<[u8; 32]>,
    /// A statement does not name the one before it, though both are whole.
    pub(super) broken: bool,
    /// The statement before: its seq and hash.
    before: Option<(u64, [u8; 32])>,
}

impl Words {
    /// Takes the next statement.
    pub(super) fn take(&mut self, device: &DeviceId, seq: u64, hash: &[u8; 32], entry: &[u8]) {
        let said = Said::read(device, entry);
        let follows = self.before.is_some_and(|(before, _)| before.checked_add(1) == Some(seq));
        let named = said.as_ref().zip(self.before).is_some_and(|(it, (_, hash))| it.prev == hash);
        if !(follows && named) {
            // What comes next may be about what is missing.
            (self.runs, self.target) = (None, None);
            self.broken |= follows && said.is_some();
        }
        let is_first = self.before.replace((seq, *hash)).is_none();
        match said {
            // A journal begins with it, of what runs.
            Some(Said { image, last: T::LoggerStarted, .. }) if is_first => {
                self.runs = Some(image);
            }
            Some(Said { image, last: T::Committed | T::UnexpectedVersion, .. }) => {
                (self.runs, self.target) = (Some(image), None);
            }
            Some(Said { image, last, .. }) if is_try(last) => self.target = Some(image.sha256),
            _ => {}
        }
    }
}

/// Whether a statement that ends with this names the image that is being put in.
pub(super) fn is_try(last: T) -> bool {
    matches!(
        phase(last),
        Phase::Install | Phase::Activate | Phase::Boot | Phase::Rollback if last != T::UnexpectedVersion
    )
}

/// The first fields of a statement.
struct Said {
    image: Image,
    prev: [u8; 32],
    /// The last event but that of what was dropped.
    last: T,
}

impl Said {
    /// What this device said; none if it is not written as it writes. The fields have fixed widths,
    /// so that they stand at fixed places behind the device's name.
    fn read(device: &DeviceId, entry: &[u8]) -> Option<Self> {
        let mut read = Read(behind(device, entry)?);
        let sha256 = read.bytes(&[2, 0x58, 32])?;
        let version = u64::from_be_bytes(read.bytes(&[3, 0x48])?);
        let counter = u32::from_be_bytes(read.bytes(&[4, 0x44])?);
        let _outcome: [u8; 1] = read.bytes(&[5])?;
        let _seq: [u8; 8] = read.bytes(&[6, 0x48])?;
        let prev = read.bytes(&[7, 0x58, 32])?;
        let last = read.last_event()?;
        Some(Self { image: Image { sha256, version, counter }, prev, last })
    }
}

/// What follows the device's name.
fn behind<'e>(device: &DeviceId, entry: &'e [u8]) -> Option<&'e [u8]> {
    const FRONT: [u8; 3] = [1, 0x58, 32];
    let is_name = |it: &[u8]| it.strip_prefix(&FRONT).is_some_and(|name| *name == device.0);
    let at = entry.windows(FRONT.len().saturating_add(32)).position(is_name)?;
    entry.get(at.checked_add(FRONT.len())?.checked_add(32)?..)
}

/// Fields one after another, each behind its key and head.
struct Read<'e>(&'e [u8]);

impl Read<'_> {
    fn bytes<const N: usize>(&mut self, front: &[u8]) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.strip_prefix(front)?.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    /// Head and number of the next item (RFC 8949, 3): major type, and value or length.
    fn item(&mut self) -> Option<(u8, u64)> {
        let [head] = self.bytes(&[])?;
        let value = match head & 0x1f {
            24 => u8::from_be_bytes(self.bytes(&[])?).into(),
            25 => u16::from_be_bytes(self.bytes(&[])?).into(),
            26 => u32::from_be_bytes(self.bytes(&[])?).into(),
            27 => u64::from_be_bytes(self.bytes(&[])?),
            small @ 0..=23 => small.into(),
            _ => return None,
        };
        Some((head >> 5, value))
    }

    fn last_event(&mut self) -> Option<T> {
        let [9] = self.bytes(&[])? else { return None };
        let (4, events) = self.item()? else { return None };
        let mut last = None;
        for _ in 0..events {
            let (5, fields) = self.item()? else { return None };
            for _ in 0..fields {
                match (self.item()?, self.item()?) {
                    ((0, 1), (0, kind)) if kind != u64::from(T::LogWrap.code()) => {
                        last = Some(T::from_code(kind)?);
                    }
                    (_, (2, 32)) => drop(self.bytes::<32>(&[])?),
                    (_, (0, _)) => {}
                    _ => return None,
                }
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firmlog_statement::time::{DeviceTime, Source, SyncState};
    use firmlog_statement::{
        Brief, Outcome, PublicKey, SecurityCounter, Seq, SignError, Signer, Step, VersionCode,
    };
    use std::vec::Vec;

    struct Key;

    impl Signer for Key {
        fn public_key(&self) -> PublicKey {
            PublicKey::P256([7; 64])
        }
        fn sign(&self, _: &[u8]) -> Result<[u8; 64], SignError> {
            Ok([1; 64])
        }
    }

    const DEVICE: DeviceId = DeviceId([9; 32]);

    fn entry(seq: u64, prev: [u8; 32], image: Image, kinds: &[T]) -> Vec<u8> {
        let step = |(n, kind): (usize, &T)| Step {
            kind: *kind,
            at_ms: n as u64,
            code: (n == 0).then_some(70_000),
            count: (n == 1).then_some(3),
            image: (n == 1).then_some([4; 32]),
        };
        let steps: Vec<Step> = kinds.iter().enumerate().map(step).collect();
        let time = DeviceTime {
            utc_ms: None,
            zone_min: None,
            source: Source::None,
            sync: SyncState::Never,
            uncertainty_ms: None,
            last_sync_ms: None,
            boot_id: None,
            uptime_ms: Some(100_000),
            counter: None,
            evidence: None,
        };
        let brief = Brief {
            device: &DEVICE,
            image: &image.sha256,
            version: VersionCode(image.version),
            counter: SecurityCounter(image.counter),
            outcome: Outcome::State,
            seq: Seq(seq),
            prev: &prev,
            steps: &steps,
            time: &time,
            release: None,
            initiator: None,
            reason: None,
            result: None,
            checkpoint: None,
            dropped: Some((2, &[6; 32])),
            commitments: None,
            lost_from: None,
        };
        let mut buffer = [0; 640];
        brief.seal("acme.example", "x", &Key, &mut buffer).expect("seals").bytes().to_vec()
    }

    /// What is read is what was written; of another device, or cut anywhere before the last event,
    /// nothing.
    #[test]
    fn first_fields_are_read_as_written() {
        let kinds = [T::Check, T::RefusedBadSignature, T::ClockStep, T::Committed];
        for len in 1..=kinds.len() {
            let image = Image { sha256: [3; 32], version: 1 << len, counter: len as u32 };
            let bytes = entry(7, [5; 32], image, &kinds[..len]);
            let said = Said::read(&DEVICE, &bytes).expect("read");
            assert_eq!((said.image, said.last, said.prev), (image, kinds[len - 1], [5; 32]));
            assert!(Said::read(&DeviceId([8; 32]), &bytes).is_none());
            let end = bytes.windows(32).position(|it| it == [5; 32]).expect("there") + 32;
            assert!((0..end + 5 * len).all(|len| Said::read(&DEVICE, &bytes[..len]).is_none()));
        }
    }

    #[test]
    fn upd_035_only_an_unbroken_chain_of_words_tells() {
        let image = |byte| Image { sha256: [byte; 32], version: 1, counter: 1 };
        let told = |chain: &[(u64, u8, u8, T)]| {
            let mut words = Words::default();
            for (seq, prev, byte, kind) in chain {
                let bytes = entry(*seq, [*prev; 32], image(*byte), &[*kind]);
                words.take(&DEVICE, *seq, &[seq.to_be_bytes()[7] + 1; 32], &bytes);
            }
            (words.runs.map(|it| it.sha256[0]), words.target.map(|it| it[0]), words.broken)
        };
        let first = (0, 0, 1, T::Committed);
        assert_eq!(told(&[first]), (Some(1), None, false));
        assert_eq!(told(&[first, (1, 1, 2, T::InstallStarted)]), (Some(1), Some(2), false));
        for beside in [T::RefusedBadSignature, T::Check, T::InstalledState, T::ServiceMode] {
            assert_eq!(told(&[first, (1, 1, 2, beside)]), (Some(1), None, false), "{beside}");
        }
        assert_eq!(told(&[first, (1, 1, 2, T::UnexpectedVersion)]), (Some(2), None, false));
        assert_eq!(told(&[(4, 0, 1, T::LoggerStarted)]), (Some(1), None, false));
        assert_eq!(told(&[first, (1, 1, 2, T::LoggerStarted)]), (Some(1), None, false));
        // One is missing: nobody knows what it said.
        assert_eq!(told(&[first, (2, 2, 2, T::Reboot)]), (None, Some(2), false));
        // One was rewritten.
        assert_eq!(told(&[first, (1, 7, 2, T::RefusedBadSignature)]), (None, None, true));
    }
}
