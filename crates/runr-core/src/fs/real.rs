//! The disk of a Unix machine, by `openat` and its kin.
//!
//! One limit: safe Rust cannot see the result of `close`. Everything a close could still report was
//! reported by the sync before it, except at [`Durability::None`](super::Durability::None), which
//! promises nothing.

use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fd::{AsFd, OwnedFd};
#[cfg(target_os = "linux")]
use rustix::fs::ResolveFlags;
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, RawMode, RenameFlags};
use rustix::io::Errno;

#[cfg(target_os = "linux")]
use super::dir::parts;
use super::dir::{Dir, Entry, File, FileId, Fs, Kind, LockFile, Open, Stat};
use super::lock::KernelLock;

#[derive(Debug)]
pub(super) struct RealFs;

impl Fs for RealFs {
    fn open_dir(&self, path: &Utf8Path) -> io::Result<Box<dyn Dir>> {
        open_dir_at(CWD, path.as_str(), path.to_owned())
    }

    fn stat(&self, path: &Utf8Path) -> io::Result<Stat> {
        Ok(stat_of(&rustix::fs::stat(path.as_str())?))
    }

    #[cfg(target_os = "linux")]
    fn open_file(&self, path: &Utf8Path) -> io::Result<Box<dyn File>> {
        if let Some(opened) = open_without_links(CWD, path.as_str()) {
            return opened;
        }
        let (dir, name) = parts(path)?;
        self.open_dir(dir)?.open(name, Open::Read)
    }
}

#[derive(Debug)]
struct RealDir {
    fd: OwnedFd,
    path: Utf8PathBuf,
}

fn open_dir_at(at: impl AsFd, name: &str, path: Utf8PathBuf) -> io::Result<Box<dyn Dir>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = retry(|| rustix::fs::openat(&at, name, flags, Mode::empty()))?;
    Ok(Box::new(RealDir { fd, path }))
}

impl RealDir {
    fn open_fd(&self, name: &str, flags: OFlags, mode: u32) -> io::Result<OwnedFd> {
        // NONBLOCK: a pipe planted under the name must not make the open hang.
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let name = component(name)?;
        retry(|| rustix::fs::openat(&self.fd, name, flags, mode_of(mode)))
    }
}

impl Dir for RealDir {
    fn path(&self) -> &Utf8Path {
        &self.path
    }

    fn open_dir(&self, name: &str) -> io::Result<Box<dyn Dir>> {
        open_dir_at(&self.fd, component(name)?, self.path.join(name))
    }

    fn create_dir(&self, name: &str, mode: u32) -> io::Result<()> {
        Ok(rustix::fs::mkdirat(
            &self.fd,
            component(name)?,
            mode_of(mode),
        )?)
    }

    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn File>> {
        let (flags, mode) = match how {
            Open::Read => (OFlags::RDONLY, 0),
            Open::CreateNew(mode) => (OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, mode),
            Open::Append => (OFlags::RDWR | OFlags::APPEND, 0),
        };
        let fd = self.open_fd(name, flags, mode)?;
        Ok(Box::new(RealFile(fd.into())))
    }

    #[cfg(target_os = "linux")]
    fn open_in(&self, dir: &str, name: &str) -> io::Result<Box<dyn File>> {
        let path = format!("{}/{}", component(dir)?, component(name)?);
        match open_without_links(&self.fd, &path) {
            Some(opened) => opened,
            None => self.open_dir(dir)?.open(name, Open::Read),
        }
    }

    fn open_lock(&self, name: &str, create: bool) -> io::Result<Box<dyn LockFile>> {
        // Read and write: some network file systems lock only what is open for writing.
        let create = if create {
            OFlags::CREATE
        } else {
            OFlags::empty()
        };
        let fd = self.open_fd(name, OFlags::RDWR | create, 0o600)?;
        Ok(Box::new(RealLock(KernelLock::new(fd.into()))))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (component(from)?, component(to)?);
        Ok(rustix::fs::renameat(&self.fd, from, &self.fd, to)?)
    }

