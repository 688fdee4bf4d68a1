//! A firmware image as a file, and what a release names of it.
//!
//! ```text
//! any file           SHA-256 and length of all of it
//! image of MCUboot   SHA-256 and length of its body; version and security counter are its own
//! ```
//!
//! In scope: telling the two apart, and reading both piece by piece. Out of scope: what an image of
//! MCUboot says (`firmlog_agent::mcuboot`), and whose signature it carries.
//!
//! Invariants:
//! - What begins as an image of MCUboot is never taken for another file unless that was asked for.
//! - An image of MCUboot is whole, or its first broken rule is named.

use std::fmt::Display;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use clap::Args;
use firmlog_agent::FlashError;
use firmlog_agent::mcuboot::{self, Image, Slot, Version};
use firmlog_statement::ReleaseHead;
use firmlog_statement::image::{ImageDigests, ImageHasher};
use firmlog_tlog::merkle::Hash;
use firmlog_verify::report::{Released, Report};

use crate::error::{Error, Exit, Result};

/// How a file is looked at.
#[derive(Args, Clone, Copy, Default)]
pub(crate) struct FormArgs {
    /// Take the file as it is, also where it is an image of MCUboot
    #[arg(long)]
    pub(crate) whole: bool,
}

/// An image, read.
pub(crate) struct ImageFile {
    /// What a release names.
    pub(crate) digests: ImageDigests,
    /// What it says, if it is one of MCUboot.
    pub(crate) mcuboot: Option<Image>,
    file: File,
}

impl ImageFile {
    /// Reads an image.
    pub(crate) fn read(path: &Path, form: FormArgs) -> Result<Self> {
        Self::read_with(path, form, false)
    }

    /// Reads an image, with Keccak-256 beside on request.
    pub(crate) fn read_with(path: &Path, form: FormArgs, keccak: bool) -> Result<Self> {
        Self::consider(path, form, keccak)?.map_err(|error| not_taken(path, error))
    }

    /// Reads an image; of one of MCUboot that is not whole, the rule it breaks.
    pub(crate) fn consider(
        path: &Path,
        form: FormArgs,
        keccak: bool,
    ) -> Result<std::result::Result<Self, mcuboot::Error>> {
        let mut file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let mcuboot = match if form.whole { Ok(None) } else { mcuboot(path, &mut file)? } {
            Ok(mcuboot) => mcuboot,
            Err(error) => return Ok(Err(error)),
        };
        let (start, len) = match &mcuboot {
            Some(image) => (image.header.header_size.into(), image.header.body_size.into()),
            None => (0, u64::MAX),
        };
        let digests = file
            .seek(SeekFrom::Start(start))
            .and_then(|_| digest(&mut (&file).take(len), keccak))
            .map_err(|e| Error::io("read", path, e))?;
        Ok(Ok(Self { digests, mcuboot, file }))
    }

    /// The evidence bundle in it, if it carries one.
    pub(crate) fn bundle(&self) -> Option<Vec<u8>> {
        let span = self.mcuboot?.release?.bundle;
        let mut bytes = vec![0; usize::try_from(span.len).ok()?];
        self.file.read_exact_at(&mut bytes, span.at.into()).ok()?;
        Some(bytes).filter(|bytes| !bytes.is_empty())
    }
}

/// Digests of a whole file.
pub(crate) fn image_digests(path: &Path, keccak: bool) -> Result<ImageDigests> {
    ImageFile::read_with(path, FormArgs { whole: true }, keccak).map(|file| file.digests)
}

/// One of these releases of its body must be of this very image, in all that a device compares.
pub(crate) fn check_release(
    path: &Path,
    image: &Image,
    releases: &[(Hash, ReleaseHead)],
) -> Result<()> {
    let Some((leaf, first)) = releases.first() else { return Ok(()) };
    if releases.iter().any(|(leaf, head)| image.is_of(&leaf.0, head.version, head.counter)) {
        return Ok(());
    }
    let said = |leaf: &Hash, version, counter| {
        format!("release {leaf}, version code {version}, security counter {counter}")
    };
    let (code, own) = (image.header.version.code(), image.release.map(|own| Hash(own.leaf)));
    let own = own.unwrap_or(*leaf);
    let message = format!("{} has the release's body, and differs beside it", path.display());
    Err(Error::new("E-IMAGE", message)
        .exit(Exit::Against)
        .expected(said(leaf, first.version, first.counter), said(&own, code, image.counter)))
}

