//! Evidence bundles: what is in the file, part by part.

use firmlog_tlog::merkle::leaf_hash;
use firmlog_verify::bundle::{Bundle, MAGIC};
use serde_json::json;

use super::Found;

/// Explains a bundle; `None` if the bytes do not begin like one.
pub(crate) fn explain(bytes: &[u8]) -> Option<Found> {
    let start = bytes.get(..MAGIC.len() + 8).unwrap_or(bytes);
    if !start.windows(MAGIC.len()).any(|window| window == MAGIC.as_bytes()) {
        return None;
    }
    let bundle = match Bundle::parse(bytes) {
        Ok(bundle) => bundle,
        Err(damage) => return Some(Found::new("evidence bundle", "a bundle").broken(damage)),
    };
    let mut text = format!("origin       {}\n", bundle.origin);
    for note in &bundle.checkpoints {
        let size = note.lines().nth(1).unwrap_or_default();
        let lines = note.matches("\n\u{2014} ").count();
        text.push_str(&format!("checkpoint   of {size} entries, {lines} signatures\n"));
    }
    let mut entries = Vec::new();
    for entry in &bundle.entries {
        let (leaf, what) = (leaf_hash(&entry.bytes), super::cose::one_line(&entry.bytes));
        let (index, len, path) = (entry.index, entry.bytes.len(), entry.path.len());
        text.push_str(&format!(
            "entry {index:>6} {what:<14} {len:>5} bytes, path of {path}, {leaf}\n"
        ));
        entries.push(json!({"index": index.0.to_string(), "what": what, "bytes": len,
            "leaf_hash": leaf.to_string()}));
    }
    let mut anchors = Vec::new();
    for anchor in &bundle.anchors {
        let (lines, json) = super::anchor::of_bundle(anchor);
        text.push_str(&lines);
        anchors.push(json);
    }
    let parts = [
        ("disclosures", bundle.disclosures.len()),
        ("anchors", bundle.anchors.len()),
        ("certificates", bundle.certificates.len()),
    ];
    for (name, count) in parts {
        text.push_str(&format!("{name:<12} {count}\n"));
    }
    let json = json!({"origin": bundle.origin, "checkpoints": bundle.checkpoints,
        "entries": entries, "disclosures": bundle.disclosures.len(),
        "anchors": bundle.anchors.len(), "anchor_evidence": anchors,
        "certificates": bundle.certificates.len()});
    let summary = format!("{} entries of {}", bundle.entries.len(), bundle.origin);
    Some(Found::new("evidence bundle", summary).text(text).json(json))
}
