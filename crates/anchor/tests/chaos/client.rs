//! The client as a process of its own, which can be told where to die.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

use firmlog_anchor::contract::{Address, Deployment};
use firmlog_anchor::journal::Point;
use firmlog_anchor::{Authority, Client, Status};

use crate::world::{Log, authority, node, providers, relay, settings, step};

/// Every point, by its number in `--die`.
pub(crate) const POINTS: [Point; 7] = [
    Point::Signed,
    Point::Written,
    Point::Replaced,
    Point::Sent,
    Point::Mined,
    Point::Final,
    Point::Collected,
];

static DIE_AT: AtomicU8 = AtomicU8::new(u8::MAX);
static LEFT: AtomicI64 = AtomicI64::new(0);

/// What the driver says and the client reads: `client DIR CONTRACT SIZE LOG POINT NTH RULE URL…`.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) dir: PathBuf,
    pub(crate) contract: Address,
    /// The checkpoint that is wanted.
    pub(crate) size: u64,
    /// Entries of the whole log.
    pub(crate) log: u64,
    /// Where to die, and at which pass.
    pub(crate) die: Option<(usize, i64)>,
    pub(crate) outvote: bool,
    pub(crate) urls: Vec<String>,
}

impl Order {
    pub(crate) fn args(&self) -> Vec<String> {
        let (point, nth) = self.die.unwrap_or((usize::from(u8::MAX), 0));
        let mut args = vec![
            "client".to_owned(),
            self.dir.display().to_string(),
            self.contract.to_string(),
            self.size.to_string(),
            self.log.to_string(),
            point.to_string(),
            nth.to_string(),
            self.outvote.to_string(),
        ];
        args.extend(self.urls.clone());
        args
    }
}

/// Runs until the checkpoint is final, or death.
pub(crate) fn main(args: &[String]) {
    let number = |at: usize| i64::from_str(&args[at]).expect("a number");
    DIE_AT.store(number(4) as u8, Ordering::Relaxed);
    LEFT.store(number(5), Ordering::Relaxed);
    let contract = args[1].parse().expect("an address");
    let deployment = Deployment { chain_id: node::CHAIN, contract };
    let (size, log) = (number(2) as u64, Log::grown("chaos", number(3) as u64));
    let outvote = args[6] == "true";
    let all = providers(&args[7..], Some(2), outvote);
    let settings = settings(deployment, &PathBuf::from(&args[0]));
    let by = Authority::Secp256k1(authority());
    let mut client =
        Client::open_probed(settings, all, relay(), by, die).expect("the journal opens");
    client.want(&log.note(size)).expect("wanted");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut mined = false;
        loop {
            let status = step(&mut client, &log).await;
            if mined && matches!(status, Status::Submitted { .. }) {
                say(format_args!("vanished"));
            }
            mined = matches!(status, Status::Mined { .. });
            match status {
                Status::Final(it) if it.target.size >= size && it.evidence => {
                    let seen = it.seen;
                    say(format_args!(
                        "final {} {} {} {}",
                        it.target.size, seen.tx, seen.block_number, seen.block_hash
                    ));
                    return;
                }
                Status::Refused(finding) => panic!("refused: {}", finding.summary),
                // Final at once is believed at once, whatever comes after.
                Status::Final(it) => say(format_args!(
                    "early {} {} {} {}",
                    it.target.size, it.seen.tx, it.seen.block_number, it.seen.block_hash
                )),
                Status::Waiting(it) => say(format_args!("waiting {} {it}", it.word())),
                Status::Covered(head) => panic!("covered by {} without being told", head.size),
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    });
}

fn say(line: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the driver reads");
}

/// SIGKILL, as suddenly as a machine can.
fn die(point: Point) {
    let wanted = POINTS.get(usize::from(DIE_AT.load(Ordering::Relaxed)));
    if wanted == Some(&point) && LEFT.fetch_sub(1, Ordering::Relaxed) <= 0 {
        let me = rustix::process::getpid();
        rustix::process::kill_process(me, rustix::process::Signal::KILL).expect("dies");
        std::thread::park();
    }
}
