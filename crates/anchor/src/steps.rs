//! A fixed row of transactions, each under the nonce that its place gives it: deploying,
//! registering.
//!
//! ```text
//! steps-<name>.json   {"first_nonce": 12, "digest": …}      step i is nonce 12 + i, and no other
//! ```
//!
//! The file is durable before the first is sent. A process that dies starts again at the account's
//! next nonce: what was mined is not done twice, because its nonce is gone. A contract that was
//! made is compared with ours before the next step, so a nonce that went elsewhere stops the row.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, TxKind, U64};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::audit::{Code, Contract};
use crate::contract::refusal;
use crate::error::AnchorError;
use crate::fees::{Limits, Offer, offer};
use crate::history::finalized;
use crate::journal::{pretty, replace};
use crate::key::Wallet;
use crate::provider::{Provider, Providers};
use crate::quorum::{Trouble, median};
use crate::tx::{Body, broadcast};
use crate::view::block;

const FORMAT: &str = "firmlog/anchor-steps/v1";

/// How many looks until a transaction that is not mined gets higher fees.
const LOOKS_UNTIL_BUMP: u32 = 30;

/// One transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) what: String,
    pub(crate) to: TxKind,
    pub(crate) input: Bytes,
    /// The contract it makes, and where.
    pub(crate) makes: Option<(Contract, Address)>,
}

/// By whom, at what price.
#[derive(Clone, Copy, Debug)]
pub struct Sending<'a> {
    /// The providers.
    pub providers: &'a Providers,
    /// Who signs and pays.
    pub wallet: &'a Wallet,
    /// The chain.
    pub chain_id: u64,
    /// Fees.
    pub limits: &'a Limits,
    /// Where the file is.
    pub dir: &'a Path,
    /// Between looks.
    pub poll: Duration,
}

/// What is kept of a row under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: String,
    chain_id: u64,
    account: Address,
    first_nonce: u64,
    /// The newest block when it began.
    from_block: u64,
    /// Of all steps but their addresses, which follow from the first nonce.
    digest: B256,
}

/// A row that has a nonce.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    path: PathBuf,
    pub(crate) first_nonce: u64,
    pub(crate) from_block: u64,
}

