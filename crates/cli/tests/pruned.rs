//! What is still proven after the oldest entries are gone, and what a log that lies is told.

mod proxy;
mod world;

use serde_json::Value;
use world::{World, released};

const ADMIN: [&str; 4] = ["--key", "log/admin.pem", "--as", "log.example/admin"];

/// A released image that a fleet installed, and the ids of the first and the last to speak.
fn installed(world: &World) -> (String, String) {
    let simulate = ["device", "simulate", "--release", "release.fwb", "--image", "image"];
    let fleet = ["--devices", "130", "--scenario", "tampered", "--dir", "fleet"];
    let told = world.done(&[&simulate[..], &fleet, &ADMIN].concat());
    let id = |n: usize| told["devices"][n]["device_id"].as_str().expect("an id").to_owned();
    (id(0), id(129))
}

/// Prunes as far as can be: a restored log's write-ahead log begins with its last page.
fn prune(world: &mut World) -> u64 {
    world.stop();
    let config = ["--config", "log/firmlog.toml"];
    let done = |args: &[&str]| {
        let (code, told) = world.run(&[args, &config].concat());
        assert_eq!(code, 0, "{told}");
        told
    };
    done(&["log", "backup", "copy"]);
    std::fs::rename(world.dir.path().join("log/data"), world.dir.path().join("old"))
        .expect("moves");
    done(&["log", "restore", "copy"]);
    let pruned = done(&["log", "prune", "256"]);
    assert!(!world.dir.path().join("log/data/tile/entries/000").exists());
    world.start_again();
    pruned["min_index"].as_str().expect("a number").parse().expect("a number")
}

#[test]
fn releases_and_devices_are_proven_after_pruning() {
    let (mut world, release) = released();
    let (first, device) = installed(&world);
    let before = world.at_log(&["identify", "image", "--scan"]).1;
    assert_eq!(before["searched"], "every entry");
    assert_eq!(prune(&mut world), 256);
    for (args, name) in
        [(&["identify", "image"][..], "identify"), (&["release", "show", &release], "release-show")]
    {
        let (code, told) = world.at_log(args);
        assert_eq!((code, &told["verdict"]), (3, &"verified so far".into()), "{told}");
        assert_eq!(
            (&told["leaf_hash"], &told["mismatches"]),
            (&before["leaf_hash"], &Value::Array(vec![]))
        );
        assert_eq!(
            (&told["searched"], &told["standing"]),
            (&"by the log".into(), &"published".into())
        );
        assert!(told["not_checked"][0].to_string().contains("left out"), "{name}: {told}");
    }
    let shown = world.at_log(&["release", "show", &release]).1;
    assert_eq!(shown["releases"][0]["words"].as_array().map(Vec::len), Some(2));
    let made = world.done(&["bundle", "release", &release, "--out", "after.fwb"]);
    assert_eq!(made["verdict"], "verified so far");
    let verify = ["verify", "image", "--bundle", "after.fwb", "--trust", "log/log.trust"];
    assert_eq!(world.run(&verify).1["verdict"], "verified so far");
    let made = world.done(&["bundle", "device", &device, "--out", "device.fwb"]);
    assert_eq!(made["verdict"], "verified so far", "{made}");
    let (code, told) = world.at_log(&["bundle", "device", &first, "--out", "none.fwb"]);
    assert_eq!((code, &told["verdict"]), (3, &"not found".into()), "{told}");
    // Nobody is told that what was not named is not there.
    let (code, told) = world.at_log(&["identify", "release.fwb"]);
    assert_eq!((code, &told["verdict"]), (3, &"not found".into()));
    assert!(told["absence"].to_string().contains("is its word"), "{told}");
    let (code, told) = world.at_log(&["identify", "image", "--scan"]);
    assert_eq!((code, &told["code"]), (2, &"E-PRUNED".into()), "{told}");
    assert!(told["help"].to_string().contains("leave out --scan"));
    // The view, made again, knows what was kept.
    world.stop();
    assert_eq!(world.run(&["log", "reindex", "--config", "log/firmlog.toml"]).0, 0);
    world.start_again();
    assert_eq!(world.at_log(&["identify", "image"]).1["leaf_hash"], before["leaf_hash"]);
    let fsck = ["log", "fsck", "--config", "log/firmlog.toml", "--trust", "log/log.trust"];
    assert_eq!(world.run(&fsck).1["whole"], true);
}

#[test]
fn a_log_that_lies_when_asked_is_not_believed() {
    let (world, release) = released();
    let at = |url: &str, args: &[&str]| {
        world.run(&[args, &["--log", url, "--trust", "log/log.trust"]].concat())
    };
    let image = world.at_log(&["identify", "image"]).1["sha256"].clone();
    let of_file = format!("/api/v1/identify/{}/bundle", image.as_str().expect("a hash"));
    let of_file: &'static str = of_file.leak();
    let sound = std::fs::read(world.dir.path().join("release.fwb")).expect("reads");
    // One bit anywhere: damage, or a statement that nobody signed.
    for at_byte in [40, sound.len() / 3, sound.len() / 2, sound.len() - 1] {
        let mut spoilt = sound.clone();
        spoilt[at_byte] ^= 1;
        let spoilt: &'static [u8] = spoilt.leak();
        let url = proxy::altered(&world.url, move |path, found| {
            if path.ends_with("/bundle") { (200, spoilt.to_vec()) } else { found }
        });
        for args in [&["identify", "image"][..], &["release", "show", &release]] {
            let (code, told) = at(&url, args);
            assert_eq!(code, 1, "byte {at_byte}: {told}");
        }
        let out = format!("spoilt-{at_byte}.fwb");
        assert_eq!(at(&url, &["bundle", "release", &release, "--out", &out]).0, 1);
    }
    // It hands out evidence of something else: what was asked for is not in it.
    let elsewhere: &'static [u8] =
        std::fs::read(world.dir.path().join("release.fwb")).expect("reads").leak();
    let asked = "11".repeat(32);
    let url = proxy::altered(&world.url, move |path, found| {
        if path.ends_with("/bundle") { (200, elsewhere.to_vec()) } else { found }
    });
    let (code, told) = at(&url, &["release", "show", &asked]);
    assert_eq!((code, &told["verdict"]), (3, &"not found".into()), "{told}");
    // It keeps quiet: that is told as its word, and reading everything finds it.
    let url = proxy::without(&world.url, of_file, 404, b"");
    let (code, told) = at(&url, &["identify", "image"]);
    assert_eq!((code, &told["searched"]), (3, &"by the log".into()), "{told}");
    assert_eq!((&told["usable"], &told["verdict"]), (&false.into(), &"not found".into()));
    assert_eq!(at(&url, &["identify", "image", "--scan"]).1["leaf_hash"], release);
    // It has no search at all.
    let url = proxy::without(&world.url, "/api/", 404, b"");
    let (code, told) = at(&url, &["identify", "image"]);
    assert_eq!(code, 2, "{told}");
    assert!(told["help"].to_string().contains("--scan"), "{told}");
    assert_eq!(at(&url, &["identify", "image", "--scan"]).0, 3);
}
