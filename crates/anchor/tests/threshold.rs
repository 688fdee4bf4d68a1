//! An authority of two of three signers, two accounts and a P-256 key, on a real node.

mod world;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::{SolCall, SolValue};
use firmlog_anchor::contract::FirmwareAnchor;
use firmlog_anchor::contract::{Claim, log_id};
use firmlog_anchor::request::{PartialSignature, Request};
use firmlog_anchor::threshold::{HeldKey, Threshold};
use firmlog_anchor::{AnchorError, Authority, Client, Status, Waiting, Wallet};
use firmlog_keys::{Algorithm, FileKey};
use firmlog_statement::{PublicKey, Signer};
use serde_json::json;
use sha2::{Digest, Sha256};
use world::{Log, ORIGIN, World, providers, relay, rich, step};

const THREE: [usize; 3] = [0, 1, 2];

/// The keys of the three; the last is of P-256, behind the verifier that is deployed sixth.
struct Keys {
    accounts: [Wallet; 2],
    p256: FileKey,
}

impl Keys {
    fn new() -> Self {
        let wallet = |byte| Wallet::from_bytes(&[byte; 32]).expect("a key");
        let p256 = FileKey::generate(Algorithm::P256).expect("a key");
        Self { accounts: [wallet(0x31), wallet(0x32)], p256 }
    }

    fn key(&self, which: usize) -> HeldKey {
        if let Some(wallet) = self.accounts.get(which) {
            return HeldKey::Secp256k1(wallet.clone());
        }
        let (key, verifier) = (self.p256.clone(), rich().address().create(5));
        let PublicKey::P256(point) = key.public_key() else { panic!("P-256") };
        let sign = Box::new(move |digest: &[u8; 32]| key.sign_digest(digest));
        HeldKey::P256 { verifier, point, sign }
    }

    fn signer(&self, which: usize) -> Bytes {
        self.key(which).signer()
    }

    /// Two of the three, with the keys at hand of some.
    fn authority(&self, at_hand: &[usize]) -> Threshold {
        let mut threshold =
            Threshold::new(2, THREE.map(|which| self.signer(which)).to_vec()).expect("signers");
        for which in at_hand {
            threshold.add_key(self.key(*which)).expect("a signer's");
        }
        threshold
    }

    async fn world(&self) -> Option<World> {
        let world = World::start("threshold", self.authority(&[]).name()).await?;
        assert_eq!(world.deployed.p256, rich().address().create(5));
        Some(world)
    }
}

fn client(world: &World, authority: Threshold) -> Client {
    let all = providers(&[world.node.url()], None, false);
    Client::open(world.settings(), all, relay(), Authority::Threshold(authority)).expect("opens")
}

fn is_final(size: u64) -> impl Fn(&Status) -> bool {
    move |status| matches!(status, Status::Final(it) if it.target.size == size)
}

/// A request as it leaves one machine and reaches another.
fn request(world: &World, keys: &Keys, log: &Log, size: u64) -> Request {
    let made = Request::new(world.deployment, &keys.authority(&[]), &log.note(size));
    Request::parse(made.expect("a checkpoint").encode().as_bytes()).expect("as it was written")
}

/// A signature as it comes back.
fn signed(keys: &Keys, which: usize, request: &Request) -> PartialSignature {
    let (key, digest) = (keys.key(which), request.asked().expect("a checkpoint").digest);
    let one = PartialSignature::new(digest, key.signer(), key.sign(digest).expect("signs"));
    PartialSignature::parse(one.encode().as_bytes()).expect("as it was written")
}

fn add(threshold: &mut Threshold, one: PartialSignature) -> Result<(), AnchorError> {
    threshold.add_signature(one.signer, one.digest, one.signature)
}

#[tokio::test]
async fn anc_11_any_two_of_three_anchor_by_keys_at_hand_or_signatures_from_elsewhere() {
    let keys = Keys::new();
    let Some(world) = keys.world().await else { return };
    let log = Log::grown("a", 100);
    let mixes: [(&[usize], &[usize]); 7] = [
        (&[0, 1], &[]),
        (&[0, 2], &[]),
        (&[1, 2], &[]),
        (&[0], &[1]),
        (&[0], &[2]),
        (&[], &[1, 2]),
        // One more than needed is no harm.
        (&[0, 1], &[2]),
    ];
    for (size, (at_hand, elsewhere)) in (10..).step_by(10).zip(mixes) {
        let mut authority = keys.authority(at_hand);
        let request = request(&world, &keys, &log, size);
        for which in elsewhere {
            add(&mut authority, signed(&keys, *which, &request)).expect("theirs");
        }
        let mut client = client(&world, authority);
        client.want(&log.note(size)).expect("wanted");
        world.drive(&mut client, &log, is_final(size)).await;
    }
    assert_eq!(world.node.nonce(relay().address()).await, 7);
}

