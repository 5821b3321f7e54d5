//! Brings commits onto another tip without a working tree: no checkout, no index and no reference is
//! touched, and no hook or signature is made. What is not referenced afterwards goes with git's next
//! clean-up.
//!
//! [`replay`] takes the commits from a base to a last one, along the first parents, and makes each
//! again on the tip by a three-way merge; author, date, message and trailers stay. A commit whose
//! parent is the tip stays itself. One that changes nothing on the tip is left out. A merge becomes
//! an ordinary commit of what it changed against its first parent: what it brought in was judged as
//! part of the run, and the history it came from belongs to somebody else.

mod commit;
mod replay;
mod three_way;
mod version;

pub(crate) use commit::CommitId;
pub(crate) use replay::{Form, Replay, Stopped, Work, replay};
#[cfg(feature = "cli")]
pub(crate) use version::Version;
pub(crate) use version::require;
