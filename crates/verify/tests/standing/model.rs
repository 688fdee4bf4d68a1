//! The rules of docs/spec/standing.md once more, written from the page: slow, with everything
//! decoded and the whole log at hand. The judge and this must never differ.

use std::collections::BTreeMap;

use firmlog_statement::event::EventType;
use firmlog_statement::{
    Meaning, Parsed, Release, RevokeReason, Role, Statement, Thumbprint, TrustAction,
};
use firmlog_tlog::merkle::Hash;

use crate::world::Log;

#[derive(Clone)]
struct Key {
    issuer: String,
    role: Role,
    issuers: Vec<String>,
    /// Places of the `Trust` statements that it rests on.
    rests_on: Vec<usize>,
}

/// What was said, in order; entries that the rules refuse are not in it.
pub(crate) struct Model {
    said: Vec<(usize, Hash, Thumbprint, Statement)>,
    /// What does not count, and may be named.
    ignored: Vec<(Hash, Statement)>,
    keys: BTreeMap<Thumbprint, Key>,
    first_manufacturer: Option<String>,
    /// Compromised keys, and from which index on.
    stolen: Vec<(Thumbprint, u64)>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) word: &'static str,
    pub(crate) usable: bool,
    pub(crate) approvals: usize,
    pub(crate) required: u8,
}

impl Model {
    pub(crate) fn new(log: &Log) -> Self {
        let mut model = Self {
            said: vec![],
            ignored: vec![],
            keys: BTreeMap::new(),
            first_manufacturer: None,
            stolen: vec![],
        };
        for (index, entry) in log.entries.iter().enumerate() {
            let parsed = Parsed::parse(entry).unwrap();
            if log.refused.contains(&index) {
                if let Ok(it) = parsed.decode()
                    && log.named.contains(&index)
                {
                    model.ignored.push((Hash(parsed.leaf_hash()), it));
                }
                continue;
            }
            let statement = parsed.decode().unwrap();
            if let Statement::Trust(it) = &statement {
                model.trust(index, &it.action);
            }
            model.said.push((index, Hash(parsed.leaf_hash()), *parsed.kid(), statement));
        }
        model
    }

    fn trust(&mut self, index: usize, action: &TrustAction) {
        let mut enrol = |it: &firmlog_statement::Enrol| {
            if it.role == Role::Manufacturer && self.first_manufacturer.is_none() {
                self.first_manufacturer = Some(it.issuer.clone());
            }
            let key = Key {
                issuer: it.issuer.clone(),
                role: it.role,
                issuers: it.issuers.clone(),
                rests_on: vec![index],
            };
            self.keys.insert(it.key.thumbprint(), key);
        };
        match action {
            TrustAction::Genesis(it) => it.keys.iter().for_each(&mut enrol),
            TrustAction::Enrol(it) => enrol(it),
            TrustAction::Rotate(it) => {
                let mut key = self.keys[&it.old].clone();
                key.rests_on.push(index);
                self.keys.insert(it.new.thumbprint(), key);
            }
            TrustAction::Revoke(it) if it.reason == RevokeReason::Compromised => {
                self.stolen.push((it.kid, it.from_entry.unwrap_or(0)));
            }
            TrustAction::Revoke(_) | TrustAction::Policy(_) => {}
        }
    }

    pub(crate) fn good(&self, kid: &Thumbprint, at: usize) -> bool {
        let stolen = self.stolen.iter().any(|(it, from)| it == kid && *from <= at as u64);
        let rests = |place: &usize| {
            // The genesis is pinned.
            *place == 0 || {
                let (_, _, by, _) = self.said.iter().find(|it| it.0 == *place).unwrap();
                self.good(by, *place)
            }
        };
        !stolen && self.keys[kid].rests_on.iter().all(rests)
    }

    fn required(&self) -> u8 {
        self.said.iter().fold(0, |before, (index, _, kid, statement)| {
            let Statement::Trust(it) = statement else { return before };
            match &it.action {
                TrustAction::Genesis(it) => it.approvals,
                TrustAction::Policy(it) => match it.approvals {
                    Some(asked) if self.good(kid, *index) => asked,
                    Some(asked) => asked.max(before),
                    None => before,
                },
                _ => before,
            }
        })
    }

    fn speaks_for(&self, kid: &Thumbprint, author: &str, forbids: bool) -> bool {
        let key = &self.keys[kid];
        if key.issuers.is_empty() {
            return forbids || self.first_manufacturer.as_deref() == Some(author);
        }
        key.issuers.iter().any(|it| it == author)
    }

