//! What of an event is free text, and may hold a secret, and what is a name, and must stay.

use serde_json::Value;

use super::Record;
use crate::redact::Redactor;

/// The fields that name something: files, patterns, commits, branches, runs. A run that goes on
/// looks for exactly these. Every other text of an event is free, also in events to come.
const NAMES: [&str; 55] = [
    "actual",
    "allowlist",
    "base_sha",
    "boot_id",
    "branch",
    "call_id",
    "changed_files",
    "checkpoint_sha",
    "claim",
    "collisions",
    "commit",
    "config_sha256",
    "content",
    "current_branch",
    "denylist",
    "dirty_files",
    "do_not_touch",
    "env_touched",
    "expected_branch",
    "files_expected",
    "fingerprint",
    "from",
    "head",
    "ignored_noise_sample",
    "ignored_sample",
    "lockfile_violations",
    "log",
    "options",
    "other_run",
    "owned_paths",
    "path",
    "predicted_files",
    "repo_path",
    "repo_root",
    "retry_at",
    "risk_map",
    "run_branch",
    "run_id",
    "scope_lock",
    "scope_violations",
    "semantic_changed",
    "sha",
    "sha256",
    "snapshot_sha256",
    "stage",
    "stash_ref",
    "task_path",
    "tier",
    "to",
    "tree",
    "violating_files",
    "violations",
    "work_item",
    "worker",
    "worktree_path",
];

impl Record {
    /// The record without the secrets in its free texts.
    #[must_use]
    pub fn redacted(mut self, redactor: &Redactor) -> Self {
        let is_name = |key: &str| NAMES.contains(&key);
        let mut payload = Value::Object(std::mem::take(&mut self.payload));
        redactor.value(&mut payload, &is_name);
        if let Value::Object(payload) = payload {
            self.payload = payload;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::phase::event::{Event, ImplementComplete};

    #[test]
    fn free_text_is_blanked_and_the_names_of_files_stay() {
        let odd = "src/ghp_16C7e42F292c6912E7710c838347Ae178B4a.txt".to_owned();
        let event = Event::ImplementComplete(ImplementComplete {
            changed_files: vec![odd.clone()],
            handoff_memo: format!("see {odd}, password=hunter2"),
            no_changes_needed: false,
            evidence_satisfied_by: None,
        });
        let record = Record::new(1, Timestamp::from_millis(0), "doer", &event);
        let payload = record.redacted(&Redactor::default()).payload;
        assert_eq!(payload["changed_files"][0], odd);
        assert_eq!(
            payload["handoff_memo"],
            "see src/[REDACTED], password=[REDACTED]"
        );
    }
}
