//! `runr task done`, and the list of tasks for `runr status --tasks`.

use comfy_table::Table;
use runr_core::Result;
use runr_core::phase::task::TaskType;
use runr_core::phase::task_status::TaskStatus;

use super::Invocation;
use super::cli::{TaskArgs, TaskCommand};
use crate::output::printable;
use crate::tasks::{self, TaskRow};

pub(crate) fn execute(call: &Invocation<'_>, args: &TaskArgs) -> Result<u8> {
    let TaskCommand::Done { file } = &args.command;
    let done = tasks::done(call.host, &call.root, file)?;
    if call.json {
        call.console.json(&done);
    } else {
        let already = if done.changed { "" } else { " already" };
        let path = printable(&done.path);
        call.console.line(&format!("{path} is{already} done"));
    }
    Ok(0)
}

/// Prints all tasks.
pub(super) fn list(call: &Invocation<'_>) -> Result<()> {
    let rows = tasks::list(call.host, &call.root)?;
    if call.json {
        call.console.json(&rows);
        return Ok(());
    }
    if rows.is_empty() {
        call.console.line("No tasks found.");
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    for row in &rows {
        table.add_row(cells(row));
    }
    for line in table.lines() {
        call.console.line(line.trim_end());
    }
    let done = rows
        .iter()
        .filter(|row| row.status == TaskStatus::Completed);
    let (all, done) = (rows.len(), done.count());
    call.console
        .line(&format!("Total: {all} tasks ({done} completed)"));
    Ok(())
}

fn cells(row: &TaskRow) -> [String; 7] {
    let mark = match row.status {
        TaskStatus::Stopped => "stopped",
        TaskStatus::InProgress => "running",
        TaskStatus::Failed => "failed",
        TaskStatus::Pending if row.error.is_some() => "unreadable",
        TaskStatus::Pending if row.unmet.is_empty() => "ready",
        TaskStatus::Pending => "blocked",
        TaskStatus::Completed => "done",
    };
    let kind = match row.kind {
        Some(TaskType::Manual) => "[manual]",
        Some(TaskType::Hybrid) => "[hybrid]",
        _ => "",
    };
    let all = row.depends_on.len();
    let deps = match all {
        0 => String::new(),
        _ => format!("deps:{}/{all}", all - row.unmet.len()),
    };
    let title = row.error.as_deref().unwrap_or(&row.title);
    [
        mark.to_owned(),
        kind.to_owned(),
        printable(&row.path),
        printable(title),
        deps,
        row.last_run_id.clone().unwrap_or_default(),
        printable(&row.next_command().unwrap_or_default()),
    ]
}
