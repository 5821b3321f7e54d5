//! The numbers of the report that do not depend on time.
//!
//! Sums saturate: a timeline with absurd numbers gives an absurd report, not a panic.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Consumption, Reliability, Usage, Verify, text};
use crate::phase::event::Record;

/// What is merely counted.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) workers: Option<BTreeMap<String, u64>>,
    pub(super) verify: Verify,
    pub(super) completed: BTreeSet<u64>,
    pub(super) reliability: Reliability,
    pub(super) usage: Usage,
    pub(super) repeated_failure: Option<String>,
}

impl Counts {
    pub(super) fn see(&mut self, record: &Record) {
        match record.kind.as_str() {
            "verification" => {
                self.verify.attempts += 1;
                let total = &mut self.verify.total_duration_ms;
                *total = total.saturating_add(number(record, "duration_ms"));
            }
            "verify_failed_retry" => {
                self.verify.retries += 1;
                if record.payload.get("same_as_previous") == Some(&Value::Bool(true)) {
                    self.repeated_failure = text(record, "fingerprint").map(str::to_owned);
                }
            }
            "checkpoint_complete" | "milestone_complete" => {
                self.completed.extend(
                    record
                        .payload
                        .get("milestone_index")
                        .and_then(Value::as_u64),
                );
            }
            "worker_stats" => self.workers = record.payload.get("stats").and_then(worker_calls),
            "worker_call_finished" => self.call(record),
            "parse_failed" => {
                let retries = &mut self.reliability.infra_retries;
                *retries = retries.saturating_add(number(record, "retry_count"));
            }
            "worker_fallback" => {
                self.reliability.fallback_used = true;
                self.reliability.fallback_count += 1;
            }
            "late_worker_result_ignored" => self.reliability.late_results_ignored += 1,
            "stop" if text(record, "reason") == Some("stalled_timeout") => {
                self.reliability.stalls_triggered += 1;
            }
            _ => {}
        }
    }

    fn call(&mut self, record: &Record) {
        let usage = record.payload.get("usage").unwrap_or(&Value::Null);
        self.usage.total.add(usage);
        if let Some(worker) = text(record, "worker") {
            self.usage
                .by_worker
                .entry(worker.to_owned())
                .or_default()
                .add(usage);
        }
    }
}

impl Consumption {
    fn add(&mut self, usage: &Value) {
        let input = usage["input_tokens"].as_u64();
        let output = usage["output_tokens"].as_u64();
        let cost = usage["cost_usd"].as_f64();
        self.unknown_calls += u32::from(cost.is_none());
        add_known(&mut self.input_tokens, input, u64::saturating_add);
        add_known(&mut self.output_tokens, output, u64::saturating_add);
        add_known(&mut self.cost_usd, cost, |sum, told| sum + told);
    }
}

fn add_known<T: Copy>(sum: &mut Option<T>, told: Option<T>, add: impl Fn(T, T) -> T) {
    if let Some(told) = told {
        *sum = Some(sum.map_or(told, |sum| add(sum, told)));
    }
}

/// Each record holds the sums so far; what is no number, such as the split by phase, is left out.
fn worker_calls(stats: &Value) -> Option<BTreeMap<String, u64>> {
    let stats = stats.as_object()?;
    Some(
        stats
            .iter()
            .filter_map(|(worker, calls)| Some((worker.clone(), calls.as_u64()?)))
            .collect(),
    )
}

fn number(record: &Record, key: &str) -> u64 {
    record.payload.get(key).and_then(Value::as_u64).unwrap_or(0)
}