    /// How many issuers approve, and whether a rejection stands.
    fn signatures(&self, release: &Hash, author: &str) -> (usize, bool) {
        let image = self.body(release).image;
        let mut newest: BTreeMap<&str, bool> = BTreeMap::new();
        let mut approval_of: BTreeMap<Hash, &str> = BTreeMap::new();
        let mut rejections: BTreeMap<Hash, &str> = BTreeMap::new();
        for (index, leaf, kid, statement) in &self.said {
            let Statement::Approval(it) = statement else { continue };
            let forbids = it.esig.meaning == Meaning::Rejection;
            if !self.speaks_for(kid, author, forbids) {
                continue;
            }
            let is_about = self.is_about(statement, release);
            let (issuer, good) = (&*self.keys[kid].issuer, self.good(kid, *index));
            if let Some(named) = it.supersedes.map(|named| Hash(named.0)) {
                let of_these = it.image.is_none_or(|it| it == image);
                let lifts = it.event == EventType::ReleaseApproved && of_these;
                if is_about && good && lifts && rejections.get(&named) == Some(&issuer) {
                    rejections.remove(&named);
                }
                if approval_of.get(&named) == Some(&issuer) && newest.contains_key(issuer) {
                    let current = approval_of.iter().rfind(|(_, by)| **by == issuer);
                    if current.is_some_and(|(leaf, _)| *leaf == named) {
                        newest.remove(issuer);
                    }
                }
            }
            match it.esig.meaning {
                _ if !is_about => {}
                // What permits nothing takes no place either.
                Meaning::Approval if good => {
                    let of_these = it.image.is_none_or(|it| it == image);
                    let approves = it.event == EventType::ReleaseApproved && of_these;
                    approval_of.retain(|_, by| *by != issuer);
                    approval_of.insert(*leaf, issuer);
                    newest.insert(issuer, approves && issuer != author);
                }
                Meaning::Rejection => {
                    newest.remove(issuer);
                    rejections.insert(*leaf, issuer);
                }
                _ => {}
            }
        }
        (newest.values().filter(|good| **good).count(), !rejections.is_empty())
    }

    /// What permits names the release; what forbids may name anything that was said of it, and a
    /// withdrawal the bytes alone.
    fn is_about(&self, statement: &Statement, release: &Hash) -> bool {
        use EventType::{ReleaseEndOfSupport, ReleaseRecalled, ReleaseSuspended};
        let (named, image, forbids) = match statement {
            Statement::Release(it) => {
                let withdraws =
                    [ReleaseEndOfSupport, ReleaseRecalled, ReleaseSuspended].contains(&it.event);
                (it.release, Some(it.image), withdraws)
            }
            Statement::Approval(it) => {
                (Some(it.release), None, it.esig.meaning == Meaning::Rejection)
            }
            _ => return false,
        };
        if named.is_some_and(|it| it.0 == release.0) {
            return true;
        }
        // A withdrawal that leads nowhere is about the bytes.
        forbids
            && self
                .leads_to(statement)
                .map_or_else(|| image == Some(self.body(release).image), |found| found == *release)
    }

    /// The release that a word leads to; none if the way ends elsewhere.
    fn leads_to(&self, statement: &Statement) -> Option<Hash> {
        let named = match statement {
            Statement::Release(it) => it.release?,
            Statement::Approval(it) => it.release,
            Statement::Authorisation(it) => it.release,
            _ => return None,
        };
        let said = self.said.iter().map(|(_, leaf, _, it)| (leaf, it));
        let mut all = said.chain(self.ignored.iter().map(|(leaf, it)| (leaf, it)));
        let (leaf, it) = all.find(|(leaf, _)| leaf.0 == named.0)?;
        match it {
            Statement::Release(it) if it.release.is_none() => {
                let begins = [EventType::ReleaseProposed, EventType::ReleasePublished];
                begins.contains(&it.event).then_some(*leaf)
            }
            it => self.leads_to(it),
        }
    }

    fn body(&self, release: &Hash) -> &Release {
        let begun = self.said.iter().find(|it| it.1 == *release).unwrap();
        let Statement::Release(body) = &begun.3 else { panic!("no release") };
        body
    }

