//! What holds where the file says nothing.

use super::{
    Agent, Capture, Coordination, Phases, Receipts, Resilience, Scope, Verification, Worker,
    Workers,
};
use crate::phase::reply::OutputMode;
use crate::phase::scope::{default_env_allowlist, default_lockfiles};

impl Default for Agent {
    fn default() -> Self {
        Self {
            name: "runr".to_owned(),
            version: "1".to_owned(),
        }
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            allowlist: Vec::new(),
            denylist: Vec::new(),
            presets: Vec::new(),
            lockfiles: default_lockfiles(),
            env_allowlist: default_env_allowlist(),
        }
    }
}

impl Default for Verification {
    fn default() -> Self {
        Self {
            tier0: Vec::new(),
            tier1: Vec::new(),
            tier2: Vec::new(),
            cwd: None,
            risk_triggers: Vec::new(),
            max_verify_time_per_milestone: 600,
        }
    }
}

impl Default for Workers {
    /// The two workers every repository has unless its file lists others.
    fn default() -> Self {
        let claude = Worker {
            bin: "claude".to_owned(),
            args: strings(&[
                "-p",
                "--output-format",
                "json",
                "--dangerously-skip-permissions",
            ]),
            output: OutputMode::Json,
        };
        let codex = Worker {
            bin: "codex".to_owned(),
            args: strings(&["exec", "--full-auto", "--json"]),
            output: OutputMode::Jsonl,
        };
        Self(vec![
            ("claude".to_owned(), claude),
            ("codex".to_owned(), codex),
        ])
    }
}

impl Default for Phases {
    fn default() -> Self {
        Self {
            plan: "claude".to_owned(),
            implement: "codex".to_owned(),
            review: "claude".to_owned(),
        }
    }
}

impl Default for Resilience {
    fn default() -> Self {
        Self {
            auto_resume: false,
            max_auto_resumes: 1,
            auto_resume_delays_ms: vec![30_000, 120_000, 300_000],
            max_worker_call_minutes: 45.0,
            max_review_rounds: 2,
            notify: None,
        }
    }
}

impl Default for Coordination {
    fn default() -> Self {
        Self { single_host: true }
    }
}

impl Default for Receipts {
    fn default() -> Self {
        Self {
            redact: true,
            capture_cmd_output: Capture::Truncated,
            max_output_bytes: 10_240,
        }
    }
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
