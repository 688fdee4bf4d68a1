//! The index and the disclosures that a server leaves behind, compared with the log's entries.

mod world;

use std::path::Path;
use std::sync::Arc;

use firmlog_index::{Audit, Difference, Input};
use firmlog_keys::{Algorithm, AwsLc, FileKey};
use firmlog_log::{Config, FsckProgress, Registration, Watch};
use firmlog_tlog::note::{NoteSigner as _, VerifierKey};
use firmlog_verify::crypto::Crypto;
use world::{ORIGIN, SALT, World, request, with_serial};

const SERIAL: &str = "7X-0091";

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_the_index_or_a_disclosure_is_named() {
    let log_key = FileKey::generate(Algorithm::Ed25519).unwrap();
    let signer = log_key.note_signer(ORIGIN, firmlog_tlog::note::Algorithm::Ed25519).unwrap();
    let vkey = *signer.verifier_key();
    let world = World::start_with_key(false, log_key, |_| {}).await;
    let release = world.release(7);
    assert_eq!(world.post_cose(&release).await.status, 201);
    let device = world.device().await;
    let entry = device.statement(0, [7; 32], 7, Some(SERIAL));
    let submission = with_serial(&entry, SERIAL);
    let media = [("content-type", "application/firmlog-submission+cbor")];
    let answer = request(world.address, "POST", "/entries", &media, &submission).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    world.indexed().await;
    let dir = world.stop().await;
    assert_eq!(differences(dir.path(), &vkey), []);
    for (file, what, named) in [
        ("data/index.db", b"acme.example/fw".as_slice(), "index.db table name"),
        ("data/index.db", b"acme.example/devices", "index.db table name"),
        ("data/index.disclosures.db", SERIAL.as_bytes(), "disclosure of entry 3"),
        ("data/index.disclosures.db", &SALT, "disclosure of entry 3"),
    ] {
        let path = dir.path().join(file);
        let sound = std::fs::read(&path).unwrap();
        let at: Vec<_> = sound.windows(what.len()).enumerate().collect();
        let mut found = Vec::new();
        for (at, _) in at.into_iter().filter(|(_, bytes)| *bytes == what) {
            let mut spoilt = sound.clone();
            spoilt[at + 1] ^= 1;
            std::fs::write(&path, &spoilt).unwrap();
            found.extend(differences(dir.path(), &vkey));
        }
        std::fs::write(&path, &sound).unwrap();
        let named = found.iter().any(|it| it.object.contains(named));
        assert!(named, "{what:?} in {file}: {found:?}");
    }
    assert_eq!(differences(dir.path(), &vkey), []);
}

struct Shown(Audit);

impl Watch for Shown {
    fn progress(&mut self, _done: FsckProgress) {}

    fn entry(&mut self, index: u64, entry: &[u8], received_ms: Option<u64>) {
        let seen_ms = received_ms.expect("a durable time");
        self.0.entry(&Input { index, entry, seen_ms }).unwrap();
    }
}

fn differences(dir: &Path, log_key: &VerifierKey) -> Vec<Difference> {
    let (data, record) = (dir.join("data"), dir.join("record"));
    let config = Config::new(&data, record, ORIGIN, Registration::Signed);
    let crypto: Arc<dyn Crypto> = Arc::new(AwsLc);
    let scratch = tempfile::tempdir().unwrap();
    let mut shown = Shown(Audit::start(&data.join("index.db"), ORIGIN, scratch.path()).unwrap());
    let report = firmlog_log::fsck(&config, log_key, &crypto, &mut shown).unwrap();
    assert_eq!((report.damages, report.online), (vec![], false));
    let (found, compared) = shown.0.finish().unwrap();
    assert!(compared);
    found
}
