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

use std::collections::BTreeSet;

use firmlog_statement::{DeviceId, Digest, Parsed, Statement, TrustAction};
use firmlog_tlog::merkle::{CompactRange, Hash, LeafIndex, TreeHead, inclusion_proof, leaf_hash};
use firmlog_tlog::tile::{Bundle as EntryBundle, TilePath, WIDTH, width_in_tree};
use firmlog_verify::bundle::{Bundle, Entry};
use firmlog_verify::checkpoint::verify_checkpoint;
use firmlog_verify::{Crypto, TrustRoot};

use crate::Context;
use crate::error::{Error, Exit, Result};
use crate::evidence::is_wanted;
use crate::http::Client;

/// All entries of a log under one signed head.
pub(crate) struct Scan {
    note: String,
    pub(crate) head: TreeHead,
    entries: Vec<Vec<u8>>,
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
        Ok(Self { note, head: signed.head, entries })
    }

    fn parsed(&self) -> impl Iterator<Item = (u64, Parsed<'_>)> {
        let all = self.entries.iter().enumerate();
        all.filter_map(|(index, entry)| Some((index as u64, Parsed::parse(entry).ok()?)))
    }

    /// Leaf hashes of the release with this leaf hash, or of all with this image, oldest first.
    pub(crate) fn releases(&self, wanted: &Digest) -> Vec<Hash> {
        let found = self.parsed().filter(|(_, parsed)| is_wanted(parsed, wanted));
        found.map(|(_, parsed)| Hash(parsed.leaf_hash())).collect()
    }

    /// Devices that have spoken, in order of their first word.
    pub(crate) fn devices(&self) -> Vec<DeviceId> {
        let mut seen = BTreeSet::new();
        let heads = self.parsed().filter_map(|(_, parsed)| parsed.update_head());
        heads.map(|head| head.device).filter(|device| seen.insert(device.0)).collect()
    }

    /// A bundle of a release: it, the signatures on it, and the keys behind them.
    pub(crate) fn release_bundle(&self, root: &TrustRoot, release: &Digest) -> Result<Bundle> {
        let mut picked = BTreeSet::new();
        self.pick_release(release, &mut picked);
        self.bundle(root, picked)
    }

    /// A bundle of a device's whole history: its statements, the releases they name, the keys.
    pub(crate) fn device_bundle(&self, root: &TrustRoot, device: &DeviceId) -> Result<Bundle> {
        let mut picked = BTreeSet::new();
        let mut releases = BTreeSet::new();
        for (index, parsed) in self.parsed() {
            if parsed.update_head().is_none_or(|head| head.device != *device) {
                continue;
            }
            picked.insert(index);
            if let Ok(update) = parsed.update() {
                releases.extend(update.release.map(|leaf| leaf.0));
            }
        }
        for release in releases {
            self.pick_release(&Digest(release), &mut picked);
        }
        self.bundle(root, picked)
    }

    /// The release, the later steps of its life, approvals and authorisations.
    fn pick_release(&self, release: &Digest, picked: &mut BTreeSet<u64>) {
        for (index, parsed) in self.parsed() {
            let about = match parsed.decode() {
                Ok(Statement::Release(it)) => it.release,
                Ok(Statement::Approval(it)) => Some(it.release),
                Ok(Statement::Authorisation(it)) => Some(it.release),
                _ => continue,
            };
            if about == Some(*release) || parsed.leaf_hash() == release.0 {
                picked.insert(index);
            }
        }
    }

    /// Adds genesis and what concerns the picked entries' keys; then proofs.
    fn bundle(&self, root: &TrustRoot, mut picked: BTreeSet<u64>) -> Result<Bundle> {
        self.pick_keys(&mut picked);
        let mut tree = Tree::of(&self.entries);
        let mut entries = Vec::new();
        for index in picked {
            let path = inclusion_proof(&mut tree, LeafIndex(index), self.head.size)
                .map_err(|e| Error::form("inclusion proof", e))?;
            let bytes = self.entries[index as usize].clone();
            entries.push(Entry { index: LeafIndex(index), bytes, path });
        }
        Ok(Bundle {
            origin: root.origin().to_owned(),
            checkpoints: vec![self.note.clone()],
            entries,
            ..Bundle::default()
        })
    }

    /// Every `Trust` statement about the keys in use, and, in turn, about the keys that signed it.
    fn pick_keys(&self, picked: &mut BTreeSet<u64>) {
        if self.entries.is_empty() {
            return;
        }
        picked.insert(0);
        loop {
            let kids: BTreeSet<[u8; 32]> = picked
                .iter()
                .filter_map(|index| Parsed::parse(&self.entries[*index as usize]).ok())
                .map(|parsed| parsed.kid().0)
                .collect();
            let before = picked.len();
            for (index, parsed) in self.parsed() {
                if let Ok(Statement::Trust(trust)) = parsed.decode()
                    && concerns(&trust.action, &kids)
                {
                    picked.insert(index);
                }
            }
            if picked.len() == before {
                return;
            }
        }
    }
}

/// Whether a change of trust is about one of these keys, or about everybody.
fn concerns(action: &TrustAction, kids: &BTreeSet<[u8; 32]>) -> bool {
    match action {
        TrustAction::Genesis(_) | TrustAction::Policy(_) => true,
        TrustAction::Enrol(it) => kids.contains(&it.key.thumbprint().0),
        TrustAction::Rotate(it) => {
            kids.contains(&it.old.0) || kids.contains(&it.new.thumbprint().0)
        }
        TrustAction::Revoke(it) => kids.contains(&it.kid.0),
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
