//! Digests of an image, made while it streams by.
//!
//! ```text
//! SHA-256     e3b0c442 98fc1c14 …    always
//! Keccak-256  c5d24601 86f7233c …    where a contract wants it
//! ```

use sha2::{Digest as _, Sha256};
use sha3::Keccak256;

/// What an image is called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageDigests {
    /// SHA-256.
    pub sha256: crate::Digest,
    /// Keccak-256 (Ethereum's), if asked for.
    pub keccak256: Option<crate::Digest>,
    /// Length in bytes.
    pub size_bytes: u64,
}

/// Takes an image piece by piece.
#[derive(Clone, Debug)]
pub struct ImageHasher {
    sha256: Sha256,
    keccak256: Option<Keccak256>,
    size_bytes: u64,
}

impl ImageHasher {
    /// Starts; with Keccak-256 beside on request.
    pub fn new(keccak: bool) -> Self {
        Self { sha256: Sha256::new(), keccak256: keccak.then(Keccak256::new), size_bytes: 0 }
    }

    /// The next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.sha256.update(piece);
        if let Some(keccak) = &mut self.keccak256 {
            keccak.update(piece);
        }
        self.size_bytes = self.size_bytes.saturating_add(piece.len() as u64);
    }

    /// The digests.
    pub fn finish(self) -> ImageDigests {
        ImageDigests {
            sha256: crate::Digest(self.sha256.finalize().into()),
            keccak256: self.keccak256.map(|k| crate::Digest(k.finalize().into())),
            size_bytes: self.size_bytes,
        }
    }
}

impl ImageDigests {
    /// Digests of an image held whole.
    pub fn of(image: &[u8], keccak: bool) -> Self {
        let mut hasher = ImageHasher::new(keccak);
        hasher.update(image);
        hasher.finish()
    }
}
