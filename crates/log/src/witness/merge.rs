//! From a checkpoint and the witnesses' answers to a witnessed checkpoint.

use firmlog_tlog::cosignature;
use firmlog_tlog::note::{Ed25519Check, Note, VerifierKey, parse_signature_lines};
use firmlog_tlog::policy::Policy;

/// A checkpoint with the cosignatures that came in for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// The note, with the valid cosignatures appended.
    pub checkpoint: String,
    /// Names, as in the policy, of the witnesses that cosigned.
    pub witnesses: Vec<String>,
    /// Whether the policy's quorum is reached.
    pub satisfied: bool,
}

/// Appends the valid cosignatures among `answers` (bodies of witnesses' replies) to a checkpoint.
/// Whatever does not verify under a key of the policy is left out.
pub fn witnessed(
    checkpoint: &str,
    answers: &[String],
    policy: &Policy,
    check: &(impl Ed25519Check + ?Sized),
) -> Cosigned {
    let mut note = checkpoint.to_owned();
    let body = Note::parse(checkpoint.as_bytes()).map_or("", |n| n.text());
    let mut valid: Vec<VerifierKey> = Vec::new();
    for answer in answers {
        let Ok(lines) = parse_signature_lines(answer.as_bytes()) else { continue };
        for line in lines {
            let mut buffer = vec![0; body.len() + cosignature::MAX_HEADER];
            let key =
                policy.witnesses().iter().map(|w| &w.key).find(|key| {
                    cosignature::verify_line(check, body, key, &line, &mut buffer).is_ok()
                });
            if let Some(key) = key
                && !valid.contains(key)
            {
                valid.push(*key);
                note.push_str(&line.to_string());
            }
        }
    }
    let names = policy.witnesses().iter().filter(|w| valid.contains(&w.key));
    let witnesses = names.map(|w| w.name.clone()).collect();
    let satisfied = policy.satisfied(&|key| valid.contains(key));
    Cosigned { checkpoint: note, witnesses, satisfied }
}
