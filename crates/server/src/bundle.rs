//! Evidence bundles, with everything needed to check them offline; and the standing that the log's
//! own pages and API tell, from the same entries.
//!
//! Which entries belong to a question is `firmlog_verify::gather`'s to say, and where a release
//! stands its judge's.
//!
//! Bundles are gathered one after another, each within a bound of bytes: a bundle takes several
//! times its size while it is made, and anybody may ask for one.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use firmlog_index::Index;
use firmlog_log::{LogError, Published, Reader};
use firmlog_statement::Digest;
use firmlog_statement::disclosure::{Disclosure, DisclosureSet, FieldId};
use firmlog_tlog::merkle::{Hash, LeafIndex, TreeHead, leaf_hash};
use firmlog_verify::bundle::{Bundle, Entry, MAX_HASHES, MAX_PARTS};
use firmlog_verify::gather::{self, Source, Wanted, gather};
use firmlog_verify::report::{Question, Released, is_by_good_key, standing_of};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::anchoring::Anchor;
use crate::app::App;
use crate::problem::{self, Problem};
use crate::sending::Sending;

/// Most entries of one bundle: there are checkpoints and an anchor beside them.
const ENTRIES_MAX: usize = MAX_PARTS - 8;

/// How long a bundle waits for its turn before 503.
const PATIENCE: Duration = Duration::from_secs(10);

const MEDIA_TYPE: &str = "application/vnd.firmlog.bundle+cbor";

/// Whose turn it is to gather a bundle, and the bundles that are being sent.
pub(crate) struct Bundles {
    turns: Arc<Semaphore>,
    bytes_max: u64,
    sending: Sending,
}

impl Bundles {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { turns: Arc::new(Semaphore::new(1)), bytes_max, sending: Sending::default() }
    }

    /// The turn goes with the work onto its thread, which goes on when the client has hung up.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        match tokio::time::timeout(PATIENCE, self.turns.clone().acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => {
                Err(Problem::new(problem::BUSY, "too many bundles wait to be gathered")
                    .retry_after(10))
            }
        }
    }
}

