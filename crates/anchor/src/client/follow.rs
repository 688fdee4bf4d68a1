//! After the first transaction: following it into a final block, through whatever happens to it.

use serde_json::json;

use super::{Client, now_s};
use crate::contract::tree_head;
use crate::error::AnchorError;
use crate::evidence::{Place, collect};
use crate::finding::{Finding, Kind};
use crate::journal::{Anchored, Point};
use crate::judge::Judged;
use crate::offline::{Missing, keep, offline};
use crate::status::{Status, Waiting};
use crate::tx::{Body, broadcast};
use crate::view::Seen;

/// After so many reverts in a row a person has to look.
const REVERTS_MAX: u32 = 3;

impl Client {
    /// One of ours is in a block.
    pub(super) fn mined(&mut self, seen: Seen, judged: &Judged) -> Result<Status, AnchorError> {
        self.at(Point::Mined);
        self.journal.update(|state| {
            if let Some(flight) = &mut state.flight {
                flight.mined = Some(seen);
            }
        })?;
        let size = seen.event.map_or(0, |event| event.size);
        Ok(Status::Mined { size, seen, finalized: judged.finalized })
    }

    /// None of ours is in a block, as far as is known: send, send again, or replace.
    pub(super) async fn pursue(
        &mut self,
        nonce: u64,
        judged: &Judged,
    ) -> Result<Status, AnchorError> {
        let Some(flight) = self.journal.state().flight.clone() else { return Ok(Status::Idle) };
        let Some(newest) = flight.attempts.last().cloned() else { return Ok(Status::Idle) };
        if flight.mined.is_some() {
            // A reorganisation took it; the same bytes again, at once.
            self.journal.update(|state| {
                if let Some(flight) = &mut state.flight {
                    flight.mined = None;
                }
            })?;
            self.last_sent = None;
        }
        if let Some(next) = judged.nonce.filter(|next| *next < nonce) {
            self.heal(next, nonce, judged).await?;
            self.send_newest().await.map(drop)?;
            return Ok(Status::Waiting(Waiting::Gap { next, ours: nonce }));
        }
        let mut status = self.submitted();
        if self.last_sent.is_none_or(|at| at.elapsed() >= self.settings.resend) {
            status = self.send_newest().await?;
        }
        let wanted = self.journal.state().target.clone();
        if let Some(newer) = wanted.filter(|target| target.size > newest.target.size) {
            return self.replace(&newest, newer, judged).await;
        }
        let blocks = judged.head.saturating_sub(newest.signed_block);
        let seconds = now_s().saturating_sub(newest.signed_s);
        if blocks >= self.settings.stuck_blocks && seconds >= self.settings.stuck_s {
            let target = newest.target.clone();
            return self.replace(&newest, target, judged).await;
        }
        Ok(status)
    }

    /// Sends what lies between the chain's next nonce and ours: the bytes that once were there, or
    /// else transactions that do nothing. Whatever comes of it, no nonce is used twice.
    async fn heal(&self, next: u64, ours: u64, judged: &Judged) -> Result<(), AnchorError> {
        for nonce in next..ours {
            let kept = self.journal.state().past.iter().find(|past| past.nonce == nonce);
            let raw = match kept {
                Some(past) => past.raw.clone(),
                None => {
                    let chain_id = self.settings.deployment.chain_id;
                    let body = Body::filler(chain_id, nonce, self.relay.address());
                    let offer =
                        crate::fees::offer(judged.base_fee_wei, None, &self.settings.limits);
                    let Ok(offer) = offer else { return Ok(()) };
                    body.sign(&self.relay, &offer)?.1
                }
            };
            broadcast(&self.providers, &raw).await;
        }
        Ok(())
    }

