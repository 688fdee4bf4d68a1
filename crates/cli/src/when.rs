//! When each statement of a device was made: its own clock, and what bounds it from outside.
//!
//! ```text
//! entry 41   device clock: 2026-06-19T12:00:00.000Z (+02:00) ±250 ms, ntp, synchronised (T2)
//!            not before entry 39 (checkpoint seen), not after 2026-06-19T12:00:03Z (witnesses
//!            hospital, regulator), quality T4
//! ```
//!
//! A bundle has no time of its own that would bound a statement from below: what it has is an
//! order. Whoever names a checkpoint or an entry speaks after it. From above it is bounded by
//! witnesses, whose quorum cosigned a tree that holds it.
//!
//! In scope: reading bounds out of evidence that was verified. Out of scope: times that the log
//! itself states (its API tells them; they are its word).
//!
//! Invariants:
//! - The device's time is shown as stated, whatever the bounds say.
//! - A bound from above takes the quorum of the trust root, or an anchor that it vouches for.

use std::collections::BTreeMap;

use firmlog_keys::AwsLc;
use firmlog_statement::time::{DeviceTime, Quality};
use firmlog_statement::{Digest, Parsed, Statement, Update, entry_hash};
use firmlog_verify::TrustRoot;
use firmlog_verify::bundle::Bundle;
use firmlog_verify::checkpoint::{SignedHead, verify_checkpoint};
use firmlog_verify::report::{AnchorState, EntryState, Report, Verdict};
use serde_json::{Value, json};

use crate::inspect::text::utc;

/// Lines of times that are shown to people; programs get all of them.
const SHOWN_MAX: usize = 100;

/// What bounds one statement of a device.
pub(crate) struct When {
    index: u64,
    device: String,
    seq: u64,
    clock: DeviceTime,
    not_before: Option<After>,
    /// The earliest first.
    not_after: Vec<By>,
}

/// It was made after an entry that it names, in one way or another.
struct After {
    index: u64,
    by: &'static str,
    /// Whether the checkpoint it names is the log's; unknown if the bundle has none of that size.
    known: Option<bool>,
}

/// It was in a tree that a quorum of witnesses cosigned, or a chain recorded, by then.
struct By {
    time_s: u64,
    quality: Quality,
    by: &'static str,
    /// The witnesses, or the block and its chain.
    names: Vec<String>,
}

/// The times of every statement by a device that is signed and in the log.
pub(crate) fn of_devices(bundle: &Bundle, report: &Report, root: &TrustRoot) -> Vec<When> {
    let whole = report;
    // Where something was altered no two checkpoints need belong to one tree.
    if report.verdict == Verdict::Altered {
        return Vec::new();
    }
    let verified = bundle.checkpoints.iter();
    let verified =
        verified.filter_map(|note| verify_checkpoint(note.as_bytes(), root, &AwsLc).ok());
    let heads: Vec<SignedHead> = verified.map(firmlog_verify::Verified::into_inner).collect();
    // Releases are named by their leaf hash, a device's previous statement by that of its bytes.
    let mut places: BTreeMap<[u8; 32], u64> =
        report.entries.iter().map(|entry| (entry.leaf.0, entry.index.0)).collect();
    places.extend(bundle.entries.iter().map(|entry| (entry_hash(&entry.bytes), entry.index.0)));
    let good = bundle.entries.iter().zip(&report.entries);
    let good = good.filter(|(_, report)| report.state == EntryState::Good && report.asked);
    good.filter_map(|(entry, report)| {
        let Ok(Statement::Update(it)) = Parsed::parse(&entry.bytes).ok()?.decode() else {
            return None;
        };
        let index = report.index.0;
        Some(When {
            index,
            device: it.device.to_string(),
            seq: it.seq.0,
            not_before: after(&it, index, &heads, &places),
            not_after: bounds(index, &heads, whole, root),
            clock: it.time,
        })
    })
    .collect()
}

