//! When it happened: the signer's own clock, and what bounds it from outside.
//!
//! ```text
//! {"clock": {"at": "2026-06-19T12:00:00.000Z", "source": "ntp", "sync": "synchronised",
//!            "uncertainty_ms": 250, "quality": "T2"},
//!  "not_before": {"at": "2026-06-19T11:59:58.120Z", "by": "checkpoint_seen", "size": "41"},
//!  "not_after": {"at": "2026-06-19T12:00:03.400Z", "by": "received"}, "agrees": true}
//! ```
//!
//! Both bounds rest on this log's clock: the first on when it took in the last entry of a
//! checkpoint that the signer names, the second on when it took in this one. Out of scope: what
//! witnesses vouch for, which is an upper bound by their clocks and comes with the proof.
//!
//! Invariant: the signer's time is shown as stated, whatever the bounds say.

use firmlog_log::{LogError, Reader};
use firmlog_statement::time::DeviceTime;
use firmlog_statement::{CheckpointSeen, Parsed, Statement};
use firmlog_tlog::merkle::{LeafIndex, TreeSize};
use serde::Serialize;
use utoipa::ToSchema;

use crate::show;

/// When an entry's signer spoke, as far as this log can tell.
#[derive(Serialize, ToSchema)]
pub(crate) struct When {
    /// The signer's own clock; absent where the statement has no time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) clock: Option<Clock>,
    /// The newest checkpoint that the signer had seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_before: Option<Bound>,
    /// When this log received the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_after: Option<Bound>,
    /// Whether the signer's time lies between the bounds, its own uncertainty granted; absent
    /// where there is nothing to compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agrees: Option<bool>,
}

/// What the signer said of its clock.
#[derive(Serialize, ToSchema)]
pub(crate) struct Clock {
    /// RFC 3339 in UTC; absent if it had no clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<String>,
    /// Where its time came from.
    #[schema(example = "ntp")]
    pub(crate) source: &'static str,
    /// Whether that source was in reach.
    #[schema(example = "synchronised")]
    pub(crate) sync: &'static str,
    /// Half width of the interval it vouches for, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uncertainty_ms: Option<u32>,
    /// How far to believe it: T0 (a counter only) to T3 (authenticated network time).
    #[schema(example = "T2")]
    pub(crate) quality: &'static str,
    /// SHA-256 of the signed replies that it rests on, hex; whoever has them checks them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) evidence: Option<String>,
}

/// One end of the interval.
#[derive(Serialize, ToSchema)]
pub(crate) struct Bound {
    /// RFC 3339 in UTC, this log's clock.
    pub(crate) at: String,
    /// `checkpoint_seen` or `received`.
    pub(crate) by: &'static str,
    /// Entries of the checkpoint that was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<String>,
}

/// When an entry of the log was, and the time it was received; no interval for raw bytes.
pub(crate) fn of_entry(
    reader: &Reader,
    index: LeafIndex,
    bytes: &[u8],
) -> Result<(Option<u64>, Option<When>), LogError> {
    let received_ms = reader.received_ms(index)?;
    let said = Parsed::parse(bytes).ok().and_then(|it| Some(Said::of(&it.decode().ok()?)));
    let when = match said {
        Some(said) => Some(said.when(said.seen_ms(reader)?, received_ms)),
        None => None,
    };
    Ok((received_ms, when))
}

/// What a statement says of time, before the log is asked.
pub(crate) struct Said {
    time: Option<DeviceTime>,
    seen: Option<CheckpointSeen>,
}

impl Said {
    /// Reads it out of the statement.
    pub(crate) fn of(statement: &Statement) -> Self {
        let seen = match statement {
            Statement::Update(it) => it.checkpoint.clone(),
            _ => None,
        };
        let time = match statement {
            Statement::Trust(it) => it.time.clone(),
            Statement::Release(it) => Some(it.time.clone()),
            Statement::Approval(it) => Some(it.time.clone()),
            Statement::Authorisation(it) => Some(it.time.clone()),
            Statement::Update(it) => Some(it.time.clone()),
            Statement::Annotation(it) => Some(it.time.clone()),
            Statement::Audit(it) => Some(it.time.clone()),
        };
        Self { time, seen }
    }

    /// When the log received the last entry of the checkpoint that was seen; nothing if this log
    /// never had that root, or keeps no time for it.
    pub(crate) fn seen_ms(&self, reader: &Reader) -> Result<Option<u64>, LogError> {
        let Some(CheckpointSeen { size, root }) = &self.seen else { return Ok(None) };
        let size = *size;
        let ours = size > 0 && size <= reader.published().head.size.0;
        if !ours || reader.root(TreeSize(size)).map_or(true, |known| known.0 != root.0) {
            return Ok(None);
        }
        reader.received_ms(LeafIndex(size - 1))
    }

    /// The interval, from what the log said.
    pub(crate) fn when(&self, seen_ms: Option<u64>, received_ms: Option<u64>) -> When {
        let clock = self.time.as_ref().map(|time| Clock {
            at: time.utc_ms.map(show::utc),
            source: time.source.name(),
            sync: time.sync.name(),
            uncertainty_ms: time.uncertainty_ms,
            quality: time.quality().name(),
            evidence: time.evidence.map(|evidence| evidence.to_string()),
        });
        let size = self.seen.as_ref().map(|seen| seen.size.to_string());
        let bound = |ms, by, size| Bound { at: show::utc(ms), by, size };
        When {
            clock,
            not_before: seen_ms.map(|ms| bound(ms, "checkpoint_seen", size)),
            not_after: received_ms.map(|ms| bound(ms, "received", None)),
            agrees: self.agrees(seen_ms, received_ms),
        }
    }

    fn agrees(&self, seen_ms: Option<u64>, received_ms: Option<u64>) -> Option<bool> {
        let time = self.time.as_ref()?;
        let stated = time.utc_ms?;
        let slack = u64::from(time.uncertainty_ms.unwrap_or(0));
        let early = seen_ms.map(|seen| stated.saturating_add(slack) < seen);
        let late = received_ms.map(|received| stated.saturating_sub(slack) > received);
        match (early, late) {
            (None, None) => None,
            (early, late) => Some(!early.unwrap_or(false) && !late.unwrap_or(false)),
        }
    }
}
