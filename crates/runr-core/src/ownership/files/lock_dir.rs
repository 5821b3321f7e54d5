//! The lock directory, by which programs without a kernel lock exclude each other and us.
//!
//! Ours is made under another name and gets its own by a rename, so it is never empty; and it is
//! renamed away before it is emptied. A process that is killed in between leaves its directory under
//! one of two fixed names, and whoever holds the kernel's lock next clears it. Nothing here is
//! synced. So a power cut may leave the directory without its file: to be known as ours even then,
//! it has the sticky bit, which no other program sets and which means nothing in it.
//!
//! Limits: where nothing can be renamed without replacing (some network mounts, Windows), the
//! directory is made in place, and is empty for a moment; where `mkdir` does not take the bit
//! (Windows, macOS), what a kill in that moment or a power cut leaves needs a person.

use std::io;
use std::thread;

use super::lock_owner::{self, Found};
use crate::error::{Code, Error, Result};
use crate::fs::{Dir, GaveUp, Kind, Open, Patience, read_whole, write_all};
use crate::mutant::without;
use crate::ownership::processes::Processes;
use crate::time::Timestamp;

/// The file in it.
const OWNER: &str = "owner.json";
/// More than any program writes there.
const MAX_OWNER: u64 = 64 << 10;
/// The mode of ours, less the umask: the sticky bit is the mark.
const MARKED: u32 = 0o1777;
const MARK: u32 = 0o1000;
/// The mode of the others.
const UNMARKED: u32 = 0o777;

/// What decides about the lock directories of others.
#[derive(Debug, Clone, Copy)]
pub(in crate::ownership) struct World<'a> {
    pub(in crate::ownership) processes: &'a dyn Processes,
    pub(in crate::ownership) single_host: bool,
    pub(in crate::ownership) now: Timestamp,
}

/// The name of a lock directory in a directory whose kernel lock is held.
#[derive(Debug, Clone, Copy)]
pub(in crate::ownership) struct LockDir<'a> {
    pub(in crate::ownership) dir: &'a dyn Dir,
    pub(in crate::ownership) name: &'a str,
}

/// The lock directory as ours; dropping it gives it up.
#[derive(Debug)]
#[must_use = "the lock is released as soon as the guard is dropped"]
pub(in crate::ownership) struct Taken<'a> {
    lock: LockDir<'a>,
    text: String,
}

