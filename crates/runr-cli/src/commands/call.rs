//! `runr call`: the command-line twin of every library function.

use std::io::Read;

use runr_core::{Code, Error, Result};

use super::Invocation;
use super::cli::CallArgs;
use crate::operations;

pub(crate) fn execute(call: &Invocation<'_>, args: &CallArgs) -> Result<u8> {
    let result = read_arguments()
        .and_then(|arguments| operations::call(call.host, &args.function, &arguments));
    match result {
        Ok(value) => {
            call.console.line(value.text());
            Ok(0)
        }
        // Programs call this: an error is JSON whether asked for or not, and one line like a result.
        Err(error) => {
            call.console.json_line(&error.to_json());
            Ok(error.code().exit())
        }
    }
}

fn read_arguments() -> Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|e| Error::new(Code::Usage, format!("cannot read standard input: {e}")))?;
    Ok(if text.trim().is_empty() {
        "{}".to_owned()
    } else {
        text
    })
}
