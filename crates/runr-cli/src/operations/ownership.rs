//! The functions of ownership. Those of the older module keep its names, options and results, and
//! take a wrong type as that module does: what is no text is no run id and no reason.

use camino::Utf8PathBuf;
use runr_core::json::{Kind, Rules, Written, scan};
use runr_core::ownership::{
    self, Claimant, Ensure, ExitNote, FileClaims, Mode, Now, Outcome, RunName, Target, Text, Token,
};
use runr_core::{Code, Error, Result, Timestamp};
use serde_json::Value;

use super::Arguments;
use crate::host::Host;
use crate::ownership::{ClaimPlace, RootRule, caller, carried_token, max_age, run_of, stale_query};
use crate::processes::SystemProcesses;

pub(super) fn claim_runner_ownership(host: &Host, arguments: &mut Arguments) -> Result<Written> {
    let call = Call::read(host, arguments)?;
    let mode = match arguments.text("mode") {
        Some(mode) if mode == Text::from("takeover") => Mode::Takeover {
            expect: None,
            only_if_expired: false,
        },
        _ => Mode::Claim,
    };
    let (claims, now) = (call.claims(host)?, now(host, arguments));
    let (target, caller) = (&call.target, &call.caller);
    let claimed = ownership::claim(&claims, target, caller, &mode, &SystemProcesses, &now);
    claimed.map(dropped_in)
}

pub(super) fn assert_runner_ownership(host: &Host, arguments: &mut Arguments) -> Result<Written> {
    let call = Call::read(host, arguments)?;
    let require_existing = arguments.or("require_existing", false)?;
    let claims = call.place.to_look(host);
    ownership::assert_owner(&claims, &call.target, &call.caller, require_existing).map(dropped_in)
}

pub(super) fn release_runner_ownership(host: &Host, arguments: &mut Arguments) -> Result<Written> {
    let call = Call::read(host, arguments)?;
    let (claims, now) = (call.claims(host)?, now(host, arguments));
    ownership::release(&claims, &call.target, &call.caller, &now).map(dropped_in)
}

pub(super) fn record_exit_signal_for_runner(
    host: &Host,
    arguments: &mut Arguments,
) -> Result<Written> {
    let call = Call::read(host, arguments)?;
    let note = ExitNote {
        reason: arguments.text("reason"),
        require_active_owner: arguments.or("require_active_owner", true)?,
    };
    let (claims, now) = (call.claims(host)?, now(host, arguments));
    let (target, caller) = (&call.target, &call.caller);
    ownership::record_exit_signal(&claims, target, caller, &note, &now).map(dropped_in)
}

/// The run is the one that the environment names.
pub(super) fn ensure_async_runner_ownership(
    host: &Host,
    arguments: &mut Arguments,
) -> Result<Written> {
    let target = pr(arguments)?;
    let place = place(host, arguments)?;
    let env = Environment::read(host, arguments)?;
    let run_id = run_of(|name| env.get(name));
    let call = Call {
        caller: Claimant::plain(run_id).with_token(carried_token(|name| env.text(name), &target)),
        target,
        place,
    };
    let now = now(host, arguments);
    let supersede = arguments
        .or("supersede_stale", false)?
        .then(|| stale_query(now.at, max_age(None, |name| env.text(name))));
    let how = Ensure {
        require_existing: arguments.or("require_existing", false)?,
        claim_if_missing: arguments.or("claim_if_missing", true)?,
        supersede,
    };
    let claims = call.claims(host)?;
    let (target, caller) = (&call.target, &call.caller);
    ownership::ensure(&claims, target, caller, &how, &SystemProcesses, &now).map(dropped_in)
}

pub(super) fn load_runner_coordination_state(
    host: &Host,
    arguments: &mut Arguments,
) -> Result<Written> {
    let target = pr(arguments)?;
    let claims = place(host, arguments)?.to_look(host);
    let state = ownership::load(&claims, &target)?;
    Ok(Written::object([
        ("filePath", claims.path(&target).as_str().into()),
        ("state", state.map(|state| state.to_json()).into()),
    ]))
}

