//! `release propose|publish`: an image is a version, for some models.
//!
//! ```text
//! pump-4.2.1.bin   any file: --version 4.2.1 gives 40201, unless --code is given
//! app.bin          of MCUboot: body, version 4.2.1+7 and security counter are read from it
//! ```
//!
//! Invariants:
//! - The image's digest is computed here and never taken from a flag.
//! - What is read from an image is never replaced by a flag: a flag that differs is an error.

use std::path::PathBuf;

use clap::Args;
use firmlog_agent::mcuboot::Image;
use firmlog_statement::event::EventType;
use firmlog_statement::image::ImageDigests;
use firmlog_statement::{Digest, Extra, Release, SecurityCounter, Statement, VersionCode};

use super::behind::BehindArgs;
use crate::Context;
use crate::answer::Answer;
use crate::error::{Error, Result};
use crate::image::{FormArgs, ImageFile, check_given, may_be_called};
use crate::inspect::mcuboot::to_json;
use crate::submit::{self, LogArgs, SignArgs, sign_and_submit};

/// Arguments of `release publish`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog release publish pump-4.2.1.bin --version 4.2.1 --code 40201 --model ip-200 \\
    --key build.pem --as acme.example/build --log https://log.example --trust log.trust")]
pub(crate) struct PublishArgs {
    /// The image; of one of MCUboot the release names the body, so its signature may come later
    image: PathBuf,
    /// The version as people write it; an image of MCUboot has its own
    #[arg(long)]
    version: Option<String>,
    /// Number that orders versions; by default made of the version's three parts, or MCUboot's
    #[arg(long)]
    code: Option<u64>,
    /// Anti-rollback counter; by default 1, or what an image of MCUboot says
    #[arg(long)]
    counter: Option<u32>,
    #[command(flatten)]
    form: FormArgs,
    /// Component
    #[arg(long, default_value = "app")]
    component: String,
    /// A model it is for; may be given again
    #[arg(long = "model", required = true)]
    models: Vec<String>,
    /// Manufacturer
    #[arg(long)]
    manufacturer: Option<String>,
    /// Also log the Keccak-256 of the image, for contracts
    #[arg(long)]
    keccak: bool,
    #[command(flatten)]
    behind: BehindArgs,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// What orders an image among others.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    name: String,
    code: u64,
    counter: u32,
}

/// Runs the commands.
pub(super) fn run(args: &PublishArgs, event: EventType, context: &Context) -> Result<Answer> {
    let file = ImageFile::read_with(&args.image, args.form, args.keccak)?;
    let (digests, order) = (&file.digests, args.order(file.mcuboot.as_ref())?);
    let mut release = Release {
        event,
        version: VersionCode(order.code),
        counter: SecurityCounter(order.counter),
        component: args.component.clone(),
        manufacturer: args.manufacturer.clone(),
        version_name: order.name.clone(),
        models: args.models.clone(),
        image_signer: file.mcuboot.and_then(|image| image.key_hash).map(Digest),
        ..bare_release(digests)
    };
    args.behind.describe(&mut release)?;
    let sbom = release.sbom.as_ref().map(|sbom| format!("{} {}", sbom.format, sbom.version));
    let subject = format!("{}/{}", args.models[0], args.component);
    let statement = Statement::Release(release);
    let (sign, key) = (&args.sign, args.sign.open()?);
    let placed = sign_and_submit(&statement, &subject, sign, &key, &[], &args.log, context)?;
    let mut json = placed.json();
    json["image"] = digests.sha256.to_string().into();
    json["version"] = order.name.as_str().into();
    json["version_code"] = order.code.to_string().into();
    json["counter"] = order.counter.into();
    json["mcuboot"] = file.mcuboot.as_ref().map(to_json).into();
    json["sbom"] = sbom.clone().into();
    json["step"] = event.name().into();
    let text = format!(
        "{event} {subject} {}\nimage     sha256:{}\n{}{}{}",
        order.name,
        submit::grouped(&digests.sha256.0),
        file.mcuboot.as_ref().map_or_else(String::new, |image| of_mcuboot(image, digests)),
        sbom.map_or_else(String::new, |sbom| format!("SBOM      {sbom}\n")),
        placed.text()
    );
    let command = match event {
        EventType::ReleaseProposed => "release-propose",
        _ => "release-publish",
    };
    Ok(Answer::new(command, json, text))
}

