//! Direct mode from the command line, on a real node on loopback.

mod world;

use std::path::Path;

use serde_json::{Value, json};
use world::node::{Node, private};

/// The manager's admin, and who deploys: the first of the node's own accounts.
const ADMIN: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";

struct Desk {
    node: Node,
    dir: tempfile::TempDir,
    account: String,
    contract: String,
}

impl Desk {
    fn start(test: &str) -> Option<Self> {
        let node = Node::start(test)?;
        let dir = tempfile::tempdir().expect("a folder");
        private(&dir.path().join("relay.pass"), "a passphrase\n");
        let made = ["anchor", "key", "relay.json", "--passphrase-file", "relay.pass"];
        let (code, relay) = world::run(dir.path(), &made);
        assert_eq!(code, 0, "{relay}");
        node.give(&relay["account"]);
        let account = relay["account"].as_str().expect("an account").to_owned();
        let mut desk = Self { node, dir, account, contract: String::new() };
        let manager = desk.create("AccessManager", ADMIN);
        desk.contract = desk.create("FirmwareUpdateLog", &manager);
        desk.configure(&desk.contract);
        Some(desk)
    }

    fn configure(&self, contract: &str) {
        let text = format!(
            "[chain]\nid = 31337\nproviders = [\"{}\"]\n\
             [relay]\nkey = \"relay.json\"\npassphrase_file = \"relay.pass\"\ndir = \"anchor\"\n\
             [direct]\ncontract = \"{contract}\"\ndir = \"direct\"\n\
             [fees]\nmax_gwei = 100.0\n[timing]\npoll_ms = 50\nresend_ms = 500\n",
            self.node.url
        );
        std::fs::write(self.dir.path().join("chain.toml"), text).expect("writes");
    }

    /// Deploys a contract whose constructor takes an address.
    fn create(&self, name: &str, argument: &str) -> String {
        let file = format!("../../contracts/abi/{name}.json");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let file: Value =
            serde_json::from_slice(&std::fs::read(file).expect("reads")).expect("JSON");
        let code = file["bytecode"].as_str().expect("bytecode");
        let receipt = self.send(&json!({"data": format!("{code}{}", word(argument))}));
        receipt["contractAddress"].as_str().expect("an address").to_owned()
    }

    fn send(&self, transaction: &Value) -> Value {
        let mut transaction = transaction.clone();
        (transaction["from"], transaction["gas"]) = (json!(ADMIN), json!("0x989680"));
        let sent = self.node.try_ask("eth_sendTransaction", &json!([transaction]));
        let tx = json!([sent.expect("sends")]);
        for _ in 0..200 {
            let receipt = self.node.try_ask("eth_getTransactionReceipt", &tx).expect("answers");
            if receipt.is_object() {
                assert_eq!(receipt["status"], "0x1", "{receipt}");
                return receipt;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        panic!("not mined");
    }

    fn enrol(&self, may_roll_back: bool) {
        let name: String =
            "enrolAuthoriser(address,bool,bool)".bytes().map(|b| format!("{b:02x}")).collect();
        let hash = self.node.try_ask("web3_sha3", &json!([format!("0x{name}")])).expect("hashes");
        let selector = &hash.as_str().expect("a hash")[..10];
        let powers = word(if may_roll_back { "1" } else { "0" });
        let data = format!("{selector}{}{}{powers}", word(&self.account), word("1"));
        self.send(&json!({"to": self.contract, "data": data}));
    }

    fn run(&self, args: &[&str]) -> (i32, Value) {
        world::run(self.dir.path(), &[args, &["--config", "chain.toml"]].concat())
    }

    fn image(&self, name: &str, byte: u8) {
        std::fs::write(self.dir.path().join(name), vec![byte; 70_000]).expect("writes");
    }

    fn log(&self, image: &str, version: &str, more: &[&str]) -> (i32, Value) {
        let args = ["chain", "log", "pump-42", "--image", image, "--version", version];
        self.run(&[&args[..], more].concat())
    }

    fn verify(&self, device: &str, image: &str) -> (i32, Value) {
        self.run(&["chain", "verify", device, "--image", image])
    }
}

/// 32 bytes of an address or a digit.
fn word(text: &str) -> String {
    format!("{:0>64}", text.trim_start_matches("0x"))
}

fn check<'a>(told: &'a Value, name: &str) -> &'a Value {
    let checks = told["checks"].as_array().expect("checks");
    checks.iter().find(|check| check["name"] == name).expect("this check")
}

