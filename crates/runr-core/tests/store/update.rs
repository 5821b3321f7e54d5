//! Changing the document of a run.

use std::time::Duration;

use runr_core::fs::FaultFs;
use runr_core::store::{RunMeta, apply_meta_ops};
use runr_core::{Code, Error, RunId};
use serde_json::json;

use crate::world::{World, fails, id, least, now, set, unset};

#[test]
fn an_update_keeps_what_it_does_not_know_in_its_spelling() {
    let world = World::new();
    let run = world.write(
        "gh-17",
        least(
            r#","pr_number":0,"X":1,"n":123456789012345678901234,"e":1e3,"o":{"b":[1.50,{"z":"\u0041\ud800"}],"a":null},
            "flags":{"later":-0,"needs_attention":true},"title":"\ud800!","runner":null"#,
        )
        .as_bytes(),
    );
    let meta = world.store.update(&run, |meta| {
        meta.pushed(Some((12, "https://x/12")), now());
        Ok(())
    });
    assert_eq!(meta.unwrap().unknown.get("X"), Some(json!(1)));
    let expected = r#"{
  "schema_version": "1.0",
  "run_id": "gh-17",
  "repo_id": "abcd1234ef567890",
  "title": "\ud800!",
  "runner": "",
  "runner_cmd": "",
  "parent_branch": "",
  "branch": "",
  "worktree_path": "",
  "created_at": "2026-01-10T12:00:00Z",
  "flags": {
    "needs_attention": true,
    "later": -0
  },
  "pr_number": 12,
  "pr_url": "https://x/12",
  "last_push_at": "2026-01-10T12:00:00Z",
  "X": 1,
  "n": 123456789012345678901234,
  "e": 1e3,
  "o": {
    "b": [
      1.50,
      {
        "z": "\u0041\ud800"
      }
    ],
    "a": null
  }
}
"#;
    assert_eq!(world.text(&run), expected);
}

