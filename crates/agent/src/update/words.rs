//! What the device itself has said and signed of what runs, against the note, which anybody who
//! writes to the flash can make.
//!
//! ```text
//! statements, oldest first ─▶ last image committed or found · image on trial and its last step
//!                          ─▶ chain unbroken · key
//! ```
//!
//! In scope: the first fields of the device's own statements, at the places where it writes them.
//! Out of scope: signatures. Who rewrites a statement breaks the chain: where another follows it is
//! seen here, and where none does the next one is a fork to the log.

use super::Image;
use firmlog_statement::event::{EventType as T, Life};
use firmlog_statement::{DeviceId, Outcome as O};

/// What the statements in the journal say.
#[derive(Default)]
pub(super) struct Words {
    /// The image that was committed or found last.
    pub(super) runs: Option<Image>,
    /// The image that is on trial since then, and its last step.
    pub(super) trial: Option<(Image, T)>,
    /// The image that an update since then was about, on trial or not.
    pub(super) named: Option<Image>,
    /// A statement does not name the one before it, though both are whole, and none since then
    /// tells of it.
    pub(super) broken: bool,
    /// The key that signed the newest.
    pub(super) key: Option<[u8; 32]>,
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
            (self.runs, self.trial, self.named) = (None, None, None);
            self.broken |= follows && said.is_some();
        }
        self.before = Some((seq, *hash));
        self.key = signed_by(entry).copied();
        let Some(Said { image, outcome, steps, .. }) = said else { return };
        self.broken &= !steps.tell_of_tampering;
        match outcome {
            O::Succeeded | O::Unexpected => {
                (self.runs, self.trial, self.named) = (Some(image), None, None);
            }
            // A journal begins with what runs.
            O::State if steps.begin => self.runs = Some(image),
            O::Failed | O::RolledBack => (self.trial, self.named) = (None, Some(image)),
            O::InProgress | O::RollbackFailed | O::Deferred => {
                self.named = Some(image);
                let was_begun = self.trial.is_some();
                if steps.install || was_begun {
                    let last = steps.last.or(self.trial.map(|(_, last)| last));
                    self.trial = last.map(|last| (image, last));
                }
            }
            O::Refused => {
                let moved = self.trial.zip(steps.last);
                self.trial = moved.map(|((image, _), last)| (image, last));
            }
            _ => {}
        }
    }
}

/// The key that signed an entry, by name: it stands in the protected header, in front of all that
/// anybody could choose.
#[must_use]
pub fn signed_by(entry: &[u8]) -> Option<&[u8; 32]> {
    const FRONT: [u8; 3] = [4, 0x58, 32];
    let at = entry.windows(FRONT.len()).position(|it| it == FRONT)?;
    entry.get(at.checked_add(FRONT.len())?..)?.first_chunk()
}

/// The first fields of a statement.
struct Said {
    image: Image,
    outcome: O,
    prev: [u8; 32],
    steps: Steps,
}

/// What its steps are.
#[derive(Clone, Copy, Default)]
struct Steps {
    /// The device began its journal.
    begin: bool,
    /// An image was installed, or that began.
    install: bool,
    /// The last one that moves an update.
    last: Option<T>,
    /// A statement that does not name the one before it was told of.
    tell_of_tampering: bool,
}

impl Said {
    /// What this device said; none if it is not written as it writes. The fields have fixed widths,
    /// so that they stand at fixed places behind the device's name.
    fn read(device: &DeviceId, entry: &[u8]) -> Option<Self> {
        let mut read = Read(behind(device, entry)?);
        let sha256 = read.bytes(&[2, 0x58, 32])?;
        let version = u64::from_be_bytes(read.bytes(&[3, 0x48])?);
        let counter = u32::from_be_bytes(read.bytes(&[4, 0x44])?);
        let [outcome] = read.bytes(&[5])?;
        let _seq: [u8; 8] = read.bytes(&[6, 0x48])?;
        let prev = read.bytes(&[7, 0x58, 32])?;
        let [] = read.bytes(&[9])?;
        let steps = read.steps()?;
        let outcome = O::from_code(outcome.into())?;
        Some(Self { image: Image { sha256, version, counter }, outcome, prev, steps })
    }
}

