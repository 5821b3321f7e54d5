//! The one step that speaks with another machine.

use runr_core::{Code, Error, Result};

use super::branch::Branch;
use crate::harness::git::Git;
use crate::host::Host;

/// How the user's git gets at the other machine.
const ACCESS: [&str; 4] = [
    "GIT_SSH_COMMAND",
    "GIT_SSH",
    "GIT_SSH_VARIANT",
    "GIT_ASKPASS",
];

/// Where git would push the branch to; else `origin`, else the only remote.
///
/// # Errors
/// `E_USAGE` if that names none.
pub(super) fn of(git: &Git, branch: &Branch) -> Result<String> {
    let reference = branch.reference();
    let named = git.run(&["for-each-ref", "--format=%(push:remotename)", &reference])?;
    let all = git.run(&["remote"])?;
    let all: Vec<&str> = all.lines().collect();
    chosen(named.trim(), &all)
        .map(str::to_owned)
        .ok_or_else(|| {
            let name = branch.name();
            Error::new(Code::Usage, format!("there is no remote to push {name} to"))
                .hint(format!("git config branch.{name}.pushRemote <remote>"))
        })
}

/// A branch that follows another one of this repository names `.`.
fn chosen<'a>(named: &'a str, all: &[&'a str]) -> Option<&'a str> {
    match (named, all) {
        ("" | ".", all) if all.contains(&"origin") => Some("origin"),
        ("" | ".", [only]) => Some(only),
        ("" | ".", _) => None,
        (named, _) => Some(named),
    }
}

/// Pushes the branch, and nothing but what the other side takes without force.
pub(super) fn push(host: &Host, git: &Git, remote: &str, branch: &Branch) -> Result<()> {
    let reference = branch.reference();
    let refspec = format!("{reference}:{reference}");
    let args = [
        "push",
        "--quiet",
        "--no-follow-tags",
        "--recurse-submodules=no",
        "--",
        remote,
        &refspec,
    ];
    // The user's keys and helpers, which may be set for the whole machine, and for this repository:
    // whoever asks for a push asks for the way that leads there.
    let mut env = vec![("GIT_CONFIG_NOSYSTEM", "0"), ("GIT_CONFIG_COUNT", "0")];
    env.extend(
        ACCESS
            .iter()
            .filter_map(|name| Some((*name, host.var(name)?))),
    );
    git.run_with(&args, &env).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_goes_where_git_would_push_it() {
        assert_eq!(chosen("fork", &["fork", "origin"]), Some("fork"));
        assert_eq!(chosen("", &["fork", "origin"]), Some("origin"));
        assert_eq!(chosen(".", &["fork"]), Some("fork"));
        assert_eq!(chosen("", &["fork", "other"]), None);
        assert_eq!(chosen("", &[]), None);
    }
}
