//! The options of a run: one type behind the command line, the bindings and the timeline.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::event::Override;
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

impl RunOptions {
    /// The options that differ in `to`, by name.
    #[must_use]
    pub fn changes(&self, to: &Self) -> Vec<Override> {
        let keys = |options: &Self| match serde_json::to_value(options) {
            Ok(serde_json::Value::Object(keys)) => keys,
            // Options are strings, numbers and lists: serialising them cannot fail.
            _ => serde_json::Map::new(),
        };
        let (before, after) = (keys(self), keys(to));
        let new = after.keys().filter(|name| !before.contains_key(*name));
        let value = |of: &serde_json::Map<String, serde_json::Value>, name: &str| {
            of.get(name).cloned().unwrap_or_default()
        };
        before
            .keys()
            .chain(new)
            .filter(|name| before.get(*name) != after.get(*name))
            .map(|name| Override {
                option: name.clone(),
                from: value(&before, name),
                to: value(&after, name),
            })
            .collect()
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
    /// What both together allow: a later permission adds to an earlier one.
    #[must_use]
    pub fn widened(&self, by: &Self) -> Self {
        match (self, by) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::No, other) | (other, Self::No) => other.clone(),
            (Self::Only(old), Self::Only(new)) => {
                let mut names = old.clone();
                names.extend(new.iter().filter(|name| !old.contains(name)).cloned());
                Self::Only(names)
            }
        }
    }

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

    #[test]
    fn a_later_permission_adds_to_an_earlier_one() {
        let only = |names: &[&str]| AllowDeps::Only(names.iter().map(|n| (*n).into()).collect());
        for (old, new, both) in [
            (AllowDeps::No, only(&["a"]), only(&["a"])),
            (only(&["a"]), AllowDeps::No, only(&["a"])),
            (only(&["a", "b"]), only(&["b", "c"]), only(&["a", "b", "c"])),
            (AllowDeps::All, only(&["a"]), AllowDeps::All),
            (only(&["a"]), AllowDeps::All, AllowDeps::All),
        ] {
            assert_eq!(old.widened(&new), both);
        }
    }

    #[test]
    fn changed_options_are_named_with_both_values() {
        let before = RunOptions::default();
        let after = RunOptions {
            max_cost: Some(2.5),
            allow_deps: AllowDeps::All,
            ..before.clone()
        };
        let changes = before.changes(&after);
        let seen: Vec<_> = changes
            .iter()
            .map(|it| (it.option.as_str(), it.from.to_string(), it.to.to_string()))
            .collect();
        assert_eq!(
            seen,
            [
                ("allow_deps", "false".into(), "true".into()),
                ("max_cost", "null".into(), "2.5".into())
            ]
        );
        assert_eq!(after.changes(&after), []);
    }
}
