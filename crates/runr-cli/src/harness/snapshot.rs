//! What a run froze at its start: the configuration, the task and the prompts, in one file.

use runr_core::phase::config::Config;
use runr_core::phase::ops::{RunFiles, to_text};
use runr_core::phase::prompt::PromptTexts;
use runr_core::{Code, Error, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};

const FILE: &str = "config.snapshot.json";
/// These stand beside the keys of the configuration, under names no configuration has.
const TASK: &str = "_task";
const PROMPTS: &str = "_prompts";

/// What a configuration is known by in the timeline.
pub(crate) fn config_sha256(config: &Config) -> Option<String> {
    let text = to_text(config).ok()?;
    Some(super::hex(&Sha256::digest(text)))
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
    /// Writes the snapshot.
    pub(crate) fn write(&self, files: &RunFiles) -> Result<()> {
        let print = |e| Error::internal(format!("cannot print the configuration: {e}"));
        let mut value = serde_json::to_value(&self.config).map_err(print)?;
        if let Value::Object(keys) = &mut value {
            keys.insert(TASK.to_owned(), Value::String(self.task_text.clone()));
            if self.prompts != PromptTexts::default() {
                let prompts = serde_json::to_value(&self.prompts).map_err(print)?;
                keys.insert(PROMPTS.to_owned(), prompts);
            }
        }
        files.cache(FILE).replace(&to_text(&value)?)
    }

    /// Reads the snapshot.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT`, `E_CONFIG_INVALID`.
    pub(crate) fn read(files: &RunFiles) -> Result<Self> {
        let Some(text) = files.cache(FILE).read()? else {
            let path = files.dir().join(FILE);
            return Err(Error::new(
                Code::StoreCorrupt,
                format!("Run state is corrupt: {path} is gone"),
            )
            .at(path)
            .hint("start the task again with `runr run`"));
        };
        let path = files.dir().join(FILE);
        let corrupt = |problem: serde_json::Error| {
            Error::new(Code::StoreCorrupt, format!("Run state is corrupt: {path}"))
                .at(path.clone())
                .with("line", problem.line())
                .with("reason", problem.to_string())
        };
        let mut value: Value = serde_json::from_str(&text).map_err(corrupt)?;
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
