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
