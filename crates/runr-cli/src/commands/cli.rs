//! The tree of commands and flags.

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};
use runr_core::Timestamp;
use runr_core::identity::Flow;

mod owner;
mod run;
mod store;

pub(crate) use owner::{
    AssertArgs, ClaimArgs, ExecArgs, OwnerArgs, OwnerCommand, OwnerSubject, RepairArgs, SignalArgs,
    StaleArgs, TakeoverArgs, TargetArgs, compat_words,
};
pub(crate) use run::{ResumeArgs, RunArgs};
pub(crate) use store::{
    StoreArgs, StoreCommand, StoreEventsArgs, StoreNewArgs, StorePlace, StoreSetArgs,
};

const EXIT_CODES: &str = "\
Exit codes:
  0    done; for a run: complete
  1    stopped for another reason, or the operation failed
  2    bad usage, ambiguous reference, bad config or task file
  3    refused before acting: dirty or busy tree, guard, not trusted, live run, another owner
  4    the named thing does not exist
  5    done, but the result could not be printed
  130  interrupted (143 for SIGTERM); the state was saved first";

/// Drives coding agents through PLAN, IMPLEMENT, VERIFY, REVIEW and CHECKPOINT, behind gates.
#[derive(Debug, Parser)]
#[command(name = "runr", version, disable_help_subcommand = false, after_help = EXIT_CODES, color = super::Color::HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// A directory of the repository [default: the present one]
    #[arg(long, short = 'C', global = true, value_name = "PATH")]
    pub(crate) root: Option<Utf8PathBuf>,
    /// Another name of --root. `owner` has an option of this name with another meaning, and this
    /// one gives way to it because both have the same id, so both must hold text.
    #[arg(
        long,
        global = true,
        hide = true,
        value_name = "PATH",
        conflicts_with = "root"
    )]
    pub(crate) repo: Option<String>,
    /// Print JSON on standard output, and nothing else there
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colour
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN"
    )]
    pub(crate) color: Color,
    /// Also print figures about runr itself, on standard error
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// Print the result only, no progress
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prepare a repository: detect its checks and write the configuration
    Init(InitArgs),
    /// Run a task through all phases
    Run(RunArgs),
    /// Show how a run stands
    Status(StatusArgs),
    /// Note that a task for a person is done
    Task(TaskArgs),
    /// Go on with a stopped or abandoned run
    Resume(ResumeArgs),
    /// Approve the plan of a run that was started with --approve-plan
    Approve(ApproveArgs),
    /// Explain what a run did and why it stopped
    Report(ReportArgs),
    /// Move the commits of a run to a branch, after its checks have passed on the result
    Submit(SubmitArgs),
    /// Approve the commands of the repository's configuration
    Trust(TrustArgs),
    /// Find or make the work item of an issue, a PR or a branch, before a flow begins
    ///
    /// A work item is all the work on one thing: an issue, a PR, a branch. It lies in `.runs/<id>/`
    /// of the main checkout, with one directory per flow and a `run_meta.json`, and
    /// `.runs/index.json` lists them all. This command decides which one is meant, makes what is
    /// missing, and adds what it learnt; what others wrote into these files stays byte for byte.
    /// It runs nothing of the repository and changes nothing outside of `.runs`.
    Prep(PrepArgs),
    /// Say who may act on a PR, an issue or a branch: claim it, keep it, hand it on
    Owner(OwnerArgs),
    /// Keep run directories: create, read, change, list and find them
    Store(StoreArgs),
    /// Check that everything runr needs is there
    Doctor(DoctorArgs),
    /// Call a library function: JSON arguments on standard input, result on standard output
    Call(CallArgs),
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Print the configuration that would be written; write nothing
    #[arg(long)]
    pub(crate) print: bool,
    /// Replace an existing configuration; the old one is kept as `.bak`
    #[arg(long)]
    pub(crate) force: bool,
    /// Ask instead of detecting (not available yet)
    #[arg(long)]
    pub(crate) interactive: bool,
    /// Write a section for agents that operate runr into AGENTS.md, or bring it up to date; works
    /// beside an existing configuration
    #[arg(long)]
    pub(crate) agents_md: bool,
    /// Verification commands instead of the detected ones, as tier0
    #[arg(long, value_name = "CMD")]
    pub(crate) verify: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Run id, unique prefix, `latest`, or a work item such as gh-17 or '#17'
    #[arg(default_value = "latest")]
    pub(crate) run: String,
    /// List all runs
    #[arg(long)]
    pub(crate) all: bool,
    /// List all tasks
    #[arg(long, conflicts_with_all = ["all", "run"])]
    pub(crate) tasks: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TaskArgs {
    #[command(subcommand)]
    pub(crate) command: TaskCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Mark a manual task, or the part of a person in a hybrid one, as completed
    Done {
        /// Task file; bare names are also looked up in .runr/tasks/
        file: Utf8PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// Run id, unique prefix, `latest`, or a work item such as gh-17 or '#17'
    pub(crate) run: String,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Run id, unique prefix, `latest`, or a work item such as gh-17 or '#17'
    pub(crate) run: String,
    /// Only the figures
    #[arg(long)]
    pub(crate) kpi_only: bool,
    /// Check the files and commits of the run against its receipt instead
    #[arg(long, conflicts_with_all = ["kpi_only", "tail"])]
    pub(crate) verify: bool,
    /// How many of the last events to show
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(crate) tail: usize,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runr submit latest --to main --dry-run
  runr submit latest --to main
  runr submit gh-17 --to main --squash --push

The commits are made again on the tip of the branch, without a checkout, and all checks of the run
are run on the result. Then the branch moves. A clean tree that has it checked out is brought along;
otherwise the result is kept as refs/runr/submit/<run id>, and the command that takes it is printed.

Exit status: 0 if the branch has all of it, 1 for a conflict, a failing check or a failed push, 3 if
the run or the branch is not in a state for it.")]
pub(crate) struct SubmitArgs {
    /// Run id, unique prefix, `latest`, or a work item such as gh-17 or '#17'
    pub(crate) run: String,
    /// The local branch that takes the commits
    #[arg(long, value_name = "BRANCH")]
    pub(crate) to: String,
    /// Say what would come of it; run no checks and move nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Make one commit of all
    #[arg(long)]
    pub(crate) squash: bool,
    /// Push the branch afterwards, never by force
    #[arg(long)]
    pub(crate) push: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    /// Show the commands; approve nothing
    #[arg(long)]
    pub(crate) print: bool,
    /// Print only the hash, for RUNR_TRUST_CONFIG; approve nothing
    #[arg(long, conflicts_with = "print")]
    pub(crate) print_hash: bool,
    /// Configuration file [default: .runr/runr.config.json]
    #[arg(long, value_name = "PATH")]
    pub(crate) config: Option<Utf8PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runr prep --flow plan --ref '#17'
  runr prep --flow build --run-id gh-17 --json
  runr prep --flow build --ref 17 --restart --dry-run

What names the work item: --run-id, else the first --ref that is known, else the branch, else the
flow. The result is VERIFIED, or UNVERIFIED if somebody should look at its notes, or
CANNOT_PROCEED if a file has to be repaired first; nothing was written then.

Exit status: 0 for VERIFIED and UNVERIFIED, 1 for CANNOT_PROCEED (with --strict also for
UNVERIFIED), 2 for a request that makes no sense.")]
pub(crate) struct PrepArgs {
    /// The kind of work that begins: plan, build, review, gate, deploy or wisdom
    #[arg(long, value_name = "FLOW")]
    pub(crate) flow: Flow,
    /// The work item by its id, if you know it; any other text becomes an id
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: Option<String>,
    /// An issue or PR: #17, gh-17, pr-3, !3 or an address; the most important one first
    #[arg(long = "ref", value_name = "REF")]
    pub(crate) refs: Vec<String>,
    /// Begin anew beside what is there: a next version, such as gh-17-v2
    #[arg(long)]
    pub(crate) restart: bool,
    /// The branch that the work is stacked on [default: the upstream of the branch]
    #[arg(long, value_name = "REF")]
    pub(crate) base_ref: Option<String>,
    /// Fields of run_meta.json that another tool established: a JSON file, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) facts: Option<Utf8PathBuf>,
    /// Take this branch instead of the one that is checked out
    #[arg(long, value_name = "NAME", conflicts_with = "no_git")]
    pub(crate) branch: Option<String>,
    /// Do not ask git for the branch
    #[arg(long)]
    pub(crate) no_git: bool,
    /// The time to record, such as 2026-02-03T04:05:06Z [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) now: Option<Timestamp>,
    /// Decide, but write nothing; --json shows what both files would hold
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Exit with 1 unless the choice is VERIFIED
    #[arg(long)]
    pub(crate) strict: bool,
    /// How to print the result; --json means json
    #[arg(long, value_enum, default_value = "human", value_name = "FORM")]
    pub(crate) format: PrepFormat,
}

/// How to print a preparation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrepFormat {
    Human,
    Markdown,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Configuration file [default: .runr/runr.config.json]
    #[arg(long, value_name = "PATH")]
    pub(crate) config: Option<Utf8PathBuf>,
    /// Repair what can be repaired without losing work
    #[arg(long)]
    pub(crate) fix: bool,
    /// Ask every worker in use for one word, too: that costs a call of each
    #[arg(long)]
    pub(crate) deep: bool,
    /// The data directory [default: RUNR_DATA_DIR, else the system's place for data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    /// The function, such as `check_scope`
    pub(crate) function: String,
}
