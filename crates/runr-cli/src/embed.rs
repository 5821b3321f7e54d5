//! What the bindings call: JSON text in, JSON text out, so that they contain no rule.

mod guard;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use runr_core::fs::CancelFlag;
use runr_core::json::Written;
use runr_core::phase::state::State;
use runr_core::phase::status::Outcome;
use runr_core::phase::stop::StopCause;
use runr_core::{Code, Error, Result, RunId};
use serde::de::DeserializeOwned;

use crate::harness::{Answered, Driver, Listener, ResumeRequest, RunRequest};
use crate::host::Host;
use crate::output::Console;

pub use guard::Guard;

/// The names of all operations.
#[must_use]
pub fn operations() -> &'static [&'static str] {
    crate::operations::NAMES
}

/// Operations that take no lock. One that is not listed is taken for one that does: it only costs
/// a thread more.
const UNLOCKED: [&str; 16] = [
    "status",
    "runs",
    "report_run",
    "store_create",
    "store_read",
    "store_read_version",
    "store_list",
    "store_resolve",
    "store_paths",
    "store_events",
    "assert_runner_ownership",
    "load_runner_coordination_state",
    "create_runner_coordination_state",
    "detect_stale_runner",
    "default_runner_coordination_file_path_for_target",
    "normalize_runner_coordination_state",
];

/// Whether an operation may wait for the lock of another process.
#[must_use]
pub fn may_wait(name: &str) -> bool {
    !UNLOCKED.contains(&name)
}

/// Runs one operation on a JSON object of arguments and returns the JSON text of its result.
///
/// # Errors
/// `E_USAGE` for an unknown operation or unusable arguments, and the codes of the operation.
pub fn call(name: &str, arguments: &str) -> Result<String> {
    call_until(name, arguments, CancelFlag::default())
}

/// As [`call`]; raising `cancel` ends the checks that an operation runs, and so the operation.
///
/// # Errors
/// As [`call`].
pub fn call_until(name: &str, arguments: &str, cancel: CancelFlag) -> Result<String> {
    let host = host(Vec::new(), cancel);
    Ok(crate::operations::call_for_binding(&host, name, arguments)?.to_string())
}

fn parse<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| Error::new(Code::Usage, format!("{what}: {e}")))
}

fn print(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::internal(format!("cannot print JSON: {e}")))
}

/// Changes the document of a run in a store by a function on its JSON text, which runs under the
/// lock of the run; its error leaves the file as it was. `place` is `{"root"}` or `{"data_store"}`.
///
/// # Errors
/// The error of `f`, and those of an update.
pub fn update_run(
    place: &str,
    run_id: &str,
    f: impl FnOnce(&str) -> Result<String>,
) -> Result<String> {
    let place = parse("update", place)?;
    crate::operations::update_run(&Host::of_process(Vec::new()), place, run_id, |document| {
        let usage = |bad| Error::new(Code::Usage, format!("update: {bad}"));
        Written::parse(&f(&document.to_string())?).map_err(usage)
    })
    .map(|document| document.to_string())
}

/// One driver of one run, shared between threads. A forked copy of the process cannot drive: there
/// everything is `E_USAGE`, and dropping it changes nothing for the process that does.
#[derive(Debug)]
pub struct Session {
    run_id: RunId,
    /// The process that drives.
    home: u32,
    /// Absent once it was let go.
    driver: Mutex<Option<Driver>>,
    cancel: CancelFlag,
    latest: Latest,
    cancel_cause: Arc<OnceLock<StopCause>>,
}

/// The state after the last record, so that a look at it never waits for a working driver.
#[derive(Debug, Clone, Default)]
struct Latest(Arc<Mutex<State>>);

impl Latest {
    fn listener(&self) -> Listener {
        let latest = self.clone();
        Box::new(move |_, state| latest.set(state))
    }

    fn set(&self, state: &State) {
        *self.get() = state.clone();
    }

