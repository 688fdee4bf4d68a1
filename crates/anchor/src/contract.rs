//! The contract as callers see it: ids, what an authority signs, why a call was refused.
//!
//! ```text
//! log id      SHA-256(origin)
//! to be signed 0x1901 ‖ domain separator ‖ keccak256(Checkpoint(logId, root, size, checkpointHash))
//! ```
//!
//! The interface comes from `contracts/abi/`, which `cargo xtask contracts` holds against the
//! sources. In scope: bytes. Out of scope: sending them.

use alloy::primitives::{B256, Log, U256, keccak256};
use alloy::sol_types::{SolCall, SolEvent, SolInterface, SolValue, eip712_domain};
use firmlog_tlog::merkle::{Hash, TreeHead, TreeSize};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::error::AnchorError;
use crate::provider::Providers;

/// Types of the contract, generated from its committed interface.
#[expect(
    missing_docs,
    clippy::too_many_arguments,
    reason = "generated from the contracts' interfaces, documented there"
)]
pub mod abi {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        FirmwareAnchor,
        "../../contracts/abi/FirmwareAnchor.json"
    );
    alloy::sol!(AccessManager, "../../contracts/abi/AccessManager.json");
    alloy::sol!(Council, "../../contracts/abi/Council.json");
    alloy::sol!(ERC7913P256Verifier, "../../contracts/abi/ERC7913P256Verifier.json");
    alloy::sol!(FirmwareUpdateLog, "../../contracts/abi/FirmwareUpdateLog.json");
    alloy::sol!(TimelockController, "../../contracts/abi/TimelockController.json");
}

pub use abi::FirmwareAnchor;
pub use abi::IFirmwareAnchor::Head;
pub use alloy::primitives::{Address, Bytes};

/// Words for `ProofRefusal`, in the contract's order.
const PROOF_REFUSALS: [&str; 9] = [
    "none",
    "the index is outside the tree",
    "the proof is too short",
    "the proof is too long",
    "the proof does not lead to the new root",
    "the new tree is smaller than the anchored one",
    "the proof does not start at the anchored root",
    "another root is anchored at this size",
    "an empty tree has another root",
];

/// The log's name in the contract.
#[must_use]
pub fn log_id(origin: &str) -> B256 {
    B256::from_slice(&Sha256::digest(origin.as_bytes()))
}

/// What is anchored: a tree head and the hash of the whole signed checkpoint around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Size and root.
    pub head: TreeHead,
    /// SHA-256 of the signed checkpoint, cosignatures included.
    pub checkpoint_hash: B256,
}

/// One deployed contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The chain's id (EIP-155).
    pub chain_id: u64,
    /// Where the contract is.
    pub contract: Address,
}

impl Deployment {
    /// What an authority signs, 66 bytes. Its Keccak-256 is the EIP-712 digest.
    #[must_use]
    pub fn message(&self, log_id: B256, claim: &Claim) -> [u8; 66] {
        let kind =
            keccak256("Checkpoint(bytes32 logId,bytes32 root,uint64 size,bytes32 checkpointHash)");
        let fields = (
            kind,
            log_id,
            B256::from(claim.head.root.0),
            U256::from(claim.head.size.0),
            claim.checkpoint_hash,
        );
        self.typed("FirmwareAnchor", keccak256(fields.abi_encode()))
    }

    /// A struct under the domain of the contract of this name (EIP-712).
    pub(crate) fn typed(&self, name: &'static str, structure: B256) -> [u8; 66] {
        let domain = eip712_domain! {
            name: name,
            version: "1",
            chain_id: self.chain_id,
            verifying_contract: self.contract,
        };
        let mut message = [0; 66];
        message[0] = 0x19;
        message[1] = 0x01;
        message[2..34].copy_from_slice(domain.separator().as_slice());
        message[34..].copy_from_slice(structure.as_slice());
        message
    }
}

