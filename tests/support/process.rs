//! Children with a deadline: nothing a test starts may outlive it or hang it.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;

/// No single command of a test takes longer, unless it says so.
const LIMIT: Duration = Duration::from_secs(60);

/// Whether a process still does anything. One that has ended stays in the process table until its
/// parent has asked for it; an orphan's new parent may take its time.
pub(crate) fn is_alive(pid: Pid) -> bool {
    if rustix::process::test_kill_process(pid).is_err() {
        return false;
    }
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    // The state follows the name, which is in parentheses and may hold anything.
    let state = stat.ok().and_then(|stat| {
        stat.rsplit_once(") ")
            .map(|(_, rest)| rest.starts_with('Z'))
    });
    state != Some(true)
}

/// A command line with an environment that starts empty.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    cwd: PathBuf,
    stdin: Input,
    limit: Duration,
}

#[derive(Debug, Clone)]
enum Input {
    Nothing,
    Text(String),
    /// A pipe that stays open, and silent unless something is said.
    Silence,
}

/// What a finished child left behind.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// Exit status; none when a signal ended the child.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
    shown: String,
}

/// A child in the background; dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdout: Stream,
    stderr: Stream,
    started: Instant,
    limit: Duration,
    shown: String,
    stdin: Option<std::process::ChildStdin>,
}

impl Command {
    pub(crate) fn new(program: impl Into<PathBuf>, cwd: &Path) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: cwd.to_owned(),
            stdin: Input::Nothing,
            limit: LIMIT,
        }
    }

    pub(crate) fn args<S: AsRef<str>>(mut self, args: &[S]) -> Self {
        self.args
            .extend(args.iter().map(|arg| OsString::from(arg.as_ref())));
        self
    }

    /// Lets another program start this one: `strace`, `prlimit`, `unshare`.
    pub(crate) fn under<S: AsRef<str>>(mut self, wrapper: &[S]) -> Self {
        let mut words: Vec<OsString> = wrapper.iter().map(|word| word.as_ref().into()).collect();
        words.push(self.program.into());
        words.append(&mut self.args);
        self.program = words.remove(0).into();
        self.args = words;
        self
    }

    /// Sets a variable; the last value of a name counts.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    pub(crate) fn cwd(mut self, cwd: impl Into<PathBuf>) -> Self {
        self.cwd = cwd.into();
        self
    }

    pub(crate) fn stdin(mut self, text: &str) -> Self {
        self.stdin = Input::Text(text.to_owned());
        self
    }

    /// Gives a standard input on which nothing comes unless [`Running::say`] says it.
    pub(crate) fn silent_stdin(mut self) -> Self {
        self.stdin = Input::Silence;
        self
    }

    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs to the end.
    pub(crate) fn output(self) -> Output {
        self.spawn().wait()
    }

    /// Starts in a process group of its own, as a shell starts a job.
    pub(crate) fn spawn(self) -> Running {
        let shown = format!("{} {:?}", self.program.display(), self.args);
        let mut command = std::process::Command::new(&self.program);
        command
            .args(&self.args)
            .current_dir(&self.cwd)
            .env_clear()
            .envs(self.env.iter().cloned())
            .stdin(if matches!(self.stdin, Input::Nothing) {
                Stdio::null()
            } else {
                Stdio::piped()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{shown}: {error}"));
        let mut stdin = child.stdin.take();
        if let (Input::Text(text), Some(pipe)) = (&self.stdin, stdin.as_mut()) {
            // A child that does not read its input may have gone already; its exit status tells.
            pipe.write_all(text.as_bytes()).ok();
            stdin = None;
        }
        Running {
            stdout: Stream::collect(child.stdout.take().unwrap()),
            stderr: Stream::collect(child.stderr.take().unwrap()),
            child,
            started: Instant::now(),
            limit: self.limit,
            shown,
            stdin,
        }
    }
}

/// One output stream, read as it comes so that the child never waits for us.
#[derive(Debug)]
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    end: mpsc::Receiver<()>,
}

