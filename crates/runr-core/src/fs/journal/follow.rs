//! Following a journal: the records there are, and those to come.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::reader::Reader;
use super::{Journal, Sequenced};
use crate::error::Result;
use crate::fs::dir::File;
use crate::fs::lock::CancelFlag;

/// Knows when to look at a file again.
pub trait Wake {
    /// Waits until the file at `path` may have grown.
    fn wait(&mut self, path: &Utf8Path) -> Woken;
}

/// The end of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// Look at the file.
    Look,
    /// Nobody is interested any more.
    Stop,
}

/// Looks at regular intervals.
#[derive(Debug, Clone)]
pub struct Poll {
    every: Duration,
    cancel: CancelFlag,
}

impl Poll {
    /// A look after each `every`, until `cancel` is raised.
    #[must_use]
    pub fn new(every: Duration, cancel: CancelFlag) -> Self {
        Self { every, cancel }
    }
}

impl Wake for Poll {
    fn wait(&mut self, _path: &Utf8Path) -> Woken {
        /// How soon a raised flag is noticed.
        const SLICE: Duration = Duration::from_millis(50);
        let start = Instant::now();
        loop {
            if self.cancel.is_cancelled() {
                return Woken::Stop;
            }
            let left = self.every.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Woken::Look;
            }
            std::thread::sleep(left.min(SLICE));
        }
    }
}

/// The records of a journal, without an end; see [`Journal::follow`].
///
/// Only appended bytes are read. After an error, or when its [`Wake`] stops, it has ended.
#[derive(Debug)]
#[must_use = "nothing is read before it is iterated"]
pub struct Follow<R, W> {
    journal: Journal<R>,
    since: u64,
    wake: W,
    reader: Reader,
    file: Option<Box<dyn File>>,
    ready: VecDeque<R>,
    ended: bool,
}

impl<R, W> Follow<R, W> {
    pub(super) fn new(journal: Journal<R>, since: u64, wake: W) -> Self {
        Self {
            reader: Reader::new(journal.path()),
            journal,
            since,
            wake,
            file: None,
            ready: VecDeque::new(),
            ended: false,
        }
    }
}

impl<R: Sequenced + Serialize + DeserializeOwned, W: Wake> Follow<R, W> {
    fn look(&mut self) -> Result<()> {
        if self.file.is_none() {
            self.file = self.journal.open_to_read()?;
        }
        let Some(file) = &self.file else {
            return Ok(());
        };
        let (since, ready) = (self.since, &mut self.ready);
        self.reader.read_on(file.as_ref(), |record: R| {
            if record.seq() > since {
                ready.push_back(record);
            }
        })
    }
}

impl<R: Sequenced + Serialize + DeserializeOwned, W: Wake> Iterator for Follow<R, W> {
    type Item = Result<R>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Some(Ok(record));
            }
            if self.ended {
                return None;
            }
            if let Err(error) = self.look() {
                self.ended = true;
                // Records before the damage come first; the error waits its turn.
                if self.ready.is_empty() {
                    return Some(Err(error));
                }
                self.ended = false;
            }
            if self.ready.is_empty() && self.wake.wait(&self.journal.path()) == Woken::Stop {
                self.ended = true;
            }
        }
    }
}
