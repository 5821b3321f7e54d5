//! What only an installed command does: it leaves the terminal, listens to signals and maps them
//! to exit statuses. Library code never does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

use crate::commands::{INTERRUPTED, leave_terminal};
use crate::host::Host;
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
    let received = listen(host);
    let status = crate::main(argv, host, &Console::standard());
    let terminated = usize::try_from(SIGTERM).is_ok_and(|n| received.load(Ordering::Relaxed) == n);
    match status {
        INTERRUPTED if terminated => TERMINATED,
        status => status,
    }
}

/// The first SIGINT, SIGTERM or SIGHUP asks for a clean stop, the second one ends the process at
/// once. SIGHUP is ignored by a detached run; a full disk quota is an error, not a signal.
fn listen(host: &Host) -> Arc<AtomicUsize> {
    let received = Arc::new(AtomicUsize::new(0));
    let asked = host.cancel.shared();
    // A terminal that goes away stops a run in the foreground; a detached run does not care.
    let detached = host.var("RUNR_DETACHED_LOG").is_some();
    let hangup = if detached { None } else { Some(SIGHUP) };
    for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
        let number = usize::try_from(signal).unwrap_or(0);
        // Registration fails only for signals that cannot be caught; then the default action stays.
        drop(signal_hook::flag::register_conditional_shutdown(
            signal,
            128 + signal,
            asked.clone(),
        ));
        drop(signal_hook::flag::register_usize(
            signal,
            received.clone(),
            number,
        ));
        drop(signal_hook::flag::register(signal, asked.clone()));
    }
    let ignored = Arc::new(AtomicBool::new(false));
    if detached {
        drop(signal_hook::flag::register(SIGHUP, ignored.clone()));
    }
    drop(signal_hook::flag::register(SIGXFSZ, ignored));
    received
}
