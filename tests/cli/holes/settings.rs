//! A worker that changes what git goes by: its settings, excludes, attributes and hooks.

use super::hidden::{BOTH, flags_of};
use super::*;
use crate::support::Tree;

/// What a worker changes of git's own files, and how a violation names it in a run's worktree; in the
/// checkout the name is the same unless there is a second one.
const RULES: [(&str, &str); 9] = [
    (
        "echo '*.evil' >> \"$(git rev-parse --git-path info/exclude)\"",
        ".git/info/exclude",
    ),
    (
        "git config core.excludesFile \"$SCRATCH/prompt\"",
        ".git/config",
    ),
    ("git config core.fileMode false", ".git/config"),
    ("git config filter.x.clean 'cat'", ".git/config"),
    (
        "printf '[branch \"a\"] [core]\\nfileMode = false\\n' >> \"$(git rev-parse --git-path config)\"",
        ".git/config",
    ),
    (
        "echo '* -text' > \"$(git rev-parse --git-path info/attributes)\"",
        ".git/info/attributes",
    ),
    (
        "mkdir -p \"$(git rev-parse --git-path hooks)\"; echo evil > \"$(git rev-parse --git-path hooks/pre-commit)\"",
        ".git/hooks/pre-commit",
    ),
    (
        "rm \"$(git rev-parse --git-path info/exclude)\"",
        ".git/info/exclude",
    ),
    (
        "echo nonsense > \"$(git rev-parse --git-path config)\"",
        ".git/config",
    ),
];

#[test]
fn a_worker_may_not_change_what_git_goes_by() {
    for tree in BOTH {
        for (change, name) in RULES {
            let sandbox = process(&format!("echo part > src/part.txt\n{change}"));
            run_processes(&sandbox, flags_of(tree)).exits(1);
            let id = sandbox.run_ids().pop().unwrap();
            let status = sandbox.status(&id);
            assert_eq!(
                status["stop_reason"], "guard_violation",
                "{change}: {status}"
            );
            assert_eq!(violations(&sandbox, &id), [name], "{tree:?}: {change}");
            assert_eq!(sandbox.checkpoints(&id), []);
        }
    }
}

#[test]
fn settings_of_the_worktree_alone_are_watched_too() {
    let sandbox = process(
        "echo part > src/part.txt
git config extensions.worktreeConfig true
git config --worktree core.fileMode false
mkdir -p \"$(git rev-parse --absolute-git-dir)/info\"
echo '/*' > \"$(git rev-parse --git-path info/sparse-checkout)\"",
    );
    run_processes(&sandbox, &["--worktree"]).exits(1);
    let id = sandbox.run_ids().pop().unwrap();
    let own = |file: &str| format!(".git/worktrees/{id}/{file}");
    let expected = [
        ".git/config".to_owned(),
        own("config.worktree"),
        own("info/sparse-checkout"),
    ];
    assert_eq!(violations(&sandbox, &id), expected);
}

#[test]
fn a_worktree_that_is_led_to_another_repository_is_a_violation() {
    let sandbox = process(
        "echo part > src/part.txt
git clone -q --no-local . \"$SCRATCH/other\"
echo \"gitdir: $SCRATCH/other/.git\" > .git",
    );
    run_processes(&sandbox, &["--worktree"]).exits(1);
    let id = sandbox.run_ids().pop().unwrap();
    assert_eq!(sandbox.status(&id)["stop_reason"], "guard_violation");
    assert!(violations(&sandbox, &id).contains(&format!(".runr-worktrees/{id}/.git")));
}

#[test]
fn a_changed_rule_of_git_stops_again_until_it_is_put_back() {
    for tree in BOTH {
        let first = "if [ ! -e \"$SCRATCH/first\" ]; then
    git config core.fileMode false
    rm \"$RUNR_RUN_DIR/baseline.json\"
    touch \"$SCRATCH/first\"
fi";
        let sandbox = process(&format!("echo part > src/part.txt\n{first}"));
        let config = sandbox.read(".git/config");
        run_processes(&sandbox, flags_of(tree)).exits(1);
        let id = sandbox.run_ids().pop().unwrap();
        let again = || sandbox.runr(&["resume", &id]).env("RUNR_SKIP_DOCTOR", "1");
        again().output().exits(1);
        assert_eq!(violations(&sandbox, &id), [".git/config"]);
        sandbox.write(".git/config", &config);
        again().output().exits(0);
        assert_eq!(milestones(&sandbox, &id), [0]);
    }
}

