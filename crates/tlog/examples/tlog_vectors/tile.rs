//! Paths of tile logs, and entry bundles of the `width` given.

use crate::file::Vector;

pub(crate) fn vectors() -> Vec<Vector> {
    [paths(), refused_paths(), bundles(), refused_bundles()].concat()
}

fn paths() -> Vec<Vector> {
    let ok = |name, body: &str, level: &str, index: u64, width: u16| {
        Vector::ok("tile_path", name, body)
            .key("level", level)
            .key("index", index)
            .key("width", width)
    };
    let largest = "tile/63/x018/x446/x744/x073/x709/x551/615.p/255";
    vec![
        Vector::ok("tile_path", "checkpoint", "checkpoint"),
        ok("first", "tile/0/000", "0", 0, 256),
        ok("group_full", "tile/0/999", "0", 999, 256),
        ok("two_groups", "tile/0/x001/000", "0", 1000, 256),
        ok("three_groups", "tile/0/x001/x234/067", "0", 1_234_067, 256),
        ok("inner_group_zero", "tile/0/x001/x000/067", "0", 1_000_067, 256),
        ok("partial_one", "tile/1/000.p/1", "1", 0, 1),
        ok("partial_255", "tile/1/000.p/255", "1", 0, 255),
        ok("level_and_index_largest", largest, "63", u64::MAX, 255),
        ok("entries", "tile/entries/x001/x234/067", "entries", 1_234_067, 256),
        ok("entries_partial", "tile/entries/000.p/5", "entries", 0, 5),
    ]
}

fn refused_paths() -> Vec<Vector> {
    let bad = |refusal: &'static str| {
        move |(name, path): &(&str, &str)| Vector::refused("tile_path", name, refusal, *path)
    };
    let unknown = [
        ("empty", ""),
        ("slash_before", "/tile/0/000"),
        ("checkpoint_slash", "checkpoint/"),
        ("checkpoint_newline", "checkpoint\n"),
        ("level_alone", "tile/0"),
        ("data", "data/000"),
        ("tile_uppercase", "Tile/0/000"),
        ("url", "https://log.example.org/tile/0/000"),
    ];
    let level = [
        ("level_leading_zero", "tile/00/000"),
        ("level_64", "tile/64/000"),
        ("level_negative", "tile/-1/000"),
        ("level_empty", "tile//000"),
        ("level_static_ct_data", "tile/data/000"),
        ("entries_uppercase", "tile/Entries/000"),
    ];
    let index = [
        ("index_empty", "tile/0/"),
        ("index_one_digit", "tile/0/0"),
        ("index_four_digits", "tile/0/0000"),
        ("index_sign", "tile/0/+01"),
        ("index_last_group_has_x", "tile/0/x001"),
        ("index_group_lacks_x", "tile/0/001/067"),
        ("index_group_uppercase_x", "tile/0/X001/067"),
        ("index_slash_after", "tile/0/x001/067/"),
        ("index_other_digits", "tile/0/०"),
        ("index_dots", "tile/0/../000"),
        ("width_unknown_suffix", "tile/0/000.q/5"),
        ("width_slash_missing", "tile/0/000.p"),
    ];
    let zero = [
        ("index_leading_group", "tile/0/x000/067"),
        ("index_two_leading_groups", "tile/0/x000/x000/067"),
    ];
    let overflow = [
        ("index_2_to_64", "tile/0/x018/x446/x744/x073/x709/x551/616"),
        ("index_eight_groups", "tile/0/x001/x000/x000/x000/x000/x000/x000/000"),
    ];
    let width = [
        ("width_empty", "tile/0/000.p/"),
        ("width_zero", "tile/0/000.p/0"),
        ("width_leading_zero", "tile/0/000.p/07"),
        ("width_256", "tile/0/000.p/256"),
        ("width_sign", "tile/0/000.p/+7"),
        ("width_slash_after", "tile/0/000.p/7/"),
        ("width_twice", "tile/0/000.p/7.p/7"),
        ("entries_width_256", "tile/entries/000.p/256"),
    ];
    let lists: [(&'static str, &[(&str, &str)]); 6] = [
        ("UnknownPath", &unknown),
        ("LevelMalformed", &level),
        ("IndexMalformed", &index),
        ("IndexHasLeadingZero", &zero),
        ("IndexOverflows", &overflow),
        ("WidthMalformed", &width),
    ];
    lists.iter().flat_map(|(refusal, list)| list.iter().map(bad(refusal))).collect()
}

fn bundle(entries: &[&[u8]]) -> Vec<u8> {
    let with_len = |entry: &&[u8]| {
        let len = u16::try_from(entry.len()).expect("a short entry").to_be_bytes();
        [&len[..], entry].concat()
    };
    entries.iter().flat_map(with_len).collect()
}

fn bundles() -> Vec<Vector> {
    let ok = |name, width: u16, body: Vec<u8>| {
        Vector::ok("entry_bundle", name, body).key("width", width)
    };
    let numbers: Vec<[u8; 1]> = (0..=255).map(|n| [n]).collect();
    let full: Vec<&[u8]> = numbers.iter().map(|n| &n[..]).collect();
    vec![
        ok("two", 2, bundle(&[b"hello", b"hi"])).key("entry", "68656c6c6f").key("entry", "6869"),
        ok("empty_entry", 1, bundle(&[b""])).key("entry", ""),
        ok("empty_entry_between", 3, bundle(&[b"a", b"", b"b"])),
        ok("full", 256, bundle(&full)),
        ok("largest_entry", 1, vec![0xff, 0xff]).fill(2, 65_535, 0x5a),
    ]
}

fn refused_bundles() -> Vec<Vector> {
    let good = bundle(&[b"hello", b"hi"]);
    let bad = |name, refusal, width: u16, body: &[u8]| {
        Vector::refused("entry_bundle", name, refusal, body).key("width", width)
    };
    let end = good.len();
    vec![
        bad("empty", "BundleTruncated", 1, &[]),
        bad("cut_in_length", "BundleTruncated", 2, &good[..8]),
        bad("cut_after_length", "BundleTruncated", 2, &good[..9]),
        bad("cut_in_entry", "BundleTruncated", 2, &good[..end - 1]),
        bad("cut_between_entries", "BundleTruncated", 2, &good[..7]),
        bad("one_entry_too_few", "BundleTruncated", 3, &good),
        bad("one_entry_too_many", "BundleTrailingBytes", 1, &good),
        bad("one_byte_after", "BundleTrailingBytes", 2, &[&good[..], &[0]].concat()),
        bad("length_little_endian", "BundleTruncated", 1, b"\x05\x00hello"),
        bad("largest_entry_cut", "BundleTruncated", 1, &[0xff, 0xff]).fill(2, 65_534, 0x5a),
        bad("largest_entry_and_a_byte", "BundleTrailingBytes", 1, &[0xff, 0xff])
            .fill(2, 65_536, 0x5a),
    ]
}
