//! The boot record: what the bootloader will attest of this image (PSA software component).
//!
//! ```text
//! {1: "APP", 4: "2.4.1", 5: signer 32, 6: "SHA256", 2: measurement 32, zeros until it boots}
//! ```

use super::error::Error;
use super::header::Version;
use firmlog_statement::codec::Decoder;

/// Most bytes of one that is read.
pub(super) const MAX: usize = 160;

/// What the record says beside version and signer, which must be those of the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootRecord {
    kind: [u8; 12],
    kind_len: u8,
}

impl BootRecord {
    /// The role of the software, such as `APP`.
    #[must_use]
    pub fn kind(&self) -> &str {
        let bytes = self.kind.get(..usize::from(self.kind_len)).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Reads one of an image that has this version and names this key.
    pub(super) fn parse(bytes: &[u8], version: Version, key: &[u8; 32]) -> Result<Self, Error> {
        let malformed = |_| Error::BootRecord;
        let mut d = Decoder::new(bytes);
        // The keys are in the order of the bootloader's needs, not ascending.
        let (mut count, mut seen, mut out) = (d.head(5).map_err(malformed)?, 0_u8, Self::default());
        while let Some(left) = count.checked_sub(1) {
            count = left;
            let bit = match d.uint().map_err(malformed)? {
                1 => {
                    out.name(d.text().map_err(malformed)?)?;
                    1
                }
                2 => d.array::<32>().map(|_| 2).map_err(malformed)?,
                4 if is_spelled(version, d.text().map_err(malformed)?) => 4,
                4 => return Err(Error::BootRecordVersion),
                5 if d.array::<32>().map_err(malformed)? == key => 8,
                5 => return Err(Error::BootRecordSigner),
                6 if d.text().map_err(malformed)? == "SHA256" => 16,
                _ => return Err(Error::BootRecord),
            };
            if seen & bit != 0 {
                return Err(Error::BootRecord);
            }
            seen |= bit;
        }
        d.end().map_err(malformed)?;
        if seen == 31 { Ok(out) } else { Err(Error::BootRecord) }
    }

    fn name(&mut self, kind: &str) -> Result<(), Error> {
        let room = self.kind.get_mut(..kind.len()).ok_or(Error::BootRecord)?;
        room.copy_from_slice(kind.as_bytes());
        self.kind_len = u8::try_from(kind.len()).map_err(|_| Error::BootRecord)?;
        Ok(())
    }
}

/// Whether a text is `major.minor.revision`.
fn is_spelled(version: Version, text: &str) -> bool {
    let mut parts = text.split('.');
    let numbers = [version.major.into(), version.minor.into(), version.revision];
    numbers.iter().all(|number| parts.next().is_some_and(|part| is_number(*number, part)))
        && parts.next().is_none()
}

/// Whether a text is this number, without zeros in front.
fn is_number(number: u16, text: &str) -> bool {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    canonical && text.parse() == Ok(number)
}
