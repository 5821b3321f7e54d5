//! Git's own directory of a tree, found and read without git: a worker may have rewritten what git
//! would answer by.

use std::io::ErrorKind;

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::{Error, Result};
use rustix::io::Errno;

use super::baseline::{Print, Prints, print_of, print_of_text, readable};
use crate::presence;

/// What decides which changes git shows and what it runs, in each of its directories.
const RULES: [&str; 7] = [
    "config",
    "config.worktree",
    "commondir",
    "info/exclude",
    "info/attributes",
    "info/sparse-checkout",
    "info/grafts",
];
/// A settings file above this size is told by its size and times.
const READ_LIMIT: u64 = 1024 * 1024;

/// What the HEAD of a tree names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Head {
    Branch(String),
    Detached,
    /// Only git can tell.
    Unknown,
}

/// Where git keeps what belongs to one working tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GitDir {
    /// The `.git` of the tree: the directory, or a file that names it.
    link: Utf8PathBuf,
    /// HEAD, index and settings of this tree alone.
    own: Utf8PathBuf,
    /// What all trees of the repository share.
    common: Utf8PathBuf,
}

impl GitDir {
    /// The git directory that the `.git` of `tree` is, or names.
    pub(crate) fn of(tree: &Utf8Path) -> Result<Self> {
        let link = tree.join(".git");
        if presence::is_dir(&link)? {
            return Ok(Self::main(tree));
        }
        let text =
            std::fs::read_to_string(&link).map_err(|source| Error::io("read", &link, source))?;
        let target = text.trim_end().strip_prefix("gitdir: ").unwrap_or_default();
        let own = tree.join(target);
        let common = presence::text(&own.join("commondir"))?.unwrap_or_default();
        let common = own.join(common.trim_end());
        let real = presence::if_there(common.canonicalize_utf8())
            .map_err(|source| Error::io("resolve", &common, source))?;
        Ok(Self {
            link,
            common: real.unwrap_or(common),
            own,
        })
    }

    /// That of a tree whose `.git` is the directory itself.
    pub(crate) fn main(tree: &Utf8Path) -> Self {
        let dir = tree.join(".git");
        Self {
            link: dir.clone(),
            own: dir.clone(),
            common: dir,
        }
    }

    /// What all trees of the repository share.
    pub(crate) fn common(&self) -> &Utf8Path {
        &self.common
    }

    /// The index that people and workers see.
    pub(crate) fn index(&self) -> Utf8PathBuf {
        self.own.join("index")
    }

    /// Whether this is still where the `.git` of `tree` leads: then git takes `tree` for the top of a
    /// working tree, and this for its directory.
    pub(crate) fn is_still_of(&self, tree: &Utf8Path) -> Result<bool> {
        let whole = has_head(&self.own)? && presence::exists(&self.link)?;
        Ok(whole && Self::of(tree)? == *self)
    }

    /// What is checked out.
    pub(crate) fn head(&self) -> Result<Head> {
        let text = presence::text(&self.own.join("HEAD"))?.unwrap_or_default();
        Ok(head_of(text.trim_end()))
    }

    /// What is gone of what every repository has, and how to go on without it.
    pub(crate) fn missing(&self) -> Result<Option<(String, &'static str)>> {
        const RESTORE: &str =
            "git's own directory is gone; restore it from a clone or a backup, then resume";
        const LOST: &str = "the worktree is gone; a resume makes it again at the last checkpoint";
        const CUT: &str = "the worktree is gone as one; move it away, and a resume makes it again";
        if !has_head(&self.common)? {
            return Ok(Some((self.name(&self.common), RESTORE)));
        }
        if has_head(&self.own)? && presence::exists(&self.link)? {
            return Ok(None);
        }
        let tree = self.link.parent().map_or(Ok(false), presence::exists)?;
        Ok(Some((self.name(&self.link), if tree { CUT } else { LOST })))
    }

    /// The prints of everything git goes by, under the names a violation uses.
    pub(crate) fn rules(&self) -> Result<Prints> {
        let mut rules = self.rules_in(&self.common)?;
        rules.append(&mut self.own_rules()?);
        Ok(rules)
    }

    /// Those that came with the tree alone.
    pub(crate) fn own_rules(&self) -> Result<Prints> {
        let mut rules = Prints::new();
        if self.own != self.common {
            rules = self.rules_in(&self.own)?;
        }
        if !presence::is_dir(&self.link)? {
            rules.insert(self.name(&self.link), print_of(&self.link)?);
        }
        Ok(rules)
    }

    fn rules_in(&self, dir: &Utf8Path) -> Result<Prints> {
        let mut paths: Vec<Utf8PathBuf> = RULES.iter().map(|rule| dir.join(rule)).collect();
        let hooks = dir.join("hooks");
        let failed = |source| Error::io("read", &hooks, source);
        let found = presence::if_there(hooks.read_dir_utf8()).map_err(failed)?;
        for hook in found.into_iter().flatten() {
            match hook {
                Ok(hook) => paths.push(hook.into_path()),
                // No name that git looks for.
                Err(problem) if problem.kind() == ErrorKind::InvalidData => {}
                Err(problem) => return Err(failed(problem)),
            }
        }
        let print = |path: &Utf8PathBuf| Ok((self.name(path), rule_print(path)?));
        let mut prints: Prints = paths.iter().map(print).collect::<Result<_>>()?;
        prints.retain(|_, print| print.is_some());
        Ok(prints)
    }

