//! The command line as its user sees it: arguments in, files, output and exit status out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic is how a test fails"
)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../hostile/canary.rs"]
mod canary;
#[path = "../hostile/mod.rs"]
mod hostile;

mod answers;
mod approve;
mod call;
mod deps;
mod doctor;
mod doctor_runs;
mod doctor_worktrees;
mod gates;
mod guard;
mod holes;
mod hostile_json;
mod hostile_paths;
mod hostile_repo;
mod init;
mod inject;
mod kept_runs;
mod large;
mod lifecycle;
mod notify;
mod own_run;
mod owner;
mod owner_compat;
mod owner_exec;
mod parallel;
mod permissions;
mod prep;
mod readme;
mod receipt;
mod refusals;
mod report;
mod resume;
mod run;
mod run_item;
mod run_store;
mod secrets;
mod status;
mod store;
mod store_errors;
mod submit;
mod tasks;
mod third_party;
mod trust;
mod upgrade;
mod usage;
mod watchdog;
mod workers;
mod worktrees;
