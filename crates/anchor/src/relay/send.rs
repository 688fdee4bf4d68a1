//! Signing, sending, sending again, and what has to be known before.

use std::time::Instant;

use alloy::primitives::{Bytes, TxKind, U64};
use serde_json::{Value, json};

use super::{Job, Relay, Turn, now_s, value};
use crate::error::AnchorError;
use crate::fees::{Offer, offer};
use crate::finding::{Finding, Kind};
use crate::journal::{Attempt, Flight, Point};
use crate::judge::Judged;
use crate::provider::{Fault, Provider};
use crate::quorum::{Trouble, median};
use crate::status::Waiting;
use crate::tx::{Body, broadcast};

/// What a call would come to.
pub(crate) enum Simulated {
    /// It would be taken.
    Call(Call),
    /// The contract would refuse it with this.
    Reverted(Bytes),
    /// Something else comes first.
    Not(Waiting),
}

/// A call that can be signed.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) input: Bytes,
    pub(crate) gas: u64,
}

impl<J: Job> Relay<J> {
    /// Nothing is in flight: signs the call under the next nonce and sends it.
    pub(crate) async fn launch(
        &mut self,
        target: J::Target,
        call: Call,
        judged: &Judged<J::Event>,
    ) -> Result<Option<Waiting>, AnchorError> {
        let offer = match offer(judged.base_fee_wei, None, &self.settings.limits) {
            Ok(offer) => offer,
            Err(above) => return Ok(Some(self.above_limit(above.needed_wei))),
        };
        let Some(nonce) = judged.nonce else {
            let question = "the account's next nonce".into();
            let trouble = Trouble::Disagree { question, answers: Vec::new() };
            return Ok(Some(Waiting::Providers(trouble)));
        };
        if self.has_foreign(nonce).await {
            return Ok(Some(Waiting::ForeignTransaction));
        }
        let Call { input, gas } = call;
        let to = TxKind::Call(self.settings.deployment.contract);
        let body = Body { chain_id: self.settings.deployment.chain_id, nonce, to, input, gas };
        self.sign_and_send(body, target, offer, judged).await
    }

    /// Same nonce, higher fees, and another call if there is a newer target.
    pub(crate) async fn replace(
        &mut self,
        before: &Attempt<J::Target>,
        newer: Option<(J::Target, Call)>,
        judged: &Judged<J::Event>,
    ) -> Result<Option<Waiting>, AnchorError> {
        let Some(mut body) = Body::of(&before.raw) else {
            return Err(AnchorError::damaged(self.journal.dir(), "a transaction cannot be read"));
        };
        let higher = match offer(judged.base_fee_wei, Some(&before.offer), &self.settings.limits) {
            Ok(offer) => offer,
            Err(above) => return Ok(Some(self.above_limit(above.needed_wei))),
        };
        let target = match newer {
            Some((target, call)) => {
                (body.input, body.gas) = (call.input, call.gas);
                target
            }
            None => before.target.clone(),
        };
        self.sign_and_send(body, target, higher, judged).await
    }

    /// Whether a transaction has waited so long that it needs higher fees.
    pub(crate) fn is_stuck(&self, attempt: &Attempt<J::Target>, judged: &Judged<J::Event>) -> bool {
        let blocks = judged.head.saturating_sub(attempt.signed_block);
        let seconds = now_s().saturating_sub(attempt.signed_s);
        blocks >= self.settings.stuck_blocks && seconds >= self.settings.stuck_s
    }

    fn above_limit(&self, needed_wei: u64) -> Waiting {
        let limit_wei = self.settings.limits.max_fee_wei;
        Waiting::Fees { needed_wei, limit_wei }
    }

    /// Journal first, then the nodes.
    async fn sign_and_send(
        &mut self,
        body: Body,
        target: J::Target,
        offer: Offer,
        judged: &Judged<J::Event>,
    ) -> Result<Option<Waiting>, AnchorError> {
        let nonce = body.nonce;
        let (tx, raw) = body.sign(&self.wallet, &offer)?;
        let (signed_s, signed_block) = (now_s(), judged.head);
        let attempt = Attempt { tx, raw, target, offer, signed_s, signed_block, sent: false };
        self.at(Point::Signed);
        self.journal.update(|state| {
            let flight =
                state.flight.get_or_insert(Flight { nonce, attempts: Vec::new(), mined: None });
            flight.attempts.push(attempt);
        })?;
        self.send_newest().await
    }

    /// Gives the newest transaction to the nodes, for the first time or again.
    async fn send_newest(&mut self) -> Result<Option<Waiting>, AnchorError> {
        let flight = self.state().flight.as_ref();
        let Some(newest) = flight.and_then(|flight| flight.attempts.last()).cloned() else {
            return Ok(None);
        };
        let sent = broadcast(&self.providers, &newest.raw).await;
        self.last_sent = Some(Instant::now());
        self.at(Point::Sent);
        if sent.taken && !newest.sent {
            self.journal.update(|state| {
                if let Some(last) = state.flight.as_mut().and_then(|f| f.attempts.last_mut()) {
                    last.sent = true;
                }
            })?;
        }
        Ok((sent.poor && !sent.taken).then(|| Waiting::Funds(self.account())))
    }

