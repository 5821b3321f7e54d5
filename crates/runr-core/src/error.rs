//! One error type, one closed table of codes: exit status, exception class and meaning.
//!
//! Programs match on [`Code`]; people read the message and the hint. The table is the only place
//! where a code meets its exit status; the command line and both bindings read it from here.

use std::fmt;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Map, Value, json};

/// `Result` with the error of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The class of an error: the exception type in Python and the name in Node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// The caller passed something unusable.
    InvalidInput,
    /// The named thing does not exist.
    NotFound,
    /// Refused before acting.
    Refused,
    /// The commands of the repository are not approved.
    Untrusted,
    /// Another run owns the target.
    OwnershipLost,
    /// A lock was not obtained in time.
    LockTimeout,
    /// Reading or writing the store failed.
    StoreError,
    /// Anything else: a bug.
    RunrError,
}

impl Class {
    /// The class name shared by all languages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "InvalidInput",
            Self::NotFound => "NotFound",
            Self::Refused => "Refused",
            Self::Untrusted => "Untrusted",
            Self::OwnershipLost => "OwnershipLost",
            Self::LockTimeout => "LockTimeout",
            Self::StoreError => "StoreError",
            Self::RunrError => "RunrError",
        }
    }
}

macro_rules! codes {
    ($($variant:ident $code:literal $name:literal $exit:literal $class:ident $meaning:literal;)*) => {
        /// A stable error code. The set is closed; codes are added, never renamed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $(#[doc = $meaning] $variant,)* }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as it is printed: `E_...`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The value of the key `error` in the JSON form.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The exit status of a command that fails with this code.
            #[must_use]
            pub const fn exit(self) -> u8 {
                match self { $(Self::$variant => $exit,)* }
            }

            /// The class of this code.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class,)* }
            }
        }
    };
}

codes! {
    Usage "E_USAGE" "usage" 2 InvalidInput "An argument is missing or wrong.";
    InvalidId "E_INVALID_ID" "invalid_id" 2 InvalidInput "An id breaks the rules for ids.";
    RunIdAmbiguous "E_RUN_ID_AMBIGUOUS" "run_id_ambiguous" 2 InvalidInput "A prefix fits several runs.";
    RunRefAmbiguous "E_RUN_REF_AMBIGUOUS" "run_ref_ambiguous" 2 InvalidInput "A name fits several runs.";
    TargetInvalid "E_TARGET_INVALID" "target_invalid" 2 InvalidInput "A claim target cannot be parsed.";
    ConfigInvalid "E_CONFIG_INVALID" "config_invalid" 2 InvalidInput "The configuration is invalid.";
    TaskInvalid "E_TASK_INVALID" "task_invalid" 2 InvalidInput "The front matter of a task file is invalid.";
    RunNotFound "E_RUN_NOT_FOUND" "run_not_found" 4 NotFound "No such run.";
    NoRuns "E_NO_RUNS" "no_runs" 4 NotFound "There is no run yet.";
    ConfigNotFound "E_CONFIG_NOT_FOUND" "config_not_found" 4 NotFound "The repository has no configuration.";
    TaskNotFound "E_TASK_NOT_FOUND" "task_not_found" 4 NotFound "No such task file.";
    WorkerNotFound "E_WORKER_NOT_FOUND" "worker_not_found" 4 NotFound "The binary of a worker is missing.";
    NotARepo "E_NOT_A_REPO" "not_a_git_repo" 4 NotFound "The directory is in no git repository.";
    WorktreeMissing "E_WORKTREE_MISSING" "worktree_missing" 4 NotFound "The worktree of a run is gone.";
    OrchNotFound "E_ORCH_NOT_FOUND" "orchestration_not_found" 4 NotFound "No such orchestration.";
    NoOrch "E_NO_ORCH" "no_orchestrations" 4 NotFound "There is no orchestration yet.";
    RunActive "E_RUN_ACTIVE" "run_active" 3 Refused "The run has a live driver.";
    RunDirExists "E_RUN_DIR_EXISTS" "run_dir_exists" 3 Refused "The run directory's name is taken.";
    ConfigExists "E_CONFIG_EXISTS" "config_exists" 3 Refused "A configuration exists already.";
    WorktreeDirty "E_WORKTREE_DIRTY" "worktree_dirty" 3 Refused "The working tree has uncommitted changes.";
    TreeBusy "E_TREE_BUSY" "tree_busy" 3 Refused "Another live run uses the working tree.";
    Unverified "E_UNVERIFIED" "unverified" 3 Refused "No verification command is configured.";
    GuardViolation "E_GUARD_VIOLATION" "guard_violation" 3 Refused "The preflight guard refused the run.";
    Fingerprint "E_FINGERPRINT" "fingerprint_mismatch" 3 Refused "The environment differs from the run's.";
    GitTooOld "E_GIT_TOO_OLD" "git_too_old" 3 Refused "The command needs a newer git.";
    CallLate "E_CALL_LATE" "call_late" 3 Refused "A reply came after its deadline or after the stop.";
    Untrusted "E_UNTRUSTED" "untrusted" 3 Untrusted "The commands of the repository are not approved.";
    OwnershipLost "E_OWNERSHIP_LOST" "ownership_lost" 3 OwnershipLost "Another run owns the target.";
    LockTimeout "E_LOCK_TIMEOUT" "lock_timeout" 1 LockTimeout "A lock was not obtained in time.";
    StoreCorrupt "E_STORE_CORRUPT" "store_corrupt" 1 StoreError "A document or journal cannot be read.";
    MetaWriteFailed "E_META_WRITE_FAILED" "meta_write_failed" 1 StoreError "A durable write failed; see `stage` and `committed`.";
    MetaShape "E_META_SHAPE" "meta_shape" 1 StoreError "A metadata document has an unusable shape.";
    IndexVersion "E_INDEX_VERSION" "index_version" 1 StoreError "The index has an unknown version.";
    RunPath "E_RUN_PATH" "run_path" 1 StoreError "A run directory is not where it must be.";
    RunBroken "E_RUN_BROKEN" "run_broken" 1 StoreError "The metadata of a run is unusable.";
    RunDirCreateFailed "E_RUN_DIR_CREATE_FAILED" "run_dir_create_failed" 1 StoreError "A run directory cannot be created.";
    RecordSchema "E_RECORD_SCHEMA" "record_schema" 1 StoreError "A claim record has an unknown schema.";
    RecordTargetMismatch "E_RECORD_TARGET_MISMATCH" "record_target_mismatch" 1 StoreError "A claim record names another target.";
    Io "E_IO" "io" 1 StoreError "A system call failed.";
    Internal "E_INTERNAL" "internal" 1 RunrError "A state that must not occur; please report it.";
}

