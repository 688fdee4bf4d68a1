//! Private values are erased by command: from every file of the log, told in it once, also when
//! somebody pulls the plug in the middle.

mod world;

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use world::World;
use world::asked::{TOKEN, all_told, fetch, told};

const ADMIN: [&str; 4] = ["--key", "log/admin.pem", "--as", "log.example/admin"];
const CONFIG: [&str; 2] = ["--config", "log/firmlog.toml"];

/// A log whose server knows administrators.
fn administered() -> World {
    let mut world = World::start();
    world.stop();
    let path = world.dir.path().join("log/token");
    std::fs::write(&path, TOKEN).expect("writes");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, mode).expect("it is ours");
    set(&world, "[http]", "[http]\nadmin_token_file = \"token\"");
    world.start_again();
    world
}

/// Changes the configuration.
fn set(world: &World, from: &str, to: &str) {
    let path = world.dir.path().join("log/firmlog.toml");
    let text = std::fs::read_to_string(&path).expect("reads");
    assert!(text.contains(from));
    std::fs::write(path, text.replacen(from, to, 1)).expect("writes");
}

fn serial(n: usize) -> String {
    format!("7X-00{n:03}-unusual")
}

/// Enrols a device whose serial number and site are private; its entry's index and leaf hash.
fn enrol(world: &World, n: usize) -> (String, String) {
    let (key, public, out) =
        (format!("pump-{n}.pem"), format!("pump-{n}.pem.pub"), format!("pump-{n}.cose"));
    assert_eq!(world.run(&["key", "new", &key]).0, 0);
    let seed = "11".repeat(32);
    let (serial, site) = (serial(n), format!("Ward {n}, bed 12"));
    let who = ["--role", "device", "--issuer", "acme.example/devices", "--model", "ip-200"];
    let private = ["--chain-seed", &seed, "--serial", &serial, "--site", &site, "--out", &out];
    let done = world.done(&[&["trust", "enrol", &public], &who[..], &private, &ADMIN].concat());
    let text = |name: &str| done[name].as_str().expect("text").to_owned();
    (text("index"), text("leaf_hash"))
}

/// `log erase` beside a server.
fn erase(world: &World, args: &[&str]) -> (i32, Value) {
    let log = ["--log", &world.url];
    world.run(&[&["log", "erase"], args, &CONFIG, &log].concat())
}

/// What is in the files below the log's data folder, but pages of zeros: of those the write-ahead
/// log is full.
fn files(world: &World) -> Vec<u8> {
    let mut all = Vec::new();
    let mut dirs = vec![world.dir.path().join("log/data")];
    while let Some(dir) = dirs.pop() {
        for file in std::fs::read_dir(dir).expect("a folder") {
            let path = file.expect("a file").path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                // A file that SQLite took away meanwhile holds nothing.
                let bytes = std::fs::read(path).unwrap_or_default();
                let pages = bytes.chunks(4096).filter(|page| *page != &[0; 4096][..page.len()]);
                all.extend(pages.flatten());
            }
        }
    }
    all
}

fn is_in(files: &[u8], text: &str) -> bool {
    files.windows(text.len()).any(|window| window == text.as_bytes())
}

fn holds(world: &World, text: &str) -> bool {
    is_in(&files(world), text)
}

