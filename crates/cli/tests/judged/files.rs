//! Files that are no evidence of what was asked, devices in two places, and who is asked: J5, J9,
//! J15, J16, J17, J19.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;

use firmlog_statement::Role;
use firmlog_statement::event::EventType;
use firmlog_tlog::note::VerifierKey;
use serde_json::{Value, json};

use crate::case::{Case, eventually, text};
use crate::device::Pump;
use crate::people::{ADMIN, PUMP, id, update};
use crate::world::{World, command, run};

/// J5: that a device refused a file makes it no release, for whoever reads the device's history. An
/// operator changes nothing here: only a manufacturer's key releases it.
#[test]
fn j05_a_file_that_a_device_refused_is_no_release() {
    let case = Case::new(1);
    let pump = Pump::new(&case);
    case.enrol(ADMIN, PUMP, Role::Device, None);
    let release = case.approved(2, "4.2.2");
    case.world.done(&["bundle", "release", &release.leaf, "--out", "release.fwb"]);
    let evil = case.file(66);
    let at = |name: &str| case.dir().join(name).display().to_string();
    pump.device.done(&["record", "check"]);
    pump.device.done(&["record", "downloaded"]);
    let judge = ["verify-image", &at(&evil), "--release", &at("release.fwb"), "--record"];
    let (code, told) = pump.device.agent(&judge);
    assert_eq!((code, text(&told, "event")), (1, "refused_unsigned"), "{told}");
    pump.device.done(&["push"]);
    case.world.done(&["bundle", "device", &pump.device.id, "--out", "device.fwb"]);
    let known = case.api(&format!("identify/{}", case.sha256(&evil)));
    assert_eq!((&known["usable"], &known["releases"]), (&false.into(), &json!([])), "{known}");
    assert_eq!(case.status(&format!("/api/v1/identify/{}/bundle", case.sha256(&evil))), 404);
    case.is_absent_offline(&["verify", &evil, "--bundle", "device.fwb"]);
    case.is_absent_offline(&["identify", &evil, "--bundle", "device.fwb"]);
    let (code, told) = case.world.at_log(&["identify", &evil]);
    assert_eq!((code, text(&told, "verdict"), &told["usable"]), (3, "not found", &false.into()));
    assert_eq!(pump.decide(&case, &evil, "device.fwb"), 3);
}

/// What the log, its pages and a bundle say of a device's history; a device judges none.
fn history(case: &Case, exit: i32, headline: &str, standing: &str) -> Value {
    let device = id(case.dir(), PUMP);
    let bundle = ["bundle", "device", &device, "--out", "device.fwb"];
    let (code, made) = case.world.at_log(&bundle);
    assert_eq!(code, if exit == 3 { 0 } else { exit }, "{made}");
    let verify = ["verify", "device.fwb", "--device", &device, "--trust", "log/log.trust"];
    let (code, told) = case.world.run(&verify);
    let output = command(case.dir(), &verify).output().expect("starts");
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!((code, output.status.code()), (exit, Some(exit)), "{words}");
    for told in [&made, &told] {
        assert!(text(told, "headline").starts_with(headline), "{told}");
        assert_eq!(text(told, "verdict"), "verified so far", "{told}");
        assert_eq!((text(told, "standing"), &told["usable"]), (standing, &Value::Null), "{told}");
    }
    assert!(words.starts_with(text(&told, "headline")), "{words}");
    // Whoever asks whether all of it is sound hears the same.
    let (code, whole) = case.world.run(&["verify", "device.fwb", "--trust", "log/log.trust"]);
    assert_eq!((code, &whole["headline"]), (exit, &told["headline"]), "{whole}");
    assert!(words.lines().all(|line| line != "VERIFIED"), "one word for it: {words}");
    told
}

fn kinds(case: &Case) -> String {
    case.api("findings").to_string()
}

/// J9: with its index lost the log still knows a device's old statement; where its operator appends
/// it again, that is the log's fault and no fork of the device. A device judges no statements: it
/// goes on.
#[test]
fn j09_a_statement_sent_again_is_no_fork() {
    let mut case = Case::new(1);
    case.enrol(ADMIN, PUMP, Role::Device, None);
    let mut chain: Vec<Vec<u8>> = Vec::new();
    for seq in 0..3 {
        let last = chain.last().map(Vec::as_slice);
        let entry = update(case.dir(), EventType::ServiceMode, seq, last);
        case.say(&entry);
        chain.push(entry);
    }
    let size = case.size();
    case.world.stop();
    for file in std::fs::read_dir(case.dir().join("log/data")).expect("lists").flatten() {
        if file.file_name().to_string_lossy().starts_with("index.db") {
            std::fs::remove_file(file.path()).expect("removes");
        }
    }
    case.world.start_again();
    for entry in &chain {
        // It puts off what it cannot tell yet.
        let (status, told) = eventually(|| match case.post(entry) {
            (503, told) => Err(told.into()),
            other => Ok(other),
        });
        assert!([200, 201].contains(&status), "{status}: {told}");
    }
    assert_eq!(case.size(), size, "nothing was appended");
    case.say(&update(case.dir(), EventType::ServiceMode, 3, chain.last().map(Vec::as_slice)));
    history(&case, 3, "VERIFIED SO FAR", "in service");
    assert!(!kinds(&case).contains("chain_fork"));
    case.append_again(&[&chain[0], &chain[1]]);
    let told = history(&case, 1, "DO NOT TRUST THE LOG: ", "in service");
    let findings = told["findings"].to_string();
    assert!(findings.contains("duplicate_entry") && !findings.contains("chain_fork"), "{told}");
    let kinds = kinds(&case);
    assert!(kinds.contains("duplicate_entry") && !kinds.contains("chain_fork"), "{kinds}");
    case.world.stop();
    case.fsck_finds("once more at");
}

