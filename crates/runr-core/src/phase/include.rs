//! Which files of the main checkout come into a fresh worktree.
//!
//! `.worktreeinclude` holds patterns as `.gitignore` does: one per line, `#` begins a comment, a
//! pattern without a slash counts in every directory, one with a slash from the top, a slash at the
//! end means a directory, `!` takes back, and the last pattern that fits decides. The patterns of
//! `worktree.copy` are those of every other list of the configuration, except that wildcards match
//! hidden files, too. Either one is enough.

use crate::error::Result;
use crate::glob::{Dots, GlobSet};
use crate::phase::owned::is_own_output;

/// Where people list what a worktree needs besides what is committed.
pub const INCLUDE_FILE: &str = ".worktreeinclude";

/// Files that one worktree gets at most.
pub const MAX_COPIED: usize = 100_000;

/// The rules of one repository.
#[derive(Debug, Clone)]
pub struct IncludeRules {
    lines: Vec<Line>,
    copy: GlobSet,
    is_empty: bool,
}

#[derive(Debug, Clone)]
struct Line {
    covers: GlobSet,
    takes_back: bool,
}

impl IncludeRules {
    /// The rules of the text of `.worktreeinclude` and of `worktree.copy`.
    ///
    /// # Errors
    /// `E_CONFIG_INVALID` for a pattern that cannot be used.
    pub fn new(text: &str, copy: &[String]) -> Result<Self> {
        let lines: Vec<Line> = text
            .lines()
            .filter_map(|line| Line::parse(line).transpose())
            .collect::<Result<_>>()?;
        Ok(Self {
            is_empty: lines.is_empty() && copy.is_empty(),
            lines,
            copy: GlobSet::new(copy, Dots::Match)?,
        })
    }

    /// Whether nothing can be covered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Whether a file is to be copied, if it may be.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        let last = self
            .lines
            .iter()
            .rev()
            .find(|line| line.covers.matches(path));
        last.is_some_and(|line| !line.takes_back) || self.copy.matches(path)
    }
}

impl Line {
    fn parse(line: &str) -> Result<Option<Self>> {
        let line = trim_end(line);
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let (takes_back, pattern) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (is_directory, pattern) = match pattern.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        let from_top = pattern.contains('/');
        let pattern = literal_braces(pattern.trim_start_matches('/'));
        if pattern.is_empty() {
            return Ok(None);
        }
        let anywhere = if from_top { "" } else { "**/" };
        // `dir/**` covers `dir` itself, which is a file where files are listed.
        let below = if is_directory { "/**/*" } else { "/**" };
        let covers = GlobSet::new([format!("{anywhere}{pattern}{below}")], Dots::Match)?;
        Ok(Some(Self { covers, takes_back }))
    }
}

/// Blanks at the end do not count, unless the last one is escaped.
fn trim_end(line: &str) -> &str {
    let trimmed = line.trim_end();
    match line.as_bytes().get(trimmed.len()) {
        Some(b' ') if trimmed.ends_with('\\') => &line[..=trimmed.len()],
        _ => trimmed,
    }
}

/// In these patterns braces mean themselves.
fn literal_braces(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len());
    let mut escaped = false;
    for c in pattern.chars() {
        if matches!(c, '{' | '}') && !escaped {
            text.push('\\');
        }
        escaped = c == '\\' && !escaped;
        text.push(c);
    }
    text
}

/// Whether a file may be copied at all, whatever covers it: git's own files and runr's belong to one
/// tree alone.
#[must_use]
pub fn may_copy(path: &str) -> bool {
    const OURS: [&str; 2] = [".runr", ".runr-worktrees"];
    let first = path.split('/').next().unwrap_or_default();
    let is_git = path.split('/').any(|part| part == ".git");
    !path.ends_with('/') && !OURS.contains(&first) && !is_git && !is_own_output(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(text: &str, copy: &[&str], paths: &[&str]) -> Vec<String> {
        let copy: Vec<String> = copy.iter().map(|p| (*p).to_owned()).collect();
        let rules = IncludeRules::new(text, &copy).unwrap();
        let covered = paths.iter().filter(|path| rules.covers(path));
        covered.map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn a_name_counts_in_every_directory_and_a_path_from_the_top() {
        let paths = [".env", "app/.env", "app/deep/.env", "app/.envrc"];
        assert_eq!(covered(".env\n", &[], &paths), paths[..3]);
        assert_eq!(covered("/.env\n", &[], &paths), paths[..1]);
        assert_eq!(covered("app/.env\n", &[], &paths), paths[1..2]);
        assert_eq!(covered("app/**/.env\n", &[], &paths), paths[1..3]);
        assert_eq!(covered(".env*\n", &[], &paths), paths);
    }

    #[test]
    fn a_directory_covers_what_is_below_it_hidden_files_included() {
        let paths = [
            "node_modules/.bin/tsc",
            "a/node_modules/x/y.js",
            "node_modules",
        ];
        assert_eq!(covered("node_modules/\n", &[], &paths), paths[..2]);
        assert_eq!(covered("node_modules\n", &[], &paths), paths);
        assert_eq!(covered("/node_modules/\n", &[], &paths), paths[..1]);
    }

    #[test]
    fn the_last_line_that_fits_decides() {
        let paths = ["certs/a.pem", "certs/b.pem", "certs/c.key"];
        let text = "# secrets\n\ncerts/\n!*.pem\ncerts/b.pem\n";
        assert_eq!(covered(text, &[], &paths), paths[1..]);
    }

    #[test]
    fn blanks_escapes_and_braces_are_as_in_an_ignore_file() {
        let paths = ["a b", "a", "#x", "!x", "{a,b}", "end "];
        let text = "a b   \n\\#x\n\\!x\n{a,b}\nend\\ \n";
        assert_eq!(
            covered(text, &[], &paths),
            ["a b", "#x", "!x", "{a,b}", "end "]
        );
    }

    #[test]
    fn the_patterns_of_the_configuration_cover_whole_paths() {
        let paths = [".env", "app/.env", "vendor/.cache/x", "vendor/y"];
        assert_eq!(covered("", &[".env"], &paths), paths[..1]);
        assert_eq!(covered("", &["**/.env"], &paths), paths[..2]);
        assert_eq!(
            covered("!.env\n", &["vendor/**", ".env"], &paths),
            [".env", "vendor/.cache/x", "vendor/y"]
        );
    }

    #[test]
    fn no_rules_cover_nothing() {
        let rules = IncludeRules::new("# nothing\n\n", &[]).unwrap();
        assert!(rules.is_empty() && !rules.covers("a"));
        assert!(!IncludeRules::new("a\n", &[]).unwrap().is_empty());
        assert!(!IncludeRules::new("", &["a".to_owned()]).unwrap().is_empty());
    }

    #[test]
    fn what_belongs_to_one_tree_alone_is_never_copied() {
        for path in [
            ".git",
            ".git/config",
            "sub/.git/config",
            "sub/.git",
            ".runr/runs/x",
            ".runr-worktrees/1/a",
            "sub/",
        ] {
            assert!(!may_copy(path), "{path}");
        }
        for path in [".env", "a/.gitkeep", ".runrc", "a/.runr"] {
            assert!(may_copy(path), "{path}");
        }
    }
}