    /// A path as seen from the main checkout.
    fn name(&self, path: &Utf8Path) -> String {
        let main = self.common.parent().unwrap_or(&self.common);
        path.strip_prefix(main).unwrap_or(path).to_string()
    }
}

fn has_head(git_dir: &Utf8Path) -> Result<bool> {
    presence::exists(&git_dir.join("HEAD"))
}

fn head_of(text: &str) -> Head {
    let is_id = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    match text.strip_prefix("ref: refs/heads/") {
        // What stands there where branches are kept in tables.
        Some(".invalid") | None if !is_id => Head::Unknown,
        Some(branch) => Head::Branch(branch.to_owned()),
        None => Head::Detached,
    }
}

/// The print of a rule: of what stands in it, also behind a link.
pub(super) fn rule_print(path: &Utf8Path) -> Result<Print> {
    let failed = |source| Error::io("read", path, source);
    let found = match path.metadata() {
        // A link that leads to itself is told by what it is, as one that leads nowhere.
        Err(problem) if problem.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => None,
        found => presence::if_there(found).map_err(failed)?,
    };
    let Some(found) = found.filter(|m| m.is_file() && m.len() <= READ_LIMIT) else {
        return print_of(path);
    };
    match readable(path).map_err(failed)? {
        Some(bytes) if path.file_name() == Some("config") => {
            let text = String::from_utf8_lossy(&bytes);
            Ok(print_of_text(without_branches(&text).as_bytes(), &found))
        }
        Some(bytes) => Ok(print_of_text(&bytes, &found)),
        None => print_of(path),
    }
}

/// Settings without the sections of single branches, where git and editors note what a branch tracks:
/// they decide nothing about a tree. A line that could open another section is always kept.
fn without_branches(config: &str) -> String {
    let mut kept = String::new();
    let mut in_branch = false;
    for line in config.lines() {
        let words = line.trim();
        if words.contains('[') {
            let plain = words.matches(['[', ']']).count() == 2;
            in_branch = plain && words.starts_with("[branch \"") && words.ends_with("\"]");
        }
        if !in_branch {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_names_a_branch_or_a_commit_or_git_must_be_asked() {
        let branch = Head::Branch("runr/2026".to_owned());
        assert_eq!(head_of("ref: refs/heads/runr/2026"), branch);
        assert_eq!(
            head_of(&"0123456789abcdef0123"[..20].repeat(2)),
            Head::Detached
        );
        for other in ["", "ref: refs/heads/.invalid", "ref: refs/tags/x", "0123"] {
            assert_eq!(head_of(other), Head::Unknown, "{other}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_something_else() {
        let dir = tempfile::tempdir().unwrap();
        let base = Utf8Path::from_path(dir.path()).unwrap();
        let (common, own, tree) = (base.join("c"), base.join("c/worktrees/w"), base.join("w"));
        std::fs::create_dir_all(common.join("hooks")).unwrap();
        std::fs::create_dir_all(&own).unwrap();
        std::fs::create_dir(&tree).unwrap();
        std::fs::write(tree.join(".git"), format!("gitdir: {own}\n")).unwrap();
        std::fs::write(common.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        std::fs::write(own.join("HEAD"), "ref: refs/heads/w\n").unwrap();
        std::fs::write(own.join("commondir"), "../..\n").unwrap();
        let loops = |path: &Utf8Path| {
            drop(std::fs::remove_file(path).or_else(|_| std::fs::remove_dir(path)));
            std::os::unix::fs::symlink(path.file_name().unwrap(), path).unwrap();
        };
        let found = GitDir::of(&tree).unwrap();
        assert_eq!(found.common, common.canonicalize_utf8().unwrap());
        assert!(found.is_still_of(&tree).unwrap() && found.missing().unwrap().is_none());
        loops(&common.join("hooks/loop"));
        assert!(!found.rules().unwrap().is_empty());

        std::fs::remove_file(common.join("hooks/loop")).unwrap();
        loops(&common.join("hooks"));
        found.rules().unwrap_err();
        loops(&own.join("commondir"));
        GitDir::of(&tree).unwrap_err();
        found.is_still_of(&tree).unwrap_err();
        loops(&own.join("HEAD"));
        found.missing().unwrap_err();
        found.head().unwrap_err();
    }

    #[test]
    fn only_sections_of_single_branches_are_left_out() {
        let plain = "[core]\n\tbare = false\n[remote \"o\"]\n\turl = u\n";
        let noted =
            "[core]\n\tbare = false\n[branch \"a/b\"]\n\tmerge = m\n[remote \"o\"]\n\turl = u\n";
        assert_eq!(without_branches(noted), plain);
        for hidden in [
            "[branch \"a\"] [core]\nfileMode = false\n",
            "[branch \"a\"]\n[core]\nfileMode = false\n",
            "[branch \"a\"]\nmerge = m [core]\nfileMode = false\n",
            "[branch \"a\"] [core] x = [branch \"b\"]\nfileMode = false\n",
            "[branch]\nautoSetupMerge = always\n",
        ] {
            let last = hidden.lines().last().unwrap();
            assert!(without_branches(hidden).contains(last), "{hidden}");
        }
    }
}
