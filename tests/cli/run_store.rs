//! `runr store`: run directories in the data directory.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::support::Shop;

#[test]
fn a_run_is_created_changed_shown_and_found() {
    let shop = Shop::new();
    let id = shop.create("Fix the Login");
    let changes = [
        "/pr_number=17",
        "name=fix-login",
        "/flags/needs_attention=true",
        "/x=text",
    ];
    let words: Vec<_> = ["set", &id].into_iter().chain(changes).collect();
    let document = shop.json(&words);
    assert_eq!(document["pr_number"], 17);
    assert_eq!(document["flags"], json!({"needs_attention": true}));
    assert_eq!(document["x"], "text");
    assert_eq!(shop.json(&["show", "fix-login"]), document);
    for reference in [&id, &id[..8], "latest"] {
        assert_eq!(
            shop.json(&["resolve", reference])["run_id"],
            *id,
            "{reference}"
        );
    }
    let text = shop.store(&["show", &id]).output().exits(0).stdout;
    let path = shop.json(&["path", &id])["meta_path"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(text, fs::read_to_string(path).unwrap());
    let without = shop.json(&["set", &id, "--unset", "x"]);
    assert_eq!(without.get("x"), None);
}

#[test]
fn the_list_has_every_run_and_its_envelope_and_exits_0_with_a_broken_one() {
    let shop = Shop::new();
    assert_eq!(
        shop.json(&["ls"]),
        json!({"schema_version": "1.0", "data": []})
    );
    assert!(!shop.data().exists(), "a list creates nothing");
    let id = shop.create("One");
    let broken = shop.create("Two");
    let path = shop.json(&["path", &broken])["meta_path"]
        .as_str()
        .unwrap()
        .to_owned();
    fs::write(&path, "{not json").unwrap();
    let list = shop.json(&["ls"]);
    let rows = list["data"].as_array().unwrap();
    assert_eq!(
        (rows[0]["run_id"].as_str(), &rows[0]["broken"]),
        (Some(&*id), &json!(false))
    );
    assert_eq!(
        (rows[1]["run_id"].as_str(), &rows[1]["title"]),
        (Some(&*broken), &json!("<broken>"))
    );
    shop.store(&["show", &broken, "--json"])
        .output()
        .exits(1)
        .error_json("E_RUN_BROKEN", "run_broken");
    assert_eq!(fs::read_to_string(&path).unwrap(), "{not json");
}

#[test]
fn events_are_appended_and_printed_as_lines() {
    let shop = Shop::new();
    let id = shop.create("One");
    shop.store(&["events", &id, "--append", "stop", "--data", "{\"why\":1}"])
        .output()
        .exits(0);
    shop.store(&["events", &id, "--append", "clean_started"])
        .output()
        .exits(0);
    let all = shop.store(&["events", &id]).output().exits(0).stdout;
    let path = PathBuf::from(shop.json(&["path", &id])["events_path"].as_str().unwrap());
    assert_eq!(all, fs::read_to_string(path).unwrap());
    let since = shop
        .store(&["events", &id, "--since", "1"])
        .output()
        .exits(0)
        .json_line();
    assert_eq!(since["event"], "clean_started");
}

#[test]
fn a_refused_change_has_its_exit_status_and_changes_nothing() {
    let shop = Shop::new();
    let id = shop.create("One");
    let before = shop.json(&["show", &id]);
    for (args, exit, code, name) in [
        (["set", &id, "run_id=x"], 2, "E_USAGE", "usage"),
        (["set", &id, "pr_number=1.5"], 2, "E_USAGE", "usage"),
        (
            ["set", &id, "name=Not A Name"],
            2,
            "E_INVALID_ID",
            "invalid_id",
        ),
        (
            ["set", "nothing-like-it", "x=1"],
            4,
            "E_RUN_NOT_FOUND",
            "run_not_found",
        ),
    ] {
        let words: Vec<_> = args.iter().chain(&["--json"]).copied().collect();
        shop.store(&words)
            .output()
            .exits(exit)
            .error_json(code, name);
    }
    shop.store(&["new", "--title", "x", "--run-id", &id, "--json"])
        .output()
        .exits(3)
        .error_json("E_RUN_DIR_EXISTS", "run_dir_exists");
    assert_eq!(shop.json(&["show", &id]), before);
}

#[test]
fn a_directory_of_runs_is_a_store_too() {
    let shop = Shop::new();
    let runs = shop.sandbox.scratch().join("runs");
    let runs = runs.to_str().unwrap();
    let created = shop.json(&["new", "--title", "One", "--runs", runs]);
    assert!(created["run_dir"].as_str().unwrap().starts_with(runs));
    let rows = shop.json(&["ls", "--runs", runs]);
    assert_eq!(rows["data"][0]["run_id"], created["run_id"]);
    assert!(!shop.data().exists());
}

#[test]
fn a_new_run_makes_its_repository_known() {
    let shop = Shop::new();
    let config = shop.sandbox.repo().join(".git/config");
    let mut text = std::fs::read_to_string(&config).unwrap();
    text.push_str("[remote \"origin\"]\n\turl = https://github.com/acme/shop.git\n");
    std::fs::write(&config, text).unwrap();
    shop.create("One");
    let rows = shop.json(&["ls"]);
    let row = &rows["data"][0];
    assert_eq!(row["repo_key"], "github:acme/shop");
    assert_eq!(row["origin_url"], "https://github.com/acme/shop.git");
    // Without a record of its own the index still knows the repository.
    let repo = shop
        .data()
        .join("repos")
        .join(row["repo_id"].as_str().unwrap());
    std::fs::remove_file(repo.join("repo.json")).unwrap();
    let rows = shop.json(&["ls"]);
    assert_eq!(rows["data"][0]["repo_key"], "github:acme/shop");
    std::fs::write(shop.data().join("repo_index.json"), "{").unwrap();
    let created = shop.store(&["new", "--title", "Three"]).output().exits(0);
    assert!(
        created.stderr.contains("Warning: cannot parse"),
        "{created}"
    );
    let index = std::fs::read_to_string(shop.data().join("repo_index.json"));
    assert_eq!(index.unwrap(), "{");
    std::fs::remove_file(repo.join("repo.json")).unwrap();
    // A run of another repository says nothing about this one.
    shop.json(&["new", "--title", "Two", "--repo-id", "abcd1234ef567890"]);
    assert!(!repo.join("repo.json").exists());
}

#[test]
fn a_data_directory_that_others_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let shop = Shop::new();
    let id = shop.create("One");
    shop.json(&["new", "--title", "Two", "--repo-id", "abcd1234ef567890"]);
    let set = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&shop.data(), 0o777);
    for args in [
        vec!["ls"],
        vec!["show", &id],
        vec!["set", &id, "x=1"],
        vec!["new", "--title", "Three"],
    ] {
        let words: Vec<_> = args.iter().chain(&["--json"]).copied().collect();
        let error = shop
            .store(&words)
            .output()
            .exits(1)
            .error_json("E_IO", "io");
        let hint = format!("chmod go-w '{}'", shop.data().display());
        assert_eq!(error["hint"], hint.as_str(), "{args:?}");
    }
    // As another program makes it.
    set(&shop.data(), 0o755);
    let other = shop.data().join("repos/abcd1234ef567890");
    set(&other, 0o770);
    let listed = shop.store(&["ls", "--json"]).output().exits(0);
    assert!(listed.stderr.contains("other users may write"), "{listed}");
    assert_eq!(listed.json()["data"][0]["run_id"], id.as_str());
    assert_eq!(listed.json()["data"].as_array().unwrap().len(), 1);
    shop.store(&["show", &id]).output().exits(1);
    set(&other, 0o755);
    shop.store(&["show", &id]).output().exits(0);
}

#[test]
fn a_driven_run_is_active_unless_its_document_says_more() {
    let shop = Shop::new();
    let runs = shop.sandbox.scratch().join("runs");
    let place = ["--runs", runs.to_str().unwrap()];
    let id = shop.json(&[&["new", "--title", "One"], &place[..]].concat())["run_id"].clone();
    let status = || shop.json(&[&["ls"], &place[..]].concat())["data"][0]["derived_status"].clone();
    assert_eq!(status(), "idle");
    let lock = fs::File::create(runs.join(id.as_str().unwrap()).join("owner.lock")).unwrap();
    assert_eq!(status(), "idle");
    lock.lock().unwrap();
    assert_eq!(status(), "active");
    let set = ["set", id.as_str().unwrap(), "flags/needs_attention=true"];
    shop.json(&[&set, &place[..]].concat());
    assert_eq!(status(), "needs attention");
}

#[test]
fn a_relative_data_directory_is_refused() {
    let shop = Shop::new();
    shop.store(&["ls", "--json"])
        .env("RUNR_DATA_DIR", "data")
        .output()
        .exits(2)
        .error_json("E_USAGE", "usage");
}
