//! Providers: nodes that speak Ethereum's JSON-RPC over HTTP, none of which is believed alone.
//!
//! In scope: one question to one or all, with a deadline; whose answer is whose. Out of scope: what
//! an answer is worth (`quorum`).
//!
//! Invariants:
//! - A provider is named by host and port: its URL may carry an access key, and is never shown.
//! - No request without a deadline.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use alloy::primitives::Bytes;
use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::{RpcRecv, RpcSend};
use alloy::transports::RpcError;
use tokio::task::JoinSet;

use crate::error::AnchorError;
use crate::quorum::{Agreed, Rule, Split, Trouble};

/// One node.
#[derive(Clone, Debug)]
pub struct Provider {
    name: String,
    client: RpcClient,
    timeout: Duration,
}

/// Why a question got no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// None in time, or not one that can be read.
    Silent(String),
    /// The node answered with an error.
    Refused {
        /// JSON-RPC's code.
        code: i64,
        /// The node's words.
        message: String,
        /// What a call reverted with.
        revert: Option<Bytes>,
    },
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Silent(why) => f.write_str(why),
            Self::Refused { code, message, .. } => write!(f, "{message} ({code})"),
        }
    }
}

impl Provider {
    /// The node at this URL.
    ///
    /// # Errors
    /// [`AnchorError::Config`] if it is no HTTP address.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, AnchorError> {
        // The URL itself may be a secret; it is not repeated.
        let bad = |why: &str| AnchorError::Config(format!("a provider's URL is {why}"));
        let url: reqwest::Url = url.parse().map_err(|_| bad("no URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("neither http:// nor https://"));
        }
        let host = url.host_str().ok_or_else(|| bad("without a host"))?;
        let name = match url.port_or_known_default() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let client = reqwest::Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|e| AnchorError::Config(format!("no HTTP client: {e}")))?;
        Ok(Self { name, client: RpcClient::new_http_with_client(client, url), timeout })
    }

    /// Host and port.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One question.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn ask<P: RpcSend, T: RpcRecv>(
        &self,
        method: &'static str,
        params: P,
    ) -> Result<T, Fault> {
        let answer = tokio::time::timeout(self.timeout, self.client.request(method, params)).await;
        match answer {
            Err(_) => Err(Fault::Silent(format!("{method}: no answer in time"))),
            Ok(Ok(value)) => Ok(value),
            Ok(Err(RpcError::ErrorResp(error))) => Err(Fault::Refused {
                code: error.code,
                message: error.message.to_string(),
                revert: error.as_revert_data(),
            }),
            Ok(Err(RpcError::DeserError { .. })) => {
                Err(Fault::Silent(format!("{method}: not an answer to this")))
            }
            // A transport's error would show the URL.
            Ok(Err(_)) => Err(Fault::Silent(format!("{method}: cannot be reached"))),
        }
    }
}

/// All of them, and the rule between them.
#[derive(Clone, Debug)]
pub struct Providers {
    list: Vec<Provider>,
    rule: Rule,
}

impl Providers {
    /// Providers under a rule.
    ///
    /// # Errors
    /// [`AnchorError::Config`] from either.
    pub fn new(
        urls: &[String],
        quorum: Option<usize>,
        outvote: bool,
        timeout: Duration,
    ) -> Result<Self, AnchorError> {
        let rule = Rule::new(urls.len(), quorum, outvote)?;
        let list: Result<Vec<_>, _> = urls.iter().map(|url| Provider::new(url, timeout)).collect();
        let mut list = list?;
        // Two on one host are told apart by their position.
        let mut seen: HashMap<String, usize> = HashMap::new();
        for provider in &mut list {
            let count = seen.entry(provider.name.clone()).or_default();
            *count += 1;
            if *count > 1 {
                provider.name = format!("{}#{count}", provider.name);
            }
        }
        Ok(Self { list, rule })
    }

    /// The rule.
    #[must_use]
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Name of the provider at a position.
    #[must_use]
    pub fn name(&self, place: usize) -> String {
        self.list.get(place).map_or_else(|| format!("#{place}"), |p| p.name.clone())
    }

    /// Names of the providers at these positions.
    #[must_use]
    pub fn names(&self, places: &[usize]) -> Vec<String> {
        places.iter().map(|place| self.name(*place)).collect()
    }

    /// Runs `ask` at all of them at once; answers in the providers' order.
    pub async fn each<T, F, Fut>(&self, ask: F) -> Vec<Result<T, Fault>>
    where
        T: Send + 'static,
        F: Fn(Provider) -> Fut,
        Fut: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let mut running = JoinSet::new();
        for (place, provider) in self.list.iter().enumerate() {
            let answer = ask(provider.clone());
            running.spawn(async move { (place, answer.await) });
        }
        let mut answers: Vec<_> =
            self.list.iter().map(|_| Err(Fault::Silent("not asked".into()))).collect();
        while let Some(done) = running.join_next().await {
            if let Ok((place, answer)) = done
                && let Some(slot) = answers.get_mut(place)
            {
                *slot = answer;
            }
        }
        answers
    }

    /// The answer that wins under the rule.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn judge<T: PartialEq + Clone + Debug>(
        &self,
        question: &str,
        answers: Vec<Result<T, Fault>>,
    ) -> Result<Agreed<T>, Trouble> {
        let mut given = Vec::new();
        let mut why = Vec::new();
        for (place, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(value) => given.push((place, value)),
                Err(fault) => why.push((self.name(place), fault.to_string())),
            }
        }
        self.rule.count(&given).map_err(|split| match split {
            Split::TooFew => {
                Trouble::Silent { answered: given.len(), needed: self.rule.quorum, why }
            }
            Split::Different => Trouble::Disagree {
                question: question.to_owned(),
                answers: given
                    .iter()
                    .map(|(place, value)| (self.name(*place), format!("{value:?}")))
                    .collect(),
            },
        })
    }

    /// One question to all, and the answer that wins.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn agree<P, T>(&self, method: &'static str, params: P) -> Result<Agreed<T>, Trouble>
    where
        P: RpcSend + Clone + 'static,
        T: RpcRecv + PartialEq + Clone,
    {
        let ask = |provider: Provider| {
            let params = params.clone();
            async move { provider.ask(method, params).await }
        };
        let answers = self.each(ask).await;
        self.judge(method, answers)
    }

    /// `eth_call` at a block, by tag, number or hash; a revert is an answer too.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn call(
        &self,
        request: serde_json::Value,
        block: serde_json::Value,
    ) -> Result<Agreed<Result<Bytes, Bytes>>, Trouble> {
        let ask = |provider: Provider| {
            let params = (request.clone(), block.clone());
            async move { as_call(provider.ask("eth_call", params).await) }
        };
        let answers = self.each(ask).await;
        self.judge("eth_call", answers)
    }
}

/// A call that reverted has an answer: what it reverted with.
fn as_call(answer: Result<Bytes, Fault>) -> Result<Result<Bytes, Bytes>, Fault> {
    match answer {
        Ok(data) => Ok(Ok(data)),
        Err(Fault::Refused { code, message, revert }) => match revert {
            Some(data) => Ok(Err(data)),
            None if message.contains("revert") => Ok(Err(Bytes::new())),
            None => Err(Fault::Refused { code, message, revert: None }),
        },
        Err(fault) => Err(fault),
    }
}
