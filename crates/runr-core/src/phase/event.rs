//! Timeline events: what `timeline.jsonl` holds, one record per line.
//!
//! A [`Record`] is the line as it stands in the file and tolerates types this version does not know.
//! An [`Event`] is the typed form that the rules read and write. Command output never stands in an
//! event: only the path of its log and the log's SHA-256.

mod payload;
mod readiness;
mod redacted;
mod resumed;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::model::{Phase, Plan, Stage, Tier, Verdict};
use crate::fs::Sequenced;
use crate::time::Timestamp;

pub use payload::{
    AutoResume, CallFinished, CallStarted, CommandResult, CommandStarted, FailureKind,
    GuardViolation, ImplementComplete, Overdue, ParseFailed, Preflight, PreflightGuard,
    ProcessIdentity, ReviewLoop, RunStarted, ScopeLock, Stop, TaskPaths, TierResult, Usage,
    Verification, VerificationEvidence, VerifyFailedRetry, Worktree,
};
pub use readiness::{BinaryCheck, BinaryResult, PingCategory, PingCheck, PingResult};
pub use resumed::{CheckpointSource, Delta, Moved, Override, RunResumed};

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// From 1, without gaps.
    pub seq: u64,
    /// When the record was appended.
    pub timestamp: Timestamp,
    /// The event type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who speaks: `cli`, `supervisor`, `verifier`, `resume`, or a worker's name.
    pub source: String,
    /// The fields of the event.
    #[serde(default)]
    pub payload: Map<String, Value>,
}

impl Sequenced for Record {
    fn seq(&self) -> u64 {
        self.seq
    }

    fn not_before(&mut self, last: &Self) {
        self.timestamp = self.timestamp.max(last.timestamp);
    }
}

impl Record {
    /// The record of an event.
    #[must_use]
    pub fn new(seq: u64, timestamp: Timestamp, source: &str, event: &Event) -> Self {
        let (kind, payload) = event.to_parts();
        Self {
            seq,
            timestamp,
            kind,
            source: source.to_owned(),
            payload,
        }
    }

    /// The typed event, or `None` for a type or shape this version does not know.
    #[must_use]
    pub fn event(&self) -> Option<Event> {
        let mut tagged = Map::new();
        tagged.insert("type".into(), Value::String(self.kind.clone()));
        tagged.insert("payload".into(), Value::Object(self.payload.clone()));
        serde_json::from_value(Value::Object(tagged)).ok()
    }
}

/// A typed timeline event; the names are the types in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "payload", rename_all = "snake_case")]
#[allow(
    missing_docs,
    reason = "the variants are documented by their payloads and the event table in docs/"
)]
pub enum Event {
    RunStarted(Box<RunStarted>),
    Preflight(Box<Preflight>),
    WorktreeCreated(Worktree),
    WorktreeRecreated(Worktree),
    PhaseStart {
        phase: Phase,
    },
    FastPathSkip {
        skipped_phase: Phase,
        reason: String,
    },
    WorkerCallStarted(CallStarted),
    WorkerCallFinished(CallFinished),
    CommandStarted(CommandStarted),
    PlanGenerated(Plan),
    PlanScopeViolation {
        violations: Vec<String>,
        allowlist: Vec<String>,
        #[serde(default)]
        suggested_presets: Vec<String>,
        hint: String,
    },
    ParallelFileCollision {
        stage: Stage,
        predicted_files: Vec<String>,
        collisions: Vec<super::owned::Collision>,
    },
    ImplementComplete(ImplementComplete),
    NoChangesEvidenceOk {
        satisfied_by: String,
    },
    NoChangesEvidenceFailed {
        errors: Vec<String>,
        evidence_provided: bool,
    },
    IgnoredChanges {
        ignored_count: usize,
        ignored_sample: Vec<String>,
        ignore_check_status: String,
    },
    GuardViolation(GuardViolation),
    OwnershipViolation {
        owned_paths: Vec<String>,
        semantic_changed: Vec<String>,
        violating_files: Vec<String>,
    },
    Verification(Verification),
    VerifyFailedRetry(VerifyFailedRetry),
    VerifyFailedMaxRetries {
        tier: Tier,
        retries: u32,
        max_retries: u32,
        log: Option<String>,
    },
    VerifyComplete {
        results: Vec<TierResult>,
        tier_reasons: Vec<String>,
        verification_evidence: VerificationEvidence,
    },
    ReviewComplete {
        verdict: Verdict,
        changes: Vec<String>,
    },
    ReviewLoopDetected(ReviewLoop),
    CheckpointComplete {
        commit: String,
        milestone_index: usize,
        tree: String,
        sidecar_written: bool,
    },
    CheckpointSidecarWriteFailed {
        sha: String,
        path: String,
        error: String,
    },
    WorkerStats {
        stats: Value,
    },
    ParseFailed(ParseFailed),
    WorkerFallback {
        stage: Stage,
        from: String,
        to: String,
        reason: String,
    },
    LateWorkerResultIgnored {
        stage: Stage,
        worker: String,
    },
    RunResumed(Box<RunResumed>),
    ScopeChanged {
        from: ScopeLock,
        to: ScopeLock,
        config_sha256: Option<String>,
    },
    ResumeCheckpointSelected {
        source: CheckpointSource,
        sha: Option<String>,
        milestone_index: i64,
    },
    MilestoneIndexCorrected {
        previous: usize,
        corrected_to: usize,
        reason: String,
    },
    WorktreeBranchMismatch {
        expected_branch: Option<String>,
        actual: Option<String>,
    },
    StopRequested {
        by: String,
        reason: Option<String>,
    },
    PlanApproved {
        by: String,
    },
    Note {
        by: String,
        text: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
    },
    AutoStashCreated {
        stash_ref: String,
        stash_message: String,
        file_count: usize,
    },
    AutoResumeScheduled(AutoResume),
    AutoResumeStarted(AutoResume),
    AutoResumeResult(AutoResume),
    AutoResumeSkipped(AutoResume),
    AutoResumeExhausted(AutoResume),
    AutoResumeLoopDetected(AutoResume),
    Stop(Box<Stop>),
}

impl Event {
    /// The type and the payload as they stand in the file.
    #[must_use]
    pub fn to_parts(&self) -> (String, Map<String, Value>) {
        // An event is a struct of strings, numbers and lists: serialising it cannot fail.
        let Ok(Value::Object(mut tagged)) = serde_json::to_value(self) else {
            return ("unknown".to_owned(), Map::new());
        };
        let kind = match tagged.shift_remove("type") {
            Some(Value::String(kind)) => kind,
            _ => "unknown".to_owned(),
        };
        let payload = match tagged.shift_remove("payload") {
            Some(Value::Object(payload)) => payload,
            _ => Map::new(),
        };
        (kind, payload)
    }

    /// The type as it stands in the file.
    #[must_use]
    pub fn kind(&self) -> String {
        self.to_parts().0
    }
}
