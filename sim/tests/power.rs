//! Power cuts at every byte of every scripted history, and in the middle of histories that a seed
//! decides.

use firmlog_sim::history::{self, SimJournal, Step, World};
use firmlog_sim::power::{cut_everywhere, random_history};
use firmlog_statement::event::EventType as T;

/// JRN-010, JRN-011, JRN-012, JRN-030, JRN-031: before or after, at every byte; then it goes on.
#[test]
fn jrn_010_a_cut_at_every_byte_leaves_before_or_after() {
    for (name, steps) in history::scripted() {
        let (mut world, mut journal) = (World::new(1), World::new(1).format(1));
        steps.iter().for_each(|step| world.play(*step, &mut journal).expect("plays"));
        assert_eq!(world.dropped.is_empty(), name != "wrap", "{name}");
        let cuts = cut_everywhere(&steps, 1).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(cuts > 2000, "{name}: only {cuts} bytes were written");
    }
}

/// JRN-013: the same with other tears, further cuts while it recovers, stuck bits, failing erases.
#[test]
fn jrn_013_random_histories_with_faults() {
    for seed in 0..120 {
        random_history(seed, 40).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    }
}

/// JRN-022: `required` devices stop when the journal is full, others count what they drop; the
/// reserve is left for refusals, and the account is signed once there is room.
#[test]
fn jrn_022_the_reserve_is_for_what_is_urgent() {
    let (mut world, mut journal) = fill();
    assert_eq!(journal.free_pages(), journal.reserve());
    assert!(!world.dropped.is_empty());
    let (said, dropped) = (world.said.len(), world.dropped.len());
    world.play(Step::Say(T::RefusedBadSignature), &mut journal).expect("the reserve");
    assert_eq!((world.said.len(), world.dropped.len()), (said + 1, dropped));
}

/// JRN-023: what was dropped is told, count and root, and outlives the pages.
#[test]
fn jrn_023_the_account_of_the_dropped_is_signed() {
    let (mut world, mut journal) = fill();
    let root = world.dropped.iter().copied().reduce(node).expect("something was dropped");
    assert_eq!(journal.dropped().root, root);
    assert_eq!(journal.untold() as usize, world.dropped.len());
    world.play(Step::Wrap, &mut journal).expect("the reserve");
    assert_eq!(journal.untold(), 0);
    let wrap = firmlog_statement::Parsed::parse(world.said.last().expect("a statement"));
    let unit = wrap.and_then(|parsed| parsed.update()).expect("an update").unit.expect("a unit");
    assert_eq!(unit.dropped, Some(world.dropped.len() as u32));
    assert_eq!(unit.dropped_root, Some(firmlog_statement::Digest(root)));
    let (mut journal, report) = SimJournal::open(journal.into_flash()).expect("opens");
    assert!(report.is_clean());
    assert_eq!((journal.untold(), journal.dropped().root), (0, root));
    world.check(&mut journal).expect("as it was");
}

/// The root a second way, from the words of the specification.
fn node(left: [u8; 32], right: [u8; 32]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

fn fill() -> (World, SimJournal) {
    let mut world = World::new(3);
    let mut journal = world.format(3);
    for _ in 0..30 {
        world.play(Step::Say(T::InstalledState), &mut journal).expect("kept or dropped");
    }
    (world, journal)
}
