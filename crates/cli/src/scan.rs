//! Reading a whole log and believing it only as far as its signed checkpoint proves.
//!
//! ```text
//! GET /checkpoint ─▶ signed by the trust root's log key
//! GET /tile/entries/… ─▶ every leaf hashed again; the root must be the signed one
//! ```
//!
//! In scope: fetching all entry bundles (any static mirror will do), picking what belongs to a
//! release or a device. Out of scope: logs that were pruned, which can only be asked (`evidence`);
//! the verdict (`firmlog-verify`).
//!
//! Invariants:
//! - A [`Scan`] exists only if the root computed from the fetched bytes is the signed root.

use firmlog_tlog::merkle::{CompactRange, Hash, LeafIndex, TreeHead, inclusion_proof, leaf_hash};
use firmlog_tlog::tile::{Bundle as EntryBundle, TilePath, WIDTH, width_in_tree};
use firmlog_verify::bundle::Bundle;
use firmlog_verify::checkpoint::verify_checkpoint;
use firmlog_verify::gather::{Catalogue, GatherError, Source, Wanted, gather};
use firmlog_verify::report::Question;
use firmlog_verify::{Crypto, TrustRoot};

use crate::Context;
use crate::error::{Error, Exit, Result};
use crate::http::Client;

/// Every entry of a log, as of one signed checkpoint.
pub(crate) struct Scan {
    note: String,
    pub(crate) head: TreeHead,
    entries: Vec<Vec<u8>>,
    catalogue: Catalogue,
    tree: Tree,
}

impl Scan {
    /// Reads the whole log.
    pub(crate) fn fetch(
        client: &Client,
        root: &TrustRoot,
        crypto: &dyn Crypto,
        context: &Context,
    ) -> Result<Self> {
        let note = newest_checkpoint(client)?;
        let signed = verify_checkpoint(note.as_bytes(), root, crypto).map_err(head_error)?;
        let mut entries = Vec::new();
        let bundles = signed.head.size.0.div_ceil(u64::from(WIDTH));
        for index in 0..bundles {
            fetch_bundle(client, index, signed.head.size.0, &mut entries)?;
            context.talk.progress(format_args!("read {} of {}", entries.len(), signed.head.size));
        }
        context.talk.progress_end();
        check_root(&entries, &signed.head)?;
        let mut catalogue = Catalogue::default();
        for (index, entry) in (0..).zip(&entries) {
            catalogue.push(LeafIndex(index), entry);
        }
        let tree = Tree::of(&entries);
        Ok(Self { note, head: signed.head, entries, catalogue, tree })
    }

    /// Everything that the answer to a question depends on.
    pub(crate) fn bundle(&mut self, root: &TrustRoot, question: &Question) -> Result<Bundle> {
        let entries = gather(self, question, usize::MAX).map_err(|error| match error {
            GatherError::Source(error) => error,
            GatherError::TooMany { .. } => Error::new("E-BUG", "a bundle without a limit"),
        })?;
        Ok(Bundle {
            origin: root.origin().to_owned(),
            checkpoints: vec![self.note.clone()],
            entries,
            ..Bundle::default()
        })
    }
}

impl Source for Scan {
    type Error = Error;

    fn entry(&mut self, index: LeafIndex) -> Result<Option<Vec<u8>>> {
        Ok(self.entries.get(index.0 as usize).cloned())
    }

    fn path(&mut self, index: LeafIndex) -> Result<Vec<Hash>> {
        inclusion_proof(&mut self.tree, index, self.head.size)
            .map_err(|e| Error::form("inclusion proof", e))
    }

    fn find(&mut self, wanted: &Wanted) -> Result<Vec<LeafIndex>> {
        Ok(self.catalogue.find(wanted))
    }
}

/// The checkpoint the log serves: the newest witnessed one where it has witnesses.
pub(crate) fn newest_checkpoint(client: &Client) -> Result<String> {
    String::from_utf8(client.fetch("checkpoint")?).map_err(|e| Error::form("checkpoint", e))
}

/// A checkpoint that does not hold is evidence against the log, or against the trust root.
pub(crate) fn head_error(error: firmlog_verify::checkpoint::HeadError) -> Error {
    Error::new("E-CHECKPOINT", format!("the checkpoint does not hold: {error}"))
        .exit(Exit::Against)
        .help("keep the checkpoint; compare the trust root with its publisher's copy")
}

fn fetch_bundle(client: &Client, index: u64, size: u64, out: &mut Vec<Vec<u8>>) -> Result<()> {
    let width = width_in_tree(0, index, size)
        .ok_or_else(|| Error::new("E-BUG", "a bundle outside the tree was asked for"))?;
    let path = TilePath::Entries { index, width }.to_string();
    let mut reply = client.fetch_any(&path, "*/*")?;
    if reply.status == 404 && width < WIDTH {
        reply = client.fetch_any(&TilePath::Entries { index, width: WIDTH }.to_string(), "*/*")?;
    }
    if reply.status != 200 {
        let error = client.refused(&path, &reply);
        return Err(match error.code {
            "E-PRUNED" => {
                error.help("a pruned log cannot be read from its start; leave out --scan")
            }
            _ => error,
        });
    }
    let bundle = EntryBundle::prefix(&reply.body, width)
        .map_err(|e| Error::form("entry bundle", e).exit(Exit::Against))?;
    out.extend(bundle.entries().map(<[u8]>::to_vec));
    Ok(())
}

fn check_root(entries: &[Vec<u8>], head: &TreeHead) -> Result<()> {
    let mut range = CompactRange::new();
    for entry in entries {
        range.push(leaf_hash(entry), |_, _, _| {});
    }
    if range.head() == *head {
        return Ok(());
    }
    Err(Error::new("E-ROOT", "ALTERED: the entries do not have the signed root")
        .exit(Exit::Against)
        .expected(format!("{} at size {}", head.root, head.size), range.head().root)
        .help("keep what was served; firmlog log fsck names the damaged object"))
}

/// All perfect subtrees over the entries, level by level.
struct Tree(Vec<Vec<Hash>>);

impl Tree {
    fn of(entries: &[Vec<u8>]) -> Self {
        let mut levels = vec![entries.iter().map(|e| leaf_hash(e)).collect::<Vec<_>>()];
        while let Some(below) = levels.last().filter(|below| below.len() > 1) {
            let pairs = below.chunks_exact(2);
            let above = pairs.map(|p| firmlog_tlog::merkle::node_hash(&p[0], &p[1])).collect();
            levels.push(above);
        }
        Self(levels)
    }
}

impl firmlog_tlog::merkle::NodeSource for Tree {
    type Error = Error;

    fn node(&mut self, level: u8, index: u64) -> Result<Hash> {
        let node = self.0.get(usize::from(level)).and_then(|nodes| nodes.get(index as usize));
        node.copied().ok_or_else(|| Error::new("E-BUG", "a node outside the tree was asked for"))
    }
}

impl std::error::Error for Error {}
