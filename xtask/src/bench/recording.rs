//! What a run really does: its git commands in order, and its timeline as it grew between them.
//!
//! A wrapper called `git` stands first on the path of one run and notes each call; how long the
//! timeline was at that moment tells which events came before it. A thread watches the timeline
//! grow, since events that were appended together share one flush.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde_json::Value;

use super::whole_run::{Arena, write};
use crate::Failure;

/// One thing a run did.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// The worker wrote the file of this milestone.
    Work(usize),
    /// The check was run.
    Check,
    /// These bytes were appended to the timeline with one flush.
    Append(Vec<u8>),
    /// Git was run.
    Git(Box<GitCall>),
}

/// A git process.
#[derive(Debug, Clone)]
pub(crate) struct GitCall {
    pub(crate) cwd: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// The file that `--pathspec-from-file` names, as it was.
    pub(crate) list: Option<String>,
    pub(crate) code: i32,
    pub(crate) stdout: String,
}

/// How many git processes a run started, and when.
#[derive(Debug, Default)]
pub(crate) struct GitProcesses {
    pub(crate) before: usize,
    pub(crate) per_milestone: Vec<usize>,
    pub(crate) after: usize,
}

/// A run, step by step.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) repo: PathBuf,
    pub(crate) run_dir: PathBuf,
    pub(crate) steps: Vec<Step>,
}

impl Recording {
    /// Runs the task of the arena once, watched.
    pub(crate) fn of_a_run(arena: &Arena, repo: &Path) -> Result<Self, Failure> {
        let notes = arena.folder().join("notes");
        let wrapper = arena.folder().join("wrapper");
        write(&notes.join("counter"), "1000\n")?;
        write(&wrapper.join("git"), &wrapper_text(&notes, repo)?)?;
        std::fs::set_permissions(wrapper.join("git"), std::fs::Permissions::from_mode(0o755))
            .map_err(|why| format!("cannot make the wrapper executable: {why}"))?;
        let mut runr = arena.runr(repo);
        runr.env("PATH", format!("{}:{}", wrapper.display(), path()));
        let growth = Growth::watch(repo);
        let ran = arena.run_with(runr);
        let lengths = growth.lengths()?;
        ran?;
        let run_dir = only_run(repo).ok_or("the run left no timeline")?;
        let timeline = read(&run_dir.join("timeline.jsonl"))?;
        let steps = steps(&timeline, &lengths, &calls(&notes)?)?;
        Ok(Self {
            repo: repo.to_path_buf(),
            run_dir,
            steps,
        })
    }

    pub(crate) fn git_processes(&self) -> GitProcesses {
        let mut counts = GitProcesses::default();
        let mut since = 0;
        for step in &self.steps {
            match step {
                Step::Git(_) => since += 1,
                Step::Append(bytes) if mentions(bytes, "checkpoint_complete") => {
                    counts.per_milestone.push(std::mem::take(&mut since));
                }
                Step::Append(bytes) if mentions(bytes, "plan_generated") => {
                    counts.before = std::mem::take(&mut since);
                }
                _ => {}
            }
        }
        counts.after = since;
        counts
    }

    /// How often the timeline was appended to.
    pub(crate) fn appends(&self) -> usize {
        let append = |step: &&Step| matches!(step, Step::Append(_));
        self.steps.iter().filter(append).count()
    }
}

fn mentions(bytes: &[u8], kind: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(&format!("\"type\":\"{kind}\""))
}

/// The lengths a timeline had. Every append is followed by a flush, which takes far longer than a
/// look; should one be missed all the same, two appends are taken for one, which helps the peer.
struct Growth {
    over: Arc<AtomicBool>,
    thread: JoinHandle<BTreeSet<usize>>,
}

impl Growth {
    fn watch(repo: &Path) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (seen, repo) = (Arc::clone(&over), repo.to_path_buf());
        let thread = std::thread::spawn(move || {
            let mut lengths = BTreeSet::new();
            let mut timeline = None;
            while !seen.load(Ordering::Relaxed) {
                timeline = timeline.or_else(|| Some(only_run(&repo)?.join("timeline.jsonl")));
                let found = timeline.as_ref().and_then(|path| path.metadata().ok());
                lengths.extend(found.and_then(|found| usize::try_from(found.len()).ok()));
                std::thread::yield_now();
            }
            lengths
        });
        Self { over, thread }
    }

    fn lengths(self) -> Result<BTreeSet<usize>, Failure> {
        self.over.store(true, Ordering::Relaxed);
        let joined = self.thread.join();
        joined.map_err(|_| "the thread that watched the timeline panicked".into())
    }
}

