//! The configuration file: sections of keys, nothing deeper.

use std::path::Path;

use super::ConfigError;
use super::value::Raw;

/// Every `section.name` of the file with its value, in the file's order.
pub(super) fn read(path: &Path) -> Result<Vec<(String, Raw)>, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        ConfigError::NotToml { path: path.to_owned(), message: error.to_string() }
    })?;
    let mut found = Vec::new();
    for (section, value) in table {
        match value {
            toml::Value::Table(keys) => found.extend(
                keys.into_iter().map(|(key, value)| (format!("{section}.{key}"), Raw::Toml(value))),
            ),
            other => found.push((section, Raw::Toml(other))),
        }
    }
    Ok(found)
}
