//! The flags of `runr run` and `runr resume`.

use camino::Utf8PathBuf;
use clap::Args;
use runr_core::identity::Flow;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runr run --task login.md --worktree
  runr run --task .runr/tasks/example-bugfix.md --fast
  runr run --task-text '# Fix the typo in README.md' --fast --verify 'cargo test'")]
pub(crate) struct RunArgs {
    /// Task file; bare names are also looked up in .runr/tasks/
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "task_text",
        conflicts_with = "task_text"
    )]
    pub(crate) task: Option<Utf8PathBuf>,
    /// The task itself
    #[arg(long, value_name = "TEXT")]
    pub(crate) task_text: Option<String>,
    /// Work in a git worktree of its own; the checkout stays untouched
    #[arg(long)]
    pub(crate) worktree: bool,
    /// Without PLAN and REVIEW: one milestone from the task
    #[arg(long)]
    pub(crate) fast: bool,
    /// Allow changes of lockfiles; with a list, only of these packages
    #[arg(long, value_name = "PACKAGE,..", num_args = 0..=1, require_equals = true)]
    pub(crate) allow_deps: Option<Option<String>>,
    /// Start despite uncommitted changes; they are never committed by the run
    #[arg(long)]
    pub(crate) allow_dirty: bool,
    /// Start although no verification command is configured
    #[arg(long)]
    pub(crate) allow_unverified: bool,
    /// Configuration file [default: .runr/runr.config.json]
    #[arg(long, value_name = "PATH")]
    pub(crate) config: Option<Utf8PathBuf>,
    /// Allowed files, instead of the configured allowlist
    #[arg(long, value_name = "GLOB")]
    pub(crate) allow: Vec<String>,
    /// Files to deny besides those of the configured denylist
    #[arg(long, value_name = "GLOB")]
    pub(crate) deny: Vec<String>,
    /// Checks, instead of the configured ones
    #[arg(long, value_name = "CMD")]
    pub(crate) verify: Vec<String>,
    /// This worker for all phases
    #[arg(long, value_name = "NAME")]
    pub(crate) worker: Option<String>,
    /// Wall budget in minutes [default: 120]
    #[arg(long, value_name = "MINUTES", value_parser = minutes)]
    pub(crate) time: Option<f64>,
    /// Phases to execute at most [default: 50]
    #[arg(long, value_name = "N")]
    pub(crate) max_ticks: Option<u32>,
    /// Stop before the next worker call once the run has cost this much, in US dollars
    #[arg(long, value_name = "USD", value_parser = dollars)]
    pub(crate) max_cost: Option<f64>,
    /// Stop after PLAN; go on with `runr approve` and `runr resume`
    #[arg(long, conflicts_with = "fast")]
    pub(crate) approve_plan: bool,
    /// Try again after a stall or a timeout, without leaving the process
    #[arg(long)]
    pub(crate) auto_resume: bool,
    /// Stay on the present branch
    #[arg(long)]
    pub(crate) no_branch: bool,
    /// Do not stop when a live run expects the same files
    #[arg(long)]
    pub(crate) force_parallel: bool,
    /// Run in the background, cut off from the terminal
    #[arg(long)]
    pub(crate) detach: bool,
    /// Check everything, start nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask the workers for their version
    #[arg(long)]
    pub(crate) skip_doctor: bool,
    /// Prepare the work item for this flow first, and link the run to it [default with --ref: build]
    #[arg(long, value_name = "FLOW")]
    pub(crate) flow: Option<Flow>,
    /// An issue or PR the work belongs to, such as '#17'
    #[arg(long = "ref", value_name = "REF")]
    pub(crate) refs: Vec<String>,
    /// Own this PR or branch while the run works: owner/name#17 or owner/name@branch
    ///
    /// It is claimed before PLAN and released at the end. If another run owns it, nothing is
    /// started (exit status 3). If the claim is lost, the run stops with `ownership_lost`, and
    /// nothing is committed any more.
    #[arg(long, value_name = "TARGET")]
    pub(crate) own: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// Run id, unique prefix, `latest`, or a work item such as gh-17 or '#17' [default: the newest run that is not complete]
    pub(crate) run: Option<String>,
    /// Use this configuration from here on: the only way scope changes reach the run
    #[arg(long, value_name = "PATH")]
    pub(crate) config: Option<Utf8PathBuf>,
    /// Allow changes of lockfiles from here on; with a list, only of these packages
    #[arg(long, value_name = "PACKAGE,..", num_args = 0..=1, require_equals = true)]
    pub(crate) allow_deps: Option<Option<String>>,
    /// Wall budget in minutes [default: 120]
    #[arg(long, value_name = "MINUTES", value_parser = minutes)]
    pub(crate) time: Option<f64>,
    /// Phases to execute at most [default: 50]
    #[arg(long, value_name = "N")]
    pub(crate) max_ticks: Option<u32>,
    /// Stop before the next worker call once the whole run has cost this much, in US dollars
    #[arg(long, value_name = "USD", value_parser = dollars)]
    pub(crate) max_cost: Option<f64>,
    /// Try again after a stall or a timeout, without leaving the process
    #[arg(long)]
    pub(crate) auto_resume: bool,
    /// Go on although the environment differs from the one the run began in
    #[arg(long)]
    pub(crate) force: bool,
    /// Go on although the tree is on another branch
    #[arg(long)]
    pub(crate) force_branch: bool,
    /// Put uncommitted changes that are not the run's on the stash first
    #[arg(long, conflicts_with = "plan")]
    pub(crate) auto_stash: bool,
    /// Print what would be done; change nothing (implied by --json)
    #[arg(long)]
    pub(crate) plan: bool,
    /// Run in the background, cut off from the terminal
    #[arg(long)]
    pub(crate) detach: bool,
}

fn dollars(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("an amount in US dollars, 0 or more".to_owned()),
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("a number of minutes, 0 or more".to_owned()),
    }
}
