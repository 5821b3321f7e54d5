//! `runr report --verify`: whatever is changed afterwards shows, and a receipt leads nowhere else.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Sandbox, Script};

/// A complete run with everything a receipt can tell of.
fn complete() -> (Sandbox, String) {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let run = sandbox.run(&["--worktree"], 0);
    sandbox.check_receipt(&run.id).exits(0);
    (sandbox, run.id)
}

/// `(kind, name, status)` of what is not as it was.
fn wrong(sandbox: &Sandbox, id: &str) -> Vec<(String, String, String)> {
    let verdict = sandbox.check_receipt(id).exits(1).pretty_json();
    assert_eq!(verdict["ok"], false);
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
    let entries = verdict["entries"].as_array().unwrap().iter();
    entries
        .filter(|entry| entry["status"] != "OK")
        .map(|entry| {
            (
                text(entry, "kind"),
                text(entry, "name"),
                text(entry, "status"),
            )
        })
        .collect()
}

fn one(kind: &str, name: &str, status: &str) -> Vec<(String, String, String)> {
    vec![(kind.to_owned(), name.to_owned(), status.to_owned())]
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    match bytes.last_mut() {
        Some(byte) => *byte ^= 1,
        None => bytes.push(b'x'),
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn every_entry_is_shown_with_its_status() {
    let (sandbox, id) = complete();
    let shown = sandbox
        .runr(&["report", &id, "--verify"])
        .output()
        .exits(0)
        .stdout;
    let commit = sandbox.git(&["rev-parse", &format!("runr/{id}")]);
    for line in [
        "OK      receipt    receipt.json\n".to_owned(),
        "OK      timeline   timeline.jsonl\n".to_owned(),
        "OK      artifact   diff.patch\n".to_owned(),
        "OK      artifact   handoffs/complete.json\n".to_owned(),
        "OK      log        logs/verify/m01-a1-tier0-1.log\n".to_owned(),
        format!("OK      checkpoint {commit}\n"),
        "entries are as the receipt says\n".to_owned(),
    ] {
        assert!(shown.contains(&line), "`{line}` is missing: {shown}");
    }
    let verdict = sandbox.check_receipt(&id).exits(0).pretty_json();
    let fields: Vec<&String> = verdict.as_object().unwrap().keys().collect();
    let expected = [
        "version",
        "run_id",
        "ok",
        "stop_seq",
        "stop_reason",
        "entries",
    ];
    assert_eq!(fields, expected);
    let fields: Vec<&String> = verdict["entries"][0].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["kind", "name", "status", "detail"]);
}

#[test]
fn a_changed_or_missing_file_shows() {
    let (sandbox, id) = complete();
    for (kind, name) in [
        ("log", "logs/verify/m01-a1-tier0-1.log"),
        ("artifact", "diff.patch"),
        ("artifact", "handoffs/milestone_02_handoff.md"),
        ("artifact", "artifacts/tests_tier0.log"),
        ("artifact", "plan.md"),
    ] {
        let path = sandbox.file(&id, name);
        let was = fs::read(&path).unwrap();
        flip(&path);
        assert_eq!(wrong(&sandbox, &id), one(kind, name, "CHANGED"));
        fs::remove_file(&path).unwrap();
        assert_eq!(wrong(&sandbox, &id), one(kind, name, "MISSING"));
        // The very same bytes somewhere else are not the file.
        let elsewhere = sandbox.scratch().join("elsewhere");
        fs::write(&elsewhere, &was).unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert_eq!(wrong(&sandbox, &id), one(kind, name, "CHANGED"));
        fs::remove_file(&path).unwrap();
        fs::write(&path, &was).unwrap();
        sandbox.check_receipt(&id).exits(0);
    }
}

#[test]
fn a_changed_word_of_the_timeline_shows_and_a_note_does_not() {
    let (sandbox, id) = complete();
    let path = sandbox.file(&id, "timeline.jsonl");
    let was = fs::read_to_string(&path).unwrap();
    fs::write(&path, was.replace("done as asked", "done as ASKED")).unwrap();
    let found = wrong(&sandbox, &id);
    assert!(
        found.contains(&one("timeline", "timeline.jsonl", "CHANGED")[0]),
        "{found:?}"
    );
    let seq = was.lines().count() + 1;
    let note = json!({
        "seq": seq, "timestamp": "2099-01-01T00:00:00.000Z", "type": "note", "source": "cli",
        "payload": {"by": "me", "text": "well done"},
    });
    fs::write(&path, format!("{was}{note}\n")).unwrap();
    sandbox.check_receipt(&id).exits(0);
}

#[test]
fn a_lost_commit_shows() {
    let (sandbox, id) = complete();
    let commit = sandbox.git(&["rev-parse", &format!("runr/{id}~1")]);
    let object = sandbox
        .repo()
        .join(".git/objects")
        .join(&commit[..2])
        .join(&commit[2..]);
    let hidden = sandbox.scratch().join("object");
    fs::rename(&object, &hidden).unwrap();
    assert_eq!(wrong(&sandbox, &id), one("checkpoint", &commit, "MISSING"));
    fs::rename(&hidden, &object).unwrap();
    let tree = sandbox.git(&["rev-parse", &format!("{commit}^{{tree}}")]);
    let object = sandbox
        .repo()
        .join(".git/objects")
        .join(&tree[..2])
        .join(&tree[2..]);
    fs::rename(&object, &hidden).unwrap();
    assert_eq!(wrong(&sandbox, &id), one("checkpoint", &commit, "MISSING"));
}

/// Puts something into the receipt of the run.
fn edit(sandbox: &Sandbox, id: &str, change: impl FnOnce(&mut Value)) {
    let mut receipt = sandbox.receipt(id);
    change(&mut receipt);
    fs::write(sandbox.file(id, "receipt.json"), receipt.to_string()).unwrap();
}

#[test]
fn a_receipt_that_says_something_else_than_the_timeline_shows() {
    for (pointer, value) in [
        ("/terminal_state", json!("failed")),
        ("/stop_reason", json!("interrupted")),
        ("/stop_seq", json!(3)),
        ("/base_sha", json!("0".repeat(40))),
        ("/run_id", json!("20260101000000")),
        ("/milestones", json!([])),
        ("/usage/cost_usd", json!(0.5)),
        ("/verification_tier", json!("tier2")),
    ] {
        let (sandbox, id) = complete();
        edit(&sandbox, &id, |receipt| {
            *receipt.pointer_mut(pointer).unwrap() = value
        });
        let found = wrong(&sandbox, &id);
        assert_eq!(
            found[0],
            one("receipt", "receipt.json", "CHANGED")[0],
            "{pointer}"
        );
    }
}

#[test]
fn a_hostile_receipt_is_refused() {
    let (sandbox, id) = complete();
    let good = fs::read(sandbox.file(&id, "receipt.json")).unwrap();
    let refused = |what: &str| {
        let output = sandbox.check_receipt(&id).exits(1);
        assert_eq!(
            output.pretty_json()["code"],
            "E_STORE_CORRUPT",
            "{what}: {output}"
        );
        fs::write(sandbox.file(&id, "receipt.json"), &good).unwrap();
    };
    for path in [
        "../../../runr.config.json",
        "/etc/passwd",
        "logs/../../x",
        "",
    ] {
        edit(&sandbox, &id, |receipt| {
            receipt["logs"][0]["path"] = json!(path)
        });
        refused(path);
    }
    for commit in ["--batch-all-objects", "HEAD", "a\nb"] {
        edit(&sandbox, &id, |receipt| {
            receipt["milestones"][0]["commit"] = json!(commit)
        });
        refused(commit);
    }
    for text in ["", "not JSON", "[]", "{\"schema_version\": 1}", "\u{0}"] {
        fs::write(sandbox.file(&id, "receipt.json"), text).unwrap();
        refused(text);
    }
    fs::write(sandbox.file(&id, "receipt.json"), "[".repeat(100_000)).unwrap();
    refused("deep");
    let huge = fs::File::create(sandbox.file(&id, "receipt.json")).unwrap();
    huge.set_len(1 << 33).unwrap();
    refused("huge");
}

#[test]
fn a_receipt_that_is_a_link_or_a_pipe_is_not_read() {
    let (sandbox, id) = complete();
    let path = sandbox.file(&id, "receipt.json");
    let elsewhere = sandbox.scratch().join("receipt.json");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    sandbox.check_receipt(&id).exits(1);
    fs::remove_file(&path).unwrap();
    sandbox
        .command("mkfifo")
        .args(&[path.to_str().unwrap()])
        .output()
        .exits(0);
    sandbox.check_receipt(&id).exits(1);
    fs::remove_file(&path).unwrap();
    fs::rename(&elsewhere, &path).unwrap();

    let logs = sandbox.file(&id, "logs");
    let outside = sandbox.scratch().join("logs");
    fs::rename(&logs, &outside).unwrap();
    symlink(&outside, &logs).unwrap();
    assert!(
        wrong(&sandbox, &id)
            .iter()
            .all(|(kind, _, status)| kind == "log" && status == "CHANGED")
    );
}

#[test]
fn a_check_changes_no_byte_and_runs_nothing_of_the_repository() {
    let (sandbox, id) = complete();
    let canary = sandbox.scratch().join("executed");
    let touch = format!("touch {}", canary.display());
    for (name, value) in [
        ("core.fsmonitor", touch.as_str()),
        ("core.sshCommand", touch.as_str()),
        ("extensions.partialClone", "origin"),
        ("remote.origin.url", "ssh://nowhere/x"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.uploadpack", touch.as_str()),
        ("protocol.allow", "always"),
        ("alias.cat-file", &format!("!{touch}")),
    ] {
        sandbox.git(&["config", name, value]);
    }
    let commit = sandbox.git(&["rev-parse", &format!("runr/{id}~1")]);
    let object = sandbox
        .repo()
        .join(".git/objects")
        .join(&commit[..2])
        .join(&commit[2..]);
    fs::remove_file(object).unwrap();
    let before = sandbox.snapshot();
    assert_eq!(wrong(&sandbox, &id), one("checkpoint", &commit, "MISSING"));
    assert_eq!(sandbox.snapshot(), before);
    assert!(!canary.exists());
}

#[test]
fn a_check_fetches_nothing_from_where_the_rest_of_a_partial_clone_is() {
    let (sandbox, id) = complete();
    let whole = sandbox.scratch().join("whole.git");
    let whole = whole.to_str().unwrap();
    sandbox.git(&["clone", "-q", "--bare", ".", whole]);
    for key in ["uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"] {
        sandbox.git(&["-C", whole, "config", key, "true"]);
    }
    for (name, value) in [
        ("extensions.partialClone", "origin"),
        ("remote.origin.url", whole),
        ("remote.origin.promisor", "true"),
    ] {
        sandbox.git(&["config", name, value]);
    }
    let commit = sandbox.git(&["rev-parse", &format!("runr/{id}~1")]);
    let object = sandbox.repo().join(".git/objects").join(&commit[..2]);
    fs::remove_file(object.join(&commit[2..])).unwrap();
    let before = sandbox.snapshot();
    assert_eq!(wrong(&sandbox, &id), one("checkpoint", &commit, "MISSING"));
    assert_eq!(sandbox.snapshot(), before);
}

#[test]
fn a_run_that_went_on_has_a_receipt_of_an_earlier_stop() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let run = sandbox.run(&["--worktree", "--max-ticks", "5"], 1);
    let old = fs::read(sandbox.file(&run.id, "receipt.json")).unwrap();
    sandbox.runr(&["resume", &run.id]).output().exits(0);
    fs::write(sandbox.file(&run.id, "receipt.json"), old).unwrap();
    let found = wrong(&sandbox, &run.id);
    assert_eq!(found[0], one("receipt", "receipt.json", "CHANGED")[0]);
}
