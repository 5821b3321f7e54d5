//! References to issues and PRs, as people write them.

use serde::{Deserialize, Serialize};

/// The largest number that every language can hold.
pub(super) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// What a reference points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefKind {
    /// An issue.
    Issue,
    /// A pull or merge request.
    Pr,
}

impl RefKind {
    /// The other kind.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Issue => Self::Pr,
            Self::Pr => Self::Issue,
        }
    }

    /// The id of a work item that is named after such a number.
    pub(super) fn item(self, number: u64) -> String {
        match self {
            Self::Issue => format!("gh-{number}"),
            Self::Pr => format!("pr-{number}"),
        }
    }

    /// The field with such a number.
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Issue => "issue_number",
            Self::Pr => "pr_number",
        }
    }
}

/// A reference that was understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RunRef {
    /// What it points to.
    pub kind: RefKind,
    /// The number.
    pub number: u64,
    /// The repository, if it names one.
    pub repo: Option<String>,
    /// The id of the work item, if none is known for it.
    pub candidate: String,
    /// Whether the form leaves open what it points to: `#7`.
    #[serde(skip)]
    pub(super) either: bool,
    /// The id that the same number of the other kind would have.
    #[serde(skip)]
    pub(super) crossed: String,
}

impl RunRef {
    fn new(kind: RefKind, number: u64, repo: Option<String>) -> Self {
        Self {
            kind,
            number,
            repo,
            candidate: kind.item(number),
            either: false,
            crossed: kind.other().item(number),
        }
    }
}

/// Understands a reference: `#7`, `gh-7`, `pr-7`, `!7`, `7`, `owner/repo#7`, and the addresses of
/// issues and pull or merge requests.
///
/// ```
/// let pr = runr_core::identity::parse_ref("https://gitlab.com/a/b/-/merge_requests/14").unwrap();
/// assert_eq!((pr.candidate.as_str(), pr.repo.as_deref()), ("pr-14", Some("a/b")));
/// ```
#[must_use]
pub fn parse_ref(text: &str) -> Option<RunRef> {
    let text = text.trim();
    if let Some(digits) = text.strip_prefix('#') {
        let reference = RunRef::new(RefKind::Issue, number(digits)?, None);
        return Some(RunRef {
            either: true,
            ..reference
        });
    }
    if let Some(digits) = text.strip_prefix('!') {
        return Some(RunRef::new(RefKind::Pr, number(digits)?, None));
    }
    for (prefix, kind) in [("gh-", RefKind::Issue), ("pr-", RefKind::Pr)] {
        if let Some(digits) = strip_prefix_ignoring_case(text, prefix) {
            return Some(RunRef::new(kind, number(digits)?, None));
        }
    }
    for scheme in ["https://", "http://"] {
        if let Some(rest) = strip_prefix_ignoring_case(text, scheme) {
            return address(rest);
        }
    }
    match text.split_once('#') {
        None => Some(RunRef::new(RefKind::Issue, number(text)?, None)),
        Some((repo, digits)) => {
            let repo = is_repo(repo).then(|| repo.to_owned())?;
            Some(RunRef::new(RefKind::Issue, number(digits)?, Some(repo)))
        }
    }
}

/// A text without the user information of an address in it, which may be a password.
pub(super) fn without_user(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// A whole number written in digits.
pub(super) fn parse_digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn number(digits: &str) -> Option<u64> {
    let number = parse_digits(digits)?;
    (1..=MAX_NUMBER).contains(&number).then_some(number)
}

fn strip_prefix_ignoring_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn is_repo(text: &str) -> bool {
    let is_part = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        !part.is_empty() && part.bytes().all(allowed)
    };
    text.split_once('/')
        .is_some_and(|(owner, repo)| is_part(owner) && is_part(repo))
}

/// What follows the scheme of an address. User information is dropped with the host.
fn address(rest: &str) -> Option<RunRef> {
    let rest = rest.split(['?', '#']).next()?;
    let (authority, path) = rest.split_once('/')?;
    let host = authority.rsplit('@').next()?;
    if host.is_empty() {
        return None;
    }
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let kind = |word: &str| match word {
        "issues" => Some(RefKind::Issue),
        "pull" | "pulls" | "merge_requests" => Some(RefKind::Pr),
        _ => None,
    };
    // The word before the number, with a project before it, whose path may look like anything.
    (2..parts.len()).find_map(|at| {
        let kind = kind(parts[at])?;
        let number = number(parts.get(at + 1)?)?;
        let project = match &parts[..at] {
            [project @ .., "-"] => project,
            project => project,
        };
        let repo = project.join("/");
        (project.len() >= 2).then(|| RunRef::new(kind, number, Some(repo)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(RefKind, u64, Option<String>)> {
        parse_ref(text).map(|it| (it.kind, it.number, it.repo))
    }

    #[test]
    fn short_forms_are_understood() {
        use RefKind::{Issue, Pr};
        for (text, kind, number) in [
            ("#7", Issue, 7),
            ("  gh-4012\n", Issue, 4012),
            ("GH-5", Issue, 5),
            ("Pr-3", Pr, 3),
            ("!88", Pr, 88),
            ("12", Issue, 12),
            ("#9007199254740991", Issue, MAX_NUMBER),
        ] {
            assert_eq!(read(text), Some((kind, number, None)), "{text}");
        }
        let named = Some((Issue, 3, Some("o/r".to_owned())));
        assert_eq!(read("o/r#3"), named);
        assert!(parse_ref("#7").unwrap().either && !parse_ref("7").unwrap().either);
    }

    #[test]
    fn addresses_are_understood() {
        use RefKind::{Issue, Pr};
        for (text, kind, number, repo) in [
            ("https://github.com/o/r/issues/1347", Issue, 1347, "o/r"),
            ("HTTP://git.example.net/o/r/pull/6", Pr, 6, "o/r"),
            ("https://github.com/o/r/pull/21/files#diff-1", Pr, 21, "o/r"),
            ("https://github.com/o/r/pulls/21/", Pr, 21, "o/r"),
            (
                "https://me:secret@gitlab.com/a/b/c/-/merge_requests/14?tab=x",
                Pr,
                14,
                "a/b/c",
            ),
            ("https://gitlab.com/a/b/issues/2", Issue, 2, "a/b"),
            (
                "https://github.com/issues/pull/issues/8",
                Issue,
                8,
                "issues/pull",
            ),
        ] {
            assert_eq!(
                read(text),
                Some((kind, number, Some(repo.to_owned()))),
                "{text}"
            );
        }
    }

    #[test]
    fn anything_else_is_no_reference() {
        for text in [
            "",
            "#",
            "#0",
            "#-1",
            "#1.5",
            "# 7",
            "gh-",
            "gh-7-login",
            "pr-x",
            "!",
            "hello",
            "9007199254740992",
            "99999999999999999999999",
            "o/r",
            "o/r/s#1",
            "/r#1",
            "ftp://h/o/r/issues/1",
            "https://github.com/issues/8",
            "https:///o/r/issues/8",
            "https://github.com/o/r/issues/",
            "https://github.com/o/r/issues/abc",
            "https://github.com",
            "ä",
            "gh-ä",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
