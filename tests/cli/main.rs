//! The command line as its user sees it: arguments in, files, output and exit status out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic is how a test fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod call;
mod doctor;
mod doctor_runs;
mod gates;
mod guard;
mod holes;
mod init;
mod kept_runs;
mod lifecycle;
mod parallel;
mod refusals;
mod report;
mod resume;
mod run;
mod run_store;
mod status;
mod store;
mod trust;
mod usage;
