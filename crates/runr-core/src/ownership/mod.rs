//! Ownership: who may act on this PR, issue or branch?
//!
//! A claim is a record below `.pi/runner-coordination/`, which other programs read and write too.
//! What they would drop stands beside it: the fencing token and the holder in
//! `<record>.fence.json`, every event in `<record>.history.jsonl`.
//!
//! The rules are pure: [`rules::transition`] says what an operation makes of a record,
//! [`fencing::decide`] which token it gets and what is written. A [`ClaimStore`] loads and stores;
//! the operations ([`claim`], [`release`] and the others) and the [`Guard`] work over any of them.
//!
//! Safety rests on the token alone: it grows with every change of owner, and whoever acts shows
//! it. Times only say when a takeover is *allowed*.

mod claim_store;
mod claimant;
mod date;
pub mod fencing;
mod files;
mod guard;
#[cfg(test)]
mod laws;
mod lease;
mod memory;
mod model;
mod numeric;
mod observer;
mod ops;
mod origin;
mod outcome;
mod processes;
mod record;
#[cfg(test)]
mod recorded;
mod repair;
pub mod rules;
mod stale;
mod target;
mod text;
mod wait;

pub use claim_store::{Change, ClaimStore, Decide, Snapshot, Swap, Version};
pub use claimant::{Claimant, GUARD_TTL, PLAIN_TTL};
pub use date::UtcOffset;
pub use fencing::{Archived, ArchivedKind, Fence, Holder, HolderKind, Token};
pub use files::{FileClaims, Place};
pub use guard::{Guard, OwnOptions, World};
pub use lease::{Expiry, Lease, SKEW, lease};
pub use memory::MemoryClaims;
pub use model::{
    ActiveRun, ExitSignal, HistoryEvent, PreviousRun, Record, RunName, SUPPORTED_SCHEMAS,
};
pub use ops::{
    Ensure, ExitNote, assert_owner, assert_with_token, claim, ensure, heartbeat, inspect, load,
    record_exit_signal, release,
};
pub use outcome::{Conflict, Outcome, Status, Verdict};
pub use processes::{Process, Processes};
pub use record::{create, read_record, record_text};
pub use repair::{Action, Deed, Repaired, examine, repair};
pub use rules::{Expect, Mode, Now, Op};
pub use stale::{
    Ages, Finding, MaxAge, RunnerCheck, RunnerStatus, Stale, StaleQuery, check_runner, stale,
};
pub use target::{BranchName, Number, Slug, Target};
pub use text::Text;
pub use wait::{Blocked, Boundary, Observed, WaitKind, WaitOwner, Watch, watch};