#[test]
fn an_update_that_changes_nothing_leaves_every_byte() {
    let world = World::new();
    let text = least(r#"  ,"x" : [ 1 ] "#);
    let run = world.write("gh-17", text.as_bytes());
    world.store.update(&run, |_| Ok(())).unwrap();
    world
        .store
        .update_values(&run, &[set("/x", json!([1])), unset("/y/z")])
        .unwrap();
    world.store.update_document(&run, Ok).unwrap();
    assert_eq!(world.text(&run), text);
}

#[test]
fn a_document_given_back_changes_only_what_differs() {
    let world = World::new();
    let run = world.write(
        "gh-17",
        least(r#","big":123456789012345678901234,"o":{"a":1.50,"b":2,"s/l~t":1},"pr_number":3"#)
            .as_bytes(),
    );
    let meta = world.store.update_document(&run, |mut document| {
        document["o"]["b"] = json!(3);
        document["o"]["s/l~t"] = json!(2);
        document["new"] = json!({"k": []});
        document.as_object_mut().unwrap().shift_remove("pr_number");
        Ok(document)
    });
    assert_eq!(meta.unwrap().pr_number, None);
    let text = world.text(&run);
    assert!(text.contains("\"big\": 123456789012345678901234"), "{text}");
    assert!(
        text.contains("\"a\": 1.50,\n    \"b\": 3,\n    \"s/l~t\": 2\n"),
        "{text}"
    );
    assert!(
        text.ends_with("\"new\": {\n    \"k\": []\n  }\n}\n"),
        "{text}"
    );
    let not_an_object = world.store.update_document(&run, |_| Ok(json!([])));
    fails(not_an_object, Code::Usage, &[]);
    assert_eq!(world.text(&run), text);
}

#[test]
fn compare_and_set_changes_nothing_behind_anybodys_back() {
    let world = World::new();
    let run = world.create("gh-17");
    let seen = json!(world.store.read(&run).unwrap());
    let mut wanted = seen.clone();
    wanted["pr_number"] = json!(1);
    world
        .store
        .update_values(&run, &[set("/x", json!(1))])
        .unwrap();
    let text = world.text(&run);
    assert_eq!(world.store.replace_if(&run, &seen, wanted).unwrap(), None);
    assert_eq!(world.text(&run), text);
    let seen = json!(world.store.read(&run).unwrap());
    let mut wanted = seen.clone();
    wanted["pr_number"] = json!(1);
    let after = world
        .store
        .replace_if(&run, &seen, wanted)
        .unwrap()
        .unwrap();
    assert_eq!(after.pr_number, Some(1));
    assert_eq!(after.unknown.get("x"), Some(json!(1)));
}

#[test]
fn fields_that_never_change_are_refused_from_every_side() {
    let world = World::new();
    let run = world.create("gh-17");
    let text = world.text(&run);
    for (field, value) in [
        ("run_id", "gh-18"),
        ("repo_id", "0000000000000000"),
        ("schema_version", "1.1"),
        ("created_at", "2026-01-11T00:00:00Z"),
    ] {
        let path = format!("/{field}");
        fails(
            world.store.update_values(&run, &[set(&path, json!(value))]),
            Code::Usage,
            &[],
        );
        fails(
            world.store.update_values(&run, &[unset(&path)]),
            Code::Usage,
            &[],
        );
        fails(
            apply_meta_ops(&text, &[set(&path, json!(value))]),
            Code::Usage,
            &[],
        );
        let given = world.store.update_document(&run, |mut document| {
            document[field] = json!(value);
            Ok(document)
        });
        fails(given, Code::Usage, &[]);
    }
    let typed: [fn(&mut RunMeta); 4] = [
        |meta| meta.run_id = id("gh-18"),
        |meta| meta.repo_id = "0".into(),
        |meta| meta.schema_version = "1.1".into(),
        |meta| meta.created_at = "x".into(),
    ];
    for change in typed {
        let changed = world.store.update(&run, |meta| {
            change(meta);
            Ok(())
        });
        fails(changed, Code::Usage, &["field"]);
    }
    assert_eq!(world.text(&run), text);
}

#[test]
fn a_value_of_the_wrong_type_or_a_path_to_nowhere_is_a_usage_error() {
    let world = World::new();
    let run = world.create("gh-17");
    let text = world.text(&run);
    for op in [
        set("/pr_number", json!("12")),
        set("/pr_number", json!(1.5)),
        set("/flags", json!([])),
        set("/flags/abandoned", json!("yes")),
        set("/title/x", json!(1)),
        set("pr_number", json!(1)),
        set("/", json!(1)),
        set("", json!({})),
        unset("x"),
    ] {
        fails(
            world.store.update_values(&run, std::slice::from_ref(&op)),
            Code::Usage,
            &[],
        );
    }
    assert_eq!(world.text(&run), text);
}

#[test]
fn a_failing_or_panicking_function_leaves_the_file_and_frees_the_lock() {
    let world = World::new();
    let run = world.create("gh-17");
    let text = world.text(&run);
    let failed = world.store.update(&run, |meta| {
        meta.stop_requested();
        Err(Error::new(Code::Usage, "mine"))
    });
    assert_eq!(fails(failed, Code::Usage, &[]).to_string(), "mine");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        world.store.update(&run, |meta| {
            meta.stop_requested();
            panic!("mine too")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(world.text(&run), text);
    world
        .store
        .update(&run, |meta| {
            meta.stop_requested();
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_update_within_an_update_is_refused_at_once() {
    let world = World::new();
    let (run, other) = (world.create("gh-17"), world.create("gh-18"));
    let start = std::time::Instant::now();
    let nested = world.store.update(&run, |_| {
        world.store.update(&other, |meta| {
            meta.stop_requested();
            Ok(())
        })?;
        world.store.update(&run, |_| Ok(())).map(drop)
    });
    let error = fails(nested, Code::LockTimeout, &["lock_path", "reentrant"]);
    assert!(!error.is_retryable());
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_name_follows_its_rule_and_belongs_to_one_active_run() {
    let world = World::new();
    let (a, b) = (world.create("gh-17"), world.create("gh-18"));
    let name =
        |run: &RunId, name: &str| world.store.update_values(run, &[set("/name", json!(name))]);
    fails(name(&a, "Not A Name"), Code::InvalidId, &["field", "value"]);
    name(&a, "fix").unwrap();
    name(&a, "fix").unwrap();
    fails(
        name(&b, "fix"),
        Code::RunRefAmbiguous,
        &["input", "candidates"],
    );
    world
        .store
        .update(&a, |meta| {
            meta.archived(now());
            Ok(())
        })
        .unwrap();
    name(&b, "fix").unwrap();
}

#[test]
fn flushes_are_counted_update_2_create_3_event_1() {
    let world = World::new();
    let run = world.create("gh-17");
    world.create("gh-18");
    drop(world.fs.take_calls());
    let flushes = |what: &str, expected: usize| {
        let calls = world.fs.take_calls();
        assert_eq!(FaultFs::flushes(&calls), expected, "{what}: {calls:?}");
        calls.len()
    };
    world.create("gh-19");
    flushes("create", 3);
    world
        .store
        .update_values(&run, &[set("/pr_number", json!(1))])
        .unwrap();
    // The first update makes the lock file.
    flushes("update", 2);
    world
        .store
        .update_values(&run, &[set("/pr_number", json!(2))])
        .unwrap();
    assert!(flushes("update", 2) <= 18);
    world.store.append_event(&run, "a", None, now()).unwrap();
    flushes("first event", 2);
    world.store.append_event(&run, "b", None, now()).unwrap();
    flushes("event", 1);
    world.store.read(&run).unwrap();
    world.store.scan().unwrap();
    world.store.events(&run, 0).unwrap();
    flushes("reading", 0);
}
