//! A file system that writes down everything that changes it.

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::{Dir, Entry, File, Fs, Kind, LockFile, Open, Stat, Storage};

/// A file or directory, by its inode. A directory is made with its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node {
    File(u64),
    Dir(u64, u32),
}

impl Node {
    fn of(stat: Stat) -> Self {
        match stat.kind {
            Kind::Dir => Self::Dir(stat.id.ino, stat.mode),
            _ => Self::File(stat.id.ino),
        }
    }
}

/// A change of the disk, or a word about the program that makes them.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// Changes the names in a directory.
    Names(u64, Naming),
    /// Changes the bytes of a file.
    Bytes(u64, Writing),
    /// Makes the names in a directory durable.
    SyncDir(u64),
    /// Makes the bytes of a file durable.
    SyncFile(u64),
    /// A step begins.
    Begin,
    /// A step is over, and its caller was told that it is done.
    Acknowledged,
    /// A step is over, and nobody was told anything.
    GivenUp,
}

#[derive(Debug, Clone)]
pub(crate) enum Naming {
    Add(String, Node),
    Move(String, String, Node),
    Remove(String),
}

#[derive(Clone)]
pub(crate) enum Writing {
    Append(Vec<u8>),
    Cut(usize),
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Append(bytes) => write!(f, "Append({:?})", String::from_utf8_lossy(bytes)),
            Self::Cut(len) => write!(f, "Cut({len})"),
        }
    }
}

/// The operations in the order in which they were made; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record(Arc<Mutex<Vec<Op>>>);

impl Record {
    pub(crate) fn note(&self, op: Op) {
        self.0.lock().unwrap().push(op);
    }

    pub(crate) fn take(&self) -> Vec<Op> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[derive(Debug)]
pub(crate) struct RecordFs {
    pub(crate) inner: Storage,
    pub(crate) record: Record,
}

impl Fs for RecordFs {
    fn open_dir(&self, path: &Utf8Path) -> io::Result<Box<dyn Dir>> {
        let inner = self.inner.open_dir(path)?;
        let ino = self.inner.stat(path)?.id.ino;
        Ok(recorded_dir(inner, ino, &self.record))
    }

    fn stat(&self, path: &Utf8Path) -> io::Result<Stat> {
        self.inner.stat(path)
    }

    fn real_path(&self, path: &Utf8Path) -> io::Result<Utf8PathBuf> {
        self.inner.real_path(path)
    }
}

fn recorded_dir(inner: Box<dyn Dir>, ino: u64, record: &Record) -> Box<dyn Dir> {
    let record = record.clone();
    Box::new(RecordDir { inner, ino, record })
}

#[derive(Debug)]
struct RecordDir {
    inner: Box<dyn Dir>,
    ino: u64,
    record: Record,
}

impl RecordDir {
    fn named(&self, naming: Naming) {
        self.record.note(Op::Names(self.ino, naming));
    }

    fn added(&self, name: &str) -> io::Result<()> {
        let node = Node::of(self.inner.stat(name)?);
        self.named(Naming::Add(name.to_owned(), node));
        Ok(())
    }

    fn moved(&self, from: &str, to: &str) -> io::Result<()> {
        let node = Node::of(self.inner.stat(to)?);
        self.named(Naming::Move(from.to_owned(), to.to_owned(), node));
        Ok(())
    }
}

impl Dir for RecordDir {
    fn path(&self) -> &Utf8Path {
        self.inner.path()
    }

    fn open_dir(&self, name: &str) -> io::Result<Box<dyn Dir>> {
        let ino = self.inner.stat(name)?.id.ino;
        Ok(recorded_dir(self.inner.open_dir(name)?, ino, &self.record))
    }

    fn create_dir(&self, name: &str, mode: u32) -> io::Result<()> {
        self.inner.create_dir(name, mode)?;
        self.added(name)
    }

    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn File>> {
        let inner = self.inner.open(name, how)?;
        if let Open::CreateNew(_) = how {
            self.added(name)?;
        }
        Ok(Box::new(RecordFile {
            ino: inner.stat()?.id.ino,
            inner,
            record: self.record.clone(),
        }))
    }

    fn open_lock(&self, name: &str, create: bool) -> io::Result<Box<dyn LockFile>> {
        let is_new = self.inner.stat(name).is_err();
        let lock = self.inner.open_lock(name, create)?;
        if is_new {
            self.added(name)?;
        }
        Ok(lock)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)?;
        self.moved(from, to)
    }

    fn rename_no_replace(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename_no_replace(from, to)?;
        self.moved(from, to)
    }

    /// The programs that are replayed move nothing between directories.
    fn move_no_replace(&self, _: &str, _: &dyn Dir, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn innermost(&self) -> &dyn Any {
        self.inner.innermost()
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        self.inner.unlink(name)?;
        self.named(Naming::Remove(name.to_owned()));
        Ok(())
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        self.inner.remove_dir(name)?;
        self.named(Naming::Remove(name.to_owned()));
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        self.inner.list()
    }

    fn stat(&self, name: &str) -> io::Result<Stat> {
        self.inner.stat(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.inner.sync()?;
        self.record.note(Op::SyncDir(self.ino));
        Ok(())
    }
}

#[derive(Debug)]
struct RecordFile {
    inner: Box<dyn File>,
    ino: u64,
    record: Record,
}

impl File for RecordFile {
    fn stat(&self) -> io::Result<Stat> {
        self.inner.stat()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        let writing = Writing::Append(bytes[..written].to_vec());
        self.record.note(Op::Bytes(self.ino, writing));
        Ok(written)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.inner.truncate(len)?;
        let writing = Writing::Cut(usize::try_from(len).unwrap());
        self.record.note(Op::Bytes(self.ino, writing));
        Ok(())
    }

    fn adopt(&mut self, like: &Stat) -> io::Result<()> {
        self.inner.adopt(like)
    }

    /// Promises nothing, so it is no operation that a power cut spares.
    fn begin_sync(&mut self, offset: u64, len: u64) -> io::Result<()> {
        self.inner.begin_sync(offset, len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.inner.sync()?;
        self.record.note(Op::SyncFile(self.ino));
        Ok(())
    }

    fn close(self: Box<Self>) -> io::Result<()> {
        self.inner.close()
    }
}
