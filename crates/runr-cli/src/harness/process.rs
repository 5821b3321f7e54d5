//! Child processes that cannot outlive their record.
//!
//! A child starts in its own process group behind a gate: it waits for one line on standard input
//! before it becomes the real program. Its identity is journalled while it waits, so whatever does
//! work is known to the timeline, and a driver that dies early leaves nothing running: the gate
//! sees the end of its input and goes.
//!
//! What a child prints reaches its log by way of the driver, which blanks the secrets in it: see
//! [`capture`].

mod capture;
mod log;

use std::fs::File;
use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use runr_core::fs::CancelFlag;
use runr_core::mutant::without;
use runr_core::phase::event::ProcessIdentity;
use runr_core::redact::Redactor;
use rustix::process::{Pid, Signal};

use self::capture::Capture;
pub(crate) use self::log::{Log, open_plain};
use super::orphans::{MARK, has_environment};
use crate::ownership::CLAIM_VARIABLES;
use crate::processes::{
    boot_id, exit_code, is_running, members, pid_of, signal_group, stat_of, wait_unreaped,
};

/// How long a group may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);
/// How often a wait looks at the cancel flag.
const SLICE: Duration = Duration::from_millis(25);
/// The line that opens the gate.
const GO: &[u8] = b"go\n";

/// What to start, and where its output goes.
pub(crate) struct Spec<'a> {
    pub(crate) what: What<'a>,
    pub(crate) cwd: &'a Utf8Path,
    pub(crate) env: &'a [(String, String)],
    pub(crate) stdout: Log,
    /// Where standard error goes; absent: into the same file.
    pub(crate) stderr: Option<Log>,
    /// What no log may hold.
    pub(crate) redactor: &'a Redactor,
}

/// A program that reads its prompt from standard input, or a command line for the shell.
#[derive(Clone, Copy)]
pub(crate) enum What<'a> {
    Program(&'a [String]),
    Command(&'a String),
}

/// A child that waits behind the gate.
pub(crate) struct Gated {
    child: Child,
    stdin: ChildStdin,
    stdout: Capture,
    stderr: Option<Capture>,
    pub(crate) identity: ProcessIdentity,
}

/// How a child ended, and what its log holds.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) end: End,
    /// SHA-256 of what came into the log of standard output.
    pub(crate) sha256: String,
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Exited(i32),
    TimedOut,
    Cancelled,
}

/// Starts a child up to its gate.
pub(crate) fn spawn(spec: Spec<'_>) -> io::Result<Gated> {
    use std::os::unix::process::CommandExt;

    // A program takes over the gate's process; a command line is run by the gate's own shell.
    const PROGRAM: &str = r#"IFS= read -r go || exit 125; exec "$@""#;
    const COMMAND: &str =
        r#"IFS= read -r go || exit 125; exec </dev/null; go=$1; set --; eval "$go""#;
    let (stdout, out) = Capture::start(spec.stdout, spec.redactor)?;
    // One pipe for both keeps the order in which they were written.
    let (stderr, err) = match spec.stderr {
        Some(log) => Capture::start(log, spec.redactor).map(|(log, pipe)| (Some(log), pipe))?,
        None => (None, out.try_clone()?),
    };
    let (script, words) = match spec.what {
        What::Program(argv) => (PROGRAM, argv),
        What::Command(command) => (COMMAND, std::slice::from_ref(command)),
    };
    let mut command = Command::new("/bin/sh");
    // A run without a claim passes none on.
    for name in CLAIM_VARIABLES {
        command.env_remove(name);
    }
    let mut child = command
        .args(["-c", script, "runr-gate"])
        .args(words)
        .current_dir(spec.cwd)
        // Of this process alone; a runr or a git below must not take them for its own.
        .env_remove("RUNR_DETACHED_LOG")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .envs(spec.env.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::piped())
        .stdout(out)
        .stderr(err)
        .process_group(0)
        .spawn()?;
    let identity = identity_of(child.id())?;
    match child.stdin.take() {
        Some(stdin) => Ok(Gated {
            child,
            stdin,
            stdout,
            stderr,
            identity,
        }),
        None => Err(io::Error::other("the child has no standard input")),
    }
}

/// A file that is not there yet, for its owner alone.
pub(crate) fn private_file(path: &Utf8Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
}

