//! What is not in the evidence, or is in it many times: J1, J6, J8, J12, J13, J14.

use firmlog_statement::{Meaning, Role};

use crate::case::{Case, eventually, text};
use crate::device::Pump;
use crate::people::{ADMIN, ADMIN_2, BUILD, QUALITY, SAFETY, id, opinion, policy};
use crate::proxy;
use crate::says::{MAY_BE_USED, NOT_APPROVED, REJECTED, Says};
use crate::world::{World, run};

/// J1: approvals that are asked for later count for every release. Who hands over a bundle, or
/// answers for the log, can leave the policy out: nobody says `verified` of that, and who reads
/// every entry finds it.
#[test]
fn j01_approvals_raised_later_are_asked_for() {
    const NONE_OF_TWO: Says<'_> = Says {
        banner: "NOT APPROVED YET: 0 of 2",
        headline: "NOT APPROVED YET: 0 of 2",
        ..NOT_APPROVED
    };
    let mut case = Case::new(0);
    let pump = Pump::new(&case);
    let release = case.publish(2, "4.2.2", BUILD, &[]);
    case.everywhere(&pump, &release, &MAY_BE_USED);
    std::fs::copy(case.dir().join("release.fwb"), case.dir().join("before.fwb")).expect("copies");
    let raised = case.say(&case.sign(ADMIN, policy(2)));
    case.everywhere(&pump, &release, &NONE_OF_TWO);
    case.leave_out("file.fwb", &[&raised], "part.fwb");
    for part in ["before.fwb", "part.fwb"] {
        case.check_offline(&["verify", &release.file, "--bundle", part], &MAY_BE_USED);
        assert_eq!(pump.decide(&case, &release.file, part), 0);
    }
    let before = std::fs::read(case.dir().join("before.fwb")).expect("reads");
    let liar =
        proxy::altered(&case.world.url, move |path, found| match path.ends_with("/bundle") {
            true => (200, before.clone()),
            false => found,
        });
    let log = ["--log", &liar, "--trust", "log/log.trust"];
    let show = [&["release", "show", &release.leaf][..], &log].concat();
    let (code, told) = run(case.dir(), &show);
    assert_eq!((code, text(&told, "searched")), (3, "by the log"), "{told}");
    let (code, told) = run(case.dir(), &[&show[..], &["--scan"]].concat());
    assert_eq!((code, text(&told, "headline")), (3, "NOT APPROVED YET: 0 of 2 approvals"));
    // Nobody but an administrator lowers them.
    let lower = case.sign(BUILD, policy(0));
    case.refuses(&lower, "the key's role may not sign this kind of statement");
    case.lie();
    case.say(&lower);
    let told = ["against_rules", "approvals_missing"];
    case.everywhere(&pump, &release, &NONE_OF_TWO.altered(&told));
}

/// J6: where a bundle holds what others say of a release, and not the release, it is not found.
#[test]
fn j06_a_release_that_is_not_there_is_not_found() {
    let case = Case::new(1);
    let pump = Pump::new(&case);
    let release = case.approved(2, "4.2.2");
    case.judge(&release, "rejection", SAFETY);
    // A later step has the file and its version, and is no release of it.
    case.step(&release, "published", BUILD);
    case.everywhere(&pump, &release, &REJECTED);
    case.leave_out("file.fwb", &[&release.leaf], "part.fwb");
    case.is_absent_offline(&["verify", "part.fwb", "--release", &release.leaf]);
    case.is_absent_offline(&["identify", &release.file, "--bundle", "part.fwb"]);
    assert_eq!(pump.decide(&case, &release.file, "part.fwb"), 3);
    // The log itself never heard of it.
    let nobody = "00".repeat(32);
    let (code, told) = case.world.at_log(&["release", "show", &nobody]);
    assert_eq!((code, text(&told, "verdict"), &told["usable"]), (3, "not found", &false.into()));
    for path in [format!("/api/v1/releases/{nobody}"), format!("/api/v1/releases/{nobody}/bundle")]
    {
        assert_eq!(case.status(&path), 404, "{path}");
    }
}

/// J8: an administrator that leaves spoils no bundle, whatever is left out of it.
#[test]
fn j08_an_admin_that_leaves_spoils_no_bundle() {
    let mut case = Case::new(1);
    let pump = Pump::new(&case);
    let release = case.approved(2, "4.2.2");
    let second = case.enrol(ADMIN, ADMIN_2, Role::Admin, None);
    case.revoke(ADMIN, ADMIN, "retired", &[]);
    case.everywhere(&pump, &release, &MAY_BE_USED);
    case.leave_out("file.fwb", &[&second], "part.fwb");
    let verify = ["verify", &release.file, "--bundle", "part.fwb"];
    let told = case.check_offline(&verify, &MAY_BE_USED);
    assert_eq!(told["misbehaviour"], false, "{told}");
    assert_eq!(pump.decide(&case, &release.file, "part.fwb"), 0);
    // The last one stays. An operator that lets it go is found by who has every entry.
    let kid = id(case.dir(), ADMIN_2);
    let by = ["--key", ADMIN_2.0, "--as", ADMIN_2.1];
    let leave = [&["trust", "revoke", &kid, "--reason", "retired"][..], &by].concat();
    case.refuses_command(&leave, "the last admin key cannot be revoked");
    case.lie();
    case.world.done(&leave);
    case.everywhere(&pump, &release, &MAY_BE_USED);
    case.world.stop();
    case.fsck_finds("the last admin key cannot be revoked");
}

