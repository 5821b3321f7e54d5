//! What becomes of the commits.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{assert_no_scratch, everything, finish, finished, move_on, submit, submitted, tip};
use crate::support::{Sandbox, Script, approve, milestone, ok, plan, strings};

/// Author and committer, date, message: what is kept of a commit, and what is not.
fn of(sandbox: &Sandbox, commit: &str, format: &str) -> String {
    let format = format!("--format={format}");
    sandbox.git(&["log", "-1", "--date=raw", &format, commit])
}

#[test]
fn the_commits_of_a_run_are_made_again_on_a_branch_that_moved_on() {
    let (sandbox, id) = finished(2);
    let main = sandbox.head();
    let old = move_on(&sandbox, "release", "docs/new.txt", "new\n");
    let before = sandbox.git(&["status", "--porcelain"]);
    let result = submitted(&sandbox, &id, "release", &[], 0);

    let new = tip(&sandbox, "release");
    assert_eq!(result["run_id"], id.as_str());
    assert_eq!(result["target"], "release");
    assert_eq!(result["old_sha"], old.as_str());
    assert_eq!(result["new_sha"], new.as_str());
    assert_eq!(result["outcome"], "moved");
    for (field, value) in [("verified", true), ("pushed", false), ("dry_run", false)] {
        assert_eq!(result[field], value, "{field}");
    }
    assert_eq!(result["conflicts"], json!([]));
    assert_eq!(result["recipe"], json!([]));

    let made = sandbox.git(&["rev-list", "--reverse", &format!("{old}..release")]);
    let from = sandbox.git(&["rev-list", "--reverse", &format!("{main}..runr/{id}")]);
    let pairs: Vec<Value> = from
        .lines()
        .zip(made.lines())
        .map(|(from, to)| json!({"from": from, "to": to}))
        .collect();
    assert_eq!(pairs.len(), 2);
    assert_eq!(result["commits"], Value::Array(pairs));
    assert_eq!(
        sandbox.changed(&old, &new),
        ["src/part1.txt", "src/part2.txt"]
    );
    assert_eq!(
        sandbox.subjects(&old, &new),
        sandbox.subjects(&main, &format!("runr/{id}"))
    );
    assert_eq!(sandbox.head(), main, "the checkout is somebody else's");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), before);
    assert_no_scratch(&sandbox, &id);
}

#[test]
fn a_branch_that_stands_where_the_run_began_gets_the_very_commits() {
    let (sandbox, id) = finished(2);
    let result = submitted(&sandbox, &id, "release", &[], 0);
    assert_eq!(
        tip(&sandbox, "release"),
        tip(&sandbox, &format!("runr/{id}"))
    );
    for pair in result["commits"].as_array().unwrap() {
        assert_eq!(pair["from"], pair["to"]);
    }
}

#[test]
fn author_date_message_and_trailers_are_kept_and_the_committer_is_who_submits() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let message = "Größe: a subject\n\nA body with `$signs`.\n  indented\n\nSigned-off-by: Ada <ada@example.org>\n";
    let file = sandbox.scratch().join("message");
    std::fs::write(&file, message).unwrap();
    let commit = format!(
        "commit -q --author=Ada<ada@example.org> --date=2001-02-03T04:05:06+0130 -F {}",
        file.display()
    );
    let step = json!({
        "reply": {"status": "ok", "handoff_memo": "done"},
        "files": {"src/ada.txt": "ada\n"},
        "git": ["add src/ada.txt", commit],
    });
    sandbox.script(&Script::one(step));
    let id = finish(&sandbox);
    let old = move_on(&sandbox, "release", "docs/new.txt", "new\n");
    sandbox.git(&["config", "user.name", "Somebody Else"]);
    let result = submitted(&sandbox, &id, "release", &[], 0);
    let pair = &result["commits"][0];
    let (from, to) = (pair["from"].as_str().unwrap(), pair["to"].as_str().unwrap());
    for kept in ["%an <%ae>", "%ad", "%B", "%(trailers)"] {
        assert_eq!(of(&sandbox, from, kept), of(&sandbox, to, kept), "{kept}");
    }
    assert_eq!(
        of(&sandbox, to, "%an <%ae> %ad"),
        "Ada <ada@example.org> 981167706 +0130"
    );
    assert_eq!(of(&sandbox, to, "%B").trim_end(), message.trim_end());
    assert_eq!(of(&sandbox, to, "%cn"), "Somebody Else");
    assert_eq!(of(&sandbox, to, "%P"), old);
}

