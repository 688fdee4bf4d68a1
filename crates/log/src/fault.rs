//! A disk that fails on request: the second side of the fault boundary.
//!
//! ```text
//! disk.inject(Fault { op: Op::Sync, path: "wal", nth: 3, kind: FaultKind::FailedPersisted });
//! let survivor = disk.power_cut(seed);   // what a restart would find
//! ```
//!
//! In scope: an in-memory file system that knows what is visible and what is durable, and five
//! ways to break. Out of scope: real disks ([`StdDisk`](crate::disk::StdDisk)).
//!
//! Invariants:
//! - A failed sync loses the writes it covered: they stay visible, but no later sync saves them.
//! - After a power cut, unsynced writes survive in any subset, torn at 512-byte sectors; names in
//!   a directory survive as a prefix of what was done to them, as a journal would keep them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, DiskFile, temporary};

/// What kind of storage step a fault waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A positioned or whole-file write.
    Write,
    /// Any kind of sync.
    Sync,
    /// A rename or a remove.
    Name,
    /// Creating a preallocated file.
    Preallocate,
    /// Whatever comes.
    Any,
}

/// How the step breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Nothing happens and an I/O error is returned.
    Failed,
    /// It happens, durably, and an I/O error is returned all the same.
    FailedPersisted,
    /// Half of a write happens, durably; an I/O error is returned.
    Torn,
    /// Nothing happens; the disk says it is full.
    NoSpace,
    /// The power goes: this step and every later one fail.
    PowerCut,
}

/// A fault to come.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Which steps count.
    pub op: Op,
    /// Only steps on paths that contain this text count; empty for all.
    pub path: String,
    /// The fault strikes at the n-th counted step, from 0.
    pub nth: u64,
    /// How many steps in a row break; 1 for a single one.
    pub times: u64,
    /// How it breaks.
    pub kind: FaultKind,
}

/// An in-memory disk with faults. Clones share the same disk.
#[derive(Clone, Default)]
pub struct FaultDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    pending_names: Vec<NameOp>,
    locks: BTreeSet<PathBuf>,
    faults: Vec<Fault>,
    steps: u64,
    dead: bool,
}

#[derive(Default, Clone)]
struct Inode {
    visible: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<(usize, Vec<u8>)>,
}

#[derive(Clone)]
enum NameOp {
    Link(PathBuf, usize),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf),
}

/// What a step that is about to happen should do.
enum Plan {
    Go,
    HalfThenFail,
    PersistThenFail,
}

impl FaultDisk {
    /// An empty disk without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Number of storage steps so far, counted over every kind.
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Flips one bit of a file, durably. Returns false if the file or byte is not there.
    pub fn flip_bit(&self, path: &Path, byte: usize, bit: u8) -> bool {
        let mut state = self.state();
        let Some(&ino) = state.names.get(path) else { return false };
        let inode = &mut state.inodes[ino];
        let Some(visible) = inode.visible.get_mut(byte) else { return false };
        *visible ^= 1 << (bit % 8);
        if let Some(durable) = inode.durable.get_mut(byte) {
            *durable = *visible;
        }
        true
    }

