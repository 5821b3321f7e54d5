//! Whose files are these: a task's own, another run's, or runr's.

use serde::{Deserialize, Serialize};

use super::scope::default_env_allowlist;
use crate::error::{Code, Error, Result};
use crate::glob::{Dots, GlobSet, globs_overlap};

/// The stored form of a task's `owns` list: slashes, no leading `./` or `/`, directories as
/// `dir/**`, nothing twice.
///
/// # Errors
/// `E_TASK_INVALID` if an entry leaves the repository with `..`.
pub fn normalize_owns(raw: &[String]) -> Result<Vec<String>> {
    let mut all: Vec<String> = Vec::new();
    for entry in raw {
        if let Some(pattern) = normalize_entry(entry)?
            && !all.contains(&pattern)
        {
            all.push(pattern);
        }
    }
    Ok(all)
}

fn normalize_entry(raw: &str) -> Result<Option<String>> {
    let slashed = raw.replace('\\', "/");
    let mut pattern = slashed.trim();
    while let Some(shorter) = pattern.strip_prefix("./").or(pattern.strip_prefix('/')) {
        pattern = shorter;
    }
    let parts: Vec<_> = pattern.split('/').collect();
    if parts.contains(&"..") {
        return Err(Error::new(
            Code::TaskInvalid,
            format!("Invalid task front matter: owns: `{raw}` leaves the repository"),
        )
        .with("field", "owns"));
    }
    let last = parts.len() - 1;
    let kept = parts
        .iter()
        .enumerate()
        .filter(|(i, part)| *i == last || !part.is_empty());
    let pattern = kept.map(|(_, part)| *part).collect::<Vec<_>>().join("/");
    Ok(match pattern.as_str() {
        "" | "." => None,
        wild if wild.contains(['*', '?', '[', ']']) => Some(pattern),
        plain => Some(format!("{}/**", plain.trim_end_matches('/'))),
    })
}

/// Whether a run stayed inside what its task owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "a violation must stop the run"]
pub struct OwnedPaths {
    /// Whether there is no violation; a task that owns nothing is not restricted.
    pub ok: bool,
    /// What the task owns, in stored form.
    pub owned_paths: Vec<String>,
    /// Changes that are not noise; not determined for a task that owns nothing.
    pub semantic_changed: Vec<String>,
    /// Changes outside.
    pub violating_files: Vec<String>,
}

/// Compares changed files with what a task owns. Without `env_allowlist`, noise is the default.
///
/// # Errors
/// `E_TASK_INVALID` for an entry with `..`, `E_CONFIG_INVALID` for an unusable pattern.
pub fn check_owned_paths(
    changed: &[String],
    owns: &[String],
    env_allowlist: Option<&[String]>,
) -> Result<OwnedPaths> {
    let owned_paths = normalize_owns(owns)?;
    if owns.is_empty() {
        return Ok(OwnedPaths {
            ok: true,
            owned_paths,
            semantic_changed: Vec::new(),
            violating_files: Vec::new(),
        });
    }
    let owned = GlobSet::new(&owned_paths, Dots::Skip)?;
    let noise = match env_allowlist {
        Some(list) => GlobSet::new(list, Dots::Match)?,
        None => GlobSet::new(default_env_allowlist(), Dots::Match)?,
    };
    let semantic_changed: Vec<_> = changed
        .iter()
        .filter(|path| !noise.matches(path))
        .cloned()
        .collect();
    // Entries that name nothing, such as `./`, own nothing: then every change is outside.
    let outside = |path: &&String| !owned.matches(path);
    let violating_files: Vec<_> = semantic_changed.iter().filter(outside).cloned().collect();
    Ok(OwnedPaths {
        ok: violating_files.is_empty(),
        owned_paths,
        semantic_changed,
        violating_files,
    })
}

/// A live run and the files its plan expects to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveRun {
    /// Its id.
    pub run_id: String,
    /// Files, not patterns.
    #[serde(default)]
    pub files_expected: Vec<String>,
}