/// API-052
#[test]
fn an_administrator_erases_while_the_server_runs() {
    let mut world = administered();
    let (index, leaf) = enrol(&world, 1);
    let (other, _) = enrol(&world, 2);
    assert!(holds(&world, &serial(1)));
    let found = |text: &str| fetch(&world, &format!("/api/v1/search?q={text}"))["items"].clone();
    assert_eq!(found(&serial(1)).as_array().map(Vec::len), Some(1));

    let (code, done) = erase(&world, &[&index, "--field", "serial"]);
    assert_eq!((code, &done["fields"]), (0, &json!(["serial"])), "{done}");
    assert_eq!((&done["left"], &done["leaf_hash"]), (&json!(["site"]), &leaf.as_str().into()));
    assert!(!holds(&world, &serial(1)));
    assert_eq!(found(&serial(1)), json!([]));
    assert!(holds(&world, "Ward 1, bed 12"));
    let (code, twice) = erase(&world, &[&leaf, "--field", "serial"]);
    assert_eq!((code, &twice["fields"], &twice["told"]), (0, &json!([]), &Value::Null));

    // All that is left, by leaf hash.
    let (code, done) = erase(&world, &[&leaf]);
    assert_eq!((code, &done["fields"], &done["left"]), (0, &json!(["site"]), &json!([])));
    assert!(done["out_of_reach"].to_string().contains("handed out"), "{done}");
    assert!(!holds(&world, "Ward 1, bed 12"));
    let named = done["told"].as_str().expect("it is told");
    let entry = fetch(&world, &format!("/api/v1/entries/{named}"));
    let payload = &entry["statement"]["payload"];
    assert_eq!(entry["issuer"], "log.example/pumps");
    assert_eq!((&payload["action"], &payload["detail"]), (&"erased".into(), &"site".into()));
    assert_eq!((&payload["subjects"], &payload["count"]), (&json!([leaf]), &1.into()));
    assert!(!entry.to_string().contains("Ward"), "{entry}");

    // Whoever sends it again, disclosures and all, does not bring it back.
    world.done(&["statement", "submit", "pump-1.cose"]);
    assert!(!holds(&world, &serial(1)));
    assert!(!holds(&world, "Ward 1, bed 12"));
    assert!(holds(&world, &serial(2)), "entry {other} was not meant");
    all_told(&world);
    assert_eq!(told(&world, "erased").len(), 2);
    let args = [&["log", "erase", &index], &CONFIG[..], &["--log", &world.url]].concat();
    let shown = world::command(world.dir.path(), &args).output().expect("starts");
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.contains("nothing left to erase\nout of reach: copies of"), "{shown}");
    world.stop();
    let fsck = ["log", "fsck", "--trust", "log/log.trust", "--index"];
    let checked = world.run(&[&fsck[..], &CONFIG].concat()).1;
    assert_eq!(checked["whole"], true, "{checked}");
}

#[test]
fn nobody_else_erases_and_nothing_else_is_erased() {
    let mut world = administered();
    let (index, _) = enrol(&world, 1);
    let post = |token: Option<&str>, query: &str| {
        let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
        let url = format!("{}/api/v1/entries/{index}/erase{query}", world.url);
        let request = client.post(url);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().expect("an answer").status().as_u16()
    };
    assert_eq!(post(None, ""), 401);
    assert_eq!(post(Some("another token of the same length!!"), ""), 401);
    assert_eq!(post(Some(TOKEN), "?field=name"), 400);
    assert_eq!(post(Some(TOKEN), "?fields=serial"), 400);
    for (args, exit, code) in [
        (&["4711"][..], 3, "E-NOT-FOUND"),
        (&[&"11".repeat(32)], 3, "E-NOT-FOUND"),
        (&["serial"], 2, "E-USAGE"),
        (&[&index, "--field", "name"], 2, "E-USAGE"),
    ] {
        let (got, told) = erase(&world, args);
        assert_eq!((got, &told["code"]), (exit, &code.into()), "{told}");
    }
    let elsewhere = ["--log", "http://log.example"];
    let args = [&["log", "erase", &index], &CONFIG[..], &elsewhere].concat();
    let (code, refused) = world.run(&args);
    assert_eq!((code, &refused["code"]), (2, &"E-URL".into()), "{refused}");

    // A server that knows no administrator.
    world.stop();
    set(&world, "admin_token_file = \"token\"", "");
    world.start_again();
    assert_eq!(
        reqwest::blocking::Client::new()
            .post(format!("{}/api/v1/entries/{index}/erase", world.url))
            .bearer_auth(TOKEN)
            .send()
            .expect("an answer")
            .status(),
        401
    );
    let (code, refused) = erase(&world, &[&index]);
    assert_eq!((code, &refused["code"]), (2, &"E-LOCKED".into()), "{refused}");
    assert!(refused["help"].to_string().contains("stop the server"), "{refused}");
    assert!(holds(&world, &serial(1)));
    all_told(&world);
    assert_eq!(told(&world, "erased"), Vec::<Value>::new());
}

