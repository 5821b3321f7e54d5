//! Whether a run is driven right now: the kernel's lock, and the process behind it.

use runr_core::Result;
use runr_core::phase::event::ProcessIdentity;
use runr_core::phase::ops::{Liveness, RunFiles};
use runr_core::phase::state::State;

use crate::harness::is_alive;
use crate::processes::{boot_id, host_name};

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
    let identity = ProcessIdentity {
        pid: live.pid,
        start: live.start,
        boot_id: live.boot_id,
    };
    let elsewhere = live.host != host_name() || identity.boot_id != boot_id();
    Ok(elsewhere || identity.start == 0 || is_alive(&identity))
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
