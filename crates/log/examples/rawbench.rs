//! How fast the write path is by itself, on this machine and disk.
//!
//! ```text
//! cargo run --release -p firmlog-log --example rawbench [directory] [seconds]
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use ed25519_dalek::{Signer as _, SigningKey};
use firmlog_log::{Batch, Config, Log, Registration};
use firmlog_statement::disclosure::Commitments;
use firmlog_statement::{
    Enrol, Extra, Genesis, PublicKey, Role, SignError, Signer, Statement, Trust, TrustAction,
    sign_statement,
};
use firmlog_tlog::note::{Algorithm, NoteSigner, SignerError, VerifierKey};

use firmlog_verify::crypto::RustCrypto;

struct Key(SigningKey, VerifierKey);

impl NoteSigner for Key {
    fn verifier_key(&self) -> &VerifierKey {
        &self.1
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        Ok(self.0.sign(message).to_bytes())
    }
}

impl Signer for Key {
    fn public_key(&self) -> PublicKey {
        PublicKey::Ed25519(self.0.verifying_key().to_bytes())
    }

    fn sign(&self, tbs: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(self.0.sign(tbs).to_bytes())
    }
}

/// The first entry of a log of any bytes.
fn genesis() -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let secret = SigningKey::from_bytes(&[2; 32]);
    let public = secret.verifying_key().to_bytes();
    let key = Key(secret, VerifierKey::new("admin.example", Algorithm::Ed25519, public)?);
    let admin = Enrol {
        key: key.public_key(),
        issuer: "bench.example".into(),
        role: Role::Admin,
        chain_seed: None,
        model: None,
        manufacturer: None,
        hw_rev: None,
        udi_di: None,
        attestation: None,
        training: None,
        issuers: vec![],
    };
    let action = TrustAction::Genesis(Genesis {
        origin: "bench.example".into(),
        log_keys: vec![],
        registration: firmlog_statement::Registration::Any,
        approvals: 0,
        keys: vec![admin],
        policy: None,
    });
    let (commitments, extra) = (Commitments::default(), Extra::default());
    let statement = Statement::Trust(Trust { time: None, commitments, action, extra });
    Ok(sign_statement(&statement, "bench.example", "log", &key)?)
}

/// Counts submissions in flight.
#[derive(Default)]
struct Flight {
    now: Mutex<usize>,
    landed: Condvar,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let parent = args.next().unwrap_or_else(|| ".".into());
    let seconds: f64 = args.next().map_or(Ok(3.0), |s| s.parse())?;
    for (size, in_flight, makers) in [(1000, 16, 2), (1, 64, 1), (1, 1024, 1)] {
        let dir = tempfile::tempdir_in(&parent)?;
        let (rate, batches) = run(dir.path(), size, in_flight, makers, seconds)?;
        eprintln!(
            "batch {size:>5}, {in_flight:>5} in flight: {rate:>10.0} entries/s, {batches:>7.0} submissions/s"
        );
    }
    Ok(())
}

fn run(
    dir: &std::path::Path,
    size: usize,
    in_flight: usize,
    makers: u64,
    seconds: f64,
) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let config = Config::new(dir, dir.join("record"), "bench.example", Registration::Any);
    let secret = SigningKey::from_bytes(&[1; 32]);
    let public = secret.verifying_key().to_bytes();
    let verifier = VerifierKey::new("bench.example", Algorithm::Ed25519, public)?;
    Log::create(&config, &genesis()?, &RustCrypto)?;
    let (log, _) = Log::open(config, Box::new(Key(secret, verifier)), Arc::new(RustCrypto))?;
    let flight = Arc::new(Flight::default());
    let done = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let until = start + Duration::from_secs_f64(seconds);
    std::thread::scope(|scope| {
        for maker in 0..makers {
            let (flight, done, log) = (flight.clone(), done.clone(), &log);
            scope.spawn(move || submit(log, maker, size, in_flight, &flight, &done, until));
        }
    });
    let mut now = flight.now.lock().map_err(|_| "poisoned")?;
    while *now > 0 {
        now = flight.landed.wait(now).map_err(|_| "poisoned")?;
    }
    let elapsed = start.elapsed().as_secs_f64();
    let entries = log.reader().published().head.size.0 - 1;
    eprintln!("  {:?}", log.reader().status());
    let closing = Instant::now();
    log.close()?;
    eprintln!("  closed in {:?}", closing.elapsed());
    Ok((entries as f64 / elapsed, done.load(Ordering::Relaxed) as f64 / elapsed))
}

fn submit(
    log: &Log,
    maker: u64,
    size: usize,
    in_flight: usize,
    flight: &Arc<Flight>,
    done: &Arc<AtomicU64>,
    until: Instant,
) {
    let (checker, appender) = (log.checker(), log.appender());
    let mut n = 0u64;
    while Instant::now() < until {
        let mut batch = Batch::with_capacity(size, size * 32);
        for _ in 0..size {
            n += 1;
            let mut leaf = [0u8; 32];
            leaf[..8].copy_from_slice(&n.to_le_bytes());
            leaf[8..16].copy_from_slice(&maker.to_le_bytes());
            checker.push(&mut batch, &leaf).expect("a small entry");
        }
        let mut now = flight.now.lock().expect("no panics");
        while *now >= in_flight {
            now = flight.landed.wait(now).expect("no panics");
        }
        *now += 1;
        drop(now);
        let (landed, done) = (flight.clone(), done.clone());
        let reply = Box::new(move |result: Result<_, _>| {
            let _: firmlog_log::Committed = result.expect("a healthy disk");
            done.fetch_add(1, Ordering::Relaxed);
            let mut now = landed.now.lock().expect("no panics");
            *now -= 1;
            drop(now);
            landed.landed.notify_one();
        });
        appender.submit(batch, reply).expect("room in the queue");
    }
}
