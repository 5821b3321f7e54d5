//! What a tree shows, as opposed to what a worker says: the facts the scope guard judges.

mod disturbed;
mod manifest;

use std::collections::{BTreeSet, HashMap, HashSet};

use camino::Utf8Path;
use runr_core::mutant::without;
use runr_core::phase::owned::{
    check_owned_paths, is_init_gitignore_change, is_own_output, is_protected,
};
use runr_core::phase::rules::{ForeignPackages, Inspection};
use runr_core::phase::scope::ScopeRules;
use runr_core::{Error, Result};

use super::baseline::{Baseline, Prints, print_of, prints, readable};
use super::git::{Git, Touched, TreeStatus};
use super::index::OwnIndex;
use crate::presence;
use disturbed::{DISTURBED, disturbed};

/// A `.gitignore` above this size is not looked into.
const IGNORE_FILE_LIMIT: u64 = 1024 * 1024;

/// The rules a tree is judged by.
pub(crate) struct Guard {
    pub(crate) scope: ScopeRules,
    pub(crate) env_allowlist: Vec<String>,
    pub(crate) owns: Vec<String>,
    /// The packages that manifests may change in, if not in all.
    pub(crate) packages: Option<Vec<String>>,
}

impl Guard {
    pub(crate) fn new(
        scope: ScopeRules,
        env_allowlist: Vec<String>,
        owns: Vec<String>,
        packages: Option<Vec<String>>,
    ) -> Self {
        Self {
            scope,
            env_allowlist,
            owns,
            packages,
        }
    }

    /// Whether a file that no diff shows must be watched. A name with a slash at its end is a
    /// repository of its own, whose files git does not tell.
    fn is_guarded(&self, path: &str) -> bool {
        let name = path.trim_end_matches('/');
        if without("ignored-files") || is_own_output(name) || self.scope.is_noise(name) {
            return false;
        }
        let inside = path.ends_with('/') && self.scope.is_denied(&format!("{name}/any"));
        is_protected(name) || self.scope.is_denied(name) || inside
    }

    /// What differs, or is there, and is not judged: noise, and what git ignores. What runr itself
    /// writes is no change.
    pub(crate) fn left_out<'a>(&self, seen: &'a Seen) -> Vec<&'a String> {
        let ignored = seen.status.ignored.iter();
        let unwatched = ignored.filter(|path| !is_own_output(path) && !self.is_guarded(path));
        let noise = seen.verdict.scope.env_touched.iter();
        noise.chain(unwatched).collect()
    }

    /// The prints of everything that must not change unseen.
    pub(crate) fn guarded_prints(&self, tree: &Utf8Path, status: &TreeStatus) -> Result<Prints> {
        let all = status.ignored.iter().chain(&status.changed);
        prints(tree, all.filter(|path| self.is_guarded(path)))
    }

    /// The prints of the user's own uncommitted changes.
    pub(crate) fn dirty_prints(&self, tree: &Utf8Path, status: &TreeStatus) -> Result<Prints> {
        let own = |path: &&String| !is_own_output(path) && !self.scope.is_noise(path);
        prints(tree, status.changed.iter().filter(own))
    }
}

/// A tree as it was looked at, with the verdict.
pub(crate) struct Seen {
    pub(crate) status: TreeStatus,
    pub(crate) verdict: Inspection,
    /// What a checkpoint stages: exactly what was judged.
    pub(crate) to_commit: Vec<String>,
}

impl Seen {
    /// A tree that git cannot tell about, because of what was done to its own files.
    fn blind(guard: &Guard, protected: Vec<String>, why: Option<String>) -> Self {
        Self {
            status: TreeStatus::default(),
            verdict: Inspection {
                scope: guard.scope.check(&[]),
                protected,
                owned: None,
                foreign: ForeignPackages::default(),
                history: why,
            },
            to_commit: Vec::new(),
        }
    }

    /// Whether git could not tell about the tree.
    pub(crate) fn is_blind(&self) -> bool {
        self.status.head.is_empty()
    }
}

