//! What happens to a run, as changes of its `meta.json`.
//!
//! To be called in an update: `store.update(&id, |meta| { meta.stop_requested(); Ok(()) })`.

use super::model::{Archive, Flags, RunMeta, Setup};
use crate::time::Timestamp;

const VERIFY_FAILED: &str = "verify_failed";
const NOT_MERGEABLE: &str = "pr_not_mergeable";

impl RunMeta {
    /// Whether the run takes part in name resolution: it is not archived.
    #[must_use]
    pub fn is_active(&self) -> bool {
        let archived = |archive: &Archive| archive.archived_at.is_some();
        !self.archive.as_ref().is_some_and(archived)
    }

    /// The setup of the worktree has ended. A failure is remembered for good.
    pub fn setup_finished(&mut self, setup: Setup) {
        if setup.exit_code != 0 || setup.timed_out || setup.output_ok == Some(false) {
            self.flags_mut().setup_failed = true;
        }
        self.setup = Some(setup);
    }

    /// A terminal session runs.
    pub fn session_started(&mut self, name: &str) {
        self.tmux_session_name = Some(name.to_owned());
    }

    /// No terminal session could be started.
    pub fn session_failed(&mut self) {
        self.flags_mut().tmux_failed = true;
    }

    /// Somebody stopped the run; why it needs attention stays as it is.
    pub fn stop_requested(&mut self) {
        self.flags_mut().needs_attention = true;
    }

    /// A verification failed; `at` is missing if it did not start.
    pub fn verify_failed(&mut self, at: Option<&str>) {
        self.needs_attention(VERIFY_FAILED);
        if let Some(at) = at {
            self.last_verify_at = Some(at.to_owned());
        }
    }

    /// A verification passed: attention is no longer needed, if that was the reason.
    pub fn verify_passed(&mut self, at: &str) {
        self.last_verify_at = Some(at.to_owned());
        if let Some(flags) = &mut self.flags
            && flags.needs_attention_reason.as_deref() == Some(VERIFY_FAILED)
        {
            flags.needs_attention = false;
            flags.needs_attention_reason = None;
        }
    }

    /// The branch was pushed, for this pull request if there is one.
    pub fn pushed(&mut self, pull_request: Option<(i64, &str)>, at: Timestamp) {
        if let Some((number, url)) = pull_request {
            self.pr_number = Some(number);
            self.pr_url = Some(url.to_owned());
        }
        self.last_push_at = Some(at.to_seconds_string());
    }

    /// The report with this SHA-256 was published.
    pub fn report_synced(&mut self, hash: &str, at: Timestamp) {
        self.last_report_hash = Some(hash.to_owned());
        self.last_report_sync_at = Some(at.to_seconds_string());
    }

    /// The pull request was merged.
    pub fn merged(&mut self, at: Timestamp) {
        self.archive_mut().merged_at = Some(at.to_seconds_string());
    }

    /// The pull request cannot be merged.
    pub fn not_mergeable(&mut self) {
        self.needs_attention(NOT_MERGEABLE);
    }

    /// The run was archived.
    pub fn archived(&mut self, at: Timestamp) {
        self.archive_mut().archived_at = Some(at.to_seconds_string());
    }

    /// The run was given up.
    pub fn cleaned(&mut self, at: Timestamp) {
        self.flags_mut().abandoned = true;
        self.archived(at);
    }

    fn needs_attention(&mut self, reason: &str) {
        let flags = self.flags_mut();
        flags.needs_attention = true;
        flags.needs_attention_reason = Some(reason.to_owned());
    }

    fn flags_mut(&mut self) -> &mut Flags {
        self.flags.get_or_insert_default()
    }

    fn archive_mut(&mut self) -> &mut Archive {
        self.archive.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rules::parse_loose;

    fn meta() -> RunMeta {
        parse_loose(r#"{"schema_version":"1.0","run_id":"a","created_at":"x"}"#).unwrap()
    }

    fn attention(meta: &RunMeta) -> (bool, Option<&str>) {
        let flags = meta.flags.as_ref().unwrap();
        (
            flags.needs_attention,
            flags.needs_attention_reason.as_deref(),
        )
    }

    #[test]
    fn a_passed_verification_clears_only_its_own_reason() {
        let mut run = meta();
        run.verify_failed(Some("t1"));
        assert_eq!(attention(&run), (true, Some("verify_failed")));
        run.verify_passed("t2");
        assert_eq!(attention(&run), (false, None));
        run.not_mergeable();
        run.verify_passed("t3");
        assert_eq!(attention(&run), (true, Some("pr_not_mergeable")));
        assert_eq!(run.last_verify_at.as_deref(), Some("t3"));
        run.verify_failed(None);
        assert_eq!(run.last_verify_at.as_deref(), Some("t3"));
    }

    #[test]
    fn a_stop_keeps_the_reason() {
        let mut run = meta();
        run.stop_requested();
        assert_eq!(attention(&run), (true, None));
        run.not_mergeable();
        run.stop_requested();
        assert_eq!(attention(&run), (true, Some("pr_not_mergeable")));
    }

    #[test]
    fn a_failed_setup_is_remembered_after_a_good_one() {
        let mut run = meta();
        for (exit_code, timed_out) in [(3, false), (0, true), (-1, false)] {
            let mut run = meta();
            run.setup_finished(Setup {
                exit_code,
                timed_out,
                ..Setup::default()
            });
            assert!(run.flags.unwrap().setup_failed);
        }
        run.setup_finished(Setup::default());
        assert_eq!(run.flags, None);
    }

    #[test]
    fn a_cleaned_run_is_abandoned_and_no_longer_active() {
        let mut run = meta();
        assert!(run.is_active());
        run.merged(Timestamp::from_millis(0));
        assert!(run.is_active());
        run.cleaned(Timestamp::from_millis(1_999));
        assert!(!run.is_active());
        let archive = run.archive.unwrap();
        assert_eq!(archive.archived_at.as_deref(), Some("1970-01-01T00:00:01Z"));
        assert!(run.flags.unwrap().abandoned);
    }
}
