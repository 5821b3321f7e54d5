//! The configuration that init writes, from what was detected and who is installed.

use camino::Utf8Path;
use runr_core::phase::config::Config;
use runr_core::phase::scope::default_env_allowlist;
use serde_json::{Value, json};

use crate::detect::Detected;
use crate::harness::find_binary;
use crate::host::Host;

/// Which of the default workers are on `PATH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Installed {
    claude: bool,
    codex: bool,
}

impl Installed {
    /// Asks the machine.
    pub(super) fn on(host: &Host) -> Self {
        let defaults = Config::default();
        let found = |name| {
            let worker = defaults.workers.get(name);
            worker.is_some_and(|worker| find_binary(host, &host.cwd, worker).is_some())
        };
        Self {
            claude: found("claude"),
            codex: found("codex"),
        }
    }

    pub(super) const fn is_none(self) -> bool {
        !self.claude && !self.codex
    }

    /// Who plans, implements and reviews.
    const fn phases(self) -> [&'static str; 3] {
        match (self.claude, self.codex) {
            (true, false) => ["claude", "claude", "claude"],
            (false, true) => ["codex", "codex", "codex"],
            (true, true) | (false, false) => ["claude", "codex", "claude"],
        }
    }
}

/// The file's value.
pub(super) fn written(root: &Utf8Path, found: &Detected, installed: Installed) -> Value {
    let mut noise = default_env_allowlist();
    noise.extend(found.noise.iter().cloned());
    let [plan, implement, review] = installed.phases();
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    json!({
        "agent": {"name": root.file_name().unwrap_or("project"), "version": "1"},
        "scope": {
            "allowlist": found.allowlist,
            "denylist": ["node_modules/**", ".git/**", ".runr/**", ".env", ".env.local"],
            "lockfiles": found.lockfiles,
            "presets": found.preset_names(),
            "env_allowlist": noise,
        },
        "verification": {
            "tier0": found.commands(0),
            "tier1": found.commands(1),
            "tier2": found.commands(2),
            "risk_triggers": [],
            "max_verify_time_per_milestone": 600,
        },
        "workers": defaults["workers"],
        "phases": {"plan": plan, "implement": implement, "review": review},
        "resilience": defaults["resilience"],
    })
}

#[cfg(test)]
mod tests {
    use runr_core::phase::ops::to_text;

    use super::*;
    use crate::detect::{detect, tests::repositories};

    #[test]
    fn what_is_written_is_read_back_whole_and_without_a_warning() {
        for repository in repositories() {
            let found = detect(&repository);
            for (claude, codex) in [(true, true), (true, false), (false, true), (false, false)] {
                let installed = Installed { claude, codex };
                let value = written(Utf8Path::new("/work/shop"), &found, installed);
                let (config, warnings) = Config::parse(&to_text(&value).unwrap()).unwrap();
                assert!(warnings.is_empty(), "{repository:?}: {warnings:?}");
                let read = serde_json::to_value(config).unwrap();
                for key in ["agent", "scope", "workers", "phases", "resilience"] {
                    assert_eq!(read[key], value[key], "{repository:?}");
                }
                for tier in ["tier0", "tier1", "tier2"] {
                    assert_eq!(read["verification"][tier], value["verification"][tier]);
                }
            }
        }
    }
}
