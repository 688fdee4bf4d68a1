//! Transactions: signed once, sent as often as needed.

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::{Decodable2718, Encodable2718};
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};

use crate::error::AnchorError;
use crate::fees::Offer;
use crate::key::Wallet;
use crate::provider::{Fault, Provider, Providers};

/// What a transaction does, without what it pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) chain_id: u64,
    pub(crate) nonce: u64,
    pub(crate) to: TxKind,
    pub(crate) input: Bytes,
    pub(crate) gas: u64,
}

impl Body {
    /// The body of a transaction that was signed before.
    pub(crate) fn of(raw: &[u8]) -> Option<Self> {
        let Ok(TxEnvelope::Eip1559(signed)) = TxEnvelope::decode_2718(&mut &*raw) else {
            return None;
        };
        let tx = signed.strip_signature();
        Some(Self {
            chain_id: tx.chain_id,
            nonce: tx.nonce,
            to: tx.to,
            input: tx.input,
            gas: tx.gas_limit,
        })
    }

    /// Nothing, to oneself: fills a gap of nonces.
    pub(crate) fn filler(chain_id: u64, nonce: u64, account: Address) -> Self {
        Self { chain_id, nonce, to: TxKind::Call(account), input: Bytes::new(), gas: 21_000 }
    }

    /// Hash and bytes (EIP-2718).
    pub(crate) fn sign(self, wallet: &Wallet, offer: &Offer) -> Result<(B256, Bytes), AnchorError> {
        let tx = TxEip1559 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit: self.gas,
            max_fee_per_gas: offer.max_fee_wei.into(),
            max_priority_fee_per_gas: offer.tip_wei.into(),
            to: self.to,
            value: U256::ZERO,
            access_list: Default::default(),
            input: self.input,
        };
        let signature = wallet.sign(&tx.signature_hash())?;
        let signed = TxEnvelope::Eip1559(tx.into_signed(signature));
        Ok((*signed.tx_hash(), signed.encoded_2718().into()))
    }
}

/// What became of a broadcast.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Whether a node has it now.
    pub(crate) taken: bool,
    /// Whether a node says that the account cannot pay.
    pub(crate) poor: bool,
    /// Name and words of those that did not take it.
    pub(crate) refused: Vec<(String, String)>,
}

/// Gives a raw transaction to every provider.
pub(crate) async fn broadcast(providers: &Providers, raw: &Bytes) -> Sent {
    let send = |provider: Provider| {
        let raw = raw.clone();
        async move { provider.ask::<_, B256>("eth_sendRawTransaction", (raw,)).await }
    };
    let mut sent = Sent::default();
    for (place, answer) in providers.each(send).await.into_iter().enumerate() {
        match answer {
            Ok(_) => sent.taken = true,
            Err(fault) => {
                let words = fault.to_string().to_lowercase();
                // Nodes word it differently: "already known", "already imported", "known transaction".
                sent.taken |=
                    is_refusal(&fault) && words.contains("known") | words.contains("already");
                sent.poor |= words.contains("insufficient funds");
                sent.refused.push((providers.name(place), fault.to_string()));
            }
        }
    }
    sent
}

fn is_refusal(fault: &Fault) -> bool {
    matches!(fault, Fault::Refused { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_survives_signing_and_changes_its_price_only() {
        let wallet = Wallet::from_bytes(&[7; 32]).expect("a key");
        let to = TxKind::Call(Address::repeat_byte(9));
        let input = Bytes::from_static(b"call");
        let body = Body { chain_id: 5, nonce: 3, to, input, gas: 70_000 };
        let first = Offer { max_fee_wei: 10, tip_wei: 1 };
        let (hash, raw) = body.clone().sign(&wallet, &first).expect("signs");
        assert_eq!(raw[0], 2);
        assert_eq!(alloy::primitives::keccak256(&raw), hash);
        assert_eq!(Body::of(&raw), Some(body.clone()));
        // The same again is the same again: nonces of signatures are derived (RFC 6979).
        assert_eq!(body.clone().sign(&wallet, &first).expect("signs"), (hash, raw));
        let second = Offer { max_fee_wei: 12, tip_wei: 2 };
        assert_ne!(body.sign(&wallet, &second).expect("signs").0, hash);
        assert_eq!(Body::of(b"\x02nonsense"), None);
    }
}
