//! What all handlers share.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, ArcSwapOption};
use firmlog_index::Index;
use firmlog_tlog::merkle::{LeafIndex, TreeHead};
use firmlog_tlog::policy::Policy;
use tokio::sync::{Notify, watch};

use crate::add::Gate;
use crate::admin::AdminToken;
use crate::anchoring::Standing;
use crate::body::Bodies;
use crate::bundle::Bundles;
use crate::config::Config;
use crate::engine::Engine;
use crate::metrics::Metrics;
use crate::refusals::Refused;
use crate::witnessed::Witnessed;

/// Everything a request may need.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) engine: Arc<Engine>,
    pub(crate) index: Option<Arc<Index>>,
    /// Entries the view covers, as the follower last said.
    pub(crate) covered: watch::Receiver<u64>,
    pub(crate) policy: Option<Policy>,
    pub(crate) witnessed: ArcSwapOption<Witnessed>,
    pub(crate) anchoring: ArcSwap<Standing>,
    pub(crate) metrics: Metrics,
    pub(crate) gate: Arc<Gate>,
    pub(crate) admin: Option<AdminToken>,
    pub(crate) bodies: Bodies,
    pub(crate) bundles: Bundles,
    pub(crate) refused: Refused,
    /// Rung when a deed could not be told in the log.
    pub(crate) untold: Notify,
    pub(crate) vkey: String,
}

impl App {
    /// The checkpoint readers are given: the witnessed one where a policy is set and was met.
    pub(crate) fn served(&self) -> (String, TreeHead, bool) {
        match self.witnessed.load_full() {
            Some(witnessed) => (witnessed.checkpoint.clone(), witnessed.head, true),
            None => {
                let published = self.engine.published();
                (published.checkpoint.clone(), published.head, false)
            }
        }
    }

    /// Seconds since the log outgrew the witnessed checkpoint; 0 while that is the newest.
    pub(crate) fn unwitnessed_s(&self, witnessed: &Witnessed) -> u64 {
        if witnessed.head.size >= self.engine.published().head.size {
            return 0;
        }
        // When the first entry came that it does not cover.
        let since = self.engine.reader().received_ms(LeafIndex(witnessed.head.size.0));
        let since = since.ok().flatten().unwrap_or(witnessed.at_ms);
        now_ms().saturating_sub(since) / 1000
    }

    /// Whether the quorum is met: `none` without a policy, `behind` if the log has outgrown what
    /// was cosigned for longer than readiness allows.
    pub(crate) fn quorum(&self) -> &'static str {
        match (&self.policy, self.witnessed.load_full()) {
            (None, _) => "none",
            (Some(_), None) => "unmet",
            (Some(_), Some(it)) => {
                let late = self.unwitnessed_s(&it) > self.config.readiness.witnessed_age_max_s;
                if late { "behind" } else { "met" }
            }
        }
    }

    /// Seconds since the log outgrew its newest final anchor; nothing if no anchors are made.
    pub(crate) fn unanchored_s(&self) -> Option<u64> {
        self.config.anchor.config.0.as_ref()?;
        let standing = self.anchoring.load();
        let size = standing.newest.as_ref().map_or(0, |anchor| anchor.head.size.0);
        if size.max(standing.settled) >= self.engine.published().head.size.0 {
            return Some(0);
        }
        let since = self.engine.reader().received_ms(LeafIndex(size)).ok().flatten();
        Some(now_ms().saturating_sub(since.unwrap_or_default()) / 1000)
    }

    /// Waits a moment until the view covers `size` entries.
    pub(crate) async fn index_reaches(&self, size: u64) -> bool {
        let mut covered = self.covered.clone();
        let wait = covered.wait_for(|covered| *covered >= size);
        tokio::time::timeout(INDEX_WAIT, wait).await.is_ok_and(|reached| reached.is_ok())
    }
}

/// How long a lookup by hash waits for the view to catch up.
const INDEX_WAIT: std::time::Duration = std::time::Duration::from_secs(1);

/// Unix milliseconds, this server's clock.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