    /// All file paths, in order.
    pub fn files(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    /// The disk a restart finds when the power goes now. The old one is dead afterwards.
    pub fn power_cut(&self, seed: u64) -> Self {
        let mut state = self.state();
        state.dead = true;
        let mut dice = Dice(seed);
        let names = surviving_names(&state, &mut dice);
        let inodes = state.inodes.iter().map(|i| surviving_data(i, &mut dice)).collect();
        let survived = State { inodes, durable_names: names.clone(), names, ..State::default() };
        Self { state: Arc::new(Mutex::new(survived)) }
    }

    /// The same disk as a new process finds it after the old one was killed: all that was
    /// written is visible, faults are gone, nothing became durable by it.
    pub fn killed(&self) -> Self {
        let mut state = self.state();
        state.dead = true;
        let survived = State {
            inodes: state.inodes.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            pending_names: state.pending_names.clone(),
            ..State::default()
        };
        Self { state: Arc::new(Mutex::new(survived)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn plan(&mut self, op: Op, path: &Path) -> io::Result<Plan> {
        self.steps += 1;
        if self.dead {
            return Err(io::Error::other("the disk lost power"));
        }
        let text = path.to_string_lossy().into_owned();
        let mut struck = None;
        for fault in &mut self.faults {
            if (fault.op != op && fault.op != Op::Any) || !text.contains(&fault.path) {
                continue;
            }
            if fault.nth > 0 {
                fault.nth -= 1;
            } else if fault.times > 0 && struck.is_none() {
                fault.times -= 1;
                struck = Some(fault.kind);
            }
        }
        match struck {
            None => Ok(Plan::Go),
            Some(FaultKind::Failed) => {
                if op == Op::Sync {
                    self.lose_unsynced(path);
                }
                Err(io::Error::other("injected failure"))
            }
            Some(FaultKind::FailedPersisted) => Ok(Plan::PersistThenFail),
            Some(FaultKind::Torn) => Ok(Plan::HalfThenFail),
            Some(FaultKind::NoSpace) => Err(io::ErrorKind::StorageFull.into()),
            Some(FaultKind::PowerCut) => {
                self.dead = true;
                Err(io::Error::other("injected power cut"))
            }
        }
    }

    fn lose_unsynced(&mut self, path: &Path) {
        match self.names.get(path) {
            Some(&ino) => self.inodes[ino].pending.clear(),
            None => self.inodes.iter_mut().for_each(|i| i.pending.clear()),
        }
    }

    fn ino(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&mut self, path: &Path) -> usize {
        if let Some(&ino) = self.names.get(path) {
            // Overwriting in place starts from an empty file, as O_TRUNC does.
            self.inodes[ino] = Inode::default();
            return ino;
        }
        self.inodes.push(Inode::default());
        let ino = self.inodes.len() - 1;
        self.names.insert(path.to_path_buf(), ino);
        self.pending_names.push(NameOp::Link(path.to_path_buf(), ino));
        ino
    }

    fn put(&mut self, ino: usize, offset: usize, bytes: &[u8], plan: Plan) -> io::Result<()> {
        let inode = &mut self.inodes[ino];
        match plan {
            Plan::Go => {
                lay(&mut inode.visible, offset, bytes);
                inode.pending.push((offset, bytes.to_vec()));
                Ok(())
            }
            Plan::HalfThenFail | Plan::PersistThenFail => {
                let keep =
                    if matches!(plan, Plan::HalfThenFail) { bytes.len() / 2 } else { bytes.len() };
                lay(&mut inode.visible, offset, &bytes[..keep]);
                lay(&mut inode.durable, offset, &bytes[..keep]);
                Err(io::Error::other("injected failure, but something was written"))
            }
        }
    }

    fn settle(&mut self, dir: Option<&Path>) {
        let ops = std::mem::take(&mut self.pending_names);
        for op in ops {
            if dir.is_none_or(|d| op.dir() == d) {
                op.apply(&mut self.durable_names);
            } else {
                self.pending_names.push(op);
            }
        }
    }

    fn sync_inode(&mut self, ino: usize) {
        let inode = &mut self.inodes[ino];
        for (offset, bytes) in std::mem::take(&mut inode.pending) {
            lay(&mut inode.durable, offset, &bytes);
        }
    }
}

impl Disk for FaultDisk {
    fn create_dirs(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state();
        let ino = state.ino(path)?;
        Ok(state.inodes[ino].visible.clone())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let plan = state.plan(Op::Write, path)?;
        let ino = state.create(path);
        state.put(ino, 0, bytes, plan)
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let tmp = temporary(path);
        self.create(&tmp, bytes)?.sync()?;
        self.rename(&tmp, path)
    }

    fn preallocate(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut state = self.state();
        let plan = state.plan(Op::Preallocate, path)?;
        let ino = state.create(path);
        let zeros = vec![0; len as usize];
        state.inodes[ino] = Inode { visible: zeros.clone(), durable: zeros, pending: Vec::new() };
        finish(plan)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let plan = state.plan(Op::Name, to)?;
        state.ino(from)?;
        let op = NameOp::Rename(from.to_path_buf(), to.to_path_buf());
        op.apply(&mut state.names);
        state.pending_names.push(op);
        finish(plan)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let plan = state.plan(Op::Name, path)?;
        if state.names.remove(path).is_some() {
            state.pending_names.push(NameOp::Unlink(path.to_path_buf()));
        }
        finish(plan)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let mut names = BTreeSet::new();
        for path in state.names.keys() {
            if let Some(first) = path.strip_prefix(dir).ok().and_then(|p| p.components().next()) {
                names.insert(first.as_os_str().to_string_lossy().into_owned());
            }
        }
        Ok(names.into_iter().collect())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let ino = self.state().ino(path)?;
        Ok(Box::new(OpenFile { disk: self.clone(), ino, path: path.to_path_buf() }))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        let plan = state.plan(Op::Sync, dir)?;
        state.settle(Some(dir));
        finish(plan)
    }

    fn sync_all(&self) -> io::Result<()> {
        let mut state = self.state();
        let plan = state.plan(Op::Sync, Path::new("syncfs"))?;
        state.settle(None);
        (0..state.inodes.len()).for_each(|ino| state.sync_inode(ino));
        finish(plan)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        if !self.state().locks.insert(path.to_path_buf()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Lock { disk: self.clone(), path: path.to_path_buf() }))
    }
}

struct OpenFile {
    disk: FaultDisk,
    ino: usize,
    path: PathBuf,
}

impl DiskFile for OpenFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().inodes[self.ino].visible.len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.disk.state();
        let start = offset as usize;
        let part = state.inodes[self.ino].visible.get(start..start + buf.len());
        buf.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let plan = state.plan(Op::Write, &self.path)?;
        state.put(self.ino, offset as usize, bytes, plan)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let plan = state.plan(Op::Sync, &self.path)?;
        state.sync_inode(self.ino);
        finish(plan)
    }
}

struct Lock {
    disk: FaultDisk,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}

impl NameOp {
    fn dir(&self) -> &Path {
        let (Self::Link(path, _) | Self::Unlink(path) | Self::Rename(path, _)) = self;
        path.parent().unwrap_or(Path::new(""))
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Link(path, ino) => {
                names.insert(path.clone(), *ino);
            }
            Self::Unlink(path) => {
                names.remove(path);
            }
            Self::Rename(from, to) => {
                if let Some(ino) = names.remove(from) {
                    names.insert(to.clone(), ino);
                }
            }
        }
    }
}

