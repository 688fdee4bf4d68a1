//! What an audit tells: while it runs, and at its end.

/// A stored object that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Its path below the data directory, and the entry or byte where that is known.
    pub object: String,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub got: String,
}

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// Entries read.
    pub entries: u64,
    /// Signatures checked.
    pub signatures: u64,
    /// Tiles compared.
    pub tiles: u64,
    /// The tree that is durable as tiles.
    pub tiles_size: u64,
    /// All entries, those in the write-ahead log included.
    pub size: u64,
    /// True if the write-ahead log and the never-fork record were left out, as a server has the
    /// log open.
    pub online: bool,
    /// Entries whose place in their chains could not be checked, because what comes before was
    /// pruned or damaged.
    pub unordered: u64,
    /// Everything that is not as it should be; empty if the log is whole.
    pub damages: Vec<Damage>,
}

/// How far an audit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FsckProgress {
    /// Entries done.
    pub entries: u64,
    /// Entries in all.
    pub total: u64,
    /// Damaged objects so far.
    pub damages: usize,
}

/// Looks on while a log is audited. Any `FnMut(FsckProgress)` does.
pub trait Watch {
    /// How far the audit is; called after each page.
    fn progress(&mut self, done: FsckProgress);

    /// An entry, in order, and when it was received in Unix milliseconds. What is in a damaged
    /// bundle is not shown.
    fn entry(&mut self, index: u64, entry: &[u8], received_ms: Option<u64>) {
        let _ = (index, entry, received_ms);
    }
}

impl<F: FnMut(FsckProgress)> Watch for F {
    fn progress(&mut self, done: FsckProgress) {
        self(done);
    }
}

pub(super) fn damage(object: &str, expected: &str, got: &str) -> Damage {
    Damage { object: object.into(), expected: expected.into(), got: got.into() }
}
