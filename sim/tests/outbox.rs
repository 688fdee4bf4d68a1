//! The outbox over a bad link and a moody log: each statement arrives once, in order.

use firmlog_agent::journal::{Append, Class, Covered, Error, Journal, Note};
use firmlog_agent::outbox::{Outbox, Receipts, Reply, Settings, Step, Told, Trouble, Unchecked};
use firmlog_sim::device::{Device, Said};
use firmlog_sim::history::{SEED, SimJournal};
use firmlog_sim::link::{Faults, Request};
use firmlog_sim::log::{Answer, LogReceipts};
use firmlog_sim::{Link, Random, SimFlash, SimLog};
use firmlog_statement::chain::ChainHead;
use firmlog_statement::event::EventType as T;
use firmlog_statement::{ChainEntry, Outcome, entry_hash};

const DAY_MS: u64 = 86_400_000;

/// A device, the link and the log, at one time.
struct World {
    device: Device,
    journal: Option<SimJournal>,
    outbox: Outbox<Random>,
    random: Random,
    link: Link,
    log: SimLog,
    said: Vec<Vec<u8>>,
    now_ms: u64,
    troubles: Vec<Trouble>,
    forks: usize,
}

impl World {
    fn new(seed: u64, faults: Faults) -> Self {
        let flash = SimFlash::new(40, 1024, 8, seed);
        let journal = SimJournal::format(flash, ChainHead::enrolled(SEED)).expect("blank flash");
        let mut random = Random::new(seed);
        let outbox = Outbox::new(Settings::default(), Random::new(random.number()));
        let link = Link::new(random.number(), faults);
        Self {
            device: Device::new(1),
            journal: Some(journal),
            outbox,
            random,
            link,
            log: SimLog::new(SEED),
            said: Vec::new(),
            now_ms: 0,
            troubles: Vec::new(),
            forks: 0,
        }
    }

    fn journal(&mut self) -> &mut SimJournal {
        self.journal.as_mut().expect("there but during a start")
    }

    /// Says one thing more, if there is room.
    fn say(&mut self) {
        let (seq, prev) = self.journal().next().expect("known");
        let uptime_ms = self.now_ms;
        let (event, outcome, dropped) = (T::InstalledState, Outcome::State, None);
        let said = Said { event, outcome, image: [7; 32], version: 3, uptime_ms, dropped };
        let entry = self.device.say((seq, prev), &said);
        let (note, class) = (&Note::EMPTY, Class::Routine);
        let said = ChainEntry::parse(&entry).expect("an update");
        let append =
            Append { entry: said, note, class, tells_of_dropped: false, tells_of_lost: false };
        match self.journal().append(&append) {
            Ok(()) => self.said.push(entry),
            Err(Error::Full) => {}
            Err(e) => panic!("{e}"),
        }
    }

    /// Power goes and comes back: only flash is left.
    fn restart(&mut self) {
        let flash = self.journal.take().expect("there").into_flash();
        let (journal, report) = SimJournal::open(flash).expect("opens");
        assert!(report.is_clean(), "{report:?}");
        self.journal = Some(journal);
        self.outbox = Outbox::new(Settings::default(), Random::new(self.random.number()));
    }

    /// Lets the outbox act, or time pass until something may happen; false when it is idle.
    fn turn(&mut self, receipts: &mut impl Receipts) -> bool {
        let mut out = [0; 4096];
        let now_ms = self.now_ms;
        let journal = self.journal.as_mut().expect("there");
        if let Some((ticket, answer)) = self.link.deliver(now_ms, &mut self.log) {
            let Answer { status, retry_after_s, ref body } = answer;
            let reply = Reply::Answer { status, retry_after_s, body };
            let told = self.outbox.answered(ticket, now_ms, &reply, journal, receipts);
            let Told { trouble, fork, .. } = told.expect("flash is good");
            self.troubles.extend(trouble);
            self.forks += usize::from(fork.is_some());
            return true;
        }
        let step = self.outbox.poll(now_ms, journal, &mut out).expect("flash is good");
        let next = match step {
            Step::Post { ticket, len } => {
                let body = out[..len].to_vec();
                self.link.send(now_ms, ticket, Request::Post(body));
                return true;
            }
            Step::Fetch { ticket, index } => {
                self.link.send(now_ms, ticket, Request::Fetch(index));
                return true;
            }
            Step::Wait { ms } => now_ms + ms,
            Step::Idle => return false,
        };
        assert!(next > now_ms, "a wait of nothing");
        self.now_ms = self.link.next_ms().map_or(next, |arrives| arrives.min(next));
        true
    }

