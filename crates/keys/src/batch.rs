//! Many Ed25519 signatures at once, with the answer that one-by-one checks would give.
//!
//! ```text
//! prime part    8 · Σ zᵢ (Rᵢ + kᵢAᵢ − SᵢB) = 0          zᵢ random, 128 bit
//! torsion part  Qᵢ = Rᵢ + (kᵢ mod 8)Aᵢ;  ℓ · Σ bᵢQᵢ = 0  for 64 random subsets b
//! ```
//!
//! The usual batch equation alone accepts signatures that the cofactorless single check refuses:
//! a signer may put a point of order 2, 4 or 8 into R, and such parts cancel between items with
//! probability 1/8 or more. One entry would then be in the log with a signature that auditors
//! find bad. So the parts are tested apart: the first line holds if and only if every item is right
//! up to torsion (but for 2⁻¹²⁵), the second if and only if none has any (but for 2⁻⁶⁴: each
//! subset misses a non-zero vector with probability at most 1/2). Subsets are drawn afresh from the
//! operating system, so neither can be searched for offline.
//!
//! Invariant: [`ed25519_all`] is true if and only if
//! [`AwsLc::ed25519`](firmlog_tlog::note::Ed25519Check::ed25519) is true of every item.

use aws_lc_rs::digest::{Context, SHA512};
use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{Identity, IsIdentity, VartimeMultiscalarMul};
use firmlog_tlog::note::Ed25519Check;
use firmlog_verify::crypto::ed25519_well_formed;

use crate::{AwsLc, os_random};

/// Below this many items single checks are faster (the torsion test has a fixed price).
pub const BATCH_MIN: usize = 256;

/// Subsets drawn by the torsion test; one bit of each `u64` selector.
const ROUNDS: usize = 64;

/// Points summed in advance for each of the 16 subsets of four.
const GROUP: usize = 4;

/// One signature to check.
#[derive(Clone, Copy, Debug)]
pub struct Ed25519Item<'a> {
    /// The public key A.
    pub key: &'a [u8; 32],
    /// What was signed.
    pub message: &'a [u8],
    /// R‖S.
    pub signature: &'a [u8; 64],
}

/// Whether every item verifies. On `false` check them one by one to find the bad ones.
///
/// Fastest at 1,024 items or more; short inputs are checked singly.
pub fn ed25519_all(items: &[Ed25519Item]) -> bool {
    if items.len() < BATCH_MIN {
        return items.iter().all(|item| AwsLc.ed25519(item.key, item.message, item.signature));
    }
    let terms: Option<Vec<Term>> = items.iter().map(Term::new).collect();
    terms.is_some_and(|terms| prime_parts_vanish(&terms) && torsion_parts_vanish(&terms))
}

/// One item, decompressed: S·B = R + k·A is to be shown.
struct Term {
    a: EdwardsPoint,
    r: EdwardsPoint,
    k: Scalar,
    s: Scalar,
}

impl Term {
    fn new(item: &Ed25519Item) -> Option<Self> {
        if !ed25519_well_formed(item.key, item.signature) {
            return None;
        }
        let (r, s) = item.signature.split_at(32);
        let mut hash = Context::new(&SHA512);
        hash.update(r);
        hash.update(item.key);
        hash.update(item.message);
        let wide: [u8; 64] = hash.finish().as_ref().try_into().ok()?;
        Some(Self {
            a: CompressedEdwardsY(*item.key).decompress()?,
            r: CompressedEdwardsY(r.try_into().ok()?).decompress()?,
            k: Scalar::from_bytes_mod_order_wide(&wide),
            s: Option::from(Scalar::from_canonical_bytes(s.try_into().ok()?))?,
        })
    }

    /// A point with the torsion part of R + k·A, and the only one that matters: B has none.
    fn torsion_witness(&self) -> EdwardsPoint {
        let k = self.k.as_bytes()[0];
        let double = self.a + self.a;
        let mut sum = self.r;
        if k & 1 != 0 {
            sum += self.a;
        }
        if k & 2 != 0 {
            sum += double;
        }
        if k & 4 != 0 {
            sum += double + double;
        }
        sum
    }
}

fn prime_parts_vanish(terms: &[Term]) -> bool {
    let mut random = vec![0; terms.len() * 16];
    os_random(&mut random);
    let weights: Vec<Scalar> = random.chunks_exact(16).map(weight).collect();
    let of_base: Scalar = terms.iter().zip(&weights).map(|(term, z)| term.s * z).sum();
    let of_keys = terms.iter().zip(&weights).map(|(term, z)| term.k * z);
    let scalars = [-of_base].into_iter().chain(weights.iter().copied()).chain(of_keys);
    let points = [ED25519_BASEPOINT_POINT]
        .into_iter()
        .chain(terms.iter().map(|term| term.r))
        .chain(terms.iter().map(|term| term.a));
    EdwardsPoint::vartime_multiscalar_mul(scalars, points).mul_by_cofactor().is_identity()
}

/// A random scalar below 2¹²⁸.
fn weight(bytes: &[u8]) -> Scalar {
    let mut scalar = [0; 32];
    scalar[..16].copy_from_slice(bytes);
    Scalar::from_bytes_mod_order(scalar)
}

fn torsion_parts_vanish(terms: &[Term]) -> bool {
    let mut random = vec![0; terms.len() * 8];
    os_random(&mut random);
    let mut sums = [EdwardsPoint::identity(); ROUNDS];
    for (group, selectors) in terms.chunks(GROUP).zip(random.chunks(GROUP * 8)) {
        add_subsets(&mut sums, group, selectors);
    }
    sums.iter().all(EdwardsPoint::is_torsion_free)
}

/// Adds to each round's sum the subset of `group` that this round selects.
fn add_subsets(sums: &mut [EdwardsPoint; ROUNDS], group: &[Term], selectors: &[u8]) {
    let table = subset_sums(group);
    // Bit `round` of the i-th selector: is point i in this round's subset?
    let mut select = [0_u64; GROUP];
    for (selector, bytes) in select.iter_mut().zip(selectors.chunks_exact(8)) {
        *selector = bytes.iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
    }
    for (round, sum) in sums.iter_mut().enumerate() {
        let subset = select.iter().rev().fold(0, |bits, s| bits << 1 | (s >> round & 1) as usize);
        if subset != 0 {
            *sum += table[subset];
        }
    }
}

/// Entry `b` is the sum of the points whose bit is set in `b`.
fn subset_sums(group: &[Term]) -> [EdwardsPoint; 1 << GROUP] {
    let mut table = [EdwardsPoint::identity(); 1 << GROUP];
    for (i, term) in group.iter().enumerate() {
        let point = term.torsion_witness();
        for subset in 0..1 << i {
            table[1 << i | subset] = table[subset] + point;
        }
    }
    table
}
