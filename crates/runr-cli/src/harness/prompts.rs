//! The prompts a repository brings: `.runr/prompts/<stage>.md` of the main checkout.

use std::io::Read;

use camino::Utf8Path;
use runr_core::phase::model::Stage;
use runr_core::phase::prompt::{PromptTexts, Prompts};
use runr_core::{Code, Error, Result};

use super::context::Layout;

/// A prompt has an end.
const LIMIT: u64 = 256 * 1024;

/// Reads the texts that take the place of built-in prompts.
///
/// # Errors
/// `E_CONFIG_INVALID` for a text that is no template of its stage, naming the file.
pub(crate) fn read(layout: &Layout) -> Result<PromptTexts> {
    let mut texts = PromptTexts::default();
    for stage in Stage::ALL {
        let path = layout.repo_root.join(format!(".runr/prompts/{stage}.md"));
        *texts.of_mut(*stage) = read_one(&path)?;
    }
    templates(&texts, layout)?;
    Ok(texts)
}

/// The prompts with these texts.
///
/// # Errors
/// `E_CONFIG_INVALID` as for [`read`].
pub(crate) fn templates(texts: &PromptTexts, layout: &Layout) -> Result<Prompts> {
    Prompts::new(texts).map_err(|refused| {
        let path = layout
            .repo_root
            .join(format!(".runr/prompts/{}.md", refused.stage));
        invalid(&path, &refused.problem)
    })
}

fn read_one(path: &Utf8Path) -> Result<Option<String>> {
    let mut bytes = Vec::new();
    let read = std::fs::metadata(path).and_then(|metadata| {
        // A directory or a pipe in its place is no prompt, and nothing to wait for.
        if !metadata.is_file() {
            return Ok(false);
        }
        let file = std::fs::File::open(path)?;
        file.take(LIMIT + 1).read_to_end(&mut bytes).map(|_| true)
    });
    match read {
        Ok(true) if bytes.len() as u64 > LIMIT => {
            Err(invalid(path, &format!("longer than {LIMIT} bytes")))
        }
        Ok(true) => String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| invalid(path, "not UTF-8")),
        Ok(false) => Err(invalid(path, "not a file")),
        Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(problem) => Err(Error::io("read", path, problem)),
    }
}

fn invalid(path: &Utf8Path, problem: &str) -> Error {
    Error::new(
        Code::ConfigInvalid,
        format!("Invalid config: {path}: {problem}"),
    )
    .at(path)
    .with("problem", problem)
}