    /// Runs until the outbox has nothing to send, at most for so long.
    fn run(&mut self, receipts: &mut impl Receipts, most_ms: u64) {
        let until = self.now_ms + most_ms;
        while self.now_ms < until && self.turn(receipts) {}
    }

    fn pinned(&self) -> LogReceipts {
        self.log.receipts()
    }
}

fn bad(seed: u64) -> Faults {
    let mut random = Random::new(seed ^ 0xfa);
    let mut once_in = || [0, 2, 3, 5, 9][random.below(5) as usize];
    Faults {
        drop: once_in(),
        duplicate: once_in(),
        delay: once_in(),
        garble: once_in(),
        busy: once_in(),
    }
}

/// OUT-001: each statement arrives exactly once and in order, whatever the link does and however
/// often power goes.
#[test]
fn out_001_every_statement_arrives_once_in_order() {
    let (mut statements, mut requests, mut restarts) = (0, 0, 0);
    for seed in 0..150 {
        let mut world = World::new(seed, bad(seed));
        let mut receipts = world.pinned();
        for _ in 0..400 {
            match world.random.below(8) {
                0 | 1 => world.say(),
                2 if world.random.one_in(12) => {
                    world.restart();
                    restarts += 1;
                }
                _ => {
                    if !world.turn(&mut receipts) {
                        world.now_ms += 1000;
                    }
                }
            }
        }
        world.link.mend();
        world.run(&mut receipts, 30 * DAY_MS);
        assert_eq!(world.log.statements(), world.said, "seed {seed}");
        let covered = world.journal().covered();
        assert_eq!(covered.next as usize, world.said.len(), "seed {seed}");
        assert_eq!(world.forks, 0, "seed {seed}");
        statements += world.said.len();
        requests += world.link.requests;
    }
    assert!(statements > 5000 && restarts > 500, "{statements} statements, {restarts} restarts");
    assert!(requests < 20 * statements as u64, "{requests} requests for {statements}");
}

/// OUT-002, OUT-012: while nobody answers, or the log takes nothing, nothing is lost and nothing is
/// hot: the requests of a whole day are few.
#[test]
fn out_012_no_failure_makes_a_hot_loop() {
    let moods: [(&str, Faults, bool); 5] = [
        ("lost", Faults { drop: 1, ..Faults::default() }, false),
        ("busy", Faults { busy: 1, ..Faults::default() }, false),
        ("garbled", Faults { garble: 1, ..Faults::default() }, false),
        ("revoked", Faults::default(), true),
        ("all", Faults { drop: 2, busy: 2, garble: 2, ..Faults::default() }, true),
    ];
    for (name, faults, revoked) in moods {
        let mut world = World::new(9, faults);
        let mut receipts = world.pinned();
        (0..40).for_each(|_| world.say());
        world.log.revoked = revoked;
        let mut sent = 0;
        while world.now_ms < DAY_MS {
            let before = world.link.next_ms();
            world.turn(&mut receipts);
            sent += usize::from(world.link.next_ms() != before);
        }
        assert!(sent < 400, "{name}: {sent} moves on the link in a day");
        assert_eq!(world.journal().covered().next, 0, "{name}");
        world.log.revoked = false;
        world.link.mend();
        world.run(&mut receipts, DAY_MS);
        assert_eq!(world.log.statements(), world.said, "{name}");
        assert_eq!(world.journal().covered().next, 40, "{name}");
    }
}

/// OUT-011.
#[test]
fn out_011_a_log_that_asks_for_patience_gets_it() {
    let mut world = World::new(1, Faults::default());
    world.say();
    let mut out = [0; 1024];
    let journal = world.journal.as_mut().expect("there");
    let Ok(Step::Post { ticket, .. }) = world.outbox.poll(0, journal, &mut out) else { panic!() };
    let reply = Reply::Answer { status: 503, retry_after_s: Some(700), body: b"" };
    let told = world.outbox.answered(ticket, 5, &reply, journal, &mut Unchecked).expect("told");
    assert_eq!(told.trouble, Some(Trouble::Status(503)));
    let Ok(Step::Wait { ms }) = world.outbox.poll(5, journal, &mut out) else { panic!() };
    assert!((700_000..=1_050_000).contains(&ms), "{ms}");
}