    fn rename_no_replace(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (component(from)?, component(to)?);
        rename_no_replace(&self.fd, from, to)
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(
            &self.fd,
            component(name)?,
            AtFlags::empty(),
        )?)
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(
            &self.fd,
            component(name)?,
            AtFlags::REMOVEDIR,
        )?)
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                // Some file systems do not say.
                FileType::Unknown => self.stat(name)?.kind,
                known => kind_of(known),
            };
            entries.push(Entry {
                name: name.to_owned(),
                kind,
            });
        }
        Ok(entries)
    }

    fn stat(&self, name: &str) -> io::Result<Stat> {
        let name = component(name)?;
        let stat = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(stat_of(&stat))
    }

    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }
}

#[derive(Debug)]
struct RealFile(std::fs::File);

impl File for RealFile {
    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_of(&rustix::fs::fstat(&self.0)?))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn adopt(&mut self, like: &Stat) -> io::Result<()> {
        // The group first: changing it may clear mode bits.
        let mode = match rustix::fs::fchown(&self.0, None, Some(Gid::from_raw(like.group))) {
            Ok(()) => like.mode,
            // Not a member of that group: rather grant nothing than grant it to another group.
            Err(Errno::PERM) => like.mode & !0o070,
            Err(error) => return Err(error.into()),
        };
        Ok(rustix::fs::fchmod(&self.0, mode_of(mode))?)
    }

    fn sync(&mut self) -> io::Result<()> {
        sync_data(&self.0)
    }

    fn close(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct RealLock(KernelLock);

impl LockFile for RealLock {
    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_of(&rustix::fs::fstat(self.0.file())?))
    }

    fn try_lock(&mut self) -> io::Result<bool> {
        self.0.try_lock()
    }

    fn lock(&mut self) -> io::Result<()> {
        self.0.lock()
    }

    fn unlock(&mut self) -> io::Result<()> {
        self.0.unlock()
    }

    fn inheritable(&self) -> io::Result<Option<std::fs::File>> {
        self.0.file().try_clone().map(Some)
    }
}

#[cfg(target_vendor = "apple")]
fn sync_data(file: &std::fs::File) -> io::Result<()> {
    // Plain fsync leaves the data in the drive's cache; not every file system offers more.
    match rustix::fs::fcntl_fullfsync(file) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL | Errno::NOTSUP | Errno::NOTTY) => Ok(rustix::fs::fsync(file)?),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_vendor = "apple"))]
fn sync_data(file: &std::fs::File) -> io::Result<()> {
    file.sync_data()
}

#[cfg(any(target_vendor = "apple", target_os = "linux", target_os = "android"))]
fn rename_no_replace(dir: &OwnedFd, from: &str, to: &str) -> io::Result<()> {
    match rustix::fs::renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE) {
        // Old kernels and some file systems do not know the flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Err(io::ErrorKind::Unsupported.into()),
        other => Ok(other?),
    }
}

#[cfg(not(any(target_vendor = "apple", target_os = "linux", target_os = "android")))]
fn rename_no_replace(_: &OwnedFd, _: &str, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Opens a file for reading with one call; `None` if that cannot be: a link is on the way, which
/// may be welcome; old kernels do not know the call; some containers forbid it.
#[cfg(target_os = "linux")]
fn open_without_links(at: impl AsFd, path: &str) -> Option<io::Result<Box<dyn File>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    loop {
        match rustix::fs::openat2(&at, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
            Ok(fd) => return Some(Ok(Box::new(RealFile(fd.into())))),
            Err(Errno::LOOP | Errno::NOSYS | Errno::PERM) => return None,
            Err(Errno::INTR) => {}
            Err(error) => return Some(Err(error.into())),
        }
    }
}

/// A name that cannot lead out of its directory.
fn component(name: &str) -> io::Result<&str> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a single path component",
        ));
    }
    Ok(name)
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

fn mode_of(mode: u32) -> Mode {
    // Twelve permission bits fit every width the platforms give this type.
    Mode::from_raw_mode((mode & 0o7777) as RawMode)
}

fn kind_of(kind: FileType) -> Kind {
    match kind {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Dir,
        FileType::Symlink => Kind::Link,
        _ => Kind::Other,
    }
}

// The platforms disagree on the width and sign of these fields.
#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)]
fn stat_of(stat: &rustix::fs::Stat) -> Stat {
    Stat {
        kind: kind_of(FileType::from_raw_mode(stat.st_mode)),
        size: stat.st_size as u64,
        mode: stat.st_mode as u32 & 0o7777,
        group: stat.st_gid as u32,
        id: FileId {
            dev: stat.st_dev as u64,
            ino: stat.st_ino as u64,
        },
    }
}
