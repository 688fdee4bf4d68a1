//! Who signed what, found again in the `Trust` statements of a bundle each time it is asked.
//!
//! ```text
//! kid ─▶ rotated in by entry 9 for another ─▶ that one enrolled by entry 4: key, issuer, role
//! ```
//!
//! A device has no room for a table of keys, and a bundle has few `Trust` statements: walking them
//! again costs a thousandth of what a signature costs. The rules are those of `registry`; a test
//! runs both over the same bundles.

use firmlog_statement::codec::Decoder;
use firmlog_statement::{Field, Kind, Parsed, PublicKey, Role, Thumbprint};
use firmlog_tlog::merkle::Hash;

use super::file::File;

/// A key, and whose it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Enrolled<'a> {
    pub(super) key: PublicKey,
    pub(super) issuer: &'a str,
    pub(super) role: Role,
}

/// What one `Trust` statement does.
#[derive(Clone)]
pub(super) enum Action<'a> {
    /// Begins the log: approvals that a release needs, and the keys.
    Genesis {
        approvals: u8,
        keys: Decoder<'a>,
        count: usize,
    },
    Enrol(Enrolled<'a>),
    Rotate {
        old: Thumbprint,
        new: PublicKey,
    },
    Revoke(Thumbprint),
    Policy {
        approvals: Option<u8>,
    },
}

/// The `Trust` statements before the entry at a place of the file.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a> {
    file: File<'a>,
    before: usize,
}

impl<'a> Keys<'a> {
    pub(super) const fn before(file: File<'a>, before: usize) -> Self {
        Self { file, before }
    }

    fn actions(&self) -> impl Iterator<Item = (usize, Action<'a>)> + use<'a> {
        let entries = self.file.entries().take(self.before).enumerate();
        entries.filter_map(|(place, entry)| {
            let parsed = Parsed::parse(entry.bytes).ok()?;
            Some((place, Action::read(&parsed)?))
        })
    }

    /// The key of this thumbprint, current or not.
    pub(super) fn find(&self, kid: &Thumbprint) -> Option<Enrolled<'a>> {
        let (mut kid, mut keys, mut key) = (*kid, *self, None);
        loop {
            // Each turn looks at fewer entries than the one before.
            match keys.introduced(&kid)? {
                (_, Found::Enrolled(it)) => {
                    return Some(Enrolled { key: key.unwrap_or(it.key), ..it });
                }
                (place, Found::Rotated { old, new }) => {
                    key = key.or(Some(new));
                    (kid, keys.before) = (old, place);
                }
            }
        }
    }

    fn introduced(&self, kid: &Thumbprint) -> Option<(usize, Found<'a>)> {
        self.actions().find_map(|(place, action)| Some((place, action.introduces(kid)?)))
    }

    /// Whether it was revoked or rotated out.
    pub(super) fn is_ended(&self, kid: &Thumbprint) -> bool {
        self.actions().any(|(_, action)| match action {
            Action::Revoke(ended) | Action::Rotate { old: ended, .. } => ended == *kid,
            _ => false,
        })
    }

    /// Whether it signed one of these statements.
    pub(super) fn signed(&self, kid: &Thumbprint, leaf: &Hash) -> bool {
        self.file.entries().take(self.before).any(|entry| {
            Parsed::parse(entry.bytes).is_ok_and(|it| it.kid() == kid && it.leaf_hash() == leaf.0)
        })
    }

    /// Whether it was revoked.
    pub(super) fn is_revoked(&self, kid: &Thumbprint) -> bool {
        self.actions().any(|(_, action)| matches!(action, Action::Revoke(it) if it == *kid))
    }

    /// Every key that was revoked.
    pub(super) fn revoked(&self) -> impl Iterator<Item = Thumbprint> + use<'a> {
        self.actions().filter_map(|(_, action)| match action {
            Action::Revoke(kid) => Some(kid),
            _ => None,
        })
    }

    /// How many issuers must have approved.
    pub(super) fn approvals(&self) -> u8 {
        let said = self.actions().filter_map(|(_, action)| match action {
            Action::Genesis { approvals, .. } => Some(approvals),
            Action::Policy { approvals } => approvals,
            _ => None,
        });
        said.last().unwrap_or(u8::MAX)
    }

    /// Whether a `Trust` statement may follow these.
    pub(super) fn allow(&self, action: &Action<'_>) -> bool {
        let is_current = |kid: &Thumbprint| self.find(kid).is_some() && !self.is_ended(kid);
        match action {
            Action::Genesis { .. } => false,
            Action::Enrol(it) => self.introduced(&it.key.thumbprint()).is_none(),
            Action::Rotate { old, new } => {
                is_current(old) && self.introduced(&new.thumbprint()).is_none()
            }
            Action::Revoke(kid) => is_current(kid),
            Action::Policy { .. } => true,
        }
    }
}

enum Found<'a> {
    Enrolled(Enrolled<'a>),
    Rotated { old: Thumbprint, new: PublicKey },
}

impl<'a> Action<'a> {
    pub(super) fn read(parsed: &Parsed<'a>) -> Option<Self> {
        if parsed.kind() != Kind::Trust {
            return None;
        }
        let mut d = parsed.field(32)?;
        d.list().ok()?;
        match d.uint().ok()? {
            0 => genesis(d),
            1 => enrolled(&mut d).map(Self::Enrol),
            2 => {
                let old = Thumbprint::decode(&mut field(&d, 1)?).ok()?;
                let new = PublicKey::decode(&mut field(&d, 2)?).ok()?;
                Some(Self::Rotate { old, new })
            }
            3 => Thumbprint::decode(&mut field(&d, 1)?).ok().map(Self::Revoke),
            4 => {
                let approvals = field(&d, 2).and_then(|mut d| u8::decode(&mut d).ok());
                Some(Self::Policy { approvals })
            }
            _ => None,
        }
    }

    /// The first key of a genesis, which must have signed it.
    pub(super) fn first(&self) -> Option<Enrolled<'a>> {
        match self {
            Self::Genesis { keys, .. } => enrolled(&mut keys.clone()),
            _ => None,
        }
    }

    fn introduces(&self, kid: &Thumbprint) -> Option<Found<'a>> {
        match self {
            Self::Genesis { keys, count, .. } => {
                let mut d = keys.clone();
                let mut each = (0..*count).map_while(|_| enrolled(&mut d));
                each.find(|it| it.key.thumbprint() == *kid).map(Found::Enrolled)
            }
            Self::Enrol(it) if it.key.thumbprint() == *kid => Some(Found::Enrolled(*it)),
            Self::Rotate { old, new } if new.thumbprint() == *kid => {
                Some(Found::Rotated { old: *old, new: *new })
            }
            _ => None,
        }
    }
}

fn genesis(d: Decoder<'_>) -> Option<Action<'_>> {
    let approvals = u8::decode(&mut field(&d, 4)?).ok()?;
    let mut keys = field(&d, 5)?;
    let count = keys.list().ok()?;
    Some(Action::Genesis { approvals, keys, count })
}

/// Reads one enrolment, and goes behind it.
fn enrolled<'a>(d: &mut Decoder<'a>) -> Option<Enrolled<'a>> {
    let key = PublicKey::decode(&mut field(d, 1)?).ok()?;
    let issuer = field(d, 2)?.text().ok()?;
    let role = Role::decode(&mut field(d, 3)?).ok()?;
    d.skip().ok()?;
    Some(Enrolled { key, issuer, role })
}

/// The value of a key in the map that comes next.
pub(super) fn field<'a>(d: &Decoder<'a>, own: u64) -> Option<Decoder<'a>> {
    d.clone().find(own).ok()?
}
