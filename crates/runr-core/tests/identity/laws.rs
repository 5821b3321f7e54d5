//! What holds for every file and every sequence of preparations.

use std::collections::BTreeSet;

use proptest::prelude::*;
use runr_core::Timestamp;
use runr_core::identity::{Facts, Flow, IndexEntry, MetaPatch, merge_run_meta, upsert_index};
use serde_json::{Map, Value, json};

fn flow() -> impl Strategy<Value = Flow> {
    proptest::sample::select(Flow::ALL.to_vec())
}

fn facts() -> impl Strategy<Value = Facts> {
    let repo = || {
        proptest::option::of(proptest::sample::select(vec!["o/r", "o/s"]).prop_map(str::to_owned))
    };
    let answer = || proptest::option::of(any::<bool>());
    (
        repo(),
        repo(),
        answer(),
        answer(),
        proptest::option::of(1u64..9),
    )
        .prop_map(
            |(
                github_repo,
                github_repo_expected,
                github_ops_allowed,
                repo_mismatch,
                issue_number,
            )| Facts {
                github_repo,
                github_repo_expected,
                github_ops_allowed,
                repo_mismatch,
                issue_number,
                ..Facts::default()
            },
        )
}

const ID: &str = "gh-7";

fn patch() -> impl Strategy<Value = MetaPatch> {
    let alias = proptest::sample::select(vec!["a", "b", "Feat/X", "pr-3"]);
    let aliases = proptest::collection::vec(alias, 0..3);
    let base = proptest::option::of(Just("origin/main".to_owned()));
    (flow(), aliases, facts(), base, 0i64..2_000_000_000).prop_map(
        |(flow, aliases, facts, base_ref, now)| {
            let now = Timestamp::from_millis(now * 1000);
            let mut patch = MetaPatch::new(ID, flow, now);
            patch.aliases = aliases.into_iter().map(str::to_owned).collect();
            patch.facts = facts;
            patch.base_ref = base_ref;
            patch
        },
    )
}

/// Metadata as anybody may have written them: some fields, some null, some foreign, in any order.
fn stored() -> impl Strategy<Value = String> {
    let field = prop_oneof![
        Just(("run_id", json!(ID))),
        Just(("canonical_key", Value::Null)),
        Just(("canonical_key", json!("gh-8"))),
        Just(("github_ops_allowed", json!(false))),
        Just(("github_ops_allowed", json!(true))),
        Just(("github_ops_allowed", Value::Null)),
        Just(("github_repo", json!("o/kept"))),
        Just(("repo_mismatch", json!(true))),
        Just(("issue_number", json!(7))),
        Just(("issue_number", Value::Null)),
        Just(("aliases", json!(["z", "a", "z"]))),
        Just(("aliases", Value::Null)),
        Just(("flows_started", json!(["signal", "plan", "plan", 3]))),
        Just(("iterations", json!(4))),
        Just(("created_at", json!("2020-01-01T00:00:00Z"))),
        Just(("updated_at", json!("2030-01-01T00:00:00Z"))),
        Just(("related_runs", json!([{"x": 1}]))),
        Just(("harness_runs", json!(["20260101000000"]))),
        Just(("foreign", json!({"deep": [1, 2.50, "ä"]}))),
        Just(("task_title", json!(["of", "another", "type"]))),
        Just(("source", json!("manual"))),
    ];
    (proptest::collection::vec(field, 0..12), any::<bool>()).prop_map(|(fields, pretty)| {
        let map: Map<String, Value> = fields
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        if pretty {
            format!("{:#}\n", Value::Object(map))
        } else {
            Value::Object(map).to_string()
        }
    })
}

fn merged(text: &str, patch: &MetaPatch) -> String {
    merge_run_meta(Some(text), patch).unwrap().text
}

fn read(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap()
}

const MOVING: [&str; 4] = ["iterations", "updated_at", "aliases", "flows_started"];

