//! From a child's pipe to its log: secrets are blanked on the way, in bounded memory.
//!
//! A thread of the driver reads until the pipe ends. It may never end: a child of the child that got
//! away still holds it. So when everything that counts has ended, the reader is told, takes what is in
//! the pipe, and leaves.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::thread::JoinHandle;

use runr_core::fs::{File, write_all};
use runr_core::mutant::without;
use runr_core::redact::{Redactor, Stream};
use rustix::event::{PollFd, PollFlags, poll};
use sha2::{Digest, Sha256};

use super::log::Log;

/// How much is read at once, and how much the pipe holds if the system allows it.
const BUFFER: usize = 256 * 1024;

/// A log in the making.
#[derive(Debug)]
pub(super) struct Capture {
    reader: JoinHandle<io::Result<String>>,
    /// Closed to tell the reader that nobody it waits for writes any more.
    over: PipeWriter,
}

impl Capture {
    /// Begins to fill the log; the child writes to the pipe.
    pub(super) fn start(log: Log, redactor: &Redactor) -> io::Result<(Self, PipeWriter)> {
        let log = Filling::new(log, redactor);
        let (data, child) = io::pipe()?;
        let (told, over) = io::pipe()?;
        // A smaller pipe is slower and nothing else.
        let _size = rustix::pipe::fcntl_setpipe_size(&data, BUFFER);
        let reader = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || log.keep(data, &told))?;
        Ok((Self { reader, over }, child))
    }

    /// Ends the log; the SHA-256 of what came into it.
    pub(super) fn end(self) -> io::Result<String> {
        drop(self.over);
        let kept = self.reader.join();
        kept.unwrap_or_else(|_| Err(io::Error::other("the reader of the output panicked")))
    }
}

struct Filling {
    file: Box<dyn File>,
    hasher: Sha256,
    stream: Stream,
    /// Why the rest of the output is lost. It is read all the same: the child must not wait.
    failed: io::Result<()>,
}

impl Filling {
    fn new(log: Log, redactor: &Redactor) -> Self {
        let off = Redactor::off();
        let redactor = if without("redact-logs") {
            &off
        } else {
            redactor
        };
        Self {
            file: log.file,
            hasher: Sha256::new(),
            stream: redactor.stream(),
            failed: Ok(()),
        }
    }

    /// Reads until the pipe ends, or until the reader is told that it should.
    fn keep(mut self, mut data: PipeReader, told: &PipeReader) -> io::Result<String> {
        let (mut buffer, mut clean) = (vec![0; BUFFER], Vec::new());
        while wait(&data, told)? {
            match data.read(&mut buffer) {
                Ok(0) => return self.close(&mut clean),
                Ok(n) => self.take(&buffer[..n], &mut clean),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // No more than what is there now: whoever still writes would never let us go.
        let mut left = rustix::io::ioctl_fionread(&data)?;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
            let n = data.read(&mut buffer[..most])?;
            if n == 0 {
                break;
            }
            self.take(&buffer[..n], &mut clean);
            left -= n as u64;
        }
        self.close(&mut clean)
    }

    fn take(&mut self, bytes: &[u8], clean: &mut Vec<u8>) {
        self.stream.push(bytes, clean);
        self.write(clean);
    }

    fn write(&mut self, clean: &mut Vec<u8>) {
        if self.failed.is_ok() {
            self.hasher.update(&clean);
            self.failed = write_all(self.file.as_mut(), clean);
        }
        clean.clear();
    }

    fn close(mut self, clean: &mut Vec<u8>) -> io::Result<String> {
        std::mem::replace(&mut self.stream, Redactor::off().stream()).finish(clean);
        self.write(clean);
        self.failed?;
        Ok(crate::harness::hex(&self.hasher.finalize()))
    }
}

/// Waits for output; `false` when there is none to wait for.
fn wait(data: &PipeReader, told: &PipeReader) -> io::Result<bool> {
    let mut both = [
        PollFd::new(data, PollFlags::IN),
        PollFd::new(told, PollFlags::IN),
    ];
    loop {
        match poll(&mut both, None) {
            Ok(_) => return Ok(both[1].revents().is_empty()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn start(dir: &tempfile::TempDir) -> (Capture, PipeWriter) {
        let run_dir = camino::Utf8Path::from_path(dir.path()).unwrap();
        let log = Log::fresh(run_dir, "log").unwrap();
        Capture::start(log, &Redactor::default()).unwrap()
    }

    fn kept(dir: &tempfile::TempDir) -> Vec<u8> {
        std::fs::read(dir.path().join("log")).unwrap()
    }

    #[test]
    fn a_secret_that_is_printed_in_two_pieces_never_reaches_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let (capture, mut pipe) = start(&dir);
        pipe.write_all(b"a glpat-ABCdefGHI").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        pipe.write_all(b"jklMNOpqrST b\nlast").unwrap();
        drop(pipe);
        let sum = capture.end().unwrap();
        let kept = kept(&dir);
        assert_eq!(kept, b"a [REDACTED] b\nlast");
        assert_eq!(sum, crate::harness::hex(&Sha256::digest(&kept)));
    }

    #[test]
    fn whoever_holds_the_pipe_open_does_not_hold_up_its_reader() {
        let dir = tempfile::tempdir().unwrap();
        let (capture, mut pipe) = start(&dir);
        pipe.write_all(b"all of it").unwrap();
        let writer = pipe.try_clone().unwrap();
        // One that writes without end is no better.
        let flood = std::thread::spawn(move || while pipe.write_all(&[b'x'; 4096]).is_ok() {});
        capture.end().unwrap();
        drop(writer);
        flood.join().unwrap();
        assert!(kept(&dir).starts_with(b"all of it"));
    }
}
