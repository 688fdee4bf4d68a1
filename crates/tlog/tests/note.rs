//! Notes and keys: the specification's example, and what signing refuses.

mod dalek;

use dalek::{Dalek, SeedSigner};
use firmlog_tlog::checkpoint::{self, Checkpoint, Unverified};
use firmlog_tlog::merkle::TreeHead;
use firmlog_tlog::note::{
    Algorithm, KeyId, KeyName, Note, NoteError, NoteSigner, PrivateKey, SignerError, VerifierKey,
    parse_signature_lines, sign_note,
};

const SPEC_VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const SPEC_NOTE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

#[test]
fn the_specifications_example_verifies() {
    let key = VerifierKey::parse(SPEC_VKEY).unwrap();
    assert_eq!((key.name.as_str(), key.id), ("example.com/foo", KeyId(0x530d_903a)));
    assert_eq!(key.algorithm, Algorithm::Ed25519);
    assert_eq!(key.to_string(), SPEC_VKEY);
    let note = Note::parse(SPEC_NOTE.as_bytes()).unwrap();
    assert_eq!(note.text(), "This is an example message.\n");
    assert_eq!(note.signatures().count(), 1);
    assert_eq!(note.verify(&Dalek, &key), Ok(()));
    assert_eq!(note.to_string(), SPEC_NOTE);
}

/// No byte of a note may change: whatever the flip makes of it, it does not verify.
#[test]
fn every_flipped_bit_is_noticed() {
    let key = VerifierKey::parse(SPEC_VKEY).unwrap();
    for at in 0..SPEC_NOTE.len() {
        for bit in 0..8 {
            let mut bytes = SPEC_NOTE.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let verdict = Note::parse(&bytes).and_then(|note| note.verify(&Dalek, &key));
            assert!(verdict.is_err(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn what_is_signed_is_read_back() {
    let (a, b) = (signer("a.example", 1), signer("b.example", 2));
    let note = sign_note("one\n\ntwo\n", &[&a, &b]).unwrap();
    let parsed = Note::parse(note.as_bytes()).unwrap();
    for signer in [&a, &b] {
        assert_eq!(parsed.verify(&Dalek, signer.verifier_key()), Ok(()));
    }
    let names: Vec<&str> = parsed.signatures().map(|s| s.name()).collect();
    assert_eq!(names, ["a.example", "b.example"]);
    let lines: Vec<_> =
        parse_signature_lines(parsed.signature_lines().as_bytes()).unwrap().collect();
    assert_eq!(lines, parsed.signatures().collect::<Vec<_>>());
    assert_eq!(lines[0].to_vec(), lines[0].bytes::<64>().unwrap());
}

#[test]
fn what_is_no_text_is_not_signed() {
    let a = signer("a.example", 1);
    for text in ["", "no newline", "\n\nno newline"] {
        assert_eq!(sign_note(text, &[&a]), Err(NoteError::TextMalformed), "{text:?}");
    }
    assert_eq!(sign_note("a\tb\n", &[&a]), Err(NoteError::ControlCharacter));
    let witness = SeedSigner::new("w.example", Algorithm::CosignatureV1, [3; 32]);
    assert_eq!(sign_note("text\n", &[&witness]), Err(NoteError::KeyOfOtherKind));
    assert_eq!(sign_note("text\n", &[&Broken(a)]), Err(NoteError::SignatureWrong));
    assert_eq!(sign_note("text\n", &[]), Err(NoteError::NoSignatures));
}

#[test]
fn signature_lines_alone_are_read_strictly() {
    let line = SPEC_NOTE.rsplit("\n\n").next().unwrap();
    let refused = |body: &[u8]| parse_signature_lines(body).map(|_| ()).unwrap_err();
    assert_eq!(refused(b""), NoteError::NoSignatures);
    assert_eq!(refused(b"\n"), NoteError::SignatureLineMalformed);
    assert_eq!(refused(b"\xff\n"), NoteError::NotUtf8);
    assert_eq!(refused(line.trim_end().as_bytes()), NoteError::FinalNewlineMissing);
    assert_eq!(refused(line.replace(' ', "\t").as_bytes()), NoteError::ControlCharacter);
    assert_eq!(refused(line.repeat(101).as_bytes()), NoteError::TooManySignatures);
    assert_eq!(refused(&vec![b'a'; 1_000_001]), NoteError::TooLarge);
    assert_eq!(parse_signature_lines(line.repeat(100).as_bytes()).unwrap().count(), 100);
}

#[test]
fn names_are_bounded() {
    assert_eq!(KeyName::new(&"n".repeat(255)).unwrap().as_str().len(), 255);
    for bad in ["", "a b", "a+b", "a\u{2003}b", "a\nb", &"n".repeat(256)] {
        assert_eq!(KeyName::new(bad), Err(NoteError::NameMalformed), "{bad:?}");
        let key = VerifierKey::new(bad, Algorithm::Ed25519, [0; 32]);
        assert_eq!(key, Err(NoteError::NameMalformed));
    }
}

#[test]
fn private_keys_have_one_spelling_and_do_not_show_themselves() {
    let text = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let key = PrivateKey::parse(text).unwrap();
    assert_eq!(key.expose().to_string(), text);
    let signer = SeedSigner::new("PeterNeumann", Algorithm::Ed25519, key.seed);
    assert_eq!(signer.key_id(), key.id);
    assert!(!format!("{key:?}").contains("seed"), "a private key shows its seed");
    for (from, to, error) in [
        ("PRIVATE+KEY", "PUBLIC+KEY", NoteError::VkeyMalformed),
        ("PeterNeumann", "", NoteError::NameMalformed),
        ("c74f20a3", "C74F20A3", NoteError::KeyIdMalformed),
        ("AYEK", "AoEK", NoteError::AlgorithmUnsupported),
        ("KDFz", "KDF", NoteError::KeyNotBase64),
        ("KDFz", "KDFzAA==", NoteError::KeyWrongLength),
        ("KDFz", "", NoteError::KeyWrongLength),
    ] {
        assert_eq!(PrivateKey::parse(&text.replace(from, to)), Err(error), "{to}");
    }
}

#[test]
fn checkpoints_are_signed_and_verified() {
    let log = signer("log.example.org", 7);
    let body = Checkpoint::new("log.example.org", TreeHead::empty());
    let note = checkpoint::sign(&body, &log).unwrap();
    let verified = Unverified::parse(note.as_bytes()).unwrap().verify(&Dalek, log.verifier_key());
    assert_eq!(verified, Ok(body));
    assert_eq!(verified.unwrap().head(), TreeHead::empty());
}

fn signer(name: &str, seed: u8) -> SeedSigner {
    SeedSigner::new(name, Algorithm::Ed25519, [seed; 32])
}

/// A key store that has gone away.
struct Broken(SeedSigner);

impl NoteSigner for Broken {
    fn verifier_key(&self) -> &VerifierKey {
        self.0.verifier_key()
    }

    fn sign(&self, _: &[u8]) -> Result<[u8; 64], SignerError> {
        Err(SignerError::Unavailable)
    }
}
