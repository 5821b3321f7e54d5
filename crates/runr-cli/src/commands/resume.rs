//! `runr resume`: goes on with a stopped or abandoned run.

use runr_core::Result;
use serde_json::json;

use super::Invocation;
use super::cli::ResumeArgs;
use super::conclusion::conclude;
use super::run::{allowed, announce, exit_of, listener, warn};
use crate::harness::{ConfigSource, Driver, ResumeRequest, plan_resume};

pub(crate) fn execute(call: &Invocation<'_>, args: ResumeArgs, argv: &[String]) -> Result<u8> {
    let plan = args.plan || call.json && !super::detach::is_detached(call.host) && !args.detach;
    if args.detach
        && !plan
        && !super::detach::is_detached(call.host)
        && let Some(exit) = super::detach::start(call, argv)?
    {
        return Ok(exit);
    }
    let request = ResumeRequest {
        run_id: args.run,
        root: call.root.clone(),
        config: args
            .config
            .map(|path| ConfigSource::File(call.host.cwd.join(path))),
        allow_deps: allowed(args.allow_deps),
        time_minutes: args.time,
        max_ticks: args.max_ticks,
        max_cost: args.max_cost,
        auto_resume: args.auto_resume.then_some(true),
        force: args.force,
        auto_stash: args.auto_stash,
        force_branch: args.force_branch,
        own: None,
        host_answers: false,
    };
    if plan {
        call.console.json(&plan_resume(call.host, &request)?);
        return Ok(0);
    }
    let mut driver = Driver::resume_on(request, call.host, Some(listener(call)))?;
    if driver.state().is_complete() && super::detach::is_detached(call.host) {
        let run_id = driver.run_id();
        call.console
            .json_line(&json!({"run_id": run_id, "status": "complete"}));
        return Ok(0);
    }
    if driver.state().is_complete() {
        call.console
            .line(&format!("Run {} is already complete", driver.run_id()));
        return Ok(0);
    }
    announce(call, &driver);
    super::detach::report_recorded(call, &driver)?;
    let outcome = driver.drive()?;
    warn(call, &mut driver);
    conclude(call, &driver);
    Ok(exit_of(&outcome, call))
}