#[tokio::test]
async fn anc_11_the_contract_names_and_orders_signers_as_we_do() {
    let keys = Keys::new();
    let Some(world) = keys.world().await else { return };
    let ours = keys.authority(&[0, 1]);
    // Settings may name them in any order; the name is the contract's own.
    for order in [[2, 1, 0], [1, 2, 0], [0, 2, 1]] {
        let signers = order.map(|which| keys.signer(which)).to_vec();
        assert_eq!(Threshold::new(2, signers).expect("signers").name(), ours.name());
    }
    let view = FirmwareAnchor::thresholdAuthorityCall {
        threshold: U256::from(2),
        signers: ours.signers().to_vec(),
    };
    let told = call(&world, relay().address(), view.abi_encode()).await.expect("a view");
    let told = FirmwareAnchor::thresholdAuthorityCall::abi_decode_returns(&told);
    assert_eq!(told.expect("an address"), ours.name());
    // The same signatures in another order are refused by the contract.
    let log = Log::grown("a", 10);
    let head = log.head(10);
    let checkpoint_hash = B256::from_slice(&Sha256::digest(log.note(10)));
    let claim = Claim { head, checkpoint_hash };
    let proof = ours.prove(&world.deployment.message(log_id(ORIGIN), &claim)).expect("signs");
    let anchor = |proof: Vec<u8>| FirmwareAnchor::anchorCall {
        logId: log_id(ORIGIN),
        root: head.root.0.into(),
        size: 10,
        consistency: Vec::new(),
        authoritySig: proof.into(),
        checkpointHash: checkpoint_hash,
    };
    let good = anchor(proof.clone()).abi_encode();
    assert!(call(&world, relay().address(), good).await.is_ok());
    let fields = <(U256, Vec<Bytes>, Vec<Bytes>)>::abi_decode_params(&proof[1..]);
    let (k, mut signers, mut signatures) = fields.expect("our own");
    assert_eq!(signatures.iter().filter(|one| !one.is_empty()).count(), 2);
    signers.reverse();
    signatures.reverse();
    let other = [&[3][..], &(k, signers, signatures).abi_encode_params()].concat();
    let refused = call(&world, relay().address(), anchor(other).abi_encode()).await;
    let told = refused.expect_err("another order").to_string();
    let selector = &keccak256("SignersNotAscending(uint256)")[..4];
    assert!(
        told.contains(&alloy::hex::encode(selector)) || told.contains("NotAscending"),
        "{told}"
    );
}

async fn call(world: &World, from: Address, input: Vec<u8>) -> Result<Bytes, String> {
    let request = json!({"from": from, "to": world.deployment.contract,
        "input": Bytes::from(input)});
    let all = providers(&[world.node.url()], None, false);
    let answer = all.call(request, "latest".into()).await.expect("an answer");
    answer.value.map_err(|revert| firmlog_anchor::contract::refusal(&revert))
}

#[tokio::test]
async fn anc_11_a_signer_counts_once_and_too_few_send_nothing() {
    let keys = Keys::new();
    let Some(world) = keys.world().await else { return };
    let log = Log::grown("a", 100);
    let request10 = request(&world, &keys, &log, 10);
    let mut authority = keys.authority(&[]);
    add(&mut authority, signed(&keys, 2, &request10)).expect("theirs");
    // P-256 signatures differ each time; they are one signer's still.
    add(&mut authority, signed(&keys, 2, &request10)).expect("theirs");
    let mut client = client(&world, authority);
    client.want(&log.note(10)).expect("wanted");
    let status = step(&mut client, &log).await;
    let missing = Status::Waiting(Waiting::Signatures { have: 1, needed: 2 });
    assert_eq!(status, missing);
    assert_eq!(client.state().stage(), "built");
    assert_eq!(world.node.nonce(relay().address()).await, 0);
    let twice = Threshold::new(2, vec![keys.signer(0), keys.signer(1), keys.signer(0)]);
    assert!(twice.expect_err("twice").to_string().contains("named twice"));
    for k in [0, 4] {
        assert!(Threshold::new(k, THREE.map(|which| keys.signer(which)).to_vec()).is_err());
    }
}

