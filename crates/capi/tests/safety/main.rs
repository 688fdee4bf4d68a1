//! What docs/safety/ says of the library, compared with what the library does when C calls it.

mod board;
mod fmea;

use std::path::Path;

/// A document of docs/safety/.
fn document(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/safety");
    std::fs::read_to_string(folder.join(name)).expect("it is there")
}