#[test]
fn a_message_of_any_length_is_kept() {
    let text = format!("a long story\n\n{}", "and then more of it\n".repeat(10_000));
    let step = json!({
        "reply": {"status": "ok", "handoff_memo": "done"},
        "files": {"src/a.txt": text},
        "git": ["add src/a.txt", "commit -q -F src/a.txt"],
    });
    let sandbox = Sandbox::scripted(&Script::one(step));
    let id = finish(&sandbox);
    move_on(&sandbox, "release", "docs/new.txt", "new\n");
    let result = submitted(&sandbox, &id, "release", &[], 0);
    let made = result["commits"][0]["to"].as_str().unwrap();
    assert_eq!(of(&sandbox, made, "%B").trim_end(), text.trim_end());
}

#[test]
fn a_repository_without_an_identity_gets_commits_of_runr() {
    let (sandbox, id) = finished(1);
    move_on(&sandbox, "release", "docs/new.txt", "new\n");
    std::fs::write(sandbox.scratch().join("../home/.gitconfig"), "").unwrap();
    submitted(&sandbox, &id, "release", &[], 0);
    let who = of(&sandbox, "release", "%an, %cn <%ce>");
    assert_eq!(who, "Sandbox, runr <runr@localhost>");
}

#[test]
fn squashed_a_run_is_one_commit_that_names_it() {
    let (sandbox, id) = finished(2);
    let old = move_on(&sandbox, "release", "docs/new.txt", "new\n");
    let result = submitted(&sandbox, &id, "release", &["--squash"], 0);
    let new = tip(&sandbox, "release");
    assert_eq!(
        sandbox.subjects(&old, &new),
        [format!("chore(runr): submit {id}")]
    );
    assert_eq!(
        sandbox.changed(&old, &new),
        ["src/part1.txt", "src/part2.txt"]
    );
    assert_eq!(
        of(&sandbox, &new, "%b").trim(),
        format!("- goal 1\n- goal 2\n\nRunr-Run-Id: {id}")
    );
    assert_eq!(
        of(&sandbox, &new, "%(trailers:key=Runr-Run-Id,valueonly)").trim(),
        id
    );
    let last = tip(&sandbox, &format!("runr/{id}"));
    assert_eq!(result["commits"], json!([{"from": last, "to": new}]));
}

#[test]
fn a_dry_run_says_what_would_come_of_it_and_changes_nothing() {
    let (sandbox, id) = finished(2);
    move_on(&sandbox, "release", "docs/new.txt", "new\n");
    // Only a run of checks needs approval.
    std::fs::remove_dir_all(sandbox.scratch().join("../config/runr")).unwrap();
    for branch in ["release", "main"] {
        let before = everything(&sandbox);
        let result = submitted(&sandbox, &id, branch, &["--dry-run"], 0);
        assert_eq!(result["outcome"], "planned");
        assert_eq!(
            (&result["dry_run"], &result["verified"]),
            (&json!(true), &json!(false))
        );
        let new = result["new_sha"].as_str().unwrap();
        let old = result["old_sha"].as_str().unwrap();
        assert_eq!(
            sandbox.changed(old, new),
            ["src/part1.txt", "src/part2.txt"]
        );
        assert!(everything(&sandbox) == before, "{branch}");
    }
}

#[test]
fn there_is_nothing_to_move_twice() {
    let (sandbox, id) = finished(2);
    let old = move_on(&sandbox, "release", "docs/new.txt", "new\n");
    submitted(&sandbox, &id, "release", &[], 0);
    let before = everything(&sandbox);
    for flags in [&[][..], &["--squash"], &["--dry-run"]] {
        let result = submitted(&sandbox, &id, "release", flags, 0);
        assert_eq!(result["outcome"], "nothing_to_move", "{flags:?}");
        assert_eq!(result["new_sha"], Value::Null);
        assert_eq!(result["commits"], json!([]));
        assert_ne!(result["old_sha"], old.as_str());
    }
    let own = format!("runr/{id}");
    let result = submitted(&sandbox, &id, &own, &[], 0);
    assert_eq!(result["outcome"], "nothing_to_move");
    assert!(everything(&sandbox) == before);
}

#[test]
fn a_commit_that_changes_nothing_on_the_branch_is_left_out() {
    let (sandbox, id) = finished(2);
    let old = move_on(&sandbox, "release", "src/part1.txt", "part 1\n");
    let result = submitted(&sandbox, &id, "release", &[], 0);
    assert_eq!(result["commits"].as_array().unwrap().len(), 1);
    assert_eq!(
        sandbox.subjects(&old, "release"),
        [format!("chore(runr): checkpoint {id} milestone 1")]
    );
}

#[test]
fn a_run_that_stopped_gives_what_it_has_finished() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let id = sandbox.run(&["--worktree", "--max-ticks", "5"], 1).id;
    sandbox.git(&["branch", "release"]);
    let old = tip(&sandbox, "release");
    submitted(&sandbox, &id, "release", &[], 0);
    assert_eq!(sandbox.changed(&old, "release"), ["src/part1.txt"]);
}

