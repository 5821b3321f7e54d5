//! The disk by means of the standard library alone, for platforms other than Unix.
//!
//! What it lacks: directories are paths, so replacing one by a link redirects later calls; links
//! are refused by a look beforehand, which leaves a gap; there is no rename without replacing, so
//! run directories are made in place; directories are not synced, as Windows has no such call; a
//! file is identified by its path. Busy files are not retried yet.

use std::any::Any;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Seek, SeekFrom, Write};

use camino::{Utf8Path, Utf8PathBuf};

use super::dir::{Dir, Entry, File, FileId, Fs, Kind, LockFile, Open, Stat};
use super::lock::KernelLock;
use crate::time::Timestamp;

#[derive(Debug)]
pub(super) struct PlainFs;

impl Fs for PlainFs {
    fn open_dir(&self, path: &Utf8Path) -> io::Result<Box<dyn Dir>> {
        match stat_of(path, &fs::symlink_metadata(path)?).kind {
            Kind::Dir => Ok(Box::new(PlainDir(path.to_owned()))),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn stat(&self, path: &Utf8Path) -> io::Result<Stat> {
        Ok(stat_of(path, &fs::metadata(path)?))
    }

    fn real_path(&self, path: &Utf8Path) -> io::Result<Utf8PathBuf> {
        path.canonicalize_utf8()
    }
}

#[derive(Debug)]
struct PlainDir(Utf8PathBuf);

impl PlainDir {
    fn join(&self, name: &str) -> io::Result<Utf8PathBuf> {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', ':', '\0']) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(self.0.join(name))
    }

    /// The path of a regular file; opening anything else might block or follow a link.
    fn file(&self, name: &str) -> io::Result<Utf8PathBuf> {
        let path = self.join(name)?;
        stat_of(&path, &fs::symlink_metadata(&path)?).regular()?;
        Ok(path)
    }
}

impl Dir for PlainDir {
    fn path(&self) -> &Utf8Path {
        &self.0
    }

    fn open_dir(&self, name: &str) -> io::Result<Box<dyn Dir>> {
        PlainFs.open_dir(&self.join(name)?)
    }

    fn create_dir(&self, name: &str, _mode: u32) -> io::Result<()> {
        fs::create_dir(self.join(name)?)
    }

    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn File>> {
        let mut options = fs::OpenOptions::new();
        let path = match how {
            Open::Read => {
                options.read(true);
                self.file(name)?
            }
            Open::CreateNew(_) => {
                options.write(true).create_new(true);
                self.join(name)?
            }
            Open::Append => {
                options.read(true).write(true);
                self.file(name)?
            }
        };
        let file = options.open(&path)?;
        Ok(Box::new(PlainFile { file, path }))
    }

    fn open_lock(&self, name: &str, create: bool) -> io::Result<Box<dyn LockFile>> {
        let path = match self.file(name) {
            Err(error) if create && error.kind() == io::ErrorKind::NotFound => self.join(name)?,
            other => other?,
        };
        let mut options = fs::OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(create)
            .truncate(false);
        let lock = KernelLock::new(options.open(&path)?);
        Ok(Box::new(PlainLock { lock, path }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.join(from)?, self.join(to)?)
    }

    fn rename_no_replace(&self, _from: &str, _to: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn move_no_replace(&self, _name: &str, _into: &dyn Dir, _new_name: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn innermost(&self) -> &dyn Any {
        self
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.join(name)?)
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        fs::remove_dir(self.join(name)?)
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            if let Ok(name) = entry?.file_name().into_string() {
                let kind = self.stat(&name)?.kind;
                entries.push(Entry { name, kind });
            }
        }
        Ok(entries)
    }

    fn stat(&self, name: &str) -> io::Result<Stat> {
        let path = self.join(name)?;
        Ok(stat_of(&path, &fs::symlink_metadata(&path)?))
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct PlainFile {
    file: fs::File,
    path: Utf8PathBuf,
}

impl File for PlainFile {
    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_of(&self.path, &self.file.metadata()?))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset))?;
        file.read(buffer)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.seek(SeekFrom::End(0))?;
        self.file.write(bytes)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn adopt(&mut self, _like: &Stat) -> io::Result<()> {
        Ok(())
    }

    fn begin_sync(&mut self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn close(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct PlainLock {
    lock: KernelLock,
    path: Utf8PathBuf,
}

impl LockFile for PlainLock {
    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_of(&self.path, &self.lock.file().metadata()?))
    }

    fn try_lock(&mut self) -> io::Result<bool> {
        self.lock.try_lock()
    }

    fn lock(&mut self) -> io::Result<()> {
        self.lock.lock()
    }

    fn unlock(&mut self) -> io::Result<()> {
        self.lock.unlock()
    }
}

fn stat_of(path: &Utf8Path, metadata: &fs::Metadata) -> Stat {
    let kind = if metadata.is_file() {
        Kind::File
    } else if metadata.is_dir() {
        Kind::Dir
    } else if metadata.is_symlink() {
        Kind::Link
    } else {
        Kind::Other
    };
    // Two names of one directory must not give two identities of its lock.
    let real = path.parent().and_then(|dir| dir.canonicalize_utf8().ok());
    let mut hasher = DefaultHasher::new();
    (real, path.file_name()).hash(&mut hasher);
    Stat {
        kind,
        size: metadata.len(),
        mode: if metadata.permissions().readonly() {
            0o444
        } else {
            0o600
        },
        owner: 0,
        group: 0,
        // Not told without asking for more.
        links: 1,
        modified: modified(metadata),
        id: FileId {
            dev: 0,
            ino: hasher.finish(),
        },
    }
}

fn modified(metadata: &fs::Metadata) -> Timestamp {
    let since = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let millis = since.map_or(0, |since| since.as_millis());
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}
