//! The commands that need no log: exit codes, schemas, and that secrets stay secret.

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

fn firmlog(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("firmlog").expect("built");
    command.current_dir(dir).args(args);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FIRMLOG_")) {
        command.env_remove(name);
    }
    command
}

fn json(dir: &Path, args: &[&str], code: i32) -> Value {
    let output = firmlog(dir, args).arg("--json").assert().code(code).get_output().stdout.clone();
    serde_json::from_slice(&output).expect("one JSON document on stdout")
}

#[test]
fn the_example_of_the_first_help_page_works() {
    let dir = tempfile::tempdir().expect("a directory");
    let udi = "(01)51022222233336(11)141231(17)150707(10)A213B1(21)1234";
    let help = firmlog(dir.path(), &["--help"]).assert().code(0).get_output().stdout.clone();
    let help = String::from_utf8(help).expect("UTF-8");
    assert!(help.contains(&format!("firmlog inspect '{udi}'")), "{help}");
    let found = json(dir.path(), &["inspect", udi], 0);
    assert_eq!(found["schema"], "firmlog/inspect/v1");
    assert_eq!((&found["kind"], &found["serial"]), (&"UDI".into(), &"1234".into()));
    json(dir.path(), &["inspect", &udi.replace("33336", "33337")], 1);
}

/// What cannot be undone, or is not in a copy, is said before it matters.
#[test]
fn help_tells_the_limits() {
    let dir = tempfile::tempdir().expect("a directory");
    for (command, words) in [
        ("backup", &["must be stopped", "disclosures", "never-fork record"][..]),
        ("prune", &["must be stopped", "bundles of 256", "releases", "exit 3"]),
        ("restore", &["refuses to sign"]),
    ] {
        let shown = firmlog(dir.path(), &["log", command, "--help"]).assert().code(0);
        let shown = String::from_utf8_lossy(&shown.get_output().stdout).replace('\n', " ");
        for word in words {
            assert!(shown.contains(word), "{command}: {word}: {shown}");
        }
    }
}

#[test]
fn every_command_has_help_with_an_example() {
    let dir = tempfile::tempdir().expect("a directory");
    for args in [
        &["verify"][..],
        &["identify"],
        &["inspect"],
        &["witness"],
        &["witness", "init"],
        &["log", "init"],
        &["log", "serve"],
        &["log", "fsck"],
        &["log", "reindex"],
        &["log", "backup"],
        &["log", "restore"],
        &["log", "prune"],
        &["log", "adopt-record"],
        &["config", "show"],
        &["key", "new"],
        &["key", "show"],
        &["statement", "template"],
        &["statement", "sign"],
        &["statement", "submit"],
        &["statement", "show"],
        &["trust", "enrol"],
        &["trust", "rotate"],
        &["trust", "revoke"],
        &["release", "propose"],
        &["release", "publish"],
        &["release", "step"],
        &["release", "approve"],
        &["release", "authorise"],
        &["release", "show"],
        &["bundle", "device"],
        &["bundle", "release"],
        &["device", "simulate"],
        &["challenge", "run"],
        &["challenge", "verify"],
    ] {
        let mut all = args.to_vec();
        all.push("--help");
        let help = firmlog(dir.path(), &all).assert().code(0).get_output().stdout.clone();
        let help = String::from_utf8(help).expect("UTF-8");
        assert!(help.contains("Example:\n  firmlog "), "firmlog {} --help", args.join(" "));
    }
}

#[test]
fn keys_are_made_shown_and_never_overwritten() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = json(dir.path(), &["key", "new", "a.pem"], 0);
    let shown = json(dir.path(), &["key", "show", "a.pem.pub"], 0);
    assert_eq!(made["thumbprint"], shown["thumbprint"]);
    assert_eq!(json(dir.path(), &["key", "new", "a.pem"], 2)["code"], "E-KEY");
    let secret = std::fs::read_to_string(dir.path().join("a.pem")).expect("a key file");
    let body = secret.lines().nth(1).expect("a line of Base64");
    let output = firmlog(dir.path(), &["inspect", "a.pem"]).assert().code(0).get_output().clone();
    assert!(!String::from_utf8_lossy(&output.stdout).contains(body));
    let made = json(dir.path(), &["key", "new", "w.pem", "--algorithm", "ed25519"], 0);
    let shown = json(dir.path(), &["key", "show", "w.pem", "--name", "w.example"], 0);
    assert_eq!(made["thumbprint"], shown["thumbprint"]);
    let vkey = shown["vkey_witness"].as_str().expect("a vkey");
    assert_eq!(json(dir.path(), &["inspect", vkey], 0)["kind"], "verifier key");
}

