//! The scope guard: which changed files a run was allowed to touch.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::preset;
use crate::error::Result;
use crate::glob::{Dots, GlobSet};
use crate::mutant::without;

/// The lists a run is judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScopePolicy {
    /// Patterns a change may match; none allows everything that is not denied.
    pub allowlist: Vec<String>,
    /// Patterns a change must not match; stronger than the allowlist.
    pub denylist: Vec<String>,
    /// Lockfiles, which change only with `allow_deps`: paths, or patterns for those of subprojects.
    pub lockfiles: Vec<String>,
    /// Whether lockfiles may change.
    pub allow_deps: bool,
    /// Noise: what tools leave behind. Neither judged nor committed.
    pub env_allowlist: Vec<String>,
    /// Names of presets, whose patterns are added to the allowlist.
    pub presets: Vec<String>,
}

impl Default for ScopePolicy {
    fn default() -> Self {
        Self {
            allowlist: Vec::new(),
            denylist: Vec::new(),
            lockfiles: default_lockfiles(),
            allow_deps: false,
            env_allowlist: default_env_allowlist(),
            presets: Vec::new(),
        }
    }
}

/// The lockfiles known without a configuration.
#[must_use]
pub fn default_lockfiles() -> Vec<String> {
    [
        "package-lock.json",
        "pnpm-lock.yaml",
        "yarn.lock",
        "Cargo.lock",
        "poetry.lock",
        "uv.lock",
        "go.sum",
        "bun.lockb",
        "bun.lock",
        "Gemfile.lock",
        "composer.lock",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The noise known without a configuration.
#[must_use]
pub fn default_env_allowlist() -> Vec<String> {
    [
        "node_modules",
        "node_modules/**",
        ".next/**",
        "dist/**",
        "build/**",
        ".turbo/**",
        ".eslintcache",
        "coverage/**",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Changed files and the lists they are judged by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeInput {
    /// Repository-relative paths, each file by itself, without what runr itself writes.
    pub changed: Vec<String>,
    /// The lists.
    #[serde(flatten)]
    pub policy: ScopePolicy,
}

/// The verdict; every list keeps the order of the changed files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "a violation must stop the run"]
pub struct ScopeResult {
    /// Whether there is no violation.
    pub ok: bool,
    /// The allowlist with the patterns of the presets, without repetitions.
    pub effective_allowlist: Vec<String>,
    /// Changes that are noise.
    pub env_touched: Vec<String>,
    /// Changes that are not.
    pub semantic_changed: Vec<String>,
    /// Changes that are denied, or not allowed.
    pub scope_violations: Vec<String>,
    /// Lockfiles changed without leave.
    pub lockfile_violations: Vec<String>,
}

/// A policy compiled once, for many lists of changes.
#[derive(Debug, Clone)]
pub struct ScopeRules {
    effective_allowlist: Vec<String>,
    allow: GlobSet,
    deny: GlobSet,
    noise: GlobSet,
    /// Empty when lockfiles may change.
    lockfiles: HashSet<String>,
    lockfile_patterns: GlobSet,
}

impl ScopeRules {
    /// Compiles a policy. Denied patterns and noise see hidden files, allowed ones do
    /// not: tools hide much of what they leave behind.
    ///
    /// # Errors
    /// `E_CONFIG_INVALID` if a pattern is unusable.
    pub fn new(policy: &ScopePolicy) -> Result<Self> {
        let effective_allowlist = preset::expand(&policy.allowlist, &policy.presets);
        let lockfiles = if policy.allow_deps {
            &[]
        } else {
            policy.lockfiles.as_slice()
        };
        Ok(Self {
            allow: GlobSet::new(&effective_allowlist, Dots::Skip)?,
            deny: GlobSet::new(
                &policy.denylist,
                if without("deny-dots") {
                    Dots::Skip
                } else {
                    Dots::Match
                },
            )?,
            noise: GlobSet::new(&policy.env_allowlist, Dots::Match)?,
            // A path is first of all itself, whatever its characters mean in a pattern.
            lockfiles: lockfiles.iter().cloned().collect(),
            lockfile_patterns: GlobSet::new(lockfiles, Dots::Match)?,
            effective_allowlist,
        })
    }

    /// The allowlist with the patterns of the presets.
    #[must_use]
    pub fn effective_allowlist(&self) -> &[String] {
        &self.effective_allowlist
    }

    /// Whether a change of `path` is what tools leave behind.
    #[must_use]
    pub fn is_noise(&self, path: &str) -> bool {
        self.noise.matches(path)
    }

    /// Whether the denylist names `path`, hidden or not.
    #[must_use]
    pub fn is_denied(&self, path: &str) -> bool {
        self.deny.matches(path)
    }

    /// Whether `path` may be planned and changed: allowed and not denied. Lockfiles apart.
    #[must_use]
    pub fn is_in_scope(&self, path: &str) -> bool {
        !self.deny.matches(path)
            && (self.effective_allowlist.is_empty() || self.allow.matches(path))
    }

    /// Whether `path` is a lockfile that must not change.
    fn is_lockfile(&self, path: &str) -> bool {
        self.lockfiles.contains(path) || self.lockfile_patterns.matches(path)
    }

    /// Judges changed files.
    pub fn check(&self, changed: &[String]) -> ScopeResult {
        let (env_touched, semantic_changed): (Vec<_>, Vec<_>) = changed
            .iter()
            .cloned()
            .partition(|path| self.is_noise(path));
        let among = |judge: &dyn Fn(&String) -> bool| -> Vec<String> {
            semantic_changed
                .iter()
                .filter(|path| judge(path))
                .cloned()
                .collect()
        };
        let scope_violations = among(&|path| !self.is_in_scope(path));
        let lockfile_violations = among(&|path| self.is_lockfile(path));
        ScopeResult {
            ok: scope_violations.is_empty() && lockfile_violations.is_empty(),
            effective_allowlist: self.effective_allowlist.clone(),
            env_touched,
            semantic_changed,
            scope_violations,
            lockfile_violations,
        }
    }
}

/// Judges changed files by a policy. Unusable patterns excuse nothing: every change violates.
pub fn check_scope(input: &ScopeInput) -> ScopeResult {
    let changed = &input.changed;
    ScopeRules::new(&input.policy).map_or_else(
        |_| ScopeResult {
            ok: false,
            effective_allowlist: preset::expand(&input.policy.allowlist, &input.policy.presets),
            env_touched: Vec::new(),
            semantic_changed: changed.clone(),
            scope_violations: changed.clone(),
            lockfile_violations: Vec::new(),
        },
        |rules| rules.check(changed),
    )
}

/// Why a run must not start on a tree with these changes, in fixed order.
#[must_use]
pub fn preflight_reasons(result: &ScopeResult, allow_dirty: bool) -> Vec<String> {
    let dirty = !allow_dirty && !result.semantic_changed.is_empty();
    let reasons = [
        (dirty, "dirty_worktree"),
        (!result.scope_violations.is_empty(), "scope_violation"),
        (!result.lockfile_violations.is_empty(), "lockfile_violation"),
    ];
    let holding = reasons.iter().filter(|(holds, _)| *holds);
    holding.map(|(_, reason)| (*reason).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::vectors::{replay, vectors};

    fn paths(list: &[&str]) -> Vec<String> {
        list.iter().map(|path| (*path).to_owned()).collect()
    }

    fn policy(value: Value) -> ScopePolicy {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn every_recorded_guard_decision_is_taken_again() {
        replay("phase-scope-guard.json", "cases", 260, |case| {
            let mut input = case["scope"].clone();
            input["changed"] = case["changed_files"].clone();
            input["allow_deps"] = case["allow_deps"].clone();
            let result = check_scope(&serde_json::from_value(input).unwrap());
            let reasons = preflight_reasons(&result, case["allow_dirty"].as_bool().unwrap());
            let mut actual = serde_json::to_value(&result).unwrap();
            let ok = actual.as_object_mut().unwrap().shift_remove("ok").unwrap();
            actual["implement_ok"] = ok;
            actual["preflight_reasons"] = json!(reasons);
            (case["expect"].clone(), actual)
        });
    }

    #[test]
    fn what_tools_hide_below_their_folder_is_noise_too() {
        let input: ScopeInput = serde_json::from_value(json!({
            "changed": ["target/.rustc_info.json", "target/debug/.fingerprint/a/b", "src/.hidden"],
            "allowlist": ["src/**"],
            "env_allowlist": ["target/**"],
        }))
        .unwrap();
        let result = check_scope(&input);
        assert_eq!(result.env_touched, input.changed[..2]);
        assert_eq!(result.scope_violations, input.changed[2..]);
        let owns = paths(&["src"]);
        let owned = super::super::owned::check_owned_paths(
            &input.changed[..2],
            &owns,
            Some(&input.policy.env_allowlist),
        );
        assert!(owned.unwrap().ok);
    }

    #[test]
    fn what_is_missing_is_the_documented_default() {
        let file = vectors("phase-scope-guard.json");
        let input: ScopeInput = serde_json::from_value(json!({"changed": ["a"]})).unwrap();
        assert_eq!(input.policy, ScopePolicy::default());
        assert_eq!(
            json!(input.policy.env_allowlist),
            file["env_allowlist_default"]
        );
        let lockfiles = &input.policy.lockfiles;
        assert_eq!(json!(lockfiles[..3]), file["lockfiles_default"]);
        assert!(lockfiles.iter().any(|path| path == "Cargo.lock"));
    }

    #[test]
    fn a_denied_pattern_reaches_hidden_files_and_beats_the_allowlist() {
        let policy = policy(json!({"allowlist": ["**", ".ssh/**"], "denylist": ["**/*.pem"]}));
        let rules = ScopeRules::new(&policy).unwrap();
        let result = rules.check(&paths(&[".ssh/k.pem", ".ssh/config", "src/a.ts", ".env"]));
        assert_eq!(result.scope_violations, [".ssh/k.pem", ".env"]);
        assert!(!result.ok);
    }

    #[test]
    fn an_unusable_pattern_excuses_nothing() {
        let bomb = "{a,b}".repeat(20);
        for list in ["allowlist", "denylist", "env_allowlist"] {
            let input = json!({"changed": ["src/a.ts"], list: ["**", bomb]});
            let result = check_scope(&serde_json::from_value(input).unwrap());
            assert_eq!(result.scope_violations, ["src/a.ts"], "{list}");
            assert!(!result.ok);
        }
    }

    #[test]
    fn an_allowed_lockfile_is_still_a_violation_without_leave() {
        let mut policy = policy(json!({"allowlist": ["Cargo.*"]}));
        let changed = paths(&["Cargo.lock", "Cargo.toml", "sub/Cargo.lock"]);
        let result = ScopeRules::new(&policy).unwrap().check(&changed);
        assert_eq!(result.lockfile_violations, ["Cargo.lock"]);
        assert_eq!(
            preflight_reasons(&result, true),
            ["scope_violation", "lockfile_violation"]
        );
        policy.lockfiles = paths(&["**/Cargo.lock", "a[b]/x.lock"]);
        let changed = paths(&[
            "Cargo.lock",
            "sub/Cargo.lock",
            ".x/Cargo.lock",
            "a[b]/x.lock",
        ]);
        let result = ScopeRules::new(&policy).unwrap().check(&changed);
        assert_eq!(
            result.lockfile_violations, changed,
            "a pattern reaches subprojects"
        );
        policy.allow_deps = true;
        policy.allowlist.push("**".to_owned());
        assert!(ScopeRules::new(&policy).unwrap().check(&changed[..2]).ok);
    }
}