/// OUT-020, OUT-021: what is not proven is not confirmed, by a checkpoint or receipt of another key
/// or of another statement.
#[test]
fn out_020_a_lying_answer_confirms_nothing() {
    let mut world = World::new(1, Faults::default());
    (0..3).for_each(|_| world.say());
    let mut receipts = world.pinned();
    let mut out = [0; 4096];
    let mut other = SimLog::new(SEED);
    other.entries.push(b"another entry".to_vec());
    // The log answers as if it had taken them, and has not.
    let mut liar = world.log.clone();
    let journal = world.journal.as_mut().expect("there");
    let Ok(Step::Post { ticket, len }) = world.outbox.poll(0, journal, &mut out) else { panic!() };
    let answer = liar.post(&out[..len]);
    let reply = Reply::Answer { status: 200, retry_after_s: None, body: &answer.body };
    world.outbox.answered(ticket, 0, &reply, journal, &mut receipts).expect("told");
    let Ok(Step::Fetch { ticket, index }) = world.outbox.poll(0, journal, &mut out) else {
        panic!("with a pinned log each is to be proven")
    };
    assert_eq!(index, 1);
    other.entries.push(b"and one more".to_vec());
    let wrong = other.receipt(index);
    let reply = Reply::Answer { status: 200, retry_after_s: None, body: &wrong.body };
    let told = world.outbox.answered(ticket, 0, &reply, journal, &mut receipts).expect("told");
    assert_eq!((told.covered, told.trouble), (None, Some(Trouble::Unproven)));
    assert_eq!(world.journal().covered().next, 0);
}

#[test]
fn out_021_what_was_proven_counts_when_a_later_receipt_fails() {
    let mut other = SimLog::new(SEED);
    other.entries.extend([b"another entry".to_vec(), b"and one more".to_vec()]);
    let failures =
        [(Answer::status(503, None), Trouble::Status(503)), (other.receipt(1), Trouble::Unproven)];
    for (failure, trouble) in failures {
        assert_eq!(fails_at_the_fourth(&failure), (3, Some(trouble)));
    }
}

/// OUT-023, OUT-020: of every bit of a receipt, altered on the way, none gets a tree noted that the
/// log did not sign.
#[test]
fn out_023_an_altered_receipt_gets_no_other_tree_noted() {
    let mut believed = 0;
    let mut bit = 0;
    loop {
        let mut world = World::new(1, Faults::default());
        (0..3).for_each(|_| world.say());
        world.log.entries.push(b"of another device".to_vec());
        let mut receipts = world.pinned();
        let mut out = [0; 4096];
        let (journal, log) = (world.journal.as_mut().expect("there"), &mut world.log);
        let covered = loop {
            let (ticket, mut answer) = match world.outbox.poll(0, journal, &mut out) {
                Ok(Step::Post { ticket, len }) => (ticket, log.post(&out[..len])),
                Ok(Step::Fetch { ticket, index }) => (ticket, log.receipt(index)),
                _ => break journal.covered(),
            };
            let is_receipt = answer.body.starts_with(&[0xd2]);
            if is_receipt && bit >= answer.body.len() * 8 {
                assert!(believed < 10, "{believed} altered receipts of {bit} are believed");
                return;
            }
            if is_receipt {
                answer.body[bit / 8] ^= 1 << (bit % 8);
            }
            let Answer { status, retry_after_s, ref body } = answer;
            let reply = Reply::Answer { status, retry_after_s, body };
            let told = world.outbox.answered(ticket, 0, &reply, journal, &mut receipts);
            told.expect("flash is good");
        };
        if covered.next > 0 {
            believed += 1;
            assert_eq!(covered.size, 5, "bit {bit}");
        }
        bit += 1;
    }
}