fn without_counters(text: &str) -> Map<String, Value> {
    let mut map = read(text);
    map.retain(|key, _| key != "iterations" && key != "updated_at");
    map
}

fn texts(value: &Value) -> BTreeSet<&str> {
    value
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect()
}

/// 256 cases of each law, in the long form 10,000.
fn cases() -> ProptestConfig {
    let long = std::env::var_os("RUNR_TEST_LONG").is_some();
    ProptestConfig::with_cases(if long { 10_000 } else { 256 })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_says_something_keeps_saying_it(text in stored(), patch in patch()) {
        let (before, after) = (read(&text), read(&merged(&text, &patch)));
        for (key, value) in &before {
            if !value.is_null() && !MOVING.contains(&key.as_str()) {
                prop_assert_eq!(&after[key], value, "{}", key);
            }
        }
        let surviving: Vec<_> = after.keys().filter(|key| before.contains_key(*key)).collect();
        prop_assert_eq!(surviving, before.keys().collect::<Vec<_>>());
    }

    #[test]
    fn merging_again_changes_only_the_counters(text in stored(), patch in patch()) {
        let once = merged(&text, &patch);
        let twice = merged(&once, &patch);
        prop_assert_eq!(without_counters(&once), without_counters(&twice));
        let count = |text: &str| read(text)["iterations"].as_u64().unwrap();
        let first = read(&text).get("iterations").and_then(Value::as_u64).unwrap_or(0);
        prop_assert_eq!((count(&once), count(&twice)), (first + 1, first + 2));
        prop_assert_eq!(&read(&twice)["updated_at"], &json!(patch.now.to_seconds_string()));
    }

    #[test]
    fn once_forbidden_stays_forbidden(text in stored(), patches in proptest::collection::vec(patch(), 1..5)) {
        let mut text = text;
        let mut forbidden = false;
        for patch in &patches {
            text = merged(&text, patch);
            let allowed = read(&text)["github_ops_allowed"].as_bool().unwrap();
            prop_assert!(!(forbidden && allowed));
            forbidden = !allowed;
        }
    }

    #[test]
    fn lists_only_grow(text in stored(), patch in patch()) {
        let (before, after) = (read(&text), read(&merged(&text, &patch)));
        let list = |map: &Map<String, Value>, key: &str| map.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let (old, new) = (list(&before, "flows_started"), list(&after, "flows_started"));
        prop_assert!(new.starts_with(&old) && new.len() <= old.len() + 1);
        prop_assert!(new.contains(&json!(patch.flow)));
        let mut wanted: BTreeSet<&str> = patch.aliases.iter().map(String::as_str).collect();
        wanted.insert(ID);
        let old = Value::Array(list(&before, "aliases"));
        wanted.extend(texts(&old));
        prop_assert_eq!(texts(&after["aliases"]), wanted);
        let aliases = after["aliases"].as_array().unwrap();
        prop_assert_eq!(aliases.len(), texts(&after["aliases"]).len());
        let mut first = Vec::new();
        for alias in old.as_array().unwrap() {
            if !first.contains(alias) { first.push(alias.clone()) }
        }
        prop_assert!(aliases.starts_with(&first));
    }

    #[test]
    fn the_first_to_fill_a_field_wins(text in stored(), p in patch(), q in patch()) {
        let both = merged(&merged(&text, &p), &q);
        let first = read(&merged(&text, &p));
        for (key, value) in first {
            if !value.is_null() && !MOVING.contains(&key.as_str()) {
                prop_assert_eq!(&read(&both)[&key], &value, "{}", key);
            }
        }
    }

    #[test]
    fn null_and_absent_mean_the_same(text in stored(), patch in patch()) {
        let mut map = read(&text);
        map.retain(|_, value| !value.is_null());
        let absent = read(&merged(&Value::Object(map).to_string(), &patch));
        let null = read(&merged(&text, &patch));
        prop_assert_eq!(absent.len(), null.len());
        for (key, value) in &null {
            if key != "related_runs" {
                prop_assert_eq!(&absent[key], value, "{}", key);
            }
        }
    }

    /// Whoever undoes the changed values and the added members by hand gets the old text back.
    #[test]
    fn all_other_bytes_stay(text in stored(), patch in patch()) {
        let after = merged(&text, &patch);
        let foreign: Value = json!({"deep": [1, 2.50, "ä"]});
        if read(&text).contains_key("foreign") {
            let written = |text: &str| {
                let start = text.find("\"foreign\"").unwrap();
                let end = text[start..].find(']').unwrap() + start;
                text[start..end].to_owned()
            };
            prop_assert_eq!(written(&text), written(&after));
            prop_assert_eq!(&read(&after)["foreign"], &foreign);
        }
    }

    #[test]
    fn an_upsert_touches_its_entry_alone(entries in index(), id in id(), title in proptest::option::of("[a-z]{1,5}"), sorted in any::<bool>()) {
        let mut entries = entries;
        if sorted { entries.sort_by(|a, b| a["run_id"].as_str().cmp(&b["run_id"].as_str())) }
        let text = format!("{:#}\n", json!({"version": 1, "note": 1.50, "runs": entries}));
        let entry = entry(&id, title);
        let once = upsert_index(Some(&text), &entry).unwrap().text;
        prop_assert_eq!(others(&once, &id), others(&text, &id));
        let later = IndexEntry { updated_at: Timestamp::from_millis(9_000_000), ..entry.clone() };
        let twice = upsert_index(Some(&once), &later).unwrap().text;
        prop_assert_eq!(twice.replace("02:30:00Z", "00:00:05Z"), once.clone());
        for old in &entries {
            let status = &old["status"];
            if !status.is_null() {
                prop_assert!(rows(&once).iter().any(|it| it["run_id"] == old["run_id"] && it["status"] == *status));
            }
        }
        if sorted {
            let ids: Vec<_> = rows(&once).iter().map(|it| it["run_id"].as_str().unwrap().to_owned()).collect();
            prop_assert!(ids.is_sorted(), "{:?}", ids);
        }
    }

    #[test]
    fn upserts_of_different_ids_commute_if_sorted(entries in index(), a in id(), b in id()) {
        prop_assume!(a != b);
        let mut entries = entries;
        entries.sort_by(|a, b| a["run_id"].as_str().cmp(&b["run_id"].as_str()));
        let text = format!("{:#}\n", json!({"version": 1, "runs": entries}));
        let upsert = |text: &str, id: &str| upsert_index(Some(text), &entry(id, None)).unwrap().text;
        prop_assert_eq!(upsert(&upsert(&text, &a), &b), upsert(&upsert(&text, &b), &a));
    }
}

