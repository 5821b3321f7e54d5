//! Claims for programs: [`runr_core::ownership`] with the disk, the processes, the clock and the
//! environment of this machine.

mod place;

use std::ops::Deref;
use std::sync::Arc;

use runr_core::store::SystemSuffixes;
use runr_core::{Code, Error, Result, RunId, Timestamp};

pub use runr_core::ownership::*;

pub(crate) use place::{ClaimPlace, RootRule, default_slug};

use crate::host::Host;
use crate::processes::SystemProcesses;

/// Where a process learns which run it belongs to, the first one that is set.
pub(crate) const RUN_ID_VARIABLES: [&str; 3] =
    ["RUNR_RUN_ID", "DEVLOOPS_RUN_ID", "PI_SUBAGENT_RUN_ID"];
/// Where a process learns the number of the claim it acts under.
const TOKEN_VARIABLE: &str = "RUNR_TOKEN";
/// Of which target that is the claim.
const TARGET_VARIABLE: &str = "RUNR_TARGET";
/// What only processes have that act under a claim.
pub(crate) const CLAIM_VARIABLES: [&str; 2] = [TOKEN_VARIABLE, TARGET_VARIABLE];

/// Where a process learns when a runner is stale, the first one that is set.
const MAX_AGE_VARIABLES: [&str; 2] = [
    "DEVLOOPS_STALE_RUNNER_MAX_AGE_MS",
    "PI_DEV_LOOP_STALE_RUNNER_MAX_AGE_MS",
];

/// The claim of a program on what it is about to change, kept alive by a thread until it is
/// released or dropped.
///
/// ```no_run
/// use runr_cli::ownership::{OwnOptions, Ownership, Target};
///
/// let owner = Ownership::acquire(Target::pr("acme/shop", 17)?, "run-1", OwnOptions::ttl(60))?;
/// owner.check()?;
/// owner.release(None)?;
/// # Ok::<(), runr_core::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "the claim is released as soon as it is dropped"]
pub struct Ownership(Guard);

impl Ownership {
    /// Claims a target of the repository around the present directory. All worktrees of a checkout
    /// share their claims. A process that was started under the same claim (`RUNR_TOKEN`) shares it.
    ///
    /// # Errors
    /// `E_OWNERSHIP_LOST` if another run owns the target; `E_USAGE` without a run id; what reading
    /// and writing the record may fail with.
    pub fn acquire(target: Target, run_id: impl ToRunName, options: OwnOptions) -> Result<Self> {
        let host = Host::of_process(Vec::new());
        let run_id = run_id.to_run_name();
        let run_id = run_id.ok_or_else(|| Error::new(Code::Usage, "a claim needs a run id"))?;
        let place = ClaimPlace::around(&host, ".".into())?;
        acquire(&host, &place, target, run_id, options).map(Self)
    }
}

impl Deref for Ownership {
    type Target = Guard;

    fn deref(&self) -> &Guard {
        &self.0
    }
}

/// What names a run for a claim. Blank names none.
pub trait ToRunName {
    /// The name of the run, if there is one.
    fn to_run_name(&self) -> Option<RunName>;
}

impl ToRunName for str {
    fn to_run_name(&self) -> Option<RunName> {
        RunName::new(self)
    }
}

impl ToRunName for String {
    fn to_run_name(&self) -> Option<RunName> {
        self.as_str().to_run_name()
    }
}

impl ToRunName for RunId {
    fn to_run_name(&self) -> Option<RunName> {
        self.as_str().to_run_name()
    }
}

impl ToRunName for RunName {
    fn to_run_name(&self) -> Option<RunName> {
        Some(self.clone())
    }
}

impl<T: ToRunName> ToRunName for Option<T> {
    fn to_run_name(&self) -> Option<RunName> {
        self.as_ref().and_then(T::to_run_name)
    }
}

impl<T: ToRunName + ?Sized> ToRunName for &T {
    fn to_run_name(&self) -> Option<RunName> {
        (**self).to_run_name()
    }
}

/// Claims a target at a place and keeps it alive.
///
/// # Errors
/// As [`Ownership::acquire`].
pub(crate) fn acquire(
    host: &Host,
    place: &ClaimPlace,
    target: Target,
    run_id: RunName,
    mut options: OwnOptions,
) -> Result<Guard> {
    options.token = options
        .token
        .or_else(|| carried_token(owned_by(host), &target));
    let store = Arc::new(place.claims(host)?);
    Guard::acquire(store, target, run_id, options, world(host))
}

/// What a guard needs from this machine.
pub(crate) fn world(host: &Host) -> World {
    World {
        clock: host.clock.clone(),
        processes: Arc::new(SystemProcesses),
        suffixes: Arc::new(SystemSuffixes),
    }
}