/// J12: reviews, however many, push no rejection out of the log's own bundle.
#[test]
fn j12_two_hundred_reviews_hide_no_rejection() {
    let case = Case::new(1);
    let pump = Pump::new(&case);
    let release = case.approved(2, "4.2.2");
    let rejection = case.judge(&release, "rejection", SAFETY);
    for n in 0..201 {
        case.say(&opinion(case.dir(), QUALITY, release.digest(), Meaning::Review, None, n));
    }
    case.everywhere(&pump, &release, &REJECTED);
    let told = case.check_offline(&["verify", &release.file, "--bundle", "file.fwb"], &REJECTED);
    assert!(told["entries"].as_u64().is_some_and(|entries| entries > 203), "{told}");
    // Whoever leaves it out gets no `verified`.
    case.leave_out("file.fwb", &[&rejection], "part.fwb");
    case.check_offline(&["verify", &release.file, "--bundle", "part.fwb"], &MAY_BE_USED);
}

/// J13: a release of another component is none for this device. It may be used, so server and CLI
/// name the component. No operator changes it: it is signed.
#[test]
fn j13_a_release_of_another_component_is_not_installed() {
    let case = Case::new(1);
    let pump = Pump::new(&case);
    let component = "drug-library";
    let release = case.publish(2, "4.2.2", BUILD, &["--component", component]);
    case.judge(&release, "approval", QUALITY);
    case.everywhere(&pump, &release, &Says { device: 16, ..MAY_BE_USED });
    let verify = ["verify", &release.file, "--bundle", "file.fwb"];
    let told = case.check_offline(&verify, &MAY_BE_USED);
    assert_eq!(told["releases"][0]["component"], component, "{told}");
    let subject = &case.api(&format!("releases/{}", release.leaf))["release"]["entry"]["subject"];
    assert_eq!(subject, "ip-200/drug-library");
    case.of_file(&pump.of_component(component), &release, &MAY_BE_USED);
}

/// J14: a file is judged by all its releases, and contradictions are told. They are the issuer's
/// fault: no rule of the log refuses them, and who leaves one out leaves a bundle that is not
/// `verified`.
#[test]
fn j14_a_file_is_judged_by_all_its_releases() {
    let case = Case::new(1);
    let pump = Pump::new(&case);
    let approved = case.approved(2, "4.2.2");
    // A newer release of the same bytes that nobody approved hides nothing.
    let newer = case.publish(2, "4.2.2", BUILD, &["--change-request", "CR-2"]);
    case.of_release(&newer, &NOT_APPROVED);
    let says = Says { findings: &["approvals_missing"], ..MAY_BE_USED };
    case.of_file(&pump, &approved, &says);
    let told = case.world.at_log(&["identify", &approved.file]).1;
    assert_eq!(text(&told, "leaf_hash"), approved.leaf, "{told}");
    // One version for two images, and one image under two versions.
    let other = case.approved(3, "4.2.2");
    case.of_release(&other, &Says { findings: &["contradicting_releases"], ..MAY_BE_USED });
    let renamed = case.publish(3, "4.2.9", BUILD, &[]);
    let told = ["approvals_missing", "contradicting_releases"];
    case.of_release(&renamed, &Says { findings: &told, ..NOT_APPROVED });
    case.of_file(&pump, &other, &Says { findings: &told, ..MAY_BE_USED });
    case.leave_out("release.fwb", &[&approved.leaf, &newer.leaf, &other.leaf], "part.fwb");
    let verify = ["verify", "part.fwb", "--release", &renamed.leaf];
    case.check_offline(&verify, &NOT_APPROVED);
}

/// J14: of a contradiction nobody says `verified`, though every entry was read under a quorum.
#[test]
fn j14_contradicting_releases_are_never_verified() {
    let case = Case::of(World::witnessed());
    let release = case.approved(2, "4.2.2");
    case.judge(&release, "approval", SAFETY);
    let scanned = |wanted: &str, code: i32| {
        eventually(|| {
            let (got, told) = case.world.at_log(&["identify", &release.file, "--scan"]);
            (told["verdict"] == wanted && got == code).then_some(told.clone()).ok_or(told)
        })
    };
    let told = scanned("verified", 0);
    assert_eq!((text(&told, "headline"), &told["usable"]), ("VERIFIED", &true.into()));
    case.publish(3, "4.2.2", BUILD, &[]);
    let told = scanned("verified so far", 3);
    assert!(told["findings"].to_string().contains("contradicting_releases"), "{told}");
}
