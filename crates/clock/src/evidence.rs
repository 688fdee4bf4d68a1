//! Evidence of a time: what Roughtime servers signed, one over the other, in one small file.
//!
//! ```text
//! [1, over, named, [[name, key, random, sent, received, reply], …]]     deterministic CBOR
//!
//! nonce of exchange 0 = SHA-512(over ‖ random)[..32]
//! nonce of exchange i = SHA-512(reply i-1 ‖ random)[..32]
//! ```
//!
//! `over` is the SHA-256 of the device's statement before the one that names this file: the
//! replies are younger than that statement, and the statement that names the file's SHA-256 is
//! younger than the replies.
//!
//! In scope: the bytes, and their check offline ([`Evidence::check`]). Out of scope: which servers
//! to trust (the settings say), the statement (`firmlog-verify`).
//!
//! Invariants:
//! - `parse(x)?.encode() == x`, byte for byte; other spellings are refused.
//! - Nothing is believed of a server whose key the reader did not bring along.
//! - The names and moments in it are the device's word; signatures and their order are proof.

use std::path::{Path, PathBuf};

use firmlog_statement::codec::{self, Decoder};
use firmlog_statement::{Digest, StatementError};
use firmlog_verify::crypto::RustCrypto;
use sha2::Sha256;

use crate::agree::{Outcome, judge};
use crate::error::ClockError;
use crate::roughtime::reply::REPLY_MAX;
use crate::roughtime::{ReplyError, Signed, chained_nonce, verify_reply};
use crate::settings::Server;

/// The one version.
const VERSION: u64 = 1;
/// Two rounds over more servers than anybody names.
pub const EXCHANGES_MAX: usize = 64;
/// Longest name of a server, bytes.
pub const NAME_MAX: usize = 64;

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The server's name in the device's settings.
    pub name: String,
    /// Its long-term key.
    pub key: [u8; 32],
    /// What was mixed into the nonce.
    pub random: [u8; 32],
    /// Uptime when it was asked, milliseconds.
    pub sent_ms: u64,
    /// Uptime when its reply was there, milliseconds.
    pub received_ms: u64,
    /// The reply as it came.
    pub reply: Vec<u8>,
}

/// A chain of exchanges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What the first nonce is made over.
    pub over: Digest,
    /// How many servers were to be asked.
    pub named: u32,
    /// In the order in which they took place.
    pub exchanges: Vec<Exchange>,
}

/// What evidence proves to somebody who trusts these servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The time each exchange states.
    pub signed: Vec<Signed>,
    /// Majority and liars.
    pub outcome: Outcome,
    /// What follows from signatures alone, if most servers agree.
    pub bounds: Option<Bounds>,
}

/// What holds if one of the servers that agree is honest, whatever the device says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// What the evidence is over was there by then, seconds since 1970 UTC.
    pub over_by_s: u64,
    /// A statement that names the evidence was made after that, seconds since 1970 UTC.
    pub named_after_s: u64,
}

/// Why evidence proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// It is not the one spelling of such a file.
    #[error("it is not evidence of a time: {0:?}")]
    Form(StatementError),
    /// A version this program does not know.
    #[error("it has version {0}, and only 1 is known")]
    Version(u64),
    /// More exchanges than there can be, or none.
    #[error("it has {0} exchanges; expected 1 to {EXCHANGES_MAX}")]
    Count(usize),
    /// A name that is empty, too long, or has control characters.
    #[error("the name of exchange {0} is not one")]
    Name(usize),
    /// A reply came before it was asked for, or exchanges overlap.
    #[error("exchange {0} is out of order")]
    Order(usize),
    /// More servers than were named.
    #[error("it has replies of {replied} servers and names {named}")]
    Named {
        /// Servers with replies.
        replied: usize,
        /// Servers said to have been asked.
        named: u32,
    },
    /// A server that the reader does not know.
    #[error("exchange {0} is with a server whose key the settings do not have")]
    UnknownServer(usize),
    /// A reply that does not verify.
    #[error("reply {at}: {error}")]
    Reply {
        /// Its place.
        at: usize,
        /// The broken rule.
        error: ReplyError,
    },
}

use EvidenceError as E;

impl From<StatementError> for EvidenceError {
    fn from(error: StatementError) -> Self {
        Self::Form(error)
    }
}

