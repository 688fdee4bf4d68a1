//! From an empty chain to an anchored checkpoint, through a real log and a real node on loopback.

mod world;

use firmlog_tlog::merkle::LeafIndex;
use firmlog_verify::TrustRoot;
use firmlog_verify::bundle::{Anchor, Bundle, Entry};
use firmlog_verify::evm::{EvmEvidence, KIND, verify_evm};
use serde_json::{Value, json};
use world::World;
use world::node::{Node, private};

/// Accounts that govern; nobody signs with them here.
const MEMBERS: [&str; 2] =
    ["0x90F79bf6EB2c4f870365E785982E1f101E93b906", "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"];

/// Writes `anchor.toml`, with what is known so far.
fn configure(world: &World, node: &Node, contract: &str) {
    let text = format!(
        "[chain]\nid = 31337\nproviders = [\"{}\"]\n{contract}\n\
         [relay]\nkey = \"relay.json\"\npassphrase_file = \"relay.pass\"\ndir = \"anchor\"\n\
         [authority]\nkind = \"p256\"\nkey = \"authority.pem\"\n\
         [fees]\nmax_gwei = 100.0\n[timing]\npoll_ms = 50\nresend_ms = 500\n",
        node.url
    );
    std::fs::write(world.dir.path().join("anchor.toml"), text).expect("writes");
}

fn deployed(world: &World, node: &Node) {
    private(&world.dir.path().join("relay.pass"), "a passphrase\n");
    let made = ["anchor", "key", "relay.json", "--passphrase-file", "relay.pass"];
    let (code, relay) = world.run(&made);
    assert_eq!(code, 0, "{relay}");
    let account = relay["account"].as_str().expect("an account").to_owned();
    std::fs::write(world.dir.path().join("account"), &account).expect("writes");
    node.give(&relay["account"]);
    assert_eq!(world.run(&["key", "new", "authority.pem"]).0, 0);
    configure(world, node, "");
    let mut args = vec!["anchor", "deploy", "--config", "anchor.toml", "--threshold", "2"];
    args.extend(MEMBERS.iter().flat_map(|member| ["--member", member]));
    args.extend(["--registrar", &account, "--revoker", &account, "--guardian", &account]);
    let (code, made) = world.run(&args);
    assert_eq!(code, 0, "{made}");
    // What is there already costs nothing.
    assert_eq!(world.run(&args), (0, made.clone()));
    std::fs::write(world.dir.path().join("made.json"), made.to_string()).expect("writes");
    let contract = format!("contract = {}\nfrom_block = {}\n", made["anchor"], made["from_block"]);
    configure(world, node, &contract);
}

#[test]
fn a_log_is_anchored_compared_and_another_in_its_place_is_refused() {
    let Some(node) = Node::start("anchor") else { return };
    let mut world = World::start();
    deployed(&world, &node);
    let config = ["--config", "anchor.toml"];
    let now = [&["anchor", "now"][..], &config].concat();
    let (code, early) = world.at_log(&now);
    assert_eq!((code, &early["code"]), (2, &"E-ANCHOR-BLOCKED".into()), "{early}");
    audited(&world);
    let register = [&["anchor", "register", "--origin", "log.example/pumps"][..], &config].concat();
    for is_new in [true, false] {
        let (code, told) = world.run(&register);
        assert_eq!((code, &told["new"]), (0, &is_new.into()), "{told}");
    }
    // Before the first anchor nothing is proven, and nothing speaks against it.
    let verify = [&["anchor", "verify"][..], &config].concat();
    let (code, told) = world.at_log(&verify);
    assert_eq!((code, &told["verdict"]), (3, &"verified so far".into()), "{told}");
    let first = world.done(&now);
    assert_eq!(first["state"], "final", "{first}");
    assert_eq!(first["evidence"], true);
    led_on(&world, &node, &first);
    world.enrol("build", "manufacturer", "acme.example/build");
    let (code, told) = world.at_log(&verify);
    assert_eq!((code, &told["verdict"]), (0, &"verified".into()), "{told}");
    assert!(told["findings"].to_string().contains("1 are not"), "{told}");
    let second = world.done(&now);
    assert_ne!(first["tx"], second["tx"]);
    // What is anchored is not anchored again.
    assert_eq!(world.done(&now)["tx"], second["tx"]);
    let history = [&["anchor", "history"][..], &config].concat();
    let (code, told) = world.run(&history);
    assert_eq!((code, told["anchors"].as_array().map(Vec::len)), (0, Some(2)), "{told}");
    let status = [&["anchor", "status"][..], &config].concat();
    let (code, told) = world.run(&status);
    assert_eq!((code, &told["stage"], &told["findings"]), (0, &"final".into(), &0.into()));
    assert_eq!(told["contract"]["size"], second["size"]);
    replaced_log_is_refused(&world, &now, &verify);
    world.stop();
}

