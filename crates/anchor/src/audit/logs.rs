//! What is registered: logs with their authorities, writers of the direct log.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use serde::Serialize;

use super::{Audit, Kind, Reader};
use crate::contract::FirmwareAnchor::{self, FirmwareAnchorEvents as Event};
use crate::contract::abi::FirmwareUpdateLog::{self, FirmwareUpdateLogEvents as Written};
use crate::error::AnchorError;

/// A log in the anchor contract.
#[derive(Clone, Debug, Serialize)]
pub struct RegisteredLog {
    /// SHA-256 of its origin.
    pub log_id: B256,
    /// Its origin.
    pub origin: String,
    /// Who speaks for it; zero if nobody does.
    pub authority: Address,
    /// Entries of the anchored tree.
    pub size: u64,
    /// How many anchors there are.
    pub seq: u32,
    /// Whether an equivocation was proven.
    pub frozen: bool,
    /// An announced authority, and from when on it can take over (seconds since 1970).
    pub rotation: Option<(Address, u64)>,
}

/// The direct log.
#[derive(Clone, Debug, Serialize)]
pub struct Updates {
    /// Where it is.
    pub address: Address,
    /// Whether it takes no new updates.
    pub paused: bool,
    /// Everybody who was ever enrolled.
    pub authorisers: Vec<Authoriser>,
}

/// A writer of the direct log.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Authoriser {
    /// The account, or the name of a key.
    pub account: Address,
    /// Whether it may log updates.
    pub may_log: bool,
    /// Whether it may log rollbacks.
    pub may_roll_back: bool,
}

impl Audit {
    /// Every registered log, from the events, as the views have it.
    pub(super) async fn registered(
        &mut self,
        reader: &Reader<'_>,
        anchor: Address,
    ) -> Result<(), AnchorError> {
        let mut logs: BTreeMap<B256, (String, Address)> = BTreeMap::new();
        for event in reader.events::<Event>(anchor).await? {
            let (log_id, authority) = match event {
                Event::LogRegistered(e) => {
                    logs.insert(e.logId, (e.origin, e.authority));
                    continue;
                }
                Event::AuthorityRotated(e) => (e.logId, e.newAuthority),
                Event::AuthorityRevoked(e) => (e.logId, Address::ZERO),
                Event::EquivocationProven(e) => (e.logId, Address::ZERO),
                _ => continue,
            };
            if let Some(log) = logs.get_mut(&log_id) {
                log.1 = authority;
            }
        }
        for (log_id, (origin, by_events)) in logs {
            let log = read_log(reader, anchor, log_id, origin).await?;
            self.judge_log(anchor, &log, by_events);
            self.logs.push(log);
        }
        Ok(())
    }

    fn judge_log(&mut self, anchor: Address, log: &RegisteredLog, by_events: Address) {
        let (origin, authority) = (&log.origin, log.authority);
        if authority != by_events {
            let what = format!("authority of {origin}: events say {by_events}, views {authority}");
            self.find(Kind::EventsContradictViews, anchor, what);
        }
        if log.frozen {
            self.find(Kind::LogFrozen, anchor, format!("{origin}: an equivocation was proven"));
        } else if authority.is_zero() {
            self.find(Kind::LogWithoutAuthority, anchor, format!("{origin}: it was revoked"));
        }
        if let Some((next, at)) = log.rotation {
            let what = format!("{origin}: {next} can take over from {at} on");
            self.find(Kind::RotationPending, anchor, what);
        }
    }

    /// The direct log and who may write there.
    pub(super) async fn direct(
        &mut self,
        reader: &Reader<'_>,
        address: Address,
    ) -> Result<(), AnchorError> {
        let paused = reader.must(address, FirmwareUpdateLog::pausedCall {}).await?;
        if paused {
            self.find(Kind::Paused, address, "FirmwareUpdateLog takes no new updates".into());
        }
        let mut told: BTreeMap<Address, (bool, bool)> = BTreeMap::new();
        for event in reader.events::<Written>(address).await? {
            match event {
                Written::AuthoriserEnrolled(e) => {
                    told.insert(e.authoriser, (e.mayLog, e.mayRollBack));
                }
                Written::AuthoriserRevoked(e) => {
                    told.insert(e.authoriser, (false, false));
                }
                _ => {}
            }
        }
        let mut authorisers = Vec::new();
        for (account, by_events) in told {
            let has =
                reader.must(address, FirmwareUpdateLog::authoriserCall { who: account }).await?;
            if by_events != (has.mayLog, has.mayRollBack) {
                let what = format!("powers of {account}: events and views differ");
                self.find(Kind::EventsContradictViews, address, what);
            }
            let (may_log, may_roll_back) = (has.mayLog, has.mayRollBack);
            authorisers.push(Authoriser { account, may_log, may_roll_back });
        }
        self.updates = Some(Updates { address, paused, authorisers });
        Ok(())
    }
}

async fn read_log(
    reader: &Reader<'_>,
    anchor: Address,
    log_id: B256,
    origin: String,
) -> Result<RegisteredLog, AnchorError> {
    let head = reader.must(anchor, FirmwareAnchor::headCall { logId: log_id }).await?;
    let frozen = reader.must(anchor, FirmwareAnchor::isFrozenCall { logId: log_id }).await?;
    let next = reader.must(anchor, FirmwareAnchor::pendingRotationCall { logId: log_id }).await?;
    let rotation = (!next.authority.is_zero()).then_some((next.authority, next.effectiveAt));
    let (authority, size, seq) = (head.authority, head.size, head.seq);
    Ok(RegisteredLog { log_id, origin, authority, size, seq, frozen, rotation })
}
