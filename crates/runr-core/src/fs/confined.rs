//! A file system in which nothing below one directory is reached through a link.

use std::io;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use super::Storage;
use super::dir::{Dir, File, Fs, Stat};

/// The same storage, except that a link below `base` that leads to a directory is refused. How
/// `base` itself is reached is its owner's business.
#[must_use]
pub fn confined(storage: Storage, base: impl Into<Utf8PathBuf>) -> Storage {
    Arc::new(Confined {
        inner: storage,
        base: base.into(),
    })
}

#[derive(Debug)]
struct Confined {
    inner: Storage,
    base: Utf8PathBuf,
}

impl Fs for Confined {
    fn open_dir(&self, path: &Utf8Path) -> io::Result<Box<dyn Dir>> {
        if path.starts_with(&self.base) {
            self.inner.open_dir_beneath(&self.base, path)
        } else {
            self.inner.open_dir(path)
        }
    }

    fn open_file(&self, path: &Utf8Path) -> io::Result<Box<dyn File>> {
        if path.starts_with(&self.base) {
            self.inner.open_file_beneath(&self.base, path)
        } else {
            self.inner.open_file(path)
        }
    }

    fn stat(&self, path: &Utf8Path) -> io::Result<Stat> {
        self.inner.stat(path)
    }

    fn real_path(&self, path: &Utf8Path) -> io::Result<Utf8PathBuf> {
        self.inner.real_path(path)
    }
}
