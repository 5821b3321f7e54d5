//! What a resume judges by: HEAD, whatever was done to the index of the run.

use serde_json::json;

use crate::support::{Config, Sandbox, Script, Tree, approve, milestone, ok, plan, strings};

/// Writes an index, as a worker could have done before the stop.
fn forge(sandbox: &Sandbox, tree: Tree, id: &str, args: &[&str]) {
    for index in ["run", "tree"] {
        let git = sandbox
            .command("git")
            .args(args)
            .cwd(sandbox.tree(tree, id));
        let git = match index {
            "run" => git.env("GIT_INDEX_FILE", sandbox.run_dir(id).join("git-index")),
            _ => git,
        };
        git.output().exits(0);
    }
}

#[test]
fn an_index_with_forged_flags_hides_nothing_from_the_next_resume() {
    for tree in [Tree::Worktree, Tree::Checkout] {
        for flag in ["--assume-unchanged", "--skip-worktree"] {
            let files = json!({"docs/guide.txt": "another guide\n", "src/part.txt": "a part\n"});
            let sandbox = Sandbox::scripted(&Script::one(ok(files)));
            let id = sandbox.run_in(tree, 1).id;
            assert_eq!(sandbox.status(&id)["stop_reason"], "guard_violation");
            forge(
                &sandbox,
                tree,
                &id,
                &["update-index", flag, "docs/guide.txt"],
            );
            sandbox.runr(&["resume", &id]).output().exits(1);
            let status = sandbox.status(&id);
            assert_eq!(status["stop_reason"], "guard_violation", "{flag}");
            assert_eq!(
                strings(&status["guard_violation_files"]),
                ["docs/guide.txt"]
            );
        }
    }
}

#[test]
fn a_damaged_index_of_the_run_is_made_anew() {
    for tree in [Tree::Worktree, Tree::Checkout] {
        let sandbox = Sandbox::scripted(&Script::happy(2));
        let flags: &[&str] = match tree {
            Tree::Worktree => &["--max-ticks", "5", "--worktree"],
            Tree::Checkout => &["--max-ticks", "5"],
        };
        let id = sandbox.run(flags, 1).id;
        std::fs::write(sandbox.run_dir(&id).join("git-index"), "junk").unwrap();
        sandbox.runr(&["resume", &id]).output().exits(0);
        assert_eq!(sandbox.checkpoints(&id).len(), 2);
        let place = sandbox.tree(tree, &id);
        assert_eq!(sandbox.git_in(&place, &["status", "--porcelain"]), "");
    }
}

#[test]
fn what_a_sparse_checkout_leaves_out_is_not_deleted_by_a_resume() {
    for cone in ["--cone", "--no-cone"] {
        let sandbox = Sandbox::with(&Config::new().allow(&[]));
        for n in 1..=3 {
            sandbox.write(&format!("big/{n}"), "large\n");
        }
        sandbox.commit("what takes too much room");
        let goals = ["goal 1", "goal 2", "goal 3"].map(milestone);
        let part = ok(json!({"src/part{milestone}.txt": "part\n"}));
        sandbox.script(&Script::new(plan(&goals), &[part], &[approve()]));
        sandbox.git(&["sparse-checkout", "set", cone, "src", ".runr"]);
        assert!(!sandbox.exists("big/1"), "the trap was set");
        let base = sandbox.head();
        for tree in [Tree::Worktree, Tree::Checkout] {
            let mut flags = vec!["--max-ticks", "9"];
            flags.extend((tree == Tree::Worktree).then_some("--worktree"));
            let id = sandbox.run(&flags, 1).id;
            assert_eq!(sandbox.checkpoints(&id).len(), 2);
            let place = sandbox.tree(tree, &id);
            // A milestone is taken back, and with it what the index of the run was made for.
            sandbox.git_in(&place, &["reset", "-q", "--hard", "HEAD~1"]);
            sandbox.runr(&["resume", &id]).output().exits(0);
            let tip = format!("runr/{id}");
            let parts: Vec<String> = (0..=2).map(|n| format!("src/part{n}.txt")).collect();
            assert_eq!(sandbox.changed(&base, &tip), parts, "{cone} {tree:?}");
            assert_eq!(sandbox.git_in(&place, &["status", "--porcelain"]), "");
            assert!(!place.join("big").exists(), "nor is it checked out");
            sandbox.git(&["switch", "-q", "main"]);
        }
    }
}

#[test]
fn a_flag_of_the_users_own_goes_on_working_after_a_resume() {
    for flag in ["--assume-unchanged", "--skip-worktree"] {
        let sandbox = Sandbox::scripted(&Script::happy(2));
        sandbox.git(&["update-index", flag, "docs/guide.txt"]);
        sandbox.write("docs/guide.txt", "my own guide\n");
        let listed = sandbox.git(&["ls-files", "-v", "docs/guide.txt"]);
        let base = sandbox.head();
        let id = sandbox.run(&["--max-ticks", "5"], 1).id;
        sandbox.runr(&["resume", &id]).output().exits(0);
        assert_eq!(
            sandbox.changed(&base, &format!("runr/{id}")),
            ["src/part1.txt", "src/part2.txt"]
        );
        assert_eq!(sandbox.read("docs/guide.txt"), "my own guide\n");
        let still = sandbox.git(&["ls-files", "-v", "docs/guide.txt"]);
        assert_eq!(still, listed, "{flag}");
    }
}

#[test]
fn a_lock_that_a_killed_run_left_on_the_index_is_in_nobodys_way() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let id = sandbox.run(&["--max-ticks", "5"], 1).id;
    let git = |name: &str| sandbox.repo().join(".git").join(name);
    // What stands there between the lock and the rename.
    std::fs::copy(git("index"), git("index.runr")).unwrap();
    std::fs::hard_link(git("index.runr"), git("index.lock")).unwrap();
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert!(!sandbox.exists(".git/index.lock") && !sandbox.exists(".git/index.runr"));
}

#[test]
fn what_the_user_had_staged_stays_staged_and_uncommitted() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    sandbox.write(".gitignore", "*.own\n");
    sandbox.commit("ignore lines");
    sandbox.write("src/new.txt", "new\n");
    sandbox.write("src/secret.own", "kept from git, and staged all the same\n");
    sandbox.write("src/base.txt", "staged, and taken back in the tree\n");
    sandbox.git(&["add", "src/new.txt", "src/base.txt"]);
    sandbox.git(&["add", "--force", "src/secret.own"]);
    sandbox.write("src/base.txt", "base\n");
    let staged = sandbox.git(&["diff", "--cached"]);
    let base = sandbox.head();
    let id = sandbox.run(&["--allow-dirty", "--max-ticks", "5"], 1).id;
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(
        sandbox.changed(&base, &format!("runr/{id}")),
        ["src/part1.txt", "src/part2.txt"]
    );
    assert_eq!(sandbox.git(&["diff", "--cached"]), staged);
}
