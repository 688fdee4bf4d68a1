//! Steps in a release's life: J2, J3, J4, J7, J21, J22.

use firmlog_statement::Meaning;
use firmlog_statement::event::EventType;

use crate::case::{Case, OUT_OF_SCOPE, digest, hex_of, judging, stepping};
use crate::device::Pump;
use crate::people::{ADMIN, BUILD, QUALITY, SAFETY, ZETA, ZETA_QUALITY, opinion, policy};
use crate::says::{BYTES_RECALLED, MAY_BE_USED, RECALLED, REJECTED, SUSPENDED, Says};

const ENDED: Says<'_> =
    Says { standing: "ended", banner: "ENDED by entry ", headline: "ENDED by entry ", ..RECALLED };

/// J2: a withdrawn release says so first, whoever withdrew it. An operator can only hide that.
#[test]
fn j02_a_withdrawn_release_says_so_first() {
    let case = Case::new(1);
    let pump = Pump::new(&case);
    let rows =
        [("recalled", BUILD, RECALLED), ("suspended", ADMIN, SUSPENDED), ("eos", BUILD, ENDED)];
    for (n, (step, who, says)) in (2..).zip(rows) {
        let release = case.approved(n, &format!("4.2.{n}"));
        case.everywhere(&pump, &release, &MAY_BE_USED);
        let withdrawn = case.step(&release, step, who);
        case.everywhere(&pump, &release, &says);
        case.is_hidden_without(&pump, &release, &withdrawn, 8);
    }
    let list = case.get("/releases");
    for standing in ["recalled", "suspended", "ended"] {
        assert!(list.contains(&format!("{standing}, not to be used")), "{list}");
    }
}

/// J3: a recall and an end are final, for the log's rules and for every reader.
#[test]
fn j03_nothing_brings_a_recalled_release_back() {
    let mut case = Case::new(1);
    let pump = Pump::new(&case);
    let rows = [("recalled", RECALLED), ("eos", ENDED)];
    let releases = rows.map(|(step, says)| {
        let n = step.len() as u8;
        let release = case.approved(n, &format!("4.2.{n}"));
        case.step(&release, step, BUILD);
        let again = stepping(&release, "published", BUILD);
        case.refuses_command(&again, "the release was recalled or ended, and that is final");
        case.everywhere(&pump, &release, &says);
        (release, says)
    });
    case.lie();
    for (release, says) in releases {
        case.step(&release, "published", BUILD);
        case.everywhere(&pump, &release, &says.of_a_liar(&["against_rules", "withdrawn"]));
    }
}

/// J3: a recall that names a step or a signature instead of the release. An honest log refuses it;
/// of one that takes it nobody hears less, and everybody is told of the log.
#[test]
fn j03_what_forbids_counts_whatever_it_names() {
    let mut case = Case::new(1);
    let pump = Pump::new(&case);
    let names = "what it names is a step in the life of a release: name the release";
    let recalled = [2, 3, 4].map(|n| {
        let release = case.begin("propose", n, &format!("4.2.{n}"), BUILD, &[]);
        let published = case.step(&release, "published", BUILD);
        let approval = case.judge(&release, "approval", QUALITY);
        case.everywhere(&pump, &release, &MAY_BE_USED);
        let (named, why) = match n {
            2 => (published, names),
            _ => (approval, "the log has no such release"),
        };
        let (named, event) = (digest(&named), EventType::ReleaseRecalled);
        let word = match n {
            4 => opinion(case.dir(), SAFETY, named, Meaning::Rejection, None, 0),
            _ => case.step_naming(&release, named, event, BUILD),
        };
        case.refuses(&word, why);
        (release, word, if n == 4 { REJECTED } else { RECALLED })
    });
    case.lie();
    for (_, word, _) in &recalled {
        case.say(word);
    }
    for (release, word, says) in recalled {
        let found = ["against_rules", says.findings[0]];
        case.everywhere(&pump, &release, &says.of_a_liar(&found));
        case.is_hidden_without(&pump, &release, &hex_of(&word), says.device);
    }
}

/// J4: steps belong to the release's issuer, and an administrator never publishes.
#[test]
fn j04_another_ones_word_moves_nothing() {
    let mut case = Case::new(1);
    let pump = Pump::new(&case);
    let [recalled, stands] = [2, 3].map(|n| case.approved(n, &format!("4.2.{n}")));
    case.step(&recalled, "recalled", BUILD);
    let foreign = "the release is another issuer's, and its steps belong to that one";
    let lift = stepping(&recalled, "published", ZETA);
    case.refuses_command(&lift, foreign);
    let block = stepping(&stands, "recalled", ZETA);
    case.refuses_command(&block, foreign);
    case.everywhere(&pump, &recalled, &RECALLED);
    case.everywhere(&pump, &stands, &MAY_BE_USED);
    case.lie();
    for args in [&lift, &block] {
        case.world.done(args);
    }
    case.everywhere(&pump, &recalled, &RECALLED.of_a_liar(&["against_rules", "withdrawn"]));
    case.everywhere(&pump, &stands, &MAY_BE_USED.of_a_liar(&["against_rules"]));
}

