//! What a run froze at its start: the configuration, the task and the prompts, in one file.
//!
//! A worker can write there, and what stands in it decides which checks run and what is in scope. So
//! the timeline holds its digest. A resume that changes it writes the new text beside the old one
//! first: whichever of them the timeline names counts, whenever the resume was killed.

use runr_core::mutant::without;
use runr_core::phase::config::Config;
use runr_core::phase::ops::{RunFiles, to_text};
use runr_core::phase::prompt::PromptTexts;
use runr_core::{Code, Error, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};

const FILE: &str = "config.snapshot.json";
/// What is to take its place.
const NEXT: &str = "config.snapshot.next.json";
/// These stand beside the keys of the configuration, under names no configuration has.
const TASK: &str = "_task";
const PROMPTS: &str = "_prompts";

/// What a configuration is known by in the timeline.
pub(crate) fn config_sha256(config: &Config) -> Option<String> {
    Some(sha256(&to_text(config).ok()?))
}

fn sha256(text: &str) -> String {
    super::hex(&Sha256::digest(text))
}

/// Configuration, task and prompts of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) config: Config,
    pub(crate) task_text: String,
    /// The prompts that the repository brought.
    pub(crate) prompts: PromptTexts,
}

impl Snapshot {
    /// Writes the snapshot; its digest.
    pub(crate) fn write(&self, files: &RunFiles) -> Result<String> {
        self.write_as(FILE, files)
    }

    /// Writes the snapshot that counts once the timeline holds its digest.
    pub(crate) fn write_next(&self, files: &RunFiles) -> Result<String> {
        self.write_as(NEXT, files)
    }

    fn write_as(&self, name: &str, files: &RunFiles) -> Result<String> {
        let text = self.text()?;
        files.cache(name).replace(&text)?;
        Ok(sha256(&text))
    }

    fn text(&self) -> Result<String> {
        let print = |e| Error::internal(format!("cannot print the configuration: {e}"));
        let mut value = serde_json::to_value(&self.config).map_err(print)?;
        if let Value::Object(keys) = &mut value {
            keys.insert(TASK.to_owned(), Value::String(self.task_text.clone()));
            if self.prompts != PromptTexts::default() {
                let prompts = serde_json::to_value(&self.prompts).map_err(print)?;
                keys.insert(PROMPTS.to_owned(), prompts);
            }
        }
        to_text(&value)
    }

    /// Reads the snapshot of a run that knows this digest of it.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT`, also for one that somebody else wrote; `E_CONFIG_INVALID`.
    pub(crate) fn read(files: &RunFiles, known: Option<&str>) -> Result<Self> {
        let is_ours = |text: &String| {
            known.is_none_or(|known| known == sha256(text)) || without("snapshot-digest")
        };
        let there = files.cache(FILE).read()?;
        if let Some(text) = there.clone().filter(is_ours) {
            return Self::parse(files, &text);
        }
        // Killed between the record of a resume and the last step of its change.
        if let Some(text) = files.cache(NEXT).read()?.filter(is_ours) {
            return Self::parse(files, &text);
        }
        let path = files.dir().join(FILE);
        let what = there.map_or("is gone", |_| "is not what the run wrote");
        Err(Error::new(
            Code::StoreCorrupt,
            format!("Run state is corrupt: {path} {what}"),
        )
        .at(path)
        .hint("restore the file, or start the task again with `runr run`"))
    }

    fn parse(files: &RunFiles, text: &str) -> Result<Self> {
        let path = files.dir().join(FILE);
        let corrupt = |problem: serde_json::Error| {
            Error::new(Code::StoreCorrupt, format!("Run state is corrupt: {path}"))
                .at(path.clone())
                .with("line", problem.line())
                .with("reason", problem.to_string())
        };
        let mut value: Value = serde_json::from_str(text).map_err(corrupt)?;
        let mut take = |name| {
            let keys = value.as_object_mut();
            keys.and_then(|keys| keys.shift_remove(name))
        };
        let (task, prompts) = (take(TASK), take(PROMPTS));
        let prompts = prompts.map(serde_json::from_value).transpose();
        let prompts = prompts.map_err(corrupt)?.unwrap_or_default();
        let (config, _) = Config::from_value(value).map_err(|error| error.at(path))?;
        let task_text = match task {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        Ok(Self {
            config,
            task_text,
            prompts,
        })
    }
}
