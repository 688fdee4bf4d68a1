//! The smallest program that uses all of the agent: commands of one byte from the gateway.
//!
//! ```text
//! e EVENT    take a step        v TARGET   an image was found good    i    install begins
//! c          it stays           r IMAGE    refuse it                  k N  the log has all below N
//! s N        send statement N              p          a person did it, who saw this checkpoint
//! x          check a release's evidence
//! ```
//!
//! Its flash and static RAM are what `cargo xtask size` reports: journal, update, statements and
//! signatures, with vectors, start code, flash driver and UART.
#![no_std]
#![no_main]

use firmlog_agent::journal::{Covered, ENTRY_MAX};
use firmlog_agent::update::{Detail, Identity, Image, LogBeforeInstall, Target, Updater};
use firmlog_board::flash::{PAGE, WORD};
use firmlog_board::{NorFlash, Uart, entry, halt, ticks};
use firmlog_measure::clock::Rtc;
use firmlog_measure::key::{Key, key};
use firmlog_statement::disclosure::{Commitment, Commitments, FieldId};
use firmlog_statement::event::EventType as T;
use firmlog_statement::{CheckpointSeen, DeviceId, Digest, Initiator, InitiatorKind, Signer as _};

type Agent<'a> = Updater<'a, NorFlash, Key, Rtc, PAGE, WORD>;

#[entry]
fn main() -> ! {
    let mut uart = Uart::open();
    ticks::start();
    let running = image(&mut uart);
    let (Some(flash), Some(key)) = (NorFlash::region(0, 8), key()) else { halt() };
    let device = DeviceId::from(key.public_key().thumbprint());
    let names = Identity { device, issuer: "acme.example/devices", subject: "ip-200/app" };
    let mut agent = Updater::new(flash, key, Rtc, names, LogBeforeInstall::Required);
    if agent.start(running).is_err() {
        halt();
    }
    loop {
        let done = obey(&mut agent, &mut uart);
        uart.byte(if done.is_some() { b'+' } else { b'-' });
    }
}

fn obey(agent: &mut Agent<'_>, uart: &mut Uart) -> Option<()> {
    let detail = Detail::default();
    match uart.wait() {
        b'e' => {
            let event = T::from_code(u64::from(uart.wait()))?;
            agent.step(event, detail).ok().map(drop)
        }
        b'v' => {
            let target = Target { image: image(uart), release: bytes(uart) };
            agent.verified(target, detail).ok().map(drop)
        }
        b'i' => agent.install_started(detail).ok().map(drop),
        b'c' => agent.committed(detail).ok().map(drop),
        b'r' => {
            let image = image(uart);
            agent.refuse(T::RefusedBadSignature, image, detail).ok().map(drop)
        }
        b'p' => {
            let digest = Digest(bytes(uart));
            let technician = Commitment { field: FieldId::Technician, digest };
            agent.commit(Commitments::new(&[technician]).ok()?).ok()?;
            let kind = InitiatorKind::Person;
            let by = Initiator { kind, subject: None, role: None, organisation: None };
            agent.because(Some(by), None).ok()?;
            let size = u64::from_be_bytes(bytes(uart));
            agent.saw_checkpoint(CheckpointSeen { size, root: Digest(bytes(uart)) });
            Some(())
        }
        b'k' => {
            let (next, size) = (u64::from_be_bytes(bytes(uart)), u64::from_be_bytes(bytes(uart)));
            agent.journal().cover(Covered { next, size, root: bytes(uart) }).ok()
        }
        b's' => {
            let mut entry = [0; ENTRY_MAX];
            let seq = u64::from_be_bytes(bytes(uart));
            let len = agent.journal().statement(seq, &mut entry).ok()??;
            entry.get(..len)?.iter().for_each(|byte| uart.byte(*byte));
            Some(())
        }
        #[cfg(feature = "ed25519")]
        b'x' => check(agent, uart),
        _ => None,
    }
}

/// Checks the evidence in the download area, by the log's key in the factory page.
#[cfg(feature = "ed25519")]
fn check(agent: &mut Agent<'_>, uart: &mut Uart) -> Option<()> {
    use firmlog_board::layout;
    use firmlog_cortex_m4::CortexM4;
    use firmlog_tlog::{merkle::Hash, note::VerifierKey};
    use firmlog_verify::install::{Evidence, Known, Root, Running};
    let proof = NorFlash::region(layout::PROOF, layout::DOWNLOAD_PAGES)?.as_slice();
    let page = NorFlash::region(layout::FACTORY, 1)?.as_slice();
    let log = VerifierKey::parse(core::str::from_utf8(page.get(..100)?).ok()?).ok()?;
    let witnesses = [log, log, log];
    let genesis = Hash(bytes(uart));
    let root = Root { genesis, log: &log, witnesses: &witnesses, quorum: 3 };
    let device = DeviceId(bytes(uart));
    let Image { version, counter, .. } = agent.progress().committed;
    let (model, component, issuers) = ("ip-200", "app", &["acme.example"]);
    let running = Running { device, model, hw_rev: None, component, issuers, version, counter };
    let mut scratch = [0; 2048];
    let evidence = Evidence::verify(proof, &root, &CortexM4, &mut scratch).ok()?;
    let found = evidence.installable(&bytes(uart), &running, &Known::default()).ok()?;
    let image = Image { sha256: found.image, version: found.version, counter: found.counter };
    let target = Target { image, release: found.release.0 };
    agent.verified(target, Detail::default()).ok().map(drop)
}

fn image(uart: &mut Uart) -> Image {
    Image {
        sha256: bytes(uart),
        version: u64::from_be_bytes(bytes(uart)),
        counter: u32::from_be_bytes(bytes(uart)),
    }
}

fn bytes<const N: usize>(uart: &mut Uart) -> [u8; N] {
    let mut out = [0; N];
    out.iter_mut().for_each(|byte| *byte = uart.wait());
    out
}
