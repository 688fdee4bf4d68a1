//! From a wanted checkpoint to a call: what is checked before gas is spent.

use alloy::primitives::{Address, Bytes};
use alloy::sol_types::SolCall;
use firmlog_tlog::merkle::{TreeHead, verify_consistency};
use serde_json::json;

use super::Client;
use crate::contract::{Event, FirmwareAnchor, Head, refusal, tree_head};
use crate::error::AnchorError;
use crate::evidence::Place;
use crate::finding::{Finding, Kind};
use crate::journal::{Attempt, Target};
use crate::judge::Judged;
use crate::quorum::Trouble;
use crate::relay::{Call, Simulated, value};
use crate::status::{Covered, Status, Waiting};
use crate::view::hex;

/// What came of looking at a call before it is signed.
enum Ready {
    /// It would be taken.
    Call(Call),
    /// Something else comes first.
    Not(Status),
}

impl Client {
    /// Nothing is in flight: is there something to do?
    pub(super) async fn start(&mut self, judged: &Judged<Event>) -> Result<Status, AnchorError> {
        let Some(target) = self.relay.state().target.clone() else {
            return self.rest().await;
        };
        self.keep_evidence().await?;
        if let Some(waiting) = self.relay.check_past(judged).await? {
            return Ok(Status::Waiting(waiting));
        }
        let call = match self.ready(&target, judged).await? {
            Ready::Call(call) => call,
            Ready::Not(status) => return Ok(status),
        };
        let waiting = self.relay.launch(target, call, judged).await?;
        if waiting.is_none() {
            self.proof = None;
        }
        Ok(self.submitted(waiting))
    }

    /// A newer checkpoint in place of the one in flight.
    pub(super) async fn replace(
        &mut self,
        before: &Attempt,
        target: Target,
        judged: &Judged<Event>,
    ) -> Result<Status, AnchorError> {
        let call = match self.ready(&target, judged).await? {
            Ready::Call(call) => call,
            Ready::Not(status) => return Ok(status),
        };
        let waiting = self.relay.replace(before, Some((target, call)), judged).await?;
        if waiting.is_none() {
            self.proof = None;
        }
        Ok(self.submitted(waiting))
    }

    pub(super) fn submitted(&self, waiting: Option<Waiting>) -> Status {
        if let Some(waiting) = waiting {
            return Status::Waiting(waiting);
        }
        let Some(flight) = &self.relay.state().flight else { return Status::Idle };
        let Some(newest) = flight.attempts.last() else { return Status::Idle };
        let (attempts, nonce) = (flight.attempts.len(), flight.nonce);
        Status::Submitted { tx: newest.tx, size: newest.target.size, nonce, attempts }
    }

    pub(super) fn place(&self) -> Place {
        let deployment = self.relay.settings.deployment;
        Place { deployment, log_id: self.relay.job.log_id }
    }

    /// Everything that can be known before the chain is asked to pay attention.
    async fn ready(
        &mut self,
        target: &Target,
        judged: &Judged<Event>,
    ) -> Result<Ready, AnchorError> {
        let head = match self.head_at("latest".into()).await {
            Ok(Ok(head)) => head,
            Ok(Err(status)) => return Ok(Ready::Not(status)),
            Err(trouble) => return Ok(Ready::Not(Status::Waiting(self.relay.troubled(trouble)?))),
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
        let message = self.relay.settings.deployment.message(self.relay.job.log_id, &claim);
        let authority_sig = match self.authority.prove(&message) {
            Err(AnchorError::Signatures { have, needed }) => {
                return Ok(Ready::Not(Status::Waiting(Waiting::Signatures { have, needed })));
            }
            proof => proof?.into(),
        };
        let input = FirmwareAnchor::anchorCall {
            logId: self.relay.job.log_id,
            root: target.root,
            size: target.size,
            consistency: hashes.iter().map(|hash| hash.0.into()).collect(),
            authoritySig: authority_sig,
            checkpointHash: target.checkpoint_hash,
        };
        Ok(match self.relay.simulate(input.abi_encode().into()).await? {
            Simulated::Call(call) => Ready::Call(call),
            Simulated::Reverted(revert) => {
                Ready::Not(Status::Waiting(Waiting::Contract(refusal(&revert))))
            }
            Simulated::Not(waiting) => Ready::Not(Status::Waiting(waiting)),
        })
    }

    /// The contract's head at a block; a status if there is none.
    pub(super) async fn head_at(&self, block: String) -> Result<Result<Head, Status>, Trouble> {
        let input: Bytes =
            FirmwareAnchor::headCall { logId: self.relay.job.log_id }.abi_encode().into();
        let answer = self.relay.providers.call(self.relay.request(&input), block.into()).await?;
        let unknown = FirmwareAnchor::LogUnknown { logId: self.relay.job.log_id };
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
    async fn covered(
        &mut self,
        judged: &Judged<Event>,
        target: &Target,
    ) -> Result<Status, AnchorError> {
        let head = match self.head_at(hex(judged.finalized)).await {
            Err(trouble) => return self.relay.troubled(trouble).map(Status::Waiting),
            Ok(Err(_)) => None,
            Ok(Ok(head)) => Some(head).filter(|head| head.size >= target.size),
        };
        let Some(head) = head else {
            let (size, root, seq) = (target.size, target.root, 0);
            return Ok(Status::Waiting(Waiting::Finality(Covered { size, root, seq })));
        };
        self.relay.journal.update(|state| state.target = None)?;
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
        let finding = self.relay.find(Finding {
            kind: Kind::Contradiction,
            summary: format!(
                "the checkpoint of {} entries and the anchored head of {} do not extend each other: \
                 {why}",
                target.size, anchored.size
            ),
            ours: value(target),
            theirs: json!({
                "size": head.size,
                "root": head.root,
                "seq": head.seq,
                "authority": head.authority,
                "accumulator": head.accumulator,
                "contract": self.relay.settings.deployment.contract,
                "chain_id": self.relay.settings.deployment.chain_id,
            }),
        })?;
        Ok(Status::Refused(Box::new(finding)))
    }
}
