//! The newest witnessed checkpoint, kept over restarts.
//!
//! ```text
//! <data>/state/witnessed     the signed note with its cosignatures, as it was served
//! ```
//!
//! In scope: writing it down, and believing what is read back. Out of scope: asking witnesses
//! (`firmlog_log::witness`).
//!
//! Invariant: what is read back is served only if the log's own key signed it and its cosignatures
//! meet the policy in force. It is a copy: losing it costs a round of asking, nothing else.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use firmlog_keys::AwsLc;
use firmlog_log::witness;
use firmlog_tlog::checkpoint::Unverified;
use firmlog_tlog::note::VerifierKey;
use firmlog_tlog::policy::Policy;

use crate::app::Witnessed;

/// Writes a witnessed checkpoint down.
pub(crate) fn keep(data: &Path, witnessed: &Witnessed) {
    let path = path(data);
    let temporary = path.with_extension("tmp");
    let written = std::fs::create_dir_all(data.join("state"))
        .and_then(|()| std::fs::write(&temporary, &witnessed.checkpoint))
        .and_then(|()| std::fs::rename(&temporary, &path));
    if let Err(error) = written {
        tracing::warn!(path = %path.display(), %error, "the witnessed checkpoint is not kept");
    }
}

/// Reads back what was kept, if it still counts.
pub(crate) fn recall(data: &Path, key: &VerifierKey, policy: &Policy) -> Option<Witnessed> {
    let path = path(data);
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

fn path(data: &Path) -> PathBuf {
    data.join("state/witnessed")
}
