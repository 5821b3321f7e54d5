//! In whose name commits are made.

use runr_core::Result;

use super::Git;

const NOBODY: [(&str, &str); 4] = [
    ("GIT_AUTHOR_NAME", "runr"),
    ("GIT_AUTHOR_EMAIL", "runr@localhost"),
    ("GIT_COMMITTER_NAME", "runr"),
    ("GIT_COMMITTER_EMAIL", "runr@localhost"),
];

impl Git {
    /// Runs a committing command as the user git knows, else as runr. Git is told not to make a
    /// name up, so it says when it knows none. An author in `env` is the author all the same.
    pub(crate) fn run_as_user(&self, args: &[&str], env: &[(&str, &str)]) -> Result<String> {
        let strict = [&["-c", "user.useConfigOnly=true"], args].concat();
        match self.run_with(&strict, env) {
            Err(error) if nobody(&error.to_string()) => {
                self.run_with(args, &[&NOBODY, env].concat())
            }
            other => other,
        }
    }
}

fn nobody(words: &str) -> bool {
    words.contains("auto-detection is disabled") || words.contains("empty ident name")
}
