//! Offline proof checks: entry and `.tlog-proof` in, believed or not out.
//!
//! The checkpoint is the same for all, as in a device's bundle or an auditor's
//! sample: its signature is checked once, its bytes are compared every time.

use std::time::Instant;

use anyhow::{Context, ensure};
use firmlog_keys::{Algorithm, AwsLc, FileKey};
use firmlog_tlog::checkpoint::{self, Checkpoint, Unverified};
use firmlog_tlog::merkle::{
    CompactRange, Hash, LeafIndex, TreeHead, inclusion_proof, leaf_hash, verify_inclusion,
};
use firmlog_tlog::note::{self, NoteSigner};
use firmlog_tlog::proof::TlogProof;
use firmlog_tlog::tile::{TileId, TileNodes};

use super::figure::median;
use super::report::Report;
use super::stage::Stage;
use super::targets::PROOF_CHECKS;
use crate::bare::{Rate, hash_sha256};
use crate::rig::log::ORIGIN;

/// Entries of the tree: one million, so twenty hashes a proof.
const ENTRIES: u64 = 1 << 20;
/// Bytes of an entry, about those of a device statement.
const ENTRY_BYTES: usize = 430;
/// Different proofs, spread over the tree.
const SAMPLES: u64 = 4096;

struct Sample {
    entry: Vec<u8>,
    proof: Vec<u8>,
}

/// Measures on one core.
///
/// # Errors
/// If a sound proof is refused.
pub(super) fn measure(stage: &Stage, report: &mut Report) -> anyhow::Result<()> {
    let key = FileKey::generate(Algorithm::Ed25519)?;
    let signer = key.note_signer(ORIGIN, note::Algorithm::Ed25519)?;
    let (head, samples, checkpoint) = prepare(&signer)?;
    let unverified = Unverified::parse(checkpoint.as_bytes())?;
    let verified = unverified.verify(&AwsLc, signer.verifier_key())?;
    ensure!(verified.head() == head, "another head was signed");
    let (mut checks, mut hashes) = (vec![], vec![]);
    for _ in 0..stage.rounds() {
        checks.push(check_for(stage, &samples, &checkpoint, &head)?.per_s());
        hashes.push(hash_sha256(65, stage.duration() / 4).per_s());
    }
    let nodes = f64::from(ENTRIES.ilog2());
    let figure = PROOF_CHECKS
        .measured(
            median(&checks),
            "the node hashes of a proof alone, one core, /s",
            median(&hashes) / nodes,
        )
        .with("entries_of_the_tree", ENTRIES)
        .with("entry_bytes", ENTRY_BYTES)
        .with("form", "entry and .tlog-proof text, parsed each time")
        .with("rounds", stage.rounds());
    report.add(&PROOF_CHECKS, figure);
    Ok(())
}

fn check_for(
    stage: &Stage,
    samples: &[Sample],
    checkpoint: &str,
    head: &TreeHead,
) -> anyhow::Result<Rate> {
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < stage.duration() {
        for sample in samples {
            check(sample, checkpoint, head)?;
        }
        count += samples.len() as u64;
    }
    Ok(Rate { count, elapsed: start.elapsed() })
}

fn check(sample: &Sample, checkpoint: &str, head: &TreeHead) -> anyhow::Result<()> {
    let proof = TlogProof::parse(&sample.proof).context("failed to parse a proof")?;
    ensure!(proof.checkpoint == checkpoint, "a proof under another checkpoint");
    verify_inclusion(proof.index, &leaf_hash(&sample.entry), head, &proof.path)
        .context("a sound proof was refused")
}

fn prepare(signer: &impl NoteSigner) -> anyhow::Result<(TreeHead, Vec<Sample>, String)> {
    let mut tiles = Tiles::default();
    let mut range = CompactRange::new();
    for index in 0..ENTRIES {
        range.push(leaf_hash(&entry(index)), |level, index, hash| tiles.put(level, index, hash));
    }
    let head = range.head();
    let checkpoint = checkpoint::sign(&Checkpoint::new(ORIGIN, head), signer)?;
    let samples = (0..SAMPLES)
        .map(|n| {
            // An odd step visits different places at every level.
            let index = LeafIndex(n * (ENTRIES / SAMPLES + 1) % ENTRIES);
            let nodes = TileNodes::new(head.size, |id| tiles.bytes(id));
            let path = inclusion_proof(nodes, index, head.size)
                .map_err(|error| anyhow::anyhow!("failed to make a proof: {error}"))?;
            let checkpoint = checkpoint.clone();
            let proof = TlogProof { extra: None, index, path, checkpoint };
            Ok(Sample { entry: entry(index.0), proof: proof.encode().into_bytes() })
        })
        .collect::<anyhow::Result<_>>()?;
    Ok((head, samples, checkpoint))
}

fn entry(index: u64) -> Vec<u8> {
    let mut entry = index.to_be_bytes().to_vec();
    entry.resize(ENTRY_BYTES, 0x2e);
    entry
}

/// The nodes that tiles hold: those of every eighth level.
#[derive(Default)]
struct Tiles(Vec<Vec<Hash>>);

impl Tiles {
    fn put(&mut self, level: u8, index: u64, hash: &Hash) {
        if !level.is_multiple_of(8) {
            return;
        }
        let level = usize::from(level / 8);
        if self.0.len() <= level {
            self.0.resize(level + 1, Vec::new());
        }
        debug_assert_eq!(self.0[level].len() as u64, index);
        self.0[level].push(*hash);
    }

    fn bytes(&self, id: TileId) -> Result<Vec<u8>, &'static str> {
        let first = id.index as usize * 256;
        let hashes = self
            .0
            .get(usize::from(id.level))
            .and_then(|level| level.get(first..first + usize::from(id.width)))
            .ok_or("no such tile")?;
        Ok(hashes.iter().flat_map(|hash| hash.0).collect())
    }
}
