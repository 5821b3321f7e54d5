//! The real git, in an environment that runs no code of the repository.
//!
//! Hooks, the file-system monitor, external diffs and pagers are off; nothing of `GIT_*` is
//! inherited; nothing prompts. Every call is counted, so that the cost of a milestone is known.

use std::fs::File;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::{Code, Error, Result};

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
    "commit.gpgSign=false",
    "-c",
    "submodule.recurse=false",
    "-c",
    "advice.detachedHead=false",
];

/// Git in one directory.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    dir: Utf8PathBuf,
    calls: Arc<AtomicU32>,
    /// Standard input of every child: the driver's locked file, so that its lock outlives the driver
    /// for as long as a git of its works.
    held: Option<Arc<File>>,
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

/// What `git status` tells in one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TreeStatus {
    pub(crate) head: String,
    /// Absent when detached.
    pub(crate) branch: Option<String>,
    /// Tracked changes and untracked files, one by one; both names of a rename.
    pub(crate) changed: Vec<String>,
    /// Untracked among `changed`.
    pub(crate) untracked: Vec<String>,
    /// Files git ignores, one by one.
    pub(crate) ignored: Vec<String>,
}

impl Git {
    pub(crate) fn new(dir: impl Into<Utf8PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            calls: Arc::default(),
            held: None,
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

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.current_dir(&self.dir).args(HARDENED).args(args);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GIT_") {
                command.env_remove(&name);
            }
        }
        command
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C");
        command
    }

    fn output(&self, args: &[&str], input: Option<&[u8]>, env: &[(&str, &str)]) -> Result<Output> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut command = self.command(args);
        let failed = |source| Error::io("start git in", &self.dir, source);
        command
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        match (input, &self.held) {
            (Some(_), _) => command.stdin(Stdio::piped()),
            (None, Some(lock)) => command.stdin(lock.try_clone().map_err(failed)?),
            (None, None) => command.stdin(Stdio::null()),
        };
        let mut child = command.spawn().map_err(failed)?;
        if let (Some(bytes), Some(mut stdin)) = (input, child.stdin.take()) {
            // Git reads all of it before it answers, so this cannot deadlock on a full pipe.
            stdin.write_all(bytes).map_err(failed)?;
        }
        child.wait_with_output().map_err(failed)
    }

    /// Runs git and returns its output; a non-zero exit is an error with git's own words.
    pub(crate) fn run(&self, args: &[&str]) -> Result<String> {
        self.run_with(args, None, &[])
    }

    pub(crate) fn run_with(
        &self,
        args: &[&str],
        input: Option<&[u8]>,
        env: &[(&str, &str)],
    ) -> Result<String> {
        let output = self.output(args, input, env)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(self.failure(args, &output))
    }

    /// Whether git exits 0.
    pub(crate) fn succeeds(&self, args: &[&str]) -> Result<bool> {
        Ok(self.output(args, None, &[])?.status.success())
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
            "-uall",
            "--ignored=traditional",
            "--renames",
        ];
        parse_status(&self.run(&args)?)
    }

    /// The files any commit of `from..to` touches, both names of a rename.
    pub(crate) fn touched_between(&self, from: &str, to: &str) -> Result<Vec<String>> {
        let range = format!("{from}..{to}");
        let args = [
            "log",
            "--format=",
            "--name-only",
            "--no-renames",
            "--no-ext-diff",
            "-m",
            "-z",
            &range,
            "--",
        ];
        Ok(split_nul(&self.run(&args)?))
    }

    /// Whether `ancestor` is reachable from `commit`.
    pub(crate) fn is_ancestor(&self, ancestor: &str, commit: &str) -> Result<bool> {
        self.succeeds(&["merge-base", "--is-ancestor", ancestor, commit])
    }
}

fn split_nul(text: &str) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    // Empty formats leave line feeds between the commits.
    for path in text.split('\0').map(|part| part.trim_start_matches('\n')) {
        if !path.is_empty() && !paths.iter().any(|known| known == path) {
            paths.push(path.to_owned());
        }
    }
    paths
}

fn parse_status(text: &str) -> Result<TreeStatus> {
    let mut status = TreeStatus::default();
    let mut entries = text.split('\0');
    while let Some(entry) = entries.next() {
        let unreadable = || Error::internal(format!("git status said `{entry}`"));
        match entry.split_once(' ') {
            None if entry.is_empty() => {}
            None => return Err(unreadable()),
            Some(("#", header)) => match header.split_once(' ') {
                Some(("branch.oid", oid)) => status.head = oid.to_owned(),
                Some(("branch.head", name)) if name != "(detached)" => {
                    status.branch = Some(name.to_owned())
                }
                _ => {}
            },
            Some(("1", rest)) => status
                .changed
                .push(nth_field(rest, 7).ok_or_else(unreadable)?),
            Some(("2", rest)) => {
                status
                    .changed
                    .push(nth_field(rest, 8).ok_or_else(unreadable)?);
                status
                    .changed
                    .push(entries.next().ok_or_else(unreadable)?.to_owned());
            }
            Some(("u", rest)) => status
                .changed
                .push(nth_field(rest, 9).ok_or_else(unreadable)?),
            Some(("?", path)) => {
                status.untracked.push(path.to_owned());
                status.changed.push(path.to_owned());
            }
            Some(("!", path)) => status.ignored.push(path.to_owned()),
            Some(_) => return Err(unreadable()),
        }
    }
    Ok(status)
}

fn nth_field(rest: &str, n: usize) -> Option<String> {
    rest.splitn(n + 1, ' ').nth(n).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lists_both_names_of_a_rename_and_paths_with_blanks() {
        let text = "# branch.oid abc\0# branch.head main\0\
            1 .M N... 100644 100644 100644 a b src/with blank.rs\0\
            2 R. N... 100644 100644 100644 a b R100 new name.rs\0old name.rs\0\
            ? keys/a.key\0! .env\0";
        let status = parse_status(text).unwrap();
        assert_eq!(status.head, "abc");
        assert_eq!(status.branch.as_deref(), Some("main"));
        assert_eq!(
            status.changed,
            [
                "src/with blank.rs",
                "new name.rs",
                "old name.rs",
                "keys/a.key"
            ]
        );
        assert_eq!(status.untracked, ["keys/a.key"]);
        assert_eq!(status.ignored, [".env"]);
    }

    #[test]
    fn a_detached_head_has_no_branch() {
        let status = parse_status("# branch.oid abc\0# branch.head (detached)\0").unwrap();
        assert_eq!(status.branch, None);
    }

    #[test]
    fn lines_that_are_no_status_are_an_error() {
        assert!(parse_status("nonsense\0").is_err());
        assert!(parse_status("1 too short\0").is_err());
    }
}
