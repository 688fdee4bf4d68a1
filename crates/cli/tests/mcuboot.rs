//! An image of MCUboot from the build to the device, with `imgtool` and `firmlog` alone.

#[path = "../../verify/tests/oracle/mod.rs"]
mod oracle;
mod world;

use oracle::Oracle;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use world::device::Device;
use world::{World, witnessed_bundle};

/// 4.2.1+7, as MCUboot orders it.
const CODE: u64 = 0x0402_0001_0000_0007;

/// imgtool beside a log, with keys for images and a body.
struct Bench {
    world: World,
    oracle: Oracle,
}

impl Bench {
    fn start() -> Option<Self> {
        let oracle = Oracle::start("mcuboot.py")?;
        let world = World::witnessed();
        for (file, role) in
            [("build", "manufacturer"), ("quality", "approver"), ("regulatory", "approver")]
        {
            world.enrol(file, role, &format!("acme.example/{file}"));
        }
        let mut bench = Self { world, oracle };
        let body: Vec<u8> = (0..3000).map(|n| (n * 7) as u8).collect();
        std::fs::write(bench.path("app.bin"), body).expect("writes");
        for key in ["boot", "other"] {
            let (private, public) = (format!("{key}.key.pem"), format!("{key}.pub.pem"));
            bench.imgtool(&["keygen", "-t", "ecdsa-p256", "-k"], &[&private]);
            let (private, public) = (bench.path(&private), bench.path(&public));
            bench.imgtool(&["getpub", "-e", "pem", "-k", &private, "-o", &public], &[]);
        }
        Some(bench)
    }

    fn path(&self, name: &str) -> String {
        self.world.dir.path().join(name).to_str().expect("a name").to_owned()
    }

    /// Runs imgtool with files of the folder behind its arguments.
    fn imgtool(&mut self, args: &[&str], files: &[&str]) -> String {
        let files = files.iter().map(|file| self.path(file));
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).chain(files).collect();
        let answer = self.oracle.ask(json!({ "run": args }));
        assert_eq!(answer["code"], 0, "{args:?}: {answer}");
        answer["out"].as_str().expect("text").to_owned()
    }

    /// `imgtool sign` of the body, as version 4.2.1+7.
    fn sign(&mut self, more: &[&str], out: &str) {
        let sign = ["sign", "-v", "4.2.1+7", "-H", "0x200", "--pad-header", "-S", "0x20000"];
        self.imgtool(&[&sign[..], more].concat(), &["app.bin", out]);
    }

    /// Before anything is released: header and counter, and nobody's signature.
    fn unsigned(&mut self) {
        self.sign(&["-s", "5"], "app.unsigned.bin");
    }

    /// With this vendor value, signed with this key.
    fn signed(&mut self, value: &str, (key, counter): (&str, &str), out: &str) -> String {
        let (key, value) = (self.path(&format!("{key}.key.pem")), self.path(value));
        self.sign(&["-k", &key, "-s", counter, "--custom-tlv-file", "0x46a0", &value], out);
        self.path(out)
    }

    fn publish(&self, image: &str, more: &[&str]) -> (i32, Value) {
        let publish = ["release", "publish", image, "--model", "ip-200", "--key", "build.pem"];
        self.world.at_log(&[&publish[..], &["--as", "acme.example/build"], more].concat())
    }

    fn approve(&self, leaf: &str) {
        for who in ["quality", "regulatory"] {
            let (key, issuer) = (format!("{who}.pem"), format!("acme.example/{who}"));
            let approve = ["release", "approve", leaf, "--name", "R. Okafor"];
            self.world.done(&[&approve[..], &["--key", &key, "--as", &issuer]].concat());
        }
    }

    fn tlv(&self, bundle: &str, out: &str, more: &[&str]) -> (i32, Value) {
        let tlv = ["release", "tlv", bundle, "--out", out, "--trust", "log/log.trust"];
        self.world.run(&[&tlv[..], more].concat())
    }

    /// A release of the body, approved and witnessed: its leaf hash; its value is `release.tlv`.
    fn released(&mut self) -> String {
        self.unsigned();
        let (code, published) = self.publish("app.unsigned.bin", &[]);
        assert_eq!(code, 0, "{published}");
        let leaf = published["leaf_hash"].as_str().expect("a hash").to_owned();
        self.approve(&leaf);
        witnessed_bundle(&self.world, ["release", &leaf], "pump.fwb");
        let (code, made) = self.tlv("pump.fwb", "release.tlv", &["--image", "app.unsigned.bin"]);
        assert_eq!(code, 0, "{made}");
        leaf
    }
}

