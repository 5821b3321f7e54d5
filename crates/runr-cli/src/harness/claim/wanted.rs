//! What a caller wants to own, and in whose name it is claimed.

use runr_core::json::{Rules, scan};
use runr_core::ownership::{Guard, RunName, Target, Token};
use runr_core::{Code, Error, Result, RunId};
use serde::Deserialize;
use serde_json::Value;

use crate::host::Host;
use crate::ownership::{Ownership, carried_token, owned_by, run_of};

/// What a run owns: a target that it claims and gives back itself, or the claim of a guard, which
/// it uses and leaves to the guard.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Own {
    /// The claim of a guard, as the guards of the bindings write themselves.
    Guard {
        /// What is claimed: text or object.
        target: Value,
        /// The run that claimed it.
        run_id: String,
        /// The number of the claim.
        token: u64,
    },
    /// A target as text (`owner/name#17`, `owner/name@branch`) or as object.
    Target(Value),
}

impl From<&str> for Own {
    fn from(target: &str) -> Self {
        Self::Target(target.into())
    }
}

impl From<&Target> for Own {
    fn from(target: &Target) -> Self {
        Self::Target(form(target))
    }
}

impl From<&Guard> for Own {
    fn from(guard: &Guard) -> Self {
        Self::Guard {
            target: form(guard.target()),
            run_id: guard.run_id().to_string(),
            token: guard.token().0,
        }
    }
}

impl From<&Ownership> for Own {
    fn from(owner: &Ownership) -> Self {
        let guard: &Guard = owner;
        guard.into()
    }
}

fn form(target: &Target) -> Value {
    // A target is a text or an object of texts and numbers.
    serde_json::to_value(target).unwrap_or_default()
}

/// A target, and who is to own it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) target: Target,
    /// The guard whose claim is used, if it is one's.
    pub(super) guard: Option<Claimer>,
}

/// In whose name a target is claimed, and the claim that is shown for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claimer {
    pub(super) run_id: RunName,
    pub(super) token: Option<Token>,
}

impl Own {
    /// The same, checked.
    ///
    /// # Errors
    /// `E_TARGET_INVALID`; `E_USAGE` for a guard of no run.
    pub(crate) fn checked(&self) -> Result<Wanted> {
        let (target, guard) = match self {
            Self::Target(target) => (target, None),
            Self::Guard {
                target,
                run_id,
                token,
            } => {
                let run_id = RunName::new(run_id.as_str())
                    .ok_or_else(|| Error::new(Code::Usage, "own: the guard names no run"))?;
                let token = Some(Token(*token));
                (target, Some(Claimer { run_id, token }))
            }
        };
        let text = target.to_string();
        let tree = scan(&text, &Rules::default())
            .map_err(|bad| Error::new(Code::TargetInvalid, format!("own: {bad}")))?;
        Ok(Wanted {
            target: Target::from_json(tree.root())?,
            guard,
        })
    }
}

impl From<Target> for Wanted {
    fn from(target: Target) -> Self {
        Self {
            target,
            guard: None,
        }
    }
}

/// What the environment says about the run that a process belongs to, and about its claim of a
/// target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Carried {
    run_id: Option<RunName>,
    token: Option<Token>,
}

impl Carried {
    pub(super) fn by(host: &Host, target: &Target) -> Self {
        Self {
            run_id: run_of(|name| host.var(name)),
            token: carried_token(owned_by(host), target),
        }
    }

    /// The claim that the process was started under, if it is one.
    pub(super) fn claim(&self) -> Option<(&RunName, Token)> {
        Some((self.run_id.as_ref()?, self.token?))
    }

    /// The run that the environment names. A new run works for it.
    pub(super) fn claimer(&self) -> Option<Claimer> {
        let run_id = self.run_id.clone()?;
        let token = self.token;
        Some(Claimer { run_id, token })
    }

    /// A run of its own name. A token that belongs to another run says nothing about it.
    pub(super) fn named(&self, run_id: RunName) -> Claimer {
        let token = self.token.filter(|_| self.run_id.as_ref() == Some(&run_id));
        Claimer { run_id, token }
    }
}

/// The name that a run of the harness has of itself.
pub(super) fn name_of(run_id: &RunId) -> Result<RunName> {
    RunName::new(run_id.as_str()).ok_or_else(|| Error::internal("a run without an id"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn host(variables: &[(&str, &str)]) -> Host {
        let mut host = Host::of_process(Vec::new());
        let pairs = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        host.env = pairs.collect();
        host
    }

    fn name(text: &str) -> RunName {
        RunName::new(text).unwrap()
    }

    #[test]
    fn an_option_is_a_target_or_a_guard() {
        let pr = Target::pr("acme/shop", 17).unwrap();
        let issue = Target::issue("acme/shop", 17).unwrap();
        let read = |value: Value| serde_json::from_value::<Own>(value).unwrap().checked();
        let plain = |target: &Target| Wanted::from(target.clone());
        assert_eq!(read(json!("Acme/Shop#17")).unwrap(), plain(&pr));
        let object = json!({"kind": "issue", "repo": "acme/shop", "issue": 17});
        assert_eq!(read(object.clone()).unwrap(), plain(&issue));
        let guard = json!({"target": object, "run_id": "gh-17", "token": 5, "shared": true});
        let claimer = Claimer {
            run_id: name("gh-17"),
            token: Some(Token(5)),
        };
        let wanted = read(guard).unwrap();
        assert_eq!((wanted.target, wanted.guard), (issue, Some(claimer)));
    }

    #[test]
    fn what_is_neither_is_refused() {
        let refused = |value: Value| {
            let own = serde_json::from_value::<Own>(value).unwrap();
            own.checked().unwrap_err().code()
        };
        for bad in [
            json!("acme"),
            json!(17),
            json!({"target": "acme/shop#17", "run_id": "a"}),
            json!({"target": "acme", "run_id": "a", "token": 1}),
        ] {
            assert_eq!(refused(bad.clone()), Code::TargetInvalid, "{bad}");
        }
        let nameless = json!({"target": "acme/shop#17", "run_id": " ", "token": 1});
        assert_eq!(refused(nameless), Code::Usage);
    }

    #[test]
    fn a_token_goes_with_the_run_that_the_environment_names() {
        let pr = Target::pr("acme/shop", 17).unwrap();
        let carried = |variables| Carried::by(&host(variables), &pr);
        let both = carried(&[("RUNR_RUN_ID", "outer"), ("RUNR_TOKEN", "7")]);
        assert_eq!(both.claim(), Some((&name("outer"), Token(7))));
        assert_eq!(both.claimer().unwrap().token, Some(Token(7)));
        assert_eq!(both.named(name("outer")).token, Some(Token(7)));
        assert_eq!(both.named(name("other")).token, None);
        let run = carried(&[("PI_SUBAGENT_RUN_ID", "outer")]);
        assert_eq!(run.claim(), None);
        assert_eq!(run.claimer().unwrap().run_id, name("outer"));
        let token = carried(&[("RUNR_TOKEN", "7")]);
        assert_eq!((token.claim(), token.claimer()), (None, None));
        assert_eq!(token.named(name("own")).token, None);
    }
}
