//! Drawing entries so that neither the challenger nor the log chose them.
//!
//! ```text
//! challenger   nonce N (32 random bytes), commitment C = SHA-256("…nonce v1\n" ‖ N)
//! log          publishes checkpoint P without knowing N
//! both         seed S = SHA-256("…seed v1\n" ‖ C ‖ SHA-256(signed text of P) ‖ N)
//! draw i       x = first 8 bytes of SHA-256(S ‖ i), taken only below the largest multiple of the
//!              tree size; entry = x mod size; an entry drawn before is drawn again
//! ```
//!
//! The log cannot choose P to spare an entry: it does not know N. The challenger cannot choose N
//! to spare one: C was fixed before P. The signed *text* of P counts, not its cosignature lines,
//! because whoever holds a note may reorder or drop those, and with them could grind the seed.
//!
//! Invariants:
//! - The same transcript gives the same draws on every machine.
//! - Each entry is equally likely: rejection sampling, no modulo bias.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

const NONCE_TAG: &[u8] = b"firmlog challenge nonce v1\n";
const SEED_TAG: &[u8] = b"firmlog challenge seed v1\n";

/// What the challenger publishes before the checkpoint is fixed.
pub(crate) fn commitment(nonce: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update(NONCE_TAG).chain_update(nonce).finalize().into()
}

/// The seed of the draws.
pub(crate) fn seed(nonce: &[u8; 32], checkpoint_text: &str) -> [u8; 32] {
    let pinned = Sha256::digest(checkpoint_text.as_bytes());
    Sha256::new()
        .chain_update(SEED_TAG)
        .chain_update(commitment(nonce))
        .chain_update(pinned)
        .chain_update(nonce)
        .finalize()
        .into()
}

/// `count` different indices below `size`, in the order drawn; all of them if there are not more.
pub(crate) fn draw(seed: &[u8; 32], size: u64, count: usize) -> Vec<u64> {
    let wanted = usize::try_from(size).unwrap_or(usize::MAX).min(count);
    let (mut drawn, mut seen) = (Vec::with_capacity(wanted), BTreeSet::new());
    // The largest multiple of size that 64 bits hold; x at or above it is thrown away.
    let fair = size.checked_mul(u64::MAX / size.max(1)).unwrap_or(0);
    let mut number = 0u64;
    while drawn.len() < wanted {
        let hash = Sha256::new().chain_update(seed).chain_update(number.to_be_bytes()).finalize();
        number += 1;
        let x = hash.iter().take(8).fold(0u64, |n, byte| n << 8 | u64::from(*byte));
        if x < fair && seen.insert(x % size) {
            drawn.push(x % size);
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_fixed_different_and_in_range() {
        let seed = seed(&[7; 32], "log.example\n5\nroot\n");
        let drawn = draw(&seed, 1000, 50);
        assert_eq!(drawn, draw(&seed, 1000, 50));
        assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), 50);
        assert!(drawn.iter().all(|index| *index < 1000));
    }

    #[test]
    fn a_small_tree_is_drawn_whole() {
        let mut drawn = draw(&[1; 32], 5, 20);
        drawn.sort_unstable();
        assert_eq!(drawn, [0, 1, 2, 3, 4]);
        assert!(draw(&[1; 32], 0, 20).is_empty());
    }

    #[test]
    fn nonce_and_checkpoint_both_matter() {
        let base = seed(&[7; 32], "a");
        assert_ne!(base, seed(&[8; 32], "a"));
        assert_ne!(base, seed(&[7; 32], "b"));
    }

    #[test]
    fn entries_are_equally_likely() {
        let mut counts = [0u32; 10];
        for byte in 0..=255u8 {
            for index in draw(&[byte; 32], 10, 4) {
                counts[index as usize] += 1;
            }
        }
        // 1,024 draws over ten entries: 102 each, five standard deviations are about 40.
        assert!(counts.iter().all(|n| (60..=145).contains(n)), "{counts:?}");
    }
}
