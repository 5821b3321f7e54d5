//! What can be owned, and how it is called.

mod branch;
mod form;
mod number;
mod slug;

use std::fmt;

pub use branch::BranchName;
pub use number::Number;
pub use slug::Slug;

use super::text::{is_white, trim};
use crate::error::{Code, Error, Result};
use crate::json::{Kind, Node, Written, quote};

/// A PR, an issue or a branch of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A pull request.
    Pr(Slug, Number),
    /// An issue.
    Issue(Slug, Number),
    /// A branch.
    Branch(Slug, BranchName),
}

/// Which kind of target it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum TargetKind {
    Pr,
    Issue,
    Branch,
}

impl TargetKind {
    /// The word in JSON, which is also the key of the number or name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pr => "pr",
            Self::Issue => "issue",
            Self::Branch => "branch",
        }
    }

    /// The kind that an object says it is of; one that says nothing is a PR.
    fn of(object: Node<'_>) -> Option<Self> {
        let Some(word) = object.get_last("kind") else {
            return Some(Self::Pr);
        };
        [Self::Pr, Self::Issue, Self::Branch]
            .into_iter()
            .find(|kind| word.is_str(kind.as_str()))
    }
}

impl Target {
    /// The PR `number` of `owner/name`.
    ///
    /// # Errors
    /// `E_TARGET_INVALID`.
    pub fn pr(slug: &str, number: u64) -> Result<Self> {
        Ok(Self::Pr(Slug::parse(slug)?, Number::new(number)?))
    }

    /// The issue `number` of `owner/name`.
    ///
    /// # Errors
    /// `E_TARGET_INVALID`.
    pub fn issue(slug: &str, number: u64) -> Result<Self> {
        Ok(Self::Issue(Slug::parse(slug)?, Number::new(number)?))
    }

    /// The branch `name` of `owner/name`.
    ///
    /// # Errors
    /// `E_TARGET_INVALID`.
    pub fn branch(slug: &str, name: &str) -> Result<Self> {
        Ok(Self::Branch(Slug::parse(slug)?, BranchName::parse(name)?))
    }

    /// Reads `owner/name#17`, a PR, or `owner/name@branch`. The first `#` or `@` after the slash
    /// ends the slug; one that holds such a character is written in the JSON form.
    ///
    /// ```
    /// use runr_core::ownership::Target;
    ///
    /// assert_eq!(Target::parse("Acme/Shop#17")?, Target::pr("acme/shop", 17)?);
    /// assert_eq!(Target::parse("acme/shop@fix/x")?, Target::branch("acme/shop", "fix/x")?);
    /// # Ok::<(), runr_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `E_TARGET_INVALID`.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = || {
            invalid(
                "target",
                &quote(text),
                "write owner/name#17 or owner/name@branch",
            )
        };
        let slash = text.find('/').ok_or_else(bad)?;
        let mark = text[slash..].find(['#', '@']).ok_or_else(bad)? + slash;
        let (slug, rest) = text.split_at(mark);
        match rest.strip_prefix('@') {
            Some(branch) => Self::branch(slug, trim(branch)),
            None => Ok(Self::Pr(
                Slug::parse(slug)?,
                Number::parse(trim(&rest[1..]))?,
            )),
        }
    }

    /// Reads a target as a program writes it: a text, or an object with `repo` and one of `pr`,
    /// `issue` and `branch`, with or without its `kind`; no `kind` means a PR.
    ///
    /// # Errors
    /// `E_TARGET_INVALID`.
    pub fn from_json(node: Node<'_>) -> Result<Self> {
        let bad = || invalid("target", node.text(), "its kind is pr, issue or branch");
        match node.kind() {
            Kind::String => Self::parse(&node.as_str().ok_or_else(bad)?),
            Kind::Object => Self::of_kind(TargetKind::of(node).ok_or_else(bad)?, node),
            _ => Err(bad()),
        }
    }

    /// The target of a kind in an object, whatever kind that says it is of. The repository is
    /// looked at first.
    pub(super) fn of_kind(kind: TargetKind, object: Node<'_>) -> Result<Self> {
        let slug = Slug::from_json(object.get_last("repo"))?;
        let value = object.get_last(kind.as_str());
        Ok(match kind {
            TargetKind::Pr => Self::Pr(slug, Number::from_json("PR", value)?),
            TargetKind::Issue => Self::Issue(slug, Number::from_json("issue", value)?),
            TargetKind::Branch => Self::Branch(slug, BranchName::from_json(value)?),
        })
    }

    /// Which kind it is of.
    pub(super) fn kind(&self) -> TargetKind {
        match self {
            Self::Pr(..) => TargetKind::Pr,
            Self::Issue(..) => TargetKind::Issue,
            Self::Branch(..) => TargetKind::Branch,
        }
    }

    /// The repository.
    #[must_use]
    pub fn slug(&self) -> &Slug {
        match self {
            Self::Pr(slug, _) | Self::Issue(slug, _) | Self::Branch(slug, _) => slug,
        }
    }

    /// The name of its record without the extension: `pr-17`, `issue-17`, `branch-feature%2Fx`.
    #[must_use]
    pub fn file_stem(&self) -> String {
        match self {
            Self::Pr(_, number) => format!("pr-{number}"),
            Self::Issue(_, number) => format!("issue-{number}"),
            Self::Branch(_, name) => format!("branch-{}", name.encoded()),
        }
    }

    /// Its members in JSON: of a PR `repo` and `pr`, as the format has it; other kinds begin with
    /// their `kind`.
    #[must_use]
    pub fn members(&self) -> Vec<(&'static str, Written)> {
        let kind = self.kind().as_str();
        let value = match self {
            Self::Pr(_, number) | Self::Issue(_, number) => Written::trusted(number.to_string()),
            Self::Branch(_, name) => name.as_str().into(),
        };
        let slug = self.slug().to_string();
        let mut members = vec![("repo", slug.as_str().into()), (kind, value)];
        if self.kind() != TargetKind::Pr {
            members.insert(0, ("kind", kind.into()));
        }
        members
    }
}

