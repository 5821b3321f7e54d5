//! Names that lead astray, and things planted under the names of a store, from the command line.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::canary::{Plant, look};
use crate::hostile::{REPO, RUN};
use crate::support::{Output, Shop, least};

/// A data directory with one run in it, and its like outside of it.
fn planted(place: &str, plant: Plant) -> (Shop, PathBuf) {
    let shop = Shop::new();
    let outside = shop.sandbox.scratch().join("outside");
    for base in [shop.data(), outside.clone()] {
        let run = base.join("repos").join(REPO).join("runs").join(RUN);
        fs::create_dir_all(run.join("logs")).unwrap();
        for (name, text) in [
            ("meta.json", least("")),
            ("events.jsonl", "{\"event\":\"stop\"}\n".to_owned()),
            (".lock", String::new()),
            (".meta.json.tmp", "half".to_owned()),
        ] {
            fs::write(run.join(name), text).unwrap();
        }
    }
    let at = |base: PathBuf| match place {
        "" => base.join("repos").join(REPO),
        place => base.join("repos").join(REPO).join(place),
    };
    let there = at(outside.clone());
    assert!(plant.plant(&at(shop.data()), &there, &there));
    (shop, outside)
}

/// Every command on the run; none may wait for somebody at the other end of a pipe.
fn commands(shop: &Shop) -> Vec<(&'static str, Output)> {
    let store = |args: &[&str]| {
        let args = [args, &["--repo-id", REPO, "--json"]].concat();
        shop.store(&args).limit(Duration::from_secs(20)).output()
    };
    let call = |function: &str, mut arguments: serde_json::Value| {
        arguments["run_id"] = json!(RUN);
        arguments["data_store"] = json!({"repo_id": REPO});
        let call = shop.runr(&["call", function]).stdin(&arguments.to_string());
        call.limit(Duration::from_secs(20)).output()
    };
    vec![
        ("ls", store(&["ls"])),
        ("resolve", store(&["resolve", RUN])),
        ("show", store(&["show", RUN])),
        ("events", store(&["events", RUN])),
        ("set", store(&["set", RUN, "pr_number=5"])),
        ("append", store(&["events", RUN, "--append", "x"])),
        ("new", store(&["new", "--title", "t", "--run-id", "gh-19"])),
        ("read", call("store_read", json!({}))),
        ("update", call("store_update", json!({"set": {"/x": 1}}))),
        ("add", call("store_append_event", json!({"name": "x"}))),
    ]
}

/// Whether a command works although something is planted here.
fn works(place: &str, command: &str) -> bool {
    match place {
        // A list of what cannot be listed is empty, with a warning.
        "" | "runs" => command == "ls",
        "runs/gh-17" => ["ls", "new"].contains(&command),
        "runs/gh-17/meta.json" => !["show", "set", "read", "update"].contains(&command),
        "runs/gh-17/events.jsonl" => !["events", "append", "add"].contains(&command),
        "runs/gh-17/.lock" => !["set", "append", "update", "add"].contains(&command),
        _ => true,
    }
}

#[test]
fn what_is_planted_in_a_data_directory_never_leads_outside() {
    for place in [
        "",
        "runs",
        "runs/gh-17",
        "runs/gh-17/meta.json",
        "runs/gh-17/events.jsonl",
        "runs/gh-17/.lock",
        "runs/gh-17/.meta.json.tmp",
    ] {
        for plant in [Plant::LinkOut, Plant::Pipe] {
            let (shop, outside) = planted(place, plant);
            let before = look(&outside);
            for (command, output) in commands(&shop) {
                let worked = output.code == Some(0);
                assert_eq!(
                    worked,
                    works(place, command),
                    "{plant:?} at `{place}`: {output}"
                );
                if !worked {
                    let error = output.json();
                    assert!(
                        error["code"].as_str().unwrap().starts_with("E_"),
                        "{output}"
                    );
                    assert!([Some(1), Some(4)].contains(&output.code), "{output}");
                }
            }
            assert!(
                look(&outside) == before,
                "{plant:?} at `{place}` leads outside"
            );
        }
    }
}

#[test]
fn a_name_that_is_no_id_never_reaches_the_disk() {
    let shop = Shop::new();
    shop.create_as(RUN);
    let before = look(&shop.sandbox.scratch());
    let long = "x".repeat(300);
    for bad in [
        "..",
        "/abs",
        "a/../../b",
        "a\0b",
        "a\nb",
        "-rf",
        "con",
        ".hidden",
        "a.",
        "gh\u{2011}17",
        "\u{ff47}h-17",
        "caf\u{e9}",
        "cafe\u{301}",
        &long,
    ] {
        let invalid = |function: &str, arguments: serde_json::Value| {
            let output = shop.call(function, arguments).output().exits(2);
            let error = output.error_json("E_INVALID_ID", "invalid_id");
            assert_eq!(error["value"], bad);
            assert!(
                !error["message"]
                    .as_str()
                    .unwrap()
                    .contains(char::is_control),
                "{error}"
            );
        };
        invalid("store_read", json!({"run_id": bad}));
        invalid("store_update", json!({"run_id": bad, "set": {"/x": 1}}));
        invalid("store_append_event", json!({"run_id": bad, "name": "x"}));
        invalid(
            "store_create",
            json!({"fields": {"run_id": bad, "repo_id": REPO}}),
        );
        invalid("store_create", json!({"fields": {"repo_id": bad}}));
        if bad.contains('\0') {
            // No argument of a command holds one.
            continue;
        }
        let id = format!("--run-id={bad}");
        let words = ["new", "--title", "t", "--json", &id];
        shop.store(&words)
            .output()
            .exits(2)
            .error_json("E_INVALID_ID", "invalid_id");
        let repo = format!("--repo-id={bad}");
        shop.store(&["ls", "--json", &repo]).output().exits(2);
        let human = shop.store(&["show", "--", bad]).output().exits(4);
        assert!(
            !human
                .stderr
                .trim_end()
                .contains(|c: char| c.is_control() && c != '\n')
        );
    }
    assert!(look(&shop.sandbox.scratch()) == before);
}
