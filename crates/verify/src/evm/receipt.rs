//! Transactions and receipts as EIP-2718 bytes: the chain id of the one, the event of the other.

use alloy_primitives::b256;
use alloy_rlp::Result;
use firmlog_tlog::merkle::{Hash, TreeHead, TreeSize};

use super::rlp::Items;
use super::{Address, EvmError as E, EvmPart, EvmRefusal, EvmValue, Word};

/// Keccak-256 of `Anchored(bytes32,uint64,bytes32,uint32,uint64,bytes32)`.
const ANCHORED: Word = b256!("594858971bdb84b16ac36e9f1be48e193eaa19df8330b91933eec35fc0357f9b").0;

/// What the contract's event `Anchored` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The anchored tree: size and root.
    pub head: TreeHead,
    /// How many anchors of the log there were, this one included.
    pub seq: u32,
    /// The block's time, in seconds since 1970.
    pub time_s: u64,
    /// SHA-256 of the signed checkpoint as it was sent, cosignatures included.
    pub checkpoint_hash: Word,
}

/// The type and RLP payload of EIP-2718 bytes; 0 for those from before.
fn envelope(bytes: &[u8]) -> Option<(u8, &[u8])> {
    match bytes.split_first()? {
        (first, _) if *first >= 0xc0 => Some((0, bytes)),
        (kind @ 1..=4, rest) => Some((*kind, rest)),
        _ => None,
    }
}

/// The type of a transaction, and the chain that it is signed for: typed ones say it first
/// (EIP-2930), older ones in `v` (EIP-155).
pub(super) fn transaction_chain(bytes: &[u8]) -> core::result::Result<(u8, u64), E> {
    let (kind, rlp) = envelope(bytes).ok_or(E::TransactionType)?;
    if kind > 0 {
        let chain = Items::of_list(rlp).and_then(|mut items| items.number());
        return chain.map(|chain| (kind, chain)).map_err(|_| E::TransactionMalformed);
    }
    let v = legacy_v(rlp).map_err(|_| E::TransactionMalformed)?;
    // 27 and 28, from before EIP-155, name no chain.
    let chain = v.checked_sub(35).ok_or(E::TransactionType)? >> 1;
    Ok((kind, chain))
}

fn legacy_v(rlp: &[u8]) -> Result<u64> {
    let mut items = Items::of_list(rlp)?;
    for _ in 0..6 {
        items.string()?;
    }
    let v = items.number()?;
    items.big_number()?;
    items.big_number()?;
    items.end()?;
    Ok(v)
}

/// A receipt that tells of success.
pub(super) struct Receipt<'a> {
    pub(super) kind: u8,
    logs: Items<'a>,
}

/// Parses a receipt with a status (EIP-658).
pub(super) fn parse(bytes: &[u8]) -> core::result::Result<Receipt<'_>, EvmRefusal> {
    let malformed = EvmRefusal::new(E::ReceiptMalformed, EvmPart::Receipt);
    let (kind, rlp) = envelope(bytes).ok_or(malformed)?;
    let (status, logs) = receipt_fields(rlp).map_err(|_| malformed)?;
    match status {
        1 => Ok(Receipt { kind, logs }),
        0 => {
            let (expected, got) = (EvmValue::Number(1), EvmValue::Number(0));
            Err(EvmRefusal::between(E::Reverted, EvmPart::Receipt, expected, got))
        }
        _ => Err(malformed),
    }
}

fn receipt_fields(rlp: &[u8]) -> Result<(u64, Items<'_>)> {
    let mut items = Items::of_list(rlp)?;
    let status = items.number()?;
    let _gas = items.number()?;
    let _bloom: &[u8; 256] = items.fixed()?;
    let logs = items.list()?;
    items.end()?;
    Ok((status, logs))
}

struct Log<'a> {
    address: &'a Address,
    topics: Items<'a>,
    data: &'a [u8],
}

impl Receipt<'_> {
    /// The last event `Anchored` that `contract` wrote of `log_id`: what it stores in the end.
    pub(super) fn anchored(
        mut self,
        contract: &Address,
        log_id: &Word,
    ) -> core::result::Result<Event, EvmRefusal> {
        let malformed = EvmRefusal::new(E::ReceiptMalformed, EvmPart::Receipt);
        let mut found = None;
        while !self.logs.is_empty() {
            let mut log = next_log(&mut self.logs).map_err(|_| malformed)?;
            let mut topics = [None; 4];
            for topic in &mut topics {
                if !log.topics.is_empty() {
                    *topic = Some(log.topics.fixed::<32>().map_err(|_| malformed)?);
                }
            }
            log.topics.end().map_err(|_| malformed)?;
            let [Some(&ANCHORED), Some(log_topic), size, None] = topics else { continue };
            if log.address == contract && log_topic == log_id {
                let event = size.and_then(|size| event(size, log.data));
                found = Some(event.ok_or(EvmRefusal::new(E::EventMalformed, EvmPart::Event))?);
            }
        }
        found.ok_or(EvmRefusal::new(E::EventMissing, EvmPart::Receipt))
    }
}

fn next_log<'a>(logs: &mut Items<'a>) -> Result<Log<'a>> {
    let mut items = logs.list()?;
    let log = Log { address: items.fixed()?, topics: items.list()?, data: items.string()? };
    items.end()?;
    Ok(log)
}

fn event(size: &Word, data: &[u8]) -> Option<Event> {
    let (words, []) = data.as_chunks::<32>() else { return None };
    let [root, seq, time_s, checkpoint_hash] = words else { return None };
    let head = TreeHead { size: TreeSize(small(size)?), root: Hash(*root) };
    let seq = u32::try_from(small(seq)?).ok()?;
    Some(Event { head, seq, time_s: small(time_s)?, checkpoint_hash: *checkpoint_hash })
}

/// A word that holds a number of at most 64 bits.
pub(super) fn small(word: &Word) -> Option<u64> {
    let (zeros, number) = word.split_last_chunk::<8>()?;
    zeros.iter().all(|byte| *byte == 0).then(|| u64::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::{ANCHORED, envelope, transaction_chain};
    use crate::evm::EvmError;
    use alloy_primitives::{hex, keccak256};

    #[test]
    fn the_topic_is_the_events_signature() {
        let signature = "Anchored(bytes32,uint64,bytes32,uint32,uint64,bytes32)";
        assert_eq!(keccak256(signature).0, ANCHORED);
    }

    #[test]
    fn a_legacy_transaction_names_its_chain_in_v() {
        // The example of EIP-155: chain 1.
        let signed = hex!(
            "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a7640000"
            "8025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f"
            "761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
        );
        assert_eq!(transaction_chain(&signed), Ok((0, 1)));
        let mut before = signed;
        before[43] = 27;
        assert_eq!(transaction_chain(&before), Err(EvmError::TransactionType));
        assert_eq!(transaction_chain(&[0x7e, 0xc0]), Err(EvmError::TransactionType));
        assert_eq!(transaction_chain(&[2, 0xc0]), Err(EvmError::TransactionMalformed));
        assert!(envelope(&[]).is_none());
    }
}
