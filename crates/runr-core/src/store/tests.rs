//! The recorded cases of the store.

use serde_json::{Value, json};

use super::*;
use crate::RunId;
use crate::vectors::vectors;

/// Replays the cases of a kind; every difference is printed.
fn replay(kind: &str, count: usize, run: impl Fn(&Value) -> (Value, Value)) {
    let all = vectors("store-meta.json");
    let cases = all["cases"].as_array().unwrap();
    let cases: Vec<_> = cases.iter().filter(|case| case["kind"] == kind).collect();
    assert_eq!(cases.len(), count, "{kind}");
    for case in cases {
        let (expected, actual) = run(case);
        assert_eq!(expected, actual, "{}", case["id"]);
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn new_documents_have_exactly_the_recorded_bytes() {
    replay("new", 8, |case| {
        let field = |key: &str| text(&case["input"][key]);
        let new = NewRun {
            run_id: field("run_id").parse().unwrap(),
            repo_id: field("repo_id"),
            title: field("title"),
            runner: field("runner"),
            runner_cmd: field("runner_cmd"),
            parent_branch: field("parent_branch"),
            branch: field("branch"),
            worktree_path: field("worktree_path").into(),
            created_at: field("created_at").parse().unwrap(),
        };
        let written = meta_text(&new);
        let read = parse_meta(&written, &new.run_id, None).unwrap();
        assert_eq!(read, RunMeta::new(&new));
        (case["expected_text"].clone(), json!(written))
    });
}

#[test]
fn updated_documents_have_exactly_the_recorded_bytes() {
    replay("update", 7, |case| {
        let ops = MetaOp::list(&case["ops"].to_string()).unwrap();
        let start = text(&case["start_text"]);
        let updated = apply_meta_ops(&start, &ops).unwrap();
        assert_eq!(apply_meta_ops(&updated, &ops).unwrap(), updated);
        (case["expected_text"].clone(), json!(updated))
    });
}

#[test]
fn recorded_documents_are_read_or_refused_as_recorded() {
    replay("read", 5, |case| {
        let id: RunId = text(&case["dir_run_id"]).parse().unwrap();
        let repo_id = case["dir_repo_id"].as_str();
        let read = parse_meta(case["text"].as_str().unwrap(), &id, repo_id);
        let actual = match read {
            Ok(meta) => json!({ "value": meta }),
            Err(_) => json!({"error": "E_STORE_CORRUPT"}),
        };
        (case["expected"].clone(), actual)
    });
}

#[test]
fn repositories_have_the_recorded_ids() {
    replay("repo_id", 4, |case| {
        let input = |key: &str| text(&case["input"][key]);
        let (origin, root) = (input("origin_url"), input("repo_root"));
        let key = repo_key(&origin, root.as_str().into());
        let actual = json!({
            "github": key.starts_with("github:"),
            "repo_id": repo_id(&origin, root.as_str().into()),
            "repo_key": key,
        });
        (case["expected"].clone(), actual)
    });
}

#[test]
fn branches_have_the_recorded_names() {
    replay("branch", 3, |case| {
        let input = |key: &str| text(&case["input"][key]);
        let (title, id) = (input("title"), input("run_id"));
        let prefix = input("prefix");
        let prefix = prefix.strip_suffix('/').unwrap();
        let actual = json!({
            "slug": slug(&title),
            "short_id": short_id(&id),
            "branch": branch_name(&title, &id, prefix),
        });
        (case["expected"].clone(), actual)
    });
}

#[test]
fn references_resolve_as_recorded() {
    replay("resolve", 4, |case| {
        let refs: Vec<(String, String, String, bool)> =
            serde_json::from_value(case["refs"].clone()).unwrap();
        let candidates: Vec<_> = refs
            .iter()
            .map(|(repo, id, name, active)| Candidate::new(repo, id, Some(name), *active))
            .collect();
        let actual = match resolve(case["input"].as_str().unwrap(), &candidates, None) {
            Ok(index) => json!({"ok": [refs[index].0, refs[index].1]}),
            Err(error) => {
                let form = error.to_json();
                let mut actual = json!({"error": form["code"]});
                if let Some(list) = form["candidates"].as_array() {
                    let pair = |run: &Value| json!([run["repo_id"], run["run_id"]]);
                    actual["candidates"] = list.iter().map(pair).collect();
                }
                actual
            }
        };
        (case["expected"].clone(), actual)
    });
}
