//! The traits of a file system: directories as handles, names as single components.
//!
//! A method that has no default stands for one system call, so that a layer which counts or fails
//! calls sees every one of them. Paths appear only where a directory is opened; from there on all
//! names are relative to the handle, and no name is ever followed if it is a link. Replacing a
//! directory by a link to another place therefore cannot redirect a write.

use std::any::Any;
use std::fmt;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Durability, Storage};
use crate::error::{Error, Result};
use crate::mutant::without;
use crate::time::Timestamp;

/// A file system.
pub trait Fs: fmt::Debug + Send + Sync {
    /// Opens the directory at `path`. The last component must not be a link; resolve it first
    /// where links are welcome.
    ///
    /// # Errors
    /// The error of the system call.
    fn open_dir(&self, path: &Utf8Path) -> io::Result<Box<dyn Dir>>;

    /// What stands at `path`, links followed.
    ///
    /// # Errors
    /// The error of the system call.
    fn stat(&self, path: &Utf8Path) -> io::Result<Stat>;

    /// The path of the same place without links.
    ///
    /// # Errors
    /// The error of the system call; `InvalidData` for a path that is not UTF-8.
    fn real_path(&self, path: &Utf8Path) -> io::Result<Utf8PathBuf>;

    /// Opens the directory at `path`, which lies below `base`; a link on the way there is refused.
    ///
    /// # Errors
    /// The error of the system call; `InvalidInput` for a path that does not lie below.
    fn open_dir_beneath(&self, base: &Utf8Path, path: &Utf8Path) -> io::Result<Box<dyn Dir>> {
        step_by_step(base, path, |path| self.open_dir(path))
    }

    /// Opens the file at `path` for reading; neither it nor its directory may be a link.
    ///
    /// # Errors
    /// The error of the system call.
    fn open_file(&self, path: &Utf8Path) -> io::Result<Box<dyn File>> {
        let (dir, name) = parts(path)?;
        self.open_dir(dir)?.open(name, Open::Read)
    }

    /// Opens the file at `path`, which lies below `base`, for reading; neither it nor anything on
    /// the way there may be a link.
    ///
    /// # Errors
    /// As [`open_dir_beneath`](Self::open_dir_beneath).
    fn open_file_beneath(&self, base: &Utf8Path, path: &Utf8Path) -> io::Result<Box<dyn File>> {
        let (dir, name) = parts(path)?;
        self.open_dir_beneath(base, dir)?.open(name, Open::Read)
    }
}

/// Opens a directory, and from there on one component after the other.
pub(super) fn step_by_step(
    base: &Utf8Path,
    path: &Utf8Path,
    open: impl Fn(&Utf8Path) -> io::Result<Box<dyn Dir>>,
) -> io::Result<Box<dyn Dir>> {
    let not_below = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let mut names = path.strip_prefix(base).map_err(not_below)?.iter();
    let Some(first) = names.next() else {
        return open(path);
    };
    let mut dir = open(&base.join(first))?;
    for name in names {
        dir = dir.open_dir(name)?;
    }
    Ok(dir)
}

/// An open directory. Every `name` is one path component.
pub trait Dir: fmt::Debug + Send + Sync {
    /// The path this directory was opened by, for messages.
    fn path(&self) -> &Utf8Path;

    /// Opens a directory in this one; a link is refused.
    ///
    /// # Errors
    /// The error of the system call.
    fn open_dir(&self, name: &str) -> io::Result<Box<dyn Dir>>;

    /// Creates a directory; the mode is subject to the umask.
    ///
    /// # Errors
    /// The error of the system call.
    fn create_dir(&self, name: &str, mode: u32) -> io::Result<()>;

    /// Opens a file; a link is refused, and a pipe or device never blocks.
    ///
    /// # Errors
    /// The error of the system call.
    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn File>>;

    /// Opens a file in a directory of this one for reading; neither may be a link.
    ///
    /// # Errors
    /// The error of the system call.
    fn open_in(&self, dir: &str, name: &str) -> io::Result<Box<dyn File>> {
        self.open_dir(dir)?.open(name, Open::Read)
    }

    /// Opens a lock file, and creates it (mode 0600) if `create` is set.
    ///
    /// # Errors
    /// The error of the system call.
    fn open_lock(&self, name: &str, create: bool) -> io::Result<Box<dyn LockFile>>;

    /// Renames within this directory, replacing what has the new name.
    ///
    /// # Errors
    /// The error of the system call.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Renames within this directory, unless anything has the new name, even an empty directory.
    ///
    /// # Errors
    /// `AlreadyExists`; `Unsupported` where the file system knows no such rename.
    fn rename_no_replace(&self, from: &str, to: &str) -> io::Result<()>;

