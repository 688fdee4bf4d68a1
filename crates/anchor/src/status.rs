//! Where a job stands, and what it waits for: states with names, not errors.

use std::fmt;

use alloy::primitives::{Address, B256};
use firmlog_tlog::merkle::TreeSize;

use crate::finding::Finding;
use crate::journal::Anchored;
use crate::quorum::Trouble;
use crate::view::Seen;

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing was asked for.
    Idle,
    /// The caller has to give the consistency proof between these trees ([`crate::Client::prove`]).
    NeedsProof {
        /// The anchored tree.
        old: TreeSize,
        /// The tree to be anchored.
        new: TreeSize,
    },
    /// Signed, in the journal, at the nodes or on the way there.
    Submitted {
        /// The newest transaction.
        tx: B256,
        /// Entries it anchors.
        size: u64,
        /// Its nonce.
        nonce: u64,
        /// How many transactions of this nonce there are.
        attempts: usize,
    },
    /// In a block that is not final.
    Mined {
        /// Entries it anchors.
        size: u64,
        /// The transaction in its block.
        seen: Seen,
        /// The newest final block.
        finalized: u64,
    },
    /// What was asked for is anchored in a final block by our transaction.
    Final(Box<Anchored>),
    /// What was asked for is covered by a final head that this journal did not write.
    Covered(Covered),
    /// Not now; the next step tries again.
    Waiting(Waiting),
    /// Not ever, as it is: both sides are on disk.
    Refused(Box<Finding>),
}

/// A final head that covers a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Entries of the anchored tree.
    pub size: u64,
    /// Its root.
    pub root: B256,
    /// How many anchors there are with this one.
    pub seq: u32,
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Fees above the limit; wei per gas.
    Fees {
        /// The least that would do.
        needed_wei: u64,
        /// The operator's limit.
        limit_wei: u64,
    },
    /// Too few providers, or they contradict each other.
    Providers(Trouble),
    /// The registrar has not registered the log.
    NotRegistered,
    /// The contract refuses for a reason that a person must remove.
    Contract(String),
    /// The contract's authority is another than ours.
    Authority {
        /// Ours.
        ours: Address,
        /// The contract's; zero if it was revoked.
        theirs: Address,
    },
    /// Too few of the authority's signers signed.
    Signatures {
        /// How many did.
        have: u64,
        /// How many must.
        needed: u64,
    },
    /// The account has a transaction under way that is not in the journal.
    ForeignTransaction,
    /// The account cannot pay.
    Funds(Address),
    /// A head that covers the checkpoint is there and not final yet.
    Finality(Covered),
    /// A record that says what was to be logged is there and not final yet.
    RecordFinality {
        /// Its number of its device, from 0.
        nonce: u64,
    },
    /// Transactions below ours are missing; they were sent again.
    Gap {
        /// The chain's next nonce.
        next: u64,
        /// Ours.
        ours: u64,
    },
    /// An anchor was reverted; the head is judged anew.
    Reverted,
}

impl Waiting {
    /// A stable word for scripts.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Fees { .. } => "fees-above-limit",
            Self::Providers(Trouble::Silent { .. }) => "providers-silent",
            Self::Providers(Trouble::Disagree { .. }) => "providers-disagree",
            Self::NotRegistered => "not-registered",
            Self::Contract(_) => "contract-refuses",
            Self::Authority { .. } => "other-authority",
            Self::Signatures { .. } => "signatures-missing",
            Self::ForeignTransaction => "foreign-transaction",
            Self::Funds(_) => "no-funds",
            Self::Finality(_) | Self::RecordFinality { .. } => "finality",
            Self::Gap { .. } => "nonce-gap",
            Self::Reverted => "reverted",
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fees { needed_wei, limit_wei } => {
                write!(f, "fees above the limit: {needed_wei} wei needed, {limit_wei} allowed")
            }
            Self::Providers(trouble) => trouble.fmt(f),
            Self::NotRegistered => f.write_str("the contract does not know this log yet"),
            Self::Contract(why) => write!(f, "the contract refuses: {why}"),
            Self::Authority { ours, theirs } => {
                write!(f, "the log's authority is {theirs}, our key is {ours}")
            }
            Self::Signatures { have, needed } => {
                write!(f, "{have} of the authority's signers signed, {needed} must")
            }
            Self::ForeignTransaction => {
                f.write_str("the account has a transaction under way that is not ours")
            }
            Self::Funds(account) => write!(f, "{account} cannot pay for the transaction"),
            Self::Finality(head) => {
                write!(f, "a head of {} entries is anchored and not final yet", head.size)
            }
            Self::RecordFinality { nonce } => {
                write!(f, "record {nonce} says this already and is not final yet")
            }
            Self::Gap { next, ours } => {
                write!(
                    f,
                    "the chain's next nonce is {next}, ours {ours}; sent again what lies between"
                )
            }
            Self::Reverted => f.write_str("the anchor was reverted; judging the head anew"),
        }
    }
}

impl Status {
    /// A stable word for scripts.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::NeedsProof { .. } => "needs-proof",
            Self::Submitted { .. } => "submitted",
            Self::Mined { .. } => "mined",
            Self::Final(_) => "final",
            Self::Covered(_) => "covered",
            Self::Waiting(_) => "waiting",
            Self::Refused(_) => "refused",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("nothing to anchor"),
            Self::NeedsProof { old, new } => write!(f, "needs the proof from {old} to {new}"),
            Self::Submitted { tx, size, nonce, attempts } => {
                write!(f, "submitted {size} entries in {tx} (nonce {nonce}, try {attempts})")
            }
            Self::Mined { size, seen, finalized } => {
                write!(f, "{size} entries in block #{}, final is #{finalized}", seen.block_number)
            }
            Self::Final(anchored) => write!(
                f,
                "final: {} entries in block #{} {}",
                anchored.target.size, anchored.seen.block_number, anchored.seen.block_hash
            ),
            Self::Covered(head) => write!(f, "covered by a final head of {} entries", head.size),
            Self::Waiting(waiting) => write!(f, "waiting: {waiting}"),
            Self::Refused(finding) => write!(f, "refused: {}", finding.summary),
        }
    }
}