/// J15: a device in two places has one headline, wherever it is told; it does not judge itself. Who
/// leaves a branch out hands over a bundle that is not `verified`.
#[test]
fn j15_a_forked_device_is_told_in_one_word() {
    let case = Case::new(1);
    case.enrol(ADMIN, PUMP, Role::Device, None);
    let first = update(case.dir(), EventType::LoggerStarted, 0, None);
    case.say(&first);
    let next = |event| update(case.dir(), event, 1, Some(&first));
    case.say(&next(EventType::ServiceMode));
    history(&case, 3, "VERIFIED SO FAR", "in service");
    let copy = case.say(&next(EventType::DebugUnlocked));
    let told = history(&case, 1, "DO NOT TRUST THE DEVICE: ", "forked");
    assert_eq!(told["findings"][0]["kind"], "chain_fork", "{told}");
    assert!(kinds(&case).contains("chain_fork"));
    let device = id(case.dir(), PUMP);
    let shown = case.api(&format!("devices/{device}"));
    assert!(text(&shown, "headline").starts_with("DO NOT TRUST THE DEVICE: "), "{shown}");
    assert_eq!(shown["standing"], "forked");
    let page = case.get(&format!("/device/{device}"));
    assert!(page.contains("class=\"banner\"><strong>DO NOT TRUST THE DEVICE: "), "{page}");
    assert!(page.contains("two different statements number 1 signed by one device"), "{page}");
    case.leave_out("device.fwb", &[&copy], "part.fwb");
    let verify = ["verify", "part.fwb", "--device", &device, "--trust", "log/log.trust"];
    let (code, told) = run(case.dir(), &verify);
    assert_eq!((code, text(&told, "verdict")), (3, "verified so far"), "{told}");
    assert_eq!(told["not_checked"][0], "whether anything was left out, such as a recall");
}

/// J15: a chain that does not begin where its enrolment says, on every surface.
#[test]
fn j15_a_chain_that_does_not_hold_is_told_alike() {
    let case = Case::new(1);
    case.enrol(ADMIN, PUMP, Role::Device, None);
    let device = id(case.dir(), PUMP);
    let first = update(case.dir(), EventType::LoggerStarted, 0, Some(b"another seed"));
    case.say(&first);
    case.say(&update(case.dir(), EventType::ServiceMode, 1, Some(&first)));
    history(&case, 1, "DO NOT TRUST THE DEVICE: ", "forked");
    let shown = case.api(&format!("devices/{device}"));
    assert_eq!((&shown["standing"], &shown["state"]["forks"]), (&"forked".into(), &"1".into()));
    let page = case.get(&format!("/device/{device}"));
    assert!(page.contains("class=\"banner\"><strong>DO NOT TRUST THE DEVICE: "), "{page}");
    assert!(!page.contains("unbroken chain"), "{page}");
    assert!(kinds(&case).contains("chain_fork"));
}

/// STA-041: a device that is out of use stays so, and every surface says it.
#[test]
fn sta_041_a_device_that_is_out_of_use_stays_so() {
    let case = Case::new(1);
    case.enrol(ADMIN, PUMP, Role::Device, None);
    let device = id(case.dir(), PUMP);
    let mut last = update(case.dir(), EventType::LoggerStarted, 0, None);
    case.say(&last);
    for (seq, event) in (1..).zip([EventType::Decommissioned, EventType::Check]) {
        last = update(case.dir(), event, seq, Some(&last));
        case.say(&last);
        history(&case, 3, "VERIFIED SO FAR", "decommissioned");
        let shown = case.api(&format!("devices/{device}"));
        assert_eq!(shown["standing"], "decommissioned", "{shown}");
        let page = case.get(&format!("/device/{device}"));
        assert!(page.contains("class=\"banner\"><strong>DECOMMISSIONED"), "{page}");
    }
}

