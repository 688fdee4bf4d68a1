//! What MCUboot's own tool signs is taken, and what of it is altered is refused by name.

#[path = "../../verify/tests/oracle/mod.rs"]
mod oracle;

use firmlog_agent::FlashError;
use firmlog_agent::mcuboot::{Error, Image, RELEASE, Signed, Slot, Version};
use firmlog_agent::update::{Image as Measured, Target};
use firmlog_verify::RustCrypto;
use oracle::Oracle;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;

const HEADER: usize = 0x40;
const BODY: usize = 300;

/// imgtool, a key of its own, and a body.
struct Bench {
    oracle: Oracle,
    dir: tempfile::TempDir,
    key: [u8; 64],
}

impl Bench {
    fn start() -> Option<Self> {
        let oracle = Oracle::start("mcuboot.py")?;
        let dir = tempfile::tempdir().unwrap();
        let mut bench = Self { oracle, dir, key: [0; 64] };
        let body: Vec<u8> = (0..BODY).map(|n| (n * 7) as u8).collect();
        std::fs::write(bench.path("body"), body).unwrap();
        bench.key = bench.new_key("key.pem", "ecdsa-p256");
        Some(bench)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&mut self, args: &[&str]) -> (bool, String) {
        let answer = self.oracle.ask(json!({ "run": args }));
        (answer["code"] == 0, answer["out"].as_str().unwrap().to_owned())
    }

    /// Makes a key; its x‖y, or the end of what it is.
    fn new_key(&mut self, name: &str, kind: &str) -> [u8; 64] {
        let (private, public) = (self.path(name), self.path("public"));
        let (private, public) = (private.to_str().unwrap(), public.to_str().unwrap());
        assert!(self.run(&["keygen", "-t", kind, "-k", private]).0);
        let (made, said) = self.run(&["getpub", "-k", private, "-e", "raw", "-o", public]);
        assert!(made, "{said}");
        let bytes = std::fs::read(public).unwrap();
        *bytes.last_chunk().unwrap_or(&[0; 64])
    }

    fn sign_with(&mut self, key: &str, more: &[&str]) -> Vec<u8> {
        let [key, body, out] = [key, "body", "signed"].map(|name| self.path(name));
        let [key, body, out] = [&key, &body, &out].map(|path| path.to_str().unwrap());
        let mut args = vec!["sign", "-k", key, "--header-size", "0x40", "--pad-header"];
        args.extend(["-S", "0x20000", "-v", "2.4.1+7"]);
        args.extend(more);
        args.extend([body, out]);
        let (signed, said) = self.run(&args);
        assert!(signed, "{args:?}: {said}");
        std::fs::read(out).unwrap()
    }

    fn sign(&mut self, more: &[&str]) -> Vec<u8> {
        self.sign_with("key.pem", more)
    }

    /// Counter, boot record, a dependency and a release.
    fn whole(&mut self) -> Vec<u8> {
        let value: Vec<u8> = (0..32).chain(*b"evidence").collect();
        std::fs::write(self.path("release"), value).unwrap();
        let (kind, file) = (format!("{RELEASE:#06x}"), self.path("release"));
        let file = file.to_str().unwrap();
        self.sign(&[
            "-s",
            "5",
            "--boot-record",
            "APP",
            "-d",
            "(1, 1.2.3+4)",
            "--custom-tlv-file",
            &kind,
            file,
        ])
    }

    fn take(&self, image: &[u8]) -> Result<Signed, Error> {
        take(image, &self.key)
    }

    /// What imgtool makes of it.
    fn is_valid(&mut self, image: &[u8]) -> (bool, String) {
        let (key, file) = (self.path("key.pem"), self.path("question"));
        std::fs::write(&file, image).unwrap();
        self.run(&["verify", "-k", key.to_str().unwrap(), file.to_str().unwrap()])
    }

