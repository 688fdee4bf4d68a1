//! Evidence bundles: a device's history or a release, with everything needed to check it offline.
//!
//! Besides the entries asked for, a bundle carries the genesis statement and, for every key that
//! signed anything in it, the `Trust` statements about that key, and so on up to the genesis.
//!
//! Bundles are gathered one after another, each within a bound of bytes: a bundle takes several
//! times its size while it is made, and anybody may ask for one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use firmlog_index::{EntryFilter, Index};
use firmlog_log::{LogError, Reader};
use firmlog_statement::disclosure::{Disclosure, DisclosureSet, FieldId};
use firmlog_statement::{Digest, Parsed};
use firmlog_tlog::merkle::{LeafIndex, TreeHead};
use firmlog_verify::bundle::{Bundle, Entry, MAX_HASHES, MAX_PARTS};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::anchoring::Anchor;
use crate::api::ask;
use crate::api::shape::EntryLine;
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

/// A device's statements and the releases, approvals and authorisations they name.
pub(crate) async fn of_device(app: &Arc<App>, device: [u8; 32]) -> Result<Response<Body>, Problem> {
    let turn = app.bundles.turn().await?;
    let wanted = move |index: &Index| Ok((device_entries(index, &device)?, turn));
    let (wanted, turn) = ask(app, wanted).await?;
    if wanted.is_empty() {
        return Err(Problem::not_found("no entry names this device"));
    }
    let name = format!("device-{}", crate::show::hex(&device[..8]));
    respond(app, turn, wanted, &name).await
}

/// A release and what is said about it.
pub(crate) async fn of_release(
    app: &Arc<App>,
    release: u64,
    about: &[EntryLine],
) -> Result<Response<Body>, Problem> {
    let mut wanted: BTreeSet<u64> =
        about.iter().filter_map(|line| line.index.parse().ok()).collect();
    wanted.insert(release);
    let turn = app.bundles.turn().await?;
    respond(app, turn, wanted, &format!("release-{release}")).await
}

async fn respond(
    app: &Arc<App>,
    turn: OwnedSemaphorePermit,
    wanted: BTreeSet<u64>,
    name: &str,
) -> Result<Response<Body>, Problem> {
    let last = wanted.last().copied().unwrap_or(0);
    let (checkpoint, head, _) = crate::api::covering(app, LeafIndex(last));
    let origin = app.engine.origin.clone();
    let disclose = app.config.index.disclose;
    let bytes_max = app.bundles.bytes_max;
    let Some(index) = app.index.clone() else {
        return Err(Problem::new(problem::NO_INDEX, "bundles are gathered through the index"));
    };
    let anchor = app.anchoring.load().newest.clone();
    let anchor = anchor.filter(|it| it.evidence.is_some() && it.head.size <= head.size);
    let gathered = app.engine.read(move |reader| {
        let mut bundle = Bundle { origin, checkpoints: vec![checkpoint], ..Bundle::default() };
        if let Some(anchor) = anchor {
            add_anchor(reader, &mut bundle, &anchor, head)?;
        }
        let gathered = gather(reader, &index, wanted, head, disclose, bytes_max);
        // On this thread, and the parts are let go before the file is sent.
        Ok(gathered.map(|(entries, disclosures)| {
            (Bundle { entries, disclosures, ..bundle }.encode(), turn)
        }))
    });
    let (file, turn) = gathered.await?.map_err(|error| gather_problem(&error))?;
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

fn device_entries(index: &Index, device: &[u8; 32]) -> Result<BTreeSet<u64>, firmlog_index::Error> {
    let mut wanted: BTreeSet<u64> =
        index.device_indices(device, None, ENTRIES_MAX + 1)?.into_iter().collect();
    let mut releases = BTreeSet::new();
    for place in &wanted {
        let Some(row) = index.entry(*place)? else { continue };
        releases.extend(row.record.target);
    }
    for release in releases {
        wanted.extend(index.index_of(&release)?);
        for kind in [2, 3] {
            let filter =
                EntryFilter { kind: Some(kind), target: Some(release), ..EntryFilter::default() };
            wanted.extend(index.entries(&filter, None, 1000)?.rows.iter().map(|row| row.index));
        }
    }
    Ok(wanted)
}

/// Reads the entries, adds the trust statements behind their keys, proves each.
fn gather(
    reader: &Reader,
    index: &Index,
    mut todo: BTreeSet<u64>,
    head: TreeHead,
    disclose: bool,
    bytes_max: u64,
) -> Result<(Vec<Entry>, Vec<Vec<u8>>), GatherError> {
    todo.insert(0);
    let mut entries: Vec<Entry> = Vec::new();
    let mut done = BTreeSet::new();
    let mut keys = BTreeSet::new();
    let mut disclosures = Vec::new();
    let (mut bytes_got, mut hashes) = (0_u64, 0);
    while let Some(place) = todo.pop_first() {
        if place >= head.size.0 || !done.insert(place) {
            continue;
        }
        let bytes = match reader.entry(LeafIndex(place)) {
            // What a device said long ago may be gone; the gap in its chain tells.
            Err(LogError::Pruned { .. }) => continue,
            bytes => bytes?,
        };
        if let Ok(parsed) = Parsed::parse(&bytes) {
            if keys.insert(*parsed.kid().as_bytes()) {
                let trust = index.trust_entries(parsed.kid().as_bytes())?;
                todo.extend(trust.into_iter().filter(|place| !done.contains(place)));
            }
            if disclose {
                let opened = opened(index, place, parsed.leaf_hash())?;
                bytes_got += opened.iter().map(|one| one.len() as u64).sum::<u64>();
                disclosures.extend(opened);
            }
        }
        let path = reader.inclusion(LeafIndex(place), head.size)?;
        bytes_got += (bytes.len() + size_of_val(&*path)) as u64;
        hashes += path.len();
        within("bytes of entries and paths", bytes_got, bytes_max)?;
        within("hashes in paths", hashes as u64, MAX_HASHES as u64)?;
        let parts = entries.len() + disclosures.len() + 1;
        within("entries and disclosures", parts as u64, ENTRIES_MAX as u64)?;
        entries.push(Entry { index: LeafIndex(place), bytes, path });
    }
    entries.sort_by_key(|entry| entry.index);
    disclosures.sort();
    Ok((entries, disclosures))
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
