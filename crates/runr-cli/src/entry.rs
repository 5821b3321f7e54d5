//! What only an installed command does: it leaves the terminal, listens to signals and maps them
//! to exit statuses. Library code never does.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::SigId;
use signal_hook::consts::{
    SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGXFSZ,
};
use signal_hook::low_level::{emulate_default_handler, unregister};

use crate::commands::{INTERRUPTED, leave_terminal};
use crate::host::{Host, Signals};
use crate::output::Console;

/// Exit status of a command that was ended by SIGTERM.
const TERMINATED: u8 = 143;

/// Runs the command line as the whole purpose of this process and returns its exit status: like
/// [`main`](crate::main), but SIGINT and SIGTERM stop the run first and end it with 130 and 143.
///
/// The handlers stay installed, so this is for a process that ends right after.
#[must_use]
pub fn entry(argv: &[String], host: &Host) -> u8 {
    // Tables draw their keys from the system once, and the standard library panics when it gives
    // none. Here nothing has been done yet; later something may have been.
    std::hint::black_box(std::hash::RandomState::new());
    leave_terminal(host);
    let listener = Arc::new(listen(host));
    let host = Host {
        signals: Some(listener.clone()),
        ..host.clone()
    };
    let status = crate::main(argv, &host, &Console::standard());
    match status {
        INTERRUPTED if listener.was_terminated() => TERMINATED,
        status => status,
    }
}

/// Who hears the signals of this process.
#[derive(Debug)]
struct Listener {
    /// The last signal that asked for an end.
    received: Arc<AtomicUsize>,
    /// What was registered for those; empty once they are kept for somebody else.
    handlers: Mutex<Vec<SigId>>,
    kept: [(i32, Arc<AtomicBool>); PASSED_ON.len()],
}

/// What a command that stands for another one passes on to it.
const PASSED_ON: [i32; 8] = [
    SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT,
];

/// The first SIGINT, SIGTERM or SIGHUP asks for a clean stop, the second one ends the process at
/// once. SIGHUP is ignored by a detached run; a full disk quota is an error, not a signal.
fn listen(host: &Host) -> Listener {
    let received = Arc::new(AtomicUsize::new(0));
    let asked = host.cancel.shared();
    // A terminal that goes away stops a run in the foreground; a detached run does not care.
    let detached = host.var("RUNR_DETACHED_LOG").is_some();
    let hangup = if detached { None } else { Some(SIGHUP) };
    let mut handlers = Vec::new();
    for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
        let number = usize::try_from(signal).unwrap_or(0);
        // Registration fails only for signals that cannot be caught; then the default action stays.
        handlers.extend(signal_hook::flag::register_conditional_shutdown(
            signal,
            128 + signal,
            asked.clone(),
        ));
        handlers.extend(signal_hook::flag::register_usize(
            signal,
            received.clone(),
            number,
        ));
        handlers.extend(signal_hook::flag::register(signal, asked.clone()));
    }
    let ignored = Arc::new(AtomicBool::new(false));
    if detached {
        drop(signal_hook::flag::register(SIGHUP, ignored.clone()));
    }
    drop(signal_hook::flag::register(SIGXFSZ, ignored));
    Listener {
        received,
        handlers: Mutex::new(handlers),
        kept: PASSED_ON.map(|signal| (signal, Arc::default())),
    }
}

impl Listener {
    fn was_terminated(&self) -> bool {
        usize::try_from(SIGTERM).is_ok_and(|n| self.received.load(Ordering::Relaxed) == n)
    }
}

impl Signals for Listener {
    fn keep(&self) {
        for (signal, kept) in &self.kept {
            drop(signal_hook::flag::register(*signal, kept.clone()));
        }
        let mut handlers = self.handlers.lock().unwrap_or_else(PoisonError::into_inner);
        for handler in handlers.drain(..) {
            unregister(handler);
        }
    }

    fn pass_on(&self, to: &dyn Fn(i32)) {
        for (signal, kept) in &self.kept {
            if kept.swap(false, Ordering::SeqCst) {
                to(*signal);
                if *signal == SIGTSTP {
                    // Fails only for signals that have no default action.
                    drop(emulate_default_handler(SIGTSTP));
                }
            }
        }
    }
}
