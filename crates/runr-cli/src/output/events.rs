//! One line per timeline event, as `run` and `follow` show it.

use camino::Utf8Path;
use runr_core::phase::event::{Event, Record, RunResumed};
use runr_core::phase::report::{human_duration, usage_text};
use runr_core::phase::state::State;

use super::printable;

/// The line of a record, or `None` for an event that people need not see.
pub(crate) fn event_line(record: &Record, state: &State) -> Option<String> {
    let detail = detail(&record.event()?, state)?;
    let clock = record.timestamp.to_string();
    let time = clock.get(11..19).unwrap_or_default();
    Some(printable(&format!("[{time}] {}{detail}", record.kind)))
}

fn detail(event: &Event, state: &State) -> Option<String> {
    Some(match event {
        Event::RunStarted(started) => format!(
            " - task: {}",
            started.task_path.as_deref().unwrap_or(&started.task)
        ),
        Event::Preflight(preflight) => {
            let passed = |ok| if ok { "pass" } else { "FAIL" };
            let ping = match &preflight.ping {
                ping if ping.skipped => "skipped",
                ping => passed(ping.ok),
            };
            format!(" - guard: {}, ping: {ping}", passed(preflight.guard.ok))
        }
        Event::WorktreeCreated(tree) | Event::WorktreeRecreated(tree) => {
            format!(" - {}", tree.worktree_path)
        }
        Event::CommandStarted(command) if command.kind != "verify" => {
            format!(" - {}: {}", command.kind, command.command)
        }
        Event::PhaseStart { phase } => format!(" → {phase}"),
        Event::PlanGenerated(plan) => format!(" - {} milestones", plan.milestones.len()),
        Event::ImplementComplete(done) => format!(" - {} files changed", done.changed_files.len()),
        Event::Verification(ran) => {
            let word = if ran.ok { "ok" } else { "FAILED" };
            format!(
                " - {} {word} ({})",
                ran.tier,
                human_duration(ran.duration_ms)
            )
        }
        Event::VerifyFailedRetry(failed) => {
            let text = read_log(state, failed.log.as_deref());
            let shown: String = last_lines(&text, 15)
                .map(|line| format!("\n    {line}"))
                .collect();
            format!(
                " - {} retry {}/{}{shown}",
                failed.tier, failed.retry_count, failed.max_retries
            )
        }
        Event::ReviewComplete { verdict, .. } => format!(" - verdict: {verdict}"),
        Event::CheckpointComplete {
            commit,
            milestone_index,
            ..
        } => {
            format!(
                " - {} milestone {}/{}",
                short(commit),
                milestone_index + 1,
                state.milestones.len()
            )
        }
        Event::WorkerFallback {
            from, to, reason, ..
        } => format!(" - {from} → {to} ({reason})"),
        Event::ParseFailed(failed) => {
            format!(" - stage: {}, retry: {}", failed.stage, failed.retry_count)
        }
        Event::GuardViolation(violation) => format!(" - {}", some(&violation.files())),
        Event::OwnershipViolation {
            violating_files, ..
        } => format!(" - {}", some(violating_files)),
        Event::PlanScopeViolation { violations, .. } => format!(" - {}", some(violations)),
        Event::ParallelFileCollision { collisions, .. } => {
            let with = collisions
                .iter()
                .map(|c| format!("{}: {}", c.run_id, some(&c.colliding_files)));
            format!(" - {}", with.collect::<Vec<_>>().join("; "))
        }
        Event::Stop(stop) => format!(" - reason: {}", stop.reason),
        Event::RunResumed(resumed) => format!(" → {}{}", resumed.resume_phase, changed(resumed)),
        Event::ScopeChanged { to, .. } => format!(" - allowlist: {}", some(&to.allowlist)),
        Event::MilestoneIndexCorrected {
            previous,
            corrected_to,
            reason,
        } => format!(" - {previous} → {corrected_to} ({reason})"),
        Event::AutoStashCreated {
            stash_ref,
            file_count,
            ..
        } => format!(" - {file_count} files; git stash apply --index {stash_ref} brings them back"),
        Event::AutoResumeScheduled(step) => format!(
            " - retry {}/{} in {}",
            step.attempt,
            step.max,
            human_duration(step.delay_ms.unwrap_or_default())
        ),
        Event::AutoResumeSkipped(step) if step.reason.as_deref() != Some("not_retryable") => {
            format!(" - {}", step.reason.as_deref().unwrap_or_default())
        }
        Event::AutoResumeExhausted(step) => format!(" - {} of {} used", step.attempt, step.max),
        Event::AutoResumeLoopDetected(_) => " - the same reason again".to_owned(),
        _ => return None,
    })
}

/// What the caller of a resume changed.
fn changed(resumed: &RunResumed) -> String {
    let named = resumed.overrides.iter().map(|it| {
        let (from, to) = (&it.from, &it.to);
        format!("{}: {from} → {to}", it.option)
    });
    let named: Vec<String> = named.collect();
    if named.is_empty() {
        String::new()
    } else {
        format!(" ({})", named.join(", "))
    }
}

/// How a worker call went, for those who look back; while it happens its phase says enough.
pub(crate) fn call_line(record: &Record) -> Option<String> {
    let Event::WorkerCallFinished(call) = record.event()? else {
        return None;
    };
    let kind = serde_json::to_value(call.kind).unwrap_or_default();
    let mut parts = vec![
        format!(
            "{} {} {}",
            call.worker,
            call.stage,
            kind.as_str().unwrap_or("ok")
        ),
        human_duration(call.duration_ms),
    ];
    parts.extend(call.usage.map(|usage| usage_text(&usage)));
    Some(printable(&format!(" - {}", parts.join(", "))))
}

/// The text of a log of a run; empty if it cannot be read, which must not hide the event.
pub(crate) fn read_log(state: &State, log: Option<&str>) -> String {
    let Some(log) = log else {
        return String::new();
    };
    let runs = Utf8Path::new(&state.repo_root).join(".runr/runs");
    crate::harness::tail_of(&runs.join(&state.run_id).join(log), 16 * 1024).unwrap_or_default()
}

/// The last `n` lines of a text.
pub(crate) fn last_lines(text: &str, n: usize) -> impl Iterator<Item = &str> {
    let lines: Vec<&str> = text.lines().collect();
    let skip = lines.len().saturating_sub(n);
    lines.into_iter().skip(skip)
}

/// The first seven digits of a commit id.
pub(crate) fn short(sha: &str) -> &str {
    sha.get(..7).unwrap_or(sha)
}

fn some(files: &[String]) -> String {
    let mut text = files.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    if files.len() > 5 {
        text.push_str(&format!(" (+{} more)", files.len() - 5));
    }
    text
}
