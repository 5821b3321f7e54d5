//! Changing the document of a run.

use std::time::Duration;

use runr_core::json::Written;
use runr_core::store::{MetaOp, RunMeta, Versioned, apply_meta_ops};
use runr_core::{Code, Error, RunId};
use serde_json::json;

use crate::world::{REPO, World, fails, id, least, now, set, unset};

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
fn a_version_is_saved_only_while_nobody_else_has_saved() {
    let world = World::new();
    let run = world.create("gh-17");
    let wish = |seen: &Versioned| {
        let mut wanted = seen.document.clone();
        wanted["pr_number"] = json!(1);
        Written::from(wanted)
    };
    let seen = world.store.read_version(&run).unwrap();
    world
        .store
        .update_values(&run, &[set("/x", json!(1))])
        .unwrap();
    let text = world.text(&run);
    let save = |seen: &Versioned| world.store.save_version(&run, &seen.version, &wish(seen));
    assert_eq!(save(&seen).unwrap(), None);
    assert_eq!(world.text(&run), text);
    let seen = world.store.read_version(&run).unwrap();
    let after = save(&seen).unwrap().unwrap();
    assert_eq!(after.pr_number, Some(1));
    assert_eq!(after.unknown.get("x"), Some(json!(1)));
    assert_eq!(save(&seen).unwrap(), None);
}

#[test]
fn what_a_program_saw_rounded_keeps_its_spelling() {
    let world = World::new();
    let run = world.write(
        "gh-17",
        least(r#","a":9007199254740993,"b":[9007199254740993,1.50],"g":[{"c":123456789012345678901},1],"d":1e400,"e":2.0,"f":1"#)
            .as_bytes(),
    );
    // What JavaScript makes of the document, with new values in and around its lists.
    let given = |rest: &str| {
        let text = least(&format!(
            r#","run_id":"gh-17","repo_id":"{REPO}","title":"","runner":"","runner_cmd":"","parent_branch":"","branch":"","worktree_path":""{rest}"#
        ));
        Written::parse(&text).unwrap()
    };
    let save = |rest: &str| {
        let version = world.store.read_version(&run).unwrap().version;
        world.store.save_version(&run, &version, &given(rest))
    };
    save(r#","a":9007199254740992,"b":[0,9007199254740992,1.5],"g":[{"c":123456789012345680000,"x":1},2],"d":"1e400","e":2,"f":3"#)
        .unwrap()
        .unwrap();
    let text = world.text(&run);
    let flat = text.replace([' ', '\n'], "");
    let expected = r#""a":9007199254740993,"b":[0,9007199254740993,1.50],"g":[{"c":123456789012345678901,"x":1},2],"d":1e400,"e":2.0,"f":3}"#;
    assert!(flat.ends_with(expected), "{text}");
    for inexact in [
        r#","a":9007199254740994"#,
        r#","n":[1,{"k":-9007199254740993}]"#,
    ] {
        fails(save(inexact), Code::Usage, &["field"]);
    }
    assert_eq!(world.text(&run), text);
}

#[test]
fn a_value_is_written_in_the_spelling_in_which_it_is_set() {
    let world = World::new();
    let run = world.create("gh-17");
    let big = "-123456789012345678901234567890";
    let ops = format!(
        r#"[{{"op":"set","path":"/price","value":1.50}},{{"op":"set","path":"/list","value":[{big}, 1E5]}}]"#
    );
    let ops = MetaOp::list(&ops).unwrap();
    world.store.update_values(&run, &ops).unwrap();
    let text = world.text(&run);
    for kept in ["\"price\": 1.50,", big, "1E5"] {
        assert!(text.contains(kept), "{text}");
    }
    // A program with integers of any size gives one back that differs in the last digit.
    let meta = world.store.update_document(&run, |document| {
        let text = document
            .to_string()
            .replace("1.5,", "1.5,\"n\":18446744073709551617,");
        Ok(Written::parse(&text).unwrap())
    });
    meta.unwrap();
    let text = world.text(&run);
    for kept in ["\"price\": 1.50,", big, "\"n\": 18446744073709551617"] {
        assert!(text.contains(kept), "{text}");
    }
    let change = |to: &str| {
        let changed = world.store.update_document(&run, |document| {
            let approximate = document["n"].to_string();
            let text = document.to_string().replace(&approximate, to);
            Ok(Written::parse(&text).unwrap())
        });
        changed.unwrap();
        assert!(world.text(&run).contains(&format!("\"n\": {to}")), "{to}");
    };
    change("18446744073709551618");
    for bad in [
        "{}",
        "[{}]",
        r#"[{"op":"set","path":"/x"}]"#,
        r#"[{"op":"unset","path":"/x","y":1}]"#,
    ] {
        fails(MetaOp::list(bad), Code::Usage, &[]);
    }
}
