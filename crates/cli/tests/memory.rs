//! What the server and `firmlog verify` take of the machine's memory when somebody is hostile, by
//! the kernel's own count (`VmHWM`, the most that was ever resident).

mod world;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use firmlog_keys::FileKey;
use firmlog_statement::codec;
use firmlog_statement::disclosure::Commitments;
use firmlog_statement::event::EventType;
use firmlog_statement::time::{DeviceTime, Source, SyncState};
use firmlog_statement::{
    Digest, Event, Extra, Outcome, SecurityCounter, Seq, Signer as _, Statement, Update,
    VersionCode, entry_hash, sign_statement,
};
use firmlog_tlog::merkle::{Hash, LeafIndex};
use firmlog_verify::bundle::{Bundle, Entry};
use world::{World, command};

const MIB: u64 = 1 << 20;

/// One line of `/proc/PID/status` in bytes.
fn memory(pid: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let found = status.lines().find_map(|it| it.strip_prefix(line)?.strip_prefix(':'));
    let kib = found.and_then(|it| it.trim().strip_suffix(" kB")).expect("a size in kB");
    kib.trim().parse::<u64>().expect("a number") * 1024
}

/// Runs `work`; by how many bytes the most the server ever took is above what it took before.
fn grown(world: &World, work: impl FnOnce(&str)) -> u64 {
    let pid = world.server_id();
    let idle = memory(pid, "VmRSS");
    work(world.url.strip_prefix("http://").expect("plain HTTP"));
    memory(pid, "VmHWM").saturating_sub(idle)
}

fn status(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("takes a timeout");
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        line.extend_from_slice(&byte);
    }
    String::from_utf8_lossy(&line).into_owned()
}

/// Ninety-six clients send batches of 15 MiB but for the end, and wait (API-085).
#[test]
fn unfinished_bodies_take_no_more_than_their_budget() {
    let world = World::start();
    let grown = grown(&world, |address| {
        let head = "POST /batch HTTP/1.1\r\nhost: t\r\ncontent-type: application/cbor-seq\r\n";
        let announced = [
            format!("{head}content-length: {}\r\n\r\n", 16 * MIB),
            format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n", 16 * MIB),
        ];
        let clients: Vec<_> = (0..96)
            .map(|n| {
                let (address, head) = (address.to_owned(), announced[n % 2].clone());
                std::thread::spawn(move || {
                    let mut stream = TcpStream::connect(address).expect("connects");
                    stream.write_all(head.as_bytes()).expect("sends");
                    stream.set_write_timeout(Some(Duration::from_secs(10))).expect("takes it");
                    // A server that has refused may close before all was sent.
                    let _ = (0..15).try_for_each(|_| stream.write_all(&[0xd2; MIB as usize]));
                    stream
                })
            })
            .collect();
        let mut streams: Vec<_> = clients.into_iter().map(|it| it.join().expect("ends")).collect();
        // A small statement comes in all the same.
        let mut small = TcpStream::connect(address).expect("connects");
        let entry = "POST /entries HTTP/1.1\r\nhost: t\r\ncontent-type: application/cose\r\n\
            content-length: 3\r\n\r\n";
        small.write_all(entry.as_bytes()).expect("sends");
        std::thread::sleep(Duration::from_millis(100));
        small.write_all(b"abc").expect("sends");
        assert!(status(&mut small).contains(" 400 "), "it is read, and is no statement");
        let refused = streams.iter_mut().filter(|it| it.peek(&mut [0]).is_ok_and(|n| n == 1));
        let _ = refused.count();
    });
    assert!(grown <= 64 * MIB, "{} MiB above idle", grown / MIB);
}

/// Sixteen people ask for the history of a device that has said much (API-086).
#[test]
fn bundles_are_gathered_one_after_another() {
    let world = World::start();
    let device = history(&world, 12_000);
    let path = format!("/api/v1/devices/{device}/bundle");
    let grown = grown(&world, |address| {
        let ask = || {
            let (address, path) = (address.to_owned(), path.clone());
            std::thread::spawn(move || get(&address, &path))
        };
        let asked: Vec<_> = (0..16).map(|_| ask()).collect();
        for answer in asked {
            let answer = answer.join().expect("ends");
            let busy = answer.starts_with(b"HTTP/1.1 503");
            assert!(busy || answer.len() as u64 > 4 * MIB, "{} bytes", answer.len());
        }
    });
    assert!(grown <= 128 * MIB, "{} MiB above idle", grown / MIB);
}

