//! What a witness answers, as a pure function of what it cosigned last and what it is asked.
//!
//! | status | when (tlog-witness) |
//! |---|---|
//! | 404 | the origin is not one it knows |
//! | 403 | no signature of the log's key, or one that fails |
//! | 400 | malformed, or `old` is larger than the checkpoint |
//! | 409 | `old` is not the size it cosigned last; the body is that size |
//! | 422 | the proof fails, or is not empty where it must be, or the roots of one size differ |
//! | 200 | none of these: cosign |

use firmlog_tlog::checkpoint::Unverified;
use firmlog_tlog::merkle::{TreeHead, TreeSize, empty_root, verify_consistency};
use firmlog_tlog::note::{Ed25519Check, VerifierKey};
use firmlog_tlog::witness::AddCheckpoint;

/// A witness's decision on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200: persist this head, then cosign the checkpoint's text.
    Cosign(TreeHead),
    /// 400, with the reason.
    BadRequest(&'static str),
    /// 403: the log did not sign it.
    Forbidden(&'static str),
    /// 404: the log is not known.
    UnknownOrigin,
    /// 409: the size cosigned last.
    Conflict(TreeSize),
    /// 422: the checkpoint is not shown to extend the last one.
    Unprocessable(&'static str),
}

/// Decides on a request for the log whose keys are `keys`; empty for an unknown origin. `last` is
/// what was cosigned last for that origin, the empty tree if nothing was.
pub fn judge(
    request: &AddCheckpoint<'_>,
    keys: &[VerifierKey],
    last: &TreeHead,
    check: &(impl Ed25519Check + ?Sized),
) -> Answer {
    let Ok(parsed) = Unverified::parse(request.checkpoint.as_bytes()) else {
        return Answer::BadRequest("the checkpoint is malformed");
    };
    let origin = parsed.claimed().origin;
    if keys.is_empty() {
        return Answer::UnknownOrigin;
    }
    let head = match keys.iter().find_map(|k| parsed.verify_origin(check, k, origin).ok()) {
        Some(checkpoint) => checkpoint.head(),
        None => return Answer::Forbidden("no valid signature of a key of this log"),
    };
    // A signature that claims a known key and fails spoils the checkpoint, whatever others say.
    let spoiled = keys.iter().any(|key| {
        parsed.note().signatures_of(key).next().is_some()
            && parsed.note().verify(check, key).is_err()
    });
    if spoiled {
        return Answer::Forbidden("a signature of a known key does not verify");
    }
    judge_growth(request, &head, last)
}

fn judge_growth(request: &AddCheckpoint<'_>, head: &TreeHead, last: &TreeHead) -> Answer {
    if request.old > head.size {
        return Answer::BadRequest("the old size is larger than the checkpoint's");
    }
    if request.old != last.size {
        return Answer::Conflict(last.size);
    }
    if request.old.0 == 0 && !request.proof.is_empty() {
        return Answer::Unprocessable("a proof from the empty tree has no hashes");
    }
    if head.size.0 == 0 && head.root != empty_root() {
        return Answer::Unprocessable("the root of the empty tree is the hash of nothing");
    }
    if head.size == last.size && head.root != last.root {
        return Answer::Unprocessable("two roots of one size");
    }
    match verify_consistency(last, head, &request.proof) {
        Ok(()) => Answer::Cosign(*head),
        Err(_) => Answer::Unprocessable("the consistency proof fails"),
    }
}
