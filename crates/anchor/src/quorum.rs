//! How many providers must say the same, and what follows when they do not.
//!
//! ```text
//! default       all that answer agree, and a majority of all answers
//! outvote       `quorum` equal answers win; who said something else is named
//! ```
//!
//! In scope: counting equal answers. Out of scope: asking (`provider`), what is asked (`view`).
//!
//! Invariants:
//! - Two different answers can never both win: with `outvote`, the quorum is a majority.
//! - Silence is never an answer.

use std::fmt;

use crate::error::AnchorError;

/// How many of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// How many providers there are.
    pub providers: usize,
    /// How many must give the winning answer.
    pub quorum: usize,
    /// Whether a quorum outvotes the others; if not, a single other answer stops progress.
    pub outvote: bool,
}

/// An answer that won.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed<T> {
    /// The answer.
    pub value: T,
    /// Providers (by position) that said something else.
    pub dissent: Vec<usize>,
}

/// Why there is no answer to go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Too few answered.
    Silent {
        /// How many did.
        answered: usize,
        /// How many are needed.
        needed: usize,
        /// Name and reason of those that did not.
        why: Vec<(String, String)>,
    },
    /// They say different things.
    Disagree {
        /// What was asked.
        question: String,
        /// Name and answer of each.
        answers: Vec<(String, String)>,
    },
}

impl Rule {
    /// A rule over `providers`; `quorum` defaults to the smallest majority.
    ///
    /// # Errors
    /// [`AnchorError::Config`] if the quorum cannot be reached, or two answers could both win.
    pub fn new(
        providers: usize,
        quorum: Option<usize>,
        outvote: bool,
    ) -> Result<Self, AnchorError> {
        let majority = providers / 2 + 1;
        let quorum = quorum.unwrap_or(majority);
        if providers == 0 {
            return Err(AnchorError::Config("no provider is named".into()));
        }
        if quorum == 0 || quorum > providers {
            let why = format!("a quorum of {quorum} among {providers} providers");
            return Err(AnchorError::Config(why));
        }
        if outvote && quorum < majority {
            let why = format!(
                "to outvote others takes a majority: expected a quorum of at least {majority} \
                 among {providers} providers, got {quorum}"
            );
            return Err(AnchorError::Config(why));
        }
        Ok(Self { providers, quorum, outvote })
    }

    /// Counts equal answers; silent providers are left out by the caller.
    ///
    /// # Errors
    /// The answers, if none of them wins: too few (`Ok(vec)` of silence is the caller's), or too
    /// different.
    pub fn count<T: PartialEq + Clone>(&self, answers: &[(usize, T)]) -> Result<Agreed<T>, Split> {
        if answers.len() < self.quorum {
            return Err(Split::TooFew);
        }
        let votes = |value: &T| answers.iter().filter(|(_, other)| other == value).count();
        let best = answers.iter().max_by_key(|(_, value)| votes(value));
        let Some((_, value)) = best else { return Err(Split::TooFew) };
        let dissent: Vec<usize> =
            answers.iter().filter(|(_, other)| other != value).map(|(place, _)| *place).collect();
        if votes(value) < self.quorum || !(dissent.is_empty() || self.outvote) {
            return Err(Split::Different);
        }
        Ok(Agreed { value: value.clone(), dissent })
    }

    /// The highest number that a quorum has reached; where nobody is outvoted, that all have.
    #[must_use]
    pub fn reached(&self, numbers: &[u64]) -> Option<u64> {
        let mut sorted = numbers.to_vec();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        let place =
            if self.outvote { self.quorum.checked_sub(1)? } else { sorted.len().max(1) - 1 };
        if sorted.len() < self.quorum {
            return None;
        }
        sorted.get(place).copied()
    }
}

/// Why no answer won.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Fewer answers than the quorum.
    TooFew,
    /// Enough, but they differ.
    Different,
}

/// The middle one; of two in the middle the lower, so that a single liar cannot drive it up.
#[must_use]
pub fn median(numbers: &[u64]) -> Option<u64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |pairs: &[(String, String)]| {
            let lines: Vec<String> =
                pairs.iter().map(|(name, what)| format!("{name}: {what}")).collect();
            lines.join("; ")
        };
        match self {
            Self::Silent { answered, needed, why } => {
                write!(f, "{answered} providers answered, {needed} are needed ({})", list(why))
            }
            Self::Disagree { question, answers } => {
                write!(f, "providers disagree on {question} ({})", list(answers))
            }
        }
    }
}

impl std::error::Error for Trouble {}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(providers: usize, quorum: usize, outvote: bool) -> Rule {
        Rule::new(providers, Some(quorum), outvote).expect("a rule")
    }

    #[test]
    fn anc_7_a_quorum_that_cannot_be_or_could_be_twice_is_refused() {
        assert!(Rule::new(0, None, false).is_err());
        assert!(Rule::new(3, Some(4), false).is_err());
        assert!(Rule::new(3, Some(0), false).is_err());
        assert!(Rule::new(4, Some(2), true).is_err());
        assert_eq!(Rule::new(4, None, true).expect("a rule").quorum, 3);
    }

    #[test]
    fn one_other_answer_stops_unless_it_is_outvoted() {
        let answers = [(0, 'a'), (1, 'b'), (2, 'a')];
        assert_eq!(rule(3, 2, false).count(&answers), Err(Split::Different));
        let agreed = rule(3, 2, true).count(&answers).expect("two of three");
        assert_eq!((agreed.value, agreed.dissent), ('a', vec![1]));
        assert_eq!(rule(3, 2, true).count(&answers[..1]), Err(Split::TooFew));
        assert_eq!(rule(3, 3, true).count(&answers), Err(Split::Different));
    }

    #[test]
    fn a_single_provider_moves_no_number_up() {
        assert_eq!(rule(3, 2, true).reached(&[10, 999, 11]), Some(11));
        assert_eq!(rule(3, 2, false).reached(&[10, 999, 11]), Some(10));
        assert_eq!(rule(3, 2, true).reached(&[999]), None);
        assert_eq!(median(&[7, 1_000_000, 8]), Some(8));
        assert_eq!(median(&[7, 1_000_000]), Some(7));
        assert_eq!(median(&[]), None);
    }
}
