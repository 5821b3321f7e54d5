//! What a child leaves behind, in groups and sessions of its own: it must not edit the tree after
//! the answer.
//!
//! Where the whole process is there for a run, the system is asked to hand such orphans to it, and
//! none can hide. In a host program, whose other children are its own business, they are told by a
//! variable in their environment, which a process may take off.

use std::io;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use runr_core::mutant::without;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, set_child_subreaper, waitid,
    waitpid,
};

use crate::processes::{all_processes, if_running, pid_of, stat_of};

/// The variable that marks every child of a run. Ids are unique in a repository only, the directory
/// of a run is unique on the machine.
pub(crate) const MARK: &str = "RUNR_RUN_DIR";

/// How long processes that make new ones are chased.
const CHASE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

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
        // What cannot be looked at is, in the next round.
        for pid in all_processes().unwrap_or_default() {
            let stat = stat_of(pid).ok().flatten();
            let is_ours = stat.is_some_and(|stat| stat.parent == own);
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
    end_with(&format!("{MARK}={run_dir}"));
}

/// Ends every process that has this entry in its environment.
fn end_with(entry: &str) {
    let began = Instant::now();
    // A failure that passes must not let one go.
    while try_end_with(entry).is_err() && began.elapsed() < CHASE {
        std::thread::sleep(PAUSE);
    }
}

fn try_end_with(entry: &str) -> io::Result<()> {
    let own = std::process::id();
    for pid in all_processes()? {
        if pid != own
            && has_environment(pid, entry)?
            && let Some(pid) = pid_of(pid)
        {
            end(pid);
        }
    }
    Ok(())
}

/// Marks what is started before there is a run, for one question alone.
pub(super) struct QuestionMark(String);

impl QuestionMark {
    const NAME: &str = "RUNR_QUESTION";

    pub(super) fn new() -> Self {
        static ASKED: AtomicU64 = AtomicU64::new(0);
        let number = ASKED.fetch_add(1, Ordering::Relaxed);
        Self(format!("{}-{number}", std::process::id()))
    }

    pub(super) fn set_on(&self, command: &mut Command) {
        command.env(Self::NAME, &self.0);
    }

    /// Ends everything that has the mark.
    pub(super) fn end_all(&self) {
        if !without("question-mark") {
            end_with(&format!("{}={}", Self::NAME, self.0));
        }
    }
}

fn end(pid: Pid) {
    // Gone meanwhile is as good.
    let _gone = kill_process(pid, Signal::KILL);
}

/// Whether a process was started with this variable. One that belongs to somebody else was not.
pub(super) fn has_environment(pid: u32, marker: &str) -> io::Result<bool> {
    let read = std::fs::read(format!("/proc/{pid}/environ"));
    let bytes = match if_running(read) {
        Err(problem) if problem.kind() == io::ErrorKind::PermissionDenied => return Ok(false),
        read => read?.unwrap_or_default(),
    };
    let mut entries = bytes.split(|byte| *byte == 0);
    Ok(entries.any(|entry| entry == marker.as_bytes()))
}
