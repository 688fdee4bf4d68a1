//! What `FirmwareAnchor` stores: its account, where a log's head is, how the head is packed.

use alloc::vec::Vec;

use alloy_primitives::keccak256;
use alloy_rlp::Result;
use firmlog_tlog::merkle::Hash;
use sha2::{Digest as _, Sha256};

use super::rlp::Items;
use super::trie;
use super::{Address, Event, EvmError as E, EvmPart, EvmRefusal, EvmValue, StateEvidence, Word};

/// Where `FirmwareAnchor` keeps the mapping from log id to head; what it inherits comes before.
const HEADS: u8 = 3;
/// The first byte of what the accumulator hashes.
const ACCUMULATOR_PREFIX: u8 = 2;

/// An account's storage root and code hash.
pub(super) struct Account {
    storage_root: Word,
    pub(super) code_hash: Word,
}

/// What the three slots tell beyond the event.
pub(super) struct Stored {
    pub(super) authority: Address,
    pub(super) accumulator: Word,
}

/// The storage keys of a log's head: root; authority, seq and size; accumulator.
pub(super) fn slots(log_id: &Word) -> [Word; 3] {
    let mut place = [0; 32];
    if let Some(last) = place.last_mut() {
        *last = HEADS;
    }
    let first = keccak256([*log_id, place].concat()).0;
    let second = next(first);
    [first, second, next(second)]
}

/// The word after this one, as a number.
fn next(mut word: Word) -> Word {
    for byte in word.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    word
}

/// Checks that the account is the contract's under `state_root`.
pub(super) fn account(
    state_root: &Word,
    contract: &Address,
    state: &StateEvidence,
) -> core::result::Result<Account, EvmRefusal> {
    let leaf = &state.account;
    if !trie::has(state_root, keccak256(contract).as_slice(), &leaf.value, &leaf.proof) {
        return Err(EvmRefusal::new(E::AccountNotInState, EvmPart::Account));
    }
    let parsed = parse_account(&leaf.value);
    parsed.map_err(|_| EvmRefusal::new(E::AccountMalformed, EvmPart::Account))
}

fn parse_account(rlp: &[u8]) -> Result<Account> {
    let mut items = Items::of_list(rlp)?;
    let _nonce = items.number()?;
    items.big_number()?;
    let account = Account { storage_root: *items.fixed()?, code_hash: *items.fixed()? };
    items.end()?;
    Ok(account)
}

/// Checks that the three slots are in the account's storage and say what the event says.
pub(super) fn head(
    account: &Account,
    log_id: &Word,
    state: &StateEvidence,
    event: &Event,
) -> core::result::Result<Stored, EvmRefusal> {
    for ((number, key), slot) in (0..).zip(slots(log_id)).zip(&state.slots) {
        let (key, value) = (keccak256(key), slot_rlp(&slot.value));
        if !trie::has(&account.storage_root, key.as_slice(), &value, &slot.proof) {
            return Err(EvmRefusal::new(E::SlotNotInStorage, EvmPart::Slot(number)));
        }
    }
    let [root, packed, accumulator] = state.slots.each_ref().map(|slot| slot.value);
    let (authority, seq, size) = unpack(&packed);
    let word = |hash: &Hash| EvmValue::Word(hash.0);
    differ(E::RootDiffers, 0, word(&event.head.root), EvmValue::Word(root))?;
    differ(E::SizeDiffers, 1, EvmValue::Number(event.head.size.0), EvmValue::Number(size))?;
    differ(E::SeqDiffers, 1, EvmValue::Number(event.seq.into()), EvmValue::Number(seq.into()))?;
    let folded = fold(&state.accumulator_before, event);
    differ(E::AccumulatorDiffers, 2, EvmValue::Word(folded), EvmValue::Word(accumulator))?;
    Ok(Stored { authority, accumulator })
}

fn differ(
    error: E,
    slot: u8,
    expected: EvmValue,
    got: EvmValue,
) -> core::result::Result<(), EvmRefusal> {
    if expected == got {
        return Ok(());
    }
    Err(EvmRefusal::between(error, EvmPart::Slot(slot), expected, got))
}

/// A slot as its trie has it: a number without leading zeros.
fn slot_rlp(value: &Word) -> Vec<u8> {
    let zeros = value.iter().take_while(|byte| **byte == 0).count();
    alloy_rlp::encode(value.get(zeros..).unwrap_or_default())
}

/// Solidity packs from the low end: size, seq, authority.
fn unpack(packed: &Word) -> (Address, u32, u64) {
    let mut authority = [0; 20];
    let (mut seq, mut size) = ([0; 4], [0; 8]);
    let fields = authority.iter_mut().chain(&mut seq).chain(&mut size);
    fields.zip(packed).for_each(|(to, from)| *to = *from);
    (authority, u32::from_be_bytes(seq), u64::from_be_bytes(size))
}

/// The accumulator after an anchor, as the contract computes it.
fn fold(before: &Word, event: &Event) -> Word {
    let mut hash = Sha256::new();
    hash.update([ACCUMULATOR_PREFIX]);
    hash.update(before);
    hash.update(event.head.root.0);
    hash.update(event.head.size.0.to_be_bytes());
    hash.update(event.seq.to_be_bytes());
    hash.update(event.time_s.to_be_bytes());
    hash.update(event.checkpoint_hash);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::{next, slot_rlp, unpack};

    #[test]
    fn words_are_numbers() {
        assert_eq!(next([0xff; 32]), [0; 32]);
        let mut word = [0; 32];
        (word[30], word[31]) = (1, 0xff);
        let mut after = [0; 32];
        after[30] = 2;
        assert_eq!(next(word), after);
        assert_eq!(slot_rlp(&word), [0x82, 1, 0xff]);
        assert_eq!(slot_rlp(&[0; 32]), [0x80]);
    }

    #[test]
    fn the_packed_slot_comes_apart() {
        let mut packed = [7; 32];
        packed[20..24].copy_from_slice(&3_u32.to_be_bytes());
        packed[24..].copy_from_slice(&1_000_000_u64.to_be_bytes());
        assert_eq!(unpack(&packed), ([7; 20], 3, 1_000_000));
    }
}
