use super::*;
use crate::fs::MemoryFs;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn shop(root: &str) -> Repository {
    Repository::new("git@github.com:acme/shop.git\n", root.into()).unwrap()
}

#[test]
fn a_new_index_and_a_new_record_have_these_bytes() {
    let now = at("2026-01-10T12:00:00.500Z");
    let repository = shop("/home/me/./src/../shop//");
    let id = &repository.repo_id;
    let index = touch_repo_index(None, &repository, now).unwrap();
    let expected = format!(
        r#"{{
  "schema_version": "1.0",
  "repos": {{
    "github:acme/shop": {{
      "repo_id": "{id}",
      "paths": [
        "/home/me/shop"
      ],
      "last_seen_at": "2026-01-10T12:00:00Z"
    }}
  }}
}}
"#
    );
    assert_eq!(index, expected);
    let record = touch_repo_record(None, &repository, now).unwrap();
    let expected = format!(
        r#"{{
  "schema_version": "1.0",
  "repo_key": "github:acme/shop",
  "repo_id": "{id}",
  "repo_root_last_seen": "/home/me/shop",
  "agency_json_path": "",
  "origin_present": true,
  "origin_url": "git@github.com:acme/shop.git",
  "origin_host": "github.com",
  "capabilities": {{
    "github_origin": true,
    "origin_host": "github.com",
    "gh_authed": false
  }},
  "created_at": "2026-01-10T12:00:00Z",
  "updated_at": "2026-01-10T12:00:00Z"
}}
"#
    );
    assert_eq!(record, expected);
}

#[test]
fn a_known_repository_moves_to_the_front_and_everything_else_is_kept() {
    let old = r#"{"schema_version": "1.0", "of_others": 1.50, "repos": {
        "path:z": {"repo_id": "z", "paths": [], "x": 1e3},
        "github:acme/shop": {"paths": ["/a", "/b", "/A", "/b"], "note": {"deep": 1.0}},
        "path:a": 7e1}}"#;
    let text = touch_repo_index(Some(old), &shop("/b"), at("2026-01-10T12:00:00Z")).unwrap();
    let flat = text.replace([' ', '\n'], "");
    let id = shop("/b").repo_id;
    let expected = format!(
        r#"{{"schema_version":"1.0","repos":{{"github:acme/shop":{{"repo_id":"{id}","paths":["/b","/a","/A"],"last_seen_at":"2026-01-10T12:00:00Z","note":{{"deep":1.0}}}},"path:a":7e1,"path:z":{{"repo_id":"z","paths":[],"x":1e3}}}},"of_others":1.50}}"#
    );
    assert_eq!(flat, expected);
}

#[test]
fn a_record_keeps_when_it_was_made_and_what_others_found_out() {
    let first = touch_repo_record(None, &shop("/a"), at("2026-01-10T12:00:00Z")).unwrap();
    let first = first
        .replace("\"gh_authed\": false", "\"gh_authed\": true,\"more\": 1.0")
        .replace(
            "\"agency_json_path\": \"\"",
            "\"agency_json_path\": \"/a/agency.json\"",
        )
        .replace("\"updated_at\"", "\"theirs\": [1e2],\n\"updated_at\"");
    let moved = Repository::new("https://github.com/acme/shop", "/b".into()).unwrap();
    let second = touch_repo_record(Some(&first), &moved, at("2026-02-01T00:00:00Z")).unwrap();
    for line in [
        "\"repo_root_last_seen\": \"/b\"",
        "\"agency_json_path\": \"/a/agency.json\"",
        "\"gh_authed\": true",
        "\"more\": 1.0",
        "\"created_at\": \"2026-01-10T12:00:00Z\"",
        "\"updated_at\": \"2026-02-01T00:00:00Z\"",
        "1e2",
    ] {
        assert!(second.contains(line), "{line} in {second}");
    }
}

#[test]
fn an_origin_names_its_machine() {
    let host = |url: &str| {
        let repository = Repository::new(url, "/r".into()).unwrap();
        repository.origin_host().to_owned()
    };
    for (url, expected) in [
        ("", ""),
        ("git@github.com:a/b.git", "github.com"),
        ("ssh://git@gitlab.example:2222/a/b", "gitlab.example"),
        ("https://me:secret@codeberg.org/a/b", "codeberg.org"),
        ("/srv/git/a.git", ""),
        ("C:\\git\\a", ""),
    ] {
        assert_eq!(host(url), expected, "{url}");
    }
    assert!(Repository::new("", "here".into()).is_err());
}

#[test]
fn what_cannot_be_understood_is_refused_and_stays_as_it_is() {
    let storage: Storage = MemoryFs::new().into();
    let data = DataDir::new("/data");
    let repository = shop("/b");
    let dir = data.repo_dir(&repository.repo_id);
    create_dirs(&storage, &dir, 0o700, Durability::None).unwrap();
    let record = Document::new(storage.clone(), &dir, RECORD);
    let index = Document::new(storage.clone(), data.path(), INDEX);
    for (document, text) in [
        (&record, "{"),
        (&record, r#"{"schema_version":"1.1"}"#),
        (&record, r#"{"schema_version":"1.0","repo_id":"other"}"#),
        (&record, r#"{"schema_version":"1.0","capabilities":[]}"#),
        (&index, "[]"),
        (&index, "{}"),
        (&index, r#"{"schema_version":""}"#),
        (&index, r#"{"schema_version":"2.0"}"#),
        (&index, r#"{"schema_version":"1.0","repos":[]}"#),
        (
            &index,
            r#"{"schema_version":"1.0","repos":{"github:acme/shop":1}}"#,
        ),
        (
            &index,
            r#"{"schema_version":"1.0","repos":{"github:acme/shop":{"paths":"/b"}}}"#,
        ),
        (&index, r#"{"schema_version":"1.0","repos":{"a":1,"a":2}}"#),
    ] {
        record
            .replace(&touch_repo_record(None, &repository, at("2026-01-10T12:00:00Z")).unwrap())
            .unwrap();
        document.replace(text).unwrap();
        let now = at("2026-01-10T12:00:00Z");
        let error = data
            .touch_repository(&storage, &repository, now)
            .unwrap_err();
        assert_eq!(error.code(), Code::StoreCorrupt, "{text}");
        assert_eq!(error.path(), Some(document.path().as_path()), "{text}");
        assert_eq!(document.read().unwrap().as_deref(), Some(text));
    }
}

#[test]
fn an_older_index_is_shown() {
    let text = r#"{"schema_version":"1.0","entries":{"path:a":{"repo_id":"r1","paths":["/a"]}}}"#;
    let shown = read_repo_index(text).unwrap();
    assert_eq!(
        shown,
        [IndexedRepository {
            repo_key: "path:a".to_owned(),
            repo_id: "r1".to_owned(),
            paths: vec!["/a".to_owned()],
        }]
    );
}
