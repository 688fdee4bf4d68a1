//! From a wanted checkpoint to a signed transaction: what is checked before gas is spent.

use std::time::Instant;

use alloy::primitives::{Address, Bytes, TxKind, U64};
use alloy::sol_types::SolCall;
use firmlog_tlog::merkle::{TreeHead, verify_consistency};
use serde_json::{Value, json};

use super::{Client, now_s};
use crate::contract::{FirmwareAnchor, Head, refusal, tree_head};
use crate::error::AnchorError;
use crate::fees::{Offer, offer};
use crate::finding::{Finding, Kind};
use crate::journal::{Attempt, Flight, Point, Target};
use crate::judge::Judged;
use crate::provider::{Fault, Provider};
use crate::quorum::{Trouble, median};
use crate::status::{Covered, Status, Waiting};
use crate::tx::{Body, broadcast};
use crate::view::hex;

/// What came of looking at a call before it is signed.
enum Ready {
    /// It would be taken.
    Call { input: Bytes, gas: u64 },
    /// Something else comes first.
    Not(Status),
}

impl Client {
    /// Nothing is in flight: is there something to do?
    pub(super) async fn start(&mut self, judged: &Judged) -> Result<Status, AnchorError> {
        let Some(target) = self.journal.state().target.clone() else {
            return self.rest().await;
        };
        self.keep_evidence().await?;
        if let Some(status) = self.check_past(judged).await? {
            return Ok(status);
        }
        let (input, gas) = match self.ready(&target, judged).await? {
            Ready::Call { input, gas } => (input, gas),
            Ready::Not(status) => return Ok(status),
        };
        let offer = match offer(judged.base_fee_wei, None, &self.settings.limits) {
            Ok(offer) => offer,
            Err(above) => return Ok(self.above_limit(above.needed_wei)),
        };
        let Some(nonce) = judged.nonce else {
            let answers = Vec::new();
            let question = "the account's next nonce".into();
            return Ok(Status::Waiting(Waiting::Providers(Trouble::Disagree {
                question,
                answers,
            })));
        };
        if self.has_foreign(nonce).await {
            return Ok(Status::Waiting(Waiting::ForeignTransaction));
        }
        let body = self.body(nonce, input, gas);
        self.sign_and_send(body, target, offer, judged).await
    }

    /// Same nonce, higher fees: for a newer checkpoint, or because nothing happens.
    pub(super) async fn replace(
        &mut self,
        before: &Attempt,
        target: Target,
        judged: &Judged,
    ) -> Result<Status, AnchorError> {
        let Some(mut body) = Body::of(&before.raw) else {
            return Err(AnchorError::damaged(self.journal.dir(), "a transaction cannot be read"));
        };
        let higher = match offer(judged.base_fee_wei, Some(&before.offer), &self.settings.limits) {
            Ok(offer) => offer,
            Err(above) => return Ok(self.above_limit(above.needed_wei)),
        };
        if target != before.target {
            match self.ready(&target, judged).await? {
                Ready::Call { input, gas } => (body.input, body.gas) = (input, gas),
                Ready::Not(status) => return Ok(status),
            }
        }
        self.sign_and_send(body, target, higher, judged).await
    }

    pub(super) fn above_limit(&self, needed_wei: u64) -> Status {
        let limit_wei = self.settings.limits.max_fee_wei;
        Status::Waiting(Waiting::Fees { needed_wei, limit_wei })
    }

    fn body(&self, nonce: u64, input: Bytes, gas: u64) -> Body {
        let to = TxKind::Call(self.settings.deployment.contract);
        Body { chain_id: self.settings.deployment.chain_id, nonce, to, input, gas }
    }

    /// Journal first, then the nodes.
    async fn sign_and_send(
        &mut self,
        body: Body,
        target: Target,
        offer: Offer,
        judged: &Judged,
    ) -> Result<Status, AnchorError> {
        let nonce = body.nonce;
        let (tx, raw) = body.sign(&self.relay, &offer)?;
        let (signed_s, signed_block) = (now_s(), judged.head);
        let attempt = Attempt { tx, raw, target, offer, signed_s, signed_block, sent: false };
        self.at(Point::Signed);
        self.journal.update(|state| {
            let flight =
                state.flight.get_or_insert(Flight { nonce, attempts: Vec::new(), mined: None });
            flight.attempts.push(attempt);
        })?;
        self.proof = None;
        self.send_newest().await
    }

