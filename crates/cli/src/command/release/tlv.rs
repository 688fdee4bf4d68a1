//! `release tlv`: the value that carries a release in an image of MCUboot.
//!
//! ```text
//! pump.fwb ──▶ leaf hash 32 ‖ bundle ──▶ release.tlv ──▶ imgtool sign --custom-tlv-file 0x46a0
//! ```
//!
//! In scope: the value, and whether a device would install what it says. Out of scope: putting it
//! into an image and signing that, which is imgtool's.
//!
//! Invariants:
//! - Nothing is written that no device would take; the reason is told as a device would.
//! - No socket is opened.

use std::path::{Path, PathBuf};

use clap::Args;
use firmlog_agent::mcuboot::RELEASE;
use firmlog_keys::AwsLc;
use firmlog_statement::{DeviceId, Parsed, Release, ReleaseHead, Statement};
use firmlog_tlog::merkle::Hash;
use firmlog_verify::bundle::Bundle;
use firmlog_verify::install::{Installable, Known, Running};
use firmlog_verify::{TrustRoot, Verified, verify_release};
use serde_json::json;

use crate::answer::{Answer, hex, table};
use crate::error::{Error, Exit, Result};
use crate::image::{FormArgs, ImageFile, check_release};
use crate::submit::{digest, trust_root};

/// The longest value: the protected area counts its bytes in 16 bits, its own head and that of the
/// value among them.
const LONGEST: usize = 0xffff - 8;

/// Arguments of `release tlv`.
#[derive(Args)]
#[command(after_help = "\
Exit: 0 written · 1 no device would install it, and why

Example:
  firmlog release tlv pump.fwb --image app.unsigned.bin --out release.tlv --trust log.trust
  imgtool sign --custom-tlv-file 0x46a0 release.tlv -k sign.pem -v 4.2.1+7 -s 5 …")]
pub(crate) struct TlvArgs {
    /// The release's evidence, as `bundle release` wrote it
    bundle: PathBuf,
    /// Where the value goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The image the release was made of: must be the one it names
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Leaf hash of the release, where the bundle holds several
    #[arg(long, value_name = "HASH")]
    release: Option<String>,
    /// Leave the bundle out: it travels beside the image
    #[arg(long)]
    leaf_only: bool,
    /// Write 0x… as text, for imgtool sign --custom-tlv 0x46a0
    #[arg(long)]
    hex: bool,
    /// Trust root file that pins the log
    #[arg(long, env = "FIRMLOG_TRUST", value_name = "FILE")]
    trust: PathBuf,
}

/// Runs the command.
pub(super) fn run(args: &TlvArgs) -> Result<Answer> {
    let bytes = std::fs::read(&args.bundle).map_err(|e| Error::io("read", &args.bundle, e))?;
    let name = args.bundle.display().to_string();
    let bundle = Bundle::parse(&bytes).map_err(|e| Error::form(&name, e))?;
    let (leaf, issuer, release) = args.choose(&bundle)?;
    let root = trust_root(&args.trust)?;
    let found = installable(&bundle, &root, leaf, (issuer, &release))?;
    if let Some(path) = &args.image {
        check_image(path, &found)?;
    }
    let evidence = if args.leaf_only { &[][..] } else { &bytes };
    let value = [&leaf.0, evidence].concat();
    if value.len() > LONGEST {
        return Err(Error::new("E-TLV", "the bundle is too long for the image's protected area")
            .expected(format!("at most {} bytes", LONGEST - 32), bytes.len())
            .help("--leaf-only names the release; the bundle then travels beside the image"));
    }
    let written =
        if args.hex { format!("0x{}\n", hex(&value)).into_bytes() } else { value.clone() };
    std::fs::write(&args.out, written).map_err(|e| Error::io("write", &args.out, e))?;
    Ok(args.answer(&found, &release, value.len()))
}

