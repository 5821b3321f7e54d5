//! Rules that the recorded cases leave open, one by one.

use runr_core::Code;
use runr_core::identity::{
    Action, Facts, Flow, MetaPatch, Mode, PrepStatus, Source, merge_run_meta,
};
use serde_json::{Value, json};

use crate::place::{NOW, Place, build, index, item, meta, named, prep};

#[test]
fn a_new_file_is_laid_out_by_the_book() {
    let place = Place::new();
    prep(&place, &build().reference("#17"));
    let text = place.text(".runs/gh-17/run_meta.json");
    assert!(
        text.starts_with("{\n  \"run_id\": \"gh-17\",\n  \"run_id_kind\": null,\n"),
        "{text}"
    );
    assert!(text.ends_with("  \"base_ref\": null\n}\n"), "{text}");
    assert!(
        text.contains("  \"aliases\": [\n    \"gh-17\"\n  ],\n"),
        "{text}"
    );
    assert!(!text.contains("harness_runs"));
    let index = place.text(".runs/index.json");
    let expected = "{\n  \"version\": 1,\n  \"runs\": [\n    {\n      \"run_id\": \"gh-17\",\n      \"canonical_key\": \"gh-17\",\n      \"task_key\": \"gh-17\",\n      \"task_title\": null,\n      \"issue_number\": 17,\n      \"pr_number\": null,\n      \"updated_at\": \"2026-02-03T04:05:06Z\",\n      \"status\": \"PENDING\",\n      \"last_flow\": \"build\"\n    }\n  ]\n}\n";
    assert_eq!(index, expected);
}

#[test]
fn a_reference_of_another_repository_does_not_match() {
    let place = Place::new();
    index(
        &place,
        json!([{"run_id": "ours", "issue_number": 1, "github_repo": "acme/shop"}]),
    );
    item(&place, "ours", json!({"run_id": "ours", "issue_number": 1}));
    let here = prep(
        &place,
        &build().reference("https://github.com/ACME/Shop/issues/1"),
    );
    assert_eq!(here.run_id.as_deref(), Some("ours"));
    let elsewhere = prep(
        &place,
        &build().reference("https://github.com/other/shop/issues/1"),
    );
    assert_eq!(elsewhere.run_id.as_deref(), Some("gh-1"));
}

#[test]
fn a_number_of_the_other_kind_is_clean_for_a_bare_number_only() {
    let place = Place::new();
    index(&place, json!([{"run_id": "login", "pr_number": 31}]));
    item(&place, "login", json!({"run_id": "login", "pr_number": 31}));
    let open = prep(&place, &build().reference("#31"));
    assert_eq!(
        (open.run_id.as_deref(), open.status),
        (Some("login"), PrepStatus::Verified)
    );
    let issue = prep(&place, &build().reference("gh-31"));
    assert_eq!(
        (issue.run_id.as_deref(), issue.status),
        (Some("login"), PrepStatus::Unverified)
    );
}

#[test]
fn of_tied_entries_the_latest_version_wins() {
    let place = Place::new();
    index(
        &place,
        json!([
            {"run_id": "gh-5", "issue_number": 5},
            {"run_id": "gh-5-v2", "issue_number": 5},
            {"run_id": "gh-5-v3", "issue_number": 5},
        ]),
    );
    item(&place, "gh-5", json!({"run_id": "gh-5", "issue_number": 5}));
    item(
        &place,
        "gh-5-v2",
        json!({"run_id": "gh-5-v2", "issue_number": 5, "supersedes": "gh-5"}),
    );
    item(
        &place,
        "gh-5-v3",
        json!({"run_id": "gh-5-v3", "issue_number": 5, "supersedes": "gh-5-v2"}),
    );
    let report = prep(&place, &build().reference("#5"));
    assert_eq!(
        (report.run_id.as_deref(), report.status),
        (Some("gh-5-v3"), PrepStatus::Verified)
    );
}

#[test]
fn what_the_index_lost_the_metadata_still_know() {
    let place = Place::new();
    item(
        &place,
        "login",
        json!({"run_id": "login", "aliases": ["login", "gh-9"]}),
    );
    let report = prep(&place, &build().reference("#9"));
    assert_eq!(report.run_id.as_deref(), Some("login"));
    assert_eq!(
        (report.status, report.mode),
        (PrepStatus::Unverified, Some(Mode::Existing))
    );
    assert_eq!(
        prep(&place, &build().reference("#9")).status,
        PrepStatus::Unverified
    );
}

#[test]
fn an_explicit_id_wins_over_a_reference_that_belongs_elsewhere() {
    let place = Place::new();
    prep(&place, &build().reference("#4"));
    let report = prep(&place, &build().run_id("Other Work").reference("#4"));
    assert_eq!(
        (report.run_id.as_deref(), report.source),
        (Some("other-work"), Some(Source::ExplicitRunId))
    );
    assert_eq!(report.status, PrepStatus::Unverified);
    assert_eq!(
        meta(&place, "other-work")["aliases"],
        json!(["other-work", "Other Work"])
    );
}

