//! Doing what was decided.
//!
//! A repair may be killed in every moment: each step leaves something that the next repair finds
//! and finishes. A damaged `meta.json` is kept under another name, durably, before it is replaced.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::look::Seen;
use super::{Diagnosis, Finding, LOCK, MetaFile, OWNER_LOCK, Remedy};
use crate::error::{Error, Result};
use crate::fs::{
    Dir, Durability, Entry, Kind, Lock, LockGuard, Replacing, Wait, create_dirs, write_atomic,
};
use crate::id::RunId;
use crate::store::ops::{LOGS, META, META_MODE, RunStore};
use crate::store::repo_lock::Holder;
use crate::time::Timestamp;

/// Where directories go that tell nothing; beside the directory of runs.
const QUARANTINE: &str = "quarantine";
/// A probe of the owner lock holds it for an instant.
const PROBE: Duration = Duration::from_millis(250);
/// How many names are tried for what is kept.
const MAX_NAMES: usize = 1000;

impl RunStore {
    /// Does what can be done without losing anything, and says what that was. Runs that somebody
    /// drives are left alone; where nothing is to be done, nothing is touched. `holder`, `wait` and
    /// `is_alive` are for the [lock of the repository](Self::lock_repository).
    #[must_use]
    pub fn repair(
        &self,
        now: Timestamp,
        holder: &Holder,
        wait: Duration,
        is_alive: &dyn Fn(u32) -> bool,
    ) -> Vec<Finding> {
        let found = self.diagnose(now);
        if !found.iter().any(|finding| finding.remedy.is_automatic()) {
            return found;
        }
        let _lock = match self.lock_repository(holder, wait, is_alive) {
            Ok(lock) => lock,
            Err(error) => return failed(found, error),
        };
        // What somebody repaired before we had the lock is not looked for again.
        let (mut findings, mut last) = (Vec::new(), None);
        for mut finding in found {
            match &finding.run_id {
                Some(id) if last.as_ref() == Some(id) => {}
                Some(id) => {
                    last = Some(id.clone());
                    findings.extend(self.mend(id, now));
                }
                None => {
                    if finding.remedy.is_automatic() {
                        finding.end(self.remove_unfinished(&finding.path).map(|()| None));
                    }
                    findings.push(finding);
                }
            }
        }
        findings
    }

    /// Looks again under the locks of the run, and does what is to be done.
    fn mend(&self, id: &RunId, now: Timestamp) -> Vec<Finding> {
        // Before the locks, which make files: a run that is driven by now is not touched.
        let found = self.diagnose_run(id);
        if !found.iter().any(|finding| finding.remedy.is_automatic()) {
            return found;
        }
        let looked = self
            .lock_run(id)
            .and_then(|locks| Ok((locks, self.look(id)?)));
        let (_locks, seen) = match looked {
            Ok((locks, Some(seen))) => (locks, seen),
            Ok((_, None)) => return Vec::new(),
            Err(error) => return failed(found, error),
        };
        let mut findings = self.findings(id, &seen, false);
        for finding in &mut findings {
            let done = match finding.remedy {
                Remedy::Remove if finding.diagnosis == Diagnosis::Abandoned => {
                    self.remove_shell(id, &seen).map(|()| None)
                }
                Remedy::Remove => unlink(seen.dir.as_ref(), &finding.path).map(|()| None),
                Remedy::Rebuild => rebuild(&seen, now),
                Remedy::Quarantine => self.quarantine(id, now).map(Some),
                Remedy::Update | Remedy::Wait | Remedy::Inspect => continue,
            };
            finding.end(done);
        }
        findings
    }

    /// The locks of a run that nobody drives. Where there is no owner lock, there was no driver.
    fn lock_run(&self, id: &RunId) -> Result<(Option<LockGuard>, LockGuard)> {
        let path = self.run_dir(id);
        let dir = self.open_dir(&path)?;
        let owner = match dir.stat(OWNER_LOCK) {
            Ok(_) => Some(Lock::acquire(
                &self.storage,
                &path,
                OWNER_LOCK,
                Wait::UpTo(PROBE),
            )?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::io("stat", &path.join(OWNER_LOCK), error)),
        };
        let guard = Lock::acquire(&self.storage, &path, LOCK, self.wait.clone())?;
        Ok((owner, guard))
    }

    fn open_dir(&self, path: &Utf8Path) -> Result<Box<dyn Dir>> {
        let opened = self.storage.open_dir(path);
        opened.map_err(|error| Error::io("open", path, error))
    }

    /// Of a directory only what a creation puts into it is removed; with anything else in it, it
    /// stays.
    fn remove_unfinished(&self, path: &Utf8Path) -> Result<()> {
        let root = self.open_dir(&self.root)?;
        let name = path.file_name().unwrap_or_default();
        let failed = |error| Error::io("remove", path, error);
        if root.stat(name).map_err(failed)?.kind == Kind::File {
            return unlink(root.as_ref(), path);
        }
        let dir = root.open_dir(name).map_err(failed)?;
        let known = |entry: &Entry| match entry.kind {
            Kind::Dir => entry.name == LOGS,
            Kind::File => entry.name == META,
            _ => false,
        };
        if !dir.list().map_err(failed)?.iter().all(known) {
            return Err(failed(io::ErrorKind::DirectoryNotEmpty.into()));
        }
        // The directory first: if it is not empty, nothing was touched.
        unless_missing(dir.remove_dir(LOGS)).map_err(failed)?;
        unless_missing(dir.unlink(META)).map_err(failed)?;
        drop(dir);
        root.remove_dir(name).map_err(failed)?;
        root.sync().map_err(|error| committed(failed(error)))
    }

