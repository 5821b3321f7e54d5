//! Storage: the only part that touches the disk.
//!
//! Two primitives serve every other part, and both sit on one small set of traits, so that the
//! same code runs on the real disk, on a layer that injects faults, and in memory:
//!
//! * [`Document`]: one file, replaced atomically and durably under a lock.
//! * [`Journal`]: an append-only file of JSON lines, numbered without gaps.
//!
//! What they promise: a reader sees the old or the new content, never a mixture; what was
//! acknowledged survives a power cut; processes that update the same file exclude each other; a
//! killed process leaves no lock behind, and at most one temporary file per document, which the
//! next write of that document removes.
//!
//! What they do not promise: locks are advisory, so a program that edits the files without taking
//! them can still lose an update; and they are only as good as the file system's, which on some
//! network mounts is not at all. A directory that a process made and was killed before it could
//! sync its name is trusted by those who find it: if the power is cut before the system has written
//! the name back by itself, what they put there is lost with it.

mod confined;
#[cfg(test)]
mod conformance;
mod dir;
mod document;
mod fault;
mod journal;
mod lock;
mod memory;
mod passage;
#[cfg(any(not(unix), test))]
mod plain;
#[cfg(unix)]
mod real;
mod write;

use std::sync::Arc;

pub use confined::confined;
pub use dir::{Contents, Dir, Entry, File, FileId, Fs, Kind, LockFile, Open, Stat};
pub use dir::{create_dirs, open_dir_if_present, write_all};
pub(crate) use dir::{read_range, read_whole};
pub(crate) use document::{Changed, MAX_DOCUMENT, corrupt};
pub use document::{Document, Update};
pub use fault::{Fault, FaultFs, Lasting};
pub use journal::{BadRecord, Follow, Journal, Poll, Sequenced, Wake, Woken};
pub use lock::{CancelFlag, Lock, LockGuard, Wait};
pub(crate) use lock::{GaveUp, Patience};
pub use memory::MemoryFs;
pub(crate) use passage::{Change, Passage};
pub use write::{Durability, Replacing, write_atomic};
pub(crate) use write::{write_failed, write_new};

/// A file system, shared by everything that stores something in it.
pub type Storage = Arc<dyn Fs>;

/// The disk of this machine.
#[must_use]
pub fn real() -> Storage {
    #[cfg(unix)]
    return Arc::new(real::RealFs);
    #[cfg(not(unix))]
    return Arc::new(plain::PlainFs);
}
