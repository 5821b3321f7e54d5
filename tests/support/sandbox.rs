//! A repository of its own, with everything a run touches inside one temporary directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

use super::{Command, Config, Event, Output, Running, Script, wait_until};

/// The task every sandbox with a configuration has.
pub(crate) const TASK: &str = ".runr/tasks/task.md";

const TASK_TEXT: &str = "# A small task\n\n## Goal\nWrite the parts.\n\n## Requirements\n- Each part is a file.\n\n\
                         ## Success Criteria\n- The check passes.\n";

/// Where a run works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tree {
    /// In the user's own checkout.
    Checkout,
    /// In a worktree of its own.
    Worktree,
}

/// A run that printed its line, and how it ended.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) id: String,
    pub(crate) line: Value,
    pub(crate) output: Output,
}

/// A temporary directory with a git repository of one commit.
#[derive(Debug)]
pub(crate) struct Sandbox {
    root: TempDir,
    path: PathBuf,
}

impl Sandbox {
    /// A repository without configuration: `src/base.txt`, `docs/guide.txt`, one commit.
    pub(crate) fn bare() -> Self {
        let root = tempfile::Builder::new()
            .prefix("runr-test-")
            .tempdir()
            .unwrap();
        // The real path, since results name real paths and the temporary directory may be a link.
        let path = root.path().canonicalize().unwrap();
        let sandbox = Self { root, path };
        for dir in [
            "home", "config", "state", "data", "cache", "scratch", "repo",
        ] {
            fs::create_dir(sandbox.path.join(dir)).unwrap();
        }
        let identity = "[user]\n\tname = Sandbox\n\temail = sandbox@localhost\n[init]\n\tdefaultBranch = main\n";
        fs::write(sandbox.path.join("home/.gitconfig"), identity).unwrap();
        sandbox.git(&["init", "-q"]);
        sandbox.write("src/base.txt", "base\n");
        sandbox.write(
            "docs/guide.txt",
            "a guide that stays where it is, with enough words to be recognised\n",
        );
        sandbox.commit("base");
        sandbox
    }

    /// A repository with a committed, trusted configuration and a task.
    pub(crate) fn with(config: &Config) -> Self {
        let sandbox = Self::untrusted(config);
        sandbox.runr(&["trust"]).output().exits(0);
        sandbox
    }

    /// The same, not yet trusted.
    pub(crate) fn untrusted(config: &Config) -> Self {
        let sandbox = Self::bare();
        sandbox.configure(config);
        sandbox.write(TASK, TASK_TEXT);
        sandbox.commit("configuration");
        sandbox
    }

    /// The common case: default configuration and this script.
    pub(crate) fn scripted(script: &Script) -> Self {
        let sandbox = Self::with(&Config::new());
        sandbox.script(script);
        sandbox
    }

    // Places

    pub(crate) fn repo(&self) -> PathBuf {
        self.path.join("repo")
    }

