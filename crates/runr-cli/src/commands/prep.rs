//! `runr prep`: which work item comes next.

use std::io::Read;

use camino::Utf8Path;
use runr_core::identity::{Branch, Facts, PrepReport, PrepRequest, PrepStatus};
use runr_core::{Code, Error, Result};

use super::Invocation;
use super::cli::{PrepArgs, PrepFormat};
use crate::output::printable;
use crate::work_items::{self, observe_branch};

pub(crate) fn execute(call: &Invocation<'_>, args: &PrepArgs) -> Result<u8> {
    let mut request = PrepRequest::new(args.flow);
    request.run_id.clone_from(&args.run_id);
    request.refs.clone_from(&args.refs);
    request.restart = args.restart;
    request.base_ref.clone_from(&args.base_ref);
    request.facts = args
        .facts
        .as_deref()
        .map_or(Ok(Facts::default()), |path| read_facts(call, path))?;
    request.branch = match &args.branch {
        Some(name) => Branch::Named {
            name: name.clone(),
            upstream: None,
        },
        None if args.no_git => Branch::default(),
        None => observe_branch(&call.host.cwd.join(&call.root)),
    };
    request.dry_run = args.dry_run;
    let report = work_items::prep(call.host, &call.root, &request, args.now)?;
    let format = if call.json {
        PrepFormat::Json
    } else {
        args.format
    };
    match format {
        PrepFormat::Json => call.console.json(&work_items::prep_json(&report)?),
        PrepFormat::Markdown => markdown(call, &report),
        PrepFormat::Human => human(call, &report),
    }
    Ok(match report.status {
        PrepStatus::Verified => 0,
        PrepStatus::CannotProceed => 1,
        _ => u8::from(args.strict),
    })
}

fn read_facts(call: &Invocation<'_>, path: &Utf8Path) -> Result<Facts> {
    let text = if path == "-" {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.map(|_| text)
    } else {
        std::fs::read_to_string(call.host.cwd.join(path))
    };
    let usage = |why: String| {
        Error::new(
            Code::Usage,
            format!("cannot use the facts in {path}: {why}"),
        )
        .at(path)
    };
    let text = text.map_err(|error| usage(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| usage(error.to_string()))
}

fn markdown(call: &Invocation<'_>, report: &PrepReport) {
    for block in [
        report.to_human_block(),
        report.to_machine_block(),
        report.to_handoff(),
    ] {
        call.console.line(&block);
    }
}

fn human(call: &Invocation<'_>, report: &PrepReport) {
    let line = |text: &str| call.console.line(&printable(text));
    let id = report.run_id.as_deref().unwrap_or("no work item");
    let mode = report
        .mode
        .map(|mode| format!(", {mode}"))
        .unwrap_or_default();
    line(&format!(
        "{id}: {}, {}{mode}",
        report.status, report.recommended_action
    ));
    if let Some(dir) = &report.flow_dir {
        line(&format!("  {dir}"));
    }
    for note in &report.notes {
        line(&format!("  note: {note}"));
    }
    if report.run_meta_text.is_some() {
        line("  a dry run: nothing was written");
    }
}
