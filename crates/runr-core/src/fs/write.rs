//! The write recipe: how a file is replaced so that it is always whole, and durable when done.

use std::io;

use camino::Utf8Path;

use super::dir::{Dir, File, Open, Stat, write_all};
use crate::error::{Code, Error, Result};
use crate::mutant::{minding, without};

/// What survives a power cut when a write has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// The write itself: file and directory are synced.
    #[default]
    Full,
    /// The old or the new content, whole: only the file is synced.
    File,
    /// Nothing; for tests.
    None,
}

/// What stood under the name before, as far as the new file takes after it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Replacing {
    /// Nothing; the new file gets this mode, less the umask.
    Nothing(u32),
    /// A file, whose mode and group are kept.
    File(Stat),
}

/// Replaces the file `name` in `dir`, or creates it. The caller holds the lock that guards it.
///
/// The new content goes to `.<name>.tmp` first. The name is fixed: as its writer holds the lock, a
/// file of that name is what a dead writer left, and goes away with this write.
///
/// # Errors
/// `E_META_WRITE_FAILED` with `stage` and `committed`. Only stage `sync_dir` comes
/// after the replacement (`committed` is true then): readers see the new content, but a power cut
/// may still undo it. In all other stages the file is untouched and nothing is left behind.
pub fn write_atomic(
    dir: &dyn Dir,
    name: &str,
    bytes: &[u8],
    replacing: Replacing,
    durability: Durability,
) -> Result<()> {
    let temporary = if without("temporary") {
        name.to_owned()
    } else {
        format!(".{name}.tmp")
    };
    fill(dir, &temporary, bytes, replacing, durability)
        .and_then(|()| dir.rename(&temporary, name).map_err(at("rename")))
        .map_err(|failed| {
            if failed.stage != "create" && !without("cleanup") {
                // Best effort: the first error is the one to report, and the next write clears it.
                drop(dir.unlink(&temporary));
            }
            failed.into_error(dir, name, false)
        })?;
    if durability == Durability::Full && !without("dir-sync") {
        let committed = !without("committed");
        dir.sync()
            .map_err(|error| at("sync_dir")(error).into_error(dir, name, committed))?;
    }
    Ok(())
}

/// Writes a file into a directory that nobody sees yet, and makes both durable. What a failure
/// leaves is removed with the directory.
///
/// # Errors
/// `E_META_WRITE_FAILED` with `stage` and `committed` (false).
pub(crate) fn write_new(dir: &dyn Dir, name: &str, bytes: &[u8], mode: u32) -> Result<()> {
    let new = Replacing::Nothing(mode);
    fill(dir, name, bytes, new, Durability::Full)
        .and_then(|()| {
            if without("run-dir-sync") {
                return Ok(());
            }
            dir.sync().map_err(at("sync_run_dir"))
        })
        .map_err(|failed| failed.into_error(dir, name, false))
}

/// Writes, syncs and closes the temporary file.
fn fill(
    dir: &dyn Dir,
    temporary: &str,
    bytes: &[u8],
    replacing: Replacing,
    durability: Durability,
) -> Result<(), Failed> {
    let mode = match replacing {
        Replacing::Nothing(mode) => mode,
        Replacing::File(old) => old.mode,
    };
    let mut file = create_temporary(dir, temporary, mode).map_err(at("create"))?;
    if let Replacing::File(old) = replacing {
        keep_access(file.as_mut(), &old).map_err(at("mode"))?;
    }
    write_all(file.as_mut(), bytes).map_err(at("write"))?;
    if durability != Durability::None && !without("file-sync") {
        let synced = file.sync().or_else(minding("sync-error"));
        synced.map_err(at("sync"))?;
    }
    let closed = file.close().or_else(minding("close-error"));
    closed.map_err(at("close"))
}

fn create_temporary(dir: &dyn Dir, temporary: &str, mode: u32) -> io::Result<Box<dyn File>> {
    match dir.open(temporary, Open::CreateNew(mode)) {
        Err(error)
            if error.kind() == io::ErrorKind::AlreadyExists && !without("stale-temporary") =>
        {
            dir.unlink(temporary)?;
            dir.open(temporary, Open::CreateNew(mode))
        }
        other => other,
    }
}

/// Restores what the umask or the directory's group changed. A file that only its owner may open
/// needs no look: neither can change what it grants.
fn keep_access(file: &mut dyn File, old: &Stat) -> io::Result<()> {
    if old.mode & 0o077 == 0 || without("mode") {
        return Ok(());
    }
    let new = file.stat()?;
    if new.mode != old.mode || new.group != old.group {
        file.adopt(old)?;
    }
    Ok(())
}

/// A failed step of a durable write.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) stage: &'static str,
    pub(super) source: io::Error,
}

pub(super) fn at(stage: &'static str) -> impl Fn(io::Error) -> Failed {
    move |source| Failed { stage, source }
}

impl Failed {
    pub(super) fn into_error(self, dir: &dyn Dir, name: &str, committed: bool) -> Error {
        let path = dir.path().join(name);
        let cause = format!("{} failed: {}", self.stage, self.source);
        write_failed(&path, self.stage, &cause, committed)
            .with("errno", self.source.raw_os_error())
            .caused_by(self.source)
    }
}

/// An `E_META_WRITE_FAILED` with its fixed context and the way out.
pub(crate) fn write_failed(path: &Utf8Path, stage: &str, cause: &str, committed: bool) -> Error {
    let hint = match (stage, committed) {
        ("limit", _) => "nothing was changed; keep large content in a file of its own",
        ("exists", _) => "nothing was changed; there is a file of this name already",
        (_, false) => {
            "nothing was changed; free space on the disk or check the permissions of the \
             directory, then run it again"
        }
        (_, true) => {
            "the change is visible, but a power cut may still undo it; run it again to make sure"
        }
    };
    let message = format!("cannot write {path}: {cause}");
    Error::new(Code::MetaWriteFailed, message)
        .at(path)
        .during("write")
        .hint(hint)
        .with("stage", stage)
        .with("committed", committed)
        .with("cause", cause)
}
