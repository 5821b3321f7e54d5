//! Talking to a git whose words are many.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::atomic::Ordering;

use runr_core::mutant::without;
use runr_core::{Error, Result};

use super::Git;

/// So much of git's output is in memory at once.
const PIECE: usize = 64 * 1024;

/// For commands that only read: what is not in the repository is not fetched into it, as whoever is
/// asked for it could be a program of the repository's choice.
const STAY_HERE: [(&str, &str); 2] = [("GIT_NO_LAZY_FETCH", "1"), ("GIT_ALLOW_PROTOCOL", "none")];

impl Git {
    /// Runs git and passes its output on, piece by piece.
    ///
    /// # Errors
    /// `E_IO` when git fails, or `take`.
    pub(crate) fn stream(
        &self,
        args: &[&str],
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<()> {
        let failed = |source| Error::io("read from git in", self.dir(), source);
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut command = self.command(args)?;
        match &self.held {
            Some(lock) => command.stdin(lock.try_clone().map_err(failed)?),
            None => command.stdin(Stdio::null()),
        };
        // A full pipe of complaints must not block the other one.
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(failed)?;
        self.watch.begin(&child);
        let mut copied = Ok(());
        if let Some(mut stdout) = child.stdout.take() {
            let mut piece = vec![0; PIECE];
            while let Some(length) = next(&mut stdout, &mut piece).transpose() {
                copied = length.and_then(|length| take(&piece[..length]));
                if copied.is_err() {
                    break;
                }
            }
        }
        if copied.is_err() {
            // Nobody listens any more.
            drop(child.kill());
        }
        let status = child.wait().map_err(failed);
        self.watch.end();
        copied.map_err(failed)?;
        let status = status?;
        if status.success() {
            return Ok(());
        }
        let verb = args.first().copied().unwrap_or("git");
        let words = format!("git {verb} ended with {status}");
        Err(failed(io::Error::other(words)))
    }

    /// Runs git and returns the first `limit` bytes of its output; what it says beyond them is not
    /// waited for. A git that fails before has shown nothing.
    ///
    /// # Errors
    /// `E_IO` when git fails.
    pub(crate) fn run_capped(&self, args: &[&str], limit: usize) -> Result<String> {
        let mut bytes = Vec::new();
        let told = self.stream(args, |piece| {
            bytes.extend_from_slice(&piece[..piece.len().min(limit - bytes.len())]);
            if bytes.len() < limit {
                return Ok(());
            }
            Err(io::Error::other("that is enough"))
        });
        if bytes.len() < limit && !without("whole-change") {
            told?;
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Runs git with `words` as its standard input: a command line takes only so many.
    ///
    /// # Errors
    /// `E_IO` when git fails.
    pub(crate) fn run_told(
        &self,
        args: &[&str],
        words: &str,
        env: &[(&str, &str)],
    ) -> Result<String> {
        let failed = |source| Error::io("talk to git in", self.dir(), source);
        let (listens, mut speaks) = io::pipe().map_err(failed)?;
        let output = std::thread::scope(|scope| {
            // A git that does not listen to the end has failed, and says so itself.
            scope.spawn(move || speaks.write_all(words.as_bytes()));
            self.output(args, Some(File::from(OwnedFd::from(listens))), env)
        })?;
        self.checked(args, output)
    }

    /// Asks git about objects, a line for each, without fetching any of them.
    ///
    /// # Errors
    /// `E_IO` when git fails.
    pub(crate) fn ask_of_objects(&self, questions: &str) -> Result<String> {
        let failed = |source| Error::io("ask git in", self.dir(), source);
        self.calls.fetch_add(1, Ordering::Relaxed);
        let args = ["cat-file", "--batch-check=%(objectname) %(objecttype)"];
        let mut child = self
            .command(&args)?
            .envs(STAY_HERE.iter().filter(|_| !without("no-fetch")).copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let stdin = child.stdin.take();
        let answer = std::thread::scope(|scope| {
            // It answers while it is asked; neither of the two may wait for the other.
            scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(questions.as_bytes())));
            child.wait_with_output()
        });
        let output = answer.map_err(failed)?;
        self.checked(&args, output)
    }
}

/// How much was read next; `None` at the end.
fn next(from: &mut impl Read, piece: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match from.read(piece) {
            Ok(0) => return Ok(None),
            Ok(length) => return Ok(Some(length)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
