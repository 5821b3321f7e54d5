//! Runs the verification tiers: one deadline, one log per command, and an unrun command is a failure.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::CancelFlag;
use runr_core::mutant::without;
use runr_core::phase::event::{
    CommandResult, CommandStarted, Event, Verification, VerificationEvidence,
};
use runr_core::phase::evidence::CommandRun;
use runr_core::phase::model::Tier;
use runr_core::phase::rules::VerifyPass;
use runr_core::redact::Redactor;
use runr_core::{Error, Result};

use super::claim::Claim;
use super::process::{self, End, Ended, Log, Spec, What};
use super::recorder::{Recorder, VERIFIER};

/// How much failing output goes into the state and the next prompt.
const SHOWN: u64 = 8 * 1024;

/// One VERIFY pass to run.
pub(crate) struct Order {
    pub(crate) tiers: Vec<(Tier, Vec<String>)>,
    pub(crate) reasons: Vec<String>,
    pub(crate) cwd: Utf8PathBuf,
    pub(crate) run_dir: Utf8PathBuf,
    /// `m01-a1`: milestone and attempt, part of every log's name.
    pub(crate) label: String,
    pub(crate) env: Vec<(String, String)>,
    /// Shown before every command.
    pub(crate) claim: Option<Claim>,
    pub(crate) budget: Duration,
    /// How much of a log is copied for people; `None` for nothing.
    pub(crate) kept: Option<u64>,
    pub(crate) redactor: Redactor,
}

/// Runs the one command of an order and tells its exit code; `None` when cancelled.
pub(crate) fn run_claim(
    order: &Order,
    deadline: Instant,
    recorder: &mut Recorder,
    cancel: &CancelFlag,
) -> Result<Option<i32>> {
    match order.tiers.first() {
        None => Ok(None),
        Some((tier, commands)) => {
            let ran = run_tier(order, *tier, commands, deadline, recorder, cancel)?;
            Ok(ran.and_then(|(ran, _)| ran.command_results.last().map(|result| result.exit_code)))
        }
    }
}

/// Runs the tiers in order; the first failing command ends the pass. `None` when cancelled.
pub(crate) fn run(
    order: &Order,
    recorder: &mut Recorder,
    cancel: &CancelFlag,
) -> Result<Option<VerifyPass>> {
    let deadline = Instant::now() + order.budget;
    let required: Vec<String> = order
        .tiers
        .iter()
        .flat_map(|(_, commands)| commands.iter().cloned())
        .collect();
    let mut tiers = Vec::new();
    let mut error_output = String::new();
    for (tier, commands) in &order.tiers {
        let Some((ran, output)) = run_tier(order, *tier, commands, deadline, recorder, cancel)?
        else {
            return Ok(None);
        };
        let ok = ran.ok;
        recorder.record(VERIFIER, &Event::Verification(ran.clone()))?;
        tiers.push(ran);
        if !ok {
            error_output = output;
            break;
        }
    }
    let evidence = evidence(required, &tiers);
    Ok(Some(VerifyPass {
        tiers,
        reasons: order.reasons.clone(),
        evidence,
        error_output,
    }))
}

fn run_tier(
    order: &Order,
    tier: Tier,
    commands: &[String],
    deadline: Instant,
    recorder: &mut Recorder,
    cancel: &CancelFlag,
) -> Result<Option<(Verification, String)>> {
    let began = Instant::now();
    let mut results = Vec::new();
    let mut output = String::new();
    for (index, command) in commands.iter().enumerate() {
        let name = format!("logs/verify/{}-{tier}-{}.log", order.label, index + 1);
        let deadline = if without("one-deadline") {
            Instant::now() + order.budget
        } else {
            deadline
        };
        let Some(result) = run_command(order, tier, command, &name, deadline, recorder, cancel)?
        else {
            return Ok(None);
        };
        let log = order.run_dir.join(&result.log);
        keep_copy(order, tier, &log);
        let failed = result.exit_code != 0 || result.timed_out;
        results.push(result);
        if failed {
            output = process::head_of(&log, SHOWN);
            break;
        }
    }
    let ok =
        results.len() == commands.len() && results.iter().all(|r| r.exit_code == 0 && !r.timed_out);
    let verification = Verification {
        tier,
        ok,
        commands: commands.to_vec(),
        command_results: results,
        duration_ms: millis(began.elapsed()),
    };
    Ok(Some((verification, output)))
}

