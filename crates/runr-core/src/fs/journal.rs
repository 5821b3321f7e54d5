//! A journal: an append-only file of JSON lines, numbered 1, 2, 3 without gaps.
//!
//! A record that was acknowledged stays. A last line without a line feed is what a dying writer
//! left: readers ignore it, and the next append cuts it off. Any other bad line, or a gap in the
//! numbers, is damage: it is reported with its place, and nothing is written.

mod follow;
mod reader;
mod tail;

use std::io;
use std::marker::PhantomData;

use camino::Utf8PathBuf;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::reader::Reader;
use super::Storage;
use super::dir::{Dir, File, Open, Stat, open_dir_if_present, read_range, write_all};
use super::lock::{Lock, Wait};
use super::write::{Durability, Failed, Replacing, at, write_atomic, write_failed};
use crate::error::{Error, Result};
use crate::mutant::without;

pub use self::follow::{Follow, Poll, Wake, Woken};

/// The longest line in bytes, without its line feed.
const MAX_LINE: usize = 1 << 20;

/// What a record of a journal can tell.
pub trait Sequenced {
    /// Its number: 1 for the first record.
    fn seq(&self) -> u64;

    /// Takes the number of its line, where other programs write lines without a number (they read
    /// as number 0); `false` if that is damage.
    fn adopt(&mut self, _seq: u64) -> bool {
        false
    }

    /// Takes its place after the record before it, where that has a say: a clock may go back, the
    /// times in a journal may not.
    fn not_before(&mut self, _last: &Self) {}

    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it.
    fn parse(line: &[u8]) -> Result<Self, BadRecord>
    where
        Self: DeserializeOwned,
    {
        serde_json::from_slice(line).map_err(|error| BadRecord::new(error.to_string()))
    }
}

/// Why a line is no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// What is wrong.
    pub reason: String,
    /// The version of the format, if that is what is wrong.
    pub schema_version: Option<String>,
}

impl BadRecord {
    /// A line that is wrong for this reason.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            schema_version: None,
        }
    }

    /// Says which version it is.
    fn describe(self, error: Error) -> Error {
        match self.schema_version {
            Some(version) => error.with("schema_version", version),
            None => error,
        }
    }
}

/// A file of records, to which several processes append.
///
/// The directory must exist; its `.lock` guards the file. See [`Document`](super::Document) for
/// the other kind of file.
pub struct Journal<R> {
    storage: Storage,
    dir: Utf8PathBuf,
    name: String,
    lock_name: String,
    mode: u32,
    wait: Wait,
    record: PhantomData<fn() -> R>,
}

impl<R> Clone for Journal<R> {
    fn clone(&self) -> Self {
        Self {
            storage: Storage::clone(&self.storage),
            dir: self.dir.clone(),
            name: self.name.clone(),
            lock_name: self.lock_name.clone(),
            mode: self.mode,
            wait: self.wait.clone(),
            record: PhantomData,
        }
    }
}

impl<R> std::fmt::Debug for Journal<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

impl<R> Journal<R> {
    /// The journal `name` in the directory `dir`: lock file `.lock`, mode 0666 less the umask.
    #[must_use]
    pub fn new(storage: Storage, dir: impl Into<Utf8PathBuf>, name: &str) -> Self {
        Self {
            storage,
            dir: dir.into(),
            name: name.to_owned(),
            lock_name: ".lock".to_owned(),
            mode: 0o666,
            wait: Wait::USUAL,
            record: PhantomData,
        }
    }

    /// Sets the mode of a new file, subject to the umask.
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
}

impl<R: Sequenced + Serialize + DeserializeOwned> Journal<R> {
    /// Appends the record that `build` makes for the next number, durably.
    ///
    /// # Errors
    /// `E_META_WRITE_FAILED` with `stage` and `committed`, where `committed` says whether readers
    /// see the record all the same; `E_STORE_CORRUPT` if the last line cannot be read;
    /// `E_LOCK_TIMEOUT`; `E_IO`.
    pub fn append(&self, build: impl FnOnce(u64) -> R) -> Result<R> {
        let mut records = self.append_with(|seq| vec![build(seq)])?;
        records
            .pop()
            .ok_or_else(|| Error::internal("an append returned no record"))
    }