/// Puts the calls between the events, by the length the timeline had at each call.
fn steps(
    timeline: &str,
    lengths: &BTreeSet<usize>,
    calls: &[(usize, GitCall)],
) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    let mut calls = calls.iter().peekable();
    let mut milestone = 0;
    let mut at = 0;
    let mut batch_begins = true;
    for line in timeline.split_inclusive('\n') {
        while let Some((_, call)) = calls.next_if(|(length, _)| *length <= at) {
            steps.push(Step::Git(Box::new(call.clone())));
            batch_begins = true;
        }
        let record: Value =
            serde_json::from_str(line).map_err(|why| format!("a bad event: {why}"))?;
        match record["type"].as_str() {
            Some("worker_call_finished") if record["payload"]["stage"] == "implement" => {
                steps.push(Step::Work(milestone));
                milestone += 1;
            }
            Some("verification") => steps.push(Step::Check),
            _ => {}
        }
        match steps.last_mut() {
            Some(Step::Append(batch)) if !batch_begins => batch.extend(line.as_bytes()),
            _ => steps.push(Step::Append(line.as_bytes().to_vec())),
        }
        at += line.len();
        batch_begins = lengths.contains(&at);
    }
    steps.extend(calls.map(|(_, call)| Step::Git(Box::new(call.clone()))));
    Ok(steps)
}

fn calls(notes: &Path) -> Result<Vec<(usize, GitCall)>, Failure> {
    let fail = |why: std::io::Error| format!("cannot list {}: {why}", notes.display());
    let mut folders: Vec<PathBuf> = std::fs::read_dir(notes)
        .map_err(fail)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders.iter().map(|folder| noted(folder)).collect()
}

fn noted(folder: &Path) -> Result<(usize, GitCall), Failure> {
    let number = |name: &str| -> Result<i32, Failure> {
        let text = read(&folder.join(name))?;
        text.trim()
            .parse()
            .map_err(|_| format!("{name} of {} is {text:?}", folder.display()))
    };
    let words = |name: &str| -> Result<Vec<String>, Failure> {
        let text = read(&folder.join(name))?;
        Ok(text.split_terminator('\0').map(str::to_owned).collect())
    };
    let env = words("env")?
        .iter()
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if folder.join("stdin").exists() {
        return Err("a git command was fed by a pipe, which the replay cannot do".into());
    }
    let call = GitCall {
        cwd: read(&folder.join("cwd"))?.trim().to_owned(),
        args: words("args")?,
        env,
        list: read(&folder.join("list")).ok(),
        code: number("code")?,
        stdout: read(&folder.join("stdout"))?,
    };
    let length = usize::try_from(number("length")?).map_err(|why| why.to_string())?;
    Ok((length, call))
}

fn only_run(repo: &Path) -> Option<PathBuf> {
    std::fs::read_dir(repo.join(".runr/runs"))
        .ok()?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.join("timeline.jsonl").exists())
}

fn path() -> String {
    std::env::var("PATH").unwrap_or_default()
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|why| format!("cannot read {}: {why}", path.display()))
}

/// The wrapper knows the real git by its path, else it would find itself.
fn wrapper_text(notes: &Path, repo: &Path) -> Result<String, Failure> {
    let git = std::env::split_paths(&path())
        .map(|folder| folder.join("git"))
        .find(|git| git.is_file())
        .ok_or("there is no git on the path")?;
    let set = [("notes", notes), ("repo", repo), ("git", &git)]
        .map(|(name, path)| format!("{name}='{}'\n", path.display()));
    Ok(format!("#!/bin/sh\n{}{WRAPPER}", set.concat()))
}

const WRAPPER: &str = r#"n=$(($(cat "$notes/counter") + 1))
echo "$n" > "$notes/counter"
call="$notes/$n"
mkdir "$call"
pwd > "$call/cwd"
printf '%s\0' "$@" > "$call/args"
env -0 | grep -z -e '^GIT_' -e '^LC_ALL=' > "$call/env"
cat "$repo"/.runr/runs/*/timeline.jsonl 2> "$call/quiet" | wc -c > "$call/length"
for word in "$@"; do
    case $word in --pathspec-from-file=*) cp "${word#*=}" "$call/list" ;; esac
done
if [ -p /dev/stdin ]; then touch "$call/stdin"; fi
"$git" "$@" > "$call/stdout"
code=$?
echo "$code" > "$call/code"
cat "$call/stdout"
exit "$code"
"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, payload: &str) -> String {
        format!("{{\"type\":\"{kind}\",\"payload\":{payload}}}\n")
    }

    fn call() -> GitCall {
        GitCall {
            cwd: "/".into(),
            args: vec!["status".into()],
            env: Vec::new(),
            list: None,
            code: 0,
            stdout: String::new(),
        }
    }

    #[test]
    fn calls_stand_between_the_events_and_work_before_its_report() {
        let first = event("phase_start", "{}") + &event("note", "{}");
        let second = event("worker_call_finished", r#"{"stage":"implement"}"#);
        let third = event("verification", "{}");
        let timeline = format!("{first}{second}{third}");
        let seen = [first.len(), first.len() + second.len(), timeline.len()];
        let steps = steps(&timeline, &BTreeSet::from(seen), &[(first.len(), call())]).unwrap();
        let kinds: Vec<&str> = steps
            .iter()
            .map(|step| match step {
                Step::Work(0) => "work",
                Step::Work(_) => "more work",
                Step::Check => "check",
                Step::Append(_) => "append",
                Step::Git(_) => "git",
            })
            .collect();
        assert_eq!(
            kinds,
            ["append", "git", "work", "append", "check", "append"]
        );
    }
}
