//! Which statements a question depends on: one gatherer, over the log itself, its view, or a scan.
//!
//! ```text
//! release 8fa9… ─▶ later steps, approvals, authorisations, remarks, and what names those
//!               ─▶ every release of the same bytes, and what is said of those
//!               ─▶ releases of the same version
//! each signer   ─▶ every Trust statement about its key, and so on up to the genesis
//! always        ─▶ genesis, policies, Trust about administrators, each manufacturer's first key
//! ```
//!
//! In scope: the set of entries. Out of scope: finding them, which is a [`Source`]'s, believing
//! them (`report`).
//!
//! Invariants:
//! - The set depends on the question and the log alone: asked and scanned bundles are equal.
//! - Nothing is left out in silence: what does not fit is [`GatherError::TooMany`].

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use firmlog_statement::event::EventType;
use firmlog_statement::{
    DeviceId, Digest, Kind, Parsed, Release, Role, Statement, Thumbprint, TrustAction,
};
use firmlog_tlog::merkle::{Hash, LeafIndex};

use crate::bundle::Entry;
use crate::report::Question;

/// What entries are looked for by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// Those that every question depends on: [`Everybody`] says which.
    Everybody,
    /// `Trust` statements about this key.
    Trust(Thumbprint),
    /// The statement with this leaf hash, wherever it stands.
    Leaf(Hash),
    /// Releases, approvals, authorisations and annotations that name this statement, as what they
    /// are about or as what they take the place of.
    About(Hash),
    /// Releases that begin with this image, and what withdraws any of it.
    Image([u8; 32]),
    /// Releases that begin with this version code, by an issuer of this name.
    Version(String, u64),
    /// Updates of this device.
    Device(DeviceId),
}

/// Something that holds a log's entries and finds some of them.
pub trait Source {
    /// Why it cannot.
    type Error;

    /// An entry's bytes; none if it is no longer kept.
    ///
    /// # Errors
    /// Storage or network.
    fn entry(&mut self, index: LeafIndex) -> Result<Option<Vec<u8>>, Self::Error>;

    /// The proof that an entry is in the tree that the bundle is under.
    ///
    /// # Errors
    /// Storage or network.
    fn path(&mut self, index: LeafIndex) -> Result<Vec<Hash>, Self::Error>;

    /// The entries of that tree that fit, all of them.
    ///
    /// # Errors
    /// Storage or network.
    fn find(&mut self, wanted: &Wanted) -> Result<Vec<LeafIndex>, Self::Error>;
}

/// Why a bundle was not gathered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatherError<E> {
    /// The source failed.
    Source(E),
    /// It would have more entries than may be in one.
    TooMany {
        /// The most.
        most: usize,
    },
}

impl<E> From<E> for GatherError<E> {
    fn from(error: E) -> Self {
        Self::Source(error)
    }
}

/// The entries that the answer to a question depends on, in the order of the log.
///
/// # Errors
/// [`GatherError`].
pub fn gather<S: Source>(
    source: &mut S,
    question: &Question,
    most: usize,
) -> Result<Vec<Entry>, GatherError<S::Error>> {
    let mut gathering = Gathering {
        source,
        todo: BTreeSet::new(),
        asked: BTreeSet::new(),
        passed: Vec::new(),
        most,
    };
    let mut subjects = Subjects::default();
    let first = match question {
        Question::Whole => Wanted::Everybody,
        Question::Device(device) => Wanted::Device(*device),
        Question::Release(leaf) => {
            subjects.leaves.insert(*leaf);
            Wanted::Leaf(*leaf)
        }
        Question::Image(image) => {
            subjects.images.insert(*image);
            Wanted::Image(*image)
        }
        Question::Statement(leaf) => Wanted::Leaf(*leaf),
    };
    gathering.want(first)?;
    gathering.want(Wanted::Everybody)?;
    let mut entries: BTreeMap<LeafIndex, Vec<u8>> = BTreeMap::new();
    loop {
        while let Some(index) = gathering.todo.pop_first() {
            if entries.contains_key(&index) {
                continue;
            }
            if entries.len() >= most {
                return Err(GatherError::TooMany { most });
            }
            // What a device said long ago may be gone; the gap in its chain tells.
            let Some(bytes) = gathering.source.entry(index)? else { continue };
            gathering.follow(index, &bytes, question, &mut subjects)?;
            entries.insert(index, bytes);
        }
        // A release that was read before it became a subject.
        for index in core::mem::take(&mut gathering.passed) {
            if let Some(bytes) = entries.get(&index) {
                gathering.follow(index, bytes, question, &mut subjects)?;
            }
        }
        if gathering.todo.is_empty() {
            break;
        }
    }
    let mut out = Vec::with_capacity(entries.len());
    for (index, bytes) in entries {
        let path = gathering.source.path(index)?;
        out.push(Entry { index, bytes, path });
    }
    Ok(out)
}

