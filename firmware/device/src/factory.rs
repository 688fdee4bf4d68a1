//! What the production line wrote: the key, the seed of the chain, names, and what to trust.
//!
//! ```text
//! offset   0  46 4c 66 32      "FLf2"
//!          4  secret 32 · seed 32 · genesis 32
//!        100  quorum 1 · how many witnesses 1 · zeros 2
//!        104  key that signs images 64, x ‖ y
//!        168  texts, each with its length before it: issuer, subject, model, whose releases it takes,
//!             log, witnesses …
//! ```

use firmlog_agent::Journal;
use firmlog_agent::journal::Error;
use firmlog_board::flash::{PAGE, WORD};
use firmlog_board::{NorFlash, layout};
use firmlog_statement::chain::ChainHead;
use firmlog_statement::{DeviceId, Signer as _};
use firmlog_tlog::merkle::Hash;
use firmlog_tlog::note::VerifierKey;

use firmlog_cortex_m4::Key;

/// Most witnesses a device knows.
const WITNESSES: usize = 5;

/// The page, read.
pub(crate) struct Factory {
    pub(crate) secret: &'static [u8; 32],
    pub(crate) seed: [u8; 32],
    pub(crate) device: DeviceId,
    pub(crate) issuer: &'static str,
    pub(crate) subject: &'static str,
    pub(crate) model: &'static str,
    /// The issuer whose releases it takes.
    pub(crate) takes_from: &'static str,
    pub(crate) genesis: Hash,
    pub(crate) log: VerifierKey,
    pub(crate) quorum: u8,
    /// Whose signature an image must carry.
    pub(crate) image_key: &'static [u8; 64],
    witnesses: [Option<VerifierKey>; WITNESSES],
}

impl Factory {
    pub(crate) fn read() -> Option<Self> {
        let page = NorFlash::region(layout::FACTORY, 1)?.as_slice();
        let rest = page.strip_prefix(b"FLf2")?;
        let (secret, rest) = rest.split_first_chunk::<32>()?;
        let (seed, rest) = rest.split_first_chunk::<32>()?;
        let (genesis, rest) = rest.split_first_chunk::<32>()?;
        let ([quorum, count, 0, 0], rest) = rest.split_first_chunk::<4>()? else { return None };
        let (image_key, mut rest) = rest.split_first_chunk::<64>()?;
        let mut text = || {
            let (len, after) = rest.split_first()?;
            let (text, after) = after.split_at_checked(usize::from(*len))?;
            rest = after;
            core::str::from_utf8(text).ok()
        };
        let (issuer, subject, model, takes_from) = (text()?, text()?, text()?, text()?);
        let log = VerifierKey::parse(text()?).ok()?;
        let mut witnesses = [const { None }; WITNESSES];
        for witness in witnesses.get_mut(..usize::from(*count))? {
            *witness = Some(VerifierKey::parse(text()?).ok()?);
        }
        Some(Self {
            secret,
            seed: *seed,
            device: Key::new(secret)?.public_key().thumbprint().into(),
            issuer,
            subject,
            model,
            takes_from,
            genesis: Hash(*genesis),
            log,
            quorum: *quorum,
            image_key,
            witnesses,
        })
    }

    pub(crate) fn witnesses(&self) -> impl Iterator<Item = &VerifierKey> {
        self.witnesses.iter().flatten()
    }
}

/// Makes the journal the first time the device is switched on. A cut in it leaves flash that is not
/// whole, which the production line would see.
pub(crate) fn format_once(flash: NorFlash, factory: &Factory) -> Option<NorFlash> {
    let blank = flash.as_slice().iter().all(|byte| *byte == 0xff);
    if !blank {
        return Some(flash);
    }
    let start = ChainHead::enrolled(factory.seed);
    let made: Result<Journal<_, PAGE, WORD>, Error> = Journal::format(flash, start);
    made.ok().map(Journal::into_flash)
}