#[test]
fn a_stopped_log_is_erased_and_told_at_its_next_start() {
    let mut world = administered();
    let (index, leaf) = enrol(&world, 1);
    world.stop();
    let (code, done) = erase(&world, &[&leaf, "--field", "site"]);
    assert_eq!((code, &done["fields"], &done["told"]), (0, &json!(["site"]), &Value::Null));
    assert!(done["not_told"].to_string().contains("next start"), "{done}");
    assert!(!holds(&world, "Ward 1, bed 12"));
    assert_eq!(erase(&world, &["4711"]).0, 3);
    assert_eq!(erase(&world, &[&"11".repeat(32)]).0, 3);
    assert_eq!(erase(&world, &[&index]).1["fields"], json!(["serial"]));
    assert_eq!(erase(&world, &[&index]).1["fields"], json!([]));
    assert!(!holds(&world, &serial(1)));
    // The sole copy of what is to be told: kept here, it is as if the server were killed after it
    // told and before it forgot.
    let deeds = world.dir.path().join("log/data/state/deeds");
    let kept: Vec<_> = std::fs::read_dir(&deeds)
        .expect("a folder")
        .map(|file| file.expect("a file").path())
        .map(|path| (path.clone(), std::fs::read(path).expect("reads")))
        .collect();
    assert_eq!(kept.len(), 2);
    world.start_again();
    all_told(&world);
    let size = fetch(&world, "/api/v1/log")["size"].clone();
    world.kill();
    for (path, bytes) in &kept {
        std::fs::write(path, bytes).expect("writes");
    }
    world.start_again();
    all_told(&world);
    assert_eq!(fetch(&world, "/api/v1/log")["size"], size);
    let told: Vec<_> = told(&world, "erased").iter().map(|it| it["detail"].clone()).collect();
    assert_eq!(told, ["site", "serial"]);
}

/// Killed between noting and erasing: the next start erases, then tells.
#[test]
fn what_was_noted_is_erased_at_the_next_start() {
    let mut world = administered();
    let (index, leaf) = enrol(&world, 1);
    world.kill();
    let deeds = world.dir.path().join("log/data/state/deeds");
    std::fs::create_dir_all(&deeds).expect("makes");
    let deed = json!({"at_ms": 1_796_000_000_000_u64, "deed": "erased",
        "index": index.parse::<u64>().expect("a number"), "entry": leaf, "fields": ["serial"]});
    std::fs::write(deeds.join("01796000000000-erased.json"), deed.to_string()).expect("writes");
    assert!(holds(&world, &serial(1)));
    world.start_again();
    all_told(&world);
    assert!(!holds(&world, &serial(1)));
    assert!(holds(&world, "Ward 1, bed 12"));
    let told = told(&world, "erased");
    assert_eq!((told.len(), &told[0]["subjects"]), (1, &json!([leaf])));
}

/// A value that is gone is told of once, and one that is told of is gone, whoever is killed when.
#[test]
fn a_kill_loses_neither_the_erasure_nor_its_telling() {
    let mut world = administered();
    let devices: Vec<_> = (0..16).map(|n| enrol(&world, n)).collect();
    for (n, (_, leaf)) in devices.iter().enumerate() {
        let offline = n % 2 == 1;
        if offline {
            world.stop();
        }
        let log = ["--log", &world.url];
        let args = [&["log", "erase", leaf], &CONFIG[..], &log].concat();
        let mut command = world::command(world.dir.path(), &args);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        std::thread::sleep(Duration::from_millis(3 + 9 * n as u64));
        if !offline {
            world.kill();
        }
        child.kill().expect("ours");
        child.wait().expect("ends");
        world.start_again();
    }
    all_told(&world);
    let once = |world: &World| {
        let (told, files) = (told(world, "erased"), files(world));
        for (n, (_, leaf)) in devices.iter().enumerate() {
            let times = told.iter().filter(|it| it["subjects"] == json!([leaf])).count();
            assert_eq!(times, usize::from(!is_in(&files, &serial(n))), "device {n}");
        }
        told.len()
    };
    once(&world);
    for (_, leaf) in &devices {
        assert_eq!(erase(&world, &[leaf]).0, 0);
    }
    all_told(&world);
    assert_eq!(once(&world), devices.len());
}