    /// Moves `name` into another directory of the same file system and calls it `new_name` there,
    /// unless anything has that name already.
    ///
    /// # Errors
    /// `AlreadyExists`; `Unsupported` where the file system knows no such rename; `CrossesDevices`.
    fn move_no_replace(&self, name: &str, into: &dyn Dir, new_name: &str) -> io::Result<()>;

    /// The directory itself, seen through every layer around it: what
    /// [`move_no_replace`](Self::move_no_replace) recognises its own kind by.
    fn innermost(&self) -> &dyn Any;

    /// Removes a file or link.
    ///
    /// # Errors
    /// The error of the system call.
    fn unlink(&self, name: &str) -> io::Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// The error of the system call.
    fn remove_dir(&self, name: &str) -> io::Result<()>;

    /// All entries but `.` and `..`, in no particular order. Names that are not UTF-8 are left out:
    /// nothing of ours has one.
    ///
    /// # Errors
    /// The error of the system call.
    fn list(&self) -> io::Result<Vec<Entry>>;

    /// What has this name; a link is reported as a link.
    ///
    /// # Errors
    /// The error of the system call.
    fn stat(&self, name: &str) -> io::Result<Stat>;

    /// Makes the names in this directory durable.
    ///
    /// # Errors
    /// The error of the system call.
    fn sync(&self) -> io::Result<()>;

    /// Reads a whole regular file of at most `limit` bytes.
    ///
    /// # Errors
    /// The error of the system call; `FileTooLarge` over the limit, before anything is read;
    /// `InvalidInput` for what is not a regular file.
    fn read(&self, name: &str, limit: u64) -> io::Result<Contents> {
        let file = self.open(name, Open::Read)?;
        let stat = file.stat()?.regular()?.at_most(limit)?;
        let bytes = read_range(file.as_ref(), 0, stat.size)?;
        Ok(Contents { bytes, stat })
    }
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Open {
    /// An existing file, for reading.
    Read,
    /// A file that must not exist yet, for writing; the mode is subject to the umask.
    CreateNew(u32),
    /// An existing file, for reading and for writing at its end.
    Append,
}

/// An open file.
pub trait File: fmt::Debug + Send {
    /// Size, mode and identity.
    ///
    /// # Errors
    /// The error of the system call.
    fn stat(&self) -> io::Result<Stat>;

    /// Reads at an offset; fewer bytes than asked for only at the end of the file.
    ///
    /// # Errors
    /// The error of the system call.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes, possibly less than asked for; a file opened for appending at its end.
    ///
    /// # Errors
    /// The error of the system call.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Cuts the file to a length.
    ///
    /// # Errors
    /// The error of the system call.
    fn truncate(&mut self, len: u64) -> io::Result<()>;

    /// Sets mode and group to those of another file.
    ///
    /// # Errors
    /// The error of the system call.
    fn adopt(&mut self, like: &Stat) -> io::Result<()>;

    /// Asks the system to begin with bringing a range to the disk. It promises nothing; only
    /// [`sync`](Self::sync) does.
    ///
    /// # Errors
    /// The error of the system call.
    fn begin_sync(&mut self, offset: u64, len: u64) -> io::Result<()>;

    /// Makes content and size durable. After an error the handle is spent: the error is reported
    /// once, and a second call might succeed without having written anything.
    ///
    /// # Errors
    /// The error of the system call.
    fn sync(&mut self) -> io::Result<()>;

    /// Closes the file.
    ///
    /// # Errors
    /// The error of the system call, where the platform reports one.
    fn close(self: Box<Self>) -> io::Result<()>;
}

/// An open lock file. It is locked for this handle alone: two handles exclude each other, within
/// one process too. Dropping the handle releases the lock.
pub trait LockFile: fmt::Debug + Send {
    /// Identity and kind.
    ///
    /// # Errors
    /// The error of the system call.
    fn stat(&self) -> io::Result<Stat>;

    /// Takes the lock if nobody holds it.
    ///
    /// # Errors
    /// The error of the system call.
    fn try_lock(&mut self) -> io::Result<bool>;

    /// Waits for the lock, in the order of arrival.
    ///
    /// # Errors
    /// The error of the system call.
    fn lock(&mut self) -> io::Result<()>;

    /// Releases the lock.
    ///
    /// # Errors
    /// The error of the system call.
    fn unlock(&mut self) -> io::Result<()>;