#[test]
fn a_filter_in_the_settings_of_the_account_hides_nothing_and_is_not_run() {
    for tree in BOTH {
        // An edit that a filter would undo before git compares, told to git by the account.
        let hide = "if [ ! -e \"$SCRATCH/first\" ]; then
    touch \"$SCRATCH/first\"
    echo BASE > src/base.txt
    echo 'src/base.txt filter=h' > \"$SCRATCH/attributes\"
    git config --global core.attributesFile \"$SCRATCH/attributes\"
    git config --global filter.h.clean \"touch '$SCRATCH/ran'; git show HEAD:src/base.txt\"
fi";
        let sandbox = process(&format!("echo part > src/part.txt\n{hide}"));
        run_processes(&sandbox, flags_of(tree)).exits(1);
        let id = sandbox.run_ids().pop().unwrap();
        let home = sandbox.repo().join("../home/.gitconfig");
        let name = fs::canonicalize(home).unwrap();
        assert_eq!(violations(&sandbox, &id), [name.to_str().unwrap()]);
        assert!(!sandbox.scratch().join("ran").exists(), "{tree:?}");
        // A person has looked at them, and goes on.
        fs::remove_file(name).unwrap();
        let flags: &[&str] = if tree == Tree::Checkout {
            &["--auto-stash"]
        } else {
            &[]
        };
        let resume = sandbox.runr(&["resume", &id]).args(flags);
        resume.env("RUNR_SKIP_DOCTOR", "1").output().exits(0);
    }
}

#[test]
fn a_file_that_the_settings_of_the_account_lead_to_is_watched_too() {
    let sandbox = process("echo part > src/part.txt\necho '*.txt' >> \"$SCRATCH/patterns\"");
    let patterns = sandbox.scratch().join("patterns");
    let config = format!("[core]\n\texcludesFile = {}\n", patterns.display());
    fs::write(sandbox.repo().join("../home/.gitconfig"), config).unwrap();
    fs::write(&patterns, "*.bak\n").unwrap();
    run_processes(&sandbox, &["--worktree"]).exits(1);
    let id = sandbox.run_ids().pop().unwrap();
    assert_eq!(violations(&sandbox, &id), [patterns.to_str().unwrap()]);
}

#[test]
fn a_filter_that_comes_during_a_run_is_not_run_by_it() {
    for tree in BOTH {
        let sandbox = process(
            "echo part > src/part.txt
echo BASE > src/base.txt
echo 'base.txt filter=h' > src/.gitattributes
git config filter.h.clean \"touch '$SCRATCH/ran'; cat\"",
        );
        run_processes(&sandbox, flags_of(tree)).exits(1);
        let id = sandbox.run_ids().pop().unwrap();
        assert!(violations(&sandbox, &id).contains(&".git/config".to_owned()));
        assert!(!sandbox.scratch().join("ran").exists(), "{tree:?}");
    }
}

#[test]
fn what_git_and_editors_note_about_branches_is_no_violation() {
    for tree in BOTH {
        let sandbox = process(
            "echo part > src/part.txt
git config branch.main.vscode-merge-base origin/main
git branch -q side; git config branch.side.description 'a side'",
        );
        run_processes(&sandbox, flags_of(tree)).exits(0);
    }
}

/// What is set for the account of the user, and an edit outside the scope that makes use of it. Git
/// tells times by the second.
const OF_THE_ACCOUNT: [(&str, &str, &str); 3] = [
    (
        "git config --global core.trustctime false
git config --global core.checkStat minimal",
        "touch -r docs/guide.txt \"$SCRATCH/time\"; sleep 1.1
tr a b < docs/guide.txt > \"$SCRATCH/forged\"; cat \"$SCRATCH/forged\" > docs/guide.txt
touch -r \"$SCRATCH/time\" docs/guide.txt",
        "docs/guide.txt",
    ),
    (
        "git config --global core.symlinks false",
        "rm docs/link; printf guide.txt > docs/link",
        "docs/link",
    ),
    (
        "git config --global core.ignoreCase true",
        "echo forged > docs/GUIDE.txt",
        "docs/GUIDE.txt",
    ),
];

#[test]
fn settings_of_the_users_account_hide_no_edit() {
    for (settings, change, name) in OF_THE_ACCOUNT {
        let sandbox = process(&format!("echo part > src/part.txt\n{change}"));
        std::os::unix::fs::symlink("guide.txt", sandbox.repo().join("docs/link")).unwrap();
        // Long ago, so that git goes by what it noted of the file.
        let touch = ["-d", "2020-01-02", "docs/guide.txt"];
        sandbox.command("touch").args(&touch).output().exits(0);
        sandbox.commit("a link");
        let set = sandbox.command("sh").args(&["-c", settings]);
        set.output().exits(0);
        run_processes(&sandbox, &[]).exits(1);
        let id = sandbox.run_ids().pop().unwrap();
        assert_eq!(sandbox.status(&id)["stop_reason"], "guard_violation");
        assert_eq!(violations(&sandbox, &id), [name]);
    }
}

#[test]
fn a_repository_that_has_no_links_is_taken_as_it_is() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let link = sandbox.repo().join("docs/link");
    std::os::unix::fs::symlink("guide.txt", &link).unwrap();
    sandbox.commit("a link");
    sandbox.git(&["config", "core.symlinks", "false"]);
    fs::remove_file(&link).unwrap();
    sandbox.git(&["checkout", "-q", "--", "docs/link"]);
    assert!(!link.is_symlink());
    for tree in BOTH {
        sandbox.run(flags_of(tree), 0);
        sandbox.git(&["switch", "-q", "main"]);
    }
}
