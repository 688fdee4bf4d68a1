//! Tiles of hashes and entry bundles: raw bytes that only their path or their shape betrays.
//!
//! Invariants:
//! - What nothing but its length makes a tile is never called one: it may be.

use std::path::Path;

use firmlog_tlog::merkle::leaf_hash;
use firmlog_tlog::tile::{Bundle, TilePath, WIDTH};
use serde_json::json;

use super::Found;
use crate::answer::{counted, hex};

/// By the path when it is one, else by the shape of the bytes.
pub(crate) fn explain(bytes: &[u8], path: Option<&Path>) -> Option<Found> {
    match path.and_then(tile_path) {
        Some(TilePath::Hashes(id)) => Some(hashes(bytes, Some(id.level), id.width)),
        Some(TilePath::Entries { index, width }) => Some(entries(bytes, Some(index), width)),
        _ => by_shape(bytes, path.is_some_and(is_named_tile)),
    }
}

fn is_named_tile(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.contains("tile"))
}

fn by_shape(bytes: &[u8], named: bool) -> Option<Found> {
    if let Some(width) = bundle_width(bytes) {
        return Some(entries(bytes, None, width));
    }
    let count = bytes.len() / 32;
    let whole = !bytes.is_empty() && bytes.len().is_multiple_of(32) && count <= usize::from(WIDTH);
    let tile = || hashes(bytes, None, count as u16);
    whole.then(|| if named { tile() } else { maybe(tile(), count) })
}

fn maybe(tile: Found, count: usize) -> Found {
    let (kind, summary) = match count {
        1 => ("hash", "32 bytes: may be a SHA-256, or a tile of one hash".to_owned()),
        _ => ("hashes", format!("may be a tile of {count} hashes; only the length says so")),
    };
    Found { kind, summary, ..tile }
}

/// The last `tile/…` part of a file's path.
fn tile_path(path: &Path) -> Option<TilePath> {
    let text = path.to_str()?.replace('\\', "/");
    text.rmatch_indices("tile/").find_map(|(at, _)| TilePath::parse(&text[at..]).ok())
}

/// How many length-prefixed entries fill the bytes exactly; each at least a byte long.
fn bundle_width(bytes: &[u8]) -> Option<u16> {
    let (mut rest, mut count) = (bytes, 0u16);
    while let [a, b, tail @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*a, *b]));
        count = count.checked_add(1).filter(|n| *n <= WIDTH && len > 0)?;
        rest = tail.get(len..)?;
    }
    (rest.is_empty() && count > 0).then_some(count)
}

fn hashes(bytes: &[u8], level: Option<u8>, width: u16) -> Found {
    let state = if width == WIDTH { "full" } else { "partial" };
    let at = level.map_or_else(String::new, |level| format!(" of level {level}"));
    let summary = format!("{state} tile{at}, {}", counted(width.into(), "hash", "hashes"));
    if bytes.len() != usize::from(width) * 32 {
        let why = format!("expected {} bytes, got {}", usize::from(width) * 32, bytes.len());
        return Found::new("tile", summary).broken(why);
    }
    let list: Vec<String> = bytes.chunks(32).map(hex).collect();
    let text = list.iter().enumerate().map(|(i, h)| format!("{:>6}  {i:>3}  {h}\n", i * 32));
    Found::new("tile", summary)
        .text(text.collect::<String>())
        .json(json!({"level": level, "width": width, "hashes": list}))
}

fn entries(bytes: &[u8], index: Option<u64>, width: u16) -> Found {
    let summary = counted(width.into(), "entry", "entries");
    let bundle = match Bundle::parse(bytes, width) {
        Ok(bundle) => bundle,
        Err(e) => return Found::new("entry bundle", summary).broken(e),
    };
    let (mut text, mut list, mut offset) = (String::new(), Vec::new(), 0);
    for (position, entry) in bundle.entries().enumerate() {
        let place = index.map_or(position as u64, |i| i * u64::from(WIDTH) + position as u64);
        let leaf = leaf_hash(entry);
        let what = super::cose::one_line(entry);
        text.push_str(&format!(
            "{offset:>6}  {place:>5}  {:>5} bytes  {leaf}  {what}\n",
            entry.len()
        ));
        list.push(json!({"position": place, "bytes": entry.len(), "leaf_hash": leaf.to_string(),
            "what": what}));
        offset += 2 + entry.len();
    }
    Found::new("entry bundle", summary).text(text).json(json!({"width": width, "entries": list}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_told_apart() {
        let kind = |bytes: &[u8], path: Option<&str>| {
            explain(bytes, path.map(Path::new)).map(|found| found.kind)
        };
        assert_eq!(kind(&[7; 64], None), Some("hashes"));
        assert_eq!(kind(&[7; 32], None), Some("hash"));
        assert_eq!(kind(&[7; 32], Some("image.sha256")), Some("hash"));
        assert_eq!(kind(&[7; 64], Some("some.tile")), Some("tile"));
        assert_eq!(kind(&[7; 64], Some("tile-3")), Some("tile"));
        assert_eq!(kind(&[7; 32], Some("data/tile/0/000.p/1")), Some("tile"));
        assert_eq!(explain(&[0, 2, 9, 9, 0, 1, 5], None).map(|f| f.kind), Some("entry bundle"));
        assert!(explain(&[0, 2, 9], None).is_none());
        assert!(explain(&[], None).is_none());
    }

    #[test]
    fn a_tile_of_the_wrong_length_is_broken() {
        let path = Path::new("/data/tile/0/000.p/3");
        assert!(explain(&[7; 64], Some(path)).is_some_and(|f| f.broken.is_some()));
    }
}
