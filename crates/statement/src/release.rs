//! `Release`: the manufacturer says what an image is and what stands behind it.
//!
//! ```text
//! {0: 1, 2: image, 3: version, 4: counter, 9: 4, 10: time, 29: "app", 32: "2.4.1", …}
//! ```
//!
//! A later step in the release's life (suspended, recalled, end of support) is another
//! `Release` naming the first by its leaf hash.

use crate::disclosure::Commitments;
use crate::event::EventType;
#[cfg(not(feature = "alloc"))]
use crate::field::shape::{String, Vec};
use crate::time::DeviceTime;
use crate::{Digest, SecurityCounter, VersionCode};
#[cfg(feature = "alloc")]
use alloc::{string::String, vec::Vec};

statement! {
    /// An image, its version, and the evidence behind it.
    pub struct Release {
        /// SHA-256 of the image.
        2 image: [Digest],
        /// Order of the version.
        3 version: [VersionCode],
        /// Anti-rollback counter.
        4 counter: [SecurityCounter],
        /// Which step of a release's life this is.
        9 event: [EventType],
        /// When it was made.
        10 time: [DeviceTime],
        /// Leaf hash of the earlier statement about the same release.
        13 release: [Option<Digest>],
        /// Salted commitments.
        22 commitments: [Commitments],
        /// Leaf hash of a release this one replaces.
        27 supersedes: [Option<Digest>],
        /// Component (boot, app, drug library).
        29 component: [String],
        /// Manufacturer.
        30 manufacturer: [Option<String>],
        /// Keccak-256 of the image.
        31 keccak: [Option<Digest>],
        /// The version as people write it.
        32 version_name: [String],
        /// Models it is for.
        33 models: [Vec<String>],
        /// Hardware revisions it is for.
        34 hw_revs: [Vec<String>],
        /// Length of the image, bytes.
        35 size_bytes: [u64],
        /// SHA-256 of the manifest.
        36 manifest: [Option<Digest>],
        /// Key the image itself is signed with.
        37 image_signer: [Option<Digest>],
        /// Software bill of materials.
        38 sbom: [Option<Sbom>],
        /// SHA-256 of the VEX document.
        39 vex: [Option<Digest>],
        /// SHA-256 of the build provenance.
        40 provenance: [Option<Digest>],
        /// Change requests.
        41 change_requests: [Vec<String>],
        /// Problem reports.
        42 problem_reports: [Vec<String>],
        /// CAPA, complaint and MDR references.
        43 quality_refs: [Vec<String>],
        /// Risk file reference.
        44 risk_ref: [Option<String>],
        /// SHA-256 of the list of known residual anomalies (IEC 62304 5.8).
        45 anomalies: [Option<Digest>],
        /// What becomes of the UDI (MDCG 2018-5).
        46 udi_change: [Option<UdiChange>],
        /// UDI-DI before, GS1/HIBCC/ICCBBA text.
        47 udi_di_old: [Option<String>],
        /// UDI-DI from this release on.
        48 udi_di_new: [Option<String>],
        /// 21 CFR 806 and the like.
        49 regulatory: [Option<Regulatory>],
        /// Where the product stands in its support life (IMDRF N60).
        50 support: [Option<SupportState>],
        /// SHA-256 of the certificate chain of the issuer.
        51 certificates: [Option<Digest>],
    }
    rule EventType::check_of_release { 9 event: [EventType] }
}

record! {
    /// Software bill of materials, by digest.
    pub struct Sbom {
        /// SHA-256 of the document.
        1 digest: [Digest],
        /// Format, such as `cyclonedx`.
        2 format: [String],
        /// Version of the format.
        3 version: [String],
    }
}
codes! {
    /// What a release does to the UDI.
    pub enum UdiChange {
        0 None "none" "Nothing.",
        1 Pi "pi" "New UDI-PI, same UDI-DI.",
        2 Di "di" "New UDI-DI.",
    }
}
codes! {
    /// Reported as a correction or removal?
    pub enum RegulatoryAction {
        0 None "none" "Not a correction.",
        1 Reported806 "806_reported" "Reported under 21 CFR 806.10.",
        2 NotReported806 "806_not_reported" "Kept on file under 21 CFR 806.20.",
        3 Fsca "fsca" "Field safety corrective action (MDR).",
    }
}
record! {
    /// Regulatory action and, where not reported, who justified that.
    pub struct Regulatory {
        /// What.
        1 action: [RegulatoryAction],
        /// SHA-256 of the justification.
        2 justification: [Option<Digest>],
        /// Thumbprint of the designated person's key.
        3 designated: [Option<crate::Thumbprint>],
        /// Reference of the report.
        4 reference: [Option<String>],
    }
}
codes! {
    /// Support life of the product (IMDRF N60).
    pub enum SupportState {
        0 Development "development" "Not yet on the market.",
        1 Supported "supported" "Supported.",
        2 Limited "limited" "Limited support.",
        3 EndOfSupport "end_of_support" "No longer supported.",
    }
}