fn read(bench: &Bench, name: &str) -> Vec<u8> {
    std::fs::read(bench.path(name)).expect("reads")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text<'a>(doc: &'a Value, name: &str) -> &'a str {
    doc[name].as_str().unwrap_or_else(|| panic!("no {name} in {doc}"))
}

/// MCB-003, MCB-040: the release of an image that nobody signed yet says what the image says, and
/// whoever says otherwise is told.
#[test]
fn mcb_040_a_release_is_read_from_the_image() {
    let Some(mut bench) = Bench::start() else { return };
    bench.unsigned();
    let code = CODE.to_string();
    for (given, expected, got) in [
        (["--version", "4.2.2"], "4.2.1+7", "4.2.2"),
        (["--version", "4.2.1+8"], "4.2.1+7", "4.2.1+8"),
        (["--code", "40201"], &*format!("{code} (4.2.1+7)"), "40201"),
        (["--counter", "1"], "5", "1"),
    ] {
        let (exit, refused) = bench.publish("app.unsigned.bin", &given);
        assert_eq!((exit, text(&refused, "code")), (2, "E-IMAGE"), "{refused}");
        assert_eq!((text(&refused, "expected"), text(&refused, "got")), (expected, got));
    }
    let same = ["--version", "4.2.1", "--code", &code, "--counter", "5"];
    let (exit, published) = bench.publish("app.unsigned.bin", &same);
    assert_eq!(exit, 0, "{published}");
    let body = hex(&Sha256::digest(read(&bench, "app.bin")));
    assert_eq!((text(&published, "image"), text(&published, "version")), (&*body, "4.2.1"));
    assert_eq!((text(&published, "version_code"), &published["counter"]), (&*code, &5.into()));
    assert_eq!(published["mcuboot"]["signer"], Value::Null);
    // The same body signed, by its own name: the key it is signed with is in the release.
    let key = bench.path("boot.key.pem");
    bench.sign(&["-k", &key, "-s", "5"], "once.bin");
    let (_, signed) = bench.publish("once.bin", &["--out", "release.cose"]);
    assert_eq!((text(&signed, "image"), text(&signed, "version")), (&*body, "4.2.1+7"));
    let (_, shown) = bench.world.run(&["statement", "show", "release.cose"]);
    let signer = &shown["statement"]["payload"]["image_signer"];
    assert!(signer.is_string() && *signer == signed["mcuboot"]["signer"], "{shown}");
    // A file that only looks like one is taken as it is when that is asked for.
    let mut altered = read(&bench, "app.unsigned.bin");
    altered[0x210] ^= 1;
    std::fs::write(bench.path("altered.bin"), &altered).expect("writes");
    let (exit, refused) = bench.publish("altered.bin", &[]);
    assert_eq!((exit, text(&refused, "code")), (1, "E-IMAGE"), "{refused}");
    assert!(text(&refused, "message").ends_with("does not have the SHA-256 it says"));
    let (exit, whole) = bench.publish("altered.bin", &["--whole", "--version", "4.2.1"]);
    assert_eq!((exit, text(&whole, "image")), (0, &*hex(&Sha256::digest(&altered))), "{whole}");
}

