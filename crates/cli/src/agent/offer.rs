//! What is offered to a device: an image, and the evidence that comes with it.
//!
//! ```text
//! pump-4.2.1.bin · pump-4.2.1.fwb      any file, its bundle beside it
//! app.signed.bin                       of MCUboot: signed by a known key, its bundle in it or beside it
//! ```
//!
//! In scope: reading both, and what speaks against an image of MCUboot itself. Out of scope: what
//! speaks against its release (`firmlog_verify`).
//!
//! Invariant: an image of MCUboot is not judged by its release before a key signed it that the
//! device knows.

use firmlog_agent::mcuboot::{self, Signed};
use firmlog_agent::update::{Image, Target};
use firmlog_statement::event::EventType;
use firmlog_statement::{PublicKey, ReleaseHead};
use firmlog_tlog::merkle::Hash;
use firmlog_verify::RustCrypto;
use firmlog_verify::install::{Installable, Reason};

use super::config::Config;
use super::verify_image::VerifyImageArgs;
use crate::command::key::{self, Lock};
use crate::error::{Error, Result};
use crate::image::{FormArgs, ImageFile, image_digests};

/// An image with its evidence.
pub(super) struct Offer {
    /// What a release names of the image.
    pub(super) sha256: [u8; 32],
    /// The evidence.
    pub(super) bundle: Vec<u8>,
    /// The image, if it is one of MCUboot.
    signed: Option<Signed>,
}

/// What speaks against an offer.
pub(super) enum No {
    /// The image itself.
    Image(mcuboot::Error),
    /// Its release.
    Release(Reason),
}

impl Offer {
    /// Reads what was offered. An image that its bootloader would not take is named by the digest
    /// of its body if it is whole, else by that of the file.
    pub(super) fn read(
        args: &VerifyImageArgs,
        config: &Config,
    ) -> Result<std::result::Result<Self, ([u8; 32], mcuboot::Error)>> {
        let file = match ImageFile::consider(&args.image, args.form, false)? {
            Ok(file) => file,
            Err(error) => return Ok(Err((image_digests(&args.image, false)?.sha256.0, error))),
        };
        let sha256 = file.digests.sha256.0;
        let signed = match file.mcuboot {
            // Whose images a bootloader checks does not install what it would not take.
            None if asks_signature(args, config) => {
                return Ok(Err((sha256, mcuboot::Error::Magic)));
            }
            None => None,
            Some(image) => match image.verify(&keys(args, config)?, check) {
                Ok(signed) => Some(signed),
                Err(error) => return Ok(Err((sha256, error))),
            },
        };
        let bundle = match &args.release {
            Some(path) => std::fs::read(path).map_err(|e| Error::io("read", path, e))?,
            None => file.bundle().ok_or_else(|| no_evidence(args.form))?,
        };
        Ok(Ok(Self { sha256, bundle, signed }))
    }

    /// Whether it can be this release of its bytes, as far as it says which.
    pub(super) fn is_of(&self, leaf: &Hash, head: &ReleaseHead) -> bool {
        let Some(signed) = &self.signed else { return true };
        signed.is_of(&leaf.0, head.version, head.counter)
    }

    /// Whether the release that was found is of this very image.
    pub(super) fn check(&self, found: &Installable) -> std::result::Result<(), mcuboot::Error> {
        let Some(signed) = &self.signed else { return Ok(()) };
        let Installable { image: sha256, version, counter, release, .. } = *found;
        let image = Image { sha256, version, counter };
        signed.target(&Target { image, release: release.0 }).map(drop)
    }
}

impl No {
    /// Its number in the statement of the refusal.
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::Image(error) => error.code(),
            Self::Release(reason) => reason.code(),
        }
    }

    /// The event that tells it.
    pub(super) fn event(&self) -> EventType {
        match self {
            Self::Image(error) => error.event(),
            Self::Release(reason) => reason.event(),
        }
    }
}

impl std::fmt::Display for No {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Image(error) => error.fmt(f),
            Self::Release(reason) => reason.fmt(f),
        }
    }
}

impl From<Reason> for No {
    fn from(reason: Reason) -> Self {
        Self::Release(reason)
    }
}

/// Signatures of images may have s in either half, which no other signature here may.
fn check(key: &[u8; 64], digest: &[u8; 32], signature: &[u8; 64]) -> bool {
    RustCrypto.p256_digest(key, digest, signature)
}

/// Whether files must be images of MCUboot, of these keys; `--whole` takes any.
fn asks_signature(args: &VerifyImageArgs, config: &Config) -> bool {
    let keys = !config.image_keys.is_empty() || !args.image_keys.is_empty();
    keys && !args.form.whole
}

/// The keys that may sign images, from the settings and the command.
fn keys(args: &VerifyImageArgs, config: &Config) -> Result<Vec<[u8; 64]>> {
    let settings = config.image_keys.iter().map(|path| config.path(path));
    let paths: Vec<_> = settings.chain(args.image_keys.iter().cloned()).collect();
    if paths.is_empty() {
        return Err(Error::new("E-IMAGE-KEY", "no key is known that may sign images for MCUboot")
            .expected("--image-key FILE, or image_keys in agent.toml", "none")
            .help("imgtool getpub -k KEY -e pem -o FILE writes it"));
    }
    let each = paths.iter().map(|path| {
        match key::public(&key::uri(path.as_os_str())?, &Lock::default())? {
            PublicKey::P256(point) => Ok(point),
            other => Err(Error::new("E-IMAGE-KEY", path.display())
                .expected("a P-256 key", other.algorithm().name())),
        }
    });
    each.collect()
}

fn no_evidence(form: FormArgs) -> Error {
    let message = match form.whole {
        true => "a file that is taken as it is carries no evidence",
        false => "the image carries no evidence",
    };
    Error::new("E-USAGE", message).help("give the bundle that came with it: --release FILE")
}
