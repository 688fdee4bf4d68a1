//! Bodies of `POST /batch` and `POST /entries`: read without a copy, each item whole and alone the
//! same; entries and disclosures come out as they went in.

#![no_main]

#[path = "../../crates/server/src/item.rs"]
mod item;

use bytes::Bytes;
use firmlog_statement::codec;
use item::Item;
use libfuzzer_sys::fuzz_target;

const ITEMS_MAX: u64 = 64;

fuzz_target!(|bytes: &[u8]| {
    let body = Bytes::copy_from_slice(bytes);
    if let Ok(one) = Item::read_one(&body) {
        within(&body, &one);
        let _ = one.check_disclosures();
    }
    let Ok(items) = Item::read_all(&body, ITEMS_MAX) else { return };
    assert!(!items.is_empty() && items.len() as u64 <= ITEMS_MAX);
    let few = Item::read_all(&body, items.len() as u64 - 1);
    assert!(few.is_err(), "an item more than allowed was taken");
    // Entries as byte strings, one after the other, are read back as the same entries.
    let mut again = Vec::new();
    for item in &items {
        within(&body, item);
        let _ = item.check_disclosures();
        codec::bytes(&mut again, &item.entry).expect("a vector takes what it is given");
    }
    let again = Bytes::from(again);
    let read = Item::read_all(&again, ITEMS_MAX).expect("byte strings are items");
    assert!(read.iter().map(|item| &item.entry).eq(items.iter().map(|item| &item.entry)));
    assert!(read.iter().all(|item| item.disclosures.is_empty()));
});

fn within(body: &Bytes, item: &Item) {
    let (body, entry) = (body.as_ptr_range(), item.entry.as_ptr_range());
    assert!(item.entry.is_empty() || (body.start <= entry.start && entry.end <= body.end));
}