/// MCB-041: the value that imgtool is given holds what a device would install, and nothing else is
/// written.
#[test]
fn mcb_041_the_value_is_written_for_imgtool() {
    let Some(mut bench) = Bench::start() else { return };
    bench.unsigned();
    let (_, published) = bench.publish("app.unsigned.bin", &[]);
    let leaf = text(&published, "leaf_hash").to_owned();
    witnessed_bundle(&bench.world, ["release", &leaf], "early.fwb");
    let (exit, refused) = bench.tlv("early.fwb", "release.tlv", &[]);
    assert_eq!((exit, text(&refused, "code")), (1, "E-RELEASE"), "{refused}");
    assert!(text(&refused, "message").contains("approvals"), "{refused}");
    assert!(!std::path::Path::new(&bench.path("release.tlv")).exists());
    bench.approve(&leaf);
    witnessed_bundle(&bench.world, ["release", &leaf], "pump.fwb");
    // The image must be the one that was released.
    bench.sign(&["-s", "6"], "later.bin");
    let (exit, refused) = bench.tlv("pump.fwb", "release.tlv", &["--image", "later.bin"]);
    assert_eq!((exit, text(&refused, "code")), (1, "E-IMAGE"), "{refused}");
    let (_, made) = bench.tlv("pump.fwb", "release.tlv", &["--image", "app.unsigned.bin"]);
    assert_eq!((text(&made, "release"), text(&made, "type")), (&*leaf, "0x46a0"));
    let value = read(&bench, "release.tlv");
    assert_eq!((hex(&value[..32]), &value[32..]), (leaf.clone(), &*read(&bench, "pump.fwb")));
    // As text, the bundle beside the image; imgtool reads both forms alike.
    assert_eq!(bench.tlv("pump.fwb", "text", &["--hex"]).0, 0);
    assert_eq!(bench.tlv("pump.fwb", "leaf", &["--leaf-only"]).0, 0);
    assert_eq!(hex(&read(&bench, "leaf")), leaf);
    let hex_text = String::from_utf8(read(&bench, "text")).expect("text");
    bench.sign(&["-s", "5", "--custom-tlv", "0x46a0", hex_text.trim_end()], "by-text.bin");
    let file = bench.path("release.tlv");
    bench.sign(&["-s", "5", "--custom-tlv-file", "0x46a0", &file], "by-file.bin");
    assert_eq!(read(&bench, "by-text.bin"), read(&bench, "by-file.bin"));
    let (exit, refused) = bench.tlv("pump.fwb", "none", &["--release", &"00".repeat(32)]);
    assert_eq!((exit, text(&refused, "code")), (3, "E-NOT-FOUND"), "{refused}");
}