    /// Removes a run directory in which there is nothing; its lock, which we hold, with it.
    fn remove_shell(&self, id: &RunId, seen: &Seen) -> Result<()> {
        let failed = |error| Error::io("remove", seen.dir.path(), error);
        let root = self.open_dir(&self.root)?;
        unless_missing(seen.dir.remove_dir(LOGS)).map_err(failed)?;
        for entry in seen.entries.iter().filter(|it| it.kind == Kind::File) {
            unless_missing(seen.dir.unlink(&entry.name)).map_err(failed)?;
        }
        root.remove_dir(id.as_str()).map_err(failed)?;
        root.sync().map_err(|error| committed(failed(error)))
    }

    /// Moves a run directory out of the runs; its new path.
    fn quarantine(&self, id: &RunId, now: Timestamp) -> Result<Utf8PathBuf> {
        let from = self.run_dir(id);
        let failed = |error| Error::io("move", &from, error);
        let place = self.repository_dir().join(QUARANTINE);
        let into = create_dirs(&self.storage, &place, self.modes.dir, Durability::Full)?;
        let root = self.open_dir(&self.root)?;
        for name in names(&format!("{id}-{}", now.to_compact_string())) {
            match root.move_no_replace(id.as_str(), into.as_ref(), &name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
                Ok(()) => {
                    let kept = place.join(name);
                    // The new name first: after a power cut it may have both, but never none.
                    let synced = into.sync().and_then(|()| root.sync());
                    return match synced {
                        Ok(()) => Ok(kept),
                        Err(error) => Err(committed(failed(error)).with("kept", kept.as_str())),
                    };
                }
            }
        }
        Err(failed(io::ErrorKind::AlreadyExists.into()))
    }
}

impl Finding {
    fn end(&mut self, done: Result<Option<Utf8PathBuf>>) {
        match done {
            Ok(kept) => (self.done, self.kept) = (true, kept),
            Err(error) => self.error = Some(Arc::new(error)),
        }
    }
}

/// Nothing of it was done.
fn failed(mut findings: Vec<Finding>, error: Error) -> Vec<Finding> {
    let error = Arc::new(error);
    for finding in findings.iter_mut().filter(|it| it.remedy.is_automatic()) {
        finding.error = Some(Arc::clone(&error));
    }
    findings
}

/// It was done, and only a power cut may undo it.
fn committed(error: Error) -> Error {
    error.with("committed", true)
}

fn unless_missing(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn unlink(dir: &dyn Dir, path: &Utf8Path) -> Result<()> {
    let name = path.file_name().unwrap_or_default();
    let failed = |error| Error::io("remove", path, error);
    unless_missing(dir.unlink(name)).map_err(failed)?;
    dir.sync().map_err(|error| committed(failed(error)))
}

/// A name, and what to call it if that is taken.
fn names(first: &str) -> impl Iterator<Item = String> {
    let next = move |n: usize| match n {
        1 => first.to_owned(),
        n => format!("{first}-{n}"),
    };
    (1..=MAX_NAMES).map(next)
}

/// Replaces `meta.json`, after what stands there is kept; where that is.
fn rebuild(seen: &Seen, now: Timestamp) -> Result<Option<Utf8PathBuf>> {
    let Some(text) = &seen.new_text else {
        return Err(Error::internal("there is nothing to rebuild a run from"));
    };
    let dir = seen.dir.as_ref();
    let aside = format!("{META}.broken-{}", now.to_compact_string());
    let kept = match &seen.meta {
        MetaFile::Missing => None,
        MetaFile::Bytes(bytes) => Some(copy_aside(dir, &seen.entries, &aside, bytes)?),
        MetaFile::TooLarge(_) | MetaFile::NotAFile => Some(move_aside(dir, &aside)?),
    };
    let replacing = match dir.stat(META) {
        Ok(stat) if stat.kind == Kind::File => Replacing::File(stat),
        _ => Replacing::Nothing(META_MODE),
    };
    write_atomic(dir, META, text.as_bytes(), replacing, Durability::Full)?;
    Ok(kept.map(|name| dir.path().join(name)))
}

/// Keeps a copy, durably. A copy that a repair made before it was killed is as good as a new one.
fn copy_aside(dir: &dyn Dir, entries: &[Entry], first: &str, bytes: &[u8]) -> Result<String> {
    let failed = |error| Error::io("copy", &dir.path().join(META), error);
    let prefix = format!("{META}.broken-");
    for entry in entries.iter().filter(|it| it.name.starts_with(&prefix)) {
        let size = dir.stat(&entry.name).map_err(failed)?.size;
        if entry.kind == Kind::File && size == bytes.len() as u64 {
            let copy = dir.read(&entry.name, size).map_err(failed)?;
            if copy.bytes == bytes {
                dir.sync().map_err(failed)?;
                return Ok(entry.name.clone());
            }
        }
    }
    let name = free_name(dir, first)?;
    let new = Replacing::Nothing(META_MODE);
    write_atomic(dir, &name, bytes, new, Durability::Full)?;
    Ok(name)
}

/// Renames what cannot be copied; nothing in it is needed for what comes in its place.
fn move_aside(dir: &dyn Dir, first: &str) -> Result<String> {
    let failed = |error| Error::io("rename", &dir.path().join(META), error);
    let name = free_name(dir, first)?;
    dir.rename(META, &name).map_err(failed)?;
    dir.sync().map_err(failed)?;
    Ok(name)
}

/// Under the lock of the run a name that is free stays free.
fn free_name(dir: &dyn Dir, first: &str) -> Result<String> {
    for name in names(first) {
        match dir.stat(&name) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(name),
            Err(error) => return Err(Error::io("stat", &dir.path().join(&name), error)),
        }
    }
    let taken = io::ErrorKind::AlreadyExists.into();
    Err(Error::io("create", &dir.path().join(first), taken))
}
