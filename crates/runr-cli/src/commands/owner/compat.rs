//! `runr owner --compat`: arguments, output and exit status of the older tool with the same files.
//!
//! A result is one line on standard output, a conflict one line on standard error. Every other
//! error is a line there, too, and its JSON is encoded twice: programs that parse it expect that.

use runr_core::Result;
use runr_core::json::Written;
use runr_core::ownership::{self, FileClaims, Mode, Now, Number, Outcome, RunName, Slug, Target};
use serde_json::{Value, json};

use crate::commands::Invocation;
use crate::ownership::{ClaimPlace, caller, run_of};
use crate::processes::SystemProcesses;

const USAGE: &str = "\
Usage: runr owner --compat <status|claim|takeover|assert|release> --repo <owner/name> --pr <number> [options]

Options:
  --repo <owner/name>   the repository (required)
  --pr <number>         the pull request (required)
  --run-id <id>         the run [default: RUNR_RUN_ID, DEVLOOPS_RUN_ID, PI_SUBAGENT_RUN_ID]
  --require-existing    for assert: fail if nobody owns it
  -h, --help            show this text";

/// What the words ask for.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    Help,
    Do(Job),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Job {
    command: Command,
    repo: String,
    pr: String,
    run_id: Option<String>,
    require_existing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Status,
    Claim,
    Takeover,
    Assert,
    Release,
}

/// What the tool prints.
enum Printed {
    Result(String),
    Conflict(String),
}

/// Does what the words after `owner` say, and returns the exit status.
pub(crate) fn execute(call: &Invocation<'_>, words: &[String]) -> u8 {
    let job = match read(words) {
        Ok(Request::Help) => {
            call.console.line(USAGE);
            return 0;
        }
        Ok(Request::Do(job)) => job,
        Err(problem) => {
            return fail(
                call,
                &json!({"ok": false, "error": problem, "usage": USAGE}),
            );
        }
    };
    match job.perform(call) {
        Ok(Printed::Result(line)) => {
            call.console.line(&line);
            0
        }
        Ok(Printed::Conflict(line)) => {
            call.console.say(&line);
            1
        }
        Err(error) => fail(call, &json!({"ok": false, "error": error.to_string()})),
    }
}

fn fail(call: &Invocation<'_>, error: &Value) -> u8 {
    call.console
        .say(&Value::String(error.to_string()).to_string());
    1
}

/// Reads the words in their order: help that stands before an error wins, and the name of the
/// command is looked at last.
fn read(words: &[String]) -> std::result::Result<Request, String> {
    let mut found = Found::default();
    let mut words = words.iter().map(String::as_str);
    if words.len() == 0 {
        return Ok(Request::Help);
    }
    while let Some(word) = words.next() {
        let slot = match word {
            "-h" | "--help" => return Ok(Request::Help),
            // It prints nothing else.
            "--json" => continue,
            "--require-existing" => {
                found.require_existing = true;
                continue;
            }
            "--repo" => &mut found.repo,
            "--pr" => &mut found.pr,
            "--run-id" => &mut found.run_id,
            word if word.starts_with('-') || found.name.is_some() => {
                return Err(format!("unknown argument: {word}"));
            }
            word => {
                found.name = Some(word.to_owned());
                continue;
            }
        };
        let value = words.next().map(str::trim).unwrap_or_default();
        if value.is_empty() || value.starts_with("--") {
            return Err(format!("missing value for {word}"));
        }
        *slot = Some(value.to_owned());
    }
    found.job().map(Request::Do)
}

/// What stands among the words.
#[derive(Default)]
struct Found {
    name: Option<String>,
    repo: Option<String>,
    pr: Option<String>,
    run_id: Option<String>,
    require_existing: bool,
}

impl Found {
    fn job(self) -> std::result::Result<Job, String> {
        let command = command(self.name.as_deref())?;
        let missing = |option: &str| format!("{option} is required");
        Ok(Job {
            command,
            repo: self.repo.ok_or_else(|| missing("--repo <owner/name>"))?,
            pr: number(&self.pr.ok_or_else(|| missing("--pr <number>"))?)?,
            run_id: self.run_id,
            require_existing: self.require_existing,
        })
    }
}

fn command(name: Option<&str>) -> std::result::Result<Command, String> {
    Ok(match name {
        Some("status") => Command::Status,
        Some("claim") => Command::Claim,
        Some("takeover") => Command::Takeover,
        Some("assert") => Command::Assert,
        Some("release") => Command::Release,
        Some(other) => return Err(format!("unknown command: {other}")),
        None => return Err("a command is required".to_owned()),
    })
}

