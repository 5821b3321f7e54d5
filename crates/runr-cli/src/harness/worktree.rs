//! The tree a run works in: a worktree of its own, or the user's checkout on a branch of its own.

mod removal;
mod strays;
mod trees;

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::Result;
use runr_core::fs::{Document, Durability, Lock, LockGuard, Wait};
use runr_core::id::RunId;
use runr_core::phase::event::Worktree;
use runr_core::phase::owned::IGNORED_BY_INIT;

use super::context::Layout;
use super::git::{Git, Place};
use crate::host::Host;

pub(crate) use removal::{remove_half_made, remove_scratch};
pub(crate) use strays::Strays;
use trees::refuse_where_checked_out;

/// The lock of what concerns the whole repository.
const REPOSITORY_LOCK: &str = ".runr.lock";
/// How long others may take to check a large tree out.
const ADDING: Duration = Duration::from_secs(120);

/// The branch of a run.
pub(crate) fn branch_name(run_id: &RunId) -> String {
    format!("runr/{run_id}")
}

/// Where the worktrees of a repository are; `setting` is `RUNR_WORKTREES_DIR`.
pub(crate) fn worktrees_dir(repo_root: &Utf8Path, setting: Option<&str>) -> Utf8PathBuf {
    match setting {
        Some(dir) if !dir.is_empty() => repo_root.join(dir),
        _ => repo_root.join(".runr-worktrees"),
    }
}

/// Keeps runr's own directories out of every `git status`, without touching a tracked file.
pub(crate) fn exclude_own_roots(host: &Host, place: &Place) -> Result<()> {
    let info = place.common_dir.join("info");
    host.make_dirs(&info)?;
    // The lock stands in git's own directory and under a name git does not use.
    let file = Document::new(host.storage.clone(), &info, "exclude")
        .lock_name("runr.lock")
        .durability(Durability::File);
    let own = [
        ".runr/.runr.lock*",
        ".runr/.task-status.json.tmp",
        ".runr/quarantine/",
    ];
    let own = IGNORED_BY_INIT.iter().copied().chain(own);
    let wanted: Vec<String> = own.map(|line| format!("/{line}")).collect();
    let known = file.read()?.unwrap_or_default();
    if wanted.iter().all(|line| known.lines().any(|k| k == line)) {
        return Ok(());
    }
    file.update(|text| {
        let mut text = text.unwrap_or_default().to_owned();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        for line in &wanted {
            if !text.lines().any(|known| known == line) {
                text.push_str(line);
                text.push('\n');
            }
        }
        Ok(text)
    })?;
    Ok(())
}

/// Makes the worktree of a new run at `sha`; `branch` absent means detached.
pub(crate) fn add(
    host: &Host,
    layout: &Layout,
    git: &Git,
    dir: &Utf8Path,
    sha: &str,
    branch: Option<&str>,
) -> Result<Worktree> {
    let _alone = alone(host, layout)?;
    match branch {
        Some(name) => git.run(&["worktree", "add", "-b", name, dir.as_str(), sha])?,
        None => git.run(&["worktree", "add", "--detach", dir.as_str(), sha])?,
    };
    Ok(made(dir, sha, branch))
}

/// Makes a lost worktree again. Its branch is attached as it is, not reset; git's own record of the
/// vanished directory is overridden.
pub(crate) fn add_again(
    host: &Host,
    layout: &Layout,
    git: &Git,
    dir: &Utf8Path,
    sha: &str,
    branch: Option<&str>,
) -> Result<Worktree> {
    let _alone = alone(host, layout)?;
    if let Some(name) = branch {
        refuse_where_checked_out(git, dir, name)?;
    }
    // Twice: a git that was killed while it made the worktree leaves its record locked.
    let add = ["worktree", "add", "--force", "--force"];
    match branch {
        Some(name) if has_branch(git, name)? => {
            git.run(&[&add[..], &[dir.as_str(), name]].concat())?
        }
        Some(name) => git.run(&[&add[..], &["-b", name, dir.as_str(), sha]].concat())?,
        None => git.run(&[&add[..], &["--detach", dir.as_str(), sha]].concat())?,
    };
    Ok(made(dir, sha, branch))
}

/// Two gits that add worktrees at once trip over each other's half-written records.
pub(crate) fn alone(host: &Host, layout: &Layout) -> Result<LockGuard> {
    let dir = layout.repo_root.join(".runr");
    Lock::acquire(&host.storage, &dir, REPOSITORY_LOCK, Wait::UpTo(ADDING))
}

/// Whether a branch of this name exists.
pub(crate) fn has_branch(git: &Git, name: &str) -> Result<bool> {
    let reference = format!("refs/heads/{name}");
    let (has, _) = git.ask(&["show-ref", "--verify", "--quiet", &reference])?;
    Ok(has)
}

fn made(dir: &Utf8Path, sha: &str, branch: Option<&str>) -> Worktree {
    Worktree {
        worktree_path: dir.to_string(),
        base_sha: sha.to_owned(),
        run_branch: branch.map(str::to_owned),
    }
}

/// Puts the user's checkout on the run's branch; uncommitted changes stay as they are.
pub(crate) fn switch_to_branch(git: &Git, name: &str) -> Result<()> {
    git.run(&["switch", "--quiet", "-c", name])?;
    Ok(())
}
