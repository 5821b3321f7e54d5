//! A file system in memory: for tests, simulations, and programs that keep nothing.
//!
//! There are no links, no umask, no clock and no power cut; syncing does nothing.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use super::Storage;
use super::dir::{Dir, Entry, File, FileId, Fs, Kind, LockFile, Open, Stat};
use crate::time::Timestamp;

/// A file system in memory; clones share it. At first it holds the directory `/` alone.
#[derive(Debug, Clone)]
pub struct MemoryFs {
    root: Arc<Directory>,
}

/// Counts the files of all file systems in memory, so that no two have the same identity.
static NEXT_INODE: AtomicU64 = AtomicU64::new(1);
/// A device number that no disk has.
const DEVICE: u64 = u64::MAX;

#[derive(Debug, Clone)]
enum Node {
    Dir(Arc<Directory>),
    File(Arc<Regular>),
}

#[derive(Debug)]
struct Directory {
    ino: u64,
    mode: u32,
    entries: Mutex<BTreeMap<String, Node>>,
}

#[derive(Debug)]
struct Regular {
    ino: u64,
    mode: u32,
    bytes: Mutex<Vec<u8>>,
    lock: Mutex<LockState>,
    released: Condvar,
}

#[derive(Debug, Default)]
struct LockState {
    held: bool,
    waiting: VecDeque<u64>,
    next_ticket: u64,
}

impl MemoryFs {
    /// An empty file system.
    #[must_use]
    pub fn new() -> Self {
        Self {
            root: Directory::new(0o755),
        }
    }
}

impl Default for MemoryFs {
    fn default() -> Self {
        Self::new()
    }
}

impl From<MemoryFs> for Storage {
    fn from(memory: MemoryFs) -> Self {
        Arc::new(memory)
    }
}