/// The run that an environment names.
pub(crate) fn run_of<T: Into<Text>>(variable: impl Fn(&str) -> Option<T>) -> Option<RunName> {
    RUN_ID_VARIABLES
        .iter()
        .find_map(|name| variable(name).and_then(RunName::new))
}

/// The claim of a target that an environment carries. The number means nothing for another target;
/// what is no number is none.
pub(crate) fn carried_token(
    variable: impl Fn(&str) -> Option<String>,
    target: &Target,
) -> Option<Token> {
    let is_other = |named: String| named.trim() != target.to_string();
    if variable(TARGET_VARIABLE).is_some_and(is_other) {
        return None;
    }
    variable(TOKEN_VARIABLE)?.trim().parse().ok().map(Token)
}

/// A call of a run, with the claim that this process says it has.
pub(crate) fn caller(host: &Host, target: &Target, run_id: Option<RunName>) -> Claimant {
    Claimant::plain(run_id).with_token(carried_token(owned_by(host), target))
}

pub(crate) fn owned_by(host: &Host) -> impl Fn(&str) -> Option<String> {
    |name| host.var(name).map(str::to_owned)
}

/// The age from which on a runner is stale, from the option or the environment.
pub(crate) fn max_age(option: Option<f64>, variable: impl Fn(&str) -> Option<String>) -> MaxAge {
    let variable = MAX_AGE_VARIABLES.iter().find_map(|name| variable(name));
    MaxAge::choose(option, variable.as_deref())
}

/// How a runner is judged here. Only times without a zone ask for that of this machine.
pub(crate) fn stale_query(now: Timestamp, max_age: MaxAge) -> StaleQuery {
    let zone = jiff::tz::TimeZone::system();
    let at = jiff::Timestamp::from_millisecond(now.as_millis()).unwrap_or_default();
    StaleQuery {
        now,
        max_age,
        local: UtcOffset::from_seconds(zone.to_offset(at).seconds()),
    }
}

/// The environment of what a run starts, and of what acts under its claim.
pub(crate) fn environment(
    run: &str,
    claim: Option<(Token, &Target)>,
) -> Vec<(&'static str, String)> {
    let mut variables: Vec<_> = RUN_ID_VARIABLES.map(|name| (name, run.to_owned())).into();
    if let Some((token, target)) = claim {
        let values = [token.to_string(), target.to_string()];
        variables.extend(CLAIM_VARIABLES.into_iter().zip(values));
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_run_id_that_is_not_blank_counts() {
        let run = |variables: &[(&str, &str)]| {
            let find = |name: &str| variables.iter().find(|it| it.0 == name).map(|it| it.1);
            run_of(find).map(|run| run.to_string())
        };
        let all = [
            ("PI_SUBAGENT_RUN_ID", "c"),
            ("DEVLOOPS_RUN_ID", " b "),
            ("RUNR_RUN_ID", "a"),
        ];
        assert_eq!(run(&all).as_deref(), Some("a"));
        assert_eq!(run(&all[..2]).as_deref(), Some("b"));
        assert_eq!(run(&all[..1]).as_deref(), Some("c"));
        assert_eq!(run(&[("RUNR_RUN_ID", " "), all[1]]).as_deref(), Some("b"));
        assert_eq!(run(&[]), None);
    }

    #[test]
    fn whatever_names_a_run_can_claim() {
        let named = |run: &dyn ToRunName| run.to_run_name().map(|run| run.to_string());
        let id = RunId::parse("20260203040506").unwrap();
        assert_eq!(named(&" a "), Some("a".to_owned()));
        assert_eq!(named(&&Some("a".to_owned())), Some("a".to_owned()));
        assert_eq!(named(&&id), Some("20260203040506".to_owned()));
        assert_eq!(named(&RunName::new("a").unwrap()), Some("a".to_owned()));
        assert_eq!(named(&None::<String>), None);
        assert_eq!(named(&" "), None);
    }

    #[test]
    fn a_token_is_carried_as_a_number_and_for_its_target_only() {
        let target = Target::pr("acme/shop", 17).unwrap();
        let carried = |token: &str, of: Option<&str>| {
            let variable = |name: &str| match name {
                TOKEN_VARIABLE => Some(token.to_owned()),
                _ => of.map(str::to_owned),
            };
            carried_token(variable, &target).map(|token| token.0)
        };
        assert_eq!(carried("17", None), Some(17));
        assert_eq!(carried(" 17\n", Some("acme/shop#17")), Some(17));
        assert_eq!(carried("17", Some("acme/shop#18")), None);
        assert_eq!(carried("x", None), None);
        assert_eq!(carried("-1", None), None);
    }
}
