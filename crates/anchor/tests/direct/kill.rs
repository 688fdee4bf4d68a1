//! Death at every step: a client that is killed, run again, and has logged once.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alloy::primitives::Address;
use firmlog_anchor::Authority;
use firmlog_anchor::contract::Deployment;
use firmlog_anchor::direct::index::Index;
use firmlog_anchor::direct::{Client, Progress};
use firmlog_anchor::journal::Point;

use crate::desk::{Desk, is_over, settings, update};
use crate::world::proxy::{Mood, Proxy};
use crate::world::{node, providers, relay, rich};

const POINTS: [Point; 7] = [
    Point::Signed,
    Point::Written,
    Point::Replaced,
    Point::Sent,
    Point::Mined,
    Point::Final,
    Point::Collected,
];

/// What the child is told: `DIR CONTRACT URL POINT PASS VERSION`, or `DIR CONTRACT URL index`.
const ORDER: &str = "FIRMLOG_TEST_DIRECT_ORDER";

static POINT: AtomicUsize = AtomicUsize::new(usize::MAX);
static PASS: AtomicUsize = AtomicUsize::new(0);

fn die(point: Point) {
    if POINTS.get(POINT.load(Ordering::Relaxed)) != Some(&point) {
        return;
    }
    if PASS.fetch_sub(1, Ordering::Relaxed) == 0 {
        let me = rustix::process::getpid();
        rustix::process::kill_process(me, rustix::process::Signal::KILL).expect("dies");
        std::thread::park();
    }
}

/// The child itself; does nothing unless it was told what.
#[tokio::test]
async fn child() {
    let Ok(order) = std::env::var(ORDER) else { return };
    let words: Vec<&str> = order.split(' ').collect();
    let contract: Address = words[1].parse().expect("an address");
    let deployment = Deployment { chain_id: node::CHAIN, contract };
    let all = providers(&[words[2].to_owned()], None, false);
    if words[3] == "index" {
        let mut index = Index::open(words[0].as_ref(), deployment, 0).expect("opens");
        index.follow(&all, |_, _| {}).await.expect("reads");
        return;
    }
    POINT.store(words[3].parse().expect("a number"), Ordering::Relaxed);
    PASS.store(words[4].parse().expect("a number"), Ordering::Relaxed);
    let by = Authority::Sender(relay().address());
    let settings = settings(deployment, words[0].into());
    let mut client =
        Client::open_probed(settings, None, all, relay(), by, die).expect("the journal opens");
    client.want(update(1, words[5]), false).expect("wanted");
    loop {
        let progress = client.step().await.expect("steps");
        if is_over(&progress) {
            assert!(matches!(progress, Progress::Final(_) | Progress::Known(_)), "{progress}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn run(order: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a program"));
    command.args(["--exact", "kill::child", "--nocapture"]).env(ORDER, order);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn dir_1_a_client_killed_at_any_step_logs_once() {
    let Some(desk) = Desk::start("direct kill").await else { return };
    let mining = desk.node.mine_along(Duration::from_millis(20));
    let dir = desk.dir.path().join("direct");
    let (mut logged, mut died) = (0, 0);
    for (place, point) in POINTS.iter().enumerate() {
        // The journal is written several times on the way: each of them, until there are no more.
        for pass in 0..6 {
            let version = format!("{place}.{pass}");
            let order = |point: usize| {
                let (dir, contract) = (dir.display(), desk.deployment.contract);
                format!("{dir} {contract} {} {point} {pass} {version}", desk.node.url())
            };
            let first = run(&order(place)).status().expect("runs");
            logged += 1;
            if first.signal() != Some(9) {
                assert!(first.success(), "{point:?} {pass}: {first}");
                break;
            }
            died += 1;
            let second = run(&order(usize::MAX)).status().expect("runs");
            assert!(second.success(), "{point:?} {pass}: {second}");
            assert_eq!(desk.count().await, logged, "after {point:?} {pass}");
        }
    }
    mining.stop().await;
    assert!(died >= 12, "{died} deaths");
    // No record twice, and no transaction that wrote none.
    assert_eq!(desk.count().await, logged);
    assert_eq!(desk.node.nonce(relay().address()).await, logged);
    let history = desk.history(&desk.providers()).await;
    assert!(history.findings.is_empty(), "{:?}", history.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn dir_3_an_index_killed_at_any_time_goes_on() {
    let Some(desk) = Desk::start("index kill").await else { return };
    desk.enrol(rich().address(), true, true).await;
    for n in 1..40 {
        desk.other(n, "1").await;
    }
    let proxy = Proxy::start(&desk.node.url()).await;
    proxy.set(Mood::ShortRanges);
    let dir = desk.dir.path().join("direct");
    let order = format!("{} {} {} index", dir.display(), desk.deployment.contract, proxy.url());
    let mut killed = 0;
    for round in 0..12 {
        let mut child = run(&order).spawn().expect("runs");
        tokio::time::sleep(Duration::from_millis(8 * round + 10)).await;
        if matches!(child.try_wait(), Ok(None)) {
            killed += 1;
        }
        drop(child.kill());
        drop(child.wait());
    }
    assert!(killed > 0, "none was killed while it read");
    let history = desk.history(&providers(&[proxy.url()], None, false)).await;
    assert!(history.findings.is_empty(), "{:?}", history.findings);
    assert_eq!((history.count, desk.index().size().expect("counts")), (39, (39, 1)));
}
