//! From several views to one standing: free, mined, final, or nothing that can be believed.
//!
//! ```text
//! a: final  #90, our tx in #80      b: final #85, our tx in #80      → final
//! a: final  #90, our tx in #80      b: final #90, no such tx         → b or a lies: named
//! a: newest #81, our tx in #80      b: newest #79                    → not mined yet for a quorum
//! ```
//!
//! In scope: arithmetic over views. Out of scope: asking for them, acting on them.
//!
//! Invariants:
//! - Final needs a quorum of providers each of whom says that the block is final and holds exactly
//!   this transaction with this outcome; unless others are outvoted, all that answered.
//! - Before finality a difference is a delay, not a lie. After it, it is one.

use crate::contract::Event;
use crate::provider::{Fault, Providers};
use crate::quorum::{Trouble, median};
use crate::view::{Seen, View};

/// Where the transactions of one nonce stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing<E = Event> {
    /// None is mined, as far as a quorum knows.
    Free,
    /// One is in a block that may still be reorganised away.
    Mined(Seen<E>),
    /// One is in a final block.
    Final(Seen<E>),
    /// The nonce was used, finally, by a transaction that is not among ours.
    NonceTaken,
}

/// What the providers together say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged<E = Event> {
    /// Of the transactions asked about.
    pub standing: Standing<E>,
    /// Newest block, the middle of what was said.
    pub head: u64,
    /// Base fee in wei, the middle of what was said.
    pub base_fee_wei: u64,
    /// Newest block that a quorum says is final.
    pub finalized: u64,
    /// The account's next nonce; `None` while providers differ.
    pub nonce: Option<u64>,
    /// Who says something else about what is final: position and what it said.
    pub dissent: Vec<(usize, String)>,
}

/// Judges the views. `nonce` is that of the transactions asked about.
///
/// # Errors
/// [`Trouble`] if too few answered, or if they contradict each other about what is final and nobody
/// is outvoted.
pub(crate) fn judge<E: Copy + PartialEq>(
    providers: &Providers,
    answers: Vec<Result<View<E>, Fault>>,
    nonce: Option<u64>,
) -> Result<Judged<E>, Trouble> {
    let rule = *providers.rule();
    let mut views = Vec::new();
    let mut why = Vec::new();
    for (place, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(view) => views.push((place, view)),
            Err(fault) => why.push((providers.name(place), fault.to_string())),
        }
    }
    let silent =
        || Trouble::Silent { answered: views.len(), needed: rule.quorum, why: why.clone() };
    let numbers = |of: fn(&View<E>) -> u64| views.iter().map(|(_, v)| of(v)).collect::<Vec<_>>();
    let finalized = rule.reached(&numbers(|v| v.finalized)).ok_or_else(silent)?;
    let head = median(&numbers(|v| v.head)).ok_or_else(silent)?;
    let base_fee_wei = median(&numbers(|v| v.base_fee_wei)).ok_or_else(silent)?;
    let nonces: Vec<(usize, u64)> = views.iter().map(|(place, v)| (*place, v.nonce)).collect();
    let (standing, dissent) = standing(providers, &views, nonce)?;
    Ok(Judged {
        standing,
        head,
        base_fee_wei,
        finalized,
        nonce: rule.count(&nonces).ok().map(|agreed| agreed.value),
        dissent,
    })
}

type Named = Vec<(usize, String)>;

fn standing<E: Copy + PartialEq>(
    providers: &Providers,
    views: &[(usize, View<E>)],
    nonce: Option<u64>,
) -> Result<(Standing<E>, Named), Trouble> {
    let rule = *providers.rule();
    let votes =
        |seen: &Seen<E>| views.iter().filter(|(_, v)| v.seen.as_ref() == Some(seen)).count();
    let best = views.iter().filter_map(|(_, v)| v.seen).max_by_key(|seen| votes(seen));
    let Some(seen) = best else {
        return Ok((taken(&rule, views, nonce), Vec::new()));
    };
    let settled = |view: &View<E>| view.finalized >= seen.block_number;
    let same = views.iter().filter(|(_, v)| settled(v) && v.seen == Some(seen)).count();
    let others: Named = views
        .iter()
        .filter(|(_, v)| settled(v) && v.seen != Some(seen))
        .map(|(place, v)| (*place, said(v.seen.as_ref())))
        .collect();
    if rule.outvote {
        if same >= rule.quorum {
            return Ok((Standing::Final(seen), others));
        }
        if others.len() >= rule.quorum {
            // Those who claim it are the ones outvoted; the rest decides among itself.
            let liars = views
                .iter()
                .filter(|(_, v)| settled(v) && v.seen == Some(seen))
                .map(|(place, v)| (*place, said(v.seen.as_ref())))
                .collect();
            let rest: Vec<(usize, View<E>)> =
                views.iter().filter(|(_, v)| v.seen != Some(seen)).cloned().collect();
            let (standing, _) = standing(providers, &rest, nonce)?;
            return Ok((standing, liars));
        }
    } else if same > 0 && !others.is_empty() {
        return Err(disagree(providers, views));
    } else if same == views.len() && same >= rule.quorum {
        return Ok((Standing::Final(seen), Vec::new()));
    }
    let mined = votes(&seen) >= rule.quorum;
    Ok((if mined { Standing::Mined(seen) } else { Standing::Free }, Vec::new()))
}