/// What was deployed is what was planned; what is expected beyond that has findings.
fn audited(world: &World) {
    let account = std::fs::read_to_string(world.dir.path().join("account")).expect("reads");
    // Of the settings, the chain is enough: an auditor has no keys.
    let all = std::fs::read_to_string(world.dir.path().join("anchor.toml")).expect("reads");
    let chain = all.split("[relay]").next().expect("a part");
    std::fs::write(world.dir.path().join("chain.toml"), chain).expect("writes");
    let made = std::fs::read_to_string(world.dir.path().join("made.json")).expect("reads");
    let made: Value = serde_json::from_str(&made).expect("JSON");
    let updates = made["updates"].as_str().expect("an address");
    let mut audit = vec!["anchor", "audit-contract", "--config", "chain.toml"];
    audit.extend(["--updates", updates]);
    let (code, told) = world.run(&audit);
    assert_eq!(code, 1, "{told}");
    let kinds = |told: &Value| -> Vec<String> {
        let all = told["findings"].as_array().expect("a list");
        all.iter().map(|it| it["kind"].as_str().expect("a word").to_owned()).collect()
    };
    // The deployer has all three roles, which nobody said is meant so.
    assert_eq!(kinds(&told), ["deployer-has-role"; 3]);
    audit.extend(["--registrar", &account, "--revoker", &account]);
    let guarded = [&audit[..], &["--guardian", MEMBERS[0]]].concat();
    let (code, told) = world.run(&guarded);
    assert_eq!((code, kinds(&told).len()), (1, 2), "{told}");
    audit.extend(["--guardian", &account]);
    let (code, told) = world.run(&audit);
    assert_eq!((code, kinds(&told)), (0, Vec::new()), "{told}");
    assert_eq!(told["council"]["threshold"], 2);
    assert!(told["not_established"].as_array().is_some_and(|all| all.len() == 4));
    let (code, told) = world.run(&[&audit[..], &["--timelock-delay", "172801"]].concat());
    assert_eq!((code, kinds(&told)), (1, vec!["delay-too-short".into()]), "{told}");
    let (code, told) = world.run(&[&audit[..], &["--member", MEMBERS[0]]].concat());
    assert_eq!((code, kinds(&told)), (1, vec!["council-member-unexpected".into()]), "{told}");
    let more = ["--member", MEMBERS[0], "--member", MEMBERS[1], "--member", &account];
    let (code, told) = world.run(&[&audit[..], &more].concat());
    assert_eq!((code, kinds(&told)), (3, vec!["council-member-missing".into()]), "{told}");
}