/// `owner/name#17`, `owner/name issue 17` or `owner/name@branch`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pr(slug, number) => write!(f, "{slug}#{number}"),
            Self::Issue(slug, number) => write!(f, "{slug} issue {number}"),
            Self::Branch(slug, name) => write!(f, "{slug}@{name}"),
        }
    }
}

/// The refusal of a value, which is shown as JSON, and what would be accepted.
fn invalid(what: &str, value: &str, hint: &str) -> Error {
    Error::new(Code::TargetInvalid, format!("{value} is no {what}")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Rules, scan};

    fn from_json(text: &str) -> Result<Target> {
        let tree = scan(text, &Rules::default()).unwrap();
        Target::from_json(tree.root())
    }

    fn members(target: &Target) -> String {
        Written::object(target.members()).to_string()
    }

    #[test]
    fn each_way_to_write_a_target_means_the_same() {
        let pr = Target::pr("acme/shop", 17).unwrap();
        let issue = Target::issue("acme/shop", 17).unwrap();
        let branch = Target::branch("acme/shop", "feat/a#1@b").unwrap();
        for (text, target) in [
            (r#"" Acme/Shop#17 ""#, &pr),
            (r#"{"repo": "acme/shop", "pr": "0x11"}"#, &pr),
            (r#"{"kind": "pr", "repo": "acme/shop", "pr": 17}"#, &pr),
            (r#"{"pr": 1, "repo": "acme/shop", "pr": 17}"#, &pr),
            (
                r#"{"kind": "issue", "repo": "acme/shop", "issue": 17}"#,
                &issue,
            ),
            (r#""acme/shop@feat/a#1@b""#, &branch),
            (
                r#"{"kind": "branch", "repo": "acme/shop", "branch": "feat/a#1@b"}"#,
                &branch,
            ),
        ] {
            assert_eq!(from_json(text).unwrap(), *target, "{text}");
        }
    }

    #[test]
    fn what_is_no_target_is_refused_with_its_code() {
        for text in [
            "17",
            "null",
            "[]",
            "{}",
            r#""""#,
            r#""acme""#,
            r#""acme/shop""#,
            r#""acme/shop#""#,
            r#""acme/shop#1.0""#,
            r#""acme/shop#+1""#,
            r#""acme/shop@""#,
            r#""\ud800/a#1""#,
            r#"{"kind": "tree", "repo": "acme/shop", "pr": 17}"#,
            r#"{"kind": "issue", "repo": "acme/shop", "pr": 17}"#,
            r#"{"repo": "acme/shop", "issue": 17}"#,
            r#"{"kind": 1, "repo": "a/b", "pr": 17}"#,
            r#"{"kind": "branch", "repo": "acme/shop", "branch": 17}"#,
        ] {
            let error = from_json(text).unwrap_err();
            assert_eq!(error.code(), Code::TargetInvalid, "{text}");
            assert!(error.hint_text().is_some(), "{text}");
        }
    }

    #[test]
    fn a_target_prints_its_name_its_file_and_its_members() {
        let pr = from_json(r#"{"repo": "a/b", "pr": 1e21}"#).unwrap();
        assert_eq!(pr.to_string(), "a/b#1e+21");
        assert_eq!(pr.file_stem(), "pr-1e+21");
        assert_eq!(members(&pr), r#"{"repo":"a/b","pr":1e+21}"#);
        let issue = Target::issue("a/b", 3).unwrap();
        assert_eq!(issue.to_string(), "a/b issue 3");
        assert_eq!(
            members(&issue),
            r#"{"kind":"issue","repo":"a/b","issue":3}"#
        );
        let branch = Target::branch("a/b", "x.y").unwrap();
        assert_eq!(branch.file_stem(), "branch-x%2Ey");
        assert_eq!(
            members(&branch),
            r#"{"kind":"branch","repo":"a/b","branch":"x.y"}"#
        );
    }
}
