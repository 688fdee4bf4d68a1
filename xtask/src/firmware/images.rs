//! Images of MCUboot and their releases, made by command: `imgtool` and `firmlog`, no code.
//!
//! ```text
//! body ── imgtool sign ──► unsigned ── release publish, approve, bundle ──► pump.fwb
//! pump.fwb ── release tlv ──► value ── imgtool sign -k --custom-tlv-file ──► image
//! ```
//!
//! In scope: what a device is offered, good and bad. Out of scope: whether it is taken (`story`).

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::stage::{MODEL, Stage, index, text};
use crate::{setup, sh};

/// The key that signs images, and one that no device knows.
pub(super) const KEY: &str = "boot.pem";
pub(super) const STRANGER: &str = "stranger.pem";

/// A published, approved release, and the image that carries its evidence.
pub(super) struct Release {
    pub(super) image: Vec<u8>,
    /// SHA-256 of the body: what the release names, and what a device says runs.
    pub(super) sha256: String,
    pub(super) leaf: String,
    pub(super) bundle: Vec<u8>,
    name: String,
    version: String,
    counter: String,
}

/// How an image is signed.
#[derive(Clone, Copy)]
pub(super) struct Signing<'a> {
    pub(super) counter: &'a str,
    pub(super) key: Option<&'a str>,
    /// What it carries of a release.
    pub(super) value: Option<&'a [u8]>,
}

impl Stage {
    /// Makes the keys that images are signed with; the public half of the first.
    pub(super) fn image_keys(&self) -> Result<[u8; 64]> {
        for key in [KEY, STRANGER] {
            self.imgtool(&["keygen", "-t", "ecdsa-p256", "-k", key])?;
        }
        self.imgtool(&["getpub", "-k", KEY, "-e", "raw", "-o", "boot.raw"])?;
        let public = fs::read(self.dir.join("boot.raw"))?;
        public.last_chunk().copied().context("a short public key")
    }

    /// Releases an image, has it approved, and signs it with its evidence once it is witnessed.
    pub(super) fn release(&self, name: &str, version: &str, counter: u32) -> Result<Release> {
        let mut release = Release {
            image: Vec::new(),
            sha256: String::new(),
            leaf: String::new(),
            bundle: Vec::new(),
            name: name.into(),
            version: version.into(),
            counter: counter.to_string(),
        };
        fs::write(self.dir.join(format!("{name}.bin")), body(name))?;
        let unsigned = format!("{name}.unsigned.bin");
        let signing = Signing { counter: &release.counter, key: None, value: None };
        fs::write(self.dir.join(&unsigned), self.sign(&release, signing)?)?;
        let publish = ["release", "publish", &unsigned, "--model", MODEL, "--key", "build.pem"];
        let published =
            self.at_log(&[&publish[..], &["--as", "firmware.example/build"]].concat())?;
        (release.leaf, release.sha256) =
            (text(&published, "leaf_hash")?, text(&published, "image")?);
        self.approve(&release.leaf)?;
        let bundle = format!("{name}.fwb");
        self.at_log(&["bundle", "release", &release.leaf, "--out", &bundle])?;
        release.bundle = fs::read(self.dir.join(&bundle))?;
        let value = format!("{name}.tlv");
        let tlv = ["release", "tlv", &bundle, "--image", &unsigned, "--out", &value];
        self.json(&[&tlv[..], &["--trust", "log/log.trust"]].concat())?;
        let value = fs::read(self.dir.join(value))?;
        let signing = Signing { key: Some(KEY), value: Some(&value), ..release.signing() };
        release.image = self.sign(&release, signing)?;
        Ok(release)
    }

    /// The body of a release as an image that is signed like this.
    pub(super) fn sign(&self, of: &Release, signing: Signing<'_>) -> Result<Vec<u8>> {
        let sign = ["sign", "-H", "0x80", "--pad-header", "-S", "0x10000", "-v", &of.version];
        let mut args = [&sign[..], &["-s", signing.counter]].concat();
        if let Some(key) = signing.key {
            args.extend(["-k", key]);
        }
        if let Some(value) = signing.value {
            fs::write(self.dir.join("value"), value)?;
            args.extend(["--custom-tlv-file", "0x46a0", "value"]);
        }
        let body = format!("{}.bin", of.name);
        self.imgtool(&[&args[..], &[&body, "signed"]].concat())?;
        Ok(fs::read(self.dir.join("signed"))?)
    }

    fn approve(&self, leaf: &str) -> Result<()> {
        let mut last = 0;
        for (file, person) in [("quality", "R. Okafor"), ("safety", "A. Lindt")] {
            let (key, issuer) = (format!("{file}.pem"), format!("firmware.example/{file}"));
            let approve = ["release", "approve", leaf, "--name", person];
            let signed = ["--key", key.as_str(), "--as", &issuer];
            last = index(&self.at_log(&[&approve[..], &signed].concat())?)?;
        }
        self.witnessed(last.saturating_add(1))
    }

    fn imgtool(&self, args: &[&str]) -> Result<()> {
        let program: PathBuf = setup::python_program("imgtool");
        let mut imgtool = sh::command(program);
        sh::read(imgtool.args(args).current_dir(&self.dir)).map(drop)
    }
}

impl Release {
    /// As it was released; the rest is said by whoever signs.
    pub(super) fn signing(&self) -> Signing<'_> {
        Signing { counter: &self.counter, key: Some(KEY), value: None }
    }
}

/// What an application processor would run: 5 KiB that differ by name.
fn body(name: &str) -> Vec<u8> {
    let mut state = name.bytes().fold(0x9e37_79b9_u32, |state, byte| {
        state.rotate_left(5).wrapping_mul(0x85eb_ca6b) ^ u32::from(byte)
    });
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[0]
    };
    (0..5121).map(|_| next()).collect()
}
