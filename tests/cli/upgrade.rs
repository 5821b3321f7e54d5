//! Files of other versions: what is later in detail is kept, what is later in kind is refused and
//! left, and what is older is understood.

use std::fs;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Sandbox, Script, Shop};

const CREATED: &str = r#""created_at":"2026-01-10T12:00:00Z""#;

#[test]
fn a_document_of_a_later_minor_version_is_changed_and_keeps_what_is_new() {
    let shop = Shop::new();
    for (index, version) in ["1", "1.0", "1.7", "1.10", "1.0.3", "1.7-beta"]
        .iter()
        .enumerate()
    {
        let id = format!("run-{index}");
        let text = format!(
            r#"{{"schema_version":"{version}",{CREATED},"review":{{"by":[1.50]}},"flags":{{"urgent":true}}}}"#
        );
        let file = shop.write(&id, text.as_bytes()).join("meta.json");
        assert_eq!(shop.json(&["show", &id])["schema_version"], *version);
        let after = shop.json(&["set", &id, "pr_number=5"]);
        assert_eq!(after["review"], json!({"by": [1.5]}));
        let text = fs::read_to_string(file).unwrap();
        for kept in [
            format!("\"{version}\""),
            "1.50".into(),
            "\"urgent\": true".into(),
        ] {
            assert!(text.contains(&kept), "{kept} is gone from {text}");
        }
    }
}