impl Stream {
    fn collect(mut pipe: impl Read + Send + 'static) -> Self {
        let (send, end) = mpsc::channel();
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                shared.lock().unwrap().extend_from_slice(&chunk[..count]);
            }
            send.send(()).ok();
        });
        Self { bytes, end }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }
}

impl Running {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal to this process alone, not to its children.
    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// Writes to the standard input of a child that was started with
    /// [`silent_stdin`](Command::silent_stdin).
    pub(crate) fn say(&mut self, text: &str) {
        let pipe = self.stdin.as_mut().unwrap();
        pipe.write_all(text.as_bytes()).unwrap();
    }

    /// Ends the standard input.
    pub(crate) fn end_input(&mut self) {
        self.stdin = None;
    }

    /// What the child has printed on stdout until now.
    pub(crate) fn stdout_so_far(&self) -> String {
        self.stdout.so_far()
    }

    /// Whether the process has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end of the process and of its output; panics after the limit.
    pub(crate) fn wait(mut self) -> Output {
        let deadline = self.started + self.limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() >= deadline {
                self.child.kill().ok();
                let (stdout, stderr) = (self.stdout.so_far(), self.stderr.so_far());
                panic!(
                    "{}: still running after {:?}\nstdout: {stdout}\nstderr: {stderr}",
                    self.shown, self.limit
                );
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let took = self.started.elapsed();
        let text = |stream: &Stream, name: &str| {
            let left = deadline.saturating_duration_since(Instant::now());
            let ended = stream.end.recv_timeout(left).is_ok();
            assert!(
                ended,
                "{}: ended, but a child of it holds its {name} open",
                self.shown
            );
            stream.so_far()
        };
        Output {
            code: status.code(),
            stdout: text(&self.stdout, "stdout"),
            stderr: text(&self.stderr, "stderr"),
            took,
            shown: self.shown.clone(),
        }
    }

    /// Sends a signal to this process and the children in its group.
    pub(crate) fn signal_all(&self, signal: Signal) {
        rustix::process::kill_process_group(self.pid(), signal).unwrap();
    }

    /// Ends the process at once, as a power cut would, and reaps it.
    pub(crate) fn kill(mut self) {
        self.child.kill().ok();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

impl Output {
    /// Checks the exit status; shows everything when it is another.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "exit status of {self}");
        self
    }

    /// The one JSON document on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("stdout is not one JSON document ({error}): {self}"),
        }
    }

    /// The JSON document of a one-shot command: pretty, two spaces, one newline.
    #[track_caller]
    pub(crate) fn pretty_json(&self) -> Value {
        let value = self.json();
        let expected = format!("{}\n", serde_json::to_string_pretty(&value).unwrap());
        assert_eq!(self.stdout, expected, "not one pretty document: {self}");
        value
    }

    /// The JSON document of `run` and `call`: one compact line.
    #[track_caller]
    pub(crate) fn json_line(&self) -> Value {
        let value = self.json();
        assert_eq!(
            self.stdout,
            format!("{value}\n"),
            "not one compact line: {self}"
        );
        value
    }

    /// Checks the human form of an error: `Error: <text>` is a line of stderr, stdout is silent.
    #[track_caller]
    pub(crate) fn says(&self, error: &str) -> &Self {
        assert!(
            self.stderr.lines().any(|line| line == error),
            "no line `{error}` in {self}"
        );
        self
    }

    /// Checks the JSON form of an error and returns it.
    #[track_caller]
    pub(crate) fn error_json(&self, code: &str, name: &str) -> Value {
        let value = self.json();
        assert_eq!(value["code"], code, "{self}");
        assert_eq!(value["error"], name, "{self}");
        assert!(
            value["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{self}"
        );
        assert!(
            value["hint"].is_string() || value.get("hint") == Some(&Value::Null),
            "{self}"
        );
        value
    }

    /// Everything printed, for words that may stand on either stream.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            code,
            stdout,
            stderr,
            took,
            shown,
        } = self;
        write!(
            f,
            "{shown}\nexit: {code:?} after {took:?}\nstdout: {stdout}\nstderr: {stderr}"
        )
    }
}