#[tokio::test]
async fn anc_11_a_request_that_was_overtaken_costs_nothing() {
    let keys = Keys::new();
    let Some(world) = keys.world().await else { return };
    let log = Log::grown("a", 100);
    let old = request(&world, &keys, &log, 20);
    // Signatures of 20 entries say nothing of 30.
    let mut authority = keys.authority(&[0]);
    add(&mut authority, signed(&keys, 1, &old)).expect("theirs");
    let mut one = client(&world, authority);
    one.want(&log.note(30)).expect("wanted");
    let missing = Status::Waiting(Waiting::Signatures { have: 1, needed: 2 });
    assert_eq!(step(&mut one, &log).await, missing);
    drop(one);
    // The size moved on: 30 is anchored, then the request for 20 comes back.
    let mut both = client(&world, keys.authority(&[0, 1]));
    world.drive(&mut both, &log, is_final(30)).await;
    drop(both);
    let mut authority = keys.authority(&[]);
    for which in [0, 1] {
        add(&mut authority, signed(&keys, which, &old)).expect("theirs");
    }
    let mut late = client(&world, authority);
    late.want(&log.note(20)).expect("wanted");
    let status = step(&mut late, &log).await;
    assert!(matches!(status, Status::Covered(head) if head.size == 30), "{status}");
    assert_eq!(world.node.nonce(relay().address()).await, 1);
}

#[test]
fn anc_11_what_is_no_signature_of_a_signer_is_refused_before_anything_is_sent() {
    let keys = Keys::new();
    let mut authority = keys.authority(&[]);
    let digest = B256::repeat_byte(9);
    let stranger = HeldKey::Secp256k1(relay());
    let signature = stranger.sign(digest).expect("signs");
    let told = authority.add_signature(stranger.signer(), digest, signature.clone());
    assert!(told.expect_err("a stranger").to_string().contains("expected one of the signers"));
    assert!(authority.add_signature(keys.signer(0), digest, signature).is_err());
    assert!(authority.add_key(stranger).is_err());
    for which in THREE {
        let key = keys.key(which);
        let good = key.sign(digest).expect("signs");
        let signer = key.signer();
        assert!(authority.add_signature(signer.clone(), digest, good.clone()).is_ok());
        let other = B256::repeat_byte(8);
        assert!(authority.add_signature(signer.clone(), other, good.clone()).is_err());
        for place in 0..good.len() {
            let mut spoiled = good.to_vec();
            spoiled[place] ^= 1;
            let told = authority.add_signature(signer.clone(), digest, spoiled.into());
            assert!(told.is_err(), "signer {which}, byte {place}");
        }
        for short in [&good[..good.len() - 1], &[]] {
            let short = Bytes::copy_from_slice(short);
            assert!(authority.add_signature(signer.clone(), digest, short).is_err());
        }
    }
}

#[test]
fn anc_12_files_have_one_spelling() {
    let keys = Keys::new();
    let log = Log::grown("a", 100);
    let deployment =
        firmlog_anchor::contract::Deployment { chain_id: 1, contract: Address::repeat_byte(5) };
    let request =
        Request::new(deployment, &keys.authority(&[]), &log.note(7)).expect("a checkpoint");
    let text = request.encode();
    assert_eq!(Request::parse(text.as_bytes()).expect("its own").encode(), text);
    // What the fuzzer starts from is of these forms.
    let seed = include_bytes!("../../../fuzz/seeds/anchor_request/request");
    assert!(Request::parse(seed).is_ok());
    let seed = include_bytes!("../../../fuzz/seeds/anchor_request/signature");
    assert!(PartialSignature::parse(seed).is_ok());
    let asked = request.asked().expect("a checkpoint");
    assert_eq!((asked.origin.as_str(), asked.size), (ORIGIN, 7));
    let signers = request.signers.clone();
    let swapped = text.replace(&signers[0].to_string(), "X");
    let swapped = swapped.replace(&signers[1].to_string(), &signers[0].to_string());
    let spellings = [
        text.trim_end().to_owned(),
        format!(" {text}"),
        text.replace("\"chain_id\": 1", "\"chain_id\": 1.0"),
        text.replace("\"chain_id\": 1", "\"chain_id\": 1,\n  \"more\": 2"),
        text.replace("request/v1", "request/v2"),
        text.replace("\"threshold\": 2", "\"threshold\": 4"),
        text.replace("0x0505", "0X0505"),
        text.replace(ORIGIN, ""),
        swapped.replace('X', &signers[1].to_string()),
    ];
    for spelling in spellings {
        assert_ne!(spelling, text);
        assert!(Request::parse(spelling.as_bytes()).is_err(), "{spelling}");
    }
    let (digest, key) = (asked.digest, keys.key(0));
    let one = PartialSignature::new(digest, key.signer(), key.sign(digest).expect("signs"));
    let text = one.encode();
    assert_eq!(PartialSignature::parse(text.as_bytes()).expect("its own"), one);
    for spelling in [text.to_uppercase(), format!("{text}\n"), text.replace("/v1", "/v3")] {
        assert!(PartialSignature::parse(spelling.as_bytes()).is_err(), "{spelling}");
    }
    assert!(PartialSignature::parse(&[b' '; 70_000]).is_err());
}
