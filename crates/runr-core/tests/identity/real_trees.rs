//! Recordings of real repositories: a preparation touches the intended lines and nothing else.

use runr_core::identity::{Flow, PrepRequest};
use serde_json::Value;

use crate::place::{Place, copy_real, real_trees};

/// The lines of a text that are not in another, in order.
fn new_lines<'t>(before: &str, after: &'t str) -> Vec<&'t str> {
    let mut left: Vec<&str> = before.lines().collect();
    let mut new = Vec::new();
    for line in after.lines() {
        match left.iter().position(|it| *it == line) {
            Some(at) => drop(left.remove(at)),
            None => new.push(line),
        }
    }
    new
}

#[test]
fn every_real_tree_shows_only_the_intended_lines() {
    let Some(trees) = real_trees() else {
        eprintln!("SKIPPED: the real trees are not on this machine (RUNR_REAL_RUNS)");
        return;
    };
    let mut seen = 0;
    for tree in std::fs::read_dir(trees).unwrap() {
        let name = tree.unwrap().file_name().into_string().unwrap();
        let place = Place::new();
        copy_real(&name, place.root().as_std_path()).unwrap();
        let before = place.contents();
        let items: Vec<_> = before
            .keys()
            .filter(|path| path.ends_with("run_meta.json"))
            .filter_map(|path| Some(path.parent()?.file_name()?.to_str()?.to_owned()))
            .collect();
        for id in items {
            check(&place, &id, &name);
            seen += 1;
        }
    }
    assert!(seen >= 18, "{seen}");
}

fn check(place: &Place, id: &str, tree: &str) {
    let paths = [
        format!(".runs/{id}/run_meta.json"),
        ".runs/index.json".to_owned(),
    ];
    let text = |path: &String| std::fs::read_to_string(place.root().join(path)).unwrap_or_default();
    let before = paths.each_ref().map(text);
    let all = place.contents();
    let report = place.prep(
        &PrepRequest::new(Flow::Wisdom).run_id(id),
        "2026-05-06T07:08:09Z",
    );
    assert_eq!(report.run_id.as_deref(), Some(id), "{tree}: {report:?}");
    let stored: Value = serde_json::from_str(&before[0]).unwrap();
    for line in new_lines(&before[0], &text(&paths[0])) {
        let key = line.trim().split('"').nth(1).unwrap_or_default();
        let value = stored.get(key);
        let computed = ["updated_at", "iterations", "flows_started", "aliases"].contains(&key);
        // A comma after the last member, a new element, a field that said nothing.
        let added =
            value.is_none_or(Value::is_null) || before[0].contains(line.trim_end_matches(','));
        assert!(computed || added, "{tree} {id}: {line}");
    }
    let listed = before[1].contains(&format!("\"run_id\": \"{id}\""));
    for line in new_lines(&before[1], &text(&paths[1])) {
        let key = line.trim().split('"').nth(1).unwrap_or_default();
        let ours = ["updated_at", "last_flow"].contains(&key);
        assert!(ours || !listed || pointer(key), "{tree} {id}: {line}");
    }
    let after = place.contents();
    for (path, bytes) in all {
        if !paths.iter().any(|it| path.ends_with(it)) {
            assert_eq!(after[&path], bytes, "{tree} {}", path.display());
        }
    }
}

/// A pointer that the entry had lost comes back from the metadata.
fn pointer(key: &str) -> bool {
    [
        "canonical_key",
        "task_key",
        "task_title",
        "issue_number",
        "pr_number",
        "status",
    ]
    .contains(&key)
}
