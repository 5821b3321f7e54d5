//! A document: one file, replaced atomically and durably under a lock.

use std::io;

use camino::Utf8PathBuf;

use super::Storage;
use super::dir::{Contents, Dir, Stat, open_dir_if_present};
use super::lock::{Lock, LockGuard, Wait};
use super::passage::{Change, Passage, Passed, Sizes, WINDOW, change_in_passing};
use super::write::{Durability, Failed, Replacement, Replacing, write_atomic, write_failed};
use crate::error::{Code, Error, Result};
use crate::mutant::without;

/// The greatest size of a document in bytes, unless it is set.
pub(crate) const MAX_DOCUMENT: u64 = 4 << 20;

/// One text file that several processes read and change.
///
/// Readers never lock and never see a half-written file. Writers exclude each other by the lock
/// file beside it. The directory must exist.
///
/// ```
/// use runr_core::fs::{Document, MemoryFs, Storage};
///
/// let storage: Storage = MemoryFs::new().into();
/// let counter = Document::new(storage, "/", "counter.json");
/// counter.create("1\n")?;
/// let update = counter.update(|text| {
///     let count: u64 = text.unwrap_or("0").trim().parse().unwrap_or(0);
///     Ok(format!("{}\n", count + 1))
/// })?;
/// assert_eq!(update.text, "2\n");
/// # Ok::<(), runr_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Document {
    storage: Storage,
    dir: Utf8PathBuf,
    name: String,
    lock_name: String,
    durability: Durability,
    limit: u64,
    mode: u32,
    wait: Wait,
    /// A text of at most this length is handled in memory, a longer one in pieces of it.
    window: usize,
}

/// What an update did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Whether the text differs from what was there.
    pub changed: bool,
    /// The text that is there now.
    pub text: String,
}

/// How a change was made.
#[derive(Debug)]
pub(crate) enum Changed<P> {
    /// While the file was copied.
    InPassing(P),
    /// In memory.
    AsAWhole(Update),
}

impl Document {
    /// The document `name` in the directory `dir`: lock file `.lock`, fully durable, at most 4 MiB,
    /// mode 0666 less the umask.
    #[must_use]
    pub fn new(storage: Storage, dir: impl Into<Utf8PathBuf>, name: &str) -> Self {
        Self {
            storage,
            dir: dir.into(),
            name: name.to_owned(),
            lock_name: ".lock".to_owned(),
            durability: Durability::Full,
            limit: MAX_DOCUMENT,
            mode: 0o666,
            wait: Wait::USUAL,
            window: WINDOW,
        }
    }

    /// Sets from which length on, and in pieces of which, it is changed in passing.
    #[cfg(test)]
    pub(crate) fn window(mut self, bytes: usize) -> Self {
        self.window = bytes;
        self
    }