/// Releases whose standing the answer depends on.
#[derive(Default)]
struct Subjects {
    leaves: BTreeSet<Hash>,
    images: BTreeSet<[u8; 32]>,
}

struct Gathering<'s, S> {
    source: &'s mut S,
    todo: BTreeSet<LeafIndex>,
    asked: BTreeSet<Wanted>,
    /// Releases that are no subject, so far.
    passed: Vec<LeafIndex>,
    most: usize,
}

impl<S: Source> Gathering<'_, S> {
    fn want(&mut self, wanted: Wanted) -> Result<(), GatherError<S::Error>> {
        if self.asked.contains(&wanted) {
            return Ok(());
        }
        self.todo.extend(self.source.find(&wanted)?);
        self.asked.insert(wanted);
        if self.todo.len() > self.most {
            return Err(GatherError::TooMany { most: self.most });
        }
        Ok(())
    }

    /// Wants what an entry makes necessary.
    fn follow(
        &mut self,
        index: LeafIndex,
        bytes: &[u8],
        question: &Question,
        subjects: &mut Subjects,
    ) -> Result<(), GatherError<S::Error>> {
        let Ok(parsed) = Parsed::parse(bytes) else { return Ok(()) };
        self.want(Wanted::Trust(*parsed.kid()))?;
        if parsed.kind() != Kind::Update {
            // Wherever its bytes stand again: the first place counts, and the log is to blame.
            self.want(Wanted::Leaf(Hash(parsed.leaf_hash())))?;
        }
        match parsed.decode() {
            Ok(Statement::Trust(trust)) => {
                // A key that was rotated in is the holder's who had the old one.
                if let TrustAction::Rotate(rotate) = trust.action {
                    self.want(Wanted::Trust(rotate.old))?;
                    self.want(Wanted::Trust(rotate.new.thumbprint()))?;
                }
                Ok(())
            }
            Ok(Statement::Release(it)) => self.release(index, &parsed, &it, subjects),
            Ok(Statement::Approval(it)) => self.word(&parsed, it.release),
            Ok(Statement::Authorisation(it)) => self.word(&parsed, it.release),
            Ok(Statement::Update(update)) if asks_for(question, &update.device) => {
                if let Some(leaf) = update.release.map(|leaf| Hash(leaf.0)) {
                    subjects.leaves.insert(leaf);
                    self.want(Wanted::Leaf(leaf))?;
                }
                if update.image.0 != [0; 32] {
                    subjects.images.insert(update.image.0);
                    self.want(Wanted::Image(update.image.0))?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What forbids counts whatever statement about a release it names, and what it names has to be
    /// there: a withdrawal is about all of its bytes else.
    fn word(&mut self, parsed: &Parsed<'_>, named: Digest) -> Result<(), GatherError<S::Error>> {
        self.want(Wanted::About(Hash(parsed.leaf_hash())))?;
        self.want(Wanted::Leaf(Hash(named.0)))
    }

    fn release(
        &mut self,
        index: LeafIndex,
        parsed: &Parsed<'_>,
        release: &Release,
        subjects: &mut Subjects,
    ) -> Result<(), GatherError<S::Error>> {
        let leaf = Hash(parsed.leaf_hash());
        let is_subject =
            subjects.leaves.contains(&leaf) || subjects.images.contains(&release.image.0);
        if let Some(named) = release.release {
            return self.word(parsed, named);
        }
        if !is_subject {
            self.passed.push(index);
            return Ok(());
        }
        subjects.images.insert(release.image.0);
        self.want(Wanted::About(leaf))?;
        self.want(Wanted::Image(release.image.0))?;
        self.want(Wanted::Version(parsed.issuer().to_string(), release.version.0))
    }
}

fn asks_for(question: &Question, device: &DeviceId) -> bool {
    matches!(question, Question::Device(asked) if asked == device)
}

/// Which `Trust` statements every question depends on: the genesis, policies, those about
/// administrators, and those that enrolled a manufacturer's first key.
///
/// `Trust` statements are shown to it in the order of the log.
pub trait Everybody {
    /// Whether this key is, or was, an administrator's.
    fn is_admin(&mut self, kid: &Thumbprint) -> bool;
    /// Remembers an administrator's key.
    fn admin(&mut self, kid: Thumbprint);
    /// Whether no key of this manufacturer was enrolled before; from now on one was.
    fn is_new_manufacturer(&mut self, issuer: &str) -> bool;

    /// Whether a statement is one of them.
    fn concerns(&mut self, action: &TrustAction) -> bool {
        match action {
            TrustAction::Genesis(genesis) => {
                for key in &genesis.keys {
                    self.enrols(key.role, &key.issuer, key.key.thumbprint());
                }
                true
            }
            TrustAction::Policy(_) => true,
            TrustAction::Enrol(it) => self.enrols(it.role, &it.issuer, it.key.thumbprint()),
            TrustAction::Rotate(it) => {
                let admin = self.is_admin(&it.old);
                if admin {
                    self.admin(it.new.thumbprint());
                }
                admin
            }
            TrustAction::Revoke(it) => self.is_admin(&it.kid),
        }
    }

    /// Whether an enrolment is one of them.
    fn enrols(&mut self, role: Role, issuer: &str, kid: Thumbprint) -> bool {
        match role {
            Role::Admin => {
                self.admin(kid);
                true
            }
            Role::Manufacturer => self.is_new_manufacturer(issuer),
            _ => false,
        }
    }
}

/// The keys that a `Trust` statement is about.
#[must_use]
pub fn keys_of(action: &TrustAction) -> Vec<Thumbprint> {
    match action {
        TrustAction::Genesis(it) => it.keys.iter().map(|key| key.key.thumbprint()).collect(),
        TrustAction::Enrol(it) => [it.key.thumbprint()].into(),
        TrustAction::Rotate(it) => [it.old, it.new.thumbprint()].into(),
        TrustAction::Revoke(it) => [it.kid].into(),
        TrustAction::Policy(_) => Vec::new(),
    }
}

/// What one entry is found by: its keys in every view of a log. `Trust` statements are shown in the
/// order of the log; whatever is no statement is found by its leaf hash alone.
pub fn found_by(entry: &[u8], everybody: &mut impl Everybody) -> Vec<Wanted> {
    let Ok(parsed) = Parsed::parse(entry) else {
        return [Wanted::Leaf(firmlog_tlog::merkle::leaf_hash(entry))].into();
    };
    let mut out = Vec::from([Wanted::Leaf(Hash(parsed.leaf_hash()))]);
    if parsed.kind() == Kind::Update {
        out.extend(parsed.update_head().map(|head| Wanted::Device(head.device)));
        return out;
    }
    match parsed.decode() {
        Ok(Statement::Trust(trust)) => {
            out.extend(keys_of(&trust.action).into_iter().map(Wanted::Trust));
            if everybody.concerns(&trust.action) {
                out.push(Wanted::Everybody);
            }
        }
        Ok(Statement::Release(it)) => {
            out.extend(it.release.map(|begun| Wanted::About(Hash(begun.0))));
            if it.release.is_none() || withdraws(it.event) {
                out.push(Wanted::Image(it.image.0));
            }
            if it.release.is_none() {
                out.push(Wanted::Version(parsed.issuer().to_string(), it.version.0));
            }
        }
        Ok(Statement::Approval(it)) => out.extend(about(it.release, it.supersedes)),
        Ok(Statement::Authorisation(it)) => out.extend(about(it.release, it.authorisation)),
        Ok(Statement::Annotation(it)) => out.push(Wanted::About(Hash(it.subject.0))),
        _ => {}
    }
    out
}

/// Whether a step takes a release out of use: it is found by its image too.
#[must_use]
pub const fn withdraws(event: EventType) -> bool {
    crate::standing::withdraws(event)
}

fn about(release: Digest, replaced: Option<Digest>) -> impl Iterator<Item = Wanted> {
    let replaced = replaced.filter(|it| *it != release);
    [release].into_iter().chain(replaced).map(|leaf| Wanted::About(Hash(leaf.0)))
}

/// What is found by what, in memory: for who read every entry.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    places: BTreeMap<Wanted, Vec<LeafIndex>>,
    admins: BTreeSet<Thumbprint>,
    manufacturers: BTreeSet<String>,
}

impl Catalogue {
    /// Takes the next entry of the log.
    pub fn push(&mut self, index: LeafIndex, entry: &[u8]) {
        for wanted in found_by(entry, self) {
            self.places.entry(wanted).or_default().push(index);
        }
    }

    /// Where the entries are.
    #[must_use]
    pub fn find(&self, wanted: &Wanted) -> Vec<LeafIndex> {
        self.places.get(wanted).cloned().unwrap_or_default()
    }
}

impl Everybody for Catalogue {
    fn is_admin(&mut self, kid: &Thumbprint) -> bool {
        self.admins.contains(kid)
    }

    fn admin(&mut self, kid: Thumbprint) {
        self.admins.insert(kid);
    }

    fn is_new_manufacturer(&mut self, issuer: &str) -> bool {
        self.manufacturers.insert(issuer.to_string())
    }
}
