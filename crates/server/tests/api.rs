//! The documented ways of using the server, each over a real socket.

mod world;

use firmlog_keys::AwsLc;
use firmlog_statement::{CheckpointSeen, Digest, Signer, leaf_hash};
use firmlog_tlog::merkle::Hash;
use firmlog_verify::bundle::Bundle;
use firmlog_verify::receipt::cose::CoseReceipt;
use world::{World, request, with_serial};

const SEQUENCE: (&str, &str) = ("content-type", "application/cbor-seq");

fn unhex32(text: &str) -> [u8; 32] {
    std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// API-010, API-011, API-012: a statement, its receipt, and the same again.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_gets_a_receipt_that_verifies() {
    let world = World::signed().await;
    let mut device = world.device().await;
    let entry = device.next();
    let leaf = leaf_hash(&entry);
    let first = world.post_cose(&entry).await;
    assert_eq!(first.status, 201, "{}", first.text());
    assert_eq!(first.header("content-type"), Some("application/scitt-receipt+cose"));
    assert_eq!(first.header("location"), Some(format!("/entries/{}", hex(&leaf)).as_str()));
    let again = world.post_cose(&entry).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.header("firmlog-index"), first.header("firmlog-index"));
    assert_eq!(world.size().await, 3);
    let key = world.log_key.public_key();
    for receipt in [&first.body, &again.body, &world.get("/entries/2").await.body] {
        let receipt = CoseReceipt::parse(receipt).unwrap();
        receipt.verify_inclusion(&Hash(leaf), &key, &AwsLc).unwrap();
    }
    let statement = world.get(&format!("/entries/{}/statement", hex(&leaf))).await;
    assert_eq!((statement.status, statement.body), (200, entry));
    let keys = world.get("/.well-known/scitt-keys").await;
    assert_eq!(keys.body[1..], key.to_cose_key());
    let kid = hex(&key.thumbprint().0);
    assert_eq!(world.get(&format!("/.well-known/scitt-keys/{kid}")).await.body, keys.body[1..]);
    let consistency = world.get("/receipts/consistency/1/3").await;
    assert_eq!(consistency.status, 200, "{}", consistency.text());
}

/// API-020: per-item results, in order, under one checkpoint.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_answers_each_item() {
    let world = World::signed().await;
    let mut device = world.device().await;
    let (first, second) = (device.next(), device.next());
    let gap = device.statement(9, [0; 32], 1, None);
    let fork = device.statement(0, [7; 32], 5, None);
    let mut spoilt = device.next();
    *spoilt.last_mut().unwrap() ^= 1;
    let sequence = [first.clone(), second, first, gap, fork, spoilt].concat();
    let json = [SEQUENCE, ("accept", "application/json")];
    let answer = request(world.address, "POST", "/batch", &json, &sequence).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = answer.json();
    let results: Vec<_> = told["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["result"].as_str().unwrap())
        .collect();
    let expected = ["appended", "appended", "duplicate", "refused", "forked", "refused"];
    assert_eq!(results, expected, "{told}");
    assert_eq!(told["results"][3]["problem"]["code"], "chain_gap");
    assert_eq!(told["results"][5]["problem"]["code"], "bad_signature");
    assert_eq!(told["size"], "5");
    // API-022: a key enrolled in a batch speaks from the next one on.
    let new = firmlog_keys::FileKey::generate(firmlog_keys::Algorithm::Ed25519).unwrap();
    let role = firmlog_statement::Role::Device;
    let enrolment = world::enrol(&new, "acme.example/devices", role, Some([7; 32]));
    let enrolment = firmlog_statement::TrustAction::Enrol(enrolment);
    let enrolment = world::trust(&world.admin, enrolment);
    let speaks = world::Device { key: new, seq: 0, prev: [7; 32], seen: None }.next();
    let both = [enrolment, speaks.clone()].concat();
    let answer = request(world.address, "POST", "/batch", &json, &both).await.json();
    assert_eq!(answer["results"][0]["result"], "appended", "{answer}");
    assert_eq!(answer["results"][1]["problem"]["code"], "not_registered");
    assert_eq!(world.post_cose(&speaks).await.status, 201);
    let cbor = request(world.address, "POST", "/batch", &[SEQUENCE], &sequence).await;
    assert_eq!(cbor.header("content-type"), Some("application/cbor-seq"));
    assert_eq!(cbor.body[..3], [0xa2, 0x00, 0x07]);
    world.indexed().await;
    let findings = world.get("/api/v1/findings").await.json();
    assert_eq!(findings["items"][0]["kind"], "chain_fork");
    assert_eq!(findings["items"][0]["index"], "4");
    let page = world.get("/findings").await.text();
    assert!(page.contains("chain_fork"), "{page}");
}

