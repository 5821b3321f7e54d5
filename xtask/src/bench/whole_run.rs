//! What a run costs beyond the git commands, the checks and the flushes it cannot do without.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::Bench;
use super::recording::Recording;
use super::replay::Replay;
use super::row::{Pair, Row, Unit};
use crate::Failure;

/// The check of every milestone.
pub(crate) const CHECK: &str = "test -f src/base.txt";
const MILESTONES: usize = 2;

pub(crate) fn measure(bench: &Bench) -> Result<Vec<Row>, Failure> {
    eprintln!("measuring whole runs ...");
    let arena = Arena::new(bench, "runs")?;
    let recorded = arena.used("recorded")?;
    let recording = Recording::of_a_run(&arena, &recorded)?;
    let mut round = 0;
    let mut fresh = |who: &str| {
        round += 1;
        arena.used(&format!("{who}-{round}"))
    };
    let prepared: Result<Vec<_>, Failure> = (0..bench.rounds)
        .map(|_| Ok((fresh("runr")?, fresh("script")?)))
        .collect();
    let (mut ours, mut peers): (Vec<_>, Vec<_>) = prepared?.into_iter().unzip();
    let none_left = || Failure::from("no repository is left");
    let mut pair = Pair::measure(
        bench.rounds,
        || arena.run(&ours.pop().ok_or_else(none_left)?),
        || Replay::new(&recording, &peers.pop().ok_or_else(none_left)?)?.timed(),
    )?;
    let names = [
        "runr run --worktree, 2 milestones, instant worker",
        "a script: same git commands, appends, checks",
        "in a repository that has had a run; runr also syncs its documents",
    ];
    let mut rows = vec![pair.row(names, Unit::TimesThePeer, Some("<= 1.2x"))];
    let counts = recording.git_processes();
    rows.push(Row::count(
        "git processes before the first milestone",
        counts.before,
    ));
    for (index, count) in counts.per_milestone.iter().enumerate() {
        let what = format!("git processes of milestone {}", index + 1);
        rows.push(Row::count(what, *count));
    }
    rows.push(Row::count(
        "git processes after the last checkpoint",
        counts.after,
    ));
    rows.push(Row::count("synced appends of the run", recording.appends()));
    Ok(rows)
}

/// A repository that is copied for every run, so that each finds the same.
#[derive(Debug)]
pub(crate) struct Arena {
    folder: PathBuf,
    runr: PathBuf,
    script: PathBuf,
}

impl Arena {
    pub(crate) fn new(bench: &Bench, name: &str) -> Result<Self, Failure> {
        let folder = bench.folder.path().join(name);
        let arena = Self {
            script: folder.join("script.json"),
            runr: bench.runr.clone(),
            folder,
        };
        let template = arena.folder.join("template");
        write(&template.join("src/base.txt"), "base\n")?;
        write(&template.join(".runr/runr.config.json"), &config())?;
        write(
            &template.join(".runr/tasks/task.md"),
            "# A task\n\n## Goal\nTwo parts.\n",
        )?;
        write(&arena.script, &script())?;
        for args in [
            // Without the sample hooks of a template, which would only be copied.
            &["init", "--quiet", "--initial-branch=main", "--template="][..],
            &["config", "user.name", "Bench"],
            &["config", "user.email", "bench@localhost"],
            &["add", "--all"],
            &["commit", "--quiet", "--message", "base"],
        ] {
            git(&template, args)?;
        }
        Ok(arena)
    }

    /// The same in which a run has been, and was cleared away: what runr makes once in a repository
    /// is there.
    fn used(&self, name: &str) -> Result<PathBuf, Failure> {
        let repo = self.fresh(name)?;
        self.run(&repo)?;
        let fail = |why: std::io::Error| format!("cannot clear {}: {why}", repo.display());
        let runs = repo.join(".runr/runs");
        std::fs::remove_dir_all(&runs).map_err(fail)?;
        std::fs::create_dir(&runs).map_err(fail)?;
        std::fs::remove_dir_all(repo.join(".runr-worktrees")).map_err(fail)?;
        git(&repo, &["worktree", "prune"])?;
        for branch in std::fs::read_dir(repo.join(".git/refs/heads/runr")).map_err(fail)? {
            let name = branch.map_err(fail)?.file_name();
            let branch = format!("runr/{}", name.to_string_lossy());
            git(&repo, &["branch", "--quiet", "-D", &branch])?;
        }
        Ok(repo)
    }