fn number(text: &str) -> std::result::Result<String, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits && text.bytes().any(|byte| byte != b'0') {
        Ok(text.to_owned())
    } else {
        Err(format!("--pr must be a number above 0, not {text}"))
    }
}

impl Job {
    fn perform(&self, call: &Invocation<'_>) -> Result<Printed> {
        let host = call.host;
        let target = Target::Pr(Slug::parse(&self.repo)?, Number::parse(&self.pr)?);
        let place = ClaimPlace::around(host, &call.root)?;
        let run_id = match &self.run_id {
            Some(id) => RunName::new(id.as_str()),
            None => run_of(|name| host.var(name)),
        };
        let caller = caller(host, &target, run_id);
        let now = Now::from(host.clock.now());
        let claim = |mode| {
            let claims = place.claims(host)?;
            ownership::claim(&claims, &target, &caller, &mode, &SystemProcesses, &now)
        };
        let outcome = match self.command {
            Command::Status => return status(&place.to_look(host), &target),
            Command::Claim => claim(Mode::Claim),
            Command::Takeover => claim(Mode::Takeover {
                expect: None,
                only_if_expired: false,
            }),
            Command::Assert => {
                let claims = place.to_look(host);
                ownership::assert_owner(&claims, &target, &caller, self.require_existing)
            }
            Command::Release => ownership::release(&place.claims(host)?, &target, &caller, &now),
        };
        Ok(printed(outcome?))
    }
}

/// The older tool knows no tokens.
fn printed(mut outcome: Outcome) -> Printed {
    outcome.token = None;
    let line = outcome.to_json().to_string();
    if outcome.ok() {
        Printed::Result(line)
    } else {
        Printed::Conflict(line)
    }
}

fn status(claims: &FileClaims, target: &Target) -> Result<Printed> {
    let state = ownership::load(claims, target)?;
    let mut members: Vec<(&str, Written)> = vec![("ok", true.into()), ("command", "status".into())];
    members.extend(target.members());
    members.push(("filePath", claims.path(target).as_str().into()));
    members.push(("state", state.map(|state| state.to_json()).into()));
    Ok(Printed::Result(Written::object(members).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> std::result::Result<Request, String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        super::read(&words)
    }

    fn job(line: &str) -> Job {
        match read(line) {
            Ok(Request::Do(job)) => job,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn options_stand_anywhere_and_their_values_are_trimmed() {
        let expected = Job {
            command: Command::Assert,
            repo: "a/b".to_owned(),
            pr: "017".to_owned(),
            run_id: Some("run-1".to_owned()),
            require_existing: true,
        };
        let line = "assert --repo a/b --pr 017 --run-id run-1 --require-existing";
        assert_eq!(job(line), expected);
        assert_eq!(
            job("--pr 017 --require-existing --run-id run-1 --json assert --repo a/b"),
            expected
        );
        let words = ["claim", "--repo", " a/b\n", "--pr", " 5 "].map(str::to_owned);
        let Ok(Request::Do(job)) = super::read(&words) else {
            panic!()
        };
        assert_eq!((job.repo.as_str(), job.pr.as_str()), ("a/b", "5"));
    }

    #[test]
    fn help_wins_over_what_comes_after_it() {
        assert_eq!(super::read(&[]), Ok(Request::Help));
        for line in ["-h", "--help", "claim --help --bad", "nonsense --pr 0 -h"] {
            assert_eq!(read(line), Ok(Request::Help), "{line}");
        }
        assert!(read("claim --bad --help").is_err());
        assert!(read("claim --repo --help").is_err());
    }

    #[test]
    fn bad_arguments_are_named_and_the_command_is_looked_at_last() {
        for (line, problem) in [
            ("nonsense --bad", "--bad"),
            ("nonsense --repo a/b --pr 1", "nonsense"),
            ("--repo a/b --pr 1", "command"),
            ("claim --pr 1", "--repo"),
            ("claim --repo a/b", "--pr"),
            ("claim --repo a/b --pr 0", "--pr"),
            ("claim --repo a/b --pr 1x", "--pr"),
            ("claim --repo a/b --pr -1", "--pr"),
            ("claim --repo", "--repo"),
            ("claim --repo --pr 1", "--repo"),
            ("claim release --repo a/b --pr 1", "release"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(problem), "{line}: {error}");
        }
    }
}
