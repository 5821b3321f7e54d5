//! Short and long forms, and what a machine must have for them.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Lanes in which independent cases are worked off.
const LANES: usize = 2;

/// Whether the full counts are wanted.
pub(crate) fn long() -> bool {
    std::env::var_os("RUNR_TEST_LONG").is_some()
}

/// Says that a test is skipped, past the runner, which shows only the words of failed tests.
pub(crate) fn skip(test: &str, missing: &str) {
    writeln!(std::io::stderr(), "skipped: {test}: {missing}").ok();
}

/// Whether a program succeeds with these words; false where it is missing, too.
pub(crate) fn succeeds(words: &[&str]) -> bool {
    std::process::Command::new(words[0])
        .args(&words[1..])
        .output()
        .is_ok_and(|output| output.status.success())
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// How long a form may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    until: Option<Instant>,
}

impl Budget {
    /// This time in the short form; the long form takes what it takes.
    pub(crate) fn short(time: Duration) -> Self {
        Self {
            until: (!long()).then(|| Instant::now() + time),
        }
    }

    pub(crate) fn is_left(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

/// After so many failed cases the others have nothing to add.
const ENOUGH: usize = 10;

/// Works off the cases, in order, while the budget lasts; how many were done. `work` gets the
/// number of its lane as well. A case that panics does not keep the others from being tried.
pub(crate) fn each<T: Sync>(cases: &[T], budget: Budget, work: impl Fn(usize, &T) + Sync) -> usize {
    let next = AtomicUsize::new(0);
    let (done, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let (next, done, failed, work) = (&next, &done, &failed, &work);
            scope.spawn(move || {
                while budget.is_left()
                    && failed.load(Ordering::Relaxed) < ENOUGH
                    && let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    if catch_unwind(AssertUnwindSafe(|| work(lane, case))).is_err() {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let failed = failed.into_inner();
    assert_eq!(failed, 0, "{failed} cases failed, see above");
    done.into_inner()
}

/// Copies a directory with everything in it; modes are kept.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
