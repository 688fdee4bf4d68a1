//! What a log says when it refuses: RFC 9457 JSON, or the concise CBOR of SCRAPI.
//!
//! ```text
//! {"title": "Rejected", "detail": "unknown key"}      {-1: "Rejected", -2: "unknown key"}
//! ```
//!
//! Out of scope: what becomes of it (`http`). Nothing in it is believed; it is shown.

use serde_json::Value;

use crate::inspect::cbor::{self, Meaning, Step};

/// The title and detail of a problem (RFC 9457 JSON, or SCRAPI's concise CBOR), if the body is one.
pub(crate) fn problem(body: &[u8]) -> String {
    if let Some((title, detail)) = concise(body) {
        return format!(": {title}: {detail}");
    }
    let Ok(doc) = serde_json::from_slice::<Value>(body) else { return String::new() };
    let field = |name: &str| doc.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    match (field("title"), field("detail")) {
        (title, detail) if title.is_empty() && detail.is_empty() => String::new(),
        (title, detail) if detail.is_empty() => format!(": {title}"),
        (title, detail) => format!(": {title}: {detail}"),
    }
}

/// Whether the log says that it lawfully no longer keeps what was asked for.
pub(crate) fn is_pruned(body: &[u8]) -> bool {
    let doc = serde_json::from_slice::<Value>(body).unwrap_or_default();
    doc.get("code").and_then(|code| code.as_str()) == Some("pruned")
}

/// `{-1: title, -2: detail, …}`
fn concise(body: &[u8]) -> Option<(String, String)> {
    let lines = cbor::walk(body, &|path, _| {
        Meaning::named(match path {
            [Step::Key(-1)] => "title",
            [Step::Key(-2)] => "detail",
            _ => "",
        })
    });
    let lines = lines.ok()?;
    let text = |name| {
        let line = lines.iter().find(|line| line.name == name)?;
        let head = cbor::head(&line.bytes).ok().filter(|head| head.major == 3)?;
        String::from_utf8(line.bytes.get(head.len..)?.to_vec()).ok()
    };
    Some((text("title")?, text("detail").unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_of_both_forms_are_shown() {
        assert_eq!(
            problem(br#"{"title":"Rejected","detail":"unknown key"}"#),
            ": Rejected: unknown key"
        );
        assert_eq!(problem(&[0xa2, 0x20, 0x61, b'T', 0x21, 0x61, b'D']), ": T: D");
        assert_eq!(problem(b"<html>"), "");
    }
}
