//! What a worker process prints, and what it does behind the harness's back.

use std::time::Duration;

use rustix::process::Pid;

use super::*;
use crate::support::{Output, is_alive, wait_until};

#[test]
fn a_replaced_commit_is_judged_by_what_it_really_holds() {
    let sandbox = process(
        "echo part > src/part.txt; echo evil > EVIL; git add -A; git commit -q -m evil
evil=$(git rev-parse HEAD)
git reset -q --soft HEAD~1; git rm -q --cached EVIL; git commit -q -m clean; rm EVIL
clean=$(git rev-parse HEAD)
git update-ref HEAD \"$evil\"; git replace \"$evil\" \"$clean\"; git reset -q --hard",
    );
    run_processes(&sandbox, &["--worktree"]).exits(1);
    let id = sandbox.run_ids().pop().unwrap();
    assert!(
        tip_names(&sandbox, &id).contains(&"EVIL".to_owned()),
        "the trap was set"
    );
    assert_eq!(sandbox.status(&id)["stop_reason"], "guard_violation");
    assert_eq!(violations(&sandbox, &id), ["EVIL"]);
}

#[test]
fn a_configured_work_tree_does_not_lead_the_guard_away() {
    let clean = "cp -R . \"$SCRATCH/clean\"; rm -rf \"$SCRATCH/clean/.git\"\n";
    let evil = "echo evil > EVIL; echo part > src/part.txt";
    for (flags, configure) in [
        (
            &["--worktree"][..],
            "git config extensions.worktreeConfig true; git config --worktree",
        ),
        (&[], "git config"),
    ] {
        let sandbox = process(&format!(
            "{clean}{configure} core.worktree \"$SCRATCH/clean\"\n{evil}"
        ));
        run_processes(&sandbox, flags).exits(1);
        let id = sandbox.run_ids().pop().unwrap();
        assert_eq!(sandbox.status(&id)["stop_reason"], "guard_violation");
        let files = violations(&sandbox, &id);
        assert!(files.contains(&"EVIL".to_owned()), "{files:?}");
        assert!(files.contains(&".git/config".to_owned()), "{files:?}");
    }
}

/// Appends a record as if the harness had written it.
fn appending(kind: &str, payload: &str) -> String {
    format!(
        r#"timeline=$SCRATCH/../repo/.runr/runs/$RUNR_RUN_ID/timeline.jsonl
seq=$(($(wc -l < "$timeline") + 1))
echo '{{"seq":'"$seq"',"timestamp":"2026-01-02T03:04:05.000Z","type":"{kind}","source":"supervisor","payload":{payload}}}' >> "$timeline"
"#
    )
}

