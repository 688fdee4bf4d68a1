//! Keys in a software HSM, beside OpenSC's `pkcs11-tool` and openssl.

use std::path::Path;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::session::UserType;
use firmlog_keys::pkcs11::{Pkcs11Error, Tries};
use firmlog_keys::{Algorithm, Key, KeyError, KeyUri};
use firmlog_statement::Signer as _;
use firmlog_tlog::note::{self, NoteSigner as _};
use hardware::{PIN, SoftHsm, in_token, openssl_verifies, public_pem, spki, statement, told};

mod hardware;

const PROGRAMS: &[&str] = &["softhsm2-util", "pkcs11-tool", "openssl"];

fn named(text: &str, module: &str) -> KeyUri {
    format!("pkcs11:{text}?module-path={module}").parse().expect("a name")
}

fn open(uri: &KeyUri) -> Key {
    Key::open(uri, Some(PIN.as_bytes())).expect("opens")
}

fn refused(uri: &KeyUri, pin: Option<&str>) -> KeyError {
    Key::open(uri, pin.map(str::as_bytes)).expect_err("refused")
}

#[test]
fn a_key_made_in_a_token_signs_what_openssl_verifies_and_never_leaves() {
    let test = "a_key_made_in_a_token_signs_what_openssl_verifies_and_never_leaves";
    let after = |hsm: &SoftHsm| {
        // What another program sees of the keys.
        let listed = told(hsm.pkcs11_tool().args(["--login", "--pin", PIN, "--list-objects"]));
        assert!(listed.contains("Private Key Object; EC"), "{listed}");
        assert!(listed.contains("label:      P256"), "{listed}");
        assert!(listed.contains("label:      Ed25519"), "{listed}");
        let never = "sensitive, always sensitive, never extractable, local";
        assert_eq!(listed.matches(never).count(), 2, "{listed}");
        let read = hsm.dir.path().join("read.der");
        let mut command = hsm.pkcs11_tool();
        command.args(["--read-object", "--type", "pubkey", "--label", "P256"]);
        told(command.arg("--output-file").arg(&read));
        let ours = std::fs::read(hsm.dir.path().join("P256.der")).expect("our account");
        assert_eq!(std::fs::read(&read).expect("theirs"), ours);
    };
    let Some((module, dir)) = in_token(test, PROGRAMS, |_| {}, after) else { return };
    for (label, algorithm) in [("P256", Algorithm::P256), ("Ed25519", Algorithm::Ed25519)] {
        let uri = named(&format!("token=hsm-1;object={label}"), &module);
        let made = Key::create(&uri, algorithm, Some(PIN.as_bytes())).expect("makes a key");
        let key = open(&uri);
        assert_eq!(key.public_key(), made.public_key());
        assert_eq!(Key::public_of(&uri, None).expect("shown without a PIN"), key.public_key());
        std::fs::write(dir.join(format!("{label}.der")), spki(&key.public_key())).unwrap();
        let pem = public_pem(&dir, &key.public_key());
        // Half of all P-256 signatures come out of the token with a high S.
        for _ in 0..8 {
            openssl_verifies(&dir, &statement(&key), &key.public_key(), &pem);
        }
        let again = Key::create(&uri, algorithm, Some(PIN.as_bytes())).expect_err("there is one");
        assert!(matches!(again, KeyError::Pkcs11(Pkcs11Error::Exists(_))), "{again}");
        let (mut one, mut two) = ([0; 32], [0; 32]);
        key.random(&mut one).expect("the token's random numbers");
        key.random(&mut two).expect("more of them");
        assert_ne!(one, two);
    }
    let log = open(&named("object=Ed25519", &module));
    let signer = log.note_signer("log.example", note::Algorithm::Ed25519).expect("for notes");
    assert_eq!(signer.sign(b"note\n").expect("signs").len(), 64);
    let p256 = open(&named("object=P256", &module));
    let refused = p256.note_signer("log.example", note::Algorithm::Ed25519);
    assert!(matches!(refused, Err(KeyError::NotForNotes)));
}

#[test]
fn a_key_that_another_tool_made_is_found_by_label_or_id() {
    let test = "a_key_that_another_tool_made_is_found_by_label_or_id";
    let before = |hsm: &SoftHsm| {
        for (label, id) in [("theirs", "01"), ("twice", "02"), ("twice", "03")] {
            let mut command = hsm.pkcs11_tool();
            command.args(["--login", "--pin", PIN, "--keypairgen", "--key-type", "EC:prime256v1"]);
            told(command.args(["--label", label, "--id", id]));
        }
        let mut command = hsm.pkcs11_tool();
        command.args(["--login", "--pin", PIN, "--keypairgen", "--key-type", "rsa:2048"]);
        told(command.args(["--label", "rsa", "--id", "04"]));
    };
    let Some((module, dir)) = in_token(test, PROGRAMS, before, |_| {}) else { return };
    let key = open(&named("object=theirs", &module));
    assert_eq!(open(&named("id=%01", &module)).public_key(), key.public_key());
    let pem = public_pem(&dir, &key.public_key());
    openssl_verifies(&dir, &statement(&key), &key.public_key(), &pem);
    let other = open(&named("object=twice;id=%03", &module));
    assert_ne!(other.public_key(), open(&named("id=%02", &module)).public_key());

    let several = refused(&named("object=twice", &module), Some(PIN));
    let KeyError::Pkcs11(Pkcs11Error::TwoKeys { count: 2, found, .. }) = several else {
        panic!("{several}")
    };
    assert!(found.contains("id=%02") && found.contains("id=%03"), "{found}");
    let none = refused(&named("object=nobody", &module), Some(PIN));
    let KeyError::Pkcs11(Pkcs11Error::NoKey { found, .. }) = none else { panic!("{none}") };
    assert!(found.contains("object=theirs"), "{found}");
    let rsa = refused(&named("object=rsa", &module), Some(PIN));
    assert!(
        matches!(rsa, KeyError::Pkcs11(Pkcs11Error::NotSupported | Pkcs11Error::NoPublic)),
        "{rsa}"
    );
}