/// A live run that expects to change the same files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collision {
    /// The other run.
    pub run_id: String,
    /// Files in both plans.
    pub colliding_files: Vec<String>,
}

/// The live runs whose plans share a file with `files_expected`, compared as plain text.
#[must_use]
pub fn file_collisions(files_expected: &[String], active_runs: &[ActiveRun]) -> Vec<Collision> {
    let with = |run: &ActiveRun| Collision {
        run_id: run.run_id.clone(),
        colliding_files: (files_expected.iter())
            .filter(|file| run.files_expected.contains(file))
            .cloned()
            .collect(),
    };
    let mut collisions: Vec<_> = active_runs.iter().map(with).collect();
    collisions.retain(|collision| !collision.colliding_files.is_empty());
    collisions
}

/// The patterns of another run that can meet one of ours; `None` when the two scopes are apart. An
/// empty list allows everything.
#[must_use]
pub fn scope_overlap(ours: &[String], theirs: &[String]) -> Option<Vec<String>> {
    let everything = ["**".to_owned()];
    let [ours, theirs] = [ours, theirs].map(|list| match list {
        [] => everything.as_slice(),
        some => some,
    });
    let meets = |pattern: &&String| ours.iter().any(|own| globs_overlap(own, pattern));
    let shared: Vec<String> = theirs.iter().filter(meets).cloned().collect();
    (!shared.is_empty()).then_some(shared)
}

/// Whether runr itself writes `path`; such a change is never judged and never committed.
#[must_use]
pub fn is_own_output(path: &str) -> bool {
    let parts: Vec<_> = path.trim_end_matches('/').split('/').collect();
    matches!(
        parts.as_slice(),
        [".runr-worktrees", ..]
            | [".pi", "runner-coordination", ..]
            | [".runr", "runs" | "quarantine" | "orchestrations" | "checkpoints", ..]
            | [".runr", "task-status.json" | ".task-status.json.tmp" | ".runr.lock" | ".runr.lock.info"]
            | [".runs", ".lock" | "index.json"]
            | [".runs", _, "run_meta.json"]
            // Preparing a flow makes its directory; what an agent puts into it is the agent's.
            | [".runs", _, "plan" | "build" | "review" | "gate" | "deploy" | "wisdom"]
    )
}

/// What `init` appends to `.gitignore`.
pub const IGNORED_BY_INIT: [&str; 5] = [
    ".runr/runs/",
    ".runr/orchestrations/",
    ".runr/checkpoints/",
    ".runr/task-status.json",
    ".runr-worktrees/",
];

/// Whether a change of `.gitignore` only appends lines of [`IGNORED_BY_INIT`]; such a change is
/// runr's own. `before` is the committed text, empty if there is none.
#[must_use]
pub fn is_init_gitignore_change(before: &str, after: &str) -> bool {
    let mut added = after.lines();
    let kept = before.lines().all(|line| added.next() == Some(line));
    kept && added.all(|line| line.is_empty() || IGNORED_BY_INIT.contains(&line))
}