    fn dump(&mut self, image: &[u8]) -> Value {
        let file = self.path("question");
        std::fs::write(&file, image).unwrap();
        self.oracle.ask(json!({ "dump": file.to_str().unwrap() }))
    }
}

fn take(mut image: &[u8], key: &[u8; 64]) -> Result<Signed, Error> {
    let len = image.len() as u32;
    let check = |key: &_, digest: &_, sig: &_| RustCrypto.p256_digest(key, digest, sig);
    Image::read(&mut image, len)?.verify(&[[9; 64], *key], check)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tlv<'v>(list: &'v Value, name: &str) -> &'v str {
    let all = list.as_array().unwrap();
    all.iter().find(|it| it["type_name"] == name).unwrap()["data"].as_str().unwrap()
}

/// MCB-001, MCB-002, MCB-003: what we say of an image is what `imgtool dumpinfo` says of it.
#[test]
fn mcb_001_what_imgtool_signs_is_taken_and_read_alike() {
    let Some(mut bench) = Bench::start() else { return };
    let image = bench.whole();
    let ours = bench.take(&image).expect("taken");
    let theirs = bench.dump(&image);
    let (head, area) = (&theirs["header"], &theirs["tlv_area"]);
    assert_eq!(head["hdr_size"], ours.header.header_size);
    assert_eq!(head["protected_tlv_size"], ours.header.protected_size);
    assert_eq!(head["img_size"], ours.header.body_size);
    assert_eq!((&head["flags"], &head["load_addr"]), (&json!(0), &json!(ours.header.load_addr)));
    assert_eq!(head["version"], ours.header.version.to_string());
    assert_eq!(ours.header.version.code(), 0x0204_0001_0000_0007);
    let (protected, open) = (&area["tlvs_prot"], &area["tlvs"]);
    assert_eq!(tlv(protected, "SEC_CNT"), hex(&ours.counter.to_le_bytes()));
    assert_eq!(tlv(protected, "DEPENDENCY"), "010000000102030004000000");
    let needs = ours.dependencies[0].unwrap();
    let wanted = Version { major: 1, minor: 2, revision: 3, build: 4 };
    assert_eq!((needs.image, needs.version, ours.dependencies[1]), (1, wanted, None));
    let release = ours.release.expect("carries one");
    let (at, len) = (release.bundle.at as usize, release.bundle.len as usize);
    assert_eq!(&image[at..at + len], b"evidence");
    assert_eq!(tlv(protected, "UNKNOWN"), hex(&release.leaf) + &hex(b"evidence"));
    assert_eq!(tlv(open, "SHA256"), hex(&ours.digest));
    assert_eq!(tlv(open, "KEYHASH"), hex(&ours.key_hash.unwrap()));
    assert_eq!(ours.boot_record.unwrap().kind(), "APP");
    assert_eq!(ours.end as usize, image.len());
    let (valid, said) = bench.is_valid(&image);
    assert!(valid && said.contains(&hex(&ours.digest)), "{said}");
    let body = std::fs::read(bench.path("body")).unwrap();
    assert_eq!(ours.body[..], Sha256::digest(body)[..]);
}

/// MCB-001: a bare image, one for RAM, one with a trailer.
#[test]
fn mcb_001_every_form_that_a_device_may_boot_is_taken() {
    let Some(mut bench) = Bench::start() else { return };
    let bare = bench.sign(&[]);
    let taken = bench.take(&bare).expect("taken");
    assert_eq!((taken.counter, taken.release, taken.boot_record), (0, None, None));
    let ram = bench.sign(&["-L", "0x20000000"]);
    assert_eq!(bench.take(&ram).expect("taken").header.load_addr, 0x2000_0000);
    let padded = bench.sign(&["--pad", "--confirm"]);
    assert!((bench.take(&padded).expect("taken").end as usize) < padded.len());
}

