//! Answers to an outbox, whatever they say: it ends, it keeps its place, and what is pinned is not
//! confirmed by bytes that nobody signed.

#![no_main]

use firmlog_agent::journal::{Append, Class, Note};
use firmlog_agent::outbox::{Answer, Outbox, Receipts, Reply, Settings, Step, Unchecked};
use firmlog_sim::device::{Device, Said};
use firmlog_sim::history::{SEED, SimJournal};
use firmlog_sim::{Random, SimFlash, SimLog};
use firmlog_statement::chain::ChainHead;
use firmlog_statement::event::EventType;
use firmlog_statement::{ChainEntry, Outcome};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static JOURNAL: LazyLock<SimJournal> = LazyLock::new(|| {
    let flash = SimFlash::new(8, 1024, 8, 1);
    let mut journal = SimJournal::format(flash, ChainHead::enrolled(SEED)).expect("formats");
    for uptime_ms in 0..4 {
        let (event, outcome, dropped) = (EventType::InstalledState, Outcome::State, None);
        let said = Said { event, outcome, image: [7; 32], version: 3, uptime_ms, dropped };
        let entry = Device::new(1).say(journal.next().expect("known"), &said);
        let (note, class) = (&Note::EMPTY, Class::Routine);
        let entry = ChainEntry::parse(&entry).expect("an update");
        let append = Append { entry, note, class, tells_of_dropped: false, tells_of_lost: false };
        journal.append(&append).expect("has room");
    }
    journal
});

fuzz_target!(|answers: Vec<(u16, Option<u32>, Vec<u8>)>| {
    for (_, _, body) in &answers {
        for count in 0..4 {
            if let Some(answer) = Answer::parse(body, count) {
                assert_eq!(answer.items().count(), count);
            }
        }
    }
    let covered = play(&answers, &mut SimLog::new(SEED).receipts());
    assert_eq!(covered, 0, "confirmed without a receipt");
    assert!(play(&answers, &mut Unchecked) <= 4);
});

/// Gives the answers one by one; tells what the journal believes to be confirmed then.
fn play(answers: &[(u16, Option<u32>, Vec<u8>)], receipts: &mut impl Receipts) -> u64 {
    let mut journal = JOURNAL.clone();
    let mut outbox = Outbox::new(Settings::default(), Random::new(1));
    let (mut out, mut now_ms) = ([0; 4096], 0);
    for (status, retry_after_s, body) in answers {
        let ticket = loop {
            match outbox.poll(now_ms, &mut journal, &mut out).expect("flash is good") {
                Step::Post { ticket, .. } | Step::Fetch { ticket, .. } => break ticket,
                Step::Wait { ms } => {
                    assert!(ms > 0 && ms <= 2 * 86_400_000);
                    now_ms += ms;
                }
                Step::Idle => return journal.covered().next,
            }
        };
        let status = if status % 4 < 3 { 200 } else { *status };
        let reply = Reply::Answer { status, retry_after_s: *retry_after_s, body };
        outbox
            .answered(ticket, now_ms, &reply, &mut journal, receipts)
            .expect("flash is good");
    }
    journal.covered().next
}