    /// A second handle of the open file, for a child process to inherit: should this process die
    /// without unlocking, the lock stays held until the child is gone as well. `None` where a lock
    /// is nothing that a child could inherit.
    ///
    /// # Errors
    /// Whatever the system says, as it is.
    fn inheritable(&self) -> io::Result<Option<std::fs::File>> {
        Ok(None)
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Link,
    /// A pipe, socket or device.
    Other,
}

/// The identity of a file: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// The device.
    pub dev: u64,
    /// The inode.
    pub ino: u64,
}

/// What is known of a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Its size in bytes.
    pub size: u64,
    /// Its permission bits.
    pub mode: u32,
    /// The user it belongs to.
    pub owner: u32,
    /// Its group.
    pub group: u32,
    /// How many names it has, in this directory and elsewhere.
    pub links: u64,
    /// When its content was changed last: of a directory, when a name in it came or went. 1970
    /// where the file system keeps no time.
    pub modified: Timestamp,
    /// Its identity.
    pub id: FileId,
}

impl Stat {
    /// Itself, if it is a regular file.
    ///
    /// # Errors
    /// `InvalidInput`.
    pub fn regular(self) -> io::Result<Self> {
        match self.kind {
            Kind::File => Ok(self),
            _ if without("file-kind") => Ok(self),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            )),
        }
    }

    /// Itself, if it is a file of at most so many bytes.
    fn at_most(self, limit: u64) -> io::Result<Self> {
        if self.size > limit && !without("size-limit") {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(self)
    }
}

/// A name in a directory, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// What it stands for.
    pub kind: Kind,
}

/// A file read as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What the file was when it was opened.
    pub stat: Stat,
}

/// The directory of a file, and its name in it.
pub(super) fn parts(path: &Utf8Path) -> io::Result<(&Utf8Path, &str)> {
    let parts = path.parent().zip(path.file_name());
    parts.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Reads a whole file of at most `limit` bytes, with one call if it is as small as most are.
pub(crate) fn read_whole(file: &dyn File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4096];
    let length = file.read_at(&mut bytes, 0)?;
    if length < bytes.len() {
        bytes.truncate(length);
        return Ok(bytes);
    }
    let stat = file.stat()?.regular()?.at_most(limit)?;
    let left = stat.size.saturating_sub(length as u64);
    bytes.extend(read_range(file, length as u64, left)?);
    Ok(bytes)
}

/// Reads `len` bytes from `offset`, less where the file ends before.
pub(crate) fn read_range(file: &dyn File, offset: u64, len: u64) -> io::Result<Vec<u8>> {
    let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Writes everything, however short the single writes are.
///
/// # Errors
/// The error of the system call; `WriteZero` where nothing is taken any more.
pub fn write_all(file: &mut dyn File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Opens a directory; `None` if there is none.
///
/// # Errors
/// `E_IO`.
pub fn open_dir_if_present(storage: &dyn Fs, path: &Utf8Path) -> Result<Option<Box<dyn Dir>>> {
    match storage.open_dir(path) {
        Ok(dir) => Ok(Some(dir)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("open", path, error)),
    }
}

/// Opens the directory at `path`, after creating it and its parents where they are missing. At
/// [`Durability::Full`] each directory that received a new name is synced.
///
/// # Errors
/// `E_IO`.
pub fn create_dirs(
    storage: &Storage,
    path: &Utf8Path,
    mode: u32,
    durability: Durability,
) -> Result<Box<dyn Dir>> {
    if let Some(dir) = open_dir_if_present(storage.as_ref(), path)? {
        return Ok(dir);
    }
    let (Some(parent), Some(name)) = (parent(path), path.file_name()) else {
        return Err(Error::io("open", path, io::ErrorKind::NotFound.into()));
    };
    let parent = create_dirs(storage, &parent, mode, durability)?;
    match parent.create_dir(name, mode) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Error::io("create", path, error)),
    }
    // Also after losing the race to another process: it may be killed before its own sync.
    if durability == Durability::Full && !without("parent-sync") {
        parent
            .sync()
            .map_err(|error| Error::io("sync", parent.path(), error))?;
    }
    parent
        .open_dir(name)
        .map_err(|error| Error::io("open", path, error))
}

/// The directory that holds `path`; the current one is called `.`, as an empty path opens nothing.
fn parent(path: &Utf8Path) -> Option<Utf8PathBuf> {
    let parent = path.parent()?;
    Some(if parent.as_str().is_empty() {
        Utf8PathBuf::from(".")
    } else {
        parent.to_owned()
    })
}
