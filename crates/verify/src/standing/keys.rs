//! Who signed what, found again in the `Trust` statements each time it is asked.
//!
//! ```text
//! kid ─▶ rotated in by entry 9 for another ─▶ that one enrolled by entry 4: key, issuer, role
//! ```
//!
//! A device has no room for a table of keys, and evidence has few `Trust` statements: walking them
//! again costs a thousandth of what a signature costs. The rules are those of `registry`; a test
//! runs both over the same bundles.

use firmlog_statement::codec::Decoder;
use firmlog_statement::{Field, Kind, Parsed, PublicKey, RevokeReason, Role, Thumbprint};
use firmlog_tlog::merkle::LeafIndex;

use super::book::{Book, Proven, Texts};

/// A key where a statement has it: decoded it takes three times the stack.
#[derive(Clone)]
pub(crate) struct Written<'a>(Decoder<'a>);

impl Written<'_> {
    pub(crate) fn decode(&self) -> Option<PublicKey> {
        PublicKey::decode(&mut self.0.clone()).ok()
    }

    #[inline(never)]
    fn thumbprint(&self) -> Option<Thumbprint> {
        self.decode().map(|key| key.thumbprint())
    }

    fn is(&self, kid: &Thumbprint) -> bool {
        self.thumbprint().is_some_and(|own| own == *kid)
    }
}

/// A key, and whose it is.
#[derive(Clone)]
pub(crate) struct Enrolled<'a> {
    pub(crate) key: Written<'a>,
    pub(crate) issuer: &'a str,
    pub(crate) role: Role,
    /// Issuers that it may approve and authorise for; none are named as a rule.
    pub(crate) issuers: Option<Texts<'a>>,
}

/// What one `Trust` statement does.
#[derive(Clone)]
pub(crate) enum Action<'a> {
    /// Begins the log with these keys.
    Genesis {
        keys: Decoder<'a>,
        count: usize,
    },
    Enrol(Enrolled<'a>),
    Rotate {
        old: Thumbprint,
        new: Written<'a>,
    },
    /// Ends a key; a compromised one is not believed from this index on.
    Revoke {
        kid: Thumbprint,
        from: Option<LeafIndex>,
    },
    Policy,
}

/// The first `Trust` statements of a book.
pub(crate) struct Keys<'b, B> {
    book: &'b B,
    before: usize,
}

impl<'b, B: Book> Keys<'b, B> {
    pub(crate) const fn all(book: &'b B) -> Self {
        Self::before(book, usize::MAX)
    }

    /// Those before this place among the `Trust` statements.
    pub(crate) const fn before(book: &'b B, before: usize) -> Self {
        Self { book, before }
    }

    fn actions(&self) -> impl Iterator<Item = (usize, Action<'b>)> + use<'b, B> {
        let all = self.book.trusts().take(self.before).enumerate();
        all.filter_map(|(place, it)| Some((place, Action::read(&it.parsed)?)))
    }

    /// The key of this thumbprint, current or not.
    #[inline(never)]
    pub(crate) fn find(&self, kid: &Thumbprint) -> Option<Enrolled<'b>> {
        let (mut kid, mut before, mut key) = (*kid, self.before, None);
        loop {
            // Each turn looks at fewer statements than the one before.
            let place = Self::before(self.book, before).introduced(&kid)?;
            let trust = self.book.trusts().nth(place)?;
            match Action::read(&trust.parsed)?.introduces(&kid)? {
                Found::Enrolled(it) => {
                    return Some(Enrolled { key: key.unwrap_or(it.key), ..it });
                }
                Found::Rotated { old, new } => {
                    key = key.or(Some(new));
                    (kid, before) = (old, place);
                }
            }
        }
    }

    /// The place of the statement that brought this key in.
    #[inline(never)]
    pub(crate) fn introduced(&self, kid: &Thumbprint) -> Option<usize> {
        let brings = |it: Proven<'_>| {
            Action::read(&it.parsed).is_some_and(|action| action.introduces(kid).is_some())
        };
        self.book.trusts().take(self.before).position(brings)
    }

    /// Whether it was revoked or rotated out.
    #[inline(never)]
    pub(crate) fn is_ended(&self, kid: &Thumbprint) -> bool {
        self.actions().any(|(_, action)| match action {
            Action::Revoke { kid: ended, .. } | Action::Rotate { old: ended, .. } => ended == *kid,
            _ => false,
        })
    }

    /// The issuer that a key judges for whose enrolment names none: the one manufacturer that was
    /// enrolled with it or before. A later one is not meant: the first may have been left out.
    #[inline(never)]
    pub(crate) fn judges_for(&self, kid: &Thumbprint) -> Option<&'b str> {
        let (mut kid, mut before) = (*kid, self.before);
        loop {
            let place = Self::before(self.book, before).introduced(&kid)?;
            let trust = self.book.trusts().nth(place)?;
            match Action::read(&trust.parsed)? {
                Action::Rotate { old, .. } => (kid, before) = (old, place),
                _ => {
                    let then = Self::before(self.book, place.saturating_add(1));
                    return then.manufacturer().ok()?;
                }
            }
        }
    }

    /// Whether an approver or authoriser is enrolled for nobody by name where there are several
    /// manufacturers.
    fn is_for_nobody(&self, it: &Enrolled<'_>) -> bool {
        let judges = matches!(it.role, Role::Approver | Role::Authoriser);
        judges && it.issuers.is_none() && self.manufacturer().is_err()
    }

    /// The manufacturer, if there is one; an error if there are several.
    #[inline(never)]
    fn manufacturer(&self) -> Result<Option<&'b str>, ()> {
        let mut one = None;
        for (_, action) in self.actions() {
            for it in action.enrols().filter(|it| it.role == Role::Manufacturer) {
                if *one.get_or_insert(it.issuer) != it.issuer {
                    return Err(());
                }
            }
        }
        Ok(one)
    }

    /// Whether a `Trust` statement may follow these, as far as they alone can tell.
    #[inline(never)]
    pub(crate) fn allow(&self, action: &Action<'_>) -> bool {
        let is_known = |kid: &Thumbprint| self.introduced(kid).is_some();
        let is_new = |key: &Written<'_>| key.thumbprint().is_some_and(|kid| !is_known(&kid));
        match action {
            Action::Genesis { .. } => false,
            Action::Enrol(it) => is_new(&it.key) && !self.is_for_nobody(it),
            Action::Rotate { old, new } => is_known(old) && !self.is_ended(old) && is_new(new),
            // That an ended key is compromised may be found later, and that it was so earlier.
            Action::Revoke { kid, from } => {
                is_known(kid) && (!self.is_ended(kid) || from.is_some())
            }
            Action::Policy => true,
        }
    }
}

