//! Moving the work of a run to a branch.

use runr_core::Result;
use serde_json::Value;

use super::{Arguments, json};
use crate::harness::{self, SubmitRequest};
use crate::host::Host;

pub(super) fn submit(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let request = SubmitRequest {
        run_id: arguments.required("run_id")?,
        to: arguments.required("to")?,
        root: arguments.root()?,
        dry_run: arguments.or("dry_run", false)?,
        squash: arguments.or("squash", false)?,
        push: arguments.or("push", false)?,
    };
    json(&harness::submit(&request, host)?)
}
