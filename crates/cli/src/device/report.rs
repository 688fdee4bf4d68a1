//! Reporting to the log: everything unsent, oldest first, in one batch.

use serde_json::Value;

use super::unit::Unit;
use crate::error::{Error, Result};
use crate::http::Client;
use crate::submit::{disclosure_set, with_disclosures};

/// What one batch may hold, well under the server's limits.
const BATCH_MAX: usize = 1000;

/// Sends batches and keeps what disclosures went with them.
pub(crate) struct Reporter {
    client: Client,
    /// Device name and encoded disclosures.
    pub(crate) disclosures: Vec<(String, Vec<u8>)>,
}

/// What the log said of one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// `appended`, `duplicate`, `forked` or `refused`.
    pub(crate) result: String,
    /// Where it is, or why it is not there.
    pub(crate) detail: String,
}

impl Reporter {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, disclosures: Vec::new() }
    }

    /// Sends all that a device has not sent, and notes in its files that it did.
    pub(crate) fn report(&mut self, unit: &mut Unit) -> Result<Vec<Told>> {
        let unsent = unit.journal.unsent().to_vec();
        let first = unit.journal.next_seq() - unsent.len() as u64;
        let mut body = Vec::new();
        for (seq, entry) in (first..).zip(&unsent) {
            let of_entry = unit.secrets.iter().filter(|(of, _)| *of == seq);
            let secrets: Vec<_> = of_entry.map(|(_, secret)| secret.clone()).collect();
            if secrets.is_empty() {
                body.extend_from_slice(entry);
            } else {
                body.extend(with_disclosures(entry, &secrets)?);
                self.disclosures.push((unit.name.clone(), disclosure_set(entry, &secrets)?));
            }
        }
        if body.is_empty() {
            return Ok(Vec::new());
        }
        let told = self.send(body)?;
        unit.journal.all_sent()?;
        Ok(told)
    }

    /// Sends entries that all must be appended.
    pub(crate) fn send_all(&self, entries: &[Vec<u8>]) -> Result<()> {
        for batch in entries.chunks(BATCH_MAX) {
            let told = self.send(batch.concat())?;
            if let Some(bad) = told.iter().find(|told| told.result == "refused") {
                return Err(Error::new("E-REFUSED", format!("the log refused: {}", bad.detail)));
            }
        }
        Ok(())
    }

    fn send(&self, body: Vec<u8>) -> Result<Vec<Told>> {
        let (media_type, accept) = ("application/cbor-seq", "application/json");
        let reply = self.client.post_any("batch", media_type, accept, body)?;
        if reply.status != 200 {
            return Err(self.client.refused("batch", &reply));
        }
        let doc: Value =
            serde_json::from_slice(&reply.body).map_err(|e| Error::form("the log's answer", e))?;
        let results = doc["results"].as_array().cloned().unwrap_or_default();
        Ok(results.iter().map(told).collect())
    }
}

fn told(item: &Value) -> Told {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let result = text(&item["result"]);
    let detail = match item.get("index") {
        Some(index) => text(index),
        None => {
            format!("{}: {}", text(&item["problem"]["title"]), text(&item["problem"]["detail"]))
        }
    };
    Told { result, detail }
}
