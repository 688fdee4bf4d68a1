//! The bundle's anchors: each checked against its checkpoint, and the rung that they give.
//!
//! ```text
//! size 10 by 2027-01-15T08:01:00Z, block 5 of chain 31337: event proven, storage proven, block
//! pinned, code matched
//! ```

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::{AnchorReport, AnchorState, Evidence, Finding, Mismatch, NotChecked, RungState};
use crate::bundle::{Anchor, Bundle, Object};
use crate::checkpoint::SignedHead;
use crate::evm::{
    self, CodeCheck, EvmAnchor, EvmError, EvmEvidence, EvmRefusal, Hex, NoteCheck, verify_evm,
};
use crate::utc::Utc;
use crate::{TrustRoot, Verified};

/// What became of a bundle's anchors.
#[derive(Default)]
pub(super) struct Anchors {
    pub(super) reports: Vec<AnchorReport>,
    pub(super) mismatches: Vec<Mismatch>,
    pub(super) findings: Vec<Finding>,
}

impl Anchors {
    /// Checks every anchor; `heads` are the bundle's checkpoints, those that are believed, and
    /// `consistent` tells whether each extends the one before.
    pub(super) fn check(
        bundle: &Bundle,
        heads: &[Option<Verified<SignedHead>>],
        consistent: bool,
        root: &TrustRoot,
    ) -> Self {
        let mut anchors = Self::default();
        for (place, anchor) in (0..).zip(&bundle.anchors) {
            let at = usize::try_from(anchor.checkpoint).unwrap_or(usize::MAX);
            // Entries are under the last checkpoint: an earlier one counts if all in between do.
            let from = heads.get(at..).unwrap_or_default();
            let reaches = from.len() == 1 || (consistent && from.iter().all(Option::is_some));
            let head = from.first().and_then(Option::as_ref).filter(|_| reaches);
            let checkpoint = head.zip(bundle.checkpoints.get(at));
            let state = match anchor.kind {
                evm::KIND => anchors.evm(place, anchor, checkpoint, root),
                kind => AnchorState::KindUnknown(kind),
            };
            anchors.reports.push(AnchorReport { checkpoint: anchor.checkpoint, state });
        }
        anchors
    }

    fn evm(
        &mut self,
        place: u64,
        anchor: &Anchor,
        checkpoint: Option<(&Verified<SignedHead>, &String)>,
        root: &TrustRoot,
    ) -> AnchorState {
        let evidence = match EvmEvidence::parse(&anchor.evidence) {
            Ok(evidence) => evidence,
            Err(error) => {
                self.altered(
                    place,
                    "anchor evidence in its one encoding".into(),
                    error.to_string(),
                );
                return AnchorState::Refused;
            }
        };
        let proven = match verify_evm(&evidence, root.evm()) {
            Ok(proven) => proven,
            Err(refusal) => return self.refused(place, &refusal),
        };
        // Without a believed checkpoint, that alone is the mismatch.
        let Some((head, note)) = checkpoint else { return AnchorState::CheckpointNotBelieved };
        match proven.check_checkpoint(head, note.as_bytes()) {
            Ok(note) => AnchorState::Evm(proven.into_inner(), note),
            Err(refusal) => {
                self.contradiction(&proven, head, &refusal);
                self.refused(place, &refusal)
            }
        }
    }

    /// A tree that the contract took and the bundle's, of one size: the log made both.
    fn contradiction(&mut self, anchor: &EvmAnchor, head: &SignedHead, refusal: &EvmRefusal) {
        let (signed, anchored) = (head.head, anchor.event.head);
        let heads = refusal.error == EvmError::HeadDiffers && signed.size == anchored.size;
        if heads && anchor.is_anchored() {
            let evidence = Evidence::AnchoredOther { signed, anchored };
            self.findings.push(Finding {
                severity: evidence.kind().severity(),
                evidence,
                entries: Vec::new(),
            });
        }
    }

    fn refused(&mut self, place: u64, refusal: &EvmRefusal) -> AnchorState {
        let (part, error) = (refusal.part, refusal.error);
        match refusal.sides {
            Some((expected, got)) => {
                self.altered(place, format!("{part}: {expected}"), format!("{got}: {error}"));
            }
            None => {
                let expected = "evidence that its proofs bear out".into();
                self.altered(place, expected, refusal.to_string());
            }
        }
        AnchorState::Refused
    }

