//! The command line: parse, call, print. One file per command, and no decision in any of them.

mod approve;
mod call;
mod cli;
mod conclusion;
mod detach;
mod doctor;
mod init;
mod owner;
mod prep;
mod report;
mod resume;
mod run;
mod status;
mod store;
mod submit;
mod task;
mod trust;

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use clap::error::ErrorKind;
use clap::{ColorChoice, Parser};
use runr_core::{Code, Error};
use serde_json::{Value, json};

use crate::host::Host;
use crate::output::Console;
use cli::{Cli, Color, Command, Global};

pub(crate) use detach::leave_terminal;

/// Exit status of a command that was interrupted by SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;
/// Exit status of a command that did its work, but could not print the result.
const UNPRINTED: u8 = 5;

/// A command with everything it needs.
pub(crate) struct Invocation<'a> {
    pub(crate) host: &'a Host,
    pub(crate) console: Console,
    pub(crate) root: camino::Utf8PathBuf,
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
}

impl<'a> Invocation<'a> {
    /// `repo_is_root`: whether `--repo` names a directory here.
    fn new(host: &'a Host, console: Console, global: Global, repo_is_root: bool) -> Self {
        let repo = global.repo.filter(|_| repo_is_root).map(Into::into);
        Self {
            host,
            console,
            root: global.root.or(repo).unwrap_or_else(|| ".".into()),
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
        }
    }

    /// A figure for those who asked for it.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbose {
            self.console.say(text);
        }
    }
}

/// Runs the command line in this process and returns the exit status. `argv` is without the
/// program's name.
#[must_use]
pub fn main(argv: &[String], host: &Host, console: &Console) -> u8 {
    let console = &console.clone().hiding(host.secrets());
    if let Some((global, words)) = cli::compat_words(argv) {
        let invocation = Invocation::new(host, console.clone(), global, false);
        return owner::compat::execute(&invocation, &words);
    }
    let words = std::iter::once("runr").chain(argv.iter().map(String::as_str));
    let parsed = match Cli::try_parse_from(words) {
        Ok(parsed) => parsed,
        Err(problem) => return explain(&problem, argv, host, console),
    };
    let console = console
        .clone()
        .with_color(use_color(parsed.global.color, host));
    let json = parsed.global.json;
    let is_owner = matches!(parsed.command, Command::Owner(_));
    let invocation = Invocation::new(host, console.clone(), parsed.global, !is_owner);
    let result = match parsed.command {
        Command::Init(args) => init::execute(&invocation, &args),
        Command::Run(args) => run::execute(&invocation, args, argv),
        Command::Status(args) => status::execute(&invocation, &args),
        Command::Task(args) => task::execute(&invocation, &args),
        Command::Resume(args) => resume::execute(&invocation, args, argv),
        Command::Approve(args) => approve::execute(&invocation, &args),
        Command::Report(args) => report::execute(&invocation, &args),
        Command::Submit(args) => submit::execute(&invocation, &args),
        Command::Trust(args) => trust::execute(&invocation, &args),
        Command::Prep(args) => prep::execute(&invocation, &args),
        Command::Owner(args) => owner::execute(&invocation, &args),
        Command::Store(args) => store::execute(&invocation, &args),
        Command::Doctor(args) => doctor::execute(&invocation, &args),
        Command::Call(args) => call::execute(&invocation, &args),
    };
    let status = result.unwrap_or_else(|error| print_error(&console, &error, json));
    if console.has_failed() && status == 0 {
        UNPRINTED
    } else {
        status
    }
}

/// Prints an error in the form asked for and returns its exit status.
pub(crate) fn print_error(console: &Console, error: &Error, json: bool) -> u8 {
    if json {
        console.error_json(error);
    } else {
        console.error(error);
    }
    error.code().exit()
}

fn explain(problem: &clap::Error, argv: &[String], host: &Host, console: &Console) -> u8 {
    if matches!(
        problem.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        console.line(problem.render().to_string().trim_end());
        return 0;
    }
    let text = problem.render().to_string();
    let message = text.trim_start_matches("error: ").trim_end();
    let error = Error::new(Code::Usage, message).hint("runr --help");
    let json = argv
        .iter()
        .take_while(|word| *word != "--")
        .any(|word| word == "--json");
    print_error(
        &console.clone().with_color(use_color(Color::Auto, host)),
        &error,
        json,
    )
}

fn use_color(choice: Color, host: &Host) -> bool {
    use std::io::IsTerminal;
    if host.var("NO_COLOR").is_some() {
        return false;
    }
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto
            if host
                .var("FORCE_COLOR")
                .or(host.var("CLICOLOR_FORCE"))
                .is_some_and(|v| v != "0") =>
        {
            true
        }
        Color::Auto => io::stderr().is_terminal() && host.var("TERM") != Some("dumb"),
    }
}

impl Color {
    /// Clap's own help is never coloured: it is often piped into a pager.
    const HELP: ColorChoice = ColorChoice::Never;
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The words of a command that is to print JSON. What stands behind `--` is another command's.
fn as_json(argv: &[String]) -> Vec<String> {
    let own = argv.iter().position(|word| word == "--");
    let own = own.unwrap_or(argv.len());
    let mut words = argv.to_vec();
    if !words[..own].iter().any(|word| word == "--json") {
        words.insert(own, "--json".to_owned());
    }
    words
}

/// Runs a command with `--json` and returns `{exit, json, stderr}`: the library twin of every
/// command. `json` is the printed document, an array for several lines, or `null`.
#[must_use]
pub fn run_command(argv: &[String], host: &Host) -> Value {
    let (out, err) = (Captured::default(), Captured::default());
    let console = Console::new(Box::new(out.clone()), Box::new(err.clone()));
    let exit = main(&as_json(argv), host, &console);
    json!({"exit": exit, "json": read_documents(&out.text()), "stderr": err.text()})
}

fn read_documents(text: &str) -> Value {
    let documents: std::result::Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text)
        .into_iter::<Value>()
        .collect();
    match documents {
        Ok(mut documents) if documents.len() == 1 => documents.remove(0),
        Ok(documents) if documents.is_empty() => Value::Null,
        Ok(documents) => Value::Array(documents),
        Err(_) => Value::Null,
    }
}