/// The name of a P-256 authority: the last 20 bytes of `keccak256(0x02 ‖ x ‖ y)`.
#[must_use]
pub fn p256_authority(point: &[u8; 64]) -> Address {
    let hash = keccak256([&[2][..], point].concat());
    Address::from_slice(&hash[12..])
}

/// The tree head in a stored head.
#[must_use]
pub fn tree_head(head: &Head) -> TreeHead {
    TreeHead { size: TreeSize(head.size), root: Hash(head.root.0) }
}

/// An `Anchored` event: one anchor as the contract tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Entries of the anchored tree.
    pub size: u64,
    /// Its root.
    pub root: B256,
    /// How many anchors there are with this one.
    pub seq: u32,
    /// The block's time, seconds since 1970.
    pub time: u64,
    /// SHA-256 of the signed checkpoint.
    pub checkpoint_hash: B256,
}

impl Event {
    /// Reads the event out of a log line, if it is one of this contract about this log.
    #[must_use]
    pub fn read(log: &Log, contract: Address, log_id: B256) -> Option<Self> {
        if log.address != contract {
            return None;
        }
        let event = FirmwareAnchor::Anchored::decode_log(log).ok()?.data;
        (event.logId == log_id).then_some(Self {
            size: event.size,
            root: event.root,
            seq: event.seq,
            time: event.time,
            checkpoint_hash: event.checkpointHash,
        })
    }

    /// The anchored tree head.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        TreeHead { size: TreeSize(self.size), root: Hash(self.root.0) }
    }

    /// The accumulator after this anchor, as the contract folds it.
    #[must_use]
    pub fn fold(&self, accumulator: B256) -> B256 {
        let mut hash = Sha256::new();
        hash.update([2]);
        hash.update(accumulator);
        hash.update(self.root);
        hash.update(self.size.to_be_bytes());
        hash.update(self.seq.to_be_bytes());
        hash.update(self.time.to_be_bytes());
        hash.update(self.checkpoint_hash);
        B256::from_slice(&hash.finalize())
    }
}

/// The log's head at a block (`latest`, or a number in hex), as the providers agree on it.
///
/// # Errors
/// [`AnchorError::Providers`]; [`AnchorError::Refused`] if there is no such contract or log.
pub async fn read_head(
    providers: &Providers,
    deployment: Deployment,
    origin: &str,
    block: String,
) -> Result<Head, AnchorError> {
    let call = FirmwareAnchor::headCall { logId: log_id(origin) }.abi_encode();
    let request = json!({"to": deployment.contract, "input": Bytes::from(call)});
    let answer = providers.call(request, block.into()).await?.value;
    let data = answer.map_err(|revert| AnchorError::refused("read the head", refusal(&revert)))?;
    FirmwareAnchor::headCall::abi_decode_returns(&data)
        .map_err(|_| AnchorError::refused("read the head", "no such contract is there"))
}

/// A revert in words; hex if it is none of the contract's.
#[must_use]
pub fn refusal(data: &[u8]) -> String {
    use FirmwareAnchor::FirmwareAnchorErrors as E;
    match E::abi_decode(data) {
        Ok(E::LogUnknown(_)) => "the contract does not know this log".into(),
        Ok(E::LogFrozen(_)) => "the log is frozen: an equivocation was proven".into(),
        Ok(E::NoAuthority(_)) => "the log has no authority: it was revoked".into(),
        Ok(E::AuthorityMismatch(e)) => {
            format!("the proof is of authority {}, expected {}", e.got, e.expected)
        }
        Ok(E::ConsistencyRefused(e)) => {
            let why = PROOF_REFUSALS.get(usize::from(e.reason)).unwrap_or(&"unknown");
            format!("from {} to {} entries: {why}", e.oldSize, e.newSize)
        }
        Ok(other) => format!("{other:?}"),
        Err(_) => unknown_refusal(data),
    }
}

/// A revert that is none of the contract's errors.
pub(crate) fn unknown_refusal(data: &[u8]) -> String {
    if data.is_empty() {
        return "reverted without a reason".into();
    }
    format!("reverted with 0x{}", alloy::hex::encode(data))
}