/// What is too large for one bundle is refused with both numbers (API-086).
#[test]
fn a_bundle_is_bounded() {
    let world = World::start_with_settings("[limits]\nbundle_bytes_max = 20000\n");
    let device = history(&world, 100);
    let address = world.url.strip_prefix("http://").expect("plain HTTP");
    let answer = get(address, &format!("/api/v1/devices/{device}/bundle"));
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("at most 20000 bytes of entries and paths"), "{answer}");
    assert!(answer.contains("\"got\":\"at least 20"), "{answer}");
}

/// Files of 27 MiB that unfold to as much as they can (BND-008).
#[test]
fn a_hostile_file_does_not_unfold_to_gigabytes() {
    let world = World::start();
    let address = world.url.strip_prefix("http://").expect("plain HTTP");
    let checkpoint = get(address, "/checkpoint");
    let checkpoint = String::from_utf8(checkpoint).expect("text");
    let note = checkpoint.split_once("\r\n\r\n").expect("a body").1;
    let entry = |n: u64| Entry {
        index: LeafIndex(n),
        bytes: vec![0xd2; 760],
        path: vec![Hash([7; 32]); 16],
    };
    let full = Bundle {
        origin: "log.example/pumps".into(),
        checkpoints: vec![note.into()],
        entries: (0..32_000).map(entry).collect(),
        ..Bundle::default()
    };
    let of_paths = |out: &mut Vec<u8>, n: usize| {
        codec::head(out, 4, 3)?;
        codec::uint(out, n as u64)?;
        codec::bytes(out, &[])?;
        codec::head(out, 4, 64)?;
        (0..64).try_for_each(|_| codec::uint(out, 0))
    };
    let files = [
        ("full", full.encode()),
        ("paths", hostile(note, 5, 390_000, of_paths)),
        (
            "entries",
            hostile(note, 5, 3_500_000, |out, n| {
                codec::head(out, 4, 3)?;
                codec::uint(out, n as u64)?;
                codec::bytes(out, &[])?;
                codec::head(out, 4, 0)
            }),
        ),
        ("proofs", hostile(note, 3, 27 << 20, |out, _| codec::head(out, 4, 0))),
        ("notes", hostile(note, 2, 27 << 20, |out, _| codec::text(out, ""))),
        (
            "certificates",
            hostile(note, 8, 9 << 20, |out, _| {
                codec::head(out, 4, 2)?;
                codec::uint(out, 0)?;
                codec::bytes(out, &[])
            }),
        ),
    ];
    for (name, bytes) in files {
        assert!(bytes.len() as u64 > 23 * MIB && bytes.len() as u64 <= 28 * MIB, "{name}");
        std::fs::write(world.dir.path().join("hostile.fwb"), bytes).expect("writes");
        let most = most_of(&world, &["verify", "hostile.fwb", "--trust", "log/log.trust"]);
        assert!(most <= 128 * MIB, "{name}: {} MiB", most / MIB);
    }
}

/// A bundle file that has `count` items of one kind under `key`.
fn hostile(
    note: &str,
    key: u64,
    count: usize,
    item: impl Fn(&mut Vec<u8>, usize) -> Result<(), firmlog_statement::StatementError>,
) -> Vec<u8> {
    let mut out = Vec::new();
    let write = |out: &mut Vec<u8>| {
        codec::head(out, 5, 6)?;
        codec::uint(out, 0)?;
        codec::text(out, "firmlog bundle v1")?;
        codec::uint(out, 1)?;
        codec::text(out, "log.example/pumps")?;
        if key != 2 {
            codec::uint(out, 2)?;
            codec::head(out, 4, 1)?;
            codec::text(out, note)?;
        }
        if key == 5 {
            codec::uint(out, 4)?;
            codec::head(out, 4, 1)?;
            codec::bytes(out, &[7; 32])?;
        }
        codec::uint(out, key)?;
        codec::head(out, 4, count as u64)?;
        (0..count).try_for_each(|n| item(out, n))
    };
    write(&mut out).expect("a vector takes everything");
    out
}

