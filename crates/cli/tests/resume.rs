//! A daemon whose journal lost the end of its chain: it goes on from the log's head and says what
//! is lost; a log that lies, and a process that is killed, do not change that.

mod proxy;
mod world;

use std::time::{Duration, Instant};

use firmlog_statement::Parsed;
use serde_json::{Value, json};
use world::World;
use world::device::Device;

fn text<'a>(doc: &'a Value, name: &str) -> &'a str {
    doc[name].as_str().unwrap_or_else(|| panic!("no {name} in {doc}"))
}

/// A device that said this many things more than its first, all of them in the log.
fn spoken(world: &World, more: usize) -> Device {
    let device = Device::enrolled(world, "pump", &world.url, &[]);
    device.set("retry_ms = [20, 200]");
    for _ in 0..more {
        device.done(&["record", "service_mode", "--now"]);
    }
    device.done(&["push"]);
    device
}

/// Damages the newest statement in the journal.
fn damage(device: &Device) {
    device.damage_end();
    assert_eq!(device.agent(&["status"]).1["next_seq"], Value::Null, "the end is hidden");
}

/// Waits until the end of the chain is known, and all of it proven.
fn wait_for_end(device: &Device) -> Value {
    let start = Instant::now();
    loop {
        let (_, status) = device.agent(&["status"]);
        if status["next_seq"].is_string() && status["unsent"] == "0" {
            return status;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{status}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The verdict about the device, from the log's bundle.
fn verdict(world: &World, device: &Device) -> (i32, Value) {
    // A device that forked is written down all the same.
    world.at_log(&["bundle", "device", &device.id, "--out", "pump.fwb"]);
    world.run(&["verify", "pump.fwb", "--trust", "log/log.trust"])
}

fn gaps(verdict: &Value) -> Vec<String> {
    let findings = verdict["findings"].as_array().expect("findings");
    let what = findings.iter().map(|finding| text(finding, "what").to_owned());
    what.filter(|what| what.contains("lost its journal")).collect()
}

fn findings(device: &Device) -> Vec<Value> {
    let kept = std::fs::read_to_string(device.dir.join("findings.jsonl")).unwrap_or_default();
    kept.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// AGT-060, AGT-064, BND-022: the end of the file is damaged while nobody runs; the daemon goes on
/// from the log, and everybody sees where and what is lost.
#[test]
fn agt_060_the_daemon_goes_on_from_the_logs_head() {
    let mut world = World::start();
    let device = spoken(&world, 4);
    damage(&device);
    world.stop();
    let agent = device.start();
    // Nobody answers: what happens is counted, and no install begins unrecorded.
    let (code, dropped) = device.agent(&["record", "tamper_detected"]);
    assert_eq!((code, text(&dropped, "logged")), (3, "dropped"), "{dropped}");
    device.done(&["record", "downloaded"]);
    let image = world.dir.path().join("image-1");
    let image = image.to_str().expect("a name");
    device.done(&["record", "signature_verified", "--image", image, "--version", "4.2.1"]);
    let (code, withheld) = device.agent(&["record", "install_started"]);
    assert_eq!((code, text(&withheld, "code")), (1, "E-NOT-LOGGED"), "{withheld}");
    let (code, pushed) = device.agent(&["push"]);
    assert_eq!(code, 5, "{pushed}");
    agent.stop();
    world.start_again();
    device.set(&format!("log = \"{}\"", world.url));
    let agent = device.start();
    let status = wait_for_end(&device);
    assert_eq!(text(&status, "next_seq"), "6", "five said, and the gap");
    device.done(&["record", "debug_unlocked", "--now"]);
    device.done(&["push"]);
    agent.stop();
    let (code, verdict) = verdict(&world, &device);
    assert_eq!((code, text(&verdict, "verdict")), (3, "verified so far"), "{verdict}");
    let gaps = gaps(&verdict);
    assert_eq!(gaps.len(), 1, "{verdict}");
    assert!(gaps[0].contains("from statement 4 on") && gaps[0].contains("with 5:"), "{gaps:?}");
    assert!(gaps[0].ends_with("is not known"), "{gaps:?}");
    assert_eq!(verdict["misbehaviour"], false);
    let kept = &findings(&device)[0];
    assert_eq!(text(&kept["resumed"], "lost_from"), "4", "{kept}");
    assert!(text(kept, "newer_checkpoint").starts_with("log.example/pumps\n"), "{kept}");
    let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
    let url = format!("{}/api/v1/findings", world.url);
    let told = client.get(url).send().expect("answers").text().expect("text");
    assert!(told.contains("journal_lost") && !told.contains("sequence_violation"), "{told}");
    // Opened again, the end is known.
    assert_eq!(text(&device.agent(&["status"]).1, "next_seq"), "7");
}

/// AGT-060: a page and more of the journal is gone, and `push` does the same without a daemon.
#[test]
fn agt_060_a_lost_page_is_fetched_and_told() {
    let world = World::start();
    let device = spoken(&world, 30);
    let path = device.dir.join("journal");
    let mut bytes = std::fs::read(&path).expect("reads");
    let last = device.newest();
    let at = bytes.windows(last.len()).position(|window| window == last).expect("there");
    let page = at / 4096 * 4096;
    bytes[page - 4096..page + 4096].fill(0);
    std::fs::write(&path, bytes).expect("writes");
    assert_eq!(device.agent(&["status"]).1["next_seq"], Value::Null);
    let pushed = device.done(&["push"]);
    assert_eq!((text(&pushed, "proven_below"), text(&pushed, "unsent")), ("32", "0"), "{pushed}");
    let (code, verdict) = verdict(&world, &device);
    assert_eq!((code, gaps(&verdict).len()), (3, 1), "{verdict}");
    let from = findings(&device)[0]["resumed"]["lost_from"].as_str().map(str::to_owned);
    let from: u64 = from.and_then(|text| text.parse().ok()).expect("a number");
    assert!((10..26).contains(&from), "a page holds several: {from}");
}

/// AGT-062: killed at any moment on its way, the daemon has the end hidden as before or the gap
/// told; the log never sees two statements in one place.
#[test]
fn agt_062_killed_while_it_goes_on() {
    let world = World::start();
    let device = spoken(&world, 2);
    let (mut hidden, mut rounds) = (0, 0);
    for round in 0..3 {
        damage(&device);
        for wait in 0.. {
            let mut agent = device.start();
            std::thread::sleep(Duration::from_millis(wait * 7 + round));
            agent.child.kill().expect("runs");
            agent.child.wait().expect("ends");
            rounds += 1;
            if device.agent(&["status"]).1["next_seq"].is_string() {
                break;
            }
            hidden += 1;
        }
        device.done(&["push"]);
    }
    assert!(hidden >= 3, "{hidden} of {rounds} kills left the end hidden");
    let (code, verdict) = verdict(&world, &device);
    assert_eq!((code, verdict["misbehaviour"].clone()), (3, false.into()), "{verdict}");
    assert_eq!(gaps(&verdict).len(), 3, "{verdict}");
    assert!(findings(&device).iter().all(|line| line.get("resumed").is_some()));
}

/// A statement with another signature.
fn spoilt(mut body: Vec<u8>) -> Vec<u8> {
    *body.last_mut().expect("a statement") ^= 1;
    body
}

/// AGT-063: whatever a log, or who stands before it, says that is not proven, the device takes no
/// head from it, keeps what was said, and asks again.
#[test]
fn agt_063_a_lying_log_gives_no_head() {
    type Alter = fn(&str, (u16, Vec<u8>)) -> (u16, Vec<u8>);
    let world = World::start();
    let device = spoken(&world, 4);
    let other = Device::enrolled(&world, "other", &world.url, &[]);
    other.done(&["push"]);
    damage(&device);
    let before = std::fs::read(device.dir.join("journal")).expect("reads");
    let lies: [(&str, i32, Alter); 6] = [
        ("checkpoint is not believed", 1, |path, (status, body)| match path {
            "/checkpoint" => (status, spoilt_signature(body)),
            _ => (status, body),
        }),
        ("not signed by this device", 1, |path, (status, body)| {
            match path.ends_with("/statement") {
                true => (status, spoilt(body)),
                false => (status, body),
            }
        }),
        ("is not proven", 1, |path, (status, body)| match path.ends_with("/proof") {
            true => (status, String::from_utf8_lossy(&body).replace("index ", "index 1").into()),
            false => (status, body),
        }),
        ("WENT BACK", 1, |path, (status, body)| match path.starts_with("/api/v1/entries?") {
            true => (status, without(&body, |_| false)),
            false => (status, body),
        }),
        ("SPLIT VIEW", 1, |path, (status, body)| match path.starts_with("/api/v1/consistency") {
            true => (status, json!({"path": [hex(7)]}).to_string().into()),
            false => (status, body),
        }),
        ("looked through", 5, |path, (status, body)| match path.starts_with("/api/v1/entries?") {
            true => (status, behind(&body)),
            false => (status, body),
        }),
    ];
    for (what, exit, alter) in lies {
        device.set(&format!("log = \"{}\"", proxy::altered(&world.url, alter)));
        let (code, told) = device.agent(&["push"]);
        assert_eq!(code, exit, "{what}: {told}");
        assert!(text(&told, "trouble").contains(what), "{what}: {told}");
        let after = std::fs::read(device.dir.join("journal")).expect("reads");
        assert!(before == after, "{what}: nothing is written");
    }
    let kept = findings(&device);
    for (what, ..) in lies.iter().filter(|(_, exit, _)| *exit == 1) {
        let told =
            kept.iter().any(|line| line["head"].as_str().is_some_and(|it| it.contains(what)));
        assert!(told, "{what} is kept: {kept:?}");
    }
    device.set(&format!("log = \"{}\"", world.url));
    device.done(&["push"]);
    assert_eq!(verdict(&world, &device).1["misbehaviour"], false);
}

fn hex(byte: u8) -> String {
    format!("{byte:02x}").repeat(32)
}

/// A note with another signature.
fn spoilt_signature(body: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8_lossy(&body).into_owned();
    let at = text.trim_end().len() - 8;
    let other = if &text[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &text[..at], &text[at + 1..]).into_bytes()
}

/// A list of entries with only those of a seq that is wanted.
fn without(body: &[u8], wanted: fn(&str) -> bool) -> Vec<u8> {
    let mut page: Value = serde_json::from_slice(body).expect("a list");
    page["items"].as_array_mut().expect("items").retain(|item| wanted(text(item, "seq")));
    page.to_string().into_bytes()
}

fn behind(body: &[u8]) -> Vec<u8> {
    let mut page: Value = serde_json::from_slice(body).expect("a list");
    page["index"]["covered"] = "1".into();
    page.to_string().into_bytes()
}

/// AGT-061, AGT-064, BND-023, T31: a log that hides the newest statements has the device fork
/// itself; the fork is in the log, and the checkpoint that the device kept and names convicts it.
#[test]
fn agt_064_a_log_that_hides_statements_convicts_itself() {
    let world = World::start();
    let device = spoken(&world, 2);
    // The journal from before the last two: it knows nothing of them, and is damaged too.
    let old = std::fs::read(device.dir.join("journal")).expect("reads");
    device.done(&["record", "service_mode", "--now"]);
    device.done(&["record", "debug_unlocked", "--now"]);
    device.done(&["push"]);
    std::fs::write(device.dir.join("journal"), old).expect("writes");
    damage(&device);
    let hiding = proxy::altered(&world.url, |path, (status, body)| {
        match path.starts_with("/api/v1/entries?") {
            true => (status, without(&body, |seq| seq != "3" && seq != "4")),
            false => (status, body),
        }
    });
    device.set(&format!("log = \"{hiding}\""));
    device.agent(&["push"]);
    device.set(&format!("log = \"{}\"", world.url));
    device.done(&["push"]);
    let kept = findings(&device);
    let checkpoint = text(&kept[0], "newer_checkpoint").to_owned();
    let size: u64 = checkpoint.lines().nth(1).and_then(|line| line.parse().ok()).expect("a size");
    let fork = kept.iter().find(|line| line["fork"].is_object()).expect("a fork");
    assert_eq!(text(&fork["fork"], "seq"), "3", "{fork}");
    let (code, verdict) = verdict(&world, &device);
    assert_eq!((code, &verdict["misbehaviour"]), (1, &true.into()), "{verdict}");
    let forked = verdict["findings"].as_array().expect("findings").iter();
    let forked = forked.map(|it| (text(it, "what").to_owned(), it["entries"].clone()));
    let (_, entries) = forked.into_iter().find(|(what, _)| what.contains("two")).expect("a fork");
    let hidden: u64 = entries[0].as_str().and_then(|it| it.parse().ok()).expect("an index");
    assert!(hidden < size, "the tree of {size} entries that the log showed holds entry {hidden}");
    let index = entries[1].as_str().expect("an index");
    let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
    let url = format!("{}/entries/{index}/statement", world.url);
    let gap = client.get(url).send().expect("answers").bytes().expect("a statement");
    let gap = Parsed::parse(&gap).and_then(|parsed| parsed.update()).expect("an update");
    assert_eq!(gap.checkpoint.map(|seen| seen.size), Some(size), "the device signed what it saw");
}

/// AGT-065: where a copy of the device speaks as well, the device goes on from its own history, and
/// the log's other one is told.
#[test]
fn agt_065_a_forked_device_goes_on_from_its_own_history() {
    let world = World::start();
    let device = spoken(&world, 2);
    let dir = world.dir.path().join("copy");
    std::fs::create_dir(&dir).expect("makes");
    for file in ["agent.toml", "running", "boot", "journal"] {
        std::fs::copy(device.dir.join(file), dir.join(file)).expect("copies");
    }
    let copy = Device { dir, id: device.id.clone() };
    for each in [&device, &copy] {
        for _ in 0..2 {
            each.done(&["record", "installed_state", "--now"]);
        }
        each.done(&["push"]);
    }
    damage(&copy);
    copy.done(&["push"]);
    let resumed = findings(&copy).into_iter().find(|line| line["resumed"].is_object());
    let resumed = resumed.expect("it went on");
    assert_eq!(resumed["resumed"]["other_statements"], 1, "{resumed}");
    let (code, verdict) = verdict(&world, &device);
    assert_eq!((code, &verdict["misbehaviour"]), (1, &true.into()), "{verdict}");
    let forks = verdict["findings"].as_array().expect("findings").iter();
    let forks = forks.filter(|it| text(it, "what").contains("signed two statements")).count();
    assert_eq!(forks, 1, "the gap statement extends the copy's branch: {verdict}");
}
