//! What `runr store` keeps, whatever happens to a document and whoever else is there.

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
fn a_number_is_kept_in_the_spelling_in_which_it_is_set() {
    let kept = Kept::new();
    let id = kept.create("t");
    let big = "123456789012345678901234567890";
    let list = format!("ext/list=[{big}, 1E5]");
    kept.store(&["set", &id, "ext/price=1.50", &list]).exits(0);
    let text = fs::read_to_string(kept.meta_path(&id)).unwrap();
    assert!(text.contains("\"price\": 1.50,"), "{text}");
    assert!(text.contains(big) && text.contains("1E5"), "{text}");
    let arguments = format!(
        r#"{{"data_store": {{}}, "run_id": "{id}", "set": {{"/ext/price": 2.50, "/n": -{big}}}}}"#
    );
    let called = kept
        .sandbox
        .runr(&["call", "store_update"])
        .env("RUNR_DATA_DIR", kept.data.clone())
        .stdin(&arguments)
        .output();
    called.exits(0);
    let text = fs::read_to_string(kept.meta_path(&id)).unwrap();
    assert!(text.contains("\"price\": 2.50,"), "{text}");
    assert!(text.contains(&format!("\"n\": -{big}\n")), "{text}");
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
