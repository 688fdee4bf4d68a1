//! Keys: what a stolen one may say, what rests on it, and for whom an approver speaks: J10, J11,
//! J18, J20.

use firmlog_statement::event::EventType;
use firmlog_statement::{Meaning, Role};

use crate::case::{Case, OUT_OF_SCOPE, by, digest, judging, text};
use crate::device::Pump;
use crate::people::{
    ADMIN, ADMIN_2, BUILD, BUILD_2, FIELD, FIELD_2, PUMP, PUMP_2, QUALITY, SAFETY, Who, ZETA,
    ZETA_QUALITY, downgrade, enrolment, id, opinion, policy, update, update_by,
};
use crate::says::{MAY_BE_USED, NOT_APPROVED, REJECTED, SIGNER_COMPROMISED, Says};

const REVOKED: &str = "the key is revoked";

/// J10: a rejection that was taken back with a key that turns out to be stolen stands again.
#[test]
fn j10_a_stolen_key_lifts_no_rejection() {
    let mut case = Case::new(1);
    let pump = Pump::new(&case);
    let release = case.approved(2, "4.2.2");
    let rejection = digest(&case.judge(&release, "rejection", SAFETY));
    case.everywhere(&pump, &release, &REJECTED);
    let takes_back = |who: Who, n| {
        opinion(case.dir(), who, release.digest(), Meaning::Review, Some(rejection), n)
    };
    let (foreign, own, late) =
        (takes_back(ZETA_QUALITY, 1), takes_back(SAFETY, 2), takes_back(SAFETY, 3));
    case.refuses(&foreign, OUT_OF_SCOPE);
    case.say(&own);
    case.everywhere(&pump, &release, &MAY_BE_USED);
    case.revoke(ADMIN, SAFETY, "compromised", &[]);
    case.everywhere(&pump, &release, &REJECTED);
    case.refuses(&late, REVOKED);
    case.lie();
    case.say(&foreign);
    let told = ["against_rules", "rejected"];
    case.everywhere(&pump, &release, &REJECTED.of_a_liar(&told));
    case.say(&late);
    case.everywhere(&pump, &release, &REJECTED.altered(&told));
}

/// J10: an authorisation that was withdrawn stays so, whatever becomes of the key that withdrew it.
/// Pages and CLI tell of the release, which may be used; for this device it is a step back.
#[test]
fn j10_a_withdrawn_authorisation_does_not_come_back() {
    const DOWNGRADE: Says<'_> = Says { device: 11, ..MAY_BE_USED };
    let mut case = Case::new(1);
    let pump = Pump::running(&case, "pump", ("9.0.0", 90_000));
    let release = case.approved(2, "4.2.2");
    case.enrol(ADMIN, FIELD_2, Role::Authoriser, Some(BUILD.1));
    case.everywhere(&pump, &release, &DOWNGRADE);
    let word = |who, event| downgrade(case.dir(), who, release.digest(), event);
    let allowed = word(FIELD, EventType::UpdateAuthorised);
    let withdrawn = word(FIELD_2, EventType::AuthorisationRevoked);
    let again = word(FIELD_2, EventType::UpdateAuthorised);
    case.say(&allowed);
    case.everywhere(&pump, &release, &MAY_BE_USED);
    case.say(&withdrawn);
    case.everywhere(&pump, &release, &DOWNGRADE);
    case.revoke(ADMIN, FIELD_2, "retired", &[]);
    case.everywhere(&pump, &release, &DOWNGRADE);
    case.refuses(&again, REVOKED);
    case.lie();
    case.say(&again);
    case.everywhere(&pump, &release, &DOWNGRADE.altered(&["against_rules"]));
}

/// J11: a signer, or the only approver, found to be compromised; from which index on decides.
#[test]
fn j11_a_compromised_key_takes_back_what_it_permitted() {
    let case = Case::new(1);
    let pump = Pump::new(&case);
    let release = case.approved(2, "4.2.2");
    case.enrol(ADMIN, BUILD_2, Role::Manufacturer, None);
    let after = case.size().to_string();
    // Stolen after it spoke, or merely out of use.
    case.revoke(ADMIN, BUILD, "compromised", &["--from-entry", &after]);
    case.revoke(ADMIN, QUALITY, "retired", &[]);
    case.everywhere(&pump, &release, &MAY_BE_USED);
    case.revoke(ADMIN, QUALITY, "compromised", &[]);
    let approver = ["approvals_missing", "approver_compromised"];
    case.everywhere(&pump, &release, &Says { findings: &approver, ..NOT_APPROVED });
    case.revoke(ADMIN, BUILD, "compromised", &[]);
    let both = ["approvals_missing", "approver_compromised", "signer_compromised"];
    let says = Says { standing: "proposed", findings: &both, ..SIGNER_COMPROMISED };
    case.everywhere(&pump, &release, &says);
    // An operator can only hide it.
    let other = case.publish(3, "4.2.3", BUILD_2, &[]);
    case.judge(&other, "approval", SAFETY);
    let revoked = case.revoke(ADMIN, BUILD_2, "compromised", &[]);
    case.everywhere(&pump, &other, &Says { standing: "approved", ..SIGNER_COMPROMISED });
    case.is_hidden_without(&pump, &other, &revoked, 5);
}