    /// A directory outside the repository, for counters, logs and canaries.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.path.join("scratch")
    }

    pub(crate) fn run_dir(&self, id: &str) -> PathBuf {
        self.repo().join(".runr/runs").join(id)
    }

    pub(crate) fn worktree(&self, id: &str) -> PathBuf {
        self.repo().join(".runr-worktrees").join(id)
    }

    /// Where the run's files are edited.
    pub(crate) fn tree(&self, tree: Tree, id: &str) -> PathBuf {
        match tree {
            Tree::Checkout => self.repo(),
            Tree::Worktree => self.worktree(id),
        }
    }

    // Files

    /// Writes a file of the repository, making its directories.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.repo().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.repo().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.repo().join(path).symlink_metadata().is_ok()
    }

    pub(crate) fn configure(&self, config: &Config) {
        self.write(".runr/runr.config.json", &config.text());
    }

    /// Writes the script all further commands use as worker.
    pub(crate) fn script(&self, script: &Script) {
        let log = self.scratch().join("calls.jsonl");
        fs::write(self.script_path(), script.text(log.to_str().unwrap())).unwrap();
    }

    fn script_path(&self) -> PathBuf {
        self.path.join("script.json")
    }

    /// The calls the scripted worker logged, oldest first.
    pub(crate) fn calls(&self, stage: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.scratch().join("calls.jsonl")).unwrap_or_default();
        let calls = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        calls.filter(|call| call["stage"] == stage).collect()
    }

    /// The prompts of a stage.
    pub(crate) fn prompts(&self, stage: &str) -> Vec<String> {
        self.calls(stage)
            .iter()
            .map(|call| call["prompt"].as_str().unwrap().to_owned())
            .collect()
    }

    /// A command whose exit codes are scripted: the last code repeats. Its runs are counted.
    pub(crate) fn scripted_command(&self, name: &str, codes: &[i64]) -> String {
        let codes: String = codes.iter().map(|code| format!("{code}\n")).collect();
        fs::write(self.scratch().join(format!("{name}.codes")), codes).unwrap();
        let script = self.scratch().join("step.sh");
        fs::write(&script, STEP).unwrap();
        format!("sh '{}' {name}", script.display())
    }

    /// How often a scripted command ran.
    pub(crate) fn count(&self, name: &str) -> usize {
        let text = fs::read_to_string(self.scratch().join(format!("{name}.count")));
        text.map_or(0, |text| text.trim().parse().unwrap())
    }

    /// A command that hangs, in a grandchild of its own: ending the shell alone is not enough. It
    /// ends with the sandbox, in case nobody else ends it.
    pub(crate) fn hanging_command(&self) -> String {
        let dir = self.scratch();
        let dir = dir.display();
        format!("(while [ -d '{dir}' ]; do sleep 0.1; done & echo $! > '{dir}/hanging'; wait)")
    }

    /// The grandchild of the hanging command, once it runs.
    pub(crate) fn hanging_pid(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.scratch().join("hanging")).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }

    /// Everything in the repository but git's own files: path to bytes, directories to `None`.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        snapshot(&self.repo())
    }

    // Commands

    /// A `runr` command in the repository.
    pub(crate) fn runr(&self, args: &[&str]) -> Command {
        let command = self.command(env!("CARGO_BIN_EXE_runr")).args(args);
        let script = self.script_path();
        if script.exists() {
            command.env("RUNR_WORKER_SCRIPT", script)
        } else {
            command
        }
    }

    /// Any command in the repository, in the sandbox's environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program, &self.repo())
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path.join("home"))
            .env("LC_ALL", "C")
            .env("TERM", "dumb")
            .env("COLUMNS", "100")
            .env("TZ", "UTC");
        // A safety step that is left out, to see that a test notices.
        if let Some(step) = std::env::var_os("RUNR_MUTANT") {
            command = command.env("RUNR_MUTANT", step);
        }
        for (name, dir) in [
            ("CONFIG", "config"),
            ("STATE", "state"),
            ("DATA", "data"),
            ("CACHE", "cache"),
        ] {
            command = command.env(&format!("XDG_{name}_HOME"), self.path.join(dir));
        }
        command
    }

    /// Runs git in the repository and returns what it printed, without the last newline.
    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        self.git_in(&self.repo(), args)
    }

    #[track_caller]
    pub(crate) fn git_in(&self, dir: &Path, args: &[&str]) -> String {
        let output = self.command("git").args(args).cwd(dir).output().exits(0);
        output.stdout.trim_end_matches('\n').to_owned()
    }

    /// Commits everything.
    pub(crate) fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Subjects of the commits after `base` up to `tip`, oldest first.
    pub(crate) fn subjects(&self, base: &str, tip: &str) -> Vec<String> {
        let range = format!("{base}..{tip}");
        self.git(&["log", "--reverse", "--format=%s", &range])
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Paths changed between `base` and `tip`.
    pub(crate) fn changed(&self, base: &str, tip: &str) -> Vec<String> {
        self.git(&["diff", "--name-only", "--no-renames", base, tip])
            .lines()
            .map(str::to_owned)
            .collect()
    }

    // Runs

    /// The command `run --task … --json`, with these flags as well.
    pub(crate) fn run_command(&self, flags: &[&str]) -> Command {
        self.runr(&["run", "--task", TASK, "--json"]).args(flags)
    }

    /// Runs the task to its end; the exit status must be `code`.
    #[track_caller]
    pub(crate) fn run(&self, flags: &[&str], code: i32) -> Started {
        self.started(self.run_command(flags).output().exits(code))
    }

    /// The same in the checkout or in a worktree.
    #[track_caller]
    pub(crate) fn run_in(&self, tree: Tree, code: i32) -> Started {
        self.run(
            if tree == Tree::Worktree {
                &["--worktree"]
            } else {
                &[]
            },
            code,
        )
    }

    /// Reads the line of a finished `run --json`.
    #[track_caller]
    pub(crate) fn started(&self, output: Output) -> Started {
        let line = output.json_line();
        let id = line["run_id"]
            .as_str()
            .unwrap_or_else(|| panic!("no run id: {output}"))
            .to_owned();
        Started { id, line, output }
    }

    /// Starts the task in the background; returns once the implementer has been called.
    pub(crate) fn run_until_implement(&self, flags: &[&str]) -> (String, Running) {
        let running = self.run_command(flags).spawn();
        let implementing = |event: &Event| {
            event.kind == "worker_call_started" && event.payload["stage"] == "implement"
        };
        let mut id = None;
        wait_until("the implementer is called", Duration::from_secs(20), || {
            id = self
                .run_ids()
                .pop()
                .filter(|id| self.events_so_far(id).iter().any(implementing));
            id.is_some()
        });
        (id.unwrap(), running)
    }

    /// Ids of the runs that have a directory, oldest first.
    pub(crate) fn run_ids(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.repo().join(".runr/runs")) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let is_id =
            |name: &String| name.len() == 14 && name.bytes().all(|byte| byte.is_ascii_digit());
        let mut ids: Vec<String> = names.filter(is_id).collect();
        ids.sort();
        ids
    }

    /// The timeline of a run nobody writes to any more.
    #[track_caller]
    pub(crate) fn timeline(&self, id: &str) -> Vec<Event> {
        Event::parse_all(&self.timeline_text(id))
    }

    #[track_caller]
    pub(crate) fn timeline_text(&self, id: &str) -> String {
        let path = self.run_dir(id).join("timeline.jsonl");
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The whole lines of a timeline that may be growing, or may not be there yet.
    pub(crate) fn events_so_far(&self, id: &str) -> Vec<Event> {
        let text = fs::read_to_string(self.run_dir(id).join("timeline.jsonl")).unwrap_or_default();
        match text.rfind('\n') {
            Some(end) => Event::parse_all(&text[..=end]),
            None => Vec::new(),
        }
    }

    /// The payloads of one type of event.
    #[track_caller]
    pub(crate) fn payloads(&self, id: &str, kind: &str) -> Vec<Value> {
        self.timeline(id)
            .into_iter()
            .filter(|event| event.kind == kind)
            .map(|event| event.payload)
            .collect()
    }

    /// `state.json` as it stands.
    #[track_caller]
    pub(crate) fn state(&self, id: &str) -> Value {
        let path = self.run_dir(id).join("state.json");
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap()
    }

    /// What `runr status` says of a run.
    #[track_caller]
    pub(crate) fn status(&self, id: &str) -> Value {
        self.runr(&["status", id]).output().exits(0).pretty_json()
    }

    /// What `runr report --json` says of a run.
    #[track_caller]
    pub(crate) fn report(&self, id: &str) -> Value {
        self.runr(&["report", id, "--json"])
            .output()
            .exits(0)
            .pretty_json()
    }

    /// `(milestone index, tree id)` of every `checkpoint_complete`; the commit must have that tree.
    #[track_caller]
    pub(crate) fn checkpoints(&self, id: &str) -> Vec<(u64, String)> {
        let pair = |payload: Value| {
            let tree = payload["tree"].as_str().unwrap().to_owned();
            let commit = payload["commit"].as_str().unwrap();
            assert_eq!(
                self.git(&["rev-parse", &format!("{commit}^{{tree}}")]),
                tree,
                "tree of {commit}"
            );
            (payload["milestone_index"].as_u64().unwrap(), tree)
        };
        self.payloads(id, "checkpoint_complete")
            .into_iter()
            .map(pair)
            .collect()
    }
}

/// Sends a signal to the process group that `pid` led; whether anybody was left to get it.
pub(crate) fn signal_group(pid: Pid, signal: Signal) -> bool {
    rustix::process::kill_process_group(pid, signal).is_ok()
}

fn snapshot(repo: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![repo.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path == repo.join(".git") {
                continue;
            }
            let name = path
                .strip_prefix(repo)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if entry.file_type().unwrap().is_dir() {
                found.insert(name, None);
                open.push(path);
            } else {
                found.insert(name, Some(fs::read(&path).unwrap_or_default()));
            }
        }
    }
    found
}

/// Exits with the next line of `<name>.codes`; the last line repeats.
const STEP: &str = r#"dir=$(dirname "$0")
name=$1
count=$(cat "$dir/$name.count" 2>/dev/null || echo 0)
count=$((count + 1))
echo "$count" > "$dir/$name.count"
code=$(sed -n "${count}p" "$dir/$name.codes")
[ -n "$code" ] || code=$(tail -n 1 "$dir/$name.codes")
echo "output of $name, pass $count, code $code"
exit "$code"
"#;