/// Runs a command to its end; the most memory it took.
fn most_of(world: &World, args: &[&str]) -> u64 {
    let quiet = std::process::Stdio::null;
    let mut child =
        command(world.dir.path(), args).stdout(quiet()).stderr(quiet()).spawn().expect("starts");
    let mut most = 0;
    // What is resident never falls below what this says; only the last millisecond is not seen.
    while child.try_wait().expect("waits").is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let line = status.ok().and_then(|it| {
            let line = it.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
        });
        most = line.map_or(most, |kib| most.max(kib * 1024));
        std::thread::sleep(Duration::from_millis(1));
    }
    most
}

/// Everything the server answers, head and body.
fn get(address: &str, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("connects");
    let request = format!("GET {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sends");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("reads");
    answer
}

/// Enrols a device that says `count` things; its id.
fn history(world: &World, count: u64) -> String {
    let seed = "11".repeat(32);
    assert_eq!(world.run(&["key", "new", "pump.pem"]).0, 0);
    let enrol = ["trust", "enrol", "pump.pem.pub", "--role", "device", "--model", "ip-200"];
    let names = ["--issuer", "acme.example/devices", "--chain-seed", &seed];
    let admin = ["--key", "log/admin.pem", "--as", "log.example/admin"];
    world.done(&[&enrol[..], &names, &admin].concat());
    let key = FileKey::open(&world.dir.path().join("pump.pem"), None).expect("a key");
    let mut prev = [0x11; 32];
    let statements: Vec<_> = (0..count)
        .map(|seq| {
            let entry = statement(&key, seq, prev);
            prev = entry_hash(&entry);
            entry
        })
        .collect();
    let address = world.url.strip_prefix("http://").expect("plain HTTP");
    for batch in statements.chunks(1000) {
        let mut stream = TcpStream::connect(address).expect("connects");
        let batch = batch.concat();
        let head = format!(
            "POST /batch HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\
             content-type: application/cbor-seq\r\ncontent-length: {}\r\n\r\n",
            batch.len()
        );
        stream.write_all(&[head.as_bytes(), &batch].concat()).expect("sends");
        let line = status(&mut stream);
        assert!(line.contains(" 200 "), "{line}");
    }
    let device = key.public_key().thumbprint();
    let id: String = device.0.iter().map(|byte| format!("{byte:02x}")).collect();
    // The view follows behind.
    for _ in 0..600 {
        if String::from_utf8_lossy(&get(address, "/api/v1/log")).contains("\"lag\":\"0\"") {
            return id;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the view does not catch up");
}

fn statement(key: &FileKey, seq: u64, prev: [u8; 32]) -> Vec<u8> {
    let events = [Event::new(EventType::InstalledState, 0)];
    let time = DeviceTime {
        utc_ms: Some(1_790_000_000_000),
        zone_min: None,
        source: Source::Ntp,
        sync: SyncState::Synchronised,
        uncertainty_ms: None,
        last_sync_ms: None,
        boot_id: None,
        uptime_ms: None,
        counter: None,
        evidence: None,
    };
    let statement = Statement::Update(Update {
        device: key.public_key().thumbprint().into(),
        image: Digest([3; 32]),
        version: VersionCode(1),
        counter: SecurityCounter(1),
        outcome: Outcome::State,
        seq: Seq(seq),
        prev: Digest(prev),
        events: events.as_slice().try_into().expect("one event"),
        time,
        from: None,
        to: None,
        release: None,
        authorisation: None,
        initiator: None,
        reason: None,
        transport: None,
        result: None,
        boot: None,
        checkpoint: None,
        unit: None,
        commitments: Commitments::default(),
        extra: Extra::default(),
    });
    sign_statement(&statement, "acme.example/devices", "ip-200/app", key).expect("signs")
}
