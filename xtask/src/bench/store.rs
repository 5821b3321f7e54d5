//! What the store of runs costs beyond the system calls it cannot do without.

mod crowd;
mod many;
mod one_run;

use camino::Utf8PathBuf;
use runr_core::store::{MetaOp, NewRun, RepoId, RunMeta, apply_meta_ops};
use runr_core::{RunId, Timestamp};
use serde_json::json;

use super::Bench;
use super::row::Row;
use crate::Failure;

pub(crate) use crowd::be_one_of_many;

/// The repository of all runs here.
const REPO: &str = "abcd1234ef567890";

pub(crate) fn measure(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let mut rows = one_run::measure(bench)?;
    rows.extend(crowd::measure(bench)?);
    rows.extend(many::measure(bench)?);
    Ok(rows)
}

/// A fresh folder for one part.
fn folder(bench: &Bench, name: &str) -> Result<Utf8PathBuf, Failure> {
    let folder = bench.folder.path().join(name);
    let folder = Utf8PathBuf::from_path_buf(folder).map_err(|_| "the path is not UTF-8")?;
    std::fs::create_dir_all(&folder).map_err(|why| format!("cannot create {folder}: {why}"))?;
    Ok(folder)
}

fn repo_id() -> Result<RepoId, Failure> {
    RepoId::parse(REPO).map_err(said)
}

/// The `nth` run: an ordinary title, command and path.
fn new_run(nth: u32, worktree: Utf8PathBuf) -> Result<NewRun, Failure> {
    let created_at: Timestamp = "2026-02-03T04:05:06Z"
        .parse()
        .map_err(|why| format!("a bad time: {why}"))?;
    // Not in the order of the ids, so that a list has something to sort.
    let minutes = u64::from(nth * 7919 % 10_007);
    let created_at = created_at.plus(std::time::Duration::from_secs(60 * minutes));
    Ok(NewRun {
        run_id: RunId::parse(&format!("20260203040506-{nth:04x}")).map_err(said)?,
        repo_id: REPO.to_owned(),
        title: format!("Improve the ranking of search results, part {nth}"),
        runner: "claude".to_owned(),
        runner_cmd: "claude --permission-mode acceptEdits --model opus --verbose".to_owned(),
        parent_branch: "main".to_owned(),
        branch: format!("runr/improve-the-ranking-of-search-results-{nth:04x}"),
        worktree_path: worktree,
        created_at,
    })
}

/// The document of a run that has been at work for a while: about 1 KiB.
fn grown(new: &NewRun) -> Result<String, Failure> {
    let ops = [
        ("/tmux_session_name", json!(format!("runr-{}", new.run_id))),
        (
            "/setup",
            json!({"command": "npm ci", "exit_code": 0, "duration_ms": 18_250,
                   "log_path": "logs/setup.log", "output_ok": true}),
        ),
        ("/pr_number", json!(1234)),
        (
            "/pr_url",
            json!("https://github.com/example/search/pull/1234"),
        ),
        ("/last_push_at", json!("2026-02-03T05:06:07Z")),
        ("/last_verify_at", json!("2026-02-03T05:07:08Z")),
        (
            "/last_report_hash",
            json!("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
        ),
        ("/last_report_sync_at", json!("2026-02-03T05:08:09Z")),
    ];
    let ops = ops.map(|(path, value)| MetaOp::Set {
        path: path.to_owned(),
        value: value.into(),
    });
    apply_meta_ops(&RunMeta::new(new).to_text(), &ops).map_err(said)
}

fn said(why: impl std::fmt::Display) -> Failure {
    why.to_string()
}
