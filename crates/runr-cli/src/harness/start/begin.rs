//! A run that is made, but not recorded: its directory, its claim, its work item.

use std::io::Write;

use camino::Utf8Path;
use runr_core::store::{NewRun, RunPaths};
use runr_core::{Error, Result};

use super::{planned_branch, planned_tree};
use crate::harness::claim::{Claim, Claiming, Wanted};
use crate::harness::owner::Ownership;
use crate::harness::process::private_file;
use crate::harness::request::Prepared;
use crate::harness::snapshot::Snapshot;
use crate::harness::{context, item};
use crate::host::Host;

/// The claim that a run is to make, if it is to make one.
fn claiming(prepared: &Prepared, host: &Host) -> Result<Option<Claiming>> {
    let of = |wanted: &Wanted| {
        let root = &prepared.place.toplevel;
        Claiming::new(host, root, &prepared.config, wanted.clone(), None)
    };
    prepared.own.as_ref().map(of).transpose()
}

/// Refuses a run whose target is another's before anything is made.
pub(super) fn expect_free_target(prepared: &Prepared, host: &Host) -> Result<()> {
    match claiming(prepared, host)? {
        Some(claiming) => claiming.expect_free(None),
        None => Ok(()),
    }
}

/// A run that is not recorded yet.
pub(super) struct Begun {
    pub(super) run: RunPaths,
    pub(super) ownership: Ownership,
    pub(super) claim: Option<Claim>,
    pub(super) item: Option<String>,
    pub(super) snapshot_sha256: String,
}

/// Makes a run up to its record. What fails leaves no run behind: another one may come first to its
/// target, and its work item may be unusable.
pub(super) fn begin(prepared: &Prepared, host: &Host, accepted: bool) -> Result<Begun> {
    let run = create(prepared, host)?;
    equip(prepared, host, run.clone(), accepted).inspect_err(|_| discard(&run))
}

fn equip(prepared: &Prepared, host: &Host, run: RunPaths, accepted: bool) -> Result<Begun> {
    let ownership = Ownership::take(&prepared.layout.files(&run.run_id), host)?;
    let (mut claim, mut item) = (None, None);
    // A run that is refused claims nothing and prepares nothing.
    if accepted {
        let cancel = host.cancel.clone();
        let claiming = claiming(prepared, host)?;
        claim = claiming
            .map(|claiming| claiming.claim(&run.run_id, cancel))
            .transpose()?;
        item = item::prepare(prepared, host)?.and_then(|report| report.run_id);
    }
    let snapshot_sha256 = freeze(prepared, &run)?;
    Ok(Begun {
        run,
        ownership,
        claim,
        item,
        snapshot_sha256,
    })
}

/// Takes back a run that nobody knows of: its directory goes at once, and then what is in it. What
/// is left after a crash looks like a run in the making.
fn discard(run: &RunPaths) {
    let name = format!(".{}-{:016x}.tmp", run.run_id, std::process::id());
    let gone = run.run_dir.with_file_name(name);
    if std::fs::rename(&run.run_dir, &gone).is_ok() {
        // The error that led here is the one to tell.
        drop(std::fs::remove_dir_all(&gone));
    }
}

fn create(prepared: &Prepared, host: &Host) -> Result<RunPaths> {
    let name = prepared
        .options
        .worker
        .as_deref()
        .unwrap_or(&prepared.config.phases.implement);
    let redactor = context::redactor(&prepared.config, host);
    let command = prepared.config.workers.get(name).map(|worker| {
        let words = std::iter::once(&worker.bin).chain(&worker.args);
        redactor.text(&words.cloned().collect::<Vec<_>>().join(" "))
    });
    let repository = crate::repository::at(&prepared.layout.repo_root)?;
    let now = host.clock.now();
    let branch_before = prepared.place.branch.clone().unwrap_or_default();
    prepared
        .layout
        .store()
        .create_harness_run(now, |id| NewRun {
            run_id: id.clone(),
            repo_id: repository.repo_id.to_string(),
            title: redactor.text(prepared.task.name()),
            runner: name.to_owned(),
            runner_cmd: command.clone().unwrap_or_default(),
            parent_branch: branch_before.clone(),
            branch: planned_branch(prepared, id).unwrap_or_default(),
            worktree_path: planned_tree(prepared, id).into(),
            created_at: now,
        })
}

/// Writes what a resume needs besides the timeline, before the first record; the digest of it.
fn freeze(prepared: &Prepared, run: &RunPaths) -> Result<String> {
    let files = prepared.layout.files(&run.run_id);
    let snapshot = Snapshot {
        config: prepared.config.clone(),
        task_text: prepared.task_text.clone(),
        prompts: prepared.prompts.clone(),
    };
    let sha256 = snapshot.write(&files)?;
    // For people; a resume takes the task from the snapshot.
    let path = run.run_dir.join("artifacts");
    private_dir(&path)
        .and_then(|()| private_file(&path.join("task.md")))
        .and_then(|mut file| file.write_all(prepared.task_text.as_bytes()))
        .map_err(|source| Error::io("write the task to", &path, source))?;
    Ok(sha256)
}

/// A directory for what commands print, which may be secret: for its owner alone.
fn private_dir(path: &Utf8Path) -> std::io::Result<()> {
    let mut dir = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut dir, 0o700);
    dir.recursive(true).create(path)
}