fn run_command(
    order: &Order,
    tier: Tier,
    command: &str,
    name: &str,
    deadline: Instant,
    recorder: &mut Recorder,
    cancel: &CancelFlag,
) -> Result<Option<CommandResult>> {
    order.claim.as_ref().map_or(Ok(()), Claim::check)?;
    let began = Instant::now();
    let path = &order.run_dir.join(name);
    let failed = |source| Error::io("run a verification command, log", path, source);
    let log = Log::fresh(&order.run_dir, name).map_err(failed)?;
    let name = log.name.clone();
    let line = command.to_owned();
    let spec = Spec {
        what: What::Command(&line),
        cwd: &order.cwd,
        env: &order.env,
        stdout: log,
        stderr: None,
        redactor: &order.redactor,
    };
    let child = process::spawn(spec).map_err(failed)?;
    let started = Event::CommandStarted(CommandStarted {
        kind: "verify".into(),
        tier: Some(tier),
        command: command.to_owned(),
        log: name.clone(),
        pid: child.identity.pid,
        start: child.identity.start,
        boot_id: child.identity.boot_id.clone(),
    });
    if let Err(error) = recorder.record(VERIFIER, &started) {
        child.abandon();
        return Err(error);
    }
    let Ended { end, sha256 } = child.run("", deadline, cancel).map_err(failed)?;
    let (exit_code, timed_out) = match end {
        End::Cancelled => return Ok(None),
        End::TimedOut => (-1, true),
        End::Exited(code) => (code, false),
    };
    Ok(Some(CommandResult {
        command: command.to_owned(),
        exit_code,
        timed_out,
        duration_ms: millis(began.elapsed()),
        log: name,
        sha256,
    }))
}

/// The end of the newest log of a tier under a fixed name, for people; the numbered one is the
/// record, so a copy that fails is no loss.
fn keep_copy(order: &Order, tier: Tier, log: &Utf8Path) {
    let name = format!("artifacts/tests_{tier}.log");
    match order.kept {
        Some(kept) => drop(copy_end(log, &order.run_dir, &name, kept)),
        None => drop(std::fs::remove_file(order.run_dir.join(name))),
    }
}

fn copy_end(log: &Utf8Path, run_dir: &Utf8Path, name: &str, kept: u64) -> io::Result<()> {
    let mut to = Log::instead(run_dir, name)?;
    let mut from = process::open_plain(log)?;
    let left_out = from.metadata()?.len().saturating_sub(kept);
    if left_out > 0 {
        from.seek(SeekFrom::Start(left_out))?;
        writeln!(
            to,
            "[{left_out} bytes are left out; the whole output is in the log]"
        )?;
    }
    io::copy(&mut from.take(kept), &mut to).map(drop)
}

fn evidence(required: Vec<String>, tiers: &[Verification]) -> VerificationEvidence {
    let ran: Vec<CommandRun> = tiers
        .iter()
        .flat_map(|tier| &tier.command_results)
        .map(|r| CommandRun {
            command: r.command.clone(),
            exit_code: i64::from(r.exit_code),
        })
        .collect();
    let missing = required
        .iter()
        .filter(|c| !ran.iter().any(|r| r.command == **c))
        .cloned()
        .collect();
    VerificationEvidence {
        commands_missing: missing,
        commands_required: required,
        commands_run: ran,
        tiers_run: tiers.iter().map(|tier| tier.tier).collect(),
        content: None,
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