/// MCB-042, MCB-021, AGT-050: released, then signed with its evidence, and taken by everybody who
/// is asked about it.
#[test]
fn mcb_042_from_the_build_to_the_device() {
    let Some(mut bench) = Bench::start() else { return };
    let leaf = bench.released();
    let image = bench.signed("release.tlv", ("boot", "5"), "app.signed.bin");
    let key = bench.path("boot.key.pem");
    assert!(bench.imgtool(&["verify", "-k", &key], &["app.signed.bin"]).contains("correctly"));
    let world = &bench.world;
    let (exit, verdict) = world.run(&["verify", "app.signed.bin", "--trust", "log/log.trust"]);
    assert_eq!((exit, text(&verdict, "verdict")), (3, "verified so far"), "{verdict}");
    assert!(verdict["not_checked"].to_string().contains("own signature"), "{verdict}");
    let (exit, said) = world.run(&["inspect", "app.signed.bin"]);
    assert_eq!((exit, text(&said, "kind"), text(&said, "release")), (0, "MCUboot image", &*leaf));
    assert_eq!(text(&said, "version_code"), CODE.to_string());
    let found = world.at_log(&["identify", "app.signed.bin"]).1;
    assert_eq!((text(&found, "verdict"), text(&found, "leaf_hash")), ("verified so far", &*leaf));
    assert_eq!(text(&found["mcuboot"], "version"), "4.2.1+7");
    let device = Device::enrolled(world, "pump", &world.url, &[]);
    let (exit, refused) = device.agent(&["verify-image", &image]);
    assert_eq!((exit, text(&refused, "code")), (2, "E-IMAGE-KEY"), "{refused}");
    device.set(&format!("image_keys = [\"{}\"]", bench.path("boot.pub.pem")));
    for step in ["check", "downloaded"] {
        device.done(&["record", step]);
    }
    // The bare body is not what the bootloader takes; nor is anything else that is no image.
    let naked = ["verify-image", &bench.path("app.bin"), "--release", &bench.path("pump.fwb")];
    let (exit, refused) = device.agent(&naked);
    assert_eq!((exit, &refused["code"]), (1, &258.into()), "{refused}");
    assert_eq!(device.done(&[&naked[..], &["--whole"]].concat())["installable"], true);
    for given in [["--version", "4.2.2"], ["--security-counter", "4"]] {
        let record = ["record", "signature_verified", "--image", &image];
        let (exit, refused) = device.agent(&[&record[..], &given].concat());
        assert_eq!((exit, text(&refused, "code")), (2, "E-IMAGE"), "{refused}");
    }
    let taken = device.done(&["verify-image", &image, "--record"]);
    assert_eq!((text(&taken, "release"), &taken["version"]), (&*leaf, &CODE.into()));
    assert_eq!((text(&taken, "version_code"), &taken["counter"]), (&*CODE.to_string(), &5.into()));
    for step in ["install_started", "installed", "reboot", "boot_ok", "committed"] {
        device.done(&["record", step]);
    }
    let runs = device.done(&["status"])["committed"].clone();
    assert_eq!((&runs["version"], &runs["counter"]), (&CODE.into(), &5.into()), "{runs}");
    assert_eq!(text(&runs, "version_code"), CODE.to_string());
    // A device that leaves the line with it says the same of it.
    let init = ["agent", "init", "--dir", "second", "--key", "pump.pem", "--as", "x", "--model"];
    let runs = ["ip-200", "--image", &image, "--log", &world.url, "--trust", "log/log.trust"];
    let takes = ["--takes-from", "acme.example/build"];
    assert_eq!(world.run(&[&init[..], &runs, &takes].concat()).0, 0);
    let body = hex(&Sha256::digest(read(&bench, "app.bin")));
    let running = String::from_utf8(read(&bench, "second/running")).expect("text");
    assert_eq!(running, format!("{body} {CODE} 5\n"));
}

/// MCB-020, MCB-021, MCB-031: what is not taken is refused by name, and recorded with what the
/// image is called by.
#[test]
fn mcb_031_what_is_not_taken_is_refused_and_recorded() {
    let Some(mut bench) = Bench::start() else { return };
    let leaf = bench.released();
    let good = bench.signed("release.tlv", ("boot", "5"), "app.signed.bin");
    let body = hex(&Sha256::digest(read(&bench, "app.bin")));
    let mut altered = read(&bench, "app.signed.bin");
    altered[0x200 + 9] ^= 1;
    std::fs::write(bench.path("altered"), &altered).expect("writes");
    let mut other = read(&bench, "release.tlv");
    other[..32].copy_from_slice(&[7; 32]);
    std::fs::write(bench.path("other.tlv"), other).expect("writes");
    bench.signed("release.tlv", ("other", "5"), "stranger");
    bench.signed("release.tlv", ("boot", "4"), "lower");
    bench.signed("other.tlv", ("boot", "5"), "another");
    let device = Device::enrolled(&bench.world, "pump", &bench.world.url, &[]);
    device.set(&format!("image_keys = [\"{}\"]", bench.path("boot.pub.pem")));
    let agent = device.start();
    let whole = hex(&Sha256::digest(&altered));
    let trust = ["--trust", "log/log.trust"];
    for (image, code, event, digest) in [
        ("altered", 272, "refused_bad_sig", &whole),
        ("stranger", 277, "refused_unknown_signer", &body),
        ("lower", 284, "refused_bad_sig", &body),
        ("another", 285, "refused_bad_sig", &body),
    ] {
        device.done(&["record", "check"]);
        device.done(&["record", "downloaded"]);
        let (exit, refused) = device.agent(&["verify-image", &bench.path(image), "--record"]);
        assert_eq!((exit, &refused["code"]), (1, &code.into()), "{image}: {refused}");
        assert_eq!((text(&refused, "event"), text(&refused, "image")), (event, &**digest));
        // Without a key for images an auditor sees the same of all but the stranger's.
        let (exit, told) = bench.world.run(&[&["verify", image][..], &trust].concat());
        let expected = if image == "stranger" { 3 } else { 1 };
        assert_eq!(exit, expected, "{image}: {told}");
    }
    let (exit, said) = bench.world.run(&["inspect", "altered"]);
    assert_eq!((exit, said["broken"].is_string()), (1, true), "{said}");
    let events = device.done(&["history"]).to_string();
    for recorded in [&*body, &*whole, "refused_unknown_signer", "refused_bad_sig"] {
        assert!(events.contains(recorded), "no {recorded} in {events}");
    }
    // The bundle beside an image that only names its release.
    let leaf_only = bench.tlv("pump.fwb", "leaf.tlv", &["--leaf-only"]).0;
    assert_eq!(leaf_only, 0);
    let named = bench.signed("leaf.tlv", ("boot", "5"), "named");
    let (exit, none) = device.agent(&["verify-image", &named]);
    assert_eq!((exit, text(&none, "code")), (2, "E-USAGE"), "{none}");
    let beside = bench.path("pump.fwb");
    let taken = device.done(&["verify-image", &named, "--release", &beside]);
    assert_eq!(text(&taken, "release"), leaf);
    assert_eq!(device.done(&["verify-image", &good])["installable"], true);
    agent.stop();
}