    /// With nothing in flight: has the chain still what was final?
    pub(super) async fn check_past(
        &mut self,
        judged: &Judged,
    ) -> Result<Option<Status>, AnchorError> {
        let state = self.journal.state();
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
            ours: super::json(&state.anchored),
            theirs: json!({"next_nonce": next, "finalized": judged.finalized}),
        })?;
        self.heal(next, ours, judged).await?;
        Ok(Some(Status::Waiting(Waiting::Gap { next, ours })))
    }

    /// The nonce is spent on something that is not ours: what we signed can never be mined.
    pub(super) fn robbed(&mut self, nonce: u64) -> Result<Status, AnchorError> {
        let flight = self.journal.state().flight.clone();
        self.find(Finding {
            kind: Kind::NonceTaken,
            summary: format!("nonce {nonce} of {} was used elsewhere", self.relay.address()),
            ours: super::json(&flight),
            theirs: json!({"account": self.relay.address(), "nonce": nonce}),
        })?;
        self.journal.update(|state| {
            let newest = state.flight.take().and_then(|mut flight| flight.attempts.pop());
            if let Some(attempt) = newest {
                state.target.get_or_insert(attempt.target);
            }
        })?;
        Ok(Status::Waiting(Waiting::ForeignTransaction))
    }

    /// One of ours is in a final block.
    pub(super) async fn land(&mut self, seen: Seen) -> Result<Status, AnchorError> {
        let flight = self.journal.state().flight.clone();
        let attempt =
            flight.as_ref().and_then(|flight| flight.attempts.iter().find(|a| a.tx == seen.tx));
        let Some(attempt) = attempt.cloned() else { return Ok(Status::Idle) };
        let did = seen.event.filter(|event| event.head() == attempt.target.head());
        if !seen.success || did.is_none() {
            return self.fruitless(&attempt, seen).await;
        }
        self.at(Point::Final);
        self.journal.update(|state| {
            let Some(landed) = state.land(seen.tx) else { return };
            let size = landed.target.size;
            if state.target.as_ref().is_some_and(|target| target.size <= size) {
                state.target = None;
            }
            state.reverts = 0;
            state.anchored = Some(Anchored { target: landed.target, seen, evidence: false });
        })?;
        (self.last_sent, self.proof) = (None, None);
        self.rest().await
    }

    /// The chain took the transaction and nothing came of it.
    async fn fruitless(
        &mut self,
        attempt: &crate::journal::Attempt,
        seen: Seen,
    ) -> Result<Status, AnchorError> {
        let head = self.head_at("latest".into()).await.ok().and_then(Result::ok);
        let theirs = head.map(|head| {
            let tree = tree_head(&head);
            json!({"size": tree.size.0, "root": head.root, "seq": head.seq})
        });
        let kind = if seen.success { Kind::NoEffect } else { Kind::Reverted };
        let finding = self.find(Finding {
            kind,
            summary: format!(
                "the anchor of {} entries in {} {}",
                attempt.target.size,
                seen.tx,
                if seen.success { "changed nothing" } else { "was reverted" }
            ),
            ours: json!({"attempt": attempt, "seen": seen}),
            theirs: theirs.unwrap_or_default(),
        })?;
        self.journal.update(|state| {
            if let Some(landed) = state.land(seen.tx) {
                state.target.get_or_insert(landed.target);
            }
            state.reverts += 1;
        })?;
        (self.last_sent, self.proof) = (None, None);
        if self.journal.state().reverts >= REVERTS_MAX {
            self.journal.update(|state| state.target = None)?;
            return Ok(Status::Refused(Box::new(finding)));
        }
        Ok(Status::Waiting(Waiting::Reverted))
    }

    /// Nothing left to send.
    pub(super) async fn rest(&mut self) -> Result<Status, AnchorError> {
        self.keep_evidence().await?;
        Ok(match &self.journal.state().anchored {
            Some(anchored) => Status::Final(Box::new(anchored.clone())),
            None => Status::Idle,
        })
    }

    /// Sees that the evidence of the newest final anchor is on disk. Final is final: what is
    /// missing is asked for again at the next step.
    pub(super) async fn keep_evidence(&mut self) -> Result<(), AnchorError> {
        let state = self.journal.state();
        let Some(anchored) = state.anchored.clone().filter(|it| !it.evidence) else {
            return Ok(());
        };
        let Some(raw) = state.past.last().map(|past| past.raw.clone()) else { return Ok(()) };
        let place = Place { deployment: self.settings.deployment, log_id: self.log_id };
        let Ok(evidence) = collect(&self.providers, &place, &anchored, raw).await else {
            return Ok(());
        };
        evidence.keep(self.journal.dir())?;
        match offline(&self.providers, &place, &evidence).await {
            Ok(made) => drop(keep(&made, self.journal.dir(), evidence.size)?),
            Err(Missing::Fault(_)) => return Ok(()),
            // Not to be had from this chain: what was collected stays.
            Err(Missing::Form(_)) => {}
        }
        self.at(Point::Collected);
        self.journal.update(|state| {
            if let Some(anchored) = &mut state.anchored {
                anchored.evidence = true;
            }
        })
    }
}
