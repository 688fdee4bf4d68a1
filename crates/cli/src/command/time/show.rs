//! Readings and evidence of time, for people and for programs.

use std::path::Path;

use firmlog_clock::Reading;
use firmlog_clock::agree::Outcome;
use firmlog_clock::chrony::{Chrony, Followed, Kind};
use firmlog_clock::evidence::{Checked, Evidence};
use firmlog_clock::kernel::Kernel;
use serde_json::{Value, json};

use crate::answer::{hex, table};
use crate::inspect::text::utc;

/// What a statement would say, and why.
pub(super) fn reading_json(reading: &Reading) -> Value {
    let time = &reading.time;
    json!({
        "at": time.utc_ms.map(utc_ms),
        "source": time.source.name(),
        "sync": time.sync.name(),
        "quality": time.quality().name(),
        "uncertainty_ms": time.uncertainty_ms,
        "last_sync": time.last_sync_ms.map(utc_ms),
        "boot_id": time.boot_id.as_ref().map(|id| hex(id)),
        "uptime_ms": time.uptime_ms.map(|ms| ms.to_string()),
        "kernel": kernel_json(reading.kernel),
        "chrony": chrony_json(&reading.chrony),
        "notes": reading.notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

pub(super) fn reading_text(reading: &Reading) -> String {
    let time = &reading.time;
    let wide =
        time.uncertainty_ms.map_or(" (how far off is unknown)".into(), |ms| format!(" ±{ms} ms"));
    let quality = time.quality().name();
    let mut rows = vec![
        ("time", format!("{}{wide}", time.utc_ms.map_or("none".into(), utc_ms))),
        ("source", format!("{}, {} ({quality})", time.source, time.sync)),
        ("last sync", time.last_sync_ms.map_or("not known".into(), utc_ms)),
        ("kernel", kernel_text(reading.kernel)),
        ("chrony", chrony_text(&reading.chrony)),
    ];
    if let (Some(id), Some(up)) = (&time.boot_id, time.uptime_ms) {
        rows.push(("boot", format!("{}, up {up} ms", hex(id))));
    }
    let notes = reading.notes.iter().map(|note| format!("! {note}\n"));
    table(rows) + &notes.collect::<String>()
}

fn kernel_json(kernel: Kernel) -> Value {
    match kernel {
        Kernel::Unknown => json!({"state": "unknown"}),
        Kernel::Unsynchronised => json!({"state": "unsynchronised"}),
        Kernel::Synchronised { max_error_ms, estimated_error_us } => json!({
            "state": "synchronised",
            "max_error_ms": max_error_ms,
            "estimated_error_us": estimated_error_us.to_string(),
        }),
    }
}

fn kernel_text(kernel: Kernel) -> String {
    match kernel {
        Kernel::Unknown => "does not say".into(),
        Kernel::Unsynchronised => "not synchronised".into(),
        Kernel::Synchronised { max_error_ms, .. } => format!("synchronised, ±{max_error_ms} ms"),
    }
}

fn chrony_json(chrony: &Chrony) -> Value {
    let tell = |state: &str, why: &str| json!({"state": state, "why": why});
    match chrony {
        Chrony::Off => json!({"state": "off"}),
        Chrony::Absent(why) => tell("absent", why),
        Chrony::Hung => json!({"state": "hung"}),
        Chrony::Garbled(what) => tell("garbled", what),
        Chrony::Answered(tracking) => json!({
            "state": "answered",
            "synchronised": tracking.synchronised,
            "error_ms": tracking.error_ms,
            "follows": tracking.followed.iter().map(followed_json).collect::<Vec<_>>(),
        }),
    }
}

fn followed_json(source: &Followed) -> Value {
    json!({"name": source.name, "kind": kind(source.kind), "reachable": source.reachable})
}

fn chrony_text(chrony: &Chrony) -> String {
    match chrony {
        Chrony::Off => "not asked".into(),
        Chrony::Absent(_) => "not there".into(),
        Chrony::Hung => "no answer".into(),
        Chrony::Garbled(_) => "not understood".into(),
        Chrony::Answered(tracking) if tracking.followed.is_empty() => "follows nothing".into(),
        Chrony::Answered(tracking) => {
            let one = |it: &Followed| format!("{} ({})", it.name, kind(it.kind));
            let all: Vec<String> = tracking.followed.iter().map(one).collect();
            format!("follows {}, ±{} ms", all.join(", "), tracking.error_ms)
        }
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Nts => "nts",
        Kind::Ntp => "ntp",
        Kind::Gnss => "gnss",
        Kind::Local => "local",
    }
}

/// What evidence proves.
pub(super) fn evidence_json(evidence: &Evidence, checked: &Checked) -> Value {
    let exchanges = evidence.exchanges.iter().zip(&checked.signed).map(|(exchange, signed)| {
        json!({
            "server": exchange.name,
            "key": hex(&exchange.key),
            "midpoint": utc(signed.midpoint_s),
            "radius_s": signed.radius_s,
        })
    });
    let mut json = json!({
        "sha256": evidence.digest().to_string(),
        "over": evidence.over.to_string(),
        "servers_named": evidence.named,
        "exchanges": exchanges.collect::<Vec<_>>(),
        "over_by": checked.bounds.map(|bounds| utc(bounds.over_by_s)),
        "named_after": checked.bounds.map(|bounds| utc(bounds.named_after_s)),
    });
    match &checked.outcome {
        Outcome::Agreed { servers, liars, .. } => {
            json["outcome"] = "agreed".into();
            json["agree"] = servers.clone().into();
            json["liars"] = liars
                .iter()
                .map(|liar| {
                    json!({
                        "server": liar.name,
                        "key": hex(&liar.key),
                        "off_ms": liar.off_ms.to_string(),
                        "proof": liar.proof.map(|(early, late)| [early, late]),
                    })
                })
                .collect();
        }
        Outcome::TooFew { .. } => json["outcome"] = "too few".into(),
        Outcome::NoMajority { .. } => json["outcome"] = "no majority".into(),
    }
    json
}

pub(super) fn evidence_rows(evidence: &Evidence, checked: &Checked) -> Vec<(&'static str, String)> {
    let verdict = match &checked.outcome {
        Outcome::Agreed { servers, .. } => {
            format!("{} of {} servers agree: {}", servers.len(), evidence.named, servers.join(", "))
        }
        Outcome::TooFew { replied, named } => {
            format!("too few: {replied} of {named} servers replied; expected at least 3")
        }
        Outcome::NoMajority { agree, named } => {
            format!("no majority: {agree} of {named} servers agree at most")
        }
    };
    let mut rows = vec![("servers", verdict), ("over", evidence.over.to_string())];
    if let Some(bounds) = checked.bounds {
        rows.push(("over, by", utc(bounds.over_by_s)));
        rows.push(("named after", utc(bounds.named_after_s)));
    }
    rows
}

pub(super) fn liars_text(outcome: &Outcome) -> String {
    let Outcome::Agreed { liars, .. } = outcome else { return String::new() };
    let line = |liar: &firmlog_clock::agree::Liar| {
        let proof =
            liar.proof.map_or("by this device's word of when it asked".into(), |(early, late)| {
                format!("replies {early} and {late} prove it")
            });
        format!("! {} is off by {} ms: {proof}\n", liar.name, liar.off_ms)
    };
    liars.iter().map(line).collect()
}

pub(super) fn statement_text(path: &Path, over_the_one_before: bool) -> String {
    let over = if over_the_one_before {
        "names it; it is over the statement before"
    } else {
        "names it; it is over an earlier statement"
    };
    format!("{} {over}", path.display())
}

fn utc_ms(ms: u64) -> String {
    utc(ms / 1000).replace('Z', &format!(".{:03}Z", ms % 1000))
}