impl Steps {
    fn take(&mut self, kind: T) {
        self.begin |= kind == T::LoggerStarted;
        self.install |= matches!(kind, T::InstallStarted | T::Installed);
        self.tell_of_tampering |= kind == T::TamperDetected;
        let mut life = Life::after(self.last);
        life.take(kind);
        self.last = life.last();
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

    /// The steps, each a map of numbers and digests.
    fn steps(&mut self) -> Option<Steps> {
        const KIND: u64 = 1;
        let mut steps = Steps::default();
        for _ in 0..self.head(4)? {
            for _ in 0..self.head(5)? {
                let key = self.head(0)?;
                match self.head(0) {
                    Some(value) if key == KIND => steps.take(T::from_code(value)?),
                    Some(_) => {}
                    None => {
                        let len = usize::try_from(self.head(2)?).ok()?;
                        self.0 = self.0.get(len..)?;
                    }
                }
            }
        }
        Some(steps)
    }

    /// The argument of the head of this major type (RFC 8949, 3.1), if such a one comes next.
    fn head(&mut self, major: u8) -> Option<u64> {
        let (first, rest) = self.0.split_first()?;
        let len = match first & 31 {
            0..24 => 0,
            it @ 24..28 => 1usize << (it & 3),
            _ => return None,
        };
        if first >> 5 != major {
            return None;
        }
        let (value, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        let small = u64::from(first & 31);
        Some(if len == 0 { small } else { value.iter().fold(0, |n, it| n << 8 | u64::from(*it)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firmlog_statement::time::{DeviceTime, Source, SyncState};
    use firmlog_statement::{
        Brief, PublicKey, SecurityCounter, Seq, SignError, Signer, Step, VersionCode,
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

    fn entry(seq: u64, prev: [u8; 32], image: Image, outcome: O) -> Vec<u8> {
        let step = Step { kind: T::Check, at_ms: 0, code: None, count: None, image: None };
        tell(seq, prev, image, outcome, &[step])
    }

    fn tell(seq: u64, prev: [u8; 32], image: Image, outcome: O, steps: &[Step]) -> Vec<u8> {
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
            outcome,
            seq: Seq(seq),
            prev: &prev,
            steps,
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

    /// What is read is what was written; of another device, or cut anywhere, nothing.
    #[test]
    fn first_fields_are_read_as_written() {
        for n in [0, 23, 255, u64::from(u32::MAX), 1 << 32, u64::MAX >> 1] {
            let counter = u32::try_from(n).unwrap_or(u32::MAX);
            let image = Image { sha256: [3; 32], version: n, counter };
            let bytes = entry(n, [5; 32], image, O::Failed);
            let said = Said::read(&DEVICE, &bytes).expect("read");
            assert_eq!((said.image, said.outcome, said.prev), (image, O::Failed, [5; 32]));
            assert!(Said::read(&DeviceId([8; 32]), &bytes).is_none());
            let prev = bytes.windows(32).position(|it| it == [5; 32]).expect("there") + 32;
            let whole = |len: &usize| Said::read(&DEVICE, &bytes[..*len]).is_some();
            let end = (0..bytes.len()).find(whole).expect("before the end");
            assert!(end > prev + 10, "the steps are read too");
            assert!((end..bytes.len()).all(|len| whole(&len)));
        }
    }

    #[test]
    fn upd_035_only_an_unbroken_chain_of_words_tells() {
        let image = |byte| Image { sha256: [byte; 32], version: 1, counter: 1 };
        let told = |chain: &[(u64, u8, u8, O, T)]| {
            let mut words = Words::default();
            for (seq, prev, byte, outcome, kind) in chain {
                let (kind, image) = (*kind, image(*byte));
                let step = Step { kind, at_ms: 0, code: None, count: None, image: None };
                let bytes = tell(*seq, [*prev; 32], image, *outcome, &[step]);
                words.take(&DEVICE, *seq, &[seq.to_be_bytes()[7] + 1; 32], &bytes);
            }
            let trial = words.trial.map(|(image, last)| (image.sha256[0], last));
            (words.runs.map(|it| it.sha256[0]), trial, words.broken)
        };
        let first = (0, 0, 1, O::Succeeded, T::Committed);
        let begun = (1, 1, 2, O::InProgress, T::InstallStarted);
        let trial = |last| Some((2, last));
        assert_eq!(told(&[first]), (Some(1), None, false));
        assert_eq!(told(&[first, begun]), (Some(1), trial(T::InstallStarted), false));
        let found = (1, 1, 2, O::Unexpected, T::UnexpectedVersion);
        assert_eq!(told(&[first, found]), (Some(2), None, false));
        // Before an install begins nothing is on trial.
        for step in [T::Check, T::DownloadStarted, T::SignatureVerified, T::Reboot, T::BootOk] {
            assert_eq!(told(&[first, (1, 1, 2, O::InProgress, step)]), (Some(1), None, false));
        }
        let rows = [
            (2, O::InProgress, T::Installed, trial(T::Installed)),
            (2, O::InProgress, T::Reboot, trial(T::Reboot)),
            (2, O::InProgress, T::BootOk, trial(T::BootOk)),
            (2, O::InProgress, T::RollbackStarted, trial(T::RollbackStarted)),
            (2, O::RollbackFailed, T::RollbackFailed, trial(T::RollbackFailed)),
            (2, O::RolledBack, T::RolledBack, None),
            (2, O::Failed, T::InstallFailed, None),
            // What happens beside it leaves it where it was, whatever that names.
            (1, O::State, T::ServiceMode, trial(T::InstallStarted)),
            (2, O::State, T::InstalledState, trial(T::InstallStarted)),
        ];
        for (byte, outcome, kind, expected) in rows {
            let after = told(&[first, begun, (2, 2, byte, outcome, kind)]);
            assert_eq!(after, (Some(1), expected, false), "{kind:?}");
        }
        let ended = told(&[first, begun, (2, 2, 2, O::Succeeded, T::Committed)]);
        assert_eq!(ended, (Some(2), None, false));
        // A journal begins with what runs; another statement of a state may be about anything.
        assert_eq!(told(&[(4, 0, 1, O::State, T::LoggerStarted)]), (Some(1), None, false));
        for step in [T::ServiceMode, T::InstalledState, T::LogGap, T::TamperDetected] {
            assert_eq!(told(&[(4, 0, 1, O::State, step)]), (None, None, false));
        }
        // One is missing: nobody knows what it said.
        assert_eq!(
            told(&[first, (2, 2, 2, O::InProgress, T::Installed)]),
            (None, trial(T::Installed), false)
        );
        // One was rewritten.
        assert_eq!(told(&[first, (1, 7, 2, O::Refused, T::RefusedInUse)]), (None, None, true));
    }

    /// A break is told once: by the first statement behind it that says so, whatever else that
    /// says and wherever in it.
    #[test]
    fn upd_036_what_was_told_is_not_told_again() {
        let image = Image { sha256: [3; 32], version: 1, counter: 1 };
        let step = |kind| Step { kind, at_ms: 99, code: Some(70_000), count: Some(7), image: None };
        let named = Step { image: Some([8; 32]), ..step(T::RefusedDowngrade) };
        let tells = step(T::TamperDetected);
        let code = Step { code: Some(100), count: Some(100), ..step(T::LogGap) };
        for (steps, told) in [
            (&[tells][..], true),
            (&[named, tells], true),
            (&[tells, step(T::LogGap), named], true),
            (&[code], false),
            (&[Step { image: Some([100; 32]), ..named }], false),
        ] {
            let mut words = Words::default();
            words.take(&DEVICE, 0, &[1; 32], &entry(0, [0; 32], image, O::State));
            words.take(&DEVICE, 1, &[2; 32], &entry(1, [9; 32], image, O::State));
            assert!(words.broken);
            words.take(&DEVICE, 2, &[3; 32], &tell(2, [2; 32], image, O::State, steps));
            assert_eq!(words.broken, !told, "{steps:?}");
            // Another one is another.
            words.take(&DEVICE, 3, &[4; 32], &entry(3, [9; 32], image, O::State));
            assert!(words.broken);
        }
    }
}