pub(super) fn create_runner_coordination_state(
    host: &Host,
    arguments: &mut Arguments,
) -> Result<Written> {
    let target = pr(arguments)?;
    let run_id = run(arguments);
    Ok(ownership::create(&target, run_id, &now(host, arguments)).to_json())
}

/// What is asked about is shown as the caller gave it.
pub(super) fn detect_stale_runner(host: &Host, arguments: &mut Arguments) -> Result<Written> {
    let members = pr_members(arguments);
    let target = target_of(&Written::object(members.clone()))?;
    let claims = place(host, arguments)?.to_look(host);
    let env = Environment::read(host, arguments)?;
    let now = instant(host, arguments);
    let option: Option<Value> = arguments.optional("max_age_ms")?;
    let option = option.as_ref().and_then(Value::as_f64);
    let max_age = max_age(option, |name| env.text(name));
    let record = ownership::load(&claims, &target)?;
    let stale = ownership::stale(record.as_ref(), &stale_query(now, max_age));
    let shown = |key: &str| {
        let member = members.iter().find(|member| member.0 == key);
        member.map_or_else(|| None::<Written>.into(), |member| member.1.clone())
    };
    Ok(stale.to_json(&shown("repo"), &shown("pr"), claims.path(&target).as_str()))
}

pub(super) fn default_runner_coordination_file_path_for_target(
    host: &Host,
    arguments: &mut Arguments,
) -> Result<Written> {
    let target = target(arguments)?;
    let claims = place(host, arguments)?.to_look(host);
    Ok(claims.path(&target).as_str().into())
}

pub(super) fn normalize_runner_coordination_state(
    _: &Host,
    arguments: &mut Arguments,
) -> Result<Written> {
    let target = target(arguments)?;
    let raw = arguments.written("raw");
    let raw = raw.as_ref().map_or("null", Written::text);
    let record = ownership::read_record(raw, &target)?;
    Ok(record.map(|record| record.to_json()).into())
}

pub(super) fn owner_heartbeat(host: &Host, arguments: &mut Arguments) -> Result<Written> {
    let target = target(arguments)?;
    let token = token(arguments)?;
    let caller = Claimant::plain(run(arguments)).with_token(Some(token));
    let claims = claims_below_root(host, arguments)?;
    let now = Now::from(host.clock.now());
    let outcome = ownership::heartbeat(&claims, &target, &caller, &now)?;
    Ok(outcome.to_json())
}

pub(super) fn owner_repair(host: &Host, arguments: &mut Arguments) -> Result<Written> {
    let target = target(arguments)?;
    let claims = claims_below_root(host, arguments)?;
    let repaired = ownership::repair(&claims, &target, &Now::from(host.clock.now()))?;
    Ok(repaired.to_json().into())
}

/// A run that asks for something about a target.
struct Call {
    target: Target,
    place: ClaimPlace,
    caller: Claimant,
}

impl Call {
    /// The target is looked at before anything else.
    fn read(host: &Host, arguments: &mut Arguments) -> Result<Self> {
        let target = pr(arguments)?;
        Ok(Self {
            place: place(host, arguments)?,
            caller: caller(host, &target, run(arguments)),
            target,
        })
    }

    /// The claims. A caller without a run id is answered without a look at anything.
    fn claims(&self, host: &Host) -> Result<FileClaims> {
        match self.caller.run_id {
            Some(_) => self.place.claims(host),
            None => Ok(self.place.to_look(host)),
        }
    }
}

/// The older module knows no tokens.
fn dropped_in(mut outcome: Outcome) -> Written {
    outcome.token = None;
    outcome.to_json()
}

/// The target of `repo` and `pr`, which may have any type.
fn pr(arguments: &mut Arguments) -> Result<Target> {
    target_of(&Written::object(pr_members(arguments)))
}

fn pr_members(arguments: &mut Arguments) -> Vec<(&'static str, Written)> {
    ["repo", "pr"]
        .into_iter()
        .filter_map(|name| Some((name, arguments.written(name)?)))
        .collect()
}