#[test]
fn a_merge_of_the_worker_becomes_one_ordinary_commit() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let step = json!({
        "reply": {"status": "ok", "handoff_memo": "done"},
        "files": {"src/a.txt": "a\n", "src/b.txt": "b\n"},
        "git": [
            "add src/a.txt", "commit -q -m a", "checkout -q --detach HEAD~1",
            "add src/b.txt", "commit -q -m b", "tag side", "checkout -q runr/{run_id}",
            "merge -q --no-ff -m merged side", "tag -d side",
        ],
    });
    sandbox.script(&Script::one(step));
    let id = finish(&sandbox);
    let own = format!("runr/{id}");
    let parents = sandbox.git(&["rev-list", "--merges", &own]);
    assert_eq!(parents.lines().count(), 1, "the run has a merge");
    let old = tip(&sandbox, "release");
    submitted(&sandbox, &id, "release", &[], 0);
    assert_eq!(sandbox.subjects(&old, "release"), ["a", "merged"]);
    assert_eq!(sandbox.changed(&old, "release"), ["src/a.txt", "src/b.txt"]);
    assert_eq!(sandbox.git(&["rev-list", "--merges", "release"]), "");
}

/// A run that changes a line which the branch has changed, too.
fn conflicting(target: &str) -> (Sandbox, String) {
    let goals = [milestone("goal 1"), milestone("goal 2")];
    let steps = [
        ok(json!({"src/first.txt": "first\n"})),
        ok(json!({"src/base.txt": "ours\n"})),
    ];
    let sandbox = Sandbox::scripted(&Script::new(plan(&goals), &steps, &[approve()]));
    let id = finish(&sandbox);
    if target == "main" {
        sandbox.write("src/base.txt", "theirs\n");
        sandbox.commit("theirs");
    } else {
        move_on(&sandbox, target, "src/base.txt", "theirs\n");
    }
    (sandbox, id)
}

#[test]
fn a_conflict_names_its_files_and_changes_nothing() {
    let (sandbox, id) = conflicting("release");
    for flags in [&[][..], &["--squash"], &["--dry-run"]] {
        let before = everything(&sandbox);
        let result = submitted(&sandbox, &id, "release", flags, 1);
        assert_eq!(result["outcome"], "conflict");
        assert_eq!(result["conflicts"], json!(["src/base.txt"]));
        assert_eq!(
            (&result["new_sha"], &result["commits"]),
            (&Value::Null, &json!([]))
        );
        assert!(everything(&sandbox) == before, "{flags:?}");
    }
    let shown = sandbox
        .runr(&["submit", &id, "--to", "release"])
        .output()
        .exits(1);
    for line in [
        "  src/base.txt",
        "CONFLICT (content): Merge conflict in src/base.txt",
    ] {
        assert!(shown.stdout.lines().any(|it| it == line), "{line}: {shown}");
    }
}

#[test]
fn the_recipe_for_a_conflict_works() {
    for (target, flags) in [
        ("release", &[][..]),
        ("main", &[]),
        ("release", &["--squash"]),
    ] {
        let (sandbox, id) = conflicting(target);
        let old = tip(&sandbox, target);
        let result = submitted(&sandbox, &id, target, flags, 1);
        let by_hand: PathBuf = sandbox.worktree(&format!("{id}-by-hand"));
        let mut stops = 0;
        for line in strings(&result["recipe"]) {
            let output = sandbox.command("sh").args(&["-c", &line]).output();
            if output.code == Some(0) {
                continue;
            }
            stops += 1;
            assert!(output.text().contains("CONFLICT"), "{output}");
            std::fs::write(by_hand.join("src/base.txt"), "both\n").unwrap();
            sandbox.git_in(&by_hand, &["add", "-A"]);
        }
        assert_eq!(stops, 1, "{target} {flags:?}");
        assert_eq!(
            sandbox.changed(&old, target),
            ["src/base.txt", "src/first.txt"]
        );
        assert_eq!(
            sandbox.git(&["show", &format!("{target}:src/base.txt")]),
            "both"
        );
        assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
        assert!(!by_hand.exists());
        let commits = if flags.is_empty() { 2 } else { 1 };
        assert_eq!(sandbox.subjects(&old, target).len(), commits);
    }
}

#[test]
fn people_read_what_moved() {
    let (sandbox, id) = finished(1);
    let shown = sandbox
        .runr(&["submit", &id, "--to", "release"])
        .output()
        .exits(0);
    let first = shown.stdout.lines().next().unwrap();
    assert!(first.starts_with("release has moved from "), "{shown}");
    assert!(
        shown.stdout.contains("all checks passed on the result\n"),
        "{shown}"
    );
    let shown = sandbox
        .runr(&["submit", "latest", "--to", "release"])
        .output()
        .exits(0);
    assert_eq!(
        shown.stdout,
        format!("release has everything of run {id}\n")
    );
    let output = submit(&sandbox, &id[..8], "release", &[]).output().exits(0);
    assert_eq!(output.json()["run_id"], id.as_str());
}