/// The newest thing it names.
fn after(
    update: &Update,
    index: u64,
    heads: &[SignedHead],
    places: &BTreeMap<[u8; 32], u64>,
) -> Option<After> {
    let seen = update.checkpoint.as_ref().filter(|seen| seen.size > 0).map(|seen| {
        let same = heads.iter().find(|head| head.head.size.0 == seen.size);
        let known = same.map(|head| head.head.root.0 == seen.root.0);
        // Nobody had seen a tree that this is already part of.
        let known = if seen.size > index { Some(false) } else { known };
        After { index: seen.size - 1, by: "checkpoint_seen", known }
    });
    let named = |hash: Option<Digest>, by| {
        places.get(&hash?.0).map(|index| After { index: *index, by, known: Some(true) })
    };
    let release = named(update.release, "release_named");
    let authorisation = named(update.authorisation, "authorisation_named");
    let previous = named(Some(update.prev), "previous_statement");
    // A checkpoint that is not the log's bounds nothing.
    let bounds = [seen, release, authorisation, previous].into_iter().flatten();
    bounds.filter(|bound| bound.known != Some(false)).max_by_key(|bound| bound.index)
}

/// What bounds an entry from above, the earliest first.
fn bounds(index: u64, heads: &[SignedHead], report: &Report, root: &TrustRoot) -> Vec<By> {
    let anchors = report.anchors.iter().filter_map(|anchor| match &anchor.state {
        AnchorState::Evm(it, _) if it.is_anchored() && it.event.head.size.0 > index => Some(By {
            time_s: it.block.time_s,
            quality: Quality::T6,
            by: "anchor",
            names: vec![format!("block {} of chain {}", it.block.number, it.chain_id)],
        }),
        _ => None,
    });
    let mut bounds: Vec<By> = by(index, heads, root).into_iter().chain(anchors).collect();
    bounds.sort_by_key(|bound| bound.time_s);
    bounds
}

/// The first checkpoint with a quorum that covers it, and the last of those witnesses to sign.
fn by(index: u64, heads: &[SignedHead], root: &TrustRoot) -> Option<By> {
    let asks = root.policy().quorum() != firmlog_tlog::policy::Quorum::None;
    let head = heads.iter().find(|head| asks && head.quorum && head.head.size.0 > index)?;
    let time_s = head.witnesses.iter().map(|witness| witness.time_s).max()?;
    let names = head.witnesses.iter().map(|it| it.name.clone()).collect();
    Some(By { time_s, quality: Quality::T4, by: "witnesses", names })
}

impl By {
    fn json(&self) -> Value {
        json!({"at": utc(self.time_s), "by": self.by, "names": self.names,
            "quality": self.quality.name()})
    }

    fn text(&self) -> String {
        format!("not after {} ({} {})", utc(self.time_s), self.by, self.names.join(", "))
    }
}

impl When {
    /// How good the best evidence for the time is.
    fn quality(&self) -> Quality {
        let clock = self.clock.quality();
        self.not_after.iter().map(|bound| bound.quality).fold(clock, Quality::max)
    }

    /// Whether the device's time is no later than the bound, its own uncertainty granted.
    fn agrees(&self) -> Option<bool> {
        let slack = u64::from(self.clock.uncertainty_ms.unwrap_or(0));
        let earliest = self.clock.utc_ms?.saturating_sub(slack);
        // Witnesses and blocks tell whole seconds.
        self.not_after.first().map(|by| earliest < (by.time_s + 1) * 1000)
    }

    fn json(&self) -> Value {
        let clock = &self.clock;
        json!({
            "index": self.index.to_string(),
            "device": self.device,
            "seq": self.seq.to_string(),
            "clock": {
                "at": clock.utc_ms.map(utc_ms),
                "zone_min": clock.zone_min.map(|zone| zone.minutes()),
                "source": clock.source.name(),
                "sync": clock.sync.name(),
                "uncertainty_ms": clock.uncertainty_ms,
                "quality": clock.quality().name(),
                "evidence": clock.evidence.map(|evidence| evidence.to_string()),
            },
            "not_before": self.not_before.as_ref().map(|after| {
                json!({"entry": after.index.to_string(), "by": after.by, "known": after.known})
            }),
            "not_after": self.not_after.first().map(By::json),
            "bounds": self.not_after.iter().map(By::json).collect::<Vec<_>>(),
            "quality": self.quality().name(),
            "agrees": self.agrees(),
        })
    }

