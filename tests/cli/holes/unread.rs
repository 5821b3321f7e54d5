//! What cannot be read, where it was taken for something that is not there.

use super::*;

#[test]
fn an_unreadable_answer_that_was_kept_is_not_lost_by_the_next_one() {
    let sandbox = processes(
        Config::new(),
        "",
        "cat > /dev/null
kept=$RUNR_RUN_DIR/artifacts/raw-outputs-implement-doer.md
[ ! -e \"$kept\" ] || printf '\\377' >> \"$kept\"
echo call >> \"$SCRATCH/calls\"
echo \"nonsense $(wc -l < \"$SCRATCH/calls\")\"",
    );
    run_processes(&sandbox, &["--worktree"]).exits(1);
    let id = sandbox.run_ids().pop().unwrap();
    let kept = sandbox
        .run_dir(&id)
        .join("artifacts/raw-outputs-implement-doer.md");
    let kept = String::from_utf8_lossy(&fs::read(kept).unwrap()).into_owned();
    for words in ["nonsense 1", "nonsense 2"] {
        assert!(kept.contains(words), "{kept}");
    }
}

#[test]
fn a_planned_path_that_cannot_be_looked_at_is_not_taken_for_a_new_file() {
    let mut goal = milestone("goal 1");
    goal["files_expected"] = json!(["src/loop/part.txt"]);
    let step = ok(json!({"src/part.txt": "a part\n"}));
    let sandbox = Sandbox::scripted(&Script::new(plan(&[goal]), &[step], &[approve()]));
    std::os::unix::fs::symlink("loop", sandbox.repo().join("src/loop")).unwrap();
    sandbox.commit("a link to itself");
    stops(&sandbox, &["--worktree"], "internal_error");
    assert_eq!(sandbox.calls("implement").len(), 0);
}

#[test]
fn a_reviewer_is_told_that_the_log_of_a_check_cannot_be_read() {
    let log = "\"$RUNR_RUN_DIR/logs/verify/m01-a1-tier0-1.log\"";
    let check = format!("rm {log}; ln -s m01-a1-tier0-1.log {log}");
    let sandbox = Sandbox::with(&Config::new().tier("tier0", &[&check]));
    sandbox.script(&Script::one(ok(json!({"src/part.txt": "a part\n"}))));
    sandbox.run(&["--worktree"], 0);
    let shown = &sandbox.prompts("review")[0];
    assert!(shown.contains("the log cannot be read"), "{shown}");
}