    fn steps(&self, release: &Hash, author: &str) -> Life {
        let mut life = Life::default();
        let codes = |it: &Release| (it.image, it.version, it.counter);
        let begun = codes(self.body(release));
        for (index, leaf, kid, statement) in &self.said {
            let Statement::Release(it) = statement else { continue };
            let begins = leaf == release && it.release.is_none();
            if !begins && !self.is_about(statement, release) {
                continue;
            }
            let key = &self.keys[kid];
            let own = key.role == Role::Manufacturer && key.issuer == author;
            match it.event {
                EventType::ReleaseRecalled if own || key.role == Role::Admin => {
                    life.recalled = Some(*index);
                }
                EventType::ReleaseEndOfSupport if own || key.role == Role::Admin => {
                    life.ended = true;
                }
                EventType::ReleaseSuspended if own || key.role == Role::Admin => {
                    life.suspended = true;
                }
                EventType::ReleasePublished
                    if own && codes(it) == begun && self.good(kid, *index) =>
                {
                    (life.published, life.suspended) = (true, false);
                }
                _ => {}
            }
        }
        life
    }

    /// What the log says of a release.
    pub(crate) fn judge(&self, release: &Hash) -> Answer {
        let begun = self.said.iter().find(|it| it.1 == *release).unwrap();
        let (index, _, kid, _) = begun;
        let body = self.body(release);
        let author = &*self.keys[kid].issuer;
        let life = self.steps(release, author);
        let (approvals, rejected) = self.signatures(release, author);
        let required = self.required();
        let word = if life.recalled.is_some() {
            "recalled"
        } else if rejected {
            "rejected"
        } else if life.ended {
            "ended"
        } else if life.suspended {
            "suspended"
        } else if life.published {
            "published"
        } else if approvals > 0 && approvals >= usize::from(required) {
            "approved"
        } else {
            "proposed"
        };
        let usable = word == "published"
            && self.good(kid, *index)
            && approvals >= usize::from(required)
            && !self.bytes_recalled(release, &body.image.0, required);
        Answer { word, usable, approvals, required }
    }

    fn is_offered(&self, release: &Hash, author: &str, by: u8) -> bool {
        let (approvals, rejected) = self.signatures(release, author);
        let life = self.steps(release, author);
        let stopped = life.recalled.is_some() || life.ended || life.suspended;
        approvals >= usize::from(by) && !rejected && life.published && !stopped
    }

    /// Whether a release of a good key was published before this entry.
    fn was_published(&self, release: &Hash, author: &str, before: usize) -> bool {
        let codes = |it: &Release| (it.image, it.version, it.counter);
        let begun = codes(self.body(release));
        let good = |leaf: &Hash| {
            let (index, _, kid, _) = self.said.iter().find(|it| it.1 == *leaf).unwrap();
            self.good(kid, *index)
        };
        good(release)
            && self.said.iter().any(|(index, leaf, kid, statement)| {
                let Statement::Release(it) = statement else { return false };
                let of_it = leaf == release || it.release.map(|it| it.0) == Some(release.0);
                *index < before
                    && of_it
                    && it.event == EventType::ReleasePublished
                    && codes(it) == begun
                    && self.keys[kid].issuer == author
                    && self.keys[kid].role == Role::Manufacturer
                    && self.good(kid, *index)
            })
    }

    fn bytes_recalled(&self, of: &Hash, image: &[u8; 32], required: u8) -> bool {
        let begun = || {
            self.said.iter().filter_map(|(index, leaf, kid, statement)| match statement {
                Statement::Release(it)
                    if it.release.is_none()
                        && it.image.0 == *image
                        && [EventType::ReleaseProposed, EventType::ReleasePublished]
                            .contains(&it.event) =>
                {
                    Some((*index, *leaf, *kid, it))
                }
                _ => None,
            })
        };
        let mut others = begun().filter(|it| it.1 != *of);
        others.any(|(began, other, kid, _)| {
            let Some(at) = self.steps(&other, &self.keys[&kid].issuer).recalled else {
                return false;
            };
            !begun().any(|(index, leaf, kid, it)| {
                let (leaf, kid) = (&leaf, &kid);
                index > at
                    && it.supersedes.map(|named| named.0) == Some(other.0)
                    && begun().any(|(first, leaf, by, _)| {
                        let issuer = &*self.keys[&by].issuer;
                        let own = first == began || self.was_published(&leaf, issuer, began);
                        issuer == self.keys[kid].issuer && own
                    })
                    && self.good(kid, index)
                    && self.is_offered(leaf, &self.keys[kid].issuer, required.max(1))
            })
        })
    }
}

#[derive(Default)]
struct Life {
    recalled: Option<usize>,
    ended: bool,
    suspended: bool,
    published: bool,
}
