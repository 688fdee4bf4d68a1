//! The device's decision on the bundles that everybody else reads: by its program, and in place as
//! firmware and the C API have it. Both must agree.

use firmlog_statement::DeviceId;
use firmlog_tlog::note::VerifierKey;
use firmlog_verify::TrustRoot;
use firmlog_verify::crypto::RustCrypto;
use firmlog_verify::install::{Evidence, Known, Root, Running};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::case::{Case, text};
use crate::people::{BUILD, PUMP, key};
use crate::world::device::Device;
use crate::world::{command, run};

/// A device that runs version 4.2.0 and takes releases of acme's build for its app.
pub(crate) struct Pump {
    pub(crate) device: Device,
    component: &'static str,
    issuer: &'static str,
    version: u64,
}

impl Pump {
    pub(crate) fn new(case: &Case) -> Self {
        Self::running(case, "pump", ("4.2.0", 40_200))
    }

    /// In a folder of that name, with that version.
    pub(crate) fn running(case: &Case, name: &str, version: (&str, u64)) -> Self {
        let dir = case.dir();
        key(dir, PUMP);
        std::fs::write(dir.join("image-1"), [1; 4000]).expect("writes");
        let init = ["agent", "init", "--dir", name, "--key", PUMP.0, "--as", PUMP.1];
        let takes = ["--model", "ip-200", "--takes-from", BUILD.1];
        let runs = ["--image", "image-1", "--version", version.0];
        let log = ["--log", &case.world.url, "--trust", "log/log.trust"];
        let seed = ["--chain-seed", &"5a".repeat(32)];
        let (code, made) = run(dir, &[&init[..], &takes, &runs, &log, &seed].concat());
        assert_eq!(code, 0, "{made}");
        let id = text(&made, "device").to_owned();
        let device = Device { dir: dir.join(name), id };
        Self { device, component: "app", issuer: BUILD.1, version: version.1 }
    }

    pub(crate) fn of_component(self, component: &'static str) -> Self {
        self.device.set(&format!("component = \"{component}\""));
        Self { component, ..self }
    }

    pub(crate) fn of_issuer(self, issuer: &'static str) -> Self {
        self.device.set(&format!("issuers = [\"{issuer}\"]"));
        Self { issuer, ..self }
    }

    /// Number of the reason why it does not install; 0 if it does. It knows of nothing else.
    pub(crate) fn decide(&self, case: &Case, file: &str, bundle: &str) -> u64 {
        drop(std::fs::remove_file(self.device.dir.join("withdrawn")));
        let told = self.decide_knowing(case, file, bundle);
        assert_eq!(self.in_place(case, file, bundle), told, "in place: {file}, {bundle}");
        told
    }

    /// The same by a device that remembers what it saw.
    pub(crate) fn decide_knowing(&self, case: &Case, file: &str, bundle: &str) -> u64 {
        let at = |name: &str| case.dir().join(name).display().to_string();
        let (image, release) = (at(file), at(bundle));
        let dir = self.device.dir.display().to_string();
        let args = ["agent", "verify-image", "--dir", &dir, &image, "--release", &release];
        let (code, told) = run(case.dir(), &args);
        let output = command(case.dir(), &args).output().expect("starts");
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        let installs = told["installable"] == Value::Bool(true);
        assert_eq!((code, output.status.code()), (i32::from(!installs), Some(code)), "{told}");
        assert_eq!(words.contains("may be installed"), installs, "{words}");
        if installs {
            assert_eq!(text(&told, "event"), "signature_verified", "{told}");
            return 0;
        }
        assert!(words.starts_with(&format!("✗ REFUSED: {}", text(&told, "reason"))), "{words}");
        told["code"].as_u64().unwrap_or_else(|| panic!("no reason: {told}"))
    }

    /// Without allocation, from the file's bytes.
    fn in_place(&self, case: &Case, file: &str, bundle: &str) -> u64 {
        let bytes = std::fs::read(case.dir().join("log/log.trust")).expect("reads");
        let trust = TrustRoot::parse(&bytes).expect("a trust root");
        let witnesses = trust.policy().witnesses();
        let witnesses: Vec<VerifierKey> = witnesses.iter().map(|it| it.key).collect();
        self.in_place_with(case, file, bundle, &witnesses)
    }

    /// The same with a list of witnesses of which every one is asked for.
    pub(crate) fn in_place_with(
        &self,
        case: &Case,
        file: &str,
        bundle: &str,
        witnesses: &[VerifierKey],
    ) -> u64 {
        let read = |name: &str| std::fs::read(case.dir().join(name)).expect("reads");
        let trust = TrustRoot::parse(&read("log/log.trust")).expect("a trust root");
        let quorum = witnesses.len() as u8;
        let (genesis, log) = (*trust.genesis(), trust.log_key());
        let root = Root { genesis, log, witnesses, quorum };
        let running = Running {
            device: DeviceId([7; 32]),
            model: "ip-200",
            hw_rev: None,
            component: self.component,
            issuers: &[self.issuer],
            version: self.version,
            counter: 1,
        };
        let (bytes, image) = (read(bundle), Sha256::digest(read(file)).into());
        let decided = Evidence::verify(&bytes, &root, &RustCrypto, &mut [0; 2048])
            .and_then(|it| it.installable(&image, &running, &Known::default()));
        decided.map_or_else(|reason| u64::from(reason.code()), |_| 0)
    }
}
