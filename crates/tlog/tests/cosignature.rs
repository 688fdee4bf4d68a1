//! Cosignatures: the message, the line, and what a witness will not sign.

mod dalek;

use dalek::{Dalek, SeedSigner};
use firmlog_tlog::cosignature::{
    self, Cosignature, CosignatureError, MAX_HEADER, MAX_TIME, cosign, message,
};
use firmlog_tlog::note::{
    Algorithm, Note, NoteSigner, SignerError, VerifierKey, parse_signature_lines, sign_note,
};

const BODY: &str =
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
const TIME: u64 = 1_679_315_147;

#[test]
fn the_message_is_the_specifications() {
    let mut buffer = [0; 256];
    let got = message(TIME, BODY, &mut buffer).unwrap();
    assert_eq!(got, format!("cosignature/v1\ntime 1679315147\n{BODY}").as_bytes());
}

/// The header's bound is exact at the latest time; one byte less does not do.
#[test]
fn the_buffer_needs_the_header() {
    let mut buffer = vec![0; BODY.len() + MAX_HEADER];
    assert_eq!(message(MAX_TIME, BODY, &mut buffer).map(<[u8]>::len), Ok(buffer_len()));
    let short = &mut buffer[..buffer_len() - 1];
    assert_eq!(message(MAX_TIME, BODY, short), Err(CosignatureError::BufferTooSmall));
    assert_eq!(message(TIME, BODY, &mut []), Err(CosignatureError::BufferTooSmall));
}

fn buffer_len() -> usize {
    BODY.len() + MAX_HEADER
}

#[test]
fn cosigning_and_verifying_agree() {
    let (log, witness) = (log(), witness());
    let line = cosign(BODY, TIME, &witness).unwrap();
    let text = sign_note(BODY, &[&log]).unwrap() + &line;
    let note = Note::parse(text.as_bytes()).unwrap();
    let key = witness.verifier_key();
    assert_eq!(cosignature::verify(&Dalek, &note, key), Ok(TIME));
    assert_eq!(note.verify(&Dalek, log.verifier_key()), Ok(()));
    // 4 bytes of id, 8 of time and 64 of signature are 104 characters.
    assert_eq!(line.trim_end().rsplit(' ').next().map(str::len), Some(104));
    let mut small = [0; 50];
    let refused = cosignature::verify_in(&Dalek, &note, key, &mut small);
    assert_eq!(refused, Err(CosignatureError::BufferTooSmall));
}

/// As a witness's reply is checked before its line is put under the checkpoint.
#[test]
fn lines_that_travel_alone() {
    let witness = witness();
    let line = cosign(BODY, TIME, &witness).unwrap();
    let signature = parse_signature_lines(line.as_bytes()).unwrap().next().unwrap();
    let verify = |body: &str, key: &VerifierKey| {
        cosignature::verify_line(&Dalek, body, key, &signature, &mut [0; 256])
    };
    let other = SeedSigner::new("witness.example/w2", Algorithm::CosignatureV1, [9; 32]);
    assert_eq!(verify(BODY, witness.verifier_key()), Ok(TIME));
    assert_eq!(verify(BODY, other.verifier_key()), Err(CosignatureError::Missing));
    assert_eq!(verify(BODY, log().verifier_key()), Err(CosignatureError::KeyOfOtherKind));
    let grown = BODY.replace("163\n", "164\n");
    assert_eq!(verify(&grown, witness.verifier_key()), Err(CosignatureError::SignatureWrong));
}

#[test]
fn the_content_has_one_encoding() {
    let mut bytes = [0x5a; 72];
    bytes[..8].copy_from_slice(&TIME.to_be_bytes());
    let parsed = Cosignature::parse(&bytes).unwrap();
    assert_eq!((parsed.time_s, parsed.encode()), (TIME, bytes));
    bytes[..8].copy_from_slice(&MAX_TIME.to_be_bytes());
    assert_eq!(Cosignature::parse(&bytes).map(|c| c.time_s), Ok(MAX_TIME));
    bytes[..8].copy_from_slice(&(MAX_TIME + 1).to_be_bytes());
    assert_eq!(Cosignature::parse(&bytes), Err(CosignatureError::TimeTooLarge));
    bytes[..8].fill(0);
    assert_eq!(Cosignature::parse(&bytes), Err(CosignatureError::TimeIsZero));
}

#[test]
fn what_is_not_cosigned() {
    assert_eq!(cosign(BODY, 0, &witness()), Err(CosignatureError::TimeIsZero));
    assert_eq!(cosign(BODY, MAX_TIME + 1, &witness()), Err(CosignatureError::TimeTooLarge));
    assert_eq!(cosign(BODY, TIME, &log()), Err(CosignatureError::KeyOfOtherKind));
    assert_eq!(cosign(BODY, TIME, &Broken(witness())), Err(CosignatureError::SignerFailed));
}

fn log() -> SeedSigner {
    SeedSigner::new("example.com/behind-the-sofa", Algorithm::Ed25519, [1; 32])
}

fn witness() -> SeedSigner {
    SeedSigner::new("witness.example/w1", Algorithm::CosignatureV1, [2; 32])
}

/// A key store that has gone away.
struct Broken(SeedSigner);

impl NoteSigner for Broken {
    fn verifier_key(&self) -> &VerifierKey {
        self.0.verifier_key()
    }

    fn sign(&self, _: &[u8]) -> Result<[u8; 64], SignerError> {
        Err(SignerError::Refused)
    }
}