/// Whether the nonce went to somebody else's transaction for good.
fn taken<E>(
    rule: &crate::quorum::Rule,
    views: &[(usize, View<E>)],
    nonce: Option<u64>,
) -> Standing<E> {
    let Some(nonce) = nonce else { return Standing::Free };
    let used =
        views.iter().filter(|(_, v)| v.nonce_finalized.is_some_and(|next| next > nonce)).count();
    let enough = if rule.outvote { rule.quorum } else { rule.quorum.max(views.len()) };
    if used >= enough { Standing::NonceTaken } else { Standing::Free }
}

fn disagree<E>(providers: &Providers, views: &[(usize, View<E>)]) -> Trouble {
    let answers =
        views.iter().map(|(place, v)| (providers.name(*place), said(v.seen.as_ref()))).collect();
    Trouble::Disagree { question: "a transaction in a final block".into(), answers }
}

fn said<E>(seen: Option<&Seen<E>>) -> String {
    match seen {
        None => "no such transaction".into(),
        Some(seen) => {
            let outcome = if seen.success { "done" } else { "reverted" };
            format!("{} {outcome} in block #{} {}", seen.tx, seen.block_number, seen.block_hash)
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;
    use std::time::Duration;

    use super::*;

    fn providers(count: usize, quorum: usize, outvote: bool) -> Providers {
        let urls: Vec<String> = (0..count).map(|n| format!("http://127.0.0.1:{}", n + 1)).collect();
        Providers::new(&urls, Some(quorum), outvote, Duration::from_secs(1)).expect("providers")
    }

    fn seen(block: u8) -> Seen {
        Seen {
            tx: B256::repeat_byte(1),
            block_hash: B256::repeat_byte(block),
            block_number: 80,
            success: true,
            event: None,
            gas_used: 60_000,
            gas_price_wei: 1,
        }
    }

    fn view(finalized: u64, seen: Option<Seen>) -> Result<View, Fault> {
        let head = finalized + 10;
        let nonce_finalized = Some(5);
        Ok(View { head, base_fee_wei: 7, finalized, nonce: 5, nonce_finalized, seen })
    }

    fn silent() -> Result<View, Fault> {
        Err(Fault::Silent("off".into()))
    }

    fn stands(outvote: bool, views: [Result<View, Fault>; 3]) -> Result<Standing, Trouble> {
        let judged = judge(&providers(3, 2, outvote), views.to_vec(), Some(7))?;
        Ok(judged.standing)
    }

    #[test]
    fn anc_8_nothing_is_final_without_a_quorum_that_says_so() {
        let it = seen(9);
        for outvote in [false, true] {
            let both = [view(90, Some(it)), view(85, Some(it)), silent()];
            assert_eq!(stands(outvote, both), Ok(Standing::Final(it)));
            let one = [view(90, Some(it)), view(79, Some(it)), silent()];
            assert_eq!(stands(outvote, one), Ok(Standing::Mined(it)));
            let alone = [view(70, Some(it)), view(70, None), view(70, None)];
            assert_eq!(stands(outvote, alone), Ok(Standing::Free));
            let off = [view(90, Some(it)), silent(), silent()];
            assert!(matches!(stands(outvote, off), Err(Trouble::Silent { answered: 1, .. })));
        }
    }

    #[test]
    fn a_lie_about_what_is_final_stops_or_is_outvoted_and_named() {
        let (it, other) = (seen(9), seen(66));
        for lie in [None, Some(other)] {
            let views = [view(90, Some(it)), view(90, lie), view(90, Some(it))];
            assert!(matches!(stands(false, views.clone()), Err(Trouble::Disagree { .. })));
            let judged = judge(&providers(3, 2, true), views.to_vec(), Some(7)).expect("outvoted");
            assert_eq!(judged.standing, Standing::Final(it));
            assert_eq!(judged.dissent.len(), 1);
            assert_eq!(judged.dissent[0].0, 1);
        }
        // A receipt that only the liar has, far in its own finality.
        let views = [view(90, Some(other)), view(90, None), view(90, None)];
        let judged = judge(&providers(3, 2, true), views.to_vec(), Some(7)).expect("outvoted");
        assert_eq!((judged.standing, judged.dissent[0].0), (Standing::Free, 0));
    }

    #[test]
    fn one_provider_cannot_drive_finality_ahead() {
        let views = vec![view(90, None), view(9_000_000, None), view(88, None)];
        assert_eq!(judge(&providers(3, 2, true), views.clone(), None).expect("ok").finalized, 90);
        assert_eq!(judge(&providers(3, 2, false), views, None).expect("ok").finalized, 88);
    }

    #[test]
    fn a_nonce_is_taken_when_all_final_views_say_so() {
        let judged = |nonce| judge(&providers(1, 1, false), vec![view(90, None)], Some(nonce));
        assert_eq!(judged(4).expect("ok").standing, Standing::NonceTaken);
        assert_eq!(judged(5).expect("ok").standing, Standing::Free);
    }
}
