//! The folder of a demo: a repository, runr's own settings, the worker's answers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::Stage;
use crate::{Failure, places};

/// The one check of the project; it needs nothing but Python.
const CHECK: &str = "python3 -m unittest discover -s tests";

/// A repository prepared by `runr init`, and how to run commands in it.
#[derive(Debug)]
pub(crate) struct Place {
    stage: Stage,
    folder: PathBuf,
    runr: PathBuf,
}

impl Place {
    /// Copies the project, makes it a repository and lets runr prepare it.
    pub(crate) fn prepare(stage: Stage, folder: &Path, runr: &Path) -> Result<Self, Failure> {
        let place = Self {
            stage,
            // The real path, as git and runr will print it.
            folder: folder
                .canonicalize()
                .map_err(|why| format!("cannot resolve {}: {why}", folder.display()))?,
            runr: runr.to_path_buf(),
        };
        let example = places::root().join("examples/demo");
        let repo = place.folder.join("shop");
        copy(&example.join("project"), &repo)?;
        copy(&example.join("workers"), &place.folder.join("workers"))?;
        place.heading("A small project with tests becomes a repository");
        place.git(&["init", "--quiet", "--initial-branch=main"])?;
        place.git(&["config", "user.name", "Demo"])?;
        place.git(&["config", "user.email", "demo@localhost"])?;
        place.commit("A cart and its tests")?;
        place.line(&format!("  {}", place.repo()));
        place.heading("runr prepares it");
        if place.shown(&["init", "--verify", CHECK], &[])? != 0 {
            return Err("`runr init` failed".into());
        }
        copy(&example.join("tasks"), &repo.join(".runr/tasks"))?;
        place.commit("runr's configuration and three tasks")?;
        Ok(place)
    }

    /// The repository, as text to print.
    pub(crate) fn repo(&self) -> String {
        self.folder.join("shop").display().to_string()
    }

    /// Where the program is.
    pub(crate) fn program_folder(&self) -> String {
        let folder = self.runr.parent().unwrap_or(&self.runr);
        folder.display().to_string()
    }

    /// What keeps the demo out of the user's own settings.
    pub(crate) fn variable(&self) -> (&'static str, String) {
        let settings = self.folder.join("settings");
        ("RUNR_CONFIG_DIR", settings.display().to_string())
    }

    /// The worker's answers to a task, with a log of its calls beside them.
    pub(crate) fn script(&self, task: &str) -> Result<String, Failure> {
        let path = self.folder.join("workers").join(format!("{task}.json"));
        let fail = |why: String| format!("worker script {}: {why}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|why| fail(why.to_string()))?;
        let mut script: Value = serde_json::from_str(&text).map_err(|why| fail(why.to_string()))?;
        script["log"] = self.call_log(task).display().to_string().into();
        std::fs::write(&path, format!("{script:#}\n")).map_err(|why| fail(why.to_string()))?;
        Ok(path.display().to_string())
    }

    /// Every call of the worker, one JSON object per line.
    pub(crate) fn calls(&self, task: &str) -> Result<Vec<Value>, Failure> {
        let path = self.call_log(task);
        let fail = |why: String| format!("log of calls {}: {why}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|why| fail(why.to_string()))?;
        text.lines()
            .map(|line| serde_json::from_str(line).map_err(|why| fail(why.to_string())))
            .collect()
    }

    fn call_log(&self, task: &str) -> PathBuf {
        self.folder
            .join("workers")
            .join(format!("{task}.calls.jsonl"))
    }

    /// Runs runr before the audience and returns its exit code.
    pub(crate) fn shown(&self, args: &[&str], env: &[(&str, &str)]) -> Result<i32, Failure> {
        self.line(&format!("$ runr {}", args.join(" ")));
        let status = self
            .runr(args)
            .envs(env.iter().copied())
            .stdout(self.stage.stdio())
            .status()
            .map_err(|why| format!("cannot start runr: {why}"))?;
        status
            .code()
            .ok_or_else(|| format!("runr ended with {status}"))
    }

    /// Runs runr and reads its JSON.
    pub(crate) fn asked(&self, args: &[&str]) -> Result<Value, Failure> {
        let output = self
            .runr(args)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|why| format!("cannot start runr: {why}"))?;
        if !output.status.success() {
            return Err(format!(
                "`runr {}` ended with {}",
                args.join(" "),
                output.status
            ));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|why| format!("`runr {}` printed no JSON: {why}", args.join(" ")))
    }

    /// Runs git and returns what it printed.
    pub(crate) fn git(&self, args: &[&str]) -> Result<String, Failure> {
        let mut git = Command::new("git");
        self.inside(&mut git);
        // Signing, hooks and templates of the user have no place in a demo.
        git.env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .args(args)
            .stderr(Stdio::inherit());
        let output = git
            .output()
            .map_err(|why| format!("cannot start git: {why}"))?;
        if !output.status.success() {
            return Err(format!(
                "`git {}` ended with {}",
                args.join(" "),
                output.status
            ));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn commit(&self, message: &str) -> Result<(), Failure> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", message])?;
        Ok(())
    }

    fn runr(&self, args: &[&str]) -> Command {
        let mut runr = Command::new(&self.runr);
        self.inside(&mut runr);
        runr.envs([self.variable()]).args(args);
        runr
    }

    /// In the repository, and nothing that is set outside changes what happens there.
    fn inside(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("RUNR_") || text.starts_with("GIT_") {
                command.env_remove(&name);
            }
        }
        command
            .current_dir(self.folder.join("shop"))
            .stdin(Stdio::null());
    }

    pub(crate) fn heading(&self, text: &str) {
        self.line(&format!("\n== {text}"));
    }

    pub(crate) fn line(&self, text: &str) {
        self.stage.line(text);
    }
}

/// Copies a folder, into one that may be there already.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let fail =
        |why: std::io::Error| format!("cannot copy {} to {}: {why}", from.display(), to.display());
    std::fs::create_dir_all(to).map_err(fail)?;
    for entry in std::fs::read_dir(from).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let target = to.join(entry.file_name());
        if entry.file_name() == "__pycache__" {
            continue; // What a curious reader's Python left in the example.
        } else if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            // Contents only: the checkout may be read-only, its copy must not be.
            let contents = std::fs::read(entry.path()).map_err(fail)?;
            std::fs::write(target, contents).map_err(fail)?;
        }
    }
    Ok(())
}
