//! What a child leaves behind, in groups and sessions of its own: it must not edit the tree after
//! the answer.
//!
//! Where the whole process is there for a run, the system is asked to hand such orphans to it, and
//! none can hide. In a host program, whose other children are its own business, they are told by a
//! variable in their environment, which a process may take off.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use runr_core::mutant::without;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, set_child_subreaper, waitid,
    waitpid,
};

use crate::processes::{all_processes, pid_of, stat_of};

/// The variable that marks every child of a run. Ids are unique in a repository only, the directory
/// of a run is unique on the machine.
pub(crate) const MARK: &str = "RUNR_RUN_DIR";

/// How long processes that make new ones are chased.
const CHASE: Duration = Duration::from_secs(10);

/// Whether orphans come to this process.
static ADOPTS: AtomicBool = AtomicBool::new(false);

/// Has orphans come to this process from now on, unless it has children that somebody else began:
/// they could not be told from orphans. For a process that is there for one run.
pub(crate) fn adopt() {
    if !without("orphans") && !has_children() && set_child_subreaper(Some(Pid::INIT)).is_ok() {
        ADOPTS.store(true, Ordering::Relaxed);
    }
}

/// Ends everything that the children of the run left behind. No child of the driver is at work then.
pub(crate) fn end_orphans(run_dir: &Utf8Path) {
    if without("whole-group") {
        return;
    }
    if ADOPTS.load(Ordering::Relaxed) {
        end_children();
    } else {
        end_marked(run_dir);
    }
}

fn has_children() -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::All, look), Err(Errno::CHILD))
}

/// Ends all children. Each hands its own ones over, until there are none.
fn end_children() {
    let own = std::process::id();
    let began = Instant::now();
    while has_children() && began.elapsed() < CHASE {
        for pid in all_processes() {
            let is_ours = stat_of(pid).is_some_and(|stat| stat.parent == own);
            if let Some(pid) = pid_of(pid).filter(|_| is_ours) {
                end(pid);
                // A child that has not ended yet is reaped in the next round.
                let _reaped = waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
    }
}

/// Ends everything that was started with the mark of this directory, by whomever.
pub(crate) fn end_marked(run_dir: &Utf8Path) {
    let marker = format!("{MARK}={run_dir}");
    let own = std::process::id();
    for pid in all_processes().filter(|pid| *pid != own && has_environment(*pid, &marker)) {
        if let Some(pid) = pid_of(pid) {
            end(pid);
        }
    }
}

fn end(pid: Pid) {
    // Gone meanwhile is as good.
    let _gone = kill_process(pid, Signal::KILL);
}

/// Whether a process was started with this variable.
pub(super) fn has_environment(pid: u32, marker: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|bytes| {
        bytes
            .split(|byte| *byte == 0)
            .any(|entry| entry == marker.as_bytes())
    })
}
