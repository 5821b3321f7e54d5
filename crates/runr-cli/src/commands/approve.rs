//! `runr approve`: lets a run pass PLAN.

use runr_core::Result;

use super::Invocation;
use super::cli::ApproveArgs;
use crate::approval::approve;

pub(crate) fn execute(call: &Invocation<'_>, args: &ApproveArgs) -> Result<u8> {
    let approved = approve(call.host, &call.root, &args.run)?;
    if call.json {
        call.console.json(&approved);
    } else {
        call.console.line(&approved.suggested_command);
    }
    Ok(0)
}