/// The evidence that answers a question, as one file; 404 if the log has nothing about it.
pub(crate) async fn of(
    app: &Arc<App>,
    question: Question,
    name: String,
) -> Result<Response<Body>, Problem> {
    let turn = app.bundles.turn().await?;
    let (index, published) = caught_up(app).await?;
    let (witnessed, witnessed_head, _) = app.served();
    let origin = app.engine.origin.clone();
    let disclose = app.config.index.disclose;
    let bytes_max = app.bundles.bytes_max;
    let anchor = app.anchoring.load().newest.clone().filter(|it| it.evidence.is_some());
    let gathered = app.engine.read(move |reader| {
        let mut view = View::new(reader, &index, published.head, bytes_max);
        let gathered = evidence(&mut view, &question, disclose);
        let (mut entries, disclosures) = match gathered {
            Ok(Some(gathered)) => gathered,
            Ok(None) => return Ok(Ok(None)),
            Err(error) => return Ok(Err(error)),
        };
        // The witnessed tree serves where nothing came after it that matters here.
        let last = entries.last().map_or(0, |entry| entry.index.0);
        let (checkpoint, head) = match last < witnessed_head.size.0 {
            true => (witnessed, witnessed_head),
            false => (published.checkpoint.clone(), published.head),
        };
        if let Err(error) = view.prove(&mut entries, head) {
            return Ok(Err(error));
        }
        let mut bundle = Bundle { origin, checkpoints: vec![checkpoint], ..Bundle::default() };
        if let Some(anchor) = anchor.filter(|it| it.head.size <= head.size) {
            add_anchor(reader, &mut bundle, &anchor, head)?;
        }
        // On this thread, and the parts are let go before the file is sent.
        Ok(Ok(Some((Bundle { entries, disclosures, ..bundle }.encode(), turn))))
    });
    let gathered = gathered.await?.map_err(|error| gather_problem(&error))?;
    let (file, turn) = gathered.ok_or_else(|| Problem::not_found("the log has nothing of this"))?;
    let body = app.bundles.sending.body(file).await?;
    drop(turn);
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.fwb\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// The index once it covers the newest checkpoint: what it has not seen yet must not be missing.
async fn caught_up(app: &App) -> Result<(Arc<Index>, Arc<Published>), Problem> {
    let Some(index) = app.index.clone() else {
        return Err(Problem::new(problem::NO_INDEX, "this is gathered through the index"));
    };
    let published = app.engine.published();
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let covered = index.covered().map_err(|error| Problem::storage(&error))?;
        if covered >= published.head.size.0 {
            return Ok((index, published));
        }
        if tokio::time::Instant::now() > until {
            let behind = published.head.size.0 - covered;
            return Err(Problem::new(
                problem::BUSY,
                format!("the index is {behind} entries behind"),
            )
            .retry_after(10));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What the log's own entries say about each of some questions, by the one judge.
pub(crate) async fn standings(
    app: &Arc<App>,
    questions: Vec<Question>,
) -> Result<Vec<Vec<Released>>, Problem> {
    judged(app, questions, standing_of).await
}

/// Whether each of some statements is by a key that is good; none if it is no longer kept.
pub(crate) async fn by_good_keys(
    app: &Arc<App>,
    leaves: Vec<Hash>,
) -> Result<Vec<Option<bool>>, Problem> {
    let questions = leaves.into_iter().map(Question::Statement).collect();
    let good = |entries: &Entries, question: &Question| match question {
        Question::Statement(leaf) => is_by_good_key(entries, leaf),
        _ => None,
    };
    judged(app, questions, good).await
}

/// The same of one question.
pub(crate) async fn standing(app: &Arc<App>, question: Question) -> Result<Vec<Released>, Problem> {
    Ok(standings(app, vec![question]).await?.pop().unwrap_or_default())
}

/// Why none of the releases that a question is about may be used, in a line; none if one of them
/// may, or there is none.
pub(crate) async fn why_not(app: &Arc<App>, question: Question) -> Option<String> {
    match standing(app, question).await {
        Ok(releases) if releases.iter().any(|it| it.standing.is_usable()) => None,
        Ok(releases) => releases.last().and_then(Released::headline),
        Err(problem) => Some(format!("Where it stands is not known here: {}", problem.detail)),
    }
}

type Entries = [(LeafIndex, Vec<u8>)];

/// What `judge` makes of the entries that each question depends on.
async fn judged<T: Send + 'static>(
    app: &Arc<App>,
    questions: Vec<Question>,
    judge: fn(&Entries, &Question) -> T,
) -> Result<Vec<T>, Problem> {
    let (index, published) = caught_up(app).await?;
    let bytes_max = app.bundles.bytes_max;
    let judged = app.engine.read(move |reader| {
        let one = |question| {
            let mut view = View::new(reader, &index, published.head, bytes_max);
            let entries = gather(&mut view, question, ENTRIES_MAX)?;
            let entries: Vec<_> = entries.into_iter().map(|it| (it.index, it.bytes)).collect();
            Ok(judge(&entries, question))
        };
        Ok(questions.iter().map(one).collect::<Result<Vec<_>, GatherError>>())
    });
    judged.await?.map_err(|error| gather_problem(&error))
}

/// Puts the newest final anchor in, with the proof that the bundle's checkpoint extends it.
fn add_anchor(
    reader: &Reader,
    bundle: &mut Bundle,
    anchor: &Anchor,
    head: TreeHead,
) -> Result<(), LogError> {
    if anchor.head.size < head.size {
        bundle.consistency.push(reader.consistency(anchor.head.size, head.size)?);
        bundle.checkpoints.insert(0, anchor.checkpoint.clone());
    }
    bundle.anchors.push(firmlog_verify::bundle::Anchor {
        kind: firmlog_verify::evm::KIND,
        checkpoint: 0,
        evidence: anchor.evidence.as_deref().unwrap_or_default().to_vec(),
    });
    Ok(())
}

type Gathered = (Vec<Entry>, Vec<Vec<u8>>);

/// The entries, without their proofs, and what opens their commitments; none if none of them is
/// what was asked for.
fn evidence(
    view: &mut View<'_>,
    question: &Question,
    disclose: bool,
) -> Result<Option<Gathered>, GatherError> {
    if view.find(&asked(question))?.is_empty() {
        return Ok(None);
    }
    let entries = gather(view, question, ENTRIES_MAX)?;
    let mut disclosures = Vec::new();
    if disclose {
        for entry in &entries {
            let opened = opened(view.index, entry.index.0, leaf_hash(&entry.bytes).0)?;
            view.took(opened.iter().map(Vec::len).sum())?;
            disclosures.extend(opened);
        }
        let parts = entries.len() + disclosures.len();
        within("entries and disclosures", parts as u64, ENTRIES_MAX as u64)?;
    }
    disclosures.sort();
    Ok(Some((entries, disclosures)))
}

/// What must be there for a question to have an answer.
fn asked(question: &Question) -> Wanted {
    match question {
        Question::Whole => Wanted::Everybody,
        Question::Device(device) => Wanted::Device(*device),
        Question::Release(leaf) | Question::Statement(leaf) => Wanted::Leaf(*leaf),
        Question::Image(image) => Wanted::Image(*image),
    }
}

/// The log as a gatherer reads it: found through the index, read and proven by the log itself,
/// within a bound of bytes.
struct View<'v> {
    reader: &'v Reader,
    index: &'v Index,
    head: TreeHead,
    bytes: u64,
    bytes_max: u64,
    hashes: usize,
}

impl<'v> View<'v> {
    fn new(reader: &'v Reader, index: &'v Index, head: TreeHead, bytes_max: u64) -> Self {
        Self { reader, index, head, bytes: 0, bytes_max, hashes: 0 }
    }

    fn took(&mut self, bytes: usize) -> Result<(), GatherError> {
        self.bytes += bytes as u64;
        within("bytes of entries and paths", self.bytes, self.bytes_max)
    }

    /// Proves each entry under a head, once it is known which.
    fn prove(&mut self, entries: &mut [Entry], head: TreeHead) -> Result<(), GatherError> {
        for entry in entries {
            entry.path = self.reader.inclusion(entry.index, head.size)?;
            self.took(size_of_val(&*entry.path))?;
            self.hashes += entry.path.len();
            within("hashes in paths", self.hashes as u64, MAX_HASHES as u64)?;
        }
        Ok(())
    }
}

impl Source for View<'_> {
    type Error = GatherError;

    fn entry(&mut self, index: LeafIndex) -> Result<Option<Vec<u8>>, GatherError> {
        let bytes = match self.reader.entry(index) {
            Err(LogError::Pruned { .. }) => return Ok(None),
            bytes => bytes?,
        };
        self.took(bytes.len())?;
        Ok(Some(bytes))
    }

    /// Proofs come last: under which head is known when all entries are.
    fn path(&mut self, _: LeafIndex) -> Result<Vec<Hash>, GatherError> {
        Ok(Vec::new())
    }

    fn find(&mut self, wanted: &Wanted) -> Result<Vec<LeafIndex>, GatherError> {
        Ok(self.index.find(wanted, self.head.size.0)?)
    }
}