/// Looks at the tree and judges everything that differs from `expected_head`.
pub(crate) fn inspect(
    git: &Git,
    guard: &Guard,
    baseline: &Baseline,
    index: &OwnIndex,
    expected_head: &str,
) -> Result<Seen> {
    if let Some((name, why)) = index.git_dir().missing()? {
        return Ok(Seen::blind(guard, vec![name], Some(why.to_owned())));
    }
    let account = baseline.account.changed()?;
    if !account.is_empty() {
        // Whatever they name now would run with the next look.
        let why = "the settings of git of your account were changed; look at them, then resume";
        return Ok(Seen::blind(guard, account, Some(why.to_owned())));
    }
    let mut tampered = baseline.changed_rules(&index.git_dir().rules()?);
    let git = &git.for_rules(!tampered.is_empty());
    tampered.extend(index.is_forged()?.then(|| index.name()));
    match look(git, guard, baseline, index, expected_head) {
        Ok(mut seen) => {
            seen.verdict.protected.extend(tampered);
            Ok(seen)
        }
        Err(_) if !tampered.is_empty() => Ok(Seen::blind(guard, tampered, None)),
        Err(error) => Err(error),
    }
}

fn look(
    git: &Git,
    guard: &Guard,
    baseline: &Baseline,
    index: &OwnIndex,
    expected_head: &str,
) -> Result<Seen> {
    let mut status = git.status()?;
    if index.may_hold_more()? {
        status.absorb(git.with_index_of_tree().status()?);
    }
    let (committed, history) = committed_since(git, &status, expected_head)?;
    let sorted = sort_out(git, guard, baseline, &status, committed, expected_head)?;
    let replaced = (!sorted.links.is_empty())
        .then_some("a directory was replaced by a symbolic link")
        .or(sorted.disturbed.then_some(DISTURBED))
        .map(str::to_owned);
    let scope = guard.scope.check(&sorted.judged);
    let foreign = manifest::foreign_packages(git, guard, expected_head, &scope.semantic_changed)?;
    let owned = (!guard.owns.is_empty() && !without("owned-paths"))
        .then(|| check_owned_paths(&sorted.judged, &guard.owns, Some(&guard.env_allowlist)))
        .transpose()?;
    let own_work = |path: &&String| !baseline.dirty.contains_key(*path);
    let to_commit = scope.semantic_changed.iter().filter(own_work);
    Ok(Seen {
        to_commit: to_commit.cloned().collect(),
        verdict: Inspection {
            scope,
            protected: [sorted.protected, Vec::from_iter(sorted.links)].concat(),
            owned,
            foreign,
            history: history.or(replaced),
        },
        status,
    })
}

/// What differs, by how it is judged.
#[derive(Default)]
struct Sorted {
    /// By the scope rules.
    judged: Vec<String>,
    /// Not at all: it must not differ.
    protected: Vec<String>,
    /// Links that stand where a directory was: nothing behind them is in the tree.
    links: BTreeSet<String>,
    /// Whether the user's uncommitted work is among what is protected.
    disturbed: bool,
}

fn sort_out(
    git: &Git,
    guard: &Guard,
    baseline: &Baseline,
    status: &TreeStatus,
    committed: Touched,
    expected_head: &str,
) -> Result<Sorted> {
    let tree = git.dir();
    let mut sorted = Sorted::default();
    let mut links = Links::default();
    let in_history: HashSet<&str> = committed.paths.iter().map(String::as_str).collect();
    let unchanged = |known: &Prints, path: &str| match known.get(path) {
        None => Ok(false),
        Some(print) => print_of(&tree.join(path)).map(|now| now == *print),
    };
    for path in &status.changed {
        if in_history.contains(path.trim_end_matches('/')) {
            continue; // Judged below, without excuses.
        }
        if is_own_output(path) || is_noise_of_init(git, path, expected_head)? {
            continue;
        }
        let link = links
            .above(tree, path)?
            .filter(|_| !guard.scope.is_noise(path) && !without("links-above"));
        if let Some(link) = link {
            if !unchanged(&baseline.dirty, link)? {
                sorted.links.insert(link.to_owned());
            }
        } else if path.ends_with('/')
            || path.contains('\u{FFFD}')
            || status.repositories.contains(path)
        {
            // A repository inside the repository, or a name that cannot be told: its content
            // cannot be judged.
            sorted.protected.push(path.clone());
        } else if is_protected(path) {
            if !unchanged(&baseline.guarded, path)? {
                sorted.protected.push(path.clone());
            }
        } else if !baseline.dirty.contains_key(path) && !is_copy(baseline, path) {
            sorted.judged.push(path.clone());
        }
    }
    let disturbed = disturbed(git, baseline, &in_history, expected_head)?;
    sorted.disturbed = !disturbed.is_empty();
    sorted.protected.extend(disturbed);
    for path in committed.paths {
        // What stands in a commit is published: noise and runr's own names are no excuse there.
        if let Some(link) = links.above(tree, &path)? {
            sorted.links.insert(link.to_owned());
        }
        let excluded = is_own_output(&path) || is_protected(&path) || guard.scope.is_noise(&path);
        if excluded || is_copy(baseline, &path) || committed.repositories.contains(&path) {
            sorted.protected.push(path);
        } else {
            sorted.judged.push(path);
        }
    }
    let listed: HashSet<&String> = sorted.judged.iter().chain(&sorted.protected).collect();
    let now = guard.guarded_prints(tree, status)?;
    let differs = |path: &String| baseline.guarded.get(path) != now.get(path);
    let watched = now.keys().chain(baseline.guarded.keys());
    let mut unseen = Vec::new();
    for path in watched.filter(|path| differs(path) && !listed.contains(path)) {
        if !is_back(tree, path, baseline)? {
            unseen.push(path.clone());
        }
    }
    unseen.sort();
    unseen.dedup();
    sorted.protected.extend(unseen);
    Ok(sorted)
}

