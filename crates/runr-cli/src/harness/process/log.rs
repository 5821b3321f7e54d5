//! The files that take what children print, and how they are read again.
//!
//! Agents know the directory of the run. Before a log is begun they may have put anything under its
//! name: the answer that the next worker is to give, a link to a file of the user's, a pipe that
//! nobody reads. So a log is a file that was not there before, or a plain one that is gone on with,
//! and no directory on the way there is a link.

use std::fs;
use std::io;

use camino::Utf8Path;
use runr_core::fs::{Dir, File, Open, real};
use runr_core::mutant::without;
use rustix::fs::{Mode, OFlags};

/// A log that is open for writing.
#[derive(Debug)]
pub(crate) struct Log {
    /// Relative to the run directory, as the timeline names it.
    pub(crate) name: String,
    pub(super) file: Box<dyn File>,
}

impl Log {
    /// A log of its own. A name that is taken, be it by a killed attempt, is left to what has it: the
    /// log gets the next one.
    pub(crate) fn fresh(run_dir: &Utf8Path, name: &str) -> io::Result<Self> {
        Self::open(run_dir, name, without("fresh-log"))
    }

    /// Goes on with a log that several commands share.
    pub(crate) fn continued(run_dir: &Utf8Path, name: &str) -> io::Result<Self> {
        Self::open(run_dir, name, true)
    }

    /// Takes the place of what has the name, and removes that.
    pub(crate) fn instead(run_dir: &Utf8Path, name: &str) -> io::Result<Self> {
        let path = Utf8Path::new(name);
        let dir = directory(run_dir, path.parent().unwrap_or(Utf8Path::new("")))?;
        let file_name = path.file_name().unwrap_or_default();
        // What cannot be removed is in the way of the next call.
        drop(dir.unlink(file_name));
        Ok(Self {
            name: name.to_owned(),
            file: dir.open(file_name, Open::CreateNew(0o600))?,
        })
    }

    fn open(run_dir: &Utf8Path, name: &str, goes_on: bool) -> io::Result<Self> {
        let path = Utf8Path::new(name);
        let dir = directory(run_dir, path.parent().unwrap_or(Utf8Path::new("")))?;
        let mut path = path.to_owned();
        let mut number = 1;
        loop {
            let file_name = path.file_name().unwrap_or_default();
            let opened = match dir.open(file_name, Open::CreateNew(0o600)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    goes_on.then(|| plain(dir.as_ref(), file_name)).flatten()
                }
                made => Some(made?),
            };
            if let Some(file) = opened {
                let name = path.into_string();
                return Ok(Self { name, file });
            }
            number += 1;
            path = numbered(name, number);
        }
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `m01-a1-tier0-1.log` is followed by `m01-a1-tier0-1.2.log`.
fn numbered(name: &str, number: u32) -> camino::Utf8PathBuf {
    let path = Utf8Path::new(name);
    let ending = path.extension().unwrap_or("log");
    path.with_extension(format!("{number}.{ending}"))
}

/// Opens a directory below that of the run, and makes what is missing.
fn directory(run_dir: &Utf8Path, below: &Utf8Path) -> io::Result<Box<dyn Dir>> {
    let mut dir = real().open_dir(run_dir)?;
    for name in below.iter() {
        match dir.create_dir(name, 0o777) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => dir = dir.open_dir(name)?,
        }
    }
    Ok(dir)
}

/// A file that has no other name, where it may be anybody's.
fn plain(dir: &dyn Dir, name: &str) -> Option<Box<dyn File>> {
    let file = dir.open(name, Open::Append).ok()?;
    let stat = file.stat().and_then(|stat| stat.regular()).ok()?;
    (stat.links == 1 || without("plain-log")).then_some(file)
}

/// Opens a log for reading. Nobody waits for what is not a file, and no link is followed.
pub(crate) fn open_plain(path: &Utf8Path) -> io::Result<fs::File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = fs::File::from(rustix::fs::open(path.as_str(), flags, Mode::empty())?);
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    let problem = "not a regular file";
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn name(log: io::Result<Log>) -> String {
        log.unwrap().name
    }

    #[test]
    fn a_fresh_log_takes_no_name_that_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        fs::create_dir_all(dir.join("logs/x/a.2.log")).unwrap();
        fs::write(dir.join("logs/x/a.log"), "planted").unwrap();
        symlink("nowhere", dir.join("logs/x/a.3.log")).unwrap();
        assert_eq!(name(Log::fresh(dir, "logs/x/a.log")), "logs/x/a.4.log");
        assert_eq!(name(Log::fresh(dir, "logs/y/b.log")), "logs/y/b.log");
        assert_eq!(fs::read(dir.join("logs/x/a.log")).unwrap(), b"planted");
        assert!(!dir.join("logs/x/nowhere").exists());
    }

    #[test]
    fn a_log_goes_on_in_a_plain_file_alone() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        assert_eq!(name(Log::continued(dir, "a.log")), "a.log");
        assert_eq!(name(Log::continued(dir, "a.log")), "a.log");
        fs::hard_link(dir.join("a.log"), dir.join("b.log")).unwrap();
        symlink("a.log", dir.join("c.log")).unwrap();
        let pipe = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.join("d.log").as_str(),
            pipe,
            Mode::RUSR,
            0,
        )
        .unwrap();
        for planted in ["b", "c", "d"] {
            let log = Log::continued(dir, &format!("{planted}.log"));
            assert_eq!(name(log), format!("{planted}.2.log"));
        }
        assert!(open_plain(&dir.join("c.log")).is_err());
        assert!(open_plain(&dir.join("d.log")).is_err());
    }

    #[test]
    fn no_log_is_made_behind_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        fs::create_dir(dir.join("elsewhere")).unwrap();
        symlink("elsewhere", dir.join("logs")).unwrap();
        assert!(Log::fresh(dir, "logs/a.log").is_err());
        assert!(Log::fresh(dir, "logs/below/a.log").is_err());
        assert_eq!(fs::read_dir(dir.join("elsewhere")).unwrap().count(), 0);
    }
}
