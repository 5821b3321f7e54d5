//! Changes of every shape a tree can take: each is judged as what it is, file by file.

use std::time::Duration;

use super::{process, run_processes};
use crate::support::{Sandbox, strings};

/// What a run made of the shell command of its worker.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Complete, and this is what the branch differs in.
    Committed(Vec<String>),
    /// Stopped by the guard for these files.
    Violated(Vec<String>),
    /// Stopped otherwise.
    Other(String),
}

fn committed(files: &[&str]) -> End {
    End::Committed(files.iter().map(|file| (*file).to_owned()).collect())
}

fn violated(files: &[&str]) -> End {
    End::Violated(files.iter().map(|file| (*file).to_owned()).collect())
}

/// A repository with more to change; `src/**` is allowed, and `src/keys/**` and `*.key` are not.
fn tree(command: &str) -> Sandbox {
    let sandbox = process(command);
    sandbox.write("src/old.txt", "an old file\n");
    sandbox.write("src/d/a.txt", "in a directory\n");
    sandbox.write(".gitignore", "*.log\n*.key\n");
    let config = sandbox.read(".runr/runr.config.json");
    let denied = r#""denylist": ["src/keys/**", "**/*.key"]"#;
    let config = config.replace("\"denylist\": []", denied);
    assert!(config.contains(denied), "the configuration has a denylist");
    sandbox.write(".runr/runr.config.json", &config);
    sandbox.commit("more to change");
    sandbox
}

fn end_of(command: &str) -> End {
    end_in(&tree(command), &["--worktree"])
}

fn end_in(sandbox: &Sandbox, flags: &[&str]) -> End {
    let base = sandbox.head();
    let output = run_processes(sandbox, flags);
    let run = sandbox.started(output);
    let status = sandbox.status(&run.id);
    match status["stop_reason"].as_str() {
        Some("complete") => {
            let tip = format!("runr/{}", run.id);
            let args = ["diff", "-z", "--name-only", "--no-renames", &base, &tip];
            let mut files: Vec<String> = sandbox
                .git(&args)
                .split_terminator('\0')
                .map(str::to_owned)
                .collect();
            files.sort();
            End::Committed(files)
        }
        Some("guard_violation") => {
            let mut files = strings(&status["guard_violation_files"]);
            files.sort();
            End::Violated(files)
        }
        other => End::Other(format!("{other:?}: {}", status["last_error"])),
    }
}

#[track_caller]
fn all_end(rows: &[(&str, End)]) {
    for (command, end) in rows {
        assert_eq!(end_of(command), *end, "{command}");
    }
}

#[test]
fn a_file_and_a_directory_may_change_places_inside_the_scope() {
    all_end(&[
        (
            "rm -r src/d; echo x > src/d",
            committed(&["src/d", "src/d/a.txt"]),
        ),
        (
            "rm src/old.txt; mkdir src/old.txt; echo x > src/old.txt/x",
            committed(&["src/old.txt", "src/old.txt/x"]),
        ),
        (
            "rm docs/guide.txt; mkdir docs/guide.txt; echo x > docs/guide.txt/x",
            violated(&["docs/guide.txt", "docs/guide.txt/x"]),
        ),
        (
            "rm -r docs; echo x > docs",
            violated(&["docs", "docs/guide.txt"]),
        ),
    ]);
}

#[test]
fn a_mode_is_a_change() {
    all_end(&[
        ("chmod +x src/old.txt", committed(&["src/old.txt"])),
        ("chmod +x docs/guide.txt", violated(&["docs/guide.txt"])),
        (
            "git config core.fileMode false; chmod +x docs/guide.txt",
            violated(&[".git/config"]),
        ),
    ]);
}

#[test]
fn names_of_any_characters_are_judged_and_committed_as_they_are() {
    all_end(&[
        (
            "cd src && touch -- 'a b' \"it's\" '\"q\"' -x '[x]*?' 'tab\there' 'ümlaut' 'back\\slash' ' lead' 'trail '; printf x > 'new\nline'",
            committed(&[
                "src/ lead",
                "src/\"q\"",
                "src/-x",
                "src/[x]*?",
                "src/a b",
                "src/back\\slash",
                "src/it's",
                "src/new\nline",
                "src/tab\there",
                "src/trail ",
                "src/ümlaut",
            ]),
        ),
        (
            "touch 'a b' 'new\nline' ':(top)x' '!y' '#z'",
            violated(&["!y", "#z", ":(top)x", "a b", "new\nline"]),
        ),
        (
            "touch \"src/$(printf 'a\\377b')\"",
            violated(&["src/a\u{FFFD}b"]),
        ),
    ]);
}

#[test]
fn case_is_told_apart() {
    all_end(&[
        (
            "mv src/old.txt src/OLD.txt",
            committed(&["src/OLD.txt", "src/old.txt"]),
        ),
        ("mkdir SRC; echo x > SRC/a.txt", violated(&["SRC/a.txt"])),
        (
            "mkdir src/KEYS; echo x > src/KEYS/a.txt",
            committed(&["src/KEYS/a.txt"]),
        ),
        (
            "mkdir src/keys; echo x > src/keys/a.txt",
            violated(&["src/keys/a.txt"]),
        ),
    ]);
}

