//! Key files: ours read by openssl, openssl's read by us, and what is refused.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use firmlog_keys::{Algorithm, AwsLc, FileKey, KeyError, public_key};
use firmlog_statement::{PublicKey, Signer as _, normalise_low_s};
use firmlog_tlog::note::{self, Ed25519Check as _, NoteSigner as _};
use firmlog_verify::Crypto as _;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{self, Kdf, Pbkdf2Params, Pbkdf2Prf, ScryptParams};

fn openssl(args: &[&str]) -> Vec<u8> {
    let out = Command::new("openssl").args(args).output().expect("openssl runs");
    let error = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "openssl {args:?} failed: {error}");
    out.stdout
}

fn verifies(key: &FileKey) -> bool {
    let mut signature = key.sign(b"message").unwrap();
    match key.public_key() {
        PublicKey::P256(point) => {
            normalise_low_s(&mut signature);
            AwsLc.p256(&point, b"message", &signature)
        }
        PublicKey::Ed25519(point) => AwsLc.ed25519(&point, b"message", &signature),
    }
}

/// The raw public key at the end of openssl's SubjectPublicKeyInfo.
fn raw(spki: &[u8], key: &PublicKey) -> bool {
    match key {
        PublicKey::P256(point) => spki.ends_with(point),
        PublicKey::Ed25519(point) => spki.ends_with(point),
    }
}

#[test]
fn openssl_reads_what_we_write() {
    let dir = tempfile::tempdir().unwrap();
    for algorithm in [Algorithm::P256, Algorithm::Ed25519] {
        for passphrase in [None, Some(b"correct horse".as_slice())] {
            let path = dir.path().join(format!("{algorithm:?}-{}.pem", passphrase.is_some()));
            let key = FileKey::generate(algorithm).unwrap();
            key.save(&path, passphrase).unwrap();
            let mode = path.metadata().unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, 0o600);
            let file = path.to_str().unwrap();
            let mut args = vec!["pkey", "-in", file, "-pubout", "-outform", "DER"];
            if passphrase.is_some() {
                args.extend(["-passin", "pass:correct horse"]);
            }
            assert!(raw(&openssl(&args), &key.public_key()));
            let back = FileKey::open(&path, passphrase).unwrap();
            assert_eq!(back.public_key(), key.public_key());
            assert!(verifies(&back));
        }
    }
}

#[test]
fn we_read_what_openssl_writes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    let file = path.to_str().unwrap();
    let p256 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let encrypted = ["-aes-256-cbc", "-pass", "pass:correct horse"];
    for (algorithm, passphrase) in [
        (&p256[..], None),
        (&p256[..], Some(b"correct horse".as_slice())),
        (&["-algorithm", "ed25519"][..], None),
        (&["-algorithm", "ed25519"][..], Some(b"correct horse".as_slice())),
    ] {
        let mut args = vec!["genpkey", "-out", file];
        args.extend(algorithm);
        if passphrase.is_some() {
            args.extend(encrypted);
        }
        openssl(&args);
        set_mode(&path, 0o600);
        let key = FileKey::open(&path, passphrase).unwrap();
        assert!(verifies(&key), "{algorithm:?}");
    }
}

#[test]
fn public_keys_that_openssl_writes_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    let file = path.to_str().unwrap();
    let public = |from: &[&str]| {
        openssl(&[&["genpkey", "-out", file, "-algorithm"], from].concat());
        String::from_utf8(openssl(&["pkey", "-in", file, "-pubout"])).unwrap()
    };
    for kind in [&["EC", "-pkeyopt", "ec_paramgen_curve:P-256"][..], &["ed25519"]] {
        let pem = public(kind);
        set_mode(&path, 0o600);
        let key = FileKey::open(&path, None).unwrap().public_key();
        assert_eq!(public_key(&pem).unwrap(), key);
        let private = std::fs::read_to_string(&path).unwrap();
        assert!(matches!(public_key(&private), Err(KeyError::NotPublic)));
        let relabelled = private.replace("PRIVATE", "PUBLIC");
        assert!(matches!(public_key(&relabelled), Err(KeyError::NotPublic)));
    }
    for kind in [&["EC", "-pkeyopt", "ec_paramgen_curve:P-384"][..], &["x25519"], &["RSA"]] {
        assert!(matches!(public_key(&public(kind)), Err(KeyError::NotPublic)), "{kind:?}");
    }
    assert!(matches!(public_key("no key"), Err(KeyError::NotPem)));
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    FileKey::generate(Algorithm::P256).unwrap().save(&path, None).unwrap();
    for mode in [0o644, 0o604, 0o602] {
        set_mode(&path, mode);
        assert!(matches!(FileKey::open(&path, None), Err(KeyError::Exposed(_))), "{mode:o}");
    }
    set_mode(&path, 0o400);
    assert!(FileKey::open(&path, None).is_ok());
}

#[test]
fn a_key_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    let key = FileKey::generate(Algorithm::Ed25519).unwrap();
    key.save(&path, None).unwrap();
    assert!(matches!(key.save(&path, None), Err(KeyError::Io(_))));
}

#[test]
fn passphrases_and_damage_are_told_apart() {
    let key = FileKey::generate(Algorithm::Ed25519).unwrap();
    let plain = key.to_pem(None).unwrap();
    let locked = key.to_pem(Some(b"one")).unwrap();
    let refused = |text: &str, passphrase: Option<&[u8]>| {
        FileKey::from_pem(text, passphrase).expect_err("refused")
    };
    assert!(matches!(refused(&locked, None), KeyError::PassphraseMissing));
    assert!(matches!(refused(&locked, Some(b"two")), KeyError::PassphraseWrong));
    assert!(matches!(refused(&plain, Some(b"one")), KeyError::PassphraseNotNeeded));
    assert!(matches!(refused("not a key", None), KeyError::NotPem));
    assert!(!format!("{key:?}").contains(plain.lines().nth(1).unwrap()));
}

