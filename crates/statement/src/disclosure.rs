//! Private values: a salted commitment in the entry, the value beside it.
//!
//! ```text
//! commitment = SHA-256(salt (16 bytes) ‖ field id (2 bytes, big endian) ‖ value)
//! disclosure = {1: leaf hash, 2: field id, 3: salt, 4: value}
//! ```
//!
//! Deleting the disclosure is erasure: without its salt the commitment says nothing,
//! and every proof stands. Salts come from the caller: 16 random bytes per value.

use crate::codec::{Decoder, Sink};
use crate::{Digest, Field, List, StatementError as E};
use core::ops::Deref;
use sha2::{Digest as _, Sha256};

codes! {
    /// What a private value is.
    pub enum FieldId {
        1 Serial "serial" "Serial number of the unit.",
        2 UdiPi "udi_pi" "Production identifiers of the UDI.",
        3 Udi "udi" "The whole UDI as scanned.",
        4 Technician "technician" "Person who serviced.",
        5 PrintedName "printed_name" "Name of the person who signed.",
        6 Site "site" "Hospital or site.",
        7 Organisation "organisation" "Organisation or department.",
        8 Location "location" "Place within the site.",
        9 AssetTag "asset_tag" "The owner's inventory number.",
        10 ReasonText "reason_text" "Why, in words.",
        11 ErrorText "error_text" "What went wrong, in words.",
        12 Note "note" "Any other free text.",
        13 Source "source" "Address the image came from.",
        14 Lot "lot" "Lot or batch of the unit.",
        15 Manufactured "manufactured" "Date of manufacture.",
        16 Expires "expires" "Date of expiry.",
    }
}

/// A commitment to one private value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// What the value is.
    pub field: FieldId,
    /// `SHA-256(salt ‖ field id ‖ value)`.
    pub digest: Digest,
}

impl Default for Commitment {
    fn default() -> Self {
        Self { field: FieldId::Note, digest: Digest::default() }
    }
}

impl Commitment {
    /// Commits to `value` under `salt`.
    pub fn new(field: FieldId, salt: &[u8; 16], value: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(salt);
        hash.update(field.code().to_be_bytes());
        hash.update(value.as_bytes());
        Self { field, digest: Digest(hash.finalize().into()) }
    }
}

impl Field for Commitment {
    fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
        crate::codec::head(out, 4, 2)?;
        self.field.encode(out)?;
        self.digest.encode(out)
    }
    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        if d.head(4)? != 2 {
            return Err(E::WrongType);
        }
        Ok(Self { field: FieldId::decode(d)?, digest: Digest::decode(d)? })
    }
}

/// Up to eight commitments, ascending by field; left out when there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commitments(List<Commitment, 8>);

impl Deref for Commitments {
    type Target = [Commitment];
    fn deref(&self) -> &[Commitment] {
        &self.0
    }
}

impl Commitments {
    /// Refuses more than eight, two for one field, or any other order.
    pub fn new(commitments: &[Commitment]) -> Result<Self, E> {
        if commitments.is_sorted_by(|a, b| a.field < b.field) {
            List::from_slice(commitments).map(Self)
        } else {
            Err(E::CommitmentsUnordered)
        }
    }

    /// The commitment to a field.
    pub fn find(&self, field: FieldId) -> Option<&Digest> {
        self.iter().find(|c| c.field == field).map(|c| &c.digest)
    }
}

impl Field for Commitments {
    const OPTIONAL: bool = true;

    fn present(&self) -> bool {
        self.0.present()
    }
    fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
        self.0.encode(out)
    }
    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        List::decode(d).and_then(|list: List<Commitment, 8>| Self::new(&list))
    }
    fn check(d: &mut Decoder<'_>) -> Result<(), E> {
        let count = d.list()?;
        if count == 0 {
            return Err(E::EmptyList);
        }
        if count > 8 {
            return Err(E::TooManyItems);
        }
        let mut sorted = true;
        let mut last = None;
        for _ in 0..count {
            let field = Commitment::decode(d)?.field;
            sorted &= last.is_none_or(|last| last < field);
            last = Some(field);
        }
        if sorted { Ok(()) } else { Err(E::CommitmentsUnordered) }
    }
    fn absent() -> Result<Self, E> {
        Ok(Self::default())
    }
}

