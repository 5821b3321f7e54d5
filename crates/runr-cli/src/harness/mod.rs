//! Drives a run: git, worktrees, workers, verification. Every decision is the core's.
//!
//! [`Driver`] performs what `phase::rules` decides and pauses only where it needs a reply.
//! [`start`] and [`resume`] bring a run to that loop, and [`submit()`] its work to a branch; the other
//! files each know one thing about the outside world.

mod account;
mod argument;
mod baseline;
mod beside;
mod checkpoint;
mod claim;
mod context;
mod dead;
mod driver;
mod fingerprint;
mod git;
mod gitdir;
mod index;
mod inspect;
mod item;
mod notify;
mod orphans;
mod others;
mod owner;
mod path_list;
mod ping;
mod process;
mod prompts;
mod question;
mod receipt;
mod recorder;
mod request;
mod resume;
mod script;
mod setup;
mod snapshot;
mod start;
mod submit;
mod task_file;
mod task_log;
mod trust;
mod verify;
mod watchdog;
mod worker;
mod worktree;

pub use claim::Own;
pub use driver::{Driver, Fix, WorkerCall};
pub use recorder::Listener;
pub use request::{Answered, ConfigSource, Reply, ResumeRequest, RunRequest, TaskSource};
pub use submit::{SubmitRequest, submit};
pub use worker::{Answer, display_name};

pub(crate) use context::{Layout, redactor};
pub(crate) use dead::record as record_dead_owner;
pub(crate) use git::Git;
pub(crate) use others::{complete_tasks, oddities, warnings};
pub(crate) use ping::{ping, takes_flags, version_of};
pub(crate) use process::tail_of;
pub(crate) use receipt::{Ending, verify as verify_receipt};
pub(crate) use request::{Prepared, load_config, needs_trust, refuse_foreign, used_workers};
pub(crate) use resume::plan_resume;
pub(crate) use start::{start, would_refuse};
pub(crate) use submit::{end_killed_submissions, killed_submissions};
pub(crate) use task_file::{TaskFile, task_name};
pub(crate) use task_log::{end_of, file as task_status_file};
pub(crate) use trust::{TrustStore, check as check_trust};
pub(crate) use worker::{find_binary, find_on_path, is_runnable};
pub(crate) use worktree::Strays;

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
