//! The log's word, checked with the key that the trust root pins.

use firmlog_agent::outbox::Receipts;
use firmlog_keys::AwsLc;
use firmlog_tlog::merkle::{Hash, TreeHead};
use firmlog_verify::TrustRoot;
use firmlog_verify::checkpoint::verify_checkpoint;
use firmlog_verify::receipt::cose::CoseReceipt;

use crate::submit::log_key;

/// A pinned log.
pub(crate) struct Pinned(pub(crate) TrustRoot);

impl Receipts for Pinned {
    fn wants_receipts(&self) -> bool {
        true
    }

    fn checkpoint(&mut self, note: &[u8]) -> Option<TreeHead> {
        verify_checkpoint(note, &self.0, &AwsLc).ok().map(|signed| signed.head)
    }

    fn receipt(&mut self, index: u64, leaf: &Hash, receipt: &[u8]) -> bool {
        let Ok(receipt) = CoseReceipt::parse(receipt) else { return false };
        let proven = receipt.verify_inclusion(leaf, &log_key(&self.0), &AwsLc);
        proven.is_ok_and(|proven| proven.index.0 == index)
    }
}
