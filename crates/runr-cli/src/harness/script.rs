//! The script worker: answers from a file, so that demos and tests need no account.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::CancelFlag;
use runr_core::phase::model::Stage;
use runr_core::redact::Redactor;
use runr_core::{Code, Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::git::Git;

/// The answers of all stages.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    #[serde(default)]
    plan: Vec<Step>,
    #[serde(default)]
    implement: Vec<Step>,
    #[serde(default)]
    review: Vec<Step>,
    #[serde(default)]
    log: Option<Utf8PathBuf>,
}

/// One answer with what is done before it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(default)]
    reply: Value,
    /// Text appended to files.
    #[serde(default)]
    writes: BTreeMap<String, String>,
    /// Files written whole.
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    delete: Vec<String>,
    #[serde(default)]
    git: Vec<String>,
    #[serde(default)]
    sleep_ms: u64,
    #[serde(default)]
    exit_code: i32,
}

/// The call a step answers.
pub(crate) struct Call<'a> {
    pub(crate) run_id: &'a str,
    pub(crate) stage: Stage,
    /// Answers journalled before this one; picks the step.
    pub(crate) n: u32,
    pub(crate) milestone: usize,
    pub(crate) task_stem: &'a str,
    pub(crate) cwd: &'a Utf8Path,
    pub(crate) prompt: &'a str,
    pub(crate) redactor: &'a Redactor,
}

/// How a scripted call ended.
pub(crate) enum Played {
    Replied { text: String, exit_code: i32 },
    TimedOut,
    Cancelled,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// `E_CONFIG_INVALID` naming file and problem.
    pub(crate) fn load(path: &Utf8Path) -> Result<Self> {
        let invalid = |why: String| {
            Error::new(
                Code::ConfigInvalid,
                format!("Invalid config: worker script {path}: {why}"),
            )
            .at(path)
            .hint("unset RUNR_WORKER_SCRIPT or mend the file")
        };
        let text = std::fs::read_to_string(path).map_err(|e| invalid(e.to_string()))?;
        serde_json::from_str(&text).map_err(|e| invalid(e.to_string()))
    }

    fn step(&self, stage: Stage, n: u32) -> Option<&Step> {
        let steps = match stage {
            Stage::Plan => &self.plan,
            Stage::Implement => &self.implement,
            Stage::Review => &self.review,
        };
        let index = usize::try_from(n).unwrap_or(usize::MAX);
        steps.get(index).or(steps.last())
    }

    /// Plays the step of a call: sleep, files, writes, delete, git, reply.
    pub(crate) fn play(
        &self,
        call: &Call<'_>,
        git: &Git,
        deadline: Instant,
        cancel: &CancelFlag,
    ) -> Result<Played> {
        self.log_call(call)?;
        let Some(step) = self.step(call.stage, call.n) else {
            let why = format!(
                "the worker script has no step for the stage `{}`",
                call.stage
            );
            return Err(Error::new(
                Code::ConfigInvalid,
                format!("Invalid config: {why}"),
            ));
        };
        if let Some(ended) = sleep(Duration::from_millis(step.sleep_ms), deadline, cancel) {
            return Ok(ended);
        }
        let named = |text: &str| {
            text.replace("{task}", call.task_stem)
                .replace("{run_id}", call.run_id)
                .replace("{milestone}", &call.milestone.to_string())
        };
        for (path, text) in &step.files {
            write(&call.cwd.join(named(path)), &named(text), false)?;
        }
        for (path, text) in &step.writes {
            write(&call.cwd.join(named(path)), &named(text), true)?;
        }
        for path in &step.delete {
            let path = call.cwd.join(named(path));
            std::fs::remove_file(&path).map_err(|e| Error::io("delete", &path, e))?;
        }
        for line in &step.git {
            let line = named(line);
            let args: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
            git.at(call.cwd).run_with(&args, &COMMITTER)?;
        }
        let text = match &step.reply {
            Value::String(raw) => raw.clone(),
            reply => reply.to_string(),
        };
        Ok(Played::Replied {
            text,
            exit_code: step.exit_code,
        })
    }

    fn log_call(&self, call: &Call<'_>) -> Result<()> {
        let Some(path) = &self.log else {
            return Ok(());
        };
        let line = json!({"run_id": call.run_id, "stage": call.stage, "n": call.n, "cwd": call.cwd, "prompt": call.prompt});
        let line = call.redactor.text(&line.to_string());
        write(path, &format!("{line}\n"), true)
    }
}

/// A scripted `git commit` must not depend on the machine having an identity.
const COMMITTER: [(&str, &str); 4] = [
    ("GIT_AUTHOR_NAME", "script worker"),
    ("GIT_AUTHOR_EMAIL", "script@localhost"),
    ("GIT_COMMITTER_NAME", "script worker"),
    ("GIT_COMMITTER_EMAIL", "script@localhost"),
];

fn sleep(duration: Duration, deadline: Instant, cancel: &CancelFlag) -> Option<Played> {
    let until = Instant::now() + duration;
    while Instant::now() < until {
        if cancel.is_cancelled() {
            return Some(Played::Cancelled);
        }
        if Instant::now() >= deadline {
            return Some(Played::TimedOut);
        }
        std::thread::sleep((until - Instant::now()).min(Duration::from_millis(20)));
    }
    None
}

fn write(path: &Utf8Path, text: &str, append: bool) -> Result<()> {
    use std::io::Write;
    let failed = |e| Error::io("write", path, e);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut options = std::fs::File::options();
    options
        .create(true)
        .append(append)
        .write(true)
        .truncate(!append);
    options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(failed)
}
