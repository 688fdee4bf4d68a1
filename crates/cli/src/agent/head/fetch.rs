//! Fetching what the log claims of this device's chain.
//!
//! ```text
//! GET /checkpoint                        the tree
//! GET /api/v1/entries?device=…           which entries are the device's, until all are looked at
//! GET /entries/43/statement              the statement
//! GET /api/v1/entries/43/proof           its proof
//! GET /api/v1/consistency?old=…&new=…    that the tree extends the proven one
//! ```
//!
//! Nothing here is believed: [`Known::check`] judges what comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use firmlog_statement::{Parsed, entry_hash};
use firmlog_tlog::checkpoint::Unverified;
use firmlog_tlog::merkle::Hash;
use serde_json::Value;

use super::{Claim, Known, Place};
use crate::answer::unhex;
use crate::error::{Error, Result};
use crate::http::Client;

/// Pages of the device's entries that are read, a thousand entries each.
const PAGES_MOST: usize = 200;
/// Statements that are taken from the log.
const PLACES_MOST: usize = 10_000;
/// How often the log is asked whether it has looked through its newest entries.
const ASKED_MOST: usize = 20;

/// Where the log says the device's statements are, by their seq.
type Listed = BTreeMap<u64, Vec<u64>>;

/// Asks the log.
pub(crate) fn fetch(client: &Client, known: &Known) -> Result<Claim> {
    let checkpoint = client.fetch("checkpoint")?;
    let shown = Unverified::parse(&checkpoint).map_err(|e| Error::form("checkpoint", e))?;
    let size = shown.claimed().head().size.0;
    let (listed, looked_through) = list(client, known, size)?;
    let mut places: Vec<Place> = Vec::new();
    for seq in known.first()..=listed.keys().next_back().copied().unwrap_or_default() {
        let last = places.last().map(|place| entry_hash(&place.entry));
        let before = last.or_else(|| known.before(seq));
        match choose(client, known, seq, before, listed.get(&seq))? {
            Some(place) if places.len() < PLACES_MOST => places.push(place),
            _ => break,
        }
    }
    let consistency = consistency(client, known.covered.size, size)?;
    let aside = listed.values().map(Vec::len).sum::<usize>().saturating_sub(places.len());
    Ok(Claim { checkpoint, looked_through, places, aside, consistency })
}

/// The device's entries, once the log has looked through as many as its checkpoint covers.
fn list(client: &Client, known: &Known, size: u64) -> Result<(Listed, u64)> {
    let mut asked = 0;
    loop {
        let (listed, covered) = pages(client, known)?;
        asked += 1;
        if covered >= size || asked == ASKED_MOST {
            return Ok((listed, covered));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn pages(client: &Client, known: &Known) -> Result<(Listed, u64)> {
    let (mut listed, mut covered, mut cursor) = (Listed::new(), u64::MAX, String::new());
    for _ in 0..PAGES_MOST {
        let device = known.device;
        let path = format!("api/v1/entries?kind=update&device={device}&limit=1000{cursor}");
        let page: Value = serde_json::from_slice(&client.fetch(&path)?)
            .map_err(|e| Error::form("list of entries", e))?;
        covered = covered.min(number(&page["index"]["covered"])?);
        for item in page["items"].as_array().map_or(&[][..], Vec::as_slice) {
            let (seq, index) = (number(&item["seq"])?, number(&item["index"])?);
            if seq >= known.first() {
                listed.entry(seq).or_default().push(index);
            }
        }
        let Some(next) = page["next_cursor"].as_str() else { return Ok((listed, covered)) };
        cursor = format!("&cursor={next}");
    }
    Err(Error::new("E-LIMIT", "the log has more statements of this device than are read"))
}

/// Of the statements with this seq the one that follows and that the journal knows; else the
/// earliest that follows. Where nothing is known of the one before, each does.
fn choose(
    client: &Client,
    known: &Known,
    seq: u64,
    before: Option<[u8; 32]>,
    indices: Option<&Vec<u64>>,
) -> Result<Option<Place>> {
    let mut chosen = None;
    let mut indices = indices.cloned().unwrap_or_default();
    indices.sort_unstable();
    for index in indices {
        let entry = client.fetch(&format!("entries/{index}/statement"))?;
        let prev = Parsed::parse(&entry).ok().and_then(|parsed| parsed.update_head());
        if before.is_some() && prev.map(|head| head.prev) != before {
            continue;
        }
        let is_known = known.hashes.get(&seq).is_some_and(|hash| *hash == entry_hash(&entry));
        if chosen.is_none() || is_known {
            chosen = Some((index, entry));
        }
        if is_known {
            break;
        }
    }
    chosen.map(|(index, entry)| place(client, index, entry)).transpose()
}

fn place(client: &Client, index: u64, entry: Vec<u8>) -> Result<Place> {
    let path = format!("api/v1/entries/{index}/proof");
    let reply = client.fetch_any(&path, "text/plain")?;
    if reply.status != 200 {
        return Err(client.refused(&path, &reply));
    }
    Ok(Place { entry, proof: reply.body })
}

fn consistency(client: &Client, proven: u64, shown: u64) -> Result<Vec<Hash>> {
    let (old, new) = (proven.min(shown), proven.max(shown));
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let answer = client.fetch(&format!("api/v1/consistency?old={old}&new={new}"))?;
    let other = || Error::form("consistency proof", "not one");
    let answer: Value = serde_json::from_slice(&answer).map_err(|_| other())?;
    let path = answer["path"].as_array().ok_or_else(other)?;
    let hash = |text: &Value| Some(Hash(unhex(text.as_str()?)?.try_into().ok()?));
    path.iter().map(|text| hash(text).ok_or_else(other)).collect()
}

fn number(value: &Value) -> Result<u64> {
    let number = value.as_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Error::form("list of entries", "a number is missing"))
}
