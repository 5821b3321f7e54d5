//! The last block of a run, and the report for people.

use serde_json::json;

use crate::support::{Config, Output, Sandbox, Script, TASK, milestone, ok, plan, request_changes};

fn human(sandbox: &Sandbox, flags: &[&str], code: i32) -> (String, Output) {
    let output = sandbox
        .runr(&["run", "--task", TASK])
        .args(flags)
        .output()
        .exits(code);
    (sandbox.run_ids().pop().unwrap(), output)
}

#[track_caller]
fn assert_says(output: &Output, words: &[&str]) {
    let (_, block) = output.stdout.split_once("] stop - ").unwrap();
    for words in words {
        assert!(block.contains(words), "`{words}` is missing: {block}");
    }
}

#[test]
fn a_complete_run_shows_its_change_and_what_was_checked() {
    let sandbox = Sandbox::with(&Config::new().tier("tier1", &["true"]));
    sandbox.script(&Script::happy(1));
    let (id, output) = human(&sandbox, &["--worktree"], 0);
    let sha = sandbox.git(&["rev-parse", "--short=7", &format!("runr/{id}")]);
    let words = [
        format!("\nRun {id} complete\n src/part1.txt | +1 -0\n 1 file changed, +1 -0\n"),
        format!("Checkpoint: {sha} (verified: tier0, tier1)\n"),
        format!("Branch: runr/{id}\n"),
        format!("Next: runr submit {id} --to main\n      runr report {id}\n"),
    ];
    assert_says(&output, &words.each_ref().map(String::as_str));
}

#[test]
fn a_stopped_run_shows_what_explains_it_and_what_helps() {
    let command = "for i in $(seq 20); do echo line $i; done; exit 7";
    let sandbox = Sandbox::with(&Config::new().tier("tier0", &[command]));
    sandbox.script(&Script::happy(2));
    let (id, output) = human(&sandbox, &["--worktree"], 1);
    let words = [
        "\nSTOPPED: verification_failed_max_retries\nNo checkpoint (milestone 1/2)\n".to_owned(),
        format!("  failed: {command} (tier0)\n    line 6\n"),
        "    line 20\n".to_owned(),
        format!("Next: runr resume {id}\n      runr report {id}\n"),
    ];
    assert_says(&output, &words.each_ref().map(String::as_str));

    let stray = Sandbox::scripted(&Script::one(ok(json!({"other/x.txt": "x\n"}))));
    let (_, output) = human(&stray, &["--worktree"], 1);
    assert_says(&output, &["(milestone 1/1)\n  other/x.txt\nNext: # Review"]);

    let wishes = request_changes(&["one", "two", "three", "four"]);
    let step = ok(json!({"src/a.txt": "1\n"}));
    let script = Script::new(plan(&[milestone("goal 1")]), &[step], &[wishes]);
    let (id, output) = human(&Sandbox::scripted(&script), &["--worktree"], 1);
    let digest =
        format!("  one\n  two\n  three\nNext: cat .runr/runs/{id}/handoffs/review_digest.md\n");
    assert_says(&output, &[&digest]);
}

#[test]
fn the_last_checkpoint_is_counted_from_one() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let (id, output) = human(&sandbox, &["--worktree", "--max-ticks", "5"], 1);
    let sha = sandbox.git(&["rev-parse", "--short=7", &format!("runr/{id}")]);
    assert_says(
        &output,
        &[&format!("Last checkpoint: {sha} (milestone 1/2)\n")],
    );
}

#[test]
fn the_report_names_the_failed_command_and_shows_its_end() {
    let command = "for i in $(seq 50); do echo line $i; done; exit 7";
    let sandbox = Sandbox::with(&Config::new().tier("tier0", &[command]));
    sandbox.script(&Script::happy(1));
    let run = sandbox.run(&["--worktree"], 1);
    let report = sandbox.runr(&["report", &run.id]).output().exits(0).stdout;
    let log = "logs/verify/m01-a4-tier0-1.log";
    for words in [
        format!("\nfailed_command: {command} (tier0)\nresult: exit 7\nlog: {log}\n  line 11\n"),
        "  line 50\n".to_owned(),
        "it failed in the same way twice running: ".to_owned(),
        format!(
            "\nlast verification: {}\n",
            sandbox.file(&run.id, log).display()
        ),
        format!(
            "/handoffs/stop.md\nreceipt: {}\n",
            sandbox.file(&run.id, "receipt.json").display()
        ),
        format!("\nNext\nrunr resume {}\n", run.id),
    ] {
        assert!(report.contains(&words), "`{words}` is missing: {report}");
    }
    assert!(!report.contains("  line 10\n"), "{report}");
}

#[test]
fn the_report_of_a_review_loop_shows_the_wishes() {
    let step = ok(json!({"src/a.txt": "1\n"}));
    let wish = request_changes(&["a wish \u{1b}[31m"]);
    let script = Script::new(plan(&[milestone("goal 1")]), &[step], &[wish]);
    let sandbox = Sandbox::scripted(&script);
    let run = sandbox.run(&["--worktree"], 1);
    let report = sandbox.runr(&["report", &run.id]).output().exits(0).stdout;
    assert!(
        report.contains("\nreviewer: a wish \\u{1b}[31m\n"),
        "{report}"
    );
}
