//! The files that a small processor judges are judged alike here, and are what their writer makes.

mod common;
mod offer;

/// INS-001, INS-010: each file of `vectors/install`, by name of what is expected.
#[test]
fn ins_001_each_offer_is_decided_as_its_file_expects() {
    let all = offer::all();
    let files = std::fs::read_dir(offer::folder()).expect("the vectors are there");
    assert_eq!(files.count(), all.len());
    for made in all {
        let file = offer::folder().join(made.name);
        let text = std::fs::read_to_string(&file).expect("the file is there");
        assert!(text == made.text(), "{}: run cargo xtask vectors", file.display());
        assert_eq!(offer::decide(&text), made.expect, "{}", file.display());
    }
}
