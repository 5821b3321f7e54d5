//! Worktrees that are made again, where something is in the way of that.

use super::*;

#[test]
fn a_lost_worktree_is_not_made_again_while_somebody_is_on_its_branch() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let id = sandbox.run(&["--worktree", "--max-ticks", "5"], 1).id;
    let (tree, branch) = (sandbox.worktree(&id), format!("runr/{id}"));
    fs::remove_dir_all(&tree).unwrap();
    sandbox.git(&["worktree", "prune"]);
    sandbox.git(&["switch", "-q", &branch]);
    let tip = sandbox.head();
    let refused = sandbox.runr(&["resume", &id]).output().exits(4);
    let main = sandbox.repo();
    let place = format!("is checked out in {}", main.display());
    assert!(refused.stderr.contains(&place), "{refused}");
    assert!(!tree.exists());
    assert_eq!(sandbox.head(), tip, "nobody commits under the user");
    sandbox.git(&["switch", "-q", "main"]);
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(sandbox.checkpoints(&id).len(), 2);
}

#[test]
fn a_half_made_worktree_is_made_anew_where_git_is_no_directory() {
    let sandbox = sandbox(&Config::new(), "nothing\n", "");
    let elsewhere = sandbox.scratch().join("repo.git");
    sandbox.git(&[
        "init",
        "-q",
        "--separate-git-dir",
        elsewhere.to_str().unwrap(),
    ]);
    sandbox.write(".runr-worktrees", "in the way\n");
    sandbox.run_command(&["--worktree"]).output().exits(1);
    let id = sandbox.run_ids().pop().unwrap();
    fs::remove_file(sandbox.repo().join(".runr-worktrees")).unwrap();
    let (tree, branch) = (sandbox.worktree(&id), format!("runr/{id}"));
    sandbox.git(&["worktree", "add", "-q", tree.to_str().unwrap(), &branch]);
    fs::remove_dir_all(tree.join("src")).unwrap();
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(committed(&sandbox, &id), ["src/part1.txt"]);
}
