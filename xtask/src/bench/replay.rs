//! The peer of a run: a script that does the recorded steps and nothing else.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::recording::{GitCall, Recording, Step};
use super::whole_run::{CHECK, part, write};
use crate::Failure;

/// The steps of a recording, ready to be done in another repository.
#[derive(Debug)]
pub(crate) struct Replay<'a> {
    steps: &'a [Step],
    /// What stands in the recording, and what stands in its place here: the repository, and the
    /// commits made on the way, whose ids hold the time.
    instead: Vec<(String, String)>,
    run_dir: PathBuf,
    worktree: PathBuf,
}

impl<'a> Replay<'a> {
    pub(crate) fn new(recording: &'a Recording, repo: &Path) -> Result<Self, Failure> {
        let run_id = recording.run_dir.file_name().ok_or("a run without an id")?;
        let run_dir = repo.join(".runr/runs").join(run_id);
        for folder in ["artifacts", "logs"] {
            let folder = run_dir.join(folder);
            std::fs::create_dir_all(&folder)
                .map_err(|why| format!("cannot create {}: {why}", folder.display()))?;
        }
        let text = |path: &Path| path.display().to_string();
        Ok(Self {
            steps: &recording.steps,
            instead: vec![(text(&recording.repo), text(repo))],
            worktree: repo.join(".runr-worktrees").join(run_id),
            run_dir,
        })
    }

    /// The time all steps take.
    pub(crate) fn timed(mut self) -> Result<Duration, Failure> {
        let start = Instant::now();
        let timeline = self.run_dir.join("timeline.jsonl");
        for step in self.steps {
            match step {
                Step::Work(milestone) => {
                    let (path, text) = part(*milestone);
                    write(&self.worktree.join(path), &text)?;
                }
                Step::Check => self.check()?,
                Step::Append(bytes) => append(&timeline, bytes)
                    .map_err(|why| format!("cannot append to {}: {why}", timeline.display()))?,
                Step::Git(call) => self.git(call)?,
            }
        }
        Ok(start.elapsed())
    }

    fn check(&self) -> Result<(), Failure> {
        let log = self.run_dir.join("logs/check.log");
        let fail = |why: std::io::Error| format!("cannot run the check: {why}");
        let log = File::create(log).map_err(fail)?;
        let status = Command::new("sh")
            .args(["-c", CHECK])
            .env("CI", "1")
            .current_dir(&self.worktree)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(fail)?)
            .stderr(log)
            .status()
            .map_err(fail)?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("the check ended with {status}"))
        }
    }

    fn git(&mut self, call: &GitCall) -> Result<(), Failure> {
        if let Some(list) = &call.list {
            write(&self.run_dir.join("artifacts/staged-paths"), list)?;
        }
        let mut git = Command::new("git");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GIT_") {
                git.env_remove(&name);
            }
        }
        let env = call.env.iter();
        let output = git
            .current_dir(self.here(&call.cwd))
            .args(call.args.iter().map(|arg| self.here(arg)))
            .envs(env.map(|(name, value)| (name, self.here(value))))
            .stdin(Stdio::null())
            .output()
            .map_err(|why| format!("cannot start git: {why}"))?;
        if output.status.code() != Some(call.code) {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("git {:?} ended otherwise: {said}", call.args));
        }
        let (then, now) = (call.stdout.trim(), String::from_utf8_lossy(&output.stdout));
        if is_object_id(then) && then != now.trim() {
            self.instead.push((then.to_owned(), now.trim().to_owned()));
        }
        Ok(())
    }

    fn here(&self, text: &str) -> String {
        let replace = |text: String, (then, now): &(String, String)| text.replace(then, now);
        self.instead.iter().fold(text.to_owned(), replace)
    }
}

fn is_object_id(text: &str) -> bool {
    text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn append(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::options().append(true).create(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}
