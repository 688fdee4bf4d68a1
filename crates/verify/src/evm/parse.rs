//! Reading evidence, in its one spelling.

use alloc::vec::Vec;

use firmlog_statement::StatementError;
use firmlog_statement::codec::Decoder;

use super::{
    EvmError as E, EvmEvidence, Leaf, MAX_BYTES, MAX_HEADERS, MAX_NODES, Slot, StateEvidence,
};

/// Keys 1 to 7 must be there, 8 and 9 may.
const REQUIRED: u32 = 0b1111_1110;

pub(super) fn parse(bytes: &[u8]) -> Result<EvmEvidence, E> {
    if bytes.len() > MAX_BYTES {
        return Err(E::TooLarge);
    }
    let mut d = Decoder::new(bytes);
    let mut map = d.map().map_err(cbor)?;
    let mut evidence = EvmEvidence::default();
    let mut parts = 0_u32;
    while let Some(key) = map.next_key(&mut d).map_err(cbor)? {
        match key {
            1 => evidence.chain_id = d.uint().map_err(cbor)?,
            2 => evidence.contract = *d.array().map_err(cbor)?,
            3 => evidence.log_id = *d.array().map_err(cbor)?,
            4 => evidence.header = d.bytes().map_err(cbor)?.into(),
            5 => evidence.index = d.uint().map_err(cbor)?,
            6 => evidence.transaction = leaf(&mut d)?,
            7 => evidence.receipt = leaf(&mut d)?,
            8 => evidence.state = Some(state(&mut d)?),
            9 => evidence.descendants = strings(&mut d, MAX_HEADERS)?,
            _ => return Err(E::Malformed),
        }
        parts |= 1_u32.checked_shl(key as u32).unwrap_or(0);
    }
    d.end().map_err(cbor)?;
    if parts & REQUIRED == REQUIRED { Ok(evidence) } else { Err(E::Malformed) }
}

fn state(d: &mut Decoder<'_>) -> Result<StateEvidence, E> {
    array_of(d, 5)?;
    Ok(StateEvidence {
        accumulator_before: *d.array().map_err(cbor)?,
        account: leaf(d)?,
        slots: [slot(d)?, slot(d)?, slot(d)?],
    })
}

fn slot(d: &mut Decoder<'_>) -> Result<Slot, E> {
    array_of(d, 2)?;
    Ok(Slot { value: *d.array().map_err(cbor)?, proof: strings(d, MAX_NODES)? })
}

fn leaf(d: &mut Decoder<'_>) -> Result<Leaf, E> {
    array_of(d, 2)?;
    Ok(Leaf { value: d.bytes().map_err(cbor)?.into(), proof: strings(d, MAX_NODES)? })
}

/// A list of byte strings that is not empty.
fn strings(d: &mut Decoder<'_>, max: usize) -> Result<Vec<Vec<u8>>, E> {
    match d.list().map_err(cbor)? {
        0 => Err(E::Malformed),
        count if count > max => Err(E::TooLarge),
        count => (0..count).map(|_| d.bytes().map(Vec::from).map_err(cbor)).collect(),
    }
}

fn array_of(d: &mut Decoder<'_>, len: usize) -> Result<(), E> {
    if d.list().map_err(cbor)? == len { Ok(()) } else { Err(E::Malformed) }
}

fn cbor(_: StatementError) -> E {
    E::Malformed
}
