//! The one place that writes to the user: results on standard output, everything else on standard
//! error. A closed pipe ends the output quietly; any other failure is remembered for the exit code.

pub(crate) mod events;

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runr_core::Error;
pub(crate) use runr_core::printable;
use runr_core::redact::Redactor;
use serde::Serialize;
use serde_json::Value;

type Sink = Arc<Mutex<Box<dyn Write + Send>>>;

/// Where a command prints.
#[derive(Clone)]
pub struct Console {
    out: Sink,
    err: Sink,
    failed: Arc<Mutex<Option<ErrorKind>>>,
    color: bool,
    /// What no error may show.
    secrets: Arc<Vec<String>>,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

fn open<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in another thread does not make a writer unusable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Console {
    /// Prints to these writers.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        let sink = |writer| Arc::new(Mutex::new(writer));
        Self {
            out: sink(out),
            err: sink(err),
            failed: Arc::default(),
            color: false,
            secrets: Arc::default(),
        }
    }

    /// Prints to the standard streams of this process.
    #[must_use]
    pub fn standard() -> Self {
        Self::new(Box::new(io::stdout()), Box::new(io::stderr()))
    }

    pub(crate) fn with_color(mut self, color: bool) -> Self {
        self.color = color;
        self
    }

    /// Also keeps these values out of errors, beside what looks like a secret.
    pub(crate) fn hiding(mut self, secrets: Vec<String>) -> Self {
        self.secrets = Arc::new(secrets);
        self
    }

    fn write(&self, sink: &Sink, text: &str) {
        let mut writer = open(sink);
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match writer.write(rest) {
                Ok(n) => rest = &rest[n..],
                // A host's non-blocking stream is full for a moment.
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                Err(e) => return self.note(e.kind()),
            }
        }
        if let Err(e) = writer.flush() {
            self.note(e.kind());
        }
    }

    fn note(&self, kind: ErrorKind) {
        if kind != ErrorKind::BrokenPipe {
            open(&self.failed).get_or_insert(kind);
        }
    }

    /// Whether a result could not be written, other than into a closed pipe.
    pub(crate) fn has_failed(&self) -> bool {
        open(&self.failed).is_some()
    }

    /// A line of the result.
    pub(crate) fn line(&self, text: &str) {
        self.write(&self.out, &format!("{text}\n"));
    }

    /// A sentence for people.
    pub(crate) fn say(&self, text: &str) {
        self.write(&self.err, &format!("{text}\n"));
    }

    /// A pretty document.
    pub(crate) fn json(&self, value: &impl Serialize) {
        self.whole_line(serde_json::to_string_pretty(value));
    }

    /// A compact line.
    pub(crate) fn json_line(&self, value: &impl Serialize) {
        self.whole_line(serde_json::to_string(value));
    }

    /// The line feed goes out with the text, which may be long.
    fn whole_line(&self, text: serde_json::Result<String>) {
        match text {
            Ok(mut text) => {
                text.push('\n');
                self.write(&self.out, &text);
            }
            Err(_) => self.note(ErrorKind::InvalidData),
        }
    }

    /// An error in the form for people.
    pub(crate) fn error(&self, error: &Error) {
        let label = if self.color {
            "\u{1b}[1;31mError:\u{1b}[0m"
        } else {
            "Error:"
        };
        let text = Redactor::new(&self.secrets).text(&human(error));
        self.say(&format!("{label} {text}"));
    }

    /// An error in the form for programs. What names something stays as it is.
    pub(crate) fn error_json(&self, error: &Error) {
        let is_name = |key: &str| ["error", "code", "path"].contains(&key);
        let mut value = error.to_json();
        Redactor::new(&self.secrets).value(&mut value, &is_name);
        self.json(&value);
    }
}

/// The text after `Error:`: the message, context as indented lines, then the hint.
fn human(error: &Error) -> String {
    let mut text = printable(&error.to_string());
    if let Some(path) = error.path().filter(|path| !text.contains(path.as_str())) {
        text.push_str(&format!("\n  path: {}", printable(path.as_str())));
    }
    for (key, value) in error.context() {
        match value {
            Value::Null => {}
            Value::Array(items) if items.is_empty() => text.push_str(&format!("\n  {key}: None")),
            Value::Array(items) => {
                text.push_str(&format!("\n  {key}:"));
                for item in items {
                    text.push_str(&format!("\n    {}", plain(item)));
                }
            }
            value => text.push_str(&format!("\n  {key}: {}", plain(value))),
        }
    }
    if let Some(hint) = error.hint_text() {
        text.push_str(&format!("\n  hint: {}", printable(hint)));
    }
    text
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runr_core::Code;

    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_failure_and_a_full_disk_is() {
        for (kind, failed) in [
            (ErrorKind::BrokenPipe, false),
            (ErrorKind::StorageFull, true),
        ] {
            let console = Console::new(Box::new(Failing(kind)), Box::new(io::sink()));
            console.line("x");
            assert_eq!(console.has_failed(), failed, "{kind:?}");
        }
    }

    #[test]
    fn an_error_shows_context_and_hint_and_no_terminal_sequences() {
        let error = Error::new(Code::WorktreeDirty, "Worktree is dirty")
            .with("files", vec!["a\u{1b}[31m"])
            .hint("commit");
        assert_eq!(
            human(&error),
            "Worktree is dirty\n  files:\n    a\\u{1b}[31m\n  hint: commit"
        );
    }
}
