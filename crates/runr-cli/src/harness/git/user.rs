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
        as_user(args, env, |args, env| self.run_with(args, env))
    }

    /// The same with `words` as standard input.
    pub(crate) fn run_as_user_told(
        &self,
        args: &[&str],
        words: &str,
        env: &[(&str, &str)],
    ) -> Result<String> {
        as_user(args, env, |args, env| self.run_told(args, words, env))
    }
}

fn as_user(
    args: &[&str],
    env: &[(&str, &str)],
    run: impl Fn(&[&str], &[(&str, &str)]) -> Result<String>,
) -> Result<String> {
    let strict = [&["-c", "user.useConfigOnly=true"], args].concat();
    match run(&strict, env) {
        Err(error) if nobody(&error.to_string()) => run(args, &[&NOBODY, env].concat()),
        other => other,
    }
}

fn nobody(words: &str) -> bool {
    words.contains("auto-detection is disabled") || words.contains("empty ident name")
}