/// An encrypted key file with this key derivation and nothing sound inside.
fn derived_by(kdf: Kdf) -> String {
    let encryption = pbes2::EncryptionScheme::Aes256Cbc { iv: [2; 16] };
    let document = pkcs8::EncryptedPrivateKeyInfoRef {
        encryption_algorithm: EncryptionScheme::from(pbes2::Parameters { kdf, encryption }),
        encrypted_data: pkcs8::der::asn1::OctetStringRef::new(&[3; 64]).unwrap(),
    };
    let document = pkcs8::SecretDocument::try_from(document).unwrap();
    document.to_pem("ENCRYPTED PRIVATE KEY", pkcs8::LineEnding::LF).unwrap().to_string()
}

#[test]
fn a_file_does_not_decide_how_long_a_passphrase_is_tried() {
    let salt = [1; 16].as_slice().try_into().unwrap();
    let pbkdf2 = |iteration_count| {
        let prf = Pbkdf2Prf::HmacWithSha256;
        Kdf::from(Pbkdf2Params { salt, iteration_count, key_length: None, prf })
    };
    let scrypt = |cost_parameter, block_size, parallelization| {
        let key_length = None;
        let kdf = ScryptParams { salt, cost_parameter, block_size, parallelization, key_length };
        Kdf::from(kdf)
    };
    let refused = |kdf| FileKey::from_pem(&derived_by(kdf), Some(b"one")).expect_err("refused");
    for kdf in [pbkdf2(1), pbkdf2(2048), scrypt(1 << 14, 8, 1)] {
        assert!(matches!(refused(kdf), KeyError::PassphraseWrong));
    }
    let absurd = [
        pbkdf2(0),
        pbkdf2(u32::MAX),
        scrypt(0, 8, 1),
        scrypt(1 << 20, 8, 1),
        scrypt(1 << 14, u16::MAX, 1),
        scrypt(1 << 14, 8, u16::MAX),
        scrypt(1 << 63, 8, 1),
    ];
    for kdf in absurd {
        assert!(matches!(refused(kdf), KeyError::TooCostly));
    }
}

#[test]
fn an_ed25519_key_signs_notes_and_a_p256_key_does_not() {
    let key = FileKey::from_ed25519_seed(&[7; 32]).unwrap();
    let signer = key.note_signer("log.example", note::Algorithm::Ed25519).unwrap();
    let text = note::sign_note("hello\n", &[&signer]).unwrap();
    let parsed = note::Note::parse(text.as_bytes()).unwrap();
    assert_eq!(parsed.verify(&AwsLc, signer.verifier_key()), Ok(()));
    let p256 = FileKey::generate(Algorithm::P256).unwrap();
    let refused = p256.note_signer("log.example", note::Algorithm::Ed25519);
    assert!(matches!(refused, Err(KeyError::NotForNotes)));
}

/// Who can read decides, not the bits: a group's members, and whom the access control list names.
/// As root, with `setfacl` of Debian's package acl.
#[test]
fn who_can_read_is_asked_of_the_group_and_of_the_list() {
    let setfacl = |args: &[&str]| {
        let ran = Command::new("setfacl").args(args).status();
        ran.is_ok_and(|status| status.success())
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    FileKey::generate(Algorithm::P256).unwrap().save(&path, None).unwrap();
    let file = path.to_str().unwrap();
    let chown = |group| std::os::unix::fs::chown(&path, None, Some(group));
    if chown(50).is_err() || !setfacl(&["-m", "u:12:r", file]) {
        assert!(std::env::var_os("CI").is_none(), "CI has root, setfacl and a folder with lists");
        return;
    }
    let readers = || match FileKey::open(&path, None) {
        Ok(_) => String::new(),
        Err(KeyError::Exposed(exposed)) => exposed.to_string(),
        Err(other) => panic!("{other}"),
    };
    let named = |of: &str| readers().contains(of);
    assert!(named("user") && !named("group"), "{}", readers());
    // The list's mask takes the right away again.
    assert!(setfacl(&["-m", "m::-", file]));
    assert_eq!(readers(), "");
    assert!(setfacl(&["-b", file]));
    assert!(setfacl(&["-m", "u:0:r,g:0:r", file]));
    assert_eq!(readers(), "");
    assert!(setfacl(&["-b", file]));
    set_mode(&path, 0o640);
    assert!(named("group"), "{}", readers());
    chown(0).unwrap();
    assert_eq!(readers(), "");
    chown(50).unwrap();
    // The service manager keeps others out of its folder: told by a child's environment.
    let child = |folder: &Path| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--ignored", "--exact", "opens_what_the_environment_names"]);
        child.env("CREDENTIALS_DIRECTORY", folder).env("FIRMLOG_TEST_KEY", &path);
        child.output().unwrap().status.success()
    };
    assert!(child(dir.path()));
    assert!(!child(Path::new("/run/credentials")));
}

/// Run by the test above with the environment of a service.
#[test]
#[ignore = "needs the environment that another test sets"]
fn opens_what_the_environment_names() {
    let path = std::env::var_os("FIRMLOG_TEST_KEY").unwrap();
    assert!(FileKey::open(Path::new(&path), None).is_ok());
}
