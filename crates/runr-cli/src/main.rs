//! The `runr` command.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use runr_cli::{Console, Host};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

fn main() -> ExitCode {
    let program = std::env::current_exe()
        .ok()
        .and_then(|path| path.into_os_string().into_string().ok());
    let host = Host::of_process(program.into_iter().collect());
    runr_cli::leave_terminal(&host);
    let received = listen(&host);
    let argv: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let status = runr_cli::main(&argv, &host, &Console::standard());
    let terminated =
        status == 130 && received.load(Ordering::Relaxed) == usize::try_from(SIGTERM).unwrap_or(15);
    ExitCode::from(if terminated { 143 } else { status })
}

/// The first SIGINT or SIGTERM asks for a clean stop, the second one ends the process at once.
/// SIGHUP is ignored by a detached run; a full disk quota is an error, not a signal.
fn listen(host: &Host) -> Arc<AtomicUsize> {
    let received = Arc::new(AtomicUsize::new(0));
    let asked = host.cancel.shared();
    for signal in [SIGINT, SIGTERM] {
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
    let ignored = Arc::new(std::sync::atomic::AtomicBool::new(false));
    if host.var("RUNR_DETACHED_LOG").is_some() {
        drop(signal_hook::flag::register(SIGHUP, ignored.clone()));
    }
    drop(signal_hook::flag::register(SIGXFSZ, ignored));
    received
}
