//! Where runr works: git, the tree, and the directory it writes to.

use runr_core::fs::{Document, Lock, Wait};
use runr_core::phase::owned::{IGNORED_BY_INIT, is_own_output};
use runr_core::phase::scope::{ScopePolicy, ScopeRules};

use super::{Finding, Level, Subject, found};
use crate::harness::Git;
use crate::merge::Version;

pub(super) fn git(subject: &Subject<'_>) -> Finding {
    let Some(layout) = &subject.layout else {
        return found(Level::Fail, "not inside a git repository").fix("git init");
    };
    let text = match Git::new(&layout.repo_root).run(&["--version"]) {
        Ok(text) => text.trim().to_owned(),
        Err(error) => return found(Level::Fail, error.to_string()),
    };
    let version = |major, minor| Version { major, minor };
    match Version::parse(&text) {
        Some(present) if present < version(2, 20) => {
            found(Level::Fail, format!("{text}: 2.20 is needed"))
        }
        Some(present) if present < version(2, 40) => found(
            Level::Warn,
            format!("{text}: moving commits to another branch needs 2.40"),
        ),
        _ => found(Level::Ok, text),
    }
}

pub(super) fn tree(subject: &Subject<'_>) -> Finding {
    let Some(layout) = &subject.layout else {
        return found(Level::Skip, "no repository");
    };
    if !subject.trusted {
        // Looking at a tree runs git, and git runs what its repository configures.
        return found(Level::Skip, "not looked at before `runr trust`");
    }
    match Git::new(&layout.repo_root).status() {
        Err(error) => found(Level::Fail, error.to_string()),
        Ok(status) => {
            let own = |path: &&String| path.starts_with(".runr/") || is_own_output(path);
            let changed = status.changed.iter().filter(|path| !own(path));
            let noise = noise(subject);
            let is_noise = |path: &&String| noise.as_ref().is_some_and(|it| it.is_noise(path));
            let (noise, dirty): (Vec<_>, Vec<_>) = changed.partition(is_noise);
            let besides = match noise.len() {
                0 => String::new(),
                n => format!("; files of tools, which do not count: {n}"),
            };
            match dirty.len() {
                0 => found(Level::Ok, format!("clean{besides}")),
                n => found(Level::Warn, format!("{n} uncommitted changes{besides}"))
                    .fix("commit or stash them, or use --worktree"),
            }
        }
    }
}

/// What tells the files of tools from those of people.
fn noise(subject: &Subject<'_>) -> Option<ScopeRules> {
    let scope = &subject.config.as_ref()?.scope;
    let policy = ScopePolicy {
        env_allowlist: scope.env_allowlist.clone(),
        ..ScopePolicy::default()
    };
    ScopeRules::new(&policy).ok()
}

pub(super) fn ignore(subject: &Subject<'_>) -> Finding {
    let Some(layout) = &subject.layout else {
        return found(Level::Skip, "no repository");
    };
    let git = Git::new(&layout.repo_root);
    let ignored = |line: &&&str| {
        let path = line.trim_end_matches('/');
        // The trailing slash matters: these patterns match directories, whether they exist or not.
        let asked = if line.ends_with('/') {
            format!("{path}/x")
        } else {
            path.to_owned()
        };
        git.succeeds(&["check-ignore", "--quiet", "--no-index", &asked])
            .unwrap_or(false)
    };
    let missing: Vec<&str> = IGNORED_BY_INIT
        .iter()
        .filter(|line| !ignored(line))
        .copied()
        .collect();
    if missing.is_empty() {
        return found(Level::Ok, "runtime files are ignored");
    }
    found(Level::Warn, format!("not ignored: {}", missing.join(", "))).fix("runr doctor --fix")
}

pub(super) fn storage(subject: &Subject<'_>) -> Finding {
    let Some(layout) = &subject.layout else {
        return found(Level::Skip, "no repository");
    };
    // Only where runr has written before: a check must not create anything else.
    let dir = layout.repo_root.join(".runr");
    if !dir.is_dir() {
        return found(Level::Skip, "nothing stored yet");
    }
    // A place of its own, so that nothing is left behind.
    let place = dir.join(format!(".doctor-{}", std::process::id()));
    let storage = &subject.host.storage;
    let result = subject.host.make_dirs(&place).and_then(|()| {
        Document::new(storage.clone(), &place, "probe").replace("{}\n")?;
        Lock::acquire(storage, &place, ".lock", Wait::No).map(drop)
    });
    drop(std::fs::remove_dir_all(&place));
    match result {
        Ok(()) => found(Level::Ok, format!("{dir} is writable, and locks work")),
        Err(error) => found(Level::Fail, error.to_string()),
    }
}
