//! One box for everything: what a person typed, recognised by its form.
//!
//! ```text
//! 9f2c41aa…(64 hex)   a digest: firmware image, entry, or device
//! 48211               an entry, or a serial number
//! ip-200/app          a release
//! (01)00844588003288(21)7X-0091    a UDI, or any part of one that was disclosed
//! ```
//!
//! Disclosed values are private, and looked for apart ([`Index::search_disclosed`]): whoever can
//! guess at them can find them.

use rusqlite::OptionalExtension;

use crate::query::stored;
use crate::{Error, Index};

/// What the typed text can mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// 32 bytes: a firmware digest, leaf hash or device id.
    Digest([u8; 32]),
    /// A decimal number: an entry's index, or text.
    Index(u64),
    /// Anything else: release name, UDI, serial number.
    Text(String),
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hit {
    /// An entry, by index or leaf hash.
    Entry(u64),
    /// A release, by name, or by the digest of its firmware.
    Release(u64),
    /// A device, by id, or by a disclosed serial number or UDI.
    Device([u8; 32]),
    /// Entries of devices that name this firmware; how many.
    Firmware([u8; 32], u64),
}

/// Recognises what was typed: hex or base64 digests (with or without `sha256:`), numbers, text.
pub fn detect(typed: &str) -> Query {
    let typed = typed.trim();
    let bare = typed.strip_prefix("sha256:").unwrap_or(typed);
    if let Some(digest) = hex(bare).or_else(|| base64(bare)) {
        return Query::Digest(digest);
    }
    match typed.parse() {
        Ok(index) if !typed.starts_with('+') => Query::Index(index),
        _ => Query::Text(typed.to_owned()),
    }
}

impl Index {
    /// Everything the query can mean, disclosed values apart, best first, at most `limit`.
    pub fn search(&self, query: &Query, limit: usize) -> Result<Vec<Hit>, Error> {
        let mut hits = match query {
            Query::Digest(digest) => self.by_digest(digest, limit)?,
            Query::Index(index) => {
                let mut hits = self.releases_named(&index.to_string(), limit)?;
                if *index < self.covered()? {
                    hits.insert(0, Hit::Entry(*index));
                }
                hits
            }
            Query::Text(text) => self.releases_named(text, limit)?,
        };
        hits.truncate(limit);
        Ok(hits)
    }

    fn by_digest(&self, digest: &[u8; 32], limit: usize) -> Result<Vec<Hit>, Error> {
        let releases = self.releases_of_image(digest, limit)?;
        let mut hits: Vec<Hit> = releases.into_iter().map(Hit::Release).collect();
        let updates = self.count_of_image(digest)?;
        if updates > 0 {
            hits.push(Hit::Firmware(*digest, updates));
        }
        hits.extend(self.index_of(digest)?.map(Hit::Entry));
        hits.extend(self.device(digest)?.map(|row| Hit::Device(row.device)));
        Ok(hits)
    }

    /// Indices of the releases of this firmware image, newest first.
    pub fn releases_of_image(&self, image: &[u8; 32], limit: usize) -> Result<Vec<u64>, Error> {
        self.read(|connection| {
            let rows = connection
                .prepare_cached(
                    "SELECT release.idx FROM release JOIN entry ON entry.idx = release.idx
                     WHERE entry.image = (SELECT id FROM digest WHERE value = ?1)
                     ORDER BY release.idx DESC LIMIT ?2",
                )?
                .query_map((image.as_slice(), stored(limit as u64)), |row| row.get::<_, i64>(0))?
                .map(|index| index.map(i64::cast_unsigned))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(rows)
        })
    }

    fn count_of_image(&self, image: &[u8; 32]) -> Result<u64, Error> {
        self.read(|connection| {
            let count: Option<i64> = connection
                .prepare_cached(
                    "SELECT count(*) FROM entry
                     WHERE image = (SELECT id FROM digest WHERE value = ?1) AND kind = 4",
                )?
                .query_row([image.as_slice()], |row| row.get(0))
                .optional()?;
            Ok(count.unwrap_or(0).cast_unsigned())
        })
    }

    fn releases_named(&self, text: &str, limit: usize) -> Result<Vec<Hit>, Error> {
        let releases = self.releases(Some(text), None, limit)?;
        Ok(releases.rows.iter().map(|row| Hit::Release(row.entry.index)).collect())
    }

    /// Devices, and entries of no device, that have disclosed exactly this text: serial numbers,
    /// UDIs, sites, people. Only for those who may know whose they are.
    pub fn search_disclosed(&self, text: &str, limit: usize) -> Result<Vec<Hit>, Error> {
        let (devices, entries) = self.by_disclosure(text.trim(), limit)?;
        let devices = devices.into_iter().map(Hit::Device);
        Ok(devices.chain(entries.into_iter().map(Hit::Entry)).take(limit).collect())
    }

    fn by_disclosure(&self, text: &str, limit: usize) -> Result<(Vec<[u8; 32]>, Vec<u64>), Error> {
        let rows = self.read(|connection| {
            let rows = connection
                .prepare_cached(
                    "SELECT DISTINCT device.device,
                       CASE WHEN device.device IS NULL THEN disclosure.idx END
                     FROM disclosure JOIN entry ON entry.idx = disclosure.idx
                     LEFT JOIN device ON device.id = entry.device
                     WHERE disclosure.text = ?1 LIMIT ?2",
                )?
                .query_map((text, stored(limit as u64)), |row| {
                    Ok((row.get::<_, Option<[u8; 32]>>(0)?, row.get::<_, Option<i64>>(1)?))
                })?
                .collect::<Result<Vec<_>, _>>()?;
            Ok(rows)
        })?;
        let devices = rows.iter().filter_map(|(device, _)| *device).collect();
        let entries = rows.iter().filter_map(|(_, index)| index.map(i64::cast_unsigned)).collect();
        Ok((devices, entries))
    }
}

fn hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(pair).ok()?;
        if digits.starts_with('+') {
            return None;
        }
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(out)
}

fn base64(text: &str) -> Option<[u8; 32]> {
    let body = text.strip_suffix('=').unwrap_or(text);
    if body.len() != 43 {
        return None;
    }
    let mut bits: u32 = 0;
    let mut held = 0;
    let mut out = Vec::with_capacity(32);
    for digit in body.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held).to_le_bytes()[0]);
            bits &= (1 << held) - 1;
        }
    }
    out.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_recognised() {
        let digest = [0xab; 32];
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(detect(&hex), Query::Digest(digest));
        assert_eq!(detect(&format!(" sha256:{} ", hex.to_uppercase())), Query::Digest(digest));
        let base64 = "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=";
        assert_eq!(detect(base64), Query::Digest(digest));
        assert_eq!(detect(&base64.replace('=', "")), Query::Digest(digest));
        assert_eq!(detect("48211"), Query::Index(48211));
        assert_eq!(detect("ip-200/app"), Query::Text("ip-200/app".to_owned()));
        assert_eq!(detect("+5"), Query::Text("+5".to_owned()));
    }
}