    /// Gives the newest transaction to the nodes, for the first time or again.
    pub(super) async fn send_newest(&mut self) -> Result<Status, AnchorError> {
        let Some(flight) = self.journal.state().flight.clone() else { return Ok(Status::Idle) };
        let Some(newest) = flight.attempts.last() else { return Ok(Status::Idle) };
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
        if sent.poor && !sent.taken {
            return Ok(Status::Waiting(Waiting::Funds(self.relay.address())));
        }
        Ok(self.submitted())
    }

    pub(super) fn submitted(&self) -> Status {
        let Some(flight) = &self.journal.state().flight else { return Status::Idle };
        let Some(newest) = flight.attempts.last() else { return Status::Idle };
        let (attempts, nonce) = (flight.attempts.len(), flight.nonce);
        Status::Submitted { tx: newest.tx, size: newest.target.size, nonce, attempts }
    }

    /// Everything that can be known before the chain is asked to pay attention.
    async fn ready(&mut self, target: &Target, judged: &Judged) -> Result<Ready, AnchorError> {
        let head = match self.head_at("latest".into()).await {
            Ok(Ok(head)) => head,
            Ok(Err(status)) => return Ok(Ready::Not(status)),
            Err(trouble) => return Ok(Ready::Not(self.troubled(trouble)?)),
        };
        let anchored = tree_head(&head);
        let (old, new) = if anchored.size > target.head().size {
            (target.head(), anchored)
        } else {
            (anchored, target.head())
        };
        let known = old.size.0 == 0 || old.size == new.size;
        let proof = self.proof.as_ref().filter(|p| p.old == old.size && p.new == new.size);
        if !known && proof.is_none() {
            return Ok(Ready::Not(Status::NeedsProof { old: old.size, new: new.size }));
        }
        let hashes = proof.map(|p| p.hashes.clone()).unwrap_or_default();
        if let Err(error) = verify_consistency(&old, &new, &hashes) {
            return Ok(Ready::Not(self.contradiction(target, &head, &error.to_string())?));
        }
        if anchored.size >= target.head().size {
            return Ok(Ready::Not(self.covered(judged, target).await?));
        }
        let ours = self.authority.name()?;
        if head.authority != ours && head.authority != Address::ZERO {
            let theirs = head.authority;
            return Ok(Ready::Not(Status::Waiting(Waiting::Authority { ours, theirs })));
        }
        let claim = target.claim();
        let message = self.settings.deployment.message(self.log_id, &claim);
        let authority_sig = match self.authority.prove(&message) {
            Err(AnchorError::Signatures { have, needed }) => {
                return Ok(Ready::Not(Status::Waiting(Waiting::Signatures { have, needed })));
            }
            proof => proof?.into(),
        };
        let input = FirmwareAnchor::anchorCall {
            logId: self.log_id,
            root: target.root,
            size: target.size,
            consistency: hashes.iter().map(|hash| hash.0.into()).collect(),
            authoritySig: authority_sig,
            checkpointHash: target.checkpoint_hash,
        };
        self.simulate(input.abi_encode().into()).await
    }