    /// Appends `n` records with one write; `build` gets the index and the number of each.
    ///
    /// A process that dies in this moment may leave the first few of them, each one whole.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_batch(&self, n: usize, build: impl Fn(usize, u64) -> R) -> Result<Vec<R>> {
        if n == 0 {
            return Ok(Vec::new());
        }
        self.append_with(|first| (0..n).map(|i| build(i, first + i as u64)).collect())
    }

    /// All records with a number above `since`.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT` with `offset` and `line`; `E_IO`.
    pub fn replay(&self, since: u64) -> Result<Vec<R>> {
        let Some(file) = self.open_to_read()? else {
            return Ok(Vec::new());
        };
        let mut records = Vec::new();
        Reader::new(self.path()).read_on(file.as_ref(), |record: R| {
            if record.seq() > since {
                records.push(record);
            }
        })?;
        Ok(records)
    }

    /// Hands over the records in order, in its directory `dir`, up to the end or to the damage that
    /// the error tells of.
    ///
    /// # Errors
    /// As [`replay`](Self::replay).
    pub(crate) fn replay_in(&self, dir: &dyn Dir, take: impl FnMut(R)) -> Result<()> {
        match self.open_in(dir)? {
            None => Ok(()),
            Some(file) => Reader::new(self.path()).read_on(file.as_ref(), take),
        }
    }

    /// Cuts off what follows the first `len` bytes, durably, in its directory `dir`. The caller holds
    /// the lock that guards it, and knows that no record is torn by it.
    ///
    /// # Errors
    /// `E_META_WRITE_FAILED`; `E_IO`.
    pub(crate) fn cut_in(&self, dir: &dyn Dir, len: u64) -> Result<()> {
        let failed = |error| Error::io("cut", &self.path(), error);
        let mut file = self.open_to_append(dir)?;
        let stat = file.stat().and_then(Stat::regular).map_err(failed)?;
        if stat.links > 1 {
            let whole = read_range(file.as_ref(), 0, len).map_err(failed)?;
            let replacing = Replacing::File(stat);
            return write_atomic(dir, &self.name, &whole, replacing, Durability::Full);
        }
        file.truncate(len)
            .and_then(|()| file.sync())
            .map_err(failed)
    }

    /// The last record, in its directory `dir`. What stands before it is not looked at.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT` with `offset`; `E_IO`.
    pub(crate) fn last_in(&self, dir: &dyn Dir) -> Result<Option<R>> {
        match self.open_in(dir)? {
            None => Ok(None),
            Some(file) => {
                let tail = tail::read(file.as_ref(), &self.path())?;
                Ok(tail.last)
            }
        }
    }

    /// The records with a number above `since`, and then those to come, as `wake` calls to look.
    pub fn follow<W: Wake>(&self, since: u64, wake: W) -> Follow<R, W> {
        Follow::new(self.clone(), since, wake)
    }

    fn open_to_read(&self) -> Result<Option<Box<dyn File>>> {
        match open_dir_if_present(self.storage.as_ref(), &self.dir)? {
            None => Ok(None),
            Some(dir) => self.open_in(dir.as_ref()),
        }
    }

    fn open_in(&self, dir: &dyn Dir) -> Result<Option<Box<dyn File>>> {
        match dir.open(&self.name, Open::Read) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("open", &self.path(), error)),
        }
    }

    fn append_with(&self, build: impl FnOnce(u64) -> Vec<R>) -> Result<Vec<R>> {
        let dir = self
            .storage
            .open_dir(&self.dir)
            .map_err(|error| Error::io("open", &self.dir, error))?;
        let dir = dir.as_ref();
        let lock = || Lock::acquire_in(dir, &self.lock_name, self.wait.clone());
        let _guard = (!without("append-lock")).then(lock).transpose()?;
        self.append_in(dir, build, Durability::Full)
    }

    /// Appends the records that `build` makes, in its directory `dir`. The caller holds the lock
    /// that guards it. At [`Durability::None`] nothing is synced: the bytes become durable with the
    /// next append that is, the name of a new journal when the caller syncs the directory.
    ///
    /// # Errors
    /// As [`append`](Self::append), without those of the lock.
    pub(crate) fn append_in(
        &self,
        dir: &dyn Dir,
        build: impl FnOnce(u64) -> Vec<R>,
        durability: Durability,
    ) -> Result<Vec<R>> {
        let mut file = self.open_to_append(dir)?;
        let mut tail = tail::read::<R>(file.as_ref(), &self.path())?;
        if tail.stat.links > 1 {
            file = self.unshare(dir, file.as_ref(), &mut tail)?;
        }
        let first = tail.last_seq + 1;
        let mut records = build(first);
        in_order(tail.last.as_ref(), &mut records);
        let bytes = self.encode(first, &records)?;
        self.write(dir, file, &tail, &bytes, durability)?;
        Ok(records)
    }

    fn open_to_append(&self, dir: &dyn Dir) -> Result<Box<dyn File>> {
        let opened = match dir.open(&self.name, Open::Append) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => dir
                .open(&self.name, Open::CreateNew(self.mode))
                .and_then(|file| file.close())
                .and_then(|()| dir.open(&self.name, Open::Append)),
            other => other,
        };
        opened.map_err(|error| at("create")(error).into_error(dir, &self.name, false))
    }

    /// Puts a copy in the place of a file that has other names too: what is appended here must not
    /// appear there, be it in a backup or in a trap.
    fn unshare(
        &self,
        dir: &dyn Dir,
        file: &dyn File,
        tail: &mut tail::Tail<R>,
    ) -> Result<Box<dyn File>> {
        let whole = read_range(file, 0, tail.end)
            .map_err(|error| Error::io("read", &self.path(), error))?;
        let replacing = Replacing::File(tail.stat);
        write_atomic(dir, &self.name, &whole, replacing, Durability::Full)?;
        tail.torn = false;
        self.open_to_append(dir)
    }

    fn encode(&self, first: u64, records: &[R]) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for (seq, record) in (first..).zip(records) {
            if record.seq() != seq && !without("own-number") {
                let wrong = format!("record {seq} calls itself {}", record.seq());
                return Err(Error::internal(wrong).at(self.path()));
            }
            let start = bytes.len();
            serde_json::to_writer(&mut bytes, record).map_err(|error| {
                Error::internal(format!("record {seq} has no JSON form: {error}")).at(self.path())
            })?;
            let len = bytes.len() - start;
            if len > MAX_LINE && !without("line-limit") {
                let cause = format!("a record of {len} bytes is over the limit of {MAX_LINE}");
                return Err(write_failed(&self.path(), "limit", &cause, false));
            }
            bytes.push(b'\n');
        }
        Ok(bytes)
    }

    /// Writes whole lines after the last whole line.
    fn write(
        &self,
        dir: &dyn Dir,
        mut file: Box<dyn File>,
        tail: &tail::Tail<R>,
        bytes: &[u8],
        durability: Durability,
    ) -> Result<()> {
        let failed = |failed: Failed, committed| failed.into_error(dir, &self.name, committed);
        if tail.torn && !without("tail-cut") {
            file.truncate(tail.end)
                .map_err(|error| failed(at("truncate")(error), false))?;
        }
        if tail.end == 0 && durability == Durability::Full && !without("journal-dir-sync") {
            // Before the first record rather than after it: if this fails, the file stays empty,
            // and the next append does it again.
            dir.sync()
                .map_err(|error| failed(at("sync_dir")(error), false))?;
        }
        let written = write_all(file.as_mut(), bytes).map_err(at("write"));
        let whole = written.is_ok();
        let written = written.and_then(|()| {
            if durability == Durability::None || without("record-sync") {
                return Ok(());
            }
            file.sync().map_err(at("sync"))
        });
        if let Err(error) = written {
            // What a failed sync leaves in memory may never reach the disk: it must not become the
            // ground of later records. Torn bytes go with the next append at the latest.
            let undone = !without("take-back") && file.truncate(tail.end).is_ok();
            return Err(failed(error, whole && !undone));
        }
        // The records are durable; a close has nothing to add.
        drop(file.close());
        Ok(())
    }
}

/// Keeps the times of records in order; `last` is the end of the journal.
fn in_order<'a, R: Sequenced>(mut last: Option<&'a R>, records: &'a mut [R]) {
    for record in records {
        if let Some(last) = last {
            record.not_before(last);
        }
        last = Some(record);
    }
}