/// A bundle with the anchor's evidence, led on to a later block that the auditor pins.
fn led_on(world: &World, node: &Node, first: &Value) {
    let file = |name: &str| world.dir.path().join(name);
    let size = first["size"].as_str().expect("a size");
    let kept = std::fs::read_to_string(file(&format!("anchor/final/{size}.json"))).expect("reads");
    let kept: Value = serde_json::from_str(&kept).expect("JSON");
    let evidence = std::fs::read(file(&format!("anchor/final/{size}.evm"))).expect("reads");
    let bundle = Bundle {
        origin: "log.example/pumps".into(),
        checkpoints: vec![kept["checkpoint"].as_str().expect("a note").into()],
        // A bundle has an entry; which one is nothing to its anchors.
        entries: vec![Entry { index: LeafIndex(0), bytes: b"entry".into(), path: Vec::new() }],
        anchors: vec![Anchor { kind: KIND, checkpoint: 0, evidence }],
        ..Bundle::default()
    };
    std::fs::write(file("a.fwb"), bundle.encode()).expect("writes");
    let trust = std::fs::read_to_string(file("log/log.trust")).expect("reads");
    let lead = |out: &str| {
        let args = ["anchor", "extend", "a.fwb", "--config", "chain.toml"];
        world.run(&[&args[..], &["--trust", "a.trust", "--out", out]].concat())
    };
    std::fs::write(file("a.trust"), &trust).expect("writes");
    let (code, told) = lead("none.fwb");
    assert_eq!((code, &told["without_pin"]), (3, &1.into()), "{told}");
    let newest = node.try_ask("eth_getBlockByNumber", &json!(["latest", false])).expect("a block");
    let word = |key: &str| newest[key].as_str().expect("a word").to_owned();
    let number = u64::from_str_radix(&word("number")[2..], 16).expect("hex");
    let pin = |hash: &str| {
        let contract = kept["contract"].as_str().expect("an address").to_lowercase();
        let lines = format!("evm-contract 31337 {contract}\nevm-block 31337 {number} {hash}\n");
        let second = trust.match_indices('\n').nth(1).expect("two lines").0 + 1;
        let text = format!("{}{lines}{}", &trust[..second], &trust[second..]);
        std::fs::write(file("a.trust"), text).expect("writes");
    };
    pin(&format!("0x{}", "11".repeat(32)));
    let (code, told) = lead("other.fwb");
    assert_eq!((code, &told["code"]), (2, &"E-ANCHOR".into()), "{told}");
    pin(&word("hash"));
    let (code, told) = lead("b.fwb");
    assert_eq!((code, &told["led_on"]), (0, &1.into()), "{told}");
    let bundle = Bundle::parse(&std::fs::read(file("b.fwb")).expect("reads")).expect("a bundle");
    let evidence = EvmEvidence::parse(&bundle.anchors[0].evidence).expect("its one form");
    assert_eq!(told["headers"], evidence.descendants.len());
    let text = std::fs::read(file("a.trust")).expect("reads");
    let root = TrustRoot::parse(&text).expect("a trust root");
    assert!(verify_evm(&evidence, root.evm()).expect("sound").is_anchored());
}

/// The same origin, other entries, signed by a key its trust root believes.
fn replaced_log_is_refused(world: &World, now: &[&str], verify: &[&str]) {
    let other = World::start();
    std::fs::copy(other.dir.path().join("log/log.trust"), world.dir.path().join("other.trust"))
        .expect("copies");
    let at_other = |args: &[&str]| {
        let mut all = args.to_vec();
        all.extend(["--log", &other.url, "--trust", "other.trust"]);
        world.run(&all)
    };
    let (code, told) = at_other(now);
    assert_eq!((code, &told["code"]), (1, &"E-CONTRADICTION".into()), "{told}");
    let (code, told) = at_other(verify);
    assert_eq!((code, &told["verdict"]), (1, &"altered".into()), "{told}");
    for issuer in ["acme.example/build", "acme.example/quality"] {
        let file = issuer.rsplit('/').next().expect("a name");
        other.enrol(file, "manufacturer", issuer);
    }
    let (code, told) = at_other(now);
    assert_eq!((code, &told["code"]), (1, &"E-CONTRADICTION".into()), "{told}");
    let findings = world.dir.path().join("anchor/findings");
    let kept: Vec<String> = std::fs::read_dir(findings)
        .expect("lists")
        .map(|entry| std::fs::read_to_string(entry.expect("a file").path()).expect("reads"))
        .collect();
    assert!(kept.iter().any(|text| text.contains("contract-ahead")), "{kept:?}");
    assert!(kept.iter().any(|text| text.contains("contradiction")), "{kept:?}");
}

/// The x and y of a P-256 key from the public half beside its file (COSE_Key, in hex).
fn point(world: &World, file: &str) -> String {
    let text = std::fs::read_to_string(world.dir.path().join(file)).expect("reads");
    let after = |mark: &str| text.split(mark).nth(1).expect("a coordinate")[..64].to_owned();
    format!("{}{}", after("215820"), after("225820"))
}

