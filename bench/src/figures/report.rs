//! A run's result: the machine, the settings, the figures in the order of the table.
//!
//! ```json
//! {"machine": {…}, "quick": true, "raw_add_per_s": {"value": 31204.5, "unit": "/s", …}, …}
//! ```

use std::path::Path;

use anyhow::Context;
use serde_json::{Map, Value, json};

use super::figure::{Figure, Target};
use crate::rig::machine::Machine;

/// What was measured, and where.
#[derive(Debug, Clone)]
pub struct Report {
    /// The machine.
    pub machine: Machine,
    /// Whether rounds were few and short.
    pub quick: bool,
    /// Figures by name, in the order measured.
    pub figures: Vec<(String, Figure)>,
}

impl Report {
    /// A report without figures; logs will be kept in `data`.
    #[must_use]
    pub fn empty(data: &Path, quick: bool) -> Self {
        Self { machine: Machine::look(data), quick, figures: Vec::new() }
    }

    /// Adds or replaces a figure.
    pub fn add(&mut self, target: &Target, figure: Figure) {
        match self.figures.iter_mut().find(|(name, _)| name == target.name) {
            Some((_, known)) => *known = figure,
            None => self.figures.push((target.name.into(), figure)),
        }
    }

    /// What holds for the whole run.
    #[must_use]
    pub fn run_line(&self) -> String {
        let length = if self.quick { "quick" } else { "full" };
        format!(
            "fsync on, load generator on the same cores, {length} run, medians of alternating rounds."
        )
    }

    /// Writes the report to `path`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(&self.json()?)? + "\n";
        std::fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))
    }

    fn json(&self) -> anyhow::Result<Value> {
        let mut object = Map::new();
        object.insert("schema".into(), json!("firmlog-bench-1"));
        object.insert("machine".into(), serde_json::to_value(&self.machine)?);
        object.insert("quick".into(), json!(self.quick));
        object.insert("settings".into(), json!(self.run_line()));
        for (name, figure) in &self.figures {
            let mut value = serde_json::to_value(figure)?;
            value["reached"] = json!(figure.reached());
            object.insert(name.clone(), value);
        }
        Ok(Value::Object(object))
    }
}