impl Sending<'_> {
    /// Begins a row, or finds the one that was begun.
    pub(crate) async fn begin(&self, name: &str, digest: &[u8]) -> Result<Row, AnchorError> {
        let path = self.dir.join(format!("steps-{name}.json"));
        let digest = B256::from_slice(&Sha256::digest(digest));
        let account = self.wallet.address();
        if let Ok(text) = fs::read_to_string(&path) {
            let kept: Kept =
                serde_json::from_str(&text).map_err(|e| AnchorError::damaged(&path, e))?;
            if (kept.chain_id, kept.account, kept.digest) != (self.chain_id, account, digest) {
                let why =
                    "it is of other transactions; finish those, or remove it if they are done";
                return Err(AnchorError::damaged(&path, why));
            }
            return Ok(Row { path, first_nonce: kept.first_nonce, from_block: kept.from_block });
        }
        let first_nonce = self.next_nonce().await?;
        let ask = |p: Provider| async move { Ok(block(&p, "latest").await?.header.number) };
        let heads: Vec<u64> = self.providers.each(ask).await.into_iter().flatten().collect();
        let from_block = median(&heads).unwrap_or_default();
        let (format, chain_id) = (FORMAT.into(), self.chain_id);
        let kept = Kept { format, chain_id, account, first_nonce, from_block, digest };
        fs::create_dir_all(self.dir).map_err(AnchorError::io("create", self.dir))?;
        replace(&path, pretty(&kept).as_bytes(), || {})?;
        Ok(Row { path, first_nonce, from_block })
    }

    /// Sends what is missing, one after the other, and waits until the last is final. The row's
    /// file stays: run again, nothing is sent.
    pub(crate) async fn run(
        &self,
        row: &Row,
        steps: &[Step],
        mut tell: impl FnMut(String),
    ) -> Result<(), AnchorError> {
        for (place, step) in steps.iter().enumerate() {
            let nonce = row.first_nonce + place as u64;
            tell(format!("{} of {}: {}", place + 1, steps.len(), step.what));
            self.one(nonce, step).await?;
            if let Some((contract, at)) = step.makes {
                self.compare(contract, at, nonce).await?;
            }
        }
        let ask = |p: Provider| async move { Ok(block(&p, "latest").await?.header.number) };
        let heads: Vec<u64> = self.providers.each(ask).await.into_iter().flatten().collect();
        let last = median(&heads).unwrap_or_default();
        loop {
            let now = finalized(self.providers).await?;
            if now >= last {
                break;
            }
            tell(format!("mined; final is #{now}, waiting for #{last}"));
            tokio::time::sleep(self.poll).await;
        }
        Ok(())
    }

    /// Forgets a row that is done: the next of its name has other nonces.
    pub(crate) fn forget(&self, row: Row) -> Result<(), AnchorError> {
        fs::remove_file(&row.path).map_err(AnchorError::io("remove", &row.path))
    }

    /// The code that this nonce made is ours.
    async fn compare(
        &self,
        contract: Contract,
        at: Address,
        nonce: u64,
    ) -> Result<(), AnchorError> {
        let code = self.providers.agree::<_, Bytes>("eth_getCode", (at, "latest")).await?.value;
        let got = match contract.compare(&code, self.chain_id, at) {
            Code::Ours { .. } => return Ok(()),
            Code::Nothing => "no code".into(),
            Code::Other { first_difference, .. } => {
                format!("other code from byte {first_difference} on")
            }
        };
        let (name, account) = (contract.name(), self.wallet.address());
        let why = format!(
            "expected {name} at {at}, got {got}: nonce {nonce} of {account} failed or went to \
             another transaction; nothing more is sent"
        );
        Err(AnchorError::refused(format!("deploy {name}"), why))
    }

    async fn one(&self, nonce: u64, step: &Step) -> Result<(), AnchorError> {
        let mut before: Option<Offer> = None;
        let mut looks = 0;
        while self.next_nonce().await? <= nonce {
            if looks % LOOKS_UNTIL_BUMP == 0 {
                let base = self.base_fee().await?;
                // Above the limit it waits: what was sent stays where it is.
                if let Ok(offer) = offer(base, before.as_ref(), self.limits) {
                    self.send(nonce, step, &offer).await?;
                    before = Some(offer);
                }
            }
            looks += 1;
            tokio::time::sleep(self.poll).await;
        }
        Ok(())
    }

    async fn send(&self, nonce: u64, step: &Step, offer: &Offer) -> Result<(), AnchorError> {
        let gas = self.estimate(step).await?;
        let (to, input) = (step.to, step.input.clone());
        let body = Body { chain_id: self.chain_id, nonce, to, input, gas };
        let (_, raw) = body.sign(self.wallet, offer)?;
        let sent = broadcast(self.providers, &raw).await;
        if sent.poor && !sent.taken {
            let why = format!("{} cannot pay", self.wallet.address());
            return Err(AnchorError::refused(format!("send {}", step.what), why));
        }
        Ok(())
    }

    async fn estimate(&self, step: &Step) -> Result<u64, AnchorError> {
        let mut request = json!({"from": self.wallet.address(), "input": step.input});
        if let TxKind::Call(to) = step.to {
            request["to"] = json!(to);
        }
        let ask = |provider: Provider| {
            let request = request.clone();
            async move { provider.ask::<_, U64>("eth_estimateGas", (request,)).await }
        };
        let answers = self.providers.each(ask).await;
        let why = answers.iter().find_map(|answer| match answer {
            Err(crate::provider::Fault::Refused { revert: Some(data), .. }) => Some(refusal(data)),
            Err(fault) => Some(fault.to_string()),
            Ok(_) => None,
        });
        let given: Vec<u64> = answers.into_iter().flatten().map(|gas| gas.to()).collect();
        let gas = median(&given).ok_or_else(|| {
            AnchorError::refused(format!("send {}", step.what), why.unwrap_or_default())
        })?;
        Ok(gas.saturating_add(gas / 4))
    }

    async fn base_fee(&self) -> Result<u64, AnchorError> {
        let ask = |p: Provider| async move {
            Ok(block(&p, "latest").await?.header.base_fee_per_gas.unwrap_or_default())
        };
        let given: Vec<u64> = self.providers.each(ask).await.into_iter().flatten().collect();
        median(&given)
            .ok_or_else(|| AnchorError::refused("read the base fee", "no provider answers"))
    }

    /// The next nonce that enough providers have reached: nodes lag behind each other.
    async fn next_nonce(&self) -> Result<u64, AnchorError> {
        let account = self.wallet.address();
        let ask = |p: Provider| async move {
            p.ask::<_, U64>("eth_getTransactionCount", (account, "latest")).await
        };
        let (mut given, mut why) = (Vec::new(), Vec::new());
        for (place, answer) in self.providers.each(ask).await.into_iter().enumerate() {
            match answer {
                Ok(count) => given.push(count.to()),
                Err(fault) => why.push((self.providers.name(place), fault.to_string())),
            }
        }
        let (answered, needed) = (given.len(), self.providers.rule().quorum);
        let reached = self.providers.rule().reached(&given);
        Ok(reached.ok_or(Trouble::Silent { answered, needed, why })?)
    }
}
