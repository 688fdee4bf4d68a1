//! Reading a COSE receipt, ours or another log's.

use firmlog_statement::Algorithm;
use firmlog_statement::codec::Decoder;
use firmlog_tlog::merkle::{Hash, LeafIndex, MAX_PROOF_LEN, TreeSize};

use super::{CONSISTENCY, CoseError as E, INCLUSION, Path, Proof, RFC9162_SHA256, VDP, VDS};

/// Header entries that are read; more is hostile.
const MAX_PAIRS: usize = 32;

/// A well-formed receipt. Nothing in it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoseReceipt<'a> {
    /// How it claims to be signed.
    pub alg: Algorithm,
    /// Whose key it claims to be of: a COSE key thumbprint if it is ours.
    pub kid: Option<&'a [u8]>,
    /// Who issued it, by its own words.
    pub issuer: Option<&'a str>,
    /// What it is about, by its own words.
    pub subject: Option<&'a str>,
    /// What it proves.
    pub proof: Proof<'a>,
    pub(super) protected: &'a [u8],
    pub(super) payload: Option<&'a [u8]>,
    pub(super) signature: &'a [u8; 64],
}

#[derive(Default)]
struct Protected<'a> {
    alg: Option<i64>,
    kid: Option<&'a [u8]>,
    issuer: Option<&'a str>,
    subject: Option<&'a str>,
    vds: Option<u64>,
}

impl<'a> CoseReceipt<'a> {
    /// Parses a receipt.
    ///
    /// # Errors
    /// A [`CoseError`](E) naming the rule that the bytes break.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, E> {
        let rest = bytes.strip_prefix(&[0xd2, 0x84]).ok_or(E::Malformed)?;
        let mut d = Decoder::new(rest);
        let protected = d.bytes().map_err(malformed)?;
        let headers = parse_protected(protected)?;
        if headers.vds != Some(RFC9162_SHA256) {
            return Err(E::StructureUnsupported);
        }
        let proof = parse_unprotected(&mut d)?;
        let payload = parse_payload(&mut d)?;
        let signature = d.bytes().map_err(malformed)?;
        d.end().map_err(|_| E::TrailingBytes)?;
        Ok(Self {
            alg: match headers.alg {
                Some(-7) => Algorithm::Es256,
                Some(-8) => Algorithm::EdDsa,
                _ => return Err(E::AlgorithmUnsupported),
            },
            kid: headers.kid,
            issuer: headers.issuer,
            subject: headers.subject,
            proof,
            protected,
            payload,
            signature: signature.try_into().map_err(|_| E::SignatureLength)?,
        })
    }
}

fn parse_protected(bytes: &[u8]) -> Result<Protected<'_>, E> {
    let mut d = Decoder::new(bytes);
    let mut out = Protected::default();
    let mut seen = Seen::default();
    for _ in 0..pairs(&mut d)? {
        match seen.label(&mut d)? {
            Some(1) => out.alg = Some(d.int().map_err(|_| E::AlgorithmUnsupported)?),
            Some(2) => return Err(E::CriticalUnknown),
            Some(4) => out.kid = Some(d.bytes().map_err(malformed)?),
            Some(15) => parse_claims(&mut d, &mut out)?,
            Some(label) if label == VDS as i64 => {
                out.vds = Some(d.uint().map_err(|_| E::StructureUnsupported)?);
            }
            _ => skip(&mut d)?,
        }
    }
    d.end().map_err(|_| E::Malformed)?;
    Ok(out)
}

fn parse_claims<'a>(d: &mut Decoder<'a>, out: &mut Protected<'a>) -> Result<(), E> {
    let mut seen = Seen::default();
    for _ in 0..pairs(d)? {
        match seen.label(d)? {
            Some(1) => out.issuer = Some(d.text().map_err(malformed)?),
            Some(2) => out.subject = Some(d.text().map_err(malformed)?),
            _ => skip(d)?,
        }
    }
    Ok(())
}

