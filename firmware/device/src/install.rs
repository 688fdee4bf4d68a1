//! From a download to a slot: hash, verify, say, write.

use firmlog_agent::update::{Detail, Image, Refused, Target};
use firmlog_board::{Boot, NorFlash, Slot, layout};
use firmlog_cortex_m4::CortexM4;
use firmlog_statement::event::EventType as T;
use firmlog_tlog::note::VerifierKey;
use firmlog_verify::install::{Evidence, Installable, Known, Reason, Root, Running};
use sha2::{Digest as _, Sha256};

use crate::Agent;
use crate::factory::Factory;

/// Room for the longest statement of a release's evidence, and its checkpoint.
const SCRATCH: usize = 2048;

/// What came of an install.
pub(crate) enum Outcome {
    /// It is in the other slot, and runs on trial after the next start.
    Installed,
    /// It is not, and why.
    Refused(Reason),
    /// The agent refused the step.
    NotNow,
}

/// What a slot holds: its digest is measured, version and counter are those it was installed as.
pub(crate) fn measure(slot: Slot) -> Option<Image> {
    let held = slot.read()?;
    let sha256 = Sha256::digest(held.bytes).into();
    Some(Image { sha256, version: held.version, counter: held.counter })
}

/// Checks the download, and puts it into the slot that does not run.
pub(crate) fn install(agent: &mut Agent<'_>, boot: &mut Boot, factory: &Factory) -> Outcome {
    let detail = Detail::default();
    let (Some(image), Some(proof)) = (download(layout::IMAGE), download(layout::PROOF)) else {
        return Outcome::NotNow;
    };
    let digest = Sha256::digest(image).into();
    let found = match check(&digest, proof, agent, factory) {
        Ok(found) => found,
        Err(reason) => {
            let refused = Image { sha256: digest, version: 0, counter: 0 };
            let code = Detail { error: Some(u32::from(reason.code())), ..detail };
            // What cannot be checked is a failed verification, not a refusal of the image.
            let said = match reason.event() {
                T::VerificationFailed => agent.step(T::VerificationFailed, code),
                event => agent.refuse(event, refused, code),
            };
            return match said {
                Ok(_) => Outcome::Refused(reason),
                Err(_) => Outcome::NotNow,
            };
        }
    };
    let Installable { version, counter, .. } = found;
    let target =
        Target { image: Image { sha256: digest, version, counter }, release: found.release.0 };
    match write(agent, boot, target, image) {
        Ok(true) => Outcome::Installed,
        Ok(false) | Err(_) => Outcome::NotNow,
    }
}

fn check(
    digest: &[u8; 32],
    proof: &[u8],
    agent: &Agent<'_>,
    factory: &Factory,
) -> Result<Installable, Reason> {
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
        version: committed.version,
        counter: committed.counter,
    };
    let mut scratch = [0; SCRATCH];
    let evidence = Evidence::verify(proof, &root, &CortexM4, &mut scratch)?;
    Ok(*evidence.installable(digest, &running, &Known::default())?)
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
    let Image { version, counter, .. } = target.image;
    if !boot.other().write(image, version, counter) || !boot.try_other() {
        agent.step(T::InstallFailed, detail)?;
        return Ok(false);
    }
    agent.step(T::Installed, detail)?;
    agent.step(T::Reboot, detail)?;
    agent.flush();
    Ok(true)
}

/// A part of the download area: its length, then its bytes.
fn download(at: usize) -> Option<&'static [u8]> {
    let area = NorFlash::region(at, layout::DOWNLOAD_PAGES)?.as_slice();
    let (len, bytes) = area.split_first_chunk::<4>()?;
    bytes.get(..u32::from_le_bytes(*len) as usize)
}
