//! Reporting to the log: the administrator's enrolments, and what the devices' outboxes send.

use firmlog_agent::outbox::{Outbox, Reply, Settings, Step, Trouble};
use serde_json::Value;

use super::unit::Unit;
use crate::agent::courier::{Job, OsRandom, exchange};
use crate::agent::receipts::Pinned;
use crate::error::{Error, Result};
use crate::http::Client;
use firmlog_verify::TrustRoot;

/// What one batch may hold, well under the server's limits.
const BATCH_MAX: usize = 1000;
/// Room for what an outbox sends at a time.
const BUFFER: usize = 16 * firmlog_agent::journal::ENTRY_MAX;

/// Sends what is said.
pub(crate) struct Reporter {
    client: Client,
    receipts: Pinned,
}

/// What the log said of one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// `appended`, `forked` or `refused`.
    pub(crate) result: &'static str,
    /// Where it is, or why it is not there.
    pub(crate) detail: String,
}

impl Reporter {
    pub(crate) fn new(client: Client, root: TrustRoot) -> Self {
        Self { client, receipts: Pinned(root) }
    }

    /// Lets a device's outbox send until all is proven, or the log refuses.
    pub(crate) fn report(&mut self, unit: &mut Unit<'_>) -> Result<Vec<Told>> {
        unit.flush()?;
        let mut outbox = Outbox::new(Settings::default(), OsRandom);
        let (mut buffer, mut told) = (Box::new([0; BUFFER]), Vec::new());
        let mut forks = Vec::new();
        loop {
            let now_ms = crate::agent::uptime_ms();
            let said = |e| Error::new("E-JOURNAL", e);
            let journal = unit.device.journal();
            let (job, index) = match outbox.poll(now_ms, journal, &mut *buffer).map_err(said)? {
                Step::Post { ticket, len } => (Job::Post(ticket, buffer[..len].to_vec()), None),
                Step::Fetch { ticket, index } => (Job::Fetch(ticket, index), Some(index)),
                Step::Idle => return Ok(told),
                Step::Wait { .. } => return self.stopped(outbox.trouble(), told),
            };
            let (ticket, reply) = exchange(&self.client, job);
            let reply = reply.as_ref().map_or(Reply::None, |reply| Reply::Answer {
                status: reply.status,
                retry_after_s: reply.retry_after_s,
                body: &reply.body,
            });
            let answer = outbox.answered(ticket, now_ms, &reply, journal, &mut self.receipts);
            let answer = answer.map_err(said)?;
            forks.extend(answer.fork.map(|fork| fork.index));
            match (index, answer.trouble) {
                (_, Some(Trouble::Refused { .. })) => {
                    told.push(Told { result: "refused", detail: answer.said.to_owned() });
                }
                (Some(index), None) => {
                    let result = if forks.contains(&index) { "forked" } else { "appended" };
                    told.push(Told { result, detail: index.to_string() });
                }
                _ => {}
            }
        }
    }

    /// The log refuses, which the story tells; anything else ends it.
    fn stopped(&self, trouble: Option<Trouble>, told: Vec<Told>) -> Result<Vec<Told>> {
        match trouble {
            Some(Trouble::Refused { .. }) => Ok(told),
            other => {
                Err(Error::network(format!("{} is in the way: {other:?}", self.client.prefix()))
                    .help("check the address and that the log runs: curl -s ADDRESS/healthz"))
            }
        }
    }

    /// Sends submissions that all must be appended.
    pub(crate) fn send_all(&self, items: &[Vec<u8>]) -> Result<()> {
        for batch in items.chunks(BATCH_MAX) {
            let (media_type, accept) = ("application/cbor-seq", "application/json");
            let reply = self.client.post_any("batch", media_type, accept, batch.concat())?;
            if reply.status != 200 {
                return Err(self.client.refused("batch", &reply));
            }
            let doc: Value = serde_json::from_slice(&reply.body)
                .map_err(|e| Error::form("the log's answer", e))?;
            let results = doc["results"].as_array().cloned().unwrap_or_default();
            if let Some(bad) = results.iter().find(|item| item.get("index").is_none()) {
                let why = bad["problem"]["detail"].as_str().unwrap_or("nothing is said");
                return Err(Error::new("E-REFUSED", format!("the log refused: {why}")));
            }
        }
        Ok(())
    }
}