/// J16: a version or counter that the agent does not tell is not 0, which everything is newer than.
/// Only a device asks its agent. What it has proven bounds what it takes: `j22_…`.
#[test]
fn j16_what_runs_is_never_guessed() {
    let case = Case::new(1);
    let pump = Pump::new(&case);
    let release = case.approved(2, "4.2.2");
    case.world.done(&["bundle", "release", &release.leaf, "--out", "release.fwb"]);
    let listener = UnixListener::bind(pump.device.dir.join("agent.sock")).expect("binds");
    let at = |name: &str| case.dir().join(name).display().to_string();
    let image = at(&release.file);
    for (committed, exit) in [
        (json!({"version": 40_200, "counter": 1}), 0),
        (json!({"version": 40_200}), 2),
        (json!({"counter": 1}), 2),
        (Value::Null, 2),
    ] {
        let answer = json!({"exit": 0, "json": {"committed": committed}, "text": ""});
        let (code, told) = std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().expect("asks");
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).expect("a request");
                writeln!(stream, "{answer}").expect("answers");
            });
            pump.device.agent(&["verify-image", &image, "--release", &at("release.fwb")])
        });
        assert_eq!(code, exit, "{answer}: {told}");
        assert!(exit == 0 || told["code"] == "E-AGENT", "{told}");
    }
}

/// J17: one witness that is pinned twice is no quorum of two. The C API's list is asked in
/// `crates/capi/tests/install.rs`, a witness without its memory in `offline.rs`. A server pins
/// none.
#[test]
fn j17_a_witness_that_is_pinned_twice_is_one() {
    let case = Case::of(World::witnessed());
    let pump = Pump::new(&case);
    let release = case.approved(2, "4.2.2");
    case.judge(&release, "approval", crate::people::SAFETY);
    let bundle = ["bundle", "release", &release.leaf, "--out", "release.fwb"];
    eventually(|| {
        let made = case.world.at_log(&bundle).1;
        (made["quorum"] == true).then_some(()).ok_or(made)
    });
    assert_eq!(pump.decide(&case, &release.file, "release.fwb"), 0);
    let trust = std::fs::read_to_string(case.dir().join("log/log.trust")).expect("reads");
    let witness = trust.lines().find(|line| line.starts_with("witness ")).expect("one");
    let key = witness.split(' ').nth(2).expect("a key");
    let rest: Vec<&str> = trust.lines().filter(|line| !line.starts_with("quorum ")).collect();
    let twice = format!(
        "{}\nwitness twin {key}\ngroup both all hospital twin\nquorum both\n",
        rest.join("\n")
    );
    std::fs::write(case.dir().join("twice.trust"), twice).expect("writes");
    let verify = ["verify", "release.fwb", "--release", &release.leaf, "--trust", "twice.trust"];
    let (code, told) = case.world.run(&verify);
    assert_eq!(code, 2, "{told}");
    pump.device.set(&format!("trust = \"{}\"", case.dir().join("twice.trust").display()));
    let at = |name: &str| case.dir().join(name).display().to_string();
    let judge = ["verify-image", &at(&release.file), "--release", &at("release.fwb")];
    let (code, told) = pump.device.agent(&judge);
    assert_eq!(code, 2, "{told}");
    let key = VerifierKey::parse(key).expect("a key");
    let in_place = |keys: &[_]| pump.in_place_with(&case, &release.file, "release.fwb", keys);
    assert_eq!((in_place(&[key]), in_place(&[key; 2])), (0, 19));
}

/// J19: what is of another log, though of the same name, cannot be checked; what is no bundle is
/// not called an altered one. A server reads nobody's files.
#[test]
fn j19_another_logs_evidence_cannot_be_checked() {
    let (case, twin) = (Case::new(1), Case::new(1));
    let pump = Pump::new(&case);
    let release = twin.approved(2, "4.2.2");
    twin.world.done(&["bundle", "release", &release.leaf, "--out", "release.fwb"]);
    for file in [&*release.file, "release.fwb"] {
        std::fs::copy(twin.dir().join(file), case.dir().join(file)).expect("copies");
    }
    std::fs::write(case.dir().join("checkpoint"), twin.get("/checkpoint")).expect("writes");
    let trust = ["--trust", "log/log.trust"];
    for args in [
        &["verify", "checkpoint"][..],
        &["verify", "release.fwb"],
        &["verify", "release.fwb", "--release", &release.leaf],
        &["verify", &release.file, "--bundle", "release.fwb"],
        &["identify", &release.file, "--bundle", "release.fwb"],
    ] {
        let args = [args, &trust].concat();
        let (code, told) = case.world.run(&args);
        assert_eq!((code, text(&told, "verdict")), (2, "cannot check"), "{args:?}: {told}");
        assert_ne!(told["usable"], true, "{told}");
        let output = command(case.dir(), &args).output().expect("starts");
        let words = String::from_utf8_lossy(&output.stdout);
        assert!(words.contains("CANNOT CHECK") && !words.contains("may be used"), "{words}");
    }
    assert_eq!(pump.decide(&case, &release.file, "release.fwb"), 2);
    std::fs::write(case.dir().join("empty"), []).expect("writes");
    for file in [&*release.file, "empty"] {
        for verb in ["verify", "identify"] {
            let ask = [&[verb, &release.file, "--bundle", file][..], &trust].concat();
            let (code, told) = case.world.run(&ask);
            assert_eq!((code, text(&told, "code")), (2, "E-KIND"), "{told}");
            assert!(text(&told, "message").ends_with("is not an evidence bundle"), "{told}");
        }
        assert_eq!(pump.decide(&case, &release.file, file), 1);
    }
}