/// The target of `target`: a text or an object.
fn target(arguments: &mut Arguments) -> Result<Target> {
    let written = arguments.written("target");
    target_of(&written.unwrap_or_else(|| None::<Written>.into()))
}

fn target_of(written: &Written) -> Result<Target> {
    let tree = scan(written.text(), &Rules::default())
        .map_err(|bad| Error::new(Code::TargetInvalid, format!("this is no target: {bad}")))?;
    Target::from_json(tree.root())
}

fn run(arguments: &mut Arguments) -> Option<RunName> {
    arguments.text("run_id").and_then(RunName::new)
}

/// Where the records are: below `cwd` by the rule of `root`, or in `file_path`.
fn place(host: &Host, arguments: &mut Arguments) -> Result<ClaimPlace> {
    let cwd = arguments.or("cwd", Utf8PathBuf::from("."))?;
    let rule = match arguments.optional::<String>("root")?.as_deref() {
        None | Some("git") => RootRule::Git,
        Some("cwd") => RootRule::Cwd,
        Some(_) => return Err(arguments.unusable("root", "it is `git` or `cwd`")),
    };
    let file: Option<Utf8PathBuf> = arguments.optional_if_listed("file_path")?;
    let single_host = arguments.optional_if_listed("single_host")?;
    Ok(ClaimPlace::of(host, &cwd, rule)?
        .file(file)
        .single_host(single_host))
}

/// The claims of the repository around the directory `root`.
fn claims_below_root(host: &Host, arguments: &mut Arguments) -> Result<FileClaims> {
    let root = arguments.root()?;
    let single_host = arguments.optional("single_host")?;
    ClaimPlace::around(host, &root)?
        .single_host(single_host)
        .claims(host)
}

/// What is written as the time, unchecked; leases are judged by it where it is one.
fn now(host: &Host, arguments: &mut Arguments) -> Now {
    let clock = host.clock.now();
    let Some(stamp) = arguments.text("now") else {
        return Now::from(clock);
    };
    let at = stamp.to_string().parse().unwrap_or(clock);
    Now { stamp, at }
}

/// A point in time: milliseconds since the epoch, or a text.
fn instant(host: &Host, arguments: &mut Arguments) -> Timestamp {
    let given = arguments.written("now");
    let given = given.and_then(|now| serde_json::from_str::<Value>(now.text()).ok());
    let time = match given {
        Some(Value::String(text)) => text.parse().ok(),
        Some(Value::Number(number)) => number.as_f64().map(at_millis),
        _ => None,
    };
    time.unwrap_or_else(|| host.clock.now())
}

fn at_millis(millis: f64) -> Timestamp {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, and the fraction is cut off"
    )]
    Timestamp::from_millis(millis as i64)
}

/// A number, or its digits where a language cannot hold it.
fn token(arguments: &mut Arguments) -> Result<Token> {
    let value: Value = arguments.required("token")?;
    let number = match &value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let number = number.ok_or_else(|| arguments.unusable("token", "it is a number"))?;
    Ok(Token(number))
}

/// The environment that the caller passes, or that of this process.
enum Environment<'a> {
    Given(Written),
    Own(&'a Host),
}

impl<'a> Environment<'a> {
    fn read(host: &'a Host, arguments: &mut Arguments) -> Result<Self> {
        let Some(given) = arguments.written("env") else {
            return Ok(Self::Own(host));
        };
        let tree = scan(given.text(), &Rules::default().levels(1));
        match tree.map(|tree| tree.root().kind()) {
            Ok(Kind::Object) => Ok(Self::Given(given)),
            _ => Err(arguments.unusable("env", "it is not an object")),
        }
    }

    fn get(&self, name: &str) -> Option<Text> {
        match self {
            Self::Own(host) => host.var(name).map(Text::from),
            Self::Given(given) => {
                let tree = scan(given.text(), &Rules::default().levels(1)).ok()?;
                tree.root().get_last(name).and_then(Text::of)
            }
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|text| text.to_string())
    }
}
