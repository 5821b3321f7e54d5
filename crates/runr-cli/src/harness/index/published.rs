//! Putting an index in the place of another one, under git's own lock: what somebody stages meanwhile
//! is neither lost nor mixed in.
//!
//! The lock is a second name of the copy that is to take the place. So the lock of a killed run can be
//! told from that of a git at work, which nobody may remove.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::{Code, Error, Result};

use super::remove;
use crate::presence;

/// How long somebody else's git may hold the index.
const PATIENCE: Duration = Duration::from_secs(10);

/// Puts a copy of `from` in the place of `to`. Nobody else in this tree does so.
pub(super) fn replace(from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    remove_dead_lock(to)?;
    let half = copied_beside(from, to)?;
    let lock = lock_of(to);
    take(&lock, &half).inspect_err(|_| drop(remove(&half)))?;
    let replaced = std::fs::rename(&lock, to);
    let replaced = replaced.map_err(|source| Error::io("copy an index to", to, source));
    let replaced = replaced.or_else(|error| remove(&lock).and(Err(error)));
    remove(&half).and(replaced)
}

/// Copies an index with its time, beside the place that it is to take: git takes a file that is not
/// older than the index for changed until it has looked, and a copy with a later time would hide a
/// late edit.
pub(super) fn copied_beside(from: &Utf8Path, to: &Utf8Path) -> Result<Utf8PathBuf> {
    let half = half_of(to);
    // A leftover may be the index by another name, and must not be written into.
    remove(&half)?;
    let copied = from.metadata().and_then(|m| m.modified()).and_then(|time| {
        std::fs::copy(from, &half)?;
        File::options().write(true).open(&half)?.set_modified(time)
    });
    copied.map_err(|source| Error::io("copy an index to", to, source))?;
    Ok(half)
}

/// Removes what a run that was killed in the middle has left: its copy, and the lock that is the same
/// file.
pub(super) fn remove_dead_lock(to: &Utf8Path) -> Result<()> {
    let (half, lock) = (half_of(to), lock_of(to));
    let which = |path: &Utf8Path| {
        let found = presence::link_metadata(path)?;
        Ok::<_, Error>(found.map(|it| (it.dev(), it.ino())))
    };
    if let Some(ours) = which(&half)? {
        if which(&lock)? == Some(ours) {
            remove(&lock)?;
        }
        remove(&half)?;
    }
    Ok(())
}

fn half_of(index: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{index}.runr"))
}

fn lock_of(index: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{index}.lock"))
}

/// Takes the lock, as soon as nobody else has it.
fn take(lock: &Utf8Path, half: &Utf8Path) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match named_twice(half, lock) {
            Err(problem) if problem.kind() == ErrorKind::AlreadyExists => {}
            taken => return taken.map_err(|source| Error::io("lock", lock, source)),
        }
        if Instant::now() > deadline {
            return Err(
                Error::new(Code::Io, format!("git's index is locked: {lock}"))
                    .at(lock)
                    .hint("end the other git, or remove the file if there is none"),
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn named_twice(half: &Utf8Path, lock: &Utf8Path) -> io::Result<()> {
    match std::fs::hard_link(half, lock) {
        // A file system without second names.
        Err(problem)
            if matches!(
                problem.kind(),
                ErrorKind::PermissionDenied | ErrorKind::Unsupported
            ) =>
        {
            File::create_new(lock)?;
            std::fs::rename(half, lock)
        }
        linked => linked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_dir(test: impl FnOnce(&Utf8Path, &Utf8Path)) {
        let dir = tempfile::tempdir().unwrap();
        let base = Utf8Path::from_path(dir.path()).unwrap();
        let (from, to) = (base.join("git-index"), base.join("index"));
        std::fs::write(&from, "of the run").unwrap();
        std::fs::write(&to, "of the tree").unwrap();
        test(&from, &to);
    }

    #[test]
    fn an_index_is_never_replaced_while_somebody_holds_its_lock() {
        in_dir(|from, to| {
            let lock = lock_of(to);
            let inode = || to.metadata().unwrap().ino();
            let mut was_replaced = false;
            std::thread::scope(|threads| {
                let run = threads.spawn(|| (0..20).for_each(|_| replace(from, to).unwrap()));
                while !run.is_finished() {
                    if File::create_new(&lock).is_ok() {
                        let before = inode();
                        std::thread::sleep(Duration::from_micros(500));
                        was_replaced |= inode() != before;
                        std::fs::remove_file(&lock).unwrap();
                    }
                    std::thread::sleep(Duration::from_micros(10));
                }
            });
            assert!(!was_replaced);
            assert_eq!(std::fs::read_to_string(to).unwrap(), "of the run");
            assert!(!half_of(to).exists() && !lock.exists());
        });
    }

    #[test]
    fn the_lock_of_a_killed_run_goes_and_any_other_stays() {
        in_dir(|from, to| {
            let (half, lock) = (copied_beside(from, to).unwrap(), lock_of(to));
            take(&lock, &half).unwrap();
            assert!(File::create_new(&lock).is_err(), "nobody else has it now");
            remove_dead_lock(to).unwrap();
            assert!(!lock.exists() && !half.exists());
            // Killed after the rename, before the copy lost its second name.
            std::fs::hard_link(to, &half).unwrap();
            std::fs::write(&lock, "a git is at work").unwrap();
            remove_dead_lock(to).unwrap();
            assert!(lock.exists() && !half.exists());
            std::fs::hard_link(to, &half).unwrap();
            copied_beside(from, to).unwrap();
            assert_eq!(std::fs::read_to_string(to).unwrap(), "of the tree");
        });
    }
}
