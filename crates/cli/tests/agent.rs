//! `firmlog agent` at a real log: steps in their order, the daemon and its socket, copies of a
//! device, and what stands between it and the log.

mod world;

use std::io::Write as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use firmlog_statement::disclosure::{Commitment, Disclosure, DisclosureSet};
use firmlog_statement::{Parsed, ReasonCode};
use serde_json::Value;
use world::device::Device;
use world::{World, released_in};

/// An update as a hook would record it, up to where flash may be written.
fn install(device: &Device, world: &World) {
    std::fs::write(world.dir.path().join("image-2"), [2; 4000]).expect("writes");
    let image = world.dir.path().join("image-2");
    let image = image.to_str().expect("a name");
    device.done(&["record", "check"]);
    device.done(&["record", "downloaded"]);
    device.done(&["record", "signature_verified", "--image", image, "--version", "4.2.1"]);
    let started = device.done(&["record", "install_started", "--power", "mains"]);
    assert_eq!(started["logged"], "recorded");
}

fn text<'a>(doc: &'a Value, name: &str) -> &'a str {
    doc[name].as_str().unwrap_or_else(|| panic!("no {name} in {doc}"))
}

/// AGT-001, AGT-002: the same answers with an agent that runs and without, one after the other.
#[test]
fn agt_001_steps_are_recorded_with_and_without_a_daemon() {
    let world = World::start();
    let device = Device::enrolled(&world, "pump", &world.url, &[]);
    let (code, refused) = device.agent(&["record", "committed"]);
    assert_eq!((code, text(&refused, "code")), (1, "E-ORDER"), "{refused}");
    install(&device, &world);
    let (code, refused) = device.agent(&["record", "boot-ok"]);
    assert_eq!((code, text(&refused, "code")), (1, "E-ORDER"), "{refused}");
    let agent = device.start();
    assert_eq!(text(&agent.ready, "schema"), "firmlog/agent-ready/v1");
    // Over the socket, and by the same rules.
    let (code, over_socket) = device.agent(&["record", "boot-ok"]);
    assert_eq!((code, &over_socket), (1, &refused));
    device.done(&["record", "installed"]);
    let waiting = device.done(&["record", "reboot"]);
    assert_eq!(text(&waiting, "logged"), "waiting");
    device.done(&["record", "boot_ok"]);
    let committed = device.done(&["record", "committed"]);
    assert_eq!(text(&committed, "logged"), "recorded");
    let pushed = device.done(&["push"]);
    assert_eq!(text(&pushed, "unsent"), "0");
    let status = device.done(&["status"]);
    assert_eq!((text(&status, "last"), &status["sending"]), ("committed", &true.into()));
    let history = device.done(&["history"]);
    agent.stop();
    let alone = device.done(&["history"]);
    assert_eq!(alone["items"], history["items"]);
    assert!(history["items"].as_array().expect("items").iter().all(|it| it["in_log"] == true));
    // The log knows what the device knows, and its evidence holds.
    let bundle = ["bundle", "device", &device.id, "--out", "pump.fwb"];
    world.done(&bundle);
    let (code, verdict) = world.run(&["verify", "pump.fwb", "--trust", "log/log.trust"]);
    assert_eq!((code, text(&verdict, "verdict")), (3, "verified so far"), "{verdict}");
}

/// AGT-010: one process holds the journal, and a killed one leaves it to the next.
#[test]
fn agt_010_one_process_holds_the_journal() {
    let world = World::start();
    let device = Device::enrolled(&world, "pump", &world.url, &[]);
    let mut agent = device.start();
    let mut second = device.daemon().spawn().expect("starts");
    assert_eq!(second.wait().expect("ends").code(), Some(2), "a second agent");
    device.done(&["record", "service_mode", "--now"]);
    agent.child.kill().expect("runs");
    agent.child.wait().expect("ends");
    // Its socket is still there, and nobody behind it.
    device.done(&["record", "service_mode", "--now"]);
    let agent = device.start();
    device.done(&["record", "service_mode", "--now"]);
    device.done(&["push"]);
    agent.stop();
    let items = device.done(&["history"]);
    assert_eq!(items["items"].as_array().map(Vec::len), Some(4), "logger_started and three");
}

