//! Whether a run is driven right now: the kernel's lock, and the process behind it.

use runr_core::phase::ops::{Liveness, RunFiles};
use runr_core::phase::state::State;
use runr_core::{Error, Result};

use crate::processes::{boot_id, host_name, is_running};

/// Whether a living driver holds the run. The lock alone is not enough: a git child of a dead
/// driver keeps it held until it ends. But where the driver's number means nothing to us (another
/// host, boot or namespace, or a system that does not tell), the lock is all there is to go by.
///
/// # Errors
/// `E_IO`.
pub(crate) fn is_live(files: &RunFiles) -> Result<bool> {
    if !files.is_driven()? {
        return Ok(false);
    }
    let Some(live) = files.live() else {
        return Ok(true); // Somebody is starting.
    };
    let boot_id =
        boot_id().map_err(|source| Error::io("look for the driver of", files.dir(), source))?;
    let elsewhere = live.host != host_name() || live.boot_id != boot_id;
    Ok(elsewhere || live.start == 0 || is_running(live.pid, live.start))
}

/// How a run stands, as a reader reports it; nothing is written.
///
/// # Errors
/// `E_IO`.
pub(crate) fn liveness(files: &RunFiles, state: &State) -> Result<Liveness> {
    Ok(match (state.is_stopped(), is_live(files)?) {
        (_, true) => Liveness::Running,
        (true, false) => Liveness::Stopped,
        (false, false) => Liveness::Stale,
    })
}
