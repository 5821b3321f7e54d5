//! Git's own directory of a tree, found and read without git: a worker may have rewritten what git
//! would answer by.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::{Error, Result};

use super::baseline::{Print, Prints, print_of, print_of_text, readable};

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
        if link.is_dir() {
            return Ok(Self::main(tree));
        }
        let text =
            std::fs::read_to_string(&link).map_err(|source| Error::io("read", &link, source))?;
        let target = text.trim_end().strip_prefix("gitdir: ").unwrap_or_default();
        let own = tree.join(target);
        let common = std::fs::read_to_string(own.join("commondir")).unwrap_or_default();
        let common = own.join(common.trim_end());
        Ok(Self {
            link,
            common: common.canonicalize_utf8().unwrap_or(common),
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
    pub(crate) fn is_still_of(&self, tree: &Utf8Path) -> bool {
        self.own.join("HEAD").exists() && Self::of(tree).is_ok_and(|now| now == *self)
    }

    /// What is checked out.
    pub(crate) fn head(&self) -> Head {
        let text = std::fs::read_to_string(self.own.join("HEAD")).unwrap_or_default();
        head_of(text.trim_end())
    }

    /// What is gone of what every repository has, and how to go on without it.
    pub(crate) fn missing(&self) -> Option<(String, &'static str)> {
        const RESTORE: &str =
            "git's own directory is gone; restore it from a clone or a backup, then resume";
        const LOST: &str = "the worktree is gone; a resume makes it again at the last checkpoint";
        const CUT: &str = "the worktree is gone as one; move it away, and a resume makes it again";
        if !self.common.join("HEAD").exists() {
            return Some((self.name(&self.common), RESTORE));
        }
        let tree = self.link.parent().filter(|tree| tree.exists());
        let whole = self.own.join("HEAD").exists() && self.link.exists();
        (!whole).then(|| (self.name(&self.link), tree.map_or(LOST, |_| CUT)))
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
        if !self.link.is_dir() {
            rules.insert(self.name(&self.link), print_of(&self.link)?);
        }
        Ok(rules)
    }

    fn rules_in(&self, dir: &Utf8Path) -> Result<Prints> {
        let mut paths: Vec<Utf8PathBuf> = RULES.iter().map(|rule| dir.join(rule)).collect();
        if let Ok(hooks) = dir.join("hooks").read_dir_utf8() {
            paths.extend(hooks.flatten().map(|hook| hook.into_path()));
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
fn rule_print(path: &Utf8Path) -> Result<Print> {
    let is_short = path
        .metadata()
        .is_ok_and(|m| m.is_file() && m.len() <= READ_LIMIT);
    let read = if is_short { readable(path) } else { Ok(None) };
    match read.map_err(|source| Error::io("read", path, source))? {
        Some(bytes) if path.file_name() == Some("config") => {
            let text = String::from_utf8_lossy(&bytes);
            Ok(print_of_text(without_branches(&text).as_bytes()))
        }
        Some(bytes) => Ok(print_of_text(&bytes)),
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