    fn altered(&mut self, place: u64, expected: String, got: String) {
        self.mismatches.push(Mismatch { object: Object::Anchor(place), expected, got });
    }
}

/// The anchors whose evidence is borne out.
fn proven(reports: &[AnchorReport]) -> impl Iterator<Item = (&EvmAnchor, NoteCheck)> {
    reports.iter().filter_map(|report| match &report.state {
        AnchorState::Evm(anchor, note) => Some((anchor, *note)),
        _ => None,
    })
}

/// The rung, for entries of which `asked` tells whether a tree of a size has them: (how many, all).
pub(super) fn rung(
    reports: &[AnchorReport],
    asked: impl Fn(u64) -> (usize, usize),
) -> (RungState, String) {
    let best = |vouched: bool| {
        let some = proven(reports).filter(move |(anchor, _)| anchor.is_anchored() == vouched);
        some.max_by_key(|(anchor, _)| (anchor.event.head.size, anchor.storage.is_some()))
    };
    let refused = reports.iter().filter(|report| report.state == AnchorState::Refused).count();
    if refused > 0 {
        return (RungState::Failed, format!("{refused} of {} anchors refused", reports.len()));
    }
    if let Some((anchor, note)) = best(true) {
        let detail = detail(anchor, note);
        return match asked(anchor.event.head.size.0) {
            (covered, all) if covered == all => (RungState::Reached, detail),
            (covered, all) => {
                (RungState::Missing, format!("{covered} of {all} entries asked for; {detail}"))
            }
        };
    }
    if let Some((anchor, note)) = best(false) {
        return (RungState::Missing, detail(anchor, note));
    }
    let state = if reports.is_empty() { RungState::Missing } else { RungState::NotChecked };
    (state, format!("{} anchors in the bundle", reports.len()))
}

/// What was proven of an anchor, in the words of `docs/spec/anchor-evidence.md`.
fn detail(anchor: &EvmAnchor, note: NoteCheck) -> String {
    let (event, block) = (&anchor.event, &anchor.block);
    let mut text = format!(
        "size {} by {}, block {} of chain {}: event proven",
        event.head.size,
        Utc(block.time_s),
        block.number,
        anchor.chain_id
    );
    let mut say = |done: bool, words: &str| {
        if done {
            text.push_str(", ");
            text.push_str(words);
        }
    };
    say(anchor.storage.is_some(), "storage proven");
    say(anchor.pinned.is_some(), "block pinned");
    say(anchor.code == CodeCheck::Matched, "code matched");
    say(note == NoteCheck::OtherSignatures, "note anchored with other signatures");
    if anchor.is_anchored() {
        return text;
    }
    text.push_str("; the evidence is self-consistent");
    if anchor.pinned.is_none() {
        text.push_str(&format!(", nobody vouched for block {}", Hex(&block.hash)));
    }
    if !anchor.contract_pinned {
        let contract = Hex(&anchor.contract);
        text.push_str(&format!(", the trust root does not name contract {contract}"));
    }
    if anchor.code == CodeCheck::NotProven {
        text.push_str(", the contract's code is pinned and not shown");
    }
    text
}

/// What of the anchors was left out.
pub(super) fn not_checked(reports: &[AnchorReport]) -> impl Iterator<Item = NotChecked> {
    let of = |left_out: fn(&EvmAnchor) -> bool| {
        proven(reports).filter(|(anchor, _)| left_out(anchor)).count() as u64
    };
    let unknown = reports.iter().filter(|report| match report.state {
        AnchorState::KindUnknown(_) | AnchorState::CheckpointNotBelieved => true,
        AnchorState::Refused | AnchorState::Evm(..) => false,
    });
    let counted = [
        NotChecked::Anchors(unknown.count() as u64),
        NotChecked::AnchorBlocks(of(|anchor| anchor.pinned.is_none())),
        NotChecked::AnchorContracts(of(|anchor| !anchor.contract_pinned)),
        NotChecked::AnchorCode(of(|anchor| anchor.code != CodeCheck::Matched)),
        NotChecked::AnchorStorage(of(|anchor| anchor.storage.is_none())),
    ];
    counted.into_iter().filter(|left_out| left_out.count() > 0)
}
