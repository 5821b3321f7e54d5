//! What the outside world gives: environment, clock, storage, and the wish to stop.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::{CancelFlag, Durability, Storage, create_dirs};
use runr_core::redact::secret_values;
use runr_core::{Clock, Result, Timestamp};

/// The surroundings of a command. Library code takes them from here and from nowhere else.
#[derive(Debug, Clone)]
pub struct Host {
    /// The argv prefix that starts a child runr process.
    pub self_command: Vec<String>,
    /// The user, where the system numbers its users.
    pub user: Option<u32>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// The present directory.
    pub cwd: Utf8PathBuf,
    /// The present time.
    pub clock: Arc<dyn Clock>,
    /// The file system.
    pub storage: Storage,
    /// Set when the user wants to stop.
    pub cancel: CancelFlag,
    /// The signals of this process, where they are ours to hear.
    pub signals: Option<Arc<dyn Signals>>,
}

/// The signals of this process. Only an installed command hears them; a library leaves them to the
/// program around it.
pub trait Signals: std::fmt::Debug + Send + Sync {
    /// From now on they are kept for [`pass_on`](Self::pass_on); none ends this process any more.
    fn keep(&self);

    /// Gives the numbers of those that came since the last time to `to`. Then stops this process, if
    /// one of them asks for that, until it is told to go on.
    fn pass_on(&self, to: &dyn Fn(i32));
}

impl Host {
    /// The surroundings of this process. Variables and directories that are not UTF-8 are left out.
    #[must_use]
    pub fn of_process(self_command: Vec<String>) -> Self {
        let env = std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        let cwd = std::env::current_dir()
            .ok()
            .and_then(|dir| Utf8PathBuf::from_path_buf(dir).ok());
        Self {
            self_command,
            user: user(),
            env: env.collect(),
            cwd: cwd.unwrap_or_else(|| Utf8PathBuf::from(".")),
            clock: Arc::new(SystemClock),
            storage: runr_core::fs::real(),
            cancel: CancelFlag::default(),
            signals: None,
        }
    }

    /// The same surroundings with a wish to stop of their own, below the present one.
    #[must_use]
    pub(crate) fn below(&self) -> Self {
        Self {
            cancel: self.cancel.below(),
            ..self.clone()
        }
    }

    /// Creates a directory of runr's own and its parents, durably.
    ///
    /// # Errors
    /// `E_IO`.
    pub fn make_dirs(&self, path: &Utf8Path) -> Result<()> {
        create_dirs(&self.storage, path, 0o777, Durability::Full).map(drop)
    }

    /// A variable that is set and not empty.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The values of variables whose names say that they are secret.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let variables = self.env.iter();
        secret_values(variables.map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// The directory of runr's own user-level settings.
    #[must_use]
    pub fn config_dir(&self) -> Option<Utf8PathBuf> {
        let home = self.var("HOME").map(Utf8PathBuf::from);
        if let Some(dir) = self.var("RUNR_CONFIG_DIR") {
            return Some(dir.into());
        }
        if cfg!(target_os = "macos") {
            return home.map(|home| home.join("Library/Preferences/runr"));
        }
        // A relative value is ignored, as the XDG base directory rules ask.
        let xdg = self
            .var("XDG_CONFIG_HOME")
            .map(Utf8PathBuf::from)
            .filter(|dir| dir.is_absolute());
        xdg.or_else(|| home.map(|home| home.join(".config")))
            .map(|dir| dir.join("runr"))
    }
}

#[cfg(unix)]
fn user() -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}

#[cfg(not(unix))]
fn user() -> Option<u32> {
    None
}

/// The clock of the system.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // Before 1970 there were no runs.
        let millis = since.map_or(0, |elapsed| elapsed.as_millis());
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}
