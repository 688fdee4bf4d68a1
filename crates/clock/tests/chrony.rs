//! What is said of the time over real chronyds, none of which touches the clock.

mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use firmlog_clock::chrony::{self, Chrony};
use firmlog_clock::{ChronySettings, Note, Reading, Settings, TrustedClock};
use firmlog_statement::time::{Quality, Source, SyncState};
use rustix::process::Signal;
use world::chronyd::{Chronyd, Keys, ports, settings};
use world::have;

fn reading(chrony: ChronySettings) -> Reading {
    clock(chrony).now()
}

fn clock(chrony: ChronySettings) -> TrustedClock {
    TrustedClock::new(Settings { chrony, ..Settings::default() }).unwrap()
}

fn stated(reading: &Reading) -> (Source, SyncState, Quality) {
    (reading.time.source, reading.time.sync, reading.time.quality())
}

/// `server` lines of a client's configuration.
fn client(lines: &str) -> String {
    format!("port 0\n{lines} iburst minpoll 0 maxpoll 1 xleave")
}

/// TIM-010.
#[test]
fn nts_is_told_from_ntp_and_a_mixture_is_no_nts() {
    let Some(chronyd) = have("chrony: nts", "chronyd") else { return };
    let keys = Keys::make();
    let (port, nts_port) = ports();
    let _server = Chronyd::server(&chronyd, port, Some((&keys, nts_port)));
    let nts = format!("server 127.0.0.1 port {port} nts ntsport {nts_port}");
    let trusted = format!("ntstrustedcerts {}\nntsdumpdir {{dir}}\n", keys.certificate().display());
    let by_nts = Chronyd::start(&chronyd, &(trusted + &client(&nts)));
    let by_ntp = Chronyd::start(&chronyd, &client(&format!("server 127.0.0.1 port {port}")));

    let read = reading(by_nts.synchronised());
    assert_eq!(stated(&read), (Source::Nts, SyncState::Synchronised, Quality::T3));
    // Just after its first poll chrony allows for a second and more.
    assert!(read.time.uncertainty_ms.unwrap() < 5000, "{read:?}");
    assert!(read.time.last_sync_ms.unwrap().abs_diff(read.time.utc_ms.unwrap()) < 60_000);
    assert_eq!(read.notes, []);

    let read = reading(by_ntp.synchronised());
    assert_eq!(stated(&read), (Source::Ntp, SyncState::Synchronised, Quality::T2));

    dies_and_hangs(by_nts);
}

/// Dead, stopped and replaced by another program: lower quality, and never a hang.
fn dies_and_hangs(by_nts: Chronyd) {
    let mut clock = clock(by_nts.settings());
    assert_eq!(clock.now().time.quality(), Quality::T3);

    by_nts.signal(Signal::STOP);
    let start = Instant::now();
    let read = clock.now();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(read.chrony, Chrony::Hung);
    assert!(read.time.quality() < Quality::T3 && read.time.sync != SyncState::Synchronised);
    assert!(matches!(read.notes[..], [Note::Chrony(_)]), "{:?}", read.notes);
    by_nts.signal(Signal::CONT);

    let socket = by_nts.socket();
    drop(by_nts);
    let read = clock.now();
    assert!(matches!(read.chrony, Chrony::Absent(_)), "{:?}", read.chrony);
    assert!(read.time.quality() < Quality::T3, "{read:?}");
    assert_eq!(read.time.sync, SyncState::Holdover);
    // What was known before is still told: when.
    assert!(read.time.last_sync_ms.is_some());
    let fresh = reading(settings(&socket));
    assert!(fresh.time.quality() < Quality::T3);
}

/// TIM-011.
#[test]
fn a_chronyd_that_follows_nothing_makes_no_time() {
    let Some(chronyd) = have("chrony: unsynchronised", "chronyd") else { return };
    // One that tells everybody that all is well, with nothing but its own clock.
    let local = Chronyd::start(&chronyd, "port 0\nlocal stratum 1");
    // One whose server does not exist.
    let (port, _) = ports();
    let lonely = Chronyd::start(&chronyd, &client(&format!("server 127.0.0.1 port {port}")));
    std::thread::sleep(Duration::from_secs(1));
    for (chronyd, synchronised) in [(&local, true), (&lonely, false)] {
        let read = reading(chronyd.settings());
        let Chrony::Answered(tracking) = &read.chrony else { panic!("{:?}", read.chrony) };
        assert_eq!(tracking.synchronised, synchronised);
        assert_eq!(stated(&read), (Source::Rtc, SyncState::Never, Quality::T1));
        assert_eq!(read.time.uncertainty_ms, None);
    }
}

#[test]
fn a_wrong_certificate_is_no_nts() {
    let Some(chronyd) = have("chrony: certificate", "chronyd") else { return };
    let (keys, others) = (Keys::make(), Keys::make());
    let (port, nts_port) = ports();
    let _server = Chronyd::server(&chronyd, port, Some((&keys, nts_port)));
    let trusted = format!("ntstrustedcerts {}\n", others.certificate().display());
    let nts = format!("server 127.0.0.1 port {port} nts ntsport {nts_port}");
    let client = Chronyd::start(&chronyd, &(trusted + &client(&nts)));
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(stated(&reading(client.settings())).2, Quality::T1);
}

/// TIM-012.
#[test]
fn without_chrony_the_kernel_alone_is_asked() {
    let off = ChronySettings { enabled: false, ..ChronySettings::default() };
    let none = ChronySettings { program: "/nonexistent/chronyc".into(), ..Default::default() };
    for (settings, noted) in [(off, false), (none, true)] {
        let read = reading(settings);
        assert_eq!(read.notes.len(), usize::from(noted));
        assert!(read.time.quality() <= Quality::T2);
        assert!(read.time.boot_id.is_some() && read.time.uptime_ms.is_some());
    }
}

/// TIM-001, TIM-013. Programs in chronyc's place: whatever they do, an answer comes in time and is
/// not NTS.
#[test]
fn a_program_that_lies_or_hangs_in_chronycs_place_is_survived() {
    let dir = tempfile::tempdir().unwrap();
    let script = |name: &str, body: &str| -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
        path
    };
    let tracking = "1,a,1,1781870400.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,Normal";
    let cases = [
        ("silent", "exit 0".to_owned()),
        ("noise", "head -c 200000 /dev/urandom".into()),
        ("endless", "exec yes".into()),
        ("sleeper", "exec /bin/sleep 30".into()),
        ("stubborn", "trap '' TERM; while :; do /bin/sleep 1; done".into()),
        ("child", "/bin/sleep 2 & exit 0".into()),
        ("half", format!("[ $3 = tracking ] && echo {tracking}; [ $3 = sources ] && echo '^,*'")),
        ("nan", format!("echo {}", tracking.replace("0.0,Normal", "nan,Normal"))),
    ];
    for (name, body) in cases {
        let program = script(name, &body);
        let chrony = ChronySettings { program, timeout_ms: 500, ..ChronySettings::default() };
        let start = Instant::now();
        let answer = chrony::read(&chrony);
        assert!(start.elapsed() < Duration::from_millis(1500), "{name}: {:?}", start.elapsed());
        assert!(!matches!(answer, Chrony::Answered(_)), "{name}: {answer:?}");
        assert!(reading(chrony).time.quality() <= Quality::T2, "{name}");
    }
}
