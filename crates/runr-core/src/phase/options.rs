//! The options of a run: one type behind the command line, the bindings and the timeline.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ownership::Target;

/// What a run may and must do; recorded in the timeline so that a resume is faithful.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunOptions {
    /// Own worktree and branch.
    pub worktree: bool,
    /// Without PLAN and REVIEW.
    pub fast: bool,
    /// Which dependencies may change.
    pub allow_deps: AllowDeps,
    /// Start despite uncommitted changes; they are never committed.
    pub allow_dirty: bool,
    /// Start although no verification command is configured.
    pub allow_unverified: bool,
    /// Stay on the current branch.
    pub no_branch: bool,
    /// Skip the collision stop.
    pub force_parallel: bool,
    /// This worker for every stage.
    pub worker: Option<String>,
    /// Wall budget of one session in minutes.
    pub time_minutes: f64,
    /// Phases executed in one session.
    pub max_ticks: u32,
    /// What the worker calls of the whole run may cost, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<f64>,
    /// Stop after PLAN until somebody approves the plan.
    pub approve_plan: bool,
    /// Retry within the process; absent means what the configuration says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_resume: Option<bool>,
    /// Skip the worker probe.
    pub skip_doctor: bool,
    /// What the run claims, or works on under the claim of another holder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<Target>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            worktree: false,
            fast: false,
            allow_deps: AllowDeps::No,
            allow_dirty: false,
            allow_unverified: false,
            no_branch: false,
            force_parallel: false,
            worker: None,
            time_minutes: 120.0,
            max_ticks: 50,
            max_cost: None,
            approve_plan: false,
            auto_resume: None,
            skip_doctor: false,
            own: None,
        }
    }
}

/// Which dependencies a run may change; written as `false`, `true` or a list of packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AllowDeps {
    /// None: a changed lockfile is a violation.
    #[default]
    No,
    /// All.
    All,
    /// These packages: lockfiles may change, and manifests in the lines of these only.
    Only(Vec<String>),
}

impl AllowDeps {
    /// Whether lockfiles may change.
    #[must_use]
    pub fn lockfiles(&self) -> bool {
        *self != Self::No
    }

    /// The packages it is limited to, if it is.
    #[must_use]
    pub fn packages(&self) -> Option<&[String]> {
        match self {
            Self::Only(packages) => Some(packages),
            Self::No | Self::All => None,
        }
    }
}

impl From<bool> for AllowDeps {
    fn from(all: bool) -> Self {
        if all { Self::All } else { Self::No }
    }
}

impl Serialize for AllowDeps {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::No => serializer.serialize_bool(false),
            Self::All => serializer.serialize_bool(true),
            Self::Only(packages) => packages.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for AllowDeps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "allow_deps is true, false or a list of packages"
        )]
        enum Written {
            All(bool),
            Only(Vec<String>),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::All(all) => Self::from(all),
            Written::Only(packages) => Self::Only(packages),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_dependencies_are_all_none_or_a_list() {
        let only = AllowDeps::Only(vec!["serde".into()]);
        for (text, value) in [
            ("false", AllowDeps::No),
            ("true", AllowDeps::All),
            (r#"["serde"]"#, only),
        ] {
            assert_eq!(serde_json::from_str::<AllowDeps>(text).unwrap(), value);
            assert_eq!(serde_json::to_string(&value).unwrap(), text);
            assert_eq!(value.lockfiles(), text != "false");
        }
        assert!(serde_json::from_str::<AllowDeps>("1").is_err());
        assert_eq!(AllowDeps::Only(Vec::new()).packages(), Some(&[][..]));
    }
}
