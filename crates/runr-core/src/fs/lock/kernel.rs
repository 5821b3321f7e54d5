//! The kernel's lock on an open file: `flock` on Unix, `LockFileEx` on Windows.

use std::fs::File;
use std::io;
use std::mem;

use fd_lock::RwLock;

/// A file that can be locked, owning both.
///
/// The guards of `fd-lock` borrow what they lock, so they cannot be kept beside it without unsafe
/// code. But a guard is no more than the promise to unlock: forgetting it keeps the lock on the
/// open file, where [`unlock`](Self::unlock), closing, or the death of the process releases it.
#[derive(Debug)]
pub(in crate::fs) struct KernelLock {
    file: File,
}

impl KernelLock {
    pub(in crate::fs) fn new(file: File) -> Self {
        Self { file }
    }

    pub(in crate::fs) fn file(&self) -> &File {
        &self.file
    }

    pub(in crate::fs) fn try_lock(&mut self) -> io::Result<bool> {
        loop {
            match RwLock::new(&self.file).try_write().map(mem::forget) {
                Ok(()) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(in crate::fs) fn lock(&mut self) -> io::Result<()> {
        loop {
            match RwLock::new(&self.file).write().map(mem::forget) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    pub(in crate::fs) fn unlock(&mut self) -> io::Result<()> {
        self.file.unlock()
    }
}