/// API-001, API-002: raw entries, their index once durable, their bundle and tile.
#[tokio::test(flavor = "multi_thread")]
async fn raw_entries_are_added_to_a_log_of_any_bytes() {
    let world = World::any().await;
    for (entry, index) in [("a", "1"), ("b", "2"), ("a", "1")] {
        let answer = request(world.address, "POST", "/add", &[], entry.as_bytes()).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, index));
    }
    assert_eq!(world.size().await, 3);
    let mut sequence = Vec::new();
    for number in 0..1000_u32 {
        sequence.push(0x44);
        sequence.extend(number.to_be_bytes());
    }
    let answer = request(world.address, "POST", "/batch", &[SEQUENCE], &sequence).await;
    assert_eq!(answer.status, 200);
    assert_eq!(world.size().await, 1003);
    assert_eq!(world.get("/entries/1/statement").await.text(), "a");
    let bundle = world.get("/tile/entries/000").await;
    assert_eq!(bundle.status, 200);
    assert!(bundle.header("cache-control").unwrap().contains("immutable"));
    let tile = world.get("/tile/0/000").await;
    assert_eq!(tile.body.len(), 256 * 32);
    let zip = [("accept-encoding", "gzip")];
    let zipped = request(world.address, "GET", "/tile/entries/000", &zip, &[]).await;
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A release, its approvals, what runs it, and its bundle.
#[tokio::test(flavor = "multi_thread")]
async fn releases_devices_and_bundles() {
    let world = World::signed().await;
    let release = world.release(7);
    let mut device = world.device().await;
    for entry in [&release, &world.approval(0, &release), &world.approval(1, &release)] {
        let answer = world.post_cose(entry).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    assert_eq!(world.post_cose(&device.next()).await.status, 201);
    world.indexed().await;
    let id = hex(&leaf_hash(&release));
    let shown = world.get(&format!("/api/v1/releases/{id}")).await.json();
    assert_eq!(shown["release"]["approvals"], "2", "{shown}");
    assert_eq!(shown["release"]["approvals_required"], "2", "{shown}");
    assert_eq!(shown["release"]["devices"], "1");
    let page = world.get("/release/2").await.text();
    assert!(page.contains("ip-200/app 4.2.1: published") && page.contains("2 of 2 that"), "{page}");
    assert!(!page.contains("banner"), "{page}");
    assert_eq!(
        (text(&shown["release"]["standing"]), &shown["release"]["usable"]),
        ("published", &true.into())
    );
    assert_eq!(shown["about"].as_array().unwrap().len(), 2);
    let file = world.get(&format!("/api/v1/releases/{id}/bundle")).await;
    let bundle = Bundle::parse(&file.body).unwrap();
    let indices: Vec<_> = bundle.entries.iter().map(|entry| entry.index.0).collect();
    assert_eq!(indices, [0, 2, 3, 4]);
    let state = world.get(&format!("/api/v1/devices/{}", device.id())).await.json();
    assert_eq!(state["state"]["version"], "4.2.1", "{state}");
    assert_eq!(state["state"]["issuer"], "acme.example/devices", "not who enrolled it: {state}");
    assert_eq!(state["history"]["items"].as_array().unwrap().len(), 2);
    assert_eq!(state["history"]["items"][0]["version"], "4.2.1", "the release's name: {state}");
    let entry = world.get("/api/v1/entries/5").await.json();
    assert_eq!(entry["version"], "4.2.1", "{entry}");
    let running = world.get("/api/v1/entries?version=4.2.1&kind=update").await.json();
    assert_eq!(running["items"][0]["index"], "5", "{running}");
    let file = world.get(&format!("/api/v1/devices/{}/bundle", device.id())).await;
    let bundle = Bundle::parse(&file.body).unwrap();
    let indices: Vec<_> = bundle.entries.iter().map(|entry| entry.index.0).collect();
    assert_eq!(indices, [0, 1, 2, 3, 4, 5], "with the releases of the image that it runs");
    let known = world.get(&format!("/api/v1/identify/{}", hex(&world::IMAGE))).await.json();
    assert_eq!(
        (text(&known["releases"][0]["standing"]), &known["usable"]),
        ("published", &true.into())
    );
    let unknown = world.get(&format!("/api/v1/identify/{}", hex(&[1; 32]))).await.json();
    assert_eq!(unknown["usable"], false);
    let fleet = world.get("/api/v1/fleet").await.json();
    assert_eq!(fleet["items"][0]["devices"], "1");
    for path in ["/", "/releases", "/release/2", "/entry/5", "/docs", "/search?q=ip-200%2Fapp"] {
        let page = world.get(path).await;
        assert!(matches!(page.status, 200 | 303), "{path}: {} {}", page.status, page.text());
    }
    let page = world.get("/entry/5").await.text();
    for line in [
        "firmlog verify 5.cose --receipt 5.tlog-proof --trust ROOT".to_owned(),
        format!("firmlog bundle device {} --out device.fwb --log http://", device.id()),
        "firmlog verify device.fwb --trust ROOT".to_owned(),
    ] {
        assert!(page.contains(&line), "{line}: {page}");
    }
    let page = world.get("/entry/2").await.text();
    assert!(page.contains(&format!("firmlog bundle release {id} --out release.fwb")), "{page}");
    let page = world.get("/").await.text();
    assert!(page.contains("firmlog verify checkpoint --trust ROOT"), "{page}");
    let page = world.get(&format!("/device/{}", device.id())).await;
    assert!(page.text().contains("Says it runs 4.2.1"), "{}", page.text());
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
}

/// API-050, API-051: the JSON projection goes in as well, with disclosures beside it.
#[tokio::test(flavor = "multi_thread")]
async fn json_in_and_out_with_disclosures() {
    let world = World::start(false, |config| config.index.disclose = true).await;
    let device = world.device().await;
    let entry = device.statement(0, device.prev, 1, Some("SN-77"));
    let parsed = firmlog_statement::Parsed::parse(&entry).unwrap();
    let projection = firmlog_statement::json::to_json(&parsed).unwrap();
    let body = serde_json::json!({ "statement": projection, "disclosures": [
        { "field": "serial", "salt": hex(&world::SALT), "value": "SN-77" } ] });
    let json = [("content-type", "application/json")];
    let body = serde_json::to_vec(&body).unwrap();
    let answer = request(world.address, "POST", "/api/v1/entries", &json, &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json()["leaf_hash"], hex(&leaf_hash(&entry)));
    let again = request(world.address, "POST", "/api/v1/entries", &json, &body).await;
    assert_eq!((again.status, &again.json()["result"]), (200, &"duplicate".into()));
    world.indexed().await;
    let found = world.get("/api/v1/search?q=SN-77").await.json();
    assert_eq!(found["items"][0]["id"], device.id());
    assert_eq!(found["private_values"], "searched");
    let shown = world.get("/api/v1/entries/2").await.json();
    assert_eq!(shown["disclosures"][0]["value"], "SN-77");
    assert_eq!(shown["statement"], projection);
    let wrapped = with_serial(&entry, "SN-77");
    let media = [("content-type", "application/firmlog-submission+cbor")];
    assert_eq!(request(world.address, "POST", "/entries", &media, &wrapped).await.status, 200);
    let lying = with_serial(&entry, "SN-78");
    assert_eq!(request(world.address, "POST", "/entries", &media, &lying).await.status, 400);
}

/// API-066.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_says_when_it_was() {
    let world = World::signed().await;
    let mut device = world.device().await;
    world.post_cose(&device.next()).await;
    let log = world.get("/api/v1/log").await.json();
    let root = unhex32(log["root"].as_str().unwrap());
    for (root, ours) in [(root, true), ([9; 32], false)] {
        device.seen = Some(CheckpointSeen { size: 3, root: Digest(root) });
        world.post_cose(&device.next()).await;
        let entry = world.size().await - 1;
        let when = world.get(&format!("/api/v1/entries/{entry}")).await.json()["when"].clone();
        let before = world.get("/api/v1/entries/2").await.json()["when"]["not_after"]["at"].clone();
        let clock = &when["clock"];
        assert_eq!(
            (&clock["at"], &clock["source"], &clock["quality"]),
            (&"2026-09-21T14:13:20.000Z".into(), &"ntp".into(), &"T2".into())
        );
        assert_eq!(when["not_after"]["by"], "received");
        let seen = &when["not_before"];
        if ours {
            assert_eq!((&seen["at"], &seen["size"]), (&before, &"3".into()));
            assert_eq!(when["agrees"], false, "stated in September, not before today");
        } else {
            assert_eq!(seen, &serde_json::Value::Null, "this log never had that root");
            assert_eq!(when["agrees"], true);
        }
        let page = world.get(&format!("/entry/{entry}")).await.text();
        assert!(page.contains("source ntp, synchronised: quality T2 of T0 to T3"), "{page}");
        assert_eq!(page.contains("lies outside these bounds"), ours, "{page}");
        world.indexed().await;
        let page = world.get(&format!("/device/{}", device.id())).await.text();
        let line = format!("entry {entry}</a>: 2026-09-21T14:13:20.000Z (ntp, synchronised: T2)");
        assert!(page.contains(&line), "{page}");
        // Of both statements that name a checkpoint, the first alone contradicts it.
        assert_eq!(page.matches("its time lies outside").count(), 1, "{page}");
    }
}

