//! The fields of a new store run: what the caller gives, and a default for the rest.

use camino::Utf8PathBuf;
use runr_core::store::NewRun;
use runr_core::{Code, Error, Result, RunId, Timestamp};
use serde_json::{Map, Value};

/// Reads the fields of `meta.json` that a caller may set.
///
/// # Errors
/// `E_USAGE` for an unknown field or a wrong type, `E_INVALID_ID`.
pub(crate) fn new_run(mut fields: Map<String, Value>, now: Timestamp) -> Result<NewRun> {
    let mut text = |name: &str| match fields.shift_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::new(
            Code::Usage,
            format!("the field `{name}` must be text"),
        )),
    };
    let run_id = match text("run_id")? {
        Some(id) => RunId::parse(&id)?,
        None => RunId::parse(&format!("{}-{}", now.to_compact_string(), random_suffix()?))?,
    };
    let created_at = match text("created_at")? {
        Some(time) => time
            .parse()
            .map_err(|e| Error::new(Code::Usage, format!("`created_at`: {e}")))?,
        None => now,
    };
    let mut or_empty = |name: &str| Ok::<_, Error>(text(name)?.unwrap_or_default());
    let new = NewRun {
        repo_id: or_empty("repo_id")?,
        title: or_empty("title")?,
        runner: or_empty("runner")?,
        runner_cmd: or_empty("runner_cmd")?,
        parent_branch: or_empty("parent_branch")?,
        branch: or_empty("branch")?,
        worktree_path: Utf8PathBuf::from(or_empty("worktree_path")?),
        run_id,
        created_at,
    };
    match fields.keys().next() {
        None => Ok(new),
        Some(unknown) => Err(Error::new(
            Code::Usage,
            format!("a run has no field `{unknown}`"),
        )),
    }
}

/// Two random bytes in hex: the second half of a store run's id.
fn random_suffix() -> Result<String> {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_err(|e| Error::internal(format!("no randomness: {e}")))?;
    Ok(format!("{:02x}{:02x}", bytes[0], bytes[1]))
}