#[test]
fn references_that_contradict_each_other_leave_no_alias() {
    let place = Place::new();
    let report = prep(&place, &build().reference("#4").reference("#5"));
    assert_eq!(
        (report.run_id.as_deref(), report.status),
        (Some("gh-4"), PrepStatus::Unverified)
    );
    assert_eq!(report.recommended_action, Action::Proceed);
    assert_eq!(meta(&place, "gh-4")["aliases"], json!(["gh-4"]));
    prep(&place, &build().reference("#5"));
    let report = prep(&place, &build().reference("#4").reference("#5"));
    assert_eq!(
        (report.blockers.len(), report.recommended_action),
        (1, Action::Rerun)
    );
}

#[test]
fn an_issue_and_a_pr_mean_the_same_work() {
    let place = Place::new();
    let report = prep(&place, &build().reference("#4").reference("pr-8"));
    assert_eq!(
        (report.run_id.as_deref(), report.status),
        (Some("gh-4"), PrepStatus::Verified)
    );
    assert_eq!(meta(&place, "gh-4")["aliases"], json!(["gh-4", "pr-8"]));
}

#[test]
fn an_unusable_reference_is_a_doubt_and_no_failure() {
    let place = Place::new();
    let request = build().reference("soon").branch(named("fix", None));
    let report = prep(&place, &request);
    assert_eq!(
        (report.run_id.as_deref(), report.status),
        (Some("fix"), PrepStatus::Unverified)
    );
}

#[test]
fn two_names_that_are_cut_to_one_id_are_told_apart() {
    let place = Place::new();
    let long = "x".repeat(60);
    prep(&place, &build().run_id(long.clone()));
    assert_eq!(
        prep(&place, &build().run_id(long.clone())).status,
        PrepStatus::Verified
    );
    let other = prep(&place, &build().run_id(format!("{long}y")));
    assert_eq!(
        (other.status, other.recommended_action),
        (PrepStatus::Unverified, Action::Rerun)
    );
}

#[test]
fn a_restart_inherits_who_it_is_and_whom_to_trust() {
    let place = Place::new();
    item(
        &place,
        "gh-7",
        json!({
            "run_id": "gh-7", "issue_number": 7, "issue_url": "u", "task_title": "T", "canonical_key": "gh-7",
            "github_ops_allowed": false, "pr_number": 9, "related_runs": [1], "custom": 1, "iterations": 5,
        }),
    );
    let before = place.text(".runs/gh-7/run_meta.json");
    let mut request = build().reference("#7");
    request.restart = true;
    request.facts = Facts {
        github_ops_allowed: Some(true),
        ..Facts::default()
    };
    let report = prep(&place, &request);
    assert_eq!(
        (report.run_id.as_deref(), report.mode),
        (Some("gh-7-v2"), Some(Mode::Superseding))
    );
    let new = meta(&place, "gh-7-v2");
    for (key, value) in [
        ("supersedes", json!("gh-7")),
        ("issue_number", json!(7)),
        ("task_title", json!("T")),
        ("github_ops_allowed", json!(false)),
        ("pr_number", Value::Null),
        ("related_runs", json!([])),
        ("iterations", json!(1)),
        ("aliases", json!(["gh-7-v2"])),
        ("custom", Value::Null),
    ] {
        assert_eq!(new.get(key).cloned().unwrap_or_default(), value, "{key}");
    }
    assert_eq!(place.text(".runs/gh-7/run_meta.json"), before);
    // The newest one is found by the reference from now on.
    assert_eq!(
        prep(&place, &build().reference("#7")).run_id.as_deref(),
        Some("gh-7-v2")
    );
}

#[test]
fn a_restart_of_a_version_belongs_to_its_family_also_if_the_id_was_cut() {
    let place = Place::new();
    let first = "y".repeat(50);
    place.dir(&format!(".runs/{first}"));
    let mut request = build().run_id(first);
    request.restart = true;
    let second = prep(&place, &request).run_id.unwrap();
    assert_eq!(second, "y".repeat(47) + "-v2");
    request.run_id = Some(second);
    assert_eq!(
        prep(&place, &request).run_id.unwrap(),
        "y".repeat(47) + "-v3"
    );
}

#[test]
fn the_upstream_becomes_the_base_unless_one_is_given() {
    let place = Place::new();
    prep(
        &place,
        &build().branch(named("feat-x", Some("origin/feat-x"))),
    );
    assert_eq!(meta(&place, "feat-x")["base_ref"], "origin/feat-x");
    let mut given = build().branch(named("feat-y", Some("origin/feat-y")));
    given.base_ref = Some("feat-x".to_owned());
    prep(&place, &given);
    assert_eq!(meta(&place, "feat-y")["base_ref"], "feat-x");
    let main = prep(&place, &build().branch(named("main", Some("origin/main"))));
    assert_eq!(main.status, PrepStatus::Unverified);
    assert_eq!(meta(&place, "main")["base_ref"], Value::Null);
}