/// API-004, API-060, API-061, API-062, API-064: proofs, tags, lists, health, numbers, documents.
#[tokio::test(flavor = "multi_thread")]
async fn proofs_tags_health_and_documents() {
    let world = World::signed().await;
    let mut device = world.device().await;
    world.post_cose(&device.next()).await;
    world.indexed().await;
    let proof = world.get("/api/v1/entries/2/proof").await.json();
    assert!(proof["tlog_proof"].as_str().unwrap().starts_with("c2sp.org/tlog-proof@v1\nindex 2\n"));
    let text = [("accept", "text/plain")];
    let file = request(world.address, "GET", "/api/v1/entries/2/proof", &text, &[]).await;
    assert_eq!(file.text(), proof["tlog_proof"].as_str().unwrap());
    let consistency = world.get("/api/v1/consistency?old=1").await.json();
    assert_eq!(consistency["new"], "3");
    let entry = world.get("/api/v1/entries/2").await;
    let tag = [("if-none-match", entry.header("etag").unwrap())];
    let unchanged = request(world.address, "GET", "/api/v1/entries/2", &tag, &[]).await;
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    let page = world.get("/api/v1/entries?limit=1&kind=update").await.json();
    assert_eq!(page["items"][0]["index"], "2");
    let rest = world.get("/api/v1/entries?limit=1&cursor=2").await.json();
    assert_eq!(rest["items"][0]["index"], "1");
    assert_eq!(world.get("/healthz").await.status, 200);
    let ready = world.get("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.text());
    let metrics = world::get(world.server.metrics_address().unwrap(), "/metrics").await.text();
    assert!(metrics.contains("firmlog_tree_size 3\n"), "{metrics}");
    let document = world.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/api/v1/entries/{id}"]["get"].is_object());
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for status in ["429", "500", "503"] {
                let content = &operation["responses"][status]["content"];
                let schema = &content["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{method} {path} {status}");
            }
        }
    }
    let docs = world.get("/docs").await.text();
    assert!(docs.contains("/api/v1/identify/{sha256}") && docs.contains("chain_gap"), "{docs}");
    let options = request(world.address, "OPTIONS", "/checkpoint", &[], &[]).await;
    assert_eq!(options.status, 204);
    assert_eq!(world.get("/checkpoint").await.header("access-control-allow-origin"), Some("*"));
    assert_eq!(world.get("/checkpoint").await.header("firmlog-witnessed"), Some("none"));
}