/// MCB-010: each field of header and values, altered alone.
#[test]
fn mcb_010_each_altered_field_is_refused_by_name() {
    let Some(mut bench) = Bench::start() else { return };
    let image = bench.whole();
    let prot = HEADER + BODY;
    let open = prot + usize::from(bench.take(&image).unwrap().header.protected_size);
    let (hash, key) = (open + 4, open + 4 + 36);
    let sig = key + 36;
    let len = image.len() as u32;
    let cases: &[(&str, usize, &[u8], Error)] = &[
        ("magic", 0, &[0x3c], Error::Magic),
        ("load address", 4, &[1], Error::HashMismatch),
        ("header size, too small", 8, &[31, 0], Error::HeaderSize),
        ("header size, other", 8, &[0x41, 0], Error::ProtectedMagic),
        ("protected size, none", 10, &[0, 0], Error::AreaMagic),
        ("protected size, other", 10, &[1, 1], Error::ProtectedLength),
        ("body size", 12, &[45], Error::ProtectedMagic),
        ("body size, beyond", 12, &[255, 255, 255, 255], Error::Truncated),
        ("flag, encrypted", 16, &[4], Error::Encrypted),
        ("flag, encrypted 256", 16, &[8], Error::Encrypted),
        ("flag, compressed", 17, &[2], Error::Compressed),
        ("flag, compressed 2", 17, &[4], Error::Compressed),
        ("flag, thumb filter", 17, &[8], Error::Compressed),
        ("flag, not bootable", 16, &[0x10], Error::NotBootable),
        ("flag, unknown", 19, &[0x80], Error::UnknownFlag),
        ("flag, position independent", 16, &[1], Error::HashMismatch),
        ("version, major", 20, &[3], Error::HashMismatch),
        ("version, build", 24, &[8], Error::HashMismatch),
        ("unused", 28, &[1], Error::HashMismatch),
        ("header's rest", 40, &[1], Error::HashMismatch),
        ("body", HEADER + 9, &[0], Error::HashMismatch),
        ("protected magic", prot, &[7], Error::ProtectedMagic),
        ("protected total", prot + 2, &[9], Error::ProtectedLength),
        ("counter's kind", prot + 4, &[0x51], Error::HashMismatch),
        ("counter's kind, a hash", prot + 4, &[0x10], Error::Misplaced),
        ("counter's length", prot + 6, &[3], Error::TlvLength),
        ("counter", prot + 8, &[6], Error::HashMismatch),
        ("boot record's length", prot + 14, &[255, 255], Error::TlvLength),
        ("boot record's map", prot + 16, &[0xa4], Error::HashMismatch),
        ("boot record's version", prot + 24, b"3", Error::HashMismatch),
        ("boot record's signer", prot + 40, &[image[prot + 40] ^ 1], Error::HashMismatch),
        ("boot record's kind", prot + 12, &[0x61], Error::HashMismatch),
        ("dependency's kind", prot + 107, &[0x41], Error::HashMismatch),
        ("dependency's length", prot + 109, &[11], Error::TlvLength),
        ("dependency's image", prot + 111, &[2], Error::HashMismatch),
        ("dependency's version", prot + 115, &[2], Error::HashMismatch),
        ("release's kind", prot + 124, &[0x45], Error::HashMismatch),
        ("release's length", prot + 125, &[41], Error::TlvLength),
        ("release's length, no leaf hash", prot + 125, &[31], Error::TlvLength),
        ("release's leaf hash", prot + 127, &[image[prot + 127] ^ 1], Error::HashMismatch),
        ("release's evidence", prot + 159, &[image[prot + 159] ^ 1], Error::HashMismatch),
        ("signature area's magic", open, &[8], Error::AreaMagic),
        ("signature area's total", open + 2, &[255, 255], Error::TlvLength),
        ("hash's kind", hash, &[0x11], Error::OtherHash),
        ("hash's kind, twice a key", hash, &[0x01], Error::Duplicate),
        ("hash's kind, vendor's", hash, &[0xa0], Error::Misplaced),
        ("hash's kind, encrypted", hash, &[0x32], Error::Misplaced),
        ("hash's length", hash + 2, &[31], Error::TlvLength),
        ("hash", hash + 4, &[0; 32], Error::HashMismatch),
        ("key hash's kind", key, &[0x02], Error::KeyHashMissing),
        ("key hash's length", key + 2, &[33], Error::TlvLength),
        ("key hash", key + 4, &[0; 32], Error::BootRecordSigner),
        ("signature's kind", sig, &[0x24], Error::OtherSignature),
        ("signature's kind, RSA", sig, &[0x20], Error::OtherSignature),
        ("signature's length", sig + 2, &[60], Error::SignatureMalformed),
        ("signature's length, beyond", sig + 2, &[80], Error::TlvLength),
        ("signature's sequence", sig + 4, &[0x31], Error::SignatureMalformed),
        ("signature's integer", sig + 6, &[3], Error::SignatureMalformed),
        (
            "signature's last byte",
            image.len() - 1,
            &[image[image.len() - 1] ^ 1],
            Error::BadSignature,
        ),
    ];
    for (name, at, bytes, error) in cases {
        let mut altered = image.clone();
        let place = &mut altered[*at..*at + bytes.len()];
        assert_ne!(place, *bytes, "{name}: nothing is altered");
        place.copy_from_slice(bytes);
        // The other tool may be laxer, never stricter, with what it looks at.
        let found = bench.take(&altered).map(|taken| taken.digest);
        assert_eq!(found, Err(*error), "{name}: {error}");
    }
    // With the hash put right, as somebody without the key can: what the record says is judged
    // before the signature, and anything else falls with it.
    let resealed: &[(&str, usize, &[u8], Error)] = &[
        ("version, major", 20, &[3], Error::BootRecordVersion),
        ("version, build", 24, &[8], Error::BadSignature),
        ("load address", 4, &[1], Error::BadSignature),
        ("body", HEADER + 9, &[0], Error::BadSignature),
        ("counter", prot + 8, &[6], Error::BadSignature),
        ("boot record's map", prot + 16, &[0xa4], Error::BootRecord),
        ("boot record, a key twice", prot + 64, &[1], Error::BootRecord),
        ("boot record, another key", prot + 64, &[7], Error::BootRecord),
        ("boot record's function", prot + 71, b"7", Error::BootRecord),
        ("boot record's version", prot + 24, b"3", Error::BootRecordVersion),
        ("boot record's signer", prot + 40, &[image[prot + 40] ^ 1], Error::BootRecordSigner),
        ("boot record's measurement", prot + 90, &[image[prot + 90] ^ 1], Error::BadSignature),
        ("release", open - 20, &[image[open - 20] ^ 1], Error::BadSignature),
    ];
    for (name, at, bytes, error) in resealed {
        let mut altered = image.clone();
        altered[*at..*at + bytes.len()].copy_from_slice(bytes);
        let digest = Sha256::digest(&altered[..open]);
        altered[hash + 4..hash + 36].copy_from_slice(&digest);
        let found = bench.take(&altered).map(|taken| taken.digest);
        assert_eq!(found, Err(*error), "{name}: {error}");
    }
    for len in 0..len {
        let found = bench.take(&image[..len as usize]).map(|taken| taken.digest);
        assert!(matches!(found, Err(Error::Truncated | Error::TlvLength)), "{len}: {found:?}");
    }
}

