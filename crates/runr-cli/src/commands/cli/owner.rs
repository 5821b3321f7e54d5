//! The arguments of `runr owner`.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::Global;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runr owner claim --repo acme/shop --pr 17 --run-id run-1
  runr owner assert --pr 17                        # repository from origin, run from the environment
  runr owner takeover --pr 17 --run-id run-2 --expect run-1 --only-if-expired
  runr owner exec --pr 17 --run-id run-1 -- ./loop.sh

The run is --run-id, else RUNR_RUN_ID, DEVLOOPS_RUN_ID or PI_SUBAGENT_RUN_ID. Inside of `owner`,
--repo is the repository as owner/name; a directory is named by --root or -C. All worktrees of a
checkout share their claims.

`runr owner --compat status|claim|takeover|assert|release ..` takes the arguments of the older tool
with the same files, and prints and exits as that one does.

Exit status: 0 done, 3 another run is in the way, 2 bad usage or target, 1 a record that must be
repaired, a lock, or a failed read or write; for `stale` also 1 if the run looks dead.")]
pub(crate) struct OwnerArgs {
    #[command(subcommand)]
    pub(crate) command: OwnerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OwnerCommand {
    /// Become the owner of a target, or stay it
    Claim(ClaimArgs),
    /// Become the owner, whoever owns it now
    Takeover(TakeoverArgs),
    /// Check that the run owns the target; takes no lock and writes nothing
    Assert(AssertArgs),
    /// Be the owner no more
    Release(OwnerSubject),
    /// Record that a run ends, and why; it stays the owner
    Signal(SignalArgs),
    /// Show who owns a target, since when and until when; writes nothing
    Status(OwnerSubject),
    /// Check that the owner is not stale and has not said that it ends
    Stale(StaleArgs),
    /// Run a command as the owner, and end it when the claim is lost
    ///
    /// Claims the target, keeps the claim alive while the command runs, and releases it afterwards.
    /// The command gets a process group of its own, standard input unless that is a terminal, and
    /// RUNR_RUN_ID, DEVLOOPS_RUN_ID, PI_SUBAGENT_RUN_ID and RUNR_TOKEN; signals are passed on to
    /// it. If the claim is lost, the group is sent TERM, five seconds later KILL, and the exit
    /// status is 1. Otherwise it is that of the command; if that is not 0, an exit signal is
    /// recorded before the release. If another run owns the target, nothing is started (3).
    Exec(ExecArgs),
    /// Put right what a crash left: a stale lock, an unusable record, a lost sidecar
    Repair(RepairArgs),
}

/// What is owned.
#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    /// The repository [default: that of `origin`]
    #[arg(long, value_name = "OWNER/NAME")]
    pub(crate) repo: Option<String>,
    #[command(flatten)]
    pub(crate) thing: ThingArgs,
    /// Whether all programs that share the records run on this host, so that the lock of a dead
    /// process may be removed [default: coordination.single_host of the configuration, else true]
    #[arg(long, value_name = "BOOL")]
    pub(crate) single_host: Option<bool>,
}

/// What in the repository is owned.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ThingArgs {
    /// A pull request
    #[arg(long, value_name = "N")]
    pub(crate) pr: Option<String>,
    /// An issue
    #[arg(long, value_name = "N")]
    pub(crate) issue: Option<String>,
    /// A branch
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,
}