impl Evidence {
    /// Reads the file's bytes.
    ///
    /// # Errors
    /// [`EvidenceError`] but for `UnknownServer` and `Reply`.
    pub fn parse(bytes: &[u8]) -> Result<Self, E> {
        let mut d = Decoder::new(bytes);
        items(&mut d, 4)?;
        match d.uint()? {
            VERSION => {}
            other => return Err(E::Version(other)),
        }
        let over = Digest(*d.array()?);
        let named = u32::try_from(d.uint()?).map_err(|_| StatementError::NumberRange)?;
        let count = d.list()?;
        if count == 0 || count > EXCHANGES_MAX {
            return Err(E::Count(count));
        }
        let exchanges = (0..count).map(|at| exchange(&mut d, at)).collect::<Result<Vec<_>, _>>()?;
        d.end()?;
        let evidence = Self { over, named, exchanges };
        evidence.check_form()?;
        Ok(evidence)
    }

    /// The file's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // A vector takes whatever is put into it.
        self.put(&mut out).ok();
        out
    }

    fn put(&self, out: &mut Vec<u8>) -> Result<(), StatementError> {
        codec::head(out, 4, 4)?;
        codec::uint(out, VERSION)?;
        codec::bytes(out, &self.over.0)?;
        codec::uint(out, self.named.into())?;
        codec::head(out, 4, self.exchanges.len() as u64)?;
        for exchange in &self.exchanges {
            codec::head(out, 4, 6)?;
            codec::text(out, &exchange.name)?;
            codec::bytes(out, &exchange.key)?;
            codec::bytes(out, &exchange.random)?;
            codec::uint(out, exchange.sent_ms)?;
            codec::uint(out, exchange.received_ms)?;
            codec::bytes(out, &exchange.reply)?;
        }
        Ok(())
    }

    /// What a statement names.
    pub fn digest(&self) -> Digest {
        digest(&self.encode())
    }

    /// The nonce of the exchange at this place.
    pub fn nonce(&self, at: usize) -> [u8; 32] {
        let before = at.checked_sub(1).and_then(|at| self.exchanges.get(at));
        let before = before.map_or(&self.over.0[..], |exchange| &exchange.reply);
        let random = self.exchanges.get(at).map_or([0; 32], |exchange| exchange.random);
        chained_nonce(before, &random)
    }

    /// Checks every signature and the chain, without any network, and judges.
    ///
    /// # Errors
    /// [`EvidenceError`] at the first thing that does not hold.
    pub fn check(&self, servers: &[Server]) -> Result<Checked, E> {
        self.check_form()?;
        let mut verified = Vec::with_capacity(self.exchanges.len());
        for (at, exchange) in self.exchanges.iter().enumerate() {
            let known = servers.iter().find(|server| server.key == exchange.key);
            let known = known.ok_or(E::UnknownServer(at))?;
            let signed = verify_reply(&exchange.key, &self.nonce(at), &exchange.reply, &RustCrypto)
                .map_err(|error| E::Reply { at, error })?;
            // The reader's name for that key counts, not the device's.
            verified.push((Exchange { name: known.name.clone(), ..exchange.clone() }, signed));
        }
        let named = usize::try_from(self.named).unwrap_or(usize::MAX);
        let outcome = judge(&verified, named);
        let bounds = bounds(&verified, &outcome);
        let signed = verified.iter().map(|(_, signed)| *signed).collect();
        Ok(Checked { signed, outcome, bounds })
    }

    /// What no signature is needed for.
    fn check_form(&self) -> Result<(), E> {
        let count = self.exchanges.len();
        if count == 0 || count > EXCHANGES_MAX {
            return Err(E::Count(count));
        }
        let mut before_ms = 0;
        for (at, exchange) in self.exchanges.iter().enumerate() {
            let name = &exchange.name;
            if name.is_empty() || name.len() > NAME_MAX || name.chars().any(char::is_control) {
                return Err(E::Name(at));
            }
            if exchange.sent_ms < before_ms || exchange.received_ms < exchange.sent_ms {
                return Err(E::Order(at));
            }
            before_ms = exchange.received_ms;
        }
        let mut keys: Vec<&[u8; 32]> = self.exchanges.iter().map(|it| &it.key).collect();
        keys.sort_unstable();
        keys.dedup();
        match usize::try_from(self.named) {
            Ok(named) if named < keys.len() => {
                Err(E::Named { replied: keys.len(), named: self.named })
            }
            _ => Ok(()),
        }
    }

    /// Writes the file into `folder`, durably, under its digest: `5f3a….time`.
    ///
    /// # Errors
    /// `Io`.
    pub fn keep(&self, folder: &Path) -> Result<PathBuf, ClockError> {
        let path = folder.join(format!("{}.time", self.digest()));
        let new = folder.join(format!("{}.new", self.digest()));
        let write = || {
            std::fs::write(&new, self.encode())?;
            std::fs::File::open(&new)?.sync_all()?;
            std::fs::rename(&new, &path)?;
            std::fs::File::open(folder)?.sync_all()
        };
        match write() {
            Ok(()) => Ok(path),
            Err(source) => Err(ClockError::Io { action: "write", path, source }),
        }
    }
}

