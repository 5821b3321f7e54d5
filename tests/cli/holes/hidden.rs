//! What a worker hides from git, or from the guard that asks it.

use super::*;
use crate::support::Tree;

pub(super) const BOTH: [Tree; 2] = [Tree::Checkout, Tree::Worktree];
const FLAGS: [&str; 2] = ["--skip-worktree", "--assume-unchanged"];

pub(super) fn flags_of(tree: Tree) -> &'static [&'static str] {
    if tree == Tree::Worktree {
        &["--worktree"]
    } else {
        &[]
    }
}

/// A step that writes `files`, sets an index flag on `path` and answers `ok`.
fn hiding(flag: &str, path: &str, files: Value) -> Value {
    json!({
        "files": files,
        "git": [format!("update-index {flag} {path}")],
        "reply": ok(json!({}))["reply"],
    })
}

#[test]
fn an_edit_behind_an_index_flag_is_seen() {
    for tree in BOTH {
        for flag in FLAGS {
            let files = json!({"docs/guide.txt": "another guide\n", "src/part.txt": "a part\n"});
            let sandbox = one(hiding(flag, "docs/guide.txt", files));
            let id = stops(&sandbox, flags_of(tree), "guard_violation");
            assert_eq!(violations(&sandbox, &id), ["docs/guide.txt"], "{flag}");
        }
    }
}

#[test]
fn a_flag_set_in_one_milestone_hides_nothing_in_the_next() {
    let first = hiding(
        "--skip-worktree",
        "docs/guide.txt",
        json!({"src/part.txt": "a part\n"}),
    );
    let second = ok(json!({"docs/guide.txt": "another guide\n", "src/more.txt": "more\n"}));
    let goals = plan(&[milestone("goal 1"), milestone("goal 2")]);
    for tree in BOTH {
        let script = Script::new(
            goals.clone(),
            &[first.clone(), second.clone()],
            &[approve()],
        );
        let sandbox = Sandbox::scripted(&script);
        let run = sandbox.run(flags_of(tree), 1);
        assert_eq!(milestones(&sandbox, &run.id), [0]);
        assert_eq!(violations(&sandbox, &run.id), ["docs/guide.txt"]);
    }
}

#[test]
fn what_was_checked_is_committed_even_behind_a_flag() {
    for tree in BOTH {
        for flag in FLAGS {
            let files = json!({"src/old.txt": "a new text\n", "src/part.txt": "a part\n"});
            let sandbox = one(hiding(flag, "src/old.txt", files));
            let run = sandbox.run(flags_of(tree), 0);
            let committed = sandbox.git(&["show", &format!("runr/{}:src/old.txt", run.id)]);
            assert_eq!(committed, "a new text", "{flag}");
            let place = sandbox.tree(tree, &run.id);
            assert_eq!(sandbox.git_in(&place, &["status", "--porcelain"]), "");
            let flags = sandbox.git_in(&place, &["ls-files", "-v", "src/old.txt"]);
            assert_eq!(flags, "H src/old.txt", "nothing stays hidden");
        }
    }
}

#[test]
fn a_flag_of_the_users_own_goes_on_working() {
    for flag in FLAGS {
        let sandbox = Sandbox::scripted(&Script::happy(2));
        sandbox.git(&["update-index", flag, "docs/guide.txt"]);
        sandbox.write("docs/guide.txt", "my own guide\n");
        let flags = sandbox.git(&["ls-files", "-v", "docs/guide.txt"]);
        let base = sandbox.head();
        let run = sandbox.run(&[], 0);
        let tip = format!("runr/{}", run.id);
        assert_eq!(
            sandbox.changed(&base, &tip),
            ["src/part1.txt", "src/part2.txt"]
        );
        assert_eq!(sandbox.read("docs/guide.txt"), "my own guide\n");
        assert_eq!(
            sandbox.git(&["ls-files", "-v", "docs/guide.txt"]),
            flags,
            "{flag}"
        );
    }
}

#[test]
fn a_sparse_checkout_of_the_users_own_goes_on_working() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    sandbox.git(&["sparse-checkout", "set", "src", ".runr"]);
    assert!(!sandbox.exists("docs/guide.txt"), "the trap was set");
    for tree in BOTH {
        let run = sandbox.run_in(tree, 0);
        let tip = format!("runr/{}", run.id);
        assert!(tip_names(&sandbox, &run.id).contains(&"docs/guide.txt".to_owned()));
        assert_eq!(
            sandbox.git(&["diff", "--name-only", "main", &tip, "--", "docs"]),
            ""
        );
        sandbox.git(&["switch", "-q", "main"]);
    }
}

#[test]
fn an_index_that_lies_about_a_file_is_not_believed() {
    if std::process::Command::new("python3")
        .arg("-V")
        .output()
        .is_err()
    {
        eprintln!("skipped: an index cannot be forged without python3");
        return;
    }
    // The worker's index says that the file is as it was. Git looks at the content of a file that is
    // as young as the index, in whole seconds.
    let forge = "echo part > src/part.txt
cp docs/guide.txt \"$SCRATCH/kept\"
tr a-z A-Z < \"$SCRATCH/kept\" > docs/guide.txt
sleep 1.1
git add docs/guide.txt
blob=$(git rev-parse HEAD:docs/guide.txt)
python3 - \"$(git rev-parse --absolute-git-dir)/index\" \"$blob\" \"$(git rev-parse :docs/guide.txt)\" <<'END'
import hashlib, os, sys
path, blob, staged = sys.argv[1], bytes.fromhex(sys.argv[2]), bytes.fromhex(sys.argv[3])
body = bytearray(open(path, 'rb').read()[:-20])
at = body.index(staged)
size = os.stat('docs/guide.txt').st_size
body[at - 4:at + 20] = size.to_bytes(4, 'big') + blob
open(path, 'wb').write(body + hashlib.sha1(body).digest())
END";
    let sandbox = process(forge);
    run_processes(&sandbox, &["--worktree"]).exits(1);
    let id = sandbox.run_ids().pop().unwrap();
    let place = sandbox.worktree(&id);
    assert_eq!(
        sandbox.git_in(&place, &["status", "--porcelain", "-uno"]),
        "",
        "the trap was set"
    );
    assert_eq!(violations(&sandbox, &id), ["docs/guide.txt"]);
}

#[test]
fn a_worker_may_not_edit_the_index_of_the_run() {
    for tree in BOTH {
        let sandbox = process(
            "echo part > src/part.txt
GIT_INDEX_FILE=\"$RUNR_RUN_DIR/git-index\" git update-index --skip-worktree docs/guide.txt",
        );
        run_processes(&sandbox, flags_of(tree)).exits(1);
        let id = sandbox.run_ids().pop().unwrap();
        let index = format!(".runr/runs/{id}/git-index");
        assert_eq!(violations(&sandbox, &id), [index]);
    }
}

#[test]
fn what_a_worker_only_staged_is_judged_too() {
    let staged = "echo part > src/part.txt
blob=$(echo evil | git hash-object -w --stdin)
git update-index --add --cacheinfo 100644,$blob,out/evil.txt";
    for tree in BOTH {
        let sandbox = process(staged);
        run_processes(&sandbox, flags_of(tree)).exits(1);
        let id = sandbox.run_ids().pop().unwrap();
        assert_eq!(violations(&sandbox, &id), ["out/evil.txt"]);
    }
}
