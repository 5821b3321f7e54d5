//! The recorded calls, with arguments as a dynamically typed caller gives them.

use serde_json::{Value, json};

use super::folder::{Folder, OneFile};
use crate::error::Result;
use crate::json::{Rules, Written, scan};
use crate::ownership::claim_store::ClaimStore;
use crate::ownership::{
    Claimant, Ensure, ExitNote, MaxAge, Mode, Now, Outcome, Process, Processes, RunName,
    StaleQuery, Target, UtcOffset, assert_owner, claim, create, ensure, load, record_exit_signal,
    release, stale,
};
use crate::time::Timestamp;

/// Answers a step with the text of its result.
pub(super) fn call(folder: &Folder, step: &Value) -> Result<String> {
    let args = &step["args"];
    let op = step["op"].as_str().unwrap();
    let path = args["path"].as_str();
    match op {
        "write" => folder.write(path.unwrap(), args["text"].as_str().unwrap()),
        "remove" => folder.remove(path.unwrap()),
        _ => {
            let target = target(args)?;
            let claims = folder.claims(args["filePath"].as_str(), &target);
            return Call {
                args,
                target,
                claims,
                clock: &step["clock"],
            }
            .answer(op);
        }
    }
    Ok("null".to_owned())
}

/// The target of a call; what JSON cannot hold stands as its name in a string.
fn target(args: &Value) -> Result<Target> {
    let mut object = json!({});
    for key in ["repo", "pr"] {
        match args.get(key).map(|value| (value, value["$js"].as_str())) {
            None | Some((_, Some("undefined"))) => {}
            Some((_, Some(name))) => object[key] = json!(name),
            Some((value, None)) => object[key] = value.clone(),
        }
    }
    let text = object.to_string();
    Target::from_json(scan(&text, &Rules::default()).unwrap().root())
}

struct Call<'a> {
    args: &'a Value,
    target: Target,
    claims: OneFile,
    clock: &'a Value,
}

impl Call<'_> {
    fn answer(&self, op: &str) -> Result<String> {
        let (claims, target) = (&self.claims, &self.target);
        let caller = Claimant::plain(self.run_id());
        let outcome = match op {
            "claim" => claim(
                claims,
                target,
                &caller,
                &self.mode(),
                &NoProcesses,
                &self.now(),
            ),
            "assert" => assert_owner(claims, target, &caller, self.flag("requireExisting", false)),
            "release" => release(claims, target, &caller, &self.now()),
            "exit_signal" => {
                let note = ExitNote {
                    reason: self.args["reason"].as_str().map(Into::into),
                    require_active_owner: self.flag("requireActiveOwner", true),
                };
                record_exit_signal(claims, target, &caller, &note, &self.now())
            }
            "ensure" => self.ensure(),
            "load" => return self.load(),
            "stale" => return self.stale(),
            "path" => return Ok(Written::from(claims.location(target).as_str()).to_string()),
            "create" => {
                return Ok(create(target, self.run_id(), &self.now())
                    .to_json()
                    .to_string());
            }
            _ => panic!("{op}"),
        };
        outcome.map(|outcome| without_token(outcome).to_json().to_string())
    }

    fn ensure(&self) -> Result<Outcome> {
        let run_id = self.args["env"]["PI_SUBAGENT_RUN_ID"].as_str();
        let how = Ensure {
            require_existing: self.flag("requireExisting", false),
            claim_if_missing: self.flag("claimIfMissing", true),
            supersede: None,
        };
        let caller = Claimant::plain(run_id.and_then(RunName::new));
        let now = stamped(self.clock);
        ensure(
            &self.claims,
            &self.target,
            &caller,
            &how,
            &NoProcesses,
            &now,
        )
    }

    fn load(&self) -> Result<String> {
        let state = load(&self.claims, &self.target)?.map(|record| record.to_json());
        let path = self.claims.location(&self.target);
        let members = [("filePath", path.as_str().into()), ("state", state.into())];
        Ok(Written::object(members).to_string())
    }

    fn stale(&self) -> Result<String> {
        let query = StaleQuery {
            now: Timestamp::from_millis(self.args["now"].as_i64().unwrap()),
            max_age: MaxAge::choose(self.args["maxAgeMs"].as_f64(), None),
            local: UtcOffset::default(),
        };
        let record = load(&self.claims, &self.target)?;
        let asked = |key: &str| Written::from(self.args[key].clone());
        let path = self.claims.location(&self.target);
        let answer = stale(record.as_ref(), &query);
        Ok(answer
            .to_json(&asked("repo"), &asked("pr"), &path)
            .to_string())
    }

    fn run_id(&self) -> Option<RunName> {
        self.args["runId"].as_str().and_then(RunName::new)
    }

    fn mode(&self) -> Mode {
        if self.args["mode"] == "takeover" {
            Mode::Takeover {
                expect: None,
                only_if_expired: false,
            }
        } else {
            Mode::Claim
        }
    }

    fn now(&self) -> Now {
        stamped(&self.args["now"])
    }

    fn flag(&self, key: &str, default: bool) -> bool {
        self.args[key].as_bool().unwrap_or(default)
    }
}

fn stamped(time: &Value) -> Now {
    let text = time.as_str().unwrap();
    Now {
        stamp: text.into(),
        at: text.parse().unwrap(),
    }
}

/// The recorded functions know no tokens.
fn without_token(outcome: Outcome) -> Outcome {
    Outcome {
        token: None,
        ..outcome
    }
}

#[derive(Debug)]
struct NoProcesses;

impl Processes for NoProcesses {
    fn own(&self) -> Process {
        Process {
            pid: 0,
            start: 0,
            boot_id: String::new(),
            pid_ns: String::new(),
            host: String::new(),
        }
    }

    fn exists(&self, _: u32) -> bool {
        false
    }

    fn has_ended(&self, _: &Process) -> bool {
        false
    }
}
