//! Writes `vectors/tlog`: one file for each thing a parser must accept or refuse, by its name.
//!
//! ```text
//! expect: SizeHasLeadingZero
//! body: text
//!
//! log.example.org/pumps
//! 03
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//! ```
//!
//! `cargo run -p firmlog-tlog --example tlog_vectors`. What is expected is written here by hand,
//! never taken from the parsers; `tests/vectors` compares. Trees and proofs come from the
//! recursive definitions of RFC 6962 §2.1 in [`tree`], not from the crate.
//!
//! Invariant: the same files in every run; keys are made from fixed seeds.

use std::path::Path;
use std::{fs, io};

mod checkpoint;
mod cosignature;
#[path = "../../tests/dalek/mod.rs"]
mod dalek;
mod file;
mod keys;
mod note;
mod policy;
mod proof;
mod tile;
mod tree;
mod vkey;
mod witness;

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/tlog");
    let vectors = [
        note::vectors(),
        vkey::vectors(),
        checkpoint::vectors(),
        cosignature::vectors(),
        proof::vectors(),
        witness::vectors(),
        policy::vectors(),
        tile::vectors(),
        tree::vectors(),
    ]
    .concat();
    for vector in &vectors {
        let folder = root.join(vector.format());
        // What is no longer generated must not stay behind.
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
    }
    for vector in &vectors {
        vector.write(&root)?;
    }
    Ok(())
}