/// J11: what a key says after it was revoked is refused; taken all the same, it permits nothing.
#[test]
fn j11_an_operator_gives_a_revoked_key_no_word() {
    let mut case = Case::new(1);
    let pump = Pump::new(&case);
    case.enrol(ADMIN, BUILD_2, Role::Manufacturer, None);
    let release = case.publish(2, "4.2.2", BUILD_2, &[]);
    case.revoke(ADMIN, BUILD_2, "compromised", &["--from-entry", &case.size().to_string()]);
    case.revoke(ADMIN, QUALITY, "compromised", &["--from-entry", &case.size().to_string()]);
    let approve = judging(&release, "approval", QUALITY);
    case.refuses_command(&approve, REVOKED);
    let file = case.file(3);
    let args = ["release", "publish", &file, "--version", "4.2.3", "--model", "ip-200"];
    let publish = [&args[..], &by(BUILD_2)].concat();
    case.refuses_command(&publish, REVOKED);
    case.everywhere(&pump, &release, &NOT_APPROVED);
    case.lie();
    case.world.done(&approve);
    let told = ["against_rules", "approvals_missing"];
    case.everywhere(&pump, &release, &NOT_APPROVED.altered(&told));
    // A release of it is none.
    case.world.done(&publish);
    let (code, shown) = case.world.at_log(&["identify", &file]);
    assert!(code != 0 && shown["usable"] == false, "{shown}");
    assert!(text(&shown, "headline").starts_with("ALTERED: entry "), "{shown}");
    let sha256 = case.sha256(&file);
    assert_eq!(case.api(&format!("identify/{sha256}"))["usable"], false);
    case.world.at_log(&["bundle", "release", &sha256, "--out", "late.fwb"]);
    assert_ne!(pump.decide(&case, &file, "late.fwb"), 0);
}

/// J11: a release that was only proposed. An operator does not publish it: steps are the issuer's
/// (J4).
#[test]
fn j11_a_proposal_is_nothing_to_install() {
    const PROPOSED: Says<'_> = Says {
        standing: "proposed",
        findings: &["approvals_missing", "not_published"],
        exit: 1,
        device: 13,
        ..crate::says::against("NOT PUBLISHED: ")
    };
    let case = Case::new(1);
    let pump = Pump::new(&case);
    let release = case.begin("propose", 2, "4.2.2", BUILD, &[]);
    case.everywhere(&pump, &release, &PROPOSED);
    case.judge(&release, "approval", QUALITY);
    let approved = Says { standing: "approved", findings: &["not_published"], ..PROPOSED };
    case.everywhere(&pump, &release, &approved);
    case.step(&release, "published", BUILD);
    case.everywhere(&pump, &release, &MAY_BE_USED);
}

/// J11: a device's key found to be compromised. A device does not judge its own history.
#[test]
fn j11_what_a_stolen_device_key_said_is_not_trusted() {
    let mut case = Case::new(1);
    case.enrol(ADMIN, PUMP, Role::Device, None);
    let first = update(case.dir(), EventType::LoggerStarted, 0, None);
    case.say(&first);
    // It has another key now, which nobody stole.
    let device = id(case.dir(), PUMP);
    assert_eq!(case.world.run(&["key", "new", PUMP_2.0]).0, 0);
    let rotate = ["trust", "rotate", &device, "pump-2.pem.pub", "--device", &device];
    case.world.done(&[&rotate[..], &by(ADMIN)].concat());
    let second = update_by(case.dir(), PUMP_2, EventType::ServiceMode, 1, Some(&first));
    case.say(&second);
    let check = |case: &Case, exit: i32, headline: &str| {
        let bundle = ["bundle", "device", &device, "--out", "device.fwb"];
        let (_, made) = case.world.at_log(&bundle);
        let verify = ["verify", "device.fwb", "--device", &device, "--trust", "log/log.trust"];
        let (code, told) = case.world.run(&verify);
        assert_eq!(code, exit, "{told}");
        for told in [&made, &told] {
            assert!(text(told, "headline").starts_with(headline), "{told}");
        }
        // The log's own pages and API speak of the device alone.
        let shown = case.api(&format!("devices/{device}"));
        let banner = "DO NOT TRUST THE DEVICE: the key behind one of its statements is compromised";
        assert_eq!(shown["headline"] == banner, exit == 1, "{shown}");
        assert_eq!(shown["standing"], told["standing"], "{shown}");
        let page = case.get(&format!("/device/{device}"));
        assert_eq!(page.contains(&format!("<strong>{banner}")), exit == 1, "{page}");
        told
    };
    assert_eq!(check(&case, 3, "VERIFIED SO FAR")["standing"], "in service");
    case.revoke(ADMIN, PUMP, "compromised", &[]);
    let told = check(&case, 1, "DO NOT TRUST THE DEVICE");
    assert_eq!(told["standing"], "compromised", "{told}");
    assert!(told["findings"].to_string().contains("device_key_compromised"), "{told}");
    let late = update(case.dir(), EventType::ServiceMode, 2, Some(&second));
    case.refuses(&late, REVOKED);
    case.lie();
    case.say(&late);
    assert_eq!(check(&case, 1, "ALTERED: entry ")["standing"], "compromised");
}