impl Gated {
    /// Opens the gate, sends `input`, and waits for the end, the deadline or a cancel. Whatever is
    /// left of the process group is killed before this returns, and all it printed is in the log.
    pub(crate) fn run(
        self,
        input: &str,
        deadline: Instant,
        cancel: &CancelFlag,
    ) -> io::Result<Ended> {
        let Self {
            mut child,
            mut stdin,
            stdout,
            stderr,
            ..
        } = self;
        let pid = Pid::from_child(&child);
        let input = input.to_owned();
        // A child that does not read must not block the driver: the pipe is fed beside the wait.
        let feeder = std::thread::spawn(move || {
            // A child that ends without reading closes the pipe; that is its own business.
            let _sent = stdin
                .write_all(GO)
                .and_then(|()| stdin.write_all(input.as_bytes()));
        });
        let (done, ended) = mpsc::channel();
        let waiter = std::thread::spawn(move || {
            let exited = wait_unreaped(pid);
            // The receiver may be gone after a timeout; the group is killed all the same.
            let _told = done.send(());
            exited
        });
        let verdict = loop {
            match ended.recv_timeout(SLICE) {
                Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => break None,
                Err(mpsc::RecvTimeoutError::Timeout) if cancel.is_cancelled() => {
                    break Some(End::Cancelled);
                }
                Err(mpsc::RecvTimeoutError::Timeout) if Instant::now() >= deadline => {
                    break Some(End::TimedOut);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
        };
        if verdict.is_some() && !without("whole-group") {
            signal_group(pid, Signal::TERM);
            // Gone or not after the grace period, SIGKILL follows.
            let _gone = ended.recv_timeout(GRACE);
        }
        // The leader is not reaped yet, so its number cannot mean another group.
        if without("whole-group") {
            // Gone or not, the wait tells.
            let _gone = rustix::process::kill_process(pid, Signal::KILL);
        } else {
            signal_group(pid, Signal::KILL);
        }
        let status = child.wait()?;
        drop(waiter.join());
        // Not waited for: a child of the child may hold the pipe open for ever.
        drop(feeder);
        stderr.map_or(Ok(String::new()), Capture::end)?;
        Ok(Ended {
            end: verdict.unwrap_or(End::Exited(exit_code(status))),
            sha256: stdout.end()?,
        })
    }

    /// Ends a child that must not start after all.
    pub(crate) fn abandon(mut self) {
        drop(self.stdin);
        // The gate exits by itself; a failed wait leaves at most a zombie until this process ends.
        let _status = self.child.wait();
    }
}

/// The identity of a process of this boot.
pub(crate) fn identity_of(pid: u32) -> io::Result<ProcessIdentity> {
    Ok(ProcessIdentity {
        pid,
        start: stat_of(pid)?.map_or(0, |stat| stat.start),
        boot_id: boot_id()?,
    })
}

/// Ends what is left of a dead driver's child: the group whose leader is still the same process, or
/// whose members carry the run's mark in their environment. Waits until it is gone. An error means
/// that nobody knows.
pub(crate) fn kill_group_of(identity: &ProcessIdentity, run_dir: &Utf8Path) -> io::Result<bool> {
    if identity.boot_id != boot_id()? {
        return Ok(false);
    }
    let Some(pid) = pid_of(identity.pid) else {
        return Ok(false);
    };
    let marker = format!("{MARK}={run_dir}");
    let ours = || -> io::Result<bool> {
        for member in members(identity.pid)? {
            let is_leader = member == identity.pid && is_running(member, identity.start);
            if is_leader || has_environment(member, &marker)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    if !ours()? {
        return Ok(false);
    }
    signal_group(pid, Signal::KILL);
    let deadline = Instant::now() + Duration::from_secs(10);
    while ours()? {
        if Instant::now() > deadline {
            return Err(io::Error::other(format!(
                "process group {} does not end",
                identity.pid
            )));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(true)
}

/// The first `limit` bytes of a log as text.
pub(crate) fn head_of(path: &Utf8Path, limit: u64) -> String {
    let mut bytes = Vec::new();
    let read = open_plain(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    match read {
        Ok(_) => text_of(bytes),
        Err(problem) => format!("(the log cannot be read: {problem})"),
    }
}

/// The last `limit` bytes of a log as text.
pub(crate) fn tail_of(path: &Utf8Path, limit: u64) -> io::Result<String> {
    use std::io::Seek;
    let mut file = open_plain(path)?;
    let length = file.metadata()?.len();
    if length > limit {
        file.seek(io::SeekFrom::Start(length - limit))?;
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(text_of(bytes))
}

/// Takes the bytes as they are where they are text: a copy of a long output is dear.
fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
