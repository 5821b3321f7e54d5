//! The configuration file of a test repository.

use serde_json::{Value, json};

/// A configuration under construction; the defaults let a scripted run pass every gate.
#[derive(Debug, Clone)]
pub(crate) struct Config(Value);

impl Config {
    /// Allows `src/**`, denies nothing, has one check that passes. The binaries of both workers do
    /// not exist, so a test whose script is not used fails at the probe.
    pub(crate) fn new() -> Self {
        let missing =
            |output: &str| json!({"bin": "runr-test-absent-worker", "args": [], "output": output});
        Self(json!({
            "agent": {"name": "sandbox", "version": "1"},
            "scope": {"allowlist": ["src/**"], "denylist": []},
            "verification": {"tier0": ["test -f src/base.txt"], "tier1": [], "tier2": []},
            "workers": {"claude": missing("json"), "codex": missing("jsonl")},
        }))
    }

    /// Replaces the allowlist.
    pub(crate) fn allow(self, patterns: &[&str]) -> Self {
        self.set("scope", "allowlist", json!(patterns))
    }

    /// Replaces the denylist.
    pub(crate) fn deny(self, patterns: &[&str]) -> Self {
        self.set("scope", "denylist", json!(patterns))
    }

    /// Replaces the commands of a tier.
    pub(crate) fn tier(self, tier: &str, commands: &[&str]) -> Self {
        self.set("verification", tier, json!(commands))
    }

    /// Replaces the three tiers by nothing.
    pub(crate) fn unverified(self) -> Self {
        self.tier("tier0", &[])
            .tier("tier1", &[])
            .tier("tier2", &[])
    }

    /// Sets a worker; the first of a file is tried first, the next key is its fallback.
    pub(crate) fn worker(self, name: &str, bin: &str, args: &[&str]) -> Self {
        self.set(
            "workers",
            name,
            json!({"bin": bin, "args": args, "output": "text"}),
        )
    }

    /// Names the worker of each stage.
    pub(crate) fn phases(mut self, plan: &str, implement: &str, review: &str) -> Self {
        self.0["phases"] = json!({"plan": plan, "implement": implement, "review": review});
        self
    }

    /// Sets `section.key`, making the section where it is missing.
    pub(crate) fn set(mut self, section: &str, key: &str, value: Value) -> Self {
        if !self.0[section].is_object() {
            self.0[section] = json!({});
        }
        self.0[section][key] = value;
        self
    }

    /// The bytes of the file.
    pub(crate) fn text(&self) -> String {
        format!("{}\n", serde_json::to_string_pretty(&self.0).unwrap())
    }
}