/// Whether `path` steers runs: anything in `.runr/` that runr does not write while running. A
/// worker that changes its own configuration, tasks or prompts breaks the guard.
#[must_use]
pub fn is_protected(path: &str) -> bool {
    (path == ".runr" || path.starts_with(".runr/")) && !is_own_output(path)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::vectors::replay;

    fn texts(value: &Value) -> Vec<String> {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn every_recorded_entry_gets_its_stored_form() {
        replay("phase-ownership.json", "normalize", 12, |case| {
            let stored = normalize_owns(&[case["raw"].as_str().unwrap().to_owned()]).unwrap();
            (case["normalized"].clone(), json!(stored.first()))
        });
    }

    #[test]
    fn every_recorded_ownership_verdict_is_reached_again() {
        replay("phase-ownership.json", "cases", 80, |case| {
            let noise = case["env_allowlist"]
                .as_array()
                .map(|_| texts(&case["env_allowlist"]));
            let owns = texts(&case["owns"]);
            let changed = texts(&case["changed_files"]);
            let verdict = check_owned_paths(&changed, &owns, noise.as_deref()).unwrap();
            (case["expect"].clone(), json!(verdict))
        });
    }

    #[test]
    fn every_recorded_collision_is_found() {
        replay("phase-ownership.json", "collisions", 30, |case| {
            let runs: Vec<ActiveRun> = serde_json::from_value(case["active_runs"].clone()).unwrap();
            let found = file_collisions(&texts(&case["files_expected"]), &runs);
            (case["collisions"].clone(), json!(found))
        });
    }

    #[test]
    fn scopes_meet_where_one_file_can_match_both() {
        let list = |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
        let shared = scope_overlap(&list(&["src/a.*"]), &list(&["docs/**", "src/*.rs"]));
        assert_eq!(shared, Some(list(&["src/*.rs"])));
        assert_eq!(scope_overlap(&list(&["src/**"]), &list(&["docs/**"])), None);
        assert_eq!(
            scope_overlap(&[], &list(&["docs/**"])),
            Some(list(&["docs/**"]))
        );
        assert_eq!(scope_overlap(&list(&["src/**"]), &[]), Some(list(&["**"])));
    }

    #[test]
    fn an_entry_that_leaves_the_repository_is_refused() {
        for bad in ["..", "../x", "src/../../x", r"src\..\..", "/.."] {
            let error = normalize_owns(&[bad.to_owned()]).unwrap_err();
            assert_eq!(error.code(), Code::TaskInvalid, "{bad}");
        }
        assert_eq!(normalize_owns(&["a..b".to_owned()]).unwrap(), ["a..b/**"]);
    }

    #[test]
    fn a_task_that_owns_nothing_is_not_restricted() {
        let changed = ["any/thing".to_owned()];
        assert!(check_owned_paths(&changed, &[], None).unwrap().ok);
        assert!(
            !check_owned_paths(&changed, &["src".to_owned()], None)
                .unwrap()
                .ok
        );
    }

    #[test]
    fn what_runr_writes_is_its_own_and_what_steers_it_is_protected() {
        for own in [
            ".runr-worktrees/1/a",
            ".pi/runner-coordination/x.json",
            ".runs/.lock",
            ".runs/index.json",
            ".runs/gh-17/run_meta.json",
            ".runs/gh-17/build/",
            ".runr/runs/1/state.json",
            ".runr/quarantine/1-2/meta.json",
            ".runr/task-status.json",
            ".runr/checkpoints/abc.json",
        ] {
            assert!(is_own_output(own) && !is_protected(own), "{own}");
        }
        for steering in [
            ".runr/runr.config.json",
            ".runr/tasks/a.md",
            ".runr/prompts/p",
            ".runr",
        ] {
            assert!(
                is_protected(steering) && !is_own_output(steering),
                "{steering}"
            );
        }
        for neither in ["src/a", ".runrx/a", ".runs/gh-17/build/notes.md", ".pi/x"] {
            assert!(
                !is_protected(neither) && !is_own_output(neither),
                "{neither}"
            );
        }
    }

    #[test]
    fn only_appended_lines_of_init_make_a_gitignore_change_our_own() {
        let init = ".runr/runs/\n.runr-worktrees/\n";
        assert!(is_init_gitignore_change("", init));
        assert!(is_init_gitignore_change(
            "/target",
            &format!("/target\n\n{init}")
        ));
        assert!(!is_init_gitignore_change("/target\n", init));
        assert!(!is_init_gitignore_change("", &format!("{init}*.pem\n")));
        assert!(!is_init_gitignore_change(
            "a\nb\n",
            &format!("b\na\n{init}")
        ));
    }
}