/// J4: what no role may say at all is no statement that a log may hold: the evidence is ALTERED,
/// and the answer no better.
#[test]
fn j04_an_administrator_that_publishes_is_no_evidence() {
    let mut case = Case::new(1);
    let pump = Pump::new(&case);
    let release = case.approved(2, "4.2.2");
    case.step(&release, "suspended", BUILD);
    let publish = stepping(&release, "published", ADMIN);
    case.refuses_command(&publish, "the key's role may not sign this kind of statement");
    case.everywhere(&pump, &release, &SUSPENDED);
    case.lie();
    case.world.done(&publish);
    case.everywhere(&pump, &release, &SUSPENDED.altered(&["against_rules", "withdrawn"]));
}

/// J7: bytes that stand in the log count where they stand first. An honest log answers with that
/// place; of one that appends them again, every reader and `fsck` say so.
#[test]
fn j07_bytes_appended_again_are_no_new_word() {
    let mut case = Case::new(1);
    let pump = Pump::new(&case);
    let release = case.approved(2, "4.2.2");
    let low = case.sign(ADMIN, policy(0));
    case.say(&low);
    case.say(&case.sign(ADMIN, policy(1)));
    case.step(&release, "suspended", BUILD);
    let lift = [&stepping(&release, "published", BUILD)[..], &["--out", "lift.cose"]].concat();
    case.world.done(&lift);
    case.step(&release, "suspended", BUILD);
    let lift = std::fs::read(case.dir().join("lift.cose")).expect("kept");
    let size = case.size();
    for again in [&low, &lift] {
        // The place where they stand, and nothing more.
        let (status, _) = case.post(again);
        assert!([200, 201].contains(&status) && case.size() == size, "{status}");
    }
    case.everywhere(&pump, &release, &SUSPENDED);
    case.append_again(&[&low, &lift]);
    assert_eq!(case.size(), size + 2);
    let twice = Says { device: 1, ..SUSPENDED };
    case.everywhere(&pump, &release, &twice.of_a_liar(&["duplicate_entry", "withdrawn"]));
    let told = case.world.at_log(&["release", "show", &release.leaf]).1;
    assert_eq!(told["releases"][0]["approvals_required"], 1, "the old policy lowers nothing");
    case.world.stop();
    case.fsck_finds("once more at");
}

/// J21: a recall forbids the same bytes under another name, until a second person approves a
/// release that answers it.
#[test]
fn j21_recalled_bytes_come_back_by_a_second_person_only() {
    let mut case = Case::new(1);
    let pump = Pump::new(&case);
    let recalled = case.approved(2, "4.2.2");
    case.step(&recalled, "recalled", BUILD);
    let again = case.publish(2, "4.2.2", BUILD, &["--change-request", "CR-2"]);
    case.judge(&again, "approval", QUALITY);
    case.of_release(&again, &BYTES_RECALLED);
    // Of the file, its recalled release is told as well.
    let says = Says { findings: &["bytes_recalled", "withdrawn"], ..BYTES_RECALLED };
    case.of_file(&pump, &again, &says);
    let names = ["--supersedes", &recalled.leaf, "--change-request", "CR-3"];
    let answer = case.publish(2, "4.2.2", BUILD, &names);
    // The operator has somebody approve it who may not.
    let approve = judging(&answer, "approval", ZETA_QUALITY);
    case.refuses_command(&approve, OUT_OF_SCOPE);
    case.lie();
    case.world.done(&approve);
    let alone = ["against_rules", "approvals_missing", "bytes_recalled"];
    case.of_release(&answer, &BYTES_RECALLED.of_a_liar(&alone));
    let alone = ["against_rules", "approvals_missing", "bytes_recalled", "withdrawn"];
    case.of_file(&pump, &answer, &BYTES_RECALLED.of_a_liar(&alone));
    // A second person, who may, brings the bytes back.
    case.judge(&answer, "approval", QUALITY);
    case.of_release(&answer, &MAY_BE_USED.of_a_liar(&["against_rules"]));
    case.of_file(&pump, &answer, &MAY_BE_USED.of_a_liar(&["against_rules", "withdrawn"]));
}

/// J22: a device that saw a suspension installs again once a later step lifts it, and not because
/// somebody says so who may not, nor by older evidence.
#[test]
fn j22_a_suspension_that_was_lifted_is_lifted_for_who_saw_it() {
    let mut case = Case::new(1);
    let pump = Pump::new(&case);
    let release = case.approved(2, "4.2.2");
    let bundle = |case: &Case, out: &str| {
        case.world.at_log(&["bundle", "release", &release.leaf, "--out", out]);
    };
    bundle(&case, "published.fwb");
    case.step(&release, "suspended", BUILD);
    bundle(&case, "suspended.fwb");
    let decide = |case: &Case, bundle: &str| pump.decide_knowing(case, &release.file, bundle);
    assert_eq!(decide(&case, "published.fwb"), 0);
    assert_eq!(decide(&case, "suspended.fwb"), 8);
    assert_eq!(decide(&case, "published.fwb"), 8, "it remembers");
    case.everywhere(&Pump::running(&case, "other", ("4.2.0", 40_200)), &release, &SUSPENDED);
    case.lie();
    case.world.done(&stepping(&release, "published", ZETA));
    bundle(&case, "foreign.fwb");
    assert_eq!(decide(&case, "foreign.fwb"), 8, "another manufacturer lifts nothing");
    case.step(&release, "published", BUILD);
    bundle(&case, "lifted.fwb");
    assert_eq!(decide(&case, "lifted.fwb"), 0);
    assert_eq!(decide(&case, "suspended.fwb"), 14, "older than what it took");
    case.of_release(&release, &MAY_BE_USED.of_a_liar(&["against_rules"]));
}