/// Whether a file was copied into the worktree, such as one with secrets that git ignored then.
fn is_copy(baseline: &Baseline, path: &str) -> bool {
    baseline.copied.contains(path) && !without("copies-kept-out")
}

/// The directories above changed paths, and which of them are links: each is looked at once.
#[derive(Default)]
struct Links {
    known: HashMap<String, Option<String>>,
}

impl Links {
    /// The uppermost link among the directories above `path`.
    fn above(&mut self, tree: &Utf8Path, path: &str) -> Result<Option<&str>> {
        let Some((dir, _)) = path.trim_end_matches('/').rsplit_once('/') else {
            return Ok(None);
        };
        if !self.known.contains_key(dir) {
            let mut found = self.above(tree, dir)?.map(str::to_owned);
            if found.is_none() {
                let metadata = presence::link_metadata(&tree.join(dir))?;
                let is_link = metadata.is_some_and(|it| it.is_symlink());
                found = is_link.then(|| dir.to_owned());
            }
            self.known.insert(dir.to_owned(), found);
        }
        Ok(self.known.get(dir).and_then(Option::as_deref))
    }
}

/// Whether a watched file that git lists no more is as it was: a tracked one that was put back.
fn is_back(tree: &Utf8Path, path: &str, baseline: &Baseline) -> Result<bool> {
    match baseline.guarded.get(path) {
        Some(known) => Ok(print_of(&tree.join(path))? == *known),
        None => Ok(false),
    }
}

fn committed_since(
    git: &Git,
    status: &TreeStatus,
    expected: &str,
) -> Result<(Touched, Option<String>)> {
    if status.head == expected || without("committed-range") {
        return Ok((Touched::default(), None));
    }
    let touched = git.touched_between(expected, &status.head)?;
    let history = if git.is_ancestor(expected, &status.head)? {
        None
    } else {
        let short = expected.get(..7).unwrap_or(expected);
        Some(format!(
            "the history was rewritten: {short} is no longer part of it"
        ))
    };
    Ok((touched, history))
}

/// Whether `path` is `.gitignore` and nothing but the lines of `init` were added since `head`.
pub(crate) fn is_noise_of_init(git: &Git, path: &str, head: &str) -> Result<bool> {
    if path != ".gitignore" {
        return Ok(false);
    }
    let file = git.dir().join(path);
    let plain = |m: &std::fs::Metadata| m.is_file() && m.len() <= IGNORE_FILE_LIMIT;
    if presence::link_metadata(&file)?.filter(plain).is_none() {
        return Ok(false);
    }
    let now = readable(&file).map_err(|source| Error::io("read", &file, source))?;
    let Some(now) = now.and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return Ok(false);
    };
    // Absent before: then every line must be one of ours.
    let before = git
        .run(&["show", &format!("{head}:{path}")])
        .unwrap_or_default();
    Ok(is_init_gitignore_change(&before, &now))
}
