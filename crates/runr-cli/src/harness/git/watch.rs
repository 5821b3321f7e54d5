//! A limit for every git, without a thread for each.

use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// The longest any single git may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

/// Ends a git that blocks, as it does on what is no regular file; waiting longer would not help.
#[derive(Debug, Default)]
pub(super) struct Watch {
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    pid: Pid,
    since: Instant,
    ended: bool,
}

impl Watch {
    pub(super) fn start() -> Arc<Self> {
        let watch = Arc::new(Self::default());
        let watched = Arc::downgrade(&watch);
        // Looks seldom, and goes with the last git that uses it.
        std::thread::spawn(move || {
            while let Some(watch) = watched.upgrade() {
                watch.look();
                drop(watch);
                std::thread::sleep(Duration::from_secs(5));
            }
        });
        watch
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        if let Some(running) = self
            .running()
            .as_mut()
            .filter(|r| r.since.elapsed() > PATIENCE)
        {
            running.ended = true;
            // Gone meanwhile is as good.
            let _gone = rustix::process::kill_process(running.pid, Signal::KILL);
        }
    }

    pub(super) fn begin(&self, child: &Child) {
        *self.running() = Some(Running {
            pid: Pid::from_child(child),
            since: Instant::now(),
            ended: false,
        });
    }

    /// Whether the watch had to end it.
    pub(super) fn end(&self) -> bool {
        self.running().take().is_some_and(|running| running.ended)
    }
}
