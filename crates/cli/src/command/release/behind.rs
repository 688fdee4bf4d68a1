//! What a release is published with: hardware, bill of materials, provenance, references.
//!
//! Invariants:
//! - A file's digest is computed here, over the whole file, and never taken from a flag.
//! - The format of a bill of materials is what the document itself says.

use std::path::{Path, PathBuf};

use clap::Args;
use firmlog_statement::{Release, Sbom, UdiChange};

use crate::command::trust::{sha256_of, unknown};
use crate::error::{Error, Result};
use crate::submit::digest;

/// What stands behind a release. Files stay here; their SHA-256 is logged.
#[derive(Args)]
pub(crate) struct BehindArgs {
    /// A hardware revision it is for; all of the models' if none is given
    #[arg(long = "hw-rev", value_name = "REV")]
    hw_revs: Vec<String>,
    /// Software bill of materials: CycloneDX or SPDX, as JSON, XML or tag-value
    #[arg(long, value_name = "FILE")]
    sbom: Option<PathBuf>,
    /// VEX document
    #[arg(long, value_name = "FILE")]
    vex: Option<PathBuf>,
    /// Build provenance
    #[arg(long, value_name = "FILE")]
    provenance: Option<PathBuf>,
    /// Update manifest
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// List of known residual anomalies (IEC 62304 5.8)
    #[arg(long, value_name = "FILE")]
    anomalies: Option<PathBuf>,
    /// Change request; may be given again
    #[arg(long = "change-request", value_name = "REF")]
    change_requests: Vec<String>,
    /// Problem report; may be given again
    #[arg(long = "problem-report", value_name = "REF")]
    problem_reports: Vec<String>,
    /// CAPA, complaint or MDR reference; may be given again
    #[arg(long = "quality-ref", value_name = "REF")]
    quality_refs: Vec<String>,
    /// Risk file reference
    #[arg(long, value_name = "REF")]
    risk_ref: Option<String>,
    /// What becomes of the UDI: none, pi or di (MDCG 2018-5)
    #[arg(long, value_name = "CHANGE")]
    udi_change: Option<String>,
    /// UDI-DI before
    #[arg(long, value_name = "DI")]
    udi_di_old: Option<String>,
    /// UDI-DI from this release on
    #[arg(long, value_name = "DI")]
    udi_di_new: Option<String>,
    /// Leaf hash of the release this one replaces
    #[arg(long, value_name = "HASH")]
    supersedes: Option<String>,
}

impl BehindArgs {
    /// Fills in what was given.
    pub(super) fn describe(&self, release: &mut Release) -> Result<()> {
        let file = |path: &Option<PathBuf>| path.as_deref().map(sha256_of).transpose();
        let udi_change = self.udi_change.as_deref().map(|name| {
            UdiChange::from_name(name).ok_or_else(|| unknown("UDI change", name, UdiChange::ALL))
        });
        release.hw_revs = self.hw_revs.clone();
        release.sbom = self.sbom.as_deref().map(sbom).transpose()?;
        (release.vex, release.provenance) = (file(&self.vex)?, file(&self.provenance)?);
        (release.manifest, release.anomalies) = (file(&self.manifest)?, file(&self.anomalies)?);
        release.change_requests = self.change_requests.clone();
        release.problem_reports = self.problem_reports.clone();
        release.quality_refs = self.quality_refs.clone();
        release.risk_ref = self.risk_ref.clone();
        release.udi_change = udi_change.transpose()?;
        (release.udi_di_old, release.udi_di_new) =
            (self.udi_di_old.clone(), self.udi_di_new.clone());
        release.supersedes = self.supersedes.as_deref().map(digest).transpose()?;
        Ok(())
    }
}

/// A bill of materials by digest, with the format it says it has.
fn sbom(path: &Path) -> Result<Sbom> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
    let (format, version) = sbom_format(&text).ok_or_else(|| {
        Error::form(&path.display().to_string(), "no bill of materials is recognised")
            .expected("CycloneDX (JSON, XML) or SPDX (JSON, tag-value)", "another document")
            .help("for others write the release as JSON: firmlog statement template release")
    })?;
    Ok(Sbom { digest: sha256_of(path)?, format: format.to_owned(), version })
}

fn sbom_format(text: &str) -> Option<(&'static str, String)> {
    if let Ok(doc) = serde_json::from_str::<serde_json::Value>(text) {
        let said = |name: &str| doc[name].as_str().map(str::to_owned);
        if doc["bomFormat"] == "CycloneDX" {
            return Some(("cyclonedx", said("specVersion")?));
        }
        if let Some(version) = said("spdxVersion") {
            return Some(("spdx", version.trim_start_matches("SPDX-").to_owned()));
        }
        // SPDX 3 is JSON-LD: its context names the version.
        let context = said("@context")?;
        let version = context.strip_prefix("https://spdx.org/rdf/")?.split('/').next()?;
        return Some(("spdx", version.to_owned()));
    }
    let quoted =
        |after: &str| Some(text.split_once(after)?.1.split(['"', '\'']).next()?.to_owned());
    if let Some(version) = quoted("http://cyclonedx.org/schema/bom/") {
        return Some(("cyclonedx", version));
    }
    let version = text.lines().find_map(|line| line.strip_prefix("SPDXVersion: SPDX-"))?;
    Some(("spdx", version.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bills_of_materials_tell_what_they_are() {
        for (text, format, version) in [
            (r#"{"bomFormat":"CycloneDX","specVersion":"1.6"}"#, "cyclonedx", "1.6"),
            (r#"{"spdxVersion":"SPDX-2.3"}"#, "spdx", "2.3"),
            (r#"{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld"}"#, "spdx", "3.0.1"),
            ("<bom xmlns=\"http://cyclonedx.org/schema/bom/1.5\">", "cyclonedx", "1.5"),
            ("SPDXVersion: SPDX-2.2\nDataLicense: CC0-1.0\n", "spdx", "2.2"),
        ] {
            assert_eq!(sbom_format(text), Some((format, version.to_owned())), "{text}");
        }
        assert_eq!(sbom_format("{}"), None);
        assert_eq!(sbom_format("flour, water, salt"), None);
    }
}
