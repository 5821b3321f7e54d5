//! Claims for people, and in one line of JSON.

use runr_core::json::Written;
use runr_core::ownership::{
    ActiveRun, ExitSignal, Fence, Holder, Lease, Outcome, PreviousRun, Record, Repaired, Snapshot,
    Target, Text, Verdict, fencing,
};
use runr_core::{Code, Error};

use crate::commands::Invocation;
use crate::output::printable;

/// What became of an operation. A conflict is an error for people and a result for programs.
pub(super) fn outcome(call: &Invocation<'_>, outcome: &Outcome) {
    if call.json {
        call.console.line(outcome.to_json().text());
        return;
    }
    let Some(message) = outcome.message() else {
        return done(call, outcome);
    };
    let mut error = Error::new(Code::OwnershipLost, message).at(outcome.file_path.as_str());
    if let Some(active) = active(outcome.record.as_ref()) {
        error = error
            .with("owner", active.run_id.to_string())
            .with("claimed", text(active.claimed_at.as_ref()))
            .with("updated", text(active.updated_at.as_ref()));
    }
    call.console.error(&error);
}

fn done(call: &Invocation<'_>, outcome: &Outcome) {
    let Verdict::Done(status) = outcome.verdict else {
        return;
    };
    let mut lines = vec![format!("{}: {}", outcome.target, status.as_str())];
    if let Some(active) = active(outcome.record.as_ref()) {
        lines.push(format!("owner: {}", active.run_id));
    }
    if let Some(token) = outcome.token {
        lines.push(format!("token: {token}"));
    }
    lines.push(format!("file: {}", outcome.file_path));
    print(call, &lines);
}

/// The first line stands alone, the others below it; none of them drives the terminal.
fn print(call: &Invocation<'_>, lines: &[String]) {
    let lines: Vec<String> = lines
        .iter()
        .map(|line| printable(&line.replace(['\n', '\t'], " ")))
        .collect();
    call.console.line(&lines.join("\n  "));
}

/// A claim as it stands.
pub(super) fn status(
    call: &Invocation<'_>,
    target: &Target,
    path: &str,
    snapshot: &Snapshot,
    lease: Lease,
) {
    if call.json {
        let line = status_json(target, path, snapshot, lease);
        call.console.line(line.text());
        return;
    }
    let record = snapshot.record.as_ref();
    let mut lines = vec![match active(record) {
        Some(active) => format!("{target}: owned by {}", active.run_id),
        None => format!("{target}: owned by nobody"),
    }];
    if let Some(active) = active(record) {
        lines.push(format!("claimed: {}", text(active.claimed_at.as_ref())));
        lines.push(format!("updated: {}", text(active.updated_at.as_ref())));
        lines.push(format!("lease: {}", lease_text(lease)));
    }
    if let Some(fence) = fence(snapshot) {
        lines.push(format!("token: {}", fence.token));
        lines.extend(holder_text(&fence.holder));
    }
    if let Some(record) = record {
        lines.extend(record.previous_run.as_ref().map(previous_text));
        lines.extend(record.exit_signals.iter().map(signal_text));
    }
    lines.push(format!("file: {path}"));
    print(call, &lines);
}

fn status_json(target: &Target, path: &str, snapshot: &Snapshot, lease: Lease) -> Written {
    let record = snapshot.record.as_ref();
    let signals = record.map_or(&[][..], |record| &record.exit_signals);
    let fence = fence(snapshot);
    let mut members: Vec<(&str, Written)> = vec![("ok", true.into()), ("command", "status".into())];
    members.extend(target.members());
    members.extend([
        ("filePath", path.into()),
        ("activeRun", active(record).into()),
        ("lease", lease_json(lease)),
        (
            "holder",
            fence.map(|fence| holder_json(&fence.holder)).into(),
        ),
        (
            "previousRun",
            record
                .and_then(|record| record.previous_run.as_ref())
                .into(),
        ),
        ("exitSignals", signals.into()),
        ("state", record.map(Record::to_json).into()),
        ("token", fence.map(|fence| fence.token).into()),
    ]);
    Written::object(members)
}

/// What a repair did, or would do.
pub(super) fn repaired(call: &Invocation<'_>, target: &Target, repaired: &Repaired, dry: bool) {
    if call.json {
        call.console.json_line(&repaired.to_json());
        return;
    }
    if let Some(living) = &repaired.living {
        let error = Error::new(Code::LockTimeout, living).hint("wait until it has ended");
        return call.console.error(&error);
    }
    let word = match (repaired.actions.is_empty(), dry) {
        (true, _) => "nothing to repair",
        (false, true) => "to repair",
        (false, false) => "repaired",
    };
    let mut lines = vec![format!("{target}: {word}")];
    let deeds = repaired.actions.iter().map(|action| {
        let deed = action.deed.as_str().replace('_', " ");
        format!("{deed}: {} ({})", action.path, action.detail)
    });
    lines.extend(deeds);
    print(call, &lines);
}

fn active(record: Option<&Record>) -> Option<&ActiveRun> {
    record?.active_run.as_ref()
}

/// The fence that fits the record.
fn fence(snapshot: &Snapshot) -> Option<&Fence> {
    let fence = snapshot.fence.as_ref()?;
    fencing::current_token(snapshot).map(|_| fence)
}

fn text(text: Option<&Text>) -> String {
    text.map_or_else(|| "unknown".to_owned(), ToString::to_string)
}

fn lease_text(lease: Lease) -> String {
    match lease {
        Lease::Free => "none".to_owned(),
        Lease::Live { until: Some(until) } => format!("live until {until}"),
        Lease::Live { until: None } => "live, until nobody knows when".to_owned(),
        Lease::Expired(why) => format!("expired ({})", why.as_str()),
    }
}

fn lease_json(lease: Lease) -> Written {
    let (state, until, why) = match lease {
        Lease::Free => ("free", None, None),
        Lease::Live { until } => ("live", until, None),
        Lease::Expired(why) => ("expired", None, Some(why.as_str())),
    };
    let until = until.map(|until| until.to_string());
    Written::object([
        ("state", state.into()),
        ("until", until.as_deref().into()),
        ("reason", why.into()),
    ])
}

fn holder_json(holder: &Holder) -> Written {
    serde_json::to_value(holder).map_or_else(|_| None::<Written>.into(), Into::into)
}

fn holder_text(holder: &Holder) -> Option<String> {
    holder.run_id.as_ref()?;
    let ttl = holder.ttl_ms / 1000;
    let kind = kind(holder);
    Some(match &holder.process {
        Some(process) => format!(
            "holder: {kind}, process {} on {}, {ttl} s without a sign of life",
            process.pid, process.host
        ),
        None => format!("holder: {kind}, {ttl} s without a sign of life"),
    })
}

fn kind(holder: &Holder) -> &'static str {
    use runr_core::ownership::HolderKind::{Guard, Harness, Plain};
    match holder.kind {
        Guard => "a guard",
        Harness => "a run of the harness",
        Plain => "calls",
    }
}

fn previous_text(previous: &PreviousRun) -> String {
    let by = match &previous.replaced_by {
        Some(run) => format!("replaced by {run}"),
        None => "released".to_owned(),
    };
    let at = text(previous.replaced_at.as_ref());
    format!("previous: {}, {by} at {at}", previous.run_id)
}

fn signal_text(signal: &ExitSignal) -> String {
    let at = text(signal.at.as_ref());
    let reason = signal.reason.as_ref().map(|reason| format!(": {reason}"));
    format!(
        "exit signal: {} at {at}{}",
        signal.run_id,
        reason.unwrap_or_default()
    )
}
