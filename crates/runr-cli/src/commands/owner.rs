//! `runr owner`: who may act on a PR, an issue or a branch.

pub(crate) mod compat;
mod exec;
mod show;
mod stale;
mod target;

use runr_core::ownership::{
    self, Claimant, Conflict, ExitNote, Expect, FileClaims, Mode, Now, Outcome, RunName, Target,
    Token, Verdict, examine, repair,
};
use runr_core::{Code, Error, Result};

use super::Invocation;
use super::cli::{
    AssertArgs, ClaimArgs, OwnerArgs, OwnerCommand, OwnerSubject, RepairArgs, SignalArgs,
    TakeoverArgs, TargetArgs,
};
use crate::ownership::{ClaimPlace, caller, run_of};
use crate::processes::SystemProcesses;

pub(crate) fn execute(call: &Invocation<'_>, args: &OwnerArgs) -> Result<u8> {
    match &args.command {
        OwnerCommand::Claim(args) => {
            Desk::of(call, &args.subject.target)?.claim(args, &Mode::Claim)
        }
        OwnerCommand::Takeover(args) => Desk::of(call, &args.claim.subject.target)?.take_over(args),
        OwnerCommand::Assert(args) => Desk::of(call, &args.subject.target)?.assert(args),
        OwnerCommand::Release(args) => Desk::of(call, &args.target)?.release(args),
        OwnerCommand::Signal(args) => Desk::of(call, &args.subject.target)?.signal(args),
        OwnerCommand::Status(args) => Desk::of(call, &args.target)?.status(),
        OwnerCommand::Stale(args) => Desk::of(call, &args.subject.target)?.stale(args),
        OwnerCommand::Exec(args) => Desk::of(call, &args.subject.target)?.exec(args),
        OwnerCommand::Repair(args) => Desk::of(call, &args.subject.target)?.repair(args),
    }
}

/// A target, where its claims are kept, and where to print.
struct Desk<'a> {
    call: &'a Invocation<'a>,
    target: Target,
    place: ClaimPlace,
}

impl<'a> Desk<'a> {
    fn of(call: &'a Invocation<'a>, args: &TargetArgs) -> Result<Self> {
        let root = call.host.cwd.join(&call.root);
        if !root.is_dir() {
            let message = format!("there is no directory {root}");
            return Err(Error::new(Code::Usage, message).at(root));
        }
        Ok(Self {
            target: target::target(call, args).map_err(named)?,
            place: ClaimPlace::around(call.host, &call.root)?.single_host(args.single_host),
            call,
        })
    }

    fn claims(&self) -> Result<FileClaims> {
        self.place.claims(self.call.host)
    }

    fn now(&self) -> Now {
        Now::from(self.call.host.clock.now())
    }

    /// The run that the options name, or the environment.
    fn run_if_any(&self, given: Option<&str>) -> Result<Option<RunName>> {
        let Some(given) = given else {
            return Ok(run_of(|name| self.call.host.var(name)));
        };
        match RunName::new(given) {
            Some(run) => Ok(Some(run)),
            None => Err(Error::new(Code::Usage, "the run id is blank").hint("--run-id ID")),
        }
    }

    fn run(&self, given: Option<&str>) -> Result<RunName> {
        self.run_if_any(given)?.ok_or_else(|| {
            Error::new(Code::Usage, "a run id is required").hint("--run-id ID, or set RUNR_RUN_ID")
        })
    }

    fn caller(&self, subject: &OwnerSubject) -> Result<Claimant> {
        let run = self.run(subject.run_id.as_deref())?;
        Ok(caller(self.call.host, &self.target, Some(run)))
    }

    fn claim(&self, args: &ClaimArgs, mode: &Mode) -> Result<u8> {
        let caller = self.leased(args)?;
        Ok(self.answer(&self.claim_as(&caller, mode)?))
    }

    fn leased(&self, args: &ClaimArgs) -> Result<Claimant> {
        let caller = self.caller(&args.subject)?;
        let ttl = args.ttl.unwrap_or(caller.ttl);
        Ok(Claimant { ttl, ..caller })
    }

    fn claim_as(&self, caller: &Claimant, mode: &Mode) -> Result<Outcome> {
        let claims = self.claims()?;
        ownership::claim(
            &claims,
            &self.target,
            caller,
            mode,
            &SystemProcesses,
            &self.now(),
        )
    }

    fn take_over(&self, args: &TakeoverArgs) -> Result<u8> {
        let caller = self.leased(&args.claim)?;
        let take = |expect| {
            let mode = Mode::Takeover {
                expect,
                only_if_expired: args.only_if_expired,
            };
            self.claim_as(&caller, &mode)
        };
        let Some(expect) = &args.expect else {
            return Ok(self.answer(&take(None)?));
        };
        let run = RunName::new(expect.as_str())
            .ok_or_else(|| Error::new(Code::Usage, "--expect is blank"))?;
        let outcome = take(Some(Expect::Run(run)))?;
        // Digits may name a run or a claim. A takeover that was refused has changed nothing.
        let refused = outcome.verdict == Verdict::Refused(Conflict::ActiveRunExists);
        let outcome = match expect.trim().parse() {
            Ok(token) if refused => take(Some(Expect::Token(Token(token))))?,
            _ => outcome,
        };
        Ok(self.answer(&outcome))
    }

    fn assert(&self, args: &AssertArgs) -> Result<u8> {
        let caller = self.caller(&args.subject)?;
        let claims = self.place.to_look(self.call.host);
        let outcome =
            ownership::assert_with_token(&claims, &self.target, &caller, args.require_existing)?;
        Ok(self.answer(&outcome))
    }

    fn release(&self, args: &OwnerSubject) -> Result<u8> {
        let caller = self.caller(args)?;
        let outcome = ownership::release(&self.claims()?, &self.target, &caller, &self.now())?;
        Ok(self.answer(&outcome))
    }

    fn signal(&self, args: &SignalArgs) -> Result<u8> {
        let caller = self.caller(&args.subject)?;
        let note = ExitNote {
            reason: args.reason.as_deref().map(Into::into),
            require_active_owner: !args.any_run,
        };
        let claims = self.claims()?;
        let outcome =
            ownership::record_exit_signal(&claims, &self.target, &caller, &note, &self.now())?;
        Ok(self.answer(&outcome))
    }

    fn repair(&self, args: &RepairArgs) -> Result<u8> {
        let mend = if args.dry_run { examine } else { repair };
        let repaired = mend(&self.claims()?, &self.target, &self.now())?;
        show::repaired(self.call, &self.target, &repaired, args.dry_run);
        Ok(if repaired.ok() { 0 } else { CONFLICT })
    }

    /// Prints what became of an operation and returns the exit status.
    fn answer(&self, outcome: &Outcome) -> u8 {
        show::outcome(self.call, outcome);
        if outcome.ok() { 0 } else { CONFLICT }
    }

    fn status(&self) -> Result<u8> {
        let claims = self.place.to_look(self.call.host);
        let now = self.call.host.clock.now();
        let (snapshot, lease) = ownership::inspect(&claims, &self.target, &SystemProcesses, now)?;
        let path = claims.path(&self.target);
        show::status(self.call, &self.target, path.as_str(), &snapshot, lease);
        Ok(0)
    }
}

/// An error of a target says so first.
fn named(error: Error) -> Error {
    if error.code() != Code::TargetInvalid {
        return error;
    }
    let message = format!("Invalid target: {error}");
    error.reworded(message)
}

/// Exit status of an operation that another run stands in the way of.
const CONFLICT: u8 = 3;