#[test]
fn dir_7_updates_are_logged_told_and_compared_with_an_image() {
    let Some(desk) = Desk::start("chain") else { return };
    desk.image("one.bin", 1);
    desk.image("two.bin", 2);
    let (code, told) = desk.verify("pump-42", "one.bin");
    assert_eq!((code, &told["verdict"]), (3, &"not found".into()), "{told}");
    let (code, told) = desk.log("one.bin", "1.0", &[]);
    assert_eq!((code, &told["code"]), (2, &"E-REFUSED".into()), "{told}");
    assert!(told["help"].to_string().contains("enrolAuthoriser"), "{told}");
    desk.enrol(false);
    let (code, first) = desk.log("one.bin", "1.0", &[]);
    assert_eq!(
        (code, &first["state"], &first["nonce"]),
        (0, &"final".into(), &0.into()),
        "{first}"
    );
    assert!(first["warning"].to_string().contains("pseudonym"), "{first}");
    assert!(first["not_shown"].to_string().contains("runs this firmware"), "{first}");
    let kept = format!("direct/final/{}.json", first["tx"].as_str().expect("a hash"));
    assert!(desk.dir.path().join(kept).is_file());
    let (code, again) = desk.log("one.bin", "1.0", &[]);
    assert_eq!(
        (code, &again["state"], &again["tx"]),
        (0, &"known".into(), &first["tx"]),
        "{again}"
    );
    let (code, told) = desk.verify("pump-42", "one.bin");
    assert_eq!((code, &told["verdict"]), (0, &"verified".into()), "{told}");
    assert!(told["not_shown"].to_string().contains("read from the device"), "{told}");
    // An update that failed changes nothing that is installed; a rollback takes its own power.
    let (code, told) = desk.log("two.bin", "2.0", &["--status", "failure"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(desk.verify("pump-42", "one.bin").0, 0);
    let (code, told) = desk.verify("pump-42", "two.bin");
    assert_eq!((code, &told["verdict"]), (1, &"altered".into()), "{told}");
    assert!(check(&told, "image")["says"].to_string().contains("failure"), "{told}");
    let (code, told) = desk.log("one.bin", "1.0", &["--status", "rollback"]);
    assert_eq!((code, &told["code"]), (2, &"E-REFUSED".into()), "{told}");
    desk.enrol(true);
    assert_eq!(desk.log("one.bin", "1.0", &["--status", "rollback", "--time", "1700000000"]).0, 0);
    let (code, told) = desk.run(&["chain", "history", "pump-42"]);
    assert_eq!(
        (code, &told["verdict"], &told["count"]),
        (0, &"verified".into(), &3.into()),
        "{told}"
    );
    let statuses: Vec<&Value> =
        told["records"].as_array().expect("records").iter().map(|it| &it["status"]).collect();
    assert_eq!(statuses, ["success", "failure", "rollback"]);
    assert_eq!(told["records"][0]["tx"], first["tx"]);
    assert_eq!(told["records"][2]["timestamp"], 1_700_000_000);
    // An image that nobody logged.
    desk.image("three.bin", 3);
    let (code, told) = desk.verify("pump-42", "three.bin");
    assert_eq!((code, &told["verdict"]), (1, &"altered".into()), "{told}");
    assert!(check(&told, "image")["says"].to_string().contains("in no record"), "{told}");
    events_that_are_gone_are_missed(&desk);
}

/// An index from which an event was taken, and one read again.
fn events_that_are_gone_are_missed(desk: &Desk) {
    let index = rusqlite::Connection::open(desk.dir.path().join("direct/updates.db"));
    index.expect("opens").execute("DELETE FROM events WHERE nonce = 1", []).expect("deletes");
    let (code, told) = desk.verify("pump-42", "one.bin");
    assert_eq!((code, &told["verdict"]), (3, &"verified so far".into()), "{told}");
    assert_eq!(told["findings"][0]["kind"], "event-missing", "{told}");
    let (code, told) = desk.run(&["chain", "history", "pump-42", "--reread"]);
    assert_eq!((code, &told["findings"]), (0, &json!([])), "{told}");
}

#[test]
fn what_cannot_be_logged_is_refused_before_anything_is_sent() {
    let Some(desk) = Desk::start("chain refusals") else { return };
    desk.image("one.bin", 1);
    for (more, code) in [
        (&["--cid", "QmWfVY9y3xjsixTgbd9AorQxH7VtMpzfx2HaWtsoUYecaX"][..], "E-FORM"),
        (&["--time", "0"], "E-UPDATE"),
        (&["--hash", "00"], "E-USAGE"),
    ] {
        let (exit, told) = desk.log("one.bin", "1.0", more);
        assert_eq!((exit, &told["code"]), (2, &code.into()), "{told}");
    }
    let (exit, told) = desk.log("one.bin", "a version that is too long", &[]);
    assert_eq!((exit, &told["code"]), (2, &"E-UPDATE".into()), "{told}");
    let (exit, told) = desk.log("none.bin", "1.0", &[]);
    assert_eq!((exit, &told["code"]), (2, &"E-IO".into()), "{told}");
    let hash = ["chain", "log", "pump-42", "--version", "1", "--hash", "abcd"];
    let (exit, told) = desk.run(&hash);
    assert_eq!((exit, &told["code"]), (2, &"E-FORM".into()), "{told}");
    let (exit, told) = desk.run(&["chain", "log", "--resume"]);
    assert_eq!((exit, &told["state"]), (0, &"idle".into()), "{told}");
    // Where there is no such contract.
    desk.configure(&desk.account);
    let (exit, told) = desk.run(&["chain", "history", "pump-42"]);
    assert_eq!((exit, &told["code"]), (2, &"E-ANCHOR".into()), "{told}");
    let path = desk.dir.path().join("chain.toml");
    let text = std::fs::read_to_string(&path).expect("reads");
    let without: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("[direct]") && !line.starts_with("contract"))
        .filter(|line| *line != "dir = \"direct\"")
        .collect();
    std::fs::write(&path, without.join("\n")).expect("writes");
    let (exit, told) = desk.run(&["chain", "history", "pump-42"]);
    assert_eq!((exit, &told["code"]), (2, &"E-CONFIG".into()), "{told}");
}

#[test]
fn every_chain_command_has_help_with_an_example() {
    let dir = tempfile::tempdir().expect("a directory");
    for command in ["log", "history", "verify"] {
        let output = world::command(dir.path(), &["chain", command, "--help"]).output();
        let help = String::from_utf8(output.expect("starts").stdout).expect("UTF-8");
        assert!(help.contains("Example:\n  firmlog chain "), "firmlog chain {command} --help");
    }
}
