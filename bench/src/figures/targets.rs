//! What is asked of each figure: the last table of the design.

use super::figure::{Better, Target};

use Better::{Less, More};

const fn target(
    name: &'static str,
    what: &'static str,
    unit: &'static str,
    better: Better,
    must: Option<f64>,
    aim: Option<f64>,
) -> Target {
    Target { name, what, unit, better, must, aim }
}

/// Raw adds over HTTP.
pub const RAW_ADD: Target = target(
    "raw_add_per_s",
    "raw `POST /add`, small leaves, index after fsync; slowest of 64 to 4,096 connections",
    "/s",
    More,
    Some(25_000.0),
    None,
);
/// Raw adds as a share of a bare echo.
pub const RAW_ADD_OF_ECHO: Target = target(
    "raw_add_of_echo",
    "the same as a share of a bare HTTP echo; smallest of 64 to 4,096 connections",
    "ratio",
    More,
    Some(0.50),
    Some(0.75),
);
/// Raw batches.
pub const RAW_BATCH: Target = target(
    "raw_batch_per_s",
    "raw batches of 1,000, fsync on",
    "/s",
    More,
    Some(500_000.0),
    Some(1_500_000.0),
);
/// Signed statements, P-256.
pub const SIGNED_P256: Target = target(
    "signed_p256_per_s",
    "device statements signed with P-256 through the batch endpoint, every signature and chain checked",
    "/s",
    More,
    None,
    None,
);
/// The same as a share of the bare check.
pub const SIGNED_P256_OF_BARE: Target = target(
    "signed_p256_of_bare_check",
    "the same as a share of the bare P-256 check on all cores",
    "ratio",
    More,
    Some(0.65),
    Some(0.90),
);
/// Signed statements, Ed25519.
pub const SIGNED_ED25519: Target = target(
    "signed_ed25519_per_s",
    "device statements signed with Ed25519 through the batch endpoint",
    "/s",
    More,
    Some(40_000.0),
    None,
);
/// From request to receipt.
pub const RECEIPT_P99: Target = target(
    "receipt_p99_ms",
    "signed statement to receipt with inclusion proof and signed root, at half of the highest load",
    "ms",
    Less,
    Some(10.0),
    Some(4.0),
);
/// Proof checks.
pub const PROOF_CHECKS: Target = target(
    "proof_checks_per_s",
    "offline proof checks under one checkpoint, one core",
    "/s",
    More,
    Some(50_000.0),
    Some(200_000.0),
);
/// Evidence of an anchor.
pub const EVIDENCE_CHECK: Target = target(
    "evidence_check_ms",
    "offline check of an anchor's evidence: transaction, event, storage, 96 headers to a pinned block",
    "ms",
    Less,
    Some(20.0),
    None,
);
/// The full audit.
pub const FSCK: Target = target(
    "fsck_of_signature_limit",
    "full audit (every signature, chain, tile) as a share of the bare signature check on all cores",
    "ratio",
    More,
    Some(0.90),
    Some(0.98),
);
/// Storage overhead.
pub const BYTES_PER_ENTRY: Target = target(
    "bytes_per_entry",
    "stored bytes of an entry beyond its own, tiles included, index apart",
    "B",
    Less,
    Some(40.0),
    None,
);
/// Memory of the server.
pub const RSS: Target =
    target("rss_mib", "resident memory of the server", "MiB", Less, Some(512.0), Some(256.0));
/// Memory of the server at full size.
pub const RSS_LARGE: Target = target(
    "rss_mib_10m",
    "resident memory of the server at 10 million entries of 1 million devices",
    "MiB",
    Less,
    Some(512.0),
    Some(256.0),
);
/// Cost at ten million entries.
pub const COST_GROWTH: Target = target(
    "cost_per_entry_growth",
    "processor time of an entry in raw batches at 10 million entries, against 100 thousand",
    "ratio",
    Less,
    Some(1.10),
    Some(1.03),
);
/// Reads of tiles.
pub const TILE_READS: Target =
    target("tile_reads_per_s", "reads of full tiles and bundles over HTTP", "/s", More, None, None);
