//! Request files: bodies prepared beforehand, with the lane each belongs to.
//!
//! ```text
//! "firmlog-requests-1\n"  then for each body, big endian:
//! lane u32 ‖ entries u32 ‖ length u32 ‖ body
//! ```
//!
//! Bodies of one lane must arrive in file order: a device's next statement
//! names its previous one. Lanes are dealt out to connections round robin, and
//! the lanes of one connection are interleaved body by body.

use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, ensure};

use super::work::Lane;

const MAGIC: &[u8] = b"firmlog-requests-1\n";

/// Writes a request file.
#[derive(Debug)]
pub struct RequestWriter(BufWriter<std::fs::File>);

impl RequestWriter {
    /// Creates or replaces the file at `path`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = std::fs::File::create(path)
            .with_context(|| format!("failed to create {}", path.display()))?;
        let mut writer = BufWriter::with_capacity(1 << 20, file);
        writer.write_all(MAGIC)?;
        Ok(Self(writer))
    }

    /// Appends one body.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn push(&mut self, lane: u32, entries: u32, body: &[u8]) -> anyhow::Result<()> {
        let length = u32::try_from(body.len()).context("body too long")?;
        for word in [lane, entries, length] {
            self.0.write_all(&word.to_be_bytes())?;
        }
        self.0.write_all(body)?;
        Ok(())
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.0.flush().context("failed to write requests")
    }
}

/// Reads a request file into one lane for each of `connections`.
///
/// # Errors
/// If the file cannot be read or is not a request file.
pub fn read_lanes(path: &Path, connections: usize) -> anyhow::Result<Vec<Lane>> {
    let file =
        std::fs::File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut magic = vec![0; MAGIC.len()];
    reader.read_exact(&mut magic)?;
    ensure!(magic == MAGIC, "{} is not a request file", path.display());
    let mut lanes: Vec<Lane> = (0..connections).map(|_| Lane::default()).collect();
    while !std::io::BufRead::fill_buf(&mut reader)?.is_empty() {
        let (lane, entries, length) =
            (read_u32(&mut reader)?, read_u32(&mut reader)?, read_u32(&mut reader)?);
        let mut body = vec![0; length as usize];
        reader.read_exact(&mut body)?;
        lanes[lane as usize % connections].bodies.push((entries, body));
    }
    Ok(lanes)
}

fn read_u32(reader: &mut impl Read) -> anyhow::Result<u32> {
    let mut word = [0; 4];
    reader.read_exact(&mut word).context("request file cut short")?;
    Ok(u32::from_be_bytes(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_keep_their_order() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = RequestWriter::create(file.path()).unwrap();
        for n in 0..10u8 {
            writer.push(u32::from(n % 3), 1, &[n]).unwrap();
        }
        writer.finish().unwrap();
        let lanes = read_lanes(file.path(), 3).unwrap();
        let bodies: Vec<u8> = lanes[1].bodies.iter().map(|(_, body)| body[0]).collect();
        assert_eq!(bodies, [1, 4, 7]);
    }
}
