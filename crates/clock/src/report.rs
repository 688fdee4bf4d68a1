//! The report of a lying server in the form of RFC 10049 §8.4.1, which other programs read.
//!
//! ```json
//! {"responses": [{"rand": "…", "request": "…", "response": "…", "publicKey": "…"}, …]}
//! ```
//!
//! Invariants:
//! - The whole chain up to the later of the two replies that contradict each other is in it:
//!   without what came between, nonces could not be made again.
//! - The first nonce has no `rand`: it is over a statement, which the form does not know.

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

use crate::agree::Liar;
use crate::evidence::Evidence;
use crate::roughtime::request;

/// Its media type.
pub const MEDIA_TYPE: &str = "application/roughtime-malfeasance+json";

/// The report of this server; nothing where only the device's own clock speaks against it.
pub fn report(evidence: &Evidence, liar: &Liar) -> Option<Value> {
    let (_, last) = liar.proof?;
    let exchanges = evidence.exchanges.iter().enumerate().take(last.saturating_add(1));
    let responses = exchanges.map(|(at, exchange)| {
        let mut entry = json!({
            "request": Base64::encode_string(&request(&exchange.key, &evidence.nonce(at))),
            "response": Base64::encode_string(&exchange.reply),
            "publicKey": Base64::encode_string(&exchange.key),
        });
        if at > 0 {
            entry["rand"] = Base64::encode_string(&exchange.random).into();
        }
        entry
    });
    Some(json!({"responses": responses.collect::<Vec<_>>()}))
}
