//! A resume that is refused, or fails in the middle: the next one finds everything as it was.

use crate::support::{Sandbox, Script};

/// A run that the preflight refused for the user's changes.
fn never_begun() -> (Sandbox, String) {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.write("docs/guide.txt", "half-finished\n");
    sandbox.run_command(&[]).output().exits(3);
    let id = sandbox.run_ids().pop().unwrap();
    assert_eq!(sandbox.git(&["branch", "--list", "runr/*"]), "");
    (sandbox, id)
}

#[test]
fn a_refused_resume_leaves_the_user_on_their_branch() {
    let (sandbox, id) = never_begun();
    let base = sandbox.head();
    sandbox.git(&["switch", "-q", "-c", "feature"]);
    sandbox.write("feature.txt", "work of the user\n");
    sandbox.git(&["add", "feature.txt"]);
    sandbox.git(&["commit", "-q", "-m", "a feature"]);
    let is_refused = |with: &str| {
        let refused = sandbox.runr(&["resume", &id]).output().exits(3);
        assert!(refused.stderr.contains(with), "{refused}");
        assert_eq!(sandbox.git(&["branch", "--show-current"]), "feature");
        assert_eq!(sandbox.git(&["branch", "--list", "runr/*"]), "");
    };
    is_refused("Worktree is dirty");
    sandbox.git(&["restore", "docs/guide.txt"]);
    // The run began elsewhere: what was committed since is not its work.
    is_refused(&base[..7]);
    sandbox.git(&["switch", "-q", "main"]);
    sandbox.runr(&["resume", &id]).output().exits(0);
    let tip = format!("runr/{id}");
    assert_eq!(sandbox.changed("main", &tip), ["src/part1.txt"]);
}

#[test]
fn a_run_that_never_began_goes_on_when_the_changes_are_stashed() {
    let (sandbox, id) = never_begun();
    let stashing = ["resume", &id, "--auto-stash"];
    sandbox.runr(&stashing).output().exits(0);
    assert_eq!(sandbox.payloads(&id, "auto_stash_created").len(), 1);
    let tip = format!("runr/{id}");
    assert_eq!(sandbox.git(&["branch", "--show-current"]), tip);
    assert_eq!(sandbox.changed("main", &tip), ["src/part1.txt"]);
}