/// AGT-011: whatever a client sends or does not send, the agent goes on.
#[test]
fn agt_011_a_bad_client_does_not_stop_the_agent() {
    let world = World::start();
    let device = Device::enrolled(&world, "pump", &world.url, &[]);
    let agent = device.start();
    let socket = device.dir.join("agent.sock");
    let mut silent = Vec::new();
    for bad in [&b"\n"[..], b"{\"do\":\"nothing\"}\n", &[0xff; 70_000], b"{\"do\":\"record\"}\n"] {
        let mut stream = UnixStream::connect(&socket).expect("listens");
        drop(stream.write_all(bad));
        silent.push(stream);
        silent.push(UnixStream::connect(&socket).expect("listens"));
    }
    device.done(&["record", "service_mode", "--now"]);
    let (code, refused) = device.agent(&["record", "nonsense"]);
    assert_eq!((code, text(&refused, "code")), (2, "E-USAGE"));
    agent.stop();
}

/// AGT-012: a log that takes the connection and never answers holds up nobody who records.
#[test]
fn agt_012_recording_does_not_wait_for_the_network() {
    let world = World::start();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", silent.local_addr().expect("an address"));
    let device = Device::enrolled(&world, "pump", &address, &[]);
    device.set("answer_s = 20");
    let agent = device.start();
    // It has begun to ask.
    let (held, _) = silent.accept().expect("asks");
    let start = std::time::Instant::now();
    for _ in 0..5 {
        device.done(&["record", "service_mode", "--now"]);
    }
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(device.done(&["status"])["unsent"], "6");
    drop((held, agent));
}

/// AGT-022: with `log_before_install = required` an install that has no room is withheld, and with
/// `best_effort` it is counted; either way the exit code says so.
#[test]
fn agt_022_an_install_that_cannot_be_recorded_is_withheld() {
    let world = World::start();
    for (policy, expected) in [("required", (1, "E-NOT-LOGGED")), ("best-effort", (3, ""))] {
        let more = ["--journal-kib", "24", "--log-before-install", policy];
        // Nobody there frees a page.
        let name = format!("pump-{policy}");
        let device = Device::enrolled(&world, &name, "http://127.0.0.1:9", &more);
        let image = world.dir.path().join("image-1");
        let image = image.to_str().expect("a name");
        let agent = device.start();
        let verified = ["record", "signature_verified", "--image", image, "--version", "4.2.1"];
        device.done(&["record", "downloaded"]);
        device.done(&verified);
        while device.agent(&["record", "tamper_detected"]).0 == 0 {}
        // The last page is for installs alone: some begin, and fail.
        let (code, told) = loop {
            let (code, told) = device.agent(&["record", "install_started"]);
            if code != 0 {
                break (code, told);
            }
            device.agent(&["record", "install_failed"]);
            device.done(&["record", "downloaded"]);
            device.done(&verified);
        };
        let word = told["code"].as_str().unwrap_or_default();
        assert_eq!((code, word), expected, "{policy}: {told}");
        agent.stop();
    }
}

/// AGT-020: what is between the device and the log is told by its exit code, and nothing is lost.
#[test]
fn agt_020_what_is_in_the_way_is_told() {
    let mut world = World::start();
    let url = world.url.clone();
    let device = Device::enrolled(&world, "pump", &url, &[]);
    device.done(&["push"]);
    let admin = ["--key", "log/admin.pem", "--as", "log.example/admin"];
    world.done(&[&["trust", "revoke", &device.id, "--reason", "lost"][..], &admin].concat());
    device.done(&["record", "service_mode", "--now"]);
    let (code, refused) = device.agent(&["push"]);
    assert_eq!((code, text(&refused, "unsent")), (4, "1"), "{refused}");
    world.stop();
    let (code, nobody) = device.agent(&["push"]);
    assert_eq!((code, text(&nobody, "unsent")), (5, "1"), "{nobody}");
    world.start_again();
}

