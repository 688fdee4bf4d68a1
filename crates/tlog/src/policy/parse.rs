//! Reading a policy file line by line, each rule where it can first be broken.

use super::*;
use crate::decimal;

/// Parses a policy file.
pub(super) fn parse(bytes: &[u8]) -> Result<Policy, PolicyError> {
    if bytes.len() > MAX_BYTES {
        return Err(PolicyError::TooLarge);
    }
    if bytes.iter().any(|b| (*b < 0x20 && *b != b'\n' && *b != b'\t') || *b == 0x7f) {
        return Err(PolicyError::ControlCharacter);
    }
    let Some((b'\n', lines)) = bytes.split_last() else {
        let empty = bytes.is_empty();
        return Err(if empty {
            PolicyError::QuorumMissing
        } else {
            PolicyError::FinalNewlineMissing
        });
    };
    let mut draft = Draft::default();
    for line in lines.split(|b| *b == b'\n') {
        draft.line(line)?;
    }
    draft.finish()
}

#[derive(Default)]
struct Draft {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Option<Quorum>,
    /// Every name that is a member of some group already.
    taken: Vec<Member>,
}

impl Draft {
    fn line(&mut self, line: &[u8]) -> Result<(), PolicyError> {
        let mut fields = line.split(|b| matches!(b, b' ' | b'\t')).filter(|f| !f.is_empty());
        let Some(keyword) = fields.next().filter(|f| !f.starts_with(b"#")) else { return Ok(()) };
        let fields = fields
            .map(|field| core::str::from_utf8(field).map_err(|_| PolicyError::NotUtf8))
            .collect::<Result<Vec<_>, _>>()?;
        match (keyword, fields.as_slice()) {
            (b"log", [key]) => self.log(key, None),
            (b"log", [key, url]) => self.log(key, Some(url)),
            (b"witness", [name, key]) => self.witness(name, key, None),
            (b"witness", [name, key, url]) => self.witness(name, key, Some(url)),
            (b"group", [name, threshold, members @ ..]) if !members.is_empty() => {
                self.group(name, threshold, members)
            }
            (b"quorum", [name]) => self.quorum(name),
            (b"log" | b"witness" | b"group" | b"quorum", _) => Err(PolicyError::WrongFieldCount),
            _ => Err(PolicyError::UnknownKeyword),
        }
    }

    fn log(&mut self, key: &str, url: Option<&str>) -> Result<(), PolicyError> {
        let key = parse_key(key, Algorithm::Ed25519, PolicyError::LogKeyOfOtherKind)?;
        if self.logs.iter().any(|log| log.key.public_key == key.public_key) {
            return Err(PolicyError::DuplicateKey);
        }
        self.logs.push(Log { key, url: url.map(str::to_owned) });
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<&str>) -> Result<(), PolicyError> {
        let kind = PolicyError::WitnessKeyOfOtherKind;
        let key = parse_key(key, Algorithm::CosignatureV1, kind)?;
        if self.witnesses.iter().any(|witness| witness.key.public_key == key.public_key) {
            return Err(PolicyError::DuplicateKey);
        }
        let name = self.new_name(name)?;
        self.witnesses.push(Witness { name, key, url: url.map(str::to_owned) });
        Ok(())
    }

    fn group(&mut self, name: &str, threshold: &str, members: &[&str]) -> Result<(), PolicyError> {
        let threshold = parse_threshold(threshold, members.len())?;
        let name = self.new_name(name)?;
        let mut found = Vec::with_capacity(members.len());
        for member in members {
            let member = self.find(member)?;
            if self.taken.contains(&member) {
                return Err(PolicyError::MemberTwice);
            }
            self.taken.push(member);
            found.push(member);
        }
        self.groups.push(Group { name, threshold, members: found });
        Ok(())
    }

    fn quorum(&mut self, name: &str) -> Result<(), PolicyError> {
        if self.quorum.is_some() {
            return Err(PolicyError::QuorumTwice);
        }
        let none = name == "none";
        self.quorum = Some(if none { Quorum::None } else { Quorum::Member(self.find(name)?) });
        Ok(())
    }

    fn finish(self) -> Result<Policy, PolicyError> {
        let quorum = self.quorum.ok_or(PolicyError::QuorumMissing)?;
        let Self { logs, witnesses, groups, .. } = self;
        Ok(Policy { logs, witnesses, groups, quorum })
    }

    fn new_name(&self, name: &str) -> Result<String, PolicyError> {
        if name == "none" {
            return Err(PolicyError::NameReserved);
        }
        match self.find(name) {
            Ok(_) => Err(PolicyError::DuplicateName),
            Err(_) => Ok(name.to_owned()),
        }
    }

    fn find(&self, name: &str) -> Result<Member, PolicyError> {
        if name == "none" {
            return Err(PolicyError::NameReserved);
        }
        let witness = self.witnesses.iter().position(|w| w.name == name).map(Member::Witness);
        let group = || self.groups.iter().position(|g| g.name == name).map(Member::Group);
        witness.or_else(group).ok_or(PolicyError::NameUndefined)
    }
}

fn parse_key(
    text: &str,
    algorithm: Algorithm,
    other_kind: PolicyError,
) -> Result<VerifierKey, PolicyError> {
    let key = VerifierKey::parse(text).map_err(|_| PolicyError::KeyMalformed)?;
    if key.algorithm == algorithm { Ok(key) } else { Err(other_kind) }
}

fn parse_threshold(text: &str, members: usize) -> Result<usize, PolicyError> {
    let threshold = match text {
        "any" => Some(1),
        "all" => Some(members),
        _ => decimal::parse(text).ok().and_then(|k| usize::try_from(k).ok()),
    };
    threshold.filter(|k| (1..=members).contains(k)).ok_or(PolicyError::ThresholdMalformed)
}