/// API-070: refusals end as one audit statement, and the log ends cleanly.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_once_and_the_log_reopens() {
    let world = World::signed().await;
    let mut device = world.device().await;
    let mut spoilt = device.next();
    *spoilt.last_mut().unwrap() ^= 1;
    for _ in 0..5 {
        assert_eq!(world.post_cose(&spoilt).await.status, 400);
    }
    assert_eq!(world.size().await, 2);
    let metrics = world.server.metrics_address().unwrap();
    let text = world::get(metrics, "/metrics").await.text();
    assert!(text.contains("firmlog_refused_total 5\n"), "{text}");
    let size = world.stop_and_count().await;
    assert_eq!(size, 3, "one audit statement for five refusals");
}

/// API-051: without the setting, values stay out of answers and bundles, and only administrators
/// find them.
#[tokio::test(flavor = "multi_thread")]
async fn disclosed_values_are_not_shown_unasked() {
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, format!("{TOKEN}\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, mode).unwrap();
    let world = World::start(false, |config| config.http.admin_token_file.0 = Some(path)).await;
    let device = world.device().await;
    let entry = device.statement(0, device.prev, 1, Some("SN-77"));
    let media = [("content-type", "application/firmlog-submission+cbor")];
    let wrapped = with_serial(&entry, "SN-77");
    assert_eq!(request(world.address, "POST", "/entries", &media, &wrapped).await.status, 201);
    world.indexed().await;
    let found = world.get("/api/v1/search?q=SN-77").await.json();
    assert_eq!(
        (&found["items"], &found["private_values"]),
        (&serde_json::json!([]), &serde_json::json!("not searched"))
    );
    assert!(world.get("/search?q=SN-77").await.text().contains("are not searched here"));
    let search = async |token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        request(world.address, "GET", "/api/v1/search?q=SN-77", &headers, &[]).await
    };
    let wrong = search("0123456789abcdef0123456789abcdeF").await;
    assert_eq!((wrong.status, wrong.header("www-authenticate")), (401, Some("Bearer")));
    let found = search(TOKEN).await;
    assert_eq!(found.header("cache-control"), Some("private, no-store"));
    assert_eq!(found.json()["items"][0]["id"], device.id());
    assert_eq!(found.json()["private_values"], "searched");
    for path in
        ["/api/v1/entries/2".to_owned(), "/entry/2".to_owned(), format!("/device/{}", device.id())]
    {
        assert!(!world.get(&path).await.text().contains("SN-77"), "{path}");
    }
    let file = world.get(&format!("/api/v1/devices/{}/bundle", device.id())).await;
    assert!(!file.text().contains("SN-77"));
}

