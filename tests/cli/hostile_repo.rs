//! A repository that wants to be executed: whatever git would run for it, runr does not let it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Config, Sandbox, Script, TASK, ok};

/// Where each trap leaves its name.
fn canaries(sandbox: &Sandbox) -> PathBuf {
    sandbox.scratch().join("canaries")
}

fn sprung(sandbox: &Sandbox) -> Vec<String> {
    let entries = fs::read_dir(canaries(sandbox)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[track_caller]
fn expect_nothing_sprung(sandbox: &Sandbox, after: &str) {
    assert_eq!(sprung(sandbox), [""; 0], "executed by {after}");
}

/// A command line that springs a trap, and hands its input on.
fn trap(sandbox: &Sandbox, name: &str) -> String {
    format!("touch '{}/{name}'; cat", canaries(sandbox).display())
}

const HOOKS: [&str; 18] = [
    "applypatch-msg",
    "commit-msg",
    "fsmonitor-watchman",
    "post-applypatch",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "post-merge",
    "post-rewrite",
    "pre-applypatch",
    "pre-auto-gc",
    "pre-commit",
    "pre-merge-commit",
    "pre-push",
    "pre-rebase",
    "prepare-commit-msg",
    "push-to-checkout",
    "reference-transaction",
];

fn hooks(sandbox: &Sandbox, dir: &Path, prefix: &str) {
    fs::create_dir_all(dir).unwrap();
    for hook in HOOKS {
        let path = dir.join(hook);
        fs::write(
            &path,
            format!("#!/bin/sh\n{}", trap(sandbox, &format!("{prefix}-{hook}"))),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Keys whose value git executes.
const KEYS: [&str; 27] = [
    "core.fsmonitor",
    "core.pager",
    "core.editor",
    "core.sshCommand",
    "core.askPass",
    "core.gitProxy",
    "core.alternateRefsCommand",
    "diff.external",
    "diff.evil.textconv",
    "diff.evil.command",
    "filter.evil.clean",
    "filter.evil.smudge",
    "filter.evil.process",
    "merge.evil.driver",
    "credential.helper",
    "gpg.program",
    "gpg.ssh.program",
    "pager.log",
    "pager.diff",
    "pager.status",
    "interactive.diffFilter",
    "sequence.editor",
    "gc.recentObjectsHook",
    "remote.origin.receivepack",
    "remote.origin.uploadpack",
    "uploadpack.packObjectsHook",
    "trailer.evil.command",
];

/// A repository full of traps in its configuration `file`.
fn set_traps(sandbox: &Sandbox, file: &Path) {
    let file = file.to_str().unwrap();
    let set = |key: &str, value: &str| {
        sandbox.git_in(&sandbox.scratch(), &["config", "--file", file, key, value]);
    };
    for key in KEYS {
        set(key, &trap(sandbox, key));
    }
    // It is started without a shell.
    let signer = sandbox.scratch().join("signer");
    fs::write(
        &signer,
        format!("#!/bin/sh\n{}", trap(sandbox, "gpg.program")),
    )
    .unwrap();
    fs::set_permissions(&signer, fs::Permissions::from_mode(0o755)).unwrap();
    set("gpg.program", signer.to_str().unwrap());
    set("filter.evil.required", "true");
    set("commit.gpgSign", "true");
    set("tag.gpgSign", "true");
    set("log.showSignature", "true");
    set(
        "remote.origin.url",
        &format!("ext::sh -c \"{}\"", trap(sandbox, "ext")),
    );
    for verb in [
        "status",
        "diff",
        "log",
        "add",
        "commit",
        "rev-parse",
        "worktree",
        "config",
    ] {
        set(
            &format!("alias.{verb}"),
            &format!("!{}", trap(sandbox, &format!("alias-{verb}"))),
        );
    }
}

/// A trusted repository with a commit whose files ask for every driver, and no trap yet.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::with(&Config::new());
    sandbox.script(&Script::happy(1));
    fs::create_dir(canaries(&sandbox)).unwrap();
    sandbox.write(".gitattributes", "* filter=evil diff=evil merge=evil\n");
    sandbox.write("src/other.txt", "other\n");
    sandbox.commit("attributes");
    // A signed commit, for those who look at signatures.
    let commit = sandbox.git(&["cat-file", "commit", "HEAD"]);
    let signed = commit.replacen(
        "\n\n",
        "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n AAAA\n -----END PGP SIGNATURE-----\n\n",
        1,
    );
    let file = sandbox.scratch().join("signed");
    fs::write(&file, format!("{signed}\n")).unwrap();
    let id = sandbox.git(&["hash-object", "-t", "commit", "-w", file.to_str().unwrap()]);
    sandbox.git(&["update-ref", "HEAD", &id]);
    sandbox
}

/// The same with its traps set, in the repository's own configuration and in its hooks.
fn hostile() -> Sandbox {
    let sandbox = prepared();
    set_traps(&sandbox, &sandbox.repo().join(".git/config"));
    hooks(&sandbox, &sandbox.repo().join(".git/hooks"), "hook");
    touch(&sandbox);
    sandbox
}

/// Makes git look at a file's content again.
fn touch(sandbox: &Sandbox) {
    set_later(&sandbox.repo().join("src/other.txt"));
}

fn set_later(path: &Path) {
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    let file = fs::File::options().append(true).open(path).unwrap();
    file.set_modified(later).unwrap();
}

const READING: [&[&str]; 17] = [
    &["status"],
    &["status", "--all"],
    &["report", "latest"],
    &["report", "latest", "--json"],
    &["resume", "--plan"],
    &["doctor"],
    &["trust", "--print"],
    &["trust", "--print-hash"],
    &["init", "--print"],
    &["prep", "--flow", "plan"],
    &["prep", "--flow", "plan", "--dry-run"],
    &["owner", "status", "--repo", "acme/shop", "--branch", "main"],
    &["owner", "claim", "--branch", "main", "--run-id", "gh-1"],
    &["store", "ls"],
    &["store", "new", "--title", "t", "--no-worktree-check"],
    &["run", "--task", TASK, "--dry-run", "--worktree"],
    &["submit", "latest", "--to", "main", "--dry-run"],
];

#[test]
fn the_traps_are_real() {
    let sandbox = hostile();
    sandbox.command("git").args(&["status"]).output();
    sandbox.git(&["config", "--unset", "filter.evil.process"]);
    sandbox.command("git").args(&["status"]).output();
    sandbox.command("git").args(&["diff", "HEAD~1"]).output();
    sandbox.command("git").args(&["log"]).output();
    sandbox
        .command("git")
        .args(&["worktree", "add", "-q", "../scratch/tree"])
        .output();
    let sprung = sprung(&sandbox);
    for name in [
        "core.fsmonitor",
        "diff.evil.command",
        "filter.evil.process",
        "gpg.program",
        "hook-post-checkout",
    ] {
        assert!(
            sprung.contains(&name.to_owned()),
            "{name} is no trap: {sprung:?}"
        );
    }
}

#[test]
fn commands_that_only_read_execute_nothing() {
    let sandbox = prepared();
    sandbox.run(&["--worktree"], 0);
    set_traps(&sandbox, &sandbox.repo().join(".git/config"));
    hooks(&sandbox, &sandbox.repo().join(".git/hooks"), "hook");
    touch(&sandbox);
    for words in READING {
        let output = sandbox.runr(words).output();
        expect_nothing_sprung(&sandbox, &output.to_string());
    }
}

#[test]
fn commands_that_execute_do_not_execute_for_the_repository() {
    for flags in [&["--worktree"][..], &[]] {
        let sandbox = hostile();
        let stopped = sandbox
            .run_command(&[flags, &["--max-ticks", "3"]].concat())
            .output();
        expect_nothing_sprung(&sandbox, &stopped.to_string());
        let id = sandbox.started(stopped.exits(1)).id;
        let resumed = sandbox.runr(&["resume", &id]).output();
        expect_nothing_sprung(&sandbox, &resumed.to_string());
        resumed.exits(0);
    }
}

#[test]
fn a_configuration_that_is_included_is_no_better() {
    let sandbox = prepared();
    let included = sandbox.scratch().join("included");
    set_traps(&sandbox, &included);
    sandbox.git(&["config", "include.path", included.to_str().unwrap()]);
    touch(&sandbox);
    let output = sandbox.run_command(&["--worktree"]).output();
    expect_nothing_sprung(&sandbox, &output.to_string());
    output.exits(0);
}

#[test]
fn hooks_of_another_directory_and_of_a_worktree_are_no_better() {
    let sandbox = prepared();
    let dir = sandbox.scratch().join("hooks");
    hooks(&sandbox, &dir, "elsewhere");
    sandbox.git(&["config", "core.hooksPath", dir.to_str().unwrap()]);
    sandbox.git(&["config", "extensions.worktreeConfig", "true"]);
    set_traps(&sandbox, &sandbox.repo().join(".git/config.worktree"));
    for flags in [&["--worktree"][..], &[]] {
        touch(&sandbox);
        let output = sandbox.run_command(flags).output();
        expect_nothing_sprung(&sandbox, &output.to_string());
        output.exits(0);
    }
}

#[test]
fn a_submodule_with_traps_is_no_better() {
    let sandbox = prepared();
    let inner = sandbox.repo().join("inner");
    fs::create_dir(&inner).unwrap();
    sandbox.git_in(&inner, &["init", "-q"]);
    fs::write(inner.join("file"), "text\n").unwrap();
    fs::write(inner.join(".gitattributes"), "* diff=evil filter=evil\n").unwrap();
    sandbox.git_in(&inner, &["add", "-A"]);
    sandbox.git_in(&inner, &["commit", "-q", "-m", "inner"]);
    sandbox.write(".gitmodules", &format!("[submodule \"inner\"]\n\tpath = inner\n\turl = ./inner\n\tupdate = !touch '{}/update'\n", canaries(&sandbox).display()));
    sandbox.git(&["add", ".gitmodules", "inner"]);
    sandbox.git(&["commit", "-q", "-m", "a submodule"]);
    set_traps(&sandbox, &inner.join(".git/config"));
    hooks(&sandbox, &inner.join(".git/hooks"), "inner");
    // Whatever the repository says itself about what is to be seen of it.
    sandbox.git(&["config", "submodule.inner.ignore", "none"]);
    sandbox.git(&["config", "diff.submodule", "diff"]);
    set_later(&inner.join("file"));
    for (words, code) in [
        (&["doctor"][..], 0),
        (&["run", "--task", TASK, "--worktree"], 0),
        (&["run", "--task", TASK, "--max-ticks", "3"], 1),
        (&["resume", "latest"], 0),
    ] {
        let output = sandbox.runr(words).output();
        expect_nothing_sprung(&sandbox, &output.to_string());
        output.exits(code);
    }
    let look = ["status", "--ignore-submodules=none"];
    sandbox.command("git").args(&look).output();
    assert_ne!(sprung(&sandbox), [""; 0], "no trap");
}

#[test]
fn a_repository_that_lies_elsewhere_is_no_better() {
    // `.git` is a file or a link, and what it leads to is hostile.
    for linked in [false, true] {
        let sandbox = hostile();
        let elsewhere = sandbox.scratch().join("elsewhere.git");
        fs::rename(sandbox.repo().join(".git"), &elsewhere).unwrap();
        let dot_git = sandbox.repo().join(".git");
        if linked {
            symlink(&elsewhere, dot_git).unwrap();
        } else {
            fs::write(dot_git, format!("gitdir: {}\n", elsewhere.display())).unwrap();
        }
        for words in READING {
            let output = sandbox.runr(words).output();
            expect_nothing_sprung(&sandbox, &output.to_string());
        }
        let output = sandbox.run_command(&["--worktree"]).output();
        expect_nothing_sprung(&sandbox, &output.to_string());
    }
}

#[test]
fn a_filter_of_the_user_works_and_that_of_the_repository_does_not() {
    let sandbox = prepared();
    let folder = canaries(&sandbox);
    let path = folder.display();
    for (name, command) in [
        ("filter.evil.clean", format!("touch '{path}/users'; cat")),
        ("filter.evil.smudge", "cat".to_owned()),
    ] {
        sandbox.git(&["config", "--global", name, &command]);
    }
    let own = format!("touch '{path}/own'; cat");
    sandbox.git(&["config", "filter.evil.clean", &own]);
    touch(&sandbox);
    sandbox.run(&["--worktree"], 0);
    assert_eq!(sprung(&sandbox), ["users"]);
}

/// A run and the branch `main` that changed different lines of one file; the run is no longer trusted.
fn two_sides(driver: impl FnOnce(&Sandbox)) -> (Sandbox, String) {
    let sandbox = prepared();
    let text = |first: &str, last: &str| format!("{first}\n2\n3\n4\n5\n6\n{last}\n");
    sandbox.write("src/other.txt", &text("1", "7"));
    sandbox.commit("lines");
    let step = ok(json!({"src/other.txt": text("1", "theirs")}));
    sandbox.script(&Script::one(step));
    let id = sandbox.run(&["--worktree"], 0).id;
    sandbox.write("src/other.txt", &text("ours", "7"));
    sandbox.commit("ours");
    driver(&sandbox);
    (sandbox, id)
}

fn submit(sandbox: &Sandbox, id: &str, flags: &[&str]) -> crate::support::Output {
    let words = ["submit", id, "--to", "main", "--json"];
    sandbox.runr(&words).args(flags).output()
}

#[test]
fn a_merge_driver_of_the_repository_merges_nothing() {
    let (sandbox, id) = two_sides(|sandbox| {
        let config = sandbox.repo().join(".git/config");
        set_traps(sandbox, &config);
    });
    let trust = sandbox.scratch().join("trust.json");
    let approvals = sandbox.scratch().join("../config/runr/trust.json");
    fs::rename(&approvals, &trust).unwrap();
    let planned = submit(&sandbox, &id, &["--dry-run"]);
    expect_nothing_sprung(&sandbox, &planned.to_string());
    let planned = planned.exits(0).pretty_json();
    let new = planned["new_sha"].as_str().unwrap();
    let merged = "ours\n2\n3\n4\n5\n6\ntheirs";
    assert_eq!(
        sandbox.git(&["show", &format!("{new}:src/other.txt")]),
        merged
    );

    fs::rename(&trust, &approvals).unwrap();
    let moved = submit(&sandbox, &id, &[]);
    expect_nothing_sprung(&sandbox, &moved.to_string());
    moved.exits(0);
    assert_eq!(sandbox.read("src/other.txt").trim_end(), merged);
}

#[test]
fn where_both_changed_a_line_a_merge_driver_of_the_repository_settles_nothing() {
    let (sandbox, id) = two_sides(|sandbox| {
        sandbox.write("src/other.txt", "1\n2\n3\n4\n5\n6\nours\n");
        sandbox.commit("the same line");
        sandbox.git(&["config", "merge.evil.driver", "true"]);
    });
    let conflict = submit(&sandbox, &id, &["--dry-run"]).exits(1).pretty_json();
    assert_eq!(conflict["conflicts"], json!(["src/other.txt"]));
}

#[test]
fn a_merge_driver_of_the_user_merges() {
    let (sandbox, id) = two_sides(|sandbox| {
        let users = "echo the user has merged > %A";
        sandbox.git(&["config", "--global", "merge.evil.driver", users]);
        sandbox.git(&["config", "merge.evil.driver", "false"]);
    });
    let planned = submit(&sandbox, &id, &["--dry-run"]).exits(0).pretty_json();
    let new = planned["new_sha"].as_str().unwrap();
    let merged = sandbox.git(&["show", &format!("{new}:src/other.txt")]);
    assert_eq!(merged, "the user has merged");
}

/// Removes the file of an object, and says that it can be had from `url`.
fn lose(sandbox: &Sandbox, object: &str, url: &str) {
    let id = sandbox.git(&["rev-parse", object]);
    let path = format!(".git/objects/{}/{}", &id[..2], &id[2..]);
    fs::remove_file(sandbox.repo().join(path)).unwrap();
    for (key, value) in [
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", url),
    ] {
        sandbox.git(&["config", key, value]);
    }
}

#[test]
fn nothing_is_fetched_by_programs_of_the_repository() {
    let origin = |sandbox: &Sandbox| sandbox.scratch().join("origin.git");
    for (key, url, blob) in [
        ("remote.origin.uploadpack", "", true),
        ("remote.origin.uploadpack", "", false),
        ("core.sshCommand", "ssh://localhost/nowhere", true),
        ("core.gitProxy", "git://localhost/nowhere", true),
    ] {
        let (sandbox, id) = two_sides(|_| {});
        let there = origin(&sandbox);
        let there = there.to_str().unwrap();
        sandbox.git(&["clone", "-q", "--bare", ".", there]);
        let object = if blob {
            "main:src/other.txt".to_owned()
        } else {
            format!("runr/{id}")
        };
        lose(&sandbox, &object, if url.is_empty() { there } else { url });
        let program = sandbox.scratch().join("program");
        fs::write(
            &program,
            format!(
                "#!/bin/sh\ntouch '{}/{key}'\nexit 1\n",
                canaries(&sandbox).display()
            ),
        )
        .unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        sandbox.git(&["config", key, program.to_str().unwrap()]);
        for flags in [&["--dry-run"][..], &[]] {
            let output = submit(&sandbox, &id, flags);
            expect_nothing_sprung(&sandbox, &output.to_string());
            assert_ne!(output.code, Some(0), "{output}");
        }
        sandbox.command("git").args(&["show", &object]).output();
        assert_eq!(sprung(&sandbox), [key], "{object} is no trap");
    }
}

#[test]
fn what_a_partial_clone_lacks_is_fetched_as_the_user_would() {
    let (sandbox, id) = two_sides(|_| {});
    let origin = sandbox.scratch().join("origin.git");
    let there = origin.to_str().unwrap();
    sandbox.git(&["clone", "-q", "--bare", ".", there]);
    lose(&sandbox, "main:src/other.txt", there);
    submit(&sandbox, &id, &["--dry-run"]).exits(0);
    // And a push is what the user asked for: it goes the way that the repository is set to.
    let path = canaries(&sandbox);
    let receive = format!("touch '{}/asked'; git-receive-pack", path.display());
    sandbox.git(&["config", "remote.origin.receivepack", &receive]);
    sandbox.git(&["config", "core.sshCommand", "ssh"]);
    submit(&sandbox, &id, &["--push"]).exits(0);
    assert_eq!(sprung(&sandbox), ["asked"]);
}

#[test]
fn a_configuration_that_others_can_change_is_refused() {
    let sandbox = prepared();
    let path = sandbox.repo().join(".runr/runr.config.json");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let refused = sandbox.run_command(&[]).output().exits(3);
    refused.error_json("E_UNTRUSTED", "untrusted");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        let refused = sandbox.run_command(&[]).output().exits(3);
        refused.error_json("E_UNTRUSTED", "untrusted");
    } else {
        eprintln!("skipped: only root can give a file to another user");
    }
}

#[test]
fn a_repository_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give a file to another user");
        return;
    }
    let sandbox = hostile();
    for path in [sandbox.repo(), sandbox.repo().join(".git")] {
        std::os::unix::fs::chown(path, Some(12345), Some(12345)).unwrap();
    }
    let output = sandbox.run_command(&["--worktree"]).output();
    expect_nothing_sprung(&sandbox, &output.to_string());
    assert_ne!(output.code, Some(0), "{output}");
    assert_eq!(sandbox.calls("plan").len(), 0);
}

#[test]
fn a_configuration_above_the_repository_is_not_looked_for() {
    let sandbox = prepared();
    let inner = sandbox.repo().join("inner");
    fs::create_dir(&inner).unwrap();
    sandbox.git_in(&inner, &["init", "-q"]);
    sandbox.git_in(&inner, &["commit", "-q", "--allow-empty", "-m", "inner"]);
    let run = sandbox
        .runr(&["run", "--task-text", "# x", "--json"])
        .cwd(&inner);
    run.output()
        .exits(4)
        .error_json("E_CONFIG_NOT_FOUND", "config_not_found");
}
