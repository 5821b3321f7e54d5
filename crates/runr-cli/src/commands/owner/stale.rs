//! `runr owner stale`: the question before a merge.

use runr_core::Result;
use runr_core::ownership::{self, RunnerCheck, check_runner};

use super::Desk;
use crate::commands::cli::StaleArgs;
use crate::output::printable;
use crate::ownership::{max_age, stale_query};

/// Exit status when something speaks against the owner.
const NOT_OK: u8 = 1;

impl Desk<'_> {
    /// Says whether the owner lives, and is the caller if that is a run.
    pub(super) fn stale(&self, args: &StaleArgs) -> Result<u8> {
        let host = self.call.host;
        let run = self.run_if_any(args.subject.run_id.as_deref())?;
        let claims = self.place.to_look(host);
        let record = ownership::load(&claims, &self.target)?;
        let max_age = max_age(args.max_age_ms, |name| host.var(name).map(str::to_owned));
        let query = stale_query(host.clock.now(), max_age);
        let check = check_runner(record.as_ref(), &self.target, run, &query);
        self.show_check(&check, claims.path(&self.target).as_str());
        Ok(if check.ok() { 0 } else { NOT_OK })
    }

    fn show_check(&self, check: &RunnerCheck, path: &str) {
        let console = &self.call.console;
        if self.call.json {
            console.line(check.to_json(path).text());
            return;
        }
        let mut lines = vec![format!("{}: {}", check.target, check.status.as_str())];
        lines.extend(check.failures());
        console.line(&printable(&lines.join("\n  ")));
    }
}