#[test]
fn a_document_or_an_event_of_another_major_version_is_refused_and_left() {
    let shop = Shop::new();
    for (index, version) in ["2", "2.0", "10.1", "0.9", "11"].iter().enumerate() {
        let (meta, event) = (format!("meta-{index}"), format!("event-{index}"));
        let text =
            format!(r#"{{"schema_version":"{version}",{CREATED},"title":{{"new":"form"}}}}"#);
        let file = shop.write(&meta, text.as_bytes()).join("meta.json");
        let lines = format!("{{\"schema_version\":\"{version}\",\"event\":\"x\"}}\n");
        let events = shop.create_as(&event).join("events.jsonl");
        fs::write(&events, &lines).unwrap();
        for (function, arguments) in [
            ("store_read", json!({"run_id": meta})),
            ("store_update", json!({"run_id": meta, "set": {"/x": 1}})),
            ("store_events", json!({"run_id": event})),
            ("store_append_event", json!({"run_id": event, "name": "x"})),
        ] {
            let refused = shop.call(function, arguments).output().exits(1);
            let error = refused.error_json("E_STORE_CORRUPT", "store_corrupt");
            assert_eq!(error["schema_version"], *version, "{error}");
        }
        assert_eq!(fs::read_to_string(file).unwrap(), text);
        assert_eq!(fs::read_to_string(events).unwrap(), lines);
    }
}

#[test]
fn a_document_from_before_titles_is_read_by_its_name_and_written_with_both() {
    let shop = Shop::new();
    let old = format!(r#"{{"schema_version":"1.0",{CREATED},"name":"fix-login"}}"#);
    let file = shop.write("gh-17", old.as_bytes()).join("meta.json");
    assert_eq!(shop.json(&["show", "fix-login"])["title"], "fix-login");
    assert_eq!(fs::read_to_string(&file).unwrap(), old);
    shop.json(&["set", "gh-17", "pr_number=5"]);
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("\"title\": \"fix-login\",\n  \"name\": \"fix-login\""),
        "{text}"
    );
}

#[test]
fn a_document_with_only_what_must_be_there_reads_as_empty_fields() {
    let shop = Shop::new();
    shop.write(
        "gh-17",
        format!(r#"{{"schema_version":"1.0",{CREATED}}}"#).as_bytes(),
    );
    let document = shop.json(&["show", "gh-17"]);
    for empty in [
        "title",
        "runner",
        "runner_cmd",
        "parent_branch",
        "branch",
        "worktree_path",
    ] {
        assert_eq!(document[empty], "", "{empty}");
    }
    for absent in ["name", "flags", "setup", "archive", "pr_number", "pr_url"] {
        assert!(document.get(absent).is_none(), "{absent}");
    }
    assert_eq!(document["run_id"], "gh-17");
}

/// A run of the harness that has stopped, and the file of it with this name.
fn stopped(name: &str) -> (Sandbox, String, std::path::PathBuf) {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox.run(&["--worktree", "--max-ticks", "3"], 1);
    let file = sandbox.run_dir(&run.id).join(name);
    (sandbox, run.id, file)
}

/// Changes a JSON file.
fn edit(file: &std::path::Path, change: impl Fn(&mut Value)) -> String {
    let mut value: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    change(&mut value);
    fs::write(file, value.to_string()).unwrap();
    value.to_string()
}

#[test]
fn a_state_of_a_later_version_is_refused_and_left() {
    let (sandbox, id, file) = stopped("state.json");
    let later = edit(&file, |state| state["schema_version"] = json!(2));
    for args in [["status", &id, "--json"], ["report", &id, "--json"]] {
        let refused = sandbox.runr(&args).output().exits(1);
        let error = refused.error_json("E_STORE_CORRUPT", "store_corrupt");
        assert_eq!(error["schema_version"], 2, "{error}");
    }
    sandbox.runr(&["resume", &id]).output().exits(1);
    assert_eq!(fs::read_to_string(&file).unwrap(), later);
}

#[test]
fn a_state_with_new_fields_is_a_cache_like_any_other() {
    let (sandbox, id, file) = stopped("state.json");
    edit(&file, |state| state["weather"] = json!({"at": "home"}));
    sandbox.status(&id);
    sandbox.runr(&["resume", &id]).output().exits(0);
}

#[test]
fn events_and_fields_that_are_new_in_a_timeline_are_passed_over_and_stay() {
    let (sandbox, id, file) = stopped("timeline.jsonl");
    let whole = sandbox.timeline_text(&id);
    let next = whole.lines().count() + 1;
    let new = format!(
        "{{\"seq\":{next},\"timestamp\":\"2026-01-10T12:00:00.000Z\",\"type\":\"weather_changed\",\
         \"source\":\"sky\",\"payload\":{{\"to\":\"rain\"}},\"mood\":1.50}}\n"
    );
    fs::write(&file, format!("{whole}{new}")).unwrap();
    sandbox.status(&id);
    assert_eq!(sandbox.timeline_text(&id), format!("{whole}{new}"));
    // Only its driver speaks for a run, so nobody goes on after a stranger's word.
    let resumed = sandbox.runr(&["resume", &id]).output();
    assert!(
        sandbox
            .timeline_text(&id)
            .starts_with(&format!("{whole}{new}")),
        "{resumed}"
    );
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_frozen_configuration_with_new_keys_is_understood() {
    let (sandbox, id, file) = stopped("config.snapshot.json");
    let before = fs::read(&file).unwrap();
    edit(&file, |config| {
        config["weather"] = json!({"forecast": true})
    });
    // As the later version has noted it.
    let text = sandbox.timeline_text(&id);
    let noted = text.replace(&sha256(&before), &sha256(&fs::read(&file).unwrap()));
    assert_ne!(noted, text);
    fs::write(sandbox.run_dir(&id).join("timeline.jsonl"), noted).unwrap();
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert!(fs::read_to_string(&file).unwrap().contains("weather"));
}

#[test]
fn approvals_of_a_later_version_are_refused_and_left_and_new_fields_are_kept() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let folder = sandbox.scratch().join("../config/runr");
    let file = folder.join("trust.json");
    edit(&file, |trust| {
        trust["weather"] = json!("rain");
        trust["approved"][0]["by"] = json!("me");
    });
    let config = sandbox.read(".runr/runr.config.json");
    sandbox.write(
        ".runr/runr.config.json",
        &config.replacen("tier0\": [", "tier0\": [\"true\", ", 1),
    );
    sandbox.runr(&["trust"]).output().exits(0);
    let kept: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(
        (&kept["weather"], &kept["approved"][0]["by"]),
        (&json!("rain"), &json!("me"))
    );
    assert_eq!(kept["approved"].as_array().unwrap().len(), 2);

    let later = edit(&file, |trust| trust["schema_version"] = json!(2));
    for args in [&["trust"][..], &["run", "--task", crate::support::TASK]] {
        let refused = sandbox.runr(args).output().exits(1);
        assert!(refused.stderr.contains("later version 2"), "{refused}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), later);
}
