//! Keys, counters and quotes of a software TPM, beside tpm2-tools and openssl.

use std::net::TcpStream;

use firmlog_keys::tpm::{TpmCounter, TpmError, TpmKey};
use firmlog_keys::uri::TpmUri;
use firmlog_keys::{Algorithm, AwsLc, Key, KeyError, KeyUri};
use firmlog_statement::{PublicKey, Signer as _};
use firmlog_verify::quote::{QuoteError, pcr_digest, split_quote, verify_quote};
use hardware::{SoftTpm, openssl_verifies, public_pem, spki, statement};

mod hardware;

const PROGRAMS: &[&str] = &["swtpm", "tpm2_readpublic", "openssl"];
const HANDLE: u32 = 0x8101_0001;
const COUNTER: u32 = 0x0150_0016;

fn start(test: &str) -> Option<SoftTpm> {
    SoftTpm::start_for(test, PROGRAMS)
}

fn uri(text: &str) -> KeyUri {
    text.parse().expect("a name")
}

fn make(tpm: &SoftTpm, handle: u32, passphrase: Option<&[u8]>) -> Key {
    Key::create(&uri(&tpm.key(handle)), Algorithm::P256, passphrase).expect("makes a key")
}

fn tpm_key(key: &Key) -> &TpmKey {
    let Key::Tpm(key) = key else { panic!("not in a TPM") };
    key
}

