//! What is offered to the device: a vector's head as text in the factory page, its bundle behind
//! four bytes of length where evidence is downloaded to.

use core::str::FromStr;
use firmlog_board::{NorFlash, layout};
use firmlog_statement::DeviceId;
use firmlog_tlog::merkle::Hash;
use firmlog_tlog::note::VerifierKey;
use firmlog_verify::install::{Root, Running};

const WITNESSES: usize = 3;

/// A vector, read.
pub(crate) struct Offer {
    pub(crate) bundle: &'static [u8],
    pub(crate) image: [u8; 32],
    genesis: Hash,
    log: VerifierKey,
    witnesses: [VerifierKey; WITNESSES],
    quorum: u8,
    model: &'static str,
    component: &'static str,
    issuers: [&'static str; 1],
    version: u64,
    counter: u32,
}

impl Offer {
    /// Not part of what is measured, so its frame is gone by then.
    #[inline(never)]
    pub(crate) fn read() -> Option<Self> {
        let page = NorFlash::region(layout::FACTORY, 1)?.as_slice();
        let end = page.iter().position(|byte| *byte == 0xff)?;
        let head = core::str::from_utf8(page.get(..end)?).ok()?;
        let log = VerifierKey::parse(line(head, "log", 0)?).ok()?;
        let mut witnesses = [log; WITNESSES];
        for (n, witness) in witnesses.iter_mut().enumerate() {
            *witness = VerifierKey::parse(line(head, "witness", n)?).ok()?;
        }
        Some(Self {
            bundle: bundle()?,
            image: hash(line(head, "image", 0)?)?,
            genesis: Hash(hash(line(head, "genesis", 0)?)?),
            log,
            witnesses,
            quorum: number(head, "quorum")?,
            model: line(head, "model", 0)?,
            component: line(head, "component", 0)?,
            issuers: [line(head, "issuer", 0)?],
            version: number(head, "version")?,
            counter: number(head, "counter")?,
        })
    }

    pub(crate) fn root(&self) -> Root<'_> {
        let Self { genesis, log, witnesses, quorum, .. } = self;
        Root { genesis: *genesis, log, witnesses, quorum: *quorum }
    }

    pub(crate) fn running(&self) -> Running<'_> {
        let Self { model, component, ref issuers, version, counter, .. } = *self;
        let device = DeviceId([7; 32]);
        Running { device, model, hw_rev: None, component, issuers, version, counter }
    }
}

fn bundle() -> Option<&'static [u8]> {
    let area = NorFlash::region(layout::PROOF, layout::DOWNLOAD_PAGES)?.as_slice();
    let (len, bytes) = area.split_first_chunk::<4>()?;
    bytes.get(..u32::from_le_bytes(*len) as usize)
}

/// The value of the `n`th line of this name.
fn line<'a>(head: &'a str, name: &str, n: usize) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|it| it.0 == name).nth(n).map(|it| it.1)
}

fn number<N: FromStr>(head: &str, name: &str) -> Option<N> {
    line(head, name, 0)?.parse().ok()
}

fn hash(hex: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    for (n, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(n * 2..n * 2 + 2)?, 16).ok()?;
    }
    Some(out)
}
