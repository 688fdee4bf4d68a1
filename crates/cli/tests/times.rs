//! When a device's statements were made, as far as a bundle bounds it; and what was said after the
//! newest tree that witnesses know.

mod world;

use world::{World, command, released_in, witnessed_bundle};

#[test]
fn witnesses_bound_a_devices_time_from_above() {
    let (world, release) = released_in(World::witnessed());
    let made = witnessed_bundle(&world, ["release", &release], "release.fwb");
    assert_eq!(made["verdict"], "verified so far", "{made}");
    // Only who reads every entry can say more.
    let (code, told) = world.at_log(&["identify", "image"]);
    assert_eq!((code, &told["verdict"]), (3, &"verified so far".into()), "{told}");
    let (code, told) = world.at_log(&["identify", "image", "--scan"]);
    assert_eq!((code, &told["verdict"]), (0, &"verified".into()), "{told}");
    assert_eq!((&told["standing"], &told["usable"]), (&"published".into(), &true.into()));
    let simulate = ["device", "simulate", "--release", "release.fwb", "--image", "image"];
    let fleet = ["--devices", "1", "--scenario", "normal", "--dir", "fleet"];
    let admin = ["--key", "log/admin.pem", "--as", "log.example/admin"];
    let told = world.done(&[&simulate[..], &fleet, &admin].concat());
    let device = told["devices"][0]["device_id"].as_str().expect("an id").to_owned();
    witnessed_bundle(&world, ["device", &device], "device.fwb");
    let verify = ["verify", "device.fwb", "--device", &device, "--trust", "log/log.trust"];
    let (code, report) = world.run(&verify);
    assert_eq!((code, &report["verdict"]), (3, &"verified so far".into()), "{report}");
    let times = report["times"].as_array().expect("a list");
    assert!(!times.is_empty());
    for time in times {
        assert_eq!((&time["quality"], &time["clock"]["quality"]), (&"T4".into(), &"T2".into()));
        assert_eq!(
            (&time["agrees"], &time["not_after"]["names"][0]),
            (&true.into(), &"hospital".into())
        );
        let (clock, bound) = (time["clock"]["at"].as_str(), time["not_after"]["at"].as_str());
        assert!(
            clock.zip(bound).is_some_and(|(clock, bound)| clock[..19] <= bound[..19]),
            "{time}"
        );
    }
    let shown = command(world.dir.path(), &verify).output().expect("starts");
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.contains("(witnesses hospital), quality T4"), "{shown}");
    assert!(shown.contains("ntp, synchronised (T2)"), "{shown}");
}

/// STA-060: what forbids waits for no witness.
#[test]
fn a_recall_that_no_witness_has_seen_is_shown_by_a_scan_too() {
    let (mut world, release) = released_in(World::witnessed());
    witnessed_bundle(&world, ["release", &release], "release.fwb");
    let questions = [&["identify", "image"][..], &["release", "show", &release]];
    for question in questions {
        let (code, told) = world.at_log(&[question, &["--scan"]].concat());
        assert_eq!((code, &told["verdict"]), (0, &"verified".into()), "{told}");
    }
    world.lose_witness();
    let admin = ["--key", "log/admin.pem", "--as", "log.example/admin"];
    world.done(&[&["release", "step", &release, "recalled"][..], &admin].concat());
    for question in questions {
        let (code, told) = world.at_log(&[question, &["--scan"]].concat());
        assert_eq!((code, &told["standing"]), (1, &"recalled".into()), "{told}");
        assert_eq!((&told["usable"], &told["verdict"]), (&false.into(), &"verified so far".into()));
        assert_eq!(told["searched"], "every entry");
    }
}