#[test]
fn what_git_keeps_no_record_of_is_no_change() {
    all_end(&[
        ("mkdir -p other/empty src/empty", committed(&[])),
        (
            "mkfifo pipe src/pipe; echo x > src/new.txt",
            committed(&["src/new.txt"]),
        ),
        ("touch docs/guide.txt src/old.txt", committed(&[])),
        ("echo x > docs/a.log; echo x > a.log", committed(&[])),
    ]);
}

#[test]
fn hidden_and_ignored_files_of_the_denylist_are_seen() {
    all_end(&[
        (
            "mkdir src/.x; echo x > src/.x/a.key",
            violated(&["src/.x/a.key"]),
        ),
        (
            "mkdir -p docs/.x/.y; echo x > docs/.x/.y/.key",
            violated(&["docs/.x/.y/.key"]),
        ),
        (
            "echo x > a.key; git add -f a.key; git commit -qm x; rm a.key; git commit -qam y",
            violated(&["a.key"]),
        ),
        (
            "mkdir src/.x; echo x > src/.x/a.txt",
            violated(&["src/.x/a.txt"]),
        ),
    ]);
}

#[test]
fn a_link_does_not_lead_the_guard_elsewhere() {
    all_end(&[
        (
            "ln -s ../docs src/docs; echo x >> src/docs/guide.txt",
            violated(&["docs/guide.txt"]),
        ),
        ("ln -s ../docs src/docs", committed(&["src/docs"])),
        (
            "mv src/d docs/d; ln -s ../docs/d src/d",
            violated(&["docs/d/a.txt", "src/d"]),
        ),
        (
            "rm docs/guide.txt; ln -s ../src/old.txt docs/guide.txt",
            violated(&["docs/guide.txt"]),
        ),
        ("ln -s nowhere src/dangling", committed(&["src/dangling"])),
    ]);
}

#[test]
fn a_rename_touches_both_names_staged_or_not() {
    all_end(&[
        (
            "mv docs/guide.txt src/guide.txt",
            violated(&["docs/guide.txt"]),
        ),
        ("mv src/old.txt old.txt", violated(&["old.txt"])),
        (
            "git mv src/old.txt src/new.txt",
            committed(&["src/new.txt", "src/old.txt"]),
        ),
        (
            "cp docs/guide.txt src/copy.txt",
            committed(&["src/copy.txt"]),
        ),
        ("mv src/old.txt src/keys", violated(&["src/keys"])),
    ]);
}

#[test]
fn a_repository_inside_the_scope_is_a_violation() {
    all_end(&[(
        "git init -q src/sub; git -C src/sub -c user.name=x -c user.email=x commit -q --allow-empty -m x",
        violated(&["src/sub/"]),
    )]);
}

#[test]
fn a_submodule_at_another_commit_is_a_violation_and_what_is_not_committed_there_is_not() {
    let identity = "-c user.name=x -c user.email=x";
    for (command, end) in [
        (
            format!("git -C src/sub {identity} commit -q --allow-empty -m x"),
            violated(&["src/sub"]),
        ),
        (
            format!(
                "echo x > src/sub/new; git -C src/sub add new; git -C src/sub {identity} commit -q -m x"
            ),
            violated(&["src/sub"]),
        ),
        (
            "echo x >> src/sub/file; echo x > src/sub/new; echo x > src/old.txt".to_owned(),
            committed(&["src/old.txt"]),
        ),
    ] {
        let sandbox = tree(&command);
        let sub = sandbox.repo().join("src/sub");
        std::fs::create_dir(&sub).unwrap();
        sandbox.git_in(&sub, &["init", "-q"]);
        std::fs::write(sub.join("file"), "text\n").unwrap();
        sandbox.git_in(&sub, &["add", "-A"]);
        sandbox.git_in(&sub, &["commit", "-q", "-m", "inner"]);
        sandbox.git(&["add", "src/sub"]);
        sandbox.git(&["commit", "-q", "-m", "a submodule"]);
        assert_eq!(end_in(&sandbox, &[]), end, "{command}");
    }
}

#[test]
fn thousands_of_new_files_are_committed_one_by_one() {
    let many =
        "mkdir src/many; i=0; while [ $i -lt 3000 ]; do : > src/many/f$i; i=$((i + 1)); done";
    let sandbox = tree(many);
    let base = sandbox.head();
    let command = sandbox
        .run_command(&["--worktree"])
        .env("RUNR_SKIP_DOCTOR", "1");
    let run = sandbox.started(command.limit(Duration::from_secs(120)).output().exits(0));
    let files = sandbox.changed(&base, &format!("runr/{}", run.id));
    assert_eq!(files.len(), 3000);
    let listed = sandbox.payloads(&run.id, "implement_complete");
    assert_eq!(
        strings(&listed[0]["changed_files"]).len(),
        1000,
        "the event names no more"
    );
}
