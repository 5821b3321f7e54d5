//! What `runr wait` tells about a run, and the notification about its stop with it.

use camino::Utf8Path;
use serde::Serialize;

use super::model::Phase;
use super::state::State;
use super::stop::{ManualResume, StopReason};
use crate::id::RunId;
use crate::time::Timestamp;

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// Any end.
    Terminal,
    /// An end without success.
    Stop,
    /// Success.
    Complete,
}

/// How a run stood at the end of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitStatus {
    /// Every milestone is committed.
    Complete,
    /// It ended for another reason.
    Stopped,
    /// It goes on; whoever waited gave up.
    Timeout,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WaitProgress {
    /// From 1, at most `of`.
    pub milestone: usize,
    /// All milestones that are known.
    pub of: usize,
}

/// The document; the order of the fields is part of the promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(
    missing_docs,
    reason = "the fields are described once, in docs/files.md"
)]
pub struct WaitReport {
    pub run_id: RunId,
    pub phase: Phase,
    pub stop_reason: Option<StopReason>,
    pub milestones_completed: usize,
    pub status: WaitStatus,
    pub condition_met: bool,
    pub progress: WaitProgress,
    pub resume_command: Option<String>,
    pub run_dir: String,
    pub repo_root: String,
    pub elapsed_ms: u64,
    pub ts: Timestamp,
    pub schema_version: u32,
}

/// What a wait for `awaited` tells about a run in `state` after `elapsed_ms`. A run whose driver is
/// dead (`is_abandoned`) will not end by itself: it counts as interrupted.
#[must_use]
pub fn wait_report(
    state: &State,
    is_abandoned: bool,
    awaited: Awaited,
    run: (&RunId, &Utf8Path),
    elapsed_ms: u64,
    now: Timestamp,
) -> WaitReport {
    let (run_id, run_dir) = run;
    let stop_reason = match &state.stop_reason {
        None if is_abandoned => Some(StopReason::Interrupted),
        // A run that goes on keeps no reason; one that was resumed has none either.
        known => known.clone(),
    };
    let status = match &stop_reason {
        None => WaitStatus::Timeout,
        Some(StopReason::Complete) => WaitStatus::Complete,
        Some(_) => WaitStatus::Stopped,
    };
    let by_hand = |reason: &StopReason| reason.row().manual_resume == ManualResume::Yes;
    WaitReport {
        run_id: run_id.clone(),
        phase: state.phase,
        resume_command: (stop_reason.as_ref())
            .filter(|reason| by_hand(reason))
            .map(|_| format!("runr resume {run_id}")),
        stop_reason,
        milestones_completed: state.milestone_index,
        status,
        condition_met: match awaited {
            Awaited::Terminal => status != WaitStatus::Timeout,
            Awaited::Stop => status == WaitStatus::Stopped,
            Awaited::Complete => status == WaitStatus::Complete,
        },
        progress: WaitProgress {
            milestone: (state.milestone_index + 1).min(state.milestones.len()),
            of: state.milestones.len(),
        },
        run_dir: run_dir.to_string(),
        repo_root: state.repo_root.clone(),
        elapsed_ms,
        ts: now,
        schema_version: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(reason: Option<StopReason>, is_abandoned: bool, awaited: Awaited) -> WaitReport {
        let state = State {
            phase: if reason.is_some() {
                Phase::Stopped
            } else {
                Phase::Verify
            },
            stop_reason: reason,
            repo_root: "/r".into(),
            ..State::default()
        };
        let id = RunId::parse("20260131120000").unwrap();
        let run = (&id, Utf8Path::new("/r/.runr/runs/20260131120000"));
        wait_report(
            &state,
            is_abandoned,
            awaited,
            run,
            7,
            Timestamp::from_millis(0),
        )
    }

    #[test]
    fn the_document_has_its_fields_in_order() {
        let report = report(Some(StopReason::ImplementBlocked), false, Awaited::Terminal);
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            concat!(
                r#"{"run_id":"20260131120000","phase":"STOPPED","stop_reason":"implement_blocked","#,
                r#""milestones_completed":0,"status":"stopped","condition_met":true,"#,
                r#""progress":{"milestone":0,"of":0},"resume_command":"runr resume 20260131120000","#,
                r#""run_dir":"/r/.runr/runs/20260131120000","repo_root":"/r","elapsed_ms":7,"#,
                r#""ts":"1970-01-01T00:00:00.000Z","schema_version":1}"#
            )
        );
    }

    #[test]
    fn an_end_that_is_not_the_awaited_one_does_not_meet_the_condition() {
        let met = |reason, awaited| report(Some(reason), false, awaited).condition_met;
        assert!(met(StopReason::Complete, Awaited::Complete));
        assert!(!met(StopReason::Complete, Awaited::Stop));
        assert!(!met(StopReason::GuardViolation, Awaited::Complete));
        assert!(met(StopReason::GuardViolation, Awaited::Stop));
    }

    #[test]
    fn only_what_a_plain_resume_helps_has_a_command() {
        let command = |reason| report(Some(reason), false, Awaited::Terminal).resume_command;
        assert!(command(StopReason::RateLimited).is_some());
        assert_eq!(command(StopReason::GuardViolation), None);
        assert_eq!(command(StopReason::Complete), None);
    }

    #[test]
    fn a_run_that_goes_on_timed_out_and_an_abandoned_one_was_interrupted() {
        let running = report(None, false, Awaited::Terminal);
        assert_eq!(
            (running.status, running.stop_reason),
            (WaitStatus::Timeout, None)
        );
        assert!(!running.condition_met);
        let dead = report(None, true, Awaited::Terminal);
        assert_eq!(dead.status, WaitStatus::Stopped);
        assert_eq!(dead.stop_reason, Some(StopReason::Interrupted));
        assert!(dead.condition_met && dead.resume_command.is_some());
    }
}