#[test]
fn a_key_others_can_read_and_a_wrong_passphrase_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("good"), "correct horse\n").expect("writes");
    std::fs::write(dir.path().join("bad"), "wrong\n").expect("writes");
    std::fs::write(dir.path().join("empty"), "\n").expect("writes");
    let empty = json(dir.path(), &["key", "new", "e.pem", "--passphrase-file", "empty"], 2);
    assert_eq!(empty["code"], "E-PASSPHRASE");
    assert!(!dir.path().join("e.pem").exists());
    json(dir.path(), &["key", "new", "a.pem", "--passphrase-file", "good"], 0);
    json(dir.path(), &["key", "show", "a.pem", "--passphrase-file", "good"], 0);
    let refused = json(dir.path(), &["key", "show", "a.pem", "--passphrase-file", "bad"], 4);
    assert_eq!(refused["schema"], "firmlog/error/v1");
    json(dir.path(), &["key", "show", "a.pem"], 2);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(dir.path().join("a.pem"), open).expect("chmod");
    let refused = json(dir.path(), &["key", "show", "a.pem", "--passphrase-file", "good"], 2);
    assert_eq!(
        (&refused["code"], &refused["got"]),
        (&"E-KEY-MODE".into(), &"readable by everybody on this machine".into())
    );
    json(dir.path(), &["log", "init", "log", "--origin", "log.example"], 0);
    let tls = ["--set", "http.tls_key=a.pem", "--set", "http.tls_certificate=none.pem"];
    let serve = ["log", "serve", "--config", "log/firmlog.toml"];
    let refused = json(dir.path(), &[&serve[..], &tls].concat(), 2);
    assert_eq!(
        (&refused["code"], &refused["got"]),
        (&"E-KEY-MODE".into(), &"readable by everybody on this machine".into())
    );
}

#[test]
fn usage_is_2_and_an_unreachable_log_is_5() {
    let dir = tempfile::tempdir().expect("a directory");
    firmlog(dir.path(), &["verify"]).assert().code(2);
    firmlog(dir.path(), &["no-such-command"]).assert().code(2);
    for (args, message, help) in [
        (&["verify"][..], "the following required arguments", "Usage: firmlog verify"),
        (&["no-such-command"], "unrecognized subcommand", "Usage: firmlog"),
        (&["key", "new", "a", "--algorithm", "rot13"], "invalid value 'rot13'", "--help"),
        (&[], "requires a subcommand", "Usage: firmlog"),
        (&["log"], "requires a subcommand", "Usage: firmlog log"),
    ] {
        let told = json(dir.path(), args, 2);
        assert_eq!(
            (&told["schema"], &told["code"]),
            (&"firmlog/error/v1".into(), &"E-USAGE".into())
        );
        let said = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        assert!(said("message").contains(message) && said("help").contains(help), "{told}");
    }
    firmlog(dir.path(), &["--help", "--json"]).assert().code(0);
    json(dir.path(), &["log", "init", "log", "--origin", "log.example"], 0);
    std::fs::write(dir.path().join("image"), "image").expect("writes");
    let nobody = "http://127.0.0.1:9";
    let args = ["identify", "image", "--trust", "log/log.trust", "--log", nobody];
    let error = json(dir.path(), &args, 5);
    assert_eq!(error["code"], "E-NETWORK");
    assert!(error["help"].is_string());
}