    fn get(&self) -> MutexGuard<'_, State> {
        // A state is replaced whole, so a panic leaves none half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn over(host: Host, driver: Driver, latest: Latest) -> Self {
        latest.set(driver.state());
        Self {
            run_id: driver.run_id().clone(),
            home: std::process::id(),
            cancel_cause: driver.cancel_cause(),
            driver: Mutex::new(Some(driver)),
            cancel: host.cancel,
            latest,
        }
    }

    /// Starts a run from the JSON of its options; the caller answers. Raising `cancel`, now or later,
    /// is [`Session::cancel`].
    ///
    /// # Errors
    /// `E_USAGE` for unknown options, and whatever refuses a run.
    pub fn start(options: &str, cancel: CancelFlag) -> Result<Self> {
        let request = RunRequest {
            host_answers: true,
            ..parse("Run.start", options)?
        };
        let host = host(Vec::new(), cancel);
        let latest = Latest::default();
        let driver = Driver::start_on(request, &host, Some(latest.listener()))?;
        Ok(Self::over(host, driver, latest))
    }

    /// Goes on with a run; the caller answers. Raising `cancel`, now or later, is
    /// [`Session::cancel`].
    ///
    /// # Errors
    /// `E_USAGE` for unknown options, and whatever refuses a resume.
    pub fn resume(options: &str, cancel: CancelFlag) -> Result<Self> {
        let request = ResumeRequest {
            host_answers: true,
            ..parse("Run.resume", options)?
        };
        let host = host(Vec::new(), cancel);
        let latest = Latest::default();
        let driver = Driver::resume_on(request, &host, Some(latest.listener()))?;
        Ok(Self::over(host, driver, latest))
    }

    /// Takes a step with the driver.
    fn drive<T>(&self, step: impl FnOnce(&mut Driver) -> Result<T>) -> Result<T> {
        self.at_home()?;
        // The driver records every step before it goes on, so a panic leaves nothing half done.
        let mut driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner);
        driver.as_mut().map_or_else(|| Err(self.elsewhere()), step)
    }

    /// Asked before any lock: one that another thread held during a fork is held for ever.
    fn at_home(&self) -> Result<()> {
        if std::process::id() == self.home {
            return Ok(());
        }
        Err(self.elsewhere())
    }

    fn elsewhere(&self) -> Error {
        let message = format!(
            "run {} is driven by process {}, which this one was forked from",
            self.run_id, self.home
        );
        Error::new(Code::Usage, message).hint("answer its calls in the process that started it")
    }

    /// Drops the driver, unless it is at work, for those who cannot leave that to the end of the
    /// session: it may wait for the lock of a claim. The run is left as by a driver that died. In a
    /// forked copy this closes what it has of the run's locks, which it would else keep when the
    /// process that drives has died.
    pub fn let_go(&self) {
        if let Ok(mut driver) = self.driver.try_lock() {
            drop(driver.take());
        }
    }

    /// The id of the run.
    #[must_use]
    pub fn run_id(&self) -> String {
        self.run_id.to_string()
    }

    /// The next call a worker has to answer, or nothing at the end of the run. May take minutes.
    ///
    /// # Errors
    /// `E_USAGE` while a call is unanswered; storage errors that could not be recorded.
    pub fn next_call(&self) -> Result<Option<String>> {
        self.drive(|driver| driver.next_call()?.map(|call| print(&call)).transpose())
    }

    /// Answers a call: `{"reply": object or text}` or `{"fail": {"kind", "message", "retry_at"}}`,
    /// each with an optional `usage` beside it.
    ///
    /// # Errors
    /// `E_CALL_LATE` after the deadline or the stop, `E_USAGE` for an unusable answer.
    pub fn reply(&self, call_id: &str, reply: &str) -> Result<()> {
        let reply: Answered = parse("reply", reply)?;
        self.drive(|driver| driver.reply(call_id, reply))
    }

    /// Where the run stands; answers at once, even while another thread waits for a call.
    ///
    /// # Errors
    /// `E_USAGE` in a forked copy, `E_INTERNAL`.
    pub fn outcome(&self) -> Result<String> {
        self.at_home()?;
        print(&Outcome::new(self.run_id.clone(), &self.latest.get()))
    }

    /// Stops the run, for the cause `signal` or `stop_request`; nothing happens to a stopped run.
    ///
    /// # Errors
    /// `E_USAGE` for another cause; storage errors.
    pub fn stop(&self, cause: &str) -> Result<()> {
        let cause: StopCause = parse("stop", &format!("\"{cause}\""))?;
        self.at_home()?;
        // Only the first word counts, as only the first stop does.
        let _known = self.cancel_cause.set(cause);
        self.cancel.cancel();
        self.drive(|driver| driver.interrupt(cause))
    }

    /// Leaves the run; one that has not ended is stopped as interrupted.
    ///
    /// # Errors
    /// Storage errors.
    pub fn close(&self) -> Result<()> {
        self.cancel.cancel();
        self.drive(|driver| {
            let stopped = driver.interrupt(StopCause::Signal);
            // A stop that cannot be recorded must not keep the run, its tree and its claim: the run
            // is left as by a driver that died, and a resume takes it up.
            driver.leave();
            stopped
        })
    }

    /// Calls `listener` once when the run may not go on under its claim: another run has the target,
    /// or an exit signal was recorded. An answer to an open call comes too late then.
    pub fn on_claim_end(&self, listener: impl FnOnce(&Error) + Send + 'static) {
        // A forked copy has no claim that could end.
        drop(self.drive(|driver| {
            driver.on_claim_end(listener);
            Ok(())
        }));
    }

    /// Asks a blocked `next_call` or `reply` to return soon: the run stops as interrupted.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

/// Runs a command line in this process and returns its exit status. `argv` is without the
/// program's name; `self_command` starts a child runr process; raising `cancel` stops the command,
/// and with it a run as interrupted. Signals stay the host program's.
#[must_use]
pub fn main(argv: &[String], self_command: Vec<String>, cancel: CancelFlag) -> i32 {
    let host = host(self_command, cancel);
    i32::from(crate::main(argv, &host, &Console::standard()))
}

/// Runs a command line as an installed command does and returns its exit status: SIGINT and
/// SIGTERM stop the run first and become 130 and 143. For a process that ends right after.
#[must_use]
pub fn entry(argv: &[String], self_command: Vec<String>) -> i32 {
    i32::from(crate::entry(argv, &Host::of_process(self_command)))
}

/// Runs a command line and returns `{"exit", "json", "stderr"}`; otherwise like [`main`].
#[must_use]
pub fn run_command(argv: &[String], self_command: Vec<String>, cancel: CancelFlag) -> String {
    crate::run_command(argv, &host(self_command, cancel)).to_string()
}

fn host(self_command: Vec<String>, cancel: CancelFlag) -> Host {
    Host {
        cancel,
        ..Host::of_process(self_command)
    }
}