/// The release that an image is of, where the report answers for another one of the same body: an
/// image says which it is, and another's standing is no answer (STA-051).
pub(crate) fn own_release(path: &Path, image: &Image, report: &Report) -> Result<Option<Hash>> {
    let head = |it: &Released| {
        let body = &it.statement;
        let (version, counter) = (body.version.0, body.counter.0);
        (it.leaf, ReleaseHead { image: body.image.0, version, counter })
    };
    let heads: Vec<_> = report.releases.iter().map(head).collect();
    check_release(path, image, &heads)?;
    let mut own = report
        .releases
        .iter()
        .zip(&heads)
        .filter(|(_, (leaf, it))| image.is_of(&leaf.0, it.version, it.counter));
    let usable = own.clone().rfind(|(it, _)| it.standing.is_usable());
    let own = usable.or(own.next_back()).map(|(it, _)| it.leaf);
    Ok(own.filter(|own| report.release().is_some_and(|best| best.leaf != *own)))
}

/// What was given beside an image of MCUboot must be what was read from it.
pub(crate) fn check_given(
    path: &Path,
    (flag, given): (&str, &dyn Display),
    read: impl Display,
    same: bool,
) -> Result<()> {
    if same {
        return Ok(());
    }
    let message = format!("{flag} is not what {} says, an image of MCUboot", path.display());
    Err(Error::new("E-IMAGE", message)
        .expected(read, given)
        .help(format!("leave {flag} out, or make the image anew: imgtool sign -v V -s COUNTER")))
}

/// Whether a version as people write it may be said of an image: `4.2.1` of 4.2.1+7, not `4.2.2`.
/// What is no version in numbers is a name, which may be said of any.
pub(crate) fn may_be_called(version: Version, name: &str) -> bool {
    let (front, build) = match name.split_once('+') {
        Some((front, build)) => (front, Some(build)),
        None => (name, None),
    };
    let parts: Vec<&str> = front.split('.').collect();
    let is_number =
        |part: &&str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
    if parts.len() > 3 || !parts.iter().chain(&build).all(is_number) {
        return true;
    }
    let own = [version.major.into(), version.minor.into(), u32::from(version.revision)];
    let is = |number: u32, part: &&str| part.parse() == Ok(number);
    own.iter().zip(&parts).all(|(number, part)| is(*number, part))
        && build.is_none_or(|part| is(version.build, &part))
}

/// What the file says as an image of MCUboot; none if it does not begin as one does.
fn mcuboot(
    path: &Path,
    file: &mut File,
) -> Result<std::result::Result<Option<Image>, mcuboot::Error>> {
    // A partition has a length too, though its metadata say 0.
    let len = file.seek(SeekFrom::End(0)).map_err(|e| Error::io("read", path, e))?;
    let slot_len = u32::try_from(len).unwrap_or(u32::MAX);
    Ok(match Image::read(&mut FileSlot(file), slot_len) {
        Err(mcuboot::Error::Magic) => Ok(None),
        Err(mcuboot::Error::Truncated) if len < 32 => Ok(None),
        other => other.map(Some),
    })
}

/// It begins as an image of MCUboot, and is none that a device takes.
fn not_taken(path: &Path, error: mcuboot::Error) -> Error {
    let message = format!("{} is an image of MCUboot, and {error}", path.display());
    let error_is_evidence = error.event().is_refusal();
    let told = Error::new("E-IMAGE", message)
        .help("make it as docs/spec/mcuboot.md says, or take the file as it is: --whole");
    if error_is_evidence { told.exit(Exit::Against) } else { told }
}

fn digest(from: &mut impl Read, keccak: bool) -> std::io::Result<ImageDigests> {
    let (mut hasher, mut buffer) = (ImageHasher::new(keccak), vec![0; 1 << 16]);
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// A file as a slot.
struct FileSlot<'a>(&'a File);

impl Slot for FileSlot<'_> {
    fn read(&mut self, at: u32, out: &mut [u8]) -> std::result::Result<(), FlashError> {
        self.0.read_exact_at(out, at.into()).map_err(|_| FlashError::Driver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_numbers_must_be_the_image_s_own() {
        let version = Version { major: 4, minor: 2, revision: 1, build: 7 };
        for good in ["4.2.1+7", "4.2.1", "4.2", "4", "R4, service pack 2", "4.2.1-rc1", "1.2.3.4"] {
            assert!(may_be_called(version, good), "{good}");
        }
        for bad in ["4.2.1+8", "4.2.2", "4.3", "5", "40201", "99999999999999999999", "4+7.1"] {
            let is_name = bad == "4+7.1";
            assert_eq!(may_be_called(version, bad), is_name, "{bad}");
        }
    }
}
