//! The `runr` command.

use std::process::ExitCode;

use runr_cli::Host;

fn main() -> ExitCode {
    let program = std::env::current_exe()
        .ok()
        .and_then(|path| path.into_os_string().into_string().ok());
    let argv: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let host = Host::of_process(program.into_iter().collect());
    ExitCode::from(runr_cli::entry(&argv, &host))
}
