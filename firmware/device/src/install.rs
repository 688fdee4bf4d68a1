//! From a download to a slot: read as the bootloader does, verify, say, write.

use firmlog_agent::mcuboot::{self, Signed};
use firmlog_agent::update::{Detail, Image, Refused, Target};
use firmlog_board::{Boot, NorFlash, Slot, layout};
use firmlog_cortex_m4::CortexM4;
use firmlog_statement::ReleaseHead;
use firmlog_statement::event::EventType as T;
use firmlog_tlog::merkle::Hash;
use firmlog_tlog::note::VerifierKey;
use firmlog_verify::install::{Evidence, Known, Reason, Root, Running};
use sha2::{Digest as _, Sha256};

use crate::Agent;
use crate::factory::Factory;

/// Room for the longest statement of a release's evidence, and its checkpoint.
const SCRATCH: usize = 2048;

/// What the slots are for, as releases name it.
const COMPONENT: &str = "app";

/// What came of an install.
pub(crate) enum Outcome {
    /// It is in the other slot, and runs on trial after the next start.
    Installed,
    /// It is not, and why: a number of the image's reasons or of the release's.
    Refused(u16),
    /// The agent refused the step.
    NotNow,
}

/// What speaks against an image, and what it is called by.
struct No {
    sha256: [u8; 32],
    code: u16,
    event: T,
}

/// What a slot holds, if it would boot: whole, and signed by the key that signs images.
pub(crate) fn measure(slot: Slot, factory: &Factory) -> Option<Image> {
    let signed = read(slot.read()?, factory).ok()?;
    let (version, counter) = (signed.header.version.code(), signed.counter);
    Some(Image { sha256: signed.body, version, counter })
}

/// Checks the download, and puts it into the slot that does not run.
pub(crate) fn install(agent: &mut Agent<'_>, boot: &mut Boot, factory: &Factory) -> Outcome {
    let Some(image) = download() else { return Outcome::NotNow };
    let done = match check(image, agent, factory) {
        Ok(target) => write(agent, boot, target, image).map(|is_in| match is_in {
            true => Outcome::Installed,
            false => Outcome::NotNow,
        }),
        Err(no) => refuse(agent, &no),
    };
    done.unwrap_or(Outcome::NotNow)
}

fn refuse(agent: &mut Agent<'_>, no: &No) -> Result<Outcome, Refused> {
    let refused = Image { sha256: no.sha256, version: 0, counter: 0 };
    let why = Detail { error: Some(u32::from(no.code)), ..Detail::default() };
    agent.refuse(no.event, refused, why)?;
    Ok(Outcome::Refused(no.code))
}

/// From the bytes to what the updater is told, or the one thing that speaks against it.
fn check(bytes: &[u8], agent: &Agent<'_>, factory: &Factory) -> Result<Target, No> {
    let signed = read(bytes, factory)?;
    let of_image = |error| No::image(signed.body, error);
    let span = signed.release.map_or(mcuboot::Span::default(), |release| release.bundle);
    let bundle = bytes.get(span.at as usize..).and_then(|rest| rest.get(..span.len as usize));
    let bundle = bundle.ok_or_else(|| of_image(mcuboot::Error::Bug))?;
    let found = released(&signed, bundle, agent, factory);
    let found = found.map_err(|reason| No::release(signed.body, reason))?;
    signed.target(&found).map_err(of_image)
}

/// The image at the front of some bytes, as the bootloader reads it.
fn read(mut bytes: &[u8], factory: &Factory) -> Result<Signed, No> {
    let whole = bytes;
    let len = u32::try_from(bytes.len()).unwrap_or_default();
    let image = mcuboot::Image::read(&mut bytes, len)
        .map_err(|error| No::image(Sha256::digest(whole).into(), error))?;
    let good = |key: &_, digest: &_, sig: &_| CortexM4.p256_digest(key, digest, sig);
    image.verify(&[*factory.image_key], good).map_err(|error| No::image(image.body, error))
}

impl No {
    fn image(sha256: [u8; 32], error: mcuboot::Error) -> Self {
        Self { sha256, code: error.code(), event: error.event() }
    }

    fn release(sha256: [u8; 32], reason: Reason) -> Self {
        Self { sha256, code: reason.code(), event: reason.event() }
    }
}

/// What the evidence says may be installed.
fn released(
    signed: &Signed,
    bundle: &[u8],
    agent: &Agent<'_>,
    factory: &Factory,
) -> Result<Target, Reason> {
    let mut witnesses = [const { None::<VerifierKey> }; 5];
    witnesses.iter_mut().zip(factory.witnesses()).for_each(|(to, from)| *to = Some(*from));
    let witnesses = witnesses.map(|key| key.unwrap_or(factory.log));
    let count = factory.witnesses().count();
    let root = Root {
        genesis: factory.genesis,
        log: &factory.log,
        witnesses: witnesses.get(..count).unwrap_or_default(),
        quorum: factory.quorum,
    };
    let committed = agent.progress().committed;
    let running = Running {
        device: factory.device,
        model: factory.model,
        hw_rev: None,
        component: COMPONENT,
        issuers: &[factory.takes_from],
        version: committed.version,
        counter: committed.counter,
    };
    let mut scratch = [0; SCRATCH];
    let evidence = Evidence::verify(bundle, &root, &CortexM4, &mut scratch)?;
    let is_of = |leaf: &Hash, head: &ReleaseHead| signed.is_of(&leaf.0, head.version, head.counter);
    let found = evidence.installable_as(&signed.body, &running, &Known::default(), is_of)?;
    let image = Image { sha256: found.image, version: found.version, counter: found.counter };
    Ok(Target { image, release: found.release.0 })
}

/// The order that matters: said first, then written, then said.
fn write(
    agent: &mut Agent<'_>,
    boot: &mut Boot,
    target: Target,
    image: &[u8],
) -> Result<bool, Refused> {
    let detail = Detail::default();
    if agent.progress().last != Some(T::InstallFailed) {
        agent.verified(target, detail)?;
    }
    agent.install_started(detail)?;
    if !boot.other().write(image) || !boot.try_other() {
        agent.step(T::InstallFailed, detail)?;
        return Ok(false);
    }
    agent.step(T::Installed, detail)?;
    agent.step(T::Reboot, detail)?;
    agent.flush();
    Ok(true)
}

/// The download area: a length, then so many bytes.
fn download() -> Option<&'static [u8]> {
    let area = NorFlash::region(layout::IMAGE, layout::DOWNLOAD_PAGES)?.as_slice();
    let (len, bytes) = area.split_first_chunk::<4>()?;
    bytes.get(..u32::from_le_bytes(*len) as usize)
}
