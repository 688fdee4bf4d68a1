//! Images of MCUboot: what header and values say.
//!
//! ```text
//! 3d b8 f3 96 …   MCUboot image: version 4.2.1+7, security counter 5, carries a release
//! ```

use firmlog_agent::mcuboot::{Error, Image};
use serde_json::{Value, json};

use super::Found;
use crate::answer::{hex, table};

const KIND: &str = "MCUboot image";

/// Explains a file that begins as one.
pub(crate) fn explain(mut bytes: &[u8]) -> Option<Found> {
    let len = u32::try_from(bytes.len()).ok()?;
    match Image::read(&mut bytes, len) {
        Ok(image) => Some(found(&image)),
        Err(Error::Magic) => None,
        Err(Error::Truncated) if len < 32 => None,
        Err(error) => Some(Found::new(KIND, "firmware in the form of MCUboot").broken(error)),
    }
}

/// What one says, for programs.
pub(crate) fn to_json(image: &Image) -> Value {
    json!({"version": image.header.version.to_string(), "counter": image.counter,
        "digest": hex(&image.digest), "signer": image.key_hash.map(|key| hex(&key)),
        "release": image.release.map(|release| hex(&release.leaf))})
}

fn found(image: &Image) -> Found {
    let (version, counter) = (image.header.version, image.counter);
    let release = match image.release {
        None => "none".to_owned(),
        Some(release) => format!("{}, bundle of {} bytes", hex(&release.leaf), release.bundle.len),
    };
    let rows = [
        ("version", format!("{version}, code {}", version.code())),
        ("body", format!("{} bytes, sha256 {}", image.header.body_size, hex(&image.body))),
        ("signed bytes", format!("sha256 {}", hex(&image.digest))),
        ("signer", image.key_hash.map_or_else(|| "nobody".to_owned(), |key| hex(&key))),
        (
            "boot record",
            image.boot_record.map_or_else(|| "none".to_owned(), |it| it.kind().to_owned()),
        ),
        ("release", release),
        ("as running", format!("{} {} {counter}", hex(&image.body), version.code())),
    ];
    let mut json = to_json(image);
    json["version_code"] = version.code().to_string().into();
    json["body"] = hex(&image.body).into();
    let summary = format!("version {version}, security counter {counter}");
    Found::new(KIND, summary).text(table(rows)).json(json)
}
