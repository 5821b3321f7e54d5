//! Putting the user's own changes out of the way, where they can be found again.
//!
//! Git makes the stash before it touches the tree: killed at any moment, a change is in the one or in
//! the other.

use runr_core::Result;
use runr_core::phase::event::Event;
use runr_core::phase::ops::RunFiles;

use crate::harness::git::Git;
use crate::harness::path_list;

/// Puts these files on the stash; nothing else, and with what is untracked. The record of it.
pub(super) fn push(git: &Git, files: &RunFiles, paths: &[String]) -> Result<Option<Event>> {
    // The index that people see: what they staged comes back staged.
    let git = git.with_index_of_tree();
    let list = path_list::write(files.dir(), "stashed-paths", paths)?;
    let before = newest(&git)?;
    let message = format!(
        "runr: your changes before the resume of run {}",
        files.run_id()
    );
    let from = format!("--pathspec-from-file={list}");
    let args = [
        "--literal-pathspecs",
        "stash",
        "push",
        "--quiet",
        "--include-untracked",
        "--message",
        &message,
        &from,
        "--pathspec-file-nul",
    ];
    git.run(&args)?;
    let after = newest(&git)?;
    let made = after.filter(|sha| Some(sha) != before.as_ref());
    Ok(made.map(|sha| Event::AutoStashCreated {
        stash_ref: sha,
        stash_message: message,
        file_count: paths.len(),
    }))
}

fn newest(git: &Git) -> Result<Option<String>> {
    const NEWEST: [&str; 4] = ["rev-parse", "--verify", "--quiet", "refs/stash"];
    let (found, sha) = git.ask(&NEWEST)?;
    Ok(found.then(|| sha.trim().to_owned()))
}
