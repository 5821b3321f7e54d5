//! The real git, in an environment that runs no code of the repository.
//!
//! Hooks, the file-system monitor, external diffs, pagers and the repository's own filters, merge
//! drivers and programs that fetch are off; nothing of `GIT_*` is inherited; nothing prompts. Every
//! call is counted, so that the cost of a milestone is known.

mod filters;
mod nature;
mod parse;
mod program;
mod programs;
mod stream;
mod user;
mod watch;

use std::fs::File;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::mutant::without;
use runr_core::{Code, Error, Result};

pub(crate) use parse::{Touched, TreeStatus};
use parse::{parse_status, parse_touched};
pub(crate) use program::installed;
use program::program;
use watch::{PATIENCE, Watch};

const HARDENED: &[&str] = &[
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.quotePath=false",
    "-c",
    "core.pager=cat",
    "-c",
    "protocol.ext.allow=never",
    "-c",
    "diff.external=",
    "-c",
    "diff.autoRefreshIndex=false",
    "-c",
    "commit.gpgSign=false",
    "-c",
    "submodule.recurse=false",
    // Otherwise a git in the submodule shows what differs, by the programs of its own settings.
    "-c",
    "diff.submodule=short",
    "-c",
    "advice.detachedHead=false",
    "-c",
    "advice.graftFileDeprecated=false",
    // It goes on when git has ended, and runs what the settings name.
    "-c",
    "maintenance.auto=false",
    // It would run the program that checks them.
    "-c",
    "log.showSignature=false",
];

/// A submodule is looked at by its commit alone: whether its files differ a git in it would have to tell,
/// which runs the filters of its own settings.
pub(crate) const COMMITS_OF_SUBMODULES: &str = "--ignore-submodules=dirty";

/// Git in one directory.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    dir: Utf8PathBuf,
    /// Whether `dir` is the working tree, whatever the repository's configuration says.
    pinned: bool,
    /// The index to go by, instead of the one of the working tree.
    index: Option<Utf8PathBuf>,
    calls: Arc<AtomicU32>,
    /// Standard input of every child: the driver's locked file, so that its lock outlives the driver
    /// for as long as a git of its works.
    held: Option<Arc<File>>,
    watch: Arc<Watch>,
    /// Settings in place of the repository's filters, once they are known.
    filters: Arc<OnceLock<Vec<filters::Setting>>>,
    /// What the file system can do, unless the repository says so itself; once it is known.
    nature: Arc<OnceLock<Vec<&'static str>>>,
}

/// Where a checkout and its repository are.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The top of the working tree.
    pub(crate) toplevel: Utf8PathBuf,
    /// The directory shared by all worktrees.
    pub(crate) common_dir: Utf8PathBuf,
    /// The commit that is checked out.
    pub(crate) head: String,
    /// Absent when detached.
    pub(crate) branch: Option<String>,
}

/// A descriptor for the next child to have beside its three. Whatever else is started in that moment
/// holds the lock a little longer.
fn passed_on(lock: File) -> std::io::Result<File> {
    if !without("fed-lock") {
        rustix::io::fcntl_setfd(&lock, rustix::io::FdFlags::empty())?;
    }
    Ok(lock)
}

/// Whether git says that it is in no working tree; it is told to speak English.
fn tells_of_no_tree(output: &Output) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    said.contains("not a git repository") || said.contains("must be run in a work tree")
}

