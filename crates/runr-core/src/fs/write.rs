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
    let mut new = Replacement::begin(dir, name, replacing, durability)?;
    new.write(bytes)?;
    new.commit()
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

/// What is to take the place of a file, while it is being written. Unless it is committed, nothing
/// is left of it.
#[derive(Debug)]
pub(super) struct Replacement<'a> {
    dir: &'a dyn Dir,
    name: &'a str,
    temporary: String,
    durability: Durability,
    /// Nothing when it is closed.
    filling: Option<Filling>,
    renamed: bool,
}

impl<'a> Replacement<'a> {
    /// Creates the temporary file.
    ///
    /// # Errors
    /// As [`write_atomic`].
    pub(super) fn begin(
        dir: &'a dyn Dir,
        name: &'a str,
        replacing: Replacing,
        durability: Durability,
    ) -> Result<Self> {
        let temporary = if without("temporary") {
            name.to_owned()
        } else {
            format!(".{name}.tmp")
        };
        let filling = Filling::create(dir, &temporary, replacing, durability)
            .map_err(|failed| failed.into_error(dir, name, false))?;
        let mut new = Self {
            dir,
            name,
            temporary,
            durability,
            filling: Some(filling),
            renamed: false,
        };
        new.fill(|filling| filling.keep_access(replacing))?;
        Ok(new)
    }

    /// Appends to it.
    ///
    /// # Errors
    /// As [`write_atomic`].
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.fill(|filling| filling.write(bytes))
    }

    /// Puts it in its place.
    ///
    /// # Errors
    /// As [`write_atomic`].
    pub(super) fn commit(mut self) -> Result<()> {
        let filled = self.filling.take().map_or(Ok(()), Filling::finish);
        filled
            .and_then(|()| {
                self.dir
                    .rename(&self.temporary, self.name)
                    .map_err(at("rename"))
            })
            .map_err(|failed| failed.into_error(self.dir, self.name, false))?;
        self.renamed = true;
        if self.durability == Durability::Full && !without("dir-sync") {
            let committed = !without("committed");
            let failed = |error| at("sync_dir")(error).into_error(self.dir, self.name, committed);
            self.dir.sync().map_err(failed)?;
        }
        Ok(())
    }

    fn fill(&mut self, step: impl FnOnce(&mut Filling) -> Result<(), Failed>) -> Result<()> {
        let filled = self.filling.as_mut().map_or(Ok(()), step);
        filled.map_err(|failed| failed.into_error(self.dir, self.name, false))
    }
}

impl Drop for Replacement<'_> {
    fn drop(&mut self) {
        drop(self.filling.take());
        if !self.renamed && !without("cleanup") {
            // Best effort: the first error is the one to report, and the next write clears it.
            drop(self.dir.unlink(&self.temporary));
        }
    }
}

/// Writes, syncs and closes a file.
fn fill(
    dir: &dyn Dir,
    name: &str,
    bytes: &[u8],
    replacing: Replacing,
    durability: Durability,
) -> Result<(), Failed> {
    let mut filling = Filling::create(dir, name, replacing, durability)?;
    filling.keep_access(replacing)?;
    filling.write(bytes)?;
    filling.finish()
}

/// So much is written before the disk is asked to begin with it. Whoever waits with that for the
/// sync lets the disk stand idle in the meantime: with 32 MiB that is half of the time.
const AHEAD: usize = 1 << 20;

/// A new file that is being filled.
#[derive(Debug)]
struct Filling {
    file: Box<dyn File>,
    durability: Durability,
    /// How much was written, and up to where the disk was asked to begin with it.
    written: u64,
    begun: u64,
}

impl Filling {
    fn create(
        dir: &dyn Dir,
        name: &str,
        replacing: Replacing,
        durability: Durability,
    ) -> Result<Self, Failed> {
        let mode = match replacing {
            Replacing::Nothing(mode) => mode,
            Replacing::File(old) => old.mode,
        };
        Ok(Self {
            file: create_temporary(dir, name, mode).map_err(at("create"))?,
            durability,
            written: 0,
            begun: 0,
        })
    }

    fn keep_access(&mut self, replacing: Replacing) -> Result<(), Failed> {
        match replacing {
            Replacing::File(old) => keep_access(self.file.as_mut(), &old).map_err(at("mode")),
            Replacing::Nothing(_) => Ok(()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        for part in bytes.chunks(AHEAD) {
            write_all(self.file.as_mut(), part).map_err(at("write"))?;
            self.written += part.len() as u64;
            let waiting = self.written - self.begun;
            if waiting >= AHEAD as u64 && self.durability != Durability::None {
                // The sync tells whether it worked.
                drop(self.file.begin_sync(self.begun, waiting));
                self.begun = self.written;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), Failed> {
        if self.durability != Durability::None && !without("file-sync") {
            let synced = self.file.sync().or_else(minding("sync-error"));
            synced.map_err(at("sync"))?;
        }
        let closed = self.file.close().or_else(minding("close-error"));
        closed.map_err(at("close"))
    }
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