    /// A copy of the repository whose commands are trusted.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf, Failure> {
        let repo = self.folder.join(name);
        copy(&self.folder.join("template"), &repo)?;
        let trusted = self
            .runr(&repo)
            .arg("trust")
            .stdout(Stdio::null())
            .status()
            .map_err(|why| format!("cannot start runr: {why}"))?;
        if !trusted.success() {
            return Err(format!("`runr trust` ended with {trusted}"));
        }
        repo.canonicalize()
            .map_err(|why| format!("cannot resolve {}: {why}", repo.display()))
    }

    /// runr in a repository, cut off from the settings of the user.
    pub(crate) fn runr(&self, repo: &Path) -> Command {
        let mut runr = Command::new(&self.runr);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RUNR_") {
                runr.env_remove(&name);
            }
        }
        runr.current_dir(repo)
            .env("RUNR_CONFIG_DIR", self.folder.join("settings"))
            .env("RUNR_WORKER_SCRIPT", &self.script)
            .stdin(Stdio::null());
        runr
    }

    /// The time of one run.
    pub(crate) fn run(&self, repo: &Path) -> Result<Duration, Failure> {
        self.run_with(self.runr(repo))
    }

    /// The time of one run by this command, which must be one of [`Arena::runr`].
    pub(crate) fn run_with(&self, mut runr: Command) -> Result<Duration, Failure> {
        runr.args(["run", "--task", "task.md", "--worktree", "--quiet"])
            .stdout(Stdio::null());
        let start = Instant::now();
        let status = runr
            .status()
            .map_err(|why| format!("cannot start runr: {why}"))?;
        let time = start.elapsed();
        if status.success() {
            Ok(time)
        } else {
            Err(format!("`runr run` ended with {status}"))
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

fn git(repo: &Path, args: &[&str]) -> Result<(), Failure> {
    let status = Command::new("git")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .current_dir(repo)
        .args(args)
        .status()
        .map_err(|why| format!("cannot start git: {why}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("git {args:?} ended with {status}"))
    }
}

/// What the worker writes for a milestone, counted from 0.
pub(crate) fn part(milestone: usize) -> (String, String) {
    (
        format!("src/part{milestone}.txt"),
        format!("part {milestone}\n"),
    )
}

fn config() -> String {
    let config = json!({
        "agent": {"name": "bench", "version": "1"},
        "scope": {"allowlist": ["src/**"], "denylist": []},
        "verification": {"tier0": [CHECK], "tier1": [], "tier2": []},
    });
    format!("{config:#}\n")
}

fn script() -> String {
    let milestones: Vec<_> = (0..MILESTONES)
        .map(|n| json!({"goal": format!("part {n}"), "done_checks": ["it is there"], "risk_level": "low"}))
        .collect();
    let steps: Vec<_> = (0..MILESTONES)
        .map(|n| {
            let (path, text) = part(n);
            json!({"files": {path: text}, "reply": {"status": "ok", "handoff_memo": "written"}})
        })
        .collect();
    let script = json!({
        "plan": [{"reply": {"milestones": milestones}}],
        "implement": steps,
        "review": [{"reply": {"status": "approve", "changes": []}}],
    });
    format!("{script:#}\n")
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let fail = |why: std::io::Error| format!("cannot write {}: {why}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    std::fs::write(path, text).map_err(fail)
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let fail = |why: std::io::Error| format!("cannot copy {}: {why}", from.display());
    std::fs::create_dir_all(to).map_err(fail)?;
    for entry in std::fs::read_dir(from).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let target = to.join(entry.file_name());
        if entry.file_type().map_err(fail)?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target).map_err(fail)?;
        }
    }
    Ok(())
}