/// API-050: without an index there is nowhere to keep a disclosure, so its statement is refused.
#[tokio::test(flavor = "multi_thread")]
async fn without_an_index_disclosures_refuse_their_statement() {
    let world = World::start(false, |config| config.index.enabled = false).await;
    let mut device = world.device().await;
    let entry = device.statement(0, device.prev, 1, Some("SN-77"));
    let wrapped = with_serial(&entry, "SN-77");
    let media = [("content-type", "application/firmlog-submission+cbor")];
    let answer = request(world.address, "POST", "/entries", &media, &wrapped).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("no_index"), "{}", answer.text());
    assert_eq!(world.size().await, 2);
    let both = [wrapped, device.next()].concat();
    let json = [SEQUENCE, ("accept", "application/json")];
    let told = request(world.address, "POST", "/batch", &json, &both).await.json();
    assert_eq!(told["results"][0]["problem"]["code"], "no_index", "{told}");
    assert_eq!(told["results"][1]["result"], "appended", "{told}");
    assert_eq!(world.size().await, 3);
}

/// The table of codes in the specification is the table in the code.
#[test]
fn every_code_is_documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/spec/log-api.md");
    let spec = std::fs::read_to_string(path).unwrap();
    for it in firmlog_server::CODES {
        let row = format!("| `{}` | {} | {} |", it.code, it.status.as_u16(), it.title);
        assert!(spec.contains(&row), "{row}");
    }
}

