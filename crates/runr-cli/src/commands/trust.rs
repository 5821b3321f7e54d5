//! `runr trust`: approves the commands of the repository's configuration.

use runr_core::Result;
use serde_json::json;

use super::Invocation;
use super::cli::TrustArgs;
use crate::operations;

pub(crate) fn execute(call: &Invocation<'_>, args: &TrustArgs) -> Result<u8> {
    let config = args.config.as_deref();
    let shown = operations::trusted_commands(call.host, &call.root, config)?;
    if args.print_hash {
        call.console.line(&shown.sha256);
        return Ok(0);
    }
    let approved = !args.print;
    if approved {
        operations::approve_commands(call.host, &shown)?;
    }
    if call.json {
        call.console.json(&json!({
            "sha256": shown.sha256, "path": shown.root, "approved": approved, "commands": shown.commands,
        }));
        return Ok(0);
    }
    call.console
        .line(&serde_json::to_string_pretty(&shown.commands).unwrap_or_default());
    call.console.line(&format!("sha256: {}", shown.sha256));
    if approved {
        call.console.line(&format!("Trusted for {}", shown.root));
    }
    Ok(0)
}
