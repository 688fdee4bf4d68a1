//! Reads every file of `vectors/tlog` and checks that the parser of its format says what the
//! file expects, by the refusal's name; and that no refusal is without a file.
//!
//! What the files look like: `vectors/tlog/README.md`. Who writes them: `examples/tlog_vectors`.

#[path = "../dalek/mod.rs"]
#[expect(dead_code, reason = "vectors are verified here and signed by the example")]
mod dalek;
mod file;
mod judge;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use file::Vector;
use firmlog_tlog::checkpoint::CheckpointError;
use firmlog_tlog::cosignature::CosignatureError;
use firmlog_tlog::merkle::ProofError;
use firmlog_tlog::note::NoteError;
use firmlog_tlog::policy::PolicyError;
use firmlog_tlog::proof::TlogProofError;
use firmlog_tlog::tile::TileError;
use firmlog_tlog::witness::WitnessError;

/// A format's folder and what reads it: the refusal's name, or nothing.
type Judge = fn(&Vector) -> Result<(), String>;

const FORMATS: [(&str, Judge); 11] = [
    ("note", judge::note),
    ("vkey", judge::vkey),
    ("checkpoint", judge::checkpoint),
    ("cosignature", judge::cosignature),
    ("proof", judge::proof),
    ("witness_request", judge::witness_request),
    ("policy", judge::policy),
    ("tile_path", judge::tile_path),
    ("entry_bundle", judge::entry_bundle),
    ("inclusion", judge::inclusion),
    ("consistency", judge::consistency),
];

#[test]
fn every_vector_is_judged_as_it_expects() {
    let mut wrong = Vec::new();
    for (format, judge) in FORMATS {
        let vectors = vectors(format);
        assert!(vectors.iter().any(|v| v.expect() == "ok"), "{format}: none is accepted");
        assert!(vectors.iter().any(|v| v.expect() != "ok"), "{format}: none is refused");
        for vector in vectors {
            let got = judge(&vector).err().unwrap_or_else(|| "ok".to_owned());
            if got != vector.expect() {
                wrong.push(format!("{}: {got} for {}", vector.path.display(), vector.expect()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_folder_is_left_unread() {
    let entries = fs::read_dir(root()).expect("vectors/tlog");
    let folders = entries.map(|e| e.unwrap()).filter(|e| e.file_type().unwrap().is_dir());
    let names: BTreeSet<_> = folders.map(|e| e.file_name().into_string().unwrap()).collect();
    assert_eq!(names, FORMATS.iter().map(|(format, _)| (*format).to_owned()).collect());
}

#[test]
fn every_refusal_has_a_vector() {
    check_all(
        &["note", "vkey"],
        NoteError::ALL,
        &[
            // Of writers: a text to be signed.
            NoteError::TextMalformed,
        ],
    );
    check_all(&["checkpoint"], CheckpointError::ALL, &[]);
    check_all(
        &["cosignature"],
        CosignatureError::ALL,
        &[
            // Of callers: a buffer, a key store.
            CosignatureError::BufferTooSmall,
            CosignatureError::SignerFailed,
        ],
    );
    check_all(&["proof"], TlogProofError::ALL, &[]);
    check_all(&["witness_request"], WitnessError::ALL, &[]);
    check_all(&["policy"], PolicyError::ALL, &[]);
    check_all(
        &["tile_path", "entry_bundle"],
        TileError::ALL,
        &[
            // Of writers: an entry to be appended.
            TileError::EntryTooLarge,
            // Of readers of nodes: `trees.rs` has them.
            TileError::TileWrongLength,
            TileError::NodeOutsideTree,
        ],
    );
    check_all(&["inclusion", "consistency"], ProofError::ALL, &[]);
}

/// Refusals without a vector are exactly those that no bytes can cause.
fn check_all<E: Debug + Copy>(formats: &[&str], all: &[E], unreachable: &[E]) {
    let name = |refusal: &E| format!("{refusal:?}");
    let seen = formats.iter().flat_map(|f| vectors(f)).map(|v| v.expect().to_owned());
    let seen: BTreeSet<String> = seen.collect();
    let missing: BTreeSet<String> = all.iter().map(name).filter(|n| !seen.contains(n)).collect();
    assert_eq!(missing, unreachable.iter().map(name).collect(), "{formats:?} without a vector");
}

fn vectors(format: &str) -> Vec<Vector> {
    let folder = root().join(format);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(Vector::read).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/tlog")
}