impl Fs for MemoryFs {
    fn open_dir(&self, path: &Utf8Path) -> io::Result<Box<dyn Dir>> {
        match self.find(path)? {
            Node::Dir(node) => Ok(MemoryDir::open(node, path.to_owned())),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn stat(&self, path: &Utf8Path) -> io::Result<Stat> {
        Ok(self.find(path)?.stat())
    }

    fn real_path(&self, path: &Utf8Path) -> io::Result<Utf8PathBuf> {
        self.find(path)?;
        Ok(path.to_owned())
    }
}

impl MemoryFs {
    fn find(&self, path: &Utf8Path) -> io::Result<Node> {
        let mut node = Node::Dir(Arc::clone(&self.root));
        for component in path.components() {
            let name = match component {
                Utf8Component::Normal(name) => name,
                Utf8Component::ParentDir => return Err(io::ErrorKind::InvalidInput.into()),
                _ => continue,
            };
            let Node::Dir(dir) = node else {
                return Err(io::ErrorKind::NotADirectory.into());
            };
            node = dir.get(name)?;
        }
        Ok(node)
    }
}

impl Directory {
    fn new(mode: u32) -> Arc<Self> {
        Arc::new(Self {
            ino: NEXT_INODE.fetch_add(1, Ordering::Relaxed),
            mode,
            entries: Mutex::default(),
        })
    }

    fn get(&self, name: &str) -> io::Result<Node> {
        let node = held(&self.entries).get(name).cloned();
        node.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn file(&self, name: &str) -> io::Result<Arc<Regular>> {
        match self.get(name)? {
            Node::File(file) => Ok(file),
            Node::Dir(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn add(&self, name: &str, node: Node) -> io::Result<()> {
        let mut entries = held(&self.entries);
        if entries.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        entries.insert(name.to_owned(), node);
        Ok(())
    }
}

impl Regular {
    fn new(mode: u32) -> Arc<Self> {
        Arc::new(Self {
            ino: NEXT_INODE.fetch_add(1, Ordering::Relaxed),
            mode,
            bytes: Mutex::default(),
            lock: Mutex::default(),
            released: Condvar::new(),
        })
    }
}

impl Node {
    fn stat(&self) -> Stat {
        let (kind, size, mode, ino) = match self {
            Self::Dir(dir) => (Kind::Dir, 0, dir.mode, dir.ino),
            Self::File(file) => (
                Kind::File,
                held(&file.bytes).len() as u64,
                file.mode,
                file.ino,
            ),
        };
        Stat {
            kind,
            size,
            mode,
            owner: 0,
            group: 0,
            links: 1,
            modified: Timestamp::from_millis(0),
            id: FileId { dev: DEVICE, ino },
        }
    }
}

#[derive(Debug)]
struct MemoryDir {
    node: Arc<Directory>,
    path: Utf8PathBuf,
}

impl MemoryDir {
    fn open(node: Arc<Directory>, path: Utf8PathBuf) -> Box<dyn Dir> {
        Box::new(Self { node, path })
    }
}

impl Dir for MemoryDir {
    fn path(&self) -> &Utf8Path {
        &self.path
    }

    fn open_dir(&self, name: &str) -> io::Result<Box<dyn Dir>> {
        match self.node.get(name)? {
            Node::Dir(node) => Ok(Self::open(node, self.path.join(name))),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn create_dir(&self, name: &str, mode: u32) -> io::Result<()> {
        self.node.add(name, Node::Dir(Directory::new(mode)))
    }

    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn File>> {
        let node = match how {
            Open::CreateNew(mode) => {
                let node = Regular::new(mode);
                self.node.add(name, Node::File(Arc::clone(&node)))?;
                node
            }
            Open::Read | Open::Append => self.node.file(name)?,
        };
        Ok(Box::new(MemoryFile {
            node,
            writable: how != Open::Read,
        }))
    }

    fn open_lock(&self, name: &str, create: bool) -> io::Result<Box<dyn LockFile>> {
        let node = match self.node.file(name) {
            Err(error) if create && error.kind() == io::ErrorKind::NotFound => {
                // Somebody else may create it in between; then theirs is the one.
                match self.node.add(name, Node::File(Regular::new(0o600))) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(error);
                    }
                    _ => self.node.file(name)?,
                }
            }
            other => other?,
        };
        Ok(Box::new(MemoryLock { node, held: false }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut entries = held(&self.node.entries);
        match (entries.get(from), entries.get(to)) {
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
            (Some(Node::File(_)), Some(Node::Dir(_))) => {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            (Some(Node::Dir(_)), Some(Node::File(_))) => {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            (Some(Node::Dir(_)), Some(Node::Dir(old))) if !held(&old.entries).is_empty() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            _ => {}
        }
        if let Some(node) = entries.remove(from) {
            entries.insert(to.to_owned(), node);
        }
        Ok(())
    }

    fn rename_no_replace(&self, from: &str, to: &str) -> io::Result<()> {
        let mut entries = held(&self.node.entries);
        if entries.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let node = entries.remove(from).ok_or(io::ErrorKind::NotFound)?;
        entries.insert(to.to_owned(), node);
        Ok(())
    }

    /// For an instant it has both names: one directory is locked at a time.
    fn move_no_replace(&self, name: &str, into: &dyn Dir, new_name: &str) -> io::Result<()> {
        let Some(into) = into.innermost().downcast_ref::<Self>() else {
            return Err(io::ErrorKind::CrossesDevices.into());
        };
        into.node.add(new_name, self.node.get(name)?)?;
        held(&self.node.entries).remove(name);
        Ok(())
    }

    fn innermost(&self) -> &dyn Any {
        self
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        self.node.file(name)?;
        held(&self.node.entries).remove(name);
        Ok(())
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        let mut entries = held(&self.node.entries);
        match entries.get(name) {
            None => Err(io::ErrorKind::NotFound.into()),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            Some(Node::Dir(dir)) if !held(&dir.entries).is_empty() => {
                Err(io::ErrorKind::DirectoryNotEmpty.into())
            }
            Some(Node::Dir(_)) => {
                entries.remove(name);
                Ok(())
            }
        }
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        let entries = held(&self.node.entries);
        let entry = |(name, node): (&String, &Node)| Entry {
            name: name.clone(),
            kind: node.stat().kind,
        };
        Ok(entries.iter().map(entry).collect())
    }

    fn stat(&self, name: &str) -> io::Result<Stat> {
        Ok(self.node.get(name)?.stat())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryFile {
    node: Arc<Regular>,
    writable: bool,
}

impl File for MemoryFile {
    fn stat(&self) -> io::Result<Stat> {
        Ok(Node::File(Arc::clone(&self.node)).stat())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = held(&self.node.bytes);
        let start = usize::try_from(offset).map_or(bytes.len(), |at| at.min(bytes.len()));
        let read = buffer.len().min(bytes.len() - start);
        buffer[..read].copy_from_slice(&bytes[start..start + read]);
        Ok(read)
    }

    fn write(&mut self, new: &[u8]) -> io::Result<usize> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        // A new file is written from its start to its end, an old one at its end: both append.
        held(&self.node.bytes).extend_from_slice(new);
        Ok(new.len())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        held(&self.node.bytes).resize(len, 0);
        Ok(())
    }

    fn adopt(&mut self, _like: &Stat) -> io::Result<()> {
        Ok(())
    }

    fn begin_sync(&mut self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn close(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryLock {
    node: Arc<Regular>,
    held: bool,
}

impl LockFile for MemoryLock {
    fn stat(&self) -> io::Result<Stat> {
        Ok(Node::File(Arc::clone(&self.node)).stat())
    }

    fn try_lock(&mut self) -> io::Result<bool> {
        let mut lock = held(&self.node.lock);
        if !self.held && (lock.held || !lock.waiting.is_empty()) {
            return Ok(false);
        }
        lock.held = true;
        self.held = true;
        Ok(true)
    }

    fn lock(&mut self) -> io::Result<()> {
        let mut lock = held(&self.node.lock);
        let ticket = lock.next_ticket;
        lock.next_ticket += 1;
        lock.waiting.push_back(ticket);
        while lock.held || lock.waiting.front() != Some(&ticket) {
            lock = self
                .node
                .released
                .wait(lock)
                .unwrap_or_else(PoisonError::into_inner);
        }
        lock.waiting.pop_front();
        lock.held = true;
        self.held = true;
        Ok(())
    }

    fn unlock(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.held) {
            held(&self.node.lock).held = false;
            self.node.released.notify_all();
        }
        Ok(())
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        drop(self.unlock());
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics between two changes that belong together.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