#[cfg(feature = "alloc")]
pub use owned::{Disclosure, DisclosureSet};

#[cfg(feature = "alloc")]
mod owned {
    use super::{Commitment, Commitments, FieldId};
    use crate::codec::Decoder;
    use crate::{Digest, Field, StatementError as E};
    use alloc::{string::String, vec::Vec};

    record! {
        /// A private value and what opens its commitment.
        pub struct Disclosure {
            /// Leaf hash of the entry that holds the commitment.
            1 entry: [Digest],
            /// What the value is.
            2 field: [FieldId],
            /// The salt: 16 random bytes.
            3 salt: [[u8; 16]],
            /// The value.
            4 value: [String],
        }
    }

    impl Disclosure {
        /// The commitment this opens.
        pub fn commitment(&self) -> Commitment {
            Commitment::new(self.field, &self.salt, &self.value)
        }

        /// Whether the statement with this leaf hash committed to exactly this value.
        pub fn opens(&self, leaf_hash: &[u8; 32], commitments: &Commitments) -> bool {
            self.entry.0 == *leaf_hash
                && commitments.find(self.field) == Some(&self.commitment().digest)
        }
    }

    /// Disclosures in order of (entry, field), as they travel: one CBOR array.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct DisclosureSet(Vec<Disclosure>);

    impl DisclosureSet {
        /// Sorts; refuses two for one field of one entry.
        pub fn new(mut disclosures: Vec<Disclosure>) -> Result<Self, E> {
            disclosures.sort_by_key(|d| (d.entry, d.field));
            Self::ordered(disclosures)
        }

        fn ordered(disclosures: Vec<Disclosure>) -> Result<Self, E> {
            let ascending =
                |a: &Disclosure, b: &Disclosure| (a.entry, a.field) < (b.entry, b.field);
            if disclosures.is_sorted_by(ascending) {
                Ok(Self(disclosures))
            } else {
                Err(E::CommitmentsUnordered)
            }
        }

        /// All of them.
        pub fn as_slice(&self) -> &[Disclosure] {
            &self.0
        }

        /// Those of one entry.
        pub fn of(&self, leaf_hash: [u8; 32]) -> impl Iterator<Item = &Disclosure> {
            self.0.iter().filter(move |d| d.entry.0 == leaf_hash)
        }

        /// One CBOR array, empty or not.
        pub fn encode(&self) -> Result<Vec<u8>, E> {
            let mut out = Vec::new();
            crate::codec::head(&mut out, 4, self.0.len() as u64)?;
            self.0.iter().try_for_each(|d| d.encode(&mut out))?;
            Ok(out)
        }

        /// Reads what [`encode`](Self::encode) writes, and only that.
        pub fn parse(bytes: &[u8]) -> Result<Self, E> {
            let d = &mut Decoder::new(bytes);
            let count = d.list()?;
            let set: Result<Vec<_>, E> = (0..count).map(|_| Disclosure::decode(d)).collect();
            d.end()?;
            Self::ordered(set?)
        }
    }
}

#[cfg(feature = "json")]
mod json {
    use super::{Commitment, Commitments, FieldId};
    use crate::Digest;
    use crate::json::{Json, JsonError, Object};
    use alloc::vec::Vec;
    use serde_json::{Map, Value};

    impl Json for Commitments {
        fn to_json(&self) -> Value {
            let pairs = self.iter().map(|c| (c.field.name().into(), c.digest.to_json()));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
        fn from_json(value: &Value) -> Result<Self, JsonError> {
            let object = Object::new(value)?;
            let mut all = Vec::new();
            for (name, digest) in object.pairs() {
                let field = FieldId::from_name(name).ok_or(JsonError::UnknownName)?;
                all.push(Commitment { field, digest: Digest::from_json(digest)? });
            }
            all.sort_by_key(|c| c.field);
            Self::new(&all).map_err(JsonError::Statement)
        }
        fn form() -> alloc::string::String {
            alloc::format!("an object: {{{}: 64 lowercase hex digits, ...}}", FieldId::form())
        }
    }
}
