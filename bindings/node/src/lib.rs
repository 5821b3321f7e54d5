//! The native half of the npm package `runr`: text in, text out. `index.cjs` is the typed front.
//!
//! Every answer is one JSON envelope, `{"value": ..}` or `{"class": .., "error": {..}}`, so an
//! operation crosses the border once and errors keep all their fields on every path.

mod cancellation;
mod envelope;
mod guard;
mod promise;
mod session;

use napi::Env;
use napi::bindgen_prelude::{AsyncTask, Either, Object};
use napi_derive::napi;
use runr_cli::embed;
use runr_core::fs::CancelFlag;

pub use cancellation::Cancellation;
pub use guard::Guard;
pub use session::Session;

/// The version of runr.
#[napi]
pub fn version() -> &'static str {
    runr_core::VERSION
}

/// The names of all operations, as they stand in the table (snake_case).
#[napi]
pub fn operations() -> Vec<&'static str> {
    embed::operations().to_vec()
}

/// Runs one operation and blocks.
#[napi]
pub fn call(name: String, args: String) -> String {
    envelope::json(|| embed::call(&name, &args))
}

/// Runs one operation off the event loop. What may wait for a lock has threads of its own:
/// the few threads of the pool belong to the file calls of the host program too.
#[napi(ts_return_type = "Promise<string>")]
pub fn call_async(
    env: &Env,
    name: String,
    args: String,
) -> napi::Result<Either<AsyncTask<Operation>, Object<'_>>> {
    let operation = Operation { name, args };
    if embed::may_wait(&operation.name) {
        return promise::in_turn(env, move || operation.run()).map(Either::B);
    }
    Ok(Either::A(AsyncTask::new(operation)))
}

/// Runs one operation that may take minutes, until it is done or cancelled.
#[napi(ts_return_type = "Promise<string>")]
pub fn call_until<'env>(
    env: &'env Env,
    name: String,
    args: String,
    cancellation: &Cancellation,
) -> napi::Result<Object<'env>> {
    let cancel = cancellation.flag();
    promise::on_own_thread(env, move || {
        envelope::json(|| embed::call_until(&name, &args, cancel))
    })
}

/// One operation on its way to another thread.
pub struct Operation {
    name: String,
    args: String,
}

impl Operation {
    fn run(&self) -> String {
        envelope::json(|| embed::call(&self.name, &self.args))
    }
}

impl napi::Task for Operation {
    type Output = String;
    type JsValue = String;

    fn compute(&mut self) -> napi::Result<String> {
        Ok(self.run())
    }

    fn resolve(&mut self, _env: Env, output: String) -> napi::Result<String> {
        Ok(output)
    }
}

/// Runs a command line in this process; resolves to an envelope with the exit status.
#[napi(ts_return_type = "Promise<string>")]
pub fn main(env: &Env, argv: Vec<String>, self_command: Vec<String>) -> napi::Result<Object<'_>> {
    promise::on_own_thread(env, move || {
        envelope::json(|| Ok(embed::main(&argv, self_command, CancelFlag::default()).to_string()))
    })
}

/// The installed command: takes the signals of this process; resolves like `main`.
#[napi(ts_return_type = "Promise<string>")]
pub fn entry(env: &Env, argv: Vec<String>, self_command: Vec<String>) -> napi::Result<Object<'_>> {
    promise::on_own_thread(env, move || {
        envelope::json(|| Ok(embed::entry(&argv, self_command).to_string()))
    })
}

/// Runs a command line; resolves to an envelope with `{exit, json, stderr}`.
#[napi(ts_return_type = "Promise<string>")]
pub fn run_command(
    env: &Env,
    argv: Vec<String>,
    self_command: Vec<String>,
) -> napi::Result<Object<'_>> {
    promise::on_own_thread(env, move || {
        envelope::json(|| {
            Ok(embed::run_command(
                &argv,
                self_command,
                CancelFlag::default(),
            ))
        })
    })
}
