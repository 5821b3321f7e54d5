//! What is in the files of a stop.

use serde_json::{Value, json};

use crate::support::{Config, Sandbox, Script, approve, milestone, ok, plan, request_changes};

#[test]
fn the_diff_is_what_the_checkpoints_change_and_no_more() {
    let script = Script::new(
        plan(&[milestone("goal 1"), milestone("goal 2")]),
        &[
            ok(json!({"src/part1.txt": "part 1\n"})),
            ok(json!({"src/part2.txt": "half\n", "other/x.txt": "stray\n"})),
        ],
        &[approve()],
    );
    let sandbox = Sandbox::scripted(&script);
    let base = sandbox.head();
    let run = sandbox.run(&["--worktree"], 1);
    let branch = format!("runr/{}", run.id);
    let diff = sandbox.text(&run.id, "diff.patch");
    assert!(
        diff.contains("+part 1\n") && !diff.contains("stray"),
        "{diff}"
    );
    assert_eq!(sandbox.text(&run.id, "files.txt"), "src/part1.txt\n");
    let stat = " src/part1.txt | +1 -0\n 1 file changed, +1 -0\n";
    assert_eq!(sandbox.text(&run.id, "diffstat.txt"), stat);
    let receipt = sandbox.receipt(&run.id);
    let told = [
        "files_changed",
        "lines_added",
        "lines_deleted",
        "binary_files",
    ];
    assert_eq!(
        told.map(|name| receipt[name].as_u64().unwrap()),
        [1, 1, 0, 0]
    );
    assert_eq!(receipt["verification_tier"], "tier0");

    // It can be applied where the run began, and gives what it committed.
    sandbox.git(&["switch", "-q", "--detach", &base]);
    let path = sandbox.file(&run.id, "diff.patch");
    sandbox.git(&["apply", "--index", path.to_str().unwrap()]);
    let tree = sandbox.git(&["write-tree"]);
    assert_eq!(
        tree,
        sandbox.git(&["rev-parse", &format!("{branch}^{{tree}}")])
    );
}

#[test]
fn settings_of_git_do_not_change_the_form_of_the_diff() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let canary = sandbox.scratch().join("executed");
    let touch = format!("touch {}; cat", canary.display());
    for (name, value) in [
        ("diff.noprefix", "true"),
        ("color.ui", "always"),
        ("diff.external", touch.as_str()),
        ("diff.loud.textconv", touch.as_str()),
        ("diff.loud.command", touch.as_str()),
        ("diff.context", "0"),
    ] {
        sandbox.git(&["config", "--global", name, value]);
    }
    sandbox.write(".gitattributes", "*.txt diff=loud\n");
    sandbox.commit("attributes");
    let run = sandbox.run(&["--worktree"], 0);
    let diff = sandbox.text(&run.id, "diff.patch");
    assert!(
        diff.starts_with("diff --git a/src/part1.txt b/src/part1.txt\n"),
        "{diff}"
    );
    sandbox.check_receipt(&run.id).exits(0);
    assert!(!canary.exists());
}