/// Answers a batch and three receipts, then `failure`: what the journal notes, and the trouble.
fn fails_at_the_fourth(failure: &Answer) -> (u64, Option<Trouble>) {
    let mut world = World::new(1, Faults::default());
    (0..5).for_each(|_| world.say());
    let mut receipts = world.pinned();
    let mut out = [0; 4096];
    let (journal, log) = (world.journal.as_mut().expect("there"), &mut world.log);
    let mut fetched = 0;
    loop {
        let (ticket, answer) = match world.outbox.poll(0, journal, &mut out).expect("good") {
            Step::Post { ticket, len } => (ticket, log.post(&out[..len])),
            Step::Fetch { ticket, index } if fetched < 3 => {
                fetched += 1;
                (ticket, log.receipt(index))
            }
            Step::Fetch { ticket, .. } => (ticket, failure.clone()),
            other => panic!("{other:?}"),
        };
        let Answer { status, retry_after_s, ref body } = answer;
        let reply = Reply::Answer { status, retry_after_s, body };
        let told = world.outbox.answered(ticket, 0, &reply, journal, &mut receipts).expect("told");
        if let Told { covered: Some(covered), trouble, .. } = told {
            return (covered.next, trouble);
        }
    }
}

/// OUT-031: a device that cannot check signatures compares sizes and roots all the same.
#[test]
fn out_031_a_smaller_tree_and_another_root_confirm_nothing() {
    let mut world = World::new(1, Faults::default());
    (0..3).for_each(|_| world.say());
    world.log.entries.extend((0..5).map(|_| b"of another device".to_vec()));
    world.run(&mut Unchecked, DAY_MS);
    assert_eq!(world.journal().covered().next, 3);
    world.say();
    // A tree without the others' entries; and one that is as large with the fourth statement.
    let mut smaller = world.log.clone();
    smaller.entries.drain(1..6);
    let mut split = world.log.clone();
    split.entries.remove(1);
    for (log, expected) in [(smaller, "WentBack"), (split, "SplitView")] {
        world.log = log;
        world.troubles.clear();
        world.outbox.hurry();
        for _ in 0..12 {
            world.turn(&mut Unchecked);
        }
        let told = format!("{:?}", world.troubles);
        assert!(told.contains(expected), "{expected}: {told}");
        assert_eq!(world.journal().covered().next, 3, "{expected}");
    }
}

/// OUT-003: an answer that belongs to an earlier request changes nothing.
#[test]
fn out_003_a_stale_answer_changes_nothing() {
    let mut world = World::new(1, Faults::default());
    world.say();
    let mut out = [0; 1024];
    let (journal, log) = (world.journal.as_mut().expect("there"), &mut world.log);
    let Ok(Step::Post { ticket, len }) = world.outbox.poll(0, journal, &mut out) else { panic!() };
    let answer = log.post(&out[..len]);
    let reply = Reply::Answer { status: 200, retry_after_s: None, body: &answer.body };
    for stale in [ticket.wrapping_sub(1), ticket + 1] {
        let told = world.outbox.answered(stale, 0, &reply, journal, &mut Unchecked).expect("told");
        assert_eq!(told, Told::default());
    }
    // Without a receipt to wait for, the answer itself confirms.
    let told = world.outbox.answered(ticket, 0, &reply, journal, &mut Unchecked).expect("told");
    assert_eq!(told.covered.map(|covered| covered.next), Some(1));
    let told = world.outbox.answered(ticket, 0, &reply, journal, &mut Unchecked).expect("told");
    assert_eq!(told, Told::default(), "twice");
}

/// OUT-030, OUT-031: a restored log is told of, nothing is confirmed on its word, and it gets what
/// it forgot.
#[test]
fn out_030_a_log_that_went_back_is_told_and_gets_what_it_forgot() {
    let mut world = World::new(1, Faults::default());
    let mut receipts = world.pinned();
    for _ in 0..20 {
        world.say();
    }
    world.run(&mut receipts, DAY_MS);
    assert_eq!(world.journal().covered().next, 20);
    world.log.restore(12);
    world.say();
    for _ in 0..100_000 {
        if world.log.statements().len() >= 21 {
            break;
        }
        world.turn(&mut receipts);
        // As many entries as were proven; the next one may count again.
        assert!(world.log.entries.len() > 21 || world.journal().covered().next == 20);
    }
    assert_eq!(world.log.statements(), world.said, "what it forgot is there again");
    let back = world.troubles.iter().find_map(|trouble| match trouble {
        Trouble::WentBack { proven, has, .. } => Some((*proven, *has)),
        _ => None,
    });
    assert_eq!(back, Some((20, Some(11))), "{:?}", world.troubles);
}

