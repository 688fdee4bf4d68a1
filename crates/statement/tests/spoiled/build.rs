//! Taking a sound entry apart and putting it together otherwise.

use super::Spoiled;
use crate::samples;
use firmlog_statement::codec::{self, Decoder};
use firmlog_statement::{Parsed, Statement, StatementError};

/// The parts of an entry, each to be replaced.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) protected: Vec<u8>,
    pub(crate) unprotected: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl Parts {
    pub(crate) fn of(statement: &Statement) -> Self {
        let entry = samples::entry(statement);
        let parsed = Parsed::parse(&entry).unwrap();
        Self {
            protected: parsed.protected().to_vec(),
            unprotected: vec![0xa0],
            payload: parsed.payload().to_vec(),
            signature: parsed.signature().to_vec(),
        }
    }

    /// The sample of this name.
    pub(crate) fn sample(name: &str) -> Self {
        let all = samples::all();
        Self::of(&all.iter().find(|(found, _)| *found == name).unwrap().1)
    }

    pub(crate) fn entry(&self) -> Vec<u8> {
        let mut out = vec![0xd2, 0x84];
        codec::bytes(&mut out, &self.protected).unwrap();
        out.extend_from_slice(&self.unprotected);
        codec::bytes(&mut out, &self.payload).unwrap();
        codec::bytes(&mut out, &self.signature).unwrap();
        out
    }

    /// The entry with this payload.
    pub(crate) fn with(&self, payload: Vec<u8>) -> Vec<u8> {
        Self { payload, ..self.clone() }.entry()
    }
}

/// A map as keys and encoded values, in the order they are to be written.
#[derive(Clone)]
pub(crate) struct Pairs(pub(crate) Vec<(u64, Vec<u8>)>);

impl Pairs {
    pub(crate) fn of(map: &[u8]) -> Self {
        let d = &mut Decoder::new(map);
        let count = d.head(5).unwrap();
        Self((0..count).map(|_| (d.uint().unwrap(), d.skip().unwrap().to_vec())).collect())
    }

    /// Replaces or inserts, in order of keys.
    pub(crate) fn set(mut self, key: u64, value: &[u8]) -> Self {
        self.0.retain(|(found, _)| *found != key);
        self.0.push((key, value.to_vec()));
        self.0.sort();
        self
    }

    pub(crate) fn without(mut self, key: u64) -> Self {
        self.0.retain(|(found, _)| *found != key);
        self
    }

    pub(crate) fn map(&self) -> Vec<u8> {
        let mut out = Vec::new();
        codec::head(&mut out, 5, self.0.len() as u64).unwrap();
        for (key, value) in &self.0 {
            codec::uint(&mut out, *key).unwrap();
            out.extend_from_slice(value);
        }
        out
    }
}

/// A text string.
pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    codec::text(&mut out, text).unwrap();
    out
}

/// A byte string.
pub(crate) fn bytes(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    codec::bytes(&mut out, bytes).unwrap();
    out
}

/// An array of encoded items.
pub(crate) fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    codec::head(&mut out, 4, items.len() as u64).unwrap();
    out.extend(items.concat());
    out
}

pub(crate) fn bad(
    name: &'static str,
    rule: &'static str,
    expect: StatementError,
    entry: Vec<u8>,
) -> Spoiled {
    Spoiled { name, rule, expect, entry }
}
