//! `runr owner exec`: a command under a claim.

mod child;

use runr_core::ownership::{Guard, OwnOptions};
use runr_core::{Code, Error, Result};

use super::Desk;
use crate::commands::cli::ExecArgs;
use crate::commands::{INTERRUPTED, print_error};
use crate::ownership::{acquire, environment};
use child::{Child, End};

/// Exit status where there is no such command, as a shell has it.
const NOT_FOUND: u8 = 127;
/// Exit status of a command that cannot be started.
const NOT_STARTED: u8 = 126;
/// Exit status of a command that was ended because its claim was lost.
const LOST: u8 = 1;

impl Desk<'_> {
    /// Runs a command as the owner and returns its exit status.
    pub(super) fn exec(&self, args: &ExecArgs) -> Result<u8> {
        let host = self.call.host;
        let run = self.run(args.subject.run_id.as_deref())?;
        let mut options = OwnOptions::default();
        options.ttl = args.ttl.unwrap_or(options.ttl);
        let guard = acquire(host, &self.place, self.target.clone(), run, options)?;
        // From here on a signal ends the command, not the one who has to release the claim.
        if let Some(signals) = &host.signals {
            signals.keep();
        }
        if host.cancel.is_cancelled() {
            guard.release(None)?;
            return Ok(INTERRUPTED);
        }
        self.call.detail(&format!("{} is owned", self.target));
        let run = guard.run_id().to_string();
        let variables = environment(&run, Some((guard.token(), guard.target())));
        match Child::start(&args.command, &variables, self.call.json) {
            Ok(child) => self.attend(guard, child),
            Err(problem) => {
                guard.release(None)?;
                Ok(self.not_started(&args.command, problem))
            }
        }
    }

    /// Waits for the command and gives the claim back.
    fn attend(&self, guard: Guard, child: Child) -> Result<u8> {
        let end = child.attend(&guard, self.call.host);
        let end = end.map_err(|problem| Error::io("wait for", "the command".into(), problem))?;
        let status = match end {
            End::Lost(error) => return Ok(self.lost(&error)),
            End::Exited { status, .. } => status,
        };
        let given_back = match end.complaint() {
            Some(reason) => guard.fail(&reason),
            None => guard.release(None),
        };
        match given_back {
            Ok(outcome) if outcome.ok() => {
                if self.call.json {
                    super::show::outcome(self.call, &outcome);
                }
                Ok(status)
            }
            // It was lost while the command ended.
            Ok(outcome) => {
                super::show::outcome(self.call, &outcome);
                Ok(LOST)
            }
            Err(error) if error.code() == Code::OwnershipLost => Ok(self.lost(&error)),
            Err(error) => {
                let failed = print_error(&self.call.console, &error, self.call.json);
                Ok(if status == 0 { failed } else { status })
            }
        }
    }

    /// Work was done, so this is no refusal.
    fn lost(&self, error: &Error) -> u8 {
        print_error(&self.call.console, error, self.call.json);
        LOST
    }

    fn not_started(&self, command: &[String], problem: std::io::Error) -> u8 {
        let missing = problem.kind() == std::io::ErrorKind::NotFound;
        let program = command.first().map_or("", String::as_str);
        let error = Error::io("start", program.into(), problem);
        print_error(&self.call.console, &error, self.call.json);
        if missing { NOT_FOUND } else { NOT_STARTED }
    }
}