fn of_mcuboot(image: &Image, digests: &ImageDigests) -> String {
    let signed = if image.key_hash.is_some() { "signed" } else { "not signed yet" };
    let (version, counter, len) = (image.header.version, image.counter, digests.size_bytes);
    format!("MCUboot   body of {len} bytes, version {version}, counter {counter}, {signed}\n")
}

impl PublishArgs {
    fn order(&self, mcuboot: Option<&Image>) -> Result<Order> {
        match mcuboot {
            Some(image) => self.order_of_mcuboot(image),
            None => self.order_of_file(),
        }
    }

    fn order_of_file(&self) -> Result<Order> {
        let name = self.version.clone().ok_or_else(|| {
            Error::new("E-USAGE", "the version is not given")
                .expected("--version", "a file that is no image of MCUboot, and none")
        })?;
        let code = self.code.or_else(|| version_code(&name)).ok_or_else(|| {
            Error::new("E-USAGE", "the version has no three numeric parts; give --code")
                .expected("a version such as 4.2.1", &name)
        })?;
        Ok(Order { name, code, counter: self.counter.unwrap_or(1) })
    }

    fn order_of_mcuboot(&self, image: &Image) -> Result<Order> {
        let version = image.header.version;
        let name = self.version.clone().unwrap_or_else(|| version.to_string());
        let (code, counter) = (version.code(), image.counter);
        let path = &self.image;
        check_given(path, ("--version", &name), version, may_be_called(version, &name))?;
        if let Some(given) = self.code {
            let read = format!("{code} ({version})");
            check_given(path, ("--code", &given), read, given == code)?;
        }
        if let Some(given) = self.counter {
            check_given(path, ("--counter", &given), counter, given == counter)?;
        }
        Ok(Order { name, code, counter })
    }
}

/// A release of an image with nothing optional.
fn bare_release(digests: &ImageDigests) -> Release {
    Release {
        image: digests.sha256,
        version: VersionCode(0),
        counter: SecurityCounter(0),
        event: EventType::ReleasePublished,
        time: submit::now(),
        release: None,
        commitments: Default::default(),
        supersedes: None,
        component: String::new(),
        manufacturer: None,
        keccak: digests.keccak256,
        version_name: String::new(),
        models: Vec::new(),
        hw_revs: Vec::new(),
        size_bytes: digests.size_bytes,
        manifest: None,
        image_signer: None,
        sbom: None,
        vex: None,
        provenance: None,
        change_requests: Vec::new(),
        problem_reports: Vec::new(),
        quality_refs: Vec::new(),
        risk_ref: None,
        anomalies: None,
        udi_change: None,
        udi_di_old: None,
        udi_di_new: None,
        regulatory: None,
        support: None,
        certificates: None,
        extra: Extra::default(),
    }
}

/// `4.2.1` → 40201: two digits per part after the first.
pub(crate) fn version_code(version: &str) -> Option<u64> {
    let parts: Vec<u64> =
        version.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    match parts[..] {
        [major, minor, patch] if minor < 100 && patch < 100 => {
            major.checked_mul(10_000)?.checked_add(minor * 100 + patch)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_code() {
        assert_eq!(version_code("4.2.1"), Some(40_201));
        assert!(version_code("4.2.1") < version_code("4.10.0"));
        assert_eq!(version_code("4.2"), None);
        assert_eq!(version_code("4.100.0"), None);
    }
}
