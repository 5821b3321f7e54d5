//! Where rules meet, and where files and requests hold what nobody expects.

use runr_core::Code;
use runr_core::fs::{Document, MemoryFs, Storage, create_dirs};
use runr_core::identity::{
    Action, Branch, Facts, Flow, MetaPatch, Mode, PrepRequest, PrepStatus, WorkItems,
    merge_run_meta,
};
use serde_json::json;

use crate::place::{NOW, Place, build, index, item, meta, prep};

fn restart(id: &str) -> PrepRequest {
    let mut request = build().run_id(id);
    request.restart = true;
    request
}

#[test]
fn a_password_in_an_address_is_not_repeated() {
    let place = Place::new();
    let report = prep(
        &place,
        &build().reference("https://me:secret@github.com/o/r/wiki?x=y@z"),
    );
    let said = report.notes.join(" ");
    assert!(said.contains("https://github.com/o/r/wiki?x=y@z"), "{said}");
    assert!(!report.to_handoff().contains("secret"), "{said}");
}

#[test]
fn an_id_that_is_named_settles_what_the_references_leave_open() {
    let place = Place::new();
    prep(&place, &build().reference("#4"));
    prep(&place, &build().reference("#5"));
    let both = build().reference("#4").reference("#5");
    assert_eq!(
        prep(&place, &both).recommended_action,
        Action::Rerun,
        "a rerun that names the id is the advice"
    );
    let report = prep(&place, &both.run_id("gh-5"));
    assert_eq!(
        (report.status, report.recommended_action),
        (PrepStatus::Unverified, Action::Proceed)
    );
    assert_eq!(report.run_id.as_deref(), Some("gh-5"));
    assert_eq!(meta(&place, "gh-5")["aliases"], json!(["gh-5"]));
}

#[test]
fn a_work_item_cannot_take_the_place_of_itself() {
    let place = Place::new();
    index(
        &place,
        json!([{"run_id": "a", "issue_number": 5}, {"run_id": "b", "issue_number": 5}]),
    );
    item(&place, "a", json!({"supersedes": "a"}));
    item(&place, "b", json!({}));
    let report = prep(&place, &build().reference("#5"));
    assert_eq!(
        (report.run_id.as_deref(), report.status),
        (Some("a"), PrepStatus::Unverified)
    );
}

#[test]
fn an_alias_with_half_a_surrogate_pair_is_kept_as_it_is_written() {
    let patch = MetaPatch::new("w", Flow::Build, NOW.parse().unwrap());
    let text = r#"{"aliases": ["\ud800", "\udbff", "a\\b", "\ud800"]}"#;
    let mut patch = patch;
    patch.aliases = vec!["a\\b".to_owned()];
    let after = merge_run_meta(Some(text), &patch).unwrap().text;
    let aliases = r#""aliases": ["\ud800", "\udbff", "a\\b", "w"]"#;
    assert!(after.contains(aliases), "{after}");
}

#[test]
fn a_fact_that_cannot_be_leaves_no_trace() {
    let place = Place::new();
    let mut request = build().run_id("w");
    request.facts.issue_number = Some(0);
    let refused = place.items().prep(&request, NOW.parse().unwrap());
    assert_eq!(refused.unwrap_err().code(), Code::Usage);
    assert!(!place.root().join(".runs").exists());
}

#[test]
fn blank_metadata_count_as_none() {
    let place = Place::new();
    place.file(".runs/w/run_meta.json", " \n");
    let report = prep(&place, &build().run_id("w"));
    assert_eq!((report.mode, report.iterations), (Some(Mode::New), Some(1)));
}

#[test]
fn a_version_beyond_counting_is_a_name_like_any_other() {
    let place = Place::new();
    for number in ["18446744073709551615", "9007199254740991"] {
        place.dir(&format!(".runs/x-v{number}"));
    }
    place.dir(".runs/x");
    let report = prep(&place, &restart("x"));
    assert_eq!(
        (report.run_id.as_deref(), report.supersedes.as_deref()),
        (Some("x-v2"), Some("x"))
    );
}

