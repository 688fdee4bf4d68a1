//! Where what is in external flash.
//!
//! ```text
//! 000000 factory page · 004000 bench page · 008000 boot choice · 010000 journal, 64 KiB
//! 100000 slot A · 180000 slot B · 200000 download: image · 280000 evidence beside one
//! ```

/// What the production line wrote.
pub const FACTORY: usize = 0;
/// What a test bench asks for.
pub const BENCH: usize = 0x4000;
/// Which slot runs.
pub const BOOT: usize = 0x8000;
/// The journal.
pub const JOURNAL: usize = 0x1_0000;
/// Its pages.
pub const JOURNAL_PAGES: usize = 16;
/// The two slots.
pub const SLOTS: [usize; 2] = [0x10_0000, 0x18_0000];
/// Pages of a slot.
pub const SLOT_PAGES: usize = 16;
/// Where a downloaded image goes, its evidence in it.
pub const IMAGE: usize = 0x20_0000;
/// Where evidence goes that is not in an image.
pub const PROOF: usize = 0x28_0000;
/// Pages of each of the two.
pub const DOWNLOAD_PAGES: usize = 16;
