//! A proxy on loopback that treats each exchange as a seed decides.
//!
//! ```text
//! dropped before the log saw it · answered and the answer thrown away · half an answer ·
//! 503 · 429 · sent twice · late · as it should be
//! ```

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Numbers by a seed (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }
}

const KINDS: [&str; 8] = [
    "dropped",
    "answers thrown away",
    "half answers",
    "503",
    "429",
    "sent twice",
    "late",
    "as it should be",
];

/// The proxy; its threads end with the test's process.
pub(crate) struct Flaky {
    pub(crate) url: String,
    mended: Arc<AtomicBool>,
    counts: Arc<[AtomicU64; 8]>,
}

impl Flaky {
    /// Listens before the log at this address.
    pub(crate) fn start(log: &str, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let log = log.strip_prefix("http://").expect("plain").to_owned();
        let mended = Arc::new(AtomicBool::new(false));
        let counts: Arc<[AtomicU64; 8]> = Arc::default();
        let random = Arc::new(Mutex::new(Random::new(seed)));
        let (calm, tally) = (mended.clone(), counts.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kind = {
                    let mut random = random.lock().expect("not poisoned");
                    // Half of them as they should be.
                    if calm.load(Ordering::Relaxed) { 7 } else { random.below(14).min(7) }
                };
                let (log, tally) = (log.clone(), tally.clone());
                std::thread::spawn(move || {
                    if exchange(stream, &log, kind).is_some() {
                        tally[kind as usize].fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        Self { url, mended, counts }
    }

    /// From here on all is as it should be.
    pub(crate) fn mend(&self) {
        self.mended.store(true, Ordering::Relaxed);
    }

    /// What it did.
    pub(crate) fn tally(&self) -> String {
        let counts: Vec<u64> = self.counts.iter().map(|it| it.load(Ordering::Relaxed)).collect();
        let each: Vec<String> =
            KINDS.iter().zip(&counts).map(|(kind, count)| format!("{count} {kind}")).collect();
        format!("{} exchanges: {}", counts.iter().sum::<u64>(), each.join(", "))
    }
}

/// One exchange; none if there was no request.
fn exchange(mut device: TcpStream, log: &str, kind: u64) -> Option<()> {
    device.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let request = request(&mut device)?;
    let refusal = |status: &str| {
        format!(
            "HTTP/1.1 {status}\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
    };
    match kind {
        0 => {}
        1 => drop(ask(log, &request)),
        2 => {
            let answer = ask(log, &request)?;
            drop(device.write_all(&answer[..answer.len() / 2]));
        }
        3 => drop(device.write_all(refusal("503 Busy").as_bytes())),
        4 => drop(device.write_all(refusal("429 Slowly").as_bytes())),
        5 => {
            ask(log, &request)?;
            drop(device.write_all(&ask(log, &request)?));
        }
        6 => {
            std::thread::sleep(Duration::from_millis(150));
            drop(device.write_all(&ask(log, &request)?));
        }
        _ => drop(device.write_all(&ask(log, &request)?)),
    }
    drop(device.shutdown(Shutdown::Both));
    Some(())
}

/// A whole request, with `Connection: close` put in.
fn request(device: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |text| text.trim().parse().expect("a number"));
            if bytes.len() >= end + 4 + length {
                bytes.splice(end..end, *b"\r\nConnection: close");
                return Some(bytes);
            }
        }
        match device.read(&mut chunk).ok()? {
            0 => return None,
            n => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}

fn ask(log: &str, request: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(log).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(request).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(answer)
}
