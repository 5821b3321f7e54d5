//! The report for people.

use std::fmt::Write;

use super::{Report, Usage};
use crate::phase::event::Usage as Told;

/// The run and its key figures, one per line, with a newline at the end.
#[must_use]
pub fn kpi_text(report: &Report) -> String {
    let lines = [
        ("total_duration", total_duration(report)),
        ("outcome", outcome(report)),
        (
            "milestones_completed",
            format!(
                "{}/{}",
                report.milestones.completed, report.milestones.total
            ),
        ),
        ("worker_calls", worker_calls(report)),
        ("phases", phases(report)),
        ("verify", verify(report)),
        ("reliability", reliability(report)),
        ("usage", usage(&report.usage)),
        (
            "repeated failure",
            report.repeated_failure.clone().unwrap_or_default(),
        ),
    ];
    let mut out = format!("Run: {}\nKPIs:\n", report.run_id);
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {name}: {value}");
    }
    out
}

/// A duration as people read it: `532ms`, `34s`, `12m26s`, `1h5m`; `unknown` for none.
///
/// Below a minute the fraction is cut off, from a minute on it is rounded to whole seconds.
#[must_use]
pub fn human_duration(ms: impl Into<Option<u64>>) -> String {
    let Some(ms) = ms.into() else {
        return "unknown".to_owned();
    };
    let seconds = ms / 1000 + u64::from(ms % 1000 >= 500);
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..60_000 => format!("{}s", ms / 1000),
        _ if seconds < 3_600 => format!("{}m{}s", seconds / 60, seconds % 60),
        _ => format!("{}h{}m", seconds / 3_600, seconds % 3_600 / 60),
    }
}

fn total_duration(report: &Report) -> String {
    let total = human_duration(report.total_duration_ms);
    let mut parts = Vec::new();
    if let Some(unattributed) = report.unattributed_ms {
        parts.push(format!("unattributed: {}", human_duration(unattributed)));
    }
    if let Some(idle) = report.idle_ms.filter(|idle| *idle > 0) {
        parts.push(format!("idle: {}", human_duration(idle)));
    }
    if parts.is_empty() {
        total
    } else {
        format!("{total} ({})", parts.join(", "))
    }
}

fn outcome(report: &Report) -> String {
    let outcome = report.outcome.as_str();
    match &report.stop_reason {
        Some(reason) => format!("{outcome} ({reason})"),
        None => outcome.to_owned(),
    }
}

fn worker_calls(report: &Report) -> String {
    match &report.workers {
        None => "unknown".to_owned(),
        Some(calls) if calls.is_empty() => "none".to_owned(),
        Some(calls) => joined(
            calls
                .iter()
                .map(|(worker, calls)| format!("{worker}={calls}")),
        ),
    }
}

fn phases(report: &Report) -> String {
    if report.phases.is_empty() {
        return "none".to_owned();
    }
    joined(report.phases.iter().map(|(phase, time)| {
        format!(
            "{phase}={}(x{})",
            human_duration(time.duration_ms),
            time.count
        )
    }))
}

fn verify(report: &Report) -> String {
    let verify = report.verify;
    let duration = human_duration(verify.total_duration_ms);
    format!(
        "attempts={} retries={} duration={duration}",
        verify.attempts, verify.retries
    )
}

fn reliability(report: &Report) -> String {
    let found = report.reliability;
    let counts = [
        ("infra_retries", found.infra_retries),
        ("fallback_count", found.fallback_count.into()),
        ("stalls_triggered", found.stalls_triggered.into()),
        ("late_results_ignored", found.late_results_ignored.into()),
    ];
    let troubles = joined(
        counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{name}={count}")),
    );
    if troubles.is_empty() {
        "clean".to_owned()
    } else {
        troubles
    }
}

/// Empty when no call told anything. Whose calls left their cost open is named.
fn usage(usage: &Usage) -> String {
    let total = &usage.total;
    let told = usage_text(&Told {
        input_tokens: total.input_tokens,
        output_tokens: total.output_tokens,
        cost_usd: total.cost_usd,
    });
    let silent = usage.by_worker.iter();
    let silent = silent.filter(|(_, worker)| worker.unknown_calls > 0);
    let silent = joined(silent.map(|(name, worker)| format!("{name}={}", worker.unknown_calls)));
    if told.is_empty() || silent.is_empty() {
        told
    } else {
        format!("{told} (calls of unknown cost: {silent})")
    }
}

/// Tokens and cost as people read them: `1234 tokens, $0.56`; empty where nothing is known.
#[must_use]
pub fn usage_text(usage: &Told) -> String {
    let mut parts = Vec::new();
    if usage.input_tokens.is_some() || usage.output_tokens.is_some() {
        let (input, output) = (usage.input_tokens, usage.output_tokens);
        let tokens = input.unwrap_or(0).saturating_add(output.unwrap_or(0));
        parts.push(format!("{tokens} tokens"));
    }
    if let Some(cost) = usage.cost_usd {
        parts.push(format!("${cost:.2}"));
    }
    parts.join(", ")
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(" ")
}