/// Who owns what.
#[derive(Debug, Args)]
pub(crate) struct OwnerSubject {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// The run [default: from the environment]
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ClaimArgs {
    #[command(flatten)]
    pub(crate) subject: OwnerSubject,
    /// How long the claim lives without a sign of life [default: 1800]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) ttl: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct TakeoverArgs {
    #[command(flatten)]
    pub(crate) claim: ClaimArgs,
    /// Only from this run, or from the claim with this token
    #[arg(long, value_name = "RUN_OR_TOKEN")]
    pub(crate) expect: Option<String>,
    /// Only if the claim of the owner has expired
    #[arg(long)]
    pub(crate) only_if_expired: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AssertArgs {
    #[command(flatten)]
    pub(crate) subject: OwnerSubject,
    /// Fail if nobody owns the target
    #[arg(long)]
    pub(crate) require_existing: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SignalArgs {
    #[command(flatten)]
    pub(crate) subject: OwnerSubject,
    /// Why it ends; at most 500 characters are kept
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Record it also for a run that is not the owner
    #[arg(long)]
    pub(crate) any_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StaleArgs {
    #[command(flatten)]
    pub(crate) subject: OwnerSubject,
    /// From when on a run counts as stale [default: DEVLOOPS_STALE_RUNNER_MAX_AGE_MS, else 30 minutes]
    #[arg(long, value_name = "MS", alias = "stale-runner-max-age-ms", value_parser = milliseconds)]
    pub(crate) max_age_ms: Option<f64>,
}

#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    pub(crate) subject: OwnerSubject,
    /// How long the claim lives after this process is gone for good [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) ttl: Option<Duration>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RepairArgs {
    #[command(flatten)]
    pub(crate) subject: OwnerSubject,
    /// Say what would be done; change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// A lease: more than nothing, and not longer than anybody lives.
fn seconds(text: &str) -> Result<Duration, String> {
    const LONGEST: f64 = 100.0 * 365.0 * 86_400.0;
    match text.parse::<f64>() {
        Ok(value) if (0.001..=LONGEST).contains(&value) => Ok(Duration::from_secs_f64(value)),
        _ => Err("a number of seconds above 0".to_owned()),
    }
}

fn milliseconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("a number of milliseconds above 0".to_owned()),
    }
}

/// The options before `owner`, and everything from there on as it is.
#[derive(Debug, Parser)]
#[command(name = "runr", disable_help_flag = true)]
struct Front {
    #[command(flatten)]
    global: Global,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// The words after `owner` if they are those of the older tool, which reads them in its own way:
/// if `--compat` stands among them, which is left out.
pub(crate) fn compat_words(argv: &[String]) -> Option<(Global, Vec<String>)> {
    let is_compat = |word: &String| word == "--compat";
    let own = argv.iter().take_while(|word| *word != "--");
    if !own.clone().any(is_compat) || !own.clone().any(|word| word == "owner") {
        return None;
    }
    let words = std::iter::once("runr").chain(argv.iter().map(String::as_str));
    let front = Front::try_parse_from(words).ok()?;
    let (first, rest) = front.words.split_first()?;
    let own = rest.iter().take_while(|word| *word != "--");
    if first != "owner" || !own.clone().any(is_compat) {
        return None;
    }
    let words = rest.iter().filter(|word| !is_compat(word)).cloned();
    Some((front.global, words.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Option<(Option<String>, String)> {
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let (global, words) = compat_words(&argv)?;
        Some((global.root.map(Into::into), words.join(" ")))
    }

    #[test]
    fn the_older_way_is_asked_for_inside_of_owner() {
        let plain = |words: &str| Some((None, words.to_owned()));
        assert_eq!(words("owner --compat"), plain(""));
        assert_eq!(
            words("owner --compat claim --bad -x"),
            plain("claim --bad -x")
        );
        assert_eq!(
            words("owner claim --repo a/b --compat"),
            plain("claim --repo a/b")
        );
        let elsewhere = Some((Some("d".to_owned()), "status".to_owned()));
        assert_eq!(words("-C d owner --compat status"), elsewhere);
        assert_eq!(words("--root=d owner status --compat"), elsewhere);
    }

    #[test]
    fn nobody_else_is_asked_for_the_older_way() {
        for line in [
            "owner claim --pr 1",
            "owner exec --pr 1 -- owner --compat",
            "store set --compat owner",
            "--compat owner",
            "-C owner store --compat",
        ] {
            assert_eq!(words(line), None, "{line}");
        }
    }
}