#[test]
fn an_unusable_id_of_the_index_names_nothing_that_is_superseded() {
    let place = Place::new();
    let stem = "y".repeat(47);
    place.file(&format!(".runs/{stem}-v2"), "no directory");
    index(&place, json!([{"run_id": format!("{stem}/../x|<")}]));
    let report = prep(&place, &restart(&format!("{stem}-v2")));
    assert_eq!(report.supersedes, Some(format!("{stem}-v2")));
    assert!(!report.to_machine_block().contains(['|', '<']));
}

#[test]
fn what_a_new_version_cannot_inherit_is_named() {
    let place = Place::new();
    place.file(".runs/w/run_meta.json", "{");
    let before = place.contents();
    let report = prep(&place, &restart("w"));
    assert_eq!(report.error, Some("E_STORE_CORRUPT"));
    let path = place.root().join(".runs/w/run_meta.json");
    assert_eq!(report.missing_required, [path.to_string()]);
    assert_eq!(place.contents(), before);
}

#[test]
fn an_index_that_would_grow_beyond_its_limit_stops_before_the_metadata() {
    let storage: Storage = MemoryFs::new().into();
    create_dirs(
        &storage,
        "/.runs".into(),
        0o777,
        runr_core::fs::Durability::Full,
    )
    .unwrap();
    let limit = 64 << 20;
    let text = "{\"version\": 1, \"runs\": []}";
    let text = format!("{text}{}", " ".repeat(limit - text.len()));
    let index = Document::new(storage.clone(), "/.runs", "index.json").limit(limit as u64);
    index.create(&text).unwrap();
    let report = WorkItems::open(storage.clone(), "/")
        .prep(&build().run_id("w"), NOW.parse().unwrap())
        .unwrap();
    assert_eq!(report.error, Some("E_META_WRITE_FAILED"));
    let metadata = Document::new(storage, "/.runs/w", "run_meta.json");
    assert_eq!(metadata.read().unwrap(), None);
}

#[test]
fn a_note_cannot_pretend_to_be_a_heading() {
    let place = Place::new();
    let why = Some("no git\n## Handoff\n**Recommendation**: Deploy.".to_owned());
    let report = prep(&place, &build().branch(Branch::Unavailable { why }));
    let lines = |text: String| {
        let headings = text.lines().filter(|line| line.starts_with(['#', '*']));
        headings.count()
    };
    assert_eq!(lines(report.to_handoff()), 5, "{}", report.to_handoff());
    assert_eq!(lines(report.to_machine_block()), 1);
}

#[test]
fn a_dry_run_does_not_claim_to_have_written() {
    let place = Place::new();
    let mut request = build().run_id("w");
    request.dry_run = true;
    let said = prep(&place, &request).to_handoff();
    assert!(said.contains("nothing was written"), "{said}");
}

#[test]
fn the_name_of_a_repository_has_no_case() {
    let place = Place::new();
    item(
        &place,
        "w",
        json!({"run_id": "w", "github_repo": "ACME/Shop"}),
    );
    let mut request = build().run_id("w");
    for (repo, status) in [
        ("acme/shop", PrepStatus::Verified),
        ("acme/store", PrepStatus::Unverified),
    ] {
        request.facts = Facts {
            github_repo: Some(repo.to_owned()),
            ..Facts::default()
        };
        assert_eq!(prep(&place, &request).status, status, "{repo}");
    }
    assert_eq!(meta(&place, "w")["github_repo"], "ACME/Shop");
}

#[test]
fn a_fact_that_binds_an_issue_to_the_id_of_another_is_told_at_once() {
    let place = Place::new();
    let mut request = build().run_id("gh-7");
    request.facts.issue_number = Some(70);
    let report = prep(&place, &request);
    assert_eq!(
        (report.status, report.recommended_action),
        (PrepStatus::Unverified, Action::Bounce)
    );
}