impl<'a> LockDir<'a> {
    /// Makes it, and waits for others as long as patience lasts. What nobody holds any more is
    /// removed; `hint` says what to do about the rest.
    pub(in crate::ownership) fn take(
        self,
        world: World<'_>,
        patience: &Patience,
        hint: &str,
    ) -> Result<Taken<'a>> {
        let text = lock_owner::text(&world.processes.own(), world.now);
        let prepared = self.prepare(&text).map_err(|error| self.failed(error));
        prepared
            .and_then(|()| self.publish_when_free(&text, world, patience, hint))
            .inspect_err(|_| drop(self.clear(&self.new_name())))?;
        Ok(Taken { lock: self, text })
    }

    fn publish_when_free(
        self,
        text: &str,
        world: World<'_>,
        patience: &Patience,
        hint: &str,
    ) -> Result<()> {
        let mut last_try = false;
        loop {
            match self.publish(&self.new_name(), text, MARKED) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                done => return done.map_err(|error| self.failed(error)),
            }
            let found = self.look()?;
            let try_at_once = match &found {
                // It has gone meanwhile.
                None => true,
                Some(found) if found.is_abandoned(world.processes, world.single_host) => {
                    self.remove(found)?;
                    true
                }
                Some(_) => false,
            };
            match patience.next_slice() {
                Ok(_) if try_at_once => {}
                Ok(slice) => thread::sleep(slice),
                // It is worth another try, but others may make theirs for ever.
                Err(_) if try_at_once && !last_try => last_try = true,
                Err(gave_up) => return Err(self.held(found, patience, gave_up, hint)),
            }
        }
    }

    /// What is there under its name, if anything.
    pub(in crate::ownership) fn look(self) -> Result<Option<Found>> {
        self.look_at(self.name).map_err(|error| self.failed(error))
    }

    fn look_at(self, name: &str) -> io::Result<Option<Found>> {
        let text = self.read(name);
        match self.dir.stat(name) {
            Ok(stat) => Ok(Some(Found {
                is_dir: stat.kind == Kind::Dir,
                is_marked: stat.kind == Kind::Dir && stat.mode & MARK != 0,
                text,
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(self, name: &str) -> Option<String> {
        let file = self.dir.open_in(name, OWNER).ok()?;
        String::from_utf8(read_whole(file.as_ref(), MAX_OWNER).ok()?).ok()
    }

    /// Removes the directory that was found; `false` if there is another one by now.
    pub(in crate::ownership) fn remove(self, found: &Found) -> Result<bool> {
        self.remove_if(|name| Ok(self.look_at(name)?.as_ref() == Some(found)))
            .map_err(|error| self.failed(error))
    }

    /// Removes the directory if it is the one that is meant, which is certain only when it has
    /// another name.
    fn remove_if(self, is_meant: impl FnOnce(&str) -> io::Result<bool>) -> io::Result<bool> {
        let gone = self.gone_name();
        match self.dir.rename(self.name, &gone) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            // Something is left there of a process that was killed.
            Err(_) => {
                self.clear(&gone)?;
                self.dir.rename(self.name, &gone)?;
            }
        }
        if is_meant(&gone)? || without("foreign-reread") {
            // It has lost its name, so it locks nothing; the rest can wait for the next time.
            drop(self.clear(&gone));
            return Ok(true);
        }
        // Should somebody be faster again, there is nothing left to be done for this one.
        let text = self.read(&gone).unwrap_or_default();
        drop(self.publish(&gone, &text, UNMARKED));
        Ok(false)
    }

    /// Makes the directory under another name.
    fn prepare(self, text: &str) -> io::Result<()> {
        let name = self.new_name();
        let mode = if without("lock-mark") {
            UNMARKED
        } else {
            MARKED
        };
        match self.dir.create_dir(&name, mode) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.clear(&name)?;
                self.dir.create_dir(&name, mode)?;
            }
            other => other?,
        }
        self.fill(&name, text)
    }

    fn fill(self, name: &str, text: &str) -> io::Result<()> {
        let inner = self.dir.open_dir(name)?;
        let mut file = inner.open(OWNER, Open::CreateNew(0o666))?;
        write_all(file.as_mut(), text.as_bytes())?;
        file.close()
    }

    /// Gives a directory the name that locks, unless something has it.
    fn publish(self, from: &str, text: &str, mode: u32) -> io::Result<()> {
        match self.dir.rename_no_replace(from, self.name) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                self.dir.create_dir(self.name, mode)?;
                self.fill(self.name, text)
                    .inspect_err(|_| drop(self.clear(self.name)))?;
                self.clear(from)
            }
            other => other,
        }
    }

    /// Removes what has one of the two other names.
    fn clear(self, name: &str) -> io::Result<()> {
        let inner = match self.dir.open_dir(name) {
            Ok(inner) => inner,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // A file or a link.
            Err(_) => return self.dir.unlink(name),
        };
        match inner.unlink(OWNER) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if self.dir.remove_dir(name).is_ok() {
            return Ok(());
        }
        for entry in inner.list()? {
            inner.unlink(&entry.name)?;
        }
        drop(inner);
        self.dir.remove_dir(name)
    }

    fn new_name(self) -> String {
        format!(".{}.tmp", self.name)
    }

    fn gone_name(self) -> String {
        format!(".{}.gone.tmp", self.name)
    }

    fn failed(self, error: io::Error) -> Error {
        Error::io("lock", &self.dir.path().join(self.name), error)
    }

    fn held(self, found: Option<Found>, patience: &Patience, gave_up: GaveUp, hint: &str) -> Error {
        let path = self.dir.path().join(self.name);
        let owner = found.and_then(|found| found.owner()).unwrap_or_default();
        let message = format!("{path} is held by {}", owner.describe());
        let error = Error::new(Code::LockTimeout, message)
            .at(&path)
            .during("lock")
            .with("lock_path", path.as_str())
            .with("waited_ms", patience.waited_ms())
            .with("holder", owner.to_json());
        match gave_up {
            GaveUp::Deadline => error.hint(hint),
            GaveUp::Cancelled => error.with("cancelled", true),
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        // Somebody may have removed it by hand, and another program made its own.
        let is_ours = |name: &str| {
            let ours = self.lock.read(name).as_ref() == Some(&self.text);
            Ok(ours || without("lock-nonce"))
        };
        if matches!(is_ours(self.lock.name), Ok(true)) {
            // What cannot be removed now is an orphan for the next of ours.
            drop(self.lock.remove_if(is_ours));
        }
    }
}