impl Code {
    /// The code with this text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong, where, and what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    message: String,
    path: Option<Utf8PathBuf>,
    operation: Option<String>,
    hint: Option<String>,
    retryable: bool,
    context: Map<String, Value>,
    source: Option<io::Error>,
}

impl Error {
    /// An error with a code and the sentence a person reads first.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            path: None,
            operation: None,
            hint: None,
            retryable: code == Code::LockTimeout,
            context: Map::new(),
            source: None,
        }))
    }

    /// A failed system call: `operation` is a verb (`read`, `rename`), `path` what it was done to.
    #[must_use]
    pub fn io(operation: &str, path: &Utf8Path, source: io::Error) -> Self {
        let mut error = Self::new(Code::Io, format!("cannot {operation} {path}: {source}"))
            .at(path)
            .during(operation);
        error = error
            .with("cause", source.to_string())
            .with("errno", source.raw_os_error());
        error.0.source = Some(source);
        error
    }

    /// A bug, described for the person who will read the report.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// Says the same thing in other words.
    #[must_use]
    pub fn reworded(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    /// Names the file or directory concerned.
    #[must_use]
    pub fn at(mut self, path: impl Into<Utf8PathBuf>) -> Self {
        self.0.path = Some(path.into());
        self
    }

    /// Names the operation that failed.
    #[must_use]
    pub fn during(mut self, operation: impl Into<String>) -> Self {
        self.0.operation = Some(operation.into());
        self
    }

    /// Says what to do next: a command, or an action.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Marks an error that may go away when the call is repeated unchanged.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// Adds a key of context, printed in human and JSON form.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.context.insert(key.to_owned(), value.into());
        self
    }

    /// Keeps the failed system call that lies behind this error.
    #[must_use]
    pub fn caused_by(mut self, source: io::Error) -> Self {
        self.0.source = Some(source);
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The file or directory concerned.
    #[must_use]
    pub fn path(&self) -> Option<&Utf8Path> {
        self.0.path.as_deref()
    }

    /// The operation that failed.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.0.operation.as_deref()
    }

    /// What to do next.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether repeating the call unchanged may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Further keys, in the order they were added.
    #[must_use]
    pub fn context(&self) -> &Map<String, Value> {
        &self.0.context
    }

    /// The failed system call behind this error, if there is one.
    #[must_use]
    pub fn io_source(&self) -> Option<&io::Error> {
        self.0.source.as_ref()
    }

    /// The JSON form, the same from every language:
    /// `{"error", "code", "message", "hint", "path", "operation", "retryable", ...context}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let inner = &self.0;
        let mut out = Map::new();
        out.insert("error".into(), json!(inner.code.name()));
        out.insert("code".into(), json!(inner.code.as_str()));
        out.insert("message".into(), json!(inner.message));
        out.insert("hint".into(), json!(inner.hint));
        out.insert("path".into(), json!(inner.path));
        out.insert("operation".into(), json!(inner.operation));
        out.insert("retryable".into(), json!(inner.retryable));
        for (key, value) in &inner.context {
            out.insert(key.clone(), value.clone());
        }
        Value::Object(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_unique_and_reads_itself_back() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(*code));
            let same_name = Code::ALL.iter().filter(|other| other.name() == code.name());
            assert_eq!(same_name.count(), 1, "{code}");
            assert!((1..=4).contains(&code.exit()), "{code}");
        }
        assert_eq!(Code::parse("E_NOPE"), None);
    }

    #[test]
    fn the_json_form_starts_with_the_four_fixed_keys_and_keeps_context() {
        let error = Error::new(Code::WorktreeDirty, "Worktree is dirty")
            .hint("commit, stash or pass --allow-dirty")
            .with("paths", vec!["a.txt"]);
        let value = error.to_json();
        let keys: Vec<_> = value.as_object().unwrap().keys().take(4).cloned().collect();
        assert_eq!(keys, ["error", "code", "message", "hint"]);
        assert_eq!(value["paths"], json!(["a.txt"]));
        assert_eq!(error.to_string(), "Worktree is dirty");
    }
}