impl TlvArgs {
    /// The release that is meant: the one named, or the only one there is.
    fn choose<'a>(&self, bundle: &'a Bundle) -> Result<(Hash, &'a str, Release)> {
        let wanted = self.release.as_deref().map(digest).transpose()?;
        let all = bundle.entries.iter().filter_map(|entry| {
            let parsed = Parsed::parse(&entry.bytes).ok()?;
            let Ok(Statement::Release(release)) = parsed.decode() else { return None };
            let leaf = Hash(parsed.leaf_hash());
            Some((leaf, parsed.issuer(), release)).filter(|(.., it)| it.release.is_none())
        });
        let fits = |leaf: &Hash| wanted.as_ref().is_none_or(|wanted| wanted.0 == leaf.0);
        let mut all: Vec<_> = all.filter(|(leaf, ..)| fits(leaf)).collect();
        match (all.pop(), all.len()) {
            (Some(one), 0) => Ok(one),
            (Some(_), others) => Err(Error::new("E-USAGE", "the bundle holds several releases")
                .expected("--release LEAF-HASH", format!("{} releases", others + 1))),
            (None, _) => Err(Error::new("E-NOT-FOUND", "the bundle does not hold the release")
                .exit(Exit::Incomplete)
                .help("make it with: firmlog bundle release LEAF-HASH --out FILE")),
        }
    }

    fn answer(&self, found: &Installable, release: &Release, len: usize) -> Answer {
        let (out, kind) = (self.out.display().to_string(), format!("{RELEASE:#06x}"));
        let (option, value) = match self.hex {
            true => ("--custom-tlv", format!("\"$(cat {out})\"")),
            false => ("--custom-tlv-file", out.clone()),
        };
        let json = json!({"file": out, "bytes": len, "type": kind, "release": found.release.to_string(),
            "image": hex(&found.image), "version": release.version_name,
            "version_code": found.version.to_string(), "counter": found.counter,
            "approvers": found.approvers, "tree_size": found.head.size.to_string()});
        let rows = [
            ("wrote", format!("{out}, {len} bytes")),
            ("release", format!("{} {}", found.release, release.version_name)),
            ("approved by", found.approvers.to_string()),
            ("next", format!("imgtool sign {option} {kind} {value} -k KEY -v V -s COUNTER …")),
        ];
        Answer::new("release-tlv", json, table(rows))
    }
}

/// Whether a device of the release's first model, which takes releases of its issuer, would install
/// it in place of something older.
fn installable(
    bundle: &Bundle,
    root: &TrustRoot,
    leaf: Hash,
    (issuer, release): (&str, &Release),
) -> Result<Verified<Installable>> {
    let running = Running {
        device: DeviceId([0; 32]),
        model: release.models.first().map_or("", String::as_str),
        hw_rev: release.hw_revs.first().map(String::as_str),
        component: &release.component,
        issuers: &[issuer],
        version: 0,
        counter: 0,
    };
    let known = Known::default();
    let found = verify_release(bundle, root, &AwsLc, &release.image.0, &running, &known);
    let refused = |why: String| {
        Error::new("E-RELEASE", format!("no device would install release {leaf}: {why}"))
            .exit(Exit::Against)
            .help("nothing was written; firmlog verify BUNDLE --trust FILE tells all of it")
    };
    match found {
        Err(reason) => Err(refused(reason.to_string())),
        Ok(found) if found.release != leaf => {
            Err(refused(format!("{} is newer, and of the same image", found.release)))
        }
        Ok(found) => Ok(found),
    }
}

/// The image must be the one of the release, in all that a device compares.
fn check_image(path: &Path, found: &Installable) -> Result<()> {
    let differs = |what: &str, expected: String, got: String| {
        let message = format!("the release is not of {}: {what}", path.display());
        Err(Error::new("E-IMAGE", message).exit(Exit::Against).expected(expected, got))
    };
    let file = ImageFile::read(path, FormArgs::default())?;
    let Some(image) = file.mcuboot else {
        return differs("no image of MCUboot", "what imgtool sign wrote".into(), "a file".into());
    };
    if image.body != found.image {
        return differs("another body", hex(&found.image), hex(&image.body));
    }
    let (image_sha256, version, counter) = (found.image, found.version, found.counter);
    let head = ReleaseHead { image: image_sha256, version, counter };
    check_release(path, &image, &[(found.release, head)])
}