    /// Sets the lock file that guards it.
    #[must_use]
    pub fn lock_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.lock_name);
        self
    }

    /// Sets what survives a power cut.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets the greatest size in bytes.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Sets the mode of a file that is made anew, subject to the umask.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Sets how long to wait for the lock.
    #[must_use]
    pub fn wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> Utf8PathBuf {
        self.dir.join(&self.name)
    }

    /// Its text, or `None` if there is no such file. Takes no lock.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT` for what is over the limit or not UTF-8; `E_IO`.
    pub fn read(&self) -> Result<Option<String>> {
        match open_dir_if_present(self.storage.as_ref(), &self.dir)? {
            None => Ok(None),
            Some(dir) => Ok(self.load(dir.as_ref())?.map(|(text, _)| text)),
        }
    }

    /// Creates it.
    ///
    /// # Errors
    /// `E_META_WRITE_FAILED`, with stage `exists` if there is one already; `E_LOCK_TIMEOUT`;
    /// `E_IO`.
    pub fn create(&self, text: &str) -> Result<()> {
        let dir = self.open_dir()?;
        let _guard = Lock::acquire_in(dir.as_ref(), &self.lock_name, self.wait.clone())?;
        match self.stat(dir.as_ref())?.filter(|_| !without("exists")) {
            None => self.store(dir.as_ref(), text, None),
            Some(_) => Err(Failed {
                stage: "exists",
                source: io::ErrorKind::AlreadyExists.into(),
            }
            .into_error(dir.as_ref(), &self.name, false)),
        }
    }

    /// Replaces it by what `f` makes of its text; `None` means there is no such file.
    ///
    /// `f` runs under the lock, so nothing can come between; it must not call the store. If it
    /// fails or panics, the file stays as it was. Equal text is not written again.
    ///
    /// # Errors
    /// The error of `f`; `E_STORE_CORRUPT` (the file stays as it is); `E_META_WRITE_FAILED`;
    /// `E_LOCK_TIMEOUT`; `E_IO`.
    pub fn update(&self, f: impl FnOnce(Option<&str>) -> Result<String>) -> Result<Update> {
        let dir = self.open_dir()?;
        let lock = || Lock::acquire_in(dir.as_ref(), &self.lock_name, self.wait.clone());
        let _guard = (!without("update-lock")).then(lock).transpose()?;
        self.update_in(dir.as_ref(), f)
    }

    /// Makes one change to it. If it is large, that is done while it is copied, as far as `passage`
    /// can; else by `f`, as [`update`](Self::update) does. What changed the file in passing.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub(crate) fn change<P: Passage>(
        &self,
        mut passage: P,
        f: impl FnOnce(Option<&str>) -> Result<String>,
    ) -> Result<Changed<P>> {
        let dir = self.open_dir()?;
        let _guard = Lock::acquire_in(dir.as_ref(), &self.lock_name, self.wait.clone())?;
        if self.pass(dir.as_ref(), &mut passage)? {
            return Ok(Changed::InPassing(passage));
        }
        self.update_in(dir.as_ref(), f).map(Changed::AsAWhole)
    }

    fn pass(&self, dir: &dyn Dir, passage: &mut dyn Passage) -> Result<bool> {
        let sizes = Sizes {
            window: self.window,
            limit: self.limit,
        };
        let passed = change_in_passing(dir, &self.name, sizes, self.durability, passage);
        Ok(passed? == Passed::Changed)
    }

    fn update_in(
        &self,
        dir: &dyn Dir,
        f: impl FnOnce(Option<&str>) -> Result<String>,
    ) -> Result<Update> {
        let old = self.load(dir)?;
        let text = f(old.as_ref().map(|(text, _)| text.as_str()))?;
        let changed = old.as_ref().is_none_or(|(before, _)| *before != text);
        if changed {
            self.store(dir, &text, old.map(|(_, stat)| stat))?;
        } else if self.durability == Durability::Full && !without("equal-sync") {
            // Whoever wrote this text may have been killed before the directory was synced. Saying
            // "done" makes it our promise.
            dir.sync()
                .map_err(|error| Error::io("sync", &self.dir, error))?;
        }
        Ok(Update { changed, text })
    }

    /// Replaces it by `text`, whatever it holds, even if that cannot be read.
    ///
    /// # Errors
    /// `E_META_WRITE_FAILED`; `E_LOCK_TIMEOUT`; `E_IO`.
    pub fn replace(&self, text: &str) -> Result<()> {
        let dir = self.open_dir()?;
        let _guard = Lock::acquire_in(dir.as_ref(), &self.lock_name, self.wait.clone())?;
        let old = self.stat(dir.as_ref())?;
        self.store(dir.as_ref(), text, old)
    }

    /// Replaces it by `text` while the caller holds the lock that guards it: for documents that
    /// change together under one lock.
    ///
    /// # Errors
    /// `E_META_WRITE_FAILED`; `E_IO`.
    pub fn replace_under(&self, _held: &LockGuard, text: &str) -> Result<()> {
        let dir = self.open_dir()?;
        let old = self.stat(dir.as_ref())?;
        self.store(dir.as_ref(), text, old)
    }

    /// Replaces it by its text with one change, while the caller holds the lock that guards it. The
    /// new text of a large document is nowhere in memory.
    ///
    /// # Errors
    /// As [`replace_under`](Self::replace_under).
    pub(crate) fn change_under(
        &self,
        held: &LockGuard,
        text: &str,
        (range, new): &Change,
    ) -> Result<()> {
        let pieces = [&text[..range.start], new, &text[range.end..]];
        if text.len() <= self.window {
            return self.replace_under(held, &pieces.concat());
        }
        self.check_length(pieces.iter().map(|piece| piece.len()).sum())?;
        let dir = self.open_dir()?;
        let old = self.stat(dir.as_ref())?;
        let replacing = self.replacing(old);
        let mut new = Replacement::begin(dir.as_ref(), &self.name, replacing, self.durability)?;
        for piece in pieces {
            new.write(piece.as_bytes())?;
        }
        new.commit()
    }

    fn open_dir(&self) -> Result<Box<dyn Dir>> {
        self.storage
            .open_dir(&self.dir)
            .map_err(|error| Error::io("open", &self.dir, error))
    }

    /// The regular file of this name. Anything else is replaced like nothing, or refused by the
    /// rename if it is a directory.
    fn stat(&self, dir: &dyn Dir) -> Result<Option<Stat>> {
        match dir.stat(&self.name) {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("stat", &self.path(), error)),
        }
    }

    fn load(&self, dir: &dyn Dir) -> Result<Option<(String, Stat)>> {
        let path = self.path();
        let Contents { bytes, stat } = match dir.read(&self.name, self.limit) {
            Ok(contents) => contents,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                let reason = format!("it is larger than {} bytes", self.limit);
                return Err(corrupt(&path, &reason).with("limit", self.limit));
            }
            Err(error) => return Err(Error::io("read", &path, error)),
        };
        let text = String::from_utf8(bytes).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            corrupt(&path, "it is not UTF-8").with("offset", offset)
        })?;
        Ok(Some((text, stat)))
    }

    /// Refuses a text of a length that is over the limit, as writing it would.
    ///
    /// # Errors
    /// `E_META_WRITE_FAILED` with stage `limit`.
    pub(crate) fn check_length(&self, length: usize) -> Result<()> {
        if length as u64 <= self.limit || without("write-limit") {
            return Ok(());
        }
        let cause = format!("{length} bytes are over the limit of {}", self.limit);
        Err(write_failed(&self.path(), "limit", &cause, false))
    }

    fn store(&self, dir: &dyn Dir, text: &str, old: Option<Stat>) -> Result<()> {
        self.check_length(text.len())?;
        let replacing = self.replacing(old);
        write_atomic(dir, &self.name, text.as_bytes(), replacing, self.durability)
    }

    fn replacing(&self, old: Option<Stat>) -> Replacing {
        match old {
            Some(stat) if stat.regular().is_ok() => Replacing::File(stat),
            _ => Replacing::Nothing(self.mode),
        }
    }
}

/// The error of a file that cannot be understood.
pub(crate) fn corrupt(path: &camino::Utf8Path, reason: &str) -> Error {
    Error::new(Code::StoreCorrupt, format!("cannot parse {path}: {reason}"))
        .at(path)
        .during("read")
        .with("cause", reason)
        .hint("repair or move the file; nothing of it was changed")
}