/// MCB-011: no bit of it may be another, and imgtool takes nothing we take otherwise.
#[test]
fn mcb_011_no_flipped_bit_is_taken() {
    let Some(mut bench) = Bench::start() else { return };
    let image = bench.whole();
    let prot = HEADER + BODY;
    for bit in 0..image.len() * 8 {
        let mut altered = image.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let found = bench.take(&altered).map(|taken| taken.digest);
        assert!(found.is_err(), "bit {bit}");
        // Asking for each would take minutes: the first bits of each byte that is not body.
        let byte = bit / 8;
        if bit % 8 == 0 && (byte < 32 || byte >= prot) {
            let (valid, said) = bench.is_valid(&altered);
            let lax = matches!(found, Err(Error::UnknownKey | Error::BootRecordSigner))
                || matches!(found, Err(Error::KeyHashMissing | Error::TlvLength))
                || matches!(found, Err(Error::SignatureMalformed | Error::Misplaced));
            assert!(!valid || lax, "byte {byte}, {found:?}: {said}");
        }
    }
}

/// MCB-012: what is signed otherwise, or not at all.
#[test]
fn mcb_012_other_schemes_and_other_keys_are_refused_by_name() {
    let Some(mut bench) = Bench::start() else { return };
    bench.new_key("other.pem", "ecdsa-p256");
    bench.new_key("ed.pem", "ed25519");
    bench.new_key("p384.pem", "ecdsa-p384");
    bench.new_key("rsa.pem", "rsa-2048");
    let refused = |bench: &mut Bench, key: &str, more: &[&str]| {
        let image = bench.sign_with(key, more);
        bench.take(&image).map(|taken| taken.digest).expect_err("refused")
    };
    assert_eq!(refused(&mut bench, "other.pem", &[]), Error::UnknownKey);
    assert_eq!(refused(&mut bench, "ed.pem", &[]), Error::OtherSignature);
    assert_eq!(refused(&mut bench, "p384.pem", &[]), Error::OtherHash);
    assert_eq!(refused(&mut bench, "rsa.pem", &[]), Error::OtherSignature);
    let full = &["--public-key-format", "full"];
    assert_eq!(refused(&mut bench, "key.pem", full), Error::KeyHashMissing);
    assert_eq!(refused(&mut bench, "key.pem", &["-e", "big"]), Error::Magic);
    assert_eq!(refused(&mut bench, "key.pem", &["--non-bootable"]), Error::NotBootable);
    let encrypted = bench.path("other.pem");
    let encrypted = &["-E", encrypted.to_str().unwrap()];
    assert_eq!(refused(&mut bench, "key.pem", encrypted), Error::Encrypted);
    let many = &["-d", "(1, 1.0.0), (2, 1.0.0), (3, 1.0.0), (4, 1.0.0), (5, 1.0.0)"];
    assert_eq!(refused(&mut bench, "key.pem", many), Error::TooManyDependencies);
    let short = &["--custom-tlv", "0x46a0", "short"];
    assert_eq!(refused(&mut bench, "key.pem", short), Error::TlvLength);
    let [body, out] = ["body", "signed"].map(|name| bench.path(name));
    let (body, out) = (body.to_str().unwrap(), out.to_str().unwrap());
    let args = ["sign", "--header-size", "0x40", "--pad-header", "-S", "0x20000", "-v", "1.0.0"];
    let args: Vec<_> = args.into_iter().chain([body, out]).collect();
    assert!(bench.run(&args).0);
    let unsigned = std::fs::read(out).unwrap();
    assert_eq!(bench.take(&unsigned).map(|it| it.digest), Err(Error::SignatureMissing));
    // It can be read all the same: a release may be made of it.
    let read = Image::read(&mut &unsigned[..], unsigned.len() as u32).expect("whole");
    assert_eq!((read.key_hash, read.header.version.to_string()), (None, "1.0.0+0".into()));
}

