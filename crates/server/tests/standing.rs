//! What the log's pages, API and bundles say of a release is what the one judge says.

mod world;

use firmlog_statement::event::EventType;
use firmlog_statement::{Meaning, leaf_hash};
use firmlog_verify::bundle::Bundle;
use world::World;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// J2: what was recalled says so first, wherever it is shown.
#[tokio::test(flavor = "multi_thread")]
async fn a_recalled_release_says_so_on_every_page() {
    let world = World::signed().await;
    let release = world.release(7);
    let mut device = world.device().await;
    let recall = world.step(&release, EventType::ReleaseRecalled);
    let again = world.step(&release, EventType::ReleasePublished);
    for entry in [&release, &world.approval(0, &release), &world.approval(1, &release), &recall] {
        let answer = world.post_cose(entry).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    assert_eq!(world.post_cose(&device.next()).await.status, 201);
    // J3: nothing brings it back.
    let refused = world.post_cose(&again).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(refused.text().contains("that is final"), "{}", refused.text());
    world.indexed().await;
    let id = hex(&leaf_hash(&release));
    let shown = world.get(&format!("/api/v1/releases/{id}")).await.json();
    assert_eq!(
        (text(&shown["release"]["standing"]), text(&shown["release"]["since"])),
        ("recalled", "5")
    );
    assert_eq!(shown["release"]["usable"], false);
    let known = world.get(&format!("/api/v1/identify/{}", hex(&world::IMAGE))).await.json();
    assert_eq!(known["usable"], false);
    let device = format!("/device/{}", device.id());
    for page in ["/release/2", "/releases", &device] {
        let page = world.get(page).await.text();
        assert!(
            page.contains("RECALLED by entry 5") || page.contains("recalled, not to be used"),
            "{page}"
        );
    }
    // Every bundle that is about it has the recall.
    for path in [format!("releases/{id}"), format!("identify/{}", hex(&world::IMAGE))] {
        let file = world.get(&format!("/api/v1/{path}/bundle")).await;
        let bundle = Bundle::parse(&file.body).unwrap();
        assert!(bundle.entries.iter().any(|entry| entry.bytes == recall), "{path}");
    }
}

/// J12: reviews, however many, push nothing out of a bundle; what does not fit is refused.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_reviews_hide_no_rejection() {
    let world = World::signed().await;
    let release = world.release(7);
    assert_eq!(world.post_cose(&release).await.status, 201);
    let rejection = world.opinion(0, &release, Meaning::Rejection, 0);
    assert_eq!(world.post_cose(&rejection).await.status, 201);
    for n in 0..201 {
        let review = world.opinion(1, &release, Meaning::Review, n);
        assert_eq!(world.post_cose(&review).await.status, 201);
    }
    world.indexed().await;
    let id = hex(&leaf_hash(&release));
    let file = world.get(&format!("/api/v1/releases/{id}/bundle")).await;
    let bundle = Bundle::parse(&file.body).unwrap();
    assert!(bundle.entries.iter().any(|entry| entry.bytes == rejection));
    let shown = world.get(&format!("/api/v1/releases/{id}")).await.json();
    assert_eq!(text(&shown["release"]["standing"]), "rejected");
}

/// API-062: who waits for `lag` 0 must not miss what was there then, though more comes meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_list_has_all_that_it_covers() {
    let world = World::signed().await;
    let mut device = world.device().await;
    let statements: Vec<_> = (0..60).map(|_| device.next()).collect();
    let number = |value: &serde_json::Value| value.as_str().unwrap().parse::<u64>().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let post = async {
        for statement in &statements {
            world.post_cose(statement).await;
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let look = async {
        let mut looked = 0;
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            let page = world.get("/api/v1/entries?limit=1").await.json();
            let covered = number(&page["index"]["covered"]);
            let newest = page["items"].get(0).map_or(0, |it| number(&it["index"]) + 1);
            assert!(newest >= covered, "{covered} covered, shown up to {newest}");
            looked += 1;
        }
        looked
    };
    let ((), looked) = tokio::join!(post, look);
    assert!(looked > 10, "looked {looked} times");
}
