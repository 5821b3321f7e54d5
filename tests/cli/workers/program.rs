//! Which program is started.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::support::TASK;

#[test]
fn a_relative_program_is_that_of_the_main_checkout_wherever_one_stands() {
    let these = StandIns::new();
    let which = these.sandbox.scratch().join("which");
    let script = |copy: &str| {
        let which = which.display();
        format!("#!/bin/sh\n[ $1 = --version ] || echo {copy} >> '{which}'\nexec claude \"$@\"\n")
    };
    these.sandbox.write("tools/agent", &script("main"));
    let path = these.sandbox.repo().join("tools/agent");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    let config = Config::new()
        .allow(&["src/**", "tools/**"])
        .set(
            "workers",
            "claude",
            worker("./tools/agent", CLAUDE_ARGS, "json"),
        )
        .set("workers", "codex", worker("codex", CODEX_ARGS, "jsonl"));
    these.sandbox.configure(&config);
    these.sandbox.commit("an agent of the repository");
    these.sandbox.runr(&["trust"]).output().exits(0);
    let forge = format!("cat > tools/agent <<'END'\n{}END\n", script("worktree"));
    these.on(
        "codex",
        "implement",
        &[format!("{forge}{}", codex(&done()))],
    );

    let repo = these.sandbox.repo();
    let args = [
        "-C",
        repo.to_str().unwrap(),
        "run",
        "--task",
        TASK,
        "--json",
        "--worktree",
    ];
    for cwd in [repo.join("src"), these.sandbox.scratch()] {
        these.runr(&args).cwd(cwd).output().exits(0);
        // The ping, the plan and the review.
        assert_eq!(fs::read_to_string(&which).unwrap(), "main\nmain\nmain\n");
        fs::remove_file(&which).unwrap();
    }
}