/// STA-060: nor is a file verified by a release that is suspended since, where another one of the
/// same bytes may be used.
#[test]
fn a_file_is_not_verified_by_a_release_that_is_gone() {
    let (mut world, first) = released_in(World::witnessed());
    witnessed_bundle(&world, ["release", &first], "release.fwb");
    world.lose_witness();
    let build = ["--key", "build.pem", "--as", "acme.example/build"];
    let publish = ["release", "publish", "image", "--version", "4.2.1", "--model", "ip-200"];
    let again = world.done(&[&publish[..], &["--change-request", "CR-2"], &build].concat());
    let second = again["leaf_hash"].as_str().expect("a hash");
    for who in ["quality", "regulatory"] {
        let (key, issuer) = (format!("{who}.pem"), format!("acme.example/{who}"));
        let approve = ["release", "approve", second, "--name", "Somebody"];
        world.done(&[&approve[..], &["--key", &key, "--as", &issuer]].concat());
    }
    let (code, told) = world.at_log(&["identify", "image", "--scan"]);
    assert_eq!((code, &told["leaf_hash"]), (0, &first.as_str().into()), "{told}");
    world.done(&[&["release", "step", &first, "suspended"][..], &build].concat());
    let (code, told) = world.at_log(&["identify", "image", "--scan"]);
    assert_eq!((code, &told["leaf_hash"]), (3, &second.into()), "{told}");
}

/// STA-060: nor does an approval that is gone, or a policy that asks for more.
#[test]
fn what_is_no_longer_approved_is_not_verified_by_an_older_tree() {
    let (mut world, release) = released_in(World::witnessed());
    witnessed_bundle(&world, ["release", &release], "release.fwb");
    world.lose_witness();
    let (_, shown) = world.run(&["key", "show", "quality.pem.pub"]);
    let key = shown["thumbprint"].as_str().expect("a thumbprint");
    let admin = ["--key", "log/admin.pem", "--as", "log.example/admin"];
    world.done(&[&["trust", "revoke", key, "--reason", "compromised"][..], &admin].concat());
    for question in [&["identify", "image"][..], &["release", "show", &release]] {
        let (code, told) = world.at_log(&[question, &["--scan"]].concat());
        assert_eq!((code, &told["usable"]), (3, &false.into()), "{told}");
        let headline = told["headline"].as_str().expect("a headline");
        assert!(headline.starts_with("NOT APPROVED YET"), "{told}");
    }
}

/// STA-060: what the log took against its rules after the tree that was read is told too, and that
/// nobody answered for later entries.
#[test]
fn a_log_that_cheats_after_the_tree_that_was_read_is_told() {
    let (mut world, release) = released_in(World::witnessed());
    world.enrol("zeta", "manufacturer", "zeta.example/build");
    witnessed_bundle(&world, ["release", &release], "release.fwb");
    world.lose_witness();
    // Another manufacturer's word on this release: refused, and appended all the same.
    let step = ["release", "step", &release, "suspended", "--out", "step.cose"];
    let by = ["--key", "zeta.pem", "--as", "zeta.example/build"];
    let (code, refused) = world.at_log(&[&step[..], &by].concat());
    assert_eq!((code, &refused["code"]), (4, &"E-AUTH".into()), "{refused}");
    world.stop();
    world.start_again_lying();
    let question = ["identify", "image", "--scan"];
    let (code, told) = world.at_log(&question);
    assert_eq!((code, &told["searched"]), (0, &"every entry".into()), "{told}");
    assert_eq!(told["later_entries"], "asked");
    let entry = std::fs::read(world.dir.path().join("step.cose")).expect("reads");
    let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
    let post = client.post(format!("{}/entries", world.url)).body(entry);
    let reply = post.header("Content-Type", "application/cose").send().expect("answers");
    assert_eq!(reply.status(), 201);
    let (code, told) = world.at_log(&question);
    let headline = told["headline"].as_str().expect("a headline");
    assert!(code == 1 && headline.starts_with("DO NOT TRUST THE LOG"), "{told}");
    // Who does not answer is told as that; what was read is all there is.
    world.stop();
    let path = world.dir.path().join("log/firmlog.toml");
    let settings = std::fs::read_to_string(&path).expect("reads");
    std::fs::write(&path, format!("index.enabled = false\n{settings}")).expect("writes");
    world.start_again_lying();
    let (code, told) = world.at_log(&question);
    assert_eq!((code, &told["later_entries"]), (0, &"no answer".into()), "{told}");
    let args = [&question[..], &["--log", &world.url, "--trust", "log/log.trust"]].concat();
    let output = command(world.dir.path(), &args).output().expect("starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("the log did not answer what it took since"), "{said}");
    assert!(said.contains("not checked: what the log took after the checkpoint"), "{said}");
}