#[test]
fn stored_data_that_contradicts_itself_needs_its_owner() {
    for fields in [
        json!({"run_id": "another"}),
        json!({"run_id": "gh-7", "issue_number": 70}),
        json!({"run_id": "gh-7", "github_repo_expected": "o/a", "github_repo_actual_at_creation": "o/b", "github_ops_allowed": true}),
    ] {
        let place = Place::new();
        item(&place, "gh-7", fields.clone());
        let report = prep(&place, &build().run_id("gh-7"));
        assert_eq!(
            (report.status, report.recommended_action),
            (PrepStatus::Unverified, Action::Bounce),
            "{fields}"
        );
        assert_eq!(report.blockers.len(), 1);
    }
}

#[test]
fn forbidding_what_was_allowed_is_a_blocker_and_changes_nothing() {
    let place = Place::new();
    item(
        &place,
        "w",
        json!({"run_id": "w", "github_ops_allowed": true}),
    );
    let mut request = build().run_id("w");
    request.facts.github_ops_allowed = Some(false);
    let report = prep(&place, &request);
    assert_eq!(
        (report.blockers.len(), report.recommended_action),
        (1, Action::Bounce)
    );
    assert_eq!(meta(&place, "w")["github_ops_allowed"], true);
}

#[test]
fn fields_that_are_counted_on_must_have_their_type() {
    let patch = MetaPatch::new("w", Flow::Build, NOW.parse().unwrap());
    for text in [
        r#"{"iterations": "3"}"#,
        r#"{"iterations": -1}"#,
        r#"{"iterations": 1.5}"#,
        r#"{"iterations": 1.0}"#,
        r#"{"iterations": 9007199254740991}"#,
        r#"{"aliases": "w"}"#,
        r#"{"aliases": [1]}"#,
        r#"{"flows_started": {}}"#,
    ] {
        let error = merge_run_meta(Some(text), &patch).unwrap_err();
        assert_eq!(error.code(), Code::MetaShape, "{text}");
    }
    let other = merge_run_meta(Some(r#"{"task_title": 5, "pr_number": "x"}"#), &patch).unwrap();
    assert!(
        other.text.contains(r#""task_title": 5"#) && other.text.contains(r#""pr_number": "x""#)
    );
}

#[test]
fn a_dry_run_says_all_and_writes_nothing() {
    let place = Place::new();
    let mut request = build().reference("#17");
    request.dry_run = true;
    let planned = prep(&place, &request);
    assert!(place.contents().is_empty());
    request.dry_run = false;
    let done = prep(&place, &request);
    assert_eq!(
        planned.run_meta_text.unwrap(),
        place.text(".runs/gh-17/run_meta.json")
    );
    assert_eq!(planned.index_text.unwrap(), place.text(".runs/index.json"));
    assert_eq!((planned.run_id, planned.notes), (done.run_id, done.notes));
}

#[test]
fn a_harness_run_is_linked_once_and_found_again() {
    let place = Place::new();
    prep(&place, &build().reference("#17"));
    let run = "20260203040506".parse().unwrap();
    assert!(place.items().link_run("gh-17", &run).unwrap().changed);
    let text = place.text(".runs/gh-17/run_meta.json");
    assert!(!place.items().link_run("gh-17", &run).unwrap().changed);
    assert_eq!(place.text(".runs/gh-17/run_meta.json"), text);
    for name in ["gh-17", "#17", " 17 "] {
        let found = place.items().find(name).unwrap().unwrap();
        assert_eq!(
            (found.id.as_str(), found.harness_runs.as_slice()),
            ("gh-17", ["20260203040506".to_owned()].as_slice())
        );
    }
    assert_eq!(place.items().find("#18").unwrap(), None);
    let missing = place.items().link_run("gh-18", &run).unwrap_err();
    assert_eq!(missing.code(), Code::RunNotFound);
}

#[test]
fn the_texts_for_agents_are_made_of_the_result() {
    let place = Place::new();
    let report = prep(&place, &build());
    let block = report.to_machine_block();
    assert!(block.starts_with("## Run Prep Result\nstatus: UNVERIFIED\nrecommended_action: PROCEED\nroute_to_agent: null\n"), "{block}");
    assert!(block.contains("\nrun_id: run-build\nflow: build\nsupersedes: null\nmissing_upstream_flows: [signal, plan, gate, deploy]\n\nblockers: []\nmissing_required: []\nnotes:\n  - \""), "{block}");
    let handoff = report.to_handoff();
    for label in [
        "## Handoff",
        "**What I did**",
        "**What's left**",
        "**Notes**",
        "**Recommendation**",
    ] {
        assert!(handoff.contains(label), "{handoff}");
    }
}