#[test]
fn a_worker_that_writes_the_timeline_gains_nothing() {
    let complete = appending(
        "stop",
        r#"{"reason":"complete","error":null,"ticks_used":1}"#,
    );
    let open = r#"{"allowlist":[],"denylist":[]}"#;
    let widened = appending(
        "scope_changed",
        &format!(r#"{{"from":{open},"to":{open},"config_sha256":null}}"#),
    );
    let evil = "echo 1 > EVIL; echo part > src/part.txt\n";
    let removed = "rm \"$SCRATCH/../repo/.runr/runs/$RUNR_RUN_ID/timeline.jsonl\"\n";
    let answers = |before: &str| format!("{before}{evil}{}", answer(OK));
    for (plan, implement) in [
        (complete.as_str(), answers("")),
        (widened.as_str(), answers("")),
        ("", answers(&complete)),
        ("", answers(&widened)),
        ("", answers(removed)),
    ] {
        let sandbox = processes(Config::new(), plan, &implement);
        let base = sandbox.head();
        let output = run_processes(&sandbox, &["--worktree"]);
        assert!(output.code.is_some_and(|code| code != 0), "{output}");
        let id = sandbox.run_ids().pop().unwrap();
        let tip = sandbox.git(&["rev-parse", &format!("runr/{id}")]);
        assert_eq!(tip, base, "nothing is committed: {output}");
    }
}

#[test]
fn a_child_in_a_session_of_its_own_does_not_outlive_the_call() {
    let sandbox = process(
        "setsid sh -c 'echo $$ > \"$1/pid.new\"; mv \"$1/pid.new\" \"$1/pid\"
while [ -d \"$1\" ]; do sleep 0.05; date > src/late.txt; done' sh \"$SCRATCH\" > /dev/null 2>&1 &
while [ ! -e \"$SCRATCH/pid\" ]; do sleep 0.02; done
echo part > src/part.txt",
    );
    run_processes(&sandbox, &["--worktree"]).exits(0);
    let pid = fs::read_to_string(sandbox.scratch().join("pid")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    assert!(!is_alive(pid), "the child still edits");
}

#[test]
fn a_child_without_its_environment_does_not_outlive_the_call_either() {
    let sandbox = process(
        "env -i \"$(command -v setsid)\" /bin/sh -c 'PATH=/usr/bin:/bin; echo $$ > \"$1/pid.new\"; mv \"$1/pid.new\" \"$1/pid\"
while [ -d \"$1\" ]; do sleep 0.05; date > src/late.txt; done' sh \"$SCRATCH\" > /dev/null 2>&1 &
while [ ! -e \"$SCRATCH/pid\" ]; do sleep 0.02; done
echo part > src/part.txt",
    );
    run_processes(&sandbox, &["--worktree"]).exits(0);
    let pid = fs::read_to_string(sandbox.scratch().join("pid")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    assert!(!is_alive(pid), "the child still edits");
}

#[test]
fn a_review_shows_no_content_from_behind_a_link() {
    for link in ["key", "."] {
        let sandbox = process(&format!(
            "echo TOPSECRET > \"$SCRATCH/key\"; ln -s \"$SCRATCH/{link}\" src/link; echo part > src/part.txt"
        ));
        run_processes(&sandbox, &["--worktree"]);
        let prompt = fs::read_to_string(sandbox.scratch().join("prompt")).unwrap();
        assert!(
            prompt.contains("src/part.txt"),
            "a review was asked for: {prompt}"
        );
        assert!(!prompt.contains("TOPSECRET"), "{prompt}");
    }
}

#[test]
fn a_directory_replaced_by_a_link_is_a_violation() {
    for (directory, then) in [
        ("src", ""),
        ("src", "git add -A; git commit -q -m moved"),
        ("src/deep", ""),
    ] {
        let sandbox = process(&format!(
            "mv {directory} \"$SCRATCH/moved\"; ln -s \"$SCRATCH/moved\" {directory}
echo part > src/part.txt; {then}"
        ));
        sandbox.write("src/deep/file.txt", "a file\n");
        sandbox.commit("a deep file");
        for flags in [&["--worktree"][..], &[]] {
            fs::remove_dir_all(sandbox.scratch().join("moved")).ok();
            run_processes(&sandbox, flags).exits(1);
            let id = sandbox.run_ids().pop().unwrap();
            let status = sandbox.status(&id);
            assert_eq!(status["stop_reason"], "guard_violation", "{status}");
            assert_eq!(violations(&sandbox, &id), [directory]);
            let error = status["last_error"].as_str().unwrap();
            assert!(error.contains("symbolic link"), "{error}");
        }
    }
}

#[test]
fn a_link_in_place_of_a_file_is_judged_as_that_file() {
    let sandbox = process("rm src/base.txt; echo part > src/part.txt; ln -s part.txt src/base.txt");
    run_processes(&sandbox, &["--worktree"]).exits(0);
}

/// The most memory a run may take, whatever its workers print.
const MEMORY_KB: u64 = 64 * 1024;

/// Runs processes to the end; how it ended, and the most memory the harness itself took, in KiB.
fn measured(sandbox: &Sandbox) -> (Output, u64) {
    let command = sandbox.run_command(&["--worktree"]).limit(LONG);
    let mut run = command.env("RUNR_SKIP_DOCTOR", "1").spawn();
    let status = format!("/proc/{}/status", run.pid().as_raw_nonzero());
    let mut peak = 0;
    wait_until("the run ends", LONG, || {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kb = line.and_then(|kb| kb.trim().trim_end_matches(" kB").parse().ok());
        peak = kb.unwrap_or(peak);
        run.has_ended()
    });
    assert!(peak > 1024, "nothing was measured");
    (run.wait(), peak)
}

const LONG: Duration = Duration::from_secs(600);

/// The log of the implementer's first call.
fn implement_log(sandbox: &Sandbox, id: &str) -> std::path::PathBuf {
    let calls = sandbox.payloads(id, "worker_call_finished");
    let call = calls.iter().find(|call| call["stage"] == "implement");
    let log = call.unwrap()["log"].as_str().unwrap();
    sandbox.run_dir(id).join(log)
}

#[test]
fn a_worker_that_prints_without_end_costs_disk_and_no_memory() {
    let long = std::env::var_os("RUNR_TEST_LONG").is_some();
    let size = if long { 1 << 30 } else { 50 << 20 };
    let noise = format!("yes 'words of progress' | head -c {size}; echo");
    let before = format!("{noise}{}", answer(OK));
    let after = format!("{}\n{noise}", answer(OK));
    for implement in [before, after] {
        let implement = format!("echo part > src/part.txt\n{implement}");
        let sandbox = processes(Config::new(), "", &implement);
        let (output, peak) = measured(&sandbox);
        output.exits(0);
        let id = sandbox.run_ids().pop().unwrap();
        let log = implement_log(&sandbox, &id);
        assert!(fs::metadata(log).unwrap().len() > size, "all of it is kept");
        assert!(peak < MEMORY_KB, "{peak} KiB");
        let timeline = sandbox.run_dir(&id).join("timeline.jsonl");
        assert!(fs::metadata(timeline).unwrap().len() < 64 * 1024);
    }
}

#[test]
fn an_answer_of_millions_of_values_costs_no_memory() {
    let values = "printf '{\"status\":\"ok\",\"handoff_memo\":\"m\",\"other\":[1'
yes ,1 | tr -d '\\n' | head -c 6000000; echo ']}'";
    let sandbox = processes(Config::new(), "", values);
    let (output, peak) = measured(&sandbox);
    output.exits(1);
    let id = sandbox.run_ids().pop().unwrap();
    assert_eq!(sandbox.status(&id)["stop_reason"], "implement_parse_failed");
    assert!(peak < MEMORY_KB, "{peak} KiB");
}
