//! The device chain: what a log does with the next statement of a device.
//!
//! ```text
//! seq 0  prev = seed of the enrolment
//! seq n  prev = SHA-256(entry bytes of seq n−1)
//! ```
//!
//! Pure: the head comes in, a verdict goes out. A fork is appended, never refused:
//! evidence is not thrown away. Normative text: `docs/spec/device-chain.md`.

/// Where a device's chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// Seq of the newest statement; none while nothing is logged.
    pub seq: Option<u64>,
    /// SHA-256 of its entry bytes, or the seed of the enrolment.
    pub hash: [u8; 32],
}

impl ChainHead {
    /// The head of a device that has not spoken yet.
    pub fn enrolled(seed: [u8; 32]) -> Self {
        Self { seq: None, hash: seed }
    }

    /// Seq the next statement must carry; none when the numbers are used up.
    pub fn next_seq(&self) -> Option<u64> {
        match self.seq {
            None => Some(0),
            Some(seq) => seq.checked_add(1),
        }
    }

    /// The head after this statement was appended as [`Verdict::Next`].
    #[must_use]
    pub fn advance(&self, seq: u64, entry_hash: [u8; 32]) -> Self {
        Self { seq: Some(seq), hash: entry_hash }
    }
}

/// What to do with a validly signed statement of an enrolled device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Append; it becomes the head.
    Next,
    /// The head itself again: answer with its receipt.
    Same,
    /// An earlier place in the chain (below the head): the same bytes if the log finds
    /// them at that place, otherwise a fork. The rule itself cannot tell.
    Earlier,
    /// Statements are missing before it: refuse, and tell the head so that the device
    /// resends from there.
    Gap {
        /// Seq of the head, none if the device has not spoken.
        have_seq: Option<u64>,
        /// Hash of the head.
        have_hash: [u8; 32],
    },
    /// A second history: append, keep the head, raise `ChainFork`.
    Fork,
}

/// Judges a statement against the head (`CHN-001` to `CHN-006`).
pub fn judge(head: &ChainHead, seq: u64, prev: &[u8; 32], entry_hash: &[u8; 32]) -> Verdict {
    match (head.seq, head.next_seq()) {
        (_, Some(next)) if seq == next => {
            if *prev == head.hash {
                Verdict::Next
            } else {
                Verdict::Fork
            }
        }
        (Some(have), _) if seq == have => {
            if *entry_hash == head.hash {
                Verdict::Same
            } else {
                Verdict::Fork
            }
        }
        (Some(have), _) if seq < have => Verdict::Earlier,
        _ => Verdict::Gap { have_seq: head.seq, have_hash: head.hash },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: [u8; 32] = [7; 32];

    #[test]
    fn chn_001_next_extends_the_head() {
        let head = ChainHead::enrolled(SEED);
        assert_eq!(judge(&head, 0, &SEED, &[1; 32]), Verdict::Next);
        let head = head.advance(0, [1; 32]);
        assert_eq!(judge(&head, 1, &[1; 32], &[2; 32]), Verdict::Next);
    }

    #[test]
    fn chn_002_same_bytes_again() {
        let head = ChainHead { seq: Some(4), hash: [4; 32] };
        assert_eq!(judge(&head, 4, &[3; 32], &[4; 32]), Verdict::Same);
    }

    #[test]
    fn chn_003_gap_names_the_head() {
        let head = ChainHead { seq: Some(4), hash: [4; 32] };
        let gap = Verdict::Gap { have_seq: Some(4), have_hash: [4; 32] };
        assert_eq!(judge(&head, 6, &[5; 32], &[6; 32]), gap);
        let new = ChainHead::enrolled(SEED);
        let gap = Verdict::Gap { have_seq: None, have_hash: SEED };
        assert_eq!(judge(&new, 1, &[0; 32], &[1; 32]), gap);
    }

    #[test]
    fn chn_004_other_bytes_at_the_head_fork() {
        let head = ChainHead { seq: Some(4), hash: [4; 32] };
        assert_eq!(judge(&head, 4, &[3; 32], &[9; 32]), Verdict::Fork);
    }

    #[test]
    fn chn_005_next_seq_on_another_past_forks() {
        let head = ChainHead { seq: Some(4), hash: [4; 32] };
        assert_eq!(judge(&head, 5, &[9; 32], &[5; 32]), Verdict::Fork);
        assert_eq!(judge(&ChainHead::enrolled(SEED), 0, &[9; 32], &[1; 32]), Verdict::Fork);
    }

    #[test]
    fn chn_006_below_the_head_the_log_must_look() {
        let head = ChainHead { seq: Some(4), hash: [4; 32] };
        assert_eq!(judge(&head, 3, &[2; 32], &[3; 32]), Verdict::Earlier);
        let full = ChainHead { seq: Some(u64::MAX), hash: [4; 32] };
        assert_eq!(judge(&full, 0, &SEED, &[1; 32]), Verdict::Earlier);
    }
}