enum Found<'a> {
    Enrolled(Enrolled<'a>),
    Rotated { old: Thumbprint, new: Written<'a> },
}

impl<'a> Action<'a> {
    pub(crate) fn read(parsed: &Parsed<'a>) -> Option<Self> {
        if parsed.kind() != Kind::Trust {
            return None;
        }
        let mut d = parsed.field(32)?;
        d.list().ok()?;
        match d.uint().ok()? {
            0 => {
                let mut keys = field(&d, 5)?;
                let count = keys.list().ok()?;
                Some(Self::Genesis { keys, count })
            }
            1 => enrolled(&mut d).map(Self::Enrol),
            2 => {
                let old = Thumbprint::decode(&mut field(&d, 1)?).ok()?;
                let new = Written(field(&d, 2)?);
                Some(Self::Rotate { old, new })
            }
            3 => {
                let kid = Thumbprint::decode(&mut field(&d, 1)?).ok()?;
                let reason = RevokeReason::decode(&mut field(&d, 2)?).ok()?;
                let compromised = reason == RevokeReason::Compromised;
                let from = field(&d, 5).and_then(|mut d| d.uint().ok()).unwrap_or_default();
                Some(Self::Revoke { kid, from: compromised.then_some(LeafIndex(from)) })
            }
            4 => Some(Self::Policy),
            _ => None,
        }
    }

    /// The key that a statement says is compromised, and from where on.
    pub(crate) fn compromises(parsed: &Parsed<'a>) -> Option<(Thumbprint, LeafIndex)> {
        match Self::read(parsed)? {
            Self::Revoke { kid, from } => from.map(|from| (kid, from)),
            _ => None,
        }
    }

    /// The approvals that a genesis or a policy asks for.
    pub(crate) fn approvals(parsed: &Parsed<'a>) -> Option<u8> {
        if parsed.kind() != Kind::Trust {
            return None;
        }
        let mut d = parsed.field(32)?;
        d.list().ok()?;
        let key = match d.uint().ok()? {
            0 => 4,
            4 => 2,
            _ => return None,
        };
        u8::decode(&mut field(&d, key)?).ok()
    }

    /// The first key of a genesis, which must have signed it.
    pub(crate) fn first(&self) -> Option<Enrolled<'a>> {
        match self {
            Self::Genesis { .. } => self.enrols().next(),
            _ => None,
        }
    }

    /// The keys that it enrols.
    fn enrols(&self) -> impl Iterator<Item = Enrolled<'a>> + use<'a> {
        let (keys, one) = match self {
            Self::Genesis { keys, count } => (Some((keys.clone(), *count)), None),
            Self::Enrol(it) => (None, Some(it.clone())),
            _ => (None, None),
        };
        let listed = keys
            .into_iter()
            .flat_map(|(mut d, count)| (0..count).map_while(move |_| enrolled(&mut d)));
        listed.chain(one)
    }

    fn introduces(&self, kid: &Thumbprint) -> Option<Found<'a>> {
        match self {
            Self::Rotate { old, new } if new.is(kid) => {
                Some(Found::Rotated { old: *old, new: new.clone() })
            }
            _ => self.enrols().find(|it| it.key.is(kid)).map(Found::Enrolled),
        }
    }
}

/// Reads one enrolment, and goes behind it.
fn enrolled<'a>(d: &mut Decoder<'a>) -> Option<Enrolled<'a>> {
    let key = Written(field(d, 1)?);
    let issuer = field(d, 2)?.text().ok()?;
    let role = Role::decode(&mut field(d, 3)?).ok()?;
    let issuers = field(d, 11).and_then(Texts::new);
    d.skip().ok()?;
    Some(Enrolled { key, issuer, role, issuers })
}

/// The value of a key in the map that comes next.
pub(crate) fn field<'a>(d: &Decoder<'a>, own: u64) -> Option<Decoder<'a>> {
    d.clone().find(own).ok()?
}
