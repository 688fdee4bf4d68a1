//! Keys in a software HSM and a software TPM, wherever the command line names a key.
#![expect(clippy::duplicate_mod, reason = "both worlds bring the module of free ports")]

mod world;

#[path = "../../keys/tests/hardware/mod.rs"]
mod hardware;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use firmlog_statement::{Factors, Parsed, PublicKey};
use hardware::{PIN, SoftHsm, SoftTpm, openssl_verifies, public_pem};
use serde_json::{Value, json};
use world::{command, released, run};

const HANDLE: u32 = 0x8101_0001;

/// A program that is stopped when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts a server; its first document.
fn started(mut command: Command) -> (Running, Value) {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
    let mut line = String::new();
    let out = child.stdout.take().expect("piped");
    BufReader::new(out).read_line(&mut line).expect("its first line");
    (Running(child), serde_json::from_str(&line).expect("a document"))
}

/// `firmlog` in the HSM's folder.
fn with_hsm(hsm: &SoftHsm, args: &[&str]) -> Command {
    let mut command = command(hsm.dir.path(), args);
    command.env("SOFTHSM2_CONF", hsm.dir.path().join("softhsm2.conf")).arg("--json");
    command.env("FIRMLOG_PKCS11_MODULE", &hsm.module);
    command
}

fn said(mut command: Command) -> (i32, Value) {
    let output = command.stdin(Stdio::null()).output().expect("starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!told.contains(PIN) && !text.contains(PIN), "the PIN is shown: {text}{told}");
    let doc = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}{told}"));
    (output.status.code().expect("an exit code"), doc)
}

fn pin(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::write(&path, format!("{text}\n")).expect("writes");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("changes");
}

fn public_key(dir: &Path, shown: &Value) -> PublicKey {
    let file = dir.join("shown.pub");
    std::fs::write(&file, shown["cose_key"].as_str().expect("a key")).expect("writes");
    let text = std::fs::read_to_string(&file).expect("reads");
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    let bytes: Vec<u8> = (0..text.len()).step_by(2).map(digit).collect();
    PublicKey::from_cose_key(&bytes).expect("a COSE_Key")
}

