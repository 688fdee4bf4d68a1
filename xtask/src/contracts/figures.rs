//! The figures of gas in `docs/benchmarks.md` and in the bench JSON, made of what `gas` measured.
//!
//! ```json
//! {"gas_anchor_at_1m": {"value": 64338, "unit": "gas", "must": 65000, "reached": "must", …}, …}
//! ```
//!
//! Invariant: each has the shape of the other figures of the bench JSON.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::gas::grouped;

/// How many updates one anchor covers in `gas_per_update_at_100k`.
pub(super) const BATCH: u32 = 100_000;

/// A figure: its name, the label it is measured under, over how many updates, what it is.
struct Figure {
    name: &'static str,
    label: &'static str,
    updates: u32,
    what: &'static str,
    must: Option<f64>,
    /// The label of what it is told beside.
    against: Option<&'static str>,
}

const FIGURES: &[Figure] = &[
    Figure {
        name: "gas_anchor_at_1m",
        label: "anchor_at_1m",
        updates: 1,
        what: "anchor 900,000 → 1,000,000 entries, consistency proven on the chain, signed by the \
               log's secp256k1 key, relayed",
        must: Some(65_000.0),
        against: Some("eas_attest"),
    },
    Figure {
        name: "gas_per_update_at_100k",
        label: "anchor_at_1m",
        updates: BATCH,
        what: "the same for each of the 100,000 updates between",
        must: Some(0.65),
        against: Some("seed_event_only"),
    },
    Figure {
        name: "gas_anchor_head_only",
        label: "anchor_head_only",
        updates: 1,
        what: "anchor without a proof, a log's first, sent by the authority",
        must: Some(45_000.0),
        against: Some("seed_event_only"),
    },
    Figure {
        name: "gas_inclusion_view_at_1m",
        label: "inclusion_view_at_1m",
        updates: 1,
        what: "inclusion view at 1,000,000 entries, execution only",
        must: Some(16_000.0),
        against: None,
    },
    Figure {
        name: "gas_direct_first",
        label: "direct_first",
        updates: 1,
        what: "direct log with CID, a device's first update",
        must: Some(160_000.0),
        against: Some("seed_record_first"),
    },
    Figure {
        name: "gas_direct_later",
        label: "direct_later",
        updates: 1,
        what: "direct log with CID, later updates",
        must: Some(125_000.0),
        against: Some("seed_record_later"),
    },
    compared(
        "gas_seed_event_only",
        "seed_event_only",
        "comparison: the guide's step 1, event only",
    ),
    compared(
        "gas_seed_record_first",
        "seed_record_first",
        "comparison: the guide's step 4, struct with history, first update",
    ),
    compared(
        "gas_seed_record_later",
        "seed_record_later",
        "comparison: the guide's step 4, later updates",
    ),
    compared("gas_eas_attest", "eas_attest", "comparison: EAS `attest` of the same content"),
];

const fn compared(name: &'static str, label: &'static str, what: &'static str) -> Figure {
    Figure { name, label, updates: 1, what, must: None, against: None }
}

/// The rows for `docs/benchmarks.md`.
pub(super) fn table(gas: &BTreeMap<String, u64>) -> Result<String> {
    let mut table = String::from("| What | Must | Measured | Against, in the same run | JSON |\n");
    table.push_str("|---|---:|---:|---|---|\n");
    for figure in FIGURES {
        let must = figure.must.map_or_else(|| "–".into(), shown);
        let against = figure.against.map(|label| beside(gas, label)).transpose()?;
        table.push_str(&format!(
            "| {} | {must} | **{}** | {} | `{}` |\n",
            figure.what,
            shown(figure.value(gas)?),
            against.unwrap_or_else(|| "–".into()),
            figure.name,
        ));
    }
    Ok(table)
}

/// The figures by their names.
pub(super) fn report(gas: &BTreeMap<String, u64>) -> Result<Map<String, Value>> {
    FIGURES.iter().map(|figure| Ok((figure.name.to_string(), figure.json(gas)?))).collect()
}

impl Figure {
    fn value(&self, gas: &BTreeMap<String, u64>) -> Result<f64> {
        Ok(measured(gas, self.label)? / f64::from(self.updates))
    }

    fn json(&self, gas: &BTreeMap<String, u64>) -> Result<Value> {
        let value = self.value(gas)?;
        let reached = match self.must {
            None => "told",
            Some(must) if value <= must => "must",
            Some(_) => "missed",
        };
        let against = match self.against {
            None => Value::Null,
            Some(label) => json!({"name": what(label), "value": measured(gas, label)?}),
        };
        Ok(json!({
            "value": value,
            "unit": "gas",
            "what": self.what,
            "better": "less",
            "must": self.must,
            "aim": null,
            "measured_against": against,
            "settings": {"hardfork": super::node::HARDFORK},
            "reached": reached,
        }))
    }
}

fn beside(gas: &BTreeMap<String, u64>, label: &str) -> Result<String> {
    Ok(format!("{}: {}", what(label), shown(measured(gas, label)?)))
}

/// What a comparison's label stands for.
fn what(label: &str) -> &str {
    let figure = FIGURES.iter().find(|figure| figure.label == label);
    figure.map_or(label, |figure| figure.what.trim_start_matches("comparison: "))
}

fn measured(gas: &BTreeMap<String, u64>, label: &str) -> Result<f64> {
    let gas = gas.get(label).with_context(|| format!("no gas of {label}"))?;
    Ok(f64::from(u32::try_from(*gas)?))
}

/// `64,338`, `0.643`.
fn shown(value: f64) -> String {
    if value.fract() == 0.0 { grouped(value as u64) } else { format!("{value:.3}") }
}

#[cfg(test)]
mod tests {
    use super::{FIGURES, report, shown, table};

    #[test]
    fn every_figure_is_in_the_table_and_the_report() {
        let gas = FIGURES.iter().map(|f| (f.label.to_string(), 60_000)).collect();
        let report = report(&gas).expect("a report");
        let table = table(&gas).expect("a table");
        for figure in FIGURES {
            assert!(table.contains(&format!("`{}`", figure.name)));
            assert!(report.contains_key(figure.name));
        }
        assert_eq!(report["gas_anchor_at_1m"]["reached"], "must");
        assert_eq!(report["gas_per_update_at_100k"]["value"], 0.6);
        assert_eq!(report["gas_anchor_head_only"]["reached"], "missed");
    }

    #[test]
    fn numbers_are_shown_as_they_are_read() {
        assert_eq!(shown(64_338.0), "64,338");
        assert_eq!(shown(0.643_38), "0.643");
    }
}
