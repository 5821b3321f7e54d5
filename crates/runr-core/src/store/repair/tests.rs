use super::clues::Clues;
use super::salvage::{newer_version, rebuilt};
use super::*;

const REPO: &str = "abcd1234ef567890";
const GOOD: &str = r#"{"schema_version":"1.0","created_at":"2026-01-10T12:00:00Z"}"#;

fn id() -> RunId {
    RunId::parse("gh-17").unwrap()
}

fn text(meta: &str) -> MetaFile {
    MetaFile::Bytes(meta.into())
}

#[test]
fn every_diagnosis_has_its_remedy() {
    use Diagnosis as D;
    use Remedy as R;
    let given = |is_driven, can_be_rebuilt| Circumstances {
        is_driven,
        can_be_rebuilt,
    };
    for (diagnosis, free, unknown, driven) in [
        (D::Abandoned, R::Remove, R::Remove, R::Wait),
        (D::Leftover, R::Remove, R::Remove, R::Wait),
        (D::MetaMissing, R::Rebuild, R::Quarantine, R::Wait),
        (D::MetaBroken, R::Rebuild, R::Quarantine, R::Wait),
        (D::MetaNewer, R::Update, R::Update, R::Update),
        (D::JournalDamaged, R::Inspect, R::Inspect, R::Inspect),
        (D::Unreadable, R::Inspect, R::Inspect, R::Inspect),
    ] {
        let all = [(false, true), (false, false), (true, true), (true, false)];
        let found = all.map(|(driven, known)| remedy(diagnosis, given(driven, known)));
        assert_eq!(found, [free, unknown, driven, driven], "{diagnosis:?}");
    }
}

#[test]
fn a_document_is_what_a_strict_reader_makes_of_it() {
    let diagnosis = |file: &MetaFile, is_empty| {
        let found = file.diagnosis(&id(), Some(REPO), is_empty);
        found.map(|(diagnosis, _)| diagnosis)
    };
    assert_eq!(diagnosis(&text(GOOD), false), None);
    assert_eq!(diagnosis(&text(GOOD), true), None);
    let missing = MetaFile::Missing;
    assert_eq!(diagnosis(&missing, true), Some(Diagnosis::Abandoned));
    assert_eq!(diagnosis(&missing, false), Some(Diagnosis::MetaMissing));
    for broken in [
        text(""),
        text("{"),
        text("[]"),
        text(&GOOD.replace("1.0", "")),
        text(&GOOD.replace("1.0", "0.9")),
        text(&GOOD.replace("12:00", "12:00\"x")),
        text(&GOOD.replace("\"created_at", "\"run_id\":\"other\",\"created_at")),
        MetaFile::Bytes(b"{\"title\": \"\xff\"}".to_vec()),
        MetaFile::TooLarge(b"{\"schema_version\": \"1.0\"".to_vec()),
        MetaFile::NotAFile,
    ] {
        assert_eq!(
            diagnosis(&broken, false),
            Some(Diagnosis::MetaBroken),
            "{broken:?}"
        );
    }
    for newer in [
        text(&GOOD.replace("1.0", "2.0")),
        MetaFile::TooLarge(b"{\"schema_version\": \"2.0\"".to_vec()),
        MetaFile::Bytes(b"{\"schema_version\": \"10.0\", \"title\": \"\xff\"}".to_vec()),
    ] {
        assert_eq!(
            diagnosis(&newer, false),
            Some(Diagnosis::MetaNewer),
            "{newer:?}"
        );
    }
}

#[test]
fn a_later_version_is_recognised_even_in_a_damaged_text() {
    let found = |text: &str| newer_version(text.as_bytes());
    for newer in [
        "{\"schema_version\": \"2.0\"}",
        "\u{feff}{\"schema_version\": \"2.0\"}",
        "{\"schema_version\" :\n \"2.0",
        "{\"schema_version\": \"2.0\", \"title\": ",
        "{\"schema_version\": 2}",
        "{\"schema_version\": 2.5, ",
        "{\"schema_version\": \"v3-beta\"}",
        "{\"schema_version\": \"99999999999999999999999.0\"}",
    ] {
        assert!(found(newer).is_some(), "{newer}");
    }
    for not_newer in [
        "",
        "{",
        "{}",
        "[\"schema_version\", \"2.0\"]",
        "{\"schema_version\": \"1.0\"}",
        "{\"schema_version\": \"1.9\", ",
        "{\"schema_version\": \"0.9\"}",
        "{\"schema_version\": \"\"}",
        "{\"schema_version\": null}",
        "{\"schema_version\": \"x2\"}",
        "{\"title\": \"2.0\", ",
        "{\"x\": {\"schema_version\": \"2.0\"}, \"schema_version\": \"1.0\"}",
    ] {
        assert_eq!(found(not_newer), None, "{not_newer}");
    }
}