/// API-003, API-065: a 2-of-3 policy is met with one witness down, and the log says so.
#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_witnesses_cosign() {
    use firmlog_keys::{Algorithm as KeyKind, FileKey};
    use firmlog_tlog::note::{Algorithm, NoteSigner, VerifierKey};

    let log_key = FileKey::generate(KeyKind::Ed25519).unwrap();
    let vkey = log_key.note_signer(world::ORIGIN, Algorithm::Ed25519).unwrap();
    let vkey: VerifierKey = *vkey.verifier_key();
    let dir = tempfile::tempdir().unwrap();
    let mut policy = format!("log {vkey}\n");
    let mut witnesses = Vec::new();
    for name in ["w1", "w2", "w3"] {
        let key = FileKey::generate(KeyKind::Ed25519).unwrap();
        let signer = key.note_signer(name, Algorithm::CosignatureV1).unwrap();
        let cosigner = *signer.verifier_key();
        let logs = vec![(world::ORIGIN.to_owned(), vec![vkey])];
        let state = dir.path().join(name);
        firmlog_log::witness::WitnessStore::init(&state, &[world::ORIGIN]).unwrap();
        let store = firmlog_log::witness::WitnessStore::open(&state, logs).unwrap();
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let server = firmlog_server::WitnessServer::start(any, store, Box::new(signer)).await;
        let server = server.unwrap();
        policy.push_str(&format!("witness {name} {cosigner} http://{}\n", server.address()));
        witnesses.push(server);
    }
    policy.push_str("group all 2 w1 w2 w3\nquorum all\n");
    let path = dir.path().join("policy");
    std::fs::write(&path, policy).unwrap();
    witnesses.pop().unwrap().stop().await;
    let world = World::start_with_key(false, log_key, |config| {
        config.witnesses.policy.0 = Some(path.clone());
        config.witnesses.interval_ms = 20;
        config.witnesses.timeout_ms = 500;
    });
    let world = world.await;
    let mut device = world.device().await;
    world.post_cose(&device.next()).await;
    let mut served = world.get("/checkpoint").await;
    for _ in 0..100 {
        if served.text().contains("\n3\n") && served.header("firmlog-witnessed") == Some("quorum") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        served = world.get("/checkpoint").await;
    }
    let text = served.text();
    assert!(text.contains("\n3\n") && text.contains("— w1 ") && text.contains("— w2 "), "{text}");
    let said = world.get("/api/v1/witnesses").await.json();
    assert_eq!(said["quorum"], "met");
    assert_eq!(said["witnesses"][2]["cosigned"], false);
    let proof = world.get("/api/v1/entries/2/proof").await.json();
    assert_eq!(proof["witnessed"], true);
    assert!(world.get("/readyz").await.text().contains("by w1, w2"));
    let origin = hex(&<sha2::Sha256 as sha2::Digest>::digest(world::ORIGIN));
    let seen = world::get(witnesses[0].address(), &format!("/{origin}/checkpoint")).await;
    assert_eq!((seen.status, seen.text().lines().nth(1)), (200, Some("3")));
    let lost = request(witnesses[0].address(), "POST", "/add-checkpoint", &[], b"nonsense").await;
    assert_eq!(lost.status, 400);
    // With every witness down, a restart does not take back what they cosigned.
    for witness in witnesses {
        witness.stop().await;
    }
    let world = world.restart().await;
    let again = world.get("/checkpoint").await;
    assert_eq!(again.header("firmlog-witnessed"), Some("quorum"));
    assert_eq!(again.text(), text);
    assert!(world.get("/readyz").await.text().contains("by w1, w2"));
}
