//! What every black-box test stands on: a repository of its own, a scripted worker, the binary.
//!
//! A [`Sandbox`] shares nothing with the machine but `PATH`: home, configuration, state and data
//! directories lie inside it, and no variable of the caller reaches a child. So tests run in
//! parallel and say the same on every machine.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses its own part of this module"
)]

mod config;
mod process;
mod random;
mod record;
mod sandbox;
mod script;
mod shop;

pub(crate) use config::Config;
pub(crate) use process::{Command, Output, Running, is_alive};
pub(crate) use random::{Random, seed};
pub(crate) use record::{Event, assert_leading_fields, assert_ordered_fields, names, strings};
pub(crate) use sandbox::{Sandbox, TASK, Tree, signal_group};
pub(crate) use script::{Script, approve, blocked, milestone, ok, plan, request_changes};
pub(crate) use shop::{Shop, least};

use std::time::{Duration, Instant};

/// Waits until `condition` holds; panics with `what` when it does not within `limit`.
pub(crate) fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