    /// None of ours is in a block, as far as is known: sends, or sends again.
    pub(super) async fn pursue(
        &mut self,
        nonce: u64,
        judged: Judged<J::Event>,
    ) -> Result<Turn<J>, AnchorError> {
        let is_lost = self.state().flight.as_ref().is_some_and(|flight| flight.mined.is_some());
        if is_lost {
            // A reorganisation took it; the same bytes again, at once.
            self.journal.update(|state| {
                if let Some(flight) = &mut state.flight {
                    flight.mined = None;
                }
            })?;
            self.last_sent = None;
        }
        if let Some(next) = judged.nonce.filter(|next| *next < nonce) {
            self.heal(next, nonce, &judged).await?;
            self.send_newest().await?;
            return Ok(Turn::Waiting(Waiting::Gap { next, ours: nonce }));
        }
        let mut waiting = None;
        if self.last_sent.is_none_or(|at| at.elapsed() >= self.settings.resend) {
            waiting = self.send_newest().await?;
        }
        let flight = self.state().flight.as_ref();
        let newest = flight.and_then(|flight| flight.attempts.last()).cloned();
        let newest = newest.ok_or_else(|| {
            AnchorError::damaged(self.journal.dir(), "a nonce without a transaction")
        })?;
        Ok(Turn::Flying(Box::new(newest), judged, waiting))
    }

    /// Sends what lies between the chain's next nonce and ours: the bytes that once were there, or
    /// else transactions that do nothing. Whatever comes of it, no nonce is used twice.
    async fn heal(
        &self,
        next: u64,
        ours: u64,
        judged: &Judged<J::Event>,
    ) -> Result<(), AnchorError> {
        for nonce in next..ours {
            let kept = self.state().past.iter().find(|past| past.nonce == nonce);
            let raw = match kept {
                Some(past) => past.raw.clone(),
                None => {
                    let chain_id = self.settings.deployment.chain_id;
                    let body = Body::filler(chain_id, nonce, self.account());
                    let Ok(offer) = offer(judged.base_fee_wei, None, &self.settings.limits) else {
                        return Ok(());
                    };
                    body.sign(&self.wallet, &offer)?.1
                }
            };
            broadcast(&self.providers, &raw).await;
        }
        Ok(())
    }

    /// With nothing in flight: has the chain still what was final?
    pub(crate) async fn check_past(
        &self,
        judged: &Judged<J::Event>,
    ) -> Result<Option<Waiting>, AnchorError> {
        let state = self.state();
        let (Some(last), Some(next)) = (state.past.last(), judged.nonce) else { return Ok(None) };
        let ours = last.nonce + 1;
        if next >= ours {
            return Ok(None);
        }
        self.find(Finding {
            kind: Kind::FinalityBroken,
            summary: format!(
                "the chain no longer has our final transaction of nonce {}",
                last.nonce
            ),
            ours: value(&state.done),
            theirs: json!({"next_nonce": next, "finalized": judged.finalized}),
        })?;
        self.heal(next, ours, judged).await?;
        Ok(Some(Waiting::Gap { next, ours }))
    }

    /// Would the contract take it now, and for how much gas?
    pub(crate) async fn simulate(&self, input: Bytes) -> Result<Simulated, AnchorError> {
        let request = self.request(&input);
        match self.providers.call(request.clone(), "latest".into()).await {
            Err(trouble) => return self.troubled(trouble).map(Simulated::Not),
            Ok(agreed) => {
                if let Err(revert) = agreed.value {
                    return Ok(Simulated::Reverted(revert));
                }
            }
        }
        // Not of the pending block, where an older transaction of ours may stand.
        let estimate = |provider: Provider| {
            let request = request.clone();
            async move { provider.ask::<_, U64>("eth_estimateGas", (request, "latest")).await }
        };
        let answers = self.providers.each(estimate).await;
        let poor = answers.iter().any(is_poor);
        let given: Vec<u64> = answers.into_iter().flatten().map(|gas| gas.to()).collect();
        let Some(gas) = median(&given) else {
            return Ok(Simulated::Not(if poor {
                Waiting::Funds(self.account())
            } else {
                Waiting::Contract("no estimate of its gas".into())
            }));
        };
        // A quarter more: what is there by then changes what a call costs.
        let gas = gas.saturating_add(gas / 4);
        if gas > self.settings.gas_max {
            let why = format!("it would use {gas} gas, {} are allowed", self.settings.gas_max);
            return Ok(Simulated::Not(Waiting::Contract(why)));
        }
        Ok(Simulated::Call(Call { input, gas }))
    }

    /// A call of the contract by the account.
    pub(crate) fn request(&self, input: &Bytes) -> Value {
        json!({
            "from": self.account(),
            "to": self.settings.deployment.contract,
            "input": input,
        })
    }

    /// Whether a quorum of pools has a transaction of this account that the journal has not.
    async fn has_foreign(&self, nonce: u64) -> bool {
        let account = self.account();
        let pending = |provider: Provider| async move {
            provider.ask::<_, U64>("eth_getTransactionCount", (account, "pending")).await
        };
        let answers = self.providers.each(pending).await;
        let more = answers.iter().flatten().filter(|count| count.to::<u64>() > nonce).count();
        more >= self.providers.rule().quorum
    }
}

fn is_poor<T>(answer: &Result<T, Fault>) -> bool {
    matches!(answer, Err(Fault::Refused { message, .. })
        if message.to_lowercase().contains("insufficient funds"))
}