#[test]
fn a_log_whose_every_key_is_in_a_token_is_verified() {
    let test = "a_log_whose_every_key_is_in_a_token_is_verified";
    let Some(hsm) = SoftHsm::start_for(test, &["openssl"]) else { return };
    let dir = hsm.dir.path();
    pin(dir, "pin", PIN);
    let firmlog = |args: &[&str]| -> Value {
        let (code, doc) = said(with_hsm(&hsm, args));
        assert_eq!(code, 0, "firmlog {}: {doc}", args.join(" "));
        doc
    };
    let by_pin = ["--passphrase-file", "pin"];
    for (label, kind) in [
        ("log", "ed25519"),
        ("witness", "ed25519"),
        ("admin", "p256"),
        ("build", "p256"),
        ("quality", "p256"),
    ] {
        let name = format!("pkcs11:token=hsm-1;object={label}");
        firmlog(&[&["key", "new", &name, "--algorithm", kind][..], &by_pin].concat());
    }
    let pin_source = format!("?pin-source={}", dir.join("pin").display());
    let key = |label: &str| format!("pkcs11:object={label}{pin_source}");

    let shown = firmlog(&["key", "show", "pkcs11:object=witness", "--name", "witness.example"]);
    let vkey = shown["vkey_witness"].as_str().expect("a key");
    let listen = format!("127.0.0.1:{}", hardware::ports::free_port());
    let policy = format!("witness hospital {vkey} http://{listen}\nquorum hospital\n");
    std::fs::write(dir.join("policy"), policy).expect("writes");
    let init = ["log", "init", "log", "--origin", "log.example/pumps", "--listen", "127.0.0.1:0"];
    let more = ["--approvals", "1", "--witnesses", "policy", "--log-key", &key("log")];
    let admin = ["--admin-key", "pkcs11:object=admin", "--admin-passphrase-file", "pin"];
    firmlog(&[&init[..], &more, &admin].concat());
    assert!(!dir.join("log/log-key.pem").exists() && !dir.join("log/admin.pem").exists());

    let of = ["--policy", "log/witnesses.policy", "--state", "state", "--listen", &listen];
    let name = ["witness", "--name", "witness.example", "--key", &key("witness")];
    firmlog(&["witness", "init", "--state", "state", "--policy", "log/witnesses.policy"]);
    let (_witness, told) = started(with_hsm(&hsm, &[&name[..], &of].concat()));
    assert_eq!(told["vkey"], shown["vkey_witness"]);
    let (_log, told) = started(with_hsm(&hsm, &["log", "serve", "--config", "log/firmlog.toml"]));
    let at = ["--log", told["address"].as_str().expect("an address"), "--trust", "log/log.trust"];

    for (label, role) in [("build", "manufacturer"), ("quality", "approver")] {
        let (public, issuer) = (format!("pkcs11:object={label}"), format!("acme.example/{label}"));
        let who = ["trust", "enrol", &public, "--role", role, "--issuer", &issuer];
        let admin = ["--key", "pkcs11:object=admin", "--as", "log.example/admin"];
        firmlog(&[&who[..], &admin, &by_pin, &at].concat());
    }
    std::fs::write(dir.join("image"), [42; 5000]).expect("writes");
    let publish = ["release", "publish", "image", "--version", "4.2.1", "--model", "ip-200"];
    let build = ["--key", &key("build"), "--as", "acme.example/build", "--out", "release.cose"];
    let release = firmlog(&[&publish[..], &build, &at].concat());
    let release = release["leaf_hash"].as_str().expect("a hash");
    let approve = ["release", "approve", release, "--name", "Somebody"];
    let quality = ["--key", &key("quality"), "--as", "acme.example/quality"];
    let out = ["--out", "approval.cose"];
    firmlog(&[&approve[..], &quality, &out, &at].concat());
    // A token and its PIN are two components.
    let approval = firmlog(&["statement", "show", "approval.cose"]);
    let factors = &approval["statement"]["payload"]["esig"]["factors"];
    assert_eq!(*factors, json!(Factors::KEY | Factors::SECRET));
    let entry = std::fs::read(dir.join("release.cose")).expect("reads");
    let public = public_key(dir, &firmlog(&["key", "show", "pkcs11:object=build"]));
    openssl_verifies(dir, &entry, &public, &public_pem(dir, &public));

    let bundle = ["bundle", "release", release, "--out", "release.fwb"];
    let verify = ["verify", "image", "--bundle", "release.fwb", "--trust", "log/log.trust"];
    let mut verdict = (3, Value::Null);
    for _ in 0..100 {
        firmlog(&[&bundle[..], &at].concat());
        verdict = said(with_hsm(&hsm, &verify));
        if verdict.1["rungs"][2]["state"] == "reached" {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!((verdict.0, &verdict.1["verdict"]), (3, &json!("verified so far")), "{}", verdict.1);
    assert_eq!(verdict.1["rungs"][2]["state"], "reached", "{}", verdict.1);
}

#[test]
fn what_is_wrong_with_a_name_or_a_pin_is_said_without_the_pin() {
    let test = "what_is_wrong_with_a_name_or_a_pin_is_said_without_the_pin";
    let dir = tempfile::tempdir().expect("a folder");
    let refused = |name: &str, code: &str| {
        let (exit, doc) = run(dir.path(), &["key", "show", name]);
        assert_eq!((exit, &doc["code"]), (2, &code.into()), "{name}: {doc}");
        doc["message"].as_str().expect("a message").to_owned()
    };
    let told = refused("pkcs11:object=a?pin-value=1234", "E-KEY-NAME");
    assert!(!told.contains("1234"), "{told}");
    assert!(refused("pcks11:object=a", "E-KEY-NAME").contains("no kind of key"));
    refused("tpm:nv=0x01500016", "E-KEY-NAME");
    assert!(refused("pkcs11:object=a", "E-KEY").contains("FIRMLOG_PKCS11_MODULE"));
    let away = "pkcs11:object=a?module-path=/nowhere/libp11.so";
    assert!(refused(away, "E-KEY").contains("/nowhere/libp11.so"));
    assert!(refused("tpm:handle=0x81010001?tcti=device:/dev/no-tpm", "E-KEY").contains("no-tpm"));
    let Some(hsm) = SoftHsm::start_for(test, &[]) else { return };
    pin(hsm.dir.path(), "pin", PIN);
    pin(hsm.dir.path(), "wrong", "1234567");
    let new = |file: &str| {
        let args = ["key", "new", "pkcs11:object=a", "--passphrase-file", file];
        said(with_hsm(&hsm, &args))
    };
    let (exit, doc) = said(with_hsm(&hsm, &["key", "new", "pkcs11:object=a"]));
    assert_eq!((exit, &doc["code"]), (2, &json!("E-PASSPHRASE")), "{doc}");
    let (exit, doc) = new("wrong");
    assert_eq!((exit, &doc["code"]), (4, &json!("E-PASSPHRASE")), "{doc}");
    assert!(doc["message"].as_str().is_some_and(|it| it.contains("wrong tries")), "{doc}");
    assert_eq!(new("pin").0, 0);
    let (exit, doc) = new("pin");
    assert_eq!((exit, &doc["code"]), (2, &json!("E-KEY")), "{doc}");
}

#[test]
fn a_device_whose_key_is_in_a_tpm_speaks_and_quotes() {
    let test = "a_device_whose_key_is_in_a_tpm_speaks_and_quotes";
    let Some(tpm) = SoftTpm::start_for(test, &["tpm2_readpublic", "openssl"]) else { return };
    let key = tpm.key(HANDLE);
    let (world, _) = released();
    let dir = world.dir.path();
    let made = world.run(&["key", "new", &key, "--public", "pump.pub"]);
    assert_eq!(made.0, 0, "{}", made.1);
    let public = public_key(dir, &world.run(&["key", "show", &key]).1);
    assert_eq!(world.run(&["key", "show", "pump.pub"]).1["cose_key"], made.1["cose_key"]);

    let enrol = ["trust", "enrol", &key, "--role", "device", "--issuer", "acme.example/devices"];
    let admin = ["--chain-seed", "drawn", "--key", "log/admin.pem", "--as", "log.example/admin"];
    let enrolled = world.done(&[&enrol[..], &admin].concat());
    let mut draft = world.run(&["statement", "template", "update"]).1["template"].clone();
    draft["payload"]["device"] = enrolled["thumbprint"].clone();
    draft["payload"]["prev"] = enrolled["chain_seed"].clone();
    std::fs::write(dir.join("update.json"), draft.to_string()).expect("writes");
    let sign = ["statement", "sign", "update.json", "--key", &key, "--as", "acme.example/devices"];
    let placed = world.done(&[&sign[..], &["--out", "update.cose"]].concat());
    let entry = std::fs::read(dir.join("update.cose")).expect("reads");
    assert_eq!(Parsed::parse(&entry).expect("a statement").subject(), "ip-200/app");
    openssl_verifies(dir, &entry, &public, &public_pem(dir, &public));

    let quote = ["tpm", "quote", "--over", "update.cose", "--pcrs", "7,0", "--key", &key];
    let (code, quoted) = world.run(&[&quote[..], &["--out", "quote.tpm"]].concat());
    assert_eq!((code, &quoted["over"]), (0, &placed["leaf_hash"]), "{quoted}");
    assert_eq!(quoted["pcrs"], json!([0, 7]));
    // Checked where there is no TPM.
    drop(tpm);
    let check = |file: &str, more: &[&str]| {
        let args = ["tpm", "check-quote", file, "--key", "pump.pub"];
        world.run(&[&args[..], more].concat())
    };
    let over = ["--over", "update.cose"];
    let value = |pcr: &str| format!("{pcr}={}", quoted["values"][pcr].as_str().expect("hex"));
    let (zero, seven) = (value("0"), value("7"));
    let (code, checked) =
        check("quote.tpm", &[&over[..], &["--pcr", &seven, "--pcr", &zero]].concat());
    assert_eq!((code, &checked["over"]), (0, &placed["leaf_hash"]), "{checked}");
    let hash = placed["leaf_hash"].as_str().expect("a hash");
    assert_eq!(check("quote.tpm", &["--over-hash", hash]).0, 0);
    let other = format!("7={}", "5a".repeat(32));
    for (file, more) in [
        ("quote.tpm", vec!["--over", "release.cose"]),
        ("quote.tpm", vec!["--over", "update.cose", "--pcr", &zero]),
        ("quote.tpm", vec!["--over", "update.cose", "--pcr", &zero, "--pcr", &other]),
        ("update.cose", vec!["--over", "update.cose"]),
    ] {
        let (code, doc) = check(file, &more);
        assert_eq!((code, &doc["code"]), (1, &json!("E-QUOTE")), "{more:?}: {doc}");
    }
    let args = ["tpm", "check-quote", "quote.tpm", "--key", "build.pem.pub"];
    assert_eq!(world.run(&[&args[..], &over].concat()).0, 1);
}

#[test]
fn a_counter_of_a_tpm_goes_one_way() {
    let Some(tpm) = SoftTpm::start_for("a_counter_of_a_tpm_goes_one_way", &["tpm2_readpublic"])
    else {
        return;
    };
    let counter = tpm.counter(0x0150_0016);
    let told = |what: &str| run(tpm.dir.path(), &["tpm", "counter", what, &counter]);
    assert_eq!(told("show").1["code"], "E-TPM");
    let value = |what: &str| -> u64 {
        let (code, doc) = told(what);
        assert_eq!(code, 0, "{doc}");
        doc["value"].as_str().expect("a number").parse().expect("a number")
    };
    let first = value("new");
    assert_eq!(value("next"), first + 1);
    assert_eq!(value("show"), first + 1);
    let (code, doc) = told("new");
    assert_eq!((code, &doc["code"]), (2, &json!("E-TPM")), "{doc}");
}