    /// Would the contract take it now, and for how much gas?
    async fn simulate(&self, input: Bytes) -> Result<Ready, AnchorError> {
        let request = self.request(&input);
        match self.providers.call(request.clone(), "latest".into()).await {
            Err(trouble) => return Ok(Ready::Not(self.troubled(trouble)?)),
            Ok(agreed) => {
                if let Err(revert) = agreed.value {
                    return Ok(Ready::Not(Status::Waiting(Waiting::Contract(refusal(&revert)))));
                }
            }
        }
        // Not of the pending block, where an older anchor of ours may stand.
        let estimate = |provider: Provider| {
            let request = request.clone();
            async move { provider.ask::<_, U64>("eth_estimateGas", (request, "latest")).await }
        };
        let answers = self.providers.each(estimate).await;
        let poor = answers.iter().any(|a| matches!(a, Err(Fault::Refused { message, .. }) if message.to_lowercase().contains("insufficient funds")));
        let given: Vec<u64> = answers.into_iter().flatten().map(|gas| gas.to()).collect();
        let Some(gas) = median(&given) else {
            let waiting = if poor {
                Waiting::Funds(self.relay.address())
            } else {
                Waiting::Contract("no estimate of its gas".into())
            };
            return Ok(Ready::Not(Status::Waiting(waiting)));
        };
        // A quarter more: the head's own size changes what a proof costs.
        let gas = gas.saturating_add(gas / 4);
        if gas > self.settings.gas_max {
            let why = format!("it would use {gas} gas, {} are allowed", self.settings.gas_max);
            return Ok(Ready::Not(Status::Waiting(Waiting::Contract(why))));
        }
        Ok(Ready::Call { input, gas })
    }

    fn request(&self, input: &Bytes) -> Value {
        json!({
            "from": self.relay.address(),
            "to": self.settings.deployment.contract,
            "input": input,
        })
    }

    /// The contract's head at a block; a status if there is none.
    pub(super) async fn head_at(&self, block: String) -> Result<Result<Head, Status>, Trouble> {
        let input: Bytes = FirmwareAnchor::headCall { logId: self.log_id }.abi_encode().into();
        let answer = self.providers.call(self.request(&input), block.into()).await?;
        let unknown = FirmwareAnchor::LogUnknown { logId: self.log_id };
        Ok(match answer.value {
            Ok(data) => FirmwareAnchor::headCall::abi_decode_returns(&data).map_err(|_| {
                let why = "there is no such contract at this address";
                Status::Waiting(Waiting::Contract(why.into()))
            }),
            Err(revert) if revert == alloy::sol_types::SolError::abi_encode(&unknown) => {
                Err(Status::Waiting(Waiting::NotRegistered))
            }
            Err(revert) => Err(Status::Waiting(Waiting::Contract(refusal(&revert)))),
        })
    }

    /// The contract's head covers the checkpoint already, by somebody else's hand or by one of ours
    /// that the journal has lost.
    async fn covered(&mut self, judged: &Judged, target: &Target) -> Result<Status, AnchorError> {
        let head = match self.head_at(hex(judged.finalized)).await {
            Err(trouble) => return self.troubled(trouble),
            Ok(Err(_)) => None,
            Ok(Ok(head)) => Some(head).filter(|head| head.size >= target.size),
        };
        let Some(head) = head else {
            let (size, root, seq) = (target.size, target.root, 0);
            return Ok(Status::Waiting(Waiting::Finality(Covered { size, root, seq })));
        };
        self.journal.update(|state| state.target = None)?;
        Ok(Status::Covered(Covered { size: head.size, root: head.root, seq: head.seq }))
    }

    /// Checkpoint and contract cannot both be of one log that only grew.
    fn contradiction(
        &self,
        target: &Target,
        head: &Head,
        why: &str,
    ) -> Result<Status, AnchorError> {
        let anchored: TreeHead = tree_head(head);
        let finding = self.find(Finding {
            kind: Kind::Contradiction,
            summary: format!(
                "the checkpoint of {} entries and the anchored head of {} do not extend each other: \
                 {why}",
                target.size, anchored.size
            ),
            ours: super::json(target),
            theirs: json!({
                "size": head.size,
                "root": head.root,
                "seq": head.seq,
                "authority": head.authority,
                "accumulator": head.accumulator,
                "contract": self.settings.deployment.contract,
                "chain_id": self.settings.deployment.chain_id,
            }),
        })?;
        Ok(Status::Refused(Box::new(finding)))
    }

    /// Whether a quorum of pools has a transaction of this account that the journal has not.
    async fn has_foreign(&self, nonce: u64) -> bool {
        let account = self.relay.address();
        let pending = |provider: Provider| async move {
            provider.ask::<_, U64>("eth_getTransactionCount", (account, "pending")).await
        };
        let answers = self.providers.each(pending).await;
        let more = answers.iter().flatten().filter(|count| count.to::<u64>() > nonce).count();
        more >= self.providers.rule().quorum
    }
}
