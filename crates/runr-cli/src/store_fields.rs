//! The fields of a new store run, as a caller gives them.

use runr_core::store::{RunFields, SCHEMA_VERSION};
use runr_core::{Code, Error, Result, RunId};
use serde_json::{Map, Value};

/// Reads the fields of `meta.json` that a caller may set.
///
/// # Errors
/// `E_USAGE` for an unknown field or a wrong type, `E_INVALID_ID`.
pub(crate) fn run_fields(mut given: Map<String, Value>) -> Result<RunFields> {
    let mut text = |name: &str| match given.shift_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::new(
            Code::Usage,
            format!("the field `{name}` must be text"),
        )),
    };
    // A whole document may be given, such as the one of `new_run_meta`.
    if let Some(version) = text("schema_version")?.filter(|version| version != SCHEMA_VERSION) {
        return Err(Error::new(
            Code::Usage,
            format!("`schema_version` is {SCHEMA_VERSION}, not `{version}`"),
        ));
    }
    let mut fields = RunFields::default();
    fields.run_id = text("run_id")?.map(|id| RunId::parse(&id)).transpose()?;
    fields.repo_id = text("repo_id")?;
    fields.title = text("title")?.unwrap_or_default();
    fields.name = text("name")?;
    fields.runner = text("runner")?.unwrap_or_default();
    fields.runner_cmd = text("runner_cmd")?.unwrap_or_default();
    fields.parent_branch = text("parent_branch")?.unwrap_or_default();
    fields.branch = text("branch")?;
    fields.worktree_path = text("worktree_path")?.unwrap_or_default().into();
    let created_at = text("created_at")?.map(|time| time.parse()).transpose();
    fields.created_at =
        created_at.map_err(|e| Error::new(Code::Usage, format!("`created_at`: {e}")))?;
    match given.keys().next() {
        None => Ok(fields),
        Some(unknown) => Err(Error::new(
            Code::Usage,
            format!("a run has no field `{unknown}`"),
        )),
    }
}