/// MCB-014: the other s of the same signature, which imgtool takes as well.
#[test]
fn mcb_014_both_halves_of_s_are_taken() {
    let Some(mut bench) = Bench::start() else { return };
    let image = bench.sign(&[]);
    let open = HEADER + BODY;
    let sig = open + 4 + 36 + 36;
    let (unsigned, der) = (&image[..sig], &image[sig + 4..]);
    let r_end = 4 + usize::from(der[3]);
    let s: Vec<u8> = der[r_end + 2..].iter().copied().skip_while(|byte| *byte == 0).collect();
    let mut other = other_half(&s);
    if other[0] >= 0x80 {
        other.insert(0, 0);
    }
    let mut der = [&der[..r_end], &[2, other.len() as u8], &other].concat();
    der[1] = (der.len() - 2) as u8;
    let mut mirrored = [unsigned, &[0x22, 0, der.len() as u8, 0], &der].concat();
    let total = (mirrored.len() - open) as u16;
    mirrored[open + 2..open + 4].copy_from_slice(&total.to_le_bytes());
    assert_ne!(mirrored, image);
    let (valid, said) = bench.is_valid(&mirrored);
    assert!(valid, "{said}");
    let digests = [&image, &mirrored].map(|image| bench.take(image).expect("taken").digest);
    assert_eq!(digests[0], digests[1]);
}

