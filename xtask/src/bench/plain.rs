//! What the storage does, written plainly against the system calls: the peers of its lines.
//!
//! Each is as durable as what it is compared with, and locks the same way; it checks, keeps and
//! reports nothing.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};

/// Larger than any document here, so that one read is enough.
const BUFFER: usize = 16 << 10;

/// Open, fstat, read, read, close.
pub(crate) fn read(path: &Path, buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut file = File::open(path)?;
    let size = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    buffer.resize(size, 0);
    file.read_exact(buffer)?;
    match file.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(io::Error::other("the file has grown")),
    }
}

/// Flock, read, write, fdatasync, rename, fsync of the folder.
pub(crate) fn update(
    folder: &Path,
    name: &str,
    change: impl FnOnce(&mut Vec<u8>),
) -> io::Result<()> {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join(".lock"))?;
    lock.lock()?;
    let path = folder.join(name);
    let mut text = Vec::new();
    read(&path, &mut text)?;
    change(&mut text);
    let temporary = folder.join(format!(".{name}.tmp"));
    write_new(&temporary, &text)?;
    std::fs::rename(&temporary, &path)?;
    sync_folder(folder)
    // Closing the lock releases it.
}

/// Mkdir twice, write, fdatasync, fsync of the folder, rename, fsync of the folder around it.
pub(crate) fn create(folder: &Path, name: &str, text: &[u8]) -> io::Result<()> {
    let temporary = folder.join(format!(".{name}.tmp"));
    let private = |path: &Path| DirBuilder::new().mode(0o700).create(path);
    private(&temporary)?;
    private(&temporary.join("logs"))?;
    write_new(&temporary.join("meta.json"), text)?;
    sync_folder(&temporary)?;
    std::fs::rename(&temporary, folder.join(name))?;
    sync_folder(folder)
}

/// Open, append, fdatasync, close; with a flock on the file itself if it is shared.
pub(crate) fn append(path: &Path, line: &[u8], shared: bool) -> io::Result<()> {
    let mut file = File::options().append(true).create(true).open(path)?;
    if shared {
        file.lock()?;
    }
    file.write_all(line)?;
    file.sync_data()
}

/// Lists a folder, and opens, reads and closes `name` in every folder in it; all bytes together.
pub(crate) fn read_all(folder: &Path, name: &str) -> io::Result<usize> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let root = openat(CWD, folder, flags | OFlags::DIRECTORY, Mode::empty())?;
    let mut buffer = vec![0; BUFFER];
    let mut sum = 0;
    for entry in rustix::fs::Dir::read_from(&root)? {
        let entry = entry?;
        let run = entry.file_name().to_bytes();
        if run.starts_with(b".") {
            continue;
        }
        let path = [run, b"/", name.as_bytes()].concat();
        let file = File::from(openat(&root, path, flags, Mode::empty())?);
        sum += file.read_at(&mut buffer, 0)?;
    }
    Ok(sum)
}

fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(text)?;
    file.sync_data()
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
