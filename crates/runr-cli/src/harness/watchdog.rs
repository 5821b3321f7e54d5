//! Looks on a thread of its own whether a run still makes progress, and stops it if it does not.
//!
//! While the driver works, the watchdog only raises the flag that ends the child at work; the driver
//! then records the stop. While the program around the driver has the turn, nobody is there to do
//! that: the driver leaves what is needed with the watchdog, which records the stop itself, and takes
//! it back with its next step.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use runr_core::Error;
use runr_core::fs::CancelFlag;
use runr_core::mutant::without;
use runr_core::phase::event::Event;
use runr_core::phase::watchdog::{Doing, Limits, Passed, stop_of};

use super::beside::Beside;
use super::recorder::{Recorder, SUPERVISOR};

/// The longest time between two looks.
const LOOK: Duration = Duration::from_secs(10);

/// What the driver leaves with the watchdog while it has nothing to do.
pub(crate) struct Left {
    pub(crate) recorder: Recorder,
    /// What belongs to a stop: before it is recorded, and after.
    pub(crate) before: Box<dyn FnOnce() + Send>,
    pub(crate) after: Box<dyn FnOnce(&mut Recorder) + Send>,
}

/// Watches one driver until it is dropped.
pub(crate) struct Watchdog {
    desk: Arc<Mutex<Desk>>,
    thread: Option<Beside>,
}

struct Desk {
    /// Absent: nothing can pass.
    limits: Option<Limits>,
    cancel: CancelFlag,
    doing: Doing,
    since: Instant,
    left: Option<Left>,
    passed: Option<Passed>,
    /// Of the run that the watchdog has stopped.
    ended: Option<Recorder>,
}

impl Watchdog {
    /// Starts to watch; `cancel` ends what the driver is at.
    pub(crate) fn start(limits: Limits, cancel: CancelFlag) -> Self {
        let mut watchdog = Self::over(Some(limits), cancel);
        let (stop, stopped) = mpsc::channel();
        let desk = Arc::clone(&watchdog.desk);
        let watch = move || {
            loop {
                let nap = lock(&desk).nap();
                if stopped.recv_timeout(nap) != Err(mpsc::RecvTimeoutError::Timeout) {
                    return;
                }
                if lock(&desk).look() {
                    return;
                }
            }
        };
        watchdog.thread = Some(Beside::over(std::thread::spawn(watch), Some(stop)));
        watchdog
    }

    /// Watches nothing.
    pub(crate) fn off(cancel: CancelFlag) -> Self {
        Self::over(None, cancel)
    }

    fn over(limits: Option<Limits>, cancel: CancelFlag) -> Self {
        Self {
            desk: Arc::new(Mutex::new(Desk {
                limits,
                cancel,
                doing: Doing::Phase,
                since: Instant::now(),
                left: None,
                passed: None,
                ended: None,
            })),
            thread: None,
        }
    }

    /// Progress was made; from now on the run does this.
    pub(crate) fn progress(&self, doing: Doing) {
        let mut desk = lock(&self.desk);
        desk.doing = doing;
        desk.since = Instant::now();
    }

    /// The limit that has passed, if the driver itself is to record it.
    pub(crate) fn passed(&self) -> Option<Passed> {
        lock(&self.desk).passed.clone()
    }

    /// Leaves the run with the watchdog until it is taken back.
    pub(crate) fn leave(&self, doing: Doing, left: Left) {
        self.progress(doing);
        lock(&self.desk).left = Some(left);
    }

    /// Takes the run back, with what is known of it if the watchdog has stopped it.
    pub(crate) fn take_back(&self) -> Option<Recorder> {
        let mut desk = lock(&self.desk);
        desk.left = None;
        desk.doing = Doing::Phase;
        desk.since = Instant::now();
        desk.ended.take()
    }

    /// Stops to watch.
    pub(crate) fn end(&mut self) {
        drop(self.thread.take());
        // In a forked copy the desk is shared with a thread that is not there; nobody else would
        // clear it, and the copies of the run's locks on it.
        if let Ok(mut desk) = self.desk.try_lock() {
            desk.left = None;
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.end();
    }
}

fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    // Each change is one assignment, so a panic leaves none half done.
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    /// How long nothing can pass: until then, or until the shorter limit of another occupation.
    fn nap(&self) -> Duration {
        let Some(limits) = self.limits else {
            return LOOK;
        };
        let (limit, _) = limits.first(self.doing);
        let due = Duration::from_millis(limit).saturating_sub(self.since.elapsed());
        let other = Duration::from_millis(limits.stall_ms);
        due.min(other).min(LOOK).max(Duration::from_millis(1))
    }

    /// Stops the run if a limit has passed, and says whether it has.
    fn look(&mut self) -> bool {
        let elapsed = super::verify::millis(self.since.elapsed());
        let passed = self
            .limits
            .and_then(|limits| limits.passed(self.doing, elapsed));
        let Some(passed) = passed.filter(|_| !without("stall")) else {
            return false;
        };
        let stopped = self.left.take().map(|left| stop(left, &passed));
        match stopped {
            Some(Ok(recorder)) => self.ended = Some(recorder),
            // The driver does it, now or when it has the turn again.
            Some(Err(_)) | None => self.passed = Some(passed),
        }
        self.cancel.cancel();
        true
    }
}

/// Stops a run whose driver has nothing to do. The program's answer comes too late from here on.
fn stop(left: Left, passed: &Passed) -> Result<Recorder, Error> {
    let mut recorder = left.recorder;
    (left.before)();
    let stop = stop_of(&recorder.state, passed, recorder.last_kind());
    recorder.record(SUPERVISOR, &Event::Stop(Box::new(stop)))?;
    (left.after)(&mut recorder);
    Ok(recorder)
}
