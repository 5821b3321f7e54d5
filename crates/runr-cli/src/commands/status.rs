//! `runr status`: how a run stands, or all of them.

use comfy_table::Table;
use runr_core::Result;

use super::Invocation;
use super::cli::StatusArgs;
use crate::views::{self, Row};

pub(crate) fn execute(call: &Invocation<'_>, args: &StatusArgs) -> Result<u8> {
    if args.tasks {
        super::task::list(call)?;
    } else if args.all {
        let rows = views::list(call.host, &call.root)?;
        if call.json {
            call.console.json(&rows)
        } else {
            table(call, &rows)
        }
    } else {
        call.console
            .json(&views::status(call.host, &call.root, &args.run)?);
    }
    Ok(0)
}

fn table(call: &Invocation<'_>, rows: &[Row]) {
    if rows.is_empty() {
        return call.console.line("No runs found.");
    }
    let now = call.host.clock.now();
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header([
        "RUN ID",
        "STATUS",
        "PHASE",
        "PROGRESS",
        "AGE",
        "STOP REASON",
        "RESUMES",
        "RISK",
        "IN-FLIGHT",
    ]);
    for row in rows {
        let progress = row.milestones;
        table.add_row([
            row.run_id.to_string(),
            row.status.to_owned(),
            row.phase.map_or("-", |phase| phase.as_str()).to_owned(),
            format!(
                "{}/{}",
                (progress.completed + 1).min(progress.total),
                progress.total
            ),
            row.updated_at
                .map_or("-".to_owned(), |at| age(now.since(at).as_secs())),
            row.stop_reason
                .as_ref()
                .map_or("-".to_owned(), ToString::to_string),
            row.auto_resume_count.to_string(),
            row.risk.to_owned(),
            row.in_flight.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    for line in table.lines() {
        call.console.line(line.trim());
    }
    let running = rows.iter().filter(|row| row.status == "running").count();
    call.console.line(&format!(
        "Total: {} runs ({running} running, {} stopped)",
        rows.len(),
        rows.len() - running
    ));
}

fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}