#[test]
fn what_is_wrong_with_a_token_is_said() {
    let test = "what_is_wrong_with_a_token_is_said";
    let before = |hsm: &SoftHsm| {
        hsm.token("hsm-2");
    };
    let Some((module, dir)) = in_token(test, PROGRAMS, before, |_| {}) else { return };
    let uri = named("token=hsm-1;object=a", &module);
    assert!(matches!(refused(&uri, None), KeyError::PassphraseMissing));
    let wrong = refused(&uri, Some("1234567"));
    let KeyError::Pkcs11(Pkcs11Error::PinWrong { tries, .. }) = &wrong else { panic!("{wrong}") };
    assert_eq!(*tries, Tries::Low);
    assert!(!wrong.to_string().contains("1234567"));
    Key::create(&uri, Algorithm::P256, Some(PIN.as_bytes())).expect("makes a key");
    // A right PIN sets the token's count back, but is not needed to see that it is wrong again.
    let pin = dir.join("pin");
    std::fs::write(&pin, format!("{PIN}\n")).unwrap();
    let with_pin = format!("{uri}&pin-source={}", pin.display()).parse().expect("a name");
    assert!(refused(&with_pin, None).to_string().contains("others can read"));
    std::fs::set_permissions(&pin, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    Key::open(&with_pin, None).expect("the PIN of the file");
    assert!(matches!(refused(&with_pin, Some(PIN)), KeyError::PassphraseTwice));

    let none = refused(&named("token=hsm-3;object=a", &module), Some(PIN));
    let KeyError::Pkcs11(Pkcs11Error::NoToken { found, .. }) = none else { panic!("{none}") };
    assert!(found.contains("hsm-1") && found.contains("hsm-2"), "{found}");
    let two = refused(&named("object=a", &module), Some(PIN));
    assert!(matches!(two, KeyError::Pkcs11(Pkcs11Error::TwoTokens { .. })), "{two}");

    for module in ["/nowhere/libp11.so", "/tmp", "/bin/sh"] {
        let error = refused(&named("object=a", module), Some(PIN));
        let KeyError::Pkcs11(Pkcs11Error::Module { path, .. }) = &error else { panic!("{error}") };
        assert_eq!(path, Path::new(module));
    }
    let unnamed: KeyUri = "pkcs11:object=a".parse().expect("a name");
    assert!(matches!(refused(&unnamed, Some(PIN)), KeyError::Pkcs11(Pkcs11Error::NoModule)));
}

/// A service signs thousands of times a second: were the old PIN tried each time, the token would
/// be locked at once.
#[test]
fn a_pin_that_became_wrong_is_tried_once() {
    let test = "a_pin_that_became_wrong_is_tried_once";
    let Some((module, _)) = in_token(test, PROGRAMS, |_| {}, |_| {}) else { return };
    let uri = named("object=a", &module);
    let key = Key::create(&uri, Algorithm::P256, Some(PIN.as_bytes())).expect("makes a key");
    let other = Pkcs11::new(&module).expect("the same module");
    let slot = other.get_slots_with_initialized_token().expect("slots")[0];
    let session = other.open_rw_session(slot).expect("a session");
    session.set_pin(&PIN.into(), &"another".into()).expect("changes");
    let is_low = || other.get_token_info(slot).expect("its account").user_pin_count_low();
    assert!(!is_low());
    session.logout().expect("logs out");
    assert!(key.sign(b"message").is_err());
    assert!(is_low(), "the old PIN was tried");
    session.login(UserType::User, Some(&"another".into())).expect("sets the count back");
    session.logout().expect("logs out");
    assert!(!is_low());
    assert!(key.sign(b"message").is_err());
    assert!(!is_low(), "the old PIN was tried again");
}

#[test]
fn a_lost_session_is_opened_again() {
    let test = "a_lost_session_is_opened_again";
    let Some((module, dir)) = in_token(test, PROGRAMS, |_| {}, |_| {}) else { return };
    let uri = named("object=a", &module);
    let key = Key::create(&uri, Algorithm::P256, Some(PIN.as_bytes())).expect("makes a key");
    let pem = public_pem(&dir, &key.public_key());
    let other = Pkcs11::new(&module).expect("the same module");
    // Somebody logs out, which holds for the whole process.
    let slot = other.get_slots_with_initialized_token().expect("slots")[0];
    other.open_ro_session(slot).expect("a session").logout().expect("logs out");
    openssl_verifies(&dir, &statement(&key), &key.public_key(), &pem);
    // The module forgets everything, as after its daemon was restarted.
    other.clone().finalize().expect("ends");
    openssl_verifies(&dir, &statement(&key), &key.public_key(), &pem);
    // The token is taken out, and put back.
    other.clone().finalize().expect("ends");
    let (there, away) = (dir.join("tokens"), dir.join("away"));
    std::fs::rename(&there, &away).expect("takes it out");
    assert!(key.sign(b"message").is_err());
    std::fs::create_dir(&there).expect("an empty place");
    assert!(key.sign(b"message").is_err());
    std::fs::remove_dir(&there).expect("an empty place");
    std::fs::rename(&away, &there).expect("puts it back");
    let arguments = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    drop(other.clone().finalize());
    other.initialize(arguments).expect("starts");
    openssl_verifies(&dir, &statement(&key), &key.public_key(), &pem);
}