fn parse_unprotected<'a>(d: &mut Decoder<'a>) -> Result<Proof<'a>, E> {
    let mut seen = Seen::default();
    let mut proof = None;
    for _ in 0..pairs(d)? {
        match seen.label(d)? {
            Some(label) if label == VDP as i64 => proof = Some(parse_proofs(d)?),
            _ => skip(d)?,
        }
    }
    proof.ok_or(E::ProofMissing)
}

/// The vdp map: exactly one proof of exactly one kind.
fn parse_proofs<'a>(d: &mut Decoder<'a>) -> Result<Proof<'a>, E> {
    match pairs(d)? {
        0 => return Err(E::ProofMissing),
        1 => {}
        _ => return Err(E::ProofCount),
    }
    let kind = d.int().map_err(|_| E::ProofMissing)?;
    if d.list().map_err(malformed)? != 1 {
        return Err(E::ProofCount);
    }
    let (first, second, path) =
        parse_proof(d.bytes().map_err(malformed)?).map_err(|_| E::ProofMalformed)?;
    match kind {
        INCLUSION => Ok(Proof::Inclusion { size: TreeSize(first), index: LeafIndex(second), path }),
        CONSISTENCY => Ok(Proof::Consistency { old: TreeSize(first), new: TreeSize(second), path }),
        _ => Err(E::ProofMissing),
    }
}

fn parse_proof(bytes: &[u8]) -> Result<(u64, u64, Path<'_>), E> {
    let mut d = Decoder::new(bytes);
    if d.list().map_err(malformed)? != 3 {
        return Err(E::ProofMalformed);
    }
    let (first, second) = (d.uint().map_err(malformed)?, d.uint().map_err(malformed)?);
    let count = d.list().map_err(malformed)?;
    if count == 0 || count > MAX_PROOF_LEN {
        return Err(E::ProofMalformed);
    }
    let path = Path { bytes: d.rest(), count };
    (0..count).try_for_each(|_| d.array::<32>().map(|_| ())).map_err(malformed)?;
    d.end().map_err(malformed)?;
    Ok((first, second, path))
}

impl<'a> Path<'a> {
    /// The hashes, in their order.
    pub fn hashes(&self) -> impl Iterator<Item = Hash> + use<'a> {
        let mut d = Decoder::new(self.bytes);
        (0..self.count).map_while(move |_| d.array::<32>().ok().map(|hash| Hash(*hash)))
    }
}

fn parse_payload<'a>(d: &mut Decoder<'a>) -> Result<Option<&'a [u8]>, E> {
    if d.rest().first() == Some(&0xf6) {
        return d.skip().map(|_| None).map_err(malformed);
    }
    d.bytes().map(Some).map_err(malformed)
}

/// Labels met in one map, to refuse the second of a kind.
#[derive(Default)]
struct Seen<'a> {
    keys: [&'a [u8]; MAX_PAIRS],
    count: usize,
}

impl<'a> Seen<'a> {
    /// The next key if it is an integer; other keys are legal and unknown to us.
    fn label(&mut self, d: &mut Decoder<'a>) -> Result<Option<i64>, E> {
        let mut peek = d.clone();
        let key = d.skip().map_err(malformed)?;
        if self.keys.iter().take(self.count).any(|known| *known == key) {
            return Err(E::DuplicateKey);
        }
        *self.keys.get_mut(self.count).ok_or(E::Malformed)? = key;
        self.count = self.count.saturating_add(1);
        Ok(peek.int().ok())
    }
}

fn pairs(d: &mut Decoder<'_>) -> Result<u64, E> {
    match d.head(5) {
        Ok(count) if count <= MAX_PAIRS as u64 => Ok(count),
        _ => Err(E::Malformed),
    }
}

fn skip(d: &mut Decoder<'_>) -> Result<(), E> {
    d.skip().map(|_| ()).map_err(malformed)
}

fn malformed(_: firmlog_statement::StatementError) -> E {
    E::Malformed
}
