//! After the first transaction: a newer checkpoint in its place, and what follows when it is final.

use serde_json::json;

use super::Client;
use crate::contract::{Event, tree_head};
use crate::error::AnchorError;
use crate::evidence::collect;
use crate::finding::{Finding, Kind};
use crate::journal::{Anchored, Attempt, Point};
use crate::judge::Judged;
use crate::offline::{Missing, keep, offline};
use crate::status::{Status, Waiting};
use crate::view::Seen;

/// After so many reverts in a row a person has to look.
const REVERTS_MAX: u32 = 3;

impl Client {
    /// None of ours is in a block: replace it, if it is stuck or there is a newer checkpoint.
    pub(super) async fn pursue(
        &mut self,
        newest: &Attempt,
        judged: &Judged<Event>,
        waiting: Option<Waiting>,
    ) -> Result<Status, AnchorError> {
        let wanted = self.relay.state().target.clone();
        if let Some(newer) = wanted.filter(|target| target.size > newest.target.size) {
            return self.replace(newest, newer, judged).await;
        }
        if self.relay.is_stuck(newest, judged) {
            let waiting = self.relay.replace(newest, None, judged).await?;
            return Ok(self.submitted(waiting));
        }
        Ok(self.submitted(waiting))
    }

    /// One of ours is in a final block.
    pub(super) async fn land(
        &mut self,
        attempt: &Attempt,
        seen: Seen,
    ) -> Result<Status, AnchorError> {
        let did = seen.event.filter(|event| event.head() == attempt.target.head());
        if !seen.success || did.is_none() {
            return self.fruitless(attempt, seen).await;
        }
        self.relay.at(Point::Final);
        self.relay.land(|state| {
            let Some(landed) = state.land(seen.tx) else { return };
            let size = landed.target.size;
            if state.target.as_ref().is_some_and(|target| target.size <= size) {
                state.target = None;
            }
            state.reverts = 0;
            state.done = Some(Anchored { target: landed.target, seen, evidence: false });
        })?;
        self.proof = None;
        self.rest().await
    }

    /// The chain took the transaction and nothing came of it.
    async fn fruitless(&mut self, attempt: &Attempt, seen: Seen) -> Result<Status, AnchorError> {
        let head = self.head_at("latest".into()).await.ok().and_then(Result::ok);
        let theirs = head.map(|head| {
            let tree = tree_head(&head);
            json!({"size": tree.size.0, "root": head.root, "seq": head.seq})
        });
        let kind = if seen.success { Kind::NoEffect } else { Kind::Reverted };
        let finding = self.relay.find(Finding {
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
        self.relay.land(|state| {
            if let Some(landed) = state.land(seen.tx) {
                state.target.get_or_insert(landed.target);
            }
            state.reverts += 1;
        })?;
        self.proof = None;
        if self.relay.state().reverts >= REVERTS_MAX {
            self.relay.journal.update(|state| state.target = None)?;
            return Ok(Status::Refused(Box::new(finding)));
        }
        Ok(Status::Waiting(Waiting::Reverted))
    }

    /// Nothing left to send.
    pub(super) async fn rest(&mut self) -> Result<Status, AnchorError> {
        self.keep_evidence().await?;
        Ok(match &self.relay.state().done {
            Some(anchored) => Status::Final(Box::new(anchored.clone())),
            None => Status::Idle,
        })
    }

    /// Sees that the evidence of the newest final anchor is on disk. Final is final: what is
    /// missing is asked for again at the next step.
    pub(super) async fn keep_evidence(&mut self) -> Result<(), AnchorError> {
        let state = self.relay.state();
        let Some(anchored) = state.done.clone().filter(|it| !it.evidence) else {
            return Ok(());
        };
        let Some(raw) = state.past.last().map(|past| past.raw.clone()) else { return Ok(()) };
        let place = self.place();
        let Ok(evidence) = collect(&self.relay.providers, &place, &anchored, raw).await else {
            return Ok(());
        };
        evidence.keep(self.relay.journal.dir())?;
        match offline(&self.relay.providers, &place, &evidence).await {
            Ok(made) => drop(keep(&made, self.relay.journal.dir(), evidence.size)?),
            Err(Missing::Fault(_)) => return Ok(()),
            // Not to be had from this chain: what was collected stays.
            Err(Missing::Form(_)) => {}
        }
        self.relay.at(Point::Collected);
        self.relay.journal.update(|state| {
            if let Some(anchored) = &mut state.done {
                anchored.evidence = true;
            }
        })
    }
}
