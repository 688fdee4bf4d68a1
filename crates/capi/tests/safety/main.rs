//! What docs/safety/ says of the library, compared with what the library does when C calls it.

mod board;
mod cost;
mod fmea;
mod misra;
mod sizing;

use std::path::Path;

/// A document of docs/safety/.
fn document(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/safety");
    std::fs::read_to_string(folder.join(name)).expect("it is there")
}

/// Compares what was measured with what a document says between its marks. Where
/// `FIRMLOG_WRITE_DOCS` is set, writes it there instead.
fn compare(name: &str, measured: &str) {
    const BEGIN: &str = "<!-- measured by crates/capi/tests/safety -->\n";
    const END: &str = "<!-- as far as here -->\n";
    let page = document(name);
    let (before, rest) = page.split_once(BEGIN).expect("a mark");
    let (told, after) = rest.split_once(END).expect("its end");
    if std::env::var_os("FIRMLOG_WRITE_DOCS").is_some() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/safety");
        let fresh = format!("{before}{BEGIN}{measured}\n{END}{after}");
        std::fs::write(folder.join(name), fresh).expect("can be written");
        return;
    }
    assert_eq!(
        told.trim_end(),
        measured.trim_end(),
        "docs/safety/{name} differs; with FIRMLOG_WRITE_DOCS=1 this test writes it"
    );
}

/// `12345` as `12,345`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