/// A small deterministic generator (splitmix64); faults need variety, not secrecy.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n.max(1)
    }
}

fn finish(plan: Plan) -> io::Result<()> {
    match plan {
        Plan::Go => Ok(()),
        _ => Err(io::Error::other("injected failure, but it happened")),
    }
}

fn lay(data: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if data.len() < end {
        data.resize(end, 0);
    }
    data[offset..end].copy_from_slice(bytes);
}

fn surviving_names(state: &State, dice: &mut Dice) -> BTreeMap<PathBuf, usize> {
    let mut names = state.durable_names.clone();
    let mut per_dir: BTreeMap<&Path, Vec<&NameOp>> = BTreeMap::new();
    for op in &state.pending_names {
        per_dir.entry(op.dir()).or_default().push(op);
    }
    for ops in per_dir.values() {
        let kept = dice.below(ops.len() as u64 + 1) as usize;
        ops.iter().take(kept).for_each(|op| op.apply(&mut names));
    }
    names
}

fn surviving_data(inode: &Inode, dice: &mut Dice) -> Inode {
    const SECTOR: usize = 512;
    let mut data = inode.durable.clone();
    for (offset, bytes) in &inode.pending {
        match dice.below(3) {
            0 => {}
            1 => lay(&mut data, *offset, bytes),
            _ => {
                // Each sector decides for itself; sectors are those of the device, not the write.
                let mut at = 0;
                while at < bytes.len() {
                    let end = (SECTOR - (offset + at) % SECTOR + at).min(bytes.len());
                    if dice.below(2) == 0 {
                        lay(&mut data, offset + at, &bytes[at..end]);
                    }
                    at = end;
                }
            }
        }
    }
    Inode { visible: data.clone(), durable: data, pending: Vec::new() }
}