#[test]
fn a_log_that_cannot_be_made_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("bad.policy"), "quorum nobody\n").expect("writes");
    std::fs::write(path("record"), "another log's").expect("writes");
    let init = ["log", "init", "log", "--origin"];
    for (more, code) in [
        (&["log example+1"][..], "E-ORIGIN"),
        (&["log.example", "--witnesses", "bad.policy"], "E-POLICY"),
        (&["log.example", "--witnesses", "missing"], "E-IO"),
        (&["log.example", "--record", "record"], "E-LOG"),
        (&["log.example", "--record", "bad.policy/record"], "E-LOG"),
    ] {
        let refused = json(dir.path(), &[&init[..], more].concat(), 2);
        assert_eq!(refused["code"], code, "{refused}");
        assert!(!["E-ORIGIN", "E-POLICY"].contains(&code) || refused["got"].is_string());
        assert!(!path("log").exists(), "{more:?}");
    }
    json(dir.path(), &[&init[..], &["log.example"]].concat(), 0);
}

#[test]
fn a_log_key_with_a_passphrase_opens_for_every_command() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    json(dir.path(), &["log", "init", "log", "--origin", "log.example"], 0);
    std::fs::write(path("log/pass"), "correct horse\n").expect("writes");
    let key = firmlog_keys::FileKey::open(&path("log/log-key.pem"), None).expect("opens");
    std::fs::remove_file(path("log/log-key.pem")).expect("removes");
    key.save(&path("log/log-key.pem"), Some(b"correct horse")).expect("saves");
    let config = ["--config", "log/firmlog.toml"];
    let set = ["--set", "log.key_passphrase_file=log/pass"];
    let fsck = ["log", "fsck", "--config", "log/firmlog.toml", "--trust", "log/log.trust"];
    for command in [&["log", "reindex"][..], &["log", "backup", "copy"], &["log", "prune", "0"]] {
        json(dir.path(), &[command, &config, &set].concat(), 0);
        json(dir.path(), &[command, &config].concat(), 2);
    }
    json(dir.path(), &fsck, 0);
}

#[test]
fn what_cannot_be_pruned_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    json(dir.path(), &["log", "init", "log", "--origin", "log.example"], 0);
    let config = ["--config", "log/firmlog.toml"];
    let beyond = json(dir.path(), &[&["log", "prune", "1000000"][..], &config].concat(), 2);
    assert_eq!((&beyond["code"], &beyond["got"]), (&"E-RANGE".into(), &"1000000".into()));
    let needed = json(dir.path(), &[&["log", "prune", "1"][..], &config].concat(), 3);
    assert_eq!((&needed["min_index"], &needed["asked"]), (&"0".into(), &"1".into()), "{needed}");
    assert!(needed["why"].to_string().contains("write-ahead log"));
    json(dir.path(), &[&["log", "prune", "0"][..], &config].concat(), 0);
}

#[test]
fn a_lost_record_is_made_again_on_a_persons_word_only() {
    let dir = tempfile::tempdir().expect("a directory");
    json(dir.path(), &["log", "init", "log", "--origin", "log.example"], 0);
    let config = ["--config", "log/firmlog.toml"];
    let prune = [&["log", "prune", "0"][..], &config].concat();
    let adopt = [&["log", "adopt-record"][..], &config].concat();
    let sure = [&adopt[..], &["--i-have-checked-that-no-newer-copy-signed"]].concat();
    json(dir.path(), &prune, 0);
    json(dir.path(), &sure, 2);
    std::fs::remove_file(dir.path().join("log/never-fork")).expect("removes");
    let lost = json(dir.path(), &prune, 2);
    assert_eq!(lost["code"], "E-RECORD");
    assert!(lost["help"].to_string().contains("adopt-record"), "{lost}");
    assert_eq!(json(dir.path(), &adopt, 2)["code"], "E-USAGE");
    assert!(!dir.path().join("log/never-fork").exists());
    assert_eq!(json(dir.path(), &sure, 0)["size"], "1");
    json(dir.path(), &prune, 0);
}

