//! A layer that counts every call of a file system, and makes chosen ones fail.
//!
//! With it a test can say: for n = 1, 2, 3 and so on, let the n-th call fail, until the operation
//! passes untouched; after each round the state is the old or the new one.

use std::any::Any;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};

use super::Storage;
use super::dir::{Dir, Entry, File, Fs, LockFile, Open, Stat};

/// A file system that fails on demand; clones share plan and record.
#[derive(Debug, Clone)]
pub struct FaultFs {
    inner: Storage,
    desk: Arc<Desk>,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It does nothing and returns an error of this kind.
    Error(io::ErrorKind),
    /// A write writes only half and says so; other calls are left alone.
    Short,
    /// A write writes half and returns an error; other calls do nothing and return an error.
    Torn,
}

/// How long a fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// For one call.
    Once,
    /// From that call on: as if the disk, or this process, had died.
    FromThenOn,
}

#[derive(Debug, Default)]
struct Desk(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    calls: Vec<&'static str>,
    plan: Option<Plan>,
}

#[derive(Debug)]
struct Plan {
    call: Option<&'static str>,
    before: usize,
    fault: Fault,
    lasting: Lasting,
    reached: bool,
}

impl FaultFs {
    /// Wraps a file system; without a plan nothing fails.
    #[must_use]
    pub fn new(inner: Storage) -> Self {
        Self {
            inner,
            desk: Arc::default(),
        }
    }

    /// This file system as storage.
    #[must_use]
    pub fn storage(&self) -> Storage {
        Arc::new(self.clone())
    }

    /// Lets the `nth` call from now on fail, counted from 1.
    pub fn fail(&self, nth: usize, fault: Fault, lasting: Lasting) {
        self.plan(None, nth, fault, lasting);
    }

    /// Lets the `nth` of the calls with this name fail, counted from 1.
    pub fn fail_call(&self, call: &'static str, nth: usize, fault: Fault, lasting: Lasting) {
        self.plan(Some(call), nth, fault, lasting);
    }

    fn plan(&self, call: Option<&'static str>, nth: usize, fault: Fault, lasting: Lasting) {
        self.desk.state().plan = Some(Plan {
            call,
            before: nth.saturating_sub(1),
            fault,
            lasting,
            reached: false,
        });
    }

    /// Ends the plan; whether its call was reached.
    pub fn heal(&self) -> bool {
        let plan = self.desk.state().plan.take();
        plan.is_some_and(|plan| plan.reached)
    }

    /// The names of all calls since the last time this was asked.
    #[must_use]
    pub fn take_calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.desk.state().calls)
    }

    /// How many of these calls reach the disk.
    #[must_use]
    pub fn flushes(calls: &[&str]) -> usize {
        let flushes = |call: &&&str| ["sync", "sync_dir"].contains(*call);
        calls.iter().filter(flushes).count()
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a call; the fault that strikes it.
    fn strike(&self, call: &'static str) -> Option<Fault> {
        let mut state = self.state();
        state.calls.push(call);
        let plan = state.plan.as_mut()?;
        if plan.call.is_some_and(|wanted| wanted != call) {
            return None;
        }
        if plan.before > 0 {
            plan.before -= 1;
            return None;
        }
        let again = plan.reached;
        plan.reached = true;
        (plan.lasting == Lasting::FromThenOn || !again).then_some(plan.fault)
    }

    fn call<T>(&self, name: &'static str, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.strike(name) {
            None | Some(Fault::Short) => call(),
            Some(Fault::Error(kind)) => Err(kind.into()),
            Some(Fault::Torn) => Err(io::Error::other("injected")),
        }
    }
}

impl Fs for FaultFs {
    fn open_dir(&self, path: &Utf8Path) -> io::Result<Box<dyn Dir>> {
        let inner = self.desk.call("open_dir", || self.inner.open_dir(path))?;
        Ok(self.desk.dir(inner))
    }

    fn open_dir_beneath(&self, base: &Utf8Path, path: &Utf8Path) -> io::Result<Box<dyn Dir>> {
        let open = || self.inner.open_dir_beneath(base, path);
        let inner = self.desk.call("open_dir", open)?;
        Ok(self.desk.dir(inner))
    }

    fn stat(&self, path: &Utf8Path) -> io::Result<Stat> {
        self.desk.call("stat", || self.inner.stat(path))
    }

    fn real_path(&self, path: &Utf8Path) -> io::Result<Utf8PathBuf> {
        self.desk.call("real_path", || self.inner.real_path(path))
    }

    fn open_file(&self, path: &Utf8Path) -> io::Result<Box<dyn File>> {
        let open = || self.inner.open_file(path);
        let inner = self.desk.call("open_file", open)?;
        Ok(self.desk.file(inner))
    }

    fn open_file_beneath(&self, base: &Utf8Path, path: &Utf8Path) -> io::Result<Box<dyn File>> {
        let open = || self.inner.open_file_beneath(base, path);
        let inner = self.desk.call("open_file", open)?;
        Ok(self.desk.file(inner))
    }
}

impl Desk {
    fn dir(self: &Arc<Self>, inner: Box<dyn Dir>) -> Box<dyn Dir> {
        Box::new(FaultDir {
            inner,
            desk: Arc::clone(self),
        })
    }

    fn file(self: &Arc<Self>, inner: Box<dyn File>) -> Box<dyn File> {
        Box::new(FaultFile {
            inner: Some(inner),
            desk: Arc::clone(self),
        })
    }
}

#[derive(Debug)]
struct FaultDir {
    inner: Box<dyn Dir>,
    desk: Arc<Desk>,
}