fn id() -> impl Strategy<Value = String> {
    "[a-d]{1,2}"
}

fn index() -> impl Strategy<Value = Vec<Value>> {
    let status = proptest::option::of(proptest::sample::select(vec!["VERIFIED", "PENDING"]));
    let entry = (id(), status, any::<bool>()).prop_map(|(id, status, more)| {
        let mut entry = json!({"run_id": id, "status": status, "last_flow": "signal"});
        if more {
            entry["gate_verdict"] = json!("MERGE");
            entry["issue_number"] = json!(12);
        }
        entry
    });
    proptest::collection::vec(entry, 0..6)
}

fn entry(id: &str, title: Option<String>) -> IndexEntry {
    let entry = json!({
        "run_id": id, "task_title": title, "updated_at": "1970-01-01T00:00:05Z", "last_flow": "build",
    });
    serde_json::from_value(entry).unwrap()
}

fn rows(text: &str) -> Vec<Value> {
    let index: Value = serde_json::from_str(text).unwrap();
    index["runs"].as_array().unwrap().clone()
}

fn others(text: &str, id: &str) -> Vec<Value> {
    let mut rows = rows(text);
    // Of several entries for one id only the first is ours.
    if let Some(first) = rows.iter().position(|it| it["run_id"] == *id) {
        rows.remove(first);
    }
    rows
}
