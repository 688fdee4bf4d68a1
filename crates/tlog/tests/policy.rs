//! Policies: quorums against their definition, for every set of cosigners.

mod dalek;

use dalek::SeedSigner;
use firmlog_tlog::note::{Algorithm, NoteSigner as _, VerifierKey};
use firmlog_tlog::policy::{Member, Policy, PolicyError, Quorum};

#[test]
fn the_file_is_read_as_written() {
    let text = file("group pair all w0 w1\ngroup both any pair w2\nquorum both\n");
    let policy = Policy::parse(text.as_bytes()).unwrap();
    assert_eq!(policy.logs().len(), 1);
    assert_eq!(policy.witnesses().len(), 6);
    assert_eq!(policy.witnesses()[3].key, *witness(3).verifier_key());
    assert_eq!(policy.groups()[0].threshold, 2);
    assert_eq!(policy.groups()[0].members, [Member::Witness(0), Member::Witness(1)]);
    assert_eq!(policy.groups()[1].members, [Member::Group(0), Member::Witness(2)]);
    assert_eq!(policy.groups()[1].threshold, 1);
    assert_eq!(policy.quorum(), Quorum::Member(Member::Group(1)));
    // Thresholds are written as numbers: `any` and `all` are only other words for them.
    let numbers = text.replace(" all ", " 2 ").replace(" any ", " 1 ");
    assert_eq!(policy.encode(), numbers);
}

#[test]
fn order_of_lines_does_not_matter_where_nothing_is_used_before() {
    let key = |n| witness(n).verifier_key().to_string();
    let mixed = format!(
        "quorum none\nwitness b {}\ngroup g 1 b\n# between\nlog {}\nwitness a {}\n",
        key(1),
        log().verifier_key(),
        key(0),
    );
    let policy = Policy::parse(mixed.as_bytes()).unwrap();
    assert_eq!(policy.quorum(), Quorum::None);
    assert_eq!(Policy::parse(policy.encode().as_bytes()), Ok(policy));
}

/// Every threshold of one group, every set of cosigners: reached from the threshold on.
#[test]
fn every_threshold_and_every_set() {
    for threshold in 1..=6u32 {
        let policy = parse(&format!("group g {threshold} w0 w1 w2 w3 w4 w5\nquorum g\n"));
        for set in 0..64u32 {
            assert_eq!(satisfied(&policy, set), set.count_ones() >= threshold, "{set:06b}");
        }
    }
}

/// A nested quorum against the same rule written as an expression.
#[test]
fn every_set_of_a_nested_quorum() {
    let policy = parse(
        "group hospitals 2 w0 w1 w2\ngroup regulators any w3 w4\n\
         group ordinary all hospitals regulators\ngroup top any ordinary w5\nquorum top\n",
    );
    for set in 0..64u32 {
        let hospitals = (set & 0b111).count_ones() >= 2;
        let regulators = set & 0b11000 != 0;
        let expected = (hospitals && regulators) || set & 0b10_0000 != 0;
        assert_eq!(satisfied(&policy, set), expected, "{set:06b}");
    }
}

/// More cosigners never undo a quorum.
#[test]
fn quorums_are_monotone() {
    let policy = parse("group a 2 w0 w1 w2\ngroup b 2 a w3 w4\nquorum b\n");
    for set in 0..64u32 {
        for more in 0..6 {
            let grown = satisfied(&policy, set | 1 << more);
            assert!(!satisfied(&policy, set) || grown, "{set:06b} and w{more}");
        }
    }
}

#[test]
fn nobody_is_needed_for_none_and_strangers_do_not_count() {
    assert!(satisfied(&parse("quorum none\n"), 0));
    let policy = parse("quorum w0\n");
    let stranger = SeedSigner::new("stranger.example", Algorithm::CosignatureV1, [99; 32]);
    assert!(!policy.satisfied(&|key| key == stranger.verifier_key()));
}

#[test]
fn at_least_thirty_two_of_each() {
    let mut text = String::new();
    for n in 0..64u8 {
        let log = SeedSigner::new(&format!("log.example/{n}"), Algorithm::Ed25519, [n; 32]);
        text +=
            &format!("log {}\nwitness w{n} {}\n", log.verifier_key(), witness(n).verifier_key());
        text += &format!("group g{n} any w{n}\n");
    }
    let groups: String = (0..64).map(|n| format!(" g{n}")).collect();
    text += &format!("group every all{groups}\nquorum every\n");
    let policy = Policy::parse(text.as_bytes()).unwrap();
    assert_eq!((policy.logs().len(), policy.groups().len()), (64, 65));
    assert!(policy.satisfied(&|_| true));
    let last = *witness(63).verifier_key();
    assert!(!policy.satisfied(&|key| *key != last));
}

#[test]
fn a_quorum_nobody_can_reach_cannot_be_written() {
    for line in ["group g 7 w0 w1 w2 w3 w4 w5\n", "group g 0 w0\n"] {
        let refused = Policy::parse(file(line).as_bytes());
        assert_eq!(refused, Err(PolicyError::ThresholdMalformed), "{line}");
    }
}

fn parse(rest: &str) -> Policy {
    Policy::parse(file(rest).as_bytes()).unwrap()
}

/// A log, six witnesses, and then these lines.
fn file(rest: &str) -> String {
    let witnesses: String =
        (0..6).map(|n| format!("witness w{n} {}\n", witness(n).verifier_key())).collect();
    format!("log {}\n{witnesses}{rest}", log().verifier_key())
}

/// Whether the witnesses whose bits are set reach the quorum.
fn satisfied(policy: &Policy, set: u32) -> bool {
    let position =
        |key: &VerifierKey| policy.witnesses().iter().position(|w| w.key == *key).unwrap();
    policy.satisfied(&|key| set >> position(key) & 1 == 1)
}

fn log() -> SeedSigner {
    SeedSigner::new("log.example.org/pumps", Algorithm::Ed25519, [1; 32])
}

fn witness(n: u8) -> SeedSigner {
    SeedSigner::new(&format!("witness.example/w{n}"), Algorithm::CosignatureV1, [100 + n; 32])
}