#[test]
fn only_what_nobody_would_miss_makes_an_empty_shell() {
    let entry = |name: &str, kind| Entry {
        name: name.to_owned(),
        kind,
    };
    let shell = [
        entry("logs", Kind::Dir),
        entry(".lock", Kind::File),
        entry("owner.lock", Kind::File),
        entry(".meta.json.tmp", Kind::File),
    ];
    assert!(is_empty_shell(&[], true));
    assert!(is_empty_shell(&shell, true));
    assert!(!is_empty_shell(&shell, false), "logs with content");
    for (name, kind) in [
        ("events.jsonl", Kind::File),
        ("timeline.jsonl", Kind::File),
        ("artifacts", Kind::Dir),
        ("logs", Kind::File),
        (".lock", Kind::Link),
        (".x.tmp", Kind::Dir),
        ("x.tmp", Kind::File),
        (".tmp", Kind::File),
    ] {
        let with = [&shell[1..], &[entry(name, kind)]].concat();
        assert!(!is_empty_shell(&with, true), "{name}");
    }
}

/// The rebuilt document of the run `gh-17` in the repository, without white space around it.
fn made_of(damaged: &str, clues: &Clues) -> Option<serde_json::Value> {
    let text = rebuilt(&id(), Some(REPO), Some(damaged), clues)?;
    Some(serde_json::from_str(&text).unwrap())
}

fn known() -> Clues {
    let event = serde_json::json!({"repo_id": "another", "timestamp": "2026-03-03T00:00:00Z",
        "data": {"title": "of the event", "branch": "of/the/event"}});
    Clues::of(&id(), "", &event.to_string())
}

#[test]
fn good_fields_are_kept_and_the_rest_is_what_is_known() {
    let damaged = r#"{
        "schema_version": "1.7", "run_id": "other", "repo_id": 7, "title": "kept", "runner": false,
        "branch": null, "created_at": "2026-01-10T12:00:00Z", "pr_number": 1.5, "pr_url": "u",
        "flags": {"abandoned": "yes", "setup_failed": true, "mine": 1e400},
        "setup": 5, "theirs": {"n": 12345678901234567890123, "x": [1, 2]}, "twice": 1, "twice": 2}"#;
    let text = rebuilt(&id(), Some(REPO), Some(damaged), &known()).unwrap();
    let expected = r#"{
  "schema_version": "1.7",
  "run_id": "gh-17",
  "repo_id": "abcd1234ef567890",
  "title": "kept",
  "runner": "",
  "runner_cmd": "",
  "parent_branch": "",
  "branch": "of/the/event",
  "worktree_path": "",
  "created_at": "2026-01-10T12:00:00Z",
  "flags": {
    "setup_failed": true,
    "mine": 1e400
  },
  "pr_url": "u",
  "theirs": {
    "n": 12345678901234567890123,
    "x": [
      1,
      2
    ]
  },
  "twice": 2
}
"#;
    assert_eq!(text, expected);
}

#[test]
fn a_text_that_is_no_object_gives_nothing() {
    for damaged in [
        "",
        "{\"title\": \"lost\"",
        "[{\"title\": \"lost\"}]",
        "\"title\"",
    ] {
        let document = made_of(damaged, &known()).unwrap();
        assert_eq!(document["title"], "of the event", "{damaged}");
        assert_eq!(document["created_at"], "2026-03-03T00:00:00Z");
        assert_eq!(document["repo_id"], REPO);
    }
}

#[test]
fn without_a_time_of_creation_nothing_is_rebuilt() {
    let none = Clues::default();
    assert_eq!(made_of(r#"{"title": "t"}"#, &none), None);
    assert_eq!(made_of(r#"{"title": "t", "created_at": ""}"#, &none), None);
    assert_eq!(made_of(r#"{"title": "t", "created_at": 5}"#, &none), None);
    assert!(made_of(r#"{"created_at": "once"}"#, &none).is_some());
}

#[test]
fn what_is_rebuilt_is_read_by_the_strict_reader_and_a_good_document_is_not_changed() {
    let good = rebuilt(&id(), Some(REPO), Some(GOOD), &Clues::default()).unwrap();
    let again = rebuilt(&id(), Some(REPO), Some(&good), &known()).unwrap();
    assert_eq!(good, again);
    super::super::rules::parse_meta(&good, &id(), Some(REPO)).unwrap();
}
