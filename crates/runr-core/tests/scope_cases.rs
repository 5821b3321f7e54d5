//! The scope guard and the check of owned paths, by the cases of `tests/cases/scope.json`.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use runr_core::phase::owned::check_owned_paths;
use runr_core::phase::scope::{ScopeInput, ScopeResult, check_scope};
use serde_json::{Value, json};

const CASES: &str = include_str!("../../../tests/cases/scope.json");

fn families(kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(CASES).unwrap();
    all[kind].as_array().unwrap().clone()
}

fn texts(value: &Value) -> Vec<String> {
    serde_json::from_value(value.clone()).unwrap()
}

/// What is expected of a path: is it outside, a lockfile, noise?
type Expected = (String, [bool; 3]);

/// The paths of a family with what is expected of them, by the names of the lists.
fn expected(family: &Value, lists: [(&str, [bool; 3]); 4]) -> Vec<Expected> {
    let mut all = Vec::new();
    for (name, verdict) in lists {
        let paths = family.get(name).map(texts).unwrap_or_default();
        all.extend(paths.into_iter().map(|path| (path, verdict)));
    }
    all
}

fn judge(policy: &Value, changed: &[String]) -> ScopeResult {
    let mut input = policy.clone();
    input["changed"] = json!(changed);
    let input: ScopeInput = serde_json::from_value(input).unwrap();
    check_scope(&input)
}

/// Judges each path alone, then all together in both directions. How many cases that were.
#[track_caller]
fn replay(about: &str, policy: &Value, mut paths: Vec<Expected>) -> usize {
    for (path, [outside, lockfile, noise]) in &paths {
        let result = judge(policy, std::slice::from_ref(path));
        let found = [
            &result.scope_violations,
            &result.lockfile_violations,
            &result.env_touched,
        ]
        .map(|list| !list.is_empty());
        assert_eq!(found, [*outside, *lockfile, *noise], "{about}: {path:?}");
        assert_eq!(result.ok, !outside && !lockfile, "{about}: {path:?}");
        assert_eq!(
            result.semantic_changed.is_empty(),
            *noise,
            "{about}: {path:?}"
        );
    }
    for _ in 0..2 {
        paths.reverse();
        let changed: Vec<String> = paths.iter().map(|(path, _)| path.clone()).collect();
        let result = judge(policy, &changed);
        let those = |at: usize| -> Vec<String> {
            let listed = paths.iter().filter(|(_, verdict)| verdict[at]);
            listed.map(|(path, _)| path.clone()).collect()
        };
        assert_eq!(
            result.scope_violations,
            those(0),
            "{about}: in the order of the changes"
        );
        assert_eq!(result.lockfile_violations, those(1), "{about}");
        assert_eq!(result.env_touched, those(2), "{about}");
    }
    paths.len()
}

#[test]
fn every_written_path_is_judged_as_it_is_written() {
    const FINE: [bool; 3] = [false; 3];
    const OUTSIDE: [bool; 3] = [true, false, false];
    let none = ("none", FINE);
    let mut count = 0;
    for family in families("allow") {
        let policy =
            json!({"allowlist": [family["pattern"]], "env_allowlist": [], "lockfiles": []});
        let paths = expected(&family, [("in", FINE), ("out", OUTSIDE), none, none]);
        count += replay(family["pattern"].as_str().unwrap(), &policy, paths);
    }
    for family in families("deny") {
        let policy = json!({"denylist": [family["pattern"]], "env_allowlist": [], "lockfiles": []});
        let paths = expected(&family, [("in", OUTSIDE), ("out", FINE), none, none]);
        count += replay(family["pattern"].as_str().unwrap(), &policy, paths);
    }
    for family in families("scope") {
        let lists = [
            ("fine", FINE),
            ("outside", OUTSIDE),
            ("lockfile", [false, true, false]),
            ("noise", [false, false, true]),
        ];
        let paths = expected(&family, lists);
        count += replay(family["about"].as_str().unwrap(), &family, paths);
    }
    assert!(count >= 260, "only {count} cases");
}

#[test]
fn every_written_path_is_owned_as_it_is_written() {
    let mut count = 0;
    for family in families("owns") {
        let owns = texts(&family["owns"]);
        let check = |changed: &[String]| check_owned_paths(changed, &owns, None).unwrap();
        let outside = texts(&family["outside"]);
        let all = [
            texts(&family["inside"]),
            outside.clone(),
            texts(&family["noise"]),
        ]
        .concat();
        for path in &all {
            let verdict = check(std::slice::from_ref(path));
            assert_eq!(verdict.ok, !outside.contains(path), "{owns:?}: {path:?}");
        }
        assert_eq!(check(&all).violating_files, outside, "{owns:?}");
        count += all.len();
    }
    assert!(count >= 80, "only {count} cases");
}
