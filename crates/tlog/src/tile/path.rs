//! The paths of [tlog-tiles], below the log's prefix and without a leading slash.
//!
//! ```text
//! checkpoint
//! tile/0/x001/x234/067
//! tile/1/000.p/17
//! tile/entries/x001/x234/067.p/5
//! ```
//!
//! Invariant: `TilePath::parse(x)?.to_string() == x`.
//!
//! [tlog-tiles]: https://c2sp.org/tlog-tiles

use core::fmt;

use super::{MAX_LEVEL, TileError, TileId, WIDTH};
use crate::decimal;

/// A path that a tile log serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TilePath {
    /// The log's newest checkpoint.
    Checkpoint,
    /// A tile of hashes.
    Hashes(TileId),
    /// A bundle of entries: the leaves below the level-0 tile of the same index.
    Entries {
        /// Position of the bundle, from the left.
        index: u64,
        /// How many entries it has, 1 to 256.
        width: u16,
    },
}

impl TilePath {
    /// Parses a path.
    ///
    /// # Errors
    /// A [`TileError`] for any path or spelling that [tlog-tiles](https://c2sp.org/tlog-tiles)
    /// does not define.
    pub fn parse(path: &str) -> Result<Self, TileError> {
        if path == "checkpoint" {
            return Ok(Self::Checkpoint);
        }
        let tile = path.strip_prefix("tile/").ok_or(TileError::UnknownPath)?;
        let (level, rest) = tile.split_once('/').ok_or(TileError::UnknownPath)?;
        if level == "entries" {
            let (index, width) = parse_position(rest)?;
            return Ok(Self::Entries { index, width });
        }
        let level = decimal::parse(level).ok().and_then(|level| u8::try_from(level).ok());
        let level = level.filter(|l| *l <= MAX_LEVEL).ok_or(TileError::LevelMalformed)?;
        let (index, width) = parse_position(rest)?;
        Ok(Self::Hashes(TileId { level, index, width }))
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint => f.write_str("checkpoint"),
            Self::Hashes(TileId { level, index, width }) => {
                write!(f, "tile/{level}/")?;
                write_position(f, *index, *width)
            }
            Self::Entries { index, width } => {
                f.write_str("tile/entries/")?;
                write_position(f, *index, *width)
            }
        }
    }
}

/// Parses `<N>[.p/<W>]`.
fn parse_position(text: &str) -> Result<(u64, u16), TileError> {
    let Some((index, width)) = text.split_once(".p/") else {
        return Ok((parse_index(text)?, WIDTH));
    };
    let width = decimal::parse(width).ok().filter(|w| (1..u64::from(WIDTH)).contains(w));
    Ok((parse_index(index)?, width.ok_or(TileError::WidthMalformed)? as u16))
}

fn parse_index(text: &str) -> Result<u64, TileError> {
    let mut index = 0u64;
    let mut groups = text.split('/').peekable();
    let mut first = true;
    while let Some(group) = groups.next() {
        let more = groups.peek().is_some();
        let digits = if more { group.strip_prefix('x') } else { Some(group) };
        let digits = digits.filter(|d| d.len() == 3).ok_or(TileError::IndexMalformed)?;
        let value = parse_group(digits).ok_or(TileError::IndexMalformed)?;
        if first && more && value == 0 {
            return Err(TileError::IndexHasLeadingZero);
        }
        first = false;
        let next = index.checked_mul(1000).and_then(|i| i.checked_add(value));
        index = next.ok_or(TileError::IndexOverflows)?;
    }
    Ok(index)
}

fn parse_group(digits: &str) -> Option<u64> {
    digits.bytes().try_fold(0u64, |n, c| {
        let digit = char::from(c).to_digit(10)?;
        n.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

fn write_position(f: &mut fmt::Formatter<'_>, index: u64, width: u16) -> fmt::Result {
    // 2^64 has twenty digits: seven groups at most.
    for power in (1..7u32).rev() {
        if let Some(above) = index.checked_div(1000u64.wrapping_pow(power)).filter(|a| *a != 0) {
            write!(f, "x{:03}/", above % 1000)?;
        }
    }
    write!(f, "{:03}", index % 1000)?;
    if width == WIDTH { Ok(()) } else { write!(f, ".p/{width}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn every_path_has_one_spelling() {
        for index in [0, 1, 999, 1000, 1_234_067, 1_000_000, u64::MAX] {
            for width in [1, 17, 255, 256] {
                for path in [
                    TilePath::Hashes(TileId { level: 0, index, width }),
                    TilePath::Hashes(TileId { level: 63, index, width }),
                    TilePath::Entries { index, width },
                ] {
                    assert_eq!(TilePath::parse(&path.to_string()), Ok(path));
                }
            }
        }
        let path = TilePath::Entries { index: 1_234_067, width: 256 };
        assert_eq!(path.to_string(), "tile/entries/x001/x234/067");
        assert_eq!(TilePath::parse("checkpoint"), Ok(TilePath::Checkpoint));
    }

    #[test]
    fn other_spellings_are_refused() {
        for (path, error) in [
            ("", TileError::UnknownPath),
            ("/checkpoint", TileError::UnknownPath),
            ("tile/0", TileError::UnknownPath),
            ("tile/00/000", TileError::LevelMalformed),
            ("tile/64/000", TileError::LevelMalformed),
            ("tile/256/000", TileError::LevelMalformed),
            ("tile/data/000", TileError::LevelMalformed),
            ("tile/0/0", TileError::IndexMalformed),
            ("tile/0/0000", TileError::IndexMalformed),
            ("tile/0/+01", TileError::IndexMalformed),
            ("tile/0/x001", TileError::IndexMalformed),
            ("tile/0/001/067", TileError::IndexMalformed),
            ("tile/0/x001/067/", TileError::IndexMalformed),
            ("tile/0/x000/067", TileError::IndexHasLeadingZero),
            ("tile/0/x018/x446/x744/x073/x709/x551/616", TileError::IndexOverflows),
            ("tile/0/000.p/0", TileError::WidthMalformed),
            ("tile/0/000.p/07", TileError::WidthMalformed),
            ("tile/0/000.p/256", TileError::WidthMalformed),
            ("tile/0/000.p/1/2", TileError::WidthMalformed),
        ] {
            assert_eq!(TilePath::parse(path), Err(error), "{path}");
        }
    }
}
