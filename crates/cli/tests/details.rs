//! What releases and devices are published with, beside the least.

mod world;

use world::World;

const ADMIN: [&str; 4] = ["--key", "log/admin.pem", "--as", "log.example/admin"];

#[test]
fn a_release_carries_what_stands_behind_it() {
    let world = World::start();
    world.enrol("build", "manufacturer", "acme.example/build");
    let write = |name: &str, text: &str| {
        std::fs::write(world.dir.path().join(name), text).expect("writes");
    };
    write("image", "an image");
    write("bom.json", r#"{"bomFormat":"CycloneDX","specVersion":"1.6"}"#);
    write("vex.json", "{}");
    write("provenance.json", "[]");
    write("recipe", "flour, water, salt");
    let publish = ["release", "publish", "image", "--version", "4.2.1", "--model", "ip-200"];
    let build = ["--key", "build.pem", "--as", "acme.example/build", "--out", "release.cose"];
    let (code, told) = world.at_log(&[&publish[..], &["--sbom", "recipe"], &build].concat());
    assert_eq!((code, &told["code"]), (2, &"E-FORM".into()), "{told}");
    let (code, told) = world.at_log(&[&publish[..], &["--udi-change", "some"], &build].concat());
    assert_eq!((code, &told["expected"]), (2, &"none, pi, di".into()), "{told}");
    let behind = [
        ["--hw-rev", "B"],
        ["--hw-rev", "C"],
        ["--sbom", "bom.json"],
        ["--vex", "vex.json"],
        ["--provenance", "provenance.json"],
        ["--change-request", "CR-17"],
        ["--risk-ref", "RMF-3"],
        ["--udi-change", "pi"],
        ["--udi-di-new", "00844588003288"],
    ];
    let told = world.done(&[&publish[..], behind.as_flattened(), &build].concat());
    assert_eq!(told["sbom"], "cyclonedx 1.6");
    let shown = world.run(&["statement", "show", "release.cose"]).1;
    let payload = &shown["statement"]["payload"];
    assert_eq!(payload["hw_revs"], serde_json::json!(["B", "C"]));
    // SHA-256 of "{}".
    let of_braces = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    assert_eq!(payload["vex"], of_braces);
    assert_eq!(
        (&payload["sbom"]["format"], &payload["udi_change"]),
        (&"cyclonedx".into(), &"pi".into())
    );
    assert_eq!(
        (&payload["change_requests"][0], &payload["risk_ref"]),
        (&"CR-17".into(), &"RMF-3".into())
    );
}

#[test]
fn a_release_goes_from_proposal_to_recall() {
    let world = World::witnessed();
    for (file, role) in [("build", "manufacturer"), ("quality", "approver"), ("md", "approver")] {
        world.enrol(file, role, &format!("acme.example/{file}"));
    }
    std::fs::write(world.dir.path().join("image"), "an image").expect("writes");
    let build = ["--key", "build.pem", "--as", "acme.example/build"];
    let propose = ["release", "propose", "image", "--version", "4.2.1", "--model", "ip-200"];
    let proposed = world.done(&[&propose[..], &build].concat());
    assert_eq!(
        (&proposed["schema"], &proposed["step"]),
        (&"firmlog/release-propose/v1".into(), &"release_proposed".into())
    );
    let release = proposed["leaf_hash"].as_str().expect("a hash").to_owned();
    let signed = |who: &str, meaning: &str| {
        let (key, issuer) = (format!("{who}.pem"), format!("acme.example/{who}"));
        let approve = ["release", "approve", &release, "--meaning", meaning, "--name", "X"];
        world.done(&[&approve[..], &["--key", &key, "--as", &issuer]].concat());
    };
    let step = |step: &str| {
        let args = [&["release", "step", &release, step][..], &build].concat();
        world.at_log(&args)
    };
    for meaning in ["review", "approval"] {
        signed("quality", meaning);
        signed("md", meaning);
    }
    // Approved by two, and not published: a device does not install it.
    let simulate = |dir: &str| {
        loop {
            let made = world.at_log(&["bundle", "release", &release, "--out", "release.fwb"]).1;
            if made["quorum"] == true {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let simulate = ["device", "simulate", "--release", "release.fwb", "--image", "image"];
        let fleet = ["--devices", "1", "--scenario", "normal", "--dir", dir];
        world.at_log(&[&simulate[..], &fleet, &ADMIN].concat()).1
    };
    let (code, told) = world.at_log(&["identify", "image"]);
    assert_eq!((code, &told["standing"], &told["usable"]), (1, &"approved".into(), &false.into()));
    assert!(told["headline"].to_string().contains("NOT PUBLISHED"), "{told}");
    let refused = simulate("early");
    assert!(refused["message"].to_string().contains("is not published"), "{refused}");
    let (code, told) = step("published");
    assert_eq!(
        (code, &told["after"], &told["in_order"]),
        (0, &"release_approved".into(), &true.into()),
        "{told}"
    );
    let told = simulate("fleet");
    assert_eq!(
        (&told["exit"], told["devices"].as_array().map(Vec::len)),
        (&0.into(), Some(1)),
        "{told}"
    );
    let (_, shown) = world.at_log(&["release", "show", &release]);
    let events: Vec<_> = shown["releases"][0]["words"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it["event"].clone())
        .collect();
    assert_eq!(
        events,
        [
            "release_verified",
            "release_verified",
            "release_approved",
            "release_approved",
            "release_published"
        ]
    );
    assert_eq!((&shown["standing"], &shown["usable"]), (&"published".into(), &true.into()));
    assert_eq!(step("recalled").1["in_order"], true);
    let (code, told) = step("suspended");
    assert_eq!(
        (code, &told["in_order"]),
        (0, &false.into()),
        "out of order is evidence too: {told}"
    );
    let refused = simulate("late");
    assert!(refused["message"].to_string().contains("suspended, recalled or ended"), "{refused}");
    assert_eq!(step("burnt").1["expected"], "published, suspended, recalled, eos");
}

#[test]
fn a_unit_is_enrolled_under_commitments() {
    let world = World::start();
    assert_eq!(world.run(&["key", "new", "pump.pem"]).0, 0);
    let seed = "5a".repeat(32);
    let udi = "(01)51022222233336(11)141231(10)A213B1(21)7X-0091";
    let enrol = ["trust", "enrol", "pump.pem.pub", "--issuer", "acme.example/devices"];
    let unit = ["--model", "ip-200", "--hw-rev", "B", "--udi", udi, "--site", "Ward 3"];
    let device = ["--role", "device", "--chain-seed", &seed, "--out", "pump.cose"];
    let auditor = [&enrol[..], &["--role", "auditor", "--site", "Ward 3"], &ADMIN].concat();
    let (code, told) = world.at_log(&auditor);
    assert_eq!((code, &told["code"]), (2, &"E-USAGE".into()), "{told}");
    let all = [&enrol[..], &unit, &device, &ADMIN].concat();
    let (code, told) = world.at_log(&[&all[..], &["--serial", "another"]].concat());
    assert_eq!((code, &told["expected"]), (2, &"7X-0091".into()), "{told}");
    let spoilt = [&enrol[..], &["--udi", "(01)51022222233337(21)1"], &device, &ADMIN].concat();
    assert_eq!(world.at_log(&spoilt).1["code"], "E-FORM");
    let told = world.done(&all);
    assert_eq!(told["committed"].as_array().map(Vec::len), Some(5), "{told}");
    let entry = std::fs::read(world.dir.path().join("pump.cose")).expect("reads");
    for private in ["7X-0091", "Ward 3", "A213B1"] {
        assert!(
            !entry.windows(private.len()).any(|these| these == private.as_bytes()),
            "{private}"
        );
    }
    let shown = world.run(&["statement", "show", "pump.cose"]).1;
    let payload = &shown["statement"]["payload"];
    assert_eq!(payload["action"]["enrol"]["udi_di"], "51022222233336");
    assert_eq!(payload["commitments"].as_object().map(serde_json::Map::len), Some(5));
    let opened = world.run(&["inspect", "pump.cose.disclosures"]).1;
    assert_eq!(opened["kind"], "disclosures");
}
