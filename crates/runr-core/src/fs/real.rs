//! The disk of a Unix machine, by `openat` and its kin.
//!
//! One limit: safe Rust cannot see the result of `close`. Everything a close could still report was
//! reported by the sync before it, except at [`Durability::None`](super::Durability::None), which
//! promises nothing.

use std::any::Any;
use std::io::{self, Write};
#[cfg(target_os = "linux")]
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fd::{AsFd, OwnedFd};
#[cfg(target_os = "linux")]
use rustix::fs::ResolveFlags;
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, RawMode, RenameFlags};
use rustix::io::Errno;

use super::dir::{Dir, Entry, File, FileId, Fs, Kind, LockFile, Open, Stat, parts, step_by_step};
use super::lock::KernelLock;
use crate::mutant::without;
use crate::time::Timestamp;

#[derive(Debug)]
pub(super) struct RealFs;

impl Fs for RealFs {
    fn open_dir(&self, path: &Utf8Path) -> io::Result<Box<dyn Dir>> {
        open_dir_at(CWD, path.as_str(), path.to_owned())
    }

    fn stat(&self, path: &Utf8Path) -> io::Result<Stat> {
        Ok(stat_of(&rustix::fs::stat(path.as_str())?))
    }

    fn real_path(&self, path: &Utf8Path) -> io::Result<Utf8PathBuf> {
        path.canonicalize_utf8()
    }

    fn open_dir_beneath(&self, base: &Utf8Path, path: &Utf8Path) -> io::Result<Box<dyn Dir>> {
        match open_without_links(CWD, path.as_str(), OFlags::DIRECTORY) {
            Some(opened) => Ok(Box::new(RealDir {
                fd: opened?,
                path: path.to_owned(),
            })),
            None => step_by_step(base, path, |path| self.open_dir(path)),
        }
    }

    fn open_file(&self, path: &Utf8Path) -> io::Result<Box<dyn File>> {
        open_file_without_links(CWD, path.as_str(), || {
            let (dir, name) = parts(path)?;
            self.open_dir(dir)?.open(name, Open::Read)
        })
    }

    fn open_file_beneath(&self, base: &Utf8Path, path: &Utf8Path) -> io::Result<Box<dyn File>> {
        open_file_without_links(CWD, path.as_str(), || {
            let (dir, name) = parts(path)?;
            let dir = step_by_step(base, dir, |path| self.open_dir(path))?;
            dir.open(name, Open::Read)
        })
    }
}

/// Opens for reading with one call; `None` if that cannot be: a link is on the way, which may be
/// welcome; old kernels do not know the call; some containers forbid it. What is missing is
/// missing either way.
#[cfg(target_os = "linux")]
fn open_without_links(at: impl AsFd, path: &str, flags: OFlags) -> Option<io::Result<OwnedFd>> {
    let flags = OFlags::RDONLY | flags | OFlags::CLOEXEC;
    let none = ResolveFlags::NO_SYMLINKS;
    match retry(|| rustix::fs::openat2(&at, path, flags, Mode::empty(), none)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => None,
        other => Some(other),
    }
}

#[cfg(not(target_os = "linux"))]
fn open_without_links(_: impl AsFd, _: &str, _: OFlags) -> Option<io::Result<OwnedFd>> {
    None
}

/// Opens a file for reading with one call, or by `else_open` where that cannot be.
fn open_file_without_links(
    at: impl AsFd,
    path: &str,
    else_open: impl FnOnce() -> io::Result<Box<dyn File>>,
) -> io::Result<Box<dyn File>> {
    match open_without_links(at, path, no_wait()) {
        Some(opened) => Ok(Box::new(RealFile(opened?.into()))),
        None => else_open(),
    }
}

#[derive(Debug)]
struct RealDir {
    fd: OwnedFd,
    path: Utf8PathBuf,
}

fn open_dir_at(at: impl AsFd, name: &str, path: Utf8PathBuf) -> io::Result<Box<dyn Dir>> {
    let links = no_links("dir-links");
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | links | OFlags::CLOEXEC;
    let fd = retry(|| rustix::fs::openat(&at, name, flags, Mode::empty()))?;
    Ok(Box::new(RealDir { fd, path }))
}

/// The flag by which a link is refused.
fn no_links(step: &str) -> OFlags {
    if without(step) {
        return OFlags::empty();
    }
    OFlags::NOFOLLOW
}

/// The flag by which a pipe planted under a name does not make the open hang.
fn no_wait() -> OFlags {
    if without("no-wait") {
        return OFlags::empty();
    }
    OFlags::NONBLOCK
}

impl RealDir {
    fn open_fd(&self, name: &str, flags: OFlags, mode: u32) -> io::Result<OwnedFd> {
        let flags = flags | no_links("file-links") | no_wait() | OFlags::CLOEXEC;
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

    fn open_in(&self, dir: &str, name: &str) -> io::Result<Box<dyn File>> {
        let path = format!("{}/{}", component(dir)?, component(name)?);
        open_file_without_links(&self.fd, &path, || {
            self.open_dir(dir)?.open(name, Open::Read)
        })
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
        rename_no_replace(&self.fd, from, &self.fd, to)
    }

    fn move_no_replace(&self, name: &str, into: &dyn Dir, new_name: &str) -> io::Result<()> {
        let Some(into) = into.innermost().downcast_ref::<Self>() else {
            return Err(io::ErrorKind::CrossesDevices.into());
        };
        let (name, new_name) = (component(name)?, component(new_name)?);
        rename_no_replace(&self.fd, name, &into.fd, new_name)
    }

    fn innermost(&self) -> &dyn Any {
        self
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

    fn begin_sync(&mut self, offset: u64, len: u64) -> io::Result<()> {
        begin_sync(&self.0, offset, len)
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

/// The kernel follows this advice in two steps: it begins to write what is dirty, and drops from its
/// cache what is clean. There is nothing clean yet to drop, so what remains is the first step.
#[cfg(target_os = "linux")]
fn begin_sync(file: &std::fs::File, offset: u64, len: u64) -> io::Result<()> {
    let advice = rustix::fs::Advice::DontNeed;
    Ok(rustix::fs::fadvise(
        file,
        offset,
        NonZeroU64::new(len),
        advice,
    )?)
}

#[cfg(not(target_os = "linux"))]
fn begin_sync(_: &std::fs::File, _: u64, _: u64) -> io::Result<()> {
    Ok(())
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
fn rename_no_replace(dir: &OwnedFd, from: &str, into: &OwnedFd, to: &str) -> io::Result<()> {
    match rustix::fs::renameat_with(dir, from, into, to, RenameFlags::NOREPLACE) {
        // Old kernels and some file systems do not know the flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Err(io::ErrorKind::Unsupported.into()),
        other => Ok(other?),
    }
}

#[cfg(not(any(target_vendor = "apple", target_os = "linux", target_os = "android")))]
fn rename_no_replace(_: &OwnedFd, _: &str, _: &OwnedFd, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A name that cannot lead out of its directory.
fn component(name: &str) -> io::Result<&str> {
    let leads_out = name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']);
    if leads_out && !without("component") {
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
        owner: stat.st_uid as u32,
        group: stat.st_gid as u32,
        links: stat.st_nlink as u64,
        modified: Timestamp::from_millis(
            (stat.st_mtime as i64)
                .saturating_mul(1000)
                .saturating_add(stat.st_mtime_nsec as i64 / 1_000_000),
        ),
        id: FileId {
            dev: stat.st_dev as u64,
            ino: stat.st_ino as u64,
        },
    }
}
