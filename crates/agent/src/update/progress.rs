//! Where an update stands, as the journal's note keeps it across power cuts.
//!
//! ```text
//! 02 · last step u8 · attempts u16 · committed 44 · target 44 · release 32 · repeats 48
//! ```

use crate::fields::{Put, Take};
use crate::journal::Note;
use crate::repeats::Repeats;
use firmlog_statement::event::EventType;

/// One firmware image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// SHA-256 of it.
    pub sha256: [u8; 32],
    /// Order of its version.
    pub version: u64,
    /// Its anti-rollback counter.
    pub counter: u32,
}

impl Image {
    /// None: zeros.
    pub const NONE: Self = Self { sha256: [0; 32], version: 0, counter: 0 };
}

/// What the device is about to run instead, and why it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The image.
    pub image: Image,
    /// Leaf hash of its release; zeros if none is known.
    pub release: [u8; 32],
}

/// Where an update stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last step that moved it.
    pub last: Option<EventType>,
    /// What was committed last: what should run while nothing is under way.
    pub committed: Image,
    /// What is being installed; the committed image while nothing is.
    pub target: Target,
    /// How often installing it began.
    pub attempts: u16,
    /// Refusals counted.
    pub repeats: Repeats,
}

const VERSION: u8 = 2;
const IMAGE: usize = 44;
const LEN: usize = 4 + 2 * IMAGE + 32 + Repeats::LEN;

impl Progress {
    /// Nothing is known yet.
    pub(crate) const NONE: Self = Self {
        last: None,
        committed: Image::NONE,
        target: Target { image: Image::NONE, release: [0; 32] },
        attempts: 0,
        repeats: Repeats::new(),
    };

    /// A device that runs this image and does nothing.
    #[must_use]
    pub fn idle(committed: Image) -> Self {
        let target = Target { image: committed, release: [0; 32] };
        Self { committed, target, ..Self::default() }
    }

    /// Whether an image other than the committed one is on its way in.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.target.image != self.committed
    }

    /// What runs now: from `boot_ok` on until a start finds otherwise, the image on trial.
    #[must_use]
    pub fn runs(&self) -> &Image {
        use EventType as T;
        match self.last {
            Some(T::BootOk | T::RollbackStarted | T::RollbackFailed) => &self.target.image,
            _ => &self.committed,
        }
    }

    /// Once rolled back nothing is under way. The statement of it still names the target, and so
    /// does the note beside it.
    pub fn settle(&mut self) {
        if self.last == Some(EventType::RolledBack) {
            self.target = Target { image: self.committed, release: [0; 32] };
        }
    }

    /// As the journal remembers it.
    #[must_use]
    pub fn encode(&self) -> Option<Note> {
        let last = self.last.map_or(0, EventType::code);
        let mut out = [0; LEN];
        let mut put = Put(&mut out);
        put.put(&[VERSION, u8::try_from(last).ok()?]).put(&self.attempts.to_be_bytes());
        put_image(&mut put, &self.committed);
        put_image(&mut put, &self.target.image);
        put.put(&self.target.release);
        self.repeats.put(&mut put);
        Note::new(&out)
    }

    /// Takes what [`encode`](Self::encode) wrote; none if it is something else, and then this may
    /// be anything.
    pub(crate) fn read(&mut self, note: &Note) -> Option<()> {
        let bytes: &[u8; LEN] = note.as_bytes().try_into().ok()?;
        let mut take = Take(bytes);
        let [VERSION, last] = take.take() else { return None };
        self.attempts = u16::from_be_bytes(take.take());
        take_image(&mut take, &mut self.committed);
        take_image(&mut take, &mut self.target.image);
        take.fill(&mut self.target.release);
        self.last = match last {
            0 => None,
            code => Some(EventType::from_code(u64::from(code))?),
        };
        self.repeats = Repeats::parse(&take.take())?;
        Some(())
    }
}

fn put_image(put: &mut Put<'_>, image: &Image) {
    put.put(&image.sha256).u64(image.version).u32(image.counter);
}

fn take_image(take: &mut Take<'_>, image: &mut Image) {
    take.fill(&mut image.sha256);
    (image.version, image.counter) = (take.u64(), take.u32());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(note: &Note) -> Option<Progress> {
        let mut progress = Progress::default();
        progress.read(note).map(|()| progress)
    }

    #[test]
    fn progress_round_trips_and_other_notes_are_no_progress() {
        let image = |byte| Image { sha256: [byte; 32], version: 7, counter: 3 };
        let mut progress = Progress::idle(image(1));
        assert!(!progress.is_under_way());
        assert_eq!(parse(&progress.encode().unwrap()), Some(progress));
        progress.last = Some(EventType::InstallStarted);
        progress.target = Target { image: image(2), release: [9; 32] };
        progress.attempts = 300;
        let note = progress.encode().unwrap();
        assert!(progress.is_under_way());
        assert_eq!(parse(&note), Some(progress));
        assert_eq!(parse(&Note::EMPTY), None);
        let mut other = note.as_bytes().to_vec();
        other[1] = 250;
        assert_eq!(parse(&Note::new(&other).unwrap()), None);
    }
}