impl Dir for FaultDir {
    fn path(&self) -> &Utf8Path {
        self.inner.path()
    }

    fn open_dir(&self, name: &str) -> io::Result<Box<dyn Dir>> {
        let inner = self.desk.call("open_dir", || self.inner.open_dir(name))?;
        Ok(self.desk.dir(inner))
    }

    fn create_dir(&self, name: &str, mode: u32) -> io::Result<()> {
        self.desk
            .call("create_dir", || self.inner.create_dir(name, mode))
    }

    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn File>> {
        let inner = self.desk.call("open", || self.inner.open(name, how))?;
        Ok(self.desk.file(inner))
    }

    fn open_in(&self, dir: &str, name: &str) -> io::Result<Box<dyn File>> {
        let open = || self.inner.open_in(dir, name);
        let inner = self.desk.call("open_in", open)?;
        Ok(self.desk.file(inner))
    }

    fn open_lock(&self, name: &str, create: bool) -> io::Result<Box<dyn LockFile>> {
        let open = || self.inner.open_lock(name, create);
        let inner = self.desk.call("open_lock", open)?;
        Ok(Box::new(FaultLock {
            inner,
            desk: Arc::clone(&self.desk),
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.desk.call("rename", || self.inner.rename(from, to))
    }

    fn rename_no_replace(&self, from: &str, to: &str) -> io::Result<()> {
        let rename = || self.inner.rename_no_replace(from, to);
        self.desk.call("rename_no_replace", rename)
    }

    fn move_no_replace(&self, name: &str, into: &dyn Dir, new_name: &str) -> io::Result<()> {
        let rename = || self.inner.move_no_replace(name, into, new_name);
        self.desk.call("move_no_replace", rename)
    }

    fn innermost(&self) -> &dyn Any {
        self.inner.innermost()
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        self.desk.call("unlink", || self.inner.unlink(name))
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        self.desk.call("remove_dir", || self.inner.remove_dir(name))
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        self.desk.call("list", || self.inner.list())
    }

    fn stat(&self, name: &str) -> io::Result<Stat> {
        self.desk.call("stat", || self.inner.stat(name))
    }

    fn sync(&self) -> io::Result<()> {
        self.desk.call("sync_dir", || self.inner.sync())
    }
}

impl Drop for FaultDir {
    fn drop(&mut self) {
        self.desk.strike("close_dir");
    }
}

#[derive(Debug)]
struct FaultFile {
    /// Taken out by `close`.
    inner: Option<Box<dyn File>>,
    desk: Arc<Desk>,
}

impl FaultFile {
    fn inner(&self) -> io::Result<&dyn File> {
        self.inner.as_deref().ok_or_else(closed)
    }

    fn inner_mut(&mut self) -> io::Result<&mut Box<dyn File>> {
        self.inner.as_mut().ok_or_else(closed)
    }
}

fn closed() -> io::Error {
    io::Error::other("the file is closed")
}

impl File for FaultFile {
    fn stat(&self) -> io::Result<Stat> {
        self.desk.call("fstat", || self.inner()?.stat())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.desk
            .call("read", || self.inner()?.read_at(buffer, offset))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fault = self.desk.strike("write");
        let inner = self.inner_mut()?;
        match fault {
            None => inner.write(bytes),
            Some(Fault::Error(kind)) => Err(kind.into()),
            Some(Fault::Short) => inner.write(&bytes[..bytes.len().div_ceil(2)]),
            Some(Fault::Torn) => {
                inner.write(&bytes[..bytes.len() / 2])?;
                Err(io::Error::other("injected"))
            }
        }
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let desk = Arc::clone(&self.desk);
        desk.call("truncate", || self.inner_mut()?.truncate(len))
    }

    fn adopt(&mut self, like: &Stat) -> io::Result<()> {
        let desk = Arc::clone(&self.desk);
        desk.call("adopt", || self.inner_mut()?.adopt(like))
    }

    fn begin_sync(&mut self, offset: u64, len: u64) -> io::Result<()> {
        let desk = Arc::clone(&self.desk);
        desk.call("begin_sync", || self.inner_mut()?.begin_sync(offset, len))
    }

    fn sync(&mut self) -> io::Result<()> {
        let desk = Arc::clone(&self.desk);
        desk.call("sync", || self.inner_mut()?.sync())
    }

    fn close(mut self: Box<Self>) -> io::Result<()> {
        let inner = self.inner.take().ok_or_else(closed)?;
        // The file is closed even where closing reports an error.
        let closed = inner.close();
        self.desk.call("close", || closed)
    }
}

impl Drop for FaultFile {
    fn drop(&mut self) {
        if self.inner.is_some() {
            self.desk.strike("close");
        }
    }
}

#[derive(Debug)]
struct FaultLock {
    inner: Box<dyn LockFile>,
    desk: Arc<Desk>,
}

impl LockFile for FaultLock {
    fn stat(&self) -> io::Result<Stat> {
        self.desk.call("fstat", || self.inner.stat())
    }

    fn try_lock(&mut self) -> io::Result<bool> {
        self.desk.call("try_lock", || self.inner.try_lock())
    }

    fn lock(&mut self) -> io::Result<()> {
        self.desk.call("lock", || self.inner.lock())
    }

    fn unlock(&mut self) -> io::Result<()> {
        self.desk.call("unlock", || self.inner.unlock())
    }

    fn inheritable(&self) -> io::Result<Option<std::fs::File>> {
        self.inner.inheritable()
    }
}

impl Drop for FaultLock {
    fn drop(&mut self) {
        self.desk.strike("close_lock");
    }
}