/// J18: what a stolen administrator's key enrolled, or lowered, permits nothing.
#[test]
fn j18_what_rests_on_a_stolen_admin_key_permits_nothing() {
    let mut case = Case::new(1);
    let pump = Pump::new(&case);
    case.enrol(ADMIN, ADMIN_2, Role::Admin, None);
    let accomplice: Who = ("accomplice.pem", "mallory.example");
    case.enrol(ADMIN_2, accomplice, Role::Approver, Some(BUILD.1));
    let release = case.publish(2, "4.2.2", BUILD, &[]);
    case.judge(&release, "approval", accomplice);
    let unapproved = case.publish(3, "4.2.3", BUILD, &[]);
    case.say(&case.sign(ADMIN_2, policy(0)));
    case.everywhere(&pump, &release, &MAY_BE_USED);
    case.everywhere(&pump, &unapproved, &MAY_BE_USED);
    case.revoke(ADMIN, ADMIN_2, "compromised", &[]);
    let told = ["approvals_missing", "approver_compromised"];
    case.everywhere(&pump, &release, &Says { findings: &told, ..NOT_APPROVED });
    case.everywhere(&pump, &unapproved, &NOT_APPROVED);
    // The operator lets it enrol another one.
    let other: Who = ("other.pem", "other.example");
    let enrol = case.sign(ADMIN_2, enrolment(case.dir(), other, Role::Approver, &[BUILD.1]));
    case.refuses(&enrol, REVOKED);
    case.lie();
    case.say(&enrol);
    case.judge(&unapproved, "approval", other);
    let told = ["against_rules", "approvals_missing"];
    case.everywhere(&pump, &unapproved, &NOT_APPROVED.altered(&told));
}

/// J18: a device takes releases of the issuers it pins, whoever else the operator enrols. Server
/// and CLI speak for every manufacturer of the log.
#[test]
fn j18_a_device_pins_its_issuers() {
    let case = Case::new(1);
    let pump = Pump::new(&case);
    let release = case.publish(2, "4.2.2", ZETA, &[]);
    case.judge(&release, "approval", ZETA_QUALITY);
    case.everywhere(&pump, &release, &Says { device: 17, ..MAY_BE_USED });
    case.everywhere(&pump.of_issuer(ZETA.1), &release, &MAY_BE_USED);
}

/// J20: nobody approves or blocks for a manufacturer that the enrolment does not name.
#[test]
fn j20_an_approver_speaks_for_the_issuers_of_its_enrolment() {
    let mut case = Case::new(1);
    let pump = Pump::new(&case);
    let open = case.publish(2, "4.2.2", BUILD, &[]);
    let good = case.approved(3, "4.2.3");
    let approve = judging(&open, "approval", ZETA_QUALITY);
    let reject = judging(&good, "rejection", ZETA_QUALITY);
    case.refuses_command(&approve, OUT_OF_SCOPE);
    case.refuses_command(&reject, OUT_OF_SCOPE);
    let third: Who = ("third.pem", "third.example");
    let nameless = case.sign(ADMIN, enrolment(case.dir(), third, Role::Approver, &[]));
    case.refuses(&nameless, "the log has no manufacturer yet, or several: name the ones");
    case.everywhere(&pump, &open, &NOT_APPROVED);
    case.lie();
    case.world.done(&approve);
    case.world.done(&reject);
    let told = ["against_rules", "approvals_missing"];
    case.everywhere(&pump, &open, &NOT_APPROVED.of_a_liar(&told));
    case.everywhere(&pump, &good, &MAY_BE_USED.of_a_liar(&["against_rules"]));
}