/// AGT-021: a log with another key is not believed, and nothing may be erased on its word.
#[test]
fn agt_021_an_unpinned_log_proves_nothing() {
    let world = World::start();
    let device = Device::enrolled(&world, "pump", &world.url, &[]);
    let other = World::start();
    std::fs::copy(other.dir.path().join("log/log.trust"), device.dir.join("other.trust"))
        .expect("copies");
    device.set("trust = \"other.trust\"");
    device.done(&["record", "service_mode", "--now"]);
    let (code, told) = device.agent(&["push"]);
    assert_eq!((code, text(&told, "proven_below")), (1, "0"), "{told}");
    assert!(text(&told, "trouble").contains("not believed"), "{told}");
}

/// AGT-030: a copy of the device, and the device with an old image of its journal, both speak with
/// a key that the log knows; the log keeps both histories and tells.
#[test]
fn agt_030_a_copied_device_and_a_restored_journal_are_found_by_the_log() {
    for restored in [false, true] {
        let world = World::start();
        let device = Device::enrolled(&world, "pump", &world.url, &[]);
        for _ in 0..3 {
            device.done(&["record", "service_mode", "--now"]);
        }
        device.done(&["push"]);
        let journal = std::fs::read(device.dir.join("journal")).expect("reads");
        device.done(&["record", "debug_unlocked", "--now"]);
        device.done(&["record", "service_mode", "--now"]);
        device.done(&["push"]);
        let second = if restored {
            // The thief puts the image back that knows nothing of the debug access.
            std::fs::write(device.dir.join("journal"), journal).expect("writes");
            device
        } else {
            let dir = world.dir.path().join("copy");
            std::fs::create_dir(&dir).expect("makes");
            for file in ["agent.toml", "running", "boot"] {
                std::fs::copy(device.dir.join(file), dir.join(file)).expect("copies");
            }
            std::fs::write(dir.join("journal"), journal).expect("writes");
            Device { dir, id: device.id.clone() }
        };
        second.done(&["record", "installed_state", "--now"]);
        second.done(&["push"]);
        let kept = std::fs::read_to_string(second.dir.join("findings.jsonl")).expect("findings");
        let kept: Value = serde_json::from_str(kept.lines().next().expect("one")).expect("JSON");
        assert_eq!(kept["fork"]["seq"], "4", "{kept}");
        let url = format!("{}/api/v1/findings", world.url);
        let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
        let found = client.get(url).send().expect("answers").text().expect("text");
        assert!(found.contains("chain_fork") || found.contains("ChainFork"), "{found}");
        // The evidence holds both histories.
        let (code, made) = world.at_log(&["bundle", "device", &second.id, "--out", "fork.fwb"]);
        assert_eq!((code, text(&made, "standing")), (1, "forked"), "J15: one word for it: {made}");
        assert!(text(&made, "headline").starts_with("DO NOT TRUST THE DEVICE"), "{made}");
        let (_, verdict) = world.run(&["verify", "fork.fwb", "--trust", "log/log.trust"]);
        let finding = &verdict["findings"][0];
        assert!(text(finding, "what").ends_with("signed two statements with seq 4"), "{verdict}");
        assert_eq!(finding["entries"].as_array().map(Vec::len), Some(2), "{finding}");
    }
}

