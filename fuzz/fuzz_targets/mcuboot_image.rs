//! An MCUboot image, as it is and with its hash put right: what is taken says what its bytes say,
//! wherever it ends in its slot, and nothing is taken that ends within.

#![no_main]

use firmlog_agent::mcuboot::{Error, Image};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};

fuzz_target!(|bytes: &[u8]| {
    judge(bytes);
    if let Some(resealed) = reseal(bytes) {
        judge(&resealed);
    }
});

fn judge(bytes: &[u8]) {
    let Ok(image) = read(bytes) else { return };
    let (end, body) = (image.end as usize, usize::from(image.header.header_size));
    let body_end = body + image.header.body_size as usize;
    let signed = body_end + usize::from(image.header.protected_size);
    assert!(signed < end && end <= bytes.len());
    assert_eq!(Sha256::digest(&bytes[..signed])[..], image.digest);
    assert_eq!(Sha256::digest(&bytes[body..body_end])[..], image.body);
    assert_eq!(read(&bytes[..end]), Ok(image));
    assert!(matches!(read(&bytes[..end - 1]), Err(Error::Truncated | Error::TlvLength)));
    if let Some(release) = image.release {
        let (at, len) = (release.bundle.at as usize, release.bundle.len as usize);
        assert!(body_end < at && at + len <= signed);
        assert_eq!(bytes[at - 32..at], release.leaf);
    }
    let mut asked = None;
    let keyless = image.verify(&[[0; 64]], |_, _, _| asked.replace(()).is_none());
    assert_eq!(keyless.is_ok(), asked.is_some(), "no signature is taken unasked");
}

fn read(mut bytes: &[u8]) -> Result<Image, Error> {
    let len = bytes.len() as u32;
    Image::read(&mut bytes, len)
}

/// The same with the hash of what it signs.
fn reseal(bytes: &[u8]) -> Option<Vec<u8>> {
    let number = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let body = u32::from_le_bytes(bytes.get(12..16)?.try_into().ok()?);
    let signed = usize::from(number(8)?) + usize::from(number(10)?) + body as usize;
    let digest = Sha256::digest(bytes.get(..signed)?);
    let at = signed + bytes.get(signed..)?.windows(4).position(|it| it == [0x10, 0, 32, 0])?;
    let mut resealed = bytes.to_vec();
    resealed.get_mut(at + 4..at + 36)?.copy_from_slice(&digest);
    Some(resealed)
}
