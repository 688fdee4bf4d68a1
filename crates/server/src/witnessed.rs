//! The newest witnessed checkpoint, kept over restarts.
//!
//! ```text
//! <data>/witnessed     the signed note with its cosignatures, as `firmlog_log::witness` keeps it
//! ```
//!
//! In scope: believing what is read back. Out of scope: asking witnesses, and writing it down
//! (`firmlog_log::witness`).
//!
//! Invariant: what is read back is served only if the log's own key signed it and its cosignatures
//! meet the policy in force. It is a copy: losing it costs a round of asking, nothing else.

use std::path::Path;
use std::time::UNIX_EPOCH;

use firmlog_keys::AwsLc;
use firmlog_log::witness;
use firmlog_tlog::checkpoint::Unverified;
use firmlog_tlog::merkle::TreeHead;
use firmlog_tlog::note::VerifierKey;
use firmlog_tlog::policy::Policy;

/// The newest checkpoint that satisfies the witness policy, with its cosignatures.
#[derive(Clone, Debug)]
pub(crate) struct Witnessed {
    pub(crate) checkpoint: String,
    pub(crate) head: TreeHead,
    pub(crate) at_ms: u64,
    /// Names of the witnesses whose cosignatures it carries.
    pub(crate) names: Vec<String>,
}

/// Reads back what was kept, if it still counts.
pub(crate) fn recall(data: &Path, key: &VerifierKey, policy: &Policy) -> Option<Witnessed> {
    let path = data.join("witnessed");
    let note = std::fs::read_to_string(&path).ok()?;
    let at = std::fs::metadata(&path).and_then(|meta| meta.modified()).ok()?;
    let at_ms = at.duration_since(UNIX_EPOCH).ok()?.as_millis() as u64;
    // The log's own signature is the first; those that follow are answers of witnesses.
    let signatures = note.find("\n\n")? + 2;
    let own_end = signatures + note.get(signatures..)?.find('\n')? + 1;
    let (own, answers) = note.split_at_checked(own_end)?;
    let checkpoint = Unverified::parse(own.as_bytes()).ok()?;
    let head = checkpoint.verify(&AwsLc, key).ok()?.head();
    let cosigned = witness::witnessed(own, &[answers.to_owned()], policy, &AwsLc);
    cosigned.satisfied.then_some(Witnessed {
        checkpoint: cosigned.checkpoint,
        head,
        at_ms,
        names: cosigned.witnesses,
    })
}