#[test]
fn a_large_diff_is_packed_and_a_binary_file_is_named() {
    let long: String = (0..3000).map(|n| format!("line {n}\n")).collect();
    let script = Script::one(ok(json!({"src/long.txt": long, "src/raw.bin": "a\u{0}b"})));
    let sandbox = Sandbox::scripted(&script);
    let run = sandbox.run(&["--worktree"], 0);
    assert!(!sandbox.file(&run.id, "diff.patch").exists());
    let packed = sandbox.file(&run.id, "diff.patch.gz");
    let unpacked = sandbox
        .command("gzip")
        .args(&["-dc", packed.to_str().unwrap()]);
    let diff = unpacked.output().exits(0).stdout;
    assert!(diff.contains("+line 2999\n"));
    assert!(diff.contains("Binary files /dev/null and b/src/raw.bin differ\n"));
    let receipt = sandbox.receipt(&run.id);
    assert_eq!(
        receipt["artifacts_written"]["diff"]["path"],
        "diff.patch.gz"
    );
    assert_eq!(
        (&receipt["files_changed"], &receipt["binary_files"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(receipt["lines_added"], 3000);
    sandbox.check_receipt(&run.id).exits(0);
}

#[test]
fn of_many_files_the_first_500_are_named() {
    let files: Value = (0..510)
        .map(|n| (format!("src/f{n:03}.txt"), json!("x\n")))
        .collect();
    let sandbox = Sandbox::scripted(&Script::one(ok(files)));
    let run = sandbox.runr(&["run", "--task", crate::support::TASK, "--worktree"]);
    let output = run.output().exits(0);
    let id = sandbox.run_ids().pop().unwrap();
    let text = sandbox.text(&id, "files.txt");
    assert_eq!(text.lines().count(), 501);
    assert!(text.ends_with("...10 more files\n"), "{text}");
    assert_eq!(sandbox.receipt(&id)["files_changed"], 510);
    assert!(
        output
            .stdout
            .contains("\n src/f019.txt | +1 -0\n...490 more files\n"),
        "{output}"
    );
}

#[test]
fn hand_offs_tell_what_was_done_and_said() {
    let step = ok(json!({"src/part1.txt": "1\n"}));
    let reviews = [request_changes(&["name it better"]), approve()];
    let script = Script::new(plan(&[milestone("goal 1")]), &[step], &reviews);
    let sandbox = Sandbox::scripted(&script);
    let run = sandbox.run(&["--worktree"], 0);
    let handoff = sandbox.text(&run.id, "handoffs/milestone_01_handoff.md");
    let sha = sandbox.report(&run.id)["checkpoint_sha"]
        .as_str()
        .unwrap()
        .to_owned();
    for words in [
        "# Hand-off of milestone 1 of 1: goal 1\n".to_owned(),
        format!("Checkpoint: {sha} (tree "),
        "> done as asked\n".to_owned(),
        "- tier0: passed\n".to_owned(),
    ] {
        assert!(handoff.contains(&words), "`{words}` is missing: {handoff}");
    }
    let review = sandbox.text(&run.id, "handoffs/milestone_01_review.md");
    assert!(
        review.contains("## Round 1: request_changes\n\n> name it better\n"),
        "{review}"
    );
    assert!(review.contains("## Round 2: approve\n"), "{review}");
    let digest = sandbox.text(&run.id, "handoffs/review_digest.md");
    assert!(digest.contains("(approved since)"), "{digest}");
    let complete: Value =
        serde_json::from_str(&sandbox.text(&run.id, "handoffs/complete.json")).unwrap();
    assert_eq!(complete["progress"], json!({"milestone": 1, "of": 1}));
    assert_eq!(
        complete["worker_stats"]["by_phase"]["review"],
        json!({"claude": 2})
    );
    let transcript: Value =
        serde_json::from_str(&sandbox.text(&run.id, "transcript.meta.json")).unwrap();
    let stages: Vec<&Value> = transcript["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["stage"])
        .collect();
    assert_eq!(
        json!(stages),
        json!(["plan", "implement", "review", "implement", "review"])
    );
}

/// A configuration whose check prints 100 bytes and fails.
fn printing(capture: &str, limit: u64) -> Config {
    Config::new()
        .tier("tier0", &["printf '%0100d' 7; exit 1"])
        .set("receipts", "capture_cmd_output", json!(capture))
        .set("receipts", "max_output_bytes", json!(limit))
}

#[test]
fn the_configuration_says_how_much_of_an_output_is_copied() {
    let left = |capture: &str| {
        let sandbox = Sandbox::with(&printing(capture, 10));
        sandbox.script(&Script::happy(1));
        let run = sandbox.run(&["--worktree"], 1);
        let log = sandbox.text(&run.id, "logs/verify/m01-a4-tier0-1.log");
        assert_eq!(log.len(), 100, "the log itself is whole");
        sandbox.check_receipt(&run.id).exits(0);
        let copy = sandbox.file(&run.id, "artifacts/tests_tier0.log");
        let page = sandbox.text(&run.id, "handoffs/stop.md");
        (std::fs::read_to_string(copy).ok(), page)
    };
    let whole = format!("{:0100}", 7);
    let (copy, page) = left("full");
    assert_eq!(copy.as_ref(), Some(&whole));
    assert!(page.contains(&format!("\n    {whole}\n")), "{page}");

    let (copy, page) = left("truncated");
    let end = "[90 bytes are left out; the whole output is in the log]\n0000000007";
    assert_eq!(copy.as_deref(), Some(end));
    assert!(page.contains("\n    0000000007\n"), "{page}");

    let (copy, page) = left("metadata_only");
    assert_eq!(copy, None);
    assert!(!page.contains("0007\n"), "{page}");
}