impl Git {
    pub(crate) fn new(dir: impl Into<Utf8PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            pinned: false,
            index: None,
            calls: Arc::default(),
            held: None,
            watch: Watch::start(),
            filters: Arc::default(),
            nature: Arc::default(),
        }
    }

    /// The same git, whose children keep `lock` held as long as they live.
    pub(crate) fn holding(self, lock: Option<File>) -> Self {
        Self {
            held: lock.map(Arc::new),
            ..self
        }
    }

    /// The same counter, another directory.
    pub(crate) fn at(&self, dir: impl Into<Utf8PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            pinned: false,
            index: None,
            ..self.clone()
        }
    }

    /// The same git, which takes its directory for the working tree: a `core.worktree` that a worker
    /// sets must not lead the guard to another one.
    pub(crate) fn pinned(self) -> Self {
        Self {
            pinned: true,
            ..self
        }
    }

    /// The same git. Where the settings of the repository were `changed`, so may be the filters they
    /// name: those that came since are not run either.
    pub(crate) fn for_rules(&self, changed: bool) -> Self {
        let mut same = self.clone();
        if changed && !without("filters-anew") {
            same.filters = Arc::default();
        }
        same
    }

    /// The same git, which goes by the index at `path`.
    pub(crate) fn judging_by(self, path: &Utf8Path) -> Self {
        Self {
            index: Some(path.to_owned()),
            ..self
        }
    }

    /// The same git, which goes by the index that everybody sees.
    pub(crate) fn with_index_of_tree(&self) -> Self {
        Self {
            index: None,
            ..self.clone()
        }
    }

    pub(crate) fn dir(&self) -> &Utf8Path {
        &self.dir
    }

    /// How many git processes were started.
    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    fn command(&self, args: &[&str]) -> Result<Command> {
        let filters = match self.filters.get() {
            Some(known) => known,
            None => {
                let found = filters::overrides(&self.dir, || self.hardened())?;
                self.filters.get_or_init(|| found)
            }
        };
        let mut command = self.hardened();
        command.args(nature::options(&self.nature, &self.dir)?);
        command.args(args);
        // Not as arguments: the name of a filter may have anything in it.
        command.env("GIT_CONFIG_COUNT", filters.len().to_string());
        for (n, (key, value)) in filters.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{n}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{n}"), value);
        }
        Ok(command)
    }

    fn hardened(&self) -> Command {
        let mut command = Command::new(program());
        command.current_dir(&self.dir).args(HARDENED);
        if !without("stat-settings") {
            command.args(nature::SUSPICIOUS);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GIT_") {
                command.env_remove(&name);
            }
        }
        command
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C")
            // What is really in the history, not what somebody put over it.
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_GRAFT_FILE", "/dev/null");
        if self.pinned {
            command.env("GIT_WORK_TREE", &self.dir);
        }
        if let Some(index) = &self.index {
            command.env("GIT_INDEX_FILE", index);
        }
        command
    }

    fn output(&self, args: &[&str], input: Option<File>, env: &[(&str, &str)]) -> Result<Output> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut command = self.command(args)?;
        let failed = |source| Error::io("start git in", &self.dir, source);
        command
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let lock = self.held.as_ref().map(|lock| lock.try_clone());
        let lock = lock.transpose().map_err(failed)?;
        let passed = match (input, lock) {
            (Some(file), lock) => {
                command.stdin(file);
                lock.map(passed_on).transpose().map_err(failed)?
            }
            (None, Some(lock)) => {
                command.stdin(lock);
                None
            }
            (None, None) => {
                command.stdin(Stdio::null());
                None
            }
        };
        let child = command.spawn().map_err(failed)?;
        drop(passed);
        self.watch.begin(&child);
        let answer = child.wait_with_output();
        if self.watch.end() {
            let minutes = PATIENCE.as_secs() / 60;
            let words = format!("git did not answer in {minutes} minutes");
            return Err(failed(std::io::Error::other(words)));
        }
        answer.map_err(failed)
    }

    /// Runs git and returns its output; a non-zero exit is an error with git's own words.
    pub(crate) fn run(&self, args: &[&str]) -> Result<String> {
        self.run_with(args, &[])
    }

    /// The same with further variables.
    pub(crate) fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Result<String> {
        self.checked(args, self.output(args, None, env)?)
    }

    /// The same with a file as standard input.
    pub(crate) fn run_fed(
        &self,
        args: &[&str],
        input: &Utf8Path,
        env: &[(&str, &str)],
    ) -> Result<String> {
        let file = File::open(input).map_err(|source| Error::io("open", input, source))?;
        self.checked(args, self.output(args, Some(file), env)?)
    }

    fn checked(&self, args: &[&str], output: Output) -> Result<String> {
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(self.failure(args, &output))
    }

    /// Whether git exits 0. One that was killed has given no answer.
    pub(crate) fn succeeds(&self, args: &[&str]) -> Result<bool> {
        let output = self.output(args, None, &[])?;
        match output.status.code() {
            Some(code) => Ok(code == 0),
            None => Err(self.failure(args, &output)),
        }
    }

    /// Runs a git whose exit status 1 is an answer, too: whether it was 0, and the output.
    pub(crate) fn ask(&self, args: &[&str]) -> Result<(bool, String)> {
        let output = self.output(args, None, &[])?;
        match output.status.code() {
            Some(0 | 1) => {
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                Ok((output.status.success(), text))
            }
            _ => Err(self.failure(args, &output)),
        }
    }

    fn failure(&self, args: &[&str], output: &Output) -> Error {
        let verb = args
            .iter()
            .find(|arg| !arg.starts_with('-'))
            .copied()
            .unwrap_or("git");
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Error::new(Code::Io, format!("git {verb} failed: {said}"))
            .at(self.dir.clone())
            .during(format!("git {verb}"))
    }

    /// Where this directory belongs.
    ///
    /// # Errors
    /// `E_NOT_A_REPO`; `E_USAGE` for a repository without a commit.
    pub(crate) fn place(&self) -> Result<Place> {
        let args = [
            "rev-parse",
            "--path-format=absolute",
            "--show-toplevel",
            "--git-common-dir",
            "HEAD",
            "--symbolic-full-name",
            "HEAD",
        ];
        let output = self.output(&args, None, &[])?;
        let text = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<&str> = text.lines().collect();
        match (output.status.success(), lines.as_slice()) {
            (true, [toplevel, common_dir, head, reference]) => Ok(Place {
                branch: reference.strip_prefix("refs/heads/").map(str::to_owned),
                toplevel: (*toplevel).into(),
                common_dir: (*common_dir).into(),
                head: (*head).to_owned(),
            }),
            (false, [_, _, ..]) => Err(Error::new(Code::Usage, "the repository has no commit yet")
                .at(self.dir.clone())
                .hint("git commit --allow-empty -m 'Initial commit'")),
            _ if !tells_of_no_tree(&output) => Err(self.failure(&args, &output)),
            _ => Err(Error::new(
                Code::NotARepo,
                format!("Not a git repository: {}", self.dir),
            )
            .at(self.dir.clone())
            .hint("git init")),
        }
    }

    /// Everything that differs from HEAD, file by file, and what git ignores.
    pub(crate) fn status(&self) -> Result<TreeStatus> {
        let args = [
            "status",
            "--porcelain=v2",
            "--branch",
            "-z",
            if without("untracked-files") {
                "-unormal"
            } else {
                "-uall"
            },
            "--ignored=traditional",
            "--renames",
            if without("filters-of-submodules") {
                "--ignore-submodules=none"
            } else {
                COMMITS_OF_SUBMODULES
            },
        ];
        parse_status(&self.run(&args)?)
    }

    /// What the commits of `from..to` touch, both names of a rename.
    pub(crate) fn touched_between(&self, from: &str, to: &str) -> Result<Touched> {
        let range = format!("{from}..{to}");
        let args = [
            "log",
            "--format=%x01",
            "--raw",
            "--no-abbrev",
            "--no-renames",
            "--no-ext-diff",
            "--ignore-submodules=none",
            "-m",
            "-z",
            &range,
            "--",
        ];
        parse_touched(&self.run(&args)?)
    }

    /// Whether `ancestor` is reachable from `commit`. One that is gone for good is part of nothing.
    pub(crate) fn is_ancestor(&self, ancestor: &str, commit: &str) -> Result<bool> {
        match self.ask(&["merge-base", "--is-ancestor", ancestor, commit]) {
            Ok((is_part, _)) => Ok(is_part),
            Err(_) if without("ancestor-answer") || self.is_missing(ancestor)? => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the repository has no such object, by git's own word.
    fn is_missing(&self, object: &str) -> Result<bool> {
        let answer = self.ask_of_objects(&format!("{object}\n"))?;
        Ok(answer.trim_end().ends_with(" missing"))
    }
}