fn refused(text: &str, passphrase: Option<&[u8]>) -> TpmError {
    match Key::open(&uri(text), passphrase).expect_err("refused") {
        KeyError::Tpm(error) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn a_key_made_in_a_tpm_signs_what_openssl_verifies_and_never_leaves() {
    let test = "a_key_made_in_a_tpm_signs_what_openssl_verifies_and_never_leaves";
    let Some(tpm) = start(test) else { return };
    let key = make(&tpm, HANDLE, None);
    let dir = tpm.dir.path();
    let pem = public_pem(dir, &key.public_key());
    for _ in 0..8 {
        openssl_verifies(dir, &statement(&key), &key.public_key(), &pem);
    }
    // More than a TPM hashes at once, by one byte, and much more.
    for length in [1024, 1025, 3000] {
        let message = vec![7; length];
        let signature = key.sign(&message).expect("signs");
        let PublicKey::P256(point) = key.public_key() else { panic!("not P-256") };
        assert!(firmlog_verify::Crypto::p256(&AwsLc, &point, &message, &signature), "{length}");
    }

    let shown = tpm.tool("tpm2_readpublic", &["-c", "0x81010001", "-f", "der", "-o", "theirs.der"]);
    let value = shown.lines().find(|line| line.contains("fixedtpm")).expect("attributes");
    assert!(
        value
            .contains("fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign"),
        "{value}"
    );
    let theirs = std::fs::read(dir.join("theirs.der")).expect("their account");
    assert_eq!(theirs, spki(&key.public_key()));
    // Nothing is left behind, neither in the TPM's three places nor at other handles.
    assert_eq!(tpm.tool("tpm2_getcap", &["handles-transient"]), "");
    assert_eq!(tpm.tool("tpm2_getcap", &["handles-persistent"]), "- 0x81010001\n");

    let tpm = tpm.restart();
    let again = Key::open(&uri(&tpm.key(HANDLE)), None).expect("opens");
    assert_eq!(again.public_key(), key.public_key());
    openssl_verifies(
        tpm.dir.path(),
        &statement(&again),
        &again.public_key(),
        &pem_of(&tpm, &again),
    );
    let taken = Key::create(&uri(&tpm.key(HANDLE)), Algorithm::P256, None).expect_err("taken");
    assert!(matches!(taken, KeyError::Tpm(TpmError::HandleTaken(HANDLE))), "{taken}");
    let ed25519 = Key::create(&uri(&tpm.key(HANDLE + 1)), Algorithm::Ed25519, None);
    assert!(ed25519.is_err());
}

fn pem_of(tpm: &SoftTpm, key: &Key) -> std::path::PathBuf {
    public_pem(tpm.dir.path(), &key.public_key())
}

#[test]
fn a_wrong_passphrase_is_told_with_the_tries_left() {
    let test = "a_wrong_passphrase_is_told_with_the_tries_left";
    let Some(tpm) = start(test) else { return };
    let name = tpm.key(HANDLE);
    let key = make(&tpm, HANDLE, Some(b"pump"));
    openssl_verifies(tpm.dir.path(), &statement(&key), &key.public_key(), &pem_of(&tpm, &key));
    assert_eq!(Key::public_of(&uri(&name), None).expect("shown"), key.public_key());
    let missing = Key::open(&uri(&name), None).expect_err("none given");
    assert!(matches!(missing, KeyError::PassphraseMissing), "{missing}");
    // swtpm allows three.
    for left in [2, 1] {
        let wrong = refused(&name, Some(b"pumb"));
        assert!(
            matches!(wrong, TpmError::PassphraseWrong { left: told } if told == left),
            "{wrong}"
        );
    }
    Key::open(&uri(&name), Some(b"pump")).expect("still opens");
    refused(&name, Some(b"pumb"));
    assert!(matches!(refused(&name, Some(b"pump")), TpmError::Lockout));

    let open = make(&tpm, HANDLE + 1, None);
    drop(open);
    let long = Key::create(&uri(&tpm.key(HANDLE + 2)), Algorithm::P256, Some(&[b'p'; 33]));
    let long = long.expect_err("longer than a TPM takes");
    assert!(matches!(long, KeyError::Tpm(TpmError::PassphraseLong(33))), "{long}");
    let unneeded = Key::open(&uri(&tpm.key(HANDLE + 1)), Some(b"pump")).expect_err("has none");
    assert!(matches!(unneeded, KeyError::PassphraseNotNeeded), "{unneeded}");
}

#[test]
fn keys_that_other_tools_made_are_taken_if_they_cannot_leave() {
    let test = "keys_that_other_tools_made_are_taken_if_they_cannot_leave";
    let Some(tpm) = start(test) else { return };
    tpm.tool("tpm2_createprimary", &["-C", "o", "-G", "ecc256", "-c", "root.ctx", "-Q"]);
    tpm.tool("tpm2_flushcontext", &["-t"]);
    let keep = |handle: &str, kind: &str, attributes: &str| {
        let create =
            ["-C", "root.ctx", "-G", kind, "-u", "k.pub", "-r", "k.priv", "-a", attributes, "-Q"];
        tpm.tool("tpm2_create", &create);
        tpm.tool("tpm2_flushcontext", &["-t"]);
        let load = ["-C", "root.ctx", "-u", "k.pub", "-r", "k.priv", "-c", "k.ctx", "-Q"];
        tpm.tool("tpm2_load", &load);
        tpm.tool("tpm2_evictcontrol", &["-C", "o", "-c", "k.ctx", handle, "-Q"]);
        tpm.tool("tpm2_flushcontext", &["-t"]);
    };
    let fixed = "sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda";
    keep("0x81010001", "ecc256:ecdsa-sha256", fixed);
    keep("0x81010002", "ecc256", &fixed.replace("|noda", "|noda|decrypt"));
    keep("0x81010003", "ecc256:ecdsa-sha256", "sign|sensitivedataorigin|userwithauth|noda");
    keep("0x81010004", "rsa2048", fixed);

    let key = Key::open(&uri(&tpm.key(HANDLE)), None).expect("opens");
    openssl_verifies(tpm.dir.path(), &statement(&key), &key.public_key(), &pem_of(&tpm, &key));
    let quoted = tpm_key(&key).quote(b"data", 1).expect_err("not restricted");
    assert!(matches!(quoted, KeyError::Tpm(TpmError::NotRestricted)), "{quoted}");
    let no_scheme = Key::open(&uri(&tpm.key(HANDLE + 1)), None).expect("opens");
    openssl_verifies(
        tpm.dir.path(),
        &statement(&no_scheme),
        &no_scheme.public_key(),
        &pem_of(&tpm, &no_scheme),
    );
    assert!(matches!(refused(&tpm.key(HANDLE + 2), None), TpmError::Leaves));
    assert!(matches!(refused(&tpm.key(HANDLE + 3), None), TpmError::NotSigning));
    assert!(matches!(refused(&tpm.key(HANDLE + 4), None), TpmError::NoKey(_)));
}

#[test]
fn a_counter_is_never_set_back() {
    let test = "a_counter_is_never_set_back";
    let Some(tpm) = start(test) else { return };
    let named = |tpm: &SoftTpm| tpm.counter(COUNTER).parse::<TpmUri>().expect("a name");
    let none = TpmCounter::open(&named(&tpm)).expect_err("none yet");
    assert!(matches!(none, TpmError::NoCounter(COUNTER)), "{none}");
    let counter = TpmCounter::create(&named(&tpm)).expect("makes one");
    let first = counter.value().expect("has a value");
    for step in 1..=3 {
        assert_eq!(counter.increment().expect("counts"), first + step);
    }
    let taken = TpmCounter::create(&named(&tpm)).expect_err("taken");
    assert!(matches!(taken, TpmError::IndexTaken(COUNTER)), "{taken}");
    let read = tpm.command("tpm2_nvread").args(["0x1500016", "-C", "0x1500016"]).output().unwrap();
    assert_eq!(read.stdout, (first + 3).to_be_bytes());
    // It cannot be written, and it goes on after a start.
    std::fs::write(tpm.dir.path().join("zero"), [0; 8]).unwrap();
    let write = ["0x1500016", "-C", "0x1500016", "-i", "zero"];
    assert!(!tpm.command("tpm2_nvwrite").args(write).output().unwrap().status.success());
    let tpm = tpm.restart();
    let counter = TpmCounter::open(&named(&tpm)).expect("is there");
    assert_eq!(counter.value().expect("has a value"), first + 3);
    // Taken away and made again, it starts above what it was.
    tpm.tool("tpm2_nvundefine", &["0x1500016", "-C", "o"]);
    assert!(matches!(counter.increment().expect_err("gone"), TpmError::NoCounter(COUNTER)));
    let again = TpmCounter::create(&named(&tpm)).expect("makes another");
    assert!(again.value().expect("has a value") > first + 3);

    tpm.tool("tpm2_nvdefine", &["0x1500017", "-C", "o", "-s", "8", "-a", "ownerread|ownerwrite"]);
    let other = TpmCounter::open(&tpm.counter(COUNTER + 1).parse().expect("a name"));
    assert!(matches!(other.expect_err("no counter"), TpmError::NotCounter(_)));
}

#[test]
fn a_quote_over_a_statement_is_taken_by_others_and_nothing_altered_is_taken() {
    let test = "a_quote_over_a_statement_is_taken_by_others_and_nothing_altered_is_taken";
    let Some(tpm) = start(test) else { return };
    let key = make(&tpm, HANDLE, None);
    let leaf = firmlog_tlog::merkle::leaf_hash(&statement(&key)).0;
    let extended = format!("8:sha256={}", "5a".repeat(32));
    tpm.tool("tpm2_pcrextend", &[&extended]);
    let pcrs = 1 | 1 << 7 | 1 << 8;
    let (bytes, quote) = tpm_key(&key).quote(&leaf, pcrs).expect("quotes");
    assert_eq!(quote.pcrs, pcrs);
    let values = tpm_key(&key).pcr_values(pcrs).expect("reads");
    let values: Vec<[u8; 32]> = values.iter().map(|(_, value)| *value).collect();
    assert_eq!(quote.pcr_digest, pcr_digest(&values));

    let dir = tpm.dir.path();
    let (attest, signature) = split_quote(&bytes).expect("two parts");
    std::fs::write(dir.join("quote.attest"), attest).unwrap();
    std::fs::write(dir.join("quote.sig"), signature).unwrap();
    public_pem(dir, &key.public_key());
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|it| format!("{it:02x}")).collect() };
    tpm.tool("tpm2_pcrread", &["sha256:0,7,8", "-o", "quote.pcrs"]);
    let check = |over: &str| {
        let mut command = tpm.command("tpm2_checkquote");
        command.args(["-u", "public.pem", "-m", "quote.attest", "-s", "quote.sig", "-g", "sha256"]);
        command.args(["-f", "quote.pcrs", "-l", "sha256:0,7,8", "-q", over]).output().unwrap()
    };
    let output = check(&hex(&leaf));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!check(&hex(&[0; 32])).status.success());

    // Theirs is read by us.
    let theirs = [
        "-c",
        "0x81010001",
        "-l",
        "sha256:7",
        "-q",
        "c0ffee",
        "-m",
        "m",
        "-s",
        "s",
        "-g",
        "sha256",
        "-Q",
    ];
    tpm.tool("tpm2_quote", &theirs);
    let message = std::fs::read(dir.join("m")).unwrap();
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    let theirs = [&length[..], &message, &std::fs::read(dir.join("s")).unwrap()].concat();
    let public = key.public_key();
    let read = verify_quote(&theirs, &public, &[0xc0, 0xff, 0xee], &AwsLc).expect("verifies");
    assert_eq!(read.pcrs, 1 << 7);

    let other = verify_quote(&bytes, &public, &[0; 32], &AwsLc);
    assert_eq!(other, Err(QuoteError::OtherData));
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(verify_quote(&altered, &public, &leaf, &AwsLc).is_err(), "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert!(verify_quote(&bytes[..length], &public, &leaf, &AwsLc).is_err(), "{length} bytes");
    }
    assert!(verify_quote(&[&bytes[..], &[0]].concat(), &public, &leaf, &AwsLc).is_err());
}

