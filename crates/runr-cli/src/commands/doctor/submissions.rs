//! Submissions: whether one was killed, so that nobody ends its check.

use super::{Finding, Level, Subject, found};
use crate::harness::killed_submissions;

pub(super) fn killed(subject: &Subject<'_>) -> Finding {
    let Some(layout) = &subject.layout else {
        return found(Level::Skip, "no repository");
    };
    let killed = killed_submissions(subject.host, layout);
    let runs: Vec<&str> = killed.iter().map(|it| it.run_id.as_str()).collect();
    if runs.is_empty() {
        return found(Level::Ok, "none was killed");
    }
    let runs = runs.join(", ");
    let detail = format!("killed while it was checked, a check may still run: {runs}");
    found(Level::Warn, detail).fix("runr doctor --fix")
}