#[test]
fn artefacts_of_a_new_log_are_recognised() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = json(dir.path(), &["log", "init", "log", "--origin", "log.example/pumps"], 0);
    for (file, kind) in [
        ("log/log.trust", "trust root"),
        ("log/admin.pem", "key file"),
        ("log/admin.pem.pub", "public key"),
        ("log/never-fork", "never-fork record"),
    ] {
        assert_eq!(json(dir.path(), &["inspect", file], 0)["kind"], kind, "{file}");
    }
    let root = std::fs::read_to_string(dir.path().join("log/log.trust")).expect("a trust root");
    let genesis = made["genesis"].as_str().expect("a hash");
    assert!(root.contains(genesis));
    std::fs::write(dir.path().join("tile"), [7; 96]).expect("writes");
    assert_eq!(json(dir.path(), &["inspect", "tile"], 0)["kind"], "tile");
    std::fs::write(dir.path().join("digest"), [7; 32]).expect("writes");
    assert_eq!(json(dir.path(), &["inspect", "digest"], 0)["kind"], "hash");
    let segments = std::fs::read_dir(dir.path().join("log/data/wal")).expect("segments");
    for segment in segments.map(|segment| segment.expect("reads").path()) {
        let segment = segment.to_str().expect("UTF-8").to_owned();
        let found = json(dir.path(), &["inspect", &segment], 0);
        assert_eq!(
            (&found["kind"], &found["first"]),
            (&"write-ahead log segment".into(), &"0".into())
        );
    }
    std::fs::write(dir.path().join("noise"), [1, 2, 3]).expect("writes");
    assert_eq!(json(dir.path(), &["inspect", "noise"], 2)["code"], "E-KIND");
    let settings = json(dir.path(), &["config", "show", "--config", "log/firmlog.toml"], 0);
    let settings = settings["settings"].as_array().expect("a list").clone();
    let listen = settings.iter().find(|s| s["key"] == "http.listen").expect("a setting");
    assert!(listen["source"].as_str().expect("a source").ends_with("firmlog.toml"));
    let bad = ["config", "show", "--config", "log/firmlog.toml", "--set", "http.no=1"];
    assert_eq!(json(dir.path(), &bad, 2)["code"], "E-CONFIG");
}

#[test]
fn completions_and_manual_pages_are_written() {
    let dir = tempfile::tempdir().expect("a directory");
    for shell in ["bash", "zsh", "fish"] {
        let output =
            firmlog(dir.path(), &["completions", shell]).assert().code(0).get_output().clone();
        assert!(String::from_utf8_lossy(&output.stdout).contains("challenge"), "{shell}");
    }
    let pages = json(dir.path(), &["man", "man1"], 0);
    assert!(pages["pages"].as_array().expect("a list").len() > 25);
    let page = std::fs::read_to_string(dir.path().join("man1/firmlog-log-init.1")).expect("a page");
    assert!(page.contains("origin"));
}

/// J17: a witness without its state does not start, and nothing but `init` makes one.
#[test]
fn a_witness_without_its_state_does_not_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = |args: &[&str], code: i32| {
        let done = firmlog(dir.path(), &[args, &["--json"]].concat()).assert().code(code);
        let out = &done.get_output().stdout;
        serde_json::from_slice::<Value>(out).expect("JSON")
    };
    run(&["log", "init", "log", "--origin", "log.example/pumps"], 0);
    run(&["key", "new", "w.pem", "--algorithm", "ed25519"], 0);
    let trust = std::fs::read_to_string(dir.path().join("log/log.trust")).expect("reads");
    let log = trust.lines().find_map(|line| line.strip_prefix("log ")).expect("its key");
    let log = log.split(' ').next().expect("its key");
    let of = ["--state", "state", "--log", log];
    let start = ["witness", "--key", "w.pem", "--name", "witness.example"];
    let refused = run(&[&start[..], &of].concat(), 2);
    assert_eq!(refused["code"], "E-STATE", "{refused}");
    assert!(refused["help"].to_string().contains("firmlog witness init"), "{refused}");
    assert!(!dir.path().join("state").exists(), "nothing is made on the way");
    let made = run(&[&["witness", "init"][..], &of].concat(), 0);
    assert_eq!(made["origins"][0], "log.example/pumps");
    assert_eq!(run(&[&["witness", "init"][..], &of].concat(), 2)["code"], "E-EXISTS");
}
