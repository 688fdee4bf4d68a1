//! The one headline of a report: what it comes to, in words, before anything else is said.

use alloc::format;
use alloc::string::{String, ToString as _};

use super::{DeviceStanding, Question, Released, Report, Verdict};
use crate::finding::Against;
use crate::standing::{Blocker, Standing};

impl Report {
    /// What it comes to, in one line: misbehaviour before standing, standing before the verdict.
    #[must_use]
    pub fn headline(&self) -> String {
        let verdict = || self.verdict.word().to_uppercase();
        if self.verdict >= Verdict::CannotCheck {
            return match self.mismatches.first() {
                Some(first) => format!("{}: {}", verdict(), first.object),
                None => verdict(),
            };
        }
        if let Some(first) = self.findings.iter().find(|it| it.evidence.is_misbehaviour()) {
            let whom = match first.evidence.kind().against() {
                Against::Device => "THE DEVICE",
                _ => "THE LOG",
            };
            return format!("DO NOT TRUST {whom}: {}", first.evidence);
        }
        let compromised = self.holds_compromised().then_some(DeviceStanding::Compromised);
        if let Some(headline) = self.device.or(compromised).and_then(DeviceStanding::headline) {
            return headline.to_string();
        }
        if let Some(all) = self.of_whole() {
            return all;
        }
        match self.release().and_then(|it| Some((it, it.standing.blocker?))) {
            Some((it, blocker)) => against(it, blocker),
            None => verdict(),
        }
    }

    /// Of a whole bundle, that it holds a release that may not be used.
    fn of_whole(&self) -> Option<String> {
        let first = self.forbidden().next().filter(|_| self.question == Question::Whole)?;
        let (why, all) = (first.headline()?, self.releases.len());
        Some(match all {
            1 => why,
            _ => format!("{} OF {all} RELEASES NOT TO BE USED: {why}", self.forbidden().count()),
        })
    }

    /// What was asked, in words.
    #[must_use]
    pub const fn asked(&self) -> &'static str {
        match self.question {
            Question::Whole => "is all of this sound?",
            Question::Device(_) => "what happened to this device?",
            Question::Release(_) => "may this release be used?",
            Question::Image(_) => "is this file a release that may be used?",
            Question::Statement(_) => "did somebody say this?",
        }
    }
}

impl DeviceStanding {
    /// Why the device is not to be trusted, in one line; none if nothing says so.
    #[must_use]
    pub const fn headline(self) -> Option<&'static str> {
        match self {
            Self::Forked => Some("DO NOT TRUST THE DEVICE: its chain has more than one branch"),
            Self::Compromised => {
                Some("DO NOT TRUST THE DEVICE: the key behind one of its statements is compromised")
            }
            Self::InService | Self::Decommissioned => None,
        }
    }
}

impl Released {
    /// Why it may not be used, in one line; none if it may.
    #[must_use]
    pub fn headline(&self) -> Option<String> {
        self.standing.blocker.map(|blocker| against(self, blocker))
    }
}

fn against(it: &Released, blocker: Blocker) -> String {
    let since = it.standing.since;
    match blocker {
        Blocker::Withdrawn(Standing::Suspended) => {
            format!("SUSPENDED by entry {since}: do not install it for now")
        }
        Blocker::Withdrawn(Standing::Ended) => {
            format!("ENDED by entry {since}: it is no longer supported")
        }
        Blocker::Withdrawn(_) => format!("RECALLED by entry {since}: do not use it"),
        Blocker::Rejected(at) => format!("REJECTED by entry {at}: do not use it"),
        Blocker::SignerCompromised => {
            "DO NOT USE IT: the key that signed it, or one behind that key, is compromised".into()
        }
        Blocker::BytesRecalled(other) => {
            format!("DO NOT USE IT: release {other} of the same bytes was recalled")
        }
        Blocker::NotPublished => "NOT PUBLISHED: it was proposed, and nobody offered it".into(),
        Blocker::ApprovalsMissing => {
            let (got, asked) = (it.standing.approvals, it.standing.required);
            format!("NOT APPROVED YET: {got} of {asked} approvals")
        }
    }
}