/// Alice has a keystore, Bob a P-256 key, each elsewhere; Carol's key is where the relay is.
#[test]
fn two_of_three_sign_on_machines_of_their_own() {
    let Some(node) = Node::start("two_of_three_sign_on_machines_of_their_own") else { return };
    let mut world = World::start();
    deployed(&world, &node);
    let made = std::fs::read_to_string(world.dir.path().join("made.json")).expect("reads");
    let made: Value = serde_json::from_str(&made).expect("JSON");
    let verifier = made["p256_verifier"].as_str().expect("an address").to_owned();
    let pass = ["--passphrase-file", "relay.pass"];
    let account = |name: &str| {
        let (code, told) = world.run(&[&["anchor", "key", name][..], &pass].concat());
        assert_eq!(code, 0, "{told}");
        told["account"].as_str().expect("an account").to_lowercase()
    };
    let (alice, _, _) = (account("alice.json"), account("carol.json"), account("mallory.json"));
    assert_eq!(world.run(&["key", "new", "bob.pem"]).0, 0);
    let bob = format!("{}{}", verifier.to_lowercase(), point(&world, "bob.pem.pub"));
    let all = std::fs::read_to_string(world.dir.path().join("anchor.toml")).expect("reads");
    let alone = "[authority]\nkind = \"p256\"\nkey = \"authority.pem\"\n";
    let three = format!(
        "[authority]\nkind = \"threshold\"\nthreshold = 2\nsigners = [\n  \
         {{ signer = \"{alice}\" }},\n  {{ signer = \"{bob}\" }},\n  \
         {{ key = \"carol.json\", passphrase_file = \"relay.pass\" }},\n]\n"
    );
    assert!(all.contains(alone));
    std::fs::write(world.dir.path().join("three.toml"), all.replace(alone, &three))
        .expect("writes");
    let config = ["--config", "three.toml"];
    let origin = ["--origin", "log.example/pumps"];
    let (code, told) = world.run(&[&["anchor", "register"][..], &config, &origin].concat());
    assert_eq!(code, 0, "{told}");
    let (code, told) = world.at_log(&[&["anchor", "now"][..], &config].concat());
    assert_eq!((code, &told["code"]), (2, &"E-ANCHOR-BLOCKED".into()), "{told}");
    let request = |out: &str| {
        world.done(&[&["anchor", "request", "--out", out][..], &config].concat());
    };
    let sign = |request: &str, key: &[&str], out: &str| {
        let args = ["anchor", "sign", request, "--trust", "log/log.trust", "--out", out];
        world.run(&[&args[..], key].concat())
    };
    let submit =
        |files: &[&str]| world.at_log(&[&["anchor", "submit"][..], files, &config].concat());
    request("one.json");
    let (code, told) = sign("one.json", &["--key", "alice.json", pass[0], pass[1]], "alice.sig");
    assert_eq!((code, &told["threshold"]), (0, &2.into()), "{told}");
    let (code, told) = sign("one.json", &["--key", "mallory.json", pass[0], pass[1]], "m.sig");
    assert_eq!((code, &told["code"]), (2, &"E-CONFIG".into()), "{told}");
    assert!(!world.dir.path().join("m.sig").exists());
    let (code, told) = submit(&["one.json", "alice.sig"]);
    assert_eq!((code, &told["state"]), (0, &"final".into()), "{told}");
    world.enrol("build", "manufacturer", "acme.example/build");
    request("two.json");
    let by_bob = ["--key", "bob.pem", "--verifier", &verifier];
    let (code, told) = sign("two.json", &by_bob, "bob.sig");
    assert_eq!(code, 0, "{told}");
    // What Alice signed was another checkpoint.
    let (code, told) = submit(&["two.json", "alice.sig"]);
    assert_eq!((code, &told["code"]), (2, &"E-REQUEST".into()), "{told}");
    let (code, told) = submit(&["two.json", "bob.sig"]);
    assert_eq!((code, &told["state"]), (0, &"final".into()), "{told}");
    // The first request comes again, late: a larger tree is anchored.
    let (code, told) = submit(&["one.json", "alice.sig"]);
    assert_eq!((code, &told["state"]), (0, &"covered".into()), "{told}");
    world.stop();
}

#[test]
fn every_anchor_command_has_help_with_an_example() {
    let dir = tempfile::tempdir().expect("a directory");
    let commands = "key deploy register now request sign submit status history verify \
                    audit-contract extend";
    for command in commands.split_whitespace() {
        let args = ["anchor", command, "--help"];
        let output = world::command(dir.path(), &args).output().expect("starts");
        let help = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(help.contains("Example:\n  firmlog anchor "), "firmlog anchor {command} --help");
    }
}