/// Each server saw what the evidence is over before it first signed, and signed last before a
/// statement could name the evidence. One of them is honest: the weakest of these holds.
fn bounds(verified: &[(Exchange, Signed)], outcome: &Outcome) -> Option<Bounds> {
    let Outcome::Agreed { servers, .. } = outcome else { return None };
    let seconds = |name: &str, of: fn(&Signed) -> u64| -> Vec<u64> {
        let own = verified.iter().filter(|(exchange, _)| exchange.name == name);
        own.map(|(_, signed)| of(signed)).collect()
    };
    let first = |name: &String| seconds(name, Signed::latest_s).into_iter().min();
    let last = |name: &String| seconds(name, Signed::earliest_s).into_iter().max();
    let over_by_s = servers.iter().filter_map(first).max()?;
    let named_after_s = servers.iter().filter_map(last).min()?;
    Some(Bounds { over_by_s, named_after_s })
}

/// SHA-256.
pub fn digest(bytes: &[u8]) -> Digest {
    Digest(<Sha256 as sha2::Digest>::digest(bytes).into())
}

fn exchange(d: &mut Decoder<'_>, at: usize) -> Result<Exchange, E> {
    items(d, 6)?;
    let name = d.text()?.to_owned();
    let (key, random) = (*d.array()?, *d.array()?);
    let (sent_ms, received_ms) = (d.uint()?, d.uint()?);
    let reply = d.bytes()?.to_vec();
    if reply.len() > REPLY_MAX {
        return Err(E::Reply { at, error: ReplyError::TooLong });
    }
    Ok(Exchange { name, key, random, sent_ms, received_ms, reply })
}

fn items(d: &mut Decoder<'_>, expected: usize) -> Result<(), E> {
    if d.list()? == expected { Ok(()) } else { Err(E::Form(StatementError::FixedLength)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence() -> Evidence {
        let exchange = |name: &str, at: u64| Exchange {
            name: name.into(),
            key: [at as u8; 32],
            random: [7; 32],
            sent_ms: at * 10,
            received_ms: at * 10 + 3,
            reply: vec![at as u8; 40],
        };
        Evidence {
            over: Digest([9; 32]),
            named: 3,
            exchanges: vec![exchange("a", 1), exchange("b", 2)],
        }
    }

    /// TIM-030.
    #[test]
    fn there_is_one_spelling() {
        let bytes = evidence().encode();
        assert_eq!(Evidence::parse(&bytes).unwrap(), evidence());
        for end in 0..bytes.len() {
            assert!(Evidence::parse(&bytes[..end]).is_err());
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Evidence::parse(&longer), Err(E::Form(StatementError::TrailingBytes)));
    }

    /// TIM-031.
    #[test]
    fn what_cannot_be_is_refused_by_name() {
        type Break = fn(&mut Evidence);
        let cases: [(Break, E); 6] = [
            (|it| it.exchanges.clear(), E::Count(0)),
            (|it| it.exchanges[1].name = String::new(), E::Name(1)),
            (|it| it.exchanges[0].name = "a\n".into(), E::Name(0)),
            (|it| it.exchanges[1].sent_ms = 12, E::Order(1)),
            (|it| it.exchanges[0].received_ms = 9, E::Order(0)),
            (|it| it.named = 1, E::Named { replied: 2, named: 1 }),
        ];
        for (spoil, expected) in cases {
            let mut it = evidence();
            spoil(&mut it);
            assert_eq!(Evidence::parse(&it.encode()), Err(expected));
        }
    }

    /// TIM-022.
    #[test]
    fn each_nonce_is_over_what_came_before() {
        let it = evidence();
        assert_eq!(it.nonce(0), chained_nonce(&[9; 32], &[7; 32]));
        assert_eq!(it.nonce(1), chained_nonce(&[1; 40], &[7; 32]));
    }
}
