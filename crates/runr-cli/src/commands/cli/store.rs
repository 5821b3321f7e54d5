//! The flags of `runr store`.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  id=$(runr store new --title 'Fix the login' --runner claude)
  runr store set \"$id\" /pr_number=17 /flags/needs_attention=true
  runr store ls")]
pub(crate) struct StoreArgs {
    #[command(flatten)]
    pub(crate) place: StorePlace,
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

/// Which store is meant.
#[derive(Debug, Args)]
pub(crate) struct StorePlace {
    /// The data directory [default: RUNR_DATA_DIR, else the system's place for data]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<Utf8PathBuf>,
    /// Only this repository [default: all; for a new run the present one]
    #[arg(long, global = true, value_name = "ID")]
    pub(crate) repo_id: Option<String>,
    /// A directory of runs instead, such as .runr/runs
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "data_dir")]
    pub(crate) runs: Option<Utf8PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Create a run directory and print its id
    New(StoreNewArgs),
    /// Print the document of a run
    Show {
        /// Run id, unique prefix, name, `latest`, or a work item such as gh-17 or '#17'
        run: String,
    },
    /// Change fields of a run, all at once, and print its document
    Set(StoreSetArgs),
    /// List all runs, the newest first
    Ls,
    /// Print the id a reference means
    Resolve {
        /// Run id, unique prefix, name, `latest`, or a work item such as gh-17 or '#17'
        reference: String,
    },
    /// Print the directory of a run; with --json all its paths
    Path {
        /// Run id, unique prefix, name, `latest`, or a work item such as gh-17 or '#17'
        run: String,
    },
    /// Print the events of a run as JSON lines, or append one
    Events(StoreEventsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct StoreNewArgs {
    /// What the run is about
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: String,
    /// A short name for the run, which no other active run of the repository has
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The name of the runner
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(crate) runner: String,
    /// The command of the runner; kept, never run
    #[arg(long, value_name = "CMD", default_value = "")]
    pub(crate) runner_cmd: String,
    /// The branch the run starts from
    #[arg(long, value_name = "BRANCH", default_value = "")]
    pub(crate) parent_branch: String,
    /// The run's own branch [default: made from title and id]
    #[arg(long, value_name = "BRANCH")]
    pub(crate) branch: Option<String>,
    /// Its worktree, which must exist
    #[arg(long, value_name = "DIR")]
    pub(crate) worktree: Option<Utf8PathBuf>,
    /// Do not look whether the worktree exists
    #[arg(long)]
    pub(crate) no_worktree_check: bool,
    /// The id [default: the time and a random suffix]
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StoreSetArgs {
    /// Run id, unique prefix, name, `latest`, or a work item such as gh-17 or '#17'
    pub(crate) run: String,
    /// Field and value: JSON where it is JSON, else text
    #[arg(value_name = "PATH=VALUE", value_parser = crate::commands::store::change, required_unless_present = "unset")]
    pub(crate) changes: Vec<(String, runr_core::json::Written)>,
    /// Field to remove
    #[arg(long, value_name = "PATH")]
    pub(crate) unset: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StoreEventsArgs {
    /// Run id, unique prefix, name, `latest`, or a work item such as gh-17 or '#17'
    pub(crate) run: String,
    /// Only events with a greater number
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) since: u64,
    /// Append an event of this name instead
    #[arg(long, value_name = "NAME", conflicts_with = "since")]
    pub(crate) append: Option<String>,
    /// More about the appended event, as JSON
    #[arg(long, value_name = "JSON", requires = "append", value_parser = json_value)]
    pub(crate) data: Option<serde_json::Value>,
}

fn json_value(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}