/// OUT-032: two boards with one key and one past. The log keeps both histories, both are told.
#[test]
fn out_032_a_copied_device_is_told_of_the_fork() {
    let mut world = World::new(1, Faults::default());
    let mut receipts = world.pinned();
    (0..4).for_each(|_| world.say());
    world.run(&mut receipts, DAY_MS);
    let image = world.journal().flash().image().to_vec();
    (0..3).for_each(|_| world.say());
    world.run(&mut receipts, DAY_MS);
    assert_eq!((world.forks, world.log.statements().len()), (0, 7));
    // The copy goes on from the fourth statement.
    world.journal = Some(SimJournal::open(SimFlash::from_image(image, 1024, 8, 1)).expect("o").0);
    world.outbox = Outbox::new(Settings::default(), Random::new(5));
    world.now_ms += 77;
    world.say();
    world.run(&mut receipts, DAY_MS);
    assert_eq!(world.forks, 1);
    let copied = world.said.last().expect("said");
    assert_eq!(world.log.statements().last(), Some(copied), "the evidence is kept");
    assert_eq!(world.journal().covered().next, 5);
}

/// OUT-033: a statement that damage took is named, and nothing behind it is thrown away.
#[test]
fn out_033_a_hole_is_named() {
    let mut world = World::new(1, Faults::default());
    (0..6).for_each(|_| world.say());
    let needle = world.said[2].clone();
    let mut image = world.journal().flash().image().to_vec();
    let at = image.windows(needle.len()).position(|window| window == needle).expect("in flash");
    image[at + 40] ^= 1;
    let (journal, report) = Journal::open(SimFlash::from_image(image, 1024, 8, 1)).expect("opens");
    assert!(report.losses() > 0);
    world.journal = Some(journal);
    let mut receipts = world.pinned();
    world.run(&mut receipts, DAY_MS);
    assert_eq!(world.outbox.trouble(), Some(Trouble::Missing { seq: 2 }));
    assert_eq!(world.log.statements(), &world.said[..2]);
    assert_eq!(world.journal().covered().next, 2);
}

/// OUT-034: the log has what damage took, and the device has gone on from its head: everything
/// behind that arrives, though no receipt for what is lost was ever asked for.
#[test]
fn out_034_what_the_log_has_need_not_be_readable() {
    for covered in 0..4 {
        let mut world = World::new(1, Faults::default());
        (0..4).for_each(|_| world.say());
        let known = Covered { next: covered, size: covered + 1, root: [1; 32] };
        world.journal().cover(known).expect("covers");
        world.log.post(&world.said.concat());
        // The newest page is lost, and with it all that it held.
        let mut image = world.journal().flash().image().to_vec();
        let header = |page: &[u8]| page.starts_with(b"FLp2");
        let newest = image.chunks_exact_mut(1024).filter(|page| header(page)).last();
        newest.expect("a page").fill(0xff);
        let flash = SimFlash::from_image(image, 1024, 8, 1);
        let (mut journal, report) = Journal::open(flash).expect("opens");
        assert!(report.losses() > 0);
        let hash = entry_hash(&world.said[3]);
        journal.resume(&ChainHead { seq: Some(3), hash }).expect("goes on");
        world.journal = Some(journal);
        world.say();
        let mut receipts = Unchecked;
        world.run(&mut receipts, DAY_MS);
        assert_eq!(world.outbox.trouble(), None, "covered {covered}");
        assert_eq!(world.log.statements(), &world.said, "covered {covered}");
        assert_eq!(world.journal().covered().next, 5, "covered {covered}");
    }
}

/// OUT-022: a batch that is too large for the log, or has one bad item, is sent in smaller parts.
#[test]
fn out_022_a_batch_refused_whole_is_sent_in_parts() {
    let mut world = World::new(1, Faults::default());
    (0..10).for_each(|_| world.say());
    let mut out = [0; 8192];
    let (mut now_ms, mut sizes) = (0, Vec::new());
    let journal = world.journal.as_mut().expect("there");
    while sizes.last() != Some(&1) {
        match world.outbox.poll(now_ms, journal, &mut out).expect("flash is good") {
            Step::Post { ticket, len } => {
                sizes.push(len / world.said[0].len());
                let reply = Reply::Answer { status: 413, retry_after_s: None, body: b"" };
                let told = world.outbox.answered(ticket, now_ms, &reply, journal, &mut Unchecked);
                told.expect("told");
            }
            Step::Wait { ms } => now_ms += ms,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(sizes, [10, 5, 2, 1]);
    assert_eq!(entry_hash(&world.said[9]), world.journal().next().expect("known").1);
}