/// A bundle of the release that a quorum has cosigned.
fn bundle(world: &World, release: &str, out: &str) -> String {
    for _ in 0..300 {
        if world.at_log(&["bundle", "release", release, "--out", out]).1["quorum"] == true {
            return world.dir.path().join(out).display().to_string();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("no quorum");
}

/// AGT-050, AGT-051: an image is judged offline by what travels with it, the outcome is a step, and
/// what was withdrawn once stays so when older evidence is offered.
#[test]
fn agt_050_an_image_is_judged_before_it_is_installed() {
    let (world, release) = released_in(World::witnessed());
    let published = bundle(&world, &release, "published.fwb");
    let device = Device::enrolled(&world, "pump", &world.url, &[]);
    let agent = device.start();
    let image = world.dir.path().join("image").display().to_string();
    let judge = |image: &str, bundle: &str| {
        device.done(&["record", "check"]);
        device.done(&["record", "downloaded"]);
        device.agent(&["verify-image", image, "--release", bundle, "--record"])
    };
    let (code, good) = judge(&image, &published);
    assert_eq!((code, &good["installable"]), (0, &true.into()), "{good}");
    assert_eq!((text(&good, "release"), &good["version"]), (&*release, &40201.into()));
    device.done(&["record", "install_started"]);
    device.done(&["record", "install_failed"]);
    let altered = world.dir.path().join("altered");
    std::fs::write(&altered, [41; 5000]).expect("writes");
    let (code, refused) = judge(&altered.display().to_string(), &published);
    assert_eq!((code, text(&refused, "event")), (1, "refused_unsigned"), "{refused}");
    step(&world, &release, "suspended");
    let suspended = bundle(&world, &release, "suspended.fwb");
    for evidence in [&suspended, &published] {
        let (code, refused) = judge(&image, evidence);
        assert_eq!((code, &refused["code"]), (1, &8.into()), "{refused}");
    }
    let events = device.done(&["history"]).to_string();
    for event in ["signature_verified", "refused_unsigned", "refused_not_authorised"] {
        assert!(events.contains(event), "no {event} in {events}");
    }
    assert!(events.contains("install_started"));
    agent.stop();
}

fn step(world: &World, release: &str, word: &str) {
    let by = ["--key", "build.pem", "--as", "acme.example/build"];
    world.done(&[&["release", "step", release, word][..], &by].concat());
}

/// INS-021, INS-022: a suspension is lifted by a step after it, and a bundle that is older than one
/// that was taken is not.
#[test]
fn ins_022_a_lifted_suspension_and_what_is_older_than_a_taken_bundle() {
    let (world, release) = released_in(World::witnessed());
    let published = bundle(&world, &release, "published.fwb");
    step(&world, &release, "suspended");
    let suspended = bundle(&world, &release, "suspended.fwb");
    step(&world, &release, "published");
    let lifted = bundle(&world, &release, "lifted.fwb");
    let device = Device::enrolled(&world, "pump", &world.url, &[]);
    // Its receipts are of a larger tree than any of the bundles: that refuses none of them.
    device.done(&["push"]);
    let image = world.dir.path().join("image").display().to_string();
    let judge = |bundle: &str| {
        let (code, told) = device.agent(&["verify-image", &image, "--release", bundle]);
        (code, told["code"].clone())
    };
    assert_eq!(judge(&suspended), (1, 8.into()));
    // The older evidence does not show it; the device remembers.
    assert_eq!(judge(&published), (1, 8.into()));
    assert_eq!(judge(&lifted).0, 0);
    for older in [&published, &suspended] {
        assert_eq!(judge(older), (1, 14.into()));
    }
    assert_eq!(judge(&lifted).0, 0, "as large as the one that was taken");
    let heard = std::fs::read_to_string(device.dir.join("withdrawn")).expect("kept");
    let lines: Vec<&str> = heard.lines().collect();
    assert_eq!(lines.len(), 2, "{heard}");
    assert!(lines[0].starts_with(&format!("release {release} ")), "{heard}");
    assert!(lines[0].contains(" release_suspended ") && lines[1].starts_with("tree "), "{heard}");
}

/// INS-022: what a device refused for its standing it does not take from an older tree: a rejection
/// is not among the words that it remembers.
#[test]
fn ins_022_a_rejection_is_not_undone_by_an_older_bundle() {
    let (world, release) = released_in(World::witnessed());
    let published = bundle(&world, &release, "published.fwb");
    let by = ["--key", "quality.pem", "--as", "acme.example/quality", "--name", "Q"];
    let reject = ["release", "approve", &release, "--meaning", "rejection"];
    world.done(&[&reject[..], &by].concat());
    let rejected = bundle(&world, &release, "rejected.fwb");
    let device = Device::enrolled(&world, "pump", &world.url, &[]);
    let image = world.dir.path().join("image").display().to_string();
    let judge = |bundle: &str| {
        let (code, told) = device.agent(&["verify-image", &image, "--release", bundle]);
        (code, told["installable"].clone())
    };
    assert_eq!(judge(&published), (0, true.into()));
    assert_eq!(judge(&rejected), (1, false.into()));
    assert_eq!(judge(&published), (1, false.into()));
}

/// INS-012: a release of another issuer, or for another component, is none for this device.
#[test]
fn ins_012_a_device_takes_releases_of_its_issuers_for_its_component() {
    let (world, release) = released_in(World::witnessed());
    let published = bundle(&world, &release, "published.fwb");
    let device = Device::enrolled(&world, "pump", &world.url, &[]);
    let image = world.dir.path().join("image").display().to_string();
    let judge = || device.agent(&["verify-image", &image, "--release", &published]);
    let settings = [
        ("component = \"drug-library\"", 16, "refused_wrong_model"),
        ("component = \"app\"", 0, "signature_verified"),
        ("issuers = [\"zeta.example\"]", 17, "refused_unknown_signer"),
        ("issuers = []", 17, "refused_unknown_signer"),
        ("issuers = [\"zeta.example\", \"acme.example/build\"]", 0, "signature_verified"),
    ];
    for (line, reason, event) in settings {
        device.set(line);
        let (code, told) = judge();
        assert_eq!((code, text(&told, "event")), (i32::from(reason != 0), event), "{line}: {told}");
        assert_eq!(told["code"].as_u64().unwrap_or_default(), reason, "{line}");
    }
    // Whose releases are meant is never guessed.
    let settings = std::fs::read_to_string(device.dir.join("agent.toml")).expect("settings");
    let kept: Vec<&str> = settings.lines().filter(|it| !it.starts_with("issuers")).collect();
    std::fs::write(device.dir.join("agent.toml"), kept.join("\n")).expect("writes");
    let (code, told) = judge();
    assert_eq!((code, text(&told, "code")), (2, "E-FORM"), "{told}");
    assert!(text(&told, "help").contains("whose releases the device installs"), "{told}");
    let init =
        ["agent", "init", "--dir", "other", "--key", "pump.pem", "--as", "x", "--model", "m"];
    let more = ["--image", "image", "--version", "1", "--trust", "log/log.trust"];
    let (code, told) = world.run(&[&init[..], &more, &["--log", &world.url]].concat());
    assert_eq!((code, text(&told, "code")), (2, "E-USAGE"), "{told}");
    assert!(text(&told, "message").contains("whose releases the device installs"), "{told}");
    assert!(text(&told, "expected").contains("--takes-from"), "{told}");
}

/// AGT-052: what cannot be read in what was heard is not passed over.
#[test]
fn agt_052_a_damaged_memory_installs_nothing() {
    let (world, release) = released_in(World::witnessed());
    let published = bundle(&world, &release, "published.fwb");
    let device = Device::enrolled(&world, "pump", &world.url, &[]);
    let image = world.dir.path().join("image").display().to_string();
    let heard = device.dir.join("withdrawn");
    for (text_there, wanted) in [("tree 1\nrel", 0), ("rel\ntree 1\n", 2), ("rel\n", 2)] {
        std::fs::write(&heard, text_there).expect("writes");
        let (code, told) = device.agent(&["verify-image", &image, "--release", &published]);
        assert_eq!(code, wanted, "{text_there:?}: {told}");
        if wanted == 2 {
            assert_eq!(text(&told, "code"), "E-FORM", "{told}");
            assert!(text(&told, "message").contains("line 1 "), "{told}");
            assert!(text(&told, "help").contains("put the file back"), "{told}");
        }
    }
}

/// AGT-040: systemd hears that the agent is ready, alive and stopping.
#[test]
fn agt_040_systemd_is_told() {
    let world = World::start();
    let device = Device::enrolled(&world, "pump", &world.url, &[]);
    let path = world.dir.path().join("notify");
    let systemd = UnixDatagram::bind(&path).expect("binds");
    systemd.set_read_timeout(Some(Duration::from_secs(20))).expect("sets");
    let mut daemon = device.daemon();
    daemon.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let child = daemon.spawn().expect("starts");
    let agent = world::device::Agent { child, ready: Value::Null };
    let mut buffer = [0; 256];
    let mut next = || {
        let len = systemd.recv(&mut buffer).expect("is told");
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    };
    assert!(next().starts_with("READY=1"));
    assert_eq!([next(), next()], ["WATCHDOG=1", "WATCHDOG=1"]);
    agent.stop();
    let last = std::iter::repeat_with(next).find(|told| told != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
}

/// AGT-070, AGT-071: what is private stays on the device, and is handed on by who may.
#[test]
fn agt_070_private_values_are_committed_to_and_stay() {
    let world = World::start();
    let device = Device::enrolled(&world, "pump", &world.url, &[]);
    let agent = device.start();
    let who = ["--by", "person", "--role", "technician", "--reason", "service"];
    let waits = device.done(&[&["record", "check"][..], &who].concat());
    assert_eq!(text(&waits, "logged"), "waiting");
    let (name, place) = ("technician=badge T-0412", "site=Ward 3");
    let private = ["record", "service_mode", "--private", name, "--private", place];
    let said = device.done(&private);
    let seq = text(&said, "seq");
    let folder = device.dir.join("private");
    let entry = std::fs::read(folder.join(format!("{seq}.cose"))).expect("the statement");
    let opened = folder.join(format!("{seq}.cose.disclosures"));
    let bytes = std::fs::read(&opened).expect("what opens it");
    let update = Parsed::parse(&entry).expect("a statement").update().expect("an update");
    let initiator = update.initiator.as_ref().expect("told");
    assert_eq!(initiator.role.as_deref(), Some("technician"));
    assert_eq!(update.reason.as_ref().map(|it| it.code), Some(ReasonCode::Service));
    assert_eq!(update.commitments.len(), 2);
    let set = DisclosureSet::parse(&bytes).expect("disclosures");
    for one in set.as_slice() {
        let made = Commitment::new(one.field, &one.salt, &one.value).digest;
        assert_eq!(update.commitments.find(one.field), Some(&made));
    }
    // Another statement says neither.
    let next = device.done(&["record", "service_mode", "--now"]);
    assert_eq!(text(&next, "seq").parse(), seq.parse::<u64>().map(|seq| seq + 1));
    let journal = std::fs::read(device.dir.join("journal")).expect("the journal");
    let holds = |bytes: &[u8]| bytes.windows(6).any(|at| at == b"T-0412");
    assert!(!holds(&journal) && holds(&bytes));
    device.done(&["push"]);
    agent.stop();
    // Power went between the statement and its disclosures, and before another statement.
    let waiting: Vec<Value> = set.as_slice().iter().map(waiting).collect();
    std::fs::remove_file(&opened).expect("is there");
    let pending = |seq: u64| folder.join(format!("{seq}.pending"));
    let seq: u64 = seq.parse().expect("a number");
    for seq in [seq, seq + 1, seq + 2] {
        std::fs::write(pending(seq), Value::from(waiting.clone()).to_string()).expect("writes");
    }
    device.done(&["status"]);
    assert_eq!(std::fs::read(&opened).expect("made again"), bytes);
    assert!((seq..seq + 3).all(|seq| !pending(seq).exists()));
    assert!(!folder.join(format!("{}.cose", seq + 1)).exists());
    // Whoever may hands it to the log, which has the statement already.
    let file = format!("pump/private/{seq}.cose");
    let submitted = world.done(&["statement", "submit", &file]);
    assert!(submitted["index"].is_string(), "{submitted}");
}

fn waiting(one: &Disclosure) -> Value {
    serde_json::json!({"field": one.field.code(), "salt": one.salt, "value": one.value})
}