/// STA-051: an image that names its release is judged by this one, though another release of the
/// same body may be used.
#[test]
fn sta_051_an_image_stands_where_the_release_stands_that_it_names() {
    let Some(mut bench) = Bench::start() else { return };
    let named = bench.released();
    let signed = bench.signed("release.tlv", ("boot", "5"), "app.bin.signed");
    let (code, published) = bench.publish("app.unsigned.bin", &["--change-request", "CR-2"]);
    assert_eq!(code, 0, "{published}");
    let other = text(&published, "leaf_hash").to_owned();
    assert_ne!(named, other);
    bench.approve(&other);
    // A device judges the image by the same release: another one of its body takes nothing away.
    let both = witnessed_bundle(&bench.world, ["release", &other], "good.fwb");
    assert_eq!(both["verdict"], "verified so far", "{both}");
    bench.world.lose_witness();
    let device = Device::enrolled(&bench.world, "pump", &bench.world.url, &[]);
    device.set(&format!("image_keys = [\"{}\"]", bench.path("boot.pub.pem")));
    let judge = ["verify-image", &signed, "--release", &bench.path("good.fwb")];
    let taken = device.done(&judge);
    assert_eq!((text(&taken, "release"), &taken["installable"]), (&*named, &true.into()));
    let admin = ["--key", "log/admin.pem", "--as", "log.example/admin"];
    bench.world.done(&[&["release", "step", &named, "suspended"][..], &admin].concat());
    bench.world.at_log(&["bundle", "release", &other, "--out", "both.fwb"]);
    let trust = ["--trust", "log/log.trust"];
    let offline = |command: &str| {
        let args = [command, "app.bin.signed", "--bundle", "both.fwb"];
        bench.world.run(&[&args[..], &trust].concat())
    };
    let asked = bench.world.at_log(&["identify", "app.bin.signed"]);
    let scanned = bench.world.at_log(&["identify", "app.bin.signed", "--scan"]);
    for (code, told) in [offline("verify"), offline("identify"), asked, scanned] {
        assert_eq!((code, &told["standing"]), (1, &"suspended".into()), "{told}");
        assert_eq!((text(&told, "leaf_hash"), &told["usable"]), (&*named, &false.into()));
    }
    // The same body without a name is of either.
    let (code, told) = bench.world.at_log(&["identify", "app.unsigned.bin", "--scan"]);
    assert_eq!((code, text(&told, "leaf_hash")), (0, &*other), "{told}");
    bench.world.done(&[&["release", "step", &named, "recalled"][..], &admin].concat());
    let (code, told) = bench.world.at_log(&["identify", "app.unsigned.bin"]);
    assert_eq!((code, &told["usable"]), (1, &false.into()), "{told}");
}