impl From<gather::GatherError<Self>> for GatherError {
    fn from(error: gather::GatherError<Self>) -> Self {
        match error {
            gather::GatherError::Source(error) => error,
            gather::GatherError::TooMany { most } => {
                let (got, max) = (most as u64 + 1, most as u64);
                Self::TooLarge { what: "entries and disclosures", got, max }
            }
        }
    }
}

fn within(what: &'static str, got: u64, max: u64) -> Result<(), GatherError> {
    if got > max { Err(GatherError::TooLarge { what, got, max }) } else { Ok(()) }
}

fn opened(index: &Index, place: u64, leaf: [u8; 32]) -> Result<Vec<Vec<u8>>, GatherError> {
    let mut out = Vec::new();
    for kept in index.disclosed(place)? {
        let Some(field) = FieldId::from_code(u64::from(kept.field)) else { continue };
        let value = String::from_utf8_lossy(&kept.value).into_owned();
        let one = Disclosure { entry: Digest(leaf), field, salt: kept.salt, value };
        // An array of one is the encoded disclosure behind one byte of head.
        let encoded = DisclosureSet::new(vec![one]).and_then(|set| set.encode());
        out.extend(encoded.ok().and_then(|bytes| bytes.get(1..).map(<[u8]>::to_vec)));
    }
    Ok(out)
}

/// Why a bundle could not be gathered.
#[derive(Debug, thiserror::Error)]
enum GatherError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Index(#[from] firmlog_index::Error),
    #[error("the bundle would be too large")]
    TooLarge { what: &'static str, got: u64, max: u64 },
}

fn gather_problem(error: &GatherError) -> Problem {
    match error {
        GatherError::TooLarge { what, got, max } => {
            Problem::new(problem::TOO_LARGE, error.to_string())
                .expected(format!("at most {max} {what}"), format!("at least {got}"))
        }
        GatherError::Log(_) | GatherError::Index(_) => Problem::storage(error),
    }
}
