//! A run whose driver died: it is taken over, and its end recorded.

mod left;

use std::time::{Duration, Instant};

use runr_core::RunId;
use runr_core::phase::config::Config;
use runr_core::phase::event::Event;
use runr_core::phase::ops::RunFiles;
use runr_core::phase::rules;
use runr_core::phase::state::State;
use runr_core::phase::stop::{StopCause, StopReason};
use runr_core::{Code, Error, Result};

use super::context::{self, Layout};
use super::git::Git;
use super::owner::Ownership;
use super::snapshot::Snapshot;
use super::{process, receipt};
use crate::host::Host;

/// Speaks for a command that found a dead driver.
const CLI: &str = "cli";

/// Records the end of a run whose driver died, and ends what that left at work.
///
/// # Errors
/// `E_RUN_ACTIVE` if somebody drives it after all, `E_STORE_CORRUPT`, `E_IO`.
pub(crate) fn record(host: &Host, layout: &Layout, run_id: &RunId) -> Result<()> {
    let files = layout.files(run_id);
    let known = files.state()?.snapshot_sha256;
    // What a run without its settings says of itself is treated with the greatest care.
    let snapshot = Snapshot::read(&files, known.as_deref());
    let config = snapshot.map_or_else(|_| Config::default(), |it| it.config);
    let ownership = take_over(&files, host)?;
    let git = Git::new(&layout.repo_root).holding(ownership.inheritable()?);
    let files = files.redacting(context::redactor(&config, host));
    end_what_is_left(&files, host, layout, &git, CLI).map(drop)
}

/// Takes the run. The lock of a dead driver may be held for a moment longer by its last git child,
/// which is waited for: two of them must never work in one tree.
pub(crate) fn take_over(files: &RunFiles, host: &Host) -> Result<Ownership> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match Ownership::take(files, host) {
            Err(error)
                if error.code() == Code::RunActive
                    && !driver_lives(files)
                    && Instant::now() < deadline => {}
            other => return other,
        }
    }
}

pub(crate) fn driver_lives(files: &RunFiles) -> bool {
    crate::liveness::is_live(files).unwrap_or(true)
}

/// Records a dead owner on behalf of `speaker`, ends its children, and returns the state from there.
pub(crate) fn end_what_is_left(
    files: &RunFiles,
    host: &Host,
    layout: &Layout,
    git: &Git,
    speaker: &str,
) -> Result<State> {
    let mut state = files.state()?;
    let worker = state
        .in_flight
        .as_ref()
        .and_then(|call| call.process.clone());
    for child in worker.iter().chain(state.running_command.iter()) {
        process::kill_group_of(child, files.dir()).map_err(|source| {
            Error::io(
                "end the processes of the dead driver in",
                files.dir(),
                source,
            )
        })?;
    }
    if !state.is_stopped() {
        left::note(files, host, layout, git, &state)?;
        let mut stop = rules::stop_of(&state, StopReason::Interrupted, None);
        stop.cause = Some(StopCause::OwnerLost);
        let record = files.append(host.clock.now(), speaker, &Event::Stop(Box::new(stop)))?;
        state.fold_in(&record);
        receipt::leave(files, &state, git);
    }
    Ok(state)
}
