//! The words of identity: flows, facts, branches, requests.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Code, Error};

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[non_exhaustive]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// The word in files and results.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(super) use words;

words! {
    /// A kind of work that is prepared.
    Flow {
        /// Deciding what to do.
        Plan "plan",
        /// Doing it.
        Build "build",
        /// Answering a review.
        Review "review",
        /// Judging it.
        Gate "gate",
        /// Bringing it out.
        Deploy "deploy",
        /// Learning from it.
        Wisdom "wisdom",
    }
}

impl Flow {
    /// All flows that can be prepared.
    pub const ALL: [Self; 6] = [
        Self::Plan,
        Self::Build,
        Self::Review,
        Self::Gate,
        Self::Deploy,
        Self::Wisdom,
    ];
}

impl FromStr for Flow {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|flow| flow.as_str() == text);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|flow| flow.as_str()).collect();
            let message = format!("unknown flow `{}`", text.escape_debug());
            Error::new(Code::Usage, message)
                .with("field", "flow")
                .hint(format!("one of {}", names.join(", ")))
        })
    }
}

words! {
    /// What led to the id of a work item.
    Source {
        /// The caller named it.
        ExplicitRunId "explicit_run_id",
        /// A reference to an issue.
        IssueRef "issue_ref",
        /// A reference to a PR.
        PrRef "pr_ref",
        /// The name of the branch.
        Branch "branch",
        /// Nothing: it is named after the flow.
        Fallback "fallback",
    }
}

words! {
    /// Whether the work item was there before.
    Mode {
        /// It had no metadata yet.
        New "NEW",
        /// It had.
        Existing "EXISTING",
        /// It is a new one that takes the place of another.
        Superseding "SUPERSEDING",
    }
}

/// The branch of the working tree, as the caller observed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Branch {
    /// It has a name.
    Named {
        /// The name.
        name: String,
        /// The short name of its upstream.
        #[serde(default)]
        upstream: Option<String>,
    },
    /// No branch is checked out.
    Detached,
    /// It could not be observed.
    Unavailable {
        /// Why not.
        #[serde(default)]
        why: Option<String>,
    },
}

impl Default for Branch {
    fn default() -> Self {
        Self::Unavailable { why: None }
    }
}

words! {
    /// What kind of id a work item has.
    IdKind {
        /// It is that of an issue.
        GhIssue "GH_ISSUE",
        /// It is known here alone.
        LocalOnly "LOCAL_ONLY",
    }
}

words! {
    /// When a work item gets its issue.
    Binding {
        /// It has one.
        Immediate "IMMEDIATE",
        /// It will get one.
        Deferred "DEFERRED",
    }
}

words! {
    /// Why a work item has no issue yet.
    DeferredReason {
        /// Nobody is logged in.
        GhUnauth "gh_unauth",
        /// The forge cannot be reached.
        GhUnavailable "gh_unavailable",
    }
}

/// What an earlier step established about the work item. A fact fills a field that says nothing
/// yet; it never replaces anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "the fields of `run_meta.json`, which docs/files.md explains"
)]
pub struct Facts {
    pub run_id_kind: Option<IdKind>,
    pub issue_binding: Option<Binding>,
    pub issue_binding_deferred_reason: Option<DeferredReason>,
    pub github_repo: Option<String>,
    pub github_repo_expected: Option<String>,
    pub github_repo_actual_at_creation: Option<String>,
    pub github_ops_allowed: Option<bool>,
    pub repo_mismatch: Option<bool>,
    pub issue_number: Option<u64>,
    pub issue_url: Option<String>,
    pub issue_title: Option<String>,
}

impl Facts {
    /// What is known, as JSON texts by field.
    pub(super) fn known(&self) -> Vec<(String, String)> {
        let Ok(Value::Object(fields)) = serde_json::to_value(self) else {
            return Vec::new();
        };
        let known = fields.into_iter().filter(|(_, value)| !value.is_null());
        known.map(|(key, value)| (key, value.to_string())).collect()
    }
}

/// What is asked of [`WorkItems::prep`](super::WorkItems::prep).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PrepRequest {
    /// The flow that is about to begin.
    pub flow: Flow,
    /// The work item, if the caller knows it.
    pub run_id: Option<String>,
    /// References to issues and PRs, the most important one first.
    pub refs: Vec<String>,
    /// Whether to begin anew beside what is there.
    pub restart: bool,
    /// The branch that the work is stacked on.
    pub base_ref: Option<String>,
    /// What is known otherwise.
    pub facts: Facts,
    /// The branch of the working tree.
    pub branch: Branch,
    /// Whether to write nothing.
    pub dry_run: bool,
}

impl PrepRequest {
    /// A request that names nothing but the flow.
    #[must_use]
    pub fn new(flow: Flow) -> Self {
        Self {
            flow,
            run_id: None,
            refs: Vec::new(),
            restart: false,
            base_ref: None,
            facts: Facts::default(),
            branch: Branch::default(),
            dry_run: false,
        }
    }

    /// Adds a reference.
    #[must_use]
    pub fn reference(mut self, text: impl Into<String>) -> Self {
        self.refs.push(text.into());
        self
    }

    /// Names the work item.
    #[must_use]
    pub fn run_id(mut self, id: impl Into<String>) -> Self {
        self.run_id = Some(id.into());
        self
    }

    /// Says which branch is checked out.
    #[must_use]
    pub fn branch(mut self, branch: Branch) -> Self {
        self.branch = branch;
        self
    }
}
