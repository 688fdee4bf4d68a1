//! The witnessed checkpoint that a server reads back when it starts, and the answers of witnesses
//! from which it was made: what counts is signed by the log and cosigned by the quorum, whatever
//! stands beside, before or after.

#![no_main]
#![expect(dead_code, reason = "the server's module is borrowed whole")]

#[path = "../../crates/server/src/witnessed.rs"]
mod witnessed;

use std::path::PathBuf;
use std::sync::LazyLock;

use firmlog_keys::{AwsLc, FileKey, NoteKey};
use firmlog_log::witness;
use firmlog_tlog::checkpoint::{Checkpoint, Unverified};
use firmlog_tlog::cosignature::{cosign, verify};
use firmlog_tlog::merkle::{Hash, TreeHead, TreeSize};
use firmlog_tlog::note::{Algorithm, Note, NoteSigner as _, sign_note};
use firmlog_tlog::policy::Policy;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use witnessed::recall;

const ORIGIN: &str = "log.example/test";

#[derive(Arbitrary, Debug)]
enum Part<'a> {
    Body,
    /// A tree of another size.
    OtherBody,
    /// Signature lines: the log's, two witnesses', a stranger's; `other` of the other body.
    Line {
        of: u8,
        other: bool,
    },
    Raw(&'a str),
}

struct World {
    dir: PathBuf,
    log: NoteKey<FileKey>,
    policy: Policy,
    bodies: [String; 2],
    /// Of each body, in the order that [`Part::Line`] tells.
    lines: [Vec<String>; 2],
}

static WORLD: LazyLock<World> = LazyLock::new(World::new);

fuzz_target!(|parts: Vec<Part>| {
    let world = &*WORLD;
    let text: String = parts.iter().map(|part| world.text(part)).collect();
    let recalled = world.recall(&text);
    if let Some(it) = &recalled {
        assert!(text.starts_with(it.checkpoint.lines().next().unwrap_or_default()));
        let checkpoint = Unverified::parse(it.checkpoint.as_bytes()).expect("it is one");
        let verified = checkpoint.verify(&AwsLc, world.log.verifier_key());
        assert_eq!(verified.map(|it| it.head()), Ok(it.head));
        let note = Note::parse(it.checkpoint.as_bytes()).expect("it is one");
        let of = |key| verify(&AwsLc, &note, key).is_ok();
        assert!(world.policy.witnesses().iter().all(|it| of(&it.key)), "{:?}", it.names);
        assert_eq!(it.names, ["first", "second"]);
        let again = world.recall(&it.checkpoint).expect("what counts counts again");
        assert_eq!((&again.checkpoint, again.head), (&it.checkpoint, it.head));
    }
    // Each witness's answer alone, as they come in: the same counts as all in one file.
    let own = format!("{}\n{}", world.bodies[0], world.lines[0][0]);
    let answers: Vec<String> = parts.iter().map(|part| world.text(part)).collect();
    let cosigned = witness::witnessed(&own, &answers, &world.policy, &AwsLc);
    let cosigned_by = |of: u8| {
        let is_line =
            |part: &Part| matches!(part, Part::Line { of: n, other: false } if n % 4 == of);
        parts.iter().any(is_line)
    };
    for (name, of) in [("first", 1), ("second", 2)] {
        let counts = cosigned.witnesses.iter().any(|it| it == name);
        assert!(counts || !cosigned_by(of), "a cosignature of {name} was lost");
    }
    assert_eq!(cosigned.satisfied, cosigned.witnesses.len() == 2);
    Note::parse(cosigned.checkpoint.as_bytes()).expect("only sound lines are added");
});

impl World {
    fn new() -> Self {
        let key = |seed: u8, name: &str, algorithm| {
            let key = FileKey::from_ed25519_seed(&[seed; 32]).expect("any seed does");
            key.note_signer(name, algorithm).expect("the name is sound")
        };
        let log = key(1, ORIGIN, Algorithm::Ed25519);
        let names = ["witness.example/1", "witness.example/2", "stranger.example"];
        let witnesses: Vec<NoteKey<FileKey>> = (2..)
            .zip(names)
            .map(|(seed, name)| key(seed, name, Algorithm::CosignatureV1))
            .collect();
        let policy = format!(
            "log {}\nwitness first {}\nwitness second {}\ngroup both all first second\nquorum both\n",
            log.verifier_key(),
            witnesses[0].verifier_key(),
            witnesses[1].verifier_key()
        );
        let policy = Policy::parse(policy.as_bytes()).expect("it is a policy");
        let body = |size| {
            let head = TreeHead { size: TreeSize(size), root: Hash([7; 32]) };
            Checkpoint::new(ORIGIN, head).encode()
        };
        let bodies = [body(5), body(6)];
        let lines = bodies.each_ref().map(|body| {
            let signed = sign_note(body, &[&log]).expect("the key signs");
            let own = signed.split_once("\n\n").expect("a note").1.to_owned();
            let theirs = witnesses.iter().map(|it| cosign(body, 1000, it).expect("it signs"));
            std::iter::once(own).chain(theirs).collect()
        });
        let dir = std::env::temp_dir().join(format!("firmlog-witnessed-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a temporary folder can be made");
        Self { dir, log, policy, bodies, lines }
    }

    fn text(&self, part: &Part) -> String {
        match part {
            Part::Body => format!("{}\n", self.bodies[0]),
            Part::OtherBody => format!("{}\n", self.bodies[1]),
            Part::Line { of, other } => {
                self.lines[usize::from(*other)][usize::from(of % 4)].clone()
            }
            Part::Raw(text) => (*text).to_owned(),
        }
    }

    fn recall(&self, text: &str) -> Option<witnessed::Witnessed> {
        std::fs::write(self.dir.join("witnessed"), text).expect("it can be written");
        recall(&self.dir, self.log.verifier_key(), &self.policy)
    }
}