    fn text(&self) -> String {
        let before = match &self.not_before {
            None => "not before: it names nothing".to_owned(),
            Some(after) => {
                let how = after.by.replace('_', " ");
                let unproven = if after.known.is_none() { ", by its word" } else { "" };
                format!("not before entry {} ({how}{unproven})", after.index)
            }
        };
        let until = match self.not_after.as_slice() {
            [] => "not after: neither a quorum of witnesses nor an anchor says".to_owned(),
            bounds => bounds.iter().map(By::text).collect::<Vec<_>>().join(", "),
        };
        let mut text = format!(
            "  entry {}  device clock: {}\n    {before}, {until}, quality {}\n",
            self.index,
            clock(&self.clock),
            self.quality().name()
        );
        if self.agrees() == Some(false) {
            text.push_str("    ! the device's clock says later than that\n");
        }
        text
    }
}

/// `2026-06-19T12:00:00.000Z (+02:00) ±250 ms, ntp, synchronised (T2)`
fn clock(time: &DeviceTime) -> String {
    let at = match (time.utc_ms, time.counter.or(time.uptime_ms)) {
        (Some(ms), _) => utc_ms(ms),
        (None, Some(count)) => format!("no time, counter {count}"),
        (None, None) => "no time".to_owned(),
    };
    let zone = time.zone_min.map(|zone| {
        let minutes = zone.minutes();
        let sign = if minutes < 0 { '-' } else { '+' };
        format!(" ({sign}{:02}:{:02})", minutes.abs() / 60, minutes.abs() % 60)
    });
    let wide = time.uncertainty_ms.map(|ms| format!(" ±{ms} ms"));
    let evidence = time.evidence.map(|sha256| format!(", evidence sha256:{sha256}"));
    format!(
        "{at}{}{}, {}, {} ({}){}",
        zone.unwrap_or_default(),
        wide.unwrap_or_default(),
        time.source,
        time.sync,
        time.quality().name(),
        evidence.unwrap_or_default()
    )
}

/// Milliseconds since 1970 as people and programs read them.
fn utc_ms(ms: u64) -> String {
    utc(ms / 1000).replace('Z', &format!(".{:03}Z", ms % 1000))
}

/// All of them for programs.
pub(crate) fn times_json(times: &[When]) -> Value {
    times.iter().map(When::json).collect()
}

/// As many as a person reads.
pub(crate) fn times_text(times: &[When]) -> String {
    let mut text: String = times.iter().take(SHOWN_MAX).map(When::text).collect();
    if let Some(more) = times.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
        text.push_str(&format!("  … and {more} more statements (--json has all of them)\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use firmlog_statement::time::{Source, SyncState, ZoneOffset};

    fn when(utc_ms: Option<u64>, source: Source, not_after_s: Option<u64>) -> When {
        let clock = DeviceTime {
            utc_ms,
            zone_min: ZoneOffset::new(-210).ok(),
            source,
            sync: SyncState::Synchronised,
            uncertainty_ms: Some(250),
            last_sync_ms: None,
            boot_id: None,
            uptime_ms: None,
            counter: Some(7),
            evidence: None,
        };
        let (quality, by, names) = (Quality::T4, "witnesses", vec!["h".into()]);
        let not_after = not_after_s.map(|time_s| By { time_s, quality, by, names });
        let not_after = Vec::from_iter(not_after);
        When { index: 41, device: "d".into(), seq: 3, clock, not_before: None, not_after }
    }

    #[test]
    fn the_best_evidence_decides_and_the_clock_is_shown_as_stated() {
        let ms = 1_781_870_400_000;
        for (when, quality, agrees) in [
            (when(None, Source::None, None), "T0", None),
            (when(Some(ms), Source::Rtc, None), "T1", None),
            (when(Some(ms), Source::Nts, None), "T3", None),
            (when(Some(ms), Source::Ntp, Some(ms / 1000 + 3)), "T4", Some(true)),
            (when(Some(ms), Source::Ntp, Some(ms / 1000 - 60)), "T4", Some(false)),
        ] {
            let json = when.json();
            assert_eq!((&json["quality"], when.agrees()), (&quality.into(), agrees));
            assert!(when.text().contains(&format!("quality {quality}")));
        }
        let shown = clock(&when(Some(ms), Source::Ntp, None).clock);
        assert_eq!(shown, "2026-06-19T12:00:00.000Z (-03:30) ±250 ms, ntp, synchronised (T2)");
        assert!(clock(&when(None, Source::None, None).clock).starts_with("no time, counter 7"));
    }
}
