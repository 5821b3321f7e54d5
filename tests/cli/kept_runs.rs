//! `runr store`: run directories kept for other programs.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Output, Sandbox};

/// A sandbox with a data directory of its own.
struct Kept {
    sandbox: Sandbox,
    data: PathBuf,
}

impl Kept {
    fn new() -> Self {
        let sandbox = Sandbox::bare();
        let data = sandbox.scratch().join("data");
        Self { sandbox, data }
    }

    fn store(&self, args: &[&str]) -> Output {
        let mut all = vec!["store"];
        all.extend(args);
        self.sandbox
            .runr(&all)
            .env("RUNR_DATA_DIR", self.data.clone())
            .output()
    }

    fn create(&self, title: &str) -> String {
        let output = self
            .store(&["new", "--title", title, "--runner", "claude"])
            .exits(0);
        output.stdout.trim().to_owned()
    }

    fn meta_path(&self, id: &str) -> PathBuf {
        let paths = self.store(&["path", id, "--json"]).exits(0).json();
        PathBuf::from(paths["meta_path"].as_str().unwrap())
    }
}

#[test]
fn a_run_is_created_changed_listed_and_found() {
    let kept = Kept::new();
    let id = kept.create("Fix the login");
    kept.store(&["set", &id, "/pr_number=17", "/flags/needs_attention=true"])
        .exits(0);
    let meta = kept.store(&["show", "latest", "--json"]).exits(0).json();
    assert_eq!(meta["title"], "Fix the login");
    assert_eq!(meta["pr_number"], 17);
    assert_eq!(meta["flags"], json!({"needs_attention": true}));
    let listed = kept.store(&["ls", "--json"]).exits(0).json();
    assert_eq!(listed["data"][0]["run_id"], id);
    assert_eq!(listed["data"][0]["derived_status"], "needs attention");
    let found = kept.store(&["resolve", &id[..16]]).exits(0);
    assert_eq!(found.stdout.trim(), id);
}

#[test]
fn a_field_that_runr_does_not_know_survives_a_change() {
    let kept = Kept::new();
    let id = kept.create("t");
    let path = kept.meta_path(&id);
    let mut meta: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    meta["of_another_tool"] = json!({"deep": [1, null, "x"]});
    fs::write(&path, meta.to_string()).unwrap();
    kept.store(&["set", &id, "/pr_number=3"]).exits(0);
    let after: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(after["of_another_tool"], meta["of_another_tool"]);
    assert_eq!(after["pr_number"], 3);
}

#[test]
fn a_refused_change_leaves_every_byte() {
    let kept = Kept::new();
    let id = kept.create("t");
    let path = kept.meta_path(&id);
    let before = fs::read(&path).unwrap();
    for change in ["/run_id=x", "/pr_number=x", "/repo_id=0123456789abcdef"] {
        kept.store(&["set", &id, "/title=new", change]).exits(2);
        assert_eq!(fs::read(&path).unwrap(), before, "{change}");
    }
}

#[test]
fn a_damaged_document_is_listed_as_broken_and_left() {
    let kept = Kept::new();
    let id = kept.create("t");
    let path = kept.meta_path(&id);
    fs::write(&path, "{\"run_id\": ").unwrap();
    let listed = kept.store(&["ls", "--json"]).exits(0).json();
    assert_eq!(listed["data"][0]["broken"], true);
    assert_eq!(listed["data"][0]["run_id"], id);
    let shown = kept.store(&["show", &id, "--json"]);
    assert_ne!(shown.code, Some(0), "{shown}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"run_id\": ");
}

#[test]
fn events_are_numbered_and_read_from_where_one_was() {
    let kept = Kept::new();
    let id = kept.create("t");
    for (name, data) in [("push", "{\"sha\":\"a\"}"), ("stop", "null")] {
        kept.store(&["events", &id, "--append", name, "--data", data])
            .exits(0);
    }
    let all = kept.store(&["events", &id]).exits(0).stdout;
    assert_eq!(all.lines().count(), 2, "{all}");
    let later = kept.store(&["events", &id, "--since", "1"]).exits(0);
    let event = later.json_line();
    assert_eq!(event["seq"], 2);
    assert_eq!(event["event"], "stop");
}

#[test]
fn a_reference_that_means_two_runs_or_none_is_refused() {
    let kept = Kept::new();
    let mut ids = [kept.create("a"), kept.create("b")];
    ids.sort();
    let error = kept
        .store(&["resolve", &ids[0][..4], "--json"])
        .exits(2)
        .error_json("E_RUN_ID_AMBIGUOUS", "run_id_ambiguous");
    assert!(
        ids.iter().all(|id| error.to_string().contains(id)),
        "{error}"
    );
    kept.store(&["show", "1999", "--json"])
        .exits(4)
        .error_json("E_RUN_NOT_FOUND", "run_not_found");
}

#[test]
fn changes_at_once_lose_none() {
    let kept = Kept::new();
    let id = kept.create("t");
    let fields: Vec<String> = (0..8).map(|n| format!("/by_{n}={n}")).collect();
    std::thread::scope(|scope| {
        for field in &fields {
            scope.spawn(|| kept.store(&["set", &id, field]).exits(0));
        }
    });
    let meta = kept.store(&["show", &id, "--json"]).exits(0).json();
    for n in 0..8 {
        assert_eq!(meta[format!("by_{n}")], n, "{meta}");
    }
}
