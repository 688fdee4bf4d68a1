//! One figure: what was measured, against what, and what was asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whether more or less of it is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Throughput, ratios.
    More,
    /// Latency, memory, storage.
    Less,
}

/// What is asked of a figure.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its key in the JSON.
    pub name: &'static str,
    /// What it is, for the table.
    pub what: &'static str,
    /// Unit of the value.
    pub unit: &'static str,
    /// Which way is better.
    pub better: Better,
    /// Must be reached, unless there is only an aim.
    pub must: Option<f64>,
    /// Should be reached.
    pub aim: Option<f64>,
}

/// A bare loop or peer measured in the same run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// What it is.
    pub name: String,
    /// Its value.
    pub value: f64,
}

/// A measured figure, as written to the JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The measured value: a median where there were rounds.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// What it is.
    pub what: String,
    /// Which way is better.
    pub better: Better,
    /// Must be reached.
    pub must: Option<f64>,
    /// Should be reached.
    pub aim: Option<f64>,
    /// What it was measured against in the same run.
    pub measured_against: Against,
    /// Everything that must be equal for another run to be comparable.
    pub settings: BTreeMap<String, Value>,
}

impl Target {
    /// The figure with this value.
    #[must_use]
    pub fn measured(&self, value: f64, against: &str, against_value: f64) -> Figure {
        Figure {
            value,
            unit: self.unit.into(),
            what: self.what.into(),
            better: self.better,
            must: self.must,
            aim: self.aim,
            measured_against: Against { name: against.into(), value: against_value },
            settings: BTreeMap::new(),
        }
    }
}

impl Figure {
    /// Adds a setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// `aim`, `must`, `missed`, or `told` where nothing is asked for.
    #[must_use]
    pub fn reached(&self) -> &'static str {
        match (self.must, self.aim) {
            (_, Some(aim)) if self.reaches(aim) => "aim",
            (Some(must), _) if self.reaches(must) => "must",
            (None, None) => "told",
            (None, Some(_)) | (Some(_), _) => "missed",
        }
    }

    fn reaches(&self, wanted: f64) -> bool {
        match self.better {
            Better::More => self.value >= wanted,
            Better::Less => self.value <= wanted,
        }
    }
}

/// The median; 0 of nothing.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target = Target {
        name: "x",
        what: "X",
        unit: "/s",
        better: Better::More,
        must: Some(10.0),
        aim: Some(20.0),
    };

    #[test]
    fn reaching_depends_on_the_direction() {
        for (value, more, less) in [(5.0, "missed", "aim"), (15.0, "must", "must")] {
            assert_eq!(TARGET.measured(value, "y", 1.0).reached(), more);
            let target =
                Target { better: Better::Less, must: Some(20.0), aim: Some(10.0), ..TARGET };
            assert_eq!(target.measured(value, "y", 1.0).reached(), less);
        }
        assert_eq!(TARGET.measured(25.0, "y", 1.0).reached(), "aim");
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }
}