/// n − s, without zeros in front.
fn other_half(s: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        255, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 188, 230, 250, 173,
        167, 23, 158, 132, 243, 185, 202, 194, 252, 99, 37, 81,
    ];
    let (mut out, mut borrow) = (ORDER, 0_i16);
    let digits = s.iter().rev().chain(std::iter::repeat(&0));
    for (place, digit) in out.iter_mut().rev().zip(digits) {
        let left = i16::from(*place) - i16::from(*digit) - borrow;
        (*place, borrow) = (left.rem_euclid(256) as u8, i16::from(left < 0));
    }
    out.into_iter().skip_while(|byte| *byte == 0).collect()
}

/// MCB-020, MCB-021: the release that was found must be of this image, in all it says.
#[test]
fn mcb_020_a_release_of_something_else_is_refused_by_name() {
    let Some(mut bench) = Bench::start() else { return };
    let image = bench.whole();
    let signed = bench.take(&image).expect("taken");
    let measured = Measured { sha256: signed.body, version: 0x0204_0001_0000_0007, counter: 5 };
    let leaf = signed.release.unwrap().leaf;
    let target = Target { image: measured, release: leaf };
    assert_eq!(signed.target(&target), Ok(target));
    let with = |image: Measured, release| signed.target(&Target { image, release });
    let other = Measured { sha256: signed.digest, ..measured };
    assert_eq!(with(other, leaf), Err(Error::BodyMismatch));
    assert_eq!(with(measured, [0; 32]), Err(Error::ReleaseMismatch));
    let other = Measured { version: measured.version + 1, ..measured };
    assert_eq!(with(other, leaf), Err(Error::VersionMismatch));
    let other = Measured { counter: 4, ..measured };
    assert_eq!(with(other, leaf), Err(Error::CounterMismatch));
}

/// MCB-013: an image is read in pieces, and a driver that fails is told.
#[test]
fn mcb_013_a_failing_driver_is_never_a_decision() {
    struct Failing<'a>(&'a [u8], u32);
    impl Slot for Failing<'_> {
        fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), FlashError> {
            assert!(out.len() <= 256, "{} bytes at a time", out.len());
            self.1 = self.1.checked_sub(1).ok_or(FlashError::Driver)?;
            self.0.read(at, out)
        }
    }
    let Some(mut bench) = Bench::start() else { return };
    let image = bench.whole();
    let len = image.len() as u32;
    let enough = (0..100).find(|reads| Image::read(&mut Failing(&image, *reads), len).is_ok());
    let enough = enough.expect("taken");
    assert!(enough > 10, "{enough} reads");
    for reads in 0..enough {
        assert_eq!(Image::read(&mut Failing(&image, reads), len), Err(Error::Flash), "{reads}");
    }
}

/// MCB-030: numbers stay, and none is one of `install.md`.
#[test]
fn mcb_030_every_refusal_has_a_number_and_an_event() {
    let codes: Vec<u16> = Error::ALL.iter().map(|error| error.code()).collect();
    assert!(codes.is_sorted_by(|a, b| a < b) && codes[0] == 256, "{codes:?}");
    for error in Error::ALL {
        let event = error.event();
        assert!(event.is_refusal() || event.name() == "verification_failed", "{error}");
    }
}