/// What makes a quote worth something: the key does not sign what only looks like one.
#[test]
fn the_key_signs_no_forged_quote() {
    let test = "the_key_signs_no_forged_quote";
    let Some(tpm) = start(test) else { return };
    let key = make(&tpm, HANDLE, None);
    let (bytes, _) = tpm_key(&key).quote(b"data", 1).expect("quotes");
    let (attest, _) = split_quote(&bytes).expect("two parts");
    assert!(key.sign(attest).is_err());
    assert!(key.sign(&attest[4..]).is_ok());
    let long = [attest, &[0; 2000]].concat();
    assert!(key.sign(&long).is_err());
    // Nor a hash that somebody else made.
    std::fs::write(tpm.dir.path().join("hash"), [7; 32]).unwrap();
    let sign = ["-c", "0x81010001", "-g", "sha256", "-d", "-o", "sig", "hash"];
    assert!(!tpm.command("tpm2_sign").args(sign).output().unwrap().status.success());
    // The failures left nothing behind.
    assert_eq!(tpm.tool("tpm2_getcap", &["handles-transient"]), "");
}

#[test]
fn random_numbers_come_from_the_tpm() {
    let test = "random_numbers_come_from_the_tpm";
    let Some(tpm) = start(test) else { return };
    let key = make(&tpm, HANDLE, None);
    let (mut one, mut two) = ([0; 100], [0; 100]);
    key.random(&mut one).expect("draws");
    key.random(&mut two).expect("draws again");
    assert!(one != two && one[68..] != [0; 32]);
    drop(tpm);
    assert!(key.random(&mut one).is_err(), "nothing else takes its place");
    assert!(key.sign(b"message").is_err());
}

#[test]
fn what_is_no_tpm_is_told_as_such() {
    let away = "tpm:handle=0x81010001?tcti=device:/dev/null";
    assert!(matches!(refused(away, None), TpmError::Answer));
    let nowhere = "tpm:handle=0x81010001?tcti=device:/dev/no-tpm";
    assert!(matches!(refused(nowhere, None), TpmError::Reach { .. }));
    // A server that says anything, and one that hangs up.
    for says in [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", &[0x80, 1, 0, 0, 0, 10, 0, 0, 0, 0]]
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _): (TcpStream, _) = listener.accept().unwrap();
            let mut command = [0; 14];
            std::io::Read::read_exact(&mut stream, &mut command).unwrap();
            std::io::Write::write_all(&mut stream, says).unwrap();
        });
        let name = format!("tpm:handle=0x81010001?tcti=swtpm:host=127.0.0.1,port={port}");
        let error = refused(&name, None);
        assert!(matches!(error, TpmError::Answer | TpmError::Reach { .. }), "{error}");
        server.join().unwrap();
    }
}
