//! Short questions to a program: the answer in memory, within a time.
//!
//! For what is asked before there is a run to keep a log in. Whatever is left of the program, in its
//! process group or elsewhere, is ended when the time is over or the answer is there.

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use runr_core::fs::CancelFlag;
use rustix::process::{Pid, Signal};

use super::orphans::QuestionMark;
use super::process::End;
use crate::ownership::CLAIM_VARIABLES;
use crate::processes::{exit_code, signal_group, wait_unreaped};

/// How much of an answer is kept; the rest is read and forgotten.
const KEPT: usize = 256 * 1024;
/// How long the last words may take once the program has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);
const SLICE: Duration = Duration::from_millis(25);

/// A program and what it is asked.
pub(crate) struct Question<'a> {
    pub(crate) program: &'a Utf8Path,
    pub(crate) args: &'a [String],
    pub(crate) cwd: &'a Utf8Path,
    pub(crate) input: &'a str,
    pub(crate) limit: Duration,
}

/// What a program said, and how it ended.
pub(crate) struct Said {
    pub(crate) end: End,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Question<'_> {
    /// Starts the program, sends the input, and waits for the end, the limit or a cancel.
    pub(crate) fn ask(&self, cancel: &CancelFlag) -> io::Result<Said> {
        use std::os::unix::process::CommandExt;

        let mut command = Command::new(self.program);
        for name in CLAIM_VARIABLES {
            command.env_remove(name);
        }
        let mark = QuestionMark::new();
        mark.set_on(&mut command);
        let mut child = command
            .args(self.args)
            .current_dir(self.cwd)
            .env_remove("RUNR_DETACHED_LOG")
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let pid = Pid::from_child(&child);
        if let Some(mut stdin) = child.stdin.take() {
            let input = self.input.to_owned();
            // A program that ends without reading closes the pipe; that is its own business.
            std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        }
        let stdout = child.stdout.take().map(Stream::of);
        let stderr = child.stderr.take().map(Stream::of);
        let end = wait(pid, self.limit, cancel);
        // The leader is not reaped yet, so its number cannot mean another group.
        signal_group(pid, Signal::KILL);
        mark.end_all();
        let status = child.wait()?;
        let text = |stream: Option<Stream>| stream.map(Stream::text).unwrap_or_default();
        Ok(Said {
            end: end.unwrap_or(End::Exited(exit_code(status))),
            stdout: text(stdout),
            stderr: text(stderr),
        })
    }
}

/// Waits for the end of a program; a value when it did not come by itself.
fn wait(pid: Pid, limit: Duration, cancel: &CancelFlag) -> Option<End> {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let exited = wait_unreaped(pid);
        // The receiver may be gone after the limit; the group is killed all the same.
        let _told = done.send(exited);
    });
    let deadline = Instant::now() + limit;
    loop {
        match ended.recv_timeout(SLICE) {
            Ok(_) | Err(mpsc::RecvTimeoutError::Disconnected) => return None,
            Err(mpsc::RecvTimeoutError::Timeout) if cancel.is_cancelled() => {
                return Some(End::Cancelled);
            }
            Err(mpsc::RecvTimeoutError::Timeout) if Instant::now() >= deadline => {
                return Some(End::TimedOut);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
    }
}

/// One output of a program, read as it comes so that the program never waits for its reader.
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    end: mpsc::Receiver<()>,
}

impl Stream {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let (send, end) = mpsc::channel();
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        std::thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                let mut bytes = shared.lock().unwrap_or_else(PoisonError::into_inner);
                let room = KEPT.saturating_sub(bytes.len());
                bytes.extend_from_slice(&chunk[..count.min(room)]);
            }
            // Nobody may be listening any more.
            let _told = send.send(());
        });
        Self { bytes, end }
    }

    /// What came. A process that left the group may hold the pipe open for ever; it is not waited
    /// for.
    fn text(self) -> String {
        let _ended = self.end.recv_timeout(LAST_WORDS);
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
