//! Why evidence of an anchor was refused, and both sides of what disagrees.

use firmlog_tlog::merkle::TreeHead;

use super::Word;
use crate::refusal::refusals;

refusals! {
    /// Why evidence of an anchor was refused.
    EvmError {
        Malformed = 1: "the evidence is not deterministic CBOR of the expected form",
        TooLarge = 2: "the evidence is larger than 64 MiB or has too many headers or nodes",
        HeaderMalformed = 3: "the bytes are not the RLP of a block header",
        HeaderUnlinked = 4: "the header's parent is not the header before it",
        HeaderNumber = 5: "the header's number does not follow its parent's",
        TransactionType = 6: "the transaction is of a type that names no chain",
        TransactionMalformed = 7: "the bytes are not a transaction",
        ChainMismatch = 8: "the transaction is of another chain",
        TransactionNotInBlock = 9: "the proof does not lead from the header to the transaction",
        ReceiptNotInBlock = 10: "the proof does not lead from the header to the receipt",
        ReceiptMalformed = 11: "the bytes are not a receipt with a status",
        TypesDiffer = 12: "receipt and transaction are of different types",
        Reverted = 13: "the transaction failed",
        EventMissing = 14: "the receipt has no event `Anchored` of this contract and log",
        EventMalformed = 15: "the event's fields have not the widths that the contract writes",
        EventTime = 16: "the event's time is not the block's",
        AccountMalformed = 17: "the bytes are not an account",
        AccountNotInState = 18: "the proof does not lead from the header to the account",
        SlotNotInStorage = 19: "the proof does not lead from the account to the slot's value",
        RootDiffers = 20: "the stored root is not the event's",
        SizeDiffers = 21: "the stored size is not the event's",
        SeqDiffers = 22: "the stored seq is not the event's",
        AccumulatorDiffers = 23: "the stored accumulator is not the fold that ends in the event",
        CodeDiffers = 24: "the contract's code is not what the trust root pins",
        BlockDiffers = 25: "the chain's block is not what the trust root pins",
        LogDiffers = 26: "the anchor is of another log",
        HeadDiffers = 27: "the anchored tree head is not the checkpoint's",
        TransactionsRootDiffers = 28: "the transactions given are not those of the block",
        ReceiptsRootDiffers = 29: "the receipts given are not those of the block",
        IndexOutside = 30: "the block has no transaction with this index",
    }
}

/// A part of the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EvmPart {
    /// The item as a whole.
    Item,
    /// The block's header.
    Header,
    /// A header after it, from 0.
    Descendant(u64),
    /// The transaction.
    Transaction,
    /// The receipt.
    Receipt,
    /// The event in the receipt.
    Event,
    /// The contract's account.
    Account,
    /// A slot: 0 root, 1 authority, seq and size, 2 accumulator.
    Slot(u8),
}

impl core::fmt::Display for EvmPart {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Item => f.write_str("evidence"),
            Self::Header => f.write_str("block header"),
            Self::Descendant(n) => write!(f, "later header {n}"),
            Self::Transaction => f.write_str("transaction"),
            Self::Receipt => f.write_str("receipt"),
            Self::Event => f.write_str("event"),
            Self::Account => f.write_str("account"),
            Self::Slot(0) => f.write_str("root slot"),
            Self::Slot(1) => f.write_str("size slot"),
            Self::Slot(_) => f.write_str("accumulator slot"),
        }
    }
}

/// One side of a disagreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvmValue {
    /// A hash or word.
    Word(Word),
    /// A number, a size or a time in seconds since 1970.
    Number(u64),
    /// A tree head.
    Head(TreeHead),
    /// A block by number and hash.
    Block(u64, Word),
}

impl core::fmt::Display for EvmValue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Word(word) => write!(f, "{}", Hex(word)),
            Self::Number(number) => write!(f, "{number}"),
            Self::Head(head) => write!(f, "size {} root {}", head.size, head.root),
            Self::Block(number, hash) => write!(f, "block {number} {}", Hex(hash)),
        }
    }
}

/// Why evidence was refused, where, and what disagrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvmRefusal {
    /// The broken rule.
    pub error: EvmError,
    /// The part that breaks it.
    pub part: EvmPart,
    /// What should be there and what is, where both are values.
    pub sides: Option<(EvmValue, EvmValue)>,
}

impl EvmRefusal {
    pub(super) const fn new(error: EvmError, part: EvmPart) -> Self {
        Self { error, part, sides: None }
    }

    /// `expected` and `got` disagree.
    pub(super) const fn between(
        error: EvmError,
        part: EvmPart,
        expected: EvmValue,
        got: EvmValue,
    ) -> Self {
        Self { error, part, sides: Some((expected, got)) }
    }
}

impl core::fmt::Display for EvmRefusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.part, self.error)?;
        match &self.sides {
            Some((expected, got)) => write!(f, " (expected {expected}, got {got})"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for EvmRefusal {}

/// Bytes as chains write them: `0x` and lowercase hex.
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(pub &'a [u8]);

impl core::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads what [`Hex`] writes; other spellings are none.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.strip_prefix("0x")?.as_bytes();
    let mut out = [0; N];
    if digits.len() != N.checked_mul(2)? {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(out)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => digit.checked_sub(b'0'),
        b'a'..=b'f' => digit.checked_sub(b'a')?.checked_add(10),
        _ => None,
    }
}
